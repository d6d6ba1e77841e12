"""Eyes and looks over time: counted in seconds, against the person's own usual."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.perceive.attention import EyeReading, EyeState, GazeTarget


def play(
    eyes: EyeState,
    ear: Callable[[float], float],
    seconds: float,
    *,
    start: float = 0.0,
    hz: float = 15.0,
    mouth: float = 0.1,
) -> EyeReading:
    reading = None
    for index in range(int(seconds * hz)):
        t_s = start + index / hz
        reading = eyes.update(t_s, ear(t_s), mouth)
    assert reading is not None
    return reading


def blinking(every_s: float, shut_s: float, wide: float = 0.3) -> Callable[[float], float]:
    return lambda t_s: 0.05 if t_s % every_s < shut_s else wide


def test_it_calibrates_before_it_speaks() -> None:
    """Nothing is said of openness, PERCLOS or tiredness before enough was seen."""
    eyes = EyeState()
    early = play(eyes, lambda _: 0.3, 1.5)
    assert (early.openness, early.perclos, early.blink_per_min, early.drowsiness) == (None, None, None, "calibrating")
    later = play(eyes, lambda _: 0.3, 30.0, start=1.5)
    assert later.openness == pytest.approx(1.0, abs=0.1)
    assert (later.perclos, later.drowsiness) == (0.0, "alert")


@pytest.mark.parametrize("hz", [8.0, 15.0, 30.0])
def test_blinks_are_counted_in_time_not_in_frames(hz: float) -> None:
    """The same blinks give the same rate at any frame rate that can see them."""
    reading = play(EyeState(), blinking(4.0, 0.25), 70.0, hz=hz)
    assert reading.blink_per_min == pytest.approx(15.0, abs=2.0)
    assert reading.perclos == pytest.approx(0.0625, abs=0.025)


@pytest.mark.parametrize("wide", [0.17, 0.25, 0.38])
def test_narrow_eyes_and_glasses_are_not_tiredness(wide: float) -> None:
    """What counts is the person's own open eye."""
    reading = play(EyeState(), blinking(4.0, 0.2, wide), 60.0)
    assert reading.openness is not None
    assert reading.openness > 0.8
    assert reading.drowsiness == "alert"


def test_half_shut_lids_are_not_closed() -> None:
    """PERCLOS counts lids at least 80 % closed."""
    eyes = EyeState()
    play(eyes, lambda _: 0.3, 20.0)
    reading = play(eyes, lambda _: 0.2, 5.0, start=20.0)
    assert reading.perclos == 0.0
    assert not reading.closed


def test_a_sleeping_driver_is_drowsy_within_seconds() -> None:
    """Eyes that stay shut for two seconds need no statistics."""
    eyes = EyeState()
    play(eyes, blinking(4.0, 0.2), 30.0)
    assert play(eyes, lambda _: 0.05, 2.3, start=30.0).drowsiness == "drowsy"


def test_tiredness_is_graded_and_sticks() -> None:
    """Long closures make tired, more make drowsy; an open look does not wipe it out at once, but a minute does."""
    eyes = EyeState()
    assert play(eyes, blinking(4.0, 0.2), 60.0).drowsiness == "alert"
    assert play(eyes, blinking(5.0, 0.8), 60.0, start=60.0).drowsiness in ("tired", "drowsy")
    assert play(eyes, blinking(5.0, 1.6), 60.0, start=120.0).drowsiness == "drowsy"
    assert play(eyes, lambda _: 0.3, 5.0, start=180.0).drowsiness == "drowsy"
    assert play(eyes, blinking(4.0, 0.2), 120.0, start=185.0).drowsiness == "alert"


def test_a_yawn_lasts_and_speech_does_not() -> None:
    """A mouth wide open for over 1.5 s yawns; opening and shutting in speech does not."""
    eyes = EyeState()
    assert play(eyes, lambda _: 0.3, 1.0, mouth=0.7).yawning is False
    assert play(eyes, lambda _: 0.3, 1.0, start=1.0, mouth=0.7).yawning is True
    assert play(eyes, lambda _: 0.3, 0.2, start=2.0, mouth=0.1).yawning is False
    speech = EyeState()
    for index in range(150):
        assert not speech.update(index / 15, 0.3, 0.6 if index % 6 < 3 else 0.1).yawning


def test_a_hole_in_time_is_not_counted_as_seen() -> None:
    """After ten seconds out of view, no ten seconds were observed."""
    eyes = EyeState()
    before = play(eyes, lambda _: 0.3, 20.0)
    after = eyes.update(40.0, 0.3, 0.1)
    assert after.window_s <= before.window_s + 0.3


def look(target: GazeTarget, yaw: float, pitch: float, seconds: float, start: float = 0.0) -> bool | None:
    answer: bool | None = None
    for index in range(int(seconds * 10)):
        answer = target.update(start + index / 10, yaw, pitch)
    return answer


def test_a_look_is_judged_against_the_persons_own_neutral() -> None:
    """A camera beside the screen, or a net's bias, shifts the neutral: 8° off may well be 'here'."""
    target = GazeTarget()
    assert look(target, 3.0, 8.0, 1.0) is None
    assert look(target, 3.0, 8.0, 4.0, start=1.0) is True
    assert look(target, 22.0, 8.0, 0.5, start=5.0) is False
    assert look(target, 4.0, 6.0, 0.5, start=5.5) is True


def test_who_never_looked_here_is_not_said_to() -> None:
    """Far from any screen's place beside its camera, the look is away even before anything is calibrated."""
    target = GazeTarget()
    assert look(target, 45.0, 0.0, 3.0) is False


def test_wandering_eyes_calibrate_nothing() -> None:
    """Looks spread over the room have no neutral."""
    target = GazeTarget()
    answers = [target.update(index / 10, (index * 37) % 40 - 20, (index * 23) % 40 - 20) for index in range(100)]
    assert answers[-1] is None
