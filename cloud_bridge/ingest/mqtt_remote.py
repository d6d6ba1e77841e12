"""One device beyond a broker, from its hello until the next one or the end, as a session's connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from cloud_bridge.ingest.base import NotNow
from cloud_bridge.ingest.identity import Rejected
from cloud_bridge.ingest.session import ApplicationFailed, Session
from edge.wire import mien_pb2, topics
from edge.wire.mqtt import Mqtt, MqttError

if TYPE_CHECKING:
    from cloud_bridge.ingest.mqtt import Server

log = logging.getLogger(__name__)

_REJOIN_S = 5.0  # a packet for a device waits so long for the broker to come back
_QUEUED = 1_024  # packets of one device that wait for the application


class Remote:
    """The conversation that one hello began, as `session.Connection`."""

    batch_bytes = 0  # a message for each envelope: each may expire at the broker

    def __init__(
        self, server: Server, mqtt: Mqtt, tenant: str, device: str, correlation: bytes, *, by_link: bool
    ) -> None:
        self.tenant, self.device, self.correlation = tenant, device, correlation
        self.join(mqtt)
        self._by_link = by_link  # the device speaks MQTT 3.1.1, or this bridge does
        self._server = server
        self._down = topics.down(tenant, device)
        self.alive = True
        self._queue: asyncio.Queue[mien_pb2.Uplink | None] = asyncio.Queue(_QUEUED)  # None: look whether we are alive
        self._task: asyncio.Task[None] | None = None

    def join(self, mqtt: Mqtt) -> None:
        """Speak through this connection to the broker from now on."""
        self.mqtt = mqtt
        self._told = mqtt.told(correlation=self.correlation)

    def begin(self, hello: mien_pb2.Hello) -> None:
        """Start working on what this device sends."""
        self._task = asyncio.create_task(self._work(hello), name=f"mqtt {self.device}")

    def put(self, uplink: mien_pb2.Uplink) -> None:
        """Take a packet; when too many wait it is dropped: the device sends what was not acknowledged again."""
        try:
            self._queue.put_nowait(uplink)
        except asyncio.QueueFull:
            self._server.count("overflow")

    async def send(self, downlink: mien_pb2.Downlink) -> None:
        """See `session.Connection`."""
        packet = self._packed(downlink)
        for _ in range(2):
            try:
                await self.mqtt.publish(self._down, packet, qos=1, correlation=self.correlation)
                return
            except MqttError:  # the broker may be back in a moment, and the device still there
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REJOIN_S):  # `wait_for` may lose the cancellation of a barge-in
                        await self._server.joined.wait()
        raise ConnectionError("the broker is gone")

    def post(self, downlink: mien_pb2.Downlink) -> None:
        """See `session.Connection`."""
        self._server.post(self, downlink)

    def send_now(self, downlink: mien_pb2.Downlink) -> bool:
        """Send where the broker takes more at this moment; whether it did."""
        if not self.mqtt.takes_more:
            return False
        self.mqtt.send(self._down, self._packed(downlink), qos=1, told=self._told)
        return True

    async def say_hello_again(self) -> None:
        """Ask the device to begin anew: this bridge failed on what it sent."""
        with contextlib.suppress(ConnectionError):
            await self.send(begin_anew())

    def close(self, reason: str) -> None:
        """See `session.Connection`."""
        self._server.forget(self)
        self.alive = False
        if not self._queue.full():
            self._queue.put_nowait(None)

    def _packed(self, downlink: mien_pb2.Downlink) -> bytes:
        if self._by_link:
            downlink.link = int.from_bytes(self.correlation[:8], "big")
        return downlink.SerializeToString()

    async def _work(self, hello: mien_pb2.Hello) -> None:
        session: Session | None = None
        try:
            if not await self._server.may_serve(self):
                return
            session = await self._server.open(self, hello)
            while self.alive:
                if (uplink := await self._queue.get()) is not None and self.alive:
                    self._server.check(self)
                    await session.take(uplink)
        except (NotNow, MqttError):  # the device says hello again, or sends again
            self._server.count("put_off")
        except ApplicationFailed:
            await self.say_hello_again()
        except Rejected as error:
            self._server.count("rejected")
            with contextlib.suppress(ConnectionError):
                await self.send(mien_pb2.Downlink(refused=mien_pb2.Refused(reason=str(error))))
        except Exception as error:  # the application is not ours; its message may hold words
            self._server.count("handler_failed")
            log.error("a packet of %s failed: %s", self.device, type(error).__name__)
            await self.say_hello_again()
        finally:
            self.alive = False
            self._server.forget(self)
            if session is not None:
                session.cut(self)


def begin_anew() -> mien_pb2.Downlink:
    """What asks a device for a hello."""
    return mien_pb2.Downlink(missing=mien_pb2.Missing())
