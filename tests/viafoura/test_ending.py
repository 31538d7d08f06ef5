"""The orderly end: logouts that are owed are made before a process is gone, and nothing waits for longer."""

import multiprocessing.util  # noqa: F401 (is imported in a child of multiprocessing's)
import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.support.fakes import Clock, HandWorkers, ScriptedViafoura
from viafoura_mw.errors import LogoutRefused, ViafouraUnavailable
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.viafoura.ending import LAST_SECONDS, OrderlyEnd, at_exit
from viafoura_mw.viafoura.sessions import Sessions


class Process:
    """A process with sessions, whose end a test brings about."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.viafoura = ScriptedViafoura(self.clock)
        self.at_exit: list[Callable[[], object]] = []
        self.end = OrderlyEnd(self.clock, register=self.at_exit.append)
        self.workers: list[HandWorkers] = []

    def sessions(self) -> Sessions:
        """The sessions of one of its sites."""
        workers = HandWorkers(self.clock)
        self.workers.append(workers)
        return Sessions(
            self.viafoura,
            timeout=2.0,
            clock=self.clock,
            unix_clock=self.clock,
            workers=lambda: workers,
            end=lambda: self.end,
        )

    def exit(self) -> None:
        for run in self.at_exit:
            run()


@pytest.fixture
def process() -> Process:
    """A process that has done nothing yet."""
    return Process()


def test_makes_the_logouts_that_are_owed(process: Process) -> None:
    """Of all sites of the process."""
    for site in range(3):
        process.sessions().logout(f"session{site}")

    process.exit()

    assert process.viafoura.logouts == ["session0", "session1", "session2"]


def test_takes_two_seconds_for_all_of_them_together(process: Process) -> None:
    """A Viafoura that hangs holds up no deploy: each call is given what is left."""
    process.viafoura.takes = 1.5
    for site in range(3):
        sessions = process.sessions()
        sessions.logout(f"a{site}")
        sessions.logout(f"b{site}")
    began = process.clock()

    process.exit()

    assert process.viafoura.logouts == ["a0", "b0"]
    assert process.viafoura.limits == pytest.approx([LAST_SECONDS, LAST_SECONDS - 1.5])
    assert process.clock() - began <= LAST_SECONDS + 1.5  # the scripted Viafoura obeys no limit


def test_is_not_registered_before_something_is_owed_and_then_once(process: Process) -> None:
    """Nothing happens at import, nor for a site without logouts."""
    sessions = process.sessions()
    sessions.has_ended("session1")
    assert not process.at_exit

    for number in range(3):
        sessions.logout(f"session{number}")

    assert len(process.at_exit) == 1


@pytest.mark.parametrize("failure", [None, LogoutRefused(404), RuntimeError()], ids=["made", "refused", "raised"])
def test_holds_nobody_who_owes_nothing_any_more(process: Process, failure: Exception | None) -> None:
    """Sessions that are done with can be collected."""
    process.viafoura.failure = failure
    sessions = process.sessions()
    sessions.logout("session1")
    sessions.logout("session2")
    assert process.end._owing

    sessions.drain(10.0)

    assert not process.end._owing
    made = len(process.viafoura.logouts)
    process.exit()
    assert len(process.viafoura.logouts) == made


def test_tries_once_more_what_waits_for_its_next_try(process: Process) -> None:
    """And no more than once: there is no time for pauses."""
    process.viafoura.failure = ViafouraUnavailable("no answer in time")
    sessions = process.sessions()
    sessions.logout("session1")
    process.workers[0].patient = False
    process.workers[0].logouts.jobs.pop()()
    assert len(process.viafoura.logouts) == 1

    process.workers[0].patient = True
    process.exit()

    assert len(process.viafoura.logouts) == 2
    assert not process.workers[0].rests


def test_obeys_a_pause_that_viafoura_asked_for(process: Process) -> None:
    """To the end: what would be too early is given up."""
    process.viafoura.failure = ViafouraUnavailable("status 503", retry_after=1.0, status=503)
    sessions = process.sessions()
    sessions.logout("session1")
    process.workers[0].logouts.jobs.pop(0)()

    process.exit()

    assert len(process.viafoura.logouts) == 1
    assert not process.end._owing


def test_gives_up_what_is_woken_within_such_a_pause(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that rested until Viafoura may be called is woken too early."""
    process.viafoura.failure = ViafouraUnavailable("status 503", retry_after=5.0, status=503)
    sessions = process.sessions()
    sessions.logout("session1")
    process.workers[0].logouts.jobs.pop(0)()

    def rest(seconds: float) -> bool:
        process.exit()
        return True

    monkeypatch.setattr(process.workers[0], "rest", rest)
    process.workers[0].logouts.jobs.pop(0)()

    assert len(process.viafoura.logouts) == 1
    assert not process.end._owing


