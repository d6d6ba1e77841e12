"""What the bridge serves over HTTP: strangers who hold a connection and ask for nothing are let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cloud_bridge.web import listen as module
from cloud_bridge.web.listen import Listening, listen

_HEAD_S = 1.0
_ASK = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


async def _short(request: Request) -> Response:
    return PlainTextResponse("well")


async def _long(request: Request) -> Response:
    async def beats() -> AsyncIterator[str]:
        for _ in range(3):
            yield "beat\n"
            await asyncio.sleep(_HEAD_S)

    return StreamingResponse(beats())


@pytest.fixture
async def page(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    monkeypatch.setattr(module, "_HEAD_S", _HEAD_S)
    served = await listen(
        Starlette(routes=[Route("/short", _short), Route("/long", _long)]), "127.0.0.1:0", tls=None, secure=True
    )
    yield served
    await served.stop()


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    found = b""
    async with asyncio.timeout(20):
        try:
            while more := await reader.read(4_096):
                found += more
        except ConnectionResetError:
            pass
    return found


@pytest.mark.parametrize("head", [b"", b"GET /short HTTP/1.1\r\nHost: "])
async def test_who_does_not_ask_is_let_go(page: Listening, head: bytes) -> None:
    """Silence, or half a request, holds no descriptor of the bridge for long."""
    reader, writer = await asyncio.open_connection(page.host, page.port)
    writer.write(head)
    assert await _until_closed(reader) == b""
    writer.close()


async def test_who_asked_once_and_then_half_is_let_go(page: Listening) -> None:
    """The first answer buys no connection for ever."""
    reader, writer = await asyncio.open_connection(page.host, page.port)
    writer.write(_ASK % b"short")
    await reader.readuntil(b"well")
    writer.write(b"GET /short HTT")
    assert await _until_closed(reader) == b""
    writer.close()


async def test_a_stream_that_is_long_goes_on(page: Listening) -> None:
    """Who is being answered is not cut, however long it takes."""
    reader, writer = await asyncio.open_connection(page.host, page.port)
    writer.write(_ASK % b"long")
    assert (await _until_closed(reader)).count(b"beat") == 3
    writer.close()


async def test_connections_are_bounded(page: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is closed at once; the others stay."""
    monkeypatch.setattr(module, "_HEAD_S", 60.0)
    monkeypatch.setattr(module, "_MOST", 2)
    first = [await asyncio.open_connection(page.host, page.port) for _ in range(2)]
    for reader, writer in first:  # both are known there by now
        writer.write(_ASK % b"short")
        assert b"200" in await reader.readline()
    reader, writer = await asyncio.open_connection(page.host, page.port)
    assert await _until_closed(reader) == b""
    for one, other in first:
        other.write(_ASK % b"short")
        await one.readuntil(b"200")
        other.close()
    writer.close()
