"""Handing over to people: when somebody stays in distress, whoever the settings name is told. Never what was said.

Targets: `https://…` (a POST), `exec:/path/to/program` (the message on its standard input),
`mqtt(s)://[USER@]HOST[:PORT]/TOPIC`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.ingest.base import Device

log = logging.getLogger(__name__)

TONE = "distress"
_TRIES_S = (0.0, 1.0, 5.0)  # waits before each try
_EACH_S = 10.0  # a target that takes longer has failed
_REST_S = 600.0  # between two messages about the same person
_KEPT = 10_000  # people whose turns are counted

Told = Callable[[Device, int, Mapping[str, Any]], None]
"""Called with device, person and what became of a message."""


class Handover:
    """Counts turns in distress; at `after` in a row it tells `target`. `token`: shown to a web target as a bearer, to a
    broker as the user's password.

    Raises SettingError for a target that it cannot reach by its form.
    """

    def __init__(self, target: str, after: int, *, token: str | None = None, told: Told = lambda *_: None) -> None:
        kind = urlsplit(target).scheme
        if kind not in ("http", "https", "exec", "mqtt", "mqtts"):
            raise SettingError(f"handover '{target}': give https://…, exec:/path or mqtt://HOST/TOPIC")
        if urlsplit(target).password is not None:
            raise SettingError(
                "a password in --handover would be seen by everyone here: give MIEN_HANDOVER_TOKEN instead"
            )
        if kind in ("mqtt", "mqtts") and not urlsplit(target).path.strip("/"):
            raise SettingError(f"handover '{target}' names no topic: write mqtt://HOST/TOPIC")
        self._target, self._kind = target, kind
        self._after = after
        self._token = token
        self._told = told
        self._runs: OrderedDict[tuple[str, str, int], tuple[int, float]] = OrderedDict()  # turns in a row, told at
        self._tasks: set[asyncio.Task[None]] = set()

    def turn(self, device: Device, person: int, turn: int, tone: str) -> bool:
        """A turn was answered in `tone`; whether that led to a message."""
        key = (device.tenant, device.id, person)
        count, told_s = self._runs.pop(key, (0, float("-inf")))
        count = count + 1 if tone == TONE else 0
        due = count >= self._after and time.monotonic() - told_s >= _REST_S
        if due:
            told_s = time.monotonic()
        self._runs[key] = count, told_s
        while len(self._runs) > _KEPT:
            self._runs.popitem(last=False)
        if due:
            message = {
                "type": "handover",
                "reason": tone,
                "turns": count,
                "tenant": device.tenant,
                "device": device.id,
                "person": person,
                "turn": turn,
                "at_s": round(time.time(), 3),
            }
            task = asyncio.create_task(self._send(device, message), name="handover")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return due

    async def close(self) -> None:
        """Let what is being told be told, for a moment."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for task in self._tasks:
            task.cancel()

    async def _send(self, device: Device, message: dict[str, Any]) -> None:
        reason = ""
        for wait_s in _TRIES_S:
            await asyncio.sleep(wait_s)
            try:
                async with asyncio.timeout(_EACH_S):
                    await self._once(json.dumps(message))
            except Exception as error:  # whatever a target does, the conversation goes on, and the failure is seen
                # The text of any other error may name a key.
                reason = str(error) if isinstance(error, BridgeError) else type(error).__name__
                log.error("handing over %s failed: %s", device.id, reason[:200])
                continue
            self._told(device, message["person"], {**message, "delivered": True})
            return
        self._told(device, message["person"], {**message, "delivered": False, "failure": reason[:200]})

    async def _once(self, body: str) -> None:
        if self._kind == "exec":
            await _run(self._target.partition(":")[2], body)
        elif self._kind in ("mqtt", "mqtts"):
            await asyncio.to_thread(_publish, self._target, body, self._token)
        else:
            await _post(self._target, body, self._token)


async def _post(url: str, body: str, token: str | None) -> None:
    import httpx

    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    async with httpx.AsyncClient(timeout=_EACH_S) as http:
        answer = await http.post(url, content=body, headers=headers)
    if not answer.is_success:
        raise BridgeError(f"the target answered {answer.status_code}")


async def _run(program: str, body: str) -> None:
    process = await asyncio.create_subprocess_exec(
        program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        await process.communicate(body.encode())
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the group: what it began ends with it
    if process.returncode != 0:
        raise BridgeError(f"{program} ended with {process.returncode}")


def _publish(url: str, body: str, password: str | None) -> None:
    from paho.mqtt import publish

    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    publish.single(
        parts.path.strip("/"),
        body,
        qos=1,
        hostname=parts.hostname or "127.0.0.1",
        port=parts.port or (8883 if tls else 1883),
        auth={"username": parts.username, "password": password} if parts.username else None,
        tls={} if tls else None,
    )
