"""`mien bridge`: listen for devices, reason about what they perceive, and speak back."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from cloud_bridge import choose
from cloud_bridge.engine import event_loop
from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.settings import Settings, read

_TOOLS = {"trace": "cloud_bridge.trace", "forget": "cloud_bridge.forget"}
AUTHORITY_COMMANDS = ("claim", "devices", "revoke", "issue")
_EPILOG = f"""\
language models (--llm or MIEN_LLM): {choose.LANGUAGE_MODELS}
  local   Qwen2.5-Coder 1.5B on this machine: 1.1 GB on disk, 2 GB of memory, no account, no network
  tiny    SmolLM2 135M on this machine: 98 MB; for trying the loop, it talks poorly
  openai:MODEL@http://HOST:PORT/v1   any server that speaks OpenAI's format (Ollama, vLLM, llama.cpp)
  openai:MODEL      OpenAI, with OPENAI_API_KEY (or OPENAI_API_KEY_FILE)
  anthropic:MODEL   Anthropic, with ANTHROPIC_API_KEY (or ANTHROPIC_API_KEY_FILE)
  auto    local if its file is here, else tiny if its file is here

voices (--tts or MIEN_TTS): {choose.VOICES}
  piper   a neural voice on this machine: 63 MB        espeak   plain, by Debian's espeak-ng

who may speak: `mien bridge claim new DEVICE`, `devices`, `revoke DEVICE`, `issue NAME` (each with --help)

a broker's password is read from MIEN_BROKER_PASSWORD (or MIEN_BROKER_PASSWORD_FILE)

tools (each with --help):
  mien bridge trace [TURN]    the timeline of one turn, as a picture
  mien bridge forget DEVICE   erase what is kept of a device or a person, and prove it

spans of every turn go to OpenTelemetry where OTEL_EXPORTER_OTLP_ENDPOINT is set

