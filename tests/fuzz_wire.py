"""Throw bytes at everything that reads what strangers send; nothing but the refusals that are meant may come of it.

    python -m tests.fuzz_wire                       a million inputs, guided by coverage (atheris)
    python -m tests.fuzz_wire --runs 20000 --seed 7

Starts from the golden packets. A crash ends it with the input in a file `crash-…`; else the counts are printed as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import atheris
from google.protobuf.message import DecodeError

with atheris.instrument_imports(include=["edge.wire", "edge.outbox_file", "cloud_bridge"]):
    from cloud_bridge.authority.authority import Authority
    from cloud_bridge.authority.desk import Desk
    from cloud_bridge.ingest.base import Device, Link
    from cloud_bridge.ingest.identity import Rejected, admit
    from cloud_bridge.ingest.session import Session
    from cloud_bridge.ingest.sessions import Sessions
    from edge.outbox_file import frame, search
    from edge.wire import WireError, mien_pb2, topics
    from edge.wire.check import parse_downlink, parse_uplink
    from edge.wire.json_form import from_json, to_cloudevent, to_json
    from edge.wire.limits import MAX_DOWNLINK, MAX_ENVELOPE, fit
    from edge.wire.publications import Lone, Message, pack, properties, split, unpack

_GOLDEN = Path(__file__).parent / "contract" / "golden"
_DEVICE = "car-7"  # of the golden packets
_FRESH = 20_000  # inputs after which a new session begins, so that memory stays small


class Application:
    """Takes what the session lets through, and checks that it may."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    async def connected(self, device: Device, link: Link) -> None: ...

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> None:
        name = (envelope.boot, envelope.seq)
        assert envelope.v == 1
        assert envelope.device == _DEVICE
        assert all(name)
        assert name not in self.seen, "taken twice"
        assert envelope.ByteSize() <= MAX_ENVELOPE
        self.seen.add(name)

    async def cancelled(self, device: Device, turn: int) -> None: ...

    async def disconnected(self, device: Device) -> None: ...


class Wire:
    """A connection on which the answers are checked."""

    batch_bytes = 65_536
    alive = True

    def post(self, downlink: mien_pb2.Downlink) -> None:
        assert downlink.ByteSize() <= MAX_DOWNLINK

    async def send(self, downlink: mien_pb2.Downlink) -> None:
        self.post(downlink)

    def close(self, reason: str) -> None: ...


