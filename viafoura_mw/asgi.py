"""The ASGI door (ASGI 3.0, HTTP): tells an exchange of an application's messages, and carries out the effects.

Messages are matched by their position, not by a list of types: what comes before the head passes; what comes while
the head is held waits with it, in order; what carries bytes that we cannot see lets go of what is held. The
application runs in its caller's own task, and its exceptions and its cancellation are never caught for good. What is
held is copied when it comes, and what servers take beyond the specification (headers as text or buffers, a status that
is a string, a body that is ``None``) is taken here as well.
"""

from collections.abc import Awaitable, Callable, Container, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn
from urllib.parse import quote

import anyio
from asgiref.compatibility import double_to_single_callable
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viafoura_mw import loading
from viafoura_mw.bridge import answers, asking
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.interface import interface_of
from viafoura_mw.lifespan import serve_lifespan
from viafoura_mw.response import exchange as says
from viafoura_mw.response.exchange import Effects, Exchange, Exchanging, State
from viafoura_mw.response.guard import FRAMES, Request, can_sign_out, said_in
from viafoura_mw.response.headers import Headers
from viafoura_mw.response.proxies import PROOF
from viafoura_mw.response.request import CONDITIONAL, FILE_EXTENSIONS, narrowed, says_https, wants_html
from viafoura_mw.runtime import INSIDE, Runtime, runtime_of, served_of
from viafoura_mw.settings import Settings
from viafoura_mw.sites import Hosts
from viafoura_mw.user.sources import UNBELIEVED
from viafoura_mw.user.user import Reading
from viafoura_mw.waiting import Lock, Timer, result_within, start_timer

RawHeaders = list[tuple[bytes, bytes]]
#: ASGI 3, and ASGI 2. Frameworks write the types of scope and messages each in a way of their own.
Application = Callable[[Any, Any, Any], Awaitable[None]] | Callable[[Any], Callable[[Any, Any], Awaitable[None]]]

_START: Final = "http.response.start"
_BODY: Final = "http.response.body"
#: Every message that carries a response's headers: a websocket is accepted, or refused, with headers too.
_HEADS: Final = (_START, "websocket.accept", "websocket.http.response.start")
#: What may be said between a head and its body, and is not part of it.
_ASIDES: Final = ("http.response.early_hint", "http.response.push")
_TRAILERS: Final = "http.response.trailers"
_CONDITIONAL: Final = frozenset(name.lower().encode() for name in CONDITIONAL)
_ECHO: Final = answers.ECHO.lower().encode()
#: What the bridge does not show of a question to the application, since it asks one of its own.
_OF_THE_QUESTION: Final = frozenset(
    (
        *(b"content-length", b"content-type", b"transfer-encoding", b"accept-encoding"),
        *(b"if-match", b"if-unmodified-since", b"origin", _ECHO),
        *_CONDITIONAL,
    )
)
#: Messages and bytes of an answer to the bridge's own question after which an application that streams is told that
#: nobody is there any more.
MOST_MESSAGES: Final = 1000
MOST_BYTES: Final = 1024 * 1024
_PROOF: Final = PROOF.lower().encode()
_PROOFS: Final = frozenset((_PROOF,))
_PURPOSES: Final = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
_OF_INTEREST: Final = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"cookie",
        b"forwarded",
        b"hx-request",
        b"sec-fetch-dest",
        b"sec-fetch-site",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        _PROOF,
        *_PURPOSES,
    )
)
#: Seconds in which what is held leaves after a wait was broken off: a visitor who has left may not read it.
FAREWELL: Final = 1.0


