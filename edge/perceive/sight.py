"""What the camera tells of the people in view: pictures in, observations out.

Landmarks follow landmarks; the detector works only to find newcomers and those who were lost. A face is looked at
closely when it moved, and now and then when it did not.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.perceive.face_action_units import action_units
from edge.perceive.face_geometry import Points
from edge.perceive.face_search import Search
from edge.perceive.face_track import FaceTrack, box_of
from edge.types import FaceAffect, FaceLost, Observation, VideoFrame
from models.blendshapes import Blendshapes
from models.errors import ModelError
from models.face_detector import Detection, FaceDetector, Picture
from models.face_landmarks import Face, FaceLandmarks, Roi, roi_from_detection, roi_from_landmarks
from models.session import give_back_pages

if TYPE_CHECKING:
    from models.expression import ExpressionNet

_log = logging.getLogger(__name__)

_PRESENT = 0.5  # of the landmark net, to go on with a face
_NEW = 0.8  # to believe in a new one
_LOST_AFTER_S = 0.6
_STILL_HZ = 6.0  # how often a face is looked at that does not move
_MOVEMENTS_HZ = 4.0  # action units are evidence for words, and cost four times what the expression does
_FACE_SHARE = 1.05 / 1.5  # of the landmarks' square: 1.05 times the landmarks' box


class Sight:
    """Follows up to `max_people` faces. Raises ModelError where a network is missing.

    With `affect`, expressions are read too; where that network is missing they are left out, and the log says so once.
    """

    def __init__(self, *, affect: bool, max_people: int = 3) -> None:
        cv2.setNumThreads(1)  # on one core a pool of threads only costs
        give_back_pages()  # of importing, before loading takes its own: the peak is 20 MB lower
        self._search = Search(FaceDetector())
        self._landmarks = FaceLandmarks()
        self._blendshapes: Blendshapes | None = None
        self._expression: ExpressionNet | None = None
        if affect:
            self._load_expression()
        give_back_pages()
        self._max_people = max_people
        self._frame_hz: float | None = None
        self._expression_hz = 8.0
        self._on = self._feels = True
        self._still_hz = _STILL_HZ
        self._next_person = 1
        self._turns = 0  # counter-clockwise quarter turns that set the camera's pictures upright
        self._last_s = float("-inf")
        self.tracks: list[FaceTrack] = []

    def _load_expression(self) -> None:
        try:
            from models.expression import ExpressionNet

            self._expression = ExpressionNet()
            self._blendshapes = Blendshapes()
        except ModelError as error:
            _log.warning("expressions are not read: %s", error)

    def set_rate(
        self,
        *,
        frame_hz: float | None = None,
        expression_hz: float = 8.0,
        on: bool = True,
        still_hz: float = _STILL_HZ,
    ) -> None:
        """The governor's wish: at most `frame_hz` pictures a second (None: all), expressions at `expression_hz`, or
        nothing at all (`on` false; faces are then lost). A face that does not move is looked at `still_hz` times a
        second; at the camera's rate or above, landmarks are read from every picture."""
        self._frame_hz, self._expression_hz, self._on, self._still_hz = frame_hz, expression_hz, on, still_hz

    def feelings_wanted(self, wanted: bool) -> None:
        """Stop reading expressions, at once, or begin again with what comes then."""
        self._feels = wanted

    @property
    def rest_s(self) -> float:
        """For how many seconds after the picture just fed no other is wanted; a camera's may then be left unread."""
        search_s = 0.0 if self.tracks else self._search.pause_s(known=0, lost=False)
        return max(0.9 / self._frame_hz if self._frame_hz else 0.0, search_s if self._on else 0.5)

    def reset(self, *, anew: bool = False) -> None:
        """Forget everybody; the next picture may be of another scene. `anew`: whoever reads what is seen forgets them,
        too, so numbers begin at 1 again."""
        self.tracks = []
        if anew:
            self._next_person = 1
        self._search.reset()
        self._last_s = float("-inf")

    def landmarks(self) -> dict[int, Points]:
        """The 478 points of everybody in view, float32 (478, 3) in pixels, by person; for overlays."""
        return {one.person: one.face.points for one in self.tracks if one.present}

    def feed(self, frame: VideoFrame) -> list[Observation]:
        """Observations of one picture, in order of time. Raises models.errors.InputError for a malformed one."""
        t_s, view = frame.t_s, _View(frame)
        if t_s < self._last_s:  # the clock began anew: another file or a restarted source
            self.reset()
        if self._on and self._frame_hz is not None and t_s - self._last_s < 0.9 / self._frame_hz:
            return []
        self._last_s = t_s
        found: list[Observation] = []
        if self._on:
            for track in self.tracks:
                found += self._follow(track, view, t_s)
            found += self._find(view, t_s)
            for track in self.tracks:
                found += self._feel(track, view, t_s)
        for track in [one for one in self.tracks if t_s - one.seen_s > (_LOST_AFTER_S if self._on else 0.0)]:
            self.tracks.remove(track)
            found.append(FaceLost(t_s=t_s, person=track.person))
        return found

    def _follow(self, track: FaceTrack, view: _View, t_s: float) -> list[Observation]:
        if track.present and t_s - track.looked_s < 0.95 / self._still_hz and not track.moved(view.light):
            return [track.still(t_s)]
        picture = view.picture
        face = self._read(picture, track.roi)
        track.present = face is not None and face.presence >= _PRESENT
        if face is None or not track.present:
            return []
        track.take(face, t_s, view.light)
        return self._observe(track, picture)

    def _find(self, view: _View, t_s: float) -> list[Observation]:
        lost = [one for one in self.tracks if not one.present]
        if not lost and len(self.tracks) >= self._max_people:
            return []
        fresh: list[FaceTrack] = []

        def accept(detection: Detection) -> bool:
            if any(one.covers(detection.box) for one in self.tracks if one.present):
                return True
            face = self._believe(view.picture, detection)
            if face is None:
                return False
            if any(one.covers(box_of(face)) for one in self.tracks if one.present):
                return True  # a part of the picture had shown a part of a face that is known
            track = next((one for one in lost if one.covers(box_of(face)) and not one.present), None)
            if track is not None:
                track.take(face, t_s, view.light)
            elif len(self.tracks) < self._max_people:
                track = self._begin(face, t_s, view.light)
            else:
                return False
            fresh.append(track)
            return True

        known = len(self.tracks) - len(lost)
        self._search.look(view.light, t_s, accept, known=known, lost=bool(lost), colours=lambda: view.picture)
        found = [one for track in fresh for one in self._observe(track, view.picture)]
        self._merge()
        return found

    def _believe(self, picture: Picture, detection: Detection) -> Face | None:
        """The face of a detection, if the landmark net agrees that it is one."""
        first = self._read(picture, roi_from_detection(detection))
        if first is None or first.presence < _PRESENT:
            return None
        face = self._read(picture, roi_from_landmarks(first.points))  # the detector's square is a rough one
        return None if face is None or face.presence < _NEW else face

    def _begin(self, face: Face, t_s: float, light: Picture) -> FaceTrack:
        if not self.tracks:  # who comes alone and lies on the side tells how the camera is mounted
            angle = np.degrees(face.roi.angle)
            self._turns = round(angle / 90.0) % 4 if abs(angle) > 60.0 else 0
        track = FaceTrack(self._next_person, face, t_s, light, self._turns)
        self._next_person += 1
        self.tracks.append(track)
        return track

    def _merge(self) -> None:
        """Two tracks that have come to follow one face are one: the older."""
        for track in list(self.tracks):
            if any(one.covers(track.box) and one.person < track.person for one in self.tracks if one is not track):
                self.tracks.remove(track)

    def _read(self, picture: Picture, roi: Roi) -> Face | None:
        height, width = picture.shape[:2]
        if not (0 <= roi.x < width and 0 <= roi.y < height and 12 < roi.side < 4 * max(width, height)):
            return None
        return self._landmarks.read(picture, roi)

    def _observe(self, track: FaceTrack, picture: Picture) -> list[Observation]:
        height, width = picture.shape[:2]
        return track.observe(width, height, _quality(track.eye_distance, _crop(picture, track.roi, 48)))

    def _feel(self, track: FaceTrack, view: _View, t_s: float) -> list[Observation]:
        """The expression, if it is time and the face can be read at all. A face that has not moved since its landmarks
        were read is cut out by them."""
        if (
            self._expression is None
            or not self._feels
            or track.seen_s < t_s
            or t_s - track.affect_s < 0.95 / self._expression_hz
        ):
            return []
        track.affect_s = t_s
        picture = view.picture
        height, width = picture.shape[:2]
        crop = _crop(picture, track.roi, self._expression.INPUT_SIZE)
        quality = _quality(track.eye_distance, crop)
        if quality < 0.25 or track.partial(width, height):
            return []
        assert self._blendshapes is not None
        if track.movements_s < track.looked_s and t_s - track.movements_s >= 0.95 / _MOVEMENTS_HZ:
            track.movements = action_units(self._blendshapes.read(track.face.points))
            track.movements_s = t_s
        read = self._expression.read(crop)
        return [
            FaceAffect(
                t_s=t_s,
                person=track.person,
                quality=quality,
                confidence=read.confidence,
                probs=read.probs,
                valence=read.valence,
                arousal=read.arousal,
                unclear=read.unclear,
                action_units=track.movements,
            )
        ]


