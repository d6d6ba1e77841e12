"""Give this device its own key and certificate: with a claim from `mien bridge claim new DEVICE`, once."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from edge.config import state_folder
from edge.errors import ConfigError, MienError

_EPILOG = """\
examples:
  mien enroll bridge.local:50052 --claim car-7:SECRET:FINGERPRINT
  mien enroll 'mien://bridge.local:50052?claim=…'      the text of the QR code
  mien enroll --renew                                  new key and certificate now; a running device does it by itself
  mien enroll --show                                   who this device is, and until when
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien enroll`. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="mien enroll", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", metavar="HOST:PORT", help="where the bridge enrolls devices, or the QR text")
    parser.add_argument("--claim", metavar="TEXT", help="what `mien bridge claim new` printed")
    parser.add_argument("--renew", action="store_true", help="change key and certificate for new ones")
    parser.add_argument("--show", action="store_true", help="tell who this device is")
    parser.add_argument("--json", action="store_true", help="who this device is, as JSON")
    args = parser.parse_args(argv)
    if bool(args.url) + args.renew + args.show != 1:
        parser.error("give HOST:PORT with --claim, or --renew, or --show")
    from edge.identity import Identity

    identity = Identity(state_folder() / "identity")
    try:
        if args.url:
            address, claim = _where(args.url, args.claim)
            if not claim:
                parser.error("a claim is needed: `mien bridge claim new DEVICE` prints one")
            identity.enroll(address, claim)
        elif not identity.path.exists():
            raise ConfigError("this device is not enrolled: `mien bridge claim new DEVICE` on the bridge says how")
        elif args.renew:
            identity.renew()
        _tell(identity.about, identity.life_s()[1], as_json=args.json)
    except MienError as error:
        print(f"mien enroll: {error}", file=sys.stderr)
        return 1
    return 0


def _where(url: str, claim: str | None) -> tuple[str, str]:
    parts = urlsplit(url if "://" in url else f"mien://{url}")
    return parts.netloc, claim or parse_qs(parts.query).get("claim", [""])[0]


def _tell(about: dict[str, str], until_s: float, *, as_json: bool) -> None:
    days = (until_s - time.time()) / 86_400
    if as_json:
        print(json.dumps({**about, "days_left": round(days, 1)}))
        return
    print(f"this device is '{about['device']}' of tenant '{about['tenant']}' for {days:.0f} days")
    host = about["address"].rpartition(":")[0]
    print(f'in its settings: device = "{about["device"]}" and, under [link], bridges = ["grpcs://{host}:50051"]')
