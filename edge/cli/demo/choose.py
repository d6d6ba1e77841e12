"""What the demo runs on: the clip, the language model, and the model files that these need."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from edge.errors import ConfigError, OutputError
from models import card as cards
from models import store
from models.cli import main as models_cli

_SENTENCE = "I am fine, really. It was just a very long day, and nobody listened."


def choose_llm(wanted: str | None, *, ask: bool) -> str:
    """The language model: as given, by `MIEN_LLM`, or as the user answers; `local` by default. Raises ConfigError."""
    chosen = wanted or os.environ.get("MIEN_LLM")
    if chosen:
        kind, _, model = chosen.partition(":")
        if kind not in (("openai", "anthropic") if model else ("auto", "local", "tiny")):  # before anything is fetched
            raise ConfigError(
                f"no language model '{chosen}': there is local, tiny, openai:MODEL[@URL], anthropic:MODEL"
            )
        return chosen
    card, tiny = cards.read("llm_qwen15b"), cards.read("llm_tiny")
    if store.state(card) == "present":
        return "local"
    print(
        f"The bridge needs a language model. The default runs on this machine and is downloaded once:\n"
        f"  1  {card.task}: {card.bytes / 1e9:.1f} GB, about 1.9 GB of memory, sensible answers\n"
        f"  2  {tiny.task}: {tiny.bytes / 1e6:.0f} MB, weak answers (MIEN_LLM=tiny)\n"
        f"  or a service of yours: MIEN_LLM=openai:MODEL@URL with OPENAI_API_KEY, MIEN_LLM=anthropic:MODEL with\n"
        f"  ANTHROPIC_API_KEY; then nothing is downloaded.",
        file=sys.stderr,
    )
    if ask:
        try:
            return "tiny" if input("Which one? [1] ").strip() == "2" else "local"
        except EOFError:  # Ctrl-D, or a terminal that nobody sits at
            print(file=sys.stderr)
    print("Nobody answers: taking 1. Ctrl-C and MIEN_LLM=tiny avoid the download.", file=sys.stderr)
    return "local"


def pull_models(llm: str) -> None:
    """Fetch or build every model file that is missing. Raises ModelError."""
    wanted = ["device", "words", "speech"]
    if llm in ("local", "tiny"):
        wanted.append("llm" if llm == "local" else "llm-tiny")
    chosen = [card for name in cards.names() if set((card := cards.read(name)).sets) & set(wanted)]
    missing = [card.name for card in chosen if store.state(card) != "present"]
    if missing:
        print(f"Getting {len(missing)} model files, each checked by sha256:", file=sys.stderr)
        if models_cli(["pull", *missing]):
            raise SystemExit(1)


def choose_clip(out: Path) -> Path:
    """A clip of a talking person; when there is none, one is drawn and spoken here, and the screen says so."""
    data = os.environ.get("MIEN_DATA")
    folder = Path(data) if data else Path("../shared/data")
    people = sorted((folder / "clips").glob("*.mpg"))
    if people:  # by preference one whose words the recognizer is sure of, so that the first look shows every part
        return next((one for one in people if one.stem == "lwbsza"), people[0])
    return _drawn_clip(out)


def _drawn_clip(out: Path) -> Path:
    from edge.clip import make_clip

    clip = out / "drawn_face.mp4"
    print("No clip at hand: drawing a speaking face with a synthetic voice (not a real person).", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        voice = Path(scratch) / "voice.wav"
        command = [sys.executable, "-m", "cloud_bridge.speak", _SENTENCE, str(voice)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"the voice of the drawn clip failed: {done.stderr.strip()}")
        try:
            make_clip(clip, _SENTENCE, voice)
        except OSError as error:
            raise OutputError(
                f"{clip} cannot be written ({error.strerror}): choose another folder for --out"
            ) from error
    return clip
