"""The conformance suite against our MCP server: `make conformance` (needs Node 22 and npm).

The suite calls tools, resources and prompts by names of its own: they are added to our server here, on top of
everything else (transport, sessions, host and origin checks, size limits), which is ours as it ships. The suite sends
no token, so one is put into its requests on the way in.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.types import AudioContent, Completion, EmbeddedResource, ImageContent, TextContent, TextResourceContents
from pydantic import BaseModel

from cloud_bridge.mcp import http as over_http
from cloud_bridge.mcp.server import Server
from cloud_bridge.web.listen import listen
from tests.cloud_bridge.mcp.place import TOKENS, place, some_clients

PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db0"
        "0000000049454e44ae426082"
    )
).decode()
WAV = base64.b64encode(
    b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x02\0\0\0\0\0"
).decode()

# Scenarios of the suite that need nothing but what Mien itself offers.
BARE = (
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "resources-subscribe",
    "resources-unsubscribe",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
)
# And those that call fixtures of the suite's own names.
WITH_FIXTURES = (
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "tools-call-elicitation",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "prompts-list",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
    "completion-complete",
    "tools-call-sampling",
)


def extend(server: Server) -> None:
    """What the suite asks for by name."""
    _tools(server)
    _questions(server)
    _resources(server)
    _prompts(server)


def _tools(server: Server) -> None:
    image = ImageContent(type="image", data=PNG, mime_type="image/png")
    embedded = EmbeddedResource(
        type="resource",
        resource=TextResourceContents(
            uri="test://embedded-resource", mime_type="text/plain", text="This is an embedded resource content."
        ),
    )

    @server.tool()
    def test_simple_text() -> str:
        """Text."""
        return "This is a simple text response for testing."

    @server.tool()
    def test_image_content() -> list[Any]:
        """An image."""
        return [image]

    @server.tool()
    def test_audio_content() -> list[Any]:
        """A sound."""
        return [AudioContent(type="audio", data=WAV, mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[Any]:
        """A resource."""
        return [embedded]

    @server.tool()
    def test_multiple_content_types() -> list[Any]:
        """All of them."""
        mixed = TextResourceContents(
            uri="test://mixed-content-resource", mime_type="application/json", text='{"test":"data","value":123}'
        )
        return [
            TextContent(type="text", text="Multiple content types test:"),
            image,
            EmbeddedResource(type="resource", resource=mixed),
        ]

    @server.tool()
    def test_error_handling() -> str:
        """Fails."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool()
    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        """Tells how far it is."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100, f"{done} of 100")
            await asyncio.sleep(0.05)
        return "done"

    @server.tool()
    async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
        """Asks the client's model."""
        from mcp.types import SamplingMessage

        answer = await ctx.session.create_message(
            messages=[SamplingMessage(role="user", content=TextContent(type="text", text=prompt))], max_tokens=100
        )
        return f"LLM response: {getattr(answer.content, 'text', '')}"


def _questions(server: Server) -> None:
    from tests.cloud_bridge.mcp.conformance_forms import Defaults, Enums, User

    async def ask(ctx: Context[Any, Any], message: str, form: type[BaseModel]) -> str:
        told = await ctx.elicit(message, form)
        content = getattr(told, "data", None)
        return f"Elicitation completed: action={told.action}, content={content.model_dump_json() if content else '{}'}"

    @server.tool()
    async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
        """Asks the user."""
        return await ask(ctx, message, User)

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
        """Asks with defaults."""
        return await ask(ctx, "Please review and update the form fields with defaults", Defaults)

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
        """Asks with choices."""
        return await ask(ctx, "Please select options from the enum fields", Enums)


def _resources(server: Server) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """Text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """Bytes."""
        return base64.b64decode(PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        """A template."""
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """To be subscribed to."""
        return "Watched resource content"


def _prompts(server: Server) -> None:
    @server.prompt()
    def test_simple_prompt() -> str:
        """Simple."""
        return "This is a simple prompt for testing."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """With arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
        """With a resource."""
        held = TextResourceContents(uri=resourceUri, mime_type="text/plain", text="Embedded resource content.")
        return [
            UserMessage(EmbeddedResource(type="resource", resource=held)),
            UserMessage("Please process the embedded resource above."),
        ]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """With an image."""
        picture = Image(data=base64.b64decode(PNG), format="png").to_image_content()
        return [UserMessage(picture), UserMessage("Please analyze the image above.")]

    @server.completion()
    async def complete(ref: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=["paris", "park", "party"], total=3, has_more=False)


class _Admitted:
    """Puts the token into requests that have none."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {TOKENS['boss']}".encode())]}
        await self._app(scope, receive, send)


async def run(suite: Path) -> int:
    """All scenarios that apply; how many failed."""
    failed = []
    for scenarios, more in ((BARE, lambda server: None), (WITH_FIXTURES, extend)):
        async with place(more) as here:
            app = _Admitted(over_http.app(here.server, some_clients()))
            listening = await listen(app, "127.0.0.1:0", tls=None, secure=True)
            for scenario in scenarios:
                command = [
                    str(suite / "node" / "bin" / "node"),
                    str(suite / "@modelcontextprotocol/conformance/dist/index.js"),
                ]
                process = await asyncio.create_subprocess_exec(
                    *command, "server", "--url", f"{listening.address}{over_http.PATH}", "--scenario", scenario,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
                told, _ = await process.communicate()
                good = process.returncode == 0
                print(f"{'pass' if good else 'FAIL'} {scenario}", flush=True)
                if not good:
                    failed.append(scenario)
                    print(told.decode()[-1500:], flush=True)
            await listening.stop()
    print(f"{len(BARE) + len(WITH_FIXTURES) - len(failed)} of {len(BARE) + len(WITH_FIXTURES)} scenarios pass")
    return len(failed)


def main() -> int:
    """`python -m tests.cloud_bridge.mcp.conformance FOLDER/node_modules`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("suite", type=Path, help="the node_modules that hold the suite and node")
    return asyncio.run(run(parser.parse_args().suite))


if __name__ == "__main__":
    sys.exit(main())
