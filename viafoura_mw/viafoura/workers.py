"""Where the calls to Viafoura are made: on threads of their own, or by the caller where no thread can run.

There are three lanes, so that none holds another up: logins, for which pages wait; probes, for which none does;
and logouts.
"""

import re
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from viafoura_mw.viafoura.pool import Pool

LOGIN_THREADS: Final = 8  # at a tenth of a second a call, 80 users a second in each process
LOGIN_PLACES: Final = 1000
PROBE_THREADS: Final = 4  # few, since the pauses between probes double
LOGOUT_THREADS: Final = 2
LOGOUT_PLACES: Final = 1000

#: A call that has taken so many times its own limit is written off: a name that does not resolve, or the like.
WRITTEN_OFF: Final = 3

Job = Callable[[], object]

_UWSGI_FALSE: Final = (b"0", b"false", b"off", b"no")


#: From this version on uWSGI runs threads whatever it is told; before, when it is told so (measured: 2.0.21, 2.0.31).
_UWSGI_WITH_THREADS: Final = (2, 0, 27)


def threads_run() -> bool:
    """Whether a thread that is started here goes on running: not in an older uWSGI, unless it was told so."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return True
    version = tuple(int(number) for number in re.findall(r"\d+", uwsgi.version.decode("latin-1"))[:3])
    told = uwsgi.opt.get("enable-threads", b"0") not in _UWSGI_FALSE or "threads" in uwsgi.opt
    return told or version >= _UWSGI_WITH_THREADS


def sleep(seconds: float) -> None:
    """Sleep, by what :func:`time.sleep` is when called: gevent may have replaced it since this module was imported."""
    time.sleep(seconds)


class Lane(Protocol):
    """What takes jobs."""

    def submit(self, job: Job) -> bool:
        """Take ``job``, and see to it that it is done; ``False`` if that cannot be."""
        ...

    def delay(self) -> float:
        """Estimate the seconds for which a job would wait for its turn."""
        ...


class Lanes(Protocol):
    """The three lanes; ``limit`` is a call's own, in seconds, or ``None`` for the client's."""

    @property
    def logins(self) -> Lane: ...
    @property
    def probes(self) -> Lane: ...
    @property
    def logouts(self) -> Lane: ...
    @property
    def limit(self) -> float | None: ...

    def rest(self, seconds: float) -> bool:
        """Wait within a logout's job; ``False`` if that must be done by asking again later."""
        ...

    def drain(self, timeout: float) -> None:
        """Let the logouts end, for at most ``timeout`` seconds."""
        ...

    def run_pending(self, timeout: float) -> None:
        """Do what waits for a caller who has time, and begin nothing after ``timeout`` seconds."""
        ...


def lanes_here(limit: float, timeout: float, clock: Callable[[], float]) -> Lanes:
    """The lanes for this process. ``limit``: seconds that a call may take; ``timeout``: those that a page may."""
    return ThreadLanes(limit, clock=clock) if threads_run() else CallerLanes(timeout, clock=clock)


class ThreadLanes:
    """Lanes on threads; ``limit``: the client's own for a call, in seconds."""

    def __init__(self, limit: float, *, clock: Callable[[], float], sleep: Callable[[float], None] = sleep) -> None:
        def pool(workers: int, places: int) -> Pool:
            return Pool(workers=workers, places=places, stuck=WRITTEN_OFF * limit, clock=clock)

        self.logins: Pool = pool(LOGIN_THREADS, LOGIN_PLACES)
        self.probes: Pool = pool(PROBE_THREADS, PROBE_THREADS)
        self.logouts: Pool = pool(LOGOUT_THREADS, LOGOUT_PLACES)
        self.limit: float | None = None
        self._sleep = sleep

    def rest(self, seconds: float) -> bool:
        """Sleep: the thread is a logout's own."""
        if seconds > 0:
            self._sleep(seconds)
        return True

    def drain(self, timeout: float) -> None:
        """Wait for the logouts' threads."""
        self.logouts.join(timeout)

    def run_pending(self, timeout: float) -> None:
        """Nothing waits for a caller."""


class CallerLanes:
    """No threads: logins are made by the page that asks for them, the rest after a page has left."""

    def __init__(self, timeout: float, *, clock: Callable[[], float]) -> None:
        self.logins: AtOnce = AtOnce()
        self.probes: PutOff = PutOff(places=LOGOUT_PLACES)
        self.logouts: PutOff = self.probes
        self.limit: float | None = timeout
        self._clock = clock

    def rest(self, seconds: float) -> bool:
        """Never hold the caller up."""
        return seconds <= 0

    def drain(self, timeout: float) -> None:
        """Make the calls that were put off, each once."""
        until = self._clock() + timeout
        self.logouts.run(lambda: self._clock() >= until)

    def run_pending(self, timeout: float) -> None:
        """Make the calls that were put off, each once."""
        self.drain(timeout)


class AtOnce:
    """Jobs of callers who wait for them anyway."""

    def submit(self, job: Job) -> bool:
        """Do ``job`` here and now."""
        job()
        return True

    def delay(self) -> float:
        """Nobody is ahead."""
        return 0.0


class PutOff:
    """Jobs for which nobody waits, at most ``places``, until somebody has time for them."""

    def __init__(self, *, places: int) -> None:
        self._places = places
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> bool:
        """Keep ``job``; ``False`` if there is no place."""
        if len(self._jobs) >= self._places:
            return False
        self._jobs.append(job)
        return True

    def delay(self) -> float:
        """Nobody waits."""
        return 0.0

    def run(self, late: Callable[[], bool]) -> None:
        """Do each job that is kept now, until it is ``late()``; not those that they submit."""
        for _ in range(len(self._jobs)):
            if late() or not self._jobs:
                return
            self._jobs.popleft()()
