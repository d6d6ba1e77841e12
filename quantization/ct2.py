"""Read the weights of a CTranslate2 `model.bin` with numpy alone.

Layout (CTranslate2 `python/ctranslate2/specs/model_spec.py`, binary version 6), little endian:

    u32 binary_version
    str spec_name                      a str is u16 length (with the closing NUL) and the bytes
    u32 spec_revision
    u32 count, then per variable:      str name · u8 rank · u32 dims[rank] · u8 dtype · u32 n_bytes · data
    u32 count, then per alias:         str alias · str name
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import ModelError

_BINARY_VERSION = 6
_DTYPES: tuple[str, ...] = ("<f4", "<i1", "<i2", "<i4", "<f2")


class Ct2FormatError(ModelError):
    """The file is not a CTranslate2 model of a version that this reader knows."""


class _Cursor:
    """Walks over bytes and refuses to step past their end."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self._data):
            raise Ct2FormatError(
                f"model.bin ends at byte {len(self._data)} where byte {end} was expected: "
                "the file is cut short, pull it again"
            )
        piece = self._data[self.at : end]
        self.at = end
        return piece

    def number(self, code: str) -> int:
        (value,) = struct.unpack("<" + code, self.take(struct.calcsize(code)))
        return int(value)

    def text(self) -> str:
        raw = bytes(self.take(self.number("H")))
        return raw.rstrip(b"\0").decode("utf-8", errors="replace")

    @property
    def done(self) -> bool:
        return self.at >= len(self._data)


class Ct2Weights(Mapping[str, npt.NDArray[np.generic]]):
    """Name → read-only array as it is stored (fp16 stays fp16), aliases resolved.

    The arrays are views into the file's bytes; nothing is copied until it is used.
    """

    def __init__(self, data: bytes) -> None:
        """Parse `data`, the whole file. Raises Ct2FormatError."""
        cursor = _Cursor(memoryview(data))
        version = cursor.number("I")
        if version != _BINARY_VERSION:
            raise Ct2FormatError(
                f"model.bin has binary version {version}, this reader knows {_BINARY_VERSION}: "
                "use the file pinned in the card"
            )
        self.spec = cursor.text()
        self.revision = cursor.number("I")
        self._arrays: dict[str, npt.NDArray[np.generic]] = {}
        for _ in range(cursor.number("I")):
            name = cursor.text()
            shape = tuple(cursor.number("I") for _ in range(cursor.number("B")))
            kind = cursor.number("B")
            if kind >= len(_DTYPES):
                raise Ct2FormatError(f"variable {name!r} has the unknown type {kind}: use the file pinned in the card")
            dtype = np.dtype(_DTYPES[kind])
            raw = cursor.take(cursor.number("I"))
            if len(raw) != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
                raise Ct2FormatError(f"variable {name!r} has {len(raw)} bytes for shape {shape}: pull the file again")
            self._arrays[name] = np.frombuffer(raw, dtype=dtype).reshape(shape)
        for _ in range(0 if cursor.done else cursor.number("I")):
            alias, name = cursor.text(), cursor.text()
            if name not in self._arrays:
                raise Ct2FormatError(f"alias {alias!r} points to nothing: pull the file again")
            self._arrays[alias] = self._arrays[name]

    @classmethod
    def read(cls, path: Path) -> Ct2Weights:
        """Parse the file at `path`. Raises Ct2FormatError, and OSError when it cannot be read."""
        return cls(path.read_bytes())

    def __getitem__(self, name: str) -> npt.NDArray[np.generic]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def f32(self, name: str) -> npt.NDArray[np.float32]:
        """The variable as float32. Raises Ct2FormatError when the model has none of that name."""
        try:
            return self._arrays[name].astype(np.float32)
        except KeyError:
            raise Ct2FormatError(f"{self.spec} has no variable {name!r}: use the file pinned in the card") from None
