"""Write a plain float TFLite network as ONNX, so that ONNX Runtime can take over where LiteRT is not to be had.

Between convolutions, pictures stay in ONNX's order (channels first); they are turned back only where an operator or the
caller wants TFLite's. The file is a pure function of the TFLite one, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantization.tflite import Array, Network, Operator, read

_OPSET, _IR_VERSION = 17, 8
_UNARY = {
    "RELU": "Relu",
    "LOGISTIC": "Sigmoid",
    "TANH": "Tanh",
    "HARD_SWISH": "HardSwish",
    "NEG": "Neg",
    "SQRT": "Sqrt",
}
_BINARY = {
    "ADD": "Add",
    "SUB": "Sub",
    "MUL": "Mul",
    "DIV": "Div",
    "MINIMUM": "Min",
    "SQUARED_DIFFERENCE": "Sub",
}
_FUSED = {0: None, 1: "Relu", 3: "Relu6"}


def build_onnx(inputs: Mapping[str, Path], out: Path) -> None:
    """Recipe of the `face_*_onnx` cards: the one TFLite file of `inputs` → the same network as ONNX at `out`."""
    (source,) = inputs.values()
    out.write_bytes(convert(read(source)).SerializeToString(deterministic=True))


def convert(network: Network) -> onnx.ModelProto:
    """The network as ONNX, inputs and outputs as in TFLite. Raises ValueError for what cannot be expressed."""
    writer = _Writer(network)
    for operator in network.operators:
        writer.write(operator)
    return writer.model()


class _Writer:
    def __init__(self, network: Network) -> None:
        self._net = network
        self._constants = dict(network.constants)
        self._plain: dict[int, str] = {index: f"t{index}" for index in network.inputs}  # in TFLite's order
        self._first: dict[int, str] = {}  # channels first
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []

    def write(self, one: Operator) -> None:
        """Add one operator."""
        source, target = one.inputs[0], one.outputs[0]
        match one.name:
            case "DEQUANTIZE":
                self._constants[target] = self._constants[source].astype(np.float32)
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                self._convolution(one)
            case "MAX_POOL_2D":
                self._pool(one, "MaxPool")
            case "AVERAGE_POOL_2D":
                self._pool(one, "AveragePool", count_include_pad=0)
            case "FULLY_CONNECTED":
                self._dense(one)
            case "ADD" | "SUB" | "MUL" | "DIV" | "MINIMUM" | "SQUARED_DIFFERENCE":
                self._binary(one)
            case "PRELU":
                self._prelu(one)
            case "RELU" | "LOGISTIC" | "TANH" | "HARD_SWISH" | "NEG" | "SQRT":
                self._put(target, self._node(_UNARY[one.name], [self._either(source)]), first=source in self._first)
            case "RELU6":
                self._put(target, self._fused(self._either(source), 3), first=source in self._first)
            case "LEAKY_RELU":
                made = self._node("LeakyRelu", [self._either(source)], alpha=one.options.real(0))
                self._put(target, made, first=source in self._first)
            case "SOFTMAX":
                self._put(target, self._softmax(one))
            case "RSQRT":
                root = self._node("Sqrt", [self._either(source)])
                self._put(target, self._node("Reciprocal", [root]), first=source in self._first)
            case "PAD" | "PADV2":
                self._pad(one)
            case "RESHAPE" | "SQUEEZE":
                shape = self._store(np.array(self._net.shapes[target], np.int64))
                self._put(target, self._node("Reshape", [self._as_plain(source), shape]))
            case "TRANSPOSE":
                order = self._constants[one.inputs[1]].tolist()
                self._put(target, self._node("Transpose", [self._as_plain(source)], perm=order))
            case "CONCATENATION":
                parts = [self._as_plain(index) for index in one.inputs]
                self._put(target, self._node("Concat", parts, axis=one.options.integer(0)))
            case "MEAN" | "SUM":
                self._reduce(one)
            case "STRIDED_SLICE":
                self._slice(one)
            case _:
                raise ValueError(f"operator {one.name} cannot be written as ONNX here")

    def model(self) -> onnx.ModelProto:
        """What was written, with inputs and outputs named as in TFLite."""
        net = self._net
        for index in net.outputs:
            self._nodes.append(helper.make_node("Identity", [self._as_plain(index)], [net.names[index]]))
        for index in net.inputs:
            self._nodes.insert(0, helper.make_node("Identity", [net.names[index]], [f"t{index}"]))
        graph = helper.make_graph(
            self._nodes, "network", _values(net, net.inputs), _values(net, net.outputs), self._stored
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model

    # ------------------------------------------------------------ operators

    def _convolution(self, one: Operator) -> None:
        weights = self._constants[one.inputs[1]]
        depthwise = one.name == "DEPTHWISE_CONV_2D"
        if depthwise:  # (1, h, w, c·m) → (c·m, 1, h, w)
            kernel, fused, dilation = weights.transpose(3, 0, 1, 2), 4, (6, 5)
            group = self._net.shapes[one.inputs[0]][3]
        else:  # (out, h, w, in) → (out, in, h, w)
            kernel, fused, dilation, group = weights.transpose(0, 3, 1, 2), 3, (5, 4), 1
        dilations = [one.options.integer(number, 1) for number in dilation]
        strides = [one.options.integer(2, 1), one.options.integer(1, 1)]
        reach = [(size - 1) * step + 1 for size, step in zip(kernel.shape[2:], dilations, strict=True)]
        inputs = [self._as_first(one.inputs[0]), self._store(kernel)]
        if len(one.inputs) > 2 and one.inputs[2] >= 0:
            inputs.append(self._store(self._constants[one.inputs[2]]))
        made = self._node(
            "Conv",
            inputs,
            pads=self._pads(one, strides, reach),
            strides=strides,
            dilations=dilations,
            group=group,
            kernel_shape=list(kernel.shape[2:]),
        )
        self._put(one.outputs[0], self._fused(made, one.options.byte(fused)), first=True)

    def _dense(self, one: Operator) -> None:
        weights = self._constants[one.inputs[1]]
        row = self._node("Reshape", [self._as_plain(one.inputs[0]), self._store(np.array([-1, weights.shape[1]]))])
        parts = [row, self._store(weights)]
        if len(one.inputs) > 2 and one.inputs[2] >= 0:
            parts.append(self._store(self._constants[one.inputs[2]]))
        made = self._fused(self._node("Gemm", parts, transB=1), one.options.byte(0))
        shape = self._net.shapes[one.outputs[0]]
        if len(shape) != 2:
            made = self._node("Reshape", [made, self._store(np.array(shape, np.int64))])
        self._put(one.outputs[0], made)

    def _softmax(self, one: Operator) -> str:
        source, beta = self._as_plain(one.inputs[0]), one.options.real(0)
        if beta != 1.0:
            source = self._node("Mul", [source, self._store(np.array(beta, np.float32))])
        return self._node("Softmax", [source], axis=-1)

    def _pool(self, one: Operator, kind: str, **attributes: int) -> None:
        strides = [one.options.integer(2), one.options.integer(1)]
        window = [one.options.integer(4), one.options.integer(3)]
        pads = self._pads(one, strides, window)
        source = self._as_first(one.inputs[0])
        made = self._node(kind, [source], kernel_shape=window, strides=strides, pads=pads, **attributes)
        self._put(one.outputs[0], self._fused(made, one.options.byte(5)), first=True)

    def _pads(self, one: Operator, strides: Sequence[int], reach: Sequence[int]) -> list[int]:
        """TFLite's SAME puts the odd pixel at the end; VALID has none."""
        if one.options.byte(0) == 1:
            return [0, 0, 0, 0]
        sizes = self._net.shapes[one.inputs[0]][1:3]
        missing = [
            max(0, (-(-size // step) - 1) * step + far - size)
            for size, step, far in zip(sizes, strides, reach, strict=True)
        ]
        return [half // 2 for half in missing] + [half - half // 2 for half in missing]

    def _binary(self, one: Operator) -> None:
        live = [index for index in one.inputs if index not in self._constants]
        first = any(index in self._first for index in live) and all(
            len(self._net.shapes[index]) in (4, *((0, 1) if index in self._constants else ())) for index in one.inputs
        )
        sides = [self._operand(index, first=first) for index in one.inputs]
        made = self._node(_BINARY[one.name], sides)
        if one.name == "SQUARED_DIFFERENCE":
            made = self._node("Mul", [made, made])
            fused = 0
        else:
            fused = one.options.byte(0)
        self._put(one.outputs[0], self._fused(made, fused), first=first)

    def _operand(self, index: int, *, first: bool) -> str:
        if index not in self._constants:
            return self._as_first(index) if first else self._as_plain(index)
        value = self._constants[index]
        if first and value.ndim == 4:
            value = value.transpose(0, 3, 1, 2)
        elif first and value.ndim == 1:
            value = value.reshape(-1, 1, 1)
        return self._store(value)

    def _prelu(self, one: Operator) -> None:
        slope = self._constants[one.inputs[1]].reshape(-1)
        first = one.inputs[0] in self._first
        # x + (slope - 1) min(x, 0): ONNX Runtime's own PRelu takes several times as long as these three.
        less = self._store(slope.reshape(-1, 1, 1) - 1 if first else slope - 1)
        source = self._either(one.inputs[0])
        below = self._node("Min", [source, self._store(np.array(0.0, np.float32))])
        self._put(one.outputs[0], self._node("Add", [source, self._node("Mul", [below, less])]), first=first)

    def _pad(self, one: Operator) -> None:
        margins = self._constants[one.inputs[1]].astype(np.int64)
        first = one.inputs[0] in self._first
        if first:
            margins = margins[[0, 3, 1, 2]]
        filling = [self._store(self._constants[index].reshape(())) for index in one.inputs[2:]]
        made = self._node("Pad", [self._either(one.inputs[0]), self._store(margins.T.reshape(-1).copy()), *filling])
        self._put(one.outputs[0], made, first=first)

    def _reduce(self, one: Operator) -> None:
        axes = np.atleast_1d(self._constants[one.inputs[1]]).astype(np.int64)
        keep = one.options.byte(0)
        source = self._as_plain(one.inputs[0])
        if one.name == "SUM":
            made = self._node("ReduceSum", [source, self._store(axes)], keepdims=keep)
        else:
            made = self._node("ReduceMean", [source], axes=axes.tolist(), keepdims=keep)
        self._put(one.outputs[0], made)

    def _slice(self, one: Operator) -> None:
        begin, end, step = (self._constants[index].astype(np.int64).copy() for index in one.inputs[1:4])
        shape = self._net.shapes[one.inputs[0]]
        from_start, to_end, shrink = one.options.integer(0), one.options.integer(1), one.options.integer(4)
        if one.options.integer(2) or one.options.integer(3) or (step < 1).any():
            raise ValueError("a strided slice with ellipsis, new axes or backward steps is not written here")
        for axis, size in enumerate(shape[: len(begin)]):
            begin[axis] = 0 if from_start >> axis & 1 else begin[axis]
            end[axis] = size if to_end >> axis & 1 else end[axis]
            if shrink >> axis & 1:
                end[axis] = begin[axis] + 1 if begin[axis] != -1 else size
        axes = np.arange(len(begin), dtype=np.int64)
        stored = [self._store(value) for value in (begin, end, axes, step)]
        made = self._node("Slice", [self._as_plain(one.inputs[0]), *stored])
        if shrink:
            made = self._node("Reshape", [made, self._store(np.array(self._net.shapes[one.outputs[0]], np.int64))])
        self._put(one.outputs[0], made)

    # ------------------------------------------------------------ values

    def _fused(self, name: str, code: int) -> str:
        if code not in _FUSED:
            raise ValueError(f"fused activation {code} is not written here")
        match _FUSED[code]:
            case None:
                return name
            case "Relu6":
                return self._node("Clip", [name, *(self._store(np.array(one, np.float32)) for one in (0.0, 6.0))])
            case then:
                return self._node(then, [name])

    def _put(self, index: int, name: str, *, first: bool = False) -> None:
        (self._first if first else self._plain)[index] = name

    def _either(self, index: int) -> str:
        return self._first[index] if index in self._first else self._as_plain(index)

    def _as_plain(self, index: int) -> str:
        if index in self._constants:
            return self._store(self._constants[index])
        if index not in self._plain:
            self._plain[index] = self._node("Transpose", [self._first[index]], perm=[0, 2, 3, 1])
        return self._plain[index]

    def _as_first(self, index: int) -> str:
        if index not in self._first:
            self._first[index] = self._node("Transpose", [self._as_plain(index)], perm=[0, 3, 1, 2])
        return self._first[index]

    def _store(self, value: Array) -> str:
        name = f"c{len(self._stored)}"
        self._stored.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def _values(net: Network, indices: Sequence[int]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(net.names[index], TensorProto.FLOAT, net.shapes[index]) for index in indices]
