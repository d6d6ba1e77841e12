"""Choosing how a mood follows a voice: counted as the benchmark counts, and steady."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.train import mood as recipe
from models.train.mood import _START, Told, choose, follow, main, tell, told_apart
from models.voice_head import CORE
from models.voice_stream import VoiceStream


def told(label: str, steps: int = 16, *, p: float = 0.8, seed: int = 0, noise: float = 0.0) -> Told:
    """`steps` calm estimates, then as many of `label`, four a second, all windows alike."""
    rng = np.random.default_rng(seed)
    names = ["neutral"] * steps + [label] * steps
    rows = np.array([[p if name == core else (1 - p) / 3 for core in CORE] for name in names])
    rows = rows * np.exp(rng.normal(0, noise, rows.shape))
    rows /= rows.sum(axis=1, keepdims=True)
    t_s = 0.25 * (1 + np.arange(2 * steps))
    sides = np.stack([rows[:, CORE.index("happy")], rows[:, 2:].sum(axis=1)], axis=1)
    probs = np.stack([rows] * 3, axis=1).astype(np.float32)
    return Told("one", label, 0.25 * steps, t_s, probs, sides.astype(np.float32))


def test_a_clear_change_is_counted_once() -> None:
    """Named soon, nothing false, the calm before named."""
    found = follow([told(label) for label in CORE[1:]], _START)
    assert found.false_per_min == found.never == 0
    assert found.calm_named == 1
    assert 0 < found.median_s < 2


def test_a_change_never_named_is_endless() -> None:
    """And the change to another label than the true one is false."""
    heard = told("happy")
    found = follow([replace(heard, label="sad")], _START)
    assert found.never == 1
    assert np.isinf(found.median_s)
    assert found.delay_s == 5.0
    assert found.false_per_min == pytest.approx(60 / heard.t_s[-1])


def test_choosing_never_makes_it_worse() -> None:
    """On noisy readings, whatever is chosen costs no more than the start; twice, it is the same."""
    rows = [told(label, p=0.5, seed=i, noise=0.8) for i, label in enumerate(CORE[1:] * 4)]
    chosen = choose(rows)
    assert follow(rows, chosen).cost <= follow(rows, _START).cost
    assert choose(rows) == chosen


def test_sides_are_told_apart_best_in_the_middle() -> None:
    """Odds that draw every voice to one side make half of the contradictions wrong ones."""
    rows = [told(label, p=0.4, seed=i, noise=0.3) for i, label in enumerate(CORE[1:] * 6)]
    low, middle, high = (told_apart(rows, odds) for odds in (0.01, 0.4, 20.0))
    assert middle > max(low, high)
    assert middle > 0.8


def test_splices_are_heard_as_a_device_hears_them(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From half a second on, at least four times a second, three windows each; twice, it is the same."""
    monkeypatch.setenv("MIEN_DATA", str(data))
    clips = [clip for clip in recipe.sample("emodb") if clip.speaker == "emodb03"]
    monkeypatch.setattr(recipe, "sample", lambda _corpus: clips)
    found = recipe.splices(1)
    assert [one.label for one in found] == list(CORE[1:])
    stream = VoiceStream()
    heard = [tell(one, stream) for one in found]
    for one, splice in zip(heard, found, strict=True):
        assert (one.speaker, one.label, one.turns_s) == ("emodb03", splice.label, splice.turns_s)
        assert one.t_s[0] == pytest.approx(0.5, abs=0.04)
        assert np.diff(one.t_s).max() < 0.29
        assert one.turns_s < one.t_s[-1] <= len(splice.sound) / 16_000
        assert one.probs.shape == (len(one.t_s), 3, len(CORE))
        assert np.allclose(one.probs.sum(axis=2), 1, atol=1e-5)
        assert (one.sides >= 0).all()
        assert (one.sides.sum(axis=1) <= 1 + 1e-5).all()
    assert np.array_equal(tell(found[0], stream).probs, heard[0].probs)


def test_it_asks_for_its_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One clear line, no traceback."""
    monkeypatch.delenv("MIEN_DATA", raising=False)
    assert main(["--cache", str(tmp_path)]) == 1
    assert "MIEN_DATA" in capsys.readouterr().err
