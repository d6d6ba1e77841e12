"""Writes the golden files of this contract version. Run it only for a new one: a file that exists is never changed.

python -m tests.contract.make_golden
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import Message

from edge.wire import mien_pb2

FOLDER = Path(__file__).parent / "golden"

BOOT, SESSION = 0x1122334455667788, 0x0102030405060708


def _state() -> mien_pb2.State:
    affect = mien_pb2.Affect(
        probs_pct=[5, 70, 5, 5, 5, 2, 7, 1], valence=-42, arousal=63, confidence_pct=81, age_ms=120, derived=True
    )
    state = mien_pb2.State(person=2, speaking=True, face=affect, trend="frustration rising over 3 turns")
    state.voice.CopyFrom(mien_pb2.Affect(probs_pct=[10, 20, 30, 40], unclear=True, age_ms=40))
    state.attention.CopyFrom(mien_pb2.Attention(head_yaw_deg=-12, gaze_pitch_deg=7, on_target=False, away_ms=1500))
    state.drowsiness.CopyFrom(mien_pb2.Drowsiness(level=mien_pb2.Drowsiness.TIRED, perclos_pct=16, yawning=True))
    state.incongruence.add(between=mien_pb2.Incongruence.VOICE_FACE, strength_pct=77, evidence="smiles, sounds angry")
    state.cues_pct["masking"] = 61
    return state


def messages() -> dict[str, Message]:
    """One of each kind, with every field that this version has."""
    described = mien_pb2.Description(audio="sounds tense", visual="smiles", joint="may hide anger")
    place = {"v": 1, "device": "car-7", "boot": BOOT, "turn": 3, "mono_ms": 123456, "utc_ms": 1790000000000}
    turn = mien_pb2.Envelope(
        **place, seq=1, clock_synced=True, ttl_ms=10000, kind=mien_pb2.TURN_END, state=_state(),
        description=described, words="that is fine, thank you", language="en", speech_end_age_ms=180,
    )  # fmt: skip
    event = mien_pb2.Event(name="drowsy_driver", age_ms=12, arguments={"level": "2"}, alert=True, person=2)
    alert = mien_pb2.Envelope(**place, seq=2, priority=mien_pb2.ALERT, kind=mien_pb2.EVENT, events=[event])
    health = mien_pb2.Health(
        level="slower faces", rss_mb=210, temperature_c=-3, dropped={"video": 5}, failing=["mic://0"], outbox_items=9
    )
    beat = mien_pb2.Envelope(**place, seq=3, priority=mien_pb2.LOW, kind=mien_pb2.HEALTH, health=health)
    stages = mien_pb2.Stages(turn_maybe_ms=260, turn_end_ms=352, words_ms=410, reply_ms=395, first_sound_ms=401)
    early = mien_pb2.Envelope(**place, seq=4, kind=mien_pb2.STAGES, stages=stages, words_pending=True, keep_words=True)
    kept = mien_pb2.Envelope(**place, seq=5, kind=mien_pb2.STATE, state=mien_pb2.State(person=2), keep_states=True)
    hello = mien_pb2.Hello(
        v=1, device="car-7", boot=BOOT, software="mien 0.1.0", token="sesame", resume_session=SESSION,
        resume_reply=2, resume_chunk=5, cancelled_turn=1,
    )  # fmt: skip
    audio = mien_pb2.Audio(sample_rate=22050, pcm16=b"\x01\x02\x03\x04", offset=4410)
    visemes = mien_pb2.Visemes(viseme=[mien_pb2.Viseme(at_ms=10, duration_ms=80, viseme="aa")])
    video = mien_pb2.Video(mime="video/mp4", data=b"\x00\x01", width=512, height=512, keyframe=True, at_ms=40)
    opening = mien_pb2.Opening(turn=3, text="I see.", tone="calm", audio=audio, visemes=visemes)
    kinds: dict[str, dict[str, Message]] = {
        "text": {"text": mien_pb2.Text(text="I see.", opening=True, tone="calm")},
        "audio": {"audio": audio},
        "visemes": {"visemes": visemes},
        "action": {"action": mien_pb2.Action(name="nod", arguments={"times": "2"})},
        "video": {"video": video},
        "failure": {"failure": mien_pb2.Failure(reason="no answer in time")},
    }
    up, down = mien_pb2.Uplink, mien_pb2.Downlink
    return {
        "up_hello": up(hello=hello),
        "up_hello_heard": up(hello=mien_pb2.Hello(v=1, device="car-7", boot=BOOT, heard_turn=3)),
        "up_hello_opening": up(hello=mien_pb2.Hello(v=1, device="car-7", boot=BOOT, keeps_opening=True)),
        "up_turn": up(envelope=turn, after_seq=7, after_boot=BOOT - 1),
        "up_alert": up(envelope=alert),
        "up_health": up(envelope=beat),
        "up_stages": up(envelope=early),
        "up_kept": up(envelope=kept),
        "up_cancel": up(cancel=mien_pb2.Cancel(turn=3, mono_ms=123999)),
        "up_received": up(received=mien_pb2.Received(reply=2, chunk=15)),
        "up_batch": up(batch=mien_pb2.Batch(packet=[up(envelope=alert), up(envelope=turn, after_seq=7)]), link=SESSION),
        "down_welcome_batch": down(welcome=mien_pb2.Welcome(v=1, session=SESSION, batch_bytes=65536), link=SESSION),
        "down_welcome": down(welcome=mien_pb2.Welcome(v=1, bridge="mien", session=SESSION, resumed=True)),
        "down_ack": down(ack=mien_pb2.Ack(seq=[1, 2, 300], boot=BOOT)),
        "down_refused": down(refused=mien_pb2.Refused(seq=4, boot=BOOT, reason="size")),
        "down_missing": down(missing=mien_pb2.Missing(seq=5, boot=BOOT)),
        "down_command": down(command=mien_pb2.Command(mute=True)),
        "down_order": down(command=mien_pb2.Command(rule="name = 'x'\nwhen = 'speaking'", id=9)),
        "down_opening": down(command=mien_pb2.Command(opening=opening)),
        **{
            f"down_reply_{name}": down(reply=mien_pb2.Reply(reply=2, turn=3, chunk=1, final=True, ttl_ms=9000, **kind))
            for name, kind in kinds.items()
        },
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, message in messages().items():
        file = FOLDER / f"{name}.hex"
        if not file.exists():
            file.write_text(message.SerializeToString(deterministic=True).hex() + "\n")
