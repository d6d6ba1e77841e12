"""Makes a clip of the drawn face talking: for a demo on a machine without camera, microphone or clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edge.errors import ConfigError
from edge.sensors._acting import Actor, hum_block, loudness, parse
from edge.sensors._face import draw
from edge.sensors.synthetic import sound_of
from edge.types import SAMPLE_RATE

_FPS = 25
_SOUND_RATE = 48_000  # Hz, in the file: Opus knows no 16 kHz on the outside
_LEAD_S, _TAIL_S = 0.4, 0.8  # silence before and after the voice
_CODECS = {
    ".webm": ("libvpx", "libopus", {"deadline": "realtime", "cpu-used": "8"}),
    ".mp4": ("libx264", "aac", {"preset": "veryfast"}),
}
_BIT_RATE = 1_000_000


def make_clip(
    path: Path, sentence: str, voice: Path | None, *, script: str = "smile", width: int = 640, height: int = 480
) -> None:
    """Write a clip (`.webm` or `.mp4`) of the drawn face saying `voice`, a sound file; the sentence is its title.

    Without a voice it hums vowels as long as the sentence would take: a face and a sound, but no words. `script`: as of
    `synthetic://`. Raises ConfigError (file type, script), SensorMissing or MediaError (voice).
    """
    if path.suffix not in _CODECS:
        raise ConfigError(f"{path} must end in {' or '.join(_CODECS)}")
    actor = Actor(parse(script))
    said = hum_block(0, round(len(sentence) / 14 * SAMPLE_RATE)) if voice is None else sound_of(str(voice))
    silence = [np.zeros(round(seconds * SAMPLE_RATE), np.float32) for seconds in (_LEAD_S, _TAIL_S)]
    sound = np.concatenate([silence[0], said, silence[1]])
    picture_codec, sound_codec, speed = _CODECS[path.suffix]
    fresh = path.with_name(f".{path.name}")
    kind = path.suffix[1:]
    with av.open(str(fresh), "w", format=kind) as container:
        container.metadata["title"] = sentence
        pictures = container.add_stream(picture_codec, rate=_FPS, options=speed)
        pictures.width, pictures.height, pictures.pix_fmt, pictures.bit_rate = width, height, "yuv420p", _BIT_RATE
        pictures.codec_context.thread_count = 1  # more only wait for each other at this size
        voices = container.add_stream(sound_codec, rate=_SOUND_RATE, layout="mono")
        resampler = av.AudioResampler(format=voices.codec_context.format, layout="mono", rate=_SOUND_RATE)
        step = SAMPLE_RATE // _FPS
        for index in range(len(sound) // step):
            piece = sound[index * step : (index + 1) * step]
            look = actor.look(index / _FPS, loudness(piece))
            pixels = draw(look, width=width, height=height, sway=actor.sway(index / _FPS))
            picture = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, _FPS)
            container.mux(pictures.encode(picture))
            heard = av.AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = SAMPLE_RATE, index * step, Fraction(1, SAMPLE_RATE)
            for part in resampler.resample(heard):
                container.mux(voices.encode(part))
        for part in resampler.resample(None):
            container.mux(voices.encode(part))
        container.mux(pictures.encode())
        container.mux(voices.encode())
    fresh.replace(path)
