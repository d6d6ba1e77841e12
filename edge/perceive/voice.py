"""How something is said: which sound is speech that the voice's affect is read from (models.voice_stream).

Only speech reaches the encoder. Silence gives nothing; a pause of a second or more ends the passage, and the
next one is listened to afresh: what is remembered of a mood belongs to the state, not here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge.perceive.speech import CHUNK_S, SpeechGate
from edge.types import SAMPLE_RATE, AudioFrame, VoiceAffect
from models.logmel import check_rate
from models.speech_activity import SpeechActivityNet
from models.voice_head import VoiceEstimate, VoiceHead
from models.voice_stream import FIRST_S, VoiceStream
from models.whisper_encoder import FRAME_S, WhisperEncoder

Array = npt.NDArray[np.float32]

_RECORDING_FRAMES = round(3.0 / FRAME_S)
_PAUSE_S = 1.0  # of silence, after which what was said before is another passage
_SPEECH = 0.35  # probability under which a chunk waits for speech to go on before it is heard
_LEAD = 5  # chunks of 32 ms kept from before speech is certain: its own first two, and a tenth of a second
_TRAIL = 3  # chunks kept after it; the head learned from speech with a tenth of a second around it


class VoiceReader:
    """One stream's voice affect, by `head` (the shipped one). Raises ModelError where the encoder or it is missing."""

    def __init__(self, head: VoiceHead | None = None) -> None:
        self._stream = VoiceStream(head)
        self.reset()

    def reset(self) -> None:
        """Forget the stream; call it also when the device itself begins to speak."""
        self._waiting: deque[Array] = deque()
        self._last_speech_s: float | None = None
        self._quiet = 0  # chunks since the last one that held speech
        self._stream.reset()

    def feed(self, samples: Array, t_s: float, probability: float, speaking: bool) -> VoiceAffect | None:
        """Hear the next chunk of sound (mono, 16 kHz, from capture time `t_s`), judged by speech activity.

        Returns an estimate when a step of speech came in since the last, and at least half a second in all.
        """
        end_s = t_s + len(samples) / SAMPLE_RATE
        if self._last_speech_s is not None and t_s - self._last_speech_s >= _PAUSE_S:
            self._stream.reset()
            self._last_speech_s = None
        self._waiting.append(samples)
        if not speaking:
            while len(self._waiting) > _LEAD:
                self._waiting.popleft()
            return None
        self._quiet = 0 if probability >= _SPEECH else self._quiet + 1
        if self._quiet > _TRAIL:
            return None
        speech = np.concatenate(self._waiting)
        self._waiting.clear()
        if not self._quiet:
            self._last_speech_s = end_s
        look = self._stream.feed(speech)
        return None if look is None else _observation(look.estimate, end_s, look.recent, look.latest)


class RecordingReader:
    """Whole recordings, one after another. Raises ModelError where a model is missing."""

    def __init__(self) -> None:
        self._net = SpeechActivityNet()
        self._encoder = WhisperEncoder()
        self._head = VoiceHead()

    def read(self, samples: Array, sample_rate_hz: int = SAMPLE_RATE) -> VoiceAffect | None:
        """The best single estimate of a whole recording; None where it holds under half a second of speech.

        Windows of up to three seconds are read one by one and averaged. `t_s` is the recording's length.
        Raises SampleRateError unless the rate is 16 kHz.
        """
        windows = self._windows(samples, sample_rate_hz)
        estimate = None if windows is None else self._head.judge(windows)
        return None if estimate is None else _observation(estimate, len(samples) / SAMPLE_RATE)

    def core_logits(self, samples: Array, sample_rate_hz: int = SAMPLE_RATE) -> Array | None:
        """Logits (4,) of neutral, happy, sad and angry, before calibration; None and errors as of `read`."""
        windows = self._windows(samples, sample_rate_hz)
        return None if windows is None else self._head.core_logits(windows)

    def _windows(self, samples: Array, sample_rate_hz: int) -> list[Array] | None:
        check_rate(sample_rate_hz)
        self._net.reset()
        self._encoder.reset()
        speech = speech_of(samples, self._net)
        if len(speech) < FIRST_S * SAMPLE_RATE:
            return None
        frames = np.concatenate([*self._encoder.feed(speech), self._encoder.tail()])
        return np.array_split(frames, -(-len(frames) // _RECORDING_FRAMES))


def speech_of(samples: Array, net: SpeechActivityNet) -> Array:
    """The speech in a whole recording (mono, 16 kHz), joined; what a stream would have let through."""
    gate, kept, waiting = SpeechGate(net), [np.zeros(0, dtype=np.float32)], deque[Array]()
    quiet = 0
    padded = np.pad(samples, (0, -len(samples) % round(CHUNK_S * SAMPLE_RATE))).astype(np.float32, copy=False)
    for chunk in gate.feed(AudioFrame("recording", 0, 0.0, padded)):
        waiting.append(chunk.samples)
        if not chunk.activity.speaking:
            while len(waiting) > _LEAD:
                waiting.popleft()
            continue
        quiet = 0 if chunk.activity.probability >= _SPEECH else quiet + 1
        if quiet <= _TRAIL:
            kept.extend(waiting)
            waiting.clear()
    return np.concatenate(kept)


def _observation(
    estimate: VoiceEstimate,
    t_s: float,
    recent: Mapping[str, float] | None = None,
    latest: Mapping[str, float] | None = None,
) -> VoiceAffect:
    return VoiceAffect(
        t_s=t_s,
        confidence=estimate.confidence,
        probs=estimate.probs,
        valence=estimate.valence,
        arousal=estimate.arousal,
        listened_s=estimate.listened_s,
        unclear=estimate.unclear,
        fine=estimate.fine,
        bursts=estimate.bursts,
        recent=recent or {},
        latest=latest or {},
    )
