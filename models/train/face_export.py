"""A trained FaceNet as a float ONNX file, which `quantization.expression` turns into the shipped int8 one."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from models.expression import INPUT_SIZE

OPSET = 17


def export(net: nn.Module, file: Path) -> None:
    """Write `net` with input `face` (N, 1, 48, 48) float32, standardised, and output `logits` (N, 8) float32.

    Batch norms are folded into the convolutions by the exporter.
    """
    net.eval().to(memory_format=torch.contiguous_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, but is the one that folds batch norms
        torch.onnx.export(
            net,
            (torch.zeros(1, 1, INPUT_SIZE, INPUT_SIZE),),
            str(file),
            input_names=["face"],
            output_names=["logits"],
            dynamic_axes={"face": {0: "n"}, "logits": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
