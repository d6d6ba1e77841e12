"""Server-sent events over HTTP (WHATWG HTML, section 9.2), with the time-outs and errors that all providers share."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx

from cloud_bridge.errors import ProviderBusy, ProviderError, ProviderRefused
from cloud_bridge.providers.base import Usage

CONNECT_S = 3.0
SILENCE_S = 10.0  # longest wait for the next bytes
_END_S = 0.1  # after the last event, how long the end of the body is waited for
_WARM = 64  # connections that stay open: a bridge of thousands of devices has dozens of answers at once
_REASON = 200  # characters
_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_QUOTES_NOBODY = _BUSY | {401, 404}  # about the key, the model or the load; others may be about what was asked


def client(base_url: str, headers: Mapping[str, str], silence_s: float = SILENCE_S) -> httpx.AsyncClient:
    """A client that keeps its connections warm."""
    return httpx.AsyncClient(
        base_url=base_url.rstrip("/") + "/",
        headers=dict(headers),
        timeout=httpx.Timeout(silence_s, connect=CONNECT_S),
        limits=httpx.Limits(max_keepalive_connections=_WARM, keepalive_expiry=120),
    )


@contextmanager
def billed(total: Usage, used: Usage | None) -> Iterator[Usage]:
    """The bill of one request, `unknown` until a count comes; added to both when it is over, however it ended."""
    bill = Usage(requests=1, unknown=1)
    try:
        yield bill
    except ProviderError:
        bill.failures = 1
        raise
    finally:
        for one in (total, used):
            if one is not None:
                one.add(bill)


@asynccontextmanager
async def posted(
    http: httpx.AsyncClient, path: str, body: Mapping[str, Any], what: str
) -> AsyncIterator[httpx.Response]:
    """The open answer to a POST. Tries a second time when nothing of an answer had come: safe, nothing was said yet.

    Raises ProviderBusy or ProviderRefused; the message never holds what was sent.
    """
    for attempt in (1, 2):
        request = http.build_request("POST", path, json=dict(body))
        try:
            answer = await http.send(request, stream=True)
        except httpx.HTTPError as error:
            if attempt == 2:
                raise ProviderBusy(f"{what} cannot be reached at {http.base_url}: {_why(error)}") from error
            await asyncio.sleep(random.uniform(0.02, 0.1))  # noqa: S311
            continue
        if answer.status_code in _BUSY and attempt == 1:
            wait_s = _retry_after_s(answer)
            await answer.aclose()
            if wait_s <= 1.0:
                await asyncio.sleep(wait_s)
                continue
            raise ProviderBusy(f"{what} is busy ({answer.status_code}) and asks to wait {wait_s:.0f} s")
        break
    try:
        if answer.status_code != 200:
            kind = ProviderBusy if answer.status_code in _BUSY else ProviderRefused
            raise kind(f"{what} answered {answer.status_code}: {await _reason(answer)}")
        yield answer
    except httpx.HTTPError as error:
        raise ProviderBusy(f"{what} broke off: {_why(error)}") from error
    finally:
        await answer.aclose()


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """(event name, data) of each event; the name is `message` where none is given. Comments are skipped."""
    name = "message"
    data: list[str] = []
    async for line in answer.aiter_lines():
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    if data:
        yield name, "\n".join(data)


async def rest(found: AsyncIterator[tuple[str, str]]) -> None:
    """Read to the end of an answer that has said all: only then is its connection free for the next request, which is
    spared the handshakes of a new one. An answer that does not end is given up."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_END_S):
            async for _ in found:
                pass


def parsed(data: str, what: str) -> dict[str, Any]:
    """The JSON object of an event. Raises ProviderError."""
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        raise ProviderError(f"{what} sent an event that is not JSON") from error
    if not isinstance(value, dict):
        raise ProviderError(f"{what} sent an event that is no object")
    return value


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return max(0.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        return random.uniform(0.05, 0.2)  # noqa: S311


async def _reason(answer: httpx.Response) -> str:
    """What is wrong. Not in the provider's own words where these may quote what was said."""
    try:
        body = json.loads(await answer.aread())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return answer.reason_phrase
    error = body.get("error", body) if isinstance(body, dict) else None
    if answer.status_code in _QUOTES_NOBODY and isinstance(error, dict) and (text := error.get("message")):
        return " ".join(str(text).split())[:_REASON]
    return reason(body) or answer.reason_phrase


def reason(body: Any) -> str:
    """The kind of the error in `body`, as the provider names it."""
    error = body.get("error", body) if isinstance(body, dict) else None
    names = (error.get("type"), error.get("code")) if isinstance(error, dict) else ()
    return " ".join(str(one) for one in names if one and one != "error")[:_REASON]


def _why(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
