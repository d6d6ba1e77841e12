"""Envelopes into packets, and packets into batches: a packet costs a system call and a wake-up at either end, and an
envelope in a batch almost nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.wire import mien_pb2

_HEAD = 4  # bytes that a packet costs more in a batch


def packet(envelope: mien_pb2.Envelope, after: tuple[int, int]) -> mien_pb2.Uplink:
    """The packet of an envelope that follows the one named `after`: (boot, seq), (0, 0) for none."""
    made = mien_pb2.Uplink(envelope=envelope, after_seq=after[1])
    if after[0] != envelope.boot:
        made.after_boot = after[0]
    return made


def batched(packets: Sequence[mien_pb2.Uplink], room: int) -> Iterator[mien_pb2.Uplink]:
    """`packets` in as few as fit into `room` bytes each; as they are where the room is 0."""
    batch = mien_pb2.Batch()
    size = 0
    for one in packets:
        size += one.ByteSize() + _HEAD
        if batch.packet and size + _HEAD > room:
            yield _alone(batch)
            batch, size = mien_pb2.Batch(), one.ByteSize() + _HEAD
        batch.packet.append(one)
    if batch.packet:
        yield _alone(batch)


def _alone(batch: mien_pb2.Batch) -> mien_pb2.Uplink:
    return batch.packet[0] if len(batch.packet) == 1 else mien_pb2.Uplink(batch=batch)
