"""Where calls are made: on threads where they run, by the caller where they do not."""

import sys
import threading
from functools import partial
from types import SimpleNamespace

import pytest

from tests.support.fakes import Clock
from viafoura_mw.viafoura import workers
from viafoura_mw.viafoura.workers import CallerWorkers, ThreadWorkers, Workers, threads_run, workers_here


def test_threads_run_outside_uwsgi() -> None:
    """No other server keeps threads from running."""
    assert threads_run()


@pytest.mark.parametrize(
    ("version", "options", "run"),
    [
        (b"2.0.21-debian", {}, False),
        (b"2.0.21-debian", {"enable-threads": b"false"}, False),
        (b"2.0.21-debian", {"enable-threads": True}, True),
        (b"2.0.21-debian", {"enable-threads": b"true"}, True),
        (b"2.0.21-debian", {"threads": b"2"}, True),
        (b"2.0.26", {}, False),
        (b"2.0.27", {}, True),
        (b"2.0.31", {"enable-threads": b"false"}, True),
        (b"2.1-dev", {}, True),
    ],
)
def test_threads_run_in_uwsgi_if_it_says_so(
    monkeypatch: pytest.MonkeyPatch, version: bytes, options: dict[str, object], run: bool
) -> None:
    """As measured: since 2.0.27 always, before with ``enable-threads`` or ``threads``."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(version=version, opt=options))

    assert threads_run() is run
    assert isinstance(workers_here(10.0, 2.0, Clock()), ThreadWorkers if run else CallerWorkers)


def test_one_kind_of_call_does_not_hold_up_another() -> None:
    """Logouts that hang delay no login."""
    here, go, done = ThreadWorkers(10.0, clock=Clock()), threading.Event(), threading.Event()
    for _ in range(10):
        here.logouts.submit(lambda: bool(go.wait(10.0)))

    here.logins.submit(done.set)

    assert done.wait(10.0)
    go.set()


def test_nothing_is_left_to_a_caller_where_threads_run() -> None:
    """A page's end costs nothing."""
    here, go = ThreadWorkers(10.0, clock=Clock()), threading.Event()
    here.logouts.submit(lambda: bool(go.wait(10.0)))

    here.run_pending(10.0)

    go.set()
    here.drain(10.0)


def test_a_thread_rests_as_long_as_it_is_told() -> None:
    """A logout's own thread may sleep; for no time it does not."""
    slept: list[float] = []
    here = ThreadWorkers(10.0, clock=Clock(), sleep=slept.append)

    assert here.rest(0.0)
    assert here.rest(1.5)
    assert slept == [1.5]


def test_a_thread_rests_no_longer_than_its_process_lives() -> None:
    """A logout that waits for its next try is made before the end."""
    here, rested = ThreadWorkers(10.0, clock=Clock()), threading.Event()
    here.logouts.submit(lambda: (here.rest(1e6), rested.set()))

    here.hasten()

    assert rested.wait(10.0)
    assert here.rest(1e6)


def test_a_thread_rests_again_where_its_process_lives_on() -> None:
    """Only one of the servers in it had shut down."""
    here, rested = ThreadWorkers(10.0, clock=Clock()), threading.Event()
    here.hasten()

    here.resume()

    here.logouts.submit(lambda: (here.rest(1e6), rested.set()))
    assert not rested.wait(0.05)
    here.hasten()
    assert rested.wait(10.0)


