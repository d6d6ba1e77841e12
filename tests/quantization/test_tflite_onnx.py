"""What is no plain TFLite network is refused with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file without TFLite's mark is named as such."""
    from quantization.tflite import read

    file = tmp_path / "x.tflite"
    file.write_bytes(b"\0" * 64)
    with pytest.raises(ValueError, match="no TFLite file"):
        read(file)


def test_an_unknown_operator_is_refused() -> None:
    """Nothing is left out silently."""
    from quantization.tflite import Network, Operator, Table
    from quantization.tflite_onnx import convert

    strange = Operator("ROLL", [0], [1], Table(b"", 0))
    with pytest.raises(ValueError, match="ROLL"):
        convert(Network(["a", "b"], [[1], [1]], {}, [strange], [0], [1]))
