"""The event stream: one JSON object a line, with what the integrators' page promises of it."""

from __future__ import annotations

import json

from edge import events
from edge.types import Event


def test_a_line_is_one_object_with_its_type() -> None:
    """Readers part lines by newline and look at `type`: neither may be hidden by what stands in a text."""
    line = events.line("event", Event(t_s=1.23456, name="a\nb “c”", person=None, arguments={"away_s": 2.00049}))
    assert "\n" not in line
    found = json.loads(line)
    assert (found["type"], found["name"]) == ("event", "a\nb “c”")
    assert found["t_s"] == 1.235
    assert found["arguments"] == {"away_s": 2.0}
    assert found["person"] is None, "what is not known is null, and stands there"


def test_values_become_what_json_knows() -> None:
    """Names of keys, order, truth values and whole numbers stay as they are; fractions have three decimals."""
    event = Event(t_s=0.0, name="x", person=1)
    value = {1: (0.12345, 7, True, None, "s"), "inner": [event]}
    found = events.plain(value)
    assert found["1"] == [0.123, 7, True, None, "s"]
    assert found["1"][2] is True
    assert found["inner"][0]["name"] == "x"
    assert json.loads(json.dumps(found)) == found
