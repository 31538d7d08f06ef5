"""The end of a process under ASGI: what is owed is done at ``lifespan.shutdown``, and the site's own lifespan stays."""

import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
from asgiref.wsgi import WsgiToAsgi

from viafoura_mw import Settings, asgi, lifespan
from viafoura_mw.viafoura.ending import LAST_SECONDS, ORDERLY_END

STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
STARTED, ENDED = {"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}
both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Debtor:
    """Who owes something, and notes what happens when the process ends."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.threads: set[int] = set()
        self.may_end = threading.Event()
        self.may_end.set()

    def hasten(self, seconds: float) -> None:
        assert seconds == LAST_SECONDS

    def work_off(self, seconds: float) -> None:
        self.may_end.wait(30)
        self.threads.add(threading.get_ident())
        self.events.append("paid")


@pytest.fixture
def debtor() -> Iterator[Debtor]:
    """One who owes something in this process."""
    debtor = Debtor()
    ORDERLY_END.get().owes(debtor)
    yield debtor
    debtor.may_end.set()
    ORDERLY_END.get().owes_nothing(debtor)


def serve(app: Any, events: list[Any], settings: Settings, backend: str) -> None:
    """Serve a lifespan as servers do: start-up, and the shutdown once the start-up is complete."""

    async def serving() -> None:
        told = [STARTUP, SHUTDOWN]
        started = anyio.Event()

        async def receive() -> Any:
            if len(told) == 1:
                await started.wait()
            assert told, "a message was asked for after the shutdown"
            return told.pop(0)

        async def send(message: Any) -> None:
            events.append(message)
            started.set()

        with anyio.fail_after(30):
            await asgi.ViafouraMiddleware(app, settings)({"type": "lifespan", "state": {}}, receive, send)

    anyio.run(serving, backend=backend)


async def speaks(scope: Any, receive: Any, send: Any) -> None:
    """Speaks the protocol to its end."""
    assert await receive() == STARTUP
    await send(STARTED)
    assert await receive() == SHUTDOWN
    await send(ENDED)


async def speaks_no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Raises for what it does not know, as Django does."""
    raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")


async def returns(scope: Any, receive: Any, send: Any) -> None:
    """Returns for what it does not know."""


async def hears_the_startup_alone(scope: Any, receive: Any, send: Any) -> None:
    """Returns when it has started, and says nothing."""
    await receive()


async def says_that_it_started(scope: Any, receive: Any, send: Any) -> None:
    """Returns when it has started."""
    await receive()
    await send(STARTED)


@both_loops
@pytest.mark.parametrize(
    "app",
    [
        speaks,
        speaks_no_lifespan,
        returns,
        hears_the_startup_alone,
        says_that_it_started,
        WsgiToAsgi(lambda environ, start_response: []),  # type: ignore[no-untyped-call]
    ],
)
def test_does_what_is_owed_before_the_shutdown_is_complete(
    app: Any, backend: str, settings: Settings, debtor: Debtor
) -> None:
    """Whatever the application makes of the protocol."""
    serve(app, debtor.events, settings, backend)

    assert debtor.events == [STARTED, "paid", ENDED]


@both_loops
def test_does_it_on_a_thread(backend: str, settings: Settings, debtor: Debtor) -> None:
    """The event loop still serves whoever is left."""
    serve(speaks, debtor.events, settings, backend)

    assert debtor.threads
    assert threading.get_ident() not in debtor.threads


@both_loops
def test_waits_for_a_bounded_time(
    backend: str, settings: Settings, debtor: Debtor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Viafoura that hangs holds up no deploy."""
    monkeypatch.setattr(lifespan, "LAST_SECONDS", 0.01)
    debtor.may_end.clear()

    serve(speaks, debtor.events, settings, backend)

    assert debtor.events == [STARTED, ENDED]


def test_ends_where_no_thread_can_be_started(
    settings: Settings, debtor: Debtor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shutdown is complete all the same."""

    def cannot_start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", cannot_start)

    serve(speaks, debtor.events, settings, "asyncio")

    assert debtor.events == [STARTED, ENDED]


@both_loops
def test_a_start_up_that_raises_fails(backend: str, settings: Settings, debtor: Debtor) -> None:
    """The very exception is the server's to see, as it is of the bare site."""
    failure = OSError("no database")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise failure

    with pytest.raises(OSError, match="no database") as raised:
        serve(app, debtor.events, settings, backend)

    assert raised.value is failure
    assert debtor.events == []


def test_a_start_up_that_says_that_it_failed_is_not_completed(settings: Settings, debtor: Debtor) -> None:
    """Nothing is said after it."""
    failed = {"type": "lifespan.startup.failed", "message": "no database"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(failed)

    serve(app, debtor.events, settings, "asyncio")

    assert debtor.events == [failed]


def test_a_shutdown_that_raises_does_so_when_nothing_is_owed_any_more(settings: Settings, debtor: Debtor) -> None:
    """A site's own clean-up may fail, or hang: what is owed was done before."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(STARTED)
        await receive()
        raise OSError("the site's own")

    with pytest.raises(OSError, match="the site's own"):
        serve(app, debtor.events, settings, "asyncio")

    assert debtor.events == [STARTED, "paid"]


def test_a_shutdown_that_the_application_leaves_unanswered_stays_so(settings: Settings, debtor: Debtor) -> None:
    """Servers take its return for the answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(STARTED)
        await receive()

    serve(app, debtor.events, settings, "asyncio")

    assert debtor.events == [STARTED, "paid"]


def test_the_application_has_the_very_scope(settings: Settings) -> None:
    """Its ``state`` is what requests see later."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        scope["state"]["database"] = "open"

    scope: dict[str, Any] = {"type": "lifespan", "state": {}}
    run_until_cancelled(lambda receive, send: asgi.ViafouraMiddleware(app, settings)(scope, receive, send))

    assert seen[0] is scope
    assert scope["state"] == {"database": "open"}


def test_is_left_alone_where_the_middleware_is_off() -> None:
    """``VIAFOURA_ENABLED=0`` calls the application directly."""
    settings = Settings.from_env({"VIAFOURA_ENABLED": "0"})

    with pytest.raises(ValueError, match="not lifespan"):
        serve(speaks_no_lifespan, [], settings, "asyncio")


def run_until_cancelled(serve_with: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Serve a lifespan whose server never shuts down."""

    async def serving() -> None:
        async def receive() -> Any:
            scope.cancel()
            await anyio.sleep_forever()

        async def send(message: Any) -> None: ...

        with anyio.CancelScope() as scope:
            await serve_with(receive, send)

    anyio.run(serving)
