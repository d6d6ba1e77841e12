"""The shape of the house: imports run one way, the wire stays light, the public names are pinned."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"edge", "cloud_bridge", "models", "quantization", "benchmarks", "tests"}

# What each room may import of the others.
MAY = {
    "models": set[str](),
    "edge": {"models"},
    "cloud_bridge": {"edge.wire", "models"},
    "quantization": {"models"},
    "benchmarks": ROOMS,
}


def imports(file: Path) -> Iterator[str]:
    """Dotted names that `file` imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", sorted(MAY))
def test_imports_run_one_way(room: str) -> None:
    """models ◀ edge; the bridge knows of edge only the wire; quantization knows models."""
    wrong = []
    for file in sorted((ROOT / room).rglob("*.py")):
        for name in imports(file):
            other = name.split(".")[0]
            if other not in ROOMS or other == room:
                continue
            if not any(name == one or name.startswith(f"{one}.") for one in MAY[room]) and not any(
                one.startswith(f"{name}.") for one in MAY[room]
            ):
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong


def loaded_after(statement: str) -> set[str]:
    """Names of the modules that are loaded after `statement` in a fresh interpreter."""
    code = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


HEAVY = {"cv2", "onnxruntime", "numpy", "grpc", "pydantic", "torch", "av", "rich"}


def test_the_wire_imports_light() -> None:
    """A bridge or a small client can speak the contract without array, picture or inference libraries."""
    loaded = loaded_after("import edge.wire.envelope, edge.wire.topics")
    assert not loaded & {"cv2", "onnxruntime", "numpy", "ai_edge_litert", "torch", "av"}


def test_edge_and_the_command_line_import_light() -> None:
    """`import edge` and `mien --version` must be quick on a slow board."""
    assert not loaded_after("import edge, edge.cli") & HEAVY


def test_the_device_loop_loads_no_large_library_that_it_can_do_without() -> None:
    """Each of these would take megabytes of a small board's memory for nothing."""
    parts = "edge.loop, edge.cli._device, edge.perceive.voice, models.expression, models.session"
    assert not loaded_after(f"import {parts}") & {
        "pydantic",
        "onnx",
        "av",
        "sounddevice",
        "grpc",
        "paho",
        "torch",
        "scipy",
    }


def test_a_device_install_has_no_cloud_dependency() -> None:
    """mien[edge] pulls no language model, no vendor's SDK, no training library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    device = " ".join(project["dependencies"] + project["optional-dependencies"]["edge"]).lower()
    for name in ("openai", "anthropic", "xllamacpp", "piper", "torch", "scikit", "onnx>", "mcp"):
        assert name not in device


def test_the_public_names_are_these() -> None:
    """What integrators may rely on changes only on purpose."""
    import edge

    assert sorted(edge.__all__) == ["Config", "Description", "Event", "MienError", "PersonState", "Runtime"]
    for name in edge.__all__:
        assert getattr(edge, name).__name__ == name


def test_no_file_names_this_machine_or_a_registry() -> None:
    """What is committed works anywhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    words = ["/" + "work/", "/tmp/" + "mien", "pypi" + ".org", "files.python" + "hosted", "registry." + "npmjs"]
    wrong = []
    for name in listed:
        file = ROOT / name
        if file.suffix in {".onnx", ".npz", ".png", ".wav", ".bin"} or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="ignore")
        wrong += [f"{name}: {word}" for word in words if word in text]
    assert not wrong
