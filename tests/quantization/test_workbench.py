"""The workbench: what comes out of it is smaller, and was judged; what loses too much does not come out."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

from models.errors import InputError
from models.session import open_session
from quantization import onnx_tflite
from quantization.cli import main
from quantization.judge import Samples, refusals, uar
from quantization.recipe import RECIPES, Gate, Recipe, RecipeError, Refused, load
from quantization.workbench import quantize


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions, pooling, four classes: 1×16×16 in."""
    rng = np.random.default_rng(3)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu1"),
        helper.make_node("Conv", ["b", "w2"], ["c"], name="second", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], name="pool"),
        helper.make_node("Flatten", ["e"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], name="last"),
    ]
    weights = [constant("w1", 64, 1, 3, 3), constant("w2", 64, 64, 3, 3), constant("w3", 64, 4)]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(model, str(file))
    return file


@pytest.fixture(scope="module")
def samples(net: Path) -> Samples:
    """Pictures, and as labels what the float network says."""
    pictures = np.random.default_rng(5).normal(0, 1, (48, 1, 16, 16)).astype(np.float32)
    said = np.concatenate([open_session(net).run(one[None])[0] for one in pictures])
    return Samples({"x": pictures}, said.argmax(1))


def _recipe(tmp_path: Path, text: str) -> str:
    (tmp_path / "own.toml").write_text(text)
    return str(tmp_path / "own.toml")


def _litert(tmp_path: Path) -> Recipe:
    """Ours, with a gate that so small a network passes on any machine."""
    ours = (RECIPES / "litert.toml").read_text().split("[gate]")[0]
    return load(_recipe(tmp_path, f"{ours}[gate]\nagreement = 0.8\ntime = 100.0\nsize = 0.4\n"))


