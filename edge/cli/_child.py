"""`python -m edge.cli._child COMMAND …`: `mien COMMAND …`, that ends when whoever holds its standard input does.

A parent that is killed tells nobody; its end of the pipe is closed all the same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from edge.cli import main

_GRACE_S = 8.0


def _follow() -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock Python wants at its own end
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    # Where the demo was begun in the background, a shell has Ctrl-C ignored, by which its children are ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_follow, name="follow", daemon=True).start()
    sys.exit(main())
