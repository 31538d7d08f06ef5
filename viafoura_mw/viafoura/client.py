"""Viafoura's API: an access token, a login, a logout; plain blocking calls, and no policy.

What Viafoura answers is believed when it has the form that its document gives, and else is no answer. The exceptions
raised here carry no secret, no content of an answer and no user's detail, nor do those that they came from: they
came from none.
"""

import base64
import contextlib
import email.utils
import json
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

from viafoura_mw.errors import CredentialsRefused, LoginRefused, LogoutRefused, ViafouraError, ViafouraUnavailable
from viafoura_mw.per_process import PerProcess
from viafoura_mw.user.user import User

if TYPE_CHECKING:
    from viafoura_mw.viafoura.transport import Answer

_T = TypeVar("_T")

LOGIN_PATH: Final = "/rest/v1/accounts/login"
LOGOUT_PATH: Final = "/rest/v1/accounts/logout"

#: Seconds after which a whole call is given up, or five times the page's wait if that is more. No page waits so long:
#: a login that is slower than its page goes on for the next one, and a thread must come back from a hanging service.
CALL_LIMIT: Final = 10.0

MAX_RETRY_AFTER: Final = 300.0  # seconds: a typing error in a date must not switch the site's sessions off for a year
MAX_TOKEN_LIFE: Final = 86_400.0  # seconds
ASSUMED_TOKEN_LIFE: Final = 300.0  # seconds, where expires_in is left out (RFC 6749 §5.1: it is RECOMMENDED)

#: Tokens fetched in a period, in seconds, because a call was answered with 401. A user whom Viafoura always answers so
#: would else cost a token call a page, as would a token endpoint that hands out tokens which are dead already.
RENEWALS: Final = 6
RENEWALS_PERIOD: Final = 60.0

_TOKEN: Final = re.compile(r"[!-~]{1,4096}")
_USER_ID: Final = re.compile(r"[1-9][0-9]{0,19}")
_SESSION: Final = re.compile(r"[!-~]{1,256}")
_NOT_IN_SESSION: Final = frozenset("\"'`<>&;,")  # what would be markup in a page, or structure in a cookie

_RETRIABLE: Final = frozenset((407, 408, 425, 429))  # a 4xx that is not about the user


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """What a login gave: ``user_id`` (digits), the session's ``id``, and ``since``, the unix time of the login."""

    user_id: str
    id: str
    since: float

    def __repr__(self) -> str:
        return "<Session>"


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """An access token and the unix time, in seconds, ``until`` which it is used."""

    value: str
    until: float

    def __repr__(self) -> str:
        return "<AccessToken>"


#: Who is told of a call: its name, how it ended, and its seconds; ``None`` where it was never made.
CallTold = Callable[[str, str, float | None], object]


class Transport(Protocol):
    """What carries a call: see :class:`viafoura_mw.viafoura.transport.Transport`."""

    def post(self, url: str, form: bytes, authorization: str, deadline: float) -> "Answer":
        """Post ``form``; raise :class:`~viafoura_mw.errors.ViafouraUnavailable` if there is no answer by then."""
        ...


def _transport(patience: float) -> Transport:
    from viafoura_mw.viafoura.transport import Transport  # late: it imports requests, and so ssl

    return Transport(patience)


@dataclass(slots=True, eq=False)
class _Calls:
    """What belongs to one process, and must not be used by its children: sockets, a lock, a token call under way."""

    transport: Transport | None = None
    fetching: "Future[AccessToken] | None" = None
    renewals: deque[float] = field(default_factory=lambda: deque(maxlen=RENEWALS))  # when the last ones were
    lock: threading.Lock = field(default_factory=threading.Lock)


