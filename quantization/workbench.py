"""Quantizes a network by a recipe, finds the layers that must stay float, and lets only what passes the gate out."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.errors import InputError
from models.session import open_session
from quantization import onnx_tflite, tflite, tflite_onnx
from quantization.judge import Samples, judge, outputs, refusals, relative_error
from quantization.recipe import Recipe, Refused

Progress = Callable[[str], None]
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
_OPSET = 13  # the first that knows a scale per channel
_LARGE = 256  # values of a constant that is worth storing in half
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}  # layers: what only moves or sums costs what they cost
_PROBES = 32  # samples on which one layer's sensitivity is measured


@dataclass(frozen=True)
class Outcome:
    """`figures`: as of `judge`. `layers`: relative error of the output when that layer alone is int8, worst first;
    `floats`: layers that stayed float. `ort`: the same network as an .ort file, where the recipe asks for one, and
    `ort_figures`: what was judged of that."""

    file: Path
    figures: dict[str, float]
    layers: dict[str, float]
    floats: list[str]
    ort: Path | None = None
    ort_figures: dict[str, float] | None = None


def quantize(
    source: Path,
    out: Path,
    recipe: Recipe,
    *,
    calibration: Samples | None,
    test: Samples,
    progress: Progress = lambda _line: None,
) -> Outcome:
    """Make `out` (.onnx, or int8 .tflite) of `source` (.onnx or float .tflite).

    Raises Refused, and leaves no file, where the gate is not content; InputError where samples are missing, or the
    network cannot be written so.
    """
    if recipe.scheme == "static" and calibration is None:
        raise InputError("a static recipe needs calibration samples: --calibration FILE.npz")
    if out.suffix == ".tflite" and (recipe.scheme != "static" or recipe.ort):
        raise InputError(f"{out.name}: a .tflite file is made by a static recipe without `ort`, such as litert")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        reference = _reference(source, scratch, test, fixed=out.suffix == ".tflite")
        twin = (
            source if source.suffix == out.suffix == ".tflite" else reference
        )  # what the file would take the place of
        made, floats, layers = scratch / f"made{out.suffix}", list(recipe.keep), dict[str, float]()

        def tried() -> tuple[dict[str, float], list[str]]:
            _make(reference, made, recipe, floats, calibration=calibration)
            figures = judge(twin, made, test, recipe)
            return figures, refusals(figures, recipe.gate)

        figures, refused = tried()
        if recipe.scheme != "fp16":
            layers = _sensitivity(reference, scratch, recipe, calibration=calibration, test=test, progress=progress)
            worst = [name for name in layers if name not in floats]
            while refused and recipe.mixed and len(worst) > 1:
                floats.append(worst.pop(0))
                progress(f"stays float: {floats[-1]} ({'; '.join(refused)})")
                figures, refused = tried()
        if refused:
            raise Refused(f"{source.name} was not quantized: {'; '.join(refused)}")
        ort, ort_figures = None, None
        if recipe.ort:
            ort = _as_ort(made)
            ort_figures = judge(reference, ort, test, recipe)
            if refused := refusals(ort_figures, recipe.gate):
                raise Refused(f"{source.name} was not quantized: as .ort, {'; '.join(refused)}; leave out `ort`")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(made.read_bytes())
        if ort is not None:
            ort = Path(shutil.copyfile(ort, out.with_suffix(".ort")))
        return Outcome(out, figures, layers, floats, ort, ort_figures)


def _reference(source: Path, scratch: Path, test: Samples, *, fixed: bool = False) -> Path:
    """The float network as ONNX, with batch normalisation and the like folded in; `fixed`: for one sample's size."""
    if source.suffix == ".tflite":
        try:
            model = tflite_onnx.convert(tflite.read(source))
        except ValueError as error:
            raise InputError(f"{source.name} cannot be read: {error}; give the network as .onnx") from error
    else:
        open_session(source)  # a file that is no network fails here, with a clear word
        model = onnx.load(str(source))
    if next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx")) < _OPSET:
        try:
            model = version_converter.convert_version(model, _OPSET)
        except RuntimeError as error:
            raise InputError(f"{source.name} is of an old kind: export it with opset {_OPSET} or later") from error
    if fixed:
        for value in model.graph.input:
            if value.name in test.inputs:
                sizes = (1, *test.inputs[value.name].shape[1:])
                for dim, size in zip(value.type.tensor_type.shape.dim, sizes, strict=False):
                    dim.dim_value = size
    plain, folded = scratch / "plain.onnx", scratch / "float.onnx"
    onnx.save(model, str(plain))
    quant_pre_process(str(plain), str(folded), skip_symbolic_shape=True)
    model = onnx.load(str(folded))
    for index, node in enumerate(model.graph.node):  # layers are told by name
        node.name = node.name or f"{node.op_type}_{index}"
    onnx.save(model, str(folded))
    return folded


