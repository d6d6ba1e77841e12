"""`mien consent`: what it says, and what goes with a withdrawal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import own_voice
from edge.cli.consent import main
from edge.consent import Consent
from edge.errors import OutboxError
from edge.own_voice import OwnVoice

LEARNED = OwnVoice((0.1, -0.1, 0.0, 0.0), 12.0, "head", 0)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_STATE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "words", [["withdraw"], ["withdraw", "--purpose", "capture"], ["withdraw", "--purpose", "affect"]]
)
def test_what_was_learned_of_a_voice_goes_with_any_withdrawal(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It was learned for the reading of feelings, and capture is all: of neither anything stays."""
    LEARNED.save()
    assert main(words) == 0
    assert not own_voice.file().exists()
    assert "mien calibrate" in capsys.readouterr().err


def test_a_withdrawal_holds_where_what_waits_cannot_be_erased(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    """And both are said."""
    (state / "outbox-mien.sqlite").mkdir()
    with pytest.raises(OutboxError):
        main(["withdraw"])
    assert "withdrawn" in capsys.readouterr().out
    assert Consent(state / "consent-mien.jsonl").read() == {(None, "capture"): False}


@pytest.mark.parametrize("words", [["give"], ["withdraw", "--person", "2"], ["give", "--person", "2"], ["show"]])
def test_nothing_else_touches_it(words: list[str]) -> None:
    """It is no single person's of the view: a person is a number there, and the file is the device's."""
    LEARNED.save()
    assert main(words) == 0
    assert own_voice.file().exists()


def test_a_person_who_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    """A withdrawal of nobody would keep everybody from being read, and nobody could give it back."""
    with pytest.raises(SystemExit):
        main(["withdraw", "--person", "-1"])
    assert "counted from 1" in capsys.readouterr().err
    assert not (state / "consent-mien.jsonl").exists()


def test_it_says_what_holds_now(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    """In words for people, as one object for machines; the record is named."""
    record = str(state / "consent-mien.jsonl")
    main(["withdraw"])
    told = capsys.readouterr().out
    assert "closes camera and microphone" in told
    assert record in told
    LEARNED.save()
    main(["withdraw", "--purpose", "affect", "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "person": None,
        "purposes": ["affect"],
        "given": False,
        "voice_forgotten": True,
        "envelopes_erased": 0,
        "record": record,
    }
    main(["give", "--json"])
    assert json.loads(capsys.readouterr().out)["purposes"] == ["affect", "capture"]
    main(["show"])
    assert "withdrawn" not in capsys.readouterr().out
