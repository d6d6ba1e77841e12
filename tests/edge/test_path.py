"""The path from observations to words."""

from __future__ import annotations

from pathlib import Path as File

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.describe import MAX_TOKENS, estimate_tokens
from edge.languages import en
from edge.moment import Moment
from edge.path import Path
from edge.policy import CONTEXTS, MODES, Mode, Policy
from edge.rules import Rules
from edge.types import Description, Event, FaceAffect, Observation, Prosody, SpeechActivity, TurnEnd, VoiceAffect
from tests.edge.test_state import observations


def session() -> list[tuple[float, list[Observation]]]:
    """Two turns of somebody who is heard, not seen."""
    steps: list[tuple[float, list[Observation]]] = []
    for start_s in (1.0, 4.0):
        for index in range(15):
            t_s = start_s + 0.1 * index
            spoken = SpeechActivity(t_s=t_s, probability=0.9, speaking=True, speech_s=t_s - start_s)
            how = Prosody(
                t_s=t_s, window_s=1, pitch_hz=150, pitch_slope_st_s=0, pitch_range_st=4, energy_db=-20, rate_hz=4,
                pause_fraction=0, voiced_fraction=0.6,
            )  # fmt: skip
            steps.append((t_s, [spoken, how]))
        end_s = start_s + 1.8
        quiet = SpeechActivity(t_s=end_s, probability=0.1, speaking=False, speech_s=0)
        steps.append((end_s, [quiet, TurnEnd(t_s=end_s, probability=0.9, by="model", final=True, speech_end_s=t_s)]))
    return steps


def test_nothing_carries_over_to_the_next_recording(tmp_path: File) -> None:
    """After a reset the same recording gives the same words and the same rules fire, whatever was read before."""
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "talks"\nwhen = "speaking"\ncooldown = "60s"')
    path = Path(policy=Policy.for_recordings(), rules=Rules.load(rules))

    def play() -> tuple[list[Description], list[Event]]:
        moments = [path.step(observations, t_s) for t_s, observations in session()]
        path.reset()
        return [one for m in moments for one in m.descriptions], [one for m in moments for one in m.events]

    first = play()
    assert len(first[0]) == 3  # at each end, and where the rule fires
    assert "talks" in [event.name for event in first[1]]
    assert play() == first


_FEELS = ("face", "voice", "fused", "prosody", "trend")
_CHOICES = st.sampled_from(["", "", "", "withdraw", "withdraw 1", "withdraw 2", "agree 1", "withdraw_affect"])


def _choose(policy: Policy, choice: str) -> None:
    what, _, whose = choice.partition(" ")
    person = int(whose) if whose else None
    match what:
        case "withdraw":
            policy.withdraw(person)
        case "agree":
            policy.consent(person)
        case "withdraw_affect":
            policy.withdraw_affect()


@settings(max_examples=120)
@given(
    st.sampled_from(MODES),
    st.sampled_from(CONTEXTS),
    st.booleans(),
    st.lists(st.tuples(st.floats(0.0, 3.0), st.lists(observations(), max_size=8), _CHOICES), max_size=10),
)
def test_nothing_felt_comes_out_that_may_not(
    mode: Mode, context: str, consent: bool, session: list[tuple[float, list[Observation], str]]
) -> None:
    """Whatever arrives in whatever order, and whoever takes back what and when: where feelings may not be read no
    state, event, rule or line holds one; nothing is told of who withdrew, nor where perception is off, nor of who was
    not there; every line is short."""
    policy = Policy(mode, context=context, consent=consent)
    policy.disclose(lambda _notice: None)
    path = Path(policy=policy, rules=Rules.load(None), describe_every_s=0.0)
    now_s, known = 0.0, {0}
    for later_s, batch, choice in session:
        now_s += later_s
        _choose(policy, choice)
        known |= {one.person for one in batch if one.person is not None}
        moment = path.step(batch, now_s)
        told = {one.person for one in (*moment.states, *moment.descriptions, *moment.events)}
        assert told <= known - policy.withdrawn
        if policy.mode == "off":
            assert moment == Moment(t_s=moment.t_s)
        for said in moment.descriptions:
            for line in filter(None, (said.audio, said.visual, said.joint)):
                assert estimate_tokens(line) <= MAX_TOKENS
        if policy.affect:
            continue
        assert not any(isinstance(one, VoiceAffect | FaceAffect | Prosody) for one in moment.observations)
        for state in moment.states:
            assert [getattr(state, part) for part in _FEELS] == [None] * len(_FEELS)
            assert not [*state.action_units, *state.cues, *state.incongruence]
        assert not any(name in str(event.arguments) for event in moment.events for name in ("valence", "arousal"))
        for said in moment.descriptions:
            assert said.joint is None
            assert not any("valence" in name or "incongruence" in name for name in said.numbers)
            assert said.visual is None or said.visual.startswith(en.FACE_PLAIN)
            assert said.audio is None or said.audio.startswith(en.VOICE_PLAIN)
