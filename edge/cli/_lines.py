"""Event lines as a person reads them."""

from __future__ import annotations

import json
import sys
from typing import Any

_STATE_EVERY_S = 1.0


class Lines:
    """Prints events, descriptions and replies as they come, and the state once a second."""

    def __init__(self) -> None:
        self._shown_s = float("-inf")
        self._failing: dict[str, str] = {}
        self._words: str | None = None

    def __call__(self, text: str) -> None:
        """Show one line of the event stream."""
        line = json.loads(text)
        match line["type"]:
            case "notice":
                _print("notice", " — ".join(part for part in (line["text"], line["reason"]) if part))
            case "state" if line["words"] and line["words"] != self._words:
                self._words = line["words"]
                _print("words", f"“{self._words}”")
            case "state" if line["t_s"] - self._shown_s >= _STATE_EVERY_S:
                self._shown_s = line["t_s"]
                _print("state", state_text(line))
            case "event":
                _print("event", line["name"].replace("_", " "))
            case "description":
                for part in ("audio", "visual", "joint"):
                    if line[part]:
                        _print(part, line[part])
            case "reply" if line.get("text"):
                _print("reply", line["text"])
            case "health":
                for part, reason in line["failing"].items():
                    if self._failing.get(part) != reason:
                        print(f"{part} gives nothing: {reason}", file=sys.stderr, flush=True)
                for part in self._failing.keys() - line["failing"].keys():
                    print(f"{part} works again", file=sys.stderr, flush=True)
                self._failing = line["failing"]
            case "summary":
                _print("summary", summary_text(line))


class Descriptions(Lines):
    """Prints each description as one line; where several people are there, with whose it is."""

    def __init__(self) -> None:
        super().__init__()
        self._here: dict[int, float] = {}  # person → when a state of theirs came last

    def __call__(self, text: str) -> None:
        """Show one line of the event stream."""
        line = json.loads(text)
        if line["type"] == "state":
            self._here[line["person"]] = line["t_s"]
        elif line["type"] == "description":
            self._here = {one: t_s for one, t_s in self._here.items() if line["t_s"] - t_s <= _STATE_EVERY_S}
            said = " ".join(line[part] for part in ("joint", "audio", "visual") if line[part])
            whose = f"Person {line['person']}" if line["person"] else "Somebody unseen"
            whose = f"{whose}: " if len(self._here) > 1 else ""
            print(f"{whose}{said or 'Somebody is there; nothing more can be said.'}", flush=True)
        elif line["type"] == "health":
            super().__call__(text)


def state_text(state: dict[str, Any]) -> str:
    """One state in one line."""
    parts = [f"{part} {affect_text(state[part])}" for part in ("face", "voice") if state.get(part)]
    parts.append(attention_text(state))
    return " | ".join(part for part in parts if part != "—") or "someone is there"


def affect_text(affect: dict[str, Any] | None) -> str:
    """Label, confidence, valence and arousal; a dash for nothing."""
    if not affect:
        return "—"
    label = "unclear" if affect["unclear"] else affect["label"]
    sure = "" if affect.get("confidence") is None else f"{100 * affect['confidence']:.0f} % "
    return f"{label} {sure}valence {affect['valence']:+.2f} arousal {affect['arousal']:+.2f}"


def attention_text(state: dict[str, Any]) -> str:
    """Where the person looks, and how tired."""
    attention, drowsiness = state.get("attention"), state.get("drowsiness")
    words = []
    if attention:
        known = attention["on_target"]
        words.append("gaze calibrating" if known is None else "looks here" if known else "looks away")
        if pose := attention.get("head_pose_deg"):
            words.append(f"head {pose[0]:+.0f}°/{pose[1]:+.0f}°/{pose[2]:+.0f}°")
    if drowsiness:
        words.append(f"tiredness {drowsiness['level']}")
    return ", ".join(words) or "—"


def summary_text(summary: dict[str, Any]) -> str:
    """The most telling figures of a run."""
    known = [
        ("first observation after", "start_to_first_observation_s", "s", 2),
        ("sound → observation p99", "audio_p99_ms", "ms", 0),
        ("picture → observation p99", "video_p99_ms", "ms", 0),
        ("peak memory", "peak_mb", "MB", 0),
        ("face found in", "face_found_pct", "% of the pictures", 1),
        ("CPU", "cpu_pct_core", "% of a core", 0),
        ("sent", "bytes_sent", "bytes", 0),
    ]
    return ", ".join(
        f"{name} {summary[key]:.{digits}f} {unit}" for name, key, unit, digits in known if summary.get(key) is not None
    )


def _print(kind: str, text: str) -> None:
    print(f"{kind:>8}  {text}", flush=True)
