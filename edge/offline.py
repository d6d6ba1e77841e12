"""Recordings, as fast as they can be read: what one file of sound, picture or both shows as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as File
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import MediaError
from edge.events import plain
from edge.moment import Moment
from edge.path import Path
from edge.perceive.hearing import Hearing
from edge.perceive.sight import Sight
from edge.perceive.voice import RecordingReader
from edge.policy import Policy
from edge.rules import Rules
from edge.sensors.base import EndOfStream
from edge.sensors.file import FileSensor
from edge.types import (
    SAMPLE_RATE,
    AudioFrame,
    Eyes,
    FaceAffect,
    FaceSeen,
    Frame,
    Gaze,
    HeadPose,
    Observation,
    PersonState,
    TurnEnd,
    VideoFrame,
    VoiceAffect,
    Words,
)

_VOICE_S = 120.0  # of a longer recording, the voice as a whole is read from this much speech
O = TypeVar("O", bound=Observation)  # noqa: E741
Look = Callable[[VideoFrame, Sequence[Observation], Mapping[int, npt.NDArray[np.float32]]], None]
"""Called with each picture, what was observed in it, and everybody's landmarks."""
Watch = Callable[[Frame | None, Moment], None]
"""Called with each frame and what the loop made of it; after the last frame once more, without one, and again with what
can be said at the end of a recording in which no turn ended."""


class Analyzer:
    """Loads every detector once and reads file after file; nothing carries over from one to the next."""

    def __init__(
        self,
        *,
        words: bool,
        language: str = "en",
        max_people: int = 3,
        look: Look | None = None,
        watch: Watch = lambda _frame, _moment: None,
    ) -> None:
        self._hearing = Hearing(affect=True, words=words, language=language)
        self._voice = RecordingReader()
        self._sight = Sight(affect=True, max_people=max_people)
        self._path = Path(policy=Policy.for_recordings(), rules=Rules.load(None), language=language)
        self._look = look
        self._watch = watch

    def read(self, file: File) -> dict[str, Any]:
        """One JSON object for `file`: path, voice, face, words, state, description; null where nothing was perceived.

        `damage` tells of a file that could be read only in part. Raises SensorMissing or MediaError where nothing
        of it can be read.
        """
        self._hearing.reset()
        self._sight.reset(anew=True)
        self._path.reset()
        found: list[Observation] = []
        sound: list[npt.NDArray[np.float32]] = []
        kept: _Kept = _Kept()
        told = False
        damage: str | None = None
        sensor = FileSensor(file, paced=False)
        sensor.open()
        end_s, heard = 0.0, 0
        try:
            while True:
                try:
                    frame = sensor.read(1.0)
                except EndOfStream:
                    break
                except MediaError as error:
                    damage = str(error)
                    continue
                if isinstance(frame, AudioFrame):
                    end_s = frame.end_s
                    if heard < _VOICE_S * SAMPLE_RATE:
                        heard += len(frame.samples)
                        sound.append(frame.samples)
                    observations = self._hearing.feed(frame)
                elif isinstance(frame, VideoFrame):
                    end_s = frame.t_s
                    observations = list(self._see(frame, alone=not sensor.has_audio and sensor.duration_s is None))
                else:
                    continue
                found += observations
                moment = self._path.step(observations, end_s)
                kept.moment(moment.states, observations)
                told |= bool(moment.descriptions)
                self._watch(frame, moment)
        finally:
            sensor.close()
        if heard:
            last = self._hearing.finish()
            found += last
            moment = self._path.step(last, end_s)
            kept.moment(moment.states, last)
            told |= bool(moment.descriptions)
            self._watch(None, moment)
        if damage is not None and not (found or sound):
            raise MediaError(damage)
        voice = self._voice.read(np.concatenate(sound)) if sound else None
        state = kept.state
        description = self._path.describe(state) if state is not None else None
        if description is not None and not told:  # nobody ended a turn
            self._watch(None, Moment(t_s=end_s, descriptions=(description,)))
        answer = {
            "path": str(file),
            "voice": None if voice is None else _voice(voice),
            "face": _face(found),
            "words": " ".join(one.text for one in found if isinstance(one, Words) and one.final) or None,
            "state": plain(state),
            "description": plain(description),
        }
        return answer if damage is None else {**answer, "damage": damage}

    def _see(self, frame: VideoFrame, *, alone: bool) -> Sequence[Observation]:
        observations: Sequence[Observation] = self._sight.feed(frame)
        if alone and not observations:  # a portrait cut so close that the detector misses the outline of the head
            self._sight.reset()
            wide = replace(frame, pixels=_framed(frame.pixels))
            observations = [_unframed(one) for one in self._sight.feed(wide)]
        elif self._look is not None:
            self._look(frame, observations, self._sight.landmarks())
        return observations


