"""Give, take back or show consent; a device that runs heeds it at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.config import Config
from edge.consent import PURPOSES, Consent, Purpose
from edge.errors import OutboxInUse

_HELP = """\
Keeps the record of who agreed to what. A device that runs heeds it within a tenth of a second; one that starts later
heeds it, too: what was taken back stays so until it is given again.

  mien consent withdraw                    nothing is perceived any more: camera and microphone are closed
  mien consent withdraw --purpose affect   feelings are not read any more; attention and speech are
  mien consent withdraw --person 2         nothing of person 2 is told or kept, and nobody's feelings or words are read
  mien consent give --person 2             person 2 agrees again
  mien consent give                        everybody does; the device tells people and begins when it starts next
  mien consent show

With any withdrawal what waits for the bridge is erased, also while no device runs.

A person's number holds as long as they are in view. The device does not know who comes back, so after one person's
withdrawal it notices presence, attention and tiredness alone, of whoever is there, until that person agrees again or
everybody does, also when it starts anew. Whoever wants not even that withdraws for everybody."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien consent …`."""
    parser = argparse.ArgumentParser(
        prog="mien consent", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("give", "withdraw", "show"))
    parser.add_argument("--person", type=int, help="number of a person in view (default: everybody)")
    parser.add_argument("--purpose", choices=PURPOSES, help="default: capture, which is all")
    parser.add_argument("--config", type=Path, help="settings file of the device (TOML)")
    parser.add_argument("--json", action="store_true", help="what is so now, as JSON")
    args = parser.parse_args(argv)
    if args.person is not None and args.person < 0:
        parser.error(f"--person {args.person}: persons are counted from 1; 0 is a voice without a face")
    if args.person is not None and args.purpose == "affect":
        parser.error("--purpose is for everybody; of one person everything is given or taken back")
    config = Config.load(args.config)
    consent = Consent(config.consent_record())
    if args.what == "show":
        _show(consent, as_json=args.json)
        return 0
    given = args.what == "give"
    everything = given and args.person is None and args.purpose is None
    purposes: tuple[Purpose, ...] = PURPOSES if everything else (args.purpose or "capture",)
    for purpose in purposes:
        consent.write(purpose, given=given, person=args.person)
    if not args.json:  # before anything is erased: where that fails, this holds all the same
        print(f"{_said(args.person, args.purpose, given=given)} ({consent.path})")
    forgotten = not given and args.person is None and _forget_voice()
    erased = 0 if given else _erase_waiting(config)
    if args.json:
        line = {"person": args.person, "purposes": purposes, "given": given, "voice_forgotten": forgotten}
        print(json.dumps({**line, "envelopes_erased": erased, "record": str(consent.path)}))
        return 0
    if forgotten:
        print("what `mien calibrate` had learned is erased", file=sys.stderr)
    if erased:
        print(f"what waited for the bridge is erased ({erased} envelopes)", file=sys.stderr)
    return 0


def _said(person: int | None, purpose: Purpose | None, *, given: bool) -> str:
    if person is not None:
        if given:
            return f"person {person} is perceived again: in full from the next start, where people were told of less"
        return f"person {person} is told and kept no more, nor are anybody's feelings or words read"
    if given:
        return "given: a device begins when it starts next"
    if purpose == "affect":
        return "withdrawn: feelings are read no more"
    return "withdrawn: a running device closes camera and microphone now, and one that starts perceives nothing"


def _forget_voice() -> bool:
    from edge.own_voice import forget  # what a device learned of a voice goes with the consent to it, whichever it was

    return forget()


def _erase_waiting(config: Config) -> int:
    """How many envelopes were erased that a device which does not run has left for the bridge. Raises OutboxError."""
    path = config.outbox()
    if not path.exists():
        return 0
    from edge.outbox import Outbox

    try:
        outbox = Outbox(path, config.link.outbox_mb << 20)
    except OutboxInUse:  # by a device that runs: it erases them
        return 0
    try:
        outbox.forget()
        return outbox.counts["forgotten"]
    finally:
        outbox.close()


def _show(consent: Consent, *, as_json: bool) -> None:
    rows = [{"person": who, "purpose": purpose, "given": given} for (who, purpose), given in consent.read().items()]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        who = "everybody" if row["person"] is None else f"person {row['person']}"
        print(f"{who}: {row['purpose']} {'given' if row['given'] else 'withdrawn'}")
    if not rows:
        print(f"nothing was decided ({consent.path})")
