"""Event lines as a person reads them."""

from __future__ import annotations

import pytest

from edge import events
from edge.cli._lines import Descriptions
from edge.types import Description, PersonState


def test_of_several_people_each_line_tells_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """While they are there: alone, nobody needs a number."""
    show = Descriptions()
    for t_s, people in ((1.0, (1,)), (2.0, (0, 1)), (9.0, (1,))):
        for person in people:
            show(events.line("state", PersonState(person=person, t_s=t_s, turn=1, speaking=None)))
        for person in people:
            said = Description(person=person, t_s=t_s, turn=1, audio=None, visual="Looks calm.", joint=None)
            show(events.line("description", said))
    assert capsys.readouterr().out.splitlines() == [
        "Looks calm.",
        "Somebody unseen: Looks calm.",
        "Person 1: Looks calm.",
        "Looks calm.",
    ]
