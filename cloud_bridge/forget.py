"""`mien bridge forget`: erase what is kept of a device or a person, in every store, and look again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloud_bridge.erasure import LOOK_S, Erasures
from cloud_bridge.errors import SettingError
from cloud_bridge.history import History
from cloud_bridge.state import history_file

_WAIT_S = 10.0  # for the running bridges
_EPILOG = """\
Erased: the history (from its file, too), and in every bridge that runs on it the memory of the conversation, the newest
state, and what a model of this machine keeps computed. Kept: which envelopes were taken (numbers, no content), the
device's certificate or token, and the erasure itself until the retention ends. What a hosted model or voice keeps, only
its vendor can erase; what waits on the device is erased there.
A person's number holds for one start of the device; what may be theirs (a voice without a face) is erased with them.

The exit status is 0 only when nothing is left and every running bridge has confirmed.
"""


def main(argv: Sequence[str]) -> int:
    """Run from the command line. Returns the exit status; raises BridgeError."""
    parser = argparse.ArgumentParser(
        prog="mien bridge forget",
        description="Erase what is kept of a device, or of one person in front of it, and prove it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("device", metavar="DEVICE")
    parser.add_argument("--person", type=int, metavar="N", help="only this person's (all of the device's)")
    parser.add_argument("--tenant", metavar="NAME", default="default")
    parser.add_argument("--history", metavar="FILE", help="the bridge's history (in its state folder)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args(argv)
    path = history_file(options.history)
    if not path.is_file():
        raise SettingError(f"there is no history at {path}: name the bridge's by --history")
    found = forget(path, options.tenant, options.device, options.person)
    if options.json:
        print(json.dumps(found))
    else:
        _tell(found)
    return 0 if found["proved"] else 1


def forget(path: Path, tenant: str, device: str, person: int | None) -> dict[str, Any]:
    """Erase, then look again: what was removed from and is left in each store. `proved`: nothing is left anywhere."""
    erasures, history = Erasures(path), History(path)
    try:
        before = history.count(device, person, tenant=tenant)
        wish = erasures.wish(tenant, device, person)
        expected, until_s = erasures.running(), time.monotonic() + _WAIT_S
        while not expected <= erasures.answers(wish).keys() and time.monotonic() < until_s:
            time.sleep(LOOK_S / 5)
        history.forget(device, person, tenant=tenant)
        left = history.left_before(device, person, wish.at_s, tenant=tenant)
        answers = erasures.answers(wish)
    finally:
        history.close()
        erasures.close()
    silent = sorted(expected - answers.keys())
    return {
        "tenant": tenant,
        "device": device,
        "person": person,
        "history": {"removed": before, "left": left},
        "bridges": answers,
        "silent": silent,
        "proved": left == 0 and not silent,
    }


def _tell(found: dict[str, Any]) -> None:
    who = found["device"] if found["person"] is None else f"person {found['person']} of {found['device']}"
    print(f"history   {found['history']['removed']} rows of {who} removed, {found['history']['left']} left")
    for bridge, held in found["bridges"].items():
        print(f"bridge    {bridge}: " + ", ".join(f"{name} {count}" for name, count in held.items()) + " removed")
    for bridge in found["silent"]:
        print(f"bridge    {bridge} did not confirm: end it, its memory ends with it", file=sys.stderr)
    print("nothing is left" if found["proved"] else "NOT PROVED: run it again", flush=True)
