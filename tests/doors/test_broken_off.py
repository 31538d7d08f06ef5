"""A wait that is broken off, through both doors: what was held leaves as it came, what comes after it is dropped."""

import asyncio
import signal
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import anyio
import pytest

from tests.support.doors import HTML, PAGE, environ_of, scope_of
from tests.support.pairs import BROWSER
from tests.support.wsgi_server import Server
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.reader import UserReader

RAW = [(b"content-type", b"text/html")]


@pytest.fixture
def hanging(viafoura: SimulatedViafoura) -> Iterator[Settings]:
    """Settings for a Viafoura that never answers a login, and pages that would wait for long."""
    viafoura.fail("login", Fault.hang())
    yield Settings.from_env({**viafoura.environ(), "VIAFOURA_TIMEOUT": "30"})
    viafoura.heal()


class Rung(BaseException):
    """An alarm of the site's, which nothing catches by mistake."""


def respond(status: int, body: bytes) -> list[dict[str, Any]]:
    return [
        {"type": "http.response.start", "status": status, "headers": RAW},
        {"type": "http.response.body", "body": body},
    ]


async def _served(app: Any, settings: Settings) -> list[dict[str, Any]]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        sent.append(message)

    scope = {**scope_of(headers=BROWSER), "user": "ann"}
    await asgi.ViafouraMiddleware(app, settings)(scope, receive, send)
    return sent


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_sites_own_deadline_ends_the_wait_and_what_it_sends_then_is_dropped(hanging: Settings, backend: str) -> None:
    """The page is whole, and no second head follows it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with anyio.move_on_after(0.05) as deadline:
            for message in respond(200, PAGE):
                await send(message)
        assert deadline.cancelled_caught
        for message in respond(504, b"late"):
            await send(message)

    sent = anyio.run(_served, app, hanging, backend=backend)
    assert [message.get("status") for message in sent] == [200, None]
    assert sent[1]["body"] == PAGE


def test_asyncios_own_deadline_does_so_too(hanging: Settings) -> None:
    """A task that is cancelled once, not level by level."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def page() -> None:
            for message in respond(200, PAGE):
                await send(message)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(page(), 0.05)
        for message in respond(504, b"late"):
            await send(message)

    sent = asyncio.run(_served(app, hanging))
    assert [message.get("body") for message in sent] == [None, PAGE]


@pytest.fixture
def alarm() -> Iterator[Any]:
    """Rings once in this thread, soon after it is set."""

    def ring(*_: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_alarm_in_a_written_page_ends_the_wait(hanging: Settings, alarm: Any) -> None:
    """The page alone leaves: the error page that the site gives then is dropped, whatever it is made of."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_USER"] = "ann"
        write = start_response("200 OK", [HTML])
        alarm()
        try:
            write(PAGE)
        except Rung:
            start_response("504 Late", [HTML], sys.exc_info())(b"late")
            return [b"late", bytearray(b"late"), "late"]
        raise AssertionError("nobody rang")

    server = Server()
    assert server.serve(wsgi.ViafouraMiddleware(app, hanging), environ_of(headers=BROWSER)) == PAGE
    assert [status for status, _ in server.heads] == ["200 OK"]


def test_an_alarm_while_the_page_is_pulled_lets_it_leave(hanging: Settings, alarm: Any) -> None:
    """What rang goes on to whoever set the alarm."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [HTML])
        alarm()
        return [PAGE]

    server = Server()
    with pytest.raises(Rung):
        server.serve(wsgi.ViafouraMiddleware(app, hanging), environ_of(headers=BROWSER))
    assert server.chunks == [PAGE]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_alarm_while_the_user_is_read_lets_the_head_leave(hanging: Settings, backend: str) -> None:
    """Of a user whom no framework must be asked for."""
    seen: list[Any] = []

    class Member:
        @property
        def id(self) -> str:
            raise Rung

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def server_send(message: MutableMapping[str, Any]) -> None:
            seen.append(message["type"])

        async def page(scope: Any, receive: Any, send: Any) -> None:
            for message in respond(200, PAGE):
                await send(message)

        with pytest.raises(Rung):
            await asgi.ViafouraMiddleware(page, hanging)({**scope, "user": Member()}, receive, server_send)

    anyio.run(app, scope_of(headers=BROWSER), None, None, backend=backend)
    assert seen == ["http.response.start"]


def test_a_visitor_who_leaves_while_the_timer_waits_ends_its_wait(
    hanging: Settings, viafoura: SimulatedViafoura
) -> None:
    """What was held leaves, and nothing is asked again."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": RAW})
        await send({"type": "http.response.body", "body": PAGE[:60], "more_body": True})
        await asyncio.to_thread(viafoura.wait_for, "login")
        await send({"type": "http.response.body", "body": PAGE[60:]})

    async def visit() -> list[dict[str, Any]]:
        sent: list[Any] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {**scope_of(headers=BROWSER), "user": "ann"}
        request = asyncio.ensure_future(asgi.ViafouraMiddleware(app, hanging)(scope, send, send))  # type: ignore[arg-type]
        await asyncio.to_thread(viafoura.wait_for, "login")
        await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        for _ in range(100):
            if len(sent) == 2:
                break
            await asyncio.sleep(0.01)
        return sent

    sent = asyncio.run(visit())
    assert [message.get("body") for message in sent] == [None, PAGE[:60]]


def test_awaits_nothing_once_the_event_loop_has_ended(hanging: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is under way then is closed like any coroutine: Python would complain of one that goes on."""

    async def never(self: UserReader, *asked: object) -> None:
        await asyncio.get_running_loop().create_future()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in respond(200, PAGE):
            await send(message)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def begin(request: Any) -> None:
        tasks.append(asyncio.ensure_future(request))
        await asyncio.sleep(0)

    monkeypatch.setattr(UserReader, "read_free", lambda self, *asked: None)
    monkeypatch.setattr(UserReader, "read_in_scope", never)
    tasks: list[Any] = []
    sent: list[Any] = []
    scope = {**scope_of(headers=BROWSER), "user": "ann"}
    request = asgi.ViafouraMiddleware(app, hanging)(scope, never, send)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *told: None)  # that a task is destroyed
    loop.run_until_complete(begin(request))
    loop.close()

    request.close()

    assert not sent
