"""People: one time frame for everybody, whatever the order, loss or delay of what is observed."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.state import People
from edge.types import (
    EMOTIONS,
    Eyes,
    FaceAffect,
    FaceLost,
    FaceSeen,
    Gaze,
    HeadPose,
    Observation,
    PersonState,
    Prosody,
    SpeechActivity,
    TurnEnd,
    VoiceAffect,
    Words,
)

BOX = (0.4, 0.3, 0.2, 0.3)


def probs(label: str, p: float = 0.8, names: tuple[str, ...] = EMOTIONS) -> dict[str, float]:
    rest = (1 - p) / (len(names) - 1)
    return {name: p if name == label else rest for name in names}


def face(t_s: float, label: str, person: int = 1, confidence: float | None = 0.8) -> FaceAffect:
    return FaceAffect(
        t_s=t_s, person=person, probs=probs(label), valence=0.0, arousal=0.0, unclear=False, confidence=confidence
    )


def voice(t_s: float, label: str, confidence: float | None = 0.7) -> VoiceAffect:
    return VoiceAffect(
        t_s=t_s,
        probs=probs(label, names=EMOTIONS[:4]),
        valence=0.0,
        arousal=0.0,
        listened_s=2.0,
        unclear=False,
        confidence=confidence,
    )


def seen(t_s: float, person: int = 1, mouth: float = 0.02, box: tuple[float, float, float, float] = BOX) -> FaceSeen:
    return FaceSeen(t_s=t_s, person=person, box=box, presence=0.9, mouth_open=mouth)


def sound(t_s: float, speaking: bool, speech_s: float = 0.5) -> SpeechActivity:
    return SpeechActivity(
        t_s=t_s, probability=0.9 if speaking else 0.1, speaking=speaking, speech_s=speech_s if speaking else 0.0
    )


def prosody(t_s: float, pauses: float = 0.1) -> Prosody:
    return Prosody(
        t_s=t_s,
        window_s=2.0,
        pitch_hz=180.0,
        pitch_slope_st_s=-6.0,
        pitch_range_st=4.0,
        energy_db=-25.0,
        rate_hz=4.0,
        pause_fraction=pauses,
        voiced_fraction=0.6,
    )


def words(t_s: float, text: str) -> Words:
    return Words(t_s=t_s, text=text, final=True, language="en", start_s=t_s - 1, end_s=t_s)


def end(t_s: float) -> TurnEnd:
    return TurnEnd(t_s=t_s, probability=0.9, by="model", final=True, speech_end_s=t_s - 0.3)


# ---------------------------------------------------------------- properties

times = st.floats(0.0, 20.0, allow_nan=False)
labels = st.sampled_from(EMOTIONS)
tracks = st.integers(1, 3)
sure = st.one_of(st.none(), st.floats(0.0, 1.0))
angles = st.floats(-60, 60)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    t_s = draw(times)
    kind = draw(st.integers(-1, 9))
    if kind == -1:
        return prosody(t_s, draw(st.floats(0, 1)))
    if kind == 0:
        return sound(t_s, draw(st.booleans()))
    if kind == 1:
        heard = voice(t_s, draw(st.sampled_from(EMOTIONS[:4])), draw(sure))
        if draw(st.booleans()):
            return heard
        recent = probs(draw(st.sampled_from(EMOTIONS[:4])), names=EMOTIONS[:4])
        return replace(heard, recent=recent, fine=probs(draw(labels)), unclear=draw(st.booleans()))
    if kind == 2:
        return words(t_s, draw(st.sampled_from(["I'm fine", "this is awful", "", "the door"])))
    if kind == 3:
        return end(t_s)
    person = draw(tracks)
    match kind:
        case 4:
            return seen(t_s, person, draw(st.floats(0, 0.6)), (draw(st.floats(0, 0.8)), 0.3, 0.2, 0.2))
        case 5:
            return face(t_s, draw(labels), person, draw(sure))
        case 6:
            return FaceLost(t_s=t_s, person=person)
        case 7:
            return HeadPose(t_s=t_s, person=person, yaw_deg=draw(angles), pitch_deg=0.0, roll_deg=draw(angles))
        case 8:
            return Gaze(
                t_s=t_s, person=person, yaw_deg=draw(angles), pitch_deg=0.0, on_target=draw(st.none() | st.booleans())
            )
    return Eyes(
        t_s=t_s, person=person, ear=0.3, openness=None, closed=False, blink_per_min=None, perclos=None, window_s=0
    )


# A session in any order: what is late, repeated or lost; updates at growing times.
deliveries = st.lists(st.tuples(st.floats(0.0, 3.0), st.lists(observations(), max_size=8)), max_size=12)


def confidences(state: PersonState) -> dict[str, float]:
    parts = {"face": state.face, "voice": state.voice, "fused": state.fused}
    return {n: a.confidence for n, a in parts.items() if a is not None and a.confidence is not None}


@settings(max_examples=120)
@given(deliveries)
def test_any_order_loss_or_delay(session: list[tuple[float, list[Observation]]]) -> None:
    """Never crashes, never invents a person or a channel, never is surer than what was observed."""
    people = People()
    got: list[Observation] = []
    now_s = 0.0
    for step_s, batch in session:
        now_s += step_s
        got += batch
        states = people.update(batch, now_s)
        tracks_seen = {o.person for o in got if o.person is not None}
        heard = any(
            isinstance(o, VoiceAffect | Prosody | Words) or (isinstance(o, SpeechActivity) and o.speaking) for o in got
        )
        assert len({s.person for s in states}) == len(states)
        for state in states:
            assert state.person in tracks_seen if state.person else heard
            best_face = max((o.confidence or 0.0 for o in got if isinstance(o, FaceAffect)), default=0.0)
            best_voice = max((o.confidence or 0.0 for o in got if isinstance(o, VoiceAffect)), default=0.0)
            sure = confidences(state)
            assert sure.get("face", 0.0) <= best_face + 1e-9
            assert sure.get("voice", 0.0) <= best_voice + 1e-9
            assert sure.get("fused", 0.0) <= 1 - (1 - best_face) * (1 - best_voice) + 1e-9
            for affect in (state.face, state.voice, state.fused):
                if affect is not None:
                    assert sum(affect.probs.values()) == pytest.approx(1, abs=1e-3)
                    assert affect.label in EMOTIONS
                    assert -1 <= affect.valence <= 1
                    assert -1 <= affect.arousal <= 1
                    assert affect.age_ms >= 0
            assert all(0 <= value <= 1 for value in state.cues.values())
            assert all(0 <= item.strength <= 1 for item in state.incongruence)
            if state.face is not None:
                assert any(isinstance(o, FaceAffect) for o in got)
            if state.words is not None:
                assert state.words in {o.text for o in got if isinstance(o, Words)}


@settings(max_examples=60)
@given(st.lists(observations(), min_size=1, max_size=30), st.lists(st.floats(0.01, 2.0), min_size=1, max_size=8))
def test_age_alone_never_makes_surer(items: list[Observation], steps: list[float]) -> None:
    """With nothing new, no confidence rises and everybody is forgotten in the end."""
    people = People()
    now_s = 20.0
    before = {s.person: confidences(s) for s in people.update(items, now_s)}
    for step in steps:
        now_s += step
        states = people.update([], now_s)
        assert {s.person for s in states} <= set(before)
        for state in states:
            for name, value in confidences(state).items():
                assert value <= before[state.person][name] + 1e-9
        before = {s.person: confidences(s) for s in states}
    assert people.update([], now_s + 60) == []


@settings(max_examples=50)
@given(st.lists(observations(), max_size=25), st.randoms(use_true_random=False))
def test_order_inside_a_batch_does_not_matter(items: list[Observation], rng: random.Random) -> None:
    """A batch is taken in by capture time, so its order changes nothing (times differing)."""
    items = list({item.t_s: item for item in items}.values())
    shuffled = items[:]
    rng.shuffle(shuffled)
    assert People().update(items, 20.0) == People().update(shuffled, 20.0)


@pytest.mark.parametrize("t_s", [math.nan, math.inf, -math.inf, 1e9])
def test_impossible_times_are_dropped_and_counted(t_s: float) -> None:
    """An observation from the future, or without a time, is no evidence."""
    people = People()
    assert people.update([face(t_s, "happy"), sound(t_s, True)], 10.0) == []
    assert people.broken == 2


_BROKEN: list[Observation] = [
    replace(voice(1.95, "happy"), valence=math.nan),
    replace(voice(1.95, "happy"), confidence=7.0),
    replace(voice(1.95, "happy"), recent={"happy": math.nan}),
    replace(voice(1.95, "happy"), probs={"happy": -3.0, "sad": 4.0}),
    replace(face(1.95, "happy"), arousal=math.inf),
    replace(face(1.95, "happy"), action_units={"smile": math.nan}),
    replace(prosody(1.95), pause_fraction=math.nan),
    HeadPose(t_s=1.95, person=1, yaw_deg=math.nan, pitch_deg=0.0, roll_deg=0.0),
    Gaze(t_s=1.95, person=1, yaw_deg=math.nan, pitch_deg=0.0, on_target=None),
    seen(1.95, box=(math.nan, 0.3, 0.2, 0.3)),
    replace(end(1.95), speech_end_s=math.nan),
]


@pytest.mark.parametrize("broken", _BROKEN, ids=lambda one: type(one).__name__)
def test_a_broken_number_leaves_no_trace(broken: Observation) -> None:
    """One NaN in one observation would stay in every mean; it is dropped, counted, and changes no state."""

    def session(*more: Observation) -> tuple[list[list[PersonState]], int]:
        people = People()
        plan: list[Observation] = [*more]
        for t_s in span(0, 4, 0.1):
            plan += [sound(t_s, True), seen(t_s), face(t_s, "happy"), prosody(t_s)]
            plan.append(replace(voice(t_s, "sad"), recent=probs("sad", names=EMOTIONS[:4])))
        return run(people, plan), people.broken

    assert session(broken) == (session()[0], 1)


# ---------------------------------------------------------------- rules


def run(
    people: People, plan: list[Observation], step_s: float = 0.1, until_s: float | None = None
) -> list[list[PersonState]]:
    """Deliver `plan` on time, tick by tick."""
    plan = sorted(plan, key=lambda o: o.t_s)
    now_s, last = plan[0].t_s, plan[-1].t_s if until_s is None else until_s
    out = []
    while now_s <= last + 1e-9:
        batch = [o for o in plan if now_s - step_s < o.t_s <= now_s + 1e-9]
        out.append(people.update(batch, now_s))
        now_s += step_s
    return out


def span(start: float, stop: float, step: float) -> list[float]:
    return [start + i * step for i in range(int((stop - start) / step + 1e-9))]


def test_nothing_perceived_gives_no_state() -> None:
    """Silence is an observation of sound, not of a person."""
    people = People()
    assert people.update([], 1.0) == []
    assert people.update([sound(1.1, False)], 1.2) == []


def test_a_change_is_followed_within_a_second() -> None:
    """From one clear expression to another, at ten a second."""
    plan: list[Observation] = [face(t, "neutral") for t in span(0, 3, 0.1)] + [
        face(t, "happy") for t in span(3, 6, 0.1)
    ]
    states = run(People(), plan)
    turned = next(s[0].t_s for s in states if s and s[0].fused and s[0].fused.label == "happy")
    assert turned - 3.0 < 1.0


def test_single_outliers_do_not_flicker() -> None:
    """One stray frame in ten leaves the label alone."""
    plan: list[Observation] = [face(t, "happy" if i % 10 else "sad") for i, t in enumerate(span(0, 8, 0.1), 1)]
    labels = {s[0].face.label for s in run(People(), plan) if s and s[0].face}
    assert labels == {"happy"}


def test_a_silent_channel_fades_to_none_while_the_other_lives() -> None:
    """Ages are per channel: an old voice is dropped, the face goes on."""
    plan: list[Observation] = [sound(t, t < 2) for t in span(0, 12, 0.1)]
    plan += [voice(1.0, "angry"), voice(2.0, "angry")] + [face(t, "neutral") for t in span(0, 12, 0.1)]
    states = run(People(), plan)
    early, last = states[25][0], states[-1][0]
    assert early.voice is not None
    assert last.voice is None
    assert last.face is not None
    assert last.fused == last.face


def test_a_voice_without_a_face_is_person_0() -> None:
    """Heard, not seen; and it becomes the face's when one face comes into view."""
    people = People()
    states = run(people, [sound(t, True) for t in span(0, 2, 0.1)] + [voice(1.5, "sad")])
    assert [s.person for s in states[-1]] == [0]
    assert states[-1][0].voice is not None
    later = run(people, [sound(t, True) for t in span(2, 2.5, 0.1)] + [seen(t) for t in span(2, 2.5, 0.1)])
    assert [s.person for s in later[-1]] == [1]
    assert later[-1][0].voice is not None


