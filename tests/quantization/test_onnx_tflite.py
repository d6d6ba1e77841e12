"""The two shipped files of the expression net are one net, and what cannot be carried over is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import store
from models.expression import ExpressionNet
from models.session import open_session
from quantization.judge import Samples, outputs, relative_error

onnx = pytest.importorskip("onnx")


def test_the_shipped_twin_is_made_of_the_shipped_net() -> None:
    """Byte for byte: nobody can ship one and forget the other."""
    from quantization.onnx_tflite import convert

    assert convert(onnx.load(store.path("expression_onnx"))) == store.path("expression").read_bytes()


def test_both_engines_say_the_same() -> None:
    """On noise of every contrast, probabilities agree to four digits and the bar is one."""
    rng = np.random.default_rng(8)
    crops = np.clip(rng.normal(128, rng.uniform(5, 90, (40, 1, 1)), (40, 48, 48)), 0, 255).astype(np.uint8)
    mine, other = ExpressionNet(store.path("expression")), ExpressionNet(store.path("expression_onnx"))
    assert np.abs(mine.probabilities(crops) - other.probabilities(crops)).max() < 1e-3
    assert [mine.read(one).unclear for one in crops] == [other.read(one).unclear for one in crops]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda node: node.attribute[1].CopyFrom(onnx.helper.make_attribute("group", 2)), "plain convolutions"),
        (lambda node: setattr(node, "op_type", "ConvTranspose"), "ConvTranspose"),
    ],
)
def test_other_networks_are_refused(change, said: str) -> None:
    """Nothing is left out silently."""
    from quantization.onnx_tflite import convert

    model = onnx.load(store.path("expression_onnx"))
    node = next(one for one in model.graph.node if one.op_type == "Conv")
    assert node.attribute[1].name == "group"
    change(node)
    with pytest.raises(ValueError, match=said):
        convert(model)


def _rich() -> onnx.ModelProto:
    """What a mobile network is made of: margins of all kinds, by-channel convolutions, shortcuts, pools, gates."""
    rng = np.random.default_rng(3)
    sizes = {"w0": (16, 3, 3, 3), "b0": (16,), "w1": (16, 1, 3, 3), "w2": (16, 16, 1, 1), "b2": (16,)}
    sizes |= {"w3": (8, 16, 3, 3), "w4": (24, 24, 1, 1), "w5": (24 * 16, 5), "b5": (5,)}
    stored = [
        onnx.numpy_helper.from_array(rng.normal(0, 0.4 / len(shape), shape).astype(np.float32), name)
        for name, shape in sizes.items()
    ]
    stored += [onnx.numpy_helper.from_array(np.float32(value), name) for name, value in (("zero", 0), ("six", 6))]
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Clip", ["a", "zero", "six"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", ["c", "w1"], ["d"], pads=[1, 1, 1, 1], group=16),
        node("Relu", ["d"], ["e"]),
        node("Conv", ["e", "w2", "b2"], ["f"]),
        node("Add", ["f", "c"], ["g"]),
        node("Conv", ["g", "w3"], ["h"], pads=[0, 0, 1, 1], strides=[2, 2]),
        node("AveragePool", ["g"], ["i"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Concat", ["h", "i"], ["j"], axis=1),
        node("HardSwish", ["j"], ["k"]),
        node("GlobalAveragePool", ["k"], ["l"]),
        node("Conv", ["l", "w4"], ["m"]),
        node("Sigmoid", ["m"], ["n"]),
        node("Mul", ["k", "n"], ["o"]),
        node("Flatten", ["o"], ["p"]),
        node("Gemm", ["p", "w5", "b5"], ["q"]),
        node("Softmax", ["q"], ["y"], axis=1),
    ]
    for at, one in enumerate(nodes):
        one.name = f"{one.op_type}_{at}"
    value, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes, "rich", [value("x", kind, ["n", 3, 32, 32])], [value("y", kind, ["n", 5])], stored
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def test_a_float_network_says_the_same_there_and_back(tmp_path: Path) -> None:
    """ONNX, written as TFLite, and that written as ONNX again: three files, one network."""
    from quantization import tflite_onnx
    from quantization.onnx_tflite import convert
    from quantization.tflite import read

    onnx.save(_rich(), str(tmp_path / "net.onnx"))
    (tmp_path / "net.tflite").write_bytes(convert(_rich()))
    onnx.save(tflite_onnx.convert(read(tmp_path / "net.tflite")), str(tmp_path / "back.onnx"))
    picture = np.random.default_rng(4).normal(0, 1, (1, 3, 32, 32)).astype(np.float32)
    said = [open_session(tmp_path / name).run(picture)[0] for name in ("net.onnx", "net.tflite", "back.onnx")]
    assert np.ptp(said[0]) > 0.01
    assert np.abs(said[1] - said[0]).max() < 1e-6
    assert np.abs(said[2] - said[0]).max() < 1e-6


def test_an_int8_network_says_the_same_in_both_engines(tmp_path: Path) -> None:
    """The same integers: what is left is rounding, less than int8 itself costs."""
    from quantization.recipe import load
    from quantization.workbench import _make, _reference

    onnx.save(_rich(), str(tmp_path / "net.onnx"))
    pictures = np.random.default_rng(5).normal(0, 1, (24, 3, 32, 32)).astype(np.float32)
    samples = Samples({"x": pictures}, None)
    reference = _reference(tmp_path / "net.onnx", tmp_path, samples, fixed=True)
    _make(reference, tmp_path / "made.tflite", load("litert"), [], calibration=samples)
    real, ours, theirs = (
        outputs(open_session(file), samples, 0)
        for file in (reference, tmp_path / "made.onnx", tmp_path / "made.tflite")
    )
    assert relative_error(real, theirs) < 0.2
    assert relative_error(ours, theirs) < max(0.05, relative_error(real, ours))
