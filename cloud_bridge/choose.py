"""From the names in the settings to providers; says what is missing, how big it is, and what else there is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from cloud_bridge.errors import ModelAbsent, SettingError
from cloud_bridge.providers.base import ToolUser, Voice
from cloud_bridge.settings import secret
from models import card as cards
from models import store
from models.errors import ModelError

LOCAL, TINY, VOICE, VOICE_CONFIG = "llm_qwen15b", "llm_tiny", "tts_joe", "tts_joe_config"
LANGUAGE_MODELS = "auto, local, tiny, openai:MODEL[@URL], anthropic:MODEL[@URL]"
VOICES = "auto, piper, espeak, openai:MODEL[/VOICE][@URL], none"

Progress = Callable[[str, int, int], None]


def fetch(llm: str, tts: str, progress: Progress) -> None:
    """Fetch the files that these choices need and that are not here. Raises ModelAbsent."""
    wanted = {"auto": [LOCAL], "local": [LOCAL], "tiny": [TINY]}.get(llm, [])
    wanted = wanted + ([VOICE, VOICE_CONFIG] if tts in ("auto", "piper") else [])
    for name in wanted:
        try:
            store.pull(name, progress)
        except ModelError as error:
            raise ModelAbsent(str(error)) from error


def language_model(chosen: str) -> ToolUser:
    """The language model named `chosen`. Raises SettingError or ModelAbsent."""
    kind, _, rest = chosen.partition(":")
    match kind:
        case "auto":
            if _there(LOCAL):
                return language_model("local")
            if _there(TINY):
                return language_model("tiny")
            raise ModelAbsent(_missing(LOCAL))
        case "local" | "tiny" if not rest:
            from cloud_bridge.providers.llama import Llama

            return Llama(_file(LOCAL if kind == "local" else TINY))
        case "openai":
            from cloud_bridge.providers import openai

            model, url = _at(rest, openai.DEFAULT_URL, chosen)
            key = secret("OPENAI_API_KEY")
            if key is None and url == openai.DEFAULT_URL:
                raise SettingError(f"'{chosen}' needs OPENAI_API_KEY, or OPENAI_API_KEY_FILE naming a file")
            return openai.OpenAI(model, url, key)
        case "anthropic":
            from cloud_bridge.providers import anthropic

            model, url = _at(rest, anthropic.DEFAULT_URL, chosen)
            key = secret("ANTHROPIC_API_KEY")
            if key is None and url == anthropic.DEFAULT_URL:
                raise SettingError(f"'{chosen}' needs ANTHROPIC_API_KEY, or ANTHROPIC_API_KEY_FILE naming a file")
            return anthropic.Anthropic(model, url, key)
    raise SettingError(f"no language model '{chosen}': there is {LANGUAGE_MODELS}")


def voice(chosen: str) -> tuple[Voice | None, Voice | None]:
    """The voice named `chosen`, and a spare one. Raises SettingError or ModelAbsent."""
    from cloud_bridge.providers.tts_espeak import Espeak

    kind, _, rest = chosen.partition(":")
    match kind:
        case "auto" if not _there(VOICE):
            if Espeak.installed():
                return Espeak(), None
            raise ModelAbsent(_missing(VOICE))
        case "auto" | "piper" if not rest:
            from cloud_bridge.providers.tts_piper import Piper

            spare = Espeak() if Espeak.installed() else None
            return Piper(_file(VOICE), _file(VOICE_CONFIG)), spare
        case "espeak" if not rest:
            return Espeak(), None
        case "openai":
            from cloud_bridge.providers import openai, tts_openai

            model, url = _at(rest, openai.DEFAULT_URL, chosen)
            model, _, name = model.partition("/")
            key = secret("OPENAI_API_KEY")
            if key is None and url == openai.DEFAULT_URL:
                raise SettingError(f"'{chosen}' needs OPENAI_API_KEY, or OPENAI_API_KEY_FILE naming a file")
            return tts_openai.OpenAISpeech(model, name or "alloy", url, key), None
        case "none" if not rest:
            return None, None
    raise SettingError(f"no voice '{chosen}': there is {VOICES}")


def _at(rest: str, usual: str, chosen: str) -> tuple[str, str]:
    model, _, url = rest.partition("@")
    if not model:
        raise SettingError(f"'{chosen}' names no model: write {chosen.partition(':')[0]}:MODEL")
    if url and not url.startswith(("http://", "https://")):
        raise SettingError(f"'{chosen}': after @ stands an address that begins with http:// or https://")
    if url and urlsplit(url).username is not None:  # the address stands in logs, and on the console
        raise SettingError("an address with a password would be seen by everyone here: give the key by its variable")
    return model, url or usual


def _there(name: str) -> bool:
    return store.location(cards.read(name)).is_file()


def _file(name: str) -> Path:
    if not _there(name):
        raise ModelAbsent(_missing(name))
    try:
        return store.path(name)
    except ModelError as error:
        raise ModelAbsent(str(error)) from error


def _missing(name: str) -> str:
    card = cards.read(name)
    lines = [
        f"the {'voice' if name == VOICE else 'language model'} {card.file} is not on this machine",
        f"  fetch it ({_size(card.bytes)}): `mien models pull {name}`, or start with --pull",
    ]
    if name in (LOCAL, TINY):
        lines += [
            f"  or a very small one that is only for trying ({_size(cards.read(TINY).bytes)}): MIEN_LLM=tiny",
            "  or a hosted one: MIEN_LLM=openai:MODEL with OPENAI_API_KEY, or MIEN_LLM=anthropic:MODEL with "
            "ANTHROPIC_API_KEY",
            "  or one that already runs near you (Ollama, vLLM …): MIEN_LLM=openai:MODEL@http://HOST:PORT/v1",
        ]
    else:
        lines.append("  or choose --tts espeak (Debian package espeak-ng), or --tts none for text alone")
    return "\n".join(lines)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def show_progress(what: str, done: int, total: int) -> None:
    """One line on standard error, drawn again and again; only where a person looks."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        columns = os.get_terminal_size(2).columns
        print(f"\r{what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"[:columns], end=end, file=sys.stderr, flush=True)