def test_a_static_file_is_smaller_agrees_and_tells_of_each_layer(net: Path, samples: Samples, tmp_path: Path) -> None:
    """int8 convolutions: a third of the bytes, nearly the same answers, and the cost of each layer alone. Whoever logs
    in this process is heard as before."""
    heard = logging.getLogger().level
    recipe = load(_recipe(tmp_path, 'scheme = "static"\n[gate]\nagreement = 0.8\ntime = 100.0\nsize = 0.4\n'))
    outcome = quantize(net, tmp_path / "out.onnx", recipe, calibration=samples, test=samples)
    assert outcome.file.stat().st_size < 0.4 * net.stat().st_size
    assert outcome.figures["agreement"] >= 0.8
    assert outcome.figures["accuracy_float"] == 1.0
    assert set(outcome.layers) == {"first", "second", "last"}
    assert all(error > 0 for error in outcome.layers.values())
    kinds = {node.op_type for node in onnx.load(str(outcome.file)).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert logging.getLogger().level == heard


def test_a_file_that_loses_too_much_is_refused_and_not_written(net: Path, samples: Samples, tmp_path: Path) -> None:
    """The gate is not advice."""
    text = 'scheme = "static"\nmixed = false\n[gate]\nerror = 1e-6\ntime = 100.0\n'
    with pytest.raises(Refused, match=r"error is .*at most 1e-06"):
        quantize(net, tmp_path / "out.onnx", load(_recipe(tmp_path, text)), calibration=samples, test=samples)
    assert not (tmp_path / "out.onnx").exists()


def test_layers_go_back_to_float_worst_first_until_the_gate_is_content(
    net: Path, samples: Samples, tmp_path: Path
) -> None:
    """Mixed precision: the most sensitive layer is the first that stays float, and the loss then fits."""
    loose = 'scheme = "static"\n[gate]\ntime = 100.0\n'
    all_int8 = quantize(net, tmp_path / "a.onnx", load(_recipe(tmp_path, loose)), calibration=samples, test=samples)
    limit = 0.9 * all_int8.figures["error"]
    strict = f'scheme = "static"\n[gate]\nerror = {limit}\ntime = 100.0\n'
    mixed = quantize(net, tmp_path / "b.onnx", load(_recipe(tmp_path, strict)), calibration=samples, test=samples)
    assert mixed.floats
    assert mixed.floats[0] == next(iter(mixed.layers))
    assert mixed.figures["error"] <= limit


def test_halves_are_stored_small_and_computed_in_float(net: Path, samples: Samples, tmp_path: Path) -> None:
    """Half the bytes; the answers differ by less than a hundredth of their spread."""
    recipe = load(_recipe(tmp_path, 'scheme = "fp16"\n[gate]\nerror = 0.01\nsize = 0.6\ntime = 100.0\n'))
    outcome = quantize(net, tmp_path / "half.onnx", recipe, calibration=None, test=samples)
    assert outcome.file.stat().st_size < 0.6 * net.stat().st_size
    assert outcome.figures["error"] < 0.01


def test_an_ort_file_stands_at_the_same_gate(net: Path, samples: Samples, tmp_path: Path) -> None:
    """It is judged for itself: int8 passes, while halves, which that format widens when it is made, are refused."""
    int8 = _recipe(tmp_path, 'scheme = "static"\nort = true\n[gate]\nagreement = 0.8\ntime = 100.0\nsize = 0.5\n')
    outcome = quantize(net, tmp_path / "out.onnx", load(int8), calibration=samples, test=samples)
    assert outcome.ort == tmp_path / "out.ort"
    assert outcome.ort_figures is not None
    assert outcome.ort_figures["size"] < 0.5
    assert outcome.ort_figures["accuracy"] >= 0.8
    assert open_session(outcome.ort).run(samples.inputs["x"][:1])[0].shape == (1, 4)
    halves = _recipe(tmp_path, 'scheme = "fp16"\nort = true\n[gate]\nsize = 0.6\ntime = 100.0\n')
    with pytest.raises(Refused, match=r"as \.ort, size"):
        quantize(net, tmp_path / "half.onnx", load(halves), calibration=None, test=samples)
    assert not list(tmp_path.glob("half.*"))


def test_a_file_for_litert_is_int8_all_through(net: Path, samples: Samples, tmp_path: Path) -> None:
    """A quarter of the bytes, nearly the same answers, and nothing between input and output is a float."""
    outcome = quantize(net, tmp_path / "out.tflite", _litert(tmp_path), calibration=samples, test=samples)
    assert outcome.figures["agreement"] >= 0.8
    assert set(outcome.layers) == {"first", "second", "last"}
    kinds = {one["index"]: one["dtype"] for one in Interpreter(str(outcome.file)).get_tensor_details()}
    floats = [index for index, kind in kinds.items() if kind is np.float32]
    assert len(floats) == 2 + 1  # the input, in two shapes, and the output
    assert open_session(outcome.file).run(samples.inputs["x"][:1])[0].shape == (1, 4)


def test_a_float_tflite_file_becomes_an_int8_one(net: Path, samples: Samples, tmp_path: Path) -> None:
    """What a user brings may be of either kind; it is judged against the file that was brought."""
    brought = tmp_path / "float.tflite"
    brought.write_bytes(onnx_tflite.convert(onnx.load(str(net))))
    said = open_session(net).run(samples.inputs["x"][:1])[0]
    assert np.abs(open_session(brought).run(samples.inputs["x"][:1])[0] - said).max() < 1e-5
    outcome = quantize(brought, tmp_path / "int8.tflite", _litert(tmp_path), calibration=samples, test=samples)
    assert outcome.figures["size"] == outcome.file.stat().st_size / brought.stat().st_size
    with pytest.raises(InputError, match="static recipe"):
        quantize(net, tmp_path / "no.tflite", load("fp16"), calibration=None, test=samples)


def test_static_needs_calibration(net: Path, samples: Samples, tmp_path: Path) -> None:
    """Ranges cannot be guessed."""
    with pytest.raises(InputError, match="--calibration"):
        quantize(net, tmp_path / "out.onnx", load("static"), calibration=None, test=samples)


def test_samples_must_fit_the_network_and_each_other(net: Path, tmp_path: Path) -> None:
    """A wrong name or length is told before hours are spent."""
    np.savez(tmp_path / "odd.npz", x=np.zeros((3, 1)), labels=np.zeros(2))
    with pytest.raises(InputError, match="one row per sample"):
        Samples.read(tmp_path / "odd.npz")
    with pytest.raises(InputError, match="lack the input x"):
        Samples({"z": np.zeros((1, 1))}, None).rows(open_session(net).inputs)


def test_the_command_writes_the_file_its_report_and_a_card(
    net: Path, samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the one page tells to type."""
    np.savez(tmp_path / "s.npz", **samples.inputs)
    recipe = _recipe(tmp_path, 'scheme = "fp16"\n[gate]\nsize = 0.6\ntime = 100.0\n')
    words = [str(net), "--recipe", recipe, "--test", str(tmp_path / "s.npz"), "--out", str(tmp_path / "o.onnx")]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["size"] < 0.6
    assert main([*words, "--card", "own"]) == 0
    assert 'kind = "committed"' in capsys.readouterr().out


def test_every_recipe_of_ours_can_be_read() -> None:
    """And one that is not there is told with those that are."""
    names = sorted(one.stem for one in RECIPES.glob("*.toml"))
    assert [load(name).scheme for name in names]
    with pytest.raises(RecipeError, match="static"):
        load("nothing")


def test_a_limit_refuses_from_either_side() -> None:
    """Agreement may be more, losses less; a figure that is missing cannot pass."""
    gate = Gate(agreement=0.9, point_error=0.1, time=None)
    assert refusals({"agreement": 0.95, "point_error": 0.05, "size": 0.5}, gate) == []
    assert len(refusals({"agreement": 0.85, "point_error": 0.2, "size": 1.5}, gate)) == 3
    assert refusals({"agreement": 0.95, "size": 0.5}, gate) == ["point_error could not be measured"]


def test_recall_is_averaged_over_classes() -> None:
    """A rare class counts as much as a frequent one."""
    assert uar(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == 0.75
    assert uar(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == 0.5


def test_a_network_that_gives_no_number_is_refused() -> None:
    """Not-a-number is beyond every limit, and below every demand."""
    refused = refusals({"size": 0.3, "error": float("nan"), "agreement": float("nan")}, Gate(error=0.1, agreement=0.9))
    assert {one.split()[0] for one in refused} >= {"error", "agreement"}
