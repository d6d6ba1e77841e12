"""Put a TFLite file together: tensors, constants and operators of one graph, then the flatbuffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as tfl

Array = npt.NDArray[Any]

_VERSIONS = {  # the oldest version of each operator that takes floats, and the oldest that takes int8
    "RESHAPE": (1, 1),
    "QUANTIZE": (1, 2),
    "DEQUANTIZE": (2, 2),
    "PAD": (1, 2),
    "PADV2": (1, 2),
    "SPACE_TO_DEPTH": (1, 2),
    "CONV_2D": (1, 3),
    "DEPTHWISE_CONV_2D": (1, 3),
    "ADD": (1, 2),
    "SUB": (1, 2),
    "MUL": (1, 2),
    "DIV": (1, 1),
    "MINIMUM": (1, 2),
    "AVERAGE_POOL_2D": (1, 2),
    "MAX_POOL_2D": (1, 2),
    "MEAN": (1, 2),
    "CONCATENATION": (1, 2),
    "TRANSPOSE": (1, 2),
    "RELU": (1, 2),
    "RELU6": (1, 2),
    "LEAKY_RELU": (1, 2),
    "PRELU": (1, 1),
    "HARD_SWISH": (1, 1),
    "LOGISTIC": (1, 2),
    "TANH": (1, 2),
    "FULLY_CONNECTED": (1, 4),
    "SOFTMAX": (1, 2),
}
_TYPES = {"float32": tfl.TensorType.FLOAT32, "int32": tfl.TensorType.INT32, "int8": tfl.TensorType.INT8}


@dataclass(frozen=True, slots=True)
class Coding:
    """What integers stand for: `scales` × (integer − `zero`), one scale, or one for each place along `axis`."""

    scales: tuple[float, ...]
    zero: int = 0
    axis: int = 0


class File:
    """One graph under construction; tensors are told by their number."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [tfl.BufferT()]  # the first one is empty, as the format has it
        self._operators: list[Any] = []
        self._codes: dict[str, int] = {}  # name -> version
        self.shapes: list[tuple[int, ...]] = []
        self.codings: list[Coding | None] = []  # None: float, or integers as they are

    def tensor(self, name: str, shape: Sequence[int], kind: str, coding: Coding | None = None) -> int:
        """A new one, of `float32`, `int32` or `int8`."""
        one = tfl.TensorT()
        one.name, one.shape, one.type, one.buffer = name, list(shape), _TYPES[kind], 0
        if coding is not None:
            about = tfl.QuantizationParametersT()
            about.scale, about.zeroPoint = list(coding.scales), [coding.zero] * len(coding.scales)
            about.quantizedDimension = coding.axis
            one.quantization = about
        self._tensors.append(one)
        self.shapes.append(tuple(shape))
        self.codings.append(coding)
        return len(self._tensors) - 1

    def constant(self, name: str, values: Array, coding: Coding | None = None) -> int:
        """A tensor whose values are known."""
        at = self.tensor(name, values.shape, str(values.dtype), coding)
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._tensors[at].buffer = len(self._buffers)
        self._buffers.append(buffer)
        return at

    def do(self, name: str, inputs: Sequence[int], out: int, options: Any = None) -> int:
        """Add operator `name` that makes tensor `out`; gives `out` back."""
        int8 = any(self._tensors[at].type == tfl.TensorType.INT8 for at in inputs if at >= 0)
        version = _VERSIONS[name][int8]
        self._codes[name] = max(self._codes.get(name, 0), version)
        one = tfl.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs = list(self._codes).index(name), list(inputs), [out]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            one.builtinOptionsType, one.builtinOptions = getattr(tfl.BuiltinOptions, kind), options
        self._operators.append(one)
        return out

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """All of it, as a flatbuffer."""
        graph, model = tfl.SubGraphT(), tfl.ModelT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        codes = []
        for name, version in self._codes.items():
            code = tfl.OperatorCodeT()
            code.builtinCode = getattr(tfl.BuiltinOperator, name)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = version
            codes.append(code)
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], self._buffers
        model.description = "mien"
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())