class Viafoura:
    """A site's access to Viafoura's API. Safe with threads and with forks; opens nothing before the first call.

    ``timeout``: seconds that a page waits at most. ``clock``: unix time. ``limit`` of a call: its own bound in
    seconds, in all; by default the greater of :data:`CALL_LIMIT` and five times ``timeout``. ``told`` is told of each
    call that has ended, and must not raise.
    """

    def __init__(
        self,
        *,
        site_id: str,
        api_key: str,
        api_url: str,
        token_url: str,
        timeout: float,
        clock: Callable[[], float] = time.time,
        transport: Callable[[], Transport] | None = None,
        told: CallTold | None = None,
    ) -> None:
        credentials = base64.b64encode(f"{site_id}:{api_key}".encode()).decode()
        self._basic = f"Basic {credentials}"
        self._api_url = api_url.rstrip("/")
        self._token_url = token_url
        self.limit: Final = max(CALL_LIMIT, 5 * timeout)
        self._clock = clock
        self._transport = transport or partial(_transport, timeout / 2)
        self._told = told
        self._token: AccessToken | None = None
        self._calls: PerProcess[_Calls] = PerProcess(_Calls)

    def access_token(self, *, limit: float | None = None) -> AccessToken:
        """Give the token at hand, or fetch one: one call, however many threads ask at one time.

        Raises :class:`CredentialsRefused` or :class:`ViafouraUnavailable`.
        """
        return self._access_token(self._deadline(limit))

    def login(self, user: User, *, limit: float | None = None) -> Session:
        """Log ``user`` in; Viafoura creates the user or updates changed details.

        Raises :class:`LoginRefused`, :class:`CredentialsRefused` or :class:`ViafouraUnavailable`, and nothing else.
        """
        details = {"id": user.id, "name": user.name} | ({"email": user.email} if user.email else {})
        since = self._clock()
        deadline = self._deadline(limit)

        def log_in() -> Session:
            members = _members(self._authorized(LOGIN_PATH, details, deadline, LoginRefused))
            return Session(_user_id(members.get("user_id")), _session_id(members.get("session")), since)

        return self._timed("login", log_in)

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        """End a session.

        Raises :class:`LogoutRefused`, :class:`CredentialsRefused` or :class:`ViafouraUnavailable`, and nothing else.
        """
        form, deadline = {"session": session_id}, self._deadline(limit)
        self._timed("logout", lambda: self._authorized(LOGOUT_PATH, form, deadline, LogoutRefused))

    def _timed(self, call: str, make: Callable[[], _T]) -> _T:
        """Make a call, and tell how it ended and how long it took."""
        if self._told is None:
            return make()
        began, result = time.monotonic(), "failed"
        try:
            made = make()
            result = "ok"
            return made
        except ViafouraError as error:
            result = _result_of(call, error)
            raise
        finally:
            self._told(call, result, time.monotonic() - began)

    def _deadline(self, limit: float | None) -> float:
        return time.monotonic() + (self.limit if limit is None else limit)

    def _authorized(
        self, path: str, form: Mapping[str, str], deadline: float, refused: Callable[[int], ViafouraError]
    ) -> "Answer":
        """Post with an access token, and once more with a new one if Viafoura does not accept the one at hand.

        A 401 for a token that this call has just fetched is about the user: the token endpoint alone judges the site's
        credentials, and a second new token would be no better than the first.
        """
        body = _encoded(form)
        if body is None:
            raise refused(400)
        at_hand = self._token_at_hand()
        token = at_hand or self._access_token(deadline)
        answer = self._post(self._api_url + path, body, f"Bearer {token.value}", deadline)
        if answer.status == 401 and token is at_hand and self._may_renew(token):
            token = self._access_token(deadline, refused=token)
            answer = self._post(self._api_url + path, body, f"Bearer {token.value}", deadline)
        self._expect_success(answer, refused)
        return answer

    def _may_renew(self, refused: AccessToken) -> bool:
        """Whether another token can be had in the place of the ``refused`` one: it is there, or may be fetched."""
        calls = self._calls.get()
        with calls.lock:
            if self._token_at_hand(refused) or calls.fetching:
                return True
            now = self._clock()
            if len(calls.renewals) == RENEWALS and 0 <= now - calls.renewals[0] < RENEWALS_PERIOD:
                return False
            calls.renewals.append(now)
            return True

    def _access_token(self, deadline: float, refused: AccessToken | None = None) -> AccessToken:
        """Give the token at hand unless it is the ``refused`` one; else fetch one, or wait for whoever does."""
        calls = self._calls.get()
        with calls.lock:
            if token := self._token_at_hand(refused):
                return token
            under_way = calls.fetching
            fetching = calls.fetching = under_way or Future()
        if under_way is None:
            return self._fetch_for_all(calls, fetching, deadline)
        with contextlib.suppress(TimeoutError):
            return fetching.result(max(0.0, deadline - time.monotonic()))
        raise ViafouraUnavailable("no answer in time")

    def _token_at_hand(self, refused: AccessToken | None = None) -> AccessToken | None:
        token = self._token
        return token if token is not None and token is not refused and self._clock() < token.until else None

    def _fetch_for_all(self, calls: _Calls, fetching: "Future[AccessToken]", deadline: float) -> AccessToken:
        failure: ViafouraError = ViafouraUnavailable("the call was broken off")
        token = None
        try:
            token = self._token = self._timed("token", lambda: self._fetch(deadline))
            return token
        except ViafouraError as error:
            failure = error
            raise
        finally:
            with calls.lock:
                calls.fetching = None
            if token is None:
                fetching.set_exception(failure)
            else:
                fetching.set_result(token)

    def _fetch(self, deadline: float) -> AccessToken:
        """RFC 6749 §4.4: the client credentials grant."""
        asked = self._clock()
        form = b"grant_type=client_credentials&scope=accounts"
        answer = self._post(self._token_url, form, self._basic, deadline)
        if answer.status in (400, 401, 403):
            raise CredentialsRefused(answer.status)
        self._expect_token(answer)
        members = _members(answer)
        life = _token_life(members.get("expires_in", ASSUMED_TOKEN_LIFE))
        # A tenth, or a minute, early: a token must outlive the call that carries it, and clocks differ.
        return AccessToken(_bearer_token(members), asked + life - min(60.0, life / 10))

    def _post(self, url: str, form: bytes, authorization: str, deadline: float) -> "Answer":
        return self._connected(self._calls.get()).post(url, form, authorization, deadline)

    def _connected(self, calls: _Calls) -> Transport:
        try:
            with calls.lock:
                transport = calls.transport = calls.transport or self._transport()
                return transport
        except Exception as error:
            reason = f"no call can be made ({type(error).__name__})"
        raise ViafouraUnavailable(reason)

    def _expect_token(self, answer: "Answer") -> None:
        """Expect success, and leave the status out of the failure: it is not what the user's own call was answered."""
        try:
            return self._expect_success(answer, _wrong_endpoint)
        except ViafouraUnavailable as error:
            reason, pause = error.reason, error.retry_after
        raise ViafouraUnavailable(reason, retry_after=pause)

    def _expect_success(self, answer: "Answer", refused: Callable[[int], ViafouraError]) -> None:
        """RFC 9110 §15: 2xx is success, 4xx is about the request; a redirect is not followed and is no answer."""
        status = answer.status
        if 200 <= status < 300:
            return
        if 400 <= status < 500 and status not in _RETRIABLE:
            raise refused(status)
        pause = self._retry_after(answer.headers) if status in (429, 503) else None
        raise ViafouraUnavailable(f"status {status}", retry_after=pause, status=status)

    def _retry_after(self, headers: Mapping[str, str]) -> float | None:
        """RFC 9110 §10.2.3: seconds, or an HTTP date, which is by the clock of whoever wrote it (``Date``, §6.6.1)."""
        value = headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return min(float(value), MAX_RETRY_AFTER)
        moment = _http_date(value)
        if moment is None:
            return None
        answered = _http_date(headers.get("Date", ""))
        return min(max(moment - (self._clock() if answered is None else answered), 0.0), MAX_RETRY_AFTER)


