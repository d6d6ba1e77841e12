"""Serve the local event stream on a Unix socket: any program on this machine reads JSON lines, no library needed."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from pathlib import Path

from edge.errors import OutputError
from edge.slots import Slot

log = logging.getLogger(__name__)

_AGAIN_S = 1.0
_BACKLOG = 256  # lines that a slow reader may fall behind


class EventSocket:
    """`publish` never waits: a reader that falls behind loses the oldest lines, counted in `dropped`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers: dict[int, Slot[str]] = {}
        self._lock = threading.Lock()
        self._gone_dropped = 0
        self._server: socket.socket | None = None

    def open(self) -> None:
        """Listen. Raises OutputError where another process listens there or the folder is not ours."""
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_socket():
                if _answers(self.path):
                    raise OutputError(f"{self.path} is served by another process: stop it or choose another --socket")
                self.path.unlink()  # left by a process that was killed
            server.bind(str(self.path))
            self.path.chmod(0o600)  # what the person says and feels is for this user only; nobody can connect before
            server.listen(8)
        except OSError as error:
            server.close()
            reason = error.strerror or error  # Python itself refuses a path that is too long
            raise OutputError(f"cannot listen on {self.path} ({reason}): choose another --socket") from error
        self._server = server
        threading.Thread(target=self._accept, args=(server,), name="event-socket", daemon=True).start()

    def publish(self, line: str) -> None:
        """Give `line` to every reader."""
        with self._lock:
            for slot in self._readers.values():
                slot.put(line)

    @property
    def dropped(self) -> int:
        """Lines that slow readers lost."""
        with self._lock:
            return self._gone_dropped + sum(slot.dropped for slot in self._readers.values())

    def close(self) -> None:
        """Stop serving and remove the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        with self._lock:
            for slot in self._readers.values():
                slot.close()
        self.path.unlink(missing_ok=True)

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError as error:
                if self._server is not server:  # closed
                    return
                log.warning("a reader of the event socket could not be let in: %s", error.strerror)
                time.sleep(_AGAIN_S)  # a caller that was gone at once, or no descriptor is left: others come later
                continue
            threading.Thread(target=self._serve, args=(connection,), name="event-reader", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        slot: Slot[str] = Slot(_BACKLOG)
        with self._lock:
            self._readers[id(slot)] = slot
            if self._server is None:  # closed since it was let in, with all readers that were known then
                slot.close()
        try:
            with connection:
                while (line := slot.take()) is not None:
                    connection.sendall(line.encode() + b"\n")
        except OSError:  # the reader left
            pass
        finally:
            with self._lock:
                del self._readers[id(slot)]
                self._gone_dropped += slot.dropped


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
