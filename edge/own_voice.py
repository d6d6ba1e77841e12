"""How the voice that a device mostly hears sounds when nothing moves it: what `mien calibrate` learns, once.

Some people always sound a little angry, and some microphones make everybody so. From neutral speech that was asked for
the difference to other people's neutral speech is known, whatever the person feels most of the time: nobody's sadness
becomes his zero. Only a quarter of the difference is heeded, and never more than 0.3 in a logit, so that an enrolment
in a temper, or another person's, does no harm. The figures stand in docs/voice.md.

Four numbers are kept, in a file that only its owner can read; no sound.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge import clock
from edge.config import state_folder
from edge.errors import ConfigError
from edge.files import write_private
from edge.wire import layout
from models import card
from models.voice_head import CORE, VoiceHead

Array = npt.NDArray[np.float32]

LEAST_S = 10.0  # of speech, about four sentences; seven gave half a point more
_HEEDED = 0.25  # chosen, as the limit was, on EmoDB's strangers
_LIMIT = 0.3


@dataclass(frozen=True, slots=True)
class OwnVoice:
    """`shift`: what is taken from the logits of neutral, happy, sad and angry. `speech_s`: learned from so much speech.

    `head`: the voice head (SHA-256) that heard it; another one hears otherwise, and does not use it. `utc_ms`: when.
    """

    shift: tuple[float, ...]
    speech_s: float
    head: str
    utc_ms: int

    @classmethod
    def learn(cls, logits: Array, usual: Array, speech_s: float) -> OwnVoice:
        """From the core `logits` (4,) of a person's neutral speech, and the `usual` ones (4,) of other people's."""
        shift = np.float32(_HEEDED) * (logits - usual)
        shift -= shift.mean()  # what is added to all four says nothing
        most = float(np.abs(shift).max())
        if most > _LIMIT:
            shift *= np.float32(_LIMIT / most)
        return cls(tuple(round(float(one), 4) for one in shift), round(speech_s, 1), _head(), clock.utc_ms())

    @classmethod
    def load(cls) -> OwnVoice | None:
        """What was learned on this device; None: nothing. Raises ConfigError where the file cannot be understood."""
        path = file()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            layout.check_json(found)
            shift = tuple(float(one) for one in found["shift"])
            own = cls(shift, float(found["speech_s"]), str(found["head"]), int(found["utc_ms"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f" ({error})" if isinstance(error, layout.NewerLayout) else ""
            raise ConfigError(f"{path} cannot be read{why}: run `mien calibrate` again, or with --forget") from error
        if len(shift) != len(CORE) or not all(abs(one) <= _LIMIT + 1e-3 for one in shift):
            raise ConfigError(f"{path} holds no calibration: run `mien calibrate` again, or with --forget")
        return own

    def save(self) -> Path:
        """Keep it, for this user's eyes alone. Raises ConfigError where the state folder cannot be written."""
        path = file()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, json.dumps(asdict(self)).encode())
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror}): make room, or set MIEN_STATE") from error
        return path

    @property
    def fits(self) -> bool:
        """Whether the voice head of today is the one that heard it."""
        return self.head == _head()

    def tune(self, head: VoiceHead) -> VoiceHead:
        """`head` for this person. Ask `fits` before."""
        return head.tuned(np.array(self.shift, dtype=np.float32))


def file() -> Path:
    """Where it is kept."""
    return state_folder() / "own_voice.json"


def forget() -> bool:
    """Erase it; whether there was one. Raises ConfigError where it cannot be erased."""
    try:
        file().unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{file()} cannot be erased: {error.strerror}") from error
    return True


def _head() -> str:
    return card.read("voice_head").sha256
