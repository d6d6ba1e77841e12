"""A session: what one device's link is to the application, whichever wire it comes by and however often it is cut."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from cloud_bridge.ingest.base import Device, Effect, NotNow
from cloud_bridge.ingest.held import Held
from edge.wire import mien_pb2
from edge.wire.check import VERSION, check, new_id

if TYPE_CHECKING:
    from cloud_bridge.ingest.sessions import Sessions

log = logging.getLogger(__name__)

_POISON = 5  # times that the application may fail on one envelope before it is refused


class ApplicationFailed(Exception):  # noqa: N818
    """The application could not take an envelope; the connection is to be cut, so that the device sends it again."""


class Connection(Protocol):
    """One connection of a device: a gRPC stream, or a hello by MQTT."""

    batch_bytes: int
    """How large a batch of envelopes it takes; 0: none."""
    alive: bool
    """False once it ended."""

    async def send(self, downlink: mien_pb2.Downlink) -> None:
        """Send, or raise ConnectionError when the connection is gone or does not move."""

    def post(self, downlink: mien_pb2.Downlink) -> None:
        """Send something small without waiting, or raise ConnectionError."""

    def close(self, reason: str) -> None:
        """End it; called when a newer connection of the device takes over."""


class Session:
    """One device session; the `Link` that the application holds."""

    def __init__(self, sessions: Sessions, device: Device) -> None:
        self.device = device
        self.id = new_id()
        self.ended = False
        self._leaving = False
        self._all = sessions
        self._who = f"{device.tenant}/{device.id}"
        self._taking = asyncio.Lock()  # one call into the application at a time
        self._sending = asyncio.Lock()  # chunks leave in the order of `send`
        self._connection: Connection | None = None
        self._replies = 0
        self._cancelled = 0
        self._held = Held()
        self._failures: Counter[tuple[int, int]] = Counter()
        self._grace: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._left = False  # the application was told that the device is gone

    # ------------------------------------------------------------ the application's side: Link

    def next_reply(self) -> int:
        """See `base.Link`."""
        self._replies += 1
        return self._replies

    async def send(self, reply: mien_pb2.Reply) -> None:
        """See `base.Link`."""
        if self.ended or (reply.turn and reply.turn <= self._cancelled):
            self._all.counts["reply_chunks_dropped"] += 1
            return
        async with self._sending:
            self._held.add(reply)
            await self._push(mien_pb2.Downlink(reply=reply))

    async def command(self, command: mien_pb2.Command) -> None:
        """See `base.Link`."""
        await self._push(mien_pb2.Downlink(command=command))

    # ------------------------------------------------------------ the ingest's side

    async def begin(self) -> None:
        """Tell the application. Raises ApplicationFailed where it cannot take the device: there is no session then."""
        async with self._taking:
            try:
                await self._all.handler.connected(self.device, self)
            except Exception as error:  # the application is not ours; its message may hold words
                self.ended = True
                self._all.counts["handler_failed"] += 1
                log.error("the application could not take %s: %s", self._who, type(error).__name__)
                await self._leave()  # what it did of it is undone
                if self._connection is not None:
                    self._connection.close("the session could not begin: come again")
                raise ApplicationFailed(f"the application failed ({type(error).__name__}): come again") from None

    async def attach(self, hello: mien_pb2.Hello, connection: Connection) -> None:
        """Go on over `connection`; an older one is closed."""
        async with self._taking:  # a second connection may come while the application still takes note of the first
            if self.ended:
                raise ApplicationFailed("the session ended meanwhile: come again")
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if self._connection is not None:
            self._connection.close("a newer connection of this device took over")
        if hello.cancelled_turn > self._cancelled:
            await self.cancel(hello.cancelled_turn)
        resumed = hello.resume_session == self.id
        async with self._sending:
            if self.ended:  # while it waited: on a session that takes nothing any more the device would wait for ever
                raise ApplicationFailed("the session ended meanwhile: come again")
            if not connection.alive:  # it ended while it waited here
                return
            self._connection = connection
            await self._push(
                mien_pb2.Downlink(
                    welcome=mien_pb2.Welcome(
                        v=VERSION,
                        bridge=self._all.bridge,
                        session=self.id,
                        resumed=resumed,
                        batch_bytes=connection.batch_bytes,
                    )
                )
            )
            missing = (hello.resume_reply, hello.resume_chunk) if resumed else (0, 0)
            replies, expired = self._held.since(missing)
            self._all.counts["reply_chunks_expired"] += expired
            for reply in replies:
                await self._push(mien_pb2.Downlink(reply=reply))

    async def take(self, uplink: mien_pb2.Uplink) -> None:
        """Handle one packet after the hello. Not to be cancelled: what the application began has to be recorded."""
        body = uplink.WhichOneof("body")
        if body == "envelope":
            await self._take_envelope(uplink)
        elif body == "batch":
            for packet in uplink.batch.packet:
                if packet.WhichOneof("body") == "envelope":
                    await self._take_envelope(packet)
                else:
                    self._all.counts["malformed"] += 1
        elif body == "cancel":
            await self.cancel(uplink.cancel.turn)
        elif body == "received":
            self._held.release((uplink.received.reply, uplink.received.chunk))

    async def cancel(self, turn: int) -> None:
        """The person spoke again."""
        if turn <= self._cancelled:
            return
        self._cancelled = turn
        self._held.cancel(turn)
        async with self._taking:
            await self._tell(self._all.handler.cancelled(self.device, turn))

    def acknowledge(self, boot: int, seqs: list[int]) -> None:
        """These envelopes are on disk."""
        self._all.counts["acked"] += len(seqs)
        if (connection := self._connection) is not None:
            try:
                connection.post(mien_pb2.Downlink(ack=mien_pb2.Ack(boot=self._short(boot), seq=seqs)))
            except ConnectionError:
                self.cut(connection)

    def cut(self, connection: Connection) -> None:
        """`connection` is gone; the session ends unless the device comes back in time."""
        if self.ended or self._connection not in (connection, None):
            return
        self._connection = None
        if self._grace is None:
            self._grace = asyncio.create_task(self._expire(), name=f"grace {self.device.id}")

    async def end(self) -> None:
        """End the session; returns when the application was told. Idempotent, from several tasks at once, too."""
        self.ended = True
        if self._grace is not None and self._grace is not asyncio.current_task():
            self._grace.cancel()
        if self._connection is not None:
            self._connection.close("the session ended")
            self._connection = None
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"end {self.device.id}")
        await asyncio.shield(self._ending)  # begun is done, even if who asked for it is gone

    # ------------------------------------------------------------ inside

    async def _end(self) -> None:
        async with self._taking:
            await self._leave()

    async def _leave(self) -> None:
        """Tell the application that the device is gone, and only then let a new session of it begin: two at once would
        be one to the application. `_taking` is held."""
        if not self._left:
            self._left = True
            try:
                await self._tell(self._all.handler.disconnected(self.device))
            finally:
                self._all.forget(self)

    async def _tell(self, call: Awaitable[None]) -> None:
        """The application is not ours: its failure must not end the link, and its message may hold words."""
        try:
            await call
        except Exception as error:
            self._all.counts["handler_failed"] += 1
            log.error("the application failed on a change of the link of %s: %s", self._who, type(error).__name__)

    async def _expire(self) -> None:
        await asyncio.sleep(0 if self._leaving else self._all.grace_s)
        await self.end()

    async def _take_envelope(self, uplink: mien_pb2.Uplink) -> None:
        envelope, counts = uplink.envelope, self._all.counts
        boot, seq = envelope.boot, envelope.seq
        counts["received"] += 1
        if (reason := check(envelope, self.device.id)) is not None:
            await self._refuse(boot, seq, reason)
            return
        async with self._taking:
            if self.ended:  # what waited here while the session ended is not taken: its record would come too late
                return
            effect: Effect | None = None
            if self._all.dedupe.seen(self._who, boot, seq):
                counts["duplicates"] += 1
                if self._all.dedupe.failed is not None:  # it waits for the disk already, and is acknowledged then
                    return
            elif uplink.after_seq and not self._all.dedupe.seen(self._who, uplink.after_boot or boot, uplink.after_seq):
                counts["out_of_order"] += 1
                await self._push(mien_pb2.Downlink(missing=mien_pb2.Missing(seq=seq, boot=self._short(boot))))
                return
            else:
                try:
                    effect = await self._all.handler.received(self.device, envelope)
                except NotNow as error:
                    counts["put_off"] += 1
                    raise ApplicationFailed(f"not now ({error}): send again") from None
                except Exception as error:  # the application is not ours; its message may hold words
                    counts["handler_failed"] += 1
                    cause = type(error).__name__
                    log.error("the application failed on an envelope of %s: %s", self._who, cause)
                    self._failures[boot, seq] += 1
                    if self._failures[boot, seq] < _POISON:
                        raise ApplicationFailed(f"the application failed ({cause}): send again") from None
                    await self._refuse(boot, seq, "poison")
                else:
                    counts["taken"] += 1
                    self._failures.pop((boot, seq), None)
        self._all.dedupe.record(self._who, boot, seq, effect, partial(self._all.acks.kept, self, boot, seq))
        if envelope.kind == mien_pb2.GOODBYE and boot == self.device.boot:
            self._leaving = True  # the device hangs up once it has the acknowledgement

    async def _refuse(self, boot: int, seq: int, reason: str) -> None:
        self._all.counts[f"refused_{reason}"] += 1
        refused = mien_pb2.Refused(seq=seq, boot=self._short(boot), reason=reason)
        await self._push(mien_pb2.Downlink(refused=refused))

    def _short(self, boot: int) -> int:
        return 0 if boot == self.device.boot else boot

    async def _push(self, downlink: mien_pb2.Downlink) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            await connection.send(downlink)
        except ConnectionError:
            self.cut(connection)
