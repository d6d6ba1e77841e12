"""Other MCP servers, whose tools awareness rules and answers may call: only those that a settings file allows, by name.

[home]                                  # one table a server
url = "https://home.example/mcp"        # streamable HTTP; or: command = ["home-mcp", "--stdio"]
token = "HOME_TOKEN"                    # the variable that holds its bearer token (or HOME_TOKEN_FILE)
rules = ["lights_*"]                    # tools that a rule's `call` may name
answers = ["get_weather"]               # tools that the language model may use, if they only read
tenants = ["acme"]                      # whose devices may; default: the tenant `default`
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, TextContent, Tool
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from cloud_bridge.ending import end
from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.ingest.base import Device
from cloud_bridge.presence import Presence
from cloud_bridge.seen import Moment
from cloud_bridge.settings import read_toml, secret
from edge.wire import mien_pb2
from edge.wire.clear import in_clear

log = logging.getLogger(__name__)

_AT_ONCE = 16  # calls for rules; what fires beyond that is dropped and counted
_AGAIN_S = 5.0
MOST_RESULT = 2_000  # characters of a tool's answer that a language model is given


class CallFailed(BridgeError):  # noqa: N818
    """A tool of another server is not allowed, not there, or gave an error."""


class Written(BaseModel):
    """One server in the file."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(None, pattern=r"^https?://.+")
    command: list[str] | None = Field(None, min_length=1)
    token: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]*$")
    rules: list[str] = []
    answers: list[str] = []
    tenants: list[str] = ["default"]
    timeout_s: float = Field(5.0, gt=0, le=60)

    @model_validator(mode="after")
    def _one_way(self) -> Written:
        if (self.url is None) == (self.command is None):
            raise ValueError("give either url or command")
        return self


def read(file: str) -> dict[str, Written]:
    """The servers in `file`. Raises SettingError."""
    try:
        return TypeAdapter(dict[str, Written]).validate_python(read_toml(file))
    except ValidationError as error:
        problems = (f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].lower()}" for one in error.errors())
        raise SettingError(f"{file}: {'; '.join(problems)}") from error


class Other:
    """One server, kept connected. `reason` tells why it is not, or None."""

    def __init__(self, name: str, written: Written) -> None:
        self.name, self.written = name, written
        self.tools: dict[str, Tool] = {}
        self.reason: str | None = "not connected yet"
        self.connected = asyncio.Event()
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._token = secret(written.token) if written.token else None
        if written.token and self._token is None:
            raise SettingError(f"server '{name}': {written.token} is not set, nor {written.token}_FILE")
        if far := in_clear(written.url or ""):
            log.warning("MCP server '%s': %s has no TLS: whoever is on the way reads token and calls", name, far)

    def may(self, tool: str, purpose: str, tenant: str) -> bool:
        """Whether `tenant` may call `tool` for `purpose` (rules, answers): nothing is allowed that is not named."""
        allowed: list[str] = getattr(self.written, purpose)
        return tenant in self.written.tenants and any(fnmatch.fnmatchcase(tool, pattern) for pattern in allowed)

    async def run(self) -> None:
        """Keep the connection, for ever."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    client = await stack.enter_async_context(Client(await self._way(stack)))
                    self.tools = {tool.name: tool for tool in (await client.list_tools()).tools}
                    self._client, self.reason = client, None
                    self._lost.clear()
                    self.connected.set()
                    await self._lost.wait()
            except Exception as error:  # the SDK wraps what a transport raises in groups
                self.reason = type(error).__name__
                log.warning("the MCP server '%s' cannot be used (%s); trying again", self.name, self.reason)
            finally:
                self._client = None
                self.connected.clear()
            await asyncio.sleep(_AGAIN_S)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """The tool's answer as text. Raises CallFailed."""
        if self._client is None:
            raise CallFailed(f"the MCP server '{self.name}' is not connected: {self.reason}")
        if tool not in self.tools:
            raise CallFailed(f"the MCP server '{self.name}' has no tool '{tool}'")
        fitting = fit(arguments, self.tools[tool].input_schema)
        try:
            async with asyncio.timeout(self.written.timeout_s):
                result = await self._client.call_tool(tool, fitting)
        except TimeoutError as error:
            raise CallFailed(f"'{tool}' of '{self.name}' took longer than {self.written.timeout_s:g} s") from error
        except Exception as error:
            if not isinstance(error, MCPError) or error.code == CONNECTION_CLOSED:
                self._lost.set()  # else the server lives, and refuses this call alone
            raise CallFailed(f"'{tool}' of '{self.name}' failed: {type(error).__name__}") from error
        text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))[:MOST_RESULT]
        if result.is_error:
            raise CallFailed(f"'{tool}' of '{self.name}' gave an error")
        return text

    async def _way(self, stack: AsyncExitStack) -> Any:
        if self.written.command is not None:
            program, *more = self.written.command
            given = {"TOKEN": self._token} if self._token else {}
            return StdioServerParameters(command=program, args=more, env={"PATH": os.environ.get("PATH", ""), **given})
        import httpx2

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=self.written.timeout_s))
        assert self.written.url is not None
        return streamable_http_client(self.written.url, http_client=http)