def test_is_not_the_end_of_the_parent(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork copies what its parent has registered and owes; the parent makes its calls itself."""
    process.sessions().logout("session1")
    monkeypatch.setattr(os, "getpid", lambda: -1)

    process.exit()

    assert not process.viafoura.logouts


def test_raises_nothing(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end with a traceback in it looks like a crash."""
    process.sessions().logout("session1")
    monkeypatch.setattr(process.workers[0], "work_off", lambda seconds: 1 / 0)

    process.exit()


def test_a_process_that_lives_on_makes_its_next_logouts_with_patience(process: Process) -> None:
    """One server in it has shut down (a test's, one of several), and the sites go on."""
    sessions = process.sessions()
    sessions.logout("session1")
    process.exit()
    process.clock.pass_(LAST_SECONDS)
    process.viafoura.failure = ViafouraUnavailable("no answer in time")

    sessions.logout("session2")
    sessions.drain(10.0)

    assert process.viafoura.logouts == ["session1", "session2", "session2", "session2"]
    assert process.viafoura.limits[1:] == [None, None, None]
    assert process.workers[0].rests == [1.0, 4.0]


def test_is_a_finalizer_where_multiprocessing_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that it forked ends by ``os._exit``, which calls nothing that :mod:`atexit` knows."""
    registered: list[object] = []
    monkeypatch.setattr("atexit.register", registered.append)
    monkeypatch.setattr("multiprocessing.process.parent_process", lambda: object())
    monkeypatch.setattr("multiprocessing.util.Finalize", lambda _, run, exitpriority: registered.append(run))

    at_exit(bool)

    assert registered == [bool, bool]


# In real processes.

PRELUDE = """
import os, sys, threading, multiprocessing
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions
from viafoura_mw.viafoura.client import Viafoura
from viafoura_mw.user.user import User
site, key, url, session = sys.argv[1:]
api = Viafoura(site_id=site, api_key=key, api_url=url, token_url=url + '/oauth2/token', timeout=10)
sessions = Sessions(api, timeout=10)
"""
ENDINGS = {
    "the main program's": "sessions.logout(session)",
    "with SystemExit, the application gone": "def run(s=sessions): s.logout(session); sys.exit(0)\ndel sessions\nrun()",
    "a thread's that outlives the main one": (
        "go = threading.Event()\n"
        "threading.Thread(target=lambda: (go.wait(10), sessions.logout(session))).start()\n"
        "threading.Timer(0.05, go.set).start()"
    ),
    "such a thread's where no thread starts any more": (  # Python 3.12 starts none from then on
        "go = threading.Event()\n"
        "def refuse(thread): raise RuntimeError\n"
        "def late():\n"
        "    go.wait(10); threading.main_thread().join(); threading.Thread.start = refuse; sessions.logout(session)\n"
        "threading.Thread(target=late).start()\n"
        "go.set()"
    ),
    "a forked worker's": (
        "sessions.has_ended('x')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    sessions.logout(session); sys.exit(0)\n"
        "os.waitpid(pid, 0)"
    ),
    "multiprocessing's, forked": (
        "child = multiprocessing.get_context('fork').Process(target=sessions.logout, args=(session,))\n"
        "child.start(); child.join()"
    ),
    "without threads to be had": (
        "def refuse(thread): raise RuntimeError\n"
        "threading.Thread.start = refuse\n"
        "import atexit; atexit.register(lambda: sessions.logout('another'))\n"
        "sessions._here.get().workers.logouts._start = lambda: True\n"  # as if one were, which never runs
        "sessions.logout(session)"
    ),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_process_that_ends_in_order_makes_its_logouts(viafoura: SimulatedViafoura, ending: str) -> None:
    """Whichever way its server ends it; with nothing on its standard error."""
    arguments = [viafoura.site_id, viafoura.api_key, viafoura.url, "session1"]

    ended = subprocess.run(
        [sys.executable, "-c", PRELUDE + ending, *arguments], timeout=60, check=True, capture_output=True
    )

    assert not ended.stderr
    assert viafoura.count("logout") == 1


def test_a_process_waits_for_a_viafoura_that_hangs_no_longer_than_it_may() -> None:
    """The simulator takes the connection and never answers; the process is told so, and ends."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        program = PRELUDE + "sessions.logout(session)"
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", program, "site", "key", url, "session1"], timeout=60, check=True)

    assert time.monotonic() - began >= LAST_SECONDS
