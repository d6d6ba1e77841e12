"""Read a TFLite file with the standard library and numpy: its tensors, constants and operators.

A flatbuffer is a tree of tables; a table's fields are found through its vtable by their number in the schema
(TensorFlow Lite's schema.fbs, Apache-2.0). Only what plain float networks need is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_TYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_OPERATORS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    28: "TANH",
    34: "PAD",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    54: "PRELU",
    57: "MINIMUM",
    59: "NEG",
    60: "PADV2",
    74: "SUM",
    75: "SQRT",
    76: "RSQRT",
    98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE",
    117: "HARD_SWISH",
}

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A table at byte `at` of `data`; fields by their number."""

    data: bytes
    at: int

    def _field(self, number: int) -> int:
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        slot = 4 + 2 * number
        offset = struct.unpack_from("<H", self.data, vtable + slot)[0] if slot < size else 0
        return self.at + offset if offset else 0

    def byte(self, number: int, default: int = 0) -> int:
        """An 8-bit field."""
        at = self._field(number)
        return self.data[at] if at else default

    def integer(self, number: int, default: int = 0) -> int:
        """A 32-bit field."""
        at = self._field(number)
        return int(struct.unpack_from("<i", self.data, at)[0]) if at else default

    def real(self, number: int, default: float = 0.0) -> float:
        """A 32-bit float."""
        at = self._field(number)
        return float(struct.unpack_from("<f", self.data, at)[0]) if at else default

    def table(self, number: int) -> Table | None:
        """A table field."""
        at = self._field(number)
        return Table(self.data, at + struct.unpack_from("<I", self.data, at)[0]) if at else None

    def _vector(self, number: int) -> tuple[int, int]:
        at = self._field(number)
        if not at:
            return 0, 0
        start = at + struct.unpack_from("<I", self.data, at)[0]
        return start + 4, int(struct.unpack_from("<I", self.data, start)[0])

    def tables(self, number: int) -> list[Table]:
        """A vector of tables."""
        start, count = self._vector(number)
        places = range(start, start + 4 * count, 4)
        return [Table(self.data, at + struct.unpack_from("<I", self.data, at)[0]) for at in places]

    def integers(self, number: int) -> list[int]:
        """A vector of 32-bit numbers."""
        start, count = self._vector(number)
        return list(struct.unpack_from(f"<{count}i", self.data, start))

    def raw(self, number: int) -> bytes:
        """A vector of bytes, or a string."""
        start, count = self._vector(number)
        return self.data[start : start + count]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; inputs and outputs are numbers of tensors, -1 for one left out."""

    name: str
    inputs: list[int]
    outputs: list[int]
    options: Table


@dataclass(frozen=True, slots=True)
class Network:
    """A TFLite file's first subgraph. `constants`: values by tensor number, as stored."""

    names: list[str]
    shapes: list[list[int]]
    constants: dict[int, Array]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]


def read(file: Path) -> Network:
    """The network in `file`. Raises ValueError for what is no TFLite file, or has an operator or type unknown here."""
    data = file.read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{file} is no TFLite file")
    model = Table(data, struct.unpack_from("<I", data, 0)[0])
    kinds = [max(one.byte(0), one.integer(3)) for one in model.tables(1)]
    graph = model.tables(2)[0]
    buffers = model.tables(4)
    tensors = graph.tables(0)
    shapes = [one.integers(0) for one in tensors]
    constants = {}
    for index, one in enumerate(tensors):
        stored = buffers[one.integer(2)].raw(0)
        if stored:
            if one.byte(1) not in _TYPES:
                raise ValueError(f"tensor {one.raw(3).decode()} has a type ({one.byte(1)}) that is not read here")
            constants[index] = np.frombuffer(stored, _TYPES[one.byte(1)]).reshape(shapes[index])
    return Network(
        names=[one.raw(3).decode() for one in tensors],
        shapes=shapes,
        constants=constants,
        operators=[_operator(one, kinds) for one in graph.tables(3)],
        inputs=graph.integers(1),
        outputs=graph.integers(2),
    )


def _operator(one: Table, kinds: list[int]) -> Operator:
    kind = kinds[one.integer(0)]
    if kind not in _OPERATORS:
        raise ValueError(f"operator {kind} of the TFLite schema is not known here")
    return Operator(_OPERATORS[kind], one.integers(1), one.integers(2), one.table(4) or one)
