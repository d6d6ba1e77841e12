"""What one step of the loop found out."""

from __future__ import annotations

from dataclasses import dataclass

from edge.types import Description, Event, Observation, PersonState


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step: what was observed, who is there and how they are, what fired, what can be said of it."""

    t_s: float
    observations: tuple[Observation, ...] = ()
    states: tuple[PersonState, ...] = ()
    events: tuple[Event, ...] = ()
    descriptions: tuple[Description, ...] = ()
