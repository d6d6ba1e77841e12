"""Accuracy of the shipped expression net on FER+ test: `python -m benchmarks.face_expression --data $MIEN_DATA`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers import PEERS, PeerMissing, ask
from benchmarks.report import Result, table
from models import card, store
from models.expression import EXPRESSIONS, ExpressionNet
from models.train.face_data import Faces, load

SEVEN = 7  # EXPRESSIONS without contempt, which comes last and has about 30 pictures
NEEDS_DATA = True

Shares = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]


def measure(data: Path, *, quick: bool = False, peers: bool = False, reference: Path | None = None) -> Result:
    """How well and how fast expressions are read, by the int8 file that ships.

    `quick` takes every tenth picture. `peers` asks the net of `fer` about the same pictures. `reference` is the float
    file that `quantization.expression` writes; without it `int8_loss` is the one on the card. `expression_ms` is on
    ONNX Runtime, which the whole device holds; a process of the face alone uses LiteRT (`expression_ms_litert`).
    """
    test = load(data, "test").decided()
    if quick:
        test = test.take(np.arange(0, len(test), 10))
    net = ExpressionNet()
    clean = net.probabilities(test.pixels)
    conditions = {
        "dark (gamma 3)": darkened(test.pixels),
        "lower half black": hidden(test.pixels, 0.5, 0),
        "lower 40 % grey": hidden(test.pixels, 0.6, 128),
        "eyes black": banded(test.pixels),
        "24 px": shrunk(test.pixels),
    }
    kept = {name: accuracy(net.probabilities(pixels), test) for name, pixels in conditions.items()}
    full = accuracy(clean, test)
    recalls = recall(clean, test)
    published = card.read("expression")
    error_full, error_at_70 = error_at(clean, test, 1.0), error_at(clean, test, 0.7)
    metrics = {
        "ferplus8_acc": full,
        "ferplus7_macro_recall": float(np.mean([recalls[name] for name in EXPRESSIONS[:SEVEN]])),
        "ece": calibration_error(clean, test),
        "error_full": error_full,
        "error_at_70": error_at_70,
        "dark_kept": kept["dark (gamma 3)"] / full,
        "occluded_kept": kept["lower half black"] / full,
        "expression_ms": milliseconds(ExpressionNet(store.path("expression_onnx")), test.pixels[:200]),
        "expression_mb": store.path("expression_onnx").stat().st_size / 1e6,
    }
    loss = published.metrics.get("int8_loss")
    if reference is not None:
        metrics["int8_loss"] = accuracy(ExpressionNet(reference).probabilities(test.pixels), test) - full
    elif isinstance(loss, float):  # the float net is not shipped
        metrics["int8_loss"] = loss
    detail: dict[str, Any] = {
        "pictures": len(test),
        "recall": recalls,
        "accuracy": {"clean": full, **kept},
        "unclear": unclear_shares(net, {"clean": test.pixels, **conditions}),
        "confusion": confusion(clean, test),
        "expression_ms_litert": milliseconds(ExpressionNet(store.path("expression")), test.pixels[:200]),
        "int8_loss": "from the card" if reference is None else "measured",
    }
    others = {}
    if peers:
        for name, script in (("fer", ("expression",)), ("face_api", ("face_api", "faces"))):
            try:
                others[f"{PEERS[name].title} (7 classes)"] = of_peer(test, name, *script)
            except PeerMissing as error:
                print(f"  {error}", file=sys.stderr)
    return Result(metrics, others, detail)


def of_peer(test: Faces, name: str, script: str, *args: str) -> dict[str, float]:
    """What the net of peer `name` reaches on the same pictures. Raises PeerMissing."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, test.pixels)
        said = ask(name, script, *args, file.name)
    shares = np.zeros((len(test), len(EXPRESSIONS)), np.float32)
    shares[np.arange(len(test)), [EXPRESSIONS.index(name) for name in said["said"]]] = 1.0
    recalls = recall(shares, test)
    return {
        "ferplus8_acc": accuracy(shares, test),
        "ferplus7_macro_recall": float(np.mean([recalls[name] for name in EXPRESSIONS[:SEVEN]])),
        "expression_ms": float(said["cpu_ms"]),
    }


