"""A long benchmark's parts outlive what ends it, and each can be taken again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.parts import Part, Parts

NAMES = ("first", "second")


def giving(value: int) -> Callable[[], Part]:
    return lambda: {"value": value}


def run(parts: Parts, value: int) -> list[int | None]:
    """Take every part; what is found of each then."""
    for name in NAMES:
        parts.take(name, giving(value))
    return [found["value"] if (found := parts.found(name)) else None for name in NAMES]


def test_an_ended_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """Ctrl-C in the second part: the first one is kept, and is not measured again."""
    parts = Parts(NAMES, tmp_path)
    parts.take("first", giving(1))

    def ended() -> Part:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.take("second", ended)
    again = Parts(NAMES, tmp_path, resume=True)
    assert again.wanted == ("second",)
    assert run(again, 2) == [1, 2]


def test_one_part_is_taken_again_and_the_rest_stays(tmp_path: Path) -> None:
    """As the speeds, on a quieter machine than the hour of faults before."""
    run(Parts(NAMES, tmp_path), 1)
    assert run(Parts(NAMES, tmp_path, only=["first"]), 2) == [2, 1]
    assert run(Parts(NAMES, tmp_path, resume=True), 3) == [2, 1]


def test_a_new_run_forgets_the_old(tmp_path: Path) -> None:
    """What it does not get to is absent, and not an older figure."""
    run(Parts(NAMES, tmp_path), 1)
    Parts(NAMES, tmp_path).take("first", giving(2))
    assert run(Parts(NAMES, tmp_path, only=["first"]), 3) == [3, None]


def test_a_part_that_fails_is_told_and_ends_no_other(tmp_path: Path) -> None:
    """The others are kept; the failed one is among those that `resume` takes."""
    parts = Parts(NAMES, tmp_path)

    def failing() -> Part:
        raise RuntimeError("the broker did not start")

    parts.take("first", failing)
    parts.take("second", giving(1))
    assert parts.not_measured == {"first": "the broker did not start"}
    assert parts.found("first") is None
    assert list(parts.origins()) == ["second"]
    assert Parts(NAMES, tmp_path, resume=True).wanted == ("first",)


def test_a_torn_file_is_no_result(tmp_path: Path) -> None:
    """Whatever ended the run while it wrote."""
    run(Parts(NAMES, tmp_path), 1)
    (tmp_path / "second.json").write_text('{"found"')
    assert Parts(NAMES, tmp_path, resume=True).wanted == ("second",)


@pytest.mark.parametrize("words", [["link", "--quick", "--resume"], ["link", "--quick", "--only", "speed"]])
@pytest.mark.parametrize("name", [None, "all", "report"])
def test_what_has_no_parts_refuses_to_take_some(
    words: list[str], name: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A smoke run, all of them, the report: nothing is left out in silence, and nothing is run."""
    if name is not None:
        words = [name, *words[2:]]
    assert cli.main(words) == 2
    assert "keeps no parts" in capsys.readouterr().err
