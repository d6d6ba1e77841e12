"""How the bridge is to run: flags, then the environment, then a file, then what is usual."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cloud_bridge.errors import SettingError
from edge.wire.clear import in_clear

_LAST_PORT = 65535


def _place(text: str) -> str:
    """`HOST:PORT`; gRPC would take another port in silence where this one is too high."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"write HOST:PORT, the port a number from 0 to {_LAST_PORT}")
    return text


def _reached_by(*schemes: str) -> AfterValidator:
    def check(text: str) -> str:
        scheme, _, rest = text.partition("://")
        if scheme not in schemes or not rest:
            raise ValueError(f"write {' or '.join(f'{one}://HOST' for one in schemes)}")
        return text

    return AfterValidator(check)


Place = Annotated[str, AfterValidator(_place)]


class Settings(BaseModel):
    """Every setting, with what is usual. In a file: `key = value` in TOML, by these names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Place = "127.0.0.1:50051"
    broker: Annotated[str, _reached_by("mqtt", "mqtts")] | None = None
    broker_ca: str | None = None
    llm: str = "auto"
    tts: str = "auto"
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    enroll: Place | None = None
    names: str = ""
    token_file: str | None = None
    store: str | None = None
    history: str | None = None
    keep_days: float = Field(7.0, gt=0)
    mcp: Place | None = None
    mcp_grpc: Place | None = None
    console: Place | None = None
    client_file: str | None = None
    mcp_servers: str | None = None
    redis: Annotated[str, _reached_by("redis", "rediss")] | None = None
    answers: int = Field(0, ge=0)
    handover: str | None = None
    handover_after: int = Field(3, ge=1)
    price: str | None = Field(None, pattern=r"^[0-9.]+/[0-9.]+/[0-9.]+$")
    speculate: bool = True


def without_tls(settings: Settings) -> list[str]:
    """What goes to another machine so that whoever is on the way can read it, one sentence each."""
    reached = {
        "broker": settings.broker,
        "redis": settings.redis,
        "llm": settings.llm.partition("@")[2],
        "tts": settings.tts.partition("@")[2],
        "handover": settings.handover,
    }
    return [
        f"{name}: {far} has no TLS: whoever is on the way reads how people are, and what is said"
        for name, address in reached.items()
        if (far := in_clear(address or ""))
    ]


def read(flags: Mapping[str, Any], file: str | None = None) -> Settings:
    """Settings from `flags` (None: not given), MIEN_LLM, …_TTS, …_LISTEN, …_REDIS and …_BROKER, and `file`.

    Raises SettingError, naming the key.
    """
    merged: dict[str, Any] = {}
    if file is not None:
        merged |= read_toml(file)
    for key, variable in (
        ("llm", "MIEN_LLM"),
        ("tts", "MIEN_TTS"),
        ("listen", "MIEN_LISTEN"),
        ("redis", "MIEN_REDIS"),
        ("broker", "MIEN_BROKER"),
    ):
        if value := os.environ.get(variable):
            merged[key] = value
    merged |= {key: value for key, value in flags.items() if value is not None}
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        known = ", ".join(Settings.model_fields)
        if problem["type"] == "extra_forbidden":
            raise SettingError(f"no setting '{key}' in {file}: there is {known}") from error
        reason = problem["msg"].removeprefix("Value error, ")
        shown = re.sub(r"//[^/@\s]*@", "//…@", repr(problem["input"]))  # an address may hold a password
        raise SettingError(f"setting '{key}' = {shown}: {reason}") from error


def read_toml(file: str) -> dict[str, Any]:
    """What stands in `file`. Raises SettingError where it cannot be read or is not TOML."""
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{file} is not TOML: {error}") from error


def secret(name: str) -> str | None:
    """The secret `name` from the environment, or from the file that `NAME_FILE` names. Raises SettingError."""
    if value := os.environ.get(name):
        return value
    if not (file := os.environ.get(f"{name}_FILE")):
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingError(f"{name}_FILE names {file}, which cannot be read: {error.strerror}") from error
