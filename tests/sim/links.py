"""A transport's packets one after the other, for tests that look at each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from edge.transports.base import Transport
from edge.wire import mien_pb2


async def downlinks(link: Transport) -> AsyncIterator[mien_pb2.Downlink]:
    """What `link` receives; raises what it raises when it ends."""
    came: asyncio.Queue[mien_pb2.Downlink] = asyncio.Queue()
    receiving = asyncio.create_task(link.receive(came.put_nowait))
    try:
        while True:
            one = asyncio.create_task(came.get())
            await asyncio.wait((one, receiving), return_when=asyncio.FIRST_COMPLETED)
            if not one.done():
                one.cancel()
                receiving.result()
            yield one.result()
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


async def next_from(link: Transport) -> mien_pb2.Downlink:
    """The next packet that `link` receives."""
    async with aclosing(downlinks(link)) as packets:
        return await anext(packets)