def test_moving_lips_bind_the_voice() -> None:
    """Of two faces, the one whose lips move while speech is heard is the speaker."""
    plan: list[Observation] = [sound(t, t > 0.5) for t in span(0, 4, 0.05)]
    for i, t in enumerate(span(0, 4, 0.05)):
        plan += [seen(t, 1, 0.02, (0.1, 0.3, 0.2, 0.3)), seen(t, 2, 0.05 + 0.2 * (i % 4) / 3, (0.6, 0.3, 0.2, 0.3))]
    plan += [voice(3.0, "happy")]
    people = People()
    last = {s.person: s for s in run(people, plan)[-1]}
    assert last[2].speaking
    assert last[2].voice is not None
    assert last[1].speaking is False
    assert last[1].voice is None
    assert people.binder.evidence is not None
    assert people.binder.evidence > 0.6


def after_each_other() -> list[Observation]:
    """Two faces in view: one talks happily until 2.2 s, then the other, sadly."""
    plan: list[Observation] = []
    for i, t in enumerate(span(0, 6, 0.05)):
        talks = 1 if t < 3 else 2
        plan.append(sound(t, 0.5 < t < 2.2 or t > 3.2))
        for person in (1, 2):
            mouth = 0.05 + 0.2 * (i % 4) / 3 if person == talks else 0.02
            plan.append(seen(t, person, mouth, (0.5 * person - 0.4, 0.3, 0.2, 0.3)))
    return [*plan, voice(2.1, "happy"), end(2.5), voice(4.6, "sad")]


