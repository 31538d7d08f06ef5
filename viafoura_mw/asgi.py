"""The ASGI door (ASGI 3.0, HTTP): tells an exchange of an application's messages, and carries out the effects.

Messages are matched by their position, not by a list of types: what comes before the head passes; what comes while
the head is held waits with it, in order; what carries bytes that we cannot see lets go of what is held. The
application runs in its caller's own task, and its exceptions and its cancellation are never caught for good. What is
held is copied when it comes, and what servers take beyond the specification (headers as text or buffers, a status that
is a string, a body that is ``None``) is taken here as well.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn

import anyio
from asgiref.compatibility import double_to_single_callable
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viafoura_mw import loading
from viafoura_mw.asgi_asked import Asked
from viafoura_mw.asgi_messages import ASIDES, BODY, START, TRAILERS, Sent, bytes_of, code_of, raw, removing, texts_of
from viafoura_mw.asgi_scope import (
    LAYOUT,
    AsSent,
    asked_of_application,
    fields_of,
    host_of,
    listed,
    path_of,
    restore,
    show,
    take_proof,
)
from viafoura_mw.bridge import answers, asking
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.incoming import Incoming, bridge_reply
from viafoura_mw.interface import interface_of
from viafoura_mw.lifespan import serve_lifespan
from viafoura_mw.response import effects as says
from viafoura_mw.response.effects import Effects, Exchanging, State
from viafoura_mw.response.guard import said_in
from viafoura_mw.response.headers import LISTS, Headers, as_text, without
from viafoura_mw.runtime import INSIDE, Runtime, runtime_of, served_of
from viafoura_mw.settings import Settings
from viafoura_mw.waiting import Lock, Timer, result_within, start_timer

#: ASGI 3, and ASGI 2. Frameworks write the types of scope and messages each in a way of their own.
Application = Callable[[Any, Any, Any], Awaitable[None]] | Callable[[Any], Callable[[Any, Any], Awaitable[None]]]

#: Seconds in which what is held leaves after a wait was broken off: a visitor who has left may not read it.
FAREWELL: Final = 1.0
_NO_HEAD: Final = Sent({})


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
        self._removed = settings.response_headers
        served = served_of(settings, otherwise="scope", compose=compose)
        self._runtime, self._hosts = served.own, served.hosts
        self._hides_proof = served.hides_proof
        self._is_enabled = settings.enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; of anything but HTTP only the headers that are for us alone are kept back."""
        if scope["type"] == "lifespan" and self._is_enabled:
            return await serve_lifespan(self._app, scope, receive, send)
        runtime = self._runtime if self._hosts is None else self._hosts.choose(host_of(scope))
        proof = take_proof(scope) if self._hides_proof else ""
        if scope["type"] != "http" or runtime is None or INSIDE in scope:
            return await self._passed_by(scope, receive, send)
        if runtime.looks_at_paths:
            path = path_of(scope)
            if runtime.bridge is not None and (name := runtime.bridge.name_of(path)) is not None:
                return await self._bridged(runtime, runtime.bridge, name, scope, receive, send, proof)
            if not runtime.rules.includes(path):
                return await self._passed_by(scope, receive, send)
        scope[INSIDE] = self._removed
        incoming = Incoming(runtime, LAYOUT, scope, fields_of(listed(scope)), scope["method"], proof)
        response = _Response(incoming, scope, send)
        try:
            await self._app(scope, receive, response.send)
            if response.is_unsettled:
                await response.end(returned=True)
        except Exception:
            with suppress(Exception):  # what the application raised is what is to be seen
                await response.end(returned=False)
            raise
        finally:
            scope.pop(INSIDE, None)  # a layer outside may try again with the same scope
            response.close()

    async def _passed_by(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, but for the headers that it sets for us alone."""
        removed = self._removed - scope.get(INSIDE, frozenset())
        await self._app(scope, receive, removing(removed, send) if removed else send)

    async def _bridged(
        self, runtime: Runtime, bridge: Bridge, name: str, scope: Scope, receive: Receive, send: Send, proof: str
    ) -> None:
        """Answer at one of the bridge's addresses."""
        fields, query = fields_of(listed(scope)), scope.get("query_string", b"").decode("latin-1")
        reply = bridge_reply(runtime, bridge, name, LAYOUT, scope, fields, scope["method"], query)
        if reply is not None:
            await _replied(runtime, reply, send)
            return
        inner = asked_of_application(bridge, scope, self._removed)
        question = asking.Question(fields[LAYOUT.keys[answers.ECHO]], query == "renew")
        incoming = Incoming(runtime, LAYOUT, inner, fields_of(inner["headers"]), "GET", proof, question)
        if not incoming.may_be_signed_in():
            await _replied(runtime, asking.nobody(runtime.policy, question.echo), send)
            return
        response = _Response(incoming, inner, send)
        asked = Asked(response.send, receive)
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


async def _replied(runtime: Runtime, reply: answers.Reply, send: Send) -> None:
    for effect in reply.effects:
        assert isinstance(effect, says.EndSessions)
        runtime.sessions.end(effect.ids, effect.marks)
    await send({"type": START, "status": reply.status, "headers": raw(reply.headers)})
    await send({"type": BODY, "body": reply.body})


class _Response:
    """One response on its way out: the application's ``send``, and the exchange between it and the server's."""

    __slots__ = (
        "_as_sent",
        "_exchange",
        "_failure",
        "_gone",
        "_has_trailers",
        "_head",
        "_incoming",
        "_is_aside",
        "_is_timed",
        "_lock",
        "_scope",
        "_server_send",
        "_timer",
    )

    def __init__(self, incoming: Incoming, scope: Scope, send: Send) -> None:
        self._incoming = incoming
        self._scope = scope
        self._server_send = send
        self._exchange: Exchanging | None = None  # none before the head, and where the response is plainly not ours
        self._is_aside = False  # all that is still to come passes as it comes
        self._head = _NO_HEAD  # the application's
        self._gone = False  # the head has been given to the server
        self._has_trailers = False
        self._lock: Lock | None = None
        self._timer: Timer | None = None
        self._is_timed = False  # the timer's own task is at work
        self._failure: BaseException | None = None  # of a send that the timer made
        shown = incoming.shown()
        self._as_sent: AsSent = {} if shown is None else show(scope, shown)

    # What the application sends.

    async def send(self, message: Message) -> None:
        """Take the application's next message."""
        if self._exchange is None and message["type"] == START:
            if self._as_sent:
                self._restore()
            if self._may_concern_us(message):
                self._exchange = self._incoming.exchange()
                self._lock = Lock()
            else:
                self._is_aside = True
        exchange, lock = self._exchange, self._lock
        if exchange is None or lock is None or (self._is_aside and not lock.is_taken):  # what waits for it goes first
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
            await self._carry_out(exchange, self._told(exchange, message))
        finally:
            lock.release()

    def _restore(self) -> None:
        """Show the layers outside the request as it came."""
        restore(self._scope, self._as_sent)
        self._as_sent = {}

    def _may_concern_us(self, message: Message) -> bool:
        headers = message.get("headers", ())
        # An iterator is not to be used up here.
        return not isinstance(headers, LISTS) or self._incoming.may_concern_us(headers)

    def _told(self, exchange: Exchanging, message: Message) -> Effects:
        """Tell the exchange of a message by its position, not by a list of types."""
        kind = message["type"]
        if self._is_aside:
            return [says.Pass([Sent(message)])]
        if kind == START and not self._gone:
            self._cancel_timer()
            self._has_trailers = bool(message.get("trailers"))
            self._head, fields = self._taken_apart(message)
            return exchange.head(code_of(message), fields)
        if kind == BODY and (body := bytes_of(message.get("body"))) is not None:
            return exchange.chunk(body, Sent(message), last=not message.get("more_body", False))
        if kind in ASIDES:
            return exchange.aside(Sent(message))
        if kind == TRAILERS:
            self._head = Sent(message)
            return exchange.trailers(texts_of(message.get("headers", ())), self._head)
        if exchange.state is State.BROKEN:
            return []
        return [*exchange.unseen(), says.Pass([Sent(message)])]

    def _taken_apart(self, message: Message) -> tuple[Sent, Headers]:
        """A head without the headers that the application sets for us, and its headers as text."""
        headers = message.get("headers", ())
        removed = self._incoming.runtime.response_headers
        if removed or not isinstance(headers, LISTS):
            headers = list(headers)
            fields = ((as_text(name).lower(), as_text(value)) for name, value in headers)
            self._incoming.said = said_in(removed, fields)
            headers = without(removed, headers)
            message = {**message, "headers": headers}
        return Sent(message), texts_of(headers)

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
                await self._server_send(self._own_head(effect.headers))
                self._gone = True
            elif isinstance(effect, says.SendBody):
                await self._server_send({"type": BODY, "body": effect.data, "more_body": effect.more})
            elif isinstance(effect, says.QUESTIONS):
                effects += await self._answered(exchange, effect)
            elif isinstance(effect, says.StandAside):
                self._is_aside = not self._has_trailers  # which may describe the page as it was
            elif isinstance(effect, says.Hold):
                self._timer = start_timer(effect.seconds, partial(self._hold_is_over, exchange))
            elif isinstance(effect, says.Pass):
                for item in effect.items:
                    await self._server_send(item.as_it_came())
            else:
                await self._carry_out_rarer(effect)

    async def _carry_out_rarer(self, effect: says.Effect) -> None:
        if isinstance(effect, says.SendTrailers):
            await self._server_send(self._head.with_headers(effect.headers))
        elif isinstance(effect, says.Answer):
            self._gone = True
            await self._server_send({"type": START, "status": effect.status, "headers": raw(effect.headers)})
            await self._server_send({"type": BODY, "body": effect.body})
        else:
            self._incoming.see_to(effect)

    def _own_head(self, headers: Headers | None) -> Message:
        """The application's head, with these headers if there are any; the hold is over."""
        if not self._is_timed:
            self._cancel_timer()
        return self._head.as_it_came() if headers is None else self._head.with_headers(headers)

    async def _answered(self, exchange: Exchanging, question: says.Question) -> Effects:
        incoming = self._incoming
        try:
            if isinstance(question, says.AwaitSession):
                return exchange.session(await result_within(question.seconds, question.future))
            reading = await incoming.reader.read_in_scope(*incoming.where) if question.load else incoming.read_free()
            return exchange.reading(reading)
        except GeneratorExit:  # the event loop has ended: nothing can be awaited any more
            exchange.interrupted()
            raise
        except BaseException:  # the visitor has left, or a deadline of the site's has passed
            with suppress(Exception), anyio.move_on_after(FAREWELL, shield=True):
                await self._carry_out(exchange, exchange.interrupted())
            raise

    # The end.

    @property
    def is_unsettled(self) -> bool:
        """Whether an exchange has looked at the response, and something of it is still to be decided or sent."""
        return self._exchange is not None and not self._is_aside

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


if (_served := loading.served(ViafouraMiddleware)) is not None:
    application: ViafouraMiddleware = _served
    app: ViafouraMiddleware = _served


def __getattr__(name: str) -> NoReturn:
    raise loading.absent(__name__, name)
