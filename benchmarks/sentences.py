"""Everyday sentences with published sentiment labels, used nowhere in tuning.

"Sentiment Labelled Sentences" (Kotzias et al. 2015, CC BY 4.0) as the JavaScript package `sentiment` 5.0.2 carries it
beside its tests. Nothing of it is kept in this project: it is read from a file, or fetched with npm where that is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from models import store

_PACKAGE, _MEMBER = "sentiment@5.0.2", "package/test/fixtures/yelp.json"
_SHA256 = "9f3f47983f21eeb819380767b74bfa648eca208f156241111454b3e122773ff7"
_SEEN = 40  # of either label, the first ones of 3 to 8 words: looked at while the words' part was made
_EACH = 60  # of either label, those after them


def read() -> list[tuple[str, bool]] | None:
    """(sentence, is it pleasant): 120 of them, half and half; None where they cannot be had.

    `MIEN_SENTENCES` may name the package's yelp.json; else it is fetched once into the model folder.
    """
    file = Path(os.environ.get("MIEN_SENTENCES") or store.folder() / "bench_sentences.json")
    if not file.is_file() and not _fetch(file):
        return None
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        return None
    found: dict[int, list[str]] = {0: [], 1: []}
    for item in json.loads(content):
        if item["class"] in found and 3 <= len(item["text"].split()) <= 8:
            found[item["class"]].append(item["text"])
    return [(text, label == 1) for label in (0, 1) for text in found[label][_SEEN : _SEEN + _EACH]]


def _fetch(file: Path) -> bool:
    if shutil.which("npm") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            command = ["npm", "pack", "--silent", _PACKAGE]
            subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=120)
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                member = archive.extractfile(_MEMBER)
                assert member is not None
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(member.read())
        except (OSError, subprocess.SubprocessError, StopIteration, KeyError, tarfile.TarError):
            return False
    return True
