"""A few threads that make blocking calls for whoever must not block, from a bounded queue.

Not :class:`concurrent.futures.ThreadPoolExecutor`: its threads are waited for when the interpreter ends, which a call
that hangs would delay, and its queue has no bound.

A pool belongs to the process that made it. Its threads start when they are needed, never before, and end when they
have been idle for a while.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

IDLE: Final = 30.0  # seconds after which a thread without work ends
_WEIGHT: Final = 0.2  # of the last call in the running mean of calls' durations
_FIRST_GUESS: Final = 0.05  # seconds for a call until one has been timed: rather a page waits than goes without


class Pool:
    """At most ``workers`` threads for jobs, of which at most ``places`` wait.

    A job that has run for ``stuck`` seconds is written off, and another thread may take its thread's place: up to
    twice as many threads, so that names that do not resolve or the like never use the pool up.
    A job tells its own outcome: what it raises ends here. ``is_worked_off``: whoever ends the process does what no
    thread has begun (:meth:`help`), so that jobs are taken once the main program has ended, though no thread starts
    any more.
    """

    def __init__(
        self,
        *,
        workers: int,
        places: int,
        stuck: float,
        clock: Callable[[], float] = time.monotonic,
        idle: float = IDLE,
        is_worked_off: bool = False,
    ) -> None:
        self._workers = workers
        self._places = places
        self._stuck = stuck
        self._clock = clock
        self._idle_limit = idle
        self._is_worked_off = is_worked_off
        self._jobs: deque[Callable[[], object]] = deque()
        self._begun: dict[object, float] = {}  # when each running job began, by a token of its thread
        self._threads = 0
        self._idle = 0
        self._usual = _FIRST_GUESS
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)

    def submit(self, job: Callable[[], object]) -> bool:
        """Queue ``job``; ``False`` if there is no place, or no thread can be had to do it. Returns at once."""
        with self._lock:
            if len(self._jobs) >= self._places:
                return False
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._work.notify()
                return True
            if self._threads < self._allowed() and not self._start() and not self._threads:
                if self._is_worked_off and not threading.main_thread().is_alive():
                    return True
                self._jobs.remove(job)
                return False
            return True

    def delay(self) -> float:
        """Estimate the seconds that a job queued now would wait for its turn, from how long the last ones took."""
        with self._lock:
            allowed = self._allowed()
            ahead = len(self._begun) + len(self._jobs) + 1 - allowed
            return max(0, ahead) * self._usual / self._workers

    @property
    def waiting(self) -> int:
        """How many jobs no thread has begun."""
        return len(self._jobs)

    def join(self, timeout: float) -> bool:
        """Wait until no job is queued or running, at most ``timeout`` seconds; say whether that was reached."""
        with self._lock:
            return self._quiet.wait_for(lambda: not self._jobs and not self._begun, timeout)

    def help(self, seconds: float) -> None:
        """Do jobs that no thread has begun, in the calling thread, and begin none after so many seconds."""
        me, until = object(), self._clock() + seconds
        while self._clock() < until and (job := self._take(me)) is not None:
            with contextlib.suppress(BaseException):
                job()
            with self._lock:
                self._ended(me)

    def _take(self, me: object) -> Callable[[], object] | None:
        with self._lock:
            if not self._jobs:
                return None
            self._begun[me] = self._clock()
            return self._jobs.popleft()

    def _allowed(self) -> int:
        """How many threads there may be: for each that is stuck another one, up to twice as many."""
        lost_since = self._clock() - self._stuck
        lost = sum(begun < lost_since for begun in self._begun.values())
        return self._workers + min(lost, self._workers)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="viafoura_mw", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except Exception:  # the system has no more threads or no memory, or the interpreter is ending
            self._threads -= 1
            return False
        return True

    def _run(self) -> None:
        me = object()
        while (job := self._next(me)) is not None:
            with contextlib.suppress(BaseException):
                job()

    def _next(self, me: object) -> Callable[[], object] | None:
        """Note that the last job has ended, and wait for another; ``None`` when this thread is to end."""
        with self._lock:
            self._ended(me)
            if self._threads > self._allowed() or not self._wait_for_work():
                self._threads -= 1
                return None
            self._begun[me] = self._clock()
            return self._jobs.popleft()

    def _ended(self, me: object) -> None:
        begun = self._begun.pop(me, None)
        if begun is not None:
            self._usual += _WEIGHT * (self._clock() - begun - self._usual)
        if not self._jobs and not self._begun:
            self._quiet.notify_all()

    def _wait_for_work(self) -> bool:
        while not self._jobs:
            self._idle += 1
            woken = self._work.wait(self._idle_limit)
            self._idle -= 1
            if not woken and not self._jobs:
                return False
        return True
