"""Write an ONNX network of convolutions, float or int8 (QDQ), as TFLite, for LiteRT: the same integers, less memory.

One sample at a time; inputs and outputs stay float. Weights, scales and zero points are carried over as they are, so
both engines compute the same up to the last rounding. An operator is computed in integers where all that it takes
is coded as such and its result is coded, too; else in floats. Pictures lie with their channels last, as TFLite
wants them. The file is a pure function of the ONNX one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl
from onnx import helper, numpy_helper, shape_inference

from quantization.tflite_file import Array, Coding, File

_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def convert(model: onnx.ModelProto) -> bytes:
    """The network as a `.tflite` file for one sample at a time. Raises ValueError for what cannot be expressed."""
    from quantization import onnx_tflite_layers, onnx_tflite_plain

    write = onnx_tflite_plain.WRITE | onnx_tflite_layers.WRITE
    net = Net(_for_one(model))
    for node in net.graph.node:
        if node.op_type not in write:
            raise ValueError(f"{node.op_type} has no counterpart here: leave it out of the network, or add it")
        write[node.op_type](net, node)
    return net.content()


@dataclass(frozen=True, slots=True)
class Held:
    """An ONNX value in the file: its tensor, and whether its channels, ONNX's second axis, come last there."""

    at: int
    last: bool


@dataclass(frozen=True, slots=True)
class Weight:
    """A quantized constant: integers, and what they stand for."""

    integers: Array
    coding: Coding

    @property
    def real(self) -> Array:
        """The floats that it stands for."""
        shape = [1] * self.integers.ndim
        if len(self.coding.scales) > 1:
            shape[self.coding.axis] = -1
        scales = np.asarray(self.coding.scales, np.float32).reshape(shape if self.integers.ndim else ())
        return (self.integers.astype(np.float32) - self.coding.zero) * scales


