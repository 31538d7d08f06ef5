"""The WSGI door (PEP 3333): feeds an application's response to an exchange, and carries out what it says.

The server's ``start_response`` is called when the exchange lets the head go, always before the middleware returns:
some servers read the head then, others at the first chunk. A response that is none of our business is returned as the
very object that the application returned.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from viafoura_mw import loading
from viafoura_mw.log import Notices
from viafoura_mw.response.exchange import HOLD, Exchange, Need, State
from viafoura_mw.response.headers import Headers
from viafoura_mw.response.proxies import PROOF, replaces_headers
from viafoura_mw.response.request import CONDITIONAL, Request, narrowed, says_https
from viafoura_mw.runtime import INSIDE, Parts, parts_of
from viafoura_mw.settings import Settings
from viafoura_mw.user.fields import utf8_of_latin1
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UNBELIEVED
from viafoura_mw.user.user import Reading
from viafoura_mw.viafoura.client import Session

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Write = Callable[[bytes], object]

_PROOF: Final = "HTTP_" + PROOF.upper().replace("-", "_")
_CONDITIONAL: Final = tuple("HTTP_" + name.upper().replace("-", "_") for name in CONDITIONAL)
_ACCEPT_ENCODING: Final = "HTTP_ACCEPT_ENCODING"


class ViafouraMiddleware:
    """Wraps a WSGI application, so that its signed-in users' pages carry their Viafoura session.

    ``settings=None`` reads the environment. Raises :class:`~viafoura_mw.errors.SettingsError` when that is wrong.
    """

    def __init__(self, app: "WSGIApplication", settings: Settings | None = None) -> None:
        settings = settings or Settings.from_env()
        self._app = app
        self._removed = settings.response_headers
        self._parts = parts_of(settings) if settings.enabled else None
        self._reader = _reader_of(settings, self._parts.notices) if self._parts else None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        parts, reader = self._parts, self._reader
        if parts is None or reader is None or INSIDE in environ or not _is_included(parts, environ):
            if removed := self._removed - environ.get(INSIDE, frozenset()):
                start_response = _removing(removed, start_response)
            return self._app(environ, start_response)
        environ[INSIDE] = self._removed
        response = _Response(parts, reader, environ, start_response)
        try:
            iterable: Any = self._app(environ, response.start_response)
        except BaseException:
            with suppress(Exception):  # what the application raised is what is to be seen
                response.break_off()
                response.give_to_server()
            raise
        if response.is_untouched:
            return iterable  # type: ignore[no-any-return]
        # Not PEP 3333's, but uWSGI takes a string for its one chunk.
        return _body(response, [iterable] if isinstance(iterable, bytes) else iterable)

    def drain(self, timeout: float) -> None:
        """Wait until the logouts asked for have ended, at most ``timeout`` seconds; for a process that is to end."""
        if self._parts is not None:
            self._parts.sessions.drain(timeout)


def _reader_of(settings: Settings, notices: Notices) -> UserReader:
    return UserReader(settings.user, settings.user_sources, notices, otherwise="remote-user")


def _is_included(parts: Parts, environ: "WSGIEnvironment") -> bool:
    return not parts.rules.looks_at_paths or parts.rules.includes(_path(environ))


def _path(environ: "WSGIEnvironment") -> str:
    return utf8_of_latin1(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))


def _removing(names: frozenset[str], start_response: "StartResponse") -> "StartResponse":
    """``start_response`` without the headers that the application sets for us alone."""

    def start(status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Write:
        return _call(start_response, status, _without(names, headers), exc_info)

    return start


def _without(names: frozenset[str], headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _call(start_response: "StartResponse", status: str, headers: Headers, exc_info: ExcInfo | None) -> Write:
    """Call with two arguments when there is no ``exc_info``: some servers' function takes no third."""
    return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)


