"""Build the voice encoder: the first blocks of Whisper tiny.en as a small ONNX graph.

The weights come from the pinned CTranslate2 file (MIT). Blocks late in the encoder are left out:
they carry words more than voice, and time. Every linear layer is stored as int8 with one scale per
output column and quantizes its input on the fly; the two convolutions stay float, for quantized
ones are slower. Weights use 7 of 8 bits: AVX2 without VNNI adds pairs of u8 × s8 products in 16
bits, and full range overflows there without a word.

The file is a pure function of the pinned weights, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantization.ct2 import Ct2Weights

WIDTH = 384
HEADS = 6
BLOCKS = 3
_WEIGHT_MAX = 63  # 7 bits: no overflow in pairs, see above
_EPSILON = 1e-5
_OPSET = 20
_IR_VERSION = 10

Array = npt.NDArray[np.generic]


class _Graph:
    """Collects nodes and initialisers under stable names."""

    def __init__(self, weights: Ct2Weights, *, int8: bool) -> None:
        self.weights = weights
        self.int8 = int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: Array) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        domain = str(attributes.pop("domain", ""))
        self.nodes.append(
            helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name

    def shape(self, name: str, dims: list[int]) -> str:
        return self.constant(name, np.array(dims, dtype=np.int64))

    def norm(self, x: str, source: str, name: str) -> str:
        gamma = self.constant(name + ".gamma", self.weights.f32(source + "/gamma"))
        beta = self.constant(name + ".beta", self.weights.f32(source + "/beta"))
        return self.op("LayerNormalization", [x, gamma, beta], name, axis=-1, epsilon=_EPSILON)

    def linear(self, x: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], name: str) -> str:
        """x @ weight.T + bias; `weight` is (out, in)."""
        columns = weight.T
        b = self.constant(name + ".bias", bias)
        if not self.int8:
            product = self.op("MatMul", [x, self.constant(name + ".w", columns)], name + ".xw")
            return self.op("Add", [product, b], name)
        scale = np.maximum(np.abs(columns).max(axis=0), 1e-12) / np.float32(_WEIGHT_MAX)
        levels = np.clip(np.rint(columns / scale), -_WEIGHT_MAX, _WEIGHT_MAX).astype(np.int8)
        return self.op(
            "DynamicQuantizeMatMul",
            [
                x,
                self.constant(name + ".q", levels),
                self.constant(name + ".scale", scale.astype(np.float32)),
                "",  # symmetric: no zero point
                b,
            ],
            name,
            domain="com.microsoft",
        )

    def source_linear(self, x: str, source: str, name: str) -> str:
        weight = self.weights.f32(source + "/weight")
        return self.linear(x, weight, self.weights.f32(source + "/bias"), name)


def _attention(g: _Graph, x: str, source: str, name: str) -> str:
    """Multi-head self-attention over all frames. x: (1, T, 384)."""
    weight = g.weights.f32(source + "/linear_0/weight")  # query, key, value stacked
    bias = g.weights.f32(source + "/linear_0/bias")
    head = WIDTH // HEADS
    weight[:WIDTH] *= head**-0.5  # exact: an eighth
    bias[:WIDTH] *= head**-0.5
    joined = g.linear(x, weight, bias, name + ".qkv")  # (1, T, 1152)
    split = g.op("Reshape", [joined, g.shape("to_heads", [0, 0, 3, HEADS, head])], name + ".split")
    parts = [
        g.op("Gather", [split, g.constant(f"at_{i}", np.array(i, dtype=np.int64))], f"{name}.{part}", axis=2)
        for i, part in enumerate(("q", "k", "v"))
    ]  # each (1, T, 6, 64)
    q = g.op("Transpose", [parts[0]], name + ".qt", perm=[0, 2, 1, 3])
    k = g.op("Transpose", [parts[1]], name + ".kt", perm=[0, 2, 3, 1])
    v = g.op("Transpose", [parts[2]], name + ".vt", perm=[0, 2, 1, 3])
    scores = g.op("Softmax", [g.op("MatMul", [q, k], name + ".qk")], name + ".softmax", axis=-1)
    mixed = g.op("Transpose", [g.op("MatMul", [scores, v], name + ".sv")], name + ".back", perm=[0, 2, 1, 3])
    merged = g.op("Reshape", [mixed, g.shape("from_heads", [0, 0, WIDTH])], name + ".merged")
    return g.source_linear(merged, source + "/linear_1", name + ".out")


def _block(g: _Graph, x: str, index: int) -> str:
    source, name = f"encoder/layer_{index}", f"block{index}"
    normed = g.norm(x, source + "/self_attention/layer_norm", name + ".norm1")
    x = g.op("Add", [x, _attention(g, normed, source + "/self_attention", name + ".att")], name + ".mid")
    normed = g.norm(x, source + "/ffn/layer_norm", name + ".norm2")
    wide = g.op("Gelu", [g.source_linear(normed, source + "/ffn/linear_0", name + ".up")], name + ".gelu")
    return g.op("Add", [x, g.source_linear(wide, source + "/ffn/linear_1", name + ".down")], name)


def encoder_graph(weights: Ct2Weights, *, blocks: int = BLOCKS, int8: bool = True) -> onnx.ModelProto:
    """The encoder as ONNX.

    Input `mel` (1, 80, F) float32, F ≥ 2 frames of 10 ms, at most 3000. Output `frames`
    (blocks, T, 384), T = ceil(F / 2) frames of 20 ms: the residual stream after each block.
    `int8=False` gives the float graph that the quantized one is judged against.
    Raises Ct2FormatError when the weights are not Whisper's.
    """
    g = _Graph(weights, int8=int8)
    x = "mel"
    for index, stride in ((1, 1), (2, 2)):
        w = g.constant(f"conv{index}.w", weights.f32(f"encoder/conv{index}/weight"))
        b = g.constant(f"conv{index}.b", weights.f32(f"encoder/conv{index}/bias"))
        x = g.op(
            "Conv", [x, w, b], f"conv{index}", kernel_shape=[3], pads=[1, 1], strides=[stride]
        )
        x = g.op("Gelu", [x], f"conv{index}.gelu")
    x = g.op("Transpose", [x], "time_first", perm=[0, 2, 1])  # (1, T, 384)
    positions = g.constant("positions", weights.f32("encoder/position_encodings/encodings"))
    length = g.op("Shape", [x], "length", start=1, end=2)
    here = g.op("Slice", [positions, g.shape("zero", [0]), length], "positions_here")
    x = g.op("Add", [x, here], "embedded")
    states = []
    for index in range(blocks):
        x = _block(g, x, index)
        states.append(x)
    g.op("Concat", states, "frames", axis=0)
    graph = helper.make_graph(
        g.nodes,
        "whisper_tiny_en_encoder",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, 80, "mel_frames"])],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [blocks, "frames", WIDTH])],
        initializer=list(g.constants.values()),
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    if int8:
        opsets.append(helper.make_opsetid("com.microsoft", 1))
    model = helper.make_model(graph, opset_imports=opsets, producer_name="mien")
    model.ir_version = _IR_VERSION
    return model


def build_encoder(inputs: Mapping[str, Path], out: Path) -> None:
    """Recipe of card `whisper_encoder`: `inputs["model.bin"]` → the int8 ONNX file at `out`."""
    weights = Ct2Weights.read(inputs["model.bin"])
    out.write_bytes(encoder_graph(weights).SerializeToString(deterministic=True))
