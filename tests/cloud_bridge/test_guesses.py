"""When beginning an answer early pays, by rule."""

from cloud_bridge.guesses import WASTED_PER_H, Guesses


def test_it_is_tried_until_something_is_known():
    """Five pauses that were no ends conclude nothing yet; the sixth does."""
    guesses = Guesses()
    for pause in range(6):
        guesses.paused(1, f"{pause}")
        assert guesses.pay(0.0)
    guesses.paused(1, "6")
    assert not guesses.pay(0.0)


def test_every_second_pause_has_to_be_an_end():
    """The newest sixteen count, guessed at or not; the same pause told again counts once."""
    guesses = Guesses()
    for turn in range(8):
        guesses.paused(turn, "well")
        guesses.paused(turn, "well")
        guesses.paused(turn, "well then")
        guesses.ended(turn, "well then")
    assert guesses.pay(0.0)
    guesses.paused(9, "so")
    guesses.paused(9, "so what")
    guesses.ended(9, "so what now")
    assert not guesses.pay(0.0)
    guesses.paused(10, "yes")
    guesses.ended(10, "yes")
    assert guesses.pay(0.0)


def test_an_hour_has_its_budget():
    """However well it goes: so many answers for nothing, and no more until an hour is over. Forgetting what was said
    gives nothing back."""
    guesses = Guesses()
    for second in range(WASTED_PER_H):
        assert guesses.pay(float(second))
        guesses.wasted(float(second))
    guesses.forget()
    assert not guesses.pay(3599.0)
    assert guesses.pay(3601.0)
