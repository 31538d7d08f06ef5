"""The ASGI door (ASGI 3.0, HTTP): feeds an application's messages to an exchange, and carries out what it says.

Messages are matched by their position, not by a list of types: what comes before the head passes; what comes while
the head is held waits with it, in order; what carries bytes that we cannot see lets go of what is held. The
application runs in its caller's own task, and its exceptions and its cancellation are never caught for good.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import anyio
from asgiref.compatibility import double_to_single_callable
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viafoura_mw import loading
from viafoura_mw.log import Notices
from viafoura_mw.response.exchange import HOLD, Exchange, Need, State
from viafoura_mw.response.headers import Headers
from viafoura_mw.response.proxies import PROOF
from viafoura_mw.response.request import CONDITIONAL, FILE_EXTENSIONS, Request, narrowed, says_https
from viafoura_mw.runtime import INSIDE, Parts, parts_of
from viafoura_mw.settings import Settings
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UNBELIEVED
from viafoura_mw.user.user import Reading
from viafoura_mw.viafoura.client import Session
from viafoura_mw.waiting import Timer, result_within, start_timer, taken

RawHeaders = list[tuple[bytes, bytes]]
#: ASGI 3, and ASGI 2. Frameworks write the types of scope and messages each in a way of their own.
Application = Callable[[Any, Any, Any], Awaitable[None]] | Callable[[Any], Callable[[Any, Any], Awaitable[None]]]

_START: Final = "http.response.start"
_BODY: Final = "http.response.body"
#: Every message that carries a response's headers: a websocket is accepted, or refused, with headers too.
_HEADS: Final = (_START, "websocket.accept", "websocket.http.response.start")
#: What may be said between a head and its body, and is not part of it.
_ASIDES: Final = ("http.response.early_hint", "http.response.push")
_BODILESS: Final = (*_ASIDES, "http.response.trailers")
_CONDITIONAL: Final = frozenset(name.lower().encode() for name in CONDITIONAL)
_PROOF: Final = PROOF.lower().encode()
_OF_INTEREST: Final = frozenset(
    (b"accept", b"accept-encoding", b"authorization", b"cookie", b"sec-fetch-site", b"x-forwarded-proto", _PROOF)
)


class ViafouraMiddleware:
    """Wraps an ASGI application, so that its signed-in users' pages carry their Viafoura session.

    ``settings=None`` reads the environment. Raises :class:`~viafoura_mw.errors.SettingsError` when that is wrong.
    """

    def __init__(self, app: Application, settings: Settings | None = None) -> None:
        settings = settings or Settings.from_env()
        self._app = _single_callable(app)
        self._removed = frozenset(name.encode() for name in settings.response_headers)
        self._parts = parts_of(settings) if settings.enabled else None
        self._reader = _reader_of(settings, self._parts.notices) if self._parts else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; of anything but HTTP only the headers that are for us alone are kept back."""
        parts, reader = self._parts, self._reader
        if (
            scope["type"] != "http"
            or parts is None
            or reader is None
            or INSIDE in scope
            or not _is_included(parts, scope)
        ):
            removed = self._removed - scope.get(INSIDE, frozenset())
            await self._app(scope, receive, _removing(removed, send) if removed else send)
            return
        scope[INSIDE] = self._removed
        response = _Response(parts, reader, scope, send)
        try:
            await self._app(scope, receive, response.send)
            await response.break_off(returned=True)
        except Exception:
            with suppress(Exception):  # what the application raised is what is to be seen
                await response.break_off(returned=False)
            raise
        finally:
            scope.pop(INSIDE, None)  # a layer outside may try again with the same scope
            response.close()


def _single_callable(app: Any) -> ASGIApp:
    """``app`` as an ASGI 3 application, if it is one that is called twice (ASGI 2)."""
    single: ASGIApp = app if _is_asgi3(app) else double_to_single_callable(app)  # type: ignore[no-untyped-call]
    return single


def _is_asgi3(app: Any) -> bool:
    """Whether one call is enough: the application awaits, or takes what an ASGI 3 application is called with."""
    if inspect.isclass(app):
        return hasattr(app, "__await__")
    call = app if inspect.isfunction(app) else getattr(app, "__call__", None)  # noqa: B004 - its kind is asked for
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return True
    try:
        inspect.signature(app).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def _reader_of(settings: Settings, notices: Notices) -> UserReader:
    return UserReader(settings.user, settings.user_sources, notices, otherwise="scope")


