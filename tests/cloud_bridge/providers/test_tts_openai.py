"""Contract with OpenAI's speech format, against a local server that speaks it. Not run against the live service."""

from __future__ import annotations

import pytest

from benchmarks.simulated_cloud import tone
from cloud_bridge import choose
from cloud_bridge.errors import ProviderRefused
from cloud_bridge.providers.tts_openai import OpenAISpeech
from tests.cloud_bridge.providers.servers import JSON, server

AUDIO = {"content-type": "audio/pcm"}


async def test_sound_comes_whole_whatever_the_pieces() -> None:
    """Odd cuts of the network never split a sample."""
    pcm = tone(440, 0.35)
    parts = [pcm[at : at + 1001] for at in range(0, len(pcm), 1001)]
    async with server(lambda _: (200, AUDIO, parts)) as seen:
        voice = OpenAISpeech("tts-x", "nova", seen.url, "k")
        sounds = [sound async for sound in voice.speak("Hello.", 1.25)]
        await voice.close()
    assert b"".join(sound.pcm for sound in sounds) == pcm
    assert all(len(sound.pcm) % 2 == 0 and sound.sample_rate == 24_000 for sound in sounds)
    assert len(sounds) > 1
    want = {"model": "tts-x", "voice": "nova", "input": "Hello.", "response_format": "pcm", "speed": 0.8}
    assert seen.bodies[0] == want


async def test_a_refusal_is_an_error() -> None:
    """No sound is made up; the reason is the kind that the provider names, not its words, which may quote the text."""
    body = b'{"error": {"message": "cannot say: my secret", "type": "invalid_request_error", "code": "no_such_voice"}}'
    async with server(lambda _: (400, JSON, [body])) as seen:
        voice = OpenAISpeech("tts-x", "nova", seen.url)
        with pytest.raises(ProviderRefused, match=r"400: invalid_request_error no_such_voice$"):
            await anext(voice.speak("Hello."))
        await voice.close()


@pytest.mark.parametrize(("chosen", "name"), [("openai:m", "alloy"), ("openai:m/nova", "nova")])
async def test_a_voice_is_named_after_its_model(chosen: str, name: str) -> None:
    """Where none is named, the one that every server of the format has."""
    async with server(lambda _: (200, AUDIO, [bytes(2)])) as seen:
        voice, spare = choose.voice(f"{chosen}@{seen.url}")
        assert voice is not None
        assert [sound async for sound in voice.speak("Hello.")]
        await voice.close()
    assert (seen.bodies[0]["model"], seen.bodies[0]["voice"], spare) == ("m", name, None)