class _Response:
    """One response on its way out: the application's ``start_response`` and ``write``, and the exchange between."""

    __slots__ = (
        "_believed",
        "_cookies",
        "_environ",
        "_exc_info",
        "_exchange",
        "_gone",
        "_hold_until",
        "_is_logout",
        "_method",
        "_parts",
        "_reader",
        "_said",
        "_served",
        "_server_start",
        "_server_write",
        "_status",
        "_withheld",
        "is_untouched",
        "may_owe_calls",
        "ready",
        "wrote",
    )

    def __init__(
        self, parts: Parts, reader: UserReader, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> None:
        self._parts = parts
        self._reader = reader
        self._environ = environ
        self._server_start = start_response
        self._exchange: Exchange | None = None  # none where the response is plainly not ours
        self.is_untouched = False  # the head has left as it came, and the body is to do the same
        self.ready: deque[bytes] = deque()  # what may leave of the body and has not
        self.may_owe_calls = False  # calls were put off, where no thread can make them
        self.wrote = False
        self._said: dict[str, str] = {}  # the response's headers for `response:` sources
        self._believed = parts.proxies.is_configured and self._is_from_proxy()
        self._served = reader.expect(environ)
        # Now: what is inside may serve a HEAD by a GET, or take a prefix from the path.
        self._method: str = environ["REQUEST_METHOD"]
        self._is_logout = parts.rules.knows_logout_paths and parts.rules.is_logout(self._method, _path(environ))
        self._cookies: str = environ.get("HTTP_COOKIE", "")
        self._withheld = self._withhold() if "text/html" in environ.get("HTTP_ACCEPT", "") else None

    # What the application sees of the request.

    def _is_from_proxy(self) -> bool:
        """Whether the peer's headers may say who the user is; the secret that it sent is not for the application."""
        environ = self._environ
        peer, secret = environ.get("REMOTE_ADDR", ""), environ.pop(_PROOF, "")
        if replaces_headers(environ.get("SERVER_SOFTWARE", ""), environ.get("wsgi.input"), environ.get("wsgi.errors")):
            sentence = "header: sources are refused: on this server a client's X_User replaces the proxy's X-User"
            self._parts.notices.tell("replaces headers", logging.ERROR, sentence)
            return False
        return self._parts.proxies.believes(peer, secret)

    def _withhold(self) -> dict[str, str] | None:
        """Take from the environ what would make the application answer with less than a readable page."""
        environ = self._environ
        if not self._may_be_signed_in():
            return None
        withheld = {}
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            withheld = {name: environ.pop(name) for name in _CONDITIONAL if name in environ}
        if accepted := environ.get(_ACCEPT_ENCODING):
            environ[_ACCEPT_ENCODING] = narrowed(accepted, self._parts.understood)
            withheld[_ACCEPT_ENCODING] = accepted
        return withheld

    def _may_be_signed_in(self) -> bool:
        return (
            "HTTP_AUTHORIZATION" in self._environ
            or (self._cookies != "" and self._parts.may_be_signed_in_by(self._cookies))
            or self._reader.may_be_set(self._root)
        )

    def _restore(self) -> None:
        self._environ.pop(INSIDE, None)  # a layer outside may try again with the same environ
        if self._withheld:
            for name, value in self._withheld.items():
                if name == _ACCEPT_ENCODING or name not in self._environ:
                    self._environ[name] = value
            self._withheld = None

    # What the application calls.

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Write:
        """Take the application's head (PEP 3333, "The start_response() Callable")."""
        self._restore()
        if not isinstance(headers, list):
            headers = list(headers)  # some servers take an iterator, which is not to be used up here
        if self._exchange is None:
            if self.is_untouched or not self._may_concern_us(headers):
                self.is_untouched = True
                return _call(self._server_start, status, headers, exc_info)
            self._exchange = self._begun()
        if removed := self._parts.response_headers:
            self._said = {name.lower(): value for name, value in headers if name.lower() in removed}
            headers = _without(removed, headers)
        if self._gone:
            headers = self._exchange.in_place_of_own(headers)
            write = _call(self._server_start, status, headers, exc_info)  # raises, or replaces the head
            self.ready.clear()
            self._exchange.step_aside()
            return write
        if self._exchange.state is not State.FRESH and not exc_info:
            raise AssertionError("start_response() was called a second time without exc_info")
        self._status, self._exc_info = status, exc_info
        self._exchange.start(int(status[:3]), headers, self._read_free)
        self._hold_until = time.monotonic() + HOLD
        self._carry_on(self._exchange)
        return self._server_write if self.is_untouched and self._server_write else self._write

    def _may_concern_us(self, headers: Headers) -> bool:
        """Whether an exchange is to look closer; the cheapest reasons why not come first."""
        if self._parts.looks_at_every_response:
            return True
        for name, value in headers:
            if name.lower() == "content-type" and "text/html" in value.lower():
                return self._parts.settings.cookie_name in self._cookies or self._reader.may_find(self._root)
        return False

    def _begun(self) -> Exchange:
        parts, environ = self._parts, self._environ
        self._gone = False  # the head has been given to the server
        self._server_write: Write | None = None
        request = Request(
            self._method,
            parts.cookie.find(self._cookies),
            self._is_logout,
            environ.get("wsgi.url_scheme") == "https" or says_https(environ.get("HTTP_X_FORWARDED_PROTO", "")),
            environ.get("HTTP_SEC_FETCH_SITE") == "cross-site",
        )
        browser = partial(parts.rules.browser, self._cookies, environ.get("HTTP_AUTHORIZATION", ""))
        return Exchange(parts.terms, request, browser)

    def _write(self, chunk: bytes) -> None:
        """Take a chunk of an application that writes (PEP 3333, "The write() Callable")."""
        self.wrote = True
        self.is_untouched = False
        self.feed(chunk)
        self.give_to_server()

    def give_to_server(self) -> None:
        """Write what may leave, where the server has a write for it."""
        while self.ready and self._server_write is not None:  # Granian's start_response gives no write
            self._server_write(self.ready.popleft())

    # What the exchange says.

    @property
    def has_head_left(self) -> bool:
        """Whether the head is with the server."""
        return self.is_untouched or (self._exchange is not None and self._gone)

    @property
    def is_settled(self) -> bool:
        """Whether all that is still to come passes as it comes."""
        return self._exchange is None or self._exchange.settled

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        """Take the next chunk of the body; what may leave then is ``ready``."""
        exchange = self._exchange
        if exchange is None:
            # A chunk ahead of any head is the server's to judge; an empty one would only look like the head's end.
            if chunk or (self.is_untouched and not last):
                self.ready.append(chunk)
            return
        exchange.feed(chunk, last=last)
        if exchange.state is State.HOLDING and time.monotonic() >= self._hold_until:
            exchange.hold_is_over()
        self._carry_on(exchange)

    def _carry_on(self, exchange: Exchange) -> None:
        while exchange.need is not None:
            if exchange.need is Need.USER:
                exchange.user_is(self._read_framework())
            elif exchange.need is Need.SESSION:
                exchange.session_is(self._session(exchange))
            else:
                self._parts.sessions.ensure(exchange.user, exchange.browser(), exchange.came_with)
                self.may_owe_calls = True
                exchange.probed()
        if exchange.state in (State.PASSING, State.REWRITING) and not self._gone:
            self._let_head_go(exchange)
        self.ready += exchange.take()

    def _let_head_go(self, exchange: Exchange) -> None:
        exc_info, self._exc_info = self._exc_info, None
        self._server_write = _call(self._server_start, self._status, exchange.headers, exc_info)
        self._gone = True
        if exchange.ended_session:
            self._parts.sessions.logout(exchange.ended_session.id)
            self.may_owe_calls = True
        self.is_untouched = exchange.settled and not (self.may_owe_calls or self.wrote)

    def _session(self, exchange: Exchange) -> Session | None:
        future = self._parts.sessions.ensure(exchange.user, exchange.browser(), exchange.came_with)
        with suppress(TimeoutError):
            if session := future.result(self._parts.settings.timeout):
                return session
        self.may_owe_calls = True  # a probe, for which no page waits
        return None

    # The user.

    def _read_free(self) -> Reading | None:
        return self._reader.read_free(self._root, self._served)

    def _read_framework(self) -> Reading:
        return self._reader.read_in_environ(self._environ, self._root, self._served)

    def _root(self, kind: str) -> Any:
        match kind:
            case "environ":
                return self._environ
            case "response":
                return self._said
            case "header":
                return _Headers(self._environ) if self._believed else UNBELIEVED
        return None

    # The end.

    def break_off(self) -> None:
        """Let go of what was held, when the application raises before its response is complete."""
        self._restore()
        if self._exchange is not None and self._exchange.break_off():
            self._carry_on(self._exchange)

    def close(self) -> None:
        """Give back what the hold took; make the calls that only this thread can make, now that the page has left."""
        if self._exchange is not None:
            self._exchange.close()
        if self.may_owe_calls:
            self._parts.sessions.run_pending()


class _Headers:
    """The request's headers by their hyphenated names."""

    def __init__(self, environ: "WSGIEnvironment") -> None:
        self._environ = environ

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_key(name)]
        return value


