"""What was said, or nothing: a text is given only when the recognizer itself finds it likely."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from models.asr import LANGUAGE, LONGEST_S, SHORTEST_S, SpeechRecognizer, Transcript

LANGUAGES = (LANGUAGE,)

# Chosen on one half of the speakers, judged on the other; figures in the card of `asr_decoder`.
_LEAST_AVG_LOGPROB = -0.45
_LEAST_WHEN_SHORT, _SHORT = -0.3, 4  # of so few pieces, the end included: a sigh is easily read as "Oh."
_MOST_COMPRESSION = 2.4  # length / zlib length: loops compress well (Radford et al. 2022 use the same bound)
_SAMPLE_RATE = 16_000
# Silence after the sound: with less than 0.25 s in all a last word is misread, or a comma heard for a full stop.
_BREATH = np.zeros(3_520, dtype=np.float32)


class WordFinder:
    """Speech to text of one turn's stretch of sound."""

    def __init__(self) -> None:
        """Raises ModelError where a model of the set `words` is missing."""
        self._recognizer = SpeechRecognizer()

    def find(self, samples: npt.NDArray[np.float32]) -> Transcript | None:
        """The words in `samples` (float32, shape (n,), 16 kHz; at most the last 30 s are heard), or None where it is
        too short, no English speech, or unreliable."""
        heard = samples[-int(LONGEST_S * _SAMPLE_RATE) + _BREATH.size :]
        if heard.size < SHORTEST_S * _SAMPLE_RATE:
            return None
        found = self._recognizer.transcribe(np.concatenate((heard, _BREATH)))
        return found if reliable(found) else None


def reliable(found: Transcript) -> bool:
    """Whether a transcript may be believed: it has words, came to its end, is likely, and is no loop."""
    text = found.text
    least = _LEAST_WHEN_SHORT if len(found.logprobs) <= _SHORT else _LEAST_AVG_LOGPROB
    return (
        any(letter.isalnum() for letter in text)
        and found.closed
        and found.avg_logprob >= least
        and len(text) / len(zlib.compress(text.encode())) <= _MOST_COMPRESSION
    )
