"""What do the people here agree to?"""

from __future__ import annotations

from edge.config import Config
from edge.consent import Consent
from edge.doctor.base import Finding, of_error
from edge.errors import PolicyError
from edge.policy import Policy


def check(config: Config) -> list[Finding]:
    """One finding: what is perceived, and why no more."""
    try:
        decided = Consent(config.consent_record()).read()
    except PolicyError as error:
        return [of_error("consent", error)]
    purpose = config.purpose
    if decided.get((None, "capture")) is False:
        what = "everybody's consent was withdrawn: nothing is perceived"
        return [Finding("consent", "warn", what, "where they agree again: `mien consent give`")]
    policy = Policy(
        purpose.mode,
        context=purpose.context,
        exemption=purpose.exemption,
        justification=purpose.justification,
        consent=purpose.consent,
    )
    if decided.get((None, "affect")) is False:
        policy.withdraw_affect()
    for (person, _), given in decided.items():
        if person is not None and not given:
            policy.withdraw(person)
    read = {"off": "nothing", "attention_only": "presence, attention and tiredness", "affect": "feelings, too"}
    what = read[policy.mode] + (", and words" if policy.words else "")
    return [Finding("consent", "ok", f"perceived: {what}" + (f" ({policy.reason})" if policy.reason else ""))]
