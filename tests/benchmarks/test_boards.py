"""Small boards: the cage is one, and a projection is arithmetic on published times."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import boards, boards_cage, boards_page, loop, results
from benchmarks.boards_cage import Cage

_TAKE_300_MB = "b = bytearray(300_000_000); print(len(b))"


def test_a_cage_ends_who_takes_more_memory_than_it_has() -> None:
    """300 MB do not fit into 100, and do into 600: the limit holds, whatever means this system gave for it."""
    command = [sys.executable, "-c", _TAKE_300_MB]
    refused = boards_cage.run(Cage(100, 100), command, os.environ)
    assert refused["status"] != 0
    assert "300000000" not in refused["output"]
    room = boards_cage.run(Cage(600, 100), command, os.environ)
    assert room["status"] == 0, room["error"]
    assert "300000000" in room["output"]
    assert room["means"] == refused["means"]


def test_no_control_group_is_left_behind() -> None:
    """Every run cleans up after itself, also one that was killed."""
    boards_cage.run(Cage(100, 100), [sys.executable, "-c", _TAKE_300_MB], os.environ)
    left = [
        one for place in (*boards_cage._V1.values(), boards_cage._V2) for one in place.glob(f"mien-{os.getpid()}-*")
    ]
    assert left == []


def test_the_loop_lives_in_400_mb_and_half_a_core(clips: list[Path], tmp_path: Path) -> None:
    """On a board of 512 MB the system leaves that much: the device perceives a face and loses no sound."""
    clip = tmp_path / "talking.nut"
    loop._record(clip, clips[:1])
    found = boards.caged(Cage(400, 50), clip, tmp_path, words=False)
    assert found["survived"], found["error"]
    assert not found["killed_for_memory"]
    assert found["peak_mb"] < 400
    assert found["face_found_pct"] > 50
    assert found["dropped"]["observations"] == 0


def test_a_projection_scales_by_the_published_times() -> None:
    """A machine that is the board takes as long; one twice as fast makes the board twice as slow."""
    pi = boards.PUBLISHED_MS["pi_4"]
    assert boards.times_slower(pi, pi) == pytest.approx((1.0, 1.0, 1.0))
    faster = {net: ms / 2 for net, ms in pi.items()} | {"squeezenet": pi["squeezenet"] / 4}
    mean, least, most = boards.times_slower(faster, pi)
    assert least == pytest.approx(2.0)
    assert most == pytest.approx(4.0)
    assert least < mean < most


def test_the_reference_nets_are_the_published_ones() -> None:
    """The nets that are described here anew have as many weights as their papers tell: 1.2, 4.2 and 11.7 million."""
    source = (Path(boards.__file__).parent / "peer_reference_nets.py").read_text(encoding="utf-8")
    scope: dict[str, object] = {"__name__": "nets"}
    exec(compile(source.replace("import ncnn ", "ncnn = None "), "nets", "exec"), scope)
    nets = scope["NETS"]
    assert isinstance(nets, dict)
    assert set(nets) == set(boards.PUBLISHED_MS["pi_4"])
    for name, weights in (("squeezenet", 1.23e6), ("mobilenet", 4.2e6), ("resnet18", 11.7e6)):
        lines = [line.split() for line in nets[name]().text().splitlines()[2:]]
        key = {"Convolution": "6=", "ConvolutionDepthWise": "6=", "InnerProduct": "2="}
        sizes = [int(word[2:]) for line in lines if line[0] in key for word in line if word.startswith(key[line[0]])]
        assert sum(sizes) == pytest.approx(weights, rel=0.03), name


def found(*, projected: bool) -> dict[str, Any]:
    """What `mien bench boards` keeps, with two cages."""
    summary = {"means": "control groups", "survived": True, "peak_mb": 159.6, "cpu_pct_core": 24.47}
    summary |= {"start_to_first_observation_s": 1.94, "levels": ["fewer_frames"], "group_peak_mb": 118.3}
    caps = {
        "1000mb_50pct": summary | {"dropped": {"audio": 0, "video": 7}},
        "400mb_25pct_words": summary | {"survived": False, "group_peak_mb": None},
    }
    detail: dict[str, Any] = {"caps": caps, "free": {"peak_mb": 158.2, "cpu_pct_core": 17.83}}
    if projected:
        one = {"times_slower": 5.19, "pct_core": 92.5, "least_pct_core": 72.6, "most_pct_core": 114.3}
        detail["projected"] = dict.fromkeys(boards.PUBLISHED_MS, one)
    else:
        detail["not_measured"] = {"projection": "ncnn cannot be installed"}
    head = {"date": "2026-11-23T08:10:00+00:00", "commit": "abc1234", "machine": "a machine", "command": "mien bench"}
    return {**head, "metrics": {"talking_pct_core": 17.83}, "detail": detail}


def test_the_page_tells_the_newest_result_and_no_other(tmp_path: Path) -> None:
    """Its tables are replaced, not added to; what was not measured or did not survive is told, and the rest stays."""
    page = tmp_path / "boards.md"
    page.write_text(boards_page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    boards_page.write(found(projected=True), page)
    first = page.read_text(encoding="utf-8")
    assert "| 1,000 MB, 50 % | off | yes | 160 MB | 24.5 | 1.9 s | 7 | 0 | fewer_frames |" in first
    assert "| 400 MB, 25 % | on | no |" in first
    assert "| Pi 4 (A72 1.8 GHz) | 5.2 | 92 (73–114) | 4 |" in first
    assert first.count("2026-11-23, commit abc1234, a machine, `mien bench`") == 2
    boards_page.write(found(projected=False), page)
    boards_page.write(found(projected=True), page)
    assert page.read_text(encoding="utf-8") == first
    boards_page.write(found(projected=False), page)
    assert "not projected, ncnn cannot be installed" in page.read_text(encoding="utf-8")
    page.write_text("# Another page", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for the table 'caps'"):
        boards_page.write(found(projected=True), page)


def test_the_page_and_the_report_are_of_one_run() -> None:
    """docs/boards.md bears the day and commit that RESULTS.md has of `mien bench boards`: neither is older."""
    report = (Path(results.__file__).parent / "RESULTS.md").read_text(encoding="utf-8")
    (day, commit), *_ = re.findall(r"(?m)^## boards\n\n(\S+)T\S+ · commit (\S+) ·", report)
    page = boards_page.PAGE.read_text(encoding="utf-8")
    assert page.count(f"\n{day}, commit {commit}, ") == 2
