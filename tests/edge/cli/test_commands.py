"""The command line: it teaches, it fails in one line that names cause and mend, it speaks JSON to machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

MIEN = [sys.executable, "-m", "edge.cli"]


def mien(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MIEN, *words], capture_output=True, text=True, timeout=240, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(
    ("word", "set_before", "threads"), [("describe", None, "1"), ("describe", "3", "3"), ("bridge", None, "None")]
)
def test_small_products_stay_on_one_core(word: str, set_before: str | None, threads: str) -> None:
    """A device keeps OpenBLAS on one core before numpy is loaded, unless the user wishes; a bridge does not."""
    code = (
        "import os, sys, edge.cli\n"
        "assert 'numpy' not in sys.modules\n"
        f"try: edge.cli.main([{word!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "print(os.environ.get('OPENBLAS_NUM_THREADS'), file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    if set_before:
        environment["OPENBLAS_NUM_THREADS"] = set_before
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stderr.split()[-1] == threads


def test_help_lists_every_command_with_what_it_does() -> None:
    """A newcomer finds the way from `mien --help`."""
    done = mien("--help")
    assert done.returncode == 0
    for command in ("demo", "run", "replay", "describe", "analyze", "doctor", "models", "bridge", "bench", "train"):
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"  {command} "))
        assert "needs" not in line, line
        assert len(line.split(maxsplit=1)[1]) > 20


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("anlyze",), "no command 'anlyze'"),
        (("replay", "none.mp4"), "no file at none.mp4"),
        (("run", "--sensor", "pigeon://1"), "no 'pigeon' among the sensors"),
        (("run", "--config", "none.toml"), "no settings file at none.toml"),
        (("replay", "LICENSE", "--bridge", "carrier://x"), "no 'carrier' among the transports"),
        (("models", "pull", "nonesuch"), "no card for model 'nonesuch'"),
        (("models", "pull", "--set", "nonesuch"), "there is build, device"),
        (("enroll", "--show"), "not enrolled"),
        (("calibrate", "--sensor", "none.wav"), "--consent"),
        (("describe", "none.mp4"), "no file at none.mp4"),
        (("replay", "LICENSE"), "LICENSE"),
        (("replay", "LICENSE", "--out", "/proc/none"), "another folder for --out"),
        (("run", "--socket", "/proc/none/events.sock"), "choose another --socket"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """No traceback; the cause, and what there is instead."""
    done = mien(*words, MIEN_STATE=str(tmp_path))
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("consent", "show")])
def test_a_terminal_of_another_character_set_is_no_fault(words: tuple[str, ...], tmp_path: Path) -> None:
    """What it cannot show it shows as a question mark."""
    done = mien(*words, PYTHONIOENCODING="ascii", MIEN_STATE=str(tmp_path / "zuständig"))
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout


def test_a_bridge_without_tls_elsewhere_is_told_once(tmp_path: Path) -> None:
    """Whoever runs the device reads it at once, without a password; of this machine's own nothing is said."""
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, np.zeros(16_000, np.float32), 16_000)
    far, near = "mqtt://car:S3cret@192.0.2.1:1883", "grpc://127.0.0.1:1"
    done = mien("replay", str(sound), "--bridge", near, "--bridge", far, "--no-words", MIEN_STATE=str(tmp_path))
    assert done.stderr.count("without TLS") + done.stderr.count("has no TLS") == 1
    assert "mqtt://192.0.2.1:1883 has no TLS" in done.stderr
    assert "mqtts://192.0.2.1:1883" in done.stderr
    assert "S3cret" not in done.stdout + done.stderr


def test_what_is_said_while_sound_devices_are_listed_is_heard() -> None:
    """PortAudio's wrapper turns descriptor 2 away for that time; a thread that tells of a missing camera is read."""
    code = (
        "import os, sys; from edge.cli import main; main(['--version']); "
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 2); print('no camera', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "no camera\n"


def test_a_reader_that_leaves_is_no_fault() -> None:
    """`mien --help | head -1` ends quietly, with the status of a closed pipe."""
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(MIEN)} --help | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("usage: mien")
    assert done.returncode in (0, 141), "0: all was written before the reader left"


