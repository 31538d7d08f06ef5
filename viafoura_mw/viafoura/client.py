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
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode

from viafoura_mw.errors import CredentialsRefused, LoginRefused, LogoutRefused, ViafouraError, ViafouraUnavailable
from viafoura_mw.user.user import User

if TYPE_CHECKING:
    from viafoura_mw.viafoura.transport import Answer

LOGIN_PATH: Final = "/rest/v1/accounts/login"
LOGOUT_PATH: Final = "/rest/v1/accounts/logout"

#: Seconds after which a whole call is given up, or five times the page's wait if that is more. No page waits so long:
#: a login that is slower than its page goes on for the next one, and a thread must come back from a hanging service.
CALL_LIMIT: Final = 10.0

MAX_RETRY_AFTER: Final = 3600.0  # seconds: a typing error in a date must not switch the site's sessions off for a year
MAX_TOKEN_LIFE: Final = 86_400.0  # seconds
ASSUMED_TOKEN_LIFE: Final = 300.0  # seconds, where expires_in is left out (RFC 6749 §5.1: it is RECOMMENDED)

_TOKEN: Final = re.compile(r"[!-~]{1,4096}")
_USER_ID: Final = re.compile(r"[0-9]{1,20}")
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


class Transport(Protocol):
    """What carries a call: see :class:`viafoura_mw.viafoura.transport.Transport`."""

    def post(self, url: str, form: bytes, authorization: str, deadline: float) -> "Answer":
        """Post ``form``; raise :class:`~viafoura_mw.errors.ViafouraUnavailable` if there is no answer by then."""
        ...


def _transport() -> Transport:
    from viafoura_mw.viafoura.transport import Transport  # late: it imports requests, and so ssl

    return Transport()


@dataclass(slots=True, eq=False)
class _Calls:
    """What belongs to one process, and must not be used by its children: sockets, a lock, a token call under way."""

    transport: Transport | None = None
    fetching: "Future[AccessToken] | None" = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Viafoura:
    """A site's access to Viafoura's API. Safe with threads and with forks; opens nothing before the first call.

    ``timeout``: seconds that a page waits at most. ``clock``: unix time. ``limit`` of a call: its own bound in
    seconds, in all; by default the greater of :data:`CALL_LIMIT` and five times ``timeout``.
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
        transport: Callable[[], Transport] = _transport,
    ) -> None:
        credentials = base64.b64encode(f"{site_id}:{api_key}".encode()).decode()
        self._basic = f"Basic {credentials}"
        self._api_url = api_url.rstrip("/")
        self._token_url = token_url
        self.limit: Final = max(CALL_LIMIT, 5 * timeout)
        self._clock = clock
        self._transport = transport
        self._token: AccessToken | None = None
        self._processes: dict[int, _Calls] = {}

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
        answer = self._authorized(LOGIN_PATH, details, self._deadline(limit), LoginRefused)
        members = _members(answer)
        return Session(_user_id(members.get("user_id")), _session_id(members.get("session")), since)

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        """End a session.

        Raises :class:`LogoutRefused`, :class:`CredentialsRefused` or :class:`ViafouraUnavailable`, and nothing else.
        """
        self._authorized(LOGOUT_PATH, {"session": session_id}, self._deadline(limit), LogoutRefused)

    def _deadline(self, limit: float | None) -> float:
        return time.monotonic() + (self.limit if limit is None else limit)

    def _authorized(
        self, path: str, form: Mapping[str, str], deadline: float, refused: Callable[[int], ViafouraError]
    ) -> "Answer":
        """Post with an access token, and once more with a new one if Viafoura does not accept it."""
        body = _encoded(form)
        if body is None:
            raise refused(400)
        token = self._access_token(deadline)
        answer = self._post(self._api_url + path, body, f"Bearer {token.value}", deadline)
        if answer.status == 401:
            token = self._access_token(deadline, refused=token)
            answer = self._post(self._api_url + path, body, f"Bearer {token.value}", deadline)
            if answer.status == 401:
                raise CredentialsRefused(401)
        self._expect_success(answer, refused)
        return answer

    def _access_token(self, deadline: float, refused: AccessToken | None = None) -> AccessToken:
        """Give the token at hand unless it is the ``refused`` one; else fetch one, or wait for whoever does."""
        calls = self._calls()
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

    def _token_at_hand(self, refused: AccessToken | None) -> AccessToken | None:
        token = self._token
        return token if token is not None and token is not refused and self._clock() < token.until else None

    def _fetch_for_all(self, calls: _Calls, fetching: "Future[AccessToken]", deadline: float) -> AccessToken:
        failure: ViafouraError = ViafouraUnavailable("the call was broken off")
        token = None
        try:
            token = self._token = self._fetch(deadline)
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
        self._expect_success(answer, _wrong_endpoint)
        members = _members(answer)
        life = _token_life(members.get("expires_in", ASSUMED_TOKEN_LIFE))
        # A tenth, or a minute, early: a token must outlive the call that carries it, and clocks differ.
        return AccessToken(_bearer_token(members), asked + life - min(60.0, life / 10))

    def _post(self, url: str, form: bytes, authorization: str, deadline: float) -> "Answer":
        return self._connected(self._calls()).post(url, form, authorization, deadline)

    def _connected(self, calls: _Calls) -> Transport:
        try:
            with calls.lock:
                transport = calls.transport = calls.transport or self._transport()
                return transport
        except Exception as error:
            reason = f"no call can be made ({type(error).__name__})"
        raise ViafouraUnavailable(reason)

    def _calls(self) -> _Calls:
        """What belongs to this process. No lock: one that a fork copies while it is held is held for ever."""
        pid = os.getpid()
        calls = self._processes.get(pid)
        if calls is None:
            self._processes = {pid: (calls := self._processes.setdefault(pid, _Calls()))}
        return calls

    def _expect_success(self, answer: "Answer", refused: Callable[[int], ViafouraError]) -> None:
        """RFC 9110 §15: 2xx is success, 4xx is about the request; a redirect is not followed and is no answer."""
        status = answer.status
        if 200 <= status < 300:
            return
        if 400 <= status < 500 and status not in _RETRIABLE:
            raise refused(status)
        pause = self._retry_after(answer.headers.get("Retry-After", "")) if status in (429, 503) else None
        raise ViafouraUnavailable(f"status {status}", retry_after=pause, status=status)

    def _retry_after(self, value: str) -> float | None:
        """RFC 9110 §10.2.3: seconds, or an HTTP date."""
        value = value.strip()
        if value.isascii() and value.isdigit():
            return min(float(value), MAX_RETRY_AFTER)
        try:
            moment = email.utils.parsedate_to_datetime(value)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - self._clock()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(seconds, 0.0), MAX_RETRY_AFTER)


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
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    raise ViafouraUnavailable("an answer that is no JSON object")


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
