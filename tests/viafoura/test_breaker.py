"""The breaker, told the time and the outcomes: when calls are made, when one probe is, and when none."""

from viafoura_mw.viafoura.breaker import FAILURES, LONGEST_PAUSE, Admission, Breaker


def broken(now: float = 0.0) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(spread=lambda: 1.0)
    for number in range(FAILURES):
        breaker.failed(f"unlucky-{number}", now)
    return breaker


def test_admits_calls_while_nothing_fails() -> None:
    """A new breaker is closed."""
    breaker = Breaker()

    assert breaker.admit("somebody", 0.0) is Admission.CALL
    assert breaker.pause_left(0.0) == 0.0


def test_opens_after_failures_of_five_users_in_a_row() -> None:
    """The fifth user's failure opens it, and only that one says so."""
    breaker = Breaker(spread=lambda: 1.0)

    opened = [breaker.failed(f"unlucky-{number}", 0.0) for number in range(FAILURES + 1)]

    assert opened == [False] * (FAILURES - 1) + [True, False]
    assert breaker.admit("somebody", 0.5) is Admission.NONE


def test_a_success_in_between_starts_the_count_anew() -> None:
    """Failures that are not in a row do not open it."""
    breaker = Breaker()

    for number in range(3 * FAILURES):
        breaker.failed(f"unlucky-{number}", 0.0)
        breaker.succeeded(0.0)

    assert not breaker.open


def test_admits_one_probe_when_the_pause_is_over() -> None:
    """Of all who ask when a probe is due, one makes it."""
    breaker = broken(0.0)

    assert [breaker.admit("somebody", 1.0) for _ in range(3)] == [Admission.PROBE, Admission.NONE, Admission.NONE]


def test_closes_when_a_probe_succeeds() -> None:
    """After that calls are made again, and a later opening begins with the first pause."""
    breaker = broken(0.0)
    breaker.admit("somebody", 1.0)

    assert breaker.succeeded(1.1)
    assert breaker.admit("somebody", 1.2) is Admission.CALL


def test_pauses_twice_as_long_after_each_failed_probe() -> None:
    """The pauses double up to the longest."""
    breaker, now, pauses = broken(0.0), 0.0, []
    for _ in range(7):
        pauses.append(breaker.pause_left(now))
        now += pauses[-1]
        assert breaker.admit("somebody", now) is Admission.PROBE
        breaker.failed("unlucky", now, probe=True)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_failure_of_a_call_under_way_leaves_the_pause_alone() -> None:
    """What was sent before the opening and fails after it proves nothing new."""
    breaker = broken(0.0)

    assert not breaker.failed("unlucky", 0.9)
    assert breaker.pause_left(0.9) < 0.2


def test_keeps_a_demanded_pause_whatever_succeeds_meanwhile() -> None:
    """``Retry-After`` is obeyed even if a call that was under way is answered."""
    breaker = Breaker(spread=lambda: 1.0)

    assert breaker.demand(0.0, 30.0)
    assert not breaker.succeeded(1.0)
    assert breaker.admit("somebody", 29.0) is Admission.NONE
    assert breaker.admit("somebody", 30.0) is Admission.PROBE


def test_a_demand_made_again_prolongs_the_pause() -> None:
    """The later end counts, and an open breaker does not open again."""
    breaker = Breaker(spread=lambda: 1.0)
    breaker.demand(0.0, 30.0)

    assert not breaker.demand(10.0, 5.0)
    assert breaker.pause_left(0.0) == 30.0


def test_a_late_answer_brings_the_next_probe_near() -> None:
    """A service that answers late is worth a probe soon, one at a time as ever."""
    breaker = broken(0.0)
    for now in (1.0, 3.0, 7.0):
        breaker.admit("somebody", now)
        breaker.failed("unlucky", now, probe=True)

    breaker.came_late(8.0)

    assert breaker.pause_left(8.0) == 1.0


def test_a_late_answer_leaves_a_probe_under_way_alone() -> None:
    """While one probe is out there is no other."""
    breaker = broken(0.0)
    breaker.admit("somebody", 1.0)

    breaker.came_late(1.5)

    assert breaker.admit("somebody", 9.0) is Admission.NONE


def test_a_late_answer_does_not_close() -> None:
    """A page that waited for the next one would wait in vain."""
    breaker = broken(0.0)

    breaker.came_late(0.5)

    assert breaker.open


def test_processes_do_not_probe_in_step() -> None:
    """Each breaker's pause varies a little by itself."""
    breakers = [Breaker() for _ in range(8)]
    for breaker in breakers:
        for number in range(FAILURES):
            breaker.failed(f"unlucky-{number}", 0.0)

    pauses = {breaker.pause_left(0.0) for breaker in breakers}

    assert len(pauses) > 1
    assert all(0.9 <= pause <= 1.1 for pause in pauses)


def test_counts_users_and_not_failures() -> None:
    """One user whom Viafoura fails is no outage."""
    breaker = Breaker()

    assert not any(breaker.failed(f"unlucky-{number % 4}", 0.0) for number in range(100))


def test_gives_its_probe_to_another_user_than_the_last_that_failed() -> None:
    """That user's probe says only how that user fares; if nobody else asks, it is made after a second pause."""
    breaker = broken(0.0)
    breaker.admit("unlucky", 1.0)
    breaker.failed("unlucky", 1.0, probe=True)

    assert breaker.admit("unlucky", 3.0) is Admission.NONE
    assert breaker.admit("unlucky", 4.9) is Admission.NONE
    assert breaker.admit("unlucky", 5.0) is Admission.PROBE


def test_gives_another_user_the_probe_at_once() -> None:
    """When the pause is over."""
    breaker = broken(0.0)
    breaker.admit("unlucky", 1.0)
    breaker.failed("unlucky", 1.0, probe=True)

    assert breaker.admit("somebody", 3.0) is Admission.PROBE


def test_remembers_nobody_who_failed_once_it_has_closed() -> None:
    """The next outage is another one."""
    breaker = broken(0.0)
    breaker.admit("somebody", 1.0)
    breaker.succeeded(1.0)
    breaker.demand(2.0, 10.0)

    assert breaker.admit(f"unlucky-{FAILURES - 1}", 12.0) is Admission.PROBE


def test_a_probe_that_could_not_be_made_is_made_after_another_pause() -> None:
    """It says nothing of anybody, and the pause gets no longer."""
    breaker = broken(0.0)
    breaker.admit("somebody", 1.0)

    breaker.given_up(1.0)

    assert breaker.admit("somebody", 1.9) is Admission.NONE
    assert breaker.admit("somebody", 2.0) is Admission.PROBE


def test_keeps_to_no_demand_for_more_than_five_minutes() -> None:
    """Whatever Viafoura asks for."""
    breaker = Breaker()

    breaker.demand(0.0, 1e9)

    assert breaker.pause_left(0.0) == 300.0