class _View:
    """One picture: its lightness, and its colours once they are needed."""

    def __init__(self, frame: VideoFrame) -> None:
        self.light: Picture = frame.luma
        self._frame = frame

    @functools.cached_property
    def picture(self) -> Picture:
        return np.ascontiguousarray(self._frame.pixels)  # OpenCV takes no mirrored views


def _crop(picture: Picture, roi: Roi, size: int) -> Picture:
    """The face alone, eyes level, grey: uint8 (size, size)."""
    face = Roi(roi.x, roi.y, roi.side * _FACE_SHARE, roi.angle)
    crop = cv2.warpAffine(picture, face.matrix(size), (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)


def _quality(eye_distance: float, crop: Picture) -> float:
    """0–1: how well a face of this size, light and sharpness can be read; `crop` is as of `_crop`, 48 pixels."""
    mean, contrast = (float(one[0, 0]) for one in cv2.meanStdDev(crop))
    size = _between((eye_distance - 12.0) / 30.0)
    bright = _between((mean - 12.0) / 40.0) * _between((252.0 - mean) / 30.0)
    edges = float(cv2.meanStdDev(cv2.Laplacian(crop, cv2.CV_16S)[1:-1, 1:-1])[1][0, 0]) / max(contrast, 1.0)
    sharp = _between((edges - 0.12) / 0.33)  # 0.8 in focus, 0.2 where a face of 130 pixels is blurred by 4
    return size * bright * sharp * _between(contrast / 20.0)


def _between(value: float) -> float:
    """Held to 0-1."""
    return min(max(value, 0.0), 1.0)