class Net:
    """An ONNX graph on its way into a file. Operators ask it for what they take, and leave with it what they made."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph, self.file = graph, File()
        self.constants: dict[str, Array] = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self.weights: dict[str, Weight] = {}
        self.coded = {one.input[0]: one for one in graph.node if one.op_type == "QuantizeLinear"}  # by what they code
        self.used: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.used.setdefault(name, []).append(node)
        self._held: dict[str, Held] = {}
        self._shapes = {one.name: _shape(one) for one in [*graph.input, *graph.value_info, *graph.output]}
        self._inputs = [self._input(one.name) for one in graph.input if one.name not in self.constants]

    def _input(self, name: str) -> int:
        shape = self.shape(name)
        at = self.file.tensor(name, shape, "float32")
        self._held[name] = Held(at, last=False)
        if len(shape) == 4 and shape[1] == 1:  # one channel: both orders are one
            size = self.file.constant("shape", np.array([1, *shape[2:], 1], np.int32))
            picture = self.file.tensor("picture", (1, *shape[2:], 1), "float32")
            self._held[name] = Held(self.file.do("RESHAPE", [at, size], picture, tfl.ReshapeOptionsT()), last=True)
        return at

    # ------------------------------------------------------------ what operators ask

    def shape(self, name: str) -> tuple[int, ...]:
        """As ONNX has it. Raises ValueError where it is not known."""
        shape = self.constants[name].shape if name in self.constants else self._shapes.get(name)
        if shape is None or any(side < 1 for side in shape):
            raise ValueError(f"the size of '{name}' is not known: give the network inputs of a fixed size")
        return shape

    def lies(self, name: str) -> Held | None:
        """Where a value that is no constant lies now."""
        return self._held.get(name)

    def whole(self, node: onnx.NodeProto) -> bool:
        """Whether `node` can be computed in integers: all it takes is coded, and so is what it makes."""
        return node.output[0] in self.coded and all(self.in_integers(name) for name in node.input if name)

    def in_integers(self, name: str) -> bool:
        """Whether that value is there as integers."""
        held = self._held.get(name)
        return name in self.weights or (held is not None and self.file.codings[held.at] is not None)

    def coding(self, name: str) -> Coding:
        """What the integers stand for that ONNX codes `name` in."""
        node = self.coded[name]
        scale, zero = self.constants[node.input[1]], self.constants[node.input[2]]
        if zero.dtype != np.uint8 or scale.size != 1:
            raise ValueError(
                f"{name} is coded as {zero.dtype}, {scale.size} scales: only uint8 with one scale is taken"
            )
        return Coding(tuple(scale.reshape(1).tolist()), int(zero) - 128)

    def take(self, name: str, *, last: bool, integers: bool) -> int:
        """The tensor of that value, in that order of axes; floats where `integers` is not wanted."""
        held = self._held.get(name)
        if held is None:
            return self._constant(name, last=last, integers=integers)
        at = held.at if integers or self.file.codings[held.at] is None else self.real(held.at)
        return at if held.last == last else self._turned(at, _TO_LAST if last else _TO_FIRST)

    def real(self, at: int) -> int:
        """The floats that tensor `at` stands for."""
        return self.file.do("DEQUANTIZE", [at], self.file.tensor("real", self.file.shapes[at], "float32"))

    def _constant(self, name: str, *, last: bool, integers: bool) -> int:
        if name in self.weights and integers:
            values, coding = self.weights[name].integers, self.weights[name].coding
        elif name in self.weights:
            values, coding = self.weights[name].real, None
        else:
            values, coding = self.constants[name], None
        if last and values.ndim:
            if values.ndim > 4 or (coding is not None and len(coding.scales) > 1):
                raise ValueError(f"constant '{name}' cannot be laid beside a picture")
            values = values.reshape((1,) * (4 - values.ndim) + values.shape).transpose(_TO_LAST)
        return self.file.constant(name, values, coding)

    def _turned(self, at: int, order: Sequence[int]) -> int:
        shape, coding = self.file.shapes[at], self.file.codings[at]
        if len(shape) != 4:
            raise ValueError("only pictures have channels to be put elsewhere")
        out = self.file.tensor(
            "turned", [shape[axis] for axis in order], "float32" if coding is None else "int8", coding
        )
        order_at = self.file.constant("order", np.array(order, np.int32))
        return self.file.do("TRANSPOSE", [at, order_at], out, tfl.TransposeOptionsT())

    # ------------------------------------------------------------ what operators leave

    def made(self, name: str, shape: Sequence[int], *, integers: bool) -> int:
        """A tensor for ONNX's value `name`, for an operator to fill; `shape` in the order that it lies."""
        if integers:
            return self.file.tensor(self.coded[name].output[0], shape, "int8", self.coding(name))
        return self.file.tensor(name, shape, "float32")

    def put(self, name: str, at: int, *, last: bool) -> None:
        """Tensor `at` holds ONNX's value `name`; where it is coded as ONNX codes it, that is done, too."""
        self._held[name] = Held(at, last)
        if name in self.coded and self.file.codings[at] is not None:
            wanted = self.coding(name)
            if self.file.codings[at] != wanted:
                out = self.made(name, self.file.shapes[at], integers=True)
                at = self.file.do("QUANTIZE", [at], out)
            self._held[self.coded[name].output[0]] = Held(at, last)

    def code(self, name: str) -> None:
        """Have the integers of `name`, unless whatever made it wrote integers at once."""
        held, target = self._held[name], self.coded[name].output[0]
        if target not in self._held:
            out = self.made(name, self.file.shapes[held.at], integers=True)
            self._held[target] = Held(self.file.do("QUANTIZE", [held.at], out), held.last)

    def same(self, name: str, target: str) -> None:
        """`target` is what `name` is."""
        if name in self.constants:
            self.constants[target] = self.constants[name]
        elif name in self.weights:
            self.weights[target] = self.weights[name]
        else:
            self._held[target] = self._held[name]

    def content(self) -> bytes:
        """The finished file."""
        outputs = [self.take(one.name, last=False, integers=False) for one in self.graph.output]
        return self.file.content(self._inputs, outputs)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """By name."""
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _for_one(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph for one sample, with every value's size."""
    one = onnx.ModelProto()
    one.CopyFrom(model)
    for value in (*one.graph.input, *one.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = 1
    del one.graph.value_info[:]
    return shape_inference.infer_shapes(one, data_prop=True).graph


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(one.dim_value for one in value.type.tensor_type.shape.dim)
