"""The plain voice: the installed espeak-ng, run for real."""

from __future__ import annotations

from array import array

import pytest

from cloud_bridge import visemes
from cloud_bridge.errors import ModelAbsent
from cloud_bridge.providers.base import Sound
from cloud_bridge.providers.tts_espeak import Espeak


async def spoken(text: str, pace: float = 1.0) -> Sound:
    if not Espeak.installed():
        pytest.skip("espeak-ng is not installed: apt install espeak-ng")
    voice = Espeak()
    await voice.start()
    (sound,) = [one async for one in voice.speak(text, pace)]
    await voice.close()
    return sound


async def test_it_speaks() -> None:
    """Audible sound of a plausible length, with mouth shapes that cover it without a gap."""
    sound = await spoken("I hear you, and I am glad that you told me.")
    assert 1.5 < sound.samples / sound.sample_rate < 6.0
    samples = array("h", sound.pcm)
    assert max(map(abs, samples)) > 2_000
    at = 0
    for one in sound.visemes:
        assert one.at == at
        assert one.shape in visemes.SHAPES
        at += one.length
    assert at == sound.samples


async def test_pace_is_heard() -> None:
    """A slower pace takes longer."""
    sentence = "Take all the time that you need."
    assert (await spoken(sentence, 1.3)).samples > 1.1 * (await spoken(sentence)).samples


async def test_what_is_said_is_no_option_and_no_markup() -> None:
    """Text that looks like an option or a tag is spoken, not obeyed: it goes in by standard input."""
    assert (await spoken("-h --version <voice name='x'>hello there</voice>")).samples > 4_000


async def test_a_missing_program_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear error, with the package to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelAbsent, match="apt install espeak-ng"):
        await Espeak().start()
