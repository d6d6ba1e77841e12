"""Build the voice encoder: the first blocks of Whisper tiny.en as a small, streaming ONNX graph.

The weights come from the pinned CTranslate2 file (MIT). Blocks late in the encoder are left out: they carry words
more than voice, and time. Every linear layer is stored as int8 with one scale per output column and quantizes its
input on the fly; the two convolutions are stored as int8 and run in float, for quantized ones are slower. Positions
are Whisper's sinusoids, worked out at load.

Weights use half of the 8-bit range: AVX2 without VNNI adds pairs of u8 × s8 products in 16 bits, and full range
overflows there without a word (relative error of the frames 5–8 %, against 3–5 %).

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
MAX_FRAMES = 1500  # of 20 ms
_WEIGHT_MAX = 64  # 2 × 255 × 64 < 2^15: no overflow, see above
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
            self.constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def op(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        domain = str(attributes.pop("domain", ""))
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def shape(self, name: str, dims: list[int]) -> str:
        return self.constant(name, np.array(dims, dtype=np.int64))

    def index(self, i: int) -> str:
        return self.constant(f"at_{i}", np.array(i, dtype=np.int64))

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


def _attention(g: _Graph, x: str, index: int, past: tuple[str, str], name: str) -> tuple[str, str, str]:
    """Multi-head self-attention of the new frames over the remembered and the new ones.

    x: (1, T, 384); past: keys and values (3, 6, P, 64) of all blocks. Returns the mixed frames, and this
    block's keys and values (1, 6, P + T, 64).
    """
    source = f"encoder/layer_{index}/self_attention"
    weight = g.weights.f32(source + "/linear_0/weight")  # query, key, value stacked
    bias = g.weights.f32(source + "/linear_0/bias")
    head = WIDTH // HEADS
    weight[:WIDTH] *= head**-0.5  # exact: an eighth
    bias[:WIDTH] *= head**-0.5
    joined = g.linear(x, weight, bias, name + ".qkv")  # (1, T, 1152)
    split = g.op("Reshape", [joined, g.shape("to_heads", [-1, 3, HEADS, head])], name + ".split")
    stacked = g.op("Transpose", [split], name + ".stacked", perm=[1, 2, 0, 3])  # (3, 6, T, 64)
    query, key, value = (
        g.op("Gather", [stacked, g.index(i)], f"{name}.{part}", axis=0) for i, part in enumerate("qkv")
    )
    remembered = []
    for kind, new, store in (("keys", key, past[0]), ("values", value, past[1])):
        old = g.op("Gather", [store, g.index(index)], f"{name}.past_{kind}", axis=0)
        remembered.append(g.op("Concat", [old, new], f"{name}.{kind}", axis=1))  # (6, P + T, 64)
    turned = g.op("Transpose", [remembered[0]], name + ".kt", perm=[0, 2, 1])
    scores = g.op("Softmax", [g.op("MatMul", [query, turned], name + ".qk")], name + ".softmax", axis=-1)
    mixed = g.op("MatMul", [scores, remembered[1]], name + ".sv")  # (6, T, 64)
    back = g.op("Transpose", [mixed], name + ".back", perm=[1, 0, 2])
    merged = g.op("Reshape", [back, g.shape("from_heads", [1, -1, WIDTH])], name + ".merged")
    out = g.source_linear(merged, source + "/linear_1", name + ".out")
    first = g.shape("first", [0])
    keys, values = (g.op("Unsqueeze", [one, first], one + ".kept") for one in remembered)
    return out, keys, values


def _block(g: _Graph, x: str, index: int, past: tuple[str, str]) -> tuple[str, str, str]:
    source, name = f"encoder/layer_{index}", f"block{index}"
    normed = g.norm(x, source + "/self_attention/layer_norm", name + ".norm1")
    mixed, keys, values = _attention(g, normed, index, past, name + ".att")
    x = g.op("Add", [x, mixed], name + ".mid")
    normed = g.norm(x, source + "/ffn/layer_norm", name + ".norm2")
    wide = g.op("Gelu", [g.source_linear(normed, source + "/ffn/linear_0", name + ".up")], name + ".gelu")
    return g.op("Add", [x, g.source_linear(wide, source + "/ffn/linear_1", name + ".down")], name), keys, values


def _conv_weight(g: _Graph, weight: npt.NDArray[np.float32], name: str) -> str:
    """Int8 in the file, float once loaded: engines fold Cast and Mul of constants. `weight` is (out, in, 3)."""
    if not g.int8:
        return g.constant(name, weight)
    scale = np.abs(weight).max(axis=(1, 2), keepdims=True) / np.float32(127.0)
    levels = g.constant(name + ".q", np.rint(weight / scale).astype(np.int8))
    floats = g.op("Cast", [levels], name + ".cast", to=TensorProto.FLOAT)
    return g.op("Mul", [floats, g.constant(name + ".scale", scale.astype(np.float32))], name)


def _positions(g: _Graph) -> str:
    """Whisper's fixed sinusoids (1500, 384): constants, so engines fold them when they load the file."""
    half = WIDTH // 2
    rates = np.exp(-np.log(10_000.0) / (half - 1) * np.arange(half))
    steps = g.constant("steps", np.arange(MAX_FRAMES, dtype=np.float32)[:, None])
    angles = g.op("Mul", [steps, g.constant("rates", rates.astype(np.float32)[None])], "angles")
    return g.op("Concat", [g.op("Sin", [angles], "sin"), g.op("Cos", [angles], "cos")], "positions", axis=1)


