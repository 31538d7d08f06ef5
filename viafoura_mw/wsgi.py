"""The WSGI door (PEP 3333): tells an exchange what the application gives, and carries out the effects.

The server's ``start_response`` is called when the exchange lets the head go, always before the middleware returns:
some servers read the head then, others at the first chunk. A response that is none of our business is returned as the
very object that the application returned. What is held is copied when it comes, and what servers take beyond PEP 3333
(headers that are no strings, a body that is one string, no iterable at all) is taken here as well.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from viafoura_mw import loading
from viafoura_mw.bridge import answers, asking
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.incoming import Incoming, bridge_reply
from viafoura_mw.response import effects as says
from viafoura_mw.response.effects import Effects, Exchanging, State
from viafoura_mw.response.guard import said_in
from viafoura_mw.response.headers import BUFFERS, Headers, as_text, without
from viafoura_mw.runtime import INSIDE, Runtime, runtime_of, served_of
from viafoura_mw.settings import Settings
from viafoura_mw.viafoura.client import Session
from viafoura_mw.wsgi_body import Body, Chunks, body_of
from viafoura_mw.wsgi_environ import LAYOUT, PROOF_KEY, Withheld, asked_of_application, path_of, restore, show
from viafoura_mw.wsgi_head import ExcInfo, Write, call, code_of, dropped, kept, removing, status_line, texts_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


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
        runtime = self._runtime if self._hosts is None else self._hosts.choose(environ.get("HTTP_HOST", ""))
        proof = environ.pop(PROOF_KEY, "") if self._hides_proof else ""
        if runtime is None or INSIDE in environ:
            return self._passed_by(environ, start_response)
        if runtime.looks_at_paths:
            path = path_of(environ)
            if runtime.bridge is not None and (name := runtime.bridge.name_of(path)) is not None:
                return self._bridged(runtime, runtime.bridge, name, environ, start_response, proof)
            if not runtime.rules.includes(path):
                return self._passed_by(environ, start_response)
        environ[INSIDE] = self._removed
        incoming = Incoming(runtime, LAYOUT, environ, environ, environ["REQUEST_METHOD"], proof)
        response = _Response(incoming, environ, start_response)
        try:
            iterable = self._app(environ, response.start_response)
        except BaseException:
            with suppress(Exception):  # what the application raised is what is to be seen
                response.end()
                response.give_to_server()
            raise
        return iterable if response.is_untouched else body_of(response, iterable)

    def _passed_by(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Let the application answer, but for the headers that it sets for us alone."""
        if removed := self._removed - environ.get(INSIDE, frozenset()):
            start_response = removing(removed, start_response)
        return self._app(environ, start_response)

    def _bridged(
        self,
        runtime: Runtime,
        bridge: Bridge,
        name: str,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        proof: str,
    ) -> Iterable[bytes]:
        """Answer at one of the bridge's addresses."""
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        reply = bridge_reply(runtime, bridge, name, LAYOUT, environ, environ, method, query)
        if reply is not None:
            return _replied(runtime, reply, start_response)
        inner = asked_of_application(bridge, environ, self._removed)
        question = asking.Question(environ["HTTP_X_VIAFOURA_BRIDGE"], query == "renew")
        incoming = Incoming(runtime, LAYOUT, inner, inner, "GET", proof, question)
        if not incoming.may_be_signed_in():
            return _replied(runtime, asking.nobody(runtime.policy, question.echo), start_response)
        response = _Response(incoming, inner, start_response)
        body = Body(response, self._app(inner, response.start_response))
        try:
            body.pull_head()
        finally:
            body.close_application()
        body.raise_error()
        return Chunks(response.ready, response.close)

    def drain(self, timeout: float) -> None:
        """Wait until the logouts asked for have ended, at most ``timeout`` seconds; for a process that is to end."""
        for runtime in self._served.runtimes:
            runtime.sessions.drain(timeout)


def _replied(runtime: Runtime, reply: answers.Reply, start_response: "StartResponse") -> Iterable[bytes]:
    start_response(status_line(reply.status), reply.headers)
    for effect in reply.effects:
        assert isinstance(effect, says.EndSessions)
        runtime.sessions.end(effect.ids, effect.marks)
    return Chunks([reply.body], runtime.sessions.run_pending) if reply.effects else [reply.body]