def test_who_has_given_up_the_turn_is_heard_no_more() -> None:
    """How somebody sounded before another took the turn is not told of the other's; it is of their own last turn."""
    states = {
        round(batch[0].t_s, 2): {s.person: s for s in batch} for batch in run(People(), after_each_other()) if batch
    }
    before, after = (next(states[t] for t in sorted(states) if t >= from_s) for from_s in (3.0, 5.0))
    assert before[1].voice is not None
    assert after[2].voice is not None
    assert after[1].voice is None


def test_words_that_come_late_are_of_who_said_them() -> None:
    """Read when another speaks already, they are still of the one whose lips moved when they were said."""
    people = People()
    run(people, after_each_other())
    late = replace(words(2.5, "the door"), start_s=0.5, end_s=2.2)
    states = {s.person: s for s in people.update([late], 6.1)}
    assert states[2].words is None
    said = people._voices[1].words
    assert said is not None
    assert said.text == "the door"


def test_where_nobody_knows_nobody_looks_away() -> None:
    """A gaze that can be read no more is no gaze elsewhere, however long ago it strayed."""
    plan: list[Observation] = [seen(t) for t in span(0, 6, 0.1)]
    plan += [HeadPose(t_s=t, person=1, yaw_deg=20.0, pitch_deg=0.0, roll_deg=0.0) for t in span(0, 6, 0.1)]
    plan += [Gaze(t_s=t, person=1, yaw_deg=25.0, pitch_deg=0.0, on_target=False) for t in span(0, 1, 0.1)]
    looks = [batch[0].attention for batch in run(People(), plan) if batch]
    assert any(one is not None and one.on_target is False and one.away_s > 0.5 for one in looks)
    assert looks[-1] is not None
    assert (looks[-1].on_target, looks[-1].away_s) == (None, 0.0)


