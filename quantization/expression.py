"""Turn the trained float expression net into the shipped int8 file, calibrated and judged.

`python -m quantization.expression --float expression_f32.onnx --data $MIEN_DATA --out expression.onnx --reference FILE`
writes `expression.onnx`, and the same integers for LiteRT as `expression.tflite` beside it.

Convolutions are quantized statically (QDQ, one scale per output channel, ranges from training pictures); the small last
layer stays float and takes in what calibration found, so that the softmax is the calibrated probability. Weights use
7 bits: AVX2 without VNNI adds pairs of u8 × s8 products in 16 bits, and the full range overflows there unseen.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.expression import standardise
from models.session import open_session
from models.train.face_augment import augment
from models.train.face_data import CLASSES, Faces, load
from quantization.onnx_tflite import convert

CALIBRATION_PICTURES = 1024
GIVE = 0.005  # accuracy on valid/ that better recall of rare expressions may cost

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """logits / temperature - recall * log(prior), then softmax; below `clear_from` the answer is unclear."""

    temperature: float
    recall: float  # 0: as trained; more: rare expressions are said more readily
    clear_from: float


def build(source: Path, data: Path, out: Path, reference: Path, *, seed: int = 1) -> Calibration:
    """Quantize `source`, fit the calibration on valid/, and write the shipped file and its float twin `reference`."""
    train, valid = load(data, "train"), mirrored(load(data, "valid").decided())
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(train), CALIBRATION_PICTURES, replace=False)
    pictures = [augment(train.pixels[row], rng) if place % 2 else train.pixels[row] for place, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as scratch:
        folded, int8 = Path(scratch) / "folded.onnx", Path(scratch) / "int8.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(int8),
            _Pictures(np.stack(pictures)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Relu", "Add"],
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibration = calibrate(logits_of(int8, valid.pixels), logits_of(int8, degraded(valid.pixels)), valid, train)
        for made, file in ((int8, out), (folded, reference)):
            model = with_calibration(onnx.load(str(made)), calibration, prior_of(train))
            file.write_bytes(model.SerializeToString(deterministic=True))
            if made == int8:
                file.with_suffix(".tflite").write_bytes(convert(model))
    return calibration


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Feeds training pictures to the calibrator, 64 at a time."""

    def __init__(self, pixels: npt.NDArray[np.uint8]) -> None:
        self._batches: Iterator[npt.NDArray[np.uint8]] = iter(np.split(pixels, len(pixels) // 64))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"face": standardise(batch)}


def logits_of(file: Path, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """First output (logits or probabilities) of the net at `file` for (N, 48, 48) pictures: (N, 8)."""
    session = open_session(file)
    parts = [session.run(standardise(pixels[at : at + 64]))[0] for at in range(0, len(pixels), 64)]
    return np.asarray(np.concatenate(parts), np.float32)


def mirrored(faces: Faces) -> Faces:
    """All faces, then their mirror images, which are as true and steady the choices made on them."""
    return Faces(
        np.concatenate([faces.pixels, faces.pixels[:, :, ::-1]]),
        np.concatenate([faces.votes, faces.votes]),
        np.concatenate([faces.majority, faces.majority]),
    )


def degraded(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Every picture darkened (gamma 3) or without its lower half, in turn."""
    out = np.round(255.0 * (pixels / 255.0) ** 3).astype(np.uint8)
    out[1::2] = pixels[1::2]
    out[1::2, pixels.shape[1] // 2 :] = 0
    return out


def prior_of(train: Faces) -> Floats:
    """How often each expression wins in the training votes, (8,)."""
    count = np.bincount(train.votes.argmax(1), minlength=CLASSES).astype(np.float64)
    share: Floats = count / count.sum()
    return share


def probabilities(logits: npt.NDArray[np.float32], temperature: float, recall: float, prior: Floats) -> Floats:
    """Calibrated softmax, (N, 8)."""
    scores = logits / temperature - recall * np.log(prior)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = scores / scores.sum(axis=1, keepdims=True)
    return shares


def calibrate(
    clean: npt.NDArray[np.float32], spoilt: npt.NDArray[np.float32], valid: Faces, train: Faces
) -> Calibration:
    """As much recall of the rare as `GIVE` buys, the likeliest temperature with it, then the bar: all on valid/.

    The bar is the lowest confidence above which half as many errors are made as over all, with spoilt pictures mixed
    in, since a room is darker than the web.
    """
    prior, labels = prior_of(train), valid.majority

    def judge(recall: float) -> tuple[float, float]:
        """The likeliest temperature for this `recall`, and the accuracy that it gives."""
        found = []
        for temperature in np.arange(0.5, 2.0, 0.02):
            shares = probabilities(clean, temperature, recall, prior)
            loss = -float(np.log(shares[np.arange(len(labels)), labels] + 1e-12).mean())
            found.append((loss, float(temperature), float((shares.argmax(1) == labels).mean())))
        _, temperature, accuracy = min(found)
        return temperature, accuracy

    tried = {float(recall): judge(float(recall)) for recall in np.arange(-0.5, 0.51, 0.05)}
    best = max(accuracy for _, accuracy in tried.values())
    recall = max(one for one in tried if tried[one][1] >= best - GIVE)
    temperature = tried[recall][0]
    shares = np.concatenate([probabilities(one, temperature, recall, prior) for one in (clean, spoilt)])
    wrong = shares.argmax(1) != np.concatenate([labels, labels])
    return Calibration(temperature, recall, clear_from(shares.max(1), wrong))


def clear_from(confidence: Floats, wrong: npt.NDArray[np.bool_]) -> float:
    """Lowest confidence above which the error is at most half of the error over all."""
    order = np.argsort(-confidence)
    error = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    within = np.flatnonzero(error <= 0.5 * wrong.mean())
    return float(round(confidence[order][within[-1]], 3)) if len(within) else 1.0


def with_calibration(model: onnx.ModelProto, calibration: Calibration, prior: Floats) -> onnx.ModelProto:
    """The graph with outputs `probabilities` (N, 8), calibrated, and `clear_from` (1,) instead of `logits`."""
    graph = model.graph
    last = next(node for node in graph.node if node.op_type == "Gemm")
    constants = {one.name: one for one in graph.initializer}
    weight, bias = (numpy_helper.to_array(constants[name]) for name in last.input[1:3])
    scaled = (weight / calibration.temperature).astype(np.float32)
    shifted = (bias / calibration.temperature - calibration.recall * np.log(prior)).astype(np.float32)
    constants[last.input[1]].CopyFrom(numpy_helper.from_array(scaled, last.input[1]))
    constants[last.input[2]].CopyFrom(numpy_helper.from_array(shifted, last.input[2]))
    bar = helper.make_tensor("clear_from_value", TensorProto.FLOAT, [1], [calibration.clear_from])
    graph.initializer.append(bar)
    graph.node.append(helper.make_node("Softmax", [last.output[0]], ["probabilities"], name="probabilities", axis=1))
    graph.node.append(helper.make_node("Identity", ["clear_from_value"], ["clear_from"], name="clear_from"))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", CLASSES]))
    graph.output.append(helper.make_tensor_value_info("clear_from", TensorProto.FLOAT, [1]))
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def main(argv: Sequence[str] | None = None) -> int:
    """Build the files and print what int8 costs on valid/."""
    parser = argparse.ArgumentParser(prog="quantization.expression", description="Quantize the expression net.")
    parser.add_argument("--float", dest="source", type=Path, required=True, help="expression_f32.onnx of the training")
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_DATA"), help="folder that holds faces/")
    parser.add_argument("--out", type=Path, required=True, help="where to write the int8 file")
    parser.add_argument("--reference", type=Path, required=True, help="where to write the float file it is judged by")
    chosen = parser.parse_args(argv)
    if chosen.data is None:
        parser.error("--data is needed, or set MIEN_DATA")
    print(build(chosen.source, Path(chosen.data), chosen.out, chosen.reference))
    valid = load(Path(chosen.data), "valid").decided()
    for name, file in (("float", chosen.reference), ("int8", chosen.out)):
        right = logits_of(file, valid.pixels).argmax(1) == valid.majority
        print(f"valid accuracy, {name}: {100 * float(right.mean()):.2f} %, {file.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
