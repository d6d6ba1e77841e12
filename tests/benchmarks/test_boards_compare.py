"""What counts as "the same" between two processors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import boards_compare, boards_observe, boards_raw
from edge.sensors.base import EndOfStream, from_text
from edge.types import AudioFrame, FaceSeen, SpeechActivity, VideoFrame

SOURCE = "synthetic://?script=smile-talk:0.4"


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    digests = boards_observe.Digests()
    found = [json.loads(boards_observe.line(one)) for one in boards_observe.observations(SOURCE, 0.4, digests)]
    return [boards_observe.machine(), *found, digests.line()]


def changed(lines: Sequence[dict[str, Any]], kind: str, **values: Any) -> list[dict[str, Any]]:
    index = next(index for index, one in enumerate(lines) if one["type"] == kind)
    return [*lines[:index], {**lines[index], **values}, *lines[index + 1 :]]


def test_the_short_run_sees_a_face_and_judges_the_sound(lines: list[dict[str, Any]]) -> None:
    """What is compared holds observations of both senses, also of the silence that follows, and the digests."""
    kinds = {one["type"] for one in lines}
    assert {FaceSeen.__name__, SpeechActivity.__name__, "FaceAffect", "HeadPose", "Gaze", "machine"} <= kinds
    assert lines[-1]["type"] == "input"
    assert max(one["t_s"] for one in lines[1:-1]) > 1.1


def test_the_same_lines_are_the_same_to_the_last_bit(lines: list[dict[str, Any]]) -> None:
    """A processor that perceives exactly as the reference does differs in nothing."""
    outcome = boards_compare.compare(lines, lines)
    assert outcome.same
    assert outcome.exact == outcome.observations == len(lines) - 2
    assert max(outcome.worst.values()) == 0.0


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("HeadPose", {"yaw_deg": 90.0}),
        ("SpeechActivity", {"probability": 0.99, "speaking": True}),
        ("FaceSeen", {"t_s": 0.001}),
        ("FaceSeen", {"person": 2}),
        ("FaceAffect", {"probs": {"neutral": 0.0, "angry": 1.0}}),
        ("FaceAffect", {"confidence": None}),
    ],
)
def test_another_angle_time_person_decision_or_label_is_not_the_same(
    lines: list[dict[str, Any]], kind: str, values: dict[str, Any]
) -> None:
    """Anything that a person or an application would notice is a difference."""
    assert not boards_compare.compare(lines, changed(lines, kind, **values)).same


def test_a_rounding_is_the_same_and_a_missing_end_is_not(lines: list[dict[str, Any]]) -> None:
    """Within the tolerances counts as same; a run that broke off does not, however good its beginning."""
    pose = next(one for one in lines if one["type"] == "HeadPose")
    near = boards_compare.compare(lines, changed(lines, "HeadPose", yaw_deg=pose["yaw_deg"] + 0.1))
    assert near.same
    assert near.worst["degrees"] == pytest.approx(0.1)
    assert not boards_compare.compare(lines, lines[:-1]).same
    assert not boards_compare.compare(lines, [*lines[: len(lines) // 2], lines[-1]]).same
    with pytest.raises(ValueError, match="reference"):
        boards_compare.compare(lines[:-1], lines)


def test_the_command_writes_every_figure_and_fails_on_a_difference(
    lines: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status and the file tell the same as the table."""
    bad = changed(lines, "HeadPose", yaw_deg=90.0)
    for name, content in (("reference", lines), ("cortex-a53", lines), ("cortex-a72", bad)):
        (tmp_path / f"drawn.{name}.jsonl").write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
    assert boards_compare.main([str(tmp_path), "--out", str(tmp_path)]) == 1
    told = json.loads((tmp_path / "aarch64.json").read_text(encoding="utf-8"))
    assert told["metrics"] == {"processors_same": 1, "processors": 2}
    assert [one["same"] for one in told["runs"]] == [True, False]
    assert "DIFFERS" in capsys.readouterr().out
    (tmp_path / "drawn.cortex-a72.jsonl").unlink()
    assert boards_compare.main([str(tmp_path)]) == 0


def test_the_digests_tell_pictures_and_sound_apart() -> None:
    """Where only the picture differs, only its digest does: then the decoder is to blame, not a network."""
    one, two = boards_observe.Digests(), boards_observe.Digests()
    sensor = from_text("synthetic://?script=neutral:0.1", paced=False)
    sensor.open()
    try:
        while True:
            frame = sensor.read(1.0)
            assert isinstance(frame, AudioFrame | VideoFrame)
            one.add(frame)
            two.add(
                VideoFrame(frame.source, frame.seq, frame.t_s, frame.pixels ^ 1)
                if isinstance(frame, VideoFrame)
                else frame
            )
    except EndOfStream:
        pass
    assert one.line()["sound"] == two.line()["sound"]
    assert one.line()["pictures"] != two.line()["pictures"]


def test_a_clip_that_was_decoded_once_is_the_same_picture_by_picture(clips: list[Path], tmp_path: Path) -> None:
    """What is decoded here and read elsewhere has the pixels and the times of the clip itself."""

    def seen(source: Path) -> list[tuple[float, bytes]]:
        frames = boards_observe._frames(str(source), 0.5)
        return [(round(one.t_s, 3), one.pixels.tobytes()) for one in frames if isinstance(one, VideoFrame)]

    boards_raw.write(clips[0], tmp_path / "raw.nut", 0.5)
    assert len(seen(clips[0])) >= 10
    assert seen(tmp_path / "raw.nut") == seen(clips[0])
