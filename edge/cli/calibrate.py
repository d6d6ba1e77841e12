"""Let the device learn, once, how the voice that it mostly hears sounds when nothing moves it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge.config import Config
from edge.errors import ConfigError, PolicyError, SensorError
from edge.policy import Policy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge.types import AudioFrame

_HELP = """\
Speak for twenty seconds the way you speak when nothing in particular moves you: say what lies on your table, or the way
to the station. The device then no longer takes your everyday voice, in your room and at your microphone, for joy or
anger. It keeps four numbers, which only you can read, and no sound; nothing leaves it. Do it again with another
microphone. On a device that several people use it does no harm, and the others no good.

  mien calibrate --consent                  by the microphone of the settings (else the default one)
  mien calibrate --consent --sensor me.wav  from a recording of neutral speech
  mien calibrate --show
  mien calibrate --forget"""
_WAIT_S = 90.0  # of listening, after which too little speech is too little
_READ_S = 0.5  # for which a frame is waited for


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien calibrate …`."""
    parser = argparse.ArgumentParser(
        prog="mien calibrate", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sensor", metavar="URI", help="microphone or recording (default: the settings' microphone)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of speech to listen to (default: 20)")
    parser.add_argument("--config", type=Path, help="settings file of the device (TOML)")
    parser.add_argument("--consent", action="store_true", help="the person who speaks agreed that affect is read")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--show", action="store_true", help="tell what was learned")
    other.add_argument("--forget", action="store_true", help="erase it")
    parser.add_argument("--json", action="store_true", help="what was learned, as JSON")
    args = parser.parse_args(argv)
    from edge import own_voice

    if args.forget:
        forgotten = own_voice.forget()
        print(
            json.dumps({"forgotten": forgotten})
            if args.json
            else "forgotten"
            if forgotten
            else "nothing was learned yet"
        )
        return 0
    if not args.show:
        _learn(Config.load(args.config), args.sensor, args.seconds, consent=args.consent)
    return _tell(as_json=args.json)


def _learn(config: Config, sensor: str | None, seconds: float, *, consent: bool) -> None:
    from edge.consent import Consent
    from edge.own_voice import LEAST_S, OwnVoice
    from edge.perceive.voice import RecordingReader
    from models.voice_head import VoiceHead

    if not LEAST_S <= seconds <= 60.0:
        raise ConfigError(f"--seconds {seconds:g}: give {LEAST_S:g} to 60; less does not tell a voice from a mood")
    if consent:
        config = config.updated(purpose=config.purpose.plain() | {"consent": True})
    policy = Policy.from_config(config.purpose)
    Consent(config.consent_record()).heed(policy)
    if not policy.affect:
        mend = "" if config.purpose.consent else ": where the person who speaks agrees, say so by --consent"
        raise PolicyError(f"no voice may be learned here: {policy.reason or 'the settings read no feelings'}{mend}")
    policy.disclose(lambda notice: print(notice, file=sys.stderr))
    sound, heard_s = _listen(_microphone(config, sensor), seconds)
    logits = RecordingReader().core_logits(sound) if heard_s >= LEAST_S else None
    if logits is None:
        raise SensorError(
            f"heard only {heard_s:.0f} s of speech, {LEAST_S:g} are needed: is the microphone right, and loud enough?"
        )
    OwnVoice.learn(logits, VoiceHead().neutral_logits, heard_s).save()


def _microphone(config: Config, sensor: str | None) -> str:
    if sensor is not None:
        return sensor if "://" in sensor else f"file://{Path(sensor).resolve()}"
    return next((one for one in config.sensors if one.startswith("mic:")), "mic://default")


def _listen(uri: str, seconds: float) -> tuple[npt.NDArray[np.float32], float]:
    """(the sound, how much of it is speech) until `seconds` of speech were heard, or nothing more comes."""
    import numpy as np

    from edge.perceive.speech import CHUNK_S, SpeechGate
    from models.speech_activity import SpeechActivityNet

    gate, sound, heard_s = SpeechGate(SpeechActivityNet()), [np.zeros(0, dtype=np.float32)], 0.0
    shown = sys.stderr.isatty()
    for frame in _frames(uri):
        sound.append(frame.samples)
        heard_s += CHUNK_S * sum(chunk.activity.speaking for chunk in gate.feed(frame))
        if shown:
            bar = "█" * round(20 * min(1.0, heard_s / seconds))
            print(f"\r{bar:20} {heard_s:4.1f} of {seconds:g} s of speech", end="", file=sys.stderr, flush=True)
        if heard_s >= seconds:
            break
    if shown:
        print(file=sys.stderr)
    return np.concatenate(sound), heard_s


def _frames(uri: str) -> Iterator[AudioFrame]:
    from edge.sensors.base import EndOfStream, from_text
    from edge.types import AudioFrame

    sensor = from_text(uri, paced=False)
    sensor.open()
    try:
        until_s = time.monotonic() + _WAIT_S
        while time.monotonic() < until_s:
            frame = sensor.read(_READ_S)
            if isinstance(frame, AudioFrame):
                yield frame
    except EndOfStream:
        return
    finally:
        sensor.close()


def _tell(*, as_json: bool) -> int:
    from edge.own_voice import OwnVoice
    from models.voice_head import CORE

    own = OwnVoice.load()
    if own is None:
        print("null" if as_json else "nothing was learned yet: run `mien calibrate`")
        return 0
    when = datetime.fromtimestamp(own.utc_ms / 1000, UTC).isoformat(timespec="seconds")
    if as_json:
        by_class = dict(zip(CORE, own.shift, strict=True))
        print(json.dumps({"shift": by_class, "speech_s": own.speech_s, "learned": when, "in_use": own.fits}))
        return 0
    old = "" if own.fits else "; another voice head learned it, so it is not used: calibrate again"
    print(f"learned from {own.speech_s:g} s of speech, {when}{old}; the logits of a live voice move by")
    for name, shift in zip(CORE, own.shift, strict=True):
        print(f"  {name:8} {-shift:+.2f}")
    return 0
