"""Make a network smaller and faster, and refuse the file if it loses too much."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

_HELP = """\
MODEL is an .onnx or float .tflite file. A recipe says how, and what it may cost: static (convolutions), litert (the
same for LiteRT, into a .tflite file), dynamic (linear layers), fp16 (half the bytes), landmarks, or a .toml file of
your own. Samples are .npz files with an array per input of the network, one row per sample, and `labels` for accuracy.
docs/quantize.md is the one page to follow.

  mien quantize net.onnx --recipe static --calibration train.npz --test test.npz --out net_int8.onnx
  mien quantize net.onnx --recipe litert --calibration train.npz --test test.npz --out net_int8.tflite
  mien quantize net.tflite --recipe fp16 --test test.npz --out net_half.onnx --json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien quantize …`; raises ModelError where the file is refused."""
    parser = argparse.ArgumentParser(
        prog="mien quantize", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument(
        "--recipe", required=True, metavar="NAME", help="static, litert, dynamic, fp16, landmarks or FILE.toml"
    )
    parser.add_argument("--calibration", type=Path, metavar="NPZ", help="samples to take ranges from (static, litert)")
    parser.add_argument("--test", type=Path, required=True, metavar="NPZ", help="other samples, to judge on")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .onnx or .tflite file to write")
    parser.add_argument("--card", metavar="NAME", help="also print a card to begin with, for a model of that name")
    parser.add_argument("--json", action="store_true", help="the report for machines")
    args = parser.parse_args(argv)

    from quantization import recipe
    from quantization.judge import Samples
    from quantization.workbench import quantize

    chosen = recipe.load(args.recipe)
    outcome = quantize(
        args.model,
        args.out,
        chosen,
        calibration=Samples.read(args.calibration) if args.calibration else None,
        test=Samples.read(args.test),
        progress=lambda line: print(f"  {line}", file=sys.stderr, flush=True),
    )
    if args.json:
        print(json.dumps({**asdict(outcome), "file": str(outcome.file), "ort": outcome.ort and str(outcome.ort)}))
    else:
        print(f"{outcome.file}: {outcome.file.stat().st_size / 1e3:.0f} kB")
        for name, value in outcome.figures.items():
            print(f"  {name:16} {value:8.4f}")
        for name, value in (outcome.ort_figures or {}).items():
            print(f"  .ort {name:11} {value:8.4f}")
        for name, error in outcome.layers.items():
            print(f"  {'float' if name in outcome.floats else 'int8':5}  {error:8.4f}  {name}")
    if args.card:
        print(_card(args.card, outcome.file, args.recipe, outcome.figures))
    return 0


def _card(name: str, file: Path, recipe: str, figures: dict[str, float]) -> str:
    content = file.read_bytes()
    measured = "\n".join(f"{key} = {value:.4f}" for key, value in figures.items())
    return f'''
# models/cards/{name}.toml; the file itself goes to models/weights/{file.name}
name = "{name}"
file = "{file.name}"
task = "what it tells, of what input"
licence = "whose it is"
origin = "where it comes from"
sha256 = "{hashlib.sha256(content).hexdigest()}"
bytes = {len(content)}
limits = ["what it cannot do"]

[[source]]
kind = "committed"

[metrics]
{measured}

[training]
recipe = "mien quantize --recipe {recipe}"'''
