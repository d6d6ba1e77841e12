"""A TCP proxy that cuts, delays, stalls and mangles: a bad network between two honest ends."""

from __future__ import annotations

import asyncio
import contextlib
import random

from tests.sim.bridge import Loop


class Chaos:
    """Listens on `port` and passes on to `target`.

    `delay_s` holds every piece back; `loss` is the chance that a piece costs a TCP retransmission time on top;
    `stalled` True takes connections and passes nothing on (half-open); `refusing` True hangs up on new connections.
    `cut()` breaks every connection now. Times and losses come from `seed`.
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target = target
        self.delay_s = 0.0
        self.loss = 0.0
        self.stalled = False
        self.refusing = False
        self.cuts = 0
        self._rng = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = Loop()
        self._server: asyncio.Server = self._loop.run(asyncio.start_server(self._take, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._loop.run(self._cut())

    def close(self) -> None:
        self._server.get_loop().call_soon_threadsafe(self._server.close)
        self.cut()
        self._loop.close()

    async def _cut(self) -> None:
        self.cuts += 1
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in pair:
                self._writers.discard(one)
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due_s, data = await pieces.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                while self.stalled:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                if not data:
                    raise ConnectionResetError
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            while not delivering.done():
                data = await reader.read(16_384)
                late_s = 0.2 if self._rng.random() < self.loss else 0.0
                await pieces.put((loop.time() + self.delay_s + late_s, data))
                if not data:
                    await delivering
        finally:
            delivering.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await delivering
