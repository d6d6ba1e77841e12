"""For integrators: the Python API, the Unix socket read from C, and what the ROS 2 example makes of its lines."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edge import Config, Runtime
from edge.event_socket import EventSocket
from tests.sim.wait import until

ROOT = Path(__file__).resolve().parents[2]


async def test_states_come_from_a_clip_and_end_with_it(clips: list[Path]) -> None:
    """`async for state in Runtime(config)` gives typed states until the input ends."""
    config = Config().updated(
        sensors=[f"file://{clips[0]}"], outputs=[], purpose={"consent": True}, perceive={"words": False}
    )
    faces = voices = 0
    async with Runtime(config) as runtime:
        async for state in runtime:
            faces += state.attention is not None
            voices += state.voice is not None
    assert faces > 10
    assert voices > 0


async def test_leaving_the_block_ends_a_source_that_never_ends() -> None:
    """A robot may stop at any time; no thread goes on."""
    config = Config().updated(sensors=["synthetic://?script=neutral"], outputs=[], perceive={"words": False})
    async with Runtime(config) as runtime:
        async for state in runtime:
            assert state.fused is None, "nobody consented"
            break
    assert not any(thread.name == "mien-loop" for thread in threading.enumerate())


async def test_settings_that_cannot_work_fail_at_once() -> None:
    """The error is raised where the object is used, not in a thread."""
    from edge.errors import PluginError

    with pytest.raises(PluginError, match="pigeon"):
        async with Runtime(Config().updated(sensors=["pigeon://1"])):
            pass


def test_the_c_example_reads_the_stream(tmp_path: Path) -> None:
    """It compiles without a library and prints events and descriptions, not states."""
    compiler = shutil.which("cc")
    assert compiler, "the tests need a C compiler"
    program = tmp_path / "read_events"
    source = ROOT / "docs" / "examples" / "read_events.c"
    subprocess.run([compiler, "-Wall", "-Werror", "-o", str(program), str(source)], check=True)
    server = EventSocket(tmp_path / "events.sock")
    server.open()
    with subprocess.Popen([str(program), str(server.path)], stdout=subprocess.PIPE, text=True) as reader:
        until(lambda: server._readers)
        server.publish('{"type":"state","t_s":1}')
        server.publish('{"type":"event","name":"face_found"}')
        assert reader.stdout is not None
        assert reader.stdout.readline() == '{"type":"event","name":"face_found"}\n'
        server.close()
        assert reader.wait(20) == 0


def test_the_ros_example_takes_only_what_is_clear() -> None:
    """Unknown or unclear affect is no point at (0, 0)."""
    spec = importlib.util.spec_from_file_location("ros2_node", ROOT / "docs" / "examples" / "ros2_node.py")
    assert spec is not None
    assert spec.loader is not None
    node: Any = importlib.util.module_from_spec(spec)
    sys.modules["ros2_node"] = node
    spec.loader.exec_module(node)
    line = json.loads('{"type":"state","fused":{"unclear":false,"valence":0.5,"arousal":-0.25}}')
    assert node.valence_arousal(line) == (0.5, -0.25)
    assert node.valence_arousal({"fused": None}) is None
    assert node.valence_arousal({"fused": {"unclear": True, "valence": 0.5, "arousal": 0.0}}) is None
