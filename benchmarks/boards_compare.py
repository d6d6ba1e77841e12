"""Whether two processors perceive the same: the lines of `benchmarks.boards_observe` against a reference's.

`python -m benchmarks.boards_compare FOLDER [--out DIR]`, where FOLDER holds `INPUT.reference.jsonl` and, of each other
processor, `INPUT.NAME.jsonl`; 1 where one differs by more than the tolerances below. Which observations there are, in
which order and at what time, must be the same to the last one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report

# The largest difference that counts as "the same", by the last word of a field's name. About a tenth of what the
# networks err by themselves: rounding differs between instruction sets, and one grey level turns an int8 step.
TOLERANCES: Mapping[str, float] = {
    "degrees": 2.0,
    "probabilities": 0.05,
    "valence, arousal": 0.05,
    "fractions": 0.02,
    "prosody": 0.1,
    "times": 0.0,
}
_GROUPS = {
    **dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), "degrees"),
    **dict.fromkeys(("valence", "arousal"), "valence, arousal"),
    **dict.fromkeys(("box", "mouth_open", "ear", "openness", "perclos", "quality"), "fractions"),
    **dict.fromkeys(("t_s", "speech_end_s", "speech_s", "listened_s", "window_s"), "times"),
}


@dataclass(slots=True)
class Difference:
    """One processor against the reference. `worst` by group; `decisions`: labels, flags and sources that differ."""

    processor: str
    observations: int
    expected: int
    sequence_same: bool
    pictures_same: bool
    sound_same: bool
    exact: int = 0  # observations that are the same to the last bit
    worst: dict[str, float] = field(default_factory=dict)
    decisions: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Within every tolerance, and no decision differs."""
        near = all(value <= TOLERANCES[group] for group, value in self.worst.items())
        return self.sequence_same and not self.decisions and near


def compare(reference: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> Difference:
    """`other` against `reference`; each a list of observe's lines. Raises ValueError where lines are missing."""
    ours, theirs = _observations(reference), _observations(other)
    if not ours or reference[-1]["type"] != "input":
        raise ValueError("the reference is not a whole output of boards_observe")
    seen, wanted = other[-1] if other else {}, reference[-1]
    outcome = Difference(
        processor=str(other[0].get("processor", "?")) if other else "?",
        observations=len(theirs),
        expected=len(ours),
        sequence_same=[_place(one) for one in ours] == [_place(one) for one in theirs] and seen.get("type") == "input",
        pictures_same=seen.get("pictures") == wanted["pictures"],
        sound_same=seen.get("sound") == wanted["sound"],
    )
    for one, two in zip(ours, theirs, strict=False):
        outcome.exact += one == two
        _differ(outcome, one, two)
    return outcome


def _observations(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [line for line in lines if line["type"] not in ("machine", "input")]


def _place(one: Mapping[str, Any]) -> tuple[object, ...]:
    return one["type"], one["t_s"], one["person"]


def _differ(outcome: Difference, one: Mapping[str, Any], two: Mapping[str, Any]) -> None:
    names = dict(_values(two))
    for name, value in _values(one):
        other = names.get(name)
        if isinstance(value, float) and isinstance(other, float):
            group = _group(str(one["type"]), name)
            outcome.worst[group] = max(outcome.worst.get(group, 0.0), abs(value - other))
        elif value != other:
            outcome.decisions.append(f"{one['type']}.{name} at {one['t_s']:.2f} s: {value} ≠ {other}")
    for name in ("probs", "recent", "latest"):
        if one.get(name) and two.get(name):
            label, found = (max(line[name], key=line[name].__getitem__) for line in (one, two))
            if label != found:
                outcome.decisions.append(f"{one['type']} label at {one['t_s']:.2f} s: {label} ≠ {found}")


def _values(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _values(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _values(part, f"{name}.{index}")
    else:
        yield name, value


def _group(kind: str, name: str) -> str:
    first = name.split(".", maxsplit=1)[0]
    if first in _GROUPS:
        return _GROUPS[first]
    return "prosody" if kind == "Prosody" else "probabilities"


def table(outcomes: Sequence[tuple[str, Difference]]) -> str:
    """For people: one line per input and processor."""
    groups = list(TOLERANCES)
    lines = [f"{'input':10} {'processor':12} {'observed':>9} {'exact':>6} " + " ".join(f"{one:>16}" for one in groups)]
    lines.append(f"{'tolerance':>40} " + " ".join(f"{TOLERANCES[one]:16g}" for one in groups))
    for source, one in outcomes:
        worst = " ".join(f"{one.worst.get(group, 0.0):16.2g}" for group in groups)
        count = f"{one.observations}/{one.expected}"
        verdict = "same" if one.same else "DIFFERS"
        lines.append(f"{source:10} {one.processor:12} {count:>9} {one.exact:6} {worst}  {verdict}")
        lines += [f"    {text}" for text in one.decisions[:10]]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare files; the exit status tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the outputs of boards_observe")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write the outcome to DIR/aarch64.json")
    args = parser.parse_args(argv)
    outcomes: list[tuple[str, Difference]] = []
    for file in sorted(args.folder.glob("*.reference.jsonl")):
        source = file.name.removesuffix(".reference.jsonl")
        reference = _read(file)
        others = sorted(one for one in args.folder.glob(f"{source}.*.jsonl") if one != file)
        outcomes += [(source, compare(reference, _read(one))) for one in others]
    if not outcomes:
        print(f"nothing to compare in {args.folder}", file=sys.stderr)
        return 2
    print(table(outcomes))
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        found = [
            {"input": source, **{name: getattr(one, name) for name in Difference.__slots__}, "same": one.same}
            for source, one in outcomes
        ]
        metrics = {"processors_same": sum(one.same for _, one in outcomes), "processors": len(outcomes)}
        head = report.head("aarch64", "sh deploy/aarch64/run.sh")
        text = json.dumps({**head, "metrics": metrics, "tolerances": dict(TOLERANCES), "runs": found}, indent=2)
        (args.out / "aarch64.json").write_text(text + "\n", encoding="utf-8")
    return 0 if all(one.same for _, one in outcomes) else 1


def _read(file: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(main())
