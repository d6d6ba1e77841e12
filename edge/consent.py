"""The record of consent: who agreed to what, and who took it back. A running device heeds a change at once.

JSON lines, only ever appended to; of each person and purpose the last line counts. It outlives the process: what was
taken back stays so until it is given again, by that person or by everybody.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Literal

from edge import clock
from edge.errors import PolicyError
from edge.files import stamp
from edge.policy import Policy
from edge.wire import layout

log = logging.getLogger(__name__)

Purpose = Literal["affect", "capture"]
PURPOSES: tuple[Purpose, ...] = ("affect", "capture")
_Key = tuple[int | None, Purpose]


class Consent:
    """The record at `path`; no file is no decision. `person` None: everybody in front of the device."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._heeded: dict[_Key, bool] = {}

    def write(self, purpose: Purpose, *, given: bool, person: int | None = None) -> None:
        """Append a decision; it is on the disk when this returns. Raises PolicyError."""
        line = {"utc_ms": clock.utc_ms(), "person": person, "purpose": purpose, "given": given}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                handle.write(json.dumps(line).encode() + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise PolicyError(f"the consent record {self.path} cannot be written: {error.strerror}") from error

    def read(self) -> dict[_Key, bool]:
        """What holds now. Raises PolicyError where the record cannot be understood: it is not guessed at."""
        found: dict[_Key, bool] = {}
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"the consent record {self.path} cannot be read: {error}") from error
        for number, text in enumerate(lines, 1):
            try:
                line = json.loads(text)
                layout.check_json(line)
                person, purpose, given = line["person"], line["purpose"], line["given"]
            except layout.NewerLayout as error:
                raise PolicyError(f"the consent record {self.path}, line {number} cannot be read: {error}") from error
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise PolicyError(f"{self.path}, line {number} is broken: remove it or start a new record") from error
            if purpose not in PURPOSES or not isinstance(given, bool) or not isinstance(person, int | None):
                raise PolicyError(f"{self.path}, line {number} is no decision: remove it or start a new record")
            if person is None and purpose == "capture" and given:  # everybody agrees, and so do they
                found = {key: one for key, one in found.items() if key[0] is None}
            found[(person, purpose)] = given
        return found

    def heed(self, policy: Policy) -> None:
        """Pass what was taken back, or given to a person again, on to `policy`. A record that is broken stops capture.

        What opens the gate for everybody needs a new start of the device, because people must be told first.
        """
        found = stamp(self.path)
        if found == self._stamp:
            return
        self._stamp = found
        try:
            now = self.read()
        except PolicyError as error:
            log.error("%s; until then nothing is perceived", error)
            now = {(None, "capture"): False}
        for (person, purpose), given in now.items():
            if self._heeded.get((person, purpose), person not in policy.withdrawn) is given:
                continue
            if person is not None:
                (policy.consent if given else policy.withdraw)(person)
            elif not given and purpose == "capture":
                policy.withdraw()
            elif not given:
                policy.withdraw_affect()
        self._heeded = now
