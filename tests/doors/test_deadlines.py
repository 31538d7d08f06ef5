"""A wait that is broken off while the application goes on: what it sends after that is dropped."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from tests.support.doors import PAGE, environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.testing import Fault, SimulatedViafoura

HTML = "text/html; charset=utf-8"
BUSY = b"<!doctype html><title>Busy</title>"
ACCEPT = {"Accept": "text/html"}


class Alarm(BaseException):
    """The site's own time is over."""


@pytest.fixture
def patient(viafoura: SimulatedViafoura) -> Settings:
    """Settings by which a page may wait for long, for a Viafoura that hangs."""
    viafoura.fail("login", Fault.hang())
    return Settings.from_env({**viafoura.environ(), "VIAFOURA_TIMEOUT": "60"})


@pytest.fixture
def alarm(viafoura: SimulatedViafoura) -> Iterator[None]:
    """An alarm that rings in the main thread while the login is waited for."""

    def ring(*_: object) -> None:
        raise Alarm

    def set_off() -> None:
        viafoura.wait_for("login", timeout=60)
        time.sleep(0.3)  # the page waits from about then on
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, ring)
    thread = threading.Thread(target=set_off)
    thread.start()
    yield
    thread.join()
    signal.signal(signal.SIGALRM, before)


def test_asgi_drops_what_a_site_sends_after_its_own_deadline(patient: Settings, viafoura: SimulatedViafoura) -> None:
    """Its answer that it is busy would be a second head, which servers refuse with an error in the log."""

    async def page(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "ann"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", HTML.encode())]})
        await send({"type": "http.response.body", "body": PAGE})

    async def site(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.wait_for(page(scope, receive, send), 0.2)
        except TimeoutError:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-type", HTML.encode())]})
            await send({"type": "http.response.debug", "info": {}})
            await send({"type": "http.response.body", "body": BUSY})

    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    served: Any = asgi.ViafouraMiddleware(site, patient)
    anyio.run(served, scope_of(headers=ACCEPT), None, send)

    assert [message.get("status", message.get("body")) for message in messages] == [200, PAGE]
    viafoura.wait_for("login", timeout=60)
    assert viafoura.count("login") == 1


@pytest.mark.usefixtures("alarm")
def test_wsgi_drops_what_a_site_writes_after_its_alarm(patient: Settings, viafoura: SimulatedViafoura) -> None:
    """The site notices its alarm in ``write()``, and answers that it is busy: by another head, writing, and a list."""

    def site(environ: Any, start_response: Any) -> list[bytes]:
        environ["REMOTE_USER"] = "ann"
        write = start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
        try:
            write(PAGE)
        except Alarm as error:
            busy = start_response("503 Busy", [("Content-Type", HTML)], (Alarm, error, None))
            busy(BUSY)
        return [BUSY]

    heads: list[str] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        heads.append(status)
        return written.append

    iterable = wsgi.ViafouraMiddleware(site, patient)(environ_of(headers=ACCEPT), start_response)
    body = b"".join([*written, *iterable])
    iterable.close()  # type: ignore[attr-defined]

    assert heads == ["200 OK"]
    assert body == PAGE
    assert viafoura.count("login") == 1


@pytest.mark.usefixtures("alarm")
def test_wsgi_gives_the_page_to_a_server_whose_alarm_rings(patient: Settings, viafoura: SimulatedViafoura) -> None:
    """The alarm is the server's to see, and the page has left before it, whole."""
    closed = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def site(environ: Any, start_response: Any) -> Any:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [("Content-Type", HTML)])
        return Chunks([PAGE])

    written: list[bytes] = []
    with pytest.raises(Alarm):
        wsgi.ViafouraMiddleware(site, patient)(environ_of(headers=ACCEPT), lambda *_: written.append)

    assert written == [PAGE]
    assert closed == [True]
    assert viafoura.count("login") == 1
