"""The real voice, in its own process. Skips where the voice's file or engine is not installed."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud_bridge import visemes
from cloud_bridge.errors import ModelAbsent, ProviderError
from cloud_bridge.providers.base import Sound
from cloud_bridge.providers.tts_piper import Piper
from models import store
from models.errors import ModelError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("piper") is None, reason="piper-tts is not installed")


def files() -> tuple[Path, Path]:
    try:
        return store.path("tts_joe"), store.path("tts_joe_config")
    except ModelError as error:
        pytest.skip(f"the voice is not here: {error}")


@pytest.fixture
async def piper() -> AsyncIterator[Piper]:
    voice = Piper(*files())
    yield voice
    await voice.close()


async def spoken(voice: Piper, text: str, pace: float = 1.0) -> list[Sound]:
    return [sound async for sound in voice.speak(text, pace)]


async def test_it_speaks(piper: Piper) -> None:
    """Audible sound of a plausible length, with mouth shapes that cover it without a gap."""
    (sound,) = await spoken(piper, "I hear you, and I am glad that you told me.")
    length_s = sound.samples / sound.sample_rate
    assert 1.5 < length_s < 6.0
    samples = array("h", sound.pcm)
    rms = (sum(one * one for one in samples) / len(samples)) ** 0.5
    assert 500 < rms < 15_000
    at = 0
    for one in sound.visemes:
        assert one.at == at
        assert one.length > 0
        assert one.shape in visemes.SHAPES
        at += one.length
    assert at == sound.samples
    shapes = {one.shape for one in sound.visemes}
    assert {"sil", "aa", "I", "DD"} <= shapes


async def test_lips_close_where_they_must(piper: Piper) -> None:
    """The alignment is real: "papa" closes the lips twice, with an open mouth between, and begins and ends closed."""
    (sound,) = await spoken(piper, "Papa.")
    shapes = [one.shape for one in sound.visemes]
    first = shapes.index("PP")
    assert "aa" in shapes[first:]
    assert shapes.count("PP") == 2
    assert shapes[0] == "sil"


async def test_pace_is_heard(piper: Piper) -> None:
    """A slower pace takes longer."""
    text = "Let us look at it together, one thing at a time."
    quick, slow = [sum(s.samples for s in await spoken(piper, text, pace)) for pace in (0.9, 1.3)]
    assert slow > 1.2 * quick


async def test_leaving_a_sentence_frees_the_voice(piper: Piper) -> None:
    """Barge-in: a sentence that nobody wants is broken off, and the next one is spoken whole."""
    long = "This is a sentence which goes on and on, and on, and then on again, for as long as it may. " * 6
    task = asyncio.create_task(spoken(piper, long))
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(await spoken(piper, "Yes.")) == 1


async def test_two_speak_in_turn(piper: Piper) -> None:
    """Two sessions that speak at once get each their own sentence."""
    one, two = await asyncio.gather(spoken(piper, "One."), spoken(piper, "One hundred and twenty thousand."))
    assert sum(s.samples for s in two) > 1.5 * sum(s.samples for s in one)


async def test_leaving_while_it_loads(piper: Piper) -> None:
    """Barge-in while the worker starts leaves nothing half begun."""
    loading = asyncio.create_task(piper.start())
    await asyncio.sleep(0.05)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    assert await spoken(piper, "Yes.")


async def test_a_dead_worker_is_an_error_and_then_comes_back(piper: Piper) -> None:
    """A voice that dies in a sentence fails that one alone."""
    await piper.start()
    assert piper._worker is not None
    task = asyncio.create_task(spoken(piper, "A sentence that is lost. " * 20))
    await asyncio.sleep(0.5)
    piper._worker.kill()
    with pytest.raises(ProviderError):
        await asyncio.wait_for(task, 30)
    assert await spoken(piper, "Back again.")


async def test_a_broken_voice_file_is_named(tmp_path: Path) -> None:
    """What is not a voice is told at the start, with its path."""
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"not a model")
    voice = Piper(model, files()[1])
    with pytest.raises(ModelAbsent, match=r"broken\.onnx"):
        await voice.start()


@pytest.mark.parametrize("nonsense", ["{}", "nonsense", '{"id": 1, "bytes": "many"}', "x" * 70_000])
async def test_a_worker_that_cannot_be_followed_is_left(tmp_path: Path, nonsense: str) -> None:
    """Whatever it says: the sentence fails at once, and the next one starts another worker."""
    worker = tmp_path / "worker.py"
    worker.write_text(f"import sys\nprint('ready', flush=True)\nfor _ in sys.stdin: print({nonsense!r}, flush=True)\n")
    voice = Piper(*files())
    voice._command = [sys.executable, str(worker)]
    try:
        for _ in range(2):
            with pytest.raises(ProviderError, match="its process ended"):
                await asyncio.wait_for(spoken(voice, "Hello."), 30)
    finally:
        await voice.close()
