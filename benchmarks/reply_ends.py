"""When the device takes a person for finished, without the clock of this machine: each judgement is there at once.

What is heard is the same in every run, and so is what is found: a figure that changes is a change of the code. After
the first part of a sentence comes nothing but silence, so that one hearing tells for every length of a hesitation
whether it would have been cut off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.reply_device import Samples
from benchmarks.spoken import Spoken
from edge.perceive.hearing import Hearing
from edge.types import SAMPLE_RATE, AudioFrame, TurnEnd

MORE = (
    "Could you tell my daughter that I will be late?",
    "I used to live in a small village near the coast.",
    "The package you sent me never arrived.",
    "What time does the pharmacy on the corner close?",
    "My father was in hospital for almost three weeks.",
    "I would like to change my order before it ships.",
    "Nobody came to my birthday party on Saturday.",
    "Do we have enough flour for a chocolate cake?",
    "I can't remember where I parked the car.",
    "The kids are driving me up the wall today.",
    "Please book a table for four people at seven.",
    "I finally passed my driving test this morning.",
    "Why did you cancel the meeting without telling me?",
    "My new phone stopped working after two days.",
    "It has been raining here since last Friday.",
    "Should I bring anything to the picnic tomorrow?",
    "I don't know what to say to her any more.",
    "We are thinking of moving to another city.",
    "The music from next door keeps me awake at night.",
    "Can you explain how this contract works?",
    "I lost my job because the factory closed down.",
    "He always forgets to take out the rubbish.",
    "There was a strange man in front of our house.",
    "How many eggs do I need for pancakes?",
    "My best friend is getting married in June.",
    "I have been waiting for an answer since Tuesday.",
    "That film was so funny that I cried.",
    "Is there a bus to the airport after midnight?",
    "I want to learn how to play the guitar.",
    "You said that the repair would cost nothing.",
)  # beside the sentences of the conversation
_PAUSES_S = (0.4, 0.8)
_BEFORE_S, _AFTER_S = 0.5, 2.5  # of silence
_BLOCK = 512  # samples


def ends(said: Sequence[Spoken]) -> dict[str, float]:
    """How long after the last sample the end of whole sentences is final, and which share of hesitations is over by
    then."""
    hearing = Hearing(affect=False, words=True)
    whole = [end for one in said if (end := _end_s(hearing, one.whole)) is not None]
    after = [end for one in said if (end := _end_s(hearing, one.before)) is not None]
    found = {f"end_p{q}_ms": float(np.percentile(whole, q)) * 1000 for q in (50, 95)}
    for pause_s in _PAUSES_S:
        cut = sum(end < pause_s for end in after)
        found[f"cut_off_by_{pause_s * 1000:.0f}ms"] = cut / len(said)
    return found


def _end_s(hearing: Hearing, sound: Samples) -> float | None:
    """Seconds from the last sample of `sound` to the first end that is final; negative: within it. None: no end."""
    hearing.reset()
    silence = np.zeros(round(_BEFORE_S * SAMPLE_RATE), np.float32), np.zeros(round(_AFTER_S * SAMPLE_RATE), np.float32)
    heard = np.concatenate([silence[0], sound, silence[1]])
    last_s = _BEFORE_S + len(sound) / SAMPLE_RATE
    for at in range(0, len(heard) - _BLOCK + 1, _BLOCK):
        block = AudioFrame("bench", at // _BLOCK, at / SAMPLE_RATE, heard[at : at + _BLOCK])
        if any(isinstance(one, TurnEnd) and one.final for one in hearing.feed(block)):
            return (at + _BLOCK) / SAMPLE_RATE - last_s
    return None
