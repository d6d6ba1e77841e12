"""A picture for people: what was perceived, drawn over the frame that it was perceived in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Eyes, FaceAffect, FaceSeen, Gaze, HeadPose, Observation, VideoFrame

_GREEN, _RED, _BLUE, _WHITE = (80, 220, 80), (70, 70, 240), (240, 150, 60), (255, 255, 255)

Canvas = npt.NDArray[np.uint8]


def draw(
    frame: VideoFrame, observations: Iterable[Observation], landmarks: Mapping[int, npt.NDArray[np.float32]]
) -> Canvas:
    """A copy of the frame, uint8 (h, w, 3) BGR: boxes, landmarks (pixels, by person), pose axes (red: the person's
    left, green: up, blue: forward), gaze arrows (white) and the figures in words."""
    pixels = frame.pixels
    canvas: Canvas = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels.copy())
    scale = max(0.4, canvas.shape[0] / 900)
    lines: dict[int, list[str]] = {}
    anchors: dict[int, tuple[int, int]] = {}
    for one in observations:
        if one.person is None:
            continue
        said = lines.setdefault(one.person, [])
        points = landmarks.get(one.person)
        match one:
            case FaceSeen():
                anchors[one.person] = _box(canvas, one)
                said.append(f"person {one.person}{'  partial' if one.partial else ''}")
                if points is not None:
                    for x, y in points[:, :2].astype(int):
                        cv2.circle(canvas, (int(x), int(y)), 0, _GREEN, -1)
            case HeadPose():
                said.append(f"head {one.yaw_deg:+.0f} {one.pitch_deg:+.0f} {one.roll_deg:+.0f}")
                if points is not None:
                    _axes(canvas, one, points)
            case Gaze():
                where = {True: "  here", False: "  away", None: ""}[one.on_target]
                said.append(f"gaze {one.yaw_deg:+.0f} {one.pitch_deg:+.0f}{where}")
                if points is not None:
                    _arrows(canvas, one, points)
            case Eyes():
                openness = "?" if one.openness is None else f"{one.openness:.1f}"
                said.append(f"eyes {openness}{'  shut' if one.closed else ''}  {one.drowsiness}")
            case FaceAffect():
                best = sorted(one.probs.items(), key=lambda item: -item[1])[:2]
                said.append("unclear" if one.unclear else "  ".join(f"{name} {value:.0%}" for name, value in best))
            case _:
                pass
    for person, anchor in anchors.items():
        _write(canvas, lines[person], anchor, scale)
    return canvas


def _box(canvas: Canvas, seen: FaceSeen) -> tuple[int, int]:
    height, width = canvas.shape[:2]
    x, y, w, h = seen.box
    left, top = int(x * width), int(y * height)
    cv2.rectangle(canvas, (left, top), (int((x + w) * width), int((y + h) * height)), _GREEN, 1)
    return int((x + w) * width) + 4, top


def _axes(canvas: Canvas, pose: HeadPose, points: npt.NDArray[np.float32]) -> None:
    yaw, pitch, roll = np.radians([pose.yaw_deg, pose.pitch_deg, -pose.roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    rotation = about_y @ about_x @ about_z
    nose = points[4, :2]
    length = 0.6 * float(np.ptp(points[:, 1]))
    for axis, colour in zip(rotation.T, (_RED, _GREEN, _BLUE), strict=True):
        end = nose + length * np.array([axis[0], -axis[1]])
        cv2.line(canvas, _at(nose), _at(end), colour, 2, cv2.LINE_AA)


def _arrows(canvas: Canvas, gaze: Gaze, points: npt.NDArray[np.float32]) -> None:
    yaw, pitch = np.radians([gaze.yaw_deg, gaze.pitch_deg])
    direction = np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    length = 0.8 * float(np.ptp(points[:, 1]))
    for iris in (468, 473):
        start = points[iris, :2]
        cv2.arrowedLine(canvas, _at(start), _at(start + length * direction), _WHITE, 1, cv2.LINE_AA, tipLength=0.15)


def _write(canvas: Canvas, lines: list[str], anchor: tuple[int, int], scale: float) -> None:
    step = int(34 * scale)
    widest = max(cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] for line in lines) + 8
    x = max(0, min(anchor[0], canvas.shape[1] - widest))
    y = max(0, min(anchor[1], canvas.shape[0] - step * len(lines) - 6))
    back = canvas[y : y + step * len(lines) + 6, x : x + widest]
    back[:] = back // 3
    for row, line in enumerate(lines):
        place = (x + 4, y + (row + 1) * step - 4)
        cv2.putText(canvas, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, 1, cv2.LINE_AA)


def _at(point: npt.NDArray[Any]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
