"""What pipecat's pipeline costs by itself: `python peer_frames.py COUNT`.

COUNT blocks of sound (32 ms) through three processors that only hand on. Prints one JSON line: `cpu_us_per_frame`,
`frames` that arrived.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from loguru import logger  # type: ignore[import-not-found,unused-ignore]
from pipecat.frames.frames import (  # type: ignore[import-not-found,unused-ignore]
    EndFrame,
    Frame,
    OutputAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline  # type: ignore[import-not-found,unused-ignore]
from pipecat.pipeline.runner import PipelineRunner  # type: ignore[import-not-found,unused-ignore]
from pipecat.pipeline.task import PipelineTask  # type: ignore[import-not-found,unused-ignore]
from pipecat.processors.frame_processor import (  # type: ignore[import-not-found,unused-ignore]
    FrameDirection,
    FrameProcessor,
)

_BLOCK = bytes(1024)


class HandOn(FrameProcessor):  # type: ignore[misc,unused-ignore]
    """Counts sound, and hands on everything."""

    seen = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """One frame."""
        await super().process_frame(frame, direction)
        self.seen += isinstance(frame, OutputAudioRawFrame)
        await self.push_frame(frame, direction)


async def _run(count: int) -> tuple[float, int]:
    parts = [HandOn() for _ in range(3)]
    task = PipelineTask(Pipeline(parts))
    frames = [OutputAudioRawFrame(audio=_BLOCK, sample_rate=16_000, num_channels=1) for _ in range(count)]
    before = time.process_time()
    await task.queue_frames([*frames, EndFrame()])
    await PipelineRunner(handle_sigint=False).run(task)
    return time.process_time() - before, parts[-1].seen


def main() -> None:
    """Measure and print."""
    logger.remove()
    count = int(sys.argv[1])
    idle_s, _ = asyncio.run(_run(0))
    spent_s, seen = asyncio.run(_run(count))
    print(json.dumps({"cpu_us_per_frame": (spent_s - idle_s) / max(seen, 1) * 1e6, "frames": seen}))


if __name__ == "__main__":
    main()
