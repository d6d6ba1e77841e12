"""The drawn face is a face to the real detectors, follows its script, and says that it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError, MediaError, SensorMissing
from edge.sensors._acting import Actor, hum_block, parse
from edge.sensors._face import LOOKS, Look, draw
from edge.sensors.base import BLOCK, EndOfStream, from_text
from edge.types import VideoFrame
from models import store
from models.errors import ModelError
from tests.edge.sensors.media import drain, samples

EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))  # Soukupová & Čech's six points of each eye


def need(*names: str) -> None:
    for name in names:
        try:
            store.path(name)
        except ModelError as error:
            pytest.skip(f"{error}")


@pytest.mark.parametrize("look", sorted(LOOKS))
@pytest.mark.parametrize("sway", [(0, 0, 0), (0.05, -0.04, 6)])
def test_it_is_a_face(look: str, sway: tuple[float, float, float]) -> None:
    """BlazeFace finds it, surely, in every look, swaying or not; once, and in the middle."""
    need("face_detector")
    from models.face_detector import FaceDetector

    found = FaceDetector().detect(draw(LOOKS[look], sway=sway))
    assert len(found) == 1
    assert found[0].score > 0.8
    x, y, w, h = found[0].box
    assert abs(x + w / 2 - 320) < 60
    assert abs(y + h / 2 - 250) < 70


def read(look: Look) -> tuple[dict[str, float], float, float]:
    """Blendshapes, mean eye aspect ratio and mouth opening that the real nets read from the drawn face."""
    need("face_detector", "face_landmarks", "face_blendshapes")
    from models.blendshapes import Blendshapes
    from models.face_detector import FaceDetector
    from models.face_landmarks import FaceLandmarks, roi_from_detection, roi_from_landmarks

    picture, net = draw(look), FaceLandmarks()
    rough = net.read(picture, roi_from_detection(FaceDetector().detect(picture)[0]))
    points = net.read(picture, roi_from_landmarks(rough.points)).points

    def gap(one: int, other: int) -> float:
        return float(np.linalg.norm(points[one, :2] - points[other, :2]))

    ears = [(gap(b, f) + gap(c, e)) / 2 / gap(a, d) for a, b, c, d, e, f in EYES]
    return Blendshapes().read(points), float(np.mean(ears)), gap(13, 14) / gap(78, 308)


def test_its_smile_is_a_smile() -> None:
    """What the script says is what the nets see: a smile for a smile, none for neutral."""
    for look, low, high in (("smile", 0.5, 1.0), ("neutral", 0.0, 0.1), ("sad", 0.0, 0.1)):
        seen, _, _ = read(LOOKS[look])
        assert low <= min(seen["mouthSmileLeft"], seen["mouthSmileRight"])
        assert max(seen["mouthSmileLeft"], seen["mouthSmileRight"]) <= high


def test_its_eyes_close() -> None:
    """The eye aspect ratio follows the script from open to shut, so that blinks and closures can be scripted."""
    ears = [read(Look(eyes=eyes))[1] for eyes in (1.0, 0.75, 0.5, 0.25, 0.0)]
    assert ears == sorted(ears, reverse=True)
    assert ears[1] > 0.22
    assert ears[-1] < 0.08


def test_its_mouth_opens() -> None:
    """The mouth's opening follows the script, so that speech can be seen."""
    gaps = [read(Look(mouth=mouth))[2] for mouth in (0.0, 0.3, 0.6, 1.0)]
    assert gaps == sorted(gaps)
    assert gaps[0] < 0.05
    assert gaps[-1] > 0.3


def test_its_voice_is_speech_to_the_detector() -> None:
    """The hummed vowels count as speech, and silence does not: hearing can be tested without a person."""
    need("speech_activity")
    from models.speech_activity import SpeechActivityNet

    net = SpeechActivityNet()
    hummed = [net.probability(hum_block(index * BLOCK, BLOCK)) for index in range(40)]
    assert np.median(hummed[10:]) > 0.9
    net.reset()
    assert max(net.probability(np.zeros(BLOCK, np.float32)) for _ in range(20)) < 0.3


