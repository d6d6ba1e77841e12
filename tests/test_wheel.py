"""The wheel, not the tree, is what a device gets: everything that the code reads at run time is in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("edge", "cloud_bridge", "models", "quantization", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(out.glob("mien-*.whl"))


def test_every_tracked_file_of_the_rooms_is_in_the_wheel(wheel: Path) -> None:
    """Cards, weights, rules, schema: a file that only the tree has would be missing on a device."""
    listed = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert not set(listed.stdout.split()) - packed


def test_the_wheel_runs_away_from_the_tree(wheel: Path, tmp_path: Path) -> None:
    """Installed elsewhere, a recording goes through all of it."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import edge, sys; assert edge.__file__.startswith(sys.argv[1]), edge.__file__\n"
        "from edge.offline import Analyzer\n"
        "from pathlib import Path\n"
        "found = Analyzer(words=False).read(Path(sys.argv[2]))\n"
        "assert found['face'] is None and found['voice'] is None\n"
    )
    silence = tmp_path / "silence.wav"
    _silence(silence)
    subprocess.run(
        [sys.executable, "-c", code, str(site), str(silence)],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    )


def _silence(file: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(file, np.zeros(16_000, np.float32), 16_000)
