"""`mien bridge claim | devices | revoke | issue`: who may speak to this bridge."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from cloud_bridge.authority.authority import CLAIM_HOURS, Authority, folder
from cloud_bridge.authority.desk import DEFAULT_PORT
from cloud_bridge.errors import BridgeError, SettingError

_MOST_HOURS = 24 * 365
_EPILOG = """\
a device becomes itself in three steps:
  mien bridge --enroll 0.0.0.0:50052 --names bridge.local --listen 0.0.0.0:50051     on the bridge, running
  mien bridge claim new car-7 --at bridge.local:50052                                prints a claim, once
  mien enroll bridge.local:50052 --claim CLAIM                                       on the device
and is stopped in one:
  mien bridge revoke car-7
"""


def main(argv: Sequence[str]) -> int:
    """Run one of the commands. Returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        return {"claim": _claim, "devices": _devices, "revoke": _revoke, "issue": _issue}[options.command](options)
    except BridgeError as error:
        print(f"mien bridge: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mien bridge", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    claim = commands.add_parser("claim", help="let one device enroll, once").add_subparsers(required=True)
    new = claim.add_parser("new", help="print a claim; it is shown once and kept hashed")
    new.add_argument("device")
    new.add_argument("--tenant", default="default")
    new.add_argument("--hours", type=_hours, default=CLAIM_HOURS, help="how long it holds (%(default)s)")
    where = f"{socket.gethostname()}:{DEFAULT_PORT}"
    new.add_argument("--at", metavar="HOST:PORT", default=where, help="where the device enrolls (%(default)s)")
    new.add_argument("--json", action="store_true")
    devices = commands.add_parser("devices", help="who has a certificate, and until when")
    devices.add_argument("--json", action="store_true")
    revoke = commands.add_parser("revoke", help="refuse a device from now on, by gRPC and MQTT")
    revoke.add_argument("device")
    revoke.add_argument("--tenant", default="default")
    issue = commands.add_parser("issue", help="a server's certificate, for a broker or another bridge")
    issue.add_argument("name", help="its common name, e.g. broker or mien-bridge")
    issue.add_argument("--host", action="append", required=True, help="a name or address that it is reached by")
    return parser


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= _MOST_HOURS:
        raise argparse.ArgumentTypeError(f"a claim holds for more than 0 and at most {_MOST_HOURS} hours")
    return hours


def _claim(options: argparse.Namespace) -> int:
    text = Authority(folder(), create=True).claim(options.device, options.tenant, hours=options.hours)
    url = f"mien://{options.at}?{urlencode({'claim': text}, safe=':')}"
    if options.json:
        print(json.dumps({"claim": text, "url": url, "hours": options.hours}))
        return 0
    print(f"claim  {text}\nas QR  {url}\n")
    print(f"It is shown only now, works once, and for {options.hours:g} hours. On the device:")
    print(f"  mien enroll {options.at} --claim {text}")
    return 0


def _devices(options: argparse.Namespace) -> int:
    for one in Authority(folder()).holders():
        days = (one.expires_s - time.time()) / 86_400
        if options.json:
            facts = {"tenant": one.tenant, "device": one.device, "days_left": round(days, 1), "revoked": one.revoked}
            print(json.dumps(facts))
        else:
            state = "revoked" if one.revoked else f"{days:.0f} days" if days > 0 else "expired"
            print(f"{one.tenant}/{one.device:40} {state}")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    authority = Authority(folder())
    count = authority.revoke(options.device, options.tenant)
    who = f"{options.tenant}/{options.device}"
    if not count:
        print(f"mien bridge: {who} has no certificate; its open claims, if any, are void now", file=sys.stderr)
        return 1
    print(f"{who}: {count} certificate{'s' if count > 1 else ''} revoked; this bridge refuses it from now on.")
    print(
        f"A broker's `crlfile` is {authority.revocation_list}: `systemctl reload mosquitto` makes it read that again."
    )
    return 0


def _issue(options: argparse.Namespace) -> int:
    authority = Authority(folder(), create=True)
    certificate, key = authority.server(options.host, options.name)
    print(f"certificate  {certificate}\nkey          {key}\nauthority    {authority.ca}")
    print(f"revoked      {authority.revocation_list}")
    return 0
