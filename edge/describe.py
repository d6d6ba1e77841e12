"""A state in words: one audio line, one visual line, one joint line where both together tell more.

Deterministic templates; the wording turns with the turn, so that neighbouring turns are not word-identical. Every
phrase rests on evidence in the state; doubt is said; nothing is diagnosed, and nothing is said of who somebody is.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

from edge import plugin
from edge.errors import ConfigError, PluginError
from edge.incongruence import TOLD_FROM, named
from edge.types import Affect, Attention, Description, Incongruence, PersonState, Prosody

MAX_TOKENS = 32
_SURE, _LIKELY, _GUESS = 0.75, 0.5, 1 / 3
_CUE_FROM = {"interest": 0.7}  # told from 0.5 on, but for those that are common
_CUES = ("masking", "uncertainty", "frustration", "confusion", "interest")
_UNIT_FROM = 0.45
_EYES_JOIN = 0.33  # a smile whose eyes join in so much is never called a mask (edge.cues)
_KEEP = 16
Line = Literal["audio", "visual", "joint"]


def estimate_tokens(text: str) -> int:
    """Upper estimate of GPT-2 byte-pair tokens: a word, above all the first, counts more than it usually costs."""
    count = 1 if text else 0
    for word, sign in re.findall(r"([^\W\d_]+)|([\d]|[^\w\s]|_)", text):
        if sign:
            count += 1 if sign.isascii() else 3
        elif word.isascii():
            count += 1 if len(word) <= 4 else 2 if len(word) <= 8 else math.ceil(len(word) / 4)
        else:
            count += len(word.encode())
    return count


@dataclass(slots=True)
class _Said:
    """What was last said of one person."""

    turn: int = -1
    facts: dict[Line, object] = field(default_factory=dict)
    text: dict[Line, str | None] = field(default_factory=dict)
    before: dict[Line, tuple[object, str | None]] = field(default_factory=dict)


class Describer:
    """Puts states into words. Keeps what it said of each person's last turn, to vary the wording."""

    def __init__(self, language: str = "en") -> None:
        """Raises ConfigError for a language that has no file in edge/languages."""
        try:
            self._words = plugin.load("edge.languages", language.partition("-")[0].lower())
        except PluginError as error:
            raise ConfigError(f"no descriptions in '{language}': {error}") from error
        self.reset()

    def reset(self) -> None:
        """Forget what was said of everybody."""
        self._said: OrderedDict[int, _Said] = OrderedDict()

    def describe(self, state: PersonState) -> Description:
        """The state in words. A line is None where nothing was perceived."""
        return Description(
            person=state.person,
            t_s=state.t_s,
            turn=state.turn,
            audio=self._line("audio", state),
            visual=self._line("visual", state),
            joint=self._line("joint", state),
            numbers=numbers(state),
        )

    def _line(self, line: Line, state: PersonState) -> str | None:
        said = self._said.setdefault(state.person, _Said())
        self._said.move_to_end(state.person)
        while len(self._said) > _KEEP:
            self._said.popitem(last=False)
        if said.turn != state.turn:
            said.before = {one: (said.facts.get(one), said.text.get(one)) for one in ("audio", "visual", "joint")}
            said.turn = state.turn
        phrase = _PHRASES[line](state, self._words)
        if phrase is None:
            said.facts[line], said.text[line] = None, None
            return None
        facts_before, text_before = said.before.get(line, (None, None))
        turn = max(state.turn, 0)
        text = phrase.render(turn, self._words.fitted)
        if text == text_before and facts_before != phrase.facts:
            text = phrase.render(turn + 1, self._words.fitted)
        said.facts[line], said.text[line] = phrase.facts, text
        return text


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Heads (variants with `{}` for a word, or without) and evidence, the most telling first."""

    heads: Sequence[str]
    words: Sequence[str]
    evidence: Sequence[str]
    facts: object

    def render(self, variant: int, fitted: Callable[[str], str]) -> str:
        """At most MAX_TOKENS: evidence that does not fit is left out."""
        head = self.heads[variant % len(self.heads)]
        word = self.words[(variant // len(self.heads) + variant) % len(self.words)] if self.words else ""
        text = fitted(head.format(word))
        kept: list[str] = []
        for part in self.evidence:
            longer = f"{text}: {', '.join([*kept, part])}."
            if estimate_tokens(longer) <= MAX_TOKENS:
                kept.append(part)
        whole = f"{text}: {', '.join(kept)}" if kept else text
        return whole if whole.endswith(".") else f"{whole}."


def numbers(state: PersonState) -> dict[str, float]:
    """The figures beside the words; only what is known."""
    found: dict[str, float | None] = {}
    for name, affect in (("fused", state.fused), ("voice", state.voice), ("face", state.face)):
        if affect is not None:
            found[f"{name}_valence"], found[f"{name}_arousal"] = affect.valence, affect.arousal
            found[f"{name}_confidence"] = affect.confidence
    if state.attention is not None and state.attention.on_target is not None:
        found["away_s"] = state.attention.away_s
    if state.drowsiness is not None:
        found["perclos"] = state.drowsiness.perclos
    for item in state.incongruence:
        found[f"incongruence_{item.between}"] = item.strength
    found |= state.cues
    return {name: round(value, 2) for name, value in found.items() if value is not None and math.isfinite(value)}


# ---------------------------------------------------------------- what is said of each line


def _grade(affect: Affect) -> int:
    """How sure its label is, from 0; 3: nothing can be said."""
    sure = affect.probs.get(affect.label, 0.0) if affect.confidence is None else affect.confidence
    if affect.unclear or sure < _GUESS:
        return 3
    return 0 if sure >= _SURE and affect.confidence is not None else 1 if sure >= _LIKELY else 2


def _lead(affect: Affect, leads: Sequence[Sequence[str]], unclear: Sequence[str]) -> tuple[Sequence[str], int]:
    grade = _grade(affect)
    return (unclear if grade == 3 else leads[grade]), grade


def _audio(state: PersonState, words: ModuleType) -> _Phrase | None:
    evidence = _prosody(state.prosody)
    phrases = [words.PROSODY[name] for name in evidence]
    if state.voice is not None:
        heads, grade = _lead(state.voice, words.VOICE_LEADS, words.VOICE_UNCLEAR)
        names = () if grade == 3 else words.HEARD[state.voice.label]
        return _Phrase(heads, names, phrases, (grade, state.voice.label if names else None, tuple(evidence)))
    if state.prosody is not None or state.speaking:
        return _Phrase(words.VOICE_PLAIN, (), phrases, tuple(evidence))
    return None


def _visual(state: PersonState, words: ModuleType) -> _Phrase | None:
    looks = _looks(state.attention)
    tired = _tired(state)
    phrases = [words.DROWSY[name] for name in tired]
    phrases += [text for text in (_said_look(looks, state.attention, words),) if text]
    units = _units(state.action_units)
    if state.face is not None:
        heads, grade = _lead(state.face, words.FACE_LEADS, words.FACE_UNCLEAR)
        names = () if grade == 3 else words.SEEN[state.face.label]
        fitting = [words.UNITS[name] for name in units[:2]]
        key = (grade, state.face.label if names else None, tuple(units[:2]), looks, tuple(tired))
        return _Phrase(heads, names, [*fitting, *phrases], key)
    if state.attention is not None or state.face_box is not None or tired:
        return _Phrase(words.FACE_PLAIN, (), phrases, (looks, tuple(tired)))
    return None


def _joint(state: PersonState, words: ModuleType) -> _Phrase | None:
    told_of = (item for item in state.incongruence if item.strength >= TOLD_FROM and not _denied(item, state))
    worst = max(told_of, key=lambda item: item.strength, default=None)
    if worst is not None:
        gap = _gap(worst, state, words)
        heads = [template.format(gap) for template in words.INCONGRUENCE[worst.between]]
        return _Phrase(heads, (), (), (worst.between, gap))
    strong = [name for name in _CUES if state.cues.get(name, 0.0) >= _CUE_FROM.get(name, 0.5)]
    if state.fused is None or state.fused.unclear:  # frustration is a feeling, and what is felt is not known
        strong = [name for name in strong if name != "frustration"]
    if state.trend is not None and (match := re.fullmatch(r"(\w+) (\w+) over (\d+) turns", state.trend)):
        told = words.trend(match[1], match[2], int(match[3]))
        heads = [f"{head} {told}" for head in words.CUES[strong[0]]] if strong else [told]
        return _Phrase(heads, (), (), (tuple(strong[:1]), state.trend))
    if strong:
        return _Phrase(words.CUES[strong[0]], (), (), strong[0])
    return None


_PHRASES = {"audio": _audio, "visual": _visual, "joint": _joint}


def _denied(item: Incongruence, state: PersonState) -> bool:
    """Whether another line says that one side is otherwise: a face leans to the unpleasant, and looks composed."""
    return any(
        side in item.between
        and affect is not None
        and _grade(affect) < 3
        and named(affect, pleasant=item.pleasant == side) is None
        for side, affect in (("voice", state.voice), ("face", state.face))
    )


def _gap(item: Incongruence, state: PersonState, words: ModuleType) -> str:
    """The two sides; where a feeling is unclear, only which way it leans."""

    def told(affect: Affect | None, side: str, names: Mapping[str, Sequence[str]]) -> str:
        label = None if affect is None else named(affect, pleasant=item.pleasant == side)
        return names[label][0] if label else str(words.LEANS[item.pleasant == side])

    heard, seen = told(state.voice, "voice", words.HEARD), told(state.face, "face", words.SEEN)
    said = words.WORDS_LEAN[item.pleasant == "words"]
    fills = {"words_voice": (said, heard), "voice_face": (heard, seen), "words_face": (said, seen)}[item.between]
    return str(words.GAP[item.between].format(*fills))


def _prosody(prosody: Prosody | None) -> list[str]:
    if prosody is None:
        return []
    found = []
    if prosody.pause_fraction >= 0.35:
        found.append("pauses")
    if prosody.rate_hz is not None:
        found += ["slow"] if prosody.rate_hz < 2.8 else ["fast"] if prosody.rate_hz > 5.5 else []
    if prosody.pitch_slope_st_s is not None:
        found += ["falling"] if prosody.pitch_slope_st_s < -5 else ["rising"] if prosody.pitch_slope_st_s > 5 else []
    if prosody.pitch_range_st is not None:
        found += ["flat"] if prosody.pitch_range_st < 2.5 else ["lively"] if prosody.pitch_range_st > 9 else []
    return found


def _units(units: Mapping[str, float]) -> list[str]:
    found: list[tuple[float, str]] = []
    smile = units.get("smile", 0.0)
    if smile >= _UNIT_FROM:
        found.append((smile, "smile_eyes" if units.get("cheek_raise", 0.0) >= _EYES_JOIN else "smile_mouth"))
    for name in ("brow_lower", "brow_raise", "brow_inner_raise", "frown", "lip_press", "nose_wrinkle", "eyes_wide"):
        if (value := units.get(name, 0.0)) >= _UNIT_FROM:
            found.append((value, name))
    return [name for _, name in sorted(found, reverse=True)]


def _looks(attention: Attention | None) -> str | None:
    if attention is None or attention.on_target is None:
        if attention is not None and attention.head_pose_deg and abs(attention.head_pose_deg[0]) > 25:
            return "turned"
        return None
    if attention.on_target:
        return "on"
    return "away_long" if attention.away_s >= 3 else "away"


def _said_look(look: str | None, attention: Attention | None, words: ModuleType) -> str | None:
    if look is None or attention is None:
        return None
    return str(words.ATTENTION[look].format(seconds=int(min(attention.away_s, 999))))


def _tired(state: PersonState) -> list[str]:
    drowsiness = state.drowsiness
    if drowsiness is None:
        return []
    found = [drowsiness.level] if drowsiness.level in ("tired", "drowsy") else []
    return [*found, "yawn"] if drowsiness.yawning else list(found)
