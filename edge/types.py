"""The things that walk through the loop: Frame → Observation → PersonState → Description.

Every `t_s` is monotonic time (`edge.clock.now_s`), in seconds; UTC appears only in an envelope. Every value is
immutable. What was not perceived is None or absent, never zero and never "neutral".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLE_RATE = 16_000  # Hz, of every AudioFrame

# Category names of the whole project. Voice speaks of the first four plus a finer set; face of all eight.
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt")


# ---------------------------------------------------------------- frames: never leave the device, never logged


@dataclass(frozen=True, slots=True, eq=False)
class AudioFrame:
    """A block of sound. `samples`: float32, shape (n,), mono, 16 kHz, in [-1, 1]; n ≥ 512 (32 ms) but at the end."""

    source: str
    seq: int
    t_s: float  # capture time of the first sample
    samples: npt.NDArray[np.float32]

    @property
    def end_s(self) -> float:
        """Capture time of the sample after the last one."""
        return self.t_s + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture. `pixels`: uint8, shape (h, w, 3) in BGR order, or (h, w) for grey."""

    source: str
    seq: int
    t_s: float
    pixels: npt.NDArray[np.uint8]

    @property
    def luma(self) -> npt.NDArray[np.uint8]:
        """Lightness alone, uint8 (h, w), by the source's own scale: to see whether something changed, and no more."""
        pixels = self.pixels
        return pixels[:, :, 1] if pixels.ndim == 3 else pixels  # green is the lightness nearly


Frame = AudioFrame | VideoFrame


# ---------------------------------------------------------------- observations: what one detector says of one moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one detector says of one moment.

    `person` is the visual track id, or None for a voice that no face is bound to yet. `confidence` is a calibrated
    probability that the observation's main claim is right, or None where the detector has none. `quality` in 0–1
    tells how good the input was (light, size, sharpness; noise, length), or None.
    """

    t_s: float
    person: int | None = None
    confidence: float | None = None
    quality: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechActivity(Observation):
    """Speech or not, one per audio block."""

    probability: float  # 0–1, that this block holds speech
    speaking: bool  # with hysteresis
    speech_s: float  # speech heard in the running utterance; 0 when not speaking


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd(Observation):
    """The person has finished the turn (`final`), or may have (speculative: reply early, be ready to cancel)."""

    probability: float | None  # that the turn is over; None: not judged yet
    by: Literal["model", "silence", "end_of_input"]
    final: bool
    speech_end_s: float  # time of the turn's last speech
    words: str | None = None  # of the turn, where they are known and reliable
    words_pending: bool = False  # still being read: the same end is told again, with the words or without


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceAffect(Observation):
    """Affect heard in the voice. `probs`: calibrated, over neutral/happy/sad/angry, sums to 1.

    `fine`: the finer set where supported (may be empty); `bursts`: laughter, cry, sigh → probability. `valence` and
    `arousal` in [-1, 1]; `derived` says that they were computed from `probs` rather than measured.
    """

    probs: Mapping[str, float]
    valence: float
    arousal: float
    listened_s: float  # speech that this estimate rests on
    unclear: bool
    derived: bool = True
    fine: Mapping[str, float] = field(default_factory=dict)
    bursts: Mapping[str, float] = field(default_factory=dict)
    recent: Mapping[str, float] = field(default_factory=dict)  # as `probs`, of the last second alone; may be empty
    latest: Mapping[str, float] = field(default_factory=dict)  # as `recent`, of the last half second


@dataclass(frozen=True, slots=True, kw_only=True)
class Prosody(Observation):
    """How it was said, over the last window of speech: explainable evidence."""

    window_s: float
    pitch_hz: float | None  # median F0 of voiced parts
    pitch_slope_st_s: float | None  # semitones per second over the window
    pitch_range_st: float | None  # 10th–90th percentile, semitones
    energy_db: float  # mean level of speech, dBFS
    rate_hz: float | None  # syllable nuclei per second
    pause_fraction: float  # 0–1, silence inside the utterance
    voiced_fraction: float  # 0–1


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Observation):
    """What was said. `final` when the turn is over; partial texts may be corrected later."""

    text: str
    final: bool
    language: str | None
    start_s: float
    end_s: float
    avg_logprob: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSeen(Observation):
    """A face in view. `box`: x, y, w, h as fractions of the picture. `mouth_open`: inner-lip gap / mouth width."""

    box: tuple[float, float, float, float]
    presence: float  # 0–1, from the landmark net
    mouth_open: float | None = None
    partial: bool = False  # half out of view, or turned so far that expression is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLost(Observation):
    """The track `person` ended: the face left the view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceAffect(Observation):
    """Affect seen in the face. `probs`: calibrated, over EMOTIONS, sums to 1; `valence`, `arousal` in [-1, 1]."""

    probs: Mapping[str, float]
    valence: float
    arousal: float
    unclear: bool
    derived: bool = True
    action_units: Mapping[str, float] = field(default_factory=dict)  # brow_lower, cheek_raise …: 0–1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPose(Observation):
    """Head rotation towards the camera, degrees: yaw + = the person's left, pitch + = up, roll + = head tilts clockwise
    as the viewer sees it."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaze(Observation):
    """Gaze direction against the camera axis (head and eyes together), degrees, signs as in HeadPose.

    `on_target`: looks at the device, against the calibrated neutral; None while that is not known.
    """

    yaw_deg: float
    pitch_deg: float
    on_target: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes(Observation):
    """Eye state. `ear`: eye aspect ratio (Soukupová & Čech 2016), mean of both eyes; `openness` 0–1 against the
    person's own running baseline, None while it calibrates. `perclos`: share of time ≥ 80 % closed over `window_s`."""

    ear: float
    openness: float | None
    closed: bool
    blink_per_min: float | None
    perclos: float | None
    window_s: float
    yawning: bool = False
    drowsiness: Literal["calibrating", "alert", "tired", "drowsy"] = "calibrating"