def test_two_still_mouths_bind_nobody() -> None:
    """A voice from elsewhere (a radio) is nobody's who is in view."""
    plan: list[Observation] = [sound(t, True) for t in span(0, 3, 0.1)] + [voice(2.0, "angry")]
    for t in span(0, 3, 0.1):
        plan += [seen(t, 1, 0.02, (0.1, 0.3, 0.2, 0.3)), seen(t, 2, 0.02, (0.6, 0.3, 0.2, 0.3))]
    last = {s.person: s for s in run(People(), plan)[-1]}
    assert last[0].voice is not None
    assert last[1].voice is None
    assert last[2].voice is None


def test_a_voice_from_elsewhere_is_not_of_who_spoke_last() -> None:
    """Two people, one of whom spoke; then a radio speaks, and both mouths are still."""
    plan: list[Observation] = []
    for i, t in enumerate(span(0, 7, 0.05)):
        plan.append(sound(t, 0.5 < t < 2.2 or t > 4))
        for person in (1, 2):
            mouth = 0.05 + 0.2 * (i % 4) / 3 if person == 1 and t < 2.2 else 0.02
            plan.append(seen(t, person, mouth, (0.5 * person - 0.4, 0.3, 0.2, 0.3)))
    plan += [voice(2.1, "happy"), end(2.5), voice(6.0, "angry")]
    people = People()
    states = run(people, plan)
    assert {s.person: s.speaking for s in states[21]}[1]
    last = {s.person: s for s in states[-1]}
    assert last[0].speaking
    assert last[0].voice is not None
    assert last[0].voice.label == "angry"
    assert last[1].voice is None


