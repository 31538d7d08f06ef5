"""The policy around Viafoura's API: who waits for a login, who shares one, and when none is asked for.

- One login at a time for a user in a browser; its result serves whoever waits, and for a minute that browser.
- Nobody waits for what cannot come in time: a broken Viafoura, a refused user, a queue that is too long.
- A logout delays nobody, and is made once.

All of it belongs to one process, and begins with the first call in it: a child of a fork begins anew.
"""

import logging
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from viafoura_mw.errors import CredentialsRefused, LoginRefused, ViafouraError, ViafouraUnavailable
from viafoura_mw.log import Notices
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.breaker import Admission, Breaker
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.workers import WRITTEN_OFF, Lanes, lanes_here

HAND_OFF: Final = 60.0  # seconds for which a login's result serves its browser's next requests
REFUSAL: Final = 60.0  # seconds for which a refused user is not tried again
WRONG_CREDENTIALS: Final = 60.0  # seconds between two tries with credentials that were refused
REMEMBERED: Final = 4096  # results and refusals, each
REMEMBERED_ENDED: Final = 65_536  # ended sessions: one that is forgotten may be believed again
LOGOUT_PAUSES: Final = (0.0, 1.0, 4.0)  # seconds before each try of a logout, after the one before it
LOGOUT_PATIENCE: Final = 10.0  # seconds for which a logout waits until Viafoura may be called again
INTERRUPTED: Final = ViafouraUnavailable("the call was broken off")

#: What a browser is known by: a digest, made by the doors, of all that says who it is to the site.
Browser = bytes

_Details = tuple[str, str, str | None]
_Key = tuple[_Details, Browser]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Api(Protocol):
    """What the policy asks of Viafoura: see :class:`viafoura_mw.viafoura.client.Viafoura`."""

    @property
    def limit(self) -> float:
        """Seconds after which a call is given up."""
        ...

    def login(self, user: User, *, limit: float | None = None) -> Session:
        """Log ``user`` in."""
        ...

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        """End a session."""
        ...


class Sessions:
    """Sessions for users, without a page's ever waiting for nothing.

    ``timeout``: seconds that a page waits at most. ``session_ttl``: seconds for which a session is used after its
    login. ``clock``: seconds that only grow. ``lanes``: makes, in the process that is to use them, what carries out
    the calls.
    """

    def __init__(
        self,
        viafoura: Api,
        *,
        timeout: float,
        session_ttl: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        lanes: Callable[[], Lanes] | None = None,
    ) -> None:
        self._viafoura = viafoura
        self._timeout = timeout
        self._session_ttl = session_ttl
        self._clock = clock
        self._lanes = lanes or partial(lanes_here, viafoura.limit, timeout, clock)
        self._processes: dict[int, _Desk] = {}

    def ensure(self, user: User, browser: Browser, came_with: str = "") -> "Future[Session | None]":
        """Give a session for ``user``, or ``None`` if none can be had now. Returns at once and never raises.

        ``came_with`` is the session that the browser brought, if any: one that it did not bring to the login of a
        result shows that it has had another since, and that the result may have been ended elsewhere. The future is
        shared: its result comes for sure, and to cancel it does nothing.
        """
        return self._desk().ensure(user, browser, came_with)

    def hopeless(self, user: User, browser: Browser = b"") -> bool:
        """Whether it is known that to wait for a session would be in vain. Does no I/O.

        Without ``browser``, what this browser has coming to it is not considered.
        """
        return self._desk().hopeless(user, browser)

    def logout(self, session_id: str) -> None:
        """End a session: forget it at once, tell Viafoura later, and once. Returns at once and never raises."""
        self._desk().logout(session_id)

    def has_ended(self, session_id: str) -> bool:
        """Whether a session's logout was asked for in this process. Does no I/O."""
        return self._desk().has_ended(session_id)

    def drain(self, timeout: float) -> None:
        """Wait until the logouts asked for have ended, at most ``timeout`` seconds."""
        self._desk().lanes.drain(timeout)

    def run_pending(self) -> None:
        """Where no threads run: make the calls that were put off, and begin none after a page's wait has passed."""
        self._desk().lanes.run_pending(self._timeout)

    def _desk(self) -> "_Desk":
        """What belongs to this process. No lock: one that a fork copies while it is held is held for ever."""
        pid = os.getpid()
        return self._processes.get(pid) or self._open(pid)

    def _open(self, pid: int) -> "_Desk":
        new = _Desk(self._viafoura, self._timeout, self._session_ttl, self._clock, self._lanes())
        desk = self._processes.setdefault(pid, new)
        self._processes = {pid: desk}
        return desk


