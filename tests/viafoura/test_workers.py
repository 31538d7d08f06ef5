"""Where calls are made: on threads where they run, by the caller where they do not."""

import sys
import threading
from types import SimpleNamespace

import pytest

from tests.support.fakes import Clock
from viafoura_mw.viafoura import workers as lanes
from viafoura_mw.viafoura.workers import CallerLanes, Lanes, ThreadLanes, lanes_here, threads_run


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
    assert isinstance(lanes_here(10.0, 2.0, Clock()), ThreadLanes if run else CallerLanes)


def test_one_lane_does_not_hold_up_another() -> None:
    """Logouts that hang delay no login."""
    lanes, go, done = ThreadLanes(10.0, clock=Clock()), threading.Event(), threading.Event()
    for _ in range(10):
        lanes.logouts.submit(lambda: bool(go.wait(10.0)))

    lanes.logins.submit(done.set)

    assert done.wait(10.0)
    go.set()


def test_nothing_is_left_to_a_caller_where_threads_run() -> None:
    """A page's end costs nothing."""
    lanes, go = ThreadLanes(10.0, clock=Clock()), threading.Event()
    lanes.logouts.submit(lambda: bool(go.wait(10.0)))

    lanes.run_pending(10.0)

    go.set()
    lanes.drain(10.0)


def test_a_thread_rests_as_long_as_it_is_told() -> None:
    """A logout's own thread may sleep; for no time it does not."""
    slept: list[float] = []
    lanes = ThreadLanes(10.0, clock=Clock(), sleep=slept.append)

    assert lanes.rest(0.0)
    assert lanes.rest(1.5)
    assert slept == [1.5]


def test_sleeps_by_what_sleeping_is_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """gevent replaces ``time.sleep``, at times after this package has been imported."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)

    lanes.sleep(1.0)

    assert slept == [1.0]


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def by_caller(clock: Clock) -> Lanes:
    """The lanes of a process without threads."""
    return CallerLanes(2.0, clock=clock)


def test_a_caller_makes_logins_at_once(by_caller: Lanes) -> None:
    """The page that asks is the one that calls, within the time that it may wait."""
    done: list[int] = []

    assert by_caller.logins.submit(lambda: done.append(1))
    assert done == [1]
    assert by_caller.logins.delay() == 0.0
    assert by_caller.limit == 2.0
    assert ThreadLanes(10.0, clock=Clock()).limit is None


def test_a_caller_makes_the_other_calls_later(by_caller: Lanes) -> None:
    """What nobody waits for is done when there is time for it."""
    done: list[str] = []
    by_caller.logouts.submit(lambda: done.append("logout"))
    by_caller.probes.submit(lambda: done.append("probe"))
    assert not done
    assert by_caller.probes.delay() == 0.0

    by_caller.run_pending(2.0)

    assert done == ["logout", "probe"]


def test_a_caller_begins_nothing_after_its_time(by_caller: Lanes, clock: Clock) -> None:
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


def test_a_caller_does_each_job_once_at_a_time(by_caller: Lanes) -> None:
    """What a job puts back is for the next time."""
    done: list[int] = []

    def again() -> None:
        done.append(1)
        by_caller.logouts.submit(again)

    by_caller.logouts.submit(again)
    by_caller.run_pending(2.0)

    assert done == [1]


def test_jobs_taken_by_another_caller_are_not_missed(by_caller: Lanes) -> None:
    """Two greenlets may be at it together."""
    done: list[int] = []

    def take_the_rest() -> None:
        by_caller.run_pending(2.0)

    by_caller.logouts.submit(take_the_rest)
    by_caller.logouts.submit(lambda: done.append(1))
    by_caller.run_pending(2.0)

    assert done == [1]


def test_a_caller_never_rests(by_caller: Lanes) -> None:
    """A page's own thread does not sleep."""
    assert by_caller.rest(0.0)
    assert not by_caller.rest(0.1)


def test_what_a_caller_has_put_off_is_bounded(by_caller: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site whose pages never end in time keeps a bounded number of logouts."""
    taken = [by_caller.logouts.submit(bool) for _ in range(lanes.LOGOUT_PLACES + 1)]

    assert taken == [True] * lanes.LOGOUT_PLACES + [False]
