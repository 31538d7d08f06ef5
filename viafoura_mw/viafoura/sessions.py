"""Sessions for users: when Viafoura is asked for one, who waits for it, and how it is ended.

- Logins of one user in one browser at one time are one call, and its result is handed off to that browser's next
  pages (:mod:`viafoura_mw.viafoura.logins`).
- No page waits for what cannot come in time: a Viafoura that fails, a refused user, a queue that is too long
  (:mod:`viafoura_mw.viafoura.breaker`, :mod:`viafoura_mw.viafoura.limits`).
- A logout delays no page, and is made once (:mod:`viafoura_mw.viafoura.logouts`).

All of it belongs to one process, and begins with the first call in it: a child of a fork begins anew.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from viafoura_mw.log import Notices
from viafoura_mw.per_process import PerProcess
from viafoura_mw.viafoura import logins, logouts
from viafoura_mw.viafoura.breaker import Breaker
from viafoura_mw.viafoura.client import CallTold, Session
from viafoura_mw.viafoura.ending import ORDERLY_END, OrderlyEnd
from viafoura_mw.viafoura.logins import LoginRequest, Logins, Ticket
from viafoura_mw.viafoura.logouts import Logouts
from viafoura_mw.viafoura.workers import Workers, workers_here

__all__ = ["LoginRequest", "Sessions", "Ticket"]


class Api(logins.Api, logouts.Api, Protocol):
    """What sessions ask of Viafoura: see :class:`viafoura_mw.viafoura.client.Viafoura`."""


@dataclass(frozen=True, slots=True)
class _Here:
    """What belongs to one process."""

    workers: Workers
    breaker: Breaker
    logins: Logins
    logouts: Logouts


class Sessions:
    """Sessions for users, without a page's ever waiting for nothing.

    ``timeout``: seconds that a page waits at most. ``session_ttl``: seconds for which a session is used after its
    login. ``clock``: seconds that only grow; ``unix_clock``: unix seconds. ``workers``: makes, in the process that is
    to use them, those who carry out the calls. ``end``: the orderly end of the process that asks for it. ``site``: its
    name in the log, where there are several. ``told``: is told of each call that was dropped before it was made.
    """

    def __init__(
        self,
        viafoura: Api,
        *,
        timeout: float,
        session_ttl: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
        workers: Callable[[], Workers] | None = None,
        end: Callable[[], OrderlyEnd] = ORDERLY_END.get,
        site: str = "",
        told: CallTold | None = None,
    ) -> None:
        self._viafoura = viafoura
        self._timeout = timeout
        self._session_ttl = session_ttl
        self._clock = clock
        self._unix_clock = unix_clock
        self._workers = workers or partial(workers_here, viafoura.limit, timeout, clock)
        self._end = end
        self._site = site
        self._told = told or _untold
        self._here = PerProcess(self._open)

    @property
    def breaker_is_open(self) -> bool:
        """Whether no page waits for Viafoura, which fails."""
        return self._here.get().breaker.open

    @property
    def logins_waiting(self) -> int:
        """How many logins wait for their turn."""
        return self._here.get().workers.logins.waiting

    def ensure(self, request: LoginRequest) -> Ticket:
        """Give a session for the request's user, or ``None`` if none can be had now. Returns at once, never raises.

        Where no thread can run the login is made here and now, and takes as long as a page may wait.
        """
        return self._here.get().logins.ensure(request)

    def hopeless(self, request: LoginRequest) -> bool:
        """Whether it is known that to wait for a session would be in vain. Does no I/O."""
        return self._here.get().logins.hopeless(request)

    def refresh(self, request: LoginRequest, old_session_id: str, *, begin: bool = True) -> Session | None:
        """Give the session of a login for new details in place of an old one, if it is there; else begin that login.

        No page waits for it. It begins at most once in ten minutes for one old session in a process, and not at all
        without ``begin``.
        """
        return self._here.get().logins.refresh(request, old_session_id, begin=begin)

    def logout(self, session_id: str) -> None:
        """End a session: forget it at once, tell Viafoura later, and once. Returns at once and never raises."""
        self._here.get().logins.logout(session_id)

    def has_ended(self, session_id: str) -> bool:
        """Whether a session's logout was asked for in this process. Does no I/O."""
        return self._here.get().logouts.has_ended(session_id)

    def forget(self, mark: str) -> None:
        """End the login that a waiting cookie leads to: its result serves nobody, its session is logged out.

        At once if the session is there, else when it comes. A mark that is not known here changes nothing.
        """
        self._here.get().logins.forget(mark)

    def start(self, request: LoginRequest, old_session_id: str = "") -> None:
        """Begin a login for which nobody waits: a probe or, in place of an old session, one for new details."""
        if old_session_id:
            self.refresh(request, old_session_id)
        else:
            self.ensure(request)

    def end(self, ids: Iterable[str], marks: Iterable[str], *, by_page: bool = False) -> None:
        """Log sessions out, and end the logins that waiting cookies lead to; ``by_page``: a page showed no user."""
        for mark in marks:
            self.forget(mark)
        for session_id in ids:
            self.logout(session_id)
            if by_page:
                self._here.get().logouts.note_page(session_id)

    def has_ended_by_page(self, session_id: str) -> bool:
        """Whether a page without a user has ended a session here within the last minute. Does no I/O."""
        return self._here.get().logouts.has_ended_by_page(session_id)

    def later(self, job: Callable[[float | None], object]) -> bool:
        """Do a call for which no page waits, where probes are made; ``False`` if there is no place for it now.

        ``job`` is told the seconds that it may take, ``None`` where that is its own to say.
        """
        workers = self._here.get().workers
        return workers.probes.submit(partial(job, workers.limit))

    def drain(self, timeout: float) -> None:
        """Wait until the logouts asked for have ended, at most ``timeout`` seconds."""
        self._here.get().workers.drain(timeout)

    def run_pending(self) -> None:
        """Where no threads run: make the calls that were put off, and begin none after a page's wait has passed."""
        self._here.get().workers.run_pending(self._timeout)

    def _open(self) -> _Here:
        workers, breaker, notices = self._workers(), Breaker(), Notices(self._clock, site=self._site)
        logouts = Logouts(
            self._viafoura,
            workers,
            clock=self._clock,
            pause=breaker.pause_left,
            notices=notices,
            end=self._end(),
            told=self._told,
        )
        logins = Logins(
            self._viafoura,
            workers,
            logouts,
            breaker,
            timeout=self._timeout,
            session_ttl=self._session_ttl,
            clock=self._clock,
            unix_clock=self._unix_clock,
            notices=notices,
            told=self._told,
        )
        return _Here(workers, breaker, logins, logouts)


def _untold(call: str, result: str, seconds: float | None) -> None:
    """Nobody is told."""