def test_a_face_found_again_at_its_place_is_the_same_person() -> None:
    """A new track there within two seconds keeps the person's number; elsewhere it is somebody else."""
    people = People()
    run(people, [seen(t) for t in span(0, 1, 0.1)])
    people.update([FaceLost(t_s=1.0, person=1)], 1.0)
    assert [s.person for s in people.update([seen(1.5, 7)], 1.5)] == [1]
    people.update([FaceLost(t_s=1.6, person=7)], 1.6)
    assert [s.person for s in people.update([seen(2.0, 8, box=(0.0, 0.0, 0.1, 0.1))], 2.0)] == [8]


def test_late_observations_do_not_revive_a_lost_face() -> None:
    """What was captured before the loss is dropped."""
    people = People()
    people.update([seen(1.0), FaceLost(t_s=2.0, person=1)], 2.0)
    assert people.update([face(1.5, "happy")], 2.1) == []


def test_turns_count_and_end() -> None:
    """A turn begins with speech and ends by TurnEnd; without one, three seconds of silence end it."""
    plan: list[Observation] = [sound(t, t % 6 < 2) for t in span(0, 14, 0.1)] + [end(2.5)]
    people = People()
    states = run(people, plan + [seen(t) for t in span(0, 14, 0.1)])
    assert states[-1][0].turn == 3
    assert [t.turn for t in people.turns.history] == [1, 2]
    names = [e.name for batch in states for s in batch for e in s.events]
    assert names.count("turn_end") == 2


def test_the_end_of_a_turn_that_silence_has_ended_ends_no_other() -> None:
    """However late it comes: the turn that runs meanwhile goes on."""
    people = People()
    for t_s in (1.0, 2.0):
        people.update([sound(t_s, True)], t_s)
    for t_s in span(2.1, 6, 0.1):
        people.update([sound(t_s, False)], t_s)
    people.update([sound(6.5, True)], 6.5)
    people.update([end(2.5)], 6.6)
    assert (people.turns.count, people.turns.running) == (2, True)
    people.update([end(7.5)], 7.6)
    assert not people.turns.running