class Others:
    """All other servers, and the calls that rules ask for. `counts`: called, failed, not_allowed, dropped."""

    def __init__(self, servers: Mapping[str, Written]) -> None:
        self.counts: Counter[str] = Counter()
        self.servers = [Other(name, written) for name, written in servers.items()]
        self._tasks: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()

    def start(self, presence: Presence) -> None:
        """Connect, and follow what rules fire."""
        self._tasks = [asyncio.create_task(one.run(), name=f"mcp {one.name}") for one in self.servers]
        presence.relays.append(self._told)  # of what happens here: each bridge of a fleet calls for its own devices

    async def settle(self, within_s: float) -> None:
        """Wait until every server is connected, or no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(one.connected.wait() for one in self.servers))

    async def stop(self) -> None:
        """Hang up."""
        await end([*self._tasks, *self._calls])

    def offered(self, tenant: str) -> list[tuple[Other, Tool]]:
        """The tools that the language model may use for `tenant`: only such as say that they change nothing."""
        return [
            (one, tool)
            for one in self.servers
            for name, tool in one.tools.items()
            if one.may(name, "answers", tenant) and tool.annotations is not None and tool.annotations.read_only_hint
        ]

    def _told(self, moment: Moment, device: Device) -> None:
        if moment.kind == "event" and isinstance(moment.body, bytes):
            self._fired(moment, mien_pb2.Envelope.FromString(moment.body))

    def _fired(self, moment: Moment, envelope: mien_pb2.Envelope) -> None:
        for event in envelope.events:
            arguments = dict(event.arguments)
            tool = arguments.pop("call", "")
            if not tool:
                continue
            allowed = [one for one in self.servers if one.may(tool, "rules", moment.tenant)]
            if not allowed:
                self.counts["not_allowed"] += 1
            elif len(self._calls) >= _AT_ONCE:
                self.counts["dropped"] += 1
            else:
                task = asyncio.create_task(self._call(allowed[0], tool, arguments), name=f"call {tool}")
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)

    async def _call(self, server: Other, tool: str, arguments: Mapping[str, Any]) -> None:
        try:
            await server.call(tool, arguments)
            self.counts["called"] += 1
        except CallFailed as error:
            self.counts["failed"] += 1
            log.warning("a rule's call: %s", error)


def fit(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the tool knows, in its types: a rule's travel as text."""
    known = schema.get("properties", {})
    kinds = {name: one.get("type") if isinstance(one, Mapping) else None for name, one in known.items()}
    return {name: _typed(value, kinds[name]) for name, value in arguments.items() if name in kinds}


def _typed(value: Any, kind: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        if kind == "integer":
            return round(float(value))
        if kind == "number":
            return float(value)
    except (ValueError, OverflowError):
        return value  # the server will say what it thinks of it
    return value == "true" if kind == "boolean" else value
