"""Conditions over a PersonState, e.g. `attention.away_s > 3 and not speaking`: parsed and type-checked once.

    condition  = term { "or" term }            term = factor { "and" factor }
    factor     = "not" factor | "(" condition ")" | operand [ compare operand ]
    operand    = path | number | 'text' | true | false | trend(path[, turns]) | course | attention lost
    course     = trend(path) (rising|falling|steady) [ over number turns ]
    compare    = > >= < <= == !=

Logic has three values: what is not known makes a comparison unknown, and unknown never fires.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edge.errors import ConfigError
from edge.types import EMOTIONS, PersonState

Value = float | str | bool
Kind = Literal["number", "text", "flag"]
Trend = Callable[[str, int], str | None]
"""Asked with (path, turns): `rising`, `falling`, `steady` or None."""
Node = Callable[[PersonState, Trend], Value | None]

CUES = ("uncertainty", "masking", "frustration", "interest", "confusion")
_AFFECT: Mapping[str, Kind] = {
    "label": "text", "valence": "number", "arousal": "number", "confidence": "number", "unclear": "flag",
    "age_ms": "number",
}  # fmt: skip
PATHS: Mapping[str, Kind] = {
    "speaking": "flag",
    "turn": "number",
    **{f"{part}.{name}": kind for part in ("face", "voice", "fused") for name, kind in _AFFECT.items()},
    **{f"{part}.probs.{name}": "number" for part in ("face", "voice", "fused") for name in EMOTIONS},
    "attention.on_target": "flag",
    "attention.away_s": "number",
    "drowsiness.level": "text",
    "drowsiness.perclos": "number",
    "drowsiness.blink_per_min": "number",
    "drowsiness.yawning": "flag",
    "prosody.pitch_hz": "number",
    "prosody.pitch_slope_st_s": "number",
    "prosody.pitch_range_st": "number",
    "prosody.energy_db": "number",
    "prosody.rate_hz": "number",
    "prosody.pause_fraction": "number",
    "incongruence": "number",
    **{f"incongruence.{pair}": "number" for pair in ("words_voice", "voice_face", "words_face")},
    **{f"cues.{name}": "number" for name in CUES},
}
TEXTS: Mapping[str, tuple[str, ...]] = {  # what a text may be: a misspelt label would never fire
    "label": EMOTIONS,
    "level": ("calibrating", "alert", "tired", "drowsy"),
    "trend": ("rising", "falling", "steady"),
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_DEEPEST = 32  # a condition may come from afar, and must not exhaust the stack
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<text>[^']*)'|(?P<sign>>=|<=|==|!=|[><(),])|(?P<word>[A-Za-z_][\w.]*))"
)


def read(state: PersonState, path: str) -> Value | None:
    """The value at `path` (one of PATHS), or None where it is not known."""
    if path == "incongruence":
        return max((item.strength for item in state.incongruence), default=0.0)
    head, _, rest = path.partition(".")
    if head == "incongruence":
        return max((item.strength for item in state.incongruence if item.between == rest), default=0.0)
    if path == "attention.away_s" and state.attention is not None and state.attention.on_target is None:
        return None
    value: Any = state
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part)
        if value is None:
            return None
    return value  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. `trends`: the (path, turns) whose course over turns it asks for."""

    text: str
    node: Node
    trends: frozenset[tuple[str, int]]

    def holds(self, state: PersonState, trend: Trend) -> bool | None:
        """True, False, or None where it is not known."""
        value = self.node(state, trend)
        return None if value is None else bool(value)


def parse(text: str) -> Condition:
    """Parse `text`. Raises ConfigError that says where and what was expected."""
    parser = _Parser(text)
    node, kind, _ = parser.either()
    if parser.peek() is not None:
        raise ConfigError(f"condition '{text}': '{parser.peek()}' was not expected there")
    if kind != "flag":
        raise ConfigError(f"condition '{text}' is no yes-or-no question: compare it with something")
    return Condition(text, node, frozenset(parser.trends))


