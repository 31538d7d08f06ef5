"""The WSGI door (PEP 3333): tells an exchange what the application gives, and carries out the effects.

The server's ``start_response`` is called when the exchange lets the head go, always before the middleware returns:
some servers read the head then, others at the first chunk. A response that is none of our business is returned as the
very object that the application returned. What is held is copied when it comes, and what servers take beyond PEP 3333
(headers that are no strings, a body that is one string, no iterable at all) is taken here as well.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from io import SEEK_END, BytesIO, IOBase
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from viafoura_mw import loading
from viafoura_mw.bridge import answers, asking
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.response import exchange as says
from viafoura_mw.response.exchange import Effects, Exchange, Exchanging, State
from viafoura_mw.response.guard import FRAMES, Request, can_sign_out, said_in
from viafoura_mw.response.headers import Headers
from viafoura_mw.response.proxies import PROOF, replaces_headers
from viafoura_mw.response.request import CONDITIONAL, narrowed, says_https, wants_html
from viafoura_mw.runtime import INSIDE, Runtime, runtime_of, served_of
from viafoura_mw.settings import Settings
from viafoura_mw.sites import Hosts
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
_IF_NONE_MATCH: Final = "HTTP_IF_NONE_MATCH"
#: What the bridge does not show of a question to the application, since it asks one of its own. The later ones are
#: servers' own words for the address and the body that were asked.
_OF_THE_QUESTION: Final = (
    *("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"),
    *("HTTP_X_VIAFOURA_BRIDGE", "HTTP_ORIGIN", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE", *_CONDITIONAL),
    *("RAW_URI", "REQUEST_URI", "wsgi.file_wrapper"),
)
_PURPOSES: Final = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")


class ViafouraMiddleware:
    """Wraps a WSGI application, so that its signed-in users' pages carry their Viafoura session.

    ``settings=None`` reads the environment. Raises :class:`~viafoura_mw.errors.SettingsError` when that is wrong.
    ``compose`` puts the parts together in another way than :func:`~viafoura_mw.runtime.runtime_of`.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        settings: Settings | None = None,
        *,
        compose: Callable[..., Runtime] = runtime_of,
    ) -> None:
        settings = settings or Settings.from_env()
        self._app = app
        self._removed = settings.response_headers
        self._served = served_of(settings, otherwise="remote-user", compose=compose)
        self._runtime, self._hosts = self._served.own, self._served.hosts
        self._hides_proof = self._served.hides_proof

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        runtime = self._runtime if self._hosts is None else self._of_host(self._hosts, environ)
        if runtime is not None and runtime.bridge is not None and INSIDE not in environ:
            name = runtime.bridge.name_of(_path(environ))
            if name is not None:
                return self._bridged(runtime, runtime.bridge, name, environ, start_response)
        if runtime is None or INSIDE in environ or not _is_included(runtime, environ):
            if runtime is not None:
                environ.pop(_PROOF, None)
            if removed := self._removed - environ.get(INSIDE, frozenset()):
                start_response = _removing(removed, start_response)
            return self._app(environ, start_response)
        environ[INSIDE] = self._removed
        response = _Response(runtime, environ, start_response)
        try:
            iterable = self._app(environ, response.start_response)
        except BaseException:
            with suppress(Exception):  # what the application raised is what is to be seen
                response.end()
                response.give_to_server()
            raise
        return iterable if response.is_untouched else _body(response, iterable)

    def _of_host(self, hosts: "Hosts[Runtime | None]", environ: "WSGIEnvironment") -> Runtime | None:
        """The runtime of the request's site; a proxy's secret that this site does not ask for is taken away."""
        runtime = hosts.choose(environ.get("HTTP_HOST", ""))
        if self._hides_proof and not (runtime is not None and runtime.proxies.has_secret):
            environ.pop(_PROOF, None)
        return runtime

    def _bridged(
        self,
        runtime: Runtime,
        bridge: Bridge,
        name: str,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Answer at one of the bridge's addresses."""
        reply = _reply(runtime, bridge, name, environ)
        if reply is not None:
            return _replied(runtime, reply, start_response)
        inner = _asked_of_application(bridge, environ, self._removed)
        question = asking.Question(environ["HTTP_X_VIAFOURA_BRIDGE"], environ.get("QUERY_STRING", "") == "renew")
        response = _Response(runtime, inner, start_response, question)
        if not response.may_be_signed_in():
            return _replied(runtime, asking.nobody(runtime.policy, question.echo), start_response)
        body = _Body(response, self._app(inner, response.start_response))
        try:
            body.pull_head()
        finally:
            body.close_application()
        body.raise_error()
        return _Chunks(response.ready, response.close)

    def drain(self, timeout: float) -> None:
        """Wait until the logouts asked for have ended, at most ``timeout`` seconds; for a process that is to end."""
        for runtime in self._served.runtimes:
            runtime.sessions.drain(timeout)


def _is_included(runtime: Runtime, environ: "WSGIEnvironment") -> bool:
    return not runtime.rules.looks_at_paths or runtime.rules.includes(_path(environ))


def _path(environ: "WSGIEnvironment") -> str:
    """The whole decoded path; as latin-1 where its bytes are no UTF-8 (PEP 3333, "Unicode Issues")."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if not path.isascii():
        with suppress(UnicodeError):
            return path.encode("latin-1").decode("utf-8")
    return path


def _reply(runtime: Runtime, bridge: Bridge, name: str, environ: "WSGIEnvironment") -> answers.Reply | None:
    """What the bridge answers by itself; ``None`` where the application must be asked."""
    method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    if name == answers.SCRIPT:
        return answers.script_reply(bridge.script, method, query, environ.get(_IF_NONE_MATCH, ""))
    refusal = answers.refusal(method, lambda field: environ.get(_key(field)), debug=runtime.policy.debug)
    if refusal is not None or name != answers.LOGOUT:
        return refusal
    brought = runtime.cookie.find(environ.get("HTTP_COOKIE", ""))
    return asking.logged_out(runtime.policy, environ["HTTP_X_VIAFOURA_BRIDGE"], brought, secure=_is_secure(environ))


def _replied(runtime: Runtime, reply: answers.Reply, start_response: "StartResponse") -> Iterable[bytes]:
    start_response(_status_line(reply.status), reply.headers)
    for effect in reply.effects:
        assert isinstance(effect, says.EndSessions)
        runtime.sessions.end(effect.ids, effect.marks)
    return _Chunks([reply.body], runtime.sessions.run_pending) if reply.effects else [reply.body]


def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _asked_of_application(bridge: Bridge, environ: "WSGIEnvironment", removed: frozenset[str]) -> "WSGIEnvironment":
    """The environ of the request that shows who is reading: a GET of the browser's, in a copy."""
    inner = {key: value for key, value in environ.items() if not key.startswith("werkzeug.")}
    for key in _OF_THE_QUESTION:
        inner.pop(key, None)
    if bridge.user_path:
        inner["PATH_INFO"] = bridge.user_path.encode().decode("latin-1")
    inner |= {"REQUEST_METHOD": "GET", "QUERY_STRING": "", "wsgi.input": BytesIO(), INSIDE: removed}
    inner[_ACCEPT_ENCODING] = "identity"
    return inner


def _is_secure(environ: "WSGIEnvironment") -> bool:
    return environ.get("wsgi.url_scheme") == "https" or says_https(environ.get("HTTP_X_FORWARDED_PROTO", ""))


def _removing(names: frozenset[str], start_response: "StartResponse") -> "StartResponse":
    """``start_response`` without the headers that the application sets for us alone."""

    def start(status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Write:
        return _call(start_response, status, _without(names, headers), exc_info)

    return start


def _without(names: frozenset[str], headers: Headers) -> Headers:
    return [field for field in headers if _text(field[0]).lower() not in names]


def _text(value: Any) -> str:
    """A header's name or value as a string; servers take bytes and numbers as well."""
    if value.__class__ is str:
        return value
    return bytes(value).decode("latin-1") if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _call(start_response: "StartResponse", status: str, headers: Headers, exc_info: ExcInfo | None) -> Write:
    """Call with two arguments when there is no ``exc_info``: some servers' function takes no third."""
    return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)


def _code(status: str) -> int:
    """The status code; 0 for what has none, which only the server can judge."""
    try:
        return int(status[:3])
    except (ValueError, TypeError):
        return 0


def _dropped(_: bytes) -> None:
    """The ``write`` of a response whose head and body have left without the application."""


class _Response:
    """One response on its way out: the application's ``start_response`` and ``write``, and the exchange between."""

    __slots__ = (
        "_believed",
        "_bridge",
        "_cookies",
        "_environ",
        "_exc_info",
        "_exchange",
        "_expected",
        "_gone",
        "_headers",
        "_is_aside",
        "_logout_path",
        "_method",
        "_question",
        "_reader",
        "_runtime",
        "_said",
        "_server_start",
        "_server_write",
        "_spelled",
        "_status",
        "_withheld",
        "is_body_changed",
        "may_owe_calls",
        "ready",
        "wrote",
    )

    def __init__(
        self,
        runtime: Runtime,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        question: asking.Question | None = None,
    ) -> None:
        self._runtime = runtime
        self._question = question  # who is reading, where this is the application's answer to that
        self._reader = runtime.reader
        self._environ = environ
        self._server_start = start_response
        self._server_write: Write | None = None
        self._exchange: Exchanging | None = None  # none where the response is plainly not ours
        self._is_aside = False  # all that is still to come passes as it comes
        self._gone = False  # the head has been given to the server
        self.ready: deque[bytes] = deque()  # what may leave of the body and has not
        self.may_owe_calls = False  # calls were put off, where no thread can make them
        self.is_body_changed = False  # some of it is not the application's own
        self.wrote = False
        self._said: dict[str, object] = {}  # the response's headers for `response:` sources
        self._believed = runtime.proxies.is_configured and self._is_from_proxy()
        # Now: what is inside may serve a HEAD by a GET, or take a prefix from the path.
        self._method: str = environ["REQUEST_METHOD"]
        path = _path(environ) if runtime.rules.knows_logout_paths else ""
        self._logout_path = path if path and runtime.rules.is_logout(self._method, path) else ""
        self._cookies: str = environ.get("HTTP_COOKIE") or ""
        self._withheld: dict[str, str] | None = None
        self._bridge = runtime.bridge if question is None and self._is_bridged(runtime.bridge) else None
        self._expected = runtime.reader.expect(environ) if self._bridge is None else None
        accept = environ.get("HTTP_ACCEPT") or ""  # a browser's says so without a further look
        is_for_page = "text/html" in accept or wants_html(accept, environ.get("HTTP_HX_REQUEST") or "")
        if self._bridge is not None:
            self._withhold_from_shared(self._bridge, is_for_page=is_for_page)
        elif is_for_page:
            self._withhold()

    def _is_bridged(self, bridge: Bridge | None) -> bool:
        if bridge is None:
            return False
        path = _path(self._environ)
        return bridge.bridges(path) and not self._runtime.rules.is_logout_path(path)

    # What the application sees of the request.

    def _is_from_proxy(self) -> bool:
        """Whether the peer's headers may say who the user is; the secret that it sent is not for the application."""
        environ = self._environ
        peer, secret = environ.get("REMOTE_ADDR", ""), environ.pop(_PROOF, "")
        if replaces_headers(environ.get("SERVER_SOFTWARE", ""), environ.get("wsgi.input"), environ.get("wsgi.errors")):
            sentence = "header: sources are refused: on this server a client's X_User replaces the proxy's X-User"
            self._runtime.notices.tell("headers-replaced", logging.ERROR, sentence)
            return False
        forwarded = ",".join(filter(None, map(environ.get, ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"))))
        return self._runtime.proxies.believes(peer, secret, forwarded)

    def _withhold(self) -> None:
        """Take from the environ what would make the application answer with less than a readable page."""
        environ = self._environ
        if not self.may_be_signed_in():
            return
        self._withheld = {}
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            self._withheld = {name: environ.pop(name) for name in _CONDITIONAL if name in environ}
        self._narrow(self._withheld)

    def _narrow(self, withheld: dict[str, str]) -> None:
        if accepted := self._environ.get(_ACCEPT_ENCODING):
            self._environ[_ACCEPT_ENCODING] = narrowed(accepted, self._runtime.understood)
            withheld[_ACCEPT_ENCODING] = accepted

    def _withhold_from_shared(self, bridge: Bridge, *, is_for_page: bool) -> None:
        """Show the application validators of its own, whoever asks."""
        environ = self._environ
        fields = {name: environ[_key(name)] for name in CONDITIONAL if _key(name) in environ}
        changed, self._spelled = bridge.conditions(self._method, fields, wants_html=is_for_page)
        self._withheld = {_key(name): environ.pop(_key(name)) for name in changed}
        environ.update((_key(name), value) for name, value in changed.items() if value is not None)
        if is_for_page and self._method in ("GET", "HEAD"):
            self._narrow(self._withheld)

    def may_be_signed_in(self) -> bool:
        """Whether the request may be a signed-in user's."""
        return (
            "HTTP_AUTHORIZATION" in self._environ
            or (self._cookies != "" and self._runtime.may_be_signed_in_by(self._cookies))
            or self._reader.may_be_set(self._root)
        )

    def _has_sign_in(self) -> bool:
        """Whether it has a sign-in of the site's own, so that our cookie is not all that the browser sent."""
        return (
            "HTTP_AUTHORIZATION" in self._environ
            or self._runtime.rules.may_be_signed_in_by(self._cookies)
            or self._reader.may_be_set(self._root)
        )

    def _restore(self) -> None:
        self._environ.pop(INSIDE, None)  # a layer outside may try again with the same environ
        if self._withheld:
            for name, value in self._withheld.items():
                is_ours = name == _ACCEPT_ENCODING or (name == _IF_NONE_MATCH and self._bridge is not None)
                if is_ours or name not in self._environ:
                    self._environ[name] = value
            self._withheld = None

    # What the application calls.

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Write:
        """Take the application's head (PEP 3333, "The start_response() Callable")."""
        self._restore()
        if not isinstance(headers, list):
            headers = list(headers)  # some servers take an iterator, which is not to be used up here
        exchange = self._exchange
        if exchange is None:
            if self._is_aside or not self._may_concern_us(headers):
                self._is_aside = self._gone = True
                return _call(self._server_start, status, headers, exc_info)
            exchange = self._exchange = self._begun()
        if removed := self._runtime.response_headers:
            fields = ((_text(name).lower(), _text(value)) for name, value in headers)
            self._said = said_in(removed, fields)
            headers = _without(removed, headers)
        if exchange.state is State.HOLDING and not exc_info:
            self._carry_out(exchange, exchange.unseen())  # the server is to judge a second head without an error
        self._status, self._exc_info, self._headers = status, exc_info, list(headers)
        if self._gone:
            return self._replace_head(exchange)
        self._carry_out(exchange, exchange.head(_code(status), _as_text(self._headers)))
        return self._server_write if self.is_untouched and self._server_write else self._write

    def _may_concern_us(self, headers: Headers) -> bool:
        """Whether an exchange is to look closer; the cheapest reasons why not come first."""
        runtime = self._runtime
        if runtime.looks_at_every_response or self._bridge is not None or self._question is not None:
            return True
        for field in headers:
            name = field[0]
            if name.__class__ is not str:  # this is asked of every response
                name = _text(name)
            if name.lower() == "content-type" and "text/html" in _text(field[1]).lower():
                return runtime.counts_pages or runtime.cookie.name in self._cookies or self._reader.may_find(self._root)
        return False

    def _begun(self) -> Exchanging:
        runtime, environ = self._runtime, self._environ
        if self._bridge is not None:
            return self._bridge.exchange(self._method, self._spelled)
        fetch_site = environ.get("HTTP_SEC_FETCH_SITE", "")
        purposes = [environ.get(name, "") for name in _PURPOSES] if self._logout_path else ()
        request = Request(
            method=self._method,
            brought=runtime.cookie.find(self._cookies),
            is_logout=bool(self._logout_path) and can_sign_out(self._method, fetch_site, purposes),
            leads_back=partial(runtime.rules.leads_back, self._logout_path, environ.get("HTTP_HOST", "")),
            secure=_is_secure(environ),
            cross_site=fetch_site == "cross-site",
            in_frame=runtime.is_for_frames and environ.get("HTTP_SEC_FETCH_DEST", "") in FRAMES,
            peer=environ.get("REMOTE_ADDR", ""),
        )
        login_key = partial(runtime.rules.browser, self._cookies, environ.get("HTTP_AUTHORIZATION", ""))
        if self._question is not None:
            is_credible = not runtime.is_for_frames or self._has_sign_in()
            return asking.AskingExchange(runtime.policy, request, login_key, self._question, is_credible=is_credible)
        return Exchange(runtime.policy, request, login_key, self._reader.named)

    def _replace_head(self, exchange: Exchanging) -> Write:
        """Give the server a head in place of one that it was given: it raises, or takes it while nothing has left."""
        write: Write = _dropped
        for effect in exchange.replaced(self._headers):
            if isinstance(effect, says.SendHead):
                write = self._give_head(effect.headers or [])
                self.ready.clear()
                self._is_aside = True
        return write

    def _write(self, chunk: bytes) -> None:
        """Take a chunk of an application that writes (PEP 3333, "The write() Callable")."""
        self.wrote = True
        self.take(chunk)
        self.give_to_server()

    def give_to_server(self) -> None:
        """Write what may leave, where the server has a write for it."""
        while self.ready and self._server_write is not None:  # Granian's start_response gives no write
            self._server_write(self.ready.popleft())

    # What the body says.

    @property
    def has_head_left(self) -> bool:
        """Whether the head is with the server."""
        return self._gone

    @property
    def file_wrapper(self) -> Any:
        """What the server offers for files."""
        return self._environ.get("wsgi.file_wrapper")

    @property
    def is_settled(self) -> bool:
        """Whether all that is still to come passes as it comes."""
        return self._is_aside or self._exchange is None

    @property
    def is_untouched(self) -> bool:
        """Whether the head has left, and the body is to leave without anything before, within or behind it."""
        return self._is_aside and not (self.may_owe_calls or self.wrote or self.ready)

    def take(self, chunk: Any, *, last: bool = False) -> None:
        """Take the next chunk of the body; what may leave then is ``ready``."""
        exchange = self._exchange
        if exchange is None:
            # A chunk ahead of any head is the server's to judge; an empty one would only look like the head's end.
            if chunk or self._gone:
                self.ready.append(chunk)
        elif self._is_aside:
            self.ready.append(chunk)
        elif isinstance(chunk, bytes | bytearray | memoryview):
            chunk = bytes(chunk)  # the very bytes, if they are bytes; what may be filled again is copied
            self._carry_out(exchange, exchange.chunk(chunk, chunk, last=last))
        else:
            self._carry_out(exchange, exchange.unseen())
            if exchange.state is not State.BROKEN:
                self.ready.append(chunk)

    def exhausted(self) -> None:
        """Take the end of the application's iterable."""
        if self._exchange is not None and not self._is_aside:
            self._carry_out(self._exchange, self._exchange.chunk(b"", None, last=True))

    def end(self) -> None:
        """Let go of what is held, where the application is done before its response is complete.

        Where it has raised, the server gets the head as well, as it would have got it from the application: some
        servers put their error page in its place, and others (uWSGI, cheroot, Granian) send it.
        """
        self._restore()
        if self._exchange is not None and not self._is_aside:
            self._carry_out(self._exchange, self._exchange.ended(returned=True))

    # What the exchange says.

    def _carry_out(self, exchange: Exchanging, effects: Effects) -> None:
        # By their classes, not by patterns, which take several times as long.
        for effect in effects:  # an answer's effects are put behind its question, which is the last
            if isinstance(effect, says.SendHead):
                self._give_head(self._headers if effect.headers is None else effect.headers)
            elif isinstance(effect, says.SendBody):
                self.is_body_changed = True
                if effect.data:
                    self.ready.append(effect.data)
            elif isinstance(effect, says.Pass):
                self.ready.extend(effect.items)
            elif isinstance(effect, says.Answer):
                self._status, self._exc_info = _status_line(effect.status), None
                self._give_head(effect.headers)
                self.ready.append(effect.body)
                self.is_body_changed = True
            elif isinstance(effect, says.QUESTIONS):
                effects += self._answered(exchange, effect)
            else:
                self._see_to(effect)

    def _answered(self, exchange: Exchanging, question: says.Question) -> Effects:
        try:
            if isinstance(question, says.ReadUser):
                return exchange.reading(self._read(load=question.load))
            return exchange.session(self._result_within(question.seconds, question.future))
        except BaseException:  # an alarm of the site's, a greenlet's timeout, the end of the process
            self._carry_out(exchange, exchange.interrupted())
            self.give_to_server()
            raise

    def _give_head(self, headers: Headers) -> Write:
        exc_info, self._exc_info = self._exc_info, None
        self._server_write = _call(self._server_start, self._status, headers, exc_info)
        self._gone = True
        return self._server_write

    def _see_to(self, effect: says.Effect) -> None:
        """Carry out what neither sends nor asks."""
        if isinstance(effect, says.StandAside):
            self._is_aside = True
        elif isinstance(effect, says.EndSessions):
            self._runtime.sessions.end(effect.ids, effect.marks, by_page=effect.by_page)
            self.may_owe_calls = True
        elif isinstance(effect, says.StartLogin):
            self._runtime.sessions.start(effect.request, effect.old_session_id)
            self.may_owe_calls = True

    def _result_within(self, seconds: float, future: "Future[Session | None]") -> Session | None:
        self.may_owe_calls = True  # a probe, for which no page waits
        # Not future.result(timeout), whose TimeoutError could be that of an alarm.
        wait_for((future,), seconds)
        return future.result() if future.done() and not future.cancelled() else None

    # The user.

    def _read(self, *, load: bool) -> Reading | None:
        if load:
            return self._reader.read_in_environ(self._environ, self._root, self._expected)
        return self._reader.read_free(self._root, self._expected)

    def _root(self, kind: str) -> Any:
        if kind == "environ":
            return self._environ
        if kind == "response":
            return self._said
        if kind == "header":
            return _Headers(self._environ) if self._believed else UNBELIEVED
        if kind == "jwt" and (tokens := self._runtime.tokens) is not None:
            self.may_owe_calls = self.may_owe_calls or tokens.are_put_off
            return tokens.presented(_Headers(self._environ), self._cookies)
        if kind == "session":
            return self._environ.get("beaker.session")
        return None

    # The end.

    def close(self) -> None:
        """Give back what the hold took; make the calls that only this thread can make, now that the page has left."""
        if self._exchange is not None:
            self._exchange.close()
        if self.may_owe_calls:
            self._runtime.sessions.run_pending()


def _as_text(headers: Headers) -> Headers:
    fields: Iterable[Any] = headers
    for field in fields:
        if len(field) != 2 or field[0].__class__ is not str or field[1].__class__ is not str:
            return [(_text(field[0]), _text(field[1])) for field in headers]
    return headers


class _Headers:
    """The request's headers by their hyphenated names, as servers join repeated ones."""

    __slots__ = ("_environ",)

    def __init__(self, environ: "WSGIEnvironment") -> None:
        self._environ = environ

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_key(name)]
        return value


def _key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


def _body(response: _Response, iterable: Any) -> Iterable[bytes]:
    """What the server iterates: the application's own iterable, if nothing of it is changed and it can begin anew."""
    if isinstance(iterable, bytes | bytearray | memoryview):
        iterable = [bytes(iterable)]  # uWSGI takes a string for its one chunk
    if not (hasattr(iterable, "__iter__") or hasattr(iterable, "__getitem__")):
        response.end()  # None, or a server's own word for "it is done": the server knows what it means
        response.close()
        return iterable  # type: ignore[no-any-return]
    body = _Body(response, iterable)
    is_list = isinstance(iterable, list | tuple)
    file = None if is_list else _file_behind(iterable, response.file_wrapper)
    try:
        body.pull_head()
    except BaseException:  # the server refuses the head, and has nothing that it could close
        body.close()
        raise
    if not body.is_as_it_came:
        return body
    if is_list:
        return _Chunks(iterable, body.close) if response.may_owe_calls else iterable
    if file is not None and not response.may_owe_calls and _is_rewound(*file):
        return iterable  # type: ignore[no-any-return]
    return _OneChunk(body) if body.is_one_chunk else body


def _file_behind(iterable: Any, wrapper: Any) -> tuple[Any, int] | None:
    """The file that an iterable reads, and where it stands; ``None`` if there is none that could be read anew.

    Servers know the iterables of their ``wsgi.file_wrapper`` again: they send the file themselves, or take the length
    from it. uWSGI's wrapper gives the file.
    """
    if isinstance(wrapper, type) and isinstance(iterable, wrapper):
        file = getattr(iterable, "filelike", None) or getattr(iterable, "file", None)  # waitress calls it "file"
    else:
        file = iterable if isinstance(iterable, IOBase) else None
    try:
        return None if file is None else (file, file.tell())
    except Exception:  # a pipe, or something else that only reads
        return None


def _is_rewound(file: Any, place: int) -> bool:
    try:
        file.seek(0, SEEK_END)  # to the place alone might not move the descriptor, by which servers send
        file.seek(place)
    except Exception:
        return False
    return True


def _has_one(iterable: Iterable[bytes]) -> bool:
    """Whether it says that it has one chunk; one that cannot say so may have any number."""
    try:
        return len(iterable) == 1  # type: ignore[arg-type]
    except Exception:
        return False


class _Chunks(list[bytes]):
    """An application's list as it came, after which there is something to do; servers ask a list for its length."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None]) -> None:
        super().__init__(chunks)
        self.close = close


class _OneChunk:
    """A body that says that it has one chunk, as the application's iterable does: servers take its length then."""

    __slots__ = ("_body", "close")

    def __init__(self, body: "_Body") -> None:
        self._body = body
        self.close = body.close

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return self._body


class _Body:
    """An application's iterable, from which chunks are pulled until the head may leave, and then as the server asks."""

    __slots__ = ("_ended", "_error", "_iterable", "_iterator", "_response", "is_one_chunk")

    def __init__(self, response: _Response, iterable: Iterable[bytes]) -> None:
        self._response = response
        self._iterable = iterable
        self._iterator: Iterator[bytes] | None = None
        self.is_one_chunk = _has_one(iterable)
        self._ended = False
        self._error: BaseException | None = None

    @property
    def is_as_it_came(self) -> bool:
        """Whether the body is the application's own, from its first chunk on."""
        response = self._response
        if response.is_body_changed or response.wrote or self._error is not None:
            return False
        return response.is_settled

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
            self._response.exhausted()
        except BaseException as error:
            self._error = error
            with suppress(Exception):  # what the application raised is what is to be seen
                self._response.end()
        else:
            self._response.take(chunk, last=self.is_one_chunk)

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

    def raise_error(self) -> None:
        """Raise what the application raised while it was pulled."""
        if self._error is not None:
            raise self._error

    def close_application(self) -> None:
        """Close the application's iterable (PEP 3333: whether or not it was exhausted)."""
        if hasattr(self._iterable, "close"):
            self._iterable.close()

    def close(self) -> None:
        """Close the application's iterable, and give back what was held."""
        try:
            self.close_application()
        finally:
            self._response.close()


if (_served := loading.served(ViafouraMiddleware)) is not None:
    application: ViafouraMiddleware = _served
    app: ViafouraMiddleware = _served


def __getattr__(name: str) -> NoReturn:
    raise loading.absent(__name__, name)
