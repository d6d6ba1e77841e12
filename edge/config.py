"""Settings: one TOML file, checked at once; an unknown key or a wrong value is one clear error."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from edge.errors import ConfigError
from edge.files import read_toml
from models.record import Invalid, Matches, Record, Within


@dataclass(frozen=True, kw_only=True)
class Perceive(Record):
    """What is perceived. `words` None: on when the board has the memory and the model is there."""

    words: bool | None = None
    language: str = "en"
    max_people: Annotated[int, Within(1, 8)] = 3


@dataclass(frozen=True, kw_only=True)
class Purpose(Record):
    """What this device is for, and what the people in front of it agreed to (see edge.policy)."""

    mode: Literal["off", "attention_only", "affect"] = "affect"
    context: Literal["personal", "vehicle", "public", "workplace", "education", "care"] = "personal"
    exemption: Literal["medical", "safety"] | None = None
    justification: str | None = None
    consent: bool = False  # the person agreed that feelings and words are read; without it neither is
    forward_words: bool = True  # whether what was said may leave the device
    keep_words: bool = False  # the person agreed that the bridge keeps what was said beyond the conversation
    keep_states: bool = False  # the person agreed that the bridge keeps how they were: states, and what rules saw
    audit_log: Path | None = None
    consent_record: Path | None = None  # what `mien consent` writes; default: in the state folder


@dataclass(frozen=True, kw_only=True)
class Link(Record):
    """Where descriptions go. No bridge: the device works alone."""

    bridges: list[str] = field(default_factory=list)  # URIs, the first is tried first
    outbox: Path | None = None  # default: the state folder
    outbox_mb: Annotated[int, Within(1, 4096)] = 16
    state_every_s: Annotated[float, Within(0.2, 60.0)] = 2.0
    token_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Config(Record):
    """All settings of a device."""

    device: Annotated[str, Matches(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")] = "mien"
    sensors: list[str] = field(default_factory=lambda: ["camera://0", "mic://default"])
    outputs: list[str] = field(default_factory=lambda: ["speaker"])
    rules: Path | None = None  # awareness rules; default: the shipped ones
    socket: Path | None = None  # local event stream (Unix socket, JSON lines)
    memory_mb: Annotated[int, Within(64)] = 1000  # the governor steps down before the process outgrows this
    perceive: Perceive = Perceive()
    purpose: Purpose = Purpose()
    link: Link = Link()

    @classmethod
    def load(cls, path: Path | None) -> Config:
        """The settings in `path`, or the defaults. Raises ConfigError naming file, key and mend."""
        if path is None:
            return cls()
        try:
            return cls.read(read_toml(path, "settings"))
        except Invalid as error:
            raise ConfigError(f"{path}: {_explain(error)}") from error

    def consent_record(self) -> Path:
        """Where the consent of this device's people is kept."""
        return self.purpose.consent_record or state_folder() / f"consent-{self.device}.jsonl"

    def outbox(self) -> Path:
        """Where what waits for the bridge is kept."""
        return self.link.outbox or state_folder() / f"outbox-{self.device}.sqlite"

    def updated(self, **changes: object) -> Config:
        """A copy with `changes`, checked like a file. Raises ConfigError."""
        try:
            return type(self).read({**self.plain(), **changes})
        except Invalid as error:
            raise ConfigError(_explain(error)) from error


def state_folder() -> Path:
    """Where a device keeps its own files: `MIEN_STATE`, or the user's state folder."""
    if chosen := os.environ.get("MIEN_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mien"


def _explain(error: Invalid) -> str:
    return "; ".join(
        f"unknown setting '{one.key}': {one.says.partition(': ')[2]}"
        if one.unknown
        else f"setting '{one.key}': {one.says} (it is {one.value!r})"
        for one in error.faults
    )
