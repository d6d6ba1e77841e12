"""Echo cancellation against a simulated room, whose truth is known."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from edge.perceive.echo import EchoCanceller
from edge.types import SAMPLE_RATE
from models import store
from models.errors import ModelMissing
from models.speech_activity import CHUNK, SpeechActivityNet
from tests.sounds import Sound, frames, read

pytest.importorskip("livekit", reason="echo cancellation is optional: pip install 'mien[echo]'")


def room(played: Sound, *, delay_s: float = 0.01) -> Sound:
    """What a microphone hears of `played`: delayed, with 0.2 s of decaying reverberation, 6 dB quieter, and noise."""
    rng = np.random.default_rng(0)
    echoes = rng.standard_normal(3_200) * np.exp(-np.arange(3_200) / 600)
    echoes /= np.sqrt((echoes**2).sum()) * 2
    late = np.concatenate((np.zeros(int(delay_s * SAMPLE_RATE)), np.convolve(played, echoes)))[: played.size]
    return (late + 3e-4 * rng.standard_normal(played.size)).astype(np.float32)


def cleaned(mic: Sound, played: Sound, *, block: int = 512) -> Sound:
    canceller = EchoCanceller()
    out = []
    for frame in frames(played, block=1_600):
        canceller.playing(frame.samples, frame.t_s)
    for frame in frames(mic, block=block):
        out.append(canceller.clean(frame).samples)
    return np.concatenate(out)


def level_db(sound: Sound, start_s: float, end_s: float) -> float:
    return float(10 * np.log10(np.mean(sound[int(start_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)] ** 2)))


def bursts(seconds: float) -> Sound:
    """Speech-like bursts of noise: on and off four times a second."""
    rng = np.random.default_rng(1)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.2 * rng.standard_normal(t.size) * (np.sin(2 * np.pi * 4 * t) > 0)).astype(np.float32)


@pytest.mark.parametrize("delay_s", [0.0, 0.1])
def test_an_echo_is_taken_away(delay_s):
    """After two seconds of learning, at least 20 dB of the echo are gone, whatever the room's delay."""
    played = bursts(5)
    mic = room(played, delay_s=delay_s)
    assert level_db(mic, 3, 5) - level_db(cleaned(mic, played), 3, 4.9) > 20


def test_without_playback_the_sound_is_untouched():
    """While nothing is played, frames pass as they are."""
    frame = frames(bursts(0.1))[0]
    assert EchoCanceller().clean(frame) is frame


def test_no_sound_is_lost_or_moved():
    """Frames of any size: all samples but the last open 10 ms come out, with the time at which they were captured."""
    played, canceller, out = bursts(2), EchoCanceller(), []
    canceller.playing(played, 0.0)
    for frame in frames(room(played), block=700):
        out.append(canceller.clean(frame))
    assert sum(one.samples.size for one in out) == played.size // 160 * 160
    for one, after in itertools.pairwise(out):
        assert after.t_s == pytest.approx(one.end_s, abs=1e-6)
    assert out[0].t_s == pytest.approx(-0.008, abs=0.001)


def test_what_was_not_played_is_no_reference():
    """After a barge-in the rest of the reply is forgotten: the microphone passes untouched a second later."""
    canceller = EchoCanceller()
    canceller.playing(bursts(10), 0.0)
    canceller.stopped(1.0)
    late = frames(bursts(0.1), start_s=2.5)[0]
    assert canceller.clean(late) is late


def test_an_interruption_is_heard_and_the_device_is_not(clips):
    """The device's own voice is no speech activity; a person who speaks over it is."""
    try:
        store.path("speech_activity")
    except ModelMissing as error:
        pytest.skip(str(error))
    device = np.concatenate([read(clip) for clip in clips[:3]] * 2)
    device *= 0.1 / np.sqrt(np.mean(device**2))
    person = np.zeros_like(device)
    voice = read(clips[3])
    person[12 * SAMPLE_RATE : 12 * SAMPLE_RATE + voice.size] = 2 * voice
    echo = room(device)
    mic = np.clip(echo + person, -1, 1).astype(np.float32)

    def speaking(sound: Sound, start_s: float, end_s: float) -> float:
        net = SpeechActivityNet()
        part = sound[int(start_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]
        return float(
            np.mean([net.probability(one) > 0.5 for one in part[: part.size // CHUNK * CHUNK].reshape(-1, CHUNK)])
        )

    clean = cleaned(mic, device)
    assert speaking(mic, 3, 12) > 0.3
    assert speaking(clean, 3, 12) < 0.03
    assert speaking(clean, 12.5, 14.5) > 0.3


def test_the_library_has_ended_before_python_does() -> None:
    """What its threads still call then is waited for: such a call would abort a process that had done its work."""
    code = (
        "import time; time.sleep = lambda _s: print('waits')\n"
        "from edge.perceive.echo import EchoCanceller\n"
        "from livekit.rtc._ffi_client import FfiClient\n"
        "end = FfiClient._dispose; FfiClient._dispose = lambda one: (end(one), print('ended'))\n"
        "EchoCanceller()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["ended", "waits"]
