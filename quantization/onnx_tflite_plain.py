"""The operators of `onnx_tflite` that weigh nothing: codes, sums, activations, and what moves values about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl

from quantization.onnx_tflite import Net, Weight, attributes
from quantization.tflite_file import Coding

_SUMS = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV", "Min": "MINIMUM"}
_CURVES = {"Relu": "RELU", "HardSwish": "HARD_SWISH", "LeakyRelu": "LEAKY_RELU", "Sigmoid": "LOGISTIC", "Tanh": "TANH"}
_IN_INTEGERS = {"ADD", "SUB", "MUL", "RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH"}  # with any scales


def _code(net: Net, node: onnx.NodeProto) -> None:
    net.code(node.input[0])


def _decode(net: Net, node: onnx.NodeProto) -> None:
    source, (target,) = node.input[0], node.output
    if source not in net.constants:
        net.same(source, target)
        return
    integers, scales = net.constants[source], net.constants[node.input[1]].reshape(-1)
    zeros = net.constants[node.input[2]].reshape(-1) if len(node.input) > 2 else np.zeros(1, np.int8)
    if zeros.min() != zeros.max():
        raise ValueError(f"{source} has several zero points: only one is taken")
    zero, axis = int(zeros[0]), int(attributes(node).get("axis", 1)) if scales.size > 1 else 0
    if integers.dtype == np.uint8:
        integers, zero = (integers.astype(np.int16) - 128).astype(np.int8), zero - 128
    net.weights[target] = Weight(integers, Coding(tuple(scales.tolist()), zero, axis))


def _sum(net: Net, node: onnx.NodeProto) -> None:
    name, (target,) = _SUMS[node.op_type], node.output
    whole = name in _IN_INTEGERS and net.whole(node)
    last = any(held is not None and held.last for held in map(net.lies, node.input))
    parts = [net.take(one, last=last, integers=whole) for one in node.input]
    shapes = [net.file.shapes[at] for at in parts]
    if last and len({len(one) for one in shapes if one}) > 1:
        raise ValueError(f"{node.name}: a picture and a value of other axes cannot be put together")
    out = net.made(target, np.broadcast_shapes(*shapes), integers=whole)
    kind = {"ADD": tfl.AddOptionsT, "SUB": tfl.SubOptionsT, "MUL": tfl.MulOptionsT, "DIV": tfl.DivOptionsT}.get(name)
    options: Any = tfl.MaximumMinimumOptionsT() if kind is None else kind()
    net.put(target, net.file.do(name, parts, out, options), last=last)


def _curve(net: Net, node: onnx.NodeProto) -> None:
    name, (target,) = _CURVES[node.op_type], node.output
    options: Any = None
    if name == "LEAKY_RELU":
        options = tfl.LeakyReluOptionsT()
        options.alpha = attributes(node).get("alpha", 0.01)
    elif name == "HARD_SWISH":
        options = tfl.HardSwishOptionsT()
    _one(net, name, node.input[0], target, options)


def _hard_sigmoid(net: Net, node: onnx.NodeProto) -> None:
    """min(max(αx + β, 0), 1), as a sixth of min(max(6αx + 6β, 0), 6)."""
    about, (target,), held = attributes(node), node.output, net.lies(node.input[0])
    assert held is not None
    at = net.take(node.input[0], last=held.last, integers=False)
    limited = tfl.AddOptionsT()
    limited.fusedActivationFunction = tfl.ActivationFunctionType.RELU6
    steps = (
        ("MUL", 6 * about.get("alpha", 0.2), tfl.MulOptionsT()),
        ("ADD", 6 * about.get("beta", 0.5), limited),
        ("MUL", 1 / 6, tfl.MulOptionsT()),
    )
    for name, value, options in steps:
        number = net.file.constant("number", np.array(value, np.float32))
        out = net.made(target, net.file.shapes[at], integers=False)
        at = net.file.do(name, [at, number], out, options)
    net.put(target, at, last=held.last)


def _clip(net: Net, node: onnx.NodeProto) -> None:
    about = attributes(node)
    given = [float(net.constants[one]) if one else None for one in node.input[1:]]
    low, high = [*given, None, None][:2] if given else (about.get("min"), about.get("max"))
    if low != 0.0 or high not in (None, 6.0):
        raise ValueError(f"{node.name}: limits other than 0 to 6, or 0 alone, are not taken")
    _one(net, "RELU" if high is None else "RELU6", node.input[0], node.output[0], None)


def _one(net: Net, name: str, source: str, target: str, options: Any) -> None:
    """An operator from one value to one of the same size."""
    held = net.lies(source)
    assert held is not None
    whole = name in _IN_INTEGERS and target in net.coded and net.in_integers(source)
    at = net.take(source, last=held.last, integers=whole)
    out = net.made(target, net.file.shapes[at], integers=whole)
    net.put(target, net.file.do(name, [at], out, options), last=held.last)


def _softmax(net: Net, node: onnx.NodeProto) -> None:
    axis = attributes(node).get("axis", -1) % len(net.shape(node.input[0]))
    if axis != len(net.shape(node.input[0])) - 1:
        raise ValueError(f"{node.name}: only shares along the last axis are taken")
    options = tfl.SoftmaxOptionsT()
    options.beta = 1.0
    at = net.take(node.input[0], last=False, integers=False)
    out = net.made(node.output[0], net.file.shapes[at], integers=False)
    net.put(node.output[0], net.file.do("SOFTMAX", [at], out, options), last=False)


def _join(net: Net, node: onnx.NodeProto) -> None:
    (target,), axis = node.output, attributes(node)["axis"]
    last = all(held is not None and held.last for held in map(net.lies, node.input))
    whole = net.whole(node)
    parts = [net.take(one, last=last, integers=whole) for one in node.input]
    if whole:  # all parts must be coded as the whole is
        parts = [_as_coded(net, at, net.coding(target)) for at in parts]
    rank = len(net.shape(target))
    place = (0, 3, 1, 2)[axis % rank] if last else axis % rank
    shape = list(net.file.shapes[parts[0]])
    shape[place] = sum(net.file.shapes[at][place] for at in parts)
    options = tfl.ConcatenationOptionsT()
    options.axis = place
    out = net.made(target, shape, integers=whole)
    net.put(target, net.file.do("CONCATENATION", parts, out, options), last=last)


def _as_coded(net: Net, at: int, coding: Coding) -> int:
    if net.file.codings[at] == coding:
        return at
    out = net.file.tensor("part", net.file.shapes[at], "int8", coding)
    return net.file.do("QUANTIZE", [at], out)


def _margin(net: Net, node: onnx.NodeProto) -> None:
    (target,), about = node.output, attributes(node)
    filling = net.constants[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros(())
    if about.get("mode", b"constant") != b"constant" or filling.any() or len(node.input) > 3:
        raise ValueError(f"{node.name}: only margins of zeros are taken")
    held = net.lies(node.input[0])
    assert held is not None
    margins = net.constants[node.input[1]].reshape(2, -1).T.astype(np.int32)
    margins = margins[[0, 2, 3, 1]] if held.last else margins
    at = net.take(node.input[0], last=held.last, integers=True)
    shape = [side + int(pad.sum()) for side, pad in zip(net.file.shapes[at], margins, strict=True)]
    place = net.file.constant("margins", margins)
    _kept(net, target, "PAD", [at, place], shape=shape, options=tfl.PadOptionsT(), last=held.last)


def _reshape(net: Net, node: onnx.NodeProto) -> None:
    (target,), held = node.output, net.lies(node.input[0])
    users = net.used.get(target, [])
    if node.op_type == "Flatten" and held is not None and held.last and [one.op_type for one in users] == ["Gemm"]:
        net.same(node.input[0], target)  # a dense layer takes it as it lies
        return
    at = net.take(node.input[0], last=False, integers=True)
    size = net.file.constant("size", np.array(net.shape(target), np.int32))
    _kept(net, target, "RESHAPE", [at, size], shape=net.shape(target), options=tfl.ReshapeOptionsT(), last=False)


def _transpose(net: Net, node: onnx.NodeProto) -> None:
    (source,), (target,), held = node.input, node.output, net.lies(node.input[0])
    order = tuple(attributes(node)["perm"])
    assert held is not None
    if order == (0, 3, 1, 2) and not held.last:
        net.put(target, held.at, last=True)
    elif order == (0, 2, 3, 1) and held.last:
        net.put(target, held.at, last=False)
    else:
        at = net.take(source, last=False, integers=True)
        place = net.file.constant("order", np.array(order, np.int32))
        shape = [net.file.shapes[at][axis] for axis in order]
        _kept(net, target, "TRANSPOSE", [at, place], shape=shape, options=tfl.TransposeOptionsT(), last=False)


def _kept(net: Net, target: str, name: str, parts: list[int], *, shape: Any, options: Any, last: bool) -> None:
    """An operator that keeps its first input's values, and so what integers stand for."""
    coding = net.file.codings[parts[0]]
    out = net.file.tensor(target, shape, "float32" if coding is None else "int8", coding)
    net.put(target, net.file.do(name, parts, out, options), last=last)


def _same(net: Net, node: onnx.NodeProto) -> None:
    source, target = node.input[0], node.output[0]
    if source in net.constants and target in {one.name for one in net.graph.output}:
        net.put(target, net.file.constant(target, net.constants[source]), last=False)
    else:
        net.same(source, target)


WRITE: dict[str, Callable[[Net, onnx.NodeProto], None]] = {
    "QuantizeLinear": _code,
    "DequantizeLinear": _decode,
    **dict.fromkeys(_SUMS, _sum),
    **dict.fromkeys(_CURVES, _curve),
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "Softmax": _softmax,
    "Concat": _join,
    "Pad": _margin,
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": _transpose,
    **dict.fromkeys(("Identity", "Dropout"), _same),
}
