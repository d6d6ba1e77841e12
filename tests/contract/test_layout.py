"""What lies in the field is read as it was meant; what a newer Mien wrote is refused, and left as it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_bridge.authority.authority import Authority, Holder
from cloud_bridge.erasure import Erasures
from cloud_bridge.errors import SettingError
from cloud_bridge.history import History
from cloud_bridge.ingest.dedupe import Dedupe
from edge.consent import Consent
from edge.errors import ConfigError, OutboxError, PolicyError
from edge.identity import Identity
from edge.outbox import Outbox
from edge.own_voice import OwnVoice
from edge.policy import Policy
from edge.wire.layout import MARK, NewerLayout, check_database
from tests.contract.make_golden import FOLDER

STATE = FOLDER / "state"  # files as version 0.1.0 wrote them; SQLite's as `.dump` tells them


def _outbox(folder: Path) -> object:
    outbox = Outbox(folder / "outbox.sqlite")
    try:
        return [(one.envelope.seq, one.envelope.events[0].name) for one in outbox.take(10)]
    finally:
        outbox.close()


def _history(folder: Path) -> object:
    history = History(folder / "history.sqlite")
    try:
        return [
            (one["kind"], one["person"], one.get("words"))
            for one in history.timeline("car-7", until_s=2e9, tenant="acme")
        ]
    finally:
        history.close()


def _wishes(folder: Path) -> object:
    wishes = Erasures(folder / "history.sqlite")
    try:
        wishes.open("here")
        return wishes._do("SELECT device, person FROM erasure")
    finally:
        wishes.close()


def _seen(folder: Path) -> object:
    record = Dedupe(folder / "seen.sqlite")
    try:
        return [seq for seq in range(9) if record.seen("acme/car-7", 0x9122334455667788, seq)]
    finally:
        record.close()


def _granted(folder: Path) -> object:
    if not (folder / "ca.key").exists():
        kept = (folder / "granted.sqlite").rename(folder / "kept")
        Authority(folder, create=True)
        kept.replace(folder / "granted.sqlite")
    return Authority(folder).holders()


DATABASES: dict[str, tuple[str, Callable[[Path], object], object]] = {
    "outbox": ("outbox", _outbox, [(7, "drowsy")]),
    "history": ("history", _history, [("state", 2, None), ("turn", 2, "hello"), ("health", None, None)]),
    "wishes": ("history", _wishes, [("car-7", 2)]),
    "seen": ("seen", _seen, [1, 2, 3, 5]),
    "granted": ("granted", _granted, [Holder("acme", "car-7", 4e9, revoked=True)]),
}


def _lay(folder: Path, name: str) -> Path:
    """The golden database `name`, in `folder`."""
    path = folder / f"{name}.sqlite"
    db = sqlite3.connect(path)
    db.executescript((STATE / f"{name}.sql").read_text())
    db.close()
    return path


def _mark(path: Path, version: int) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={version}")
    db.close()


@pytest.mark.parametrize("kind", DATABASES)
def test_a_database_of_today_is_read_as_it_was_meant(kind: str, tmp_path: Path) -> None:
    """By this version and each to come."""
    name, read, meant = DATABASES[kind]
    _lay(tmp_path, name)
    assert read(tmp_path) == meant


@pytest.mark.parametrize("kind", DATABASES)
def test_a_newer_database_is_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    """The error says what to do; the version that wrote it finds everything where it was."""
    name, read, meant = DATABASES[kind]
    path = _lay(tmp_path, name)
    read(tmp_path)
    _mark(path, MARK + 2)
    with pytest.raises((OutboxError, SettingError), match=r"newer Mien wrote it \(layout 2.*install that version"):
        read(tmp_path)
    _mark(path, 0)
    assert read(tmp_path) == meant


def test_a_number_that_is_not_ours_tells_nothing(tmp_path: Path) -> None:
    """An application's own, whose tables lie beside ours, or a damaged header: neither keeps a device from starting."""
    path = _lay(tmp_path, "outbox")
    _mark(path, 5)
    assert _outbox(tmp_path) == [(7, "drowsy")]
    with pytest.raises(NewerLayout):
        check_database(_marked(MARK + 1))


def _marked(version: int) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute(f"PRAGMA user_version={version}")
    return db


def _newer(path: Path) -> None:
    """`path`, whose last line is a JSON object, as a later version may write it."""
    *before, last = path.read_text().splitlines()
    path.write_text("\n".join([*before, json.dumps({**json.loads(last), "layout": 1})]) + "\n")


def test_a_consent_record_is_read_or_nothing_is_perceived(tmp_path: Path) -> None:
    """A line of a newer version is no reason to remove it: it may be a withdrawal."""
    path = Path(shutil.copy(STATE / "consent.jsonl", tmp_path))
    assert Consent(path).read() == {(None, "affect"): True, (2, "capture"): False}
    _newer(path)
    with pytest.raises(PolicyError, match="line 2 cannot be read: a newer Mien wrote it"):
        Consent(path).read()
    policy = Policy("affect", context="personal", consent=True)
    Consent(path).heed(policy)
    assert policy.mode == "off"


def test_a_calibration_and_an_enrolment_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its mend."""
    monkeypatch.setenv("MIEN_STATE", str(tmp_path))
    voice = Path(shutil.copy(STATE / "own_voice.json", tmp_path))
    own = OwnVoice.load()
    assert own is not None
    assert (own.shift, own.speech_s) == ((0.1, -0.05, -0.02, -0.03), 12.5)
    _newer(voice)
    with pytest.raises(ConfigError, match=r"a newer Mien wrote it.*mien calibrate"):
        OwnVoice.load()
    about = Path(shutil.copy(STATE / "enrolled.json", tmp_path))
    identity = Identity(tmp_path)
    assert identity.about == {"device": "car-7", "tenant": "acme", "address": "bridge.example:7450"}
    _newer(about)
    with pytest.raises(ConfigError, match=r"a newer Mien wrote it.*enroll again"):
        identity.about  # noqa: B018
