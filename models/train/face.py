"""Recipe of the expression net: `python -m models.train.face --data $MIEN_DATA --out DIR`.

Soft vote labels, heavy augmentation, rare classes drawn more often, cosine learning rate, and an exponential average of
the weights, which is what gets exported. The first 40 % of the epochs see smaller pictures, which costs half the time.

A wide net learns first (`--wide`). The shipped one starts as that net without its weakest channels (`--start WIDE`) and
learns from what that net says of each picture as well as from the votes, then once more from what both say together
(`--start NARROW WIDE`).

One CPU core is enough (about a minute an epoch). Ctrl-C stops after the running step; `--resume` goes on from the last
whole epoch, also with another `--epochs`.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.errors import ModelError
from models.expression import INPUT_SIZE, standardise
from models.train.face_augment import Grey, augment
from models.train.face_data import Faces, load
from models.train.face_export import export
from models.train.face_net import FaceNet, from_state, narrowed
from models.train.face_plan import Plan, chances, score, taught
from models.train.face_widths import SHIPPED, WIDE, Widths

BATCH = 96
WEIGHT_DECAY = 5e-4
AVERAGE = 0.999  # per step: about 3.5 epochs
JUDGED_ON = 1024  # pictures that say which channels are weak


class Training:
    """Everything that has to survive an interruption."""

    def __init__(
        self, epochs: int, seed: int, net: FaceNet | None = None, inside: Widths = SHIPPED, *, last: bool = False
    ) -> None:
        """Begin with `net`, or with a fresh one of widths `inside`; the `last` run of all ends on milder damage."""
        torch.manual_seed(seed)
        self.seed = seed
        self.epoch = 0
        self.step = 0
        self.plan = Plan(epochs, later=net is not None, last=last)
        self.net = (net or FaceNet(inside)).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).eval()
        weights = [one for one in self.net.parameters() if one.ndim > 1]
        others = [one for one in self.net.parameters() if one.ndim == 1]
        self.optimiser = torch.optim.SGD(
            [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
            lr=self.plan.rate(0.0),
            momentum=0.9,
            nesterov=True,
            foreach=True,
        )

    def run_epoch(self, faces: Faces, votes: npt.NDArray[np.float32], chances: npt.NDArray[np.float64]) -> float:
        """One pass over as many pictures as there are; gives the mean loss."""
        rng = np.random.default_rng((self.seed, self.epoch))
        drawn = rng.choice(len(faces), len(faces), p=chances)
        steps = len(drawn) // BATCH
        total = 0.0
        side, strength = self.plan.stage(self.epoch)
        self.net.train()
        for index in tqdm(
            range(steps), desc=f"epoch {self.epoch + 1}/{self.plan.epochs}", leave=False, mininterval=5.0
        ):
            rows = drawn[index * BATCH : (index + 1) * BATCH]
            drawings = [augment(faces.pixels[row], rng, strength) for row in rows]
            if side != INPUT_SIZE:
                drawings = [
                    np.asarray(cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
                    for one in drawings
                ]
            pictures = standardise(np.stack(drawings))
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.rate(self.epoch + index / steps)
            total += self._learn(torch.from_numpy(pictures), torch.from_numpy(votes[rows]))
        self.epoch += 1
        return total / steps

    def _learn(self, pictures: Tensor, votes: Tensor) -> float:
        logits = self.net(pictures.contiguous(memory_format=torch.channels_last))
        loss = -(votes * torch.log_softmax(logits, 1)).sum(1).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
                if slow.is_floating_point():
                    slow.lerp_(fast, 1 - keep)
                else:
                    slow.copy_(fast)
        return float(loss.detach())

    def save(self, file: Path) -> None:
        """Write all state; the old file stays until the new one is whole."""
        fresh = file.with_suffix(".new")
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "seed": self.seed,
        }
        torch.save(state, fresh)
        os.replace(fresh, file)

    def restore(self, file: Path) -> None:
        """Go on from `save`. Raises ModelError where the file is of another recipe."""
        state: dict[str, Any] = torch.load(file, weights_only=True)
        try:
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ModelError(f"{file} is of another recipe: train without --resume") from error
        self.epoch, self.step, self.seed = state["epoch"], state["step"], state["seed"]


def earlier(file: Path) -> FaceNet:
    """The averaged net of an earlier run's checkpoint. Raises ModelError where `file` is of another net."""
    state: dict[str, Any] = torch.load(file, weights_only=True)
    try:
        return from_state(state["average"])
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{file} is of another net: train without --start") from error


