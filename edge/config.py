"""Settings: one TOML file, checked at once; an unknown key or a wrong value is one clear error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import ConfigError
from edge.files import read_toml


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Perceive(_Section):
    """What is perceived. `words` None: on when the board has the memory and the model is there."""

    words: bool | None = None
    language: str = "en"
    max_people: int = Field(default=3, ge=1, le=8)


class Purpose(_Section):
    """What this device is for, and what the people in front of it agreed to (see edge.policy)."""

    mode: Literal["off", "attention_only", "affect"] = "affect"
    context: Literal["personal", "vehicle", "public", "workplace", "education", "care"] = "personal"
    exemption: Literal["medical", "safety"] | None = None
    justification: str | None = None
    consent: bool = False  # the person agreed that affect is read; without it only what needs none is perceived
    forward_words: bool = True  # whether what was said may leave the device
    keep_words: bool = False  # the person agreed that the bridge keeps what was said beyond the conversation
    audit_log: Path | None = None
    consent_record: Path | None = None  # what `mien consent` writes; default: in the state folder


class Link(_Section):
    """Where descriptions go. No bridge: the device works alone."""

    bridges: list[str] = []  # URIs, the first is tried first
    outbox: Path | None = None  # default: the state folder
    outbox_mb: int = Field(default=16, ge=1, le=4096)
    state_every_s: float = Field(default=2.0, ge=0.2, le=60.0)
    token_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class Config(_Section):
    """All settings of a device."""

    device: str = Field(default="mien", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    sensors: list[str] = ["camera://0", "mic://default"]
    outputs: list[str] = ["speaker"]
    rules: Path | None = None  # awareness rules; default: the shipped ones
    socket: Path | None = None  # local event stream (Unix socket, JSON lines)
    memory_mb: int = Field(default=1000, ge=64)  # the governor steps down before the process outgrows this
    perceive: Perceive = Perceive()
    purpose: Purpose = Purpose()
    link: Link = Link()

    @classmethod
    def load(cls, path: Path | None) -> Config:
        """The settings in `path`, or the defaults. Raises ConfigError naming file, key and mend."""
        if path is None:
            return cls()
        try:
            return cls.model_validate(read_toml(path, "settings"))
        except ValidationError as error:
            raise ConfigError(f"{path}: {_explain(error)}") from error

    def consent_record(self) -> Path:
        """Where the consent of this device's people is kept."""
        return self.purpose.consent_record or state_folder() / f"consent-{self.device}.jsonl"

    def updated(self, **changes: object) -> Config:
        """A copy with `changes`, checked like a file. Raises ConfigError."""
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error


def state_folder() -> Path:
    """Where a device keeps its own files: `MIEN_STATE`, or the user's state folder."""
    if chosen := os.environ.get("MIEN_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mien"


def _explain(error: ValidationError) -> str:
    lines = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            lines.append(f"unknown setting '{key}': there is {', '.join(_siblings(one['loc']))}")
        else:
            lines.append(f"setting '{key}': {one['msg'].lower()} (it is {one['input']!r})")
    return "; ".join(lines)


def _siblings(loc: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Config
    for part in loc[:-1]:
        field = section.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        section = inner
    return sorted(section.model_fields)