def _key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


def _body(response: _Response, iterable: Iterable[bytes]) -> Iterable[bytes]:
    """What the server iterates: the application's own iterable, if nothing of it is changed and it can begin anew."""
    body = _Body(response, iterable)
    try:
        body.pull_head()
    except BaseException:  # the server refuses the head, and has nothing that it could close
        body.close()
        raise
    if isinstance(iterable, list | tuple) and body.is_as_it_came:
        return _Chunks(iterable, body.close) if response.may_owe_calls else iterable
    return body


def _has_one(iterable: Iterable[bytes]) -> bool:
    """Whether it says that it has one chunk; one that cannot say so may have any number."""
    with suppress(Exception):
        return isinstance(iterable, Sized) and len(iterable) == 1
    return False


class _Chunks(list[bytes]):
    """An application's list as it came, after which there is something to do; servers ask a list for its length."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None]) -> None:
        super().__init__(chunks)
        self.close = close


class _Body:
    """An application's iterable, from which chunks are pulled until the head may leave, and then as the server asks."""

    def __init__(self, response: _Response, iterable: Iterable[bytes]) -> None:
        self._response = response
        self._iterable = iterable
        self._iterator: Iterator[bytes] | None = None
        self._is_one_chunk = _has_one(iterable)
        self._ended = False
        self._error: BaseException | None = None

    @property
    def is_as_it_came(self) -> bool:
        """Whether the body is the application's own, from its first chunk on."""
        response = self._response
        return response.has_head_left and response.is_settled and not response.wrote and self._error is None

    def pull_head(self) -> None:
        """Pull chunks until the head has been given to the server, or cannot be."""
        while not (self._response.has_head_left or self._ended or self._error or self._response.ready):
            self._pull()

    def _pull(self) -> None:
        try:
            if self._iterator is None:
                self._iterator = iter(self._iterable)
            chunk = next(self._iterator)
        except StopIteration:
            self._ended = True
            self._response.feed(b"", last=True)
        except BaseException as error:
            self._error = error
            with suppress(Exception):  # what the application raised is what is to be seen
                self._response.break_off()
        else:
            self._response.feed(chunk, last=self._is_one_chunk)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        ready = self._response.ready
        while not ready:
            if self._error is not None:
                error, self._error, self._ended = self._error, None, True
                raise error
            if self._ended:
                raise StopIteration
            if self._iterator is not None and self._response.is_untouched:
                return next(self._iterator)
            self._pull()
        return ready.popleft()

    def close(self) -> None:
        """Close the application's iterable (PEP 3333: whether or not it was exhausted)."""
        try:
            if hasattr(self._iterable, "close"):
                self._iterable.close()
        finally:
            self._response.close()


if _named := loading.named_application():
    application: ViafouraMiddleware = ViafouraMiddleware(loading.load(_named))
    app: ViafouraMiddleware = application
