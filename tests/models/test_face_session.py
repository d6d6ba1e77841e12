"""The face networks give the same on both engines, and the second takes over without being asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import face_session, store
from models.blendshapes import Blendshapes
from models.errors import ModelMissing, RuntimeMissing
from models.face_detector import FaceDetector
from models.face_landmarks import FaceLandmarks
from models.session import Session, open_session
from tests.models.face_nets import nets
from tests.models.test_face_landmarks import read
from tests.sim.heads import Look, draw

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    """The three networks as ONNX, built from those in the store."""
    from quantization.tflite_onnx import build_onnx

    folder = tmp_path_factory.mktemp("onnx")
    found = {}
    for name in ("face_detector", "face_landmarks", "face_blendshapes"):
        try:
            source = store.path(name)
        except ModelMissing as error:
            pytest.skip(str(error))
        build_onnx({name: source}, folder / f"{name}.onnx")
        found[name] = open_session(folder / f"{name}.onnx")
    return found


def test_both_engines_see_the_same_face(built: dict[str, Session]) -> None:
    """Boxes, points and movements agree to a hundredth of a pixel and a thousandth of a movement."""
    detector, landmarks, blendshapes = nets()
    picture = draw(Look(yaw=15, smile=0.5), face=170)
    face = read(picture)
    (mine,), (other,) = detector.detect(picture), FaceDetector(built["face_detector"]).detect(picture)
    assert other.box == pytest.approx(mine.box, abs=0.01)
    assert other.score == pytest.approx(mine.score, abs=1e-4)
    points = FaceLandmarks(built["face_landmarks"]).read(picture, face.roi)
    assert np.abs(points.points - landmarks.read(picture, face.roi).points).max() < 0.01
    assert points.presence == pytest.approx(face.presence, abs=1e-4)
    moved = Blendshapes(built["face_blendshapes"]).read(face.points)
    assert moved == pytest.approx(blendshapes.read(face.points), abs=1e-3)


def test_the_file_is_the_one_that_the_card_names(tmp_path: Path) -> None:
    """Building is reproducible, so that the store can pin it."""
    from models import card
    from quantization.tflite_onnx import build_onnx

    for name in ("face_detector", "face_landmarks", "face_blendshapes"):
        try:
            build_onnx({name: store.path(name)}, tmp_path / "x.onnx")
        except ModelMissing as error:
            pytest.skip(str(error))
        assert store._sha256(tmp_path / "x.onnx") == card.read(f"{name}_onnx").sha256


def test_without_litert_onnx_runtime_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """RuntimeMissing for the TFLite file opens the ONNX one; other errors pass."""
    asked: list[str] = []

    def open_model(name: str) -> Session:
        asked.append(name)
        if not name.endswith("_onnx"):
            raise RuntimeMissing("no LiteRT")
        raise ModelMissing(f"run `mien models pull {name}`")

    monkeypatch.setattr(face_session, "open_model", open_model)
    with pytest.raises(ModelMissing, match="face_detector_onnx"):
        FaceDetector()
    assert asked == ["face_detector", "face_detector_onnx"]
