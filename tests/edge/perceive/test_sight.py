"""Pictures in, observations out: people are followed, lost and found, and nothing is invented."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.perceive.sight import Sight
from edge.types import Eyes, FaceAffect, FaceLost, FaceSeen, Gaze, HeadPose, Observation, VideoFrame
from models.errors import ModelMissing
from models.expression import EXPRESSIONS, Expression
from tests.sim.blinks import frames, openness, script
from tests.sim.heads import Look, draw


def _sight(*, affect: bool) -> Sight:
    try:
        return Sight(affect=affect)
    except ModelMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def sight() -> Sight:
    return _sight(affect=False)


def feed(sight: Sight, picture: np.ndarray, *times: float) -> list[Observation]:
    return [one for t_s in times for one in sight.feed(VideoFrame("test", int(t_s * 30), t_s, picture))]


def seen(found: list[Observation]) -> list[FaceSeen]:
    return [one for one in found if isinstance(one, FaceSeen)]


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return draw(Look(), face=160)


@pytest.fixture(scope="module")
def empty() -> np.ndarray:
    return np.full((480, 640, 3), 120, np.uint8)


def test_one_picture_tells_all_but_what_needs_time(sight: Sight, head: np.ndarray) -> None:
    """The first picture gives a face, its pose, its look and its eyes; what needs a baseline is None."""
    found = feed(sight, head, 0.0)
    assert [type(one) for one in found] == [FaceSeen, HeadPose, Eyes, Gaze]
    assert {one.person for one in found} == {1}
    face, pose, eyes, gaze = found
    assert isinstance(face, FaceSeen)
    x, y, w, h = face.box
    assert (x + w / 2, y + h / 2) == pytest.approx((0.5, 0.5), abs=0.06)
    assert not face.partial
    assert isinstance(eyes, Eyes)
    assert isinstance(gaze, Gaze)
    assert (eyes.openness, eyes.perclos, gaze.on_target) == (None, None, None)
    assert isinstance(pose, HeadPose)
    assert abs(pose.yaw_deg) < 3


def test_without_an_expression_net_there_is_no_affect(sight: Sight, head: np.ndarray) -> None:
    """Nobody is 'neutral' because nothing was read."""
    assert not [one for one in feed(sight, head, 0.0, 0.2, 0.4) if isinstance(one, FaceAffect)]


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (1920, 1080)])
def test_any_camera_resolution_will_do(sight: Sight, size: tuple[int, int]) -> None:
    """From 320×240 to 1080p."""
    picture = draw(Look(), size=size, face=size[1] * 0.35)
    assert len(seen(feed(sight, picture, 0.0))) == 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_camera_on_its_side_gives_upright_angles(sight: Sight, turns: int) -> None:
    """The head of a turned camera is not tilted by 90°."""
    picture = np.ascontiguousarray(np.rot90(draw(Look(roll=10, yaw=20), face=160), -turns))
    (pose,) = [one for one in feed(sight, picture, 0.0) if isinstance(one, HeadPose)]
    assert (pose.yaw_deg, pose.roll_deg) == pytest.approx((20, 10), abs=6)


def test_grey_and_dark_pictures_are_seen(sight: Sight, head: np.ndarray) -> None:
    """An infrared camera's picture is grey."""
    grey = cv2.cvtColor(head, cv2.COLOR_BGR2GRAY)
    assert len(seen(feed(sight, grey, 0.0))) == 1
    sight.reset()
    dark = (255 * (head / 255.0) ** 2.5).astype(np.uint8)
    assert len(seen(feed(sight, dark, 0.0))) == 1


def test_mirrored_views_and_new_sizes_are_taken(sight: Sight, head: np.ndarray) -> None:
    """A view with negative strides is a picture; a camera may change its resolution under way."""
    assert len(seen(feed(sight, head[:, ::-1], 0.0))) == 1
    small = cv2.resize(head, (320, 240), interpolation=cv2.INTER_AREA)
    assert seen(feed(sight, small, *(0.1 + index / 10 for index in range(12))))


def test_people_keep_their_numbers(sight: Sight) -> None:
    """Three people, moving: three tracks, each with its own number from beginning to end."""
    heads = [draw(Look(yaw=yaw), size=(320, 480), face=130) for yaw in (15, 0, -15)]
    places: dict[int, list[float]] = {}
    for index in range(30):
        t_s = index / 15
        shifted = [np.roll(one, round(12 * np.sin(t_s + k)), axis=1) for k, one in enumerate(heads)]
        for one in seen(feed(sight, np.hstack(shifted), t_s)):
            assert one.person is not None
            places.setdefault(one.person, []).append(one.box[0] + one.box[2] / 2)
    assert sorted(places) == [1, 2, 3]
    for centres in places.values():
        assert max(centres) - min(centres) < 0.1
    assert all(len(centres) >= 28 for centres in places.values())


