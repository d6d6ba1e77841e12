"""One face followed through the pictures: what it shows now, when it was last looked at, and whether it moved since."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from edge.perceive import face_geometry as geometry
from edge.perceive.attention import EyeState, GazeTarget
from edge.types import Eyes, FaceSeen, Gaze, HeadPose, Observation
from models.face_detector import Picture
from models.face_landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, Face, Roi, roi_from_landmarks

_PATCH = 24  # pixels across the small grey picture that tells whether a face moved
_EYES = (slice(5, 11), slice(4, 20))  # where the eyes are in it
_MOVED, _EYES_MOVED = 0.10, 0.06  # mean change, of the face's contrast; a blink changes the eyes by 0.08 and more
_NOISE = 1.2  # grey levels that a camera's noise may change

Box = tuple[float, float, float, float]


class FaceTrack:
    """One person's face. `turns`: counter-clockwise quarter turns that set the camera's picture upright.

    `box`: x, y, w, h in pixels, around the landmarks; `eye_distance`: pixels between the outer corners of the eyes, as
    if the head were not turned.
    """

    def __init__(self, person: int, face: Face, t_s: float, light: Picture, turns: int = 0) -> None:
        self.person = person
        self.turns = turns
        self.seen_s = t_s  # when the face was last seen for sure
        self.affect_s = float("-inf")  # when the expression was last read
        self.movements: dict[str, float] = {}  # action units
        self.movements_s = float("-inf")
        self._eyes = EyeState()
        self._target = GazeTarget()
        self._lids: tuple[float, float] | None = None  # eye aspect ratio, mouth opening
        self._look: tuple[float, float] | None = None  # yaw, pitch
        self._emitted = FaceSeen(t_s=t_s, box=(0.0, 0.0, 0.0, 0.0), presence=0.0)
        self.take(face, t_s, light)

    def take(self, face: Face, t_s: float, light: Picture) -> None:
        """New landmarks, read at `t_s` from the picture whose lightness is `light`."""
        self.face = face
        self.looked_s = self.seen_s = t_s
        self.present = True
        self.box = box_of(face)
        self.eye_distance = math.dist(*face.points[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER]].tolist())
        self.roi = roi_from_landmarks(face.points)
        self._patch = _patch(light, self.roi)
        self._contrast = float(cv2.meanStdDev(self._patch)[1][0, 0])
        self.upright = _set_upright(face.points, self.turns)
        self.pose = geometry.head_pose(self.upright)

    def moved(self, light: Picture) -> bool:
        """Whether the face or its eyes look other than when the landmarks were last read: far cheaper than reading
        them again."""
        change = cv2.absdiff(_patch(light, self.roi), self._patch)
        face, eyes = cv2.mean(change)[0], cv2.mean(change[_EYES])[0]
        return face > max(_MOVED * self._contrast, _NOISE) or eyes > max(_EYES_MOVED * self._contrast, _NOISE)

    def partial(self, width: int, height: int) -> bool:
        """Whether half the face is out of the picture, or turned too far to read an expression."""
        x, y, w, h = self.box
        inside = max(0.0, min(x + w, width) - max(x, 0.0)) * max(0.0, min(y + h, height) - max(y, 0.0))
        return inside < 0.75 * w * h or abs(self.pose.yaw_deg) > 45.0 or abs(self.pose.pitch_deg) > 40.0

    def observe(self, width: int, height: int, quality: float) -> list[Observation]:
        """What the landmarks just taken tell."""
        t_s, pose, points = self.looked_s, self.pose, self.upright
        opening = geometry.mouth_open(points)
        x, y, w, h = self.box
        self._emitted = FaceSeen(
            t_s=t_s,
            person=self.person,
            quality=quality,
            box=(x / width, y / height, w / width, h / height),
            presence=self.face.presence,
            mouth_open=opening,
            partial=self.partial(width, height),
        )
        head = HeadPose(
            t_s=t_s,
            person=self.person,
            quality=quality,
            yaw_deg=pose.yaw_deg,
            pitch_deg=pose.pitch_deg,
            roll_deg=pose.roll_deg,
        )
        found: list[Observation] = [self._emitted, head]
        self._lids = self._look = None
        if abs(pose.yaw_deg) > 60.0 or self.eye_distance < 18.0:  # lids cannot be told apart
            return found
        ear = float(geometry.near_eye(geometry.eye_aspect_ratio(points), pose))
        self._lids = ear, opening
        state = self._eyes.update(t_s, ear, opening)
        found.append(
            Eyes(
                t_s=t_s,
                person=self.person,
                quality=quality,
                ear=ear,
                openness=state.openness,
                closed=state.closed,
                blink_per_min=state.blink_per_min,
                perclos=state.perclos,
                window_s=state.window_s,
                yawning=state.yawning,
                drowsiness=state.drowsiness,
            )
        )
        sees = ear > 0.14 and (state.openness is None or state.openness > 0.4) and self.eye_distance > 26.0
        look = geometry.gaze(points, pose) if sees else None
        self._look = look
        if look is not None:
            on_target = self._target.update(t_s, *look)
            found.append(
                Gaze(
                    t_s=t_s,
                    person=self.person,
                    quality=quality,
                    yaw_deg=look[0],
                    pitch_deg=look[1],
                    on_target=on_target,
                )
            )
        return found

    def still(self, t_s: float) -> FaceSeen:
        """The face is where it was: said of a picture that showed no change."""
        last = self._emitted
        self.seen_s = t_s
        if self._lids is not None:  # time passes with lids and look as they were
            self._eyes.update(t_s, *self._lids)
        if self._look is not None:
            self._target.update(t_s, *self._look)
        return FaceSeen(
            t_s=t_s,
            person=self.person,
            quality=last.quality,
            box=last.box,
            presence=last.presence,
            mouth_open=last.mouth_open,
            partial=last.partial,
        )

    def covers(self, box: Box) -> bool:
        """Whether `box` (pixels) is this face: its middle lies near this one's, and the sizes are alike."""
        x, y, w, h = self.box
        other_x, other_y, other_w, other_h = box
        size, other = max(w, h), max(other_w, other_h)
        off = math.hypot(x + w / 2 - other_x - other_w / 2, y + h / 2 - other_y - other_h / 2)
        return off < 0.5 * max(size, other) and 0.4 < size / max(other, 1e-6) < 2.5


def box_of(face: Face) -> Box:
    """x, y, w, h in pixels, around a face's landmarks."""
    x, y, _ = face.points.T
    left, top = float(x.min()), float(y.min())
    return left, top, float(x.max()) - left, float(y.max()) - top


def _patch(picture: Picture, roi: Roi) -> npt.NDArray[np.float32]:
    """The face at the place `roi`, small and grey: float32 (24, 24)."""
    half = roi.side / 3.0  # the square is half as large again as the face
    x0, x1 = max(0, int(roi.x - half)), int(roi.x + half)
    y0, y1 = max(0, int(roi.y - half)), int(roi.y + half)
    step = max(1, int(half / _PATCH))
    part = picture[y0:y1:step, x0:x1:step]
    if part.size == 0:
        return np.zeros((_PATCH, _PATCH), np.float32)
    if part.ndim == 3:
        part = part[:, :, 1]  # green is the lightness nearly
    small = cv2.resize(part, (_PATCH, _PATCH), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _set_upright(points: geometry.Points, turns: int) -> geometry.Points:
    for _ in range(turns % 4):
        points = np.stack([points[:, 1], -points[:, 0], points[:, 2]], axis=1)
    return points
