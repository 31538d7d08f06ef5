"""Where the calls to Viafoura are made: on threads of their own, or by the caller where no thread can run.

There are queues for several kinds of calls, so that no kind holds another up: logins, for which pages wait; probes
and refreshes (logins for new details), for which no page does; and logouts.
"""

import re
import sys
import threading
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


class Queue(Protocol):
    """What takes jobs."""

    def submit(self, job: Job) -> bool:
        """Take ``job``, and see to it that it is done; ``False`` if that cannot be."""
        ...

    def delay(self) -> float:
        """Estimate the seconds for which a job would wait for its turn."""
        ...

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        ...


class Workers(Protocol):
    """The queues, and whoever does their jobs; ``limit`` is a call's own, in seconds, or ``None`` for the client's."""

    @property
    def logins(self) -> Queue: ...
    @property
    def probes(self) -> Queue: ...
    @property
    def refreshes(self) -> Queue: ...
    @property
    def logouts(self) -> Queue: ...
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

    def hasten(self) -> None:
        """Rest no more: the process ends."""
        ...

    def resume(self) -> None:
        """Rest again: the process did not end."""
        ...

    def work_off(self, seconds: float) -> None:
        """Lend the logouts a hand, and let them end, for at most so many seconds."""
        ...


def workers_here(limit: float, timeout: float, clock: Callable[[], float]) -> Workers:
    """The workers of this process. ``limit``: seconds that a call may take; ``timeout``: those that a page may."""
    return ThreadWorkers(limit, clock=clock) if threads_run() else CallerWorkers(timeout, clock=clock)


class ThreadWorkers:
    """Threads for each kind of call.

    ``limit``: the client's own for a call, in seconds. ``sleep``: how a logout's thread rests; by default until the
    process ends at most.
    """

    def __init__(
        self, limit: float, *, clock: Callable[[], float], sleep: Callable[[float], object] | None = None
    ) -> None:
        def pool(workers: int, places: int, *, is_worked_off: bool = False) -> Pool:
            stuck = WRITTEN_OFF * limit
            return Pool(workers=workers, places=places, stuck=stuck, clock=clock, is_worked_off=is_worked_off)

        self.logins: Pool = pool(LOGIN_THREADS, LOGIN_PLACES)
        self.probes: Pool = pool(PROBE_THREADS, PROBE_THREADS)
        self.refreshes: Pool = self.logins  # not the probes': what fails should hold up no probe
        self.logouts: Pool = pool(LOGOUT_THREADS, LOGOUT_PLACES, is_worked_off=True)
        self.limit: float | None = None
        self._clock = clock
        self._hastened = threading.Event()
        self._sleep = sleep or self._hastened.wait

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

    def hasten(self) -> None:
        """Wake whoever rests."""
        self._hastened.set()

    def resume(self) -> None:
        """Let whoever rests sleep."""
        self._hastened.clear()

    def work_off(self, seconds: float) -> None:
        """Make the logouts that no thread has begun, and wait for those that one has."""
        until = self._clock() + seconds
        self.logouts.help(seconds)
        self.logouts.join(max(0.0, until - self._clock()))


class CallerWorkers:
    """No threads: logins are made by the page that asks for them, the rest after a page has left."""

    def __init__(self, timeout: float, *, clock: Callable[[], float]) -> None:
        self.logins: AtOnce = AtOnce()
        self.probes: PutOff = PutOff(places=LOGOUT_PLACES)
        self.refreshes: PutOff = self.probes
        self.logouts: PutOff = PutOff(places=LOGOUT_PLACES)
        self.limit: float | None = timeout
        self._clock = clock

    def rest(self, seconds: float) -> bool:
        """Never hold the caller up."""
        return seconds <= 0

    def drain(self, timeout: float) -> None:
        """Make the logouts that were put off, each once."""
        self._run(timeout, self.logouts)

    def run_pending(self, timeout: float) -> None:
        """Make the calls that were put off, each once."""
        self._run(timeout, self.logouts, self.probes)

    def hasten(self) -> None:
        """Nobody rests."""

    def resume(self) -> None:
        """Nobody rests."""

    def work_off(self, seconds: float) -> None:
        """Make the logouts that were put off."""
        self.drain(seconds)

    def _run(self, seconds: float, *queues: "PutOff") -> None:
        until = self._clock() + seconds
        for queue in queues:
            queue.run(lambda: self._clock() >= until)


class AtOnce:
    """Jobs of callers who wait for them anyway."""

    def submit(self, job: Job) -> bool:
        """Do ``job`` here and now."""
        job()
        return True

    def delay(self) -> float:
        """Nobody is ahead."""
        return 0.0

    @property
    def waiting(self) -> int:
        """None ever does."""
        return 0


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

    @property
    def waiting(self) -> int:
        """Those that are kept."""
        return len(self._jobs)

    def run(self, late: Callable[[], bool]) -> None:
        """Do each job that is kept now, until it is ``late()``; not those that they submit."""
        for _ in range(len(self._jobs)):
            if late() or not self._jobs:
                return
            self._jobs.popleft()()
