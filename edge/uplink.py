"""The uplink: one thread with one asyncio loop that brings the outbox to a bridge and the replies back.

It holds one connection. When that breaks, everything unacknowledged is sent again; when a bridge does not answer, the
next URI is tried, be it another bridge or another transport, and after a while the first again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from edge import clock, plugin
from edge.budget import Budget
from edge.errors import MienError, TransportError
from edge.flight import ACK_S, Flight
from edge.identity import Identity
from edge.outbox import Outbox
from edge.renewal import keep_renewed
from edge.reply_cursor import ReplyCursor
from edge.transports.base import TlsFiles, Transport
from edge.wire import mien_pb2
from edge.wire.backoff import Backoff
from edge.wire.batch import batched, packet
from edge.wire.loop import event_loop

log = logging.getLogger(__name__)

T = TypeVar("T")

_AT_ONCE = 64  # envelopes taken from the outbox at a time
RETURN_S = 300.0  # on a spare URI, the first one is tried again after so long
_TICK_S = 0.25
_PACKET_OVERHEAD = 64  # bytes of headers (HTTP/2 or MQTT, TCP, IP) that the budget counts per packet


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the link does now. `reason` names why it is not online, and the mend."""

    name: Literal["stopped", "connecting", "online", "waiting"]
    uri: str = ""
    reason: str = ""


