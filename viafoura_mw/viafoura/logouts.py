"""Logouts: each session's once, from a bounded queue, delaying no page, and done before the process ends in order."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from viafoura_mw.errors import CredentialsRefused, ViafouraError, ViafouraUnavailable
from viafoura_mw.log import Notices
from viafoura_mw.viafoura.client import CallTold
from viafoura_mw.viafoura.ending import OrderlyEnd
from viafoura_mw.viafoura.workers import Workers

REMEMBERED: Final = 65_536  # ended sessions: one that is forgotten may be believed again
BACK_SOON: Final = 60.0  # seconds within which a user who is back was never gone
PAUSES: Final = (0.0, 1.0, 4.0)  # seconds before each try of a logout, after the one before it
PATIENCE: Final = 10.0  # seconds for which a logout waits until Viafoura may be called again


class Api(Protocol):
    """What logouts ask of Viafoura: see :class:`viafoura_mw.viafoura.client.Viafoura`."""

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        """End a session."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class _Logout:
    """A logout to be made, not before ``due``; ``tries`` counts those that it will have had then."""

    session_id: str
    due: float
    tries: int = 1

    def again(self, now: float) -> "_Logout":
        return _Logout(self.session_id, now + PAUSES[self.tries], self.tries + 1)


class Logouts:
    """One process's logouts, and the sessions that were ended here.

    ``pause``: the seconds for which, at a time, no call may be made at all (the circuit breaker's). ``end``: the
    orderly end of this process.
    """

    def __init__(
        self,
        viafoura: Api,
        workers: Workers,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], float],
        notices: Notices,
        end: OrderlyEnd,
        told: CallTold,
    ) -> None:
        self._viafoura = viafoura
        self._workers = workers
        self._clock = clock
        self._pause = pause
        self._notices = notices
        self._end = end
        self._told = told
        self._lock = threading.Lock()
        self._ended: OrderedDict[str, float] = OrderedDict()  # sessions, and when their logout was asked for
        self._by_page: OrderedDict[str, float] = OrderedDict()  # those that a page without a user has ended
        self._owed = 0
        self._not_before = clock()  # as Viafoura asked
        self._until: float = 0.0  # when the process ends, once that is known

    def logout(self, session_id: str) -> None:
        """End a session: forget it at once, tell Viafoura later, and once. Returns at once and never raises."""
        with self._lock:
            if session_id in self._ended:
                return
            now = self._clock()
            if self._until and now >= self._until:  # the process lives on: only one server in it has shut down
                self._until = 0.0
                self._workers.resume()
            self._ended[session_id] = now
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)
            self._owed += 1
            self._end.owes(self)
        self._queue(_Logout(session_id, now))

    def note_page(self, session_id: str) -> None:
        """Note that a page without a user has ended a session."""
        with self._lock:
            self._by_page[session_id] = self._clock()
            if len(self._by_page) > REMEMBERED:
                self._by_page.popitem(last=False)

    def has_ended_by_page(self, session_id: str) -> bool:
        """Whether a page without a user has ended a session here within the last minute."""
        ended = self._by_page.get(session_id)
        return ended is not None and self._clock() - ended < BACK_SOON

    def has_ended(self, session_id: str) -> bool:
        """Whether a session's logout was asked for in this process."""
        return session_id in self._ended

    def has_ended_since(self, session_id: str, sent: float) -> bool:
        """Whether a session that a login gave, sent at ``sent``, was logged out while the login was under way.

        A session that was logged out before has only its name in common with the new one, which has a logout of its
        own to come.
        """
        with self._lock:
            ended = self._ended.get(session_id)
            if ended is None or ended >= sent:
                return ended is not None
            del self._ended[session_id]
            return False

    def hasten(self, seconds: float) -> None:
        """Know that the process ends in so many seconds: each logout is tried once more, now."""
        self._until = self._clock() + seconds
        self._workers.hasten()

    def work_off(self, seconds: float) -> None:
        """Make the logouts that are owed, or wait for whoever makes them, for so many seconds at most."""
        self._workers.work_off(seconds)

    def _queue(self, logout: _Logout) -> None:
        if not self._workers.logouts.submit(partial(self._log_out, logout)):
            self._drop("too many are waiting")

    def _log_out(self, logout: _Logout) -> None:
        asked, due = self._pause_left(), logout.due - self._clock()
        if asked > self._patience():
            self._drop("Viafoura is not to be called now")
        elif not self._workers.rest(asked if self._until else max(asked, due)):
            self._queue(logout)
        elif self._pause_left() > self._patience():  # it was woken by the end of the process
            self._drop("Viafoura is not to be called now")
        else:
            self._try(logout)

    def _pause_left(self) -> float:
        now = self._clock()
        return max(self._pause(now), self._not_before - now)

    def _patience(self) -> float:
        return 0.0 if self._until else PATIENCE

    def _try(self, logout: _Logout) -> None:
        failure: ViafouraError | None = ViafouraUnavailable("the call was broken off")
        try:
            failure = self._call(logout.session_id)
        finally:
            if failure is None:
                self._settle()
            elif isinstance(failure, ViafouraUnavailable) and logout.tries < len(PAUSES) and not self._until:
                self._queue(logout.again(self._clock()))
            else:
                if isinstance(failure, CredentialsRefused):
                    tell_of_credentials(self._notices, failure)
                self._give_up(str(failure))

    def _call(self, session_id: str) -> ViafouraError | None:
        """Make the call, and say what went wrong, if anything did."""
        try:
            self._viafoura.logout(session_id, limit=self._limit())
        except ViafouraUnavailable as error:
            if error.retry_after:
                self._not_before = self._clock() + error.retry_after
            return error
        except ViafouraError as error:
            return error
        except Exception as error:
            kind = type(error).__name__
            self._notices.tell("unexpected", logging.ERROR, "a call to Viafoura raised %s", kind)
            return ViafouraUnavailable(kind)
        return None

    def _limit(self) -> float | None:
        """Seconds for a call: as usual, but none outlasts the process."""
        return max(0.0, self._until - self._clock()) if self._until else self._workers.limit

    def _settle(self) -> None:
        with self._lock:
            self._owed -= 1
            if not self._owed:
                self._end.owes_nothing(self)

    def _drop(self, why: str) -> None:
        self._told("logout", "dropped", None)
        self._give_up(why)

    def _give_up(self, why: str) -> None:
        self._settle()
        self._notices.tell("logout", logging.WARNING, "a logout was given up: %s", why)


def tell_of_credentials(notices: Notices, failure: CredentialsRefused) -> None:
    """Tell the operator of the one thing that only they can change."""
    sentence = "Viafoura refuses this site's credentials (status %d); check VIAFOURA_SITE_ID, VIAFOURA_API_KEY"
    notices.tell("credentials", logging.ERROR, sentence, failure.status)
