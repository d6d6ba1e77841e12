"""Build the speech activity network anew: the same numbers for half the work.

The published graph (Silero 6.2, 16 kHz) takes any length of sound: it works out shapes, pads, and joins the recurrent
cell's weights anew at each call, half a megabyte copied for every 32 ms. Here the length is fixed to one chunk with the
end of the one before, the weights are constants in the order that the engine wants, and each layer is one product.

The file is a pure function of the published one, byte for byte. `python -m quantization.speech_activity` measures both,
as the card's figures were.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models import store
from models.session import Session, open_session

SAMPLES = 576  # 512 of the chunk, after 64 of the one before
_FRAME, _STEP, _FRAMES = 256, 128, 4
_BINS, _WIDTH = 129, 128
_OPSET, _IR_VERSION = 20, 10

Array = npt.NDArray[np.float32]


def build_speech_activity(inputs: Mapping[str, Path], out: Path) -> None:
    """Recipe of card `speech_activity`: `inputs["speech_activity_published"]` → the rebuilt ONNX file at `out`."""
    published = onnx.load(str(inputs["speech_activity_published"]))
    weights = {one.name.removeprefix("model."): numpy_helper.to_array(one) for one in published.graph.initializer}
    out.write_bytes(speech_activity_graph(weights).SerializeToString(deterministic=True))


def speech_activity_graph(weights: Mapping[str, Array]) -> onnx.ModelProto:
    """The network as ONNX.

    Inputs: `sound` (1, 576) float32 in [-1, 1], `state` (2, 1, 128) float32, zeros at first. Outputs: `probability`
    (1, 1), `next_state` (2, 1, 128).
    """
    g = _Graph()
    frames = g.op("Gather", ["sound", g.ints("frame_samples", _frame_samples())], "frames", axis=1)  # (1, 4, 256)
    waves = g.op("MatMul", [frames, g.floats("waves.weight", weights["stft.forward_basis_buffer"][:, 0].T)], "waves")
    parts = g.op("Reshape", [waves, g.ints("to_parts", [_FRAMES, 2, _BINS])], "parts")  # cosine, sine
    x = g.op("ReduceL2", [parts, g.ints("over_parts", [1])], "spectrum", keepdims=0)  # (4, 129)
    for layer, (frames_left, stride) in enumerate(((4, 1), (4, 2), (2, 2), (1, 1))):
        name = f"encoder.{layer}.reparam_conv"
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]  # (out, in, 3)
        if frames_left == _FRAMES:
            x = g.neighbours(x, name, range(0, _FRAMES, stride), weight.shape[1])
            taps = [0, 1, 2]
        else:  # one frame comes out: all that it sees is one row already, but for the padding
            x = g.op("Reshape", [x, g.ints(f"{name}.row", [1, -1])], f"{name}.rows")
            taps = list(range(1, 1 + frames_left))
        matrix = np.concatenate([weight[:, :, tap].T for tap in taps])
        product = g.op("Gemm", [x, g.floats(f"{name}.weight", matrix), g.floats(f"{name}.bias", bias)], name)
        x = g.op("Relu", [product], f"{name}.relu")
    x = g.op("Reshape", [x, g.ints("to_step", [1, 1, _WIDTH])], "step")
    hidden, cell = (
        g.op("Slice", ["state", g.ints(f"from_{n}", [n]), g.ints(f"to_{n}", [n + 1])], f"state_{n}") for n in range(2)
    )
    inner = [x, *(g.floats(f"rnn.{one}", value) for one, value in _cell(weights).items()), "", hidden, cell]
    new_hidden, new_cell = g.cell(inner)
    g.op("Concat", [new_hidden, new_cell], "next_state", axis=0)
    x = g.op("Reshape", [g.op("Relu", [new_hidden], "heard"), g.ints("to_row", [1, _WIDTH])], "heard_row")
    last = weights["decoder.decoder.2.weight"][:, :, 0].T, weights["decoder.decoder.2.bias"]
    product = g.op("Gemm", [x, g.floats("last.weight", last[0]), g.floats("last.bias", last[1])], "last")
    g.op("Sigmoid", [product], "probability")
    return g.model()


def _frame_samples() -> list[list[int]]:
    """Which sample stands where in each frame; the end is mirrored by half a frame's step."""
    mirrored = [*range(SAMPLES), *range(SAMPLES - 2, SAMPLES - 2 - _STEP // 2, -1)]
    return [mirrored[n * _STEP : n * _STEP + _FRAME] for n in range(_FRAMES)]


def _cell(weights: Mapping[str, Array]) -> dict[str, Array]:
    """The recurrent cell's weights: ONNX wants the gates as input, output, forget, cell; PyTorch's has output last."""

    def turned(name: str) -> Array:
        parts = np.split(weights[f"decoder.rnn.{name}"], 4)
        return np.concatenate([parts[n] for n in (0, 3, 1, 2)])

    return {
        "input": turned("weight_ih")[None],
        "recurrent": turned("weight_hh")[None],
        "bias": np.concatenate([turned("bias_ih"), turned("bias_hh")])[None],
    }


class _Graph:
    """Collects nodes and constants under stable names."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def op(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def cell(self, inputs: list[str]) -> tuple[str, str]:
        """One step of the recurrent cell; its new hidden and cell state, (1, 1, 128) each."""
        outputs = ("hidden", "cell")
        self._nodes.append(helper.make_node("LSTM", inputs, ["", *outputs], name="rnn", hidden_size=_WIDTH))
        return outputs

    def neighbours(self, x: str, name: str, starts: Iterable[int], width: int) -> str:
        """Rows of three frames each, from the one before `starts` on; beyond the ends are zeros. `x`: (4, width)."""
        padded = self.op("Pad", [x, self.ints(f"{name}.a_frame_around", [1, 0, 1, 0])], f"{name}.padded")
        rows = [[start, start + 1, start + 2] for start in starts]
        seen = self.op("Gather", [padded, self.ints(f"{name}.seen", rows)], f"{name}.around", axis=0)
        return self.op("Reshape", [seen, self.ints(f"{name}.to_rows", [len(rows), 3 * width])], f"{name}.rows")

    def floats(self, name: str, value: Array) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def ints(self, name: str, value: object) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value, np.int64), name))
        return name

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "speech_activity",
            [
                helper.make_tensor_value_info("sound", TensorProto.FLOAT, [1, SAMPLES]),
                helper.make_tensor_value_info("state", TensorProto.FLOAT, [2, 1, _WIDTH]),
            ],
            [
                helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1, 1]),
                helper.make_tensor_value_info("next_state", TensorProto.FLOAT, [2, 1, _WIDTH]),
            ],
            initializer=self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="mien", ir_version=_IR_VERSION
        )
        onnx.checker.check_model(model)
        return model


_CHUNKS, _CACHE_BYTES = 300, 64 << 20


def main() -> int:
    """Print CPU time of a chunk of noise that comes and goes, with warm and with emptied caches, and what differs."""
    rng = np.random.default_rng(0)
    loud = np.abs(np.sin(np.arange(_CHUNKS) / 9))[:, None] * 0.3
    chunks = (rng.normal(0, 1, (_CHUNKS, SAMPLES)) * loud).clip(-1, 1).astype(np.float32)
    ours, published = (open_session(store.path(f"speech_activity{name}")) for name in ("", "_published"))
    kinds = ((ours, "", ()), (published, "_as_published", (np.array(16_000, np.int64),)))
    heard = {
        f"cpu_ms_per_chunk{'_cold' if cold else ''}{name}": _hear(net, chunks, more, cold=cold)
        for net, name, more in kinds
        for cold in (False, True)
    }
    for name, (ms, _) in heard.items():
        print(f"{name} = {ms:.2f}")
    moved = np.abs(heard["cpu_ms_per_chunk"][1] - heard["cpu_ms_per_chunk_as_published"][1]).max()
    print(f"probability_moves_by_at_most = {moved:.6f}")
    return 0


def _hear(net: Session, chunks: Array, more: tuple[npt.NDArray[np.int64], ...], *, cold: bool) -> tuple[float, Array]:
    """CPU of a chunk in ms, median, and the probabilities."""
    other, state = np.zeros(_CACHE_BYTES, np.uint8), np.zeros((2, 1, _WIDTH), np.float32)
    spent, found = [], []
    for chunk in chunks:
        if cold:
            other += 1  # takes the caches
        before = time.process_time()
        probability, state = net.run(chunk[None], state, *more)
        spent.append((time.process_time() - before) * 1e3)
        found.append(float(probability.reshape(-1)[0]))
    return float(np.median(spent)), np.array(found, np.float32)


if __name__ == "__main__":
    sys.exit(main())
