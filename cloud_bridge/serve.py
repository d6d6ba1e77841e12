"""The bridge as one running thing: providers, conversation and ingest are started, and ended in the other order."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloud_bridge import choose, engine, housekeeping, opening, prompt, surfaces
from cloud_bridge.cache import cache_folder
from cloud_bridge.conversation import Conversation
from cloud_bridge.cost import Price
from cloud_bridge.ending import end
from cloud_bridge.erasure import Wish
from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.fleet.fair import FairModel, Gate
from cloud_bridge.handover import Handover
from cloud_bridge.history import History
from cloud_bridge.ingest import grpc, mqtt
from cloud_bridge.ingest.base import Device, Tls
from cloud_bridge.ingest.sessions import Sessions
from cloud_bridge.plan import Report, Tools
from cloud_bridge.presence import Presence
from cloud_bridge.providers.base import LanguageModel
from cloud_bridge.record import Record
from cloud_bridge.settings import Settings, secret, without_tls
from cloud_bridge.speech import Speech
from cloud_bridge.speech_cache import SpeechCache
from cloud_bridge.state import history_file, state_folder
from cloud_bridge.telemetry import Telemetry
from cloud_bridge.tone import TONES

if TYPE_CHECKING:
    from cloud_bridge.authority.authority import Authority

log = logging.getLogger(__name__)

Tell = Callable[..., None]
"""Called with an event's name and its facts; the facts never hold what was said."""

_FIRST_LINES = 12  # prepared before the bridge says that it is ready; the others follow in the background


