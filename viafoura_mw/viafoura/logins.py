"""Logins: who waits for one, who shares one, to whom its result is handed off, and when none is made.

The hand-off of a login
=======================

A browser asks for a page, then for three more at once. Each page needs a session, and one login should do for all of
them. A login may take longer than its page waits; then the page leaves without, and the browser's next page should
find the result. So the result of a login *serves*, besides the requests that wait for it, other requests of the same
browser for a minute. The hard question is which requests are the same browser's, and from when on they are not.

1. *By its mark.* A page that leaves while its login is under way sets a waiting cookie with a random mark. Whoever
   brings the mark brings what only that browser has. The site's own cookies may change meanwhile as they like (a load
   balancer's, a session that is renewed with each response): a request with a mark is served by results under that
   mark alone. The login may be under way in another process. A process that does not know the mark begins a login of
   its own under it, so that the browser keeps one mark, and every process that it reaches asks once.
2. *By its digest*, while it has no mark: a digest, made by the doors, of the cookies by which the site knows its users.
3. Where there is neither, *nobody else*: a result serves the requests that were waiting for it when it came.

A user who signs out and in again within the minute, in the same browser, has the same digest, and must not be handed
the session that was ended. In this process that is easy: a logout forgets the result. But the sign-out may have
been answered by another process, which shares nothing with this one. So the browser itself brings the news: it comes
back with an ended cookie, which says when it signed out, and its requests are *not to be served by a login before*
that time. Clocks of machines differ, so "before" is decided without them where it can be: a login that was begun for a
request with this same ended cookie is later than the sign-out for sure; any other login must have begun some seconds
after it.

A browser may sign out while its login is still under way, and be signed in again when the result comes. The ended
cookie bars that result. The session that it brings would be nobody's, so :meth:`Logins.forget` has it logged out when
it comes.

One user costs others nothing
=============================

A visitor who throws cookies away is a new browser with each request. So each user, by the id that the site vouches
for, has two logins at once and twelve a minute (:mod:`viafoura_mw.viafoura.limits`): two of eight threads, and a
dozen of the results that are remembered. Beyond that, a request is served by the user's newest result, whichever
browser asked for it, or by none.
"""

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final, Protocol, TypeVar

from viafoura_mw.errors import CredentialsRefused, LoginRefused, ViafouraError, ViafouraUnavailable
from viafoura_mw.log import Notices
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.breaker import Admission, Breaker
from viafoura_mw.viafoura.client import CallTold, Session
from viafoura_mw.viafoura.limits import UserLimits
from viafoura_mw.viafoura.logouts import Logouts, tell_of_credentials
from viafoura_mw.viafoura.workers import WRITTEN_OFF, Queue, Workers

HAND_OFF: Final = 60.0  # seconds for which a login's result serves its browser's next requests
OTHER_CLOCKS: Final = 5.0  # seconds by which a login must be later than a sign-out that another machine has seen
REFRESH_INTERVAL: Final = 600.0  # seconds between two logins for new details in place of one session
WRONG_CREDENTIALS: Final = 60.0  # seconds between two tries with credentials that were refused
REMEMBERED: Final = 8192  # logins in each table: more than eight threads make in a minute

_K = TypeVar("_K")
_V = TypeVar("_V")