Typed = tuple[Node, Kind, str | None]  # the last: which list of TEXTS it takes, or the literal text


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.trends: set[tuple[str, int]] = set()
        self._tokens: list[tuple[str, str]] = []
        self._at = self._depth = 0
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise ConfigError(f"condition '{text}': cannot read from '{text[place:].strip()}'")
            kind = str(match.lastgroup)
            self._tokens.append((kind, match[kind]))
            place = match.end()

    def peek(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def either(self) -> Typed:
        return self._chain("or", self._both)

    def _both(self) -> Typed:
        return self._chain("and", self._factor)

    def _chain(self, word: Literal["or", "and"], part: Callable[[], Typed]) -> Typed:
        first = part()
        if not self._is(word):
            return first
        nodes = [self._flag(first)]
        while self._is(word):
            self._at += 1
            nodes.append(self._flag(part()))
        decides = word == "or"

        def node(state: PersonState, trend: Trend) -> Value | None:
            values = [one(state, trend) for one in nodes]
            if any(value is not None and bool(value) is decides for value in values):
                return decides
            return None if None in values else not decides

        return node, "flag", None

    def _factor(self) -> Typed:
        self._depth += 1
        try:
            return self._one()
        finally:
            self._depth -= 1

    def _one(self) -> Typed:
        if self._depth > _DEEPEST:
            raise ConfigError(f"the condition '{self.text[:60]}…' is nested too deeply: {_DEEPEST} levels are enough")
        if self._is("not"):
            self._at += 1
            inner = self._flag(self._factor())

            def node(state: PersonState, trend: Trend) -> Value | None:
                value = inner(state, trend)
                return None if value is None else not value

            return node, "flag", None
        if self._is("("):
            self._at += 1
            found = self.either()
            self._take(")")
            return found
        left = self._operand()
        if (sign := self.peek()) in _COMPARE:
            self._at += 1
            return self._compare(left, str(sign), self._operand())
        return left

    def _compare(self, left: Typed, sign: str, right: Typed) -> Typed:
        if left[1] != right[1]:
            raise ConfigError(f"condition '{self.text}': a {left[1]} cannot be compared with a {right[1]}")
        if left[1] != "number" and sign not in ("==", "!="):
            raise ConfigError(f"condition '{self.text}': '{sign}' needs numbers; use == or != here")
        for one, other in ((left[2], right[2]), (right[2], left[2])):
            if one is None or other is None or other in TEXTS:
                continue
            if (known := TEXTS.get(one)) is not None and other not in known:
                raise ConfigError(f"condition '{self.text}': '{other}' never happens: there is {', '.join(known)}")
        compare, a, b = _COMPARE[sign], left[0], right[0]

        def node(state: PersonState, trend: Trend) -> Value | None:
            x, y = a(state, trend), b(state, trend)
            return None if x is None or y is None else compare(x, y)

        return node, "flag", None

    def _operand(self) -> Typed:
        if self._at >= len(self._tokens):
            raise ConfigError(f"condition '{self.text}' ends too early")
        kind, piece = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            number = float(piece)
            return (lambda _s, _t: number), "number", None
        if kind == "text":
            return (lambda _s, _t: piece), "text", piece
        if piece in ("true", "false"):
            truth = piece == "true"
            return (lambda _s, _t: truth), "flag", None
        if kind == "word" and piece == "trend":
            return self._trend()
        if kind == "word" and piece == "attention" and self._is("lost"):
            self._at += 1
            return (lambda state, _t: _lost(state)), "flag", None
        if kind == "word" and piece in PATHS:
            return (lambda state, _t: read(state, piece)), PATHS[piece], piece.rsplit(".", 1)[-1]
        raise ConfigError(f"condition '{self.text}': nothing is called '{piece}': {suggest(piece)}")

    def _trend(self) -> Typed:
        self._take("(")
        path = self._tokens[self._at][1] if self._at < len(self._tokens) else ""
        path = f"cues.{path}" if path in CUES else path
        if PATHS.get(path) != "number":
            raise ConfigError(
                f"condition '{self.text}': trend needs a number over turns, not '{path}': {suggest(path)}"
            )
        self._at += 1
        turns = 3
        if counted := self._is(","):
            self._at += 1
            turns = self._turns()
        self._take(")")
        wanted = self.peek()
        if wanted not in TEXTS["trend"]:
            self.trends.add((path, turns))
            return (lambda _s, trend: trend(path, turns)), "text", "trend"
        self._at += 1
        if self._is("over") and not counted:  # two numbers might differ
            self._at += 1
            turns = self._turns()
            self._take("turns")
        self.trends.add((path, turns))

        def node(_state: PersonState, trend: Trend) -> Value | None:
            course = trend(path, turns)
            return None if course is None else course == wanted

        return node, "flag", None

    def _turns(self) -> int:
        kind, piece = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind != "number" or not piece.isdigit() or not 2 <= int(piece) <= 16:
            raise ConfigError(f"condition '{self.text}': trend looks over 2 to 16 turns, not '{piece}'")
        self._at += 1
        return int(piece)

    def _flag(self, found: Typed) -> Node:
        if found[1] != "flag":
            raise ConfigError(f"condition '{self.text}': and, or, not join yes-or-no questions, not a {found[1]}")
        return found[0]

    def _is(self, piece: str) -> bool:
        return self.peek() == piece and self._tokens[self._at][0] != "text"

    def _take(self, piece: str) -> None:
        if not self._is(piece):
            raise ConfigError(f"condition '{self.text}': '{piece}' expected, not '{self.peek() or 'the end'}'")
        self._at += 1


def _lost(state: PersonState) -> bool | None:
    target = None if state.attention is None else state.attention.on_target
    return None if target is None else not target


def suggest(path: str) -> str:
    """What the writer may have meant."""
    import difflib

    near = difflib.get_close_matches(path, PATHS, n=3, cutoff=0.5)
    return f"do you mean {', '.join(near)}?" if near else "see edge.conditions.PATHS for all names"