_FRAME = 0.4  # of each side, on every side


def _framed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    rows, columns = (round(_FRAME * side) for side in pixels.shape[:2])
    grey = (127, 127, 127)
    return np.asarray(
        cv2.copyMakeBorder(pixels, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=grey), np.uint8
    )


def _unframed(one: Observation) -> Observation:
    if not isinstance(one, FaceSeen):
        return one
    x, y, width, height = one.box
    whole = 1 + 2 * _FRAME
    return replace(one, box=(x * whole - _FRAME, y * whole - _FRAME, width * whole, height * whole))


class _Kept:
    """The state that stands for the recording: at the end of the last turn, else the last of the main person."""

    def __init__(self) -> None:
        self.state: PersonState | None = None
        self._at_turn_end = False

    def moment(self, states: Sequence[PersonState], observations: Sequence[Observation]) -> None:
        if not states:
            return
        ended = any(isinstance(one, TurnEnd) and one.final for one in observations)
        if ended or not self._at_turn_end:
            self.state = max(states, key=lambda state: (state.voice is not None, state.face is not None))
            self._at_turn_end = ended


def _voice(voice: VoiceAffect) -> dict[str, Any]:
    label = max(voice.probs, key=lambda name: voice.probs[name])
    return plain(  # type: ignore[no-any-return]
        {
            "probs": voice.probs,
            "label": label,
            "valence": voice.valence,
            "arousal": voice.arousal,
            "derived": voice.derived,
            "confidence": voice.confidence,
            "unclear": voice.unclear,
            "listened_s": voice.listened_s,
            "fine": voice.fine,
            "bursts": voice.bursts,
        }
    )


def _face(found: Sequence[Observation]) -> dict[str, Any] | None:
    """The person seen most, over the whole recording: means of probabilities, medians of angles."""
    seen = Counter(one.person for one in found if isinstance(one, FaceSeen))
    if not seen:
        return None
    person = seen.most_common(1)[0][0]
    affects = _of(found, FaceAffect, person)
    poses, gazes, eyes = _of(found, HeadPose, person), _of(found, Gaze, person), _of(found, Eyes, person)
    answer: dict[str, Any] = {"probs": None, "label": None, "valence": None, "arousal": None}
    if affects:
        names = list(affects[0].probs)
        probs = np.mean([[one.probs[name] for name in names] for one in affects], axis=0)
        answer = {
            "probs": dict(zip(names, probs.tolist(), strict=True)),
            "label": names[int(np.argmax(probs))],
            "valence": float(np.mean([one.valence for one in affects])),
            "arousal": float(np.mean([one.arousal for one in affects])),
            "derived": all(one.derived for one in affects),
            "confidence": _mean([one.confidence for one in affects]),
            "unclear": sum(one.unclear for one in affects) * 2 > len(affects),
        }
    turns = [(pose.yaw_deg, pose.pitch_deg, pose.roll_deg) for pose in poses]
    looks = [(gaze.yaw_deg, gaze.pitch_deg) for gaze in gazes]
    answer["head_pose_deg"] = _medians(("yaw", "pitch", "roll"), turns)
    answer["gaze"] = _medians(("yaw_deg", "pitch_deg"), looks)
    if answer["gaze"] is not None:
        answer["gaze"]["on_target"] = gazes[-1].on_target
    answer["eyes"] = None
    if eyes:
        last = eyes[-1]
        answer["eyes"] = {
            "ear": float(np.median([one.ear for one in eyes])),
            "closed_fraction": float(np.mean([one.closed for one in eyes])),
            "blink_per_min": last.blink_per_min,
            "perclos": last.perclos,
            "drowsiness": last.drowsiness,
        }
    answer["people"] = len(seen)
    answer["pictures"] = seen[person]
    return plain(answer)  # type: ignore[no-any-return]


def _of(found: Sequence[Observation], kind: type[O], person: int | None) -> list[O]:
    return [one for one in found if isinstance(one, kind) and one.person == person]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _medians(names: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    if not rows:
        return None
    return dict(zip(names, np.median(np.asarray(rows), axis=0).tolist(), strict=True))
