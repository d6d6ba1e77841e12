"""How much may be on its way, and when it is sent again."""

from __future__ import annotations

from edge.flight import WINDOW, Flight


def test_a_link_on_which_acknowledgements_come_is_alive() -> None:
    """However long one waits behind others, up to eight times; silence alone ends it sooner."""
    flight = Flight(ack_s=20.0)
    flight.sent([(1, 1), (1, 2)], 0.0)
    assert not flight.late(20.0)
    flight.done(1, [1], 15.0)
    assert not flight.late(35.0)
    assert flight.late(35.1)


def test_one_that_never_arrives_ends_the_connection_even_so() -> None:
    """A hole among acknowledged ones is not waited for for ever."""
    flight = Flight(ack_s=1.0)
    flight.sent([(1, 1)], 0.0)
    for second in range(1, 9):
        flight.sent([(1, second + 1)], float(second))
        flight.done(1, [second + 1], float(second))
        assert not flight.late(float(second))
    flight.done(1, [99], 8.9)
    assert flight.late(8.9)


def test_the_window_closes_with_each_vain_try_and_opens_with_each_answer() -> None:
    """Down to one, and no wider than at first."""
    flight = Flight(ack_s=1.0)
    for _ in range(20):
        flight.sent([(1, 1)], 0.0)
        assert flight.late(2.0)
        assert flight.rewind(2.0) == 1
    assert flight.window == 1
    for seq in range(2 * WINDOW):
        flight.done(1, [seq], 3.0)
    assert flight.window == WINDOW


def test_all_are_sent_again_once_for_one_that_is_missing() -> None:
    """Not for each that followed it, nor for one that is not in flight any more."""
    flight = Flight()
    flight.sent([(1, 1), (1, 2)], 10.0)
    flight.miss(1, 1)
    assert flight.must_mend(10.0)
    flight.rewind(10.0)
    flight.sent([(1, 1), (1, 2)], 10.1)
    flight.miss(1, 1)
    assert not flight.must_mend(10.2)
    assert flight.must_mend(10.6)
    flight.miss(1, 7)
    assert not flight.must_mend(12.0)
