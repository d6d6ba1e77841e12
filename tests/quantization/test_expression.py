"""Calibration of the expression net: what is fitted, and that the shipped graph holds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quantization.expression import Calibration, clear_from, degraded, probabilities, with_calibration

onnx = pytest.importorskip("onnx")
_PRIOR = np.array([0.35, 0.28, 0.12, 0.12, 0.09, 0.01, 0.02, 0.01])


def _tiny_net():
    """One Gemm from a picture of 1x4x4 to 8 logits."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)
    weight, bias = rng.normal(size=(8, 16)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["face"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 1, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model, weight, bias


def test_the_graph_holds_its_calibration(tmp_path: Path):
    """The shipped file's outputs are the calibrated softmax and the bar, not raw logits."""
    from models.session import open_session

    model, weight, bias = _tiny_net()
    calibration = Calibration(temperature=0.7, recall=0.2, clear_from=0.61)
    file = tmp_path / "tiny.onnx"
    file.write_bytes(with_calibration(model, calibration, _PRIOR).SerializeToString())
    face = np.random.default_rng(4).normal(size=(5, 1, 4, 4)).astype(np.float32)
    shares, bar = open_session(file).run(face)
    assert shares == pytest.approx(probabilities(face.reshape(5, 16) @ weight.T + bias, 0.7, 0.2, _PRIOR), abs=1e-5)
    assert bar[0] == pytest.approx(0.61)


def test_more_recall_speaks_for_the_rare():
    """With equal logits, the rarer an expression is, the more `recall` raises it."""
    shares = probabilities(np.zeros((1, 8), np.float32), 1.0, 0.5, _PRIOR)[0]
    assert list(np.argsort(-_PRIOR, kind="stable")) == list(np.argsort(shares, kind="stable"))


def test_the_bar_halves_the_error():
    """Above the bar half as many mistakes are made as over all, and a lower bar would not do."""
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.3, 1.0, 4000)
    wrong = rng.uniform(size=4000) > confidence
    bar = clear_from(confidence, wrong)
    assert wrong[confidence >= bar].mean() == pytest.approx(0.5 * wrong.mean(), rel=0.1)


def test_no_bar_helps_a_guesser():
    """When confidence says nothing, nothing is clear but what was right by luck at the very top."""
    wrong = np.ones(100, bool)
    assert clear_from(np.linspace(0.2, 0.9, 100), wrong) == 1.0


def test_degraded_pictures_are_dark_or_half():
    """Every other picture loses its light, the rest their lower half; the originals stay as they were."""
    pixels = np.full((4, 48, 48), 128, np.uint8)
    out = degraded(pixels)
    assert (out[::2] == 32).all()
    assert (out[1::2, 24:] == 0).all()
    assert (out[1::2, :24] == 128).all()
    assert (pixels == 128).all()