class Log(logging.Handler):
    """What was logged since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Fuzz:
    """The targets; the first byte of an input chooses one."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.counts: Counter[str] = Counter()
        self._runs, self._done = runs, 0
        self._loop = asyncio.new_event_loop()
        self._desk = Desk(Authority(folder / "authority", create=True))
        self._log = Log()
        logging.getLogger().addHandler(self._log)
        self._session: Session | None = None
        self._lone = Lone(five=True)
        self._targets: tuple[Callable[[bytes], None], ...] = (
            self.uplink, self.uplink, self.downlink, self.json, self.topic, self.desk, self.frames, self.hello,
            self.envelope, self.publication,
        )  # fmt: skip

    def one(self, data: bytes) -> None:
        """One input."""
        if data:
            target = self._targets[data[0] % len(self._targets)]
            try:
                target(data[1:])
                self.counts[f"{target.__name__}_taken"] += 1
            except (WireError, Rejected):
                self.counts[f"{target.__name__}_refused"] += 1
        self._done += 1
        if self._done == self._runs:
            print(json.dumps({"inputs": self._done, **dict(sorted(self.counts.items()))}), flush=True)

    def uplink(self, data: bytes) -> None:
        uplink = parse_uplink(data)
        if self._session is None or self._done % _FRESH == 0:
            self._loop.run_until_complete(self._open())
        assert self._session is not None
        self._log.lines.clear()
        self._loop.run_until_complete(self._session.take(uplink))
        words = uplink.envelope.words
        assert len(words) < 12 or not any(words in line for line in self._log.lines), "content in the log"

    def downlink(self, data: bytes) -> None:
        parse_downlink(data)

    def json(self, data: bytes) -> None:
        envelope = from_json(data)
        assert from_json(to_json(envelope)) == envelope
        to_cloudevent(envelope)
        fit(envelope)
        assert envelope.ByteSize() <= MAX_ENVELOPE

    def envelope(self, data: bytes) -> None:
        envelope = mien_pb2.Envelope()
        try:
            envelope.MergeFromString(data)
        except DecodeError as error:
            raise WireError("no envelope") from error
        self.json(to_json(envelope).encode())

    def topic(self, data: bytes) -> None:
        tenant, device, leaf = topics.parse_up(data.decode("utf-8", "replace"))
        assert "/" not in tenant + device + leaf

    def desk(self, data: bytes) -> None:
        assert "certificate" not in self._desk.answer(data, None)

    def frames(self, data: bytes) -> None:
        for id_, envelope in search(data):
            assert frame(id_, envelope) in data

    def hello(self, data: bytes) -> None:
        hello = mien_pb2.Hello()
        try:
            hello.MergeFromString(data)
        except DecodeError as error:
            raise WireError("no hello") from error
        admit(hello, [_DEVICE], {"*": "sesame"}, "default")

    def publication(self, data: bytes) -> None:
        try:
            packets, rest = split(data)
            assert sum(len(body) for _, body in packets) + len(rest) <= len(data)
            alone = alone_in(data, Lone(five=True))
            assert alone_in(data, self._lone) == alone, "what was read before is taken for what is read now"
            for first, body in packets:
                message, qos, mid = unpack(first, body, five=True)
                assert (alone is not None) == (len(packets) == 1 and not rest and first & 0xFE == 0x30)
                assert alone in {None, message}
                told = properties(message.response, message.correlation)
                again = pack(message.topic, message.payload, told, qos=qos, retain=message.retained, mid=mid)
                ((head, rest),), _ = split(again)
                assert unpack(head, rest, five=True) == (message, qos, mid)
        except ValueError as error:
            raise WireError("no publication") from error

    async def _open(self) -> None:
        if self._session is not None:
            await self._sessions.close()
        self._sessions = Sessions(Application())
        hello = mien_pb2.Hello(v=1, device=_DEVICE, boot=0x1122334455667788)
        self._session = await self._sessions.open(hello, "default", Wire())


def alone_in(data: bytes, reader: Lone) -> Message | None:
    try:
        return reader.read(data)
    except ValueError:
        return None


def seeds(folder: Path) -> None:
    """The golden packets, for every target that can begin with them."""
    for file in _GOLDEN.glob("*.hex"):
        packet = bytes.fromhex(file.read_text())
        (folder / f"{file.stem}-up").write_bytes((b"\x02" if file.stem.startswith("down") else b"\x00") + packet)
        if file.stem == "up_hello":
            (folder / "hello").write_bytes(b"\x07" + mien_pb2.Uplink.FromString(packet).hello.SerializeToString())
        if file.stem == "up_turn":
            envelope = mien_pb2.Uplink.FromString(packet).envelope
            (folder / "json").write_bytes(b"\x03" + to_json(envelope).encode())
            (folder / "envelope").write_bytes(b"\x08" + envelope.SerializeToString())
            (folder / "frame").write_bytes(b"\x06" + frame(7, envelope.SerializeToString()))
    (folder / "publication").write_bytes(
        b"\x09" + pack("mien/v1/t/d/down", b"x", properties("r", b"c", 5), qos=1, retain=False, mid=7)
    )
    (folder / "topic").write_bytes(b"\x04mien/v1/acme/car-7/up/env")
    (folder / "desk").write_bytes(b'\x05{"ask": "enroll", "claim": "A", "csr": "B"}')


def main() -> None:
    """Fuzz; the process ends with it, by 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mien-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    seeds(corpus)
    fuzz = Fuzz(folder, args.runs)
    flags = [f"-runs={args.runs}", f"-seed={args.seed}", "-max_len=4096", "-verbosity=0", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], fuzz.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