def test_it_plays_its_script_in_order() -> None:
    """Unpaced: sound and picture on one clock, talking only where the script says so, and an end at its end."""
    sensor = from_text("synthetic://?script=neutral:1,smile-talk:1,closed:0.5&fps=10", paced=False)
    sensor.open()
    heard, seen, errors = drain(sensor)
    assert errors == []
    assert [one.t_s for one in seen] == pytest.approx([index / 10 for index in range(26)])
    assert heard[-1].end_s == pytest.approx(2.5, abs=0.04)
    sound = samples(heard)
    assert not sound[:15_000].any()
    assert np.abs(sound[17_000:31_000]).max() > 0.1
    assert not sound[33_000:].any()
    with pytest.raises(EndOfStream):
        sensor.read(0.1)


def test_its_mouth_moves_with_its_voice() -> None:
    """Lips that stand still while it talks would teach the detectors nothing."""
    sensor = from_text("synthetic://?script=neutral:2,neutral-talk:2&fps=25", paced=False)
    sensor.open()
    _, seen, _ = drain(sensor)
    mouths = np.stack([one.pixels[330:420, 260:380].astype(float) for one in seen])
    change = np.abs(np.diff(mouths, axis=0)).mean((1, 2, 3))
    assert change[55:95].mean() > 2 * change[5:45].mean()


def test_a_given_voice_is_its_voice(tmp_path: Path) -> None:
    """With `audio` it speaks that file, as long as the file is."""
    sound = 0.3 * np.sin(np.arange(24_000) / 10)
    soundfile.write(tmp_path / "voice.wav", sound, 16_000, subtype="FLOAT")
    sensor = from_text(f"synthetic://?audio={tmp_path}/voice.wav&script=smile", paced=False)
    sensor.open()
    heard, seen, _ = drain(sensor)
    np.testing.assert_allclose(samples(heard), sound[: len(samples(heard))], atol=1e-4)
    assert len(samples(heard)) > 23_000
    assert seen[-1].t_s == pytest.approx(1.5, abs=0.05)


def test_the_same_script_gives_the_same_frames() -> None:
    """A function of time only: tests and demos can be repeated."""
    runs = []
    for _ in range(2):
        sensor = from_text("synthetic://?script=surprise:0.4&fps=5", paced=False)
        sensor.open()
        runs.append([one.pixels for one in drain(sensor)[1] if isinstance(one, VideoFrame)])
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_looks_flow_into_each_other() -> None:
    """A change of look takes a third of a second, as faces do; blinks come and go."""
    actor = Actor(parse("neutral:5,smile:5"))
    smiles = [actor.look(t_s, 0.0).smile for t_s in np.linspace(4.9, 5.5, 30)]
    assert smiles == sorted(smiles)
    assert 0 < smiles[10] < 1
    eyes = [actor.look(t_s, 0.0).eyes for t_s in np.linspace(0, 10, 1000)]
    assert min(eyes) < 0.05
    assert np.mean(np.array(eyes) > 0.6) > 0.9


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("synthetic://?script=grin", "'grin' is not LOOK"),
        ("synthetic://?script=smile-sing:2", "is not LOOK"),
        ("synthetic://?script=smile,sad:2", "needs a time"),
        ("synthetic://?script=smile:x", "needs a time"),
        ("synthetic://?script=smile:-1", "needs a time"),
        ("synthetic://?mood=good", "does not know the option 'mood'"),
    ],
)
def test_wrong_scripts_name_what_there_is(uri: str, words: str) -> None:
    """A script is written by hand: its errors are for hands."""
    with pytest.raises(ConfigError, match=words):
        from_text(uri)


def test_a_voice_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing or broken voice is the same error as for any file."""
    with pytest.raises(SensorMissing):
        from_text(f"synthetic://?audio={tmp_path}/none.wav").open()
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(MediaError):
        from_text(f"synthetic://?audio={tmp_path}/bad.wav").open()
