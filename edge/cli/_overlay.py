"""Pictures with what was found drawn in, one every so often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import OutputError
from edge.perceive.overlay import draw
from edge.types import FaceLost, Observation, VideoFrame


class Pictures:
    """Writes `FOLDER/STEM_0012.30s.png`. Raises OutputError where the folder cannot be written."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self.begin("")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {folder}: {error.strerror}: choose another --overlay") from error

    def begin(self, stem: str) -> None:
        """The next recording."""
        self._stem = stem
        self._drawn_s = float("-inf")
        self._newest: dict[tuple[int | None, type[Observation]], Observation] = {}

    def __call__(
        self, frame: VideoFrame, observations: Sequence[Observation], landmarks: Mapping[int, npt.NDArray[np.float32]]
    ) -> None:
        """Draw this frame if it is time; what was not looked at anew is drawn as it was last."""
        for one in observations:
            if isinstance(one, FaceLost):
                self._newest = {key: old for key, old in self._newest.items() if key[0] != one.person}
            else:
                self._newest[one.person, type(one)] = one
        if frame.t_s - self._drawn_s < self._every_s:
            return
        self._drawn_s = frame.t_s
        picture = draw(frame, self._newest.values(), landmarks)
        file = self._folder / f"{self._stem}_{frame.t_s:07.2f}s.png"
        if not cv2.imwrite(str(file), picture):
            raise OutputError(f"cannot write {file}: is the disk full?")