def encoder_graph(weights: Ct2Weights, *, blocks: int = BLOCKS, int8: bool = True) -> onnx.ModelProto:
    """The encoder as ONNX, for a stream: it takes new frames and what it remembers of the ones before.

    Inputs: `mel` (1, 80, 2 T + 3) float32, two frames of 10 ms before the new ones and one after;
    `past_keys`, `past_values` (blocks, 6, P, 64), P = 0 at the start, P + T ≤ 1500. Outputs: `frames`
    (blocks, T, 384), the residual stream after each block, one frame per 20 ms; `keys`, `values`
    (blocks, 6, P + T, 64), to hand in next time. `int8=False` gives the float graph that the quantized one
    is judged against. Raises Ct2FormatError when the weights are not Whisper's.
    """
    g = _Graph(weights, int8=int8)
    x = "mel"
    for index in (1, 2):
        w = _conv_weight(g, weights.f32(f"encoder/conv{index}/weight"), f"conv{index}.w")
        b = g.constant(f"conv{index}.b", weights.f32(f"encoder/conv{index}/bias"))
        x = g.op("Conv", [x, w, b], f"conv{index}", kernel_shape=[3], strides=[index])
        x = g.op("Gelu", [x], f"conv{index}.gelu")
    x = g.op("Transpose", [x], "time_first", perm=[0, 2, 1])  # (1, T, 384)
    before = g.op("Shape", ["past_keys"], "before", start=2, end=3)
    until = g.op("Add", [before, g.op("Shape", [x], "length", start=1, end=2)], "until")
    here = g.op("Slice", [_positions(g), before, until], "positions_here")
    x = g.op("Add", [x, here], "embedded")
    states, keys, values = [], [], []
    for index in range(blocks):
        x, key, value = _block(g, x, index, ("past_keys", "past_values"))
        states.append(x)
        keys.append(key)
        values.append(value)
    g.op("Concat", states, "frames", axis=0)
    g.op("Concat", keys, "keys", axis=0)
    g.op("Concat", values, "values", axis=0)
    head = WIDTH // HEADS
    graph = helper.make_graph(
        g.nodes,
        "whisper_tiny_en_encoder",
        [
            _tensor("mel", [1, 80, "mel_frames"]),
            _tensor("past_keys", [blocks, HEADS, "past", head]),
            _tensor("past_values", [blocks, HEADS, "past", head]),
        ],
        [
            _tensor("frames", [blocks, "frames", WIDTH]),
            _tensor("keys", [blocks, HEADS, "all", head]),
            _tensor("values", [blocks, HEADS, "all", head]),
        ],
        initializer=list(g.constants.values()),
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    if int8:
        opsets.append(helper.make_opsetid("com.microsoft", 1))
    model = helper.make_model(graph, opset_imports=opsets, producer_name="mien")
    model.ir_version = _IR_VERSION
    return model


def _tensor(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def build_encoder(inputs: Mapping[str, Path], out: Path) -> None:
    """Recipe of card `whisper_encoder`: `inputs["whisper_tiny_en"]` → the int8 ONNX file at `out`."""
    weights = Ct2Weights.read(inputs["whisper_tiny_en"])
    out.write_bytes(encoder_graph(weights).SerializeToString(deterministic=True))
