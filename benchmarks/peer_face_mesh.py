"""MediaPipe on the pictures that the face chain is measured on; run by an interpreter that has mediapipe==0.10.14.

`python peer_face_mesh.py PICTURES.npy [face_landmarker.task]` prints one JSON line: `cpu_ms` of each picture while
tracking (FaceMesh, refined landmarks, one face), and, with the task file, `pose` (yaw, pitch, roll in degrees).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import cv2
import mediapipe as mp  # type: ignore[import-not-found,unused-ignore]
import numpy as np


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    pictures = [cv2.cvtColor(one, cv2.COLOR_BGR2RGB) for one in np.load(sys.argv[1])]
    mesh = mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=1)
    spent = []
    for picture in pictures:
        before = time.process_time()
        mesh.process(picture)
        spent.append((time.process_time() - before) * 1e3)
    poses = _poses(pictures, sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else []
    print(json.dumps({"cpu_ms": spent[3:], "pose": poses}))


def _poses(pictures: list[Any], task: str) -> list[list[float]]:
    from mediapipe.tasks.python import (  # type: ignore[import-not-found,unused-ignore]
        BaseOptions,
        vision,
    )

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=task), output_facial_transformation_matrixes=True
    )
    found = []
    with vision.FaceLandmarker.create_from_options(options) as reader:
        for picture in pictures:
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=picture)
            found.append(_angles(reader.detect(image).facial_transformation_matrixes[0][:3, :3]))
    return found


def _angles(rotation: Any) -> list[float]:
    x, y, z = rotation[:, 2] / np.linalg.norm(rotation[:, 2])
    yaw, pitch = np.arctan2(x, z), np.arcsin(np.clip(y, -1, 1))
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    upright = (about_y @ about_x).T @ rotation
    roll = -np.arctan2(upright[1, 0], upright[0, 0])
    return [float(value) for value in np.degrees([yaw, pitch, roll])]


if __name__ == "__main__":
    main()
