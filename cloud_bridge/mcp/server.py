"""The MCP server: each device's emotional state as resources, and tools to read, speak, set rules and start perception.

A client sees the devices of its token's tenant. Tools that touch a device or a person need the right `control`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Annotated, Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.types import (
    EmptyResult,
    Resource,
    SubscribeRequestParams,
    ToolAnnotations,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

from cloud_bridge.errors import BridgeError
from cloud_bridge.mcp.updates import PARTS, ROOT, Updates, tenant, uri
from cloud_bridge.presence import NotThere, Presence
from cloud_bridge.seen import Done, Seen
from edge.wire import mien_pb2

Say = Callable[[str, str, str], Awaitable[None]]
"""Speak to the person in front of a device: tenant, device, text. Raises BridgeError."""

MOST_TEXT = 400  # characters that may be spoken at once
MOST_RULE = 4_000  # characters of a rule
_JSON = "application/json"
_INSTRUCTIONS = (
    "Devices perceive how the person in front of them seems to feel. Estimates may be wrong: valence and arousal go "
    "from -100 to 100, probabilities are in percent; what is absent was not perceived or may not be read. Subscribe to "
    "mien://devices/{device}/events to hear when an awareness rule fires; set_rule adds one."
)

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)


class DeviceState(BaseModel):
    """How the person in front of a device seems now."""

    device: str
    online: bool
    state_age_s: float | None = Field(description="seconds since the device told it; None: nothing was told")
    state: dict[str, Any] | None = Field(description="face, voice and fused affect, attention, drowsiness …")
    description: dict[str, str] | None = Field(description="the same in words")


class DeviceLine(BaseModel):
    """One device in the list."""

    device: str
    online: bool
    since_s: float = Field(description="UTC seconds, since when it is online or offline")
    software: str
    muted: bool | None = Field(description="camera and microphone closed; None: not known")


class Obeyed(BaseModel):
    """What a device made of an order."""

    device: str
    done: bool | None = Field(description="None: the device did not answer in time")
    reason: str = ""


class Agreed(BaseModel):
    """The answer to the question of consent."""

    agreed: bool = Field(
        description="People in front of the device know that it watches and listens, and agree to it", default=False
    )


class Server(MCPServer):
    """The SDK's server, with the resources of the caller's tenant in its list."""

    def __init__(self, presence: Presence, updates: Updates, say: Say) -> None:
        super().__init__(
            "mien",
            title="Mien",
            instructions=_INSTRUCTIONS,
            version=version("mien"),
            subscriptions=updates.bus,
            log_level="WARNING",
        )
        self._presence, self._say = presence, say
        self._offer_resources()
        self._offer_reading()
        self._offer_orders()
        self._offer_older_subscriptions(updates)

    async def list_resources(self) -> list[Resource]:
        """The list of devices, and each part of each."""
        found = await super().list_resources()
        for seen in self._presence.devices(tenant()):
            found += [
                Resource(uri=uri(seen.device.id, part), name=f"{seen.device.id} {part}", mime_type=_JSON)
                for part in PARTS
            ]
        return found

    # ------------------------------------------------------------ resources

    def _offer_resources(self) -> None:
        @self.resource(ROOT, name="devices", title="Devices", mime_type=_JSON)
        def devices() -> str:
            """All devices, and which are online."""
            return _text([seen.summary() for seen in self._presence.devices(tenant())])

        @self.resource(ROOT + "/{device}/state", name="state", title="Emotional state", mime_type=_JSON)
        def state(device: str) -> str:
            """How the person in front of the device seems: numbers and words."""
            return _text(_state(self._resource(device)).model_dump())

        @self.resource(ROOT + "/{device}/events", name="events", title="Awareness events", mime_type=_JSON)
        def events(device: str) -> str:
            """Rules that fired lately, newest last."""
            moments = [moment for moment in self._resource(device).recent if moment.kind == "event"]
            return _text([moment.facts() for moment in moments])

        @self.resource(ROOT + "/{device}/conversation", name="conversation", title="Conversation", mime_type=_JSON)
        def conversation(device: str) -> str:
            """The last words, where the person lets them leave the device, and the last reply."""
            full = self._resource(device).full()
            return _text({name: full[name] for name in ("device", "turn", "words", "reply", "tone", "answered")})

        @self.resource(ROOT + "/{device}/health", name="health", title="Health of the device", mime_type=_JSON)
        def health(device: str) -> str:
            """How the device itself does."""
            seen = self._resource(device)
            return _text({**seen.summary(), "health": seen.full()["health"]})

    def _resource(self, device: str) -> Seen:
        try:
            return self._presence.get(tenant(), device)
        except NotThere as error:
            raise ResourceNotFoundError(str(error)) from error

    # ------------------------------------------------------------ tools

    def _offer_reading(self) -> None:
        @self.tool(title="List devices", annotations=_READS)
        async def list_devices() -> list[DeviceLine]:
            """The devices of this tenant, by name."""
            return [DeviceLine.model_validate(seen.summary()) for seen in self._presence.devices(tenant())]

        @self.tool(title="Emotional state", annotations=_READS)
        async def get_emotional_state(device: str) -> DeviceState:
            """How the person in front of the device seems now: affect, attention, tiredness, incongruence."""
            try:
                return _state(self._presence.get(tenant(), device))
            except NotThere as error:
                raise ToolError(str(error)) from error

    def _offer_orders(self) -> None:
        @self.tool(title="Speak to the person", annotations=_CHANGES)
        async def respond(device: str, text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]) -> Obeyed:
            """Say `text` to the person in front of the device, once the running answer is over."""
            _need_control()
            try:
                await self._say(tenant(), device, text)
            except BridgeError as error:
                raise ToolError(str(error)) from error
            return Obeyed(device=device, done=True)

        @self.tool(title="Set an awareness rule", annotations=_CHANGES)
        async def set_rule(device: str, rule: Annotated[str, Field(max_length=MOST_RULE)]) -> Obeyed:
            """Add or change one rule of the device, as a [[rule]] table in TOML, until the device starts again.

            For example: name = "looks_away", when = "attention.away_s > 5", cooldown = "30s", one to a line.
            """
            return await self._order(device, mien_pb2.Command(rule=rule))

        @self.tool(title="Stop perception", annotations=_CHANGES)
        async def stop_perception(device: str) -> Obeyed:
            """Close camera and microphone of the device, at once; stopping needs nobody's consent."""
            return await self._order(device, mien_pb2.Command(mute=True))

        @self.tool(title="Start perception", annotations=_CHANGES)
        async def start_perception(device: str, consent: Annotated[Agreed, Resolve(_ask)]) -> Obeyed:
            """Open camera and microphone of the device again, once the user of this client has said that people agree.

            A device whose own settings or people refuse perception stays closed.
            """
            if not consent.agreed:
                raise ToolError("not started: nobody said that the people there agree")
            return await self._order(device, mien_pb2.Command(mute=False))

    async def _order(self, device: str, command: mien_pb2.Command) -> Obeyed:
        _need_control()
        try:
            done: Done = await self._presence.order(tenant(), device, command, by=caller())
        except NotThere as error:
            raise ToolError(str(error)) from error
        if done.done is False:
            raise ToolError(f"the device refuses: {done.reason}")
        return Obeyed(device=device, done=done.done, reason=done.reason)

    # ------------------------------------------------------------ clients of before 2026-07-28

    def _offer_older_subscriptions(self, updates: Updates) -> None:
        async def subscribe(context: ServerRequestContext[Any], params: SubscribeRequestParams) -> EmptyResult:
            updates.subscribe(context.session, str(params.uri))
            return EmptyResult()

        async def unsubscribe(context: ServerRequestContext[Any], params: UnsubscribeRequestParams) -> EmptyResult:
            updates.unsubscribe(context.session, str(params.uri))
            return EmptyResult()

        low = self._lowlevel_server  # the SDK offers these methods there alone
        low.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
        low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


def _ask(device: str) -> Elicit[Agreed]:
    _need_control()
    return Elicit(
        f"Open camera and microphone of '{device}'? Only if the people in front of it were told, and agree.", Agreed
    )


def caller() -> str:
    """The name of the client that is served now."""
    token = get_access_token()
    return token.client_id if token is not None else ""


def _need_control() -> None:
    token = get_access_token()
    if token is None or "control" not in token.scopes:
        raise ToolError("this client may only read: give it the right 'control' in the client file")


def _state(seen: Seen) -> DeviceState:
    full = seen.full()
    return DeviceState.model_validate({name: full[name] for name in DeviceState.model_fields})


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