@contextmanager
def _unadvised() -> Iterator[None]:
    """The quantizer gives advice on the root logger that was taken already."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _make(
    reference: Path,
    made: Path,
    recipe: Recipe,
    floats: Sequence[str],
    *,
    calibration: Samples | None,
    only: Sequence[str] | None = None,
) -> None:
    if recipe.scheme == "fp16":
        made.write_bytes(half(onnx.load(str(reference))).SerializeToString(deterministic=True))
        return
    common: dict[str, Any] = {
        "per_channel": recipe.per_channel,
        "reduce_range": not recipe.full_range,
        "weight_type": QuantType.QInt8,
        "op_types_to_quantize": recipe.operators,
        "nodes_to_exclude": list(floats),
        "nodes_to_quantize": list(only) if only else None,
    }
    if recipe.scheme == "dynamic":
        with _unadvised():
            quantize_dynamic(str(reference), str(made), **common)
        return
    assert calibration is not None
    coded = made.with_suffix(".onnx")
    with _unadvised():
        quantize_static(
            str(reference),
            str(coded),
            _Rows(calibration, open_session(reference).inputs),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            calibrate_method=_METHODS[recipe.ranges],
            **common,
        )
    if made.suffix == ".tflite":
        try:
            made.write_bytes(onnx_tflite.convert(onnx.load(str(coded))))
        except ValueError as error:
            raise InputError(f"the network cannot be written as .tflite: {error}") from error


def _sensitivity(
    reference: Path,
    scratch: Path,
    recipe: Recipe,
    *,
    calibration: Samples | None,
    test: Samples,
    progress: Progress,
) -> dict[str, float]:
    """Per layer, worst first: what the output loses when that layer alone is int8."""
    few = Samples({name: one[:_PROBES] for name, one in test.inputs.items()}, None)
    some = calibration and Samples({name: one[:_PROBES] for name, one in calibration.inputs.items()}, None)
    before = outputs(open_session(reference), few, recipe.output)
    kinds = _WEIGHTED & set(recipe.operators)
    names = [node.name for node in onnx.load(str(reference)).graph.node if node.op_type in kinds]
    found = {}
    for at, name in enumerate(names):
        probe = scratch / "probe.onnx"
        _make(reference, probe, recipe, recipe.keep, calibration=some, only=[name])
        found[name] = relative_error(before, outputs(open_session(probe), few, recipe.output))
        progress(f"layer {at + 1} of {len(names)}: {name} alone costs {found[name]:.4f}")
    return dict(sorted(found.items(), key=lambda item: -item[1]))


class _Rows(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Feeds the calibration samples one by one."""

    def __init__(self, samples: Samples, names: tuple[str, ...]) -> None:
        self._rows: Iterator[dict[str, Any]] = (dict(zip(names, row, strict=True)) for row in samples.rows(names))

    def get_next(self) -> dict[str, Any] | None:
        """The next sample, or None."""
        return next(self._rows, None)


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large float constants stored as 16-bit floats; each is widened once, when the network is loaded."""
    graph, casts = model.graph, []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < _LARGE:
            continue
        name = constant.name
        limit = float(np.finfo(np.float16).max)
        stored = np.clip(values, -limit, limit).astype(np.float16)
        constant.CopyFrom(numpy_helper.from_array(stored, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_widen", to=TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *rest])
    onnx.checker.check_model(model)
    return model


def _as_ort(file: Path) -> Path:
    options = SessionOptions()
    options.optimized_model_filepath = str(file.with_suffix(".ort"))
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # more would tie it to this processor
    options.add_session_config_entry("session.save_model_format", "ORT")
    InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return file.with_suffix(".ort")
