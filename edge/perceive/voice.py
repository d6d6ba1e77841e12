"""How something is said: a new estimate of the voice's affect per 250 ms of speech, or 125 ms while the tone changes.

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
from models.whisper_encoder import FRAME_S, WhisperEncoder

Array = npt.NDArray[np.float32]

_HOP_S = 0.25  # of speech, between two estimates …
_HOP_STIRRED_S = 0.12  # … while the last second sounds unlike the last two: a change is named a step sooner
_STIRS = 0.2  # total variation, 0–1, between what the two sound like, from which it is looked at closely
_FIRST_S = 0.5  # of speech, before the first one
_WINDOW_FRAMES = round(2.0 / FRAME_S)  # of the stream: with more, a change of tone is heard later, and hardly better
_RECORDING_FRAMES = round(3.0 / FRAME_S)
_RECENT_FRAMES, _LATEST_FRAMES = round(1.0 / FRAME_S), round(0.5 / FRAME_S)
_PAUSE_S = 1.0  # of silence, after which what was said before is another passage
_SPEECH = 0.35  # probability under which a chunk waits for speech to go on before it is heard
_LEAD = 5  # chunks of 32 ms kept from before speech is certain: its own first two, and a tenth of a second
_TRAIL = 3  # chunks kept after it; the head learned from speech with a tenth of a second around it


class VoiceReader:
    """One stream's voice affect, by `head` (the shipped one). Raises ModelError where the encoder or it is missing."""

    def __init__(self, head: VoiceHead | None = None) -> None:
        self._encoder = WhisperEncoder()
        self._head = head or VoiceHead()
        self._done: deque[Array] = deque(maxlen=2)  # encoded chunks of one second
        self.reset()

    def reset(self) -> None:
        """Forget the stream; call it also when the device itself begins to speak."""
        self._waiting: deque[Array] = deque()
        self._last_speech_s: float | None = None
        self._quiet = 0  # chunks since the last one that held speech
        self._forget()

    def _forget(self) -> None:
        self._encoder.reset()
        self._done.clear()
        self._heard_s = 0.0
        self._next_s = _FIRST_S
        self._stirred = False

    def feed(self, samples: Array, t_s: float, probability: float, speaking: bool) -> VoiceAffect | None:
        """Hear the next chunk of sound (mono, 16 kHz, from capture time `t_s`), judged by speech activity.

        Returns an estimate when a step of speech came in since the last, and at least half a second in all.
        """
        end_s = t_s + len(samples) / SAMPLE_RATE
        if self._last_speech_s is not None and t_s - self._last_speech_s >= _PAUSE_S:
            self._forget()
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
        self._heard_s += len(speech) / SAMPLE_RATE
        self._done.extend(self._encoder.feed(speech))
        if self._heard_s < self._next_s:
            return None
        window, estimate, recent = self._look(closely=self._stirred)
        stirs = _unlike(estimate, recent)
        if stirs and not self._stirred:
            window, estimate, recent = self._look(closely=True)
            stirs = _unlike(estimate, recent)
        self._stirred = stirs
        self._next_s = self._heard_s + (_HOP_STIRRED_S if self._stirred else _HOP_S)
        if estimate is None:
            return None
        return _observation(estimate, end_s, recent, self._head.probs(window[-_LATEST_FRAMES:]))

    def _look(self, *, closely: bool) -> tuple[Array, VoiceEstimate | None, Mapping[str, float] | None]:
        """The window, and what it and its last second sound like; `closely`: the unfinished second anew, as a whole."""
        newest = self._encoder.tail() if closely else self._encoder.preview()
        window = np.concatenate([*self._done, newest])[-_WINDOW_FRAMES:]
        return window, self._head.estimate(window), self._head.probs(window[-_RECENT_FRAMES:])


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
        if len(speech) < _FIRST_S * SAMPLE_RATE:
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


def _unlike(whole: VoiceEstimate | None, recent: Mapping[str, float] | None) -> bool:
    if whole is None or recent is None:
        return False
    return 0.5 * sum(abs(share - recent[name]) for name, share in whole.probs.items()) >= _STIRS


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
