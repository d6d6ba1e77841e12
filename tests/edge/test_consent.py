"""The consent record: what was taken back stays so, is heeded at once, and is not guessed at."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edge.cli import consent as command
from edge.config import Config
from edge.consent import PURPOSES, Consent
from edge.errors import PolicyError
from edge.loop import Loop
from edge.outbox import Outbox
from edge.policy import Policy
from edge.types import FaceAffect, FaceSeen, SpeechActivity, VoiceAffect
from edge.wire.envelope import Sealer

FACE = FaceAffect(t_s=1.0, person=1, probs={"happy": 1.0}, valence=0.5, arousal=0.5, unclear=False)
VOICE = VoiceAffect(t_s=1.0, probs={"happy": 1.0}, valence=0.5, arousal=0.5, listened_s=1, unclear=False)
SEEN = FaceSeen(t_s=1.0, person=1, box=(0, 0, 1, 1), presence=0.9)
SOUND = SpeechActivity(t_s=1.0, probability=1, speaking=True, speech_s=1)


def told() -> Policy:
    policy = Policy("affect", context="personal", consent=True)
    policy.disclose(lambda _text: None)
    return policy


def test_no_record_is_no_decision(tmp_path: Path) -> None:
    """The settings hold then."""
    consent, policy = Consent(tmp_path / "c.jsonl"), told()
    consent.heed(policy)
    assert consent.read() == {}
    assert policy.affect


def test_a_device_that_never_ran_can_be_told_no(tmp_path: Path) -> None:
    """The record's folders are made with it."""
    record = tmp_path / "state" / "mien" / "c.jsonl"
    Consent(record).write("capture", given=False)
    assert Consent(record).read() == {(None, "capture"): False}


def test_withdrawal_stops_capture_when_it_is_written(tmp_path: Path) -> None:
    """The next look at the record closes everything, once; giving it again does not open a gate by itself."""
    consent, policy, stops = Consent(tmp_path / "c.jsonl"), told(), []
    policy.on_stop.append(lambda: stops.append(1))
    Consent(tmp_path / "c.jsonl").write("capture", given=False)
    for _ in range(3):
        consent.heed(policy)
    assert policy.mode == "off"
    assert stops == [1]
    assert policy.filter([FACE, VOICE, SEEN, SOUND]) == []
    consent.write("capture", given=True)
    consent.heed(policy)
    assert policy.mode == "off"


def test_affect_alone_can_be_taken_back(tmp_path: Path) -> None:
    """Attention and speech go on."""
    consent, policy = Consent(tmp_path / "c.jsonl"), told()
    consent.write("affect", given=False)
    consent.heed(policy)
    assert policy.mode == "attention_only"
    assert policy.filter([FACE, VOICE, SEEN, SOUND]) == [SEEN, SOUND]


def test_one_person_can_take_it_back_and_give_it_again(tmp_path: Path) -> None:
    """A running device heeds both."""
    consent, policy = Consent(tmp_path / "c.jsonl"), told()
    consent.write("capture", given=False, person=1)
    consent.heed(policy)
    assert policy.filter([FACE, VOICE, SEEN, SOUND]) == [SOUND]
    consent.write("capture", given=True, person=1)
    consent.heed(policy)
    assert policy.filter([FACE, VOICE, SEEN, SOUND]) == [FACE, VOICE, SEEN, SOUND]


def test_who_comes_back_is_not_read_until_consent_is_given_anew(tmp_path: Path) -> None:
    """One person's no holds for whoever is there, over a new start, too: the device knows nobody again. It ends when
    everybody agrees: at the next start, when people are told."""
    consent, policy = Consent(tmp_path / "c.jsonl"), told()
    consent.write("capture", given=False, person=1)
    consent.heed(policy)
    back, there = replace(FACE, person=2), replace(SEEN, person=2)
    assert policy.filter([back, there]) == [there]

    def anew() -> Policy:
        policy = Policy("affect", context="personal", consent=True)
        Consent(tmp_path / "c.jsonl").heed(policy)
        policy.disclose(lambda _text: None)
        return policy

    assert anew().filter([back, there]) == [there]
    consent.write("affect", given=True)
    assert anew().filter([back, there]) == [there], "not all that they took back was given"
    for purpose in PURPOSES:
        consent.write(purpose, given=True)
    consent.heed(policy)
    assert policy.filter([back, there]) == [there]
    assert anew().filter([back, there, FACE]) == [back, there, FACE]
    consent.write("capture", given=True, person=1)
    consent.heed(policy)
    assert policy.filter([back, there]) == [back, there], "they themselves agree: they know what they were told"
    consent.write("capture", given=False, person=1)
    assert anew().filter([back]) == []