def taught_by(votes: npt.NDArray[np.float32], teachers: Sequence[nn.Module], pixels: Grey) -> npt.NDArray[np.float32]:
    """The votes (N, 8), with a share of what `teachers` say of the untouched pictures and their mirror images."""
    both = (pixels, np.ascontiguousarray(pixels[:, :, ::-1]))
    return taught(votes, [logits_of(teacher, side) for teacher in teachers for side in both])


def logits_of(net: nn.Module, pixels: Grey) -> npt.NDArray[np.float32]:
    """(N, 48, 48) -> (N, 8), without augmentation."""
    net.eval()
    with torch.inference_mode():
        parts = [net(torch.from_numpy(standardise(pixels[at : at + 256]))).numpy() for at in range(0, len(pixels), 256)]
    return np.concatenate(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Train, keep a checkpoint after each epoch and export `expression_f32.onnx` after the last."""
    parser = argparse.ArgumentParser(prog="mien train face", description="Train the facial-expression net on FER+.")
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_DATA"), help="folder that holds faces/")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint.pt and expression_f32.onnx")
    parser.add_argument("--epochs", type=int, default=54)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    width = parser.add_mutually_exclusive_group()
    width.add_argument("--wide", action="store_true", help="train the wide net, which then teaches the shipped one")
    width.add_argument(
        "--start",
        type=Path,
        nargs="+",
        help="checkpoint.pt of an earlier run, to begin with and to learn from; more of them, to learn from as well, "
        "make this the last run, which ends on milder damage",
    )
    chosen = parser.parse_args(argv)
    if chosen.data is None:
        parser.error("--data is needed, or set MIEN_DATA")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    cv2.setNumThreads(0)
    chosen.out.mkdir(parents=True, exist_ok=True)
    checkpoint = chosen.out / "checkpoint.pt"
    try:
        faces, valid = load(chosen.data, "train"), load(chosen.data, "valid").decided()
        if chosen.start is None:
            votes, training = faces.votes, Training(chosen.epochs, chosen.seed, inside=WIDE if chosen.wide else SHIPPED)
        else:
            teachers = [earlier(file) for file in chosen.start]
            votes = taught_by(faces.votes, teachers, faces.pixels)
            some = torch.from_numpy(standardise(faces.pixels[:JUDGED_ON]))
            net = narrowed(teachers[0], SHIPPED, some)
            training = Training(chosen.epochs, chosen.seed, net, last=len(teachers) > 1)
        if chosen.resume:
            training.restore(checkpoint)
    except (ModelError, FileNotFoundError) as error:
        print(f"mien train face: {error}", file=sys.stderr)
        return 1
    weights = chances(faces.votes)
    try:
        while training.epoch < chosen.epochs:
            loss = training.run_epoch(faces, votes, weights)
            training.save(checkpoint)
            now = score(logits_of(training.average, valid.pixels), valid.majority)
            print(
                f"epoch {training.epoch}: loss {loss:.3f}, valid accuracy {100 * now.accuracy:.1f} %, "
                f"macro recall {100 * now.macro_recall:.1f} %",
                flush=True,
            )
    except KeyboardInterrupt:
        print(f"stopped after epoch {training.epoch}: go on with --resume", file=sys.stderr)
        return 130
    export(training.average, chosen.out / "expression_f32.onnx")
    return 0


if __name__ == "__main__":
    sys.exit(main())
