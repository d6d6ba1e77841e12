"""`python -m cloud_bridge.speak TEXT OUT.wav`: one text, spoken by the bridge's voice into a file."""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

from cloud_bridge import choose
from cloud_bridge.errors import BridgeError
from cloud_bridge.providers.base import Viseme
from cloud_bridge.sentences import Sentences


async def speak(text: str, out: Path, *, tts: str = "auto", pace: float = 1.0) -> tuple[int, list[Viseme]]:
    """Speak `text` into the WAV file `out` (16-bit mono). Returns the sample rate and the mouth shapes, in samples.

    Raises BridgeError.
    """
    voice, _ = choose.voice(tts)
    if voice is None:
        raise BridgeError("no voice is chosen: give piper, espeak or openai:MODEL")
    cutter = Sentences()
    pcm, shapes, rate = bytearray(), [], 0
    try:
        await voice.start()
        for sentence in [*cutter.feed(text), *cutter.flush()]:
            async for sound in voice.speak(sentence, pace):
                at, rate = len(pcm) // 2, sound.sample_rate
                shapes += [Viseme(at + one.at, one.length, one.shape) for one in sound.visemes]
                pcm += sound.pcm
    finally:
        await voice.close()
    if not pcm:
        raise BridgeError("there is nothing to speak in this text")
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(pcm))
    return rate, shapes


def main() -> int:
    """Run from the command line."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        asyncio.run(speak(sys.argv[1], Path(sys.argv[2])))
    except BridgeError as error:
        print(f"speak: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
