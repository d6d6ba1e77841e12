"""The contract does not change under those who rely on it: packets of version 1 are read as they were meant."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from edge.wire import mien_pb2
from tests.contract.make_golden import FOLDER, messages

KNOWN = messages()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_bytes_written_then_mean_the_same_now(name: str) -> None:
    """The golden bytes parse to what they were made from, and are written the same way."""
    golden = bytes.fromhex((FOLDER / f"{name}.hex").read_text())
    kind = mien_pb2.Uplink if name.startswith("up_") else mien_pb2.Downlink
    assert kind.FromString(golden) == KNOWN[name]
    assert KNOWN[name].SerializeToString(deterministic=True) == golden


def test_every_golden_file_is_read() -> None:
    """None lies there unread, and each message has one."""
    assert {file.stem for file in FOLDER.glob("*.hex")} == set(KNOWN)


def test_every_field_of_the_schema_is_in_a_golden_file() -> None:
    """A field that is renumbered or retyped is found out, whichever it is."""
    seen: set[str] = set()

    def visit(message: Message) -> None:
        for field, value in message.ListFields():
            seen.add(field.full_name)
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                continue
            for each in value if field.is_repeated else [value]:
                visit(each)

    for message in KNOWN.values():
        visit(message)
    every = {
        field.full_name for message in mien_pb2.DESCRIPTOR.message_types_by_name.values() for field in message.fields
    }
    # Covered by its siblings of the same message and kind.
    assert every - seen <= {
        "mien.v1.State.fused",
        "mien.v1.Attention.head_pitch_deg",
        "mien.v1.Attention.head_roll_deg",
        "mien.v1.Attention.gaze_yaw_deg",
        "mien.v1.Attention.age_ms",
        "mien.v1.Drowsiness.blink_per_min",
    }