# ---------------------------------------------------------------- state: one person, one time frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Affect:
    """Affect of one channel, or of all together, as it stands now. `probs` over EMOTIONS; `age_ms` of its newest
    evidence; `derived`: valence and arousal were computed from class probabilities."""

    probs: Mapping[str, float]
    label: str
    valence: float
    arousal: float
    confidence: float | None
    unclear: bool
    age_ms: float
    derived: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Where the person looks. Angles in degrees; `away_s`: how long not on target, 0 when on it or not known."""

    head_pose_deg: tuple[float, float, float] | None  # yaw, pitch, roll
    gaze_deg: tuple[float, float] | None  # yaw, pitch
    on_target: bool | None
    away_s: float
    age_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drowsiness:
    """Graded tiredness with its sources."""

    level: Literal["calibrating", "alert", "tired", "drowsy"]
    perclos: float | None
    blink_per_min: float | None
    window_s: float
    yawning: bool
    age_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incongruence:
    """Two channels that disagree. `strength` 0–1; `evidence` is a short human phrase without the words said;
    `pleasant`: which of the two is the pleasant one."""

    between: Literal["words_voice", "voice_face", "words_face"]
    strength: float
    evidence: str
    pleasant: Literal["words", "voice", "face"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that began or fired: an awareness rule, speech start, turn end, face lost …"""

    t_s: float
    name: str
    person: int | None = None
    arguments: Mapping[str, str | float | bool] = field(default_factory=dict)
    priority: Literal["normal", "alert"] = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonState:
    """One person at one moment. `person` is a stable id of the session (0: heard, not seen)."""

    person: int
    t_s: float
    turn: int  # turns of the session, from 1; 0 before the first
    speaking: bool | None  # None: not known (no sound input)
    face_box: tuple[float, float, float, float] | None = None
    face: Affect | None = None
    voice: Affect | None = None
    fused: Affect | None = None
    action_units: Mapping[str, float] = field(default_factory=dict)
    attention: Attention | None = None
    drowsiness: Drowsiness | None = None
    prosody: Prosody | None = None
    words: str | None = None  # of the running or last turn
    incongruence: tuple[Incongruence, ...] = ()
    cues: Mapping[str, float] = field(default_factory=dict)  # uncertainty, masking, frustration …: 0–1
    trend: str | None = None  # e.g. "frustration rising over 3 turns"
    events: tuple[Event, ...] = ()  # since the last state


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an LLM can read as it is. Each line ≤ 32 tokens, hedged; None where nothing was perceived."""

    person: int
    t_s: float
    turn: int
    audio: str | None
    visual: str | None
    joint: str | None
    numbers: Mapping[str, float] = field(default_factory=dict)