def test_the_end_makes_the_calls_that_no_thread_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads may all be busy, and new ones are not to be had when the interpreter ends."""
    here, done = ThreadWorkers(10.0, clock=Clock()), []
    go, begun = threading.Event(), threading.Semaphore(0)
    for _ in range(2):
        here.logouts.submit(lambda: (begun.release(), go.wait(10.0)))
    for _ in range(2):
        assert begun.acquire(timeout=10.0)
    here.logouts.submit(lambda: (done.append(threading.current_thread()), go.set()))

    here.work_off(10.0)

    assert done == [threading.current_thread()]
    assert here.logouts.join(0.0)


def test_the_end_waits_no_longer_than_it_may() -> None:
    """A call that hangs ends with the process."""
    clock, go, begun = Clock(), threading.Event(), threading.Semaphore(0)
    here = ThreadWorkers(10.0, clock=clock)
    done: list[int] = []

    def end(number: int) -> None:
        done.append(number)
        clock.pass_(1.5)

    for _ in range(2):
        here.logouts.submit(lambda: (begun.release(), go.wait(10.0)))
    for _ in range(2):
        assert begun.acquire(timeout=10.0)
    for number in range(3):
        here.logouts.submit(partial(end, number))

    here.work_off(2.0)

    assert done == [0, 1]
    go.set()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def by_caller(clock: Clock) -> Workers:
    """The workers of a process without threads."""
    return CallerWorkers(2.0, clock=clock)


def test_a_caller_makes_logins_at_once(by_caller: Workers) -> None:
    """The page that asks is the one that calls, within the time that it may wait."""
    done: list[int] = []

    assert by_caller.logins.submit(lambda: done.append(1))
    assert done == [1]
    assert by_caller.logins.delay() == 0.0
    assert by_caller.limit == 2.0
    assert ThreadWorkers(10.0, clock=Clock()).limit is None


def test_a_caller_makes_the_other_calls_later(by_caller: Workers) -> None:
    """What nobody waits for is done when there is time for it."""
    done: list[str] = []
    by_caller.logouts.submit(lambda: done.append("logout"))
    by_caller.probes.submit(lambda: done.append("probe"))
    assert not done
    assert by_caller.probes.delay() == 0.0

    by_caller.run_pending(2.0)

    assert done == ["logout", "probe"]


def test_a_caller_begins_nothing_after_its_time(by_caller: Workers, clock: Clock) -> None:
    """Slow calls leave the rest to the next page's end."""
    done: list[int] = []

    def slow() -> None:
        clock.pass_(1.5)
        done.append(1)

    for _ in range(3):
        by_caller.logouts.submit(slow)

    by_caller.run_pending(2.0)
    assert len(done) == 2
    by_caller.drain(2.0)
    assert len(done) == 3


def test_a_caller_does_each_job_once_at_a_time(by_caller: Workers) -> None:
    """What a job puts back is for the next time."""
    done: list[int] = []

    def again() -> None:
        done.append(1)
        by_caller.logouts.submit(again)

    by_caller.logouts.submit(again)
    by_caller.run_pending(2.0)

    assert done == [1]


def test_jobs_taken_by_another_caller_are_not_missed(by_caller: Workers) -> None:
    """Two greenlets may be at it together."""
    done: list[int] = []

    def take_the_rest() -> None:
        by_caller.run_pending(2.0)

    by_caller.logouts.submit(take_the_rest)
    by_caller.logouts.submit(lambda: done.append(1))
    by_caller.run_pending(2.0)

    assert done == [1]


def test_a_caller_never_rests(by_caller: Workers) -> None:
    """A page's own thread does not sleep."""
    assert by_caller.rest(0.0)
    assert not by_caller.rest(0.1)


def test_what_a_caller_has_put_off_is_bounded(by_caller: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site whose pages never end in time keeps a bounded number of logouts."""
    taken = [by_caller.logouts.submit(bool) for _ in range(workers.LOGOUT_PLACES + 1)]

    assert taken == [True] * workers.LOGOUT_PLACES + [False]


def test_a_caller_at_the_end_makes_logouts_alone(by_caller: Workers) -> None:
    """Nobody is there to be served any more."""
    done: list[str] = []
    by_caller.probes.submit(lambda: done.append("probe"))
    by_caller.refreshes.submit(lambda: done.append("refresh"))
    by_caller.logouts.submit(lambda: done.append("logout"))

    by_caller.hasten()
    by_caller.resume()
    by_caller.work_off(2.0)

    assert done == ["logout"]
