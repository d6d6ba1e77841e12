"""What of the replies has come over the link, so that the bridge goes on there after a cut."""

from __future__ import annotations

from edge.wire import mien_pb2

_RECEIVED_EVERY = 16  # chunks


class ReplyCursor:
    """The place in the replies of one session of the bridge after another. Used on the uplink's thread."""

    def __init__(self) -> None:
        self._session = 0
        self._reply, self._chunk = 0, 0  # expected next
        self._heard_turn = 0
        self._offset = 0  # reply ids begin again with a session of the bridge; the device sees them go on

    def resume(self, hello: mien_pb2.Hello) -> None:
        """Say in `hello` where to go on."""
        hello.resume_session, hello.heard_turn = self._session, self._heard_turn
        hello.resume_reply, hello.resume_chunk = self._reply, self._chunk

    def begin(self, session: int) -> None:
        """The bridge welcomed us to `session`: the one that we asked for, or a new one, whose replies count anew."""
        if session != self._session:
            self._offset += self._reply
            self._session, self._reply, self._chunk = session, 0, 0

    def take(self, reply: mien_pb2.Reply) -> mien_pb2.Received | None:
        """Note a chunk, and number its reply as the device counts. What to tell the bridge of it, now and then."""
        if (reply.reply, reply.chunk) == (self._reply, self._chunk):
            self._chunk += 1
        elif reply.reply > self._reply:
            self._reply, self._chunk = reply.reply, 1 if reply.chunk == 0 else 0
        told = None
        if reply.final:
            self._heard_turn = max(self._heard_turn, reply.turn)
        if reply.final or reply.chunk % _RECEIVED_EVERY == _RECEIVED_EVERY - 1:
            told = mien_pb2.Received(reply=self._reply, chunk=max(0, self._chunk - 1))
        reply.reply += self._offset
        return told