class ViafouraMiddleware:
    """Wraps an ASGI application, so that its signed-in users' pages carry their Viafoura session.

    ``settings=None`` reads the environment. Raises :class:`~viafoura_mw.errors.SettingsError` when that is wrong.
    ``compose`` puts the parts together in another way than :func:`~viafoura_mw.runtime.runtime_of`.
    """

    def __init__(
        self,
        app: Application,
        settings: Settings | None = None,
        *,
        compose: Callable[..., Runtime] = runtime_of,
    ) -> None:
        settings = settings or Settings.from_env()
        self._app = _single_callable(app)
        self._removed = frozenset(name.encode() for name in settings.response_headers)
        served = served_of(settings, otherwise="scope", compose=compose)
        self._runtime, self._hosts = served.own, served.hosts
        self._hides_proof = served.hides_proof
        self._is_enabled = settings.enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; of anything but HTTP only the headers that are for us alone are kept back."""
        if scope["type"] == "lifespan" and self._is_enabled:
            return await serve_lifespan(self._app, scope, receive, send)
        runtime = self._runtime if self._hosts is None else self._of_host(self._hosts, scope)
        if runtime is not None and runtime.bridge is not None and scope["type"] == "http" and INSIDE not in scope:
            name = runtime.bridge.name_of(_path(scope))
            if name is not None:
                return await self._bridged(runtime, runtime.bridge, name, scope, receive, send)
        if scope["type"] != "http" or runtime is None or INSIDE in scope or not _is_included(runtime, scope):
            if self._hides_proof:
                _strip_proof(scope)
            removed = self._removed - scope.get(INSIDE, frozenset())
            return await self._app(scope, receive, _removing(removed, send) if removed else send)
        scope[INSIDE] = self._removed
        response = _Response(runtime, scope, send)
        try:
            await self._app(scope, receive, response.send)
            if response.is_ours:
                await response.end(returned=True)
        except Exception:
            with suppress(Exception):  # what the application raised is what is to be seen
                await response.end(returned=False)
            raise
        finally:
            scope.pop(INSIDE, None)  # a layer outside may try again with the same scope
            response.close()

    def _of_host(self, hosts: "Hosts[Runtime | None]", scope: Scope) -> Runtime | None:
        """The runtime of the request's site; a proxy's secret that this site does not ask for is taken away."""
        runtime = hosts.choose(_host(scope))
        if self._hides_proof and not (runtime is not None and runtime.proxies.has_secret):
            _strip_proof(scope)
        return runtime

    async def _bridged(
        self, runtime: Runtime, bridge: Bridge, name: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer at one of the bridge's addresses."""
        reply = _reply(runtime, bridge, name, scope)
        if reply is not None:
            await _replied(runtime, reply, send)
            return
        inner = _asked_of_application(bridge, scope, self._removed)
        is_renewal = scope.get("query_string", b"") == b"renew"
        question = asking.Question(_joined(scope["headers"], _ECHO) or "", is_renewal)
        response = _Response(runtime, inner, send, question)
        if not response.may_be_signed_in():
            await _replied(runtime, asking.nobody(runtime.policy, question.echo), send)
            return
        asked = _Asked(response, receive)
        try:
            await self._app(inner, asked.receive, asked.send)
        except Exception:
            if not asked.is_told_off:
                raise
        finally:
            response.close()


def _single_callable(app: Any) -> ASGIApp:
    """``app`` as an ASGI 3 application, if it is one that is called twice (ASGI 2)."""
    single: ASGIApp = app
    if interface_of(app) == "asgi2":
        single = double_to_single_callable(app)  # type: ignore[no-untyped-call]
    return single


def _is_included(runtime: Runtime, scope: Scope) -> bool:
    return not runtime.rules.looks_at_paths or runtime.rules.includes(_path(scope))


def _host(scope: Scope) -> str:
    """The request's ``Host``; empty where there is none, or more than one (RFC 9112 §3.2)."""
    if not isinstance(headers := scope.get("headers", ()), list | tuple):
        headers = scope["headers"] = list(headers)  # an iterator is not to be used up here
    hosts = [value for name, value in headers if name == b"host"]
    return _text(hosts[0]) if len(hosts) == 1 else ""


def _strip_proof(scope: Scope) -> None:
    """Keep a proxy's secret from the application, where nobody asks for it as well."""
    if any(name.lower() == _PROOF for name, _ in scope.get("headers", ())):
        scope["headers"] = list(_without(_PROOFS, scope["headers"]))


def _path(scope: Scope) -> str:
    path, root_path = scope["path"], scope.get("root_path", "").rstrip("/")
    inside = not root_path or path == root_path or path.startswith(root_path + "/")
    whole: str = path if inside else root_path + path
    return whole


