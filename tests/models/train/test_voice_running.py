"""Running speech: what is heard at a look belongs to the clip that speaks, in the windows that a device judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.train import voice_running as recipe
from models.train.voice_augment import as_it_is
from models.train.voice_data import read_sound, speech_part
from models.voice_stream import WINDOWS_S


def test_each_sentence_is_heard_in_the_midst_of_others(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All windows of each look, none before a sentence has spoken for half a second; then from the cache."""
    monkeypatch.setenv("MIEN_DATA", str(data))
    clips = [clip for clip in recipe.sample("emodb") if clip.speaker in {"emodb03", "emodb10"}][:12]
    monkeypatch.setattr(recipe, "sample", lambda _corpus, _limit: clips)
    found = recipe.running("emodb", "clean", as_it_is, tmp_path)
    spoken_s = [len(speech_part(read_sound(clip.file))) / 16_000 for clip in clips]
    looks = np.bincount(found.clip, minlength=len(clips)) / len(WINDOWS_S)
    for told, seconds in zip(looks, spoken_s, strict=True):
        assert (seconds - 0.75) / 0.24 - 1 <= told <= (seconds - 0.5) / 0.24 + 1
    assert len(set(found.seconds[2::3].tolist())) == 1
    assert np.allclose(found.seconds[2::3], WINDOWS_S[-1])
    assert found.seconds.max() == pytest.approx(WINDOWS_S[0])
    assert np.isfinite(found.x.astype(np.float32)).all()
    monkeypatch.setattr(recipe, "_looks", None)
    again = recipe.running("emodb", "clean", as_it_is, tmp_path)
    assert np.array_equal(again.x, found.x)
    assert np.array_equal(again.clip, found.clip)


def test_what_was_said_before_is_heard_with_the_newest() -> None:
    """A tone after a noise: the two-second window at its beginning is not that of the tone alone."""
    rng = np.random.default_rng(0)
    t_s = np.arange(16_000) / 16_000
    tone = (0.1 * np.sin(2 * np.pi * 200 * t_s)).astype(np.float32)
    noise = (0.1 * rng.standard_normal(24_000)).astype(np.float32)
    alone = list(recipe._looks(iter([(0, tone)]), np.random.default_rng(1)))
    after = [one for one in recipe._looks(iter([(1, noise), (0, tone)]), np.random.default_rng(1)) if one[1] == 0]
    assert {clip for _, clip, _ in alone} == {0}
    assert max(seconds for _, _, seconds in alone) <= 1.0
    assert max(seconds for _, _, seconds in after) == pytest.approx(2.0)
    assert np.linalg.norm(after[0][0] - alone[0][0]) > 1.0