def test_a_device_that_hears_late_takes_no_delay_for_silence() -> None:
    """A busy one hears seconds after it was said: one sentence stays one turn; silence is what was heard as such."""
    people = People()
    for t_s in span(0, 5, 0.1):
        people.update([sound(t_s, True)], t_s + 4.0)
    assert (people.turns.count, people.turns.running) == (1, True)
    for t_s in span(5, 9, 0.1):
        people.update([sound(t_s, False)], t_s + 4.0)
    assert not people.turns.running
    assert [turn.turn for turn in people.turns.history] == [1]


def test_lost_sound_is_no_silence() -> None:
    """A turn goes on over a hole in the sound, whatever follows; three seconds of silence that was heard end it."""
    for first in (True, False):
        people = People()
        people.update([sound(1.0, True)], 1.0)
        (state,) = people.update([sound(1.1, False), seen(5.9)], 5.9)
        assert state.speaking is None
        people.update([sound(6.0, first)], 6.0)
        assert (people.turns.count, people.turns.running) == (1, True)
        for t_s in span(6.1, 9.0, 0.1):
            people.update([sound(t_s, False)], t_s)
        assert people.turns.running
        people.update([sound(9.2, False)], 9.2)
        assert not people.turns.running


def test_a_turn_does_not_go_on_over_a_long_hole() -> None:
    """Even where nobody looked meanwhile: who speaks after ten seconds without sound begins another."""
    people = People()
    people.update([sound(1.0, True)], 1.0)
    people.update([sound(11.5, True)], 11.5)
    assert (people.turns.count, people.turns.running) == (2, True)


def test_a_turn_does_not_live_on_shreds_of_sound() -> None:
    """Holes without end, between which nothing is said, end it as ten seconds without sound do."""
    people = People()
    people.update([sound(1.0, True)], 1.0)
    for t_s in span(1.6, 11.0, 0.6):
        people.update([sound(t_s, False)], t_s)
    assert people.turns.running
    people.update([sound(11.6, False)], 11.6)
    assert not people.turns.running


def test_a_turn_does_not_outlive_the_microphone() -> None:
    """Where no sound comes at all, be it silence, it ends after a while."""
    people = People()
    people.update([sound(1.0, True)], 1.0)
    people.update([], 9.0)
    assert people.turns.running
    people.update([], 11.5)
    assert not people.turns.running


def test_who_left_is_told_while_nobody_is_there() -> None:
    """That a face was lost, and how the turn of somebody who turned away ended: once, when it happens."""
    people = People()
    people.update([seen(1.0), sound(1.0, True)], 1.0)
    assert people.left() == []
    assert people.update([FaceLost(t_s=2.0, person=1)], 2.0) == []
    assert [(one.name, one.person) for one in people.left()] == [("face_lost", 1)]
    people.update([sound(2.5, False), end(2.5)], 5.0)
    assert [one.name for one in people.left()] == ["turn_end"]
    assert people.left() == []
    states = people.update([seen(5.2)], 5.2)
    assert [one.name for one in states[0].events] == ["face_found"]


def test_the_end_of_a_turn_tells_how_it_was() -> None:
    """Its mean and the session's; who is forgotten takes both along; without feelings none are told."""
    for told in (True, False):
        people = People()
        for start_s in (0.0, 20.0):
            plan: list[Observation] = [sound(start_s + t, t < 2) for t in span(0, 6, 0.1)]
            plan += [seen(start_s + t) for t in span(0, 6, 0.1)]
            plan += [voice(start_s + t, "sad") for t in span(0.5, 2, 0.25)] if told else []
            ended = [e for batch in run(people, plan) for s in batch for e in s.events if e.name == "turn_end"]
            assert len(ended) == 1
            facts = ended[0].arguments
            assert {"turn", "speech_s"} <= set(facts)
            assert "incongruence" not in facts  # nothing that could disagree
            assert ("valence" in facts) is told
            assert ("session_valence" in facts) is told
        people.forget(1)
        assert people.turns.session(1) == {}