def test_a_face_that_leaves_is_lost_once(sight: Sight, head: np.ndarray, empty: np.ndarray) -> None:
    """FaceLost comes once, a moment after; then nothing; who comes later is somebody new."""
    feed(sight, head, 0.0, 0.1, 0.2)
    gone = feed(sight, empty, *(0.3 + index / 10 for index in range(20)))
    assert [type(one) for one in gone] == [FaceLost]
    assert gone[0].person == 1
    assert 0.6 < gone[0].t_s < 1.2
    back = feed(sight, head, 3.0, 3.3, 3.6)
    assert {one.person for one in back} == {2}


def test_a_hand_before_the_face_loses_nobody(sight: Sight, head: np.ndarray, empty: np.ndarray) -> None:
    """Half a second out of sight: the same person."""
    feed(sight, head, 0.0, 0.1)
    hidden = feed(sight, empty, 0.2, 0.3, 0.4, 0.5)
    assert not hidden
    assert {one.person for one in feed(sight, head, 0.6, 0.7)} == {1}


def test_a_jump_is_followed(sight: Sight, head: np.ndarray) -> None:
    """A face that moved by half its width between two pictures is found again at once."""
    feed(sight, head, 0.0, 0.1)
    moved = np.roll(head, 70, axis=1)
    (face,) = seen(feed(sight, moved, 0.2))[-1:] or seen(feed(sight, moved, 0.3))[-1:]
    assert face.person == 1
    assert face.box[0] + face.box[2] / 2 == pytest.approx(0.5 + 70 / 640, abs=0.05)


def test_a_newcomer_is_noticed(sight: Sight, empty: np.ndarray) -> None:
    """Someone who joins a person in view gets a number of their own within two seconds."""
    one = np.hstack([draw(Look(), size=(320, 480), face=130), empty[:, :320]])
    two = np.hstack([draw(Look(), size=(320, 480), face=130), draw(Look(yaw=-10), size=(320, 480), face=120)])
    feed(sight, one, 0.0, 0.1, 0.2)
    later = feed(sight, two, *(0.3 + index / 10 for index in range(20)))
    assert {face.person for face in seen(later)} == {1, 2}


def test_far_faces_are_found(sight: Sight) -> None:
    """A face of 55 pixels in a 720p picture, too small for the detector on the whole picture."""
    picture = draw(Look(), size=(1280, 720), face=55, at=(900, 250))
    (face,) = seen(feed(sight, picture, 0.0))
    assert face.box[0] * 1280 == pytest.approx(900 - 27, abs=15)


def test_far_faces_are_found_later_too(sight: Sight, empty: np.ndarray) -> None:
    """Not only in a first picture: an empty room is searched part by part."""
    room = cv2.resize(empty, (1280, 720))
    feed(sight, room, 0.0, 0.2)
    picture = draw(Look(), size=(1280, 720), face=55, at=(900, 250))
    assert seen(feed(sight, picture, *(0.4 + index / 5 for index in range(20))))


def test_half_a_face_and_a_profile_are_partial(sight: Sight) -> None:
    """Faces that cannot be read for expression say so; of a full profile nothing is said."""
    for picture in (draw(Look(), face=200, at=(590, 240)), draw(Look(yaw=58), face=170)):
        sight.reset()
        found = seen(feed(sight, picture, 0.0, 0.3))
        assert found
        assert all(face.partial for face in found)
    sight.reset()
    assert not feed(sight, draw(Look(yaw=90), face=170), 0.0, 0.3)


def test_a_still_face_costs_few_looks_and_a_blink_gets_one(sight: Sight) -> None:
    """A face that does not move is looked at rarely, yet every scripted blink is caught."""
    closures = script(12.0, seed=4)
    shut: list[float] = []
    looks = total = 0
    for frame in frames(closures, 12.0):
        found = sight.feed(frame)
        total += 1
        looks += any(isinstance(one, HeadPose) for one in found)
        shut += [one.t_s for one in found if isinstance(one, Eyes) and one.closed]
        assert seen(found), f"lost at {frame.t_s}"
    assert looks < 0.5 * total
    for one in closures:
        assert any(one.start_s - 0.1 < t_s < one.end_s + 0.1 for t_s in shut)
    assert all(openness(closures, t_s) < 0.6 for t_s in shut if min(abs(t_s - c.end_s) for c in closures) > 0.15)