class Uplink:
    """Brings `outbox` to the first of `uris` that answers.

    `on_reply` and `on_command` are called on the uplink's thread and must not wait. `bytes_per_hour` holds back LOW
    envelopes when it is used up (None: no budget). `identity` of an enrolled device is shown, and renewed before it
    runs out. `counts`: sent, sent_again, bytes_up, bytes_down, connects, failures, replies, missing, renewed,
    renew_failed.
    """

    def __init__(
        self,
        outbox: Outbox,
        uris: Sequence[str],
        hello: mien_pb2.Hello,
        *,
        on_reply: Callable[[mien_pb2.Reply], None],
        on_command: Callable[[mien_pb2.Command], None] = lambda command: None,
        tls: TlsFiles | None = None,
        identity: Identity | None = None,
        bytes_per_hour: int | None = None,
        ack_s: float = ACK_S,
        backoff: Backoff | None = None,
    ) -> None:
        self._outbox = outbox
        self._uris = [plugin.Uri.parse(uri) for uri in uris]
        for uri in self._uris:
            plugin.load("edge.transports", uri.scheme)
        self._hello = hello
        self._on_reply = on_reply
        self._on_command = on_command
        self._tls = identity.tls if identity is not None else tls
        self._identity = identity
        self._budget = Budget(bytes_per_hour)
        self._ack_s = ack_s
        self._backoff = backoff or Backoff()
        self._cursor = ReplyCursor()
        self._cancelled = 0
        self._flight = Flight(ack_s)
        self._heard_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._control: asyncio.Queue[mien_pb2.Uplink] = asyncio.Queue()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._drain_s = 0.0
        self.counts: Counter[str] = Counter()
        self.state = LinkState("stopped")

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self._thread.start()
        self._ready.wait()
        self._outbox.on_item(self._ring)

    def stop(self, drain_s: float = 1.0) -> None:
        """Wait at most `drain_s` for what is in the outbox to be acknowledged, if the link is up, and end."""
        if self._thread is None or self._loop is None:
            return
        self._drain_s = drain_s
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def cancel(self, turn: int) -> None:
        """Tell the bridge to stop the reply to `turn` and to all before; told again after a cut. From any thread."""
        self._cancelled = max(self._cancelled, turn)
        packet = _cancel(turn)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._say, packet)

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(self._main())
        self._outbox.on_item(lambda: None)
        self.state = LinkState("stopped")

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        renewing = asyncio.create_task(keep_renewed(self._identity, self.counts), name="renew")
        try:
            await self._keep_connected()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _keep_connected(self) -> None:
        at = 0
        while not self._stop.is_set():
            uri = self._uris[at]
            self.state = LinkState("connecting", uri.shown, self.state.reason)
            began_s = clock.now_s()
            try:
                await self._until_stopped(self._connection(uri, spare=at > 0))
                return
            except _TryFirst:
                at = 0
                continue
            except MienError as error:
                reason = str(error)
            except Exception as error:
                log.exception("the link failed in an unforeseen way")
                reason = f"{uri.shown}: {type(error).__name__}"
            lasted_s = clock.now_s() - began_s if self.state.name == "online" else 0.0
            self.counts["failures"] += 1
            if not lasted_s:
                at = (at + 1) % len(self._uris)
                if not clock.clock_synced():
                    reason += " (this device's clock is not set, so no certificate is valid to it yet)"
            self.state = LinkState("waiting", uri.shown, reason)
            log.info("link: %s", reason)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._backoff.next_s(lasted_s))

    async def _until_stopped(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` until it fails, or until `stop` was called and what can be sent has been."""
        task = asyncio.create_task(work, name="connection")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
            if stopping.done() and self.state.name == "online":
                until_s = clock.now_s() + self._drain_s
                while len(self._outbox) and not task.done() and clock.now_s() < until_s:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            if task.done():
                task.result()
        finally:
            for each in (task, stopping):
                each.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)

    async def _connection(self, uri: plugin.Uri, *, spare: bool) -> None:
        """Connect to `uri` and work until it breaks."""
        hello = mien_pb2.Hello()
        hello.CopyFrom(self._hello)
        hello.cancelled_turn = self._cancelled
        self._cursor.resume(hello)
        transport: Transport = await plugin.load("edge.transports", uri.scheme).connect(uri, hello, tls=self._tls)
        try:
            self._cursor.begin(transport.welcome.session)
            self.counts["connects"] += 1
            self.state = LinkState("online", uri.shown)
            self._heard_s = clock.now_s()
            self._control = asyncio.Queue()
            if self._cancelled > hello.cancelled_turn:  # since the hello was made
                self._control.put_nowait(_cancel(self._cancelled))
            self._wake.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(transport), name="send")
                group.create_task(transport.receive(self._take), name="receive")
                group.create_task(self._watch(spare=spare), name="watch")
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None
        finally:
            self._rewind()
            await transport.close()

    async def _send(self, transport: Transport) -> None:
        while True:
            self._wake.clear()
            while not self._control.empty():
                await self._put(transport, self._control.get_nowait())
            lowest = mien_pb2.LOW if self._budget.left() else mien_pb2.NORMAL
            taken = self._outbox.take(min(_AT_ONCE, self._flight.window - self._outbox.in_flight), lowest)
            self._flight.sent(((envelope.boot, envelope.seq) for envelope, _ in taken), clock.now_s())
            for batch in batched([packet(*one) for one in taken], transport.welcome.batch_bytes):
                await self._put(transport, batch)
            self.counts["sent"] += len(taken)
            if not taken:
                await self._wake.wait()

    async def _put(self, transport: Transport, packet: mien_pb2.Uplink) -> None:
        size = packet.ByteSize() + _PACKET_OVERHEAD
        self.counts["bytes_up"] += size
        self._budget.spend(size)
        await transport.send(packet)

    def _take(self, downlink: mien_pb2.Downlink) -> None:
        self._heard_s = clock.now_s()
        size = downlink.ByteSize() + _PACKET_OVERHEAD
        self.counts["bytes_down"] += size
        self._budget.spend(size)
        match downlink.WhichOneof("body"):
            case "ack":
                self._done(downlink.ack.boot or self._hello.boot, downlink.ack.seq, "acked")
            case "refused":
                refused = downlink.refused
                log.warning("the bridge refuses an envelope for good: %s", refused.reason)
                self._done(refused.boot or self._hello.boot, (refused.seq,), "refused_by_bridge")
            case "missing":
                self._flight.miss(downlink.missing.boot or self._hello.boot, downlink.missing.seq)
                self.counts["missing"] += 1
                self._mend_order()
            case "reply":
                self.counts["replies"] += 1
                if (received := self._cursor.take(downlink.reply)) is not None:
                    self._say(mien_pb2.Uplink(received=received))
                self._call(self._on_reply, downlink.reply)
            case "command":
                self._call(self._on_command, downlink.command)

    async def _watch(self, *, spare: bool) -> None:
        began_s = clock.now_s()
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = clock.now_s()
            if self._flight.late(now_s):
                raise TransportError(
                    f"{self.state.uri}: nothing was acknowledged for {self._ack_s:.0f} s: half-open, or overloaded"
                )
            self._mend_order()
            self._wake.set()  # the budget may have room again
            if spare and now_s - began_s > RETURN_S and now_s - self._heard_s > 10.0:
                raise _TryFirst

    # ------------------------------------------------------------ small steps, on the loop

    def _done(self, boot: int, seqs: Sequence[int], why: str) -> None:
        self._outbox.done(boot, seqs, why=why)
        self._flight.done(boot, seqs, clock.now_s())
        self._wake.set()

    def _mend_order(self) -> None:
        if self._flight.must_mend(clock.now_s()):
            self._rewind()
            self._wake.set()

    def _rewind(self) -> None:
        self.counts["sent_again"] += self._flight.rewind(clock.now_s())
        self._outbox.rewind()

    def _call(self, function: Callable[[T], None], argument: T) -> None:
        try:
            function(argument)
        except Exception as error:  # the link outlives its listeners; a message may hold words
            self.counts["listener_failed"] += 1
            log.error("a listener of the link failed: %s", type(error).__name__)

    def _say(self, packet: mien_pb2.Uplink) -> None:
        if self.state.name == "online":
            self._control.put_nowait(packet)
            self._wake.set()

    def _ring(self) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake.set)


def _cancel(turn: int) -> mien_pb2.Uplink:
    return mien_pb2.Uplink(cancel=mien_pb2.Cancel(turn=turn, mono_ms=round(clock.now_s() * 1_000)))


class _TryFirst(Exception):  # noqa: N818
    """Time to see whether the first URI answers again."""
