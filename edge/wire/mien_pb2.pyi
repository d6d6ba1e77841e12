from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    STATE: _ClassVar[Kind]
    SPEECH_START: _ClassVar[Kind]
    TURN_MAYBE: _ClassVar[Kind]
    TURN_END: _ClassVar[Kind]
    EVENT: _ClassVar[Kind]
    HEALTH: _ClassVar[Kind]
    GOODBYE: _ClassVar[Kind]
    STAGES: _ClassVar[Kind]

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NORMAL: _ClassVar[Priority]
    ALERT: _ClassVar[Priority]
    LOW: _ClassVar[Priority]
KIND_UNSPECIFIED: Kind
STATE: Kind
SPEECH_START: Kind
TURN_MAYBE: Kind
TURN_END: Kind
EVENT: Kind
HEALTH: Kind
GOODBYE: Kind
STAGES: Kind
NORMAL: Priority
ALERT: Priority
LOW: Priority

class Uplink(_message.Message):
    __slots__ = ("hello", "envelope", "cancel", "received", "batch", "after_seq", "after_boot", "link")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    AFTER_BOOT_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    envelope: Envelope
    cancel: Cancel
    received: Received
    batch: Batch
    after_seq: int
    after_boot: int
    link: int
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., envelope: _Optional[_Union[Envelope, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., received: _Optional[_Union[Received, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., after_seq: _Optional[int] = ..., after_boot: _Optional[int] = ..., link: _Optional[int] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("packet",)
    PACKET_FIELD_NUMBER: _ClassVar[int]
    packet: _containers.RepeatedCompositeFieldContainer[Uplink]
    def __init__(self, packet: _Optional[_Iterable[_Union[Uplink, _Mapping]]] = ...) -> None: ...

class Downlink(_message.Message):
    __slots__ = ("welcome", "ack", "reply", "command", "refused", "missing", "link")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ack: Ack
    reply: Reply
    command: Command
    refused: Refused
    missing: Missing
    link: int
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., reply: _Optional[_Union[Reply, _Mapping]] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ..., missing: _Optional[_Union[Missing, _Mapping]] = ..., link: _Optional[int] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("v", "device", "boot", "software", "token", "resume_session", "resume_reply", "resume_chunk", "cancelled_turn", "heard_turn", "keeps_opening")
    V_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_SESSION_FIELD_NUMBER: _ClassVar[int]
    RESUME_REPLY_FIELD_NUMBER: _ClassVar[int]
    RESUME_CHUNK_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_TURN_FIELD_NUMBER: _ClassVar[int]
    HEARD_TURN_FIELD_NUMBER: _ClassVar[int]
    KEEPS_OPENING_FIELD_NUMBER: _ClassVar[int]
    v: int
    device: str
    boot: int
    software: str
    token: str
    resume_session: int
    resume_reply: int
    resume_chunk: int
    cancelled_turn: int
    heard_turn: int
    keeps_opening: bool
    def __init__(self, v: _Optional[int] = ..., device: _Optional[str] = ..., boot: _Optional[int] = ..., software: _Optional[str] = ..., token: _Optional[str] = ..., resume_session: _Optional[int] = ..., resume_reply: _Optional[int] = ..., resume_chunk: _Optional[int] = ..., cancelled_turn: _Optional[int] = ..., heard_turn: _Optional[int] = ..., keeps_opening: _Optional[bool] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("v", "bridge", "session", "resumed", "batch_bytes")
    V_FIELD_NUMBER: _ClassVar[int]
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    BATCH_BYTES_FIELD_NUMBER: _ClassVar[int]
    v: int
    bridge: str
    session: int
    resumed: bool
    batch_bytes: int
    def __init__(self, v: _Optional[int] = ..., bridge: _Optional[str] = ..., session: _Optional[int] = ..., resumed: _Optional[bool] = ..., batch_bytes: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("seq", "boot")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    seq: _containers.RepeatedScalarFieldContainer[int]
    boot: int
    def __init__(self, seq: _Optional[_Iterable[int]] = ..., boot: _Optional[int] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("seq", "boot", "reason")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    boot: int
    reason: str
    def __init__(self, seq: _Optional[int] = ..., boot: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Missing(_message.Message):
    __slots__ = ("seq", "boot")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    seq: int
    boot: int
    def __init__(self, seq: _Optional[int] = ..., boot: _Optional[int] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("turn", "mono_ms")
    TURN_FIELD_NUMBER: _ClassVar[int]
    MONO_MS_FIELD_NUMBER: _ClassVar[int]
    turn: int
    mono_ms: int
    def __init__(self, turn: _Optional[int] = ..., mono_ms: _Optional[int] = ...) -> None: ...

class Received(_message.Message):
    __slots__ = ("reply", "chunk")
    REPLY_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    reply: int
    chunk: int
    def __init__(self, reply: _Optional[int] = ..., chunk: _Optional[int] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("mute", "rule", "opening", "id")
    MUTE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    mute: bool
    rule: str
    opening: Opening
    id: int
    def __init__(self, mute: _Optional[bool] = ..., rule: _Optional[str] = ..., opening: _Optional[_Union[Opening, _Mapping]] = ..., id: _Optional[int] = ...) -> None: ...

class Opening(_message.Message):
    __slots__ = ("turn", "text", "tone", "audio", "visemes")
    TURN_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TONE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    VISEMES_FIELD_NUMBER: _ClassVar[int]
    turn: int
    text: str
    tone: str
    audio: Audio
    visemes: Visemes
    def __init__(self, turn: _Optional[int] = ..., text: _Optional[str] = ..., tone: _Optional[str] = ..., audio: _Optional[_Union[Audio, _Mapping]] = ..., visemes: _Optional[_Union[Visemes, _Mapping]] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("v", "device", "boot", "seq", "turn", "mono_ms", "utc_ms", "clock_synced", "ttl_ms", "priority", "kind", "state", "description", "events", "health", "words", "language", "speech_end_age_ms", "words_pending", "keep_words", "stages", "keep_states")
    V_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    MONO_MS_FIELD_NUMBER: _ClassVar[int]
    UTC_MS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_SYNCED_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SPEECH_END_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    WORDS_PENDING_FIELD_NUMBER: _ClassVar[int]
    KEEP_WORDS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    KEEP_STATES_FIELD_NUMBER: _ClassVar[int]
    v: int
    device: str
    boot: int
    seq: int
    turn: int
    mono_ms: int
    utc_ms: int
    clock_synced: bool
    ttl_ms: int
    priority: Priority
    kind: Kind
    state: State
    description: Description
    events: _containers.RepeatedCompositeFieldContainer[Event]
    health: Health
    words: str
    language: str
    speech_end_age_ms: int
    words_pending: bool
    keep_words: bool
    stages: Stages
    keep_states: bool
    def __init__(self, v: _Optional[int] = ..., device: _Optional[str] = ..., boot: _Optional[int] = ..., seq: _Optional[int] = ..., turn: _Optional[int] = ..., mono_ms: _Optional[int] = ..., utc_ms: _Optional[int] = ..., clock_synced: _Optional[bool] = ..., ttl_ms: _Optional[int] = ..., priority: _Optional[_Union[Priority, str]] = ..., kind: _Optional[_Union[Kind, str]] = ..., state: _Optional[_Union[State, _Mapping]] = ..., description: _Optional[_Union[Description, _Mapping]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., health: _Optional[_Union[Health, _Mapping]] = ..., words: _Optional[str] = ..., language: _Optional[str] = ..., speech_end_age_ms: _Optional[int] = ..., words_pending: _Optional[bool] = ..., keep_words: _Optional[bool] = ..., stages: _Optional[_Union[Stages, _Mapping]] = ..., keep_states: _Optional[bool] = ...) -> None: ...

class Stages(_message.Message):
    __slots__ = ("turn_maybe_ms", "turn_end_ms", "words_ms", "reply_ms", "first_sound_ms")
    TURN_MAYBE_MS_FIELD_NUMBER: _ClassVar[int]
    TURN_END_MS_FIELD_NUMBER: _ClassVar[int]
    WORDS_MS_FIELD_NUMBER: _ClassVar[int]
    REPLY_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_SOUND_MS_FIELD_NUMBER: _ClassVar[int]
    turn_maybe_ms: int
    turn_end_ms: int
    words_ms: int
    reply_ms: int
    first_sound_ms: int
    def __init__(self, turn_maybe_ms: _Optional[int] = ..., turn_end_ms: _Optional[int] = ..., words_ms: _Optional[int] = ..., reply_ms: _Optional[int] = ..., first_sound_ms: _Optional[int] = ...) -> None: ...

class Affect(_message.Message):
    __slots__ = ("probs_pct", "valence", "arousal", "confidence_pct", "unclear", "age_ms", "derived")
    PROBS_PCT_FIELD_NUMBER: _ClassVar[int]
    VALENCE_FIELD_NUMBER: _ClassVar[int]
    AROUSAL_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_PCT_FIELD_NUMBER: _ClassVar[int]
    UNCLEAR_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    DERIVED_FIELD_NUMBER: _ClassVar[int]
    probs_pct: _containers.RepeatedScalarFieldContainer[int]
    valence: int
    arousal: int
    confidence_pct: int
    unclear: bool
    age_ms: int
    derived: bool
    def __init__(self, probs_pct: _Optional[_Iterable[int]] = ..., valence: _Optional[int] = ..., arousal: _Optional[int] = ..., confidence_pct: _Optional[int] = ..., unclear: _Optional[bool] = ..., age_ms: _Optional[int] = ..., derived: _Optional[bool] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ("person", "speaking", "face", "voice", "fused", "attention", "drowsiness", "incongruence", "cues_pct", "trend")
    class CuesPctEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PERSON_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    FUSED_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    DROWSINESS_FIELD_NUMBER: _ClassVar[int]
    INCONGRUENCE_FIELD_NUMBER: _ClassVar[int]
    CUES_PCT_FIELD_NUMBER: _ClassVar[int]
    TREND_FIELD_NUMBER: _ClassVar[int]
    person: int
    speaking: bool
    face: Affect
    voice: Affect
    fused: Affect
    attention: Attention
    drowsiness: Drowsiness
    incongruence: _containers.RepeatedCompositeFieldContainer[Incongruence]
    cues_pct: _containers.ScalarMap[str, int]
    trend: str
    def __init__(self, person: _Optional[int] = ..., speaking: _Optional[bool] = ..., face: _Optional[_Union[Affect, _Mapping]] = ..., voice: _Optional[_Union[Affect, _Mapping]] = ..., fused: _Optional[_Union[Affect, _Mapping]] = ..., attention: _Optional[_Union[Attention, _Mapping]] = ..., drowsiness: _Optional[_Union[Drowsiness, _Mapping]] = ..., incongruence: _Optional[_Iterable[_Union[Incongruence, _Mapping]]] = ..., cues_pct: _Optional[_Mapping[str, int]] = ..., trend: _Optional[str] = ...) -> None: ...

class Attention(_message.Message):
    __slots__ = ("head_yaw_deg", "head_pitch_deg", "head_roll_deg", "gaze_yaw_deg", "gaze_pitch_deg", "on_target", "away_ms", "age_ms")
    HEAD_YAW_DEG_FIELD_NUMBER: _ClassVar[int]
    HEAD_PITCH_DEG_FIELD_NUMBER: _ClassVar[int]
    HEAD_ROLL_DEG_FIELD_NUMBER: _ClassVar[int]
    GAZE_YAW_DEG_FIELD_NUMBER: _ClassVar[int]
    GAZE_PITCH_DEG_FIELD_NUMBER: _ClassVar[int]
    ON_TARGET_FIELD_NUMBER: _ClassVar[int]
    AWAY_MS_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    head_yaw_deg: int
    head_pitch_deg: int
    head_roll_deg: int
    gaze_yaw_deg: int
    gaze_pitch_deg: int
    on_target: bool
    away_ms: int
    age_ms: int
    def __init__(self, head_yaw_deg: _Optional[int] = ..., head_pitch_deg: _Optional[int] = ..., head_roll_deg: _Optional[int] = ..., gaze_yaw_deg: _Optional[int] = ..., gaze_pitch_deg: _Optional[int] = ..., on_target: _Optional[bool] = ..., away_ms: _Optional[int] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Drowsiness(_message.Message):
    __slots__ = ("level", "perclos_pct", "blink_per_min", "yawning")
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CALIBRATING: _ClassVar[Drowsiness.Level]
        ALERT_: _ClassVar[Drowsiness.Level]
        TIRED: _ClassVar[Drowsiness.Level]
        DROWSY: _ClassVar[Drowsiness.Level]
    CALIBRATING: Drowsiness.Level
    ALERT_: Drowsiness.Level
    TIRED: Drowsiness.Level
    DROWSY: Drowsiness.Level
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    PERCLOS_PCT_FIELD_NUMBER: _ClassVar[int]
    BLINK_PER_MIN_FIELD_NUMBER: _ClassVar[int]
    YAWNING_FIELD_NUMBER: _ClassVar[int]
    level: Drowsiness.Level
    perclos_pct: int
    blink_per_min: int
    yawning: bool
    def __init__(self, level: _Optional[_Union[Drowsiness.Level, str]] = ..., perclos_pct: _Optional[int] = ..., blink_per_min: _Optional[int] = ..., yawning: _Optional[bool] = ...) -> None: ...

class Incongruence(_message.Message):
    __slots__ = ("between", "strength_pct", "evidence")
    class Between(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[Incongruence.Between]
        WORDS_VOICE: _ClassVar[Incongruence.Between]
        VOICE_FACE: _ClassVar[Incongruence.Between]
        WORDS_FACE: _ClassVar[Incongruence.Between]
    UNSPECIFIED: Incongruence.Between
    WORDS_VOICE: Incongruence.Between
    VOICE_FACE: Incongruence.Between
    WORDS_FACE: Incongruence.Between
    BETWEEN_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_PCT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    between: Incongruence.Between
    strength_pct: int
    evidence: str
    def __init__(self, between: _Optional[_Union[Incongruence.Between, str]] = ..., strength_pct: _Optional[int] = ..., evidence: _Optional[str] = ...) -> None: ...

class Description(_message.Message):
    __slots__ = ("audio", "visual", "joint")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    VISUAL_FIELD_NUMBER: _ClassVar[int]
    JOINT_FIELD_NUMBER: _ClassVar[int]
    audio: str
    visual: str
    joint: str
    def __init__(self, audio: _Optional[str] = ..., visual: _Optional[str] = ..., joint: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("name", "age_ms", "arguments", "alert", "person")
    class ArgumentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ALERT_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    age_ms: int
    arguments: _containers.ScalarMap[str, str]
    alert: bool
    person: int
    def __init__(self, name: _Optional[str] = ..., age_ms: _Optional[int] = ..., arguments: _Optional[_Mapping[str, str]] = ..., alert: _Optional[bool] = ..., person: _Optional[int] = ...) -> None: ...

class Health(_message.Message):
    __slots__ = ("level", "rss_mb", "temperature_c", "dropped", "failing", "outbox_items")
    class DroppedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    RSS_MB_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_C_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    FAILING_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    level: str
    rss_mb: int
    temperature_c: int
    dropped: _containers.ScalarMap[str, int]
    failing: _containers.RepeatedScalarFieldContainer[str]
    outbox_items: int
    def __init__(self, level: _Optional[str] = ..., rss_mb: _Optional[int] = ..., temperature_c: _Optional[int] = ..., dropped: _Optional[_Mapping[str, int]] = ..., failing: _Optional[_Iterable[str]] = ..., outbox_items: _Optional[int] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("reply", "turn", "chunk", "final", "ttl_ms", "text", "audio", "visemes", "action", "video", "failure")
    REPLY_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    VISEMES_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    reply: int
    turn: int
    chunk: int
    final: bool
    ttl_ms: int
    text: Text
    audio: Audio
    visemes: Visemes
    action: Action
    video: Video
    failure: Failure
    def __init__(self, reply: _Optional[int] = ..., turn: _Optional[int] = ..., chunk: _Optional[int] = ..., final: _Optional[bool] = ..., ttl_ms: _Optional[int] = ..., text: _Optional[_Union[Text, _Mapping]] = ..., audio: _Optional[_Union[Audio, _Mapping]] = ..., visemes: _Optional[_Union[Visemes, _Mapping]] = ..., action: _Optional[_Union[Action, _Mapping]] = ..., video: _Optional[_Union[Video, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Text(_message.Message):
    __slots__ = ("text", "opening", "tone")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    TONE_FIELD_NUMBER: _ClassVar[int]
    text: str
    opening: bool
    tone: str
    def __init__(self, text: _Optional[str] = ..., opening: _Optional[bool] = ..., tone: _Optional[str] = ...) -> None: ...

class Audio(_message.Message):
    __slots__ = ("sample_rate", "pcm16", "offset")
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    PCM16_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    sample_rate: int
    pcm16: bytes
    offset: int
    def __init__(self, sample_rate: _Optional[int] = ..., pcm16: _Optional[bytes] = ..., offset: _Optional[int] = ...) -> None: ...

class Visemes(_message.Message):
    __slots__ = ("viseme",)
    VISEME_FIELD_NUMBER: _ClassVar[int]
    viseme: _containers.RepeatedCompositeFieldContainer[Viseme]
    def __init__(self, viseme: _Optional[_Iterable[_Union[Viseme, _Mapping]]] = ...) -> None: ...

class Viseme(_message.Message):
    __slots__ = ("at_ms", "duration_ms", "viseme")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    VISEME_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    duration_ms: int
    viseme: str
    def __init__(self, at_ms: _Optional[int] = ..., duration_ms: _Optional[int] = ..., viseme: _Optional[str] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("name", "arguments")
    class ArgumentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    arguments: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., arguments: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Video(_message.Message):
    __slots__ = ("mime", "data", "width", "height", "keyframe", "at_ms")
    MIME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    KEYFRAME_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    mime: str
    data: bytes
    width: int
    height: int
    keyframe: bool
    at_ms: int
    def __init__(self, mime: _Optional[str] = ..., data: _Optional[bytes] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., keyframe: _Optional[bool] = ..., at_ms: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...
