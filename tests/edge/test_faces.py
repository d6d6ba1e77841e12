"""Faces: what of a track is passed on, and what is not."""

from __future__ import annotations

from edge.faces import Faces
from edge.types import FaceLost, FaceSeen

BOX = (0.4, 0.3, 0.2, 0.3)


def seen(t_s: float, mouth: float | None = 0.1, *, partial: bool = False) -> FaceSeen:
    return FaceSeen(t_s=t_s, person=1, box=BOX, presence=0.9, mouth_open=mouth, partial=partial)


def test_only_a_mouth_that_is_seen_whole_is_told() -> None:
    """A mouth half out of view, or none at all, is no witness of who speaks; the face is there all the same."""
    told: list[tuple[int, float, float]] = []
    faces = Faces(lambda _name, _t_s, _person: None, lambda *mouth: told.append(mouth))
    for one in (seen(0.1), seen(0.2, partial=True), seen(0.3, None), seen(0.3, 0.9), seen(0.4, 0.2)):
        faces.add(1, one)
    assert told == [(1, 0.1, 0.1), (1, 0.4, 0.2)]  # a repeated time is late, and tells no mouth either
    assert list(faces) == [1]


def test_finding_and_losing_are_told_once() -> None:
    """A loss that is older than the face's newest sight is no loss, and what is older than a loss finds nobody."""
    told: list[tuple[str, float]] = []
    faces = Faces(lambda name, t_s, _person: told.append((name, t_s)), lambda *_mouth: None)
    faces.add(1, seen(1.0))
    faces.add(1, FaceLost(t_s=0.5, person=1))
    assert list(faces) == [1]
    faces.add(1, FaceLost(t_s=1.5, person=1))
    assert not faces.add(1, seen(1.2))
    assert told == [("face_found", 1.0), ("face_lost", 1.5)]
