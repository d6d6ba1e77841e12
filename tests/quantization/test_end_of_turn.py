"""The rebuilt end-of-turn network against the published one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from models import store
from models.errors import ModelMissing
from quantization.end_of_turn import LAYERS, build_end_of_turn, end_of_turn_graph, read_weights

ort = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def published():
    try:
        return store.path("end_of_turn_published")
    except ModelMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def weights(published):
    return read_weights(onnx.load(str(published)))


def _without_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """The published graph with its activations left alone: nothing of ours but this."""
    constants = {one.name for one in model.graph.initializer}
    passed, kept = {}, []
    for node in model.graph.node:
        rounds = node.op_type == "QuantizeLinear"
        if rounds or (node.op_type == "DequantizeLinear" and node.input[0] not in constants):
            passed[node.output[0]] = passed.get(node.input[0], node.input[0])
        else:
            kept.append(node)
    for node in kept:
        for n, name in enumerate(node.input):
            node.input[n] = passed.get(name, name)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _run(model: onnx.ModelProto, mel: np.ndarray) -> float:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return float(session.run(None, {session.get_inputs()[0].name: mel})[0].ravel()[0])


def test_every_linear_layer_is_found(weights):
    """Each layer's query, key, value, output and both wide weights have a name of their own."""
    for n in range(LAYERS):
        for part in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"):
            assert weights[f"encoder.layers.{n}.{part}.weight"].shape == (384, 384)
        assert weights[f"encoder.layers.{n}.fc1.weight"].shape == (384, 1536)
        assert weights[f"encoder.layers.{n}.fc2.weight"].shape == (1536, 384)


def test_the_rebuilt_network_is_the_published_one(published, weights):
    """In float both give the same probability, so that nothing of the graph was lost or changed; in int8 nearly so."""
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.uniform(-0.6, 1.0, (1, 1, 40)), 20, axis=2)
    bare = _without_rounding(onnx.load(str(published)))
    rebuilt, int8 = end_of_turn_graph(weights, int8=False), end_of_turn_graph(weights)
    for _ in range(2):
        mel = (envelope + 0.2 * rng.standard_normal((1, 80, 800))).astype(np.float32)
        truth = _run(bare, mel)
        assert _run(rebuilt, mel) == pytest.approx(truth, abs=1e-3)
        assert _run(int8, mel) == pytest.approx(truth, abs=0.1)


def test_the_build_is_reproducible(published, tmp_path):
    """The same input gives the file that the card pins."""
    build_end_of_turn({"end_of_turn_published": published}, tmp_path / "built.onnx")
    assert (tmp_path / "built.onnx").read_bytes() == store.path("end_of_turn").read_bytes()
