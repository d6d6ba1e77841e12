"""The layers of `onnx_tflite` that weigh or gather: convolutions, dense layers, pools, means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl

from quantization.onnx_tflite import Net, attributes
from quantization.tflite_file import Array, Coding


def _convolution(net: Net, node: onnx.NodeProto) -> None:
    about, file, (target,) = attributes(node), net.file, node.output
    whole = net.whole(node)
    weight, scales = _weight(net, node.input[1], whole)
    count, group = len(weight), about.get("group", 1)
    at = net.take(node.input[0], last=True, integers=whole)
    _, height, width, channels = file.shapes[at]
    if weight.ndim != 4 or (group != 1 and (group != channels or weight.shape[1] != 1)):
        raise ValueError(f"{node.name}: only plain convolutions of pictures, and those by channel, are taken")
    strides, pads = about.get("strides", [1, 1]), _pads(net, node, about)
    dilations = about.get("dilations", [1, 1])
    kernel = weight.shape[2]
    foldable = len({*strides, *pads}) <= 2 and strides == [2, 2] and len(set(pads)) == 1 and group == 1
    if foldable and channels == 1 and kernel % 4 == 1 and height % 2 == width % 2 == 0 and whole:
        at, weight = _folded(net, at, weight)
        strides, pads, (_, height, width, channels) = [1, 1], [pads[0] // 2] * 4, file.shapes[at]
    options: Any = tfl.Conv2DOptionsT() if group == 1 else tfl.DepthwiseConv2DOptionsT()
    options.strideH, options.strideW = strides
    if dilations != [1, 1]:
        options.dilationHFactor, options.dilationWFactor = dilations
    reach = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations, strict=True)]
    at, options.padding = _margins(net, at, pads, strides, reach, lowest=False)
    if group == 1:
        name, stored, axis = "CONV_2D", weight.transpose(0, 2, 3, 1), 0
    else:
        name, stored, axis = "DEPTHWISE_CONV_2D", weight.transpose(1, 2, 3, 0), 3
        options.depthMultiplier = count // group
    coding = None if scales is None else Coding(scales, 0, axis if len(scales) > 1 else 0)
    parts = [
        at,
        file.constant(node.input[1], stored, coding),
        _bias(net, node, at, scales=scales, count=count, whole=whole),
    ]
    size = [
        (side + pad - far) // step + 1
        for side, pad, far, step in zip(
            (height, width), (pads[0] + pads[2], pads[1] + pads[3]), reach, strides, strict=True
        )
    ]
    out = net.made(target, (1, *size, count), integers=whole)
    net.put(target, file.do(name, parts, out, options), last=True)


def _weight(net: Net, name: str, whole: bool) -> tuple[Array, tuple[float, ...] | None]:
    """A layer's weights as stored, and their scales where they are integers."""
    if whole and name in net.weights:
        one = net.weights[name]
        if one.coding.zero:
            raise ValueError(f"weights '{name}' have a zero point: only symmetric ones are taken")
        return one.integers, one.coding.scales
    if name in net.weights:
        return net.weights[name].real, None
    if name not in net.constants:
        raise ValueError(f"'{name}' is no constant: only layers with fixed weights are taken")
    return net.constants[name], None


def _bias(net: Net, node: onnx.NodeProto, at: int, *, scales: tuple[float, ...] | None, count: int, whole: bool) -> int:
    """A layer's third input; zeros where it has none, for not every engine goes without."""
    name = node.input[2] if len(node.input) > 2 else ""
    if whole and name:
        one = net.weights[name]
        return net.file.constant(name, one.integers.reshape(-1), one.coding)
    if whole:
        coding = net.file.codings[at]
        assert coding is not None
        assert scales is not None
        products = tuple(one * coding.scales[0] for one in scales)
        return net.file.constant(f"{node.name}_bias", np.zeros(count, np.int32), Coding(products))
    if not name:
        return net.file.constant(f"{node.name}_bias", np.zeros(count, np.float32))
    values = net.weights[name].real if name in net.weights else net.constants[name]
    return net.file.constant(name, np.broadcast_to(values.reshape(-1), (count,)).astype(np.float32))


def _pads(net: Net, node: onnx.NodeProto, about: Mapping[str, Any]) -> list[int]:
    """Margins at top, left, bottom, right."""
    if about.get("ceil_mode") or about.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError(f"{node.name}: export it with its margins as numbers (`pads`), and without `ceil_mode`")
    return list(about.get("pads", [0, 0, 0, 0]))