def test_expressions_are_read_only_from_faces_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, head: np.ndarray, empty: np.ndarray
) -> None:
    """At the asked rate, from a level crop; a dark, tiny or turned-away face, or none, yields no affect at all."""
    crops: list[np.ndarray] = []

    class Net:
        INPUT_SIZE = 48

        def read(self, crop: np.ndarray) -> Expression:
            crops.append(crop)
            probs = dict.fromkeys(EXPRESSIONS, 0.0) | {"happy": 1.0}
            return Expression("happy", probs, 0.8, 0.5, 0.9, False)

    monkeypatch.setattr("models.expression.ExpressionNet", Net)
    sight = _sight(affect=True)

    def affects(picture: np.ndarray, start: float) -> list[FaceAffect]:
        found = feed(sight, picture, *(start + index / 30 for index in range(30)))
        return [one for one in found if isinstance(one, FaceAffect)]

    clear = affects(head, 0.0)
    assert 7 <= len(clear) <= 9
    assert (clear[0].person, clear[0].confidence, clear[0].unclear) == (1, 0.9, False)
    assert clear[0].action_units["jaw_drop"] < 0.3
    assert crops[0].shape == (48, 48)
    assert crops[0].dtype == np.uint8
    sight.set_rate(expression_hz=3.0)
    assert 2 <= len(affects(head, 1.0)) <= 4
    sight.set_rate()
    sight.feelings_wanted(False)
    assert affects(head, 2.0) == []
    sight.feelings_wanted(True)
    assert affects(head, 3.0)
    dark = (head * 0.07).astype(np.uint8)
    tiny = draw(Look(), size=(1280, 720), face=40, at=(400, 240))
    turned = draw(Look(yaw=62), face=170)
    for start, picture in ((10.0, dark), (20.0, tiny), (30.0, turned), (40.0, empty)):
        sight.reset()
        assert affects(picture, start) == []
    upright = crops[0].ravel()
    crops.clear()
    affects(draw(Look(roll=35), face=160), 50.0)
    assert np.corrcoef(crops[0].ravel(), upright)[0, 1] > 0.6  # 35° of tilt are gone from the crop


def test_the_governor_slows_it_down(sight: Sight, head: np.ndarray) -> None:
    """At 5 Hz only every sixth picture is looked at; switched off, faces are lost at once and nothing more is said."""
    sight.set_rate(frame_hz=5.0)
    answered = [bool(feed(sight, head, index / 30)) for index in range(60)]
    assert 9 <= sum(answered) <= 11
    sight.set_rate(on=False)
    assert [type(one) for one in feed(sight, head, 2.1)] == [FaceLost]
    assert feed(sight, head, 2.2, 2.3) == []


def test_time_that_runs_back_begins_anew(sight: Sight, head: np.ndarray) -> None:
    """Another file, another clock: nobody is carried over."""
    feed(sight, head, 10.0)
    assert {one.person for one in feed(sight, head, 0.0)} == {2}
    sight.reset(anew=True)
    assert {one.person for one in feed(sight, head, 0.1)} == {1}


def test_nothing_is_seen_in_nothing(sight: Sight, empty: np.ndarray) -> None:
    """Noise and emptiness give no observation at all."""
    noise = np.random.default_rng(5).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    assert feed(sight, noise, 0.0, 0.3, 0.6) == []
    assert feed(sight, empty, 1.0, 1.3, 1.6) == []


def test_real_clips_are_followed(sight: Sight, clips: list[Path]) -> None:
    """On over 98 % of the frames of people talking, with one number each."""
    for clip in clips:
        sight.reset()
        capture, index, faces, people = cv2.VideoCapture(str(clip)), 0, 0, set()
        while (read := capture.read())[0]:
            found = seen(feed(sight, read[1], index / 25))
            faces += bool(found)
            people |= {one.person for one in found}
            index += 1
        assert faces > 0.98 * index
        assert len(people) == 1


def test_a_clip_without_a_face_gives_nothing(sight: Sight, data: Path) -> None:
    """No face, no observation, on every frame."""
    capture, index = cv2.VideoCapture(str(data / "clips" / "no_face.mp4")), 0
    while (read := capture.read())[0]:
        assert feed(sight, read[1], index / 24) == []
        index += 1
    assert index > 50
