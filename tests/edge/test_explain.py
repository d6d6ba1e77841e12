"""The picture of a session: every row shows its channel, and only where there was something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import OutputError
from edge.explain import AWAY, BOTH, CLASH, FACE, FEELINGS, SPEECH, VOICE, Timeline
from edge.fuse import valence_arousal
from edge.moment import Moment
from edge.sheet import Sheet
from edge.types import (
    EMOTIONS,
    Affect,
    Attention,
    AudioFrame,
    Description,
    Event,
    Incongruence,
    PersonState,
    SpeechActivity,
    VideoFrame,
)

Picture = npt.NDArray[np.uint8]


def affect(label: str) -> Affect:
    probs = {name: float(name == label) for name in EMOTIONS}
    valence, arousal = valence_arousal(probs)
    return Affect(probs=probs, label=label, valence=valence, arousal=arousal, confidence=1, unclear=False, age_ms=0)


def session(*, face: bool = True) -> Timeline:
    timeline = Timeline()
    rng = np.random.default_rng(0)
    for i in range(40):
        t_s = 100 + i / 10
        timeline.sound(AudioFrame("t", i, t_s, rng.uniform(-0.5, 0.5, 1600).astype(np.float32)))
        state = PersonState(
            person=1,
            t_s=t_s,
            turn=1,
            speaking=i > 10,
            voice=affect("sad") if i > 10 else None,
            face=affect("happy") if face else None,
            fused=affect("happy") if face else None,
            attention=Attention(head_pose_deg=None, gaze_deg=(10, -5), on_target=True, away_s=0, age_ms=0),
            incongruence=(Incongruence(between="voice_face", strength=0.8, evidence="…", pleasant="face"),)
            if i > 20 and face
            else (),
        )
        activity = SpeechActivity(t_s=t_s, probability=1, speaking=i > 10, speech_s=0)
        said = Description(person=1, t_s=t_s, turn=1, audio="The tone seems low.", visual=None, joint=None)
        timeline.moment(
            Moment(
                t_s=t_s,
                observations=(activity,),
                states=(state,),
                events=(Event(t_s=t_s, name="incongruent", person=1, priority="alert"),) if i == 25 else (),
                descriptions=(said,) if i == 30 else (),
            )
        )
    return timeline


def row(timeline: Timeline, name: str) -> Picture:
    top, height = timeline.rows()[name]
    return timeline.draw()[top + 1 : top + height, 171:1558]


def has(part: Picture, colour: tuple[int, int, int]) -> bool:
    return bool((part == np.array(colour, np.uint8)).all(axis=2).any())


def test_every_channel_is_drawn_where_it_was() -> None:
    """Speech is shaded in its time only; voice and face lines stand in the valence row, feelings in their bands."""
    timeline = session()
    sound = row(timeline, "sound")
    assert has(sound, VOICE)
    assert not has(sound[:, :250], SPEECH)
    assert has(sound[:, 600:], SPEECH)
    valence = row(timeline, "valence")
    assert has(valence, FACE)
    assert has(valence[:, 600:], VOICE)
    assert not has(valence[:, :250], VOICE)
    assert has(row(timeline, "face"), FEELINGS["happy"])
    assert not has(row(timeline, "voice")[:, :250], FEELINGS["sad"])
    assert has(row(timeline, "voice")[:, 600:], FEELINGS["sad"])
    clash = row(timeline, "incongruence")
    assert has(clash[:, 800:], CLASH)
    assert not has(clash[:, :600], CLASH)


def test_what_was_not_perceived_is_not_drawn() -> None:
    """No face, no face line; nobody who looked away, no shade; no pictures and no words, no rows for them."""
    timeline = session(face=False)
    assert not has(row(timeline, "valence"), FACE)
    assert not has(row(timeline, "face"), FEELINGS["happy"])
    assert not has(row(timeline, "gaze"), AWAY)
    assert not {"picture", "words"} & set(timeline.rows())


def test_pictures_are_few_and_small() -> None:
    """However long a recording is, a bounded number of thumbnails is kept."""
    timeline = session()
    for i in range(6000):
        timeline.picture(VideoFrame("t", i, 100 + i / 10, np.full((480, 640, 3), 90, np.uint8)))
    assert len(timeline._pictures) <= 400
    assert timeline._pictures[0][1].shape == (72, 96, 3)
    assert has(row(timeline, "picture"), (90, 90, 90))


def test_of_several_people_each_line_tells_whose_it_is() -> None:
    """The number stands where there is more than one; the same words of the same person are told once."""
    alone, both, again = Timeline(), Timeline(), Timeline()
    for timeline, people in ((alone, (1,)), (both, (1, 2)), (again, (1, 2, 1, 2))):
        for place, person in enumerate(people):
            said = Description(person=person, t_s=1.0 + place, turn=1, audio=None, visual="Looks calm.", joint=None)
            timeline.moment(Moment(t_s=1.0 + place, descriptions=(said,)))
    assert [person for _, person, _ in both._said] == [1, 2]
    assert again._said == both._said
    assert len(both.draw()) > len(alone.draw())


@pytest.mark.parametrize(
    ("people", "says"), [((), "Nobody was seen or heard."), ((1,), "Somebody is there; nothing more can be said.")]
)
def test_where_no_line_was_said_the_sheet_says_why(
    monkeypatch: pytest.MonkeyPatch, people: tuple[int, ...], says: str
) -> None:
    """Somebody of whom nothing can be told was there all the same."""
    timeline, written, write = Timeline(), list[str](), Sheet.text
    states = tuple(PersonState(person=one, t_s=1.0, turn=0, speaking=None) for one in people)
    timeline.moment(Moment(t_s=1.0, states=states))

    def noted(sheet: Sheet, text: str, *where: Any, **how: Any) -> None:
        written.append(text)
        write(sheet, text, *where, **how)

    monkeypatch.setattr(Sheet, "text", noted)
    timeline.draw()
    assert says in written


def test_a_silent_room_is_drawn_quiet() -> None:
    """Noise at a thousandth of full scale is a line, not a wave."""
    timeline = Timeline()
    timeline.sound(AudioFrame("t", 0, 0.0, np.full(16_000, 0.001, np.float32)))
    assert not has(row(timeline, "sound")[:40], BOTH)


def test_an_empty_session_is_an_empty_sheet() -> None:
    """Nothing perceived is still a picture."""
    assert Timeline().draw().ndim == 3


def test_saving(tmp_path: Path) -> None:
    """A picture file, or one clear error."""
    file = tmp_path / "why.png"
    session().save(file)
    assert cv2.imread(str(file)) is not None
    with pytest.raises(OutputError, match=r"ends in \.png"):
        session().save(tmp_path / "why.xyz")
    with pytest.raises(OutputError, match="writable"):
        session().save(tmp_path / "no" / "why.png")
