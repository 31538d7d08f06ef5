"""How many bytes may be held back, and by whom."""

import threading

from viafoura_mw.response.hold import HoldBudget


def test_has_a_size_for_all() -> None:
    """What one holder has taken, no other gets."""
    budget = HoldBudget(size=10)
    assert budget.take(6, "ann")
    assert not budget.take(5, "ben")
    budget.give_back(6, "ann")
    assert budget.take(5, "ben")


def test_has_a_share_for_one() -> None:
    """One holder leaves room for others."""
    budget = HoldBudget(size=100, share=10)
    assert budget.take(6, "ann")
    assert not budget.take(5, "ann")
    assert budget.take(4, "ann")
    assert budget.take(5, "ben")


def test_remembers_nobody_who_holds_nothing() -> None:
    """A table that grows with visitors would be held for ever."""
    budget = HoldBudget()
    for number in range(100):
        assert budget.take(0, ("empty", number))
        assert budget.take(5, number)
        budget.give_back(3, number)
        budget.give_back(2, number)
    assert budget.held == 0
    assert budget._held == {}


def test_counts_right_with_threads() -> None:
    """Nothing is lost between threads."""
    budget = HoldBudget()

    def hold() -> None:
        for _ in range(500):
            budget.take(3, "ann")
            budget.give_back(3, "ann")

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.held == 0


def test_a_part_takes_from_the_whole() -> None:
    """Whichever has too little left refuses, and what is given back is given back to both."""
    whole = HoldBudget(10, share=10)
    one, other = HoldBudget(6, share=6, within=whole), HoldBudget(6, share=6, within=whole)
    assert one.take(6, "ann")
    assert not one.take(1, "ben")
    assert not other.take(5, "ann")
    assert (one.held, other.held, whole.held) == (6, 0, 6)
    one.give_back(6, "ann")
    assert other.take(5, "ann")
    assert (one.held, other.held, whole.held) == (0, 5, 5)