class _Login:
    """One login, from its being asked for until its result is handed off no more."""

    __slots__ = ("future", "key", "overdue", "own_key", "probe", "sent", "session_id", "until", "user")

    def __init__(self, key: _Key, own_key: _Key, user: User, now: float, *, probe: bool) -> None:
        self.key = key
        self.own_key = own_key  # that of a browser which still brings what it came with
        self.user = user
        self.probe = probe
        self.sent = now  # when it is sent; until then, when it was asked for
        self.overdue = False  # not answered in time, and counted as a failure
        self.session_id = ""
        self.until = now  # when the result is handed off no more
        self.future: Future[Session | None] = Future()
        self.future.set_running_or_notify_cancel()  # from here on, who cancels it does nothing to the others


@dataclass(slots=True)
class _Turn:
    """What a look at the clock or an outcome has changed, to be told once no lock is held."""

    opened: str = ""  # why
    closed: bool = False


class _Desk:
    """The tables and the work of one process. ``_lock`` is held for looking things up only, never during a call."""

    def __init__(
        self, viafoura: Api, timeout: float, session_ttl: float, clock: Callable[[], float], lanes: Lanes
    ) -> None:
        self.lanes = lanes
        self._viafoura = viafoura
        self._timeout = timeout
        self._session_ttl = session_ttl
        self._clock = clock
        self._notices = Notices(clock)
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._flying: dict[_Key, _Login] = {}
        self._unanswered: OrderedDict[_Login, None] = OrderedDict()  # sent, and still in time; oldest first
        self._handed: OrderedDict[_Key, _Login] = OrderedDict()  # results; least recently used first
        self._refused: OrderedDict[_Details, float] = OrderedDict()  # until when
        self._ended: OrderedDict[str, float] = OrderedDict()  # sessions, and when their logout was asked for
        self._no_logout_before = clock()
        self._none: Future[Session | None] = Future()
        self._none.set_result(None)

    # Who gets which future.

    def ensure(self, user: User, browser: Browser, came_with: str) -> "Future[Session | None]":
        key = ((user.id, user.name, user.email), browser)
        own_key = (key[0], browser + came_with.encode())
        turn = _Turn()
        with self._lock:
            now = self._clock()
            if handed := self._handed_off(own_key, now):
                return handed.future
            self._note_overdue(now, turn)
            if flying := self._in_flight(key, now):
                return self._none if self._in_vain(flying, now) else flying.future
            login = self._admitted(key, own_key, user, now)
        self._tell(turn)
        if login is None:
            return self._none
        lane = self.lanes.probes if login.probe else self.lanes.logins
        if not lane.submit(partial(self._log_in, login)):
            self._drop(login)
        return self._none if login.probe else login.future

    def hopeless(self, user: User, browser: Browser) -> bool:
        key = ((user.id, user.name, user.email), browser)
        turn = _Turn()
        with self._lock:
            now = self._clock()
            self._note_overdue(now, turn)
            if self._handed_off(key, now):
                verdict = False
            elif flying := self._in_flight(key, now):
                verdict = self._in_vain(flying, now)
            else:
                verdict = self._breaker.open or self._is_refused(key[0], now) or self._is_crowded()
        self._tell(turn)
        return verdict

    def _handed_off(self, key: _Key, now: float) -> _Login | None:
        login = self._handed.get(key)
        if login is None:
            return None
        if now < login.until and login.session_id not in self._ended:
            self._handed.move_to_end(key)
            return login
        del self._handed[key]
        return None

    def _in_flight(self, key: _Key, now: float) -> _Login | None:
        """The login under way, if it is not written off."""
        login = self._flying.get(key)
        if login is None or (login.overdue and now - login.sent > WRITTEN_OFF * self._viafoura.limit):
            return None
        return login

    def _in_vain(self, login: _Login, now: float) -> bool:
        """Whether a page that waits for ``login`` would probably wait for nothing: it is late, sent or not."""
        return self._breaker.open or now - login.sent >= self._timeout

    def _admitted(self, key: _Key, own_key: _Key, user: User, now: float) -> _Login | None:
        """A new login, if it is worth its call."""
        if self._is_refused(key[0], now) or (not self._breaker.open and self._is_crowded()):
            return None
        admission = self._breaker.admit(now)
        if admission is Admission.NONE:
            return None
        login = self._flying[key] = _Login(key, own_key, user, now, probe=admission is Admission.PROBE)
        return login

    def _is_refused(self, details: _Details, now: float) -> bool:
        return now < self._refused.get(details, now)

    def _is_crowded(self) -> bool:
        """Whether a login would not even begin before its page has waited its time."""
        return self.lanes.logins.delay() >= self._timeout

    # What became of a login.

    def _log_in(self, login: _Login) -> None:
        with self._lock:
            asked, login.sent = login.sent, self._clock()
            if in_time := login.probe or login.sent - asked < self._timeout:
                self._unanswered[login] = None
        if not in_time:
            return self._drop(login)
        session: Session | None = None
        failure: ViafouraError | None = INTERRUPTED
        try:
            session = self._viafoura.login(login.user, limit=self.lanes.limit)
            failure = None
        except ViafouraError as error:
            failure = error
        except Exception as error:
            failure = self._unexpected(error)
        finally:
            self._settle(login, session, failure)
        return None

    def _settle(self, login: _Login, session: Session | None, failure: ViafouraError | None) -> None:
        turn = _Turn()
        with self._lock:
            now = self._clock()
            self._note_overdue(now, turn)
            self._unanswered.pop(login, None)
            self._judge(login, failure, now, turn)
            if session is not None and self._ended_meanwhile(login, session.id):
                session = None
            if session is not None:
                login.session_id = session.id
                login.until = min(now + HAND_OFF, login.sent + self._session_ttl)
                _remember(self._handed, login.key, login)
                _remember(self._handed, login.own_key, login)
            self._land(login)
        login.future.set_result(session)
        self._tell(turn)
        self._tell_failure(failure)

    def _drop(self, login: _Login) -> None:
        """Give up a login that was never sent, through no fault of Viafoura's."""
        with self._lock:
            self._land(login)
            if login.probe:
                self._breaker.failed(self._clock(), probe=True)
        login.future.set_result(None)

    def _land(self, login: _Login) -> None:
        if self._flying.get(login.key) is login:
            del self._flying[login.key]

    def _ended_meanwhile(self, login: _Login, session_id: str) -> bool:
        """Whether the session that a login gave was logged out while it was under way."""
        ended = self._ended.get(session_id)
        if ended is None:
            return False
        if ended >= login.sent:
            return True
        del self._ended[session_id]  # an old name for a new session, which has a logout of its own to come
        return False

    def _note_overdue(self, now: float, turn: _Turn) -> None:
        """Count each call that was sent and has not answered in time as one failure, whatever becomes of it."""
        while self._unanswered:
            oldest = next(iter(self._unanswered))
            if now - oldest.sent < self._timeout:
                return
            del self._unanswered[oldest]
            oldest.overdue = True
            if self._breaker.failed(now, probe=oldest.probe):
                turn.opened = "no answer in time"

    def _judge(self, login: _Login, failure: ViafouraError | None, now: float, turn: _Turn) -> None:
        """Tell the breaker how Viafoura does; that it refuses a user shows that it works."""
        if isinstance(failure, LoginRefused):
            _remember(self._refused, login.key[0], now + REFUSAL)
        if isinstance(failure, CredentialsRefused):
            self._breaker.demand(now, WRONG_CREDENTIALS)
        elif isinstance(failure, ViafouraUnavailable):
            if self._has_opened(login, failure, now):
                turn.opened = failure.reason
        elif login.overdue:
            self._breaker.came_late(now)
        else:
            turn.closed = self._breaker.succeeded(now)

    def _has_opened(self, login: _Login, failure: ViafouraUnavailable, now: float) -> bool:
        if failure.retry_after:
            return self._breaker.demand(now, failure.retry_after)
        return not login.overdue and self._breaker.failed(now, probe=login.probe)

    # Logouts.

    def logout(self, session_id: str) -> None:
        with self._lock:
            if session_id in self._ended:
                return
            now = self._clock()
            _remember(self._ended, session_id, now, REMEMBERED_ENDED)
        self._queue_logout(_Logout(session_id, now))

    def has_ended(self, session_id: str) -> bool:
        return session_id in self._ended

    def _queue_logout(self, logout: "_Logout") -> None:
        if not self.lanes.logouts.submit(partial(self._log_out, logout)):
            self._tell_given_up("too many are waiting")

    def _log_out(self, logout: "_Logout") -> None:
        with self._lock:
            now = self._clock()
            pause = max(self._breaker.pause_left(now), self._no_logout_before - now, logout.due - now)
        if pause > LOGOUT_PATIENCE:
            self._tell_given_up("Viafoura is not to be called now")
        elif not self.lanes.rest(pause):
            self._queue_logout(logout)
        elif (failure := self._logout_failure(logout)) is None:
            return
        elif isinstance(failure, ViafouraUnavailable) and logout.tries < len(LOGOUT_PAUSES):
            self._queue_logout(logout.again(self._clock()))
        else:
            self._tell_failure(failure)
            self._tell_given_up(str(failure))

    def _logout_failure(self, logout: "_Logout") -> ViafouraError | None:
        """Make the call, and say what went wrong, if anything did."""
        try:
            self._viafoura.logout(logout.session_id, limit=self.lanes.limit)
        except ViafouraUnavailable as error:
            if error.retry_after:
                with self._lock:
                    self._no_logout_before = self._clock() + error.retry_after
            return error
        except ViafouraError as error:
            return error
        except Exception as error:
            return self._unexpected(error)
        return None

    # What is told to the log: never more than a kind of failure.

    def _tell(self, turn: _Turn) -> None:
        if turn.opened:
            sentence = "Viafoura fails (%s); no page waits for it until it answers again"
            self._notices.tell("opened", logging.WARNING, sentence, turn.opened)
        if turn.closed:
            self._notices.tell("closed", logging.INFO, "Viafoura answers again")

    def _tell_failure(self, failure: ViafouraError | None) -> None:
        if isinstance(failure, CredentialsRefused):
            sentence = "Viafoura refuses this site's credentials (status %d); check VIAFOURA_SITE_ID, VIAFOURA_API_KEY"
            self._notices.tell("credentials", logging.ERROR, sentence, failure.status)
        elif isinstance(failure, LoginRefused):
            self._notices.tell("refused", logging.WARNING, "Viafoura refuses a user (status %d)", failure.status)
        elif isinstance(failure, ViafouraUnavailable):
            self._notices.tell("failed", logging.INFO, "a call to Viafoura failed: %s", failure.reason)

    def _tell_given_up(self, why: str) -> None:
        self._notices.tell("logout", logging.WARNING, "a logout was given up: %s", why)

    def _unexpected(self, error: Exception) -> ViafouraUnavailable:
        self._notices.tell("unexpected", logging.ERROR, "a call to Viafoura raised %s", type(error).__name__)
        return ViafouraUnavailable(type(error).__name__)


@dataclass(frozen=True, slots=True, repr=False)
class _Logout:
    """A logout to be made, not before ``due``; ``tries`` counts those that it will have had then."""

    session_id: str
    due: float
    tries: int = 1

    def again(self, now: float) -> "_Logout":
        return _Logout(self.session_id, now + LOGOUT_PAUSES[self.tries], self.tries + 1)


def _remember(table: "OrderedDict[_K, _V]", key: _K, value: _V, most: int = 0) -> None:
    """Put ``key`` last; drop the first where there are too many."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > (most or REMEMBERED):
        table.popitem(last=False)