def _is_included(parts: Parts, scope: Scope) -> bool:
    return not parts.rules.looks_at_paths or parts.rules.includes(_path(scope))


def _path(scope: Scope) -> str:
    path, root_path = scope["path"], scope.get("root_path", "").rstrip("/")
    inside = not root_path or path == root_path or path.startswith(root_path + "/")
    whole: str = path if inside else root_path + path
    return whole


def _removing(names: frozenset[bytes], send: Send) -> Send:
    """``send`` without the headers that the application sets for us alone."""

    async def send_without(message: Message) -> None:
        if message["type"] in _HEADS and "headers" in message:
            message = {**message, "headers": [*_without(names, message["headers"])]}
        await send(message)

    return send_without


def _without(names: frozenset[bytes], headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name, value) for name, value in headers if name.lower() not in names)


class _Response:
    """One response on its way out: the application's ``send``, and the exchange between it and the server's."""

    def __init__(self, parts: Parts, reader: UserReader, scope: Scope, send: Send) -> None:
        self._parts = parts
        self._reader = reader
        self._scope = scope
        self._server_send = send
        self._served = reader.expect(scope)
        # Now: what is inside may serve a HEAD by a GET, or take a prefix from the path.
        self._method: str = scope["method"]
        self._is_logout = parts.rules.knows_logout_paths and parts.rules.is_logout(self._method, _path(scope))
        if not isinstance(scope["headers"], list | tuple):
            scope["headers"] = list(scope["headers"])  # an iterator is not to be used up here
        self._fields = _fields_of(scope["headers"])
        self._cookies = self._fields.get(b"cookie", "")
        self._exchange: Exchange | None = None  # none before the head, and where the response is plainly not ours
        self._aside = False  # all that is still to come passes as it comes
        self._timer: Timer | None = None
        self._as_sent: dict[str, tuple[Any, Any]] | None = None  # what is put back once the head has come
        self._believed = parts.proxies.is_configured and self._is_from_proxy()
        if "text/html" in self._fields.get(b"accept", "") and self._may_be_signed_in():
            self._withhold()

    # What the application sees of the request.

    def _is_from_proxy(self) -> bool:
        """Whether the peer's headers may say who the user is; the secret that it sent is not for the application."""
        peer = (self._scope.get("client") or ("",))[0] or ""
        if _PROOF in self._fields:
            self._scope["headers"] = list(_without(frozenset((_PROOF,)), self._scope["headers"]))
        return self._parts.proxies.believes(peer, self._fields.get(_PROOF, ""))

    def _withhold(self) -> None:
        """Take from the scope what would make the application answer with less than a readable page."""
        scope = self._scope
        withheld = _CONDITIONAL if scope["method"] in ("GET", "HEAD") else frozenset()
        headers = self._narrowed(_without(withheld, scope["headers"]))
        self._as_sent = {"headers": (scope["headers"], headers)}
        scope["headers"] = headers
        if extensions := scope.get("extensions"):
            offered = {name: value for name, value in extensions.items() if name not in FILE_EXTENSIONS}
            self._as_sent["extensions"] = (extensions, offered)
            scope["extensions"] = offered

    def _narrowed(self, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """``headers`` with one ``Accept-Encoding`` of what is understood, in the place of the first."""
        accepted = self._fields.get(b"accept-encoding", "")
        narrow: RawHeaders = [(b"accept-encoding", narrowed(accepted, self._parts.understood).encode("latin-1"))]
        kept: RawHeaders = []
        for name, value in headers:
            if name.lower() != b"accept-encoding" or not accepted:
                kept.append((name, value))
            else:
                kept += narrow
                narrow = []
        return kept

    def _restore(self) -> None:
        for key, (as_sent, ours) in (self._as_sent or {}).items():
            if self._scope.get(key) is ours:
                self._scope[key] = as_sent
        self._as_sent = None

    def _may_be_signed_in(self) -> bool:
        return (
            b"authorization" in self._fields
            or (self._cookies != "" and self._parts.may_be_signed_in_by(self._cookies))
            or self._reader.may_be_set(self._root)
        )

    # What the application sends.

    async def send(self, message: Message) -> None:
        """Take the application's next message."""
        if self._exchange is None and message["type"] == _START:
            if self._as_sent:
                self._restore()
            if self._may_concern_us(message):
                self._begin()
            else:
                self._aside = True
        if self._aside or self._exchange is None:
            await self._server_send(message)
            return
        async with taken(self._lock):
            if self._failure is not None:
                raise self._failure
            await self._take(self._exchange, message)

    def _may_concern_us(self, message: Message) -> bool:
        """Whether an exchange is to look closer; the cheapest reasons why not come first."""
        if self._parts.looks_at_every_response:
            return True
        headers = message.get("headers", ())
        if not isinstance(headers, list | tuple):
            return True
        for name, value in headers:
            if name.lower() == b"content-type" and b"text/html" in value.lower():
                return self._parts.settings.cookie_name in self._cookies or self._reader.may_find(self._root)
        return False

    def _begin(self) -> None:
        parts, scope, fields = self._parts, self._scope, self._fields
        self._said: dict[str, str] = {}  # the response's headers for `response:` sources
        self._waiting: list[tuple[Message, Message]] = []  # the application's messages that wait with the head
        self._failure: BaseException | None = None  # of a send that the timer made
        self._lock = anyio.Lock()
        request = Request(
            self._method,
            parts.cookie.find(self._cookies),
            self._is_logout,
            scope.get("scheme") == "https" or says_https(fields.get(b"x-forwarded-proto", "")),
            fields.get(b"sec-fetch-site") == "cross-site",
        )
        browser = partial(parts.rules.browser, self._cookies, fields.get(b"authorization", ""))
        self._exchange = Exchange(parts.terms, request, browser)

    async def _take(self, exchange: Exchange, message: Message) -> None:
        kind = message["type"]
        if self._aside:
            await self._server_send(message)
        elif kind == _START and exchange.state in (State.FRESH, State.HOLDING):
            await self._start(exchange, message)
        elif kind == _BODY:
            await self._feed(exchange, message)
        elif kind in _ASIDES and exchange.state is State.HOLDING:
            self._hold(message)
        else:
            if kind not in _BODILESS:
                exchange.let_go()
                await self._carry_on(exchange)
                await self._send_rest(exchange)
            await self._server_send(message)

    def _hold(self, message: Message) -> None:
        """Keep a message that waits with the head, and how it is now: an application may go on to use it again."""
        self._waiting.append((message, _copied(message)))

    async def _start(self, exchange: Exchange, message: Message) -> None:
        self._cancel_timer()
        message = self._with_own_headers_taken(message)
        self._waiting = []
        self._hold(message)
        self._sent_headers = [(_text(name), _text(value)) for name, value in message.get("headers", ())]
        exchange.start(message["status"], self._sent_headers, self._read_free)
        if exchange.state is State.HOLDING:
            self._hold_until = anyio.current_time() + HOLD
            self._timer = start_timer(HOLD, partial(self._hold_is_over, exchange))
        await self._carry_on(exchange)

    def _with_own_headers_taken(self, message: Message) -> Message:
        """The head without the headers that the application sets for us; the very message if there are none."""
        removed = self._parts.response_headers
        headers = message.get("headers", ())
        if isinstance(headers, list | tuple) and not removed:
            return message
        headers = [(name, value) for name, value in headers]
        names = frozenset(name.encode() for name in removed)
        self._said = {_text(name).lower(): _text(value) for name, value in headers if name.lower() in names}
        return {**message, "headers": list(_without(names, headers))}

    async def _feed(self, exchange: Exchange, message: Message) -> None:
        held, passing = exchange.state is State.HOLDING, exchange.state is State.PASSING
        body, more = message.get("body", b""), message.get("more_body", False)
        if held:
            self._hold(message)
        exchange.feed(body if isinstance(body, bytes) else bytes(body), last=not more)
        if not held:
            out = exchange.take()
            if passing:
                await self._server_send(message)
            elif out or not more:
                await self._server_send(_body(out, more=more))
        elif exchange.state is State.HOLDING and anyio.current_time() >= self._hold_until:
            exchange.hold_is_over()
        await self._carry_on(exchange)

    async def _hold_is_over(self, exchange: Exchange) -> None:
        async with taken(self._lock):
            try:
                exchange.hold_is_over()
                await self._carry_on(exchange)
            except Exception as error:
                self._failure = error

    # What the exchange says.

    async def _carry_on(self, exchange: Exchange) -> None:
        while exchange.need is not None:
            if exchange.need is Need.USER:
                exchange.user_is(await self._read_framework())
            elif exchange.need is Need.SESSION:
                exchange.session_is(await self._session(exchange))
            else:
                self._parts.sessions.ensure(exchange.user, exchange.browser(), exchange.came_with)
                exchange.probed()
        if self._waiting and exchange.state is not State.HOLDING:
            await self._let_head_go(exchange)
        self._aside = exchange.settled

    async def _let_head_go(self, exchange: Exchange) -> None:
        """Send what waited: as it came, or with the exchange's head and body in their places."""
        waiting = [message if message == copy else copy for message, copy in self._waiting]
        self._waiting = []
        if exchange.headers is not self._sent_headers:
            waiting[0] = {**waiting[0], "headers": _raw(exchange.headers, waiting[0].get("headers", ()))}
        out = exchange.take()
        if exchange.state is State.REWRITING:
            bodies = [message for message in waiting if message["type"] == _BODY]
            waiting = [message for message in waiting if message["type"] != _BODY]
            if bodies:
                waiting.append(_body(out, more=bodies[-1].get("more_body", False)))
        await self._server_send(waiting[0])
        if exchange.ended_session:
            self._parts.sessions.logout(exchange.ended_session.id)
        for message in waiting[1:]:
            await self._server_send(message)

    async def _session(self, exchange: Exchange) -> Session | None:
        future = self._parts.sessions.ensure(exchange.user, exchange.browser(), exchange.came_with)
        return await result_within(self._parts.settings.timeout, future)

    # The user.

    def _read_free(self) -> Reading | None:
        return self._reader.read_free(self._root, self._served)

    async def _read_framework(self) -> Reading:
        return await self._reader.read_in_scope(self._scope, self._root, self._served)

    def _root(self, kind: str) -> Any:
        match kind:
            case "scope":
                return self._scope
            case "response":
                return self._said
            case "header":
                return _Headers(self._scope["headers"]) if self._believed else UNBELIEVED
        return None

    # The end.

    async def break_off(self, *, returned: bool) -> None:
        """Let go of what is held when the application has ``returned``, or raised, before its response is complete."""
        exchange = self._exchange
        if exchange is None:
            return
        async with taken(self._lock):  # the timer may be sending
            if not exchange.settled and exchange.break_off(returned=returned):
                await self._carry_on(exchange)
                await self._send_rest(exchange)

    async def _send_rest(self, exchange: Exchange) -> None:
        if rest := exchange.take():
            await self._server_send(_body(rest, more=True))

    def close(self) -> None:
        """Give back what the hold took, whether the response was completed, broken off or cancelled."""
        self._restore()
        self._cancel_timer()
        if self._exchange is not None:
            self._exchange.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Headers:
    """The request's headers by their hyphenated names; one that was sent twice is refused."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = headers

    def _values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [_text(value) for field, value in self._headers if field.lower() == wanted]

    def __contains__(self, name: str) -> bool:
        return bool(self._values(name))

    def __getitem__(self, name: str) -> str:
        values = self._values(name)
        if len(values) > 1:
            raise ValueError("a header that says who the user is came more than once")
        return values[0]


def _fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """The request's headers that matter here; repeated ones joined (RFC 9110 §5.3, RFC 9113 §8.2.3)."""
    fields: dict[bytes, str] = {}
    for name, value in headers:
        if name in _OF_INTEREST:
            joint = "; " if name == b"cookie" else ", "
            fields[name] = f"{fields[name]}{joint}{_text(value)}" if name in fields else _text(value)
    return fields


def _raw(headers: Headers, as_sent: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """``headers`` as bytes; the names of those that the application did not send in lower case, as ASGI has it."""
    own = {name for name, _ in as_sent}
    raw = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    return [(name if name in own else name.lower(), value) for name, value in raw]


def _copied(message: Message) -> Message:
    copy = dict(message)
    if isinstance(headers := copy.get("headers"), list):
        copy["headers"] = list(headers)
    if "body" in copy:
        copy["body"] = bytes(copy["body"])  # the very bytes, if they are bytes
    return copy


def _body(pieces: Iterable[bytes], *, more: bool) -> Message:
    return {"type": _BODY, "body": b"".join(pieces), "more_body": more}


def _text(value: bytes) -> str:
    return value.decode("latin-1")


if _named := loading.named_application():
    application: ViafouraMiddleware = ViafouraMiddleware(loading.load(_named))
    app: ViafouraMiddleware = application
