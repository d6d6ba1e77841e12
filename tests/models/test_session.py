"""Memory that loading took is given back, and nothing that is still needed is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from models.session import as_in_their_file

_SMAPS = """\
1000-2000 r-xp 00000000 fe:00 1 /packages/a.so.6.1
Rss:                  64 kB
Anonymous:             0 kB
2000-3000 r--p 00001000 fe:00 1 /packages/a.so.6.1
Rss:                  16 kB
Anonymous:            16 kB
3000-4000 rw-p 00002000 fe:00 1 /packages/a.so.6.1
Rss:                   4 kB
Anonymous:             0 kB
4000-5000 r-xp 00000000 fe:00 2 /packages/b.so
Rss:                   0 kB
Anonymous:             0 kB
5000-6000 r--p 00000000 fe:00 3 /data/net.tflite
Rss:                  64 kB
Anonymous:             0 kB
9000-a000 r-xp 00000000 fe:00 1 /usr/lib/driver.so
Rss:                  64 kB
Anonymous:             0 kB
6000-7000 rw-p 00000000 00:00 0
Rss:                  64 kB
Anonymous:             0 kB
7000-8000 r--p 00000000 fe:00 4 /packages/with a space.so
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
8000-9000 r-xp 00000000 00:00 0 [vdso]
Rss:                   4 kB
Anonymous:             0 kB
"""


def test_only_pages_that_can_come_back_as_they_were_may_go() -> None:
    """Not what may be written, was relocated, is of no library of ours, or what an emulator tells nothing of."""
    assert [(hex(begin), hex(end)) for begin, end in as_in_their_file(_SMAPS, Path("/packages"))] == [
        ("0x1000", "0x2000")
    ]


_USE = """
import cv2, numpy as np
from edge.health import memory_mb
from models.session import give_back_pages
picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
def work(): return cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (32, 24)).tolist()
before, full = work(), memory_mb()[0]
give_back_pages()
print(full - memory_mb()[0] > 5.0, work() == before)
"""


def test_a_library_works_on_after_its_pages_were_given_back() -> None:
    """Megabytes go, and the results stay the same."""
    done = subprocess.run([sys.executable, "-c", _USE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