class Api(Protocol):
    """What logins ask of Viafoura: see :class:`viafoura_mw.viafoura.client.Viafoura`."""

    @property
    def limit(self) -> float:
        """Seconds after which a call is given up."""
        ...

    def login(self, user: User, *, limit: float | None = None) -> Session:
        """Log ``user`` in."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class LoginRequest:
    """Who needs a session, and what tells their browser from others.

    ``browser``: a digest of what the site knows this browser by, or empty. ``mark``: of the browser's waiting cookie,
    or empty. ``not_before``: the unix time of the browser's last sign-out, or 0.0: no earlier login's result serves.
    """

    user: User
    browser: bytes = b""
    mark: str = ""
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Ticket:
    """The answer to a request: a session, or ``None``, that comes for sure; to cancel the future does nothing.

    ``mark``: by what a later page finds the result; empty if nothing is under way. ``user``: the details of whom
    Viafoura is told, which may be older than the request's; ``None`` where no session comes.
    """

    future: "Future[Session | None]"
    mark: str = ""
    user: User | None = None


class _Kind(Enum):
    """Why a login is made."""

    WAITED_FOR = auto()  # by a page
    PROBE = auto()  # to find out how Viafoura does
    REFRESH = auto()  # to tell Viafoura new details


#: What leads to a login: its mark, or the user's id with the browser's digest.
_Key = str | tuple[str, bytes]


class _Login:
    """One login, from its being asked for until its result serves nobody any more.

    ``keys``: by what it is found. ``now``: by this process's clock. ``since``: the same moment as a unix time.
    """

    __slots__ = (
        "asked",
        "forgotten",
        "future",
        "keys",
        "kind",
        "mark",
        "not_before",
        "overdue",
        "sent",
        "session",
        "since",
        "until",
        "user",
    )

    def __init__(
        self, request: LoginRequest, kind: _Kind, keys: tuple[_Key, ...], *, mark: str, now: float, since: float
    ) -> None:
        self.user: Final = request.user
        self.not_before: Final = request.not_before
        self.kind: Final = kind
        self.keys: Final = keys
        self.mark: Final = mark
        self.asked: Final = now
        self.since: Final = since
        self.sent = now  # when it is sent; until then, when it was asked for
        self.overdue = False  # not answered in time, and counted as a failure
        self.forgotten = False  # its browser has signed out
        self.session: Session | None = None
        self.until = now  # when the result serves no more
        self.future: Future[Session | None] = Future()
        self.future.set_running_or_notify_cancel()  # from here on, who cancels it does nothing to the others

    def serves(self, not_before: float) -> bool:
        """Whether a browser that signed out at ``not_before`` may have this login's result.

        A login for a later sign-out may be another browser's, which told its time by another clock.
        """
        return self.not_before == not_before or self.since > not_before + OTHER_CLOCKS


@dataclass(slots=True)
class _News:
    """What a look at the clock or an outcome has changed, to be told once no lock is held."""

    opened: str = ""  # why
    closed: bool = False


class Logins:
    """The logins of one process. ``_lock`` is held for looking things up only, never during a call.

    ``timeout``: seconds that a page waits at most. ``session_ttl``: seconds for which a session is used after its
    login. ``clock``: seconds that only grow; ``unix_clock``: unix seconds.
    """

    def __init__(
        self,
        viafoura: Api,
        workers: Workers,
        logouts: Logouts,
        breaker: Breaker,
        *,
        timeout: float,
        session_ttl: float,
        clock: Callable[[], float],
        unix_clock: Callable[[], float],
        notices: Notices,
        told: CallTold,
    ) -> None:
        self._viafoura = viafoura
        self._workers = workers
        self._logouts = logouts
        self._breaker = breaker
        self._timeout = timeout
        self._session_ttl = session_ttl
        self._clock = clock
        self._unix_clock = unix_clock
        self._notices = notices
        self._told = told
        self._stuck = WRITTEN_OFF * viafoura.limit
        self._limits = UserLimits(self._stuck)
        self._lock = threading.Lock()
        # Each least recently used first.
        self._logins: OrderedDict[_Key, _Login] = OrderedDict()  # under way, and results
        self._newest: OrderedDict[str, _Login] = OrderedDict()  # each user's newest result
        self._refreshes: OrderedDict[str, _Login] = OrderedDict()  # by the session in whose place the result comes
        self._unanswered: OrderedDict[_Login, None] = OrderedDict()  # sent, and still in time; oldest first
        self._none: Future[Session | None] = Future()
        self._none.set_result(None)

    # Who gets which login.

    def ensure(self, request: LoginRequest) -> Ticket:
        """Give a session for the request's user, or none if none can be had now. Returns at once, and never raises."""
        news, begun = _News(), None
        with self._lock:
            now = self._clock()
            self._note_overdue(now, news)
            login = self._found(request, now)
            if login is None and (login := self._spared(request, now)) is None:
                login = begun = self._admitted(request, now)
        self._tell(news)
        if begun:
            self._start(begun)
        return self._ticket(login)

    def hopeless(self, request: LoginRequest) -> bool:
        """Whether it is known that to wait for a session would be in vain. Does no I/O."""
        news = _News()
        with self._lock:
            now = self._clock()
            self._note_overdue(now, news)
            if login := self._found(request, now) or self._spared(request, now):
                verdict = login.session is None and self._is_late(login, now)
            else:
                verdict = self._breaker.open or not self._may_begin(request.user, now)
        self._tell(news)
        return verdict

    def refresh(self, request: LoginRequest, old_session_id: str, *, begin: bool = True) -> Session | None:
        """Give the result of a login for these details in place of a session, or begin one for which nobody waits.

        It begins at most once in ten minutes for one old session, and not at all without ``begin``.
        """
        with self._lock:
            now = self._clock()
            known = self._refreshes.get(old_session_id)
            if known and known.user == request.user and self._is_usable(known, now):
                return known.session
            if known and now < known.asked + REFRESH_INTERVAL:
                return None
            if not begin or self._breaker.open or not self._may_begin(request.user, now):
                return None
            login = self._begun(request, _Kind.REFRESH, (), "", now)
            _remember(self._refreshes, old_session_id, login)
        self._start(login)
        return None

    def forget(self, mark: str) -> None:
        """Let a login serve nobody, and have its session logged out: now, or when it comes."""
        with self._lock:
            login = self._logins.get(mark)
            if login is None:
                return
            self._forget(login)
        if login.session:
            self._logouts.logout(login.session.id)

    def logout(self, session_id: str) -> None:
        """End a session, and the one that was to take its place for new details."""
        self._logouts.logout(session_id)
        with self._lock:
            login = self._refreshes.pop(session_id, None)
            if login is None:
                return
            self._forget(login)
        if login.session:
            self._logouts.logout(login.session.id)

    def _found(self, request: LoginRequest, now: float) -> _Login | None:
        """The login whose result serves this request, under way or done."""
        key = request.mark or (request.user.id, request.browser)
        login = self._logins.get(key)
        if login is None or login.user.id != request.user.id or not login.serves(request.not_before):
            return None
        if login.session is None:  # under way, unless it is written off
            return None if login.overdue and now - login.sent > self._stuck else login
        if not self._is_usable(login, now):
            return None
        self._logins.move_to_end(key)
        return login

    def _spared(self, request: LoginRequest, now: float) -> _Login | None:
        """The newest result of a user who may have no other login now."""
        login = self._newest.get(request.user.id)
        if login is None or self._limits.allow(request.user.id, now):
            return None
        return login if login.serves(request.not_before) and self._is_usable(login, now) else None

    def _is_usable(self, login: _Login, now: float) -> bool:
        return login.session is not None and now < login.until and not self._logouts.has_ended(login.session.id)

    def _is_late(self, login: _Login, now: float) -> bool:
        """Whether a page that waits for ``login`` would probably wait for nothing: it is late, sent or not."""
        return login.kind is _Kind.PROBE or self._breaker.open or now - login.sent >= self._timeout

    def _ticket(self, login: _Login | None) -> Ticket:
        if login is None:
            return Ticket(self._none)
        if login.session or login.future.done():
            return Ticket(login.future, "", login.user)
        is_late = self._is_late(login, self._clock())
        return Ticket(self._none if is_late else login.future, login.mark, login.user)

    # How a login begins.

    def _may_begin(self, user: User, now: float) -> bool:
        """Whether another login for this user is worth its call, and would begin while its page waits."""
        if self._limits.is_refused(user, now) or not self._limits.allow(user.id, now):
            return False
        return self._breaker.open or self._workers.logins.delay() < self._timeout

    def _admitted(self, request: LoginRequest, now: float) -> _Login | None:
        """A new login, if one may begin: for a page that waits, or as a probe."""
        user = request.user
        if not self._may_begin(user, now):
            return None
        admission = self._breaker.admit(user.id, now)
        if admission is Admission.NONE:
            return None
        kind = _Kind.PROBE if admission is Admission.PROBE else _Kind.WAITED_FOR
        mark = request.mark
        keys: tuple[_Key, ...] = (mark,)
        if not mark:
            mark = secrets.token_urlsafe(16)
            keys = (mark, (user.id, request.browser))
        login = self._begun(request, kind, keys, mark, now)
        for key in keys:
            _remember(self._logins, key, login)
        return login

    def _begun(self, request: LoginRequest, kind: _Kind, keys: tuple[_Key, ...], mark: str, now: float) -> _Login:
        self._limits.begin(request.user.id, now)
        return _Login(request, kind, keys, mark=mark, now=now, since=self._unix_clock())

    def _start(self, login: _Login) -> None:
        if not self._queue(login).submit(partial(self._log_in, login)):
            self._drop(login)

    def _queue(self, login: _Login) -> Queue:
        if login.kind is _Kind.PROBE:
            return self._workers.probes
        return self._workers.refreshes if login.kind is _Kind.REFRESH else self._workers.logins

    # What becomes of a login.

    def _log_in(self, login: _Login) -> None:
        with self._lock:
            asked, login.sent = login.sent, self._clock()
            if in_time := login.kind is not _Kind.WAITED_FOR or login.sent - asked < self._timeout:
                self._unanswered[login] = None
        if not in_time:
            return self._drop(login)
        session: Session | None = None
        failure: ViafouraError | None = ViafouraUnavailable("the call was broken off")
        try:
            session = self._viafoura.login(login.user, limit=self._workers.limit)
            failure = None
        except ViafouraError as error:
            failure = error
        except Exception as error:
            self._notices.tell("unexpected", logging.ERROR, "a call to Viafoura raised %s", type(error).__name__)
            failure = ViafouraUnavailable(type(error).__name__)
        finally:
            self._settle(login, session, failure)
        return None

    def _settle(self, login: _Login, session: Session | None, failure: ViafouraError | None) -> None:
        news = _News()
        with self._lock:
            now = self._clock()
            self._note_overdue(now, news)
            self._unanswered.pop(login, None)
            self._judge(login, failure, now, news)
            if session and self._logouts.has_ended_since(session.id, login.sent):
                session = None
            unwanted = session if login.forgotten else None
            if session and not login.forgotten:
                self._keep(login, session)
            self._land(login, sent=True)
        if unwanted:
            self._logouts.logout(unwanted.id)
        login.future.set_result(login.session)
        self._tell(news)
        self._tell_failure(failure)

    def _keep(self, login: _Login, session: Session) -> None:
        """Hand a result to those whom it serves from now on."""
        serves_for = REFRESH_INTERVAL if login.kind is _Kind.REFRESH else HAND_OFF
        login.session = session
        login.until = min(self._clock() + serves_for, login.sent + self._session_ttl)
        if login.kind is not _Kind.REFRESH:  # its result lasts longer than an ended cookie tells of a sign-out
            _remember(self._newest, login.user.id, login)
        # Browsers that nothing tells from each other: only those who waited have the result, and who has the mark.
        self._unlink((login.user.id, b""), login)

    def _drop(self, login: _Login) -> None:
        """Give up a login that was never sent, through no fault of Viafoura's."""
        with self._lock:
            self._land(login, sent=False)
            if login.kind is _Kind.PROBE:
                self._breaker.given_up(self._clock())
        login.future.set_result(None)
        self._told("login", "dropped", None)

    def _land(self, login: _Login, *, sent: bool) -> None:
        self._limits.end(login.user.id, login.asked, sent=sent)
        if login.session is None:
            for key in login.keys:
                self._unlink(key, login)

    def _forget(self, login: _Login) -> None:
        login.forgotten = True
        for key in login.keys:
            self._unlink(key, login)
        if self._newest.get(login.user.id) is login:
            del self._newest[login.user.id]

    def _unlink(self, key: _Key, login: _Login) -> None:
        if self._logins.get(key) is login:
            del self._logins[key]

    def _note_overdue(self, now: float, news: _News) -> None:
        """Count each call that was sent and has not answered in time as one failure, whatever becomes of it."""
        while self._unanswered:
            oldest = next(iter(self._unanswered))
            if now - oldest.sent < self._timeout:
                return
            del self._unanswered[oldest]
            oldest.overdue = True
            self._limits.fail(oldest.user.id, now)
            if self._breaker.failed(oldest.user.id, now, probe=oldest.kind is _Kind.PROBE):
                news.opened = "no answer in time"

    def _judge(self, login: _Login, failure: ViafouraError | None, now: float, news: _News) -> None:
        """Tell the breaker how Viafoura does, and the limits how the user does.

        That Viafoura refuses a user shows that it works.
        """
        if isinstance(failure, CredentialsRefused):
            self._breaker.demand(now, WRONG_CREDENTIALS)
            return
        if isinstance(failure, ViafouraUnavailable):
            if self._has_opened(login, failure, now):
                news.opened = failure.reason
            return
        if isinstance(failure, LoginRefused):
            self._limits.refuse(login.user, now)
        else:
            self._limits.succeed(login.user.id)
        if login.overdue:
            self._breaker.came_late(now)
        else:
            news.closed = self._breaker.succeeded(now)

    def _has_opened(self, login: _Login, failure: ViafouraUnavailable, now: float) -> bool:
        if failure.retry_after:
            return self._breaker.demand(now, failure.retry_after)
        if failure.status is not None:
            self._limits.fail_by_answer(login.user.id, now)
        if login.overdue:
            return False
        self._limits.fail(login.user.id, now)
        return self._breaker.failed(login.user.id, now, probe=login.kind is _Kind.PROBE)

    # What is told to the log: never more than a kind of failure.

    def _tell(self, news: _News) -> None:
        if news.opened:
            sentence = "Viafoura fails (%s); no page waits for it until it answers again"
            self._notices.tell("opened", logging.WARNING, sentence, news.opened)
        if news.closed:
            self._notices.tell("closed", logging.INFO, "Viafoura answers again")

    def _tell_failure(self, failure: ViafouraError | None) -> None:
        if isinstance(failure, CredentialsRefused):
            tell_of_credentials(self._notices, failure)
        elif isinstance(failure, LoginRefused):
            self._notices.tell("refused", logging.WARNING, "Viafoura refuses a user (status %d)", failure.status)
        elif isinstance(failure, ViafouraUnavailable):
            self._notices.tell("failed", logging.INFO, "a call to Viafoura failed: %s", failure.reason)


def _remember(table: "OrderedDict[_K, _V]", key: _K, value: _V) -> None:
    """Put ``key`` last; drop the first where there are too many."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > REMEMBERED:
        table.popitem(last=False)
