"""List, pull, build and verify the model files."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from models import card as cards
from models import store
from models.card import BuildSource, Card, CommittedSource
from models.errors import ModelError

_HELP = """\
Each model has a card (task, source, licence, sha256). `pull` fetches or builds what is missing and checks every byte;
nothing else in Mien ever fetches a model by itself.

  mien models list                 what there is, and whether it is here
  mien models pull                 everything that the device loop needs
  mien models pull --set words     one set: device, words, speech (TTS), llm, llm-tiny
  mien models pull face_landmarks  one model
  mien models build                the files that are built here, from pinned inputs
  mien models verify               check every file that is here against its card

MIEN_MODELS chooses the folder, MIEN_MODEL_MIRROR a folder or https address to look in first."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien models …`; 0 when everything asked for is there and sound."""
    parser = argparse.ArgumentParser(
        prog="mien models", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["list", "pull", "build", "verify"])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: the set)")
    parser.add_argument("--set", action="append", dest="sets", metavar="SET", help="a set of models; may be repeated")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    args = parser.parse_args(argv)
    try:
        chosen = _chosen(args.action, args.names, args.sets)
        match args.action:
            case "list":
                return _list(chosen, args.json)
            case "verify":
                return _verify(chosen, args.json)
            case _:
                return _pull(chosen)
    except ModelError as error:
        print(f"mien models: {error}", file=sys.stderr)
        return 1


def _chosen(action: str, names: list[str], sets: list[str] | None) -> list[Card]:
    if names:
        return [cards.read(name) for name in names]
    everything = [cards.read(name) for name in cards.names()]
    if sets:
        known = {name for card in everything for name in card.sets}
        if unknown := sorted(set(sets) - known):
            raise ModelError(f"no set '{unknown[0]}': there is {', '.join(sorted(known))}")
        return [card for card in everything if set(card.sets) & set(sets)]
    if action == "pull":
        return [card for card in everything if "device" in card.sets]
    if action == "build":
        return [card for card in everything if any(isinstance(one, BuildSource) for one in card.source)]
    return everything


def _list(chosen: list[Card], as_json: bool) -> int:
    rows = [(card, store.state(card)) for card in chosen]
    if as_json:
        for card, state in rows:
            row = {"name": card.name, "state": state, "bytes": card.bytes, "sets": card.sets, "licence": card.licence}
            print(json.dumps({**row, "task": card.task, "sha256": card.sha256}))
        return 0
    print(f"store: {store.folder()}")
    for card, state in rows:
        print(f"{state:8} {card.bytes / 1e6:8.1f} MB  {card.name:22} {','.join(card.sets) or '-':14} {card.task}")
    return 0


def _verify(chosen: list[Card], as_json: bool) -> int:
    bad = 0
    for card in chosen:
        state = store.state(card)
        bad += state == "corrupt"
        if as_json:
            print(json.dumps({"name": card.name, "state": state}))
        else:
            print(f"{state:8} {card.name}" + (f": run `mien models pull {card.name}`" if state == "corrupt" else ""))
    return 1 if bad else 0


def _pull(chosen: list[Card]) -> int:
    try:
        return _pull_each(chosen)
    finally:
        store.tidy()


def _pull_each(chosen: list[Card]) -> int:
    for card in chosen:
        if any(isinstance(source, CommittedSource) for source in card.source):
            store.path(card.name)
            continue
        bar = Bar()
        file = store.pull(card.name, bar)
        bar.end(f"{card.name:22} {card.bytes / 1e6:8.1f} MB  sha256 {card.sha256[:12]}… ok  {file}")
    return 0


class Bar:
    """A progress bar on standard error; a plain line every few seconds where that is no terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown_s = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show `done` of `total` bytes of `what`."""
        now = time.monotonic()
        if now - self._shown_s < (0.1 if self._live else 5.0):
            return
        self._shown_s = now
        share = done / total if total else 0.0
        text = f"{what:30} {'█' * int(share * 30):30} {done / 1e6:7.1f}/{total / 1e6:.1f} MB"
        print(f"\r{text}" if self._live else text, end="" if self._live else "\n", file=sys.stderr, flush=True)

    def end(self, line: str) -> None:
        """Replace the bar by the last word on this file."""
        print(f"\r\x1b[2K{line}" if self._live else line, file=sys.stderr, flush=True)