def _reply(runtime: Runtime, bridge: Bridge, name: str, scope: Scope) -> answers.Reply | None:
    """What the bridge answers by itself; ``None`` where the application must be asked."""
    method, headers = scope["method"], scope["headers"]
    if not isinstance(headers, list | tuple):
        headers = scope["headers"] = list(headers)
    if name == answers.SCRIPT:
        query = scope.get("query_string", b"").decode("latin-1")
        return answers.script_reply(bridge.script, method, query, _joined(headers, b"if-none-match") or "")
    refusal = answers.refusal(
        method, lambda field: _joined(headers, field.lower().encode()), debug=runtime.policy.debug
    )
    if refusal is not None or name != answers.LOGOUT:
        return refusal
    fields = _fields_of(headers)
    brought = runtime.cookie.find(fields.get(b"cookie", ""))
    return asking.logged_out(runtime.policy, _joined(headers, _ECHO) or "", brought, secure=_is_secure(scope, fields))


async def _replied(runtime: Runtime, reply: answers.Reply, send: Send) -> None:
    for effect in reply.effects:
        assert isinstance(effect, says.EndSessions)
        runtime.sessions.end(effect.ids, effect.marks)
    await send({"type": _START, "status": reply.status, "headers": _raw(reply.headers)})
    await send({"type": _BODY, "body": reply.body})


def _joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """A header's values as one list; ``None`` where it is not there."""
    values = [_text(value) for field, value in headers if field.lower() == name]
    return ", ".join(values) if values else None


def _raw(headers: Headers, own: Container[str] = ()) -> RawHeaders:
    """Headers as a server takes them, their names in lower case but for those that are the application's ``own``."""
    return [
        ((name if name in own else name.lower()).encode("latin-1"), value.encode("latin-1")) for name, value in headers
    ]


def _asked_of_application(bridge: Bridge, scope: Scope, removed: frozenset[bytes]) -> Scope:
    """The scope of the request that shows who is reading: a GET of the browser's, in a copy."""
    headers = [*_without(_OF_THE_QUESTION, scope["headers"]), (b"accept-encoding", b"identity")]
    extensions = {name: value for name, value in (scope.get("extensions") or {}).items() if name not in FILE_EXTENSIONS}
    inner = {**scope, "method": "GET", "query_string": b"", "headers": headers, "extensions": extensions}
    if bridge.user_path:
        root_path = scope.get("root_path", "").rstrip("/")
        is_whole = scope["path"].startswith(root_path + "/")  # as ASGI has it; some servers give the rest alone
        inner["path"] = (root_path if is_whole else "") + bridge.user_path
        inner["raw_path"] = quote(inner["path"]).encode("ascii")
    inner[INSIDE] = removed
    return inner


def _is_secure(scope: Scope, fields: dict[bytes, str]) -> bool:
    return scope.get("scheme") == "https" or says_https(fields.get(b"x-forwarded-proto", ""))


class _Asked:
    """An application that is asked who is reading: its request is empty, and its body is thrown away."""

    __slots__ = ("_dropped", "_has_answered", "_has_asked", "_messages", "_response", "_server_receive", "is_told_off")

    def __init__(self, response: "_Response", receive: Receive) -> None:
        self._response = response
        self._server_receive = receive
        self._has_asked = False
        self._has_answered = False
        self._messages = 0
        self._dropped = 0  # bytes
        self.is_told_off = False  # it went on and on, and was told that nobody is there

    async def receive(self) -> Message:
        """An empty request; then, when it comes, the disconnect."""
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while True:
            message = await self._server_receive()
            if message["type"] != "http.request":
                return message

    async def send(self, message: Message) -> None:
        """Take the head, and drop all else; raises ``OSError``, as servers do, where that does not end."""
        self._has_answered = self._has_answered or message["type"] == _START
        if self._has_answered:
            await self._response.send(message)
        self._messages += 1
        self._dropped += len(_bytes(message.get("body")) or b"")
        if self._messages > MOST_MESSAGES or self._dropped > MOST_BYTES:
            self.is_told_off = True
            raise OSError("the answer was thrown away")


def _removing(names: frozenset[bytes], send: Send) -> Send:
    """``send`` without the headers that the application sets for us alone."""

    async def send_without(message: Message) -> None:
        if message["type"] in _HEADS and "headers" in message:
            message = {**message, "headers": [field for field in message["headers"] if _name(field[0]) not in names]}
        await send(message)

    return send_without


def _without(names: frozenset[bytes], headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name, value) for name, value in headers if name.lower() not in names)


