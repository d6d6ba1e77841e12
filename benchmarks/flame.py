"""Where the loop's CPU goes, as a flame graph: `python -m benchmarks.flame CLIP --out docs/flame.svg` (needs py-spy).

Runs `mien replay CLIP` in real time, samples its stacks by py-spy once everything is loaded, and draws those that were
at work; native code counts for the Python line that called it. Each thread is as wide as the CPU time that the kernel
counted for it, since a sampler sees a thread that waits for a busy processor as if it ran. A thread stands below
its stacks; point at a box for its name and share.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_WIDTH, _ROW, _LEAST = 1200.0, 16, 1.0  # pixels; boxes narrower than _LEAST are left out
_WAITS = ("wait (threading.py", "Condition.wait", "Event.wait", "FileSensor.read")
_SPY_S = 60.0  # what py-spy may take over its recording, to attach and to write
_STARTS = ("Thread._bootstrap", "Thread.run", "_run_module_as_main", "_run_code")
_COLOURS = {
    "edge/": "#e8a25c",
    "models/": "#c7693f",
    "onnxruntime": "#7f9c5b",
    "ai_edge_litert": "#5b8c9c",
    "cv2": "#8d7bb0",
}


@dataclass
class Box:
    """One function in one place of the stacks. `count`: samples in it and in what it called."""

    name: str
    count: int = 0
    inner: dict[str, Box] = field(default_factory=dict)

    def add(self, frames: Sequence[str], count: int) -> None:
        """Count a stack, outermost frame first."""
        self.count += count
        if frames:
            self.inner.setdefault(frames[0], Box(frames[0])).add(frames[1:], count)


def tree(lines: Iterable[str], cpu_s: Mapping[str, float]) -> Box:
    """Folded stacks (`a;b;c 7`) as one tree, without those that only wait. `cpu_s`: of each thread, by its number;
    counts are microseconds of it."""
    stacks: dict[str, list[tuple[list[str], int]]] = {}
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        thread, *frames = (one for one in stack.split(";") if not one.startswith(_STARTS))
        if frames and not frames[-1].startswith(_WAITS):
            stacks.setdefault(thread, []).append((frames, int(count)))
    root = Box("the loop at work")
    for thread, found in stacks.items():
        number, _, name = thread.removeprefix("thread (").partition("): ")
        each_us = 1e6 * cpu_s.get(number, 0.0) / sum(samples for _, samples in found)
        for frames, samples in found:
            root.add([name.partition(" file:")[0], *frames], round(samples * each_us))
    return root


def svg(root: Box) -> str:
    """The picture. Static, without scripts."""
    boxes: list[str] = []
    deepest = _draw(root, boxes, x=0.0, depth=0, scale=_WIDTH / max(root.count, 1), whole=root.count)
    height = (deepest + 2) * _ROW
    frame = f'viewBox="0 0 {_WIDTH:.0f} {height}" font-family="sans-serif" font-size="10"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>'
    return "\n".join([head, f'<g transform="translate(0,{height - _ROW})">', *boxes, "</g>", "</svg>", ""])


def _draw(box: Box, out: list[str], *, x: float, depth: int, scale: float, whole: int) -> int:
    width = box.count * scale
    if width < _LEAST:
        return depth
    name = html.escape(box.name)
    colour = next((value for key, value in _COLOURS.items() if key in box.name), "#cfc8b8")
    share = 100 * box.count / max(whole, 1)
    fits = int(width / 5.5)
    text = name if len(box.name) <= fits else html.escape(box.name[: fits - 1]) + "…" if fits > 4 else ""
    y = -depth * _ROW
    out.append(
        f'<g><title>{name}: {share:.1f} %</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}" '
        f'height="{_ROW - 1}" fill="{colour}"/><text x="{x + 2:.1f}" y="{y + 11}">{text}</text></g>'
    )
    deepest = depth
    for inner in sorted(box.inner.values(), key=lambda one: one.name):
        deepest = max(deepest, _draw(inner, out, x=x, depth=depth + 1, scale=scale, whole=whole))
        x += inner.count * scale
    return deepest


def main(argv: Sequence[str] | None = None) -> int:
    """Record and draw."""
    parser = argparse.ArgumentParser(prog="benchmarks.flame", description="Draw where the loop's CPU goes.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded"
        replay = [sys.executable, "-m", "edge.cli", "replay", str(args.clip), "--consent", "--json", "--no-words"]
        with subprocess.Popen(replay, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as loop:
            assert loop.stdout is not None
            next((line for line in loop.stdout if '"speech' in line), None)  # loaded, and somebody speaks
            threading.Thread(target=lambda: list(loop.stdout or ()), daemon=True).start()
            before = _cpu_s(loop.pid)
            spy = ["py-spy", "record", "-d", str(args.seconds), "-r", "250", "-t", "-F", "-f", "raw", "-o", str(folded)]
            limit_s = args.seconds + _SPY_S
            try:
                subprocess.run([*spy, "--pid", str(loop.pid)], capture_output=True, check=False, timeout=limit_s)
                spent = {number: value - before.get(number, 0.0) for number, value in _cpu_s(loop.pid).items()}
            finally:
                loop.terminate()
        if not folded.is_file():
            print("benchmarks.flame: py-spy gave nothing: is it installed, and may it trace?", file=sys.stderr)
            return 1
        args.out.write_text(svg(tree(folded.read_text(encoding="utf-8").splitlines(), spent)), encoding="utf-8")
    for number, value in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"thread {number}: {100 * value / args.seconds:.2f} % of a core")
    return 0


def _cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds of each thread so far, by its number (proc(5), schedstat)."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found[task.parent.name] = int(task.read_text().split()[0]) / 1e9
    return found


if __name__ == "__main__":
    sys.exit(main())
