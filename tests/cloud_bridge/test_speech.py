"""What is said often is prepared, kept, and heard at once; a voice that fails is replaced."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from benchmarks.simulated_cloud import RATE, SimulatedVoice, tone
from cloud_bridge.errors import ProviderError
from cloud_bridge.providers.base import Sound, Viseme
from cloud_bridge.speech import Speech
from cloud_bridge.speech_cache import SpeechCache


class PaddedVoice(SimulatedVoice):
    """Half a second of tone between two silences, with three mouth shapes."""

    async def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        self.spoken.append(text)
        quiet = bytes(RATE // 5 * 2)
        shapes = (
            Viseme(0, RATE // 5, "sil"),
            Viseme(RATE // 5, RATE // 2, "aa"),
            Viseme(RATE // 5 + RATE // 2, RATE // 5, "sil"),
        )
        yield Sound(quiet + tone(440, 0.5) + quiet, RATE, shapes)


async def said(speech: Speech, text: str) -> list[Sound]:
    return [sound async for sound in speech.say(text)]


async def test_a_prepared_line_has_no_silence_before_it() -> None:
    """The first sample that leaves is heard; mouth shapes still cover the sound exactly."""
    speech = Speech(PaddedVoice())
    await speech.prepare(["Okay."])
    (sound,) = await said(speech, "Okay.")
    samples = array("h", sound.pcm)
    assert max(abs(one) for one in samples[: RATE // 50]) > 1000
    assert 0.5 <= sound.samples / RATE < 0.6
    assert sound.visemes[0].at == 0
    assert sum(one.length for one in sound.visemes) == sound.samples
    assert [one.shape for one in sound.visemes] == ["sil", "aa", "sil"]


async def test_a_prepared_line_is_kept_for_the_next_start(tmp_path: Path) -> None:
    """A second start takes the lines from the cache, sample by sample the same."""
    first, second = PaddedVoice(), PaddedVoice()
    one, two = Speech(first, cache=SpeechCache(tmp_path)), Speech(second, cache=SpeechCache(tmp_path))
    await one.prepare(["Okay."])
    await two.prepare(["Okay."])
    assert first.spoken == ["Okay."]
    assert second.spoken == []
    assert await said(one, "Okay.") == await said(two, "Okay.")


@pytest.mark.parametrize("damage", [b"", b"[]\n", b"{\n", b'[{"bytes": 9, "sample_rate": 1, "visemes": []}]\nxy'])
async def test_a_broken_cache_is_spoken_again(tmp_path: Path, damage: bytes) -> None:
    """A damaged file costs time, nothing else."""
    await Speech(PaddedVoice(), cache=SpeechCache(tmp_path)).prepare(["Okay."])
    for file in list(tmp_path.iterdir()):  # noqa: ASYNC240
        file.write_bytes(damage)
    voice = PaddedVoice()
    speech = Speech(voice, cache=SpeechCache(tmp_path))
    await speech.prepare(["Okay."])
    assert voice.spoken == ["Okay."]
    assert await said(speech, "Okay.")


async def test_the_spare_speaks_while_the_voice_fails() -> None:
    """A failing voice is replaced, and after three failures left alone for a while."""
    broken, spare = SimulatedVoice(0.0, fails=True), SimulatedVoice(0.0)
    speech = Speech(broken, spare)
    for _ in range(5):
        assert await said(speech, "Hello.")
    assert len(spare.spoken) == 5


async def test_without_a_spare_the_failure_is_told() -> None:
    """No sound is made up."""
    speech = Speech(SimulatedVoice(0.0, fails=True))
    for _ in range(5):
        with pytest.raises(ProviderError):
            await said(speech, "Hello.")
