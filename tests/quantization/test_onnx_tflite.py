"""The two shipped files of the expression net are one net, and what cannot be carried over is refused."""

from __future__ import annotations

import numpy as np
import pytest

from models import store
from models.expression import ExpressionNet

onnx = pytest.importorskip("onnx")


def test_the_shipped_twin_is_made_of_the_shipped_net() -> None:
    """Byte for byte: nobody can ship one and forget the other."""
    from quantization.onnx_tflite import convert

    assert convert(onnx.load(store.path("expression_onnx"))) == store.path("expression").read_bytes()


def test_both_engines_say_the_same() -> None:
    """On noise of every contrast, probabilities agree to four digits and the bar is one."""
    rng = np.random.default_rng(8)
    crops = np.clip(rng.normal(128, rng.uniform(5, 90, (40, 1, 1)), (40, 48, 48)), 0, 255).astype(np.uint8)
    mine, other = ExpressionNet(store.path("expression")), ExpressionNet(store.path("expression_onnx"))
    assert np.abs(mine.probabilities(crops) - other.probabilities(crops)).max() < 1e-3
    assert [mine.read(one).unclear for one in crops] == [other.read(one).unclear for one in crops]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda node: node.attribute[1].CopyFrom(onnx.helper.make_attribute("group", 2)), "plain convolutions"),
        (lambda node: setattr(node, "op_type", "ConvTranspose"), "ConvTranspose"),
    ],
)
def test_other_networks_are_refused(change, said: str) -> None:
    """Nothing is left out silently."""
    from quantization.onnx_tflite import convert

    model = onnx.load(store.path("expression_onnx"))
    node = next(one for one in model.graph.node if one.op_type == "Conv")
    assert node.attribute[1].name == "group"
    change(node)
    with pytest.raises(ValueError, match=said):
        convert(model)