examples:
  mien bridge                              answer devices of this machine
  MIEN_LLM=tiny mien bridge --pull         the smallest download
  mien bridge --llm openai:qwen3@http://127.0.0.1:11434/v1
  mien bridge --listen 0.0.0.0:50051 --enroll 0.0.0.0:50052 --names bridge.local     only devices that enrolled
  mien bridge --listen 0.0.0.0:50051 --tls-cert cert.pem --tls-key key.pem --token-file tokens.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bridge until Ctrl-C, or one of its tools. Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in AUTHORITY_COMMANDS:
        from cloud_bridge.authority.cli import main as authority

        return authority(words)
    if words and words[0] in _TOOLS:
        try:
            return int(import_module(_TOOLS[words[0]]).main(words[1:]))
        except BridgeError as error:
            print(f"mien bridge {words[0]}: {error}", file=sys.stderr)
            return 2 if isinstance(error, SettingError) else 1
    options = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "httpx2", "httpcore", "mcp", "grpc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    flags = {name: getattr(options, name) for name in Settings.model_fields if hasattr(options, name)}
    try:
        settings = read(flags, options.config)
        if options.pull:  # out here, where Ctrl-C ends a long download at once; what came is kept
            choose.fetch(settings.llm, settings.tts, choose.show_progress)
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            return runner.run(_run(settings, as_json=options.json))
    except BridgeError as error:
        print(f"mien bridge: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingError) else 1
    except KeyboardInterrupt:
        return 130  # before it was ready


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mien bridge",
        description="Listen for devices, reason about what they perceive, and speak back.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="where devices connect by gRPC (127.0.0.1:50051)")
    parser.add_argument(
        "--broker", metavar="URI", help="also serve devices of this broker: mqtt(s)://[USER@]HOST[:PORT]"
    )
    parser.add_argument(
        "--broker-ca", metavar="PEM", help="the authority of an mqtts broker, where the system has none"
    )
    parser.add_argument("--llm", metavar="MODEL", help="who reasons (auto); see below")
    parser.add_argument("--tts", metavar="VOICE", help="who speaks (auto); see below")
    parser.add_argument("--pull", action="store_true", help="first fetch the local model and voice, if missing")
    parser.add_argument("--json", action="store_true", help="one JSON line for each event on standard output")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML: the long flags' names with _ for -")
    parser.add_argument("--tls-cert", metavar="PEM", help="this bridge's certificate")
    parser.add_argument("--tls-key", metavar="PEM", help="and its key")
    parser.add_argument("--tls-client-ca", metavar="PEM", help="devices must show a certificate of this authority")
    parser.add_argument(
        "--enroll",
        metavar="HOST:PORT",
        help="let devices enroll here with a claim, and serve only those (TLS by this bridge's own authority)",
    )
    parser.add_argument("--names", metavar="NAME,…", help="names and addresses that devices reach this bridge by")
    parser.add_argument("--token-file", metavar="JSON", help='devices must show their token: {"device": "token", …}')
    parser.add_argument(
        "--store",
        metavar="FILE",
        help="record of what was taken, so that a restart doubles nothing (seen.sqlite in the bridge's state folder)",
    )
    parser.add_argument(
        "--history",
        metavar="FILE",
        help="what happened on each device, for console and trace; words, and how people were, only where they agreed "
        "(history.sqlite in the bridge's state folder; none: nothing is kept)",
    )
    parser.add_argument("--mcp", metavar="HOST:PORT", help="offer devices to MCP clients, by streamable HTTP at /mcp")
    parser.add_argument("--mcp-grpc", metavar="HOST:PORT", help="the same, JSON-RPC over one gRPC stream")
    parser.add_argument("--console", metavar="HOST:PORT", help="a web page: fleet, timelines, replay, mute")
    parser.add_argument(
        "--client-file",
        metavar="JSON",
        help="who may use MCP and console (else a token is drawn and printed): "
        '{"NAME": {"token": "…", "tenant": "default", "may": ["read", "control"]}, …}',
    )
    parser.add_argument(
        "--mcp-servers", metavar="TOML", help="other MCP servers whose tools rules and answers may call (docs/mcp.md)"
    )
    parser.add_argument(
        "--redis", metavar="URL", help="share sessions with other bridges: redis://HOST:PORT/0 (see docs/fleet.md)"
    )
    parser.add_argument(
        "--answers", type=int, metavar="N", help="answers that the language model makes at once, tenants in turn"
    )
    parser.add_argument("--keep-days", type=float, metavar="N", help="how long the history is kept (7)")
    parser.add_argument(
        "--handover",
        metavar="TARGET",
        help="whom to tell of a person who stays in distress: https://…, exec:/path, mqtt://HOST/TOPIC",
    )
    parser.add_argument("--handover-after", type=int, metavar="N", help="turns in distress before that (3)")
    parser.add_argument("--price", metavar="F/C/O", help="dollars per million tokens: input, cached input, output")
    return parser


async def _run(settings: Settings, *, as_json: bool) -> int:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # our own error says it; read when gRPC is first imported
    from cloud_bridge.serve import serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def tell(event: str, **facts: Any) -> None:
        if as_json:
            print(json.dumps({"event": event, **facts}), flush=True)
        elif event == "ready":
            print(f"listening on {facts['listen']} · {facts['llm']} · {facts['tts']}", flush=True)
            for line in _shown(facts):
                print(line, flush=True)
        elif event == "turn":
            logging.log(logging.WARNING if facts["failure"] else logging.INFO, "%s", _of_turn(facts))
        else:
            logging.info("%s", " ".join([event, *(f"{name}={value}" for name, value in facts.items())]))

    await serve(settings, tell, stop)
    return 0


def _shown(facts: dict[str, Any]) -> list[str]:
    """Where MCP and console are. The token stands behind `#`, which a browser keeps to itself."""
    lines = [f"MCP at {facts[name]}" for name in ("mcp", "mcp_grpc") if facts.get(name)]
    token = facts.get("token")
    if facts.get("console"):
        lines.append(f"console at {facts['console']}" + (f"/#token={token}" if token else ""))
    if token:
        lines.append(f"token of this run: {token} (give --client-file for lasting ones)")
    return lines


def _of_turn(facts: Mapping[str, Any]) -> str:
    """How a turn was answered, and why not by the model where it was not; nothing of what was said."""
    why = f" ({facts['failure']})" if facts["failure"] else ""
    return f"turn {facts['turn']}: {facts['outcome']}{why}, {_stages(facts['ms'])}"


def _stages(ms: dict[str, int]) -> str:
    return " ".join(f"{name} {value} ms" for name, value in ms.items())


if __name__ == "__main__":
    sys.exit(main())
