"""The way out and back: outbox, uplink, replies and outputs of one device, as the loop uses them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import clock, plugin
from edge.config import Config
from edge.errors import ConfigError, OutboxError, OutputError
from edge.opening import KeptOpening
from edge.outputs.base import Output, Warmed
from edge.outputs.led import Capturing, Led
from edge.replies import Player, Replies
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer

if TYPE_CHECKING:
    from edge.outbox import Outbox
    from edge.uplink import Uplink

_ANSWER_S = 60.0  # at the end of the input, how long the answer to the last turn is waited for
_CONNECT_S = 5.0
_REPLY_S = 3.0  # after an opening that was kept here, how long the reply's own sound is waited for in telling stages
_TURNS = 8  # whose stages are remembered

Say = Callable[[str, Any], None]


class Answer:
    """Sends envelopes, plays and tells replies. Without a bridge in the settings it takes envelopes and drops them:
    the device works alone.

    `out`: a folder where the reply's sound is kept as `reply.wav`. `players` get the reply's sound beside the outputs.
    Raises ConfigError, PluginError, OutboxError.
    """

    def __init__(
        self,
        config: Config,
        sealer: Sealer,
        say: Say,
        *,
        out: Path | None,
        on_command: Callable[[mien_pb2.Command], None],
        players: Sequence[Player] = (),
    ) -> None:
        self._say = say
        self._faults: dict[str, str] = {}
        # Without a bridge nothing is ever said: the sound library's 20 MB and the network's 8 are then not loaded.
        outputs = [one for one in config.outputs if config.link.bridges or one.startswith("led")]
        self._outputs = self._open_outputs([*outputs, *([f"wav:{out / 'reply.wav'}"] if out else [])])
        self._replies = Replies([*players, *self._outputs, _Teller(say)], self._other)
        self._opening = KeptOpening()
        self._on_command = on_command
        self._told_audio: deque[int] = deque(maxlen=2 * _TURNS)  # whose first sound was told
        self._heard: list[tuple[int, float, float]] = []  # turn, ms to its sound, when it is told at last
        self._sealer = sealer
        self._staging = threading.Lock()
        self._stages: dict[int, dict[str, float]] = {}  # turn → stage → ms after its last speech
        self._ended: tuple[int, float] = (0, 0.0)  # the last turn, and when its speech ended
        self._expected_turn = 0
        self._outbox: Outbox | None = None
        self._uplink: Uplink | None = None
        link = config.link
        if not link.bridges:
            return
        from edge.identity import Identity
        from edge.outbox import Outbox
        from edge.transports.base import TlsFiles
        from edge.uplink import Uplink

        hello = sealer.hello(f"mien {version('mien')}", _token(link.token_file))
        hello.keeps_opening = True
        self._outbox = Outbox(config.outbox(), link.outbox_mb << 20)
        self._uplink = Uplink(
            self._outbox,
            link.bridges,
            hello,
            on_reply=self._reply,
            on_command=self._command,
            tls=TlsFiles(link.ca, link.cert, link.key) if link.ca or link.cert else None,
            identity=Identity.of(config),
        )

    def start(self) -> None:
        """Connect in the background; wait a little, so that a clip's first words find the bridge there."""
        if self._uplink is None:
            return
        self._uplink.start()
        end_s = clock.now_s() + _CONNECT_S
        while self._uplink.state.name == "connecting" and clock.now_s() < end_s:
            threading.Event().wait(0.02)

    def put(self, envelope: mien_pb2.Envelope) -> None:
        """Send `envelope`; an alert is on disk when this returns. Raises OutboxError where there is no room."""
        if self._outbox is None:
            return
        if envelope.priority == mien_pb2.ALERT:
            self._outbox.put(envelope)
        else:
            self._outbox.offer(envelope)
        if envelope.kind in (mien_pb2.TURN_MAYBE, mien_pb2.TURN_END):
            self._turn_moment(envelope)

    def forget(self) -> None:
        """Send nothing of what waits for the bridge: it tells of people who do not agree any more."""
        if self._outbox is not None:
            self._outbox.forget()

    def _turn_moment(self, envelope: mien_pb2.Envelope) -> None:
        turn, after_ms = envelope.turn, float(envelope.speech_end_age_ms)
        with self._staging:
            stages = self._stages.setdefault(turn, {})
            while len(self._stages) > _TURNS:
                del self._stages[next(iter(self._stages))]
            is_end = envelope.kind == mien_pb2.TURN_END
            if not is_end:
                stages.pop("words_ms", None)  # of an earlier pause: the turn went on
            if envelope.words:
                stages.setdefault("words_ms", after_ms)
            again = "turn_end_ms" in stages  # it comes a second time where its words came late
            if not (is_end and again):
                stages["turn_end_ms" if is_end else "turn_maybe_ms"] = after_ms
        for output in self._outputs:
            if isinstance(output, Warmed):
                output.warm()
        if is_end and not again:
            self._expected_turn = turn
            self._ended = turn, (envelope.mono_ms - after_ms) / 1000
            self._replies.turn_ended(*self._ended)
            if self.link == "online":  # else no answer would follow
                self._replies.say(self._opening.end(turn))

    def interrupt(self) -> None:
        """Barge-in: silence at once, here and at the bridge, for the replies to the last turn that is over and before.
        The turn that begins with the interruption is answered as any other."""
        turn, _ = self._ended
        self._opening.drop(turn)
        self._replies.cancel(turn)
        self._expected_turn = 0
        if self._uplink is not None:
            self._uplink.cancel(turn)

    def wait(self, stop: threading.Event) -> None:
        """Let the answer to the last turn come and be heard, or `stop` be set."""
        if self._uplink is None:
            return
        end_s = clock.now_s() + _ANSWER_S
        while not stop.wait(0.05) and clock.now_s() < end_s:
            link = self._uplink.state
            due = self._expected_turn and link.name in ("online", "connecting") and _answers(link.uri)
            if not (due or self._replies.pending or self.speaking):
                return

    def close(self) -> None:
        """Send what can still be sent, and let go of everything."""
        if self._uplink is not None:
            self._uplink.stop(drain_s=1.0)
        if self._outbox is not None:
            self._outbox.close()
        for output in self._outputs:
            output.close()

    def light(self, sensors: Iterable[Capturing]) -> None:
        """Let the capture light, where there is one, show whether a device is open."""
        sensors = list(sensors)
        for output in self._outputs:
            if isinstance(output, Led):
                try:
                    output.follow(sensors)
                    self._faults.pop("led", None)
                except OutputError as error:
                    self._faults["led"] = str(error)

    @property
    def speaking(self) -> bool:
        """Whether a reply is being played."""
        found = self._replies.speaking
        with self._staging:  # several threads ask
            new = [one for one in list(self._replies.first_audio_ms.items()) if one[0] not in self._told_audio]
            self._told_audio.extend(turn for turn, _ in new)
            due_s = clock.now_s() + _REPLY_S
            self._heard.extend((turn, first_ms, due_s) for turn, first_ms in new)
            whole = [one for one in self._heard if self._reply_came(one[0]) or clock.now_s() > one[2]]
            for one in whole:
                self._heard.remove(one)
        for turn, first_ms in new:
            self._say("reply", {"turn": turn, "audio_start_ms": first_ms})
        for turn, first_ms, _ in whole:
            self._tell_stages(turn, first_ms)
        return found

    def _reply_came(self, turn: int) -> bool:
        return turn not in self._stages or "reply_ms" in self._stages[turn]

    def _tell_stages(self, turn: int, first_sound_ms: float) -> None:
        with self._staging:
            stages = self._stages.pop(turn, None)
        if stages is None:
            return
        with suppress(OutboxError):  # a figure is not worth a fault
            self.put(self._sealer.stages(turn, **stages, first_sound_ms=first_sound_ms))

    @property
    def link(self) -> str:
        """`none`, or the uplink's state."""
        return self._uplink.state.name if self._uplink else "none"

    @property
    def outbox_items(self) -> int:
        """Envelopes that wait or fly."""
        return len(self._outbox) if self._outbox is not None else 0

    @property
    def bytes_sent(self) -> int | None:
        """Bytes sent to the bridge, packet headers estimated; None without one."""
        return self._uplink.counts["bytes_up"] if self._uplink else None

    @property
    def first_audio_ms(self) -> float | None:
        """From the end of the last answered turn's speech to the reply's first sound."""
        found = self._replies.first_audio_ms
        return found[max(found)] if found else None

    @property
    def dropped(self) -> int:
        """Reply chunks that were not played: late, lost or too many."""
        counts = self._replies.counts
        return counts["late"] + counts["lost"] + counts["overflow"]

    def failing(self) -> dict[str, str]:
        """Parts that give nothing now, and why."""
        failing = dict(self._faults)
        if self._uplink is not None and (reason := self._uplink.state.reason):  # another try is no success yet
            failing["bridge"] = reason
        return failing

    def _reply(self, reply: mien_pb2.Reply) -> None:
        turn, ended_s = self._ended
        if reply.turn == turn and reply.HasField("audio"):
            with self._staging:
                if turn in self._stages:
                    self._stages[turn].setdefault("reply_ms", (clock.now_s() - ended_s) * 1000)
        if reply.final and reply.turn >= self._expected_turn:
            self._expected_turn = 0
        self._replies.accept(reply)

    def _command(self, command: mien_pb2.Command) -> None:
        if command.WhichOneof("what") == "opening":
            self._replies.say(self._opening.keep(command.opening))
        else:
            self._on_command(command)

    def _other(self, reply: mien_pb2.Reply) -> None:
        match reply.WhichOneof("kind"):
            case "failure":
                self._say("reply", {"turn": reply.turn, "failure": reply.failure.reason})
            case "visemes":
                visemes = [[one.at_ms, one.duration_ms, one.viseme] for one in reply.visemes.viseme]
                self._say("reply", {"turn": reply.turn, "visemes": visemes})
            case "action":
                self._say("reply", {"turn": reply.turn, "action": reply.action.name, **reply.action.arguments})

    def _open_outputs(self, wanted: list[str]) -> list[Output]:
        opened: list[Output] = []
        for text in wanted:
            name, _, target = text.partition(":")
            output: Output = plugin.load("edge.outputs", name).create(target)
            try:
                output.open()
            except OutputError as error:  # a missing speaker is shown; the text of the reply still comes
                self._faults[name] = str(error)
                continue
            opened.append(output)
        return opened


class _Teller:
    """Tells the reply's text to the event stream."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def play(self, audio: bytes, sample_rate: int) -> None:
        """Sound is not told."""

    def stop(self) -> None:
        """Tell that the person interrupted."""
        self._say("reply", {"interrupted": True})

    def show(self, text: str, final: bool) -> None:
        """Tell a sentence, or the end."""
        self._say("reply", {"text": text, "final": final})


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"link.token_file {file} cannot be read: {error.strerror}") from error


def _answers(uri: str) -> bool:
    """Whether what is reached there ever answers."""
    return bool(getattr(plugin.load("edge.transports", uri.partition("://")[0]), "ANSWERS", True))
