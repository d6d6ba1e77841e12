"""The face networks, loaded once for all tests; a test skips where they were not pulled."""

from __future__ import annotations

from functools import cache

import pytest

from models.blendshapes import Blendshapes
from models.errors import ModelMissing
from models.face_detector import FaceDetector
from models.face_landmarks import FaceLandmarks


@cache
def _nets() -> tuple[FaceDetector, FaceLandmarks, Blendshapes]:
    return FaceDetector(), FaceLandmarks(), Blendshapes()


def nets() -> tuple[FaceDetector, FaceLandmarks, Blendshapes]:
    """Detector, landmarks and blendshapes."""
    try:
        return _nets()
    except ModelMissing as error:
        pytest.skip(str(error))