def accuracy(shares: Shares, faces: Faces) -> float:
    """Share of pictures whose majority label is the most probable one."""
    return float((shares.argmax(1) == faces.majority).mean())


def recall(shares: Shares, faces: Faces) -> dict[str, float]:
    """By expression; one that no picture shows is absent."""
    said = shares.argmax(1)
    found = {}
    for place, name in enumerate(EXPRESSIONS):
        here = faces.majority == place
        if here.any():
            found[name] = float((said[here] == place).mean())
    return found


def confusion(shares: Shares, faces: Faces) -> dict[str, dict[str, int]]:
    """Majority label -> what was said -> how often."""
    said = shares.argmax(1)
    return {
        truth: {name: int(((faces.majority == t) & (said == s)).sum()) for s, name in enumerate(EXPRESSIONS)}
        for t, truth in enumerate(EXPRESSIONS)
    }


def calibration_error(shares: Shares, faces: Faces, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017) of the top class, equal-width bins."""
    confidence, right = shares.max(1), shares.argmax(1) == faces.majority
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        (place == one).mean() * abs(float(right[place == one].mean()) - float(confidence[place == one].mean()))
        for one in range(bins)
        if (place == one).any()
    ]
    return float(sum(gaps))


def error_at(shares: Shares, faces: Faces, coverage: float) -> float:
    """Error over the most confident `coverage` of the pictures."""
    wrong = shares.argmax(1) != faces.majority
    order = np.argsort(-shares.max(1), kind="stable")
    return float(wrong[order[: max(1, round(coverage * len(order)))]].mean())


def unclear_shares(net: ExpressionNet, conditions: dict[str, Grey]) -> dict[str, float]:
    """How often each kind of picture is called unclear (every fifth picture)."""
    return {name: float(np.mean([net.read(one).unclear for one in pixels[::5]])) for name, pixels in conditions.items()}


def milliseconds(net: ExpressionNet, pixels: Grey) -> float:
    """Median wall time of one `read`, one thread."""
    taken = []
    for crop in pixels:
        start = time.perf_counter()
        net.read(crop)
        taken.append(time.perf_counter() - start)
    return 1e3 * float(np.median(taken))


def darkened(pixels: Grey) -> Grey:
    """Gamma 3."""
    return np.round(255.0 * (pixels / 255.0) ** 3).astype(np.uint8)


def hidden(pixels: Grey, below: float, shade: int) -> Grey:
    """Everything under `below` of the height painted over: a mask, a hand, a cup."""
    out = pixels.copy()
    out[:, int(below * pixels.shape[1]) :] = shade
    return out


def banded(pixels: Grey) -> Grey:
    """Sunglasses."""
    out = pixels.copy()
    size = pixels.shape[1]
    out[:, int(0.25 * size) : int(0.45 * size)] = 0
    return out


def shrunk(pixels: Grey) -> Grey:
    """Half the resolution, as of a far face."""
    count, size, _ = pixels.shape
    small = pixels.reshape(count, size // 2, 2, size // 2, 2).mean(axis=(2, 4))
    return np.asarray(small.repeat(2, axis=1).repeat(2, axis=2), np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.face_expression", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_DATA"), help="folder that holds faces/")
    parser.add_argument("--reference", type=Path, help="float file of quantization.expression, for int8_loss")
    parser.add_argument("--quick", action="store_true", help="every tenth picture")
    chosen = parser.parse_args(argv)
    if chosen.data is None:
        parser.error("--data is needed, or set MIEN_DATA")
    result = measure(Path(chosen.data), quick=chosen.quick, reference=chosen.reference)
    print(table("face (expression)", result))
    for name, value in result.detail.items():
        print(f"  {name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