def test_a_missing_model_is_one_line_that_names_the_command(tmp_path: Path) -> None:
    """An empty store is no riddle."""
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, np.zeros(16_000, np.float32), 16_000)
    done = mien("analyze", str(sound), "--no-words", MIEN_MODELS=str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "mien models pull" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A read-only home ends in a sentence that names the file, not in a traceback."""
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, np.zeros(16_000, np.float32), 16_000)
    done = mien("replay", str(sound), "--bridge", "grpc://127.0.0.1:1", MIEN_STATE="/dev/null/state")
    assert done.returncode == 1
    assert "give a writable path" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_corrupt_model_is_refused(tmp_path: Path) -> None:
    """A changed byte is found before the network runs."""
    from models import card as cards
    from models import store

    folder = tmp_path / "models"
    folder.mkdir()
    for card in cards.in_set("device"):
        source = store.location(card)
        if source.parent == store.folder():
            (folder / source.name).symlink_to(source)
    broken = folder / cards.read("speech_activity").file
    broken.unlink()
    broken.write_bytes(b"not a network")
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, np.zeros(16_000, np.float32), 16_000)
    done = mien("analyze", str(sound), "--no-words", MIEN_MODELS=str(folder))
    assert done.returncode == 1
    assert "is not the file that the card of 'speech_activity' names" in done.stderr


def test_analyze_gives_one_object_per_file_whatever_the_file(tmp_path: Path, clips: list[Path]) -> None:
    """Sound only, picture only, broken and whole: a line each, null where nothing was perceived."""
    soundfile.write(tmp_path / "a_silence.wav", np.zeros(32_000, np.float32), 16_000)
    (tmp_path / "b_broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(2000))
    whole = clips[0].read_bytes()
    (tmp_path / "c_cut.mpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "ignored.txt").write_text("no recording")
    done = mien("analyze", str(tmp_path), "--jsonl", "--no-words")
    assert done.returncode == 1, "one file could not be read"
    assert "Traceback" not in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    silence, broken, cut = lines
    assert silence["voice"] is None
    assert silence["face"] is None
    assert silence["state"] is None
    assert "error" in broken
    assert cut["face"]["pictures"] > 10
    assert cut["words"] is None, "words were not asked for"


def test_without_consent_no_feeling_is_read(clips: list[Path], tmp_path: Path) -> None:
    """Fail closed: no affect in any line, and the notice says so."""
    done = mien("replay", str(clips[0]), "--json", "--no-words", MIEN_STATE=str(tmp_path))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    notice = next(line for line in lines if line["type"] == "notice")
    assert "does not read feelings" in notice["text"]
    states = [line for line in lines if line["type"] == "state"]
    assert states
    for state in states:
        assert state["face"] is state["voice"] is state["fused"] is None
        assert not state["action_units"]


def test_a_bridge_that_is_down_is_told_and_the_loop_goes_on(clips: list[Path], tmp_path: Path) -> None:
    """Perception needs no bridge; the health lines say what is wrong with the link."""
    done = mien(
        "replay", str(clips[0]), "--json", "--no-words", "--bridge", "grpc://127.0.0.1:9", MIEN_STATE=str(tmp_path)
    )
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("bridge" in line["failing"] for line in lines if line["type"] == "health")
    assert sum(line["type"] == "state" for line in lines) > 10


def test_the_words_stand_beside_the_clips_true_sentences(clips: list[Path]) -> None:
    """On four real people: the recognizer is right in most words, and silent rather than wrong in the rest."""
    done = mien("analyze", *map(str, clips), "--jsonl", "--words")
    right = total = 0
    for line in done.stdout.splitlines():
        found = json.loads(line)
        true = _sentence(Path(found["path"]).stem)
        heard = set((found["words"] or "").lower().strip(".").split())
        right += sum(word in heard for word in true)
        total += len(true) if found["words"] else 0
        assert found["face"]["pictures"] >= 74, "face found in nearly every picture"
    assert total >= 12, "words were heard in most clips"
    assert right / total >= 0.7


def _sentence(stem: str) -> list[str]:
    """The sentence that a GRID clip's name encodes (Cooke et al. 2006)."""
    tables = (
        {"b": "bin", "l": "lay", "p": "place", "s": "set"},
        {"b": "blue", "g": "green", "r": "red", "w": "white"},
        {"a": "at", "b": "by", "i": "in", "w": "with"},
        {},
        {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven"},
        {"a": "again", "n": "now", "p": "please", "s": "soon"},
    )
    return [table.get(letter, letter) for table, letter in zip(tables, stem, strict=True)]