class _Response:
    """One response on its way out: the application's ``start_response`` and ``write``, and the exchange between."""

    __slots__ = (
        "_environ",
        "_exc_info",
        "_exchange",
        "_headers",
        "_incoming",
        "_is_aside",
        "_server_start",
        "_server_write",
        "_status",
        "_withheld",
        "has_head_left",
        "is_body_changed",
        "ready",
        "wrote",
    )

    def __init__(self, incoming: Incoming, environ: "WSGIEnvironment", start_response: "StartResponse") -> None:
        self._incoming = incoming
        self._environ = environ
        self._server_start = start_response
        self._server_write: Write | None = None
        self._exchange: Exchanging | None = None  # none where the response is plainly not ours
        self._is_aside = False  # all that is still to come passes as it comes
        self.has_head_left = False
        self.ready: deque[bytes] = deque()  # what may leave of the body and has not
        self.is_body_changed = False  # some of it is not the application's own, or has left by its write
        self.wrote = False
        shown = incoming.shown()
        self._withheld: Withheld = show(environ, shown) if shown else {}

    # What the application calls.

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Write:
        """Take the application's head (PEP 3333, "The start_response() Callable")."""
        self._environ.pop(INSIDE, None)
        if self._withheld:
            self._restore()
        if not isinstance(headers, list):
            headers = list(headers)  # some servers take an iterator, which is not to be used up here
        exchange = self._exchange
        if exchange is None:
            if self._is_aside or not self._incoming.may_concern_us(headers):
                self._is_aside = self.has_head_left = True
                start = self._server_start  # some servers' takes no third argument
                return start(status, headers, exc_info) if exc_info else start(status, headers)
            exchange = self._exchange = self._incoming.exchange()
        if removed := self._incoming.runtime.response_headers:
            fields = ((as_text(name).lower(), as_text(value)) for name, value in headers)
            self._incoming.said = said_in(removed, fields)
            headers = without(removed, headers)
        if exchange.state is State.HOLDING and not exc_info:
            self._carry_out(exchange, exchange.unseen())  # the server is to judge a second head without an error
        self._status, self._exc_info, self._headers = status, exc_info, kept(headers)
        if self.has_head_left:
            return self._replace_head(exchange)
        self._carry_out(exchange, exchange.head(code_of(status), texts_of(self._headers)))
        return self._server_write if self.is_untouched and self._server_write else self._write

    def _restore(self) -> None:
        """Show the layers outside the request as it came; one may try again with the same environ."""
        self._environ.pop(INSIDE, None)
        restore(self._environ, self._withheld)
        self._withheld = {}

    def _replace_head(self, exchange: Exchanging) -> Write:
        """Give the server a head in place of one that it was given: it raises, or takes it while nothing has left."""
        write: Write = dropped
        for effect in exchange.replaced(self._headers):
            if isinstance(effect, says.SendHead):
                write = self._give_head(effect.headers or [])
                self.ready.clear()
                self._is_aside = True
        return write

    def _write(self, chunk: bytes) -> None:
        """Take a chunk of an application that writes (PEP 3333, "The write() Callable")."""
        self.wrote = self.is_body_changed = True
        self.take(chunk)
        self.give_to_server()

    def give_to_server(self) -> None:
        """Write what may leave, where the server has a write for it."""
        while self.ready and self._server_write is not None:  # Granian's start_response gives no write
            self._server_write(self.ready.popleft())

    # What the body says.

    @property
    def file_wrapper(self) -> Any:
        """What the server offers for files."""
        return self._environ.get("wsgi.file_wrapper")

    @property
    def is_settled(self) -> bool:
        """Whether all that is still to come passes as it comes."""
        return self._is_aside or self._exchange is None

    @property
    def may_owe_calls(self) -> bool:
        """Whether calls were put off, where no thread can make them."""
        return self._incoming.owes_calls

    @property
    def is_untouched(self) -> bool:
        """Whether the head has left, and the body is to leave without anything before, within or behind it."""
        return self._is_aside and not (self._incoming.owes_calls or self.wrote or self.ready)

    def take(self, chunk: Any, *, last: bool = False) -> None:
        """Take the next chunk of the body; what may leave then is ``ready``."""
        exchange = self._exchange
        if exchange is None:
            # A chunk ahead of any head is the server's to judge; an empty one would only look like the head's end.
            if chunk or self.has_head_left:
                self.ready.append(chunk)
        elif self._is_aside:
            self.ready.append(chunk)
        elif isinstance(chunk, BUFFERS):
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

    def close(self) -> None:
        """Give back what the hold took; make the calls that only this thread can make, now that the page has left."""
        if self._exchange is not None:
            self._exchange.close()
        if self._incoming.owes_calls:
            self._incoming.runtime.sessions.run_pending()

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
            elif isinstance(effect, says.QUESTIONS):
                effects += self._answered(exchange, effect)
            elif isinstance(effect, says.StandAside):
                self._is_aside = True
            elif isinstance(effect, says.Pass):
                self.ready.extend(effect.items)
            elif isinstance(effect, says.Answer):
                self._status, self._exc_info = status_line(effect.status), None
                self._give_head(effect.headers)
                self.ready.append(effect.body)
                self.is_body_changed = True
            else:
                self._incoming.see_to(effect)

    def _give_head(self, headers: Headers) -> Write:
        exc_info, self._exc_info = self._exc_info, None
        self._server_write = call(self._server_start, self._status, headers, exc_info)
        self.has_head_left = True
        return self._server_write

    def _answered(self, exchange: Exchanging, question: says.Question) -> Effects:
        incoming = self._incoming
        try:
            if isinstance(question, says.AwaitSession):
                return exchange.session(self._result_within(question.seconds, question.future))
            if question.load:
                return exchange.reading(incoming.reader.read_in_environ(*incoming.where))
            return exchange.reading(incoming.read_free())
        except BaseException:  # an alarm of the site's, a greenlet's timeout, the end of the process
            self._carry_out(exchange, exchange.interrupted())
            self.give_to_server()
            raise

    def _result_within(self, seconds: float, future: "Future[Session | None]") -> Session | None:
        self._incoming.owes_calls = True  # a probe, for which no page waits
        # Not future.result(timeout), whose TimeoutError could be that of an alarm.
        wait_for((future,), seconds)
        return future.result() if future.done() and not future.cancelled() else None


if (_served := loading.served(ViafouraMiddleware)) is not None:
    application: ViafouraMiddleware = _served
    app: ViafouraMiddleware = _served


def __getattr__(name: str) -> NoReturn:
    raise loading.absent(__name__, name)
