"""Peers live apart: installed once, in their own folder, and never in the way of a benchmark."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peers import PEERS, Peer, PeerMissing


def test_a_peer_is_installed_once_and_answers_from_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked runs in the peer's interpreter, not in ours; the second time nothing is installed."""
    monkeypatch.setenv("MIEN_PEERS", str(tmp_path))
    monkeypatch.setitem(PEERS, "nobody", Peer("Nobody", ()))
    monkeypatch.setattr(peers, "_HERE", tmp_path)
    (tmp_path / "peer_say.py").write_text(
        "import json, sys\nprint('noise')\nprint(json.dumps([sys.prefix, *sys.argv[1:]]))"
    )
    assert peers.ask("nobody", "say", "hello", 3) == [str(tmp_path / "nobody"), "hello", "3"]
    made = (tmp_path / "nobody/installed.json").stat().st_mtime_ns
    peers.ask("nobody", "say")
    assert (tmp_path / "nobody/installed.json").stat().st_mtime_ns == made


def test_a_peer_that_breaks_is_missing_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark can say why a column is empty."""
    monkeypatch.setenv("MIEN_PEERS", str(tmp_path))
    monkeypatch.setitem(PEERS, "nobody", Peer("Nobody", ()))
    monkeypatch.setattr(peers, "_HERE", tmp_path)
    (tmp_path / "peer_say.py").write_text("raise SystemExit('no such library')")
    with pytest.raises(PeerMissing, match="Nobody failed: no such library"):
        peers.ask("nobody", "say")


def test_no_peer_is_a_dependency() -> None:
    """Some of them must not be shipped, and all of them are large."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for name in ("mediapipe", "opensmile", "fer", "faster-whisper", "moonshine", "nodejs", "pipecat-ai", "tensorflow"):
        assert not [one for one in wanted if one.startswith(name)]
