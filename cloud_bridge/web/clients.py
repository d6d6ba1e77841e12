"""Who may ask the bridge: named clients with a bearer token each, of one tenant, allowed to read or to control."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cloud_bridge.errors import SettingError
from cloud_bridge.settings import secret

Right = Literal["read", "control"]
_SHORTEST = 16  # characters of a token


class Client(BaseModel):
    """One client. `control`: it may speak to people, set rules, and start or stop perception."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    tenant: str = Field("default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    may: tuple[Right, ...] = ("read",)

    def can(self, right: Right) -> bool:
        """Whether it has `right`; who may control may read."""
        return right in self.may or "control" in self.may


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=_SHORTEST)
    tenant: str = "default"
    may: tuple[Right, ...] = ("read",)


class Clients:
    """All clients. Tokens are kept as digests, so that looking one up takes no time that tells of it."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Client] = {}

    @classmethod
    def read(cls, file: str | None) -> Clients:
        """The clients in `file`, and the one of `MIEN_CLIENT_TOKEN` (or `_FILE`), which may control tenant `default`.

        The file: {"NAME": {"token": "…", "tenant": "default", "may": ["read", "control"]}, …}. Raises SettingError.
        """
        found = cls()
        if file is not None:
            found._read(file)
        if (token := secret("MIEN_CLIENT_TOKEN")) is not None:
            if len(token) < _SHORTEST:
                raise SettingError(f"MIEN_CLIENT_TOKEN is shorter than {_SHORTEST} characters: draw a longer one")
            found.add(token, Client(name="environment", tenant="default", may=("control",)))
        return found

    def add(self, token: str, client: Client) -> None:
        """Let `client` in by `token`."""
        self._by_digest[_digest(token)] = client

    def draw(self) -> str:
        """A token for this run alone; its holder may control tenant `default`."""
        token = secrets.token_urlsafe(24)
        self.add(token, Client(name="local", tenant="default", may=("control",)))
        return token

    def of(self, token: str) -> Client | None:
        """Whose token this is."""
        return self._by_digest.get(_digest(token))

    def of_header(self, authorization: str | None) -> Client | None:
        """Whose `Authorization: Bearer …` this is."""
        kind, _, token = (authorization or "").partition(" ")
        return self.of(token.strip()) if kind.lower() == "bearer" and token else None

    @property
    def tenants(self) -> set[str]:
        """Tenants that some client may see."""
        return {client.tenant for client in self._by_digest.values()}

    def __len__(self) -> int:
        return len(self._by_digest)

    def _read(self, file: str) -> None:
        path = Path(file)
        try:
            if path.stat().st_mode & 0o077:
                raise SettingError(f"{file} can be read by others: run `chmod 600 {file}`")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SettingError(f"cannot read {file}: {error.strerror}") from error
        try:
            for name, one in TypeAdapter(dict[str, _Written]).validate_json(text).items():
                if self.of(one.token) is not None:
                    raise SettingError(f"{file}: two clients have the same token: draw another for '{name}'")
                self.add(one.token, Client(name=name, tenant=one.tenant, may=one.may))
        except ValidationError as error:
            where = {".".join(str(part) for part in one["loc"]) or "it": one["msg"].lower() for one in error.errors()}
            raise SettingError(f"{file}: {_told(where.items())}") from error


def _told(problems: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{where}: {what}" for where, what in problems) + (
        f" (it holds {json.dumps({'NAME': {'token': '…', 'tenant': 'default', 'may': ['read']}}, ensure_ascii=False)})"
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
