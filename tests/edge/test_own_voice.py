"""What `mien calibrate` learns: bounded, for its owner's eyes, used by the device alone, and erased for good."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from edge import own_voice
from edge.cli import calibrate, consent
from edge.config import Config
from edge.errors import ConfigError, PolicyError, SensorError
from edge.loop import Loop
from edge.own_voice import OwnVoice
from edge.perceive.hearing import Hearing
from edge.types import VoiceAffect
from models.voice_head import CORE, VoiceHead
from tests.sounds import frames, read

USUAL = np.array([1.5, -0.4, -0.4, -0.7], dtype=np.float32)
logits = st.lists(st.floats(-6, 6, width=32), min_size=4, max_size=4).map(lambda one: np.array(one, dtype=np.float32))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="session")
def recording(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of sound, with more than ten seconds of speech in it."""
    file = tmp_path_factory.mktemp("own") / "me.wav"
    sound = np.concatenate([read(one) for one in clips] * 3)
    soundfile.write(file, sound[: 16_000 * 30], 16_000)
    return file


@given(logits)
def test_what_is_learned_is_a_quarter_and_bounded(found: np.ndarray) -> None:
    """However odd the enrolment, no logit moves by more than 0.3; and nothing moves for who sounds like all others."""
    shift = np.array(OwnVoice.learn(found, USUAL, 20.0).shift)
    assert np.abs(shift).max() <= 0.3001
    assert shift.sum() == pytest.approx(0.0, abs=1e-3)
    quarter = 0.25 * ((found - USUAL) - (found - USUAL).mean())
    if np.abs(quarter).max() <= 0.3:
        np.testing.assert_allclose(shift, quarter, atol=1e-4)
    assert OwnVoice.learn(USUAL, USUAL, 20.0).shift == (0.0,) * 4


def test_it_is_kept_for_its_owner_alone_and_erased() -> None:
    """Mode 0600, as it was learned; after `forget` there is nothing, and that is no error."""
    assert OwnVoice.load() is None
    own = OwnVoice.learn(np.array([0.0, 0.0, 0.0, 1.0], dtype=np.float32), USUAL, 20.0)
    path = own.save()
    assert path.stat().st_mode & 0o777 == 0o600
    assert OwnVoice.load() == own
    assert own_voice.forget()
    assert OwnVoice.load() is None
    assert not own_voice.forget()
    assert [one.name for one in path.parent.iterdir()] == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"shift": [9, 0, 0, 0], "speech_s": 1, "head": "", "utc_ms": 0}', "\udce4"],
)
def test_a_broken_file_is_told_and_not_guessed_at(text: str) -> None:
    """With the mend in the message."""
    own_voice.file().parent.mkdir(parents=True)
    own_voice.file().write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match="mien calibrate"):
        OwnVoice.load()


def test_the_tuned_head_answers_by_as_much_and_the_other_stays() -> None:
    """The log-odds of the core classes move by the shift over the temperature, and bursts do not."""
    window = np.random.default_rng(0).standard_normal((100, 1152)).astype(np.float32)
    head, own = VoiceHead(), OwnVoice((-0.1, 0.0, 0.0, 0.1), 20.0, "", 0)
    before, after = head.estimate(window), own.tune(head).estimate(window)
    again = head.estimate(window)
    assert before is not None
    assert after is not None
    assert again is not None
    assert again.probs == before.probs
    assert after.bursts == before.bursts
    moved = np.array([np.log(after.probs[name] / before.probs[name]) for name in CORE])
    assert moved[0] > moved[1] > moved[3]
    assert moved[1] == pytest.approx(moved[2], abs=1e-4)
    assert moved[0] - moved[1] == pytest.approx(moved[1] - moved[3], rel=1e-2)


def test_hearing_heeds_it(clips: list[Path]) -> None:
    """The same speech is heard as less angry by a device whose owner always sounds a little angry."""
    own = OwnVoice((-0.1, -0.1, -0.1, 0.3), 20.0, "", 0)

    def angry(ear: Hearing) -> list[float]:
        found = [one for frame in frames(read(clips[0])) for one in ear.feed(frame)]
        return [one.probs["angry"] for one in found if isinstance(one, VoiceAffect)]

    plain, tuned = angry(Hearing(affect=True, words=False)), angry(Hearing(affect=True, words=False, own=own))
    assert plain
    assert all(after < before for before, after in zip(plain, tuned, strict=True))


def test_it_is_learned_from_a_recording_shown_and_forgotten(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command end to end; what is shown as JSON is what is kept."""
    assert calibrate.main(["--consent", "--sensor", str(recording), "--seconds", "10", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["in_use"]
    assert 10 <= shown["speech_s"] < 11
    own = OwnVoice.load()
    assert own is not None
    assert own.shift == tuple(shown["shift"][name] for name in CORE)
    assert any(abs(one) > 0.01 for one in own.shift)
    assert calibrate.main(["--forget"]) == 0
    assert capsys.readouterr().out == "forgotten\n"
    assert calibrate.main(["--show"]) == 0
    assert "nothing was learned" in capsys.readouterr().out


def test_nothing_is_learned_without_consent_or_from_silence(recording: Path, tmp_path: Path) -> None:
    """Both say why, and keep nothing."""
    with pytest.raises(PolicyError, match="consented"):
        calibrate.main(["--sensor", str(recording)])
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32_000), 16_000)
    with pytest.raises(SensorError, match="heard only 0 s"):
        calibrate.main(["--consent", "--sensor", str(silence)])
    with pytest.raises(ConfigError, match="--seconds"):
        calibrate.main(["--consent", "--sensor", str(silence), "--seconds", "2"])
    assert OwnVoice.load() is None


@pytest.mark.parametrize("purpose", [(), ("--purpose", "affect")])
def test_it_goes_with_the_consent(purpose: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever takes back everybody's consent erases it; one person in view may be somebody else."""
    OwnVoice((0.0, 0.0, 0.0, 0.0), 20.0, "", 0).save()
    consent.main(["withdraw", "--person", "2"])
    assert OwnVoice.load() is not None
    consent.main(["withdraw", *purpose])
    assert OwnVoice.load() is None
    assert "erased" in capsys.readouterr().err


def test_a_live_device_uses_it_and_a_replay_does_not() -> None:
    """A recording holds anybody's voice; and what cannot be used on a device is told, not silently left out."""
    live, replay = (
        Loop(Config(sensors=[uri], outputs=[])).senses.ears for uri in ("mic://default", "file:///none.wav")
    )
    assert live.own_voice() is None
    own = OwnVoice.learn(np.zeros(4, dtype=np.float32), USUAL, 20.0)
    own.save()
    assert live.own_voice() == own
    assert replay.own_voice() is None
    assert "own voice" not in live.left_out
    OwnVoice(own.shift, 20.0, "of another head", 0).save()
    assert live.own_voice() is None
    assert "mien calibrate" in live.left_out["own voice"]