def _margins(
    net: Net, at: int, pads: list[int], strides: list[int], reach: list[int], *, lowest: bool
) -> tuple[int, int]:
    """The picture with the margins that TFLite's own rule would not give, and that rule."""
    if not any(pads):
        return at, tfl.Padding.VALID
    _, height, width, channels = net.file.shapes[at]
    missing = [
        max(0, (-(-side // step) - 1) * step + far - side)
        for side, step, far in zip((height, width), strides, reach, strict=True)
    ]
    if pads == [one // 2 for one in missing] + [one - one // 2 for one in missing]:
        return at, tfl.Padding.SAME
    file, coding = net.file, net.file.codings[at]
    margins = file.constant("margins", np.array([[0, 0], pads[0::2], pads[1::2], [0, 0]], np.int32))
    shape = (1, height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    wide = file.tensor("wide", shape, "float32" if coding is None else "int8", coding)
    if not lowest:  # integers get their zero point
        return file.do("PAD", [at, margins], wide, tfl.PadOptionsT()), tfl.Padding.VALID
    least = np.float32(np.finfo(np.float32).min) if coding is None else np.int8(-128)
    filling = file.constant("least", np.array([least]), coding)
    return file.do("PADV2", [at, margins, filling], wide, tfl.PadV2OptionsT()), tfl.Padding.VALID


def _folded(net: Net, at: int, weight: Array) -> tuple[int, Array]:
    """Every second pixel from each of four shifted pictures, seen by the same weights: the same sums.

    XNNPACK multiplies eight channels at once, of which a grey picture would leave seven empty.
    """
    _, height, width, _ = net.file.shapes[at]
    folded = net.file.tensor("folded", (1, height // 2, width // 2, 4), "int8", net.file.codings[at])
    options = tfl.SpaceToDepthOptionsT()
    options.blockSize = 2
    at = net.file.do("SPACE_TO_DEPTH", [at], folded, options)
    count, _, kernel, _ = weight.shape
    even = np.zeros((count, kernel + 1, kernel + 1), weight.dtype)
    even[:, :kernel, :kernel] = weight[:, 0]
    half = (kernel + 1) // 2
    return at, even.reshape(count, half, 2, half, 2).transpose(0, 2, 4, 1, 3).reshape(count, 4, half, half)


def _pool(net: Net, node: onnx.NodeProto) -> None:
    about, (target,) = attributes(node), node.output
    largest = node.op_type == "MaxPool"
    options = tfl.Pool2DOptionsT()
    options.filterHeight, options.filterWidth = about["kernel_shape"]
    strides = about.get("strides", [1, 1])
    options.strideH, options.strideW = strides
    pads = _pads(net, node, about)
    whole = net.whole(node)
    at = net.take(node.input[0], last=True, integers=whole)
    _, height, width, channels = net.file.shapes[at]
    at, options.padding = _margins(net, at, pads, strides, about["kernel_shape"], lowest=True)
    if not largest and any(pads) and (options.padding == tfl.Padding.VALID or about.get("count_include_pad")):
        raise ValueError(f"{node.name}: means over margins are not taken")
    size = [
        (side + pads[axis] + pads[axis + 2] - about["kernel_shape"][axis]) // strides[axis] + 1
        for axis, side in enumerate((height, width))
    ]
    coding = net.file.codings[at]  # a pool keeps it
    shape = (1, *size, channels)
    out = net.file.tensor(target, shape, "int8", coding) if coding else net.made(target, shape, integers=False)
    net.put(target, net.file.do("MAX_POOL_2D" if largest else "AVERAGE_POOL_2D", [at], out, options), last=True)


def _mean(net: Net, node: onnx.NodeProto) -> None:
    about, (target,) = attributes(node), node.output
    if node.op_type == "GlobalAveragePool":
        axes, keep = [2, 3], True
    else:
        given = net.constants[node.input[1]].tolist() if len(node.input) > 1 else about["axes"]
        axes, keep = sorted(one % len(net.shape(node.input[0])) for one in given), bool(about.get("keepdims", 1))
    held = net.lies(node.input[0])
    last = axes == [2, 3] and (keep or (held is not None and held.last))
    whole = target in net.coded and net.in_integers(node.input[0])
    at = net.take(node.input[0], last=last, integers=whole)
    options = tfl.ReducerOptionsT()
    options.keepDims = keep
    shape = net.shape(target)
    if last and keep:
        shape = (shape[0], 1, 1, shape[1])
    places = net.file.constant("axes", np.array([1, 2] if last else axes, np.int32))
    out = net.made(target, shape, integers=whole)
    net.put(target, net.file.do("MEAN", [at, places], out, options), last=last and keep)


def _dense(net: Net, node: onnx.NodeProto) -> None:
    about, file, (target,) = attributes(node), net.file, node.output
    if about.get("transA") or about.get("alpha", 1.0) != 1.0 or about.get("beta", 1.0) != 1.0:
        raise ValueError(f"{node.name}: only x times weights plus bias is taken")
    held = net.lies(node.input[0])
    whole = net.whole(node) and not (held is not None and held.last)
    weight, scales = _weight(net, node.input[1], whole)
    if weight.ndim != 2:
        raise ValueError(f"{node.name}: only weights of two axes are taken")
    weight = weight if about.get("transB") else weight.T
    if held is not None and held.last:  # a picture that was flattened: the weights are put in its order
        at = net.take(node.input[0], last=True, integers=False)
        _, height, width, channels = file.shapes[at]
        count = len(weight)
        weight = weight.reshape(count, channels, height, width).transpose(0, 2, 3, 1).reshape(count, -1)
        flat = file.constant("flat", np.array([1, weight.shape[1]], np.int32))
        row = file.tensor("row", (1, weight.shape[1]), "float32")
        at = file.do("RESHAPE", [at, flat], row, tfl.ReshapeOptionsT())
    else:
        at = net.take(node.input[0], last=False, integers=whole)
    options = tfl.FullyConnectedOptionsT()
    shape = net.shape(target)
    options.keepNumDims = len(shape) > 2
    coding = None if scales is None else Coding(scales)
    parts = [at, file.constant(node.input[1], weight, coding)]
    parts.append(_bias(net, node, at, scales=scales, count=len(weight), whole=whole))
    out = net.made(target, shape, integers=whole)
    net.put(target, file.do("FULLY_CONNECTED", parts, out, options), last=False)


WRITE: dict[str, Callable[[Net, onnx.NodeProto], None]] = {
    "Conv": _convolution,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _mean,
    "ReduceMean": _mean,
    "Gemm": _dense,
    "MatMul": _dense,
}
