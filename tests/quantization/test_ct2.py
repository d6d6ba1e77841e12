"""The CTranslate2 reader gives back what was written, and names what is wrong with a bad file."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantization.ct2 import Ct2FormatError, Ct2Weights


def _text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def _model(arrays: dict[str, npt.NDArray[np.generic]], *, aliases: dict[str, str] | None = None) -> bytes:
    kinds = {"<f4": 0, "|i1": 1, "<i2": 2, "<i4": 3, "<f2": 4}
    out = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data = array.tobytes()
        out += _text(name) + struct.pack("<B", array.ndim)
        out += struct.pack(f"<{array.ndim}I", *array.shape)
        out += struct.pack("<BI", kinds[array.dtype.str], len(data)) + data
    pairs = aliases or {}
    out += struct.pack("<I", len(pairs))
    for alias, name in pairs.items():
        out += _text(alias) + _text(name)
    return out


_ARRAYS: dict[str, npt.NDArray[np.generic]] = {
    "a/weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b/heads": np.array(6, dtype=np.int16),
    "c/int8": np.array([-1, 2], dtype=np.int8),
}


def test_arrays_and_aliases_come_back_as_they_were_stored() -> None:
    """Shapes, types, values and aliases survive the round trip."""
    weights = Ct2Weights(_model(_ARRAYS, aliases={"tied": "a/weight"}))
    assert weights.spec == "WhisperSpec"
    assert set(weights) == {*_ARRAYS, "tied"}
    for name, array in _ARRAYS.items():
        assert weights[name].dtype == array.dtype
        np.testing.assert_array_equal(weights[name], array)
    np.testing.assert_array_equal(weights.f32("tied"), _ARRAYS["a/weight"])


def test_unknown_variable_names_the_cause() -> None:
    """A missing variable is a typed error that carries its name."""
    with pytest.raises(Ct2FormatError, match="no/such"):
        Ct2Weights(_model(_ARRAYS)).f32("no/such")


@settings(max_examples=60)
@given(st.data())
def test_a_cut_file_is_refused(data: st.DataObject) -> None:
    """Wherever the file is cut, the reader says so instead of returning half a model."""
    whole = _model(_ARRAYS, aliases={"tied": "a/weight"})
    cut = data.draw(st.integers(0, len(whole) - 1))
    end_of_variables = len(_model(_ARRAYS)) - 4
    if cut == end_of_variables:  # older files end here, without an alias table
        return
    with pytest.raises(Ct2FormatError):
        Ct2Weights(whole[:cut])


def test_other_versions_are_refused() -> None:
    """A version that the layout is not known for is never guessed at."""
    with pytest.raises(Ct2FormatError, match="version 7"):
        Ct2Weights(struct.pack("<I", 7) + b"\0" * 64)
