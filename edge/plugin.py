"""One extension, one file: a URI scheme or a name is a module name."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from urllib.parse import parse_qsl, urlsplit

from edge.errors import PluginError

# Modules of a plugin folder that are shared tools, not extensions.
_TOOLS = frozenset({"base", "supervise"})


@dataclass(frozen=True, slots=True)
class Uri:
    """`scheme://host:port/path?key=value`, taken apart. `text` is the whole as it was given."""

    text: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: dict[str, str]

    @property
    def shown(self) -> str:
        """Scheme, host and port: for messages and logs, which hold no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Take `text` apart. Raises PluginError where no scheme stands before `://` or the port is no number."""
        scheme, sep, rest = text.partition("://")
        if not sep or not scheme.replace("_", "").isalnum():
            raise PluginError(f"'{text}' is not a URI: write scheme://…, for example camera://0 or file://clip.mp4")
        if scheme == "file":  # a path may hold ? and #, and may be relative
            return cls(text, scheme, "", None, rest, {})
        parts = urlsplit(f"//{rest}", allow_fragments=False)
        try:
            port = parts.port
        except ValueError as error:
            at = rest.rpartition("@")[2]  # without a password: messages end up in logs
            raise PluginError(f"'{scheme}://{at}' has a port that is no number between 1 and 65535") from error
        return cls(text, scheme, parts.hostname or "", port, parts.path, dict(parse_qsl(parts.query)))


def names(package: str) -> list[str]:
    """Names of the extensions in `package`, e.g. `edge.sensors`."""
    folder = importlib.import_module(package)
    found = (info.name for info in pkgutil.iter_modules(folder.__path__))
    return sorted(name for name in found if name not in _TOOLS and not name.startswith("_"))


def check(package: str, name: str) -> None:
    """Raises PluginError, naming what there is, where `package` has no extension `name`; loads nothing."""
    known = names(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1]
        raise PluginError(f"no '{name}' among the {kind}: there is {', '.join(known)}")


def load(package: str, name: str) -> ModuleType:
    """The module of extension `name` in `package`. Raises PluginError as `check` does."""
    check(package, name)
    return importlib.import_module(f"{package}.{name}")
