"""ASGI's lifespan protocol: what this process owes Viafoura is done when the server says that it shuts down.

:mod:`atexit` is not enough under ASGI. uvicorn raises the signal that ended it once more when it has shut down, and a
process that a signal ends runs no exit handlers. So the last moment that every server gives is ``lifespan.shutdown``.

Servers send it only to an application that speaks the protocol. One that does not (Django, asgiref's ``WsgiToAsgi``)
raises for the scope before it has called ``receive``, and some return. In its place this module answers: it says that
the start-up is complete, waits for the shutdown, and says that it is complete as well. An application that raises
after it has called ``receive`` speaks the protocol, and has failed to start: its exception is the server's to see.
"""

from concurrent.futures import Future
from contextlib import suppress
from threading import Thread

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viafoura_mw.viafoura.ending import LAST_SECONDS, ORDERLY_END
from viafoura_mw.waiting import result_within


async def serve_lifespan(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a lifespan scope by ``app``, and by this module what ``app`` leaves of it."""
    lifespan = _Lifespan(receive, send)
    try:
        await app(scope, lifespan.receive, lifespan.send)
    except Exception:
        if lifespan.was_asked_for:
            raise
    await lifespan.answer_the_rest()


class _Lifespan:
    """What the application receives and sends of the protocol, and how far it has come."""

    __slots__ = ("_has_failed", "_has_started", "_is_over", "_receive", "_send", "was_asked_for")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._has_started = False
        self._has_failed = False
        self._is_over = False
        self.was_asked_for = False  # the application has called receive: it speaks the protocol

    async def receive(self) -> Message:
        """Give the server's next message; the shutdown once nothing is owed any more, since a site's own may hang."""
        self.was_asked_for = True
        message = await self._receive()
        if message["type"] == "lifespan.shutdown":
            self._is_over = True
            await _pay_what_is_owed()
        return message

    async def send(self, message: Message) -> None:
        """Send the application's next message."""
        self._has_started = self._has_started or message["type"] == "lifespan.startup.complete"
        self._has_failed = self._has_failed or message["type"] == "lifespan.startup.failed"
        await self._send(message)

    async def answer_the_rest(self) -> None:
        """Go on in the place of an application that is done before the shutdown."""
        if self._has_failed or self._is_over:
            return
        if not self.was_asked_for:
            await self.receive()
        if not self._has_started:
            await self._send({"type": "lifespan.startup.complete"})
        while not self._is_over:
            await self.receive()
        await self._send({"type": "lifespan.shutdown.complete"})


async def _pay_what_is_owed() -> None:
    """Have what is owed done on a thread, and wait for it without blocking the loop, two seconds at most."""
    done: Future[None] = Future()

    def pay() -> None:
        ORDERLY_END.get().run()
        done.set_result(None)

    with suppress(RuntimeError):  # no thread can be started: where the process exits in order, that does it
        Thread(target=pay, name="viafoura-mw-end", daemon=True).start()
        await result_within(LAST_SECONDS, done)