def test_fine_in_distress_is_caught() -> None:
    """ "I'm fine" in a sad voice is an incongruence of words and voice, with evidence and without the words."""
    plan: list[Observation] = [sound(t, t < 3) for t in span(0, 4, 0.1)]
    plan += [voice(t, "sad") for t in span(1, 3.2, 0.5)] + [words(3.4, "I'm fine, really"), end(3.5)]
    state = run(People(), plan)[-1][0]
    found = {i.between: i for i in state.incongruence}
    assert found["words_voice"].strength > 0.5
    assert "sad" in found["words_voice"].evidence
    assert "fine" not in found["words_voice"].evidence


def test_agreement_is_no_incongruence() -> None:
    """Happy words, happy voice, happy face."""
    plan: list[Observation] = [sound(t, True) for t in span(0, 4, 0.1)] + [face(t, "happy") for t in span(0, 4, 0.1)]
    plan += [voice(t, "happy") for t in span(1, 4, 0.5)] + [words(3.5, "This is wonderful news")]
    assert run(People(), plan)[-1][0].incongruence == ()


def test_memory_is_bounded() -> None:
    """Thousands of tracks and turns leave no more than the newest behind."""
    people = People()
    for i in range(3000):
        t_s = i * 0.5
        people.update([seen(t_s, i + 1, box=((i % 9) / 10, 0, 0.1, 0.1)), sound(t_s, i % 4 < 2), end(t_s)], t_s)
    assert len(people._faces) < 10
    assert len(people._faces._persons) <= 64
    assert len(people._events) <= 64
    assert len(people.turns.history) <= 32


def test_words_weigh_only_on_the_voice_that_said_them() -> None:
    """A later sentence in another tone, or a face half a minute later, does not contradict what was said before."""
    plan: list[Observation] = [sound(t, t < 3) for t in span(0, 4, 0.1)]
    plan += [voice(t, "happy") for t in span(1, 3.2, 0.25)] + [words(3.2, "This is wonderful"), end(3.4)]
    plan += [sound(t, 6 < t < 10) for t in span(4, 11, 0.1)] + [voice(t, "angry") for t in span(6.5, 10, 0.25)]
    states = [batch[0] for batch in run(People(), plan) if batch]
    assert not any(i.between == "words_voice" for s in states for i in s.incongruence)


def test_who_is_forgotten_leaves_nothing_behind() -> None:
    """Neither a state nor what was usual for them; the others stay."""
    plan: list[Observation] = [sound(t, t < 2) for t in span(0, 3, 0.1)] + [end(2.5)]
    for t in span(0, 3, 0.1):
        plan += [seen(t, 1, 0.05 + 0.2 * (round(t * 10) % 3), (0.1, 0.3, 0.2, 0.3)), face(t, "happy", 1)]
        plan += [seen(t, 2, 0.02, (0.6, 0.3, 0.2, 0.3))]
    people = People()
    run(people, plan)
    assert [t.person for t in people.turns.history] == [1]
    people.forget(1)
    assert [s.person for s in people.update([seen(3.05, 2, box=(0.6, 0.3, 0.2, 0.3))], 3.1)] == [2]
    assert not people.turns.history
    assert people.turns.baseline(1).turns == 0


def test_whoever_is_left_does_not_inherit_a_voice() -> None:
    """Two still mouths and a voice; one of them leaves: the voice is not proven to be the other's."""
    left, right = (0.1, 0.3, 0.2, 0.3), (0.6, 0.3, 0.2, 0.3)
    plan: list[Observation] = [sound(t, True) for t in span(0, 3, 0.1)] + [voice(2.9, "angry")]
    plan += [seen(t, 1, box=left) for t in span(0, 3, 0.1)] + [seen(t, 2, box=right) for t in span(0, 3, 0.1)]
    people = People()
    run(people, plan)
    (state,) = people.update([FaceLost(t_s=3.0, person=1), seen(3.0, 2, box=right)], 3.0)
    assert state.person == 2
    assert state.voice is None