@pytest.mark.parametrize(
    "text", ["{", '{"person": null}', '{"person": 1, "purpose": "spy", "given": true}', "\xff", "[" * 99_999]
)
def test_a_broken_record_stops_capture(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Fail closed: what cannot be understood may have been a withdrawal. Where to mend it is told, once."""
    file = tmp_path / "c.jsonl"
    file.write_bytes(text.encode("latin-1"))
    consent, policy = Consent(file), told()
    with pytest.raises(PolicyError):
        consent.read()
    for _ in range(3):
        consent.heed(policy)
    assert policy.mode == "off"
    assert caplog.text.count(str(file)) == 1


def test_a_device_that_starts_after_a_withdrawal_perceives_nothing(tmp_path: Path) -> None:
    """Whatever its settings say."""
    record = tmp_path / "c.jsonl"
    Consent(record).write("capture", given=False)
    purpose = {"consent": True, "consent_record": record}
    loop = Loop(Config().updated(sensors=["synthetic://"], outputs=["none"], purpose=purpose))
    assert loop._policy.mode == "off"
    threading.Timer(1.0, loop.stop).start()
    loop.run()
    assert loop.senses.sight.frames == 0


def _keep_one(path: Path) -> None:
    outbox = Outbox(path)
    outbox.put(Sealer("test").turn("turn_end", 1, words="hello", ttl_s=0))
    outbox.close()


@pytest.mark.parametrize("person", [None, 2])
def test_what_waits_for_the_bridge_is_erased_with_the_consent(tmp_path: Path, person: int | None) -> None:
    """A withdrawal while the link is down: what was felt before is not sent when it comes back."""
    path, record = tmp_path / "outbox.sqlite", tmp_path / "c.jsonl"
    _keep_one(path)
    config = Config().updated(
        sensors=["synthetic://"],
        outputs=[],
        purpose={"consent": True, "consent_record": record},
        link={"bridges": ["grpc://127.0.0.1:1"], "outbox": path},
    )
    loop = Loop(config)
    assert loop._answer.outbox_items == 1
    Consent(record).write("capture", given=False, person=person)
    loop._consent.heed(loop._policy)
    assert loop._answer.outbox_items == 0
    loop._answer.close()
    assert b"hello" not in path.read_bytes()
    if person is not None:
        _keep_one(path)
        loop = Loop(config)
        assert loop._answer.outbox_items == 1, "what came after that decision is not erased at each start"
        loop._answer.close()


def test_a_device_that_ends_heeds_a_last_withdrawal(tmp_path: Path) -> None:
    """While it ends nobody else can erase what waits for the bridge, and the next start would send it."""
    path, record = tmp_path / "outbox.sqlite", tmp_path / "c.jsonl"
    _keep_one(path)
    config = Config().updated(
        sensors=["synthetic://"],
        outputs=[],
        purpose={"mode": "off", "consent": True, "consent_record": record},
        link={"bridges": ["grpc://127.0.0.1:1"], "outbox": path},
    )
    loop = Loop(config)
    Consent(record).write("capture", given=False, person=2)
    loop.stop()
    loop.run()
    assert b"hello" not in path.read_bytes()


@pytest.mark.parametrize("option", [[], ["--person", "2"], ["--purpose", "affect"]])
def test_what_waits_is_erased_though_no_device_runs(
    tmp_path: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the next start would send what was felt before the withdrawal. A device that runs erases it itself."""
    path, settings = tmp_path / "outbox.sqlite", tmp_path / "mien.toml"
    settings.write_text(f'[purpose]\nconsent_record = "{tmp_path / "c.jsonl"}"\n[link]\noutbox = "{path}"\n')
    command.main(["withdraw", *option, "--config", str(settings)])
    assert not path.exists()
    _keep_one(path)
    running = Outbox(path)
    command.main(["withdraw", *option, "--config", str(settings)])
    assert len(running) == 1
    running.close()
    capsys.readouterr()
    command.main(["withdraw", *option, "--config", str(settings), "--json"])
    assert json.loads(capsys.readouterr().out)["envelopes_erased"] == 1
    assert b"hello" not in path.read_bytes()
    left = Outbox(path)
    assert len(left) == 0
    left.close()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`mien consent` writes and shows the record of the settings' device."""
    settings = tmp_path / "mien.toml"
    settings.write_text(f'[purpose]\nconsent_record = "{tmp_path / "c.jsonl"}"\n')
    command.main(["withdraw", "--person", "2", "--config", str(settings)])
    command.main(["withdraw", "--purpose", "affect", "--config", str(settings)])
    capsys.readouterr()
    command.main(["show", "--json", "--config", str(settings)])
    shown = json.loads(capsys.readouterr().out)
    assert {"person": 2, "purpose": "capture", "given": False} in shown
    assert {"person": None, "purpose": "affect", "given": False} in shown
    command.main(["give", "--config", str(settings)])
    assert Consent(tmp_path / "c.jsonl").read()[(None, "affect")] is True
