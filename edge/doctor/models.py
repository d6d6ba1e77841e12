"""Are the models that this device needs there and whole?"""

from __future__ import annotations

from edge.config import Config
from edge.doctor.base import Finding
from models import card, store


def check(config: Config) -> list[Finding]:
    """One finding for the models of the loop, and one for those of words where words are wanted or may be."""
    findings = [_state("device", "fail")]
    if config.perceive.words is not False:
        # Left to choose by itself, the device goes without words where their model is missing.
        findings.append(_state("words", "fail" if config.perceive.words else "warn"))
    return findings


def _state(wanted: card.Set, when_missing: str) -> Finding:
    cards = card.in_set(wanted)
    bad = {one.name: state for one in cards if (state := store.state(one)) != "present"}
    what = f"{len(cards) - len(bad)} of {len(cards)} of the set '{wanted}' are in {store.folder()}"
    if not bad:
        return Finding("models", "ok", what)
    names = ", ".join(f"{name} is {state}" for name, state in bad.items())
    return Finding(
        "models", "warn" if when_missing == "warn" else "fail", f"{what}; {names}", f"mien models pull {' '.join(bad)}"
    )