class _Response:
    """One response on its way out: the application's ``send``, and the exchange between it and the server's."""

    __slots__ = (
        "_as_sent",
        "_believed",
        "_bridge",
        "_cookies",
        "_exchange",
        "_expected",
        "_failure",
        "_fields",
        "_gone",
        "_has_trailers",
        "_head",
        "_is_aside",
        "_is_timed",
        "_lock",
        "_logout_path",
        "_method",
        "_question",
        "_reader",
        "_runtime",
        "_said",
        "_scope",
        "_server_send",
        "_spelled",
        "_timer",
    )

    def __init__(self, runtime: Runtime, scope: Scope, send: Send, question: asking.Question | None = None) -> None:
        self._runtime = runtime
        self._question = question  # who is reading, where this is the application's answer to that
        self._reader = runtime.reader
        self._scope = scope
        self._server_send = send
        # Now: what is inside may serve a HEAD by a GET, or take a prefix from the path.
        self._method: str = scope["method"]
        path = _path(scope) if runtime.rules.knows_logout_paths else ""
        self._logout_path = path if path and runtime.rules.is_logout(self._method, path) else ""
        if not isinstance(scope["headers"], list | tuple):
            scope["headers"] = list(scope["headers"])  # an iterator is not to be used up here
        self._fields = _fields_of(scope["headers"])
        self._cookies = self._fields.get(b"cookie", "")
        self._exchange: Exchanging | None = None  # none before the head, and where the response is plainly not ours
        self._is_aside = False  # all that is still to come passes as it comes
        self._head = _Sent({})  # the application's
        self._gone = False  # the head has been given to the server
        self._has_trailers = False
        self._said: dict[str, object] = {}  # the response's headers for `response:` sources
        self._lock: Lock | None = None
        self._timer: Timer | None = None
        self._is_timed = False  # the timer's own task is at work
        self._failure: BaseException | None = None  # of a send that the timer made
        self._as_sent: dict[str, tuple[Any, Any]] | None = None  # what is put back once the head has come
        self._believed = runtime.proxies.is_configured and self._is_from_proxy()
        self._bridge = runtime.bridge if question is None and self._is_bridged(runtime.bridge) else None
        self._expected = runtime.reader.expect(scope) if self._bridge is None else None
        accept = self._fields.get(b"accept", "")  # a browser's says so without a further look
        is_for_page = "text/html" in accept or (
            accept != "" and wants_html(accept, self._fields.get(b"hx-request", ""))
        )
        if self._bridge is not None:
            self._withhold_from_shared(self._bridge, is_for_page=is_for_page)
        elif is_for_page:
            self._withhold()

    def _is_bridged(self, bridge: Bridge | None) -> bool:
        if bridge is None:
            return False
        path = _path(self._scope)
        return bridge.bridges(path) and not self._runtime.rules.is_logout_path(path)

    # What the application sees of the request.

    def _is_from_proxy(self) -> bool:
        """Whether the peer's headers may say who the user is; the secret that it sent is not for the application."""
        secret = self._fields.get(_PROOF, "")
        if _PROOF in self._fields:
            self._scope["headers"] = list(_without(_PROOFS, self._scope["headers"]))
        forwarded = ",".join(filter(None, map(self._fields.get, (b"x-forwarded-for", b"forwarded"))))
        return self._runtime.proxies.believes(_peer(self._scope), secret, forwarded)

    def _withhold(self) -> None:
        """Take from the scope what would make the application answer with less than a readable page."""
        if not self.may_be_signed_in():
            return
        scope = self._scope
        withheld = _CONDITIONAL if scope["method"] in ("GET", "HEAD") else frozenset()
        self._show(self._narrowed(_without(withheld, scope["headers"])))
        self._offer_no_files()

    def _withhold_from_shared(self, bridge: Bridge, *, is_for_page: bool) -> None:
        """Show the application validators of its own, whoever asks."""
        headers = self._scope["headers"]
        found = {name: _joined(headers, name.lower().encode()) for name in CONDITIONAL}
        fields = {name: value for name, value in found.items() if value is not None}
        changed, self._spelled = bridge.conditions(self._method, fields, wants_html=is_for_page)
        is_for_page = is_for_page and self._method in ("GET", "HEAD")
        if changed or is_for_page:
            kept = _without(frozenset(name.lower().encode() for name in changed), headers)
            shown = [(name.lower().encode(), value.encode("latin-1")) for name, value in changed.items() if value]
            self._show([*(self._narrowed(kept) if is_for_page else kept), *shown])
        if is_for_page:
            self._offer_no_files()

    def _show(self, headers: RawHeaders) -> None:
        self._as_sent = {"headers": (self._scope["headers"], headers)}
        self._scope["headers"] = headers

    def _offer_no_files(self) -> None:
        scope = self._scope
        if self._as_sent is not None and (extensions := scope.get("extensions")):
            offered = {name: value for name, value in extensions.items() if name not in FILE_EXTENSIONS}
            self._as_sent["extensions"] = (extensions, offered)
            scope["extensions"] = offered

    def _narrowed(self, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """``headers`` with one ``Accept-Encoding`` of what is understood, in the place of the first."""
        accepted = self._fields.get(b"accept-encoding", "")
        narrow: RawHeaders = [(b"accept-encoding", narrowed(accepted, self._runtime.understood).encode("latin-1"))]
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

    def may_be_signed_in(self) -> bool:
        """Whether the request may be a signed-in user's."""
        return (
            b"authorization" in self._fields
            or (self._cookies != "" and self._runtime.may_be_signed_in_by(self._cookies))
            or self._reader.may_be_set(self._root)
        )

    def _has_sign_in(self) -> bool:
        """Whether it has a sign-in of the site's own, so that our cookie is not all that the browser sent."""
        return (
            b"authorization" in self._fields
            or self._runtime.rules.may_be_signed_in_by(self._cookies)
            or self._reader.may_be_set(self._root)
        )

    # What the application sends.

    async def send(self, message: Message) -> None:
        """Take the application's next message."""
        if self._exchange is None and message["type"] == _START:
            if self._as_sent:
                self._restore()
            if self._may_concern_us(message):
                self._exchange = self._begun()
                self._lock = Lock()
            else:
                self._is_aside = True
        exchange, lock = self._exchange, self._lock
        if self._is_aside or exchange is None or lock is None:
            await self._server_send(message)
            return
        if not lock.take_if_free():
            try:
                await lock.take()
            except BaseException:  # while the timer waits for a login
                self._cancel_timer()
                raise
        try:
            if self._failure is not None:
                raise self._failure
            await self._take(exchange, message)
        finally:
            lock.release()

    def _may_concern_us(self, message: Message) -> bool:
        """Whether an exchange is to look closer; the cheapest reasons why not come first."""
        runtime = self._runtime
        if runtime.looks_at_every_response or self._bridge is not None or self._question is not None:
            return True
        headers = message.get("headers", ())
        if not isinstance(headers, list | tuple):
            return True
        for name, value in headers:  # of every response
            lower = name.lower() if name.__class__ is bytes else _name(name)
            if lower == b"content-type" and "text/html" in _text(value).lower():
                return runtime.counts_pages or runtime.cookie.name in self._cookies or self._reader.may_find(self._root)
        return False

    def _begun(self) -> Exchanging:
        runtime, scope, fields = self._runtime, self._scope, self._fields
        if self._bridge is not None:
            return self._bridge.exchange(self._method, self._spelled)
        fetch_site = fields.get(b"sec-fetch-site", "")
        request = Request(
            method=self._method,
            brought=runtime.cookie.find(self._cookies),
            is_logout=bool(self._logout_path)
            and can_sign_out(self._method, fetch_site, [fields.get(name, "") for name in _PURPOSES]),
            leads_back=partial(runtime.rules.leads_back, self._logout_path, _host(scope) if self._logout_path else ""),
            secure=_is_secure(scope, fields),
            cross_site=fetch_site == "cross-site",
            in_frame=runtime.is_for_frames and fields.get(b"sec-fetch-dest", "") in FRAMES,
            peer=_peer(scope),
        )
        login_key = partial(runtime.rules.browser, self._cookies, fields.get(b"authorization", ""))
        if self._question is not None:
            is_credible = not runtime.is_for_frames or self._has_sign_in()
            return asking.AskingExchange(runtime.policy, request, login_key, self._question, is_credible=is_credible)
        return Exchange(runtime.policy, request, login_key, self._reader.named)

    async def _take(self, exchange: Exchanging, message: Message) -> None:
        """Tell the exchange of a message by its position, not by a list of types."""
        kind = message["type"]
        if self._is_aside:
            await self._server_send(message)
        elif kind == _START and not self._gone:
            self._cancel_timer()
            self._has_trailers = bool(message.get("trailers"))
            self._head, fields = self._taken_apart(message)
            await self._carry_out(exchange, exchange.head(_code(message), fields))
        elif kind == _BODY and (body := _bytes(message.get("body"))) is not None:
            last = not message.get("more_body", False)
            await self._carry_out(exchange, exchange.chunk(body, _Sent(message), last=last))
        elif kind in _ASIDES:
            await self._carry_out(exchange, exchange.aside(_Sent(message)))
        elif kind == _TRAILERS:
            fields = [(_text(name), _text(value)) for name, value in message.get("headers", ())]
            self._head = _Sent(message)
            await self._carry_out(exchange, exchange.trailers(fields, self._head))
        elif exchange.state is not State.BROKEN:
            await self._carry_out(exchange, exchange.unseen())
            await self._server_send(message)

    def _taken_apart(self, message: Message) -> "tuple[_Sent, Headers]":
        """A head without the headers that the application sets for us, and its headers as text."""
        headers = message.get("headers", ())
        removed = self._runtime.response_headers
        if removed or not isinstance(headers, list | tuple):
            headers = list(headers)
            fields = ((_text(name).lower(), _text(value)) for name, value in headers)
            self._said = said_in(removed, fields)
            headers = [field for field in headers if _text(field[0]).lower() not in removed]
            message = {**message, "headers": headers}
        return _Sent(message), [(_text(name), _text(value)) for name, value in headers]

    async def _hold_is_over(self, exchange: Exchanging) -> None:
        assert self._lock is not None
        await self._lock.take()
        self._is_timed = True
        try:
            await self._carry_out(exchange, exchange.hold_over())
        except Exception as error:
            self._failure = error
        finally:
            self._is_timed = False
            self._timer = None
            self._lock.release()

    # What the exchange says.

    async def _carry_out(self, exchange: Exchanging, effects: Effects) -> None:
        # By their classes, not by patterns, which take several times as long.
        for effect in effects:  # an answer's effects are put behind its question, which is the last
            if isinstance(effect, says.SendHead):
                if not self._is_timed:
                    self._cancel_timer()
                headers = effect.headers
                await self._server_send(self._head.as_it_came() if headers is None else self._with_headers(headers))
                self._gone = True
            elif isinstance(effect, says.Pass):
                for item in effect.items:
                    await self._server_send(item.as_it_came())
            elif isinstance(effect, says.SendBody):
                await self._server_send({"type": _BODY, "body": effect.data, "more_body": effect.more})
            elif isinstance(effect, says.SendTrailers):
                await self._server_send(self._with_headers(effect.headers))
            elif isinstance(effect, says.Answer):
                self._gone = True
                await self._server_send({"type": _START, "status": effect.status, "headers": _raw(effect.headers)})
                await self._server_send({"type": _BODY, "body": effect.body})
            elif isinstance(effect, says.QUESTIONS):
                effects += await self._answered(exchange, effect)
            else:
                self._see_to(exchange, effect)

    def _see_to(self, exchange: Exchanging, effect: says.Effect) -> None:
        """Carry out what neither sends nor asks."""
        if isinstance(effect, says.StandAside):
            self._is_aside = not self._has_trailers  # which may describe the page as it was
        elif isinstance(effect, says.Hold):
            self._timer = start_timer(effect.seconds, partial(self._hold_is_over, exchange))
        elif isinstance(effect, says.EndSessions):
            self._runtime.sessions.end(effect.ids, effect.marks, by_page=effect.by_page)
        elif isinstance(effect, says.StartLogin):
            self._runtime.sessions.start(effect.request, effect.old_session_id)

    async def _answered(self, exchange: Exchanging, question: says.Question) -> Effects:
        try:
            if isinstance(question, says.ReadUser):
                return exchange.reading(await self._read(load=question.load))
            return exchange.session(await result_within(question.seconds, question.future))
        except GeneratorExit:  # the event loop has ended: nothing can be awaited any more
            exchange.interrupted()
            raise
        except BaseException:  # the visitor has left, or a deadline of the site's has passed
            with anyio.move_on_after(FAREWELL, shield=True), suppress(Exception):
                await self._carry_out(exchange, exchange.interrupted())
            raise

    def _with_headers(self, headers: Headers) -> Message:
        """The message with other fields; the names of those that the application did not send in lower case."""
        head = self._head.as_it_came()
        return {**head, "headers": _raw(headers, {_text(name) for name, _ in head.get("headers", ())})}

    # The user.

    async def _read(self, *, load: bool) -> Reading | None:
        if load:
            return await self._reader.read_in_scope(self._scope, self._root, self._expected)
        return self._reader.read_free(self._root, self._expected)

    def _root(self, kind: str) -> Any:
        if kind == "scope":
            return self._scope
        if kind == "response":
            return self._said
        if kind == "header":
            return _Headers(self._scope["headers"]) if self._believed else UNBELIEVED
        if kind == "jwt" and (tokens := self._runtime.tokens) is not None:
            return tokens.presented(_Headers(self._scope["headers"]), self._cookies)
        if kind == "session":
            return self._scope.get("session")
        return None

    # The end.

    @property
    def is_ours(self) -> bool:
        """Whether an exchange has looked at the response."""
        return self._exchange is not None

    async def end(self, *, returned: bool) -> None:
        """Let go of what is held when the application has ``returned``, or raised, before its response is complete."""
        if self._exchange is None or self._lock is None:
            return
        await self._lock.take()  # the timer may be sending
        try:
            if not self._is_aside:
                await self._carry_out(self._exchange, self._exchange.ended(returned=returned))
        finally:
            self._lock.release()

    def close(self) -> None:
        """Give back what the hold took, whether the response was completed, broken off or cancelled."""
        if self._as_sent:
            self._restore()
        if self._exchange is not None:
            self._cancel_timer()
            self._exchange.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Sent:
    """A message as it was when the application sent it: the application may go on to use it again."""

    __slots__ = ("_copy", "_message")

    def __init__(self, message: Message) -> None:
        self._message = message
        self._copy = _copied(message)

    def as_it_came(self) -> Message:
        """The very message, where it is still what it was."""
        return self._message if self._message == self._copy else self._copy


def _copied(message: Message) -> Message:
    copy = dict(message)
    if isinstance(headers := copy.get("headers"), list):
        copy["headers"] = list(headers)
    if isinstance(body := copy.get("body"), bytearray | memoryview):
        copy["body"] = bytes(body)
    return copy


class _Headers:
    """The request's headers by their hyphenated names; one that was sent twice is refused."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = headers

    def _values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [_text(value) for field, value in self._headers if field.lower() == wanted]

    def __contains__(self, name: str) -> bool:
        return bool(self._values(name))

    def __getitem__(self, name: str) -> str:
        values = self._values(name)
        if len(values) != 1:
            raise ValueError("a header that says who the user is came more than once")
        return values[0]


def _fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """The request's headers that matter here; repeated ones joined once (RFC 9110 §5.3, RFC 9113 §8.2.3)."""
    fields: dict[bytes, str] = {}
    repeated: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in _OF_INTEREST:
            text = value.decode("latin-1") if value.__class__ is bytes else _text(value)
            if name in fields:
                repeated.setdefault(name, [fields[name]]).append(text)
            else:
                fields[name] = text
    for name, values in repeated.items():
        fields[name] = ("; " if name == b"cookie" else ", ").join(values)
    return fields


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0] or "") if client else ""


def _name(name: Any) -> bytes:
    """A header's name in lower case, as servers take it."""
    return name.lower() if name.__class__ is bytes else _text(name).lower().encode("latin-1", "replace")


def _text(value: Any) -> str:
    """A header's name or value as text; servers take strings and buffers as well."""
    if value.__class__ is bytes:
        return value.decode("latin-1")
    return bytes(value).decode("latin-1") if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _bytes(body: Any) -> bytes | None:
    """The bytes of a body, as servers take it; ``None`` for what has none."""
    if body.__class__ is bytes:
        return body
    if body is None:
        return b""
    return bytes(body) if isinstance(body, bytes | bytearray | memoryview) else None


def _code(message: Message) -> int:
    """The status code; 0 for what is none, which only the server can judge."""
    try:
        return int(message["status"])
    except (ValueError, TypeError, KeyError):
        return 0


if (_served := loading.served(ViafouraMiddleware)) is not None:
    application: ViafouraMiddleware = _served
    app: ViafouraMiddleware = _served


def __getattr__(name: str) -> NoReturn:
    raise loading.absent(__name__, name)
