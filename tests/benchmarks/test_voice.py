"""The voice benchmark's own sums: confidence against truth, actors and sexes, noise at its level."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.voice import _Babble, _Pink, _setting
from benchmarks.voice_cost import cost
from benchmarks.voice_shipped import by_speaker, ece, judge
from models.train.voice_data import Clip, Rows


def test_calibration_error_is_the_distance_of_claim_and_truth() -> None:
    """Nine of ten right at 0.9 is no error; half right at 0.9 is 0.4."""
    confidence = np.full(100, 0.9)
    assert ece(confidence, np.arange(100) < 90) == pytest.approx(0.0, abs=1e-9)
    assert ece(confidence, np.arange(100) < 50) == pytest.approx(0.4)


def test_the_judge_counts_arousal_across_classes_and_errors_by_confidence() -> None:
    """Anger heard as joy is aroused all the same; the least sure third is left out of `error_at_70`."""
    probs = np.full((10, 4), 0.1)
    probs[:7, 3] = 0.7  # angry, sure
    probs[7:, 1] = 0.4  # happy, unsure
    metrics, detail = judge(probs, np.full(10, 3))
    assert metrics["error_full"] == pytest.approx(0.3)
    assert metrics["error_at_70"] == 0.0
    assert metrics["zeroshot_arousal_ba"] == 1.0
    assert detail["recall"] == {"angry": pytest.approx(0.7)}


def test_actors_and_sexes_are_told_apart() -> None:
    """Odd actors are men; each recall is the mean over the classes that the person spoke."""
    speakers = np.array(["rav01", "rav01", "rav02", "rav02"])
    found = by_speaker(np.array([0, 1, 0, 0]), np.array([0, 1, 0, 1]), speakers)
    assert found["actors"] == {"rav01": 1.0, "rav02": 0.5}
    assert found["genders"] == {"male": 1.0, "female": 0.5}


@pytest.mark.parametrize("snr_db", [20, 0])
def test_noise_lies_as_far_under_the_speech_as_is_said(snr_db: float) -> None:
    """Pink and babble alike, and the same each time."""
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(8000).astype(np.float32) for _ in range(8)]
    clips = [Clip(Path(f"{i}.flac"), f"rav{i:02d}", "calm") for i in range(8)]
    for change in (_Pink(snr_db), _Babble(sounds, clips, snr_db)):
        added = change(0, sounds[0]) - sounds[0]
        assert 10 * np.log10(np.mean(sounds[0] ** 2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.05)
        np.testing.assert_array_equal(change(0, sounds[0]), change(0, sounds[0]))


def test_a_heads_setting_is_chosen_without_the_test_speakers() -> None:
    """What the held-out people's labels say makes no difference."""
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 60)
    x = (rng.standard_normal((120, 20)) + 2 * np.eye(2, 20)[y]).astype(np.float16)
    rows = Rows(x, np.arange(120), np.ones(120, dtype=np.float32))
    speakers = np.repeat([f"rav{i:02d}" for i in range(12)], 10)
    used = np.arange(120) < 90
    other = np.where(used, y, 1 - y)
    assert _setting([rows], y, used, speakers) == _setting([rows], other, used, speakers)


def test_hearing_is_charged_as_a_device_hears(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost is taken in a process that has OpenBLAS on one core from its start, whatever this one was given."""
    threads, run = [], subprocess.run

    def spy(command: list[str], *, env: dict[str, str], **rest: Any) -> subprocess.CompletedProcess[bytes]:
        threads.append(env["OPENBLAS_NUM_THREADS"])
        return run(command, env=env, **rest)

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.setattr(subprocess, "run", spy)
    found = cost(6)
    assert threads == ["1"]
    assert found["cpu_ms_per_speech_s"] > 0
    assert found["observation_p99_ms"] > 0