async def serve(settings: Settings, tell: Tell, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises BridgeError when it cannot begin."""
    began_s = time.monotonic()
    engine.allow_files()
    tls = _tls(settings)
    tokens = _tokens(settings.token_file) if settings.token_file else None
    async with AsyncExitStack() as stack:
        chosen = await asyncio.to_thread(choose.language_model, settings.llm)
        model: LanguageModel = chosen
        stack.push_async_callback(model.close)
        others = None
        if settings.mcp_servers is not None:
            from cloud_bridge.mcp.model import ToolModel
            from cloud_bridge.mcp.others import Others, read

            others = Others(read(settings.mcp_servers))
            stack.push_async_callback(others.stop)
            model = ToolModel(chosen, others)
        if settings.answers:
            model = FairModel(model, Gate(settings.answers))
        voice, spare = await asyncio.to_thread(choose.voice, settings.tts)
        speech = Speech(voice, spare, SpeechCache(cache_folder("speech"))) if voice is not None else None
        if speech is not None:
            stack.push_async_callback(speech.close)

        def told(device: Device, report: Report) -> None:
            facts = asdict(report)
            presence.answered(device, facts)
            told_of = {name: one for name, one in facts.items() if name != "tone"}  # which was felt
            tell("turn", device=device.id, **told_of)
            telemetry.turn(device, report)

        telemetry = Telemetry()
        stack.callback(telemetry.close)
        history = History(history_file(settings.history)) if settings.history != "none" else None
        if history is not None:
            stack.callback(history.close)
        record = Record(history, telemetry)
        handover = _handover(settings, record)
        if handover is not None:
            stack.push_async_callback(handover.close)
        tools = Tools(model, speech, price=Price.parse(settings.price) if settings.price else None)
        conversation = Conversation(tools, told, speculate=settings.speculate, record=record, handover=handover)
        member = None
        if settings.redis is not None:
            from cloud_bridge.fleet.join import join

            member = await join(stack, settings.redis, conversation)
        presence = Presence(member.worker if member is not None else conversation)

        async def erase(wish: Wish) -> dict[str, int]:
            found = await conversation.forget(wish.tenant, wish.device, wish.person)
            presence.forget(wish.tenant, wish.device)
            if member is not None:
                found["shared"] = await member.worker.forget(wish.tenant, wish.device)
            await model.forget()
            await _warm(model)
            return found

        store = Path(settings.store) if settings.store else state_folder() / "seen.sqlite"
        shared = member.record if member is not None else None
        sessions = Sessions(presence, store, record=shared)
        stack.push_async_callback(sessions.close)
        authority: Authority | None = None
        if settings.enroll is not None:
            from cloud_bridge.authority.desk import Desk, open_authority

            authority = open_authority()
            desk = Desk(authority)
            await desk.start(settings.enroll, _names(settings))
            stack.push_async_callback(desk.stop)
            certificate, key = authority.server(_names(settings))
            tls = tls or Tls(str(certificate), str(key), str(authority.ca))
        # Listen first: a port that is taken should not cost the loading of a model. Devices wait for their Welcome.
        server = await grpc.serve(sessions, settings.listen, tls=tls, tokens=tokens, guard=authority)
        stack.push_async_callback(server.stop, 0.5)
        if settings.broker is not None:
            claims, name = (member.claims, member.name) if member is not None else (None, "mien-bridge")
            joined = _broker(settings, authority, name)
            broker = await mqtt.serve(sessions, joined, tokens=tokens, guard=authority, claims=claims)
            stack.push_async_callback(broker.stop)
        if member is not None:
            shows = bool(settings.mcp or settings.mcp_grpc or settings.console)
            member.present(stack, presence, shows=shows)
        if others is not None:
            others.start(presence)
        shown = await stack.enter_async_context(
            surfaces.show(settings, presence, conversation, history, tls=tls, names=_names(settings))
        )
        host = settings.listen.rpartition(":")[0]
        loading = asyncio.create_task(_load(model, speech))
        if not await _unless(stop, loading):
            return
        engine.settle()
        for warning in without_tls(settings):
            log.warning("%s", warning)
        tell(
            "ready",
            listen=f"{host}:{server.port}",
            broker=settings.broker,
            llm=model.name,
            tts=speech.name if speech is not None else "text only",
            **asdict(shown),
            pid=os.getpid(),
            start_s=round(time.monotonic() - began_s, 2),
        )
        shared_wishes = member.erasures(settings.keep_days) if member is not None else None
        background = [asyncio.create_task(_prepare_rest(speech))] if speech is not None else []
        if history is not None:
            background.append(asyncio.create_task(housekeeping.sweep(history, settings.keep_days)))
            background.append(
                asyncio.create_task(housekeeping.erase(history, settings.keep_days, erase, shared_wishes))
            )
        if shared_wishes is not None:
            background.append(asyncio.create_task(housekeeping.erase_shared(history, erase, shared_wishes)))
        await stop.wait()
        await end(background)
        await conversation.close()
        tell("stopped", **asdict(conversation.counts), tokens=asdict(model.usage))


async def _load(model: LanguageModel, speech: Speech | None) -> None:
    """Start both at once, and make the first answer as quick as the later ones."""
    starting = [asyncio.create_task(_warm(model))]
    if speech is not None:
        starting.append(asyncio.create_task(_first_words(speech)))
    try:
        await asyncio.gather(*starting)
    finally:
        await end(starting)


async def _warm(model: LanguageModel) -> None:
    await model.start()
    await model.prime(prompt.fixed(), lasting=True)


async def _first_words(speech: Speech) -> None:
    await speech.start()
    await speech.prepare(opening.all_lines()[:_FIRST_LINES])


async def _prepare_rest(speech: Speech) -> None:
    lines = opening.all_lines()
    lines += [line for tone in TONES.values() for line in (*tone.closings, tone.fallback)]
    for line in lines:
        with suppress(BridgeError):  # it will be tried again when it is to be said
            await speech.prepare([line])
        await asyncio.sleep(0)


def _handover(settings: Settings, record: Record) -> Handover | None:
    if settings.handover is None:
        return None

    def told(device: Device, person: int, what: Mapping[str, Any]) -> None:
        record.event(device, person, "handover", what)

    return Handover(settings.handover, settings.handover_after, token=secret("MIEN_HANDOVER_TOKEN"), told=told)


async def _unless(stop: asyncio.Event, task: asyncio.Task[None]) -> bool:
    """Wait for `task`; False when `stop` came first."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        await end([task])
        return False
    await task
    return True


def _names(settings: Settings) -> list[str]:
    """What this machine is called by devices; they check it against its certificate."""
    given = [name.strip() for name in settings.names.split(",") if name.strip()]
    return list(dict.fromkeys([*given, socket.gethostname(), "localhost", "127.0.0.1"]))


def _broker(settings: Settings, authority: Authority | None, name: str) -> mqtt.Broker:
    assert settings.broker is not None
    parts = urlsplit(settings.broker)
    if parts.password is not None:
        raise SettingError("a password in --broker would be seen by everyone here: give MIEN_BROKER_PASSWORD instead")
    try:
        port = parts.port
    except ValueError as error:
        raise SettingError(f"'{settings.broker}' has a port that is no number between 1 and 65535") from error
    tls = parts.scheme == "mqtts"
    own = (parts.username,) if parts.username else ()  # of several bridges each needs a name of its own there
    certificate, key = authority.server(_names(settings), *own) if tls and authority else (None, None)
    ca = settings.broker_ca or (authority.ca if authority else None)
    return mqtt.Broker(
        host=parts.hostname or "127.0.0.1",
        port=port or (8883 if tls else 1883),
        name=name,
        username=parts.username or "",
        password=secret("MIEN_BROKER_PASSWORD") or "",
        ca=Path(ca) if ca else None,
        certificate=certificate,
        key=key,
        tls=tls,
    )


def _tls(settings: Settings) -> Tls | None:
    if settings.tls_cert is None and settings.tls_key is None and settings.tls_client_ca is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise SettingError("TLS needs both --tls-cert and --tls-key")
    return Tls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def _tokens(file: str) -> dict[str, str]:
    """Device → token from a JSON file that others cannot read. Raises SettingError."""
    path = Path(file)
    try:
        if path.stat().st_mode & 0o077:
            raise SettingError(f"{file} can be read by others: run `chmod 600 {file}`")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise SettingError(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise SettingError(f'{file} must hold an object: {{"device": "token", …}}')
    return found