def _result_of(call: str, error: ViafouraError) -> str:
    """How a call has failed; refused credentials are the token call's refusal, and no user's."""
    if isinstance(error, ViafouraUnavailable):
        return "timeout" if error.is_late else "failed"
    return "failed" if isinstance(error, CredentialsRefused) and call != "token" else "refused"


def _http_date(value: str) -> float | None:
    """The unix time of an HTTP date, or ``None`` for what is none."""
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _wrong_endpoint(status: int) -> ViafouraError:
    """What is neither a token nor a refusal is not the token endpoint."""
    return ViafouraUnavailable(f"status {status} for the access token")


def _encoded(form: Mapping[str, str]) -> bytes | None:
    """The form's body in UTF-8, or ``None`` where a text has none (a lone surrogate): no call is made of that."""
    try:
        return urlencode(form).encode()
    except UnicodeError:
        return None


def _members(answer: "Answer") -> Mapping[str, Any]:
    try:
        value = json.loads(answer.body, object_pairs_hook=_once_each, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    raise ViafouraUnavailable("an answer that is no JSON object")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 §4: what a name that stands twice means is anybody's guess, and whose session it is must be none."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _refuse_constant(name: str) -> None:
    """RFC 8259 §6: NaN and Infinity are no JSON."""
    raise ValueError(name)


def _bearer_token(members: Mapping[str, Any]) -> str:
    """RFC 6749 §5.1: ``token_type`` is case-insensitive; RFC 6750 §2.1: what a token is made of, and then some."""
    kind, token = members.get("token_type"), members.get("access_token")
    if isinstance(kind, str) and kind.lower() == "bearer" and isinstance(token, str) and _TOKEN.fullmatch(token):
        return token
    raise ViafouraUnavailable("an answer without a usable access token")


def _token_life(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(min(value, MAX_TOKEN_LIFE))
    raise ViafouraUnavailable("an answer with an unusable expires_in")


def _user_id(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**20 else value
    if isinstance(text, str) and _USER_ID.fullmatch(text):
        return text
    raise ViafouraUnavailable("an answer without a usable user_id")


def _session_id(value: object) -> str:
    if isinstance(value, str) and _SESSION.fullmatch(value) and _NOT_IN_SESSION.isdisjoint(value):
        return value
    raise ViafouraUnavailable("an answer without a usable session")
