"""The demo's terminal: what the device perceives, the description it sends, the reply as it streams, a summary."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.cli._lines import affect_text, attention_text, state_text

_TOLD_FROM = 0.5  # weaker incongruence is no news: the descriptions leave it out, too
_STATE_EVERY_S = 1.0  # where there is no live terminal
_STAGES = {  # what the bridge calls the stages of a turn, in plain words
    "model_asked": "model asked",
    "model_first": "model's first word",
    "model_sentence": "model's first sentence",
    "model_done": "model's last word",
    "voice_asked": "voice asked",
    "voice_first": "voice's first sound",
    "first_audio": "first sound sent",
    "answer_text": "model's words sent",
    "answer_audio": "their first sound sent",
    "done": "all sent",
}


class Screen:
    """Shows JSON lines of both processes; `device` and `bridge` may be called from any thread."""

    def __init__(self, clip: Path | None, out: Path) -> None:
        # Where no terminal tells its width, lines are the reader's to wrap.
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
        self._lock = threading.Lock()
        self._title = f"Mien · {clip.name}" if clip else "Mien · camera and microphone of this machine"
        self._out = out
        self._state: dict[str, Any] = {}
        self._health: dict[str, Any] = {}
        self._log: deque[Text] = deque(maxlen=14)
        self._reply: Text | None = None
        self._summary: dict[str, Any] = {}
        self._bridge: dict[str, Any] = {}
        self._state_shown_s = 0.0
        self._failing: dict[str, str] = {}
        self._words: str | None = None
        self._live = Live(console=self._console, refresh_per_second=8) if self._console.is_terminal else None

    def __enter__(self) -> Screen:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.update(self._picture())
            self._live.__exit__(kind, error, at)

    def note(self, text: str) -> None:
        """A line about the demo itself."""
        with self._lock:
            self._say(Text(f"· {text}", style="dim"))

    def tick(self) -> None:
        """Draw anew."""
        if self._live:
            with self._lock:
                self._live.update(self._picture())

    def device(self, line: dict[str, Any]) -> None:
        """One line of the device's event stream."""
        with self._lock:
            match line.get("type"):
                case "state":
                    self._state = line
                    if line["words"] and line["words"] != self._words:
                        self._words = line["words"]
                        self._say(Text.assemble((f"{'words':>7} ", "bold"), f"“{self._words}”"))
                    if self._live is None and time.monotonic() - self._state_shown_s >= _STATE_EVERY_S:
                        self._state_shown_s = time.monotonic()
                        self._console.print(Text.assemble((f"{'state':>7} ", "bold"), state_text(line)))
                case "description":
                    for part in ("audio", "visual", "joint"):
                        if line.get(part):
                            self._say(Text.assemble((f"{'sends':>7} ", "bold cyan"), (f"{part}: ", "cyan"), line[part]))
                case "event":
                    self._say(Text.assemble((f"{'event':>7} ", "bold yellow"), line["name"].replace("_", " ")))
                case "reply":
                    self._say_reply(line)
                case "health":
                    self._health = line
                    for part, reason in line["failing"].items():
                        if self._failing.get(part) != reason:
                            self._say(Text(f"{'':7} {part} gives nothing: {reason}", style="red"))
                    for part in self._failing.keys() - line["failing"].keys():
                        self._say(Text(f"{'':7} {part} works again", style="green"))
                    self._failing = line["failing"]
                case "notice":
                    self._say(Text.assemble((f"{'notice':>7} ", "bold"), line["text"]))
                case "summary":
                    self._summary = line

    def bridge(self, line: dict[str, Any]) -> None:
        """One line of the bridge."""
        with self._lock:
            kind = line.get("event")
            if kind == "ready":
                self._bridge.update(line)
            elif kind == "turn":
                self._bridge["timings"] = line

    def summary(self, wall_s: float) -> None:
        """The last screen: latencies, memory, bytes, where the files are."""
        table = Table(title="What this run took", show_header=False, box=None, title_justify="left", padding=(0, 2))
        for name, value in _summary_rows(self._summary, self._bridge, wall_s):
            table.add_row(name, value)
        table.add_row("kept", f"{self._out}/reply.wav, device.jsonl, bridge.jsonl")
        self._console.print()
        self._console.print(table)

    def _say_reply(self, line: dict[str, Any]) -> None:
        if text := line.get("text"):
            self._say(Text.assemble((f"{'answers':>7} ", "bold green"), text))
        if failure := line.get("failure"):
            self._say(Text(f"{'':7} no answer: {failure}", style="red"))
        if line.get("audio_start_ms") is not None:
            self._say(
                Text(f"{'sound':>7} first reply sound {line['audio_start_ms']:.0f} ms after the last word", "green")
            )

    def _say(self, text: Text) -> None:
        self._log.append(text)
        if self._live is None:
            self._console.print(text)

    def _picture(self) -> Group:
        return Group(
            Panel(_perceived(self._state, self._health), title=self._title, title_align="left", border_style="cyan"),
            *self._log,
        )


def _perceived(state: dict[str, Any], health: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2), expand=True)
    table.add_column(width=12, style="bold")
    table.add_column()
    if not state:
        table.add_row("", "nobody seen or heard yet")
        return table
    for part in ("face", "voice", "fused"):
        table.add_row(part, affect_text(state.get(part)))
    table.add_row("attention", attention_text(state))
    table.add_row("words", state.get("words") or "—")
    table.add_row("incongruence", _incongruence(state) or "—")
    if state.get("trend"):
        table.add_row("trend", state["trend"])
    level, rss = health.get("level"), health.get("rss_mb")
    table.add_row("device", f"{rss or 0:.0f} MB" + (f" · degraded: {level}" if level else ""))
    return table


def _incongruence(state: dict[str, Any]) -> str:
    told = [one for one in state.get("incongruence", []) if one["strength"] >= _TOLD_FROM]
    return "; ".join(f"{one['evidence']} ({one['strength']:.2f})" for one in told)


def _summary_rows(device: dict[str, Any], bridge: dict[str, Any], wall_s: float) -> list[tuple[str, str]]:
    def number(key: str, unit: str, digits: int = 0) -> str:
        value = device.get(key)
        return "—" if value is None else f"{value:.{digits}f} {unit}"

    rows = [
        ("device: start → first observation", number("start_to_first_observation_s", "s", 2)),
        ("sound → observation, p50 / p99", f"{number('audio_p50_ms', 'ms')} / {number('audio_p99_ms', 'ms')}"),
        ("picture → observation, p50 / p99", f"{number('video_p50_ms', 'ms')} / {number('video_p99_ms', 'ms')}"),
        ("face found", number("face_found_pct", "% of pictures", 1)),
        ("end of speech → first reply sound", number("first_audio_ms", "ms")),
        ("device peak memory", number("peak_mb", "MB")),
        ("device CPU", number("cpu_pct_core", "% of a core")),
        ("sent to the bridge", f"{number('bytes_sent', 'bytes')} in {number('envelopes_sent', 'envelopes')}"),
    ]
    stages = (bridge.get("timings") or {}).get("ms", {})
    for name, value in sorted(stages.items(), key=lambda stage: stage[1]):
        if value > 0:
            rows.append((f"turn's end → {_STAGES.get(name, name.replace('_', ' '))}", f"{value:.0f} ms"))
    if model := bridge.get("llm"):
        rows.append(("language model, voice", f"{model}, {bridge.get('tts', '—')}"))
    rows.append(("demo, wall time", f"{wall_s:.1f} s"))
    return rows
