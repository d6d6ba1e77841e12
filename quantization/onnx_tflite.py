"""Write an int8 (QDQ) ONNX network of convolutions as TFLite, for LiteRT: the same integers, half the memory to run.

Takes what `quantization.expression` makes: one picture in, quantized convolutions and sums, then a float head. Weights,
scales and zero points are carried over as they are, so both engines compute the same up to the last rounding. The file
is a pure function of the ONNX one.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import onnx
from ai_edge_litert import schema_py_generated as tfl
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]

_VERSIONS = {  # the oldest version of each operator that takes int8, or float where it stands behind the integers
    "RESHAPE": 1,
    "QUANTIZE": 1,
    "DEQUANTIZE": 2,
    "PAD": 2,
    "SPACE_TO_DEPTH": 2,
    "CONV_2D": 3,
    "ADD": 2,
    "AVERAGE_POOL_2D": 1,
    "FULLY_CONNECTED": 1,
    "SOFTMAX": 1,
}
_TYPES = {"float32": tfl.TensorType.FLOAT32, "int32": tfl.TensorType.INT32, "int8": tfl.TensorType.INT8}


def convert(model: onnx.ModelProto) -> bytes:
    """The network as a `.tflite` file for one picture at a time. Raises ValueError for what cannot be expressed."""
    writer = _Writer(model.graph)
    for node in model.graph.node:
        writer.write(node)
    return writer.file([one.name for one in model.graph.output])


class _Writer:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._constants: dict[str, Array] = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self._weights: dict[str, tuple[Array, Array]] = {}  # of quantized constants: integers and scales
        self._coded = {one.input[0]: one for one in graph.node if one.op_type == "QuantizeLinear"}  # by what they code
        self._place: dict[str, int] = {}  # ONNX name -> tensor
        self._shape: dict[int, tuple[int, ...]] = {}
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [tfl.BufferT()]  # the first one is empty, as the format has it
        self._operators: list[Any] = []
        self._codes: list[str] = []
        (face,) = graph.input
        _, channels, height, width = (one.dim_value for one in face.type.tensor_type.shape.dim)
        self._input = self._tensor(face.name, (1, channels, height, width), "float32")
        self._place[face.name] = self._do(
            "RESHAPE",
            [self._input, self._constant("shape", np.array([1, height, width, channels], np.int32))],
            self._tensor("picture", (1, height, width, channels), "float32"),
            tfl.ReshapeOptionsT(),
            tfl.BuiltinOptions.ReshapeOptions,
        )

    def write(self, node: onnx.NodeProto) -> None:
        """Add one operator."""
        about = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        source, (target,) = node.input[0], node.output
        match node.op_type:
            case "QuantizeLinear":
                if target not in self._place:  # else whatever made it wrote integers at once
                    self._place[target] = self._do("QUANTIZE", [self._place[source]], self._code(source))
            case "DequantizeLinear" if source in self._constants:
                self._weights[target] = self._constants[source], self._constants[node.input[1]]
            case "DequantizeLinear":
                self._place[target] = self._place[source]
            case "Conv":
                self._convolution(node, about)
            case "Add":
                parts = [self._place[one] for one in node.input]
                out = self._code(target, self._shape[parts[0]])
                self._put(target, self._do("ADD", parts, out, tfl.AddOptionsT(), tfl.BuiltinOptions.AddOptions))
            case "AveragePool":
                self._pool(source, target, about)
            case "Flatten":
                self._place[target] = self._place[source]
            case "Gemm":
                self._dense(node, about)
            case "Softmax":
                options = tfl.SoftmaxOptionsT()
                options.beta = 1.0
                at = self._place[source]
                out = self._tensor(target, self._shape[at], "float32")
                self._place[target] = self._do("SOFTMAX", [at], out, options, tfl.BuiltinOptions.SoftmaxOptions)
            case "Identity":
                self._place[target] = self._constant(target, self._constants[source])
            case other:
                raise ValueError(f"{other} has no counterpart here: leave it out of the network, or add it")

    def _convolution(self, node: onnx.NodeProto, about: dict[str, Any]) -> None:
        at = self._place[node.input[0]]
        weight, scales = self._weights[node.input[1]]
        bias, bias_scales = self._weights[node.input[2]]
        (kernel, _), (stride, _), (pad, *_) = about["kernel_shape"], about["strides"], about["pads"]
        _, height, width, channels = self._shape[at]
        if len(set(about["pads"])) > 1 or about["group"] != 1 or set(about["dilations"]) != {1}:
            raise ValueError(f"{node.name}: only plain convolutions with even margins are taken")
        if channels == 1 and stride == 2 and kernel % 4 == 1 and height % 2 == width % 2 == 0:
            at, weight = self._folded(at, weight)
            stride, kernel, pad, (_, height, width, channels) = 1, weight.shape[2], pad // 2, self._shape[at]
        options = tfl.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        options.padding = tfl.Padding.SAME
        if stride > 1 or kernel != 2 * pad + 1:  # TFLite would put the odd margin elsewhere
            options.padding = tfl.Padding.VALID
            if pad:
                margins = self._constant("margins", np.array([[0, 0], [pad, pad], [pad, pad], [0, 0]], np.int32))
                wide = self._tensor("wide", (1, height + 2 * pad, width + 2 * pad, channels), "int8")
                self._tensors[wide].quantization = self._tensors[at].quantization
                at = self._do("PAD", [at, margins], wide, tfl.PadOptionsT(), tfl.BuiltinOptions.PadOptions)
        parts = [
            at,
            self._constant(node.input[1], weight.transpose(0, 2, 3, 1), scales),
            self._constant(node.input[2], bias, bias_scales),
        ]
        size = tuple((side + 2 * pad - kernel) // stride + 1 for side in (height, width))
        out = self._code(node.output[0], (1, *size, len(weight)))
        self._put(node.output[0], self._do("CONV_2D", parts, out, options, tfl.BuiltinOptions.Conv2DOptions))

    def _folded(self, at: int, weight: Array) -> tuple[int, Array]:
        """Every second pixel from each of four shifted pictures, seen by the same weights: the same sums.

        XNNPACK multiplies eight channels at once, of which a grey picture would leave seven empty.
        """
        _, height, width, _ = self._shape[at]
        folded = self._tensor("folded", (1, height // 2, width // 2, 4), "int8")
        self._tensors[folded].quantization = self._tensors[at].quantization
        options = tfl.SpaceToDepthOptionsT()
        options.blockSize = 2
        at = self._do("SPACE_TO_DEPTH", [at], folded, options, tfl.BuiltinOptions.SpaceToDepthOptions)
        count, _, kernel, _ = weight.shape
        even = np.zeros((count, kernel + 1, kernel + 1), weight.dtype)
        even[:, :kernel, :kernel] = weight[:, 0]
        half = (kernel + 1) // 2
        return at, even.reshape(count, half, 2, half, 2).transpose(0, 2, 4, 1, 3).reshape(count, 4, half, half)

    def _pool(self, source: str, target: str, about: dict[str, Any]) -> None:
        options = tfl.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = about["kernel_shape"]
        options.strideH, options.strideW = about["strides"]
        options.padding = tfl.Padding.VALID
        if any(about.get("pads", ())) or about["kernel_shape"] != about["strides"]:
            raise ValueError("only means over tiles are taken")
        at = self._place[source]
        _, height, width, channels = self._shape[at]
        real = self._do("DEQUANTIZE", [at], self._tensor("real", self._shape[at], "float32"))
        size = (1, height // options.filterHeight, width // options.filterWidth, channels)
        out = self._tensor(target, size, "float32")
        self._place[target] = self._do("AVERAGE_POOL_2D", [real], out, options, tfl.BuiltinOptions.Pool2DOptions)

    def _dense(self, node: onnx.NodeProto, about: dict[str, Any]) -> None:
        at = self._place[node.input[0]]
        _, height, width, channels = self._shape[at]
        weight, bias = self._constants[node.input[1]], self._constants[node.input[2]]
        if not about.get("transB") or about.get("alpha", 1.0) != 1.0 or about.get("beta", 1.0) != 1.0:
            raise ValueError(f"{node.name}: only x times transposed weights plus bias is taken")
        count = len(weight)
        weight = weight.reshape(count, channels, height, width).transpose(0, 2, 3, 1).reshape(count, -1)
        flat = self._constant("flat", np.array([1, weight.shape[1]], np.int32))
        row = self._tensor("row", (1, weight.shape[1]), "float32")
        row = self._do("RESHAPE", [at, flat], row, tfl.ReshapeOptionsT(), tfl.BuiltinOptions.ReshapeOptions)
        parts = [row, self._constant(node.input[1], weight), self._constant(node.input[2], bias)]
        out = self._tensor(node.output[0], (1, count), "float32")
        options = tfl.FullyConnectedOptionsT()
        self._place[node.output[0]] = self._do(
            "FULLY_CONNECTED", parts, out, options, tfl.BuiltinOptions.FullyConnectedOptions
        )

    def _put(self, name: str, at: int) -> None:
        """Tensor `at` holds the integers that ONNX names by the node which codes `name`."""
        self._place[self._coded[name].output[0]] = at

    def _code(self, name: str, shape: tuple[int, ...] | None = None) -> int:
        """A tensor for the integers that `name` is coded in."""
        node = self._coded[name]
        at = self._tensor(node.output[0], shape or self._shape[self._place[name]], "int8")
        scale, zero = self._constants[node.input[1]], self._constants[node.input[2]]
        if zero.dtype != np.uint8:
            raise ValueError(f"{name} is coded as {zero.dtype}: only uint8 is taken")
        self._tensors[at].quantization = _scales(scale.reshape(1), int(zero) - 128)
        return at

    def _constant(self, name: str, values: Array, scales: Array | None = None) -> int:
        at = self._tensor(name, values.shape, str(values.dtype))
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._tensors[at].buffer = len(self._buffers)
        self._buffers.append(buffer)
        if scales is not None:
            self._tensors[at].quantization = _scales(scales, 0)
        return at

    def _tensor(self, name: str, shape: tuple[int, ...], kind: str) -> int:
        one = tfl.TensorT()
        one.name, one.shape, one.type = name, list(shape), _TYPES[kind]
        one.buffer = 0
        self._shape[len(self._tensors)] = shape
        self._tensors.append(one)
        return len(self._tensors) - 1

    def _do(self, name: str, inputs: list[int], out: int, options: Any = None, kind: int = 0) -> int:
        if name not in self._codes:
            self._codes.append(name)
        one = tfl.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs = self._codes.index(name), inputs, [out]
        one.builtinOptionsType, one.builtinOptions = kind, options
        self._operators.append(one)
        return out

    def file(self, outputs: list[str]) -> bytes:
        """All of it, as a flatbuffer."""
        graph, model = tfl.SubGraphT(), tfl.ModelT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [self._input], [self._place[name] for name in outputs]
        codes = []
        for name in self._codes:
            code = tfl.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = getattr(tfl.BuiltinOperator, name)
            code.version = _VERSIONS[name]
            codes.append(code)
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], self._buffers
        model.description = "mien"
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def _scales(scales: Array, zero: int) -> Any:
    """Quantization of a tensor: one scale, or one for each of its first axis."""
    one = tfl.QuantizationParametersT()
    one.scale, one.zeroPoint, one.quantizedDimension = scales.tolist(), [zero] * len(scales), 0
    return one
