"""The event loop is never blocked: not by a wait, not by I/O, not by a lock that somebody holds during either.

No clock is looked at. While the loop runs, its thread is watched: what could block it is replaced by something that
takes note. And since the loop does take locks, for looking things up, every thread is watched for holding one of
them while it waits or does I/O.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support import doors
from tests.support.doors import HTML, PAGE, call, scope_of, through_asgi
from tests.support.faults import SAFETY, Stands, every_fault, go_through
from tests.support.thoroughness import matrix
from viafoura_mw import Settings, asgi
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.viafoura.connecting import Network
from viafoura_mw.viafoura.transport import Transport
from viafoura_mw.viafoura.workers import LOGIN_PLACES

on_both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])

BLOCKING = (
    (time, "sleep"),
    (socket, "getaddrinfo"),
    (socket.socket, "connect"),
    (Network, "connect"),
    (socket.socket, "sendall"),
    (socket.socket, "recv_into"),
    (ssl.SSLContext, "wrap_socket"),
    (ssl.SSLContext, "load_verify_locations"),
    (threading.Condition, "wait"),  # of which events and futures are made
    (Transport, "__init__"),  # and what it imports
)


class Watch:
    """Takes note of what blocks the loop's thread, and of who does I/O or waits with a lock in hand."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.seen: set[str] = set()  # what was done elsewhere, so that finding nothing is no accident
        self._loop: int | None = None
        self._own = threading.local()

    async def while_running(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a loop's main function, watched."""
        self._loop = threading.get_ident()
        try:
            return await function(*arguments)
        finally:
            self._loop = None

    def blocking(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """``original``, which takes note of where it is called."""

        def watched(*arguments: Any, **options: Any) -> Any:
            if not getattr(self._own, "is_starting", False):  # a thread that begins is waited for until it has
                self.seen.add(name)
                if threading.get_ident() == self._loop:
                    self.found.append(f"{name} on the event loop")
                held = getattr(self._own, "held", 0) - (name == "wait")  # which gives its own lock back
                if held > 0:
                    self.found.append(f"{name} with {held} locks held")
            return original(*arguments, **options)

        return watched

    def starting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``Thread.start``, which waits for the thread's first step only."""

        def start(thread: threading.Thread) -> None:
            self._own.is_starting = True
            try:
                original(thread)
            finally:
                self._own.is_starting = False

        return start

    def lock(self) -> "Lock":
        """Make a lock that is watched."""
        return Lock(self._own)


class Lock:
    """A lock that counts, for each thread, how many it holds."""

    def __init__(self, own: threading.local) -> None:
        self._lock = _new_lock()
        self._own = own

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        taken = self._lock.acquire(blocking, timeout)
        self._own.held = getattr(self._own, "held", 0) + taken
        return taken

    def release(self) -> None:
        self._own.held -= 1
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()


_new_lock = threading.Lock


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Everything that is made from now on is watched, whenever a loop runs."""
    watch = Watch()
    for owner, name in BLOCKING:
        monkeypatch.setattr(owner, name, watch.blocking(name, getattr(owner, name)))
    monkeypatch.setattr(threading.Thread, "start", watch.starting(threading.Thread.start))
    monkeypatch.setattr(threading, "Lock", watch.lock)
    monkeypatch.setattr(doors, "call", partial(watch.while_running, call))
    return watch


@matrix
@on_both_loops
@pytest.mark.parametrize("kind", ["token", "login"])
@every_fault
def test_no_fault_blocks_the_event_loop(
    watch: Watch, stands: Stands, viafoura: SimulatedViafoura, backend: str, kind: str, fault: str
) -> None:
    """Through failing calls, an open breaker, its probe and its healing, the loop's thread never waits."""
    go_through(lambda settings: through_asgi(settings, backend), stands, viafoura, kind, fault)

    assert watch.found == []
    assert watch.seen >= {"connect", "wait", "recv_into"}


@matrix
@on_both_loops
@every_fault
def test_no_logout_blocks_the_event_loop(
    watch: Watch, stands: Stands, viafoura: SimulatedViafoura, backend: str, fault: str
) -> None:
    """Nor does one that fails and is tried again."""
    stand = stands(lambda settings: through_asgi(settings, backend), SAFETY)
    cookie = stand.page("ann").cookie or ""
    stand.strike("logout", fault)
    assert stand.page(None, cookie).body == PAGE
    viafoura.heal()
    stand.settle()

    assert watch.found == []


def test_the_watch_sees_what_blocks(watch: Watch) -> None:
    """A sleep, a wait for a future and a lock held over I/O are found."""

    def block() -> None:
        time.sleep(0)
        threading.Event().wait(0)
        with threading.Lock():
            time.sleep(0)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        block()

    asyncio.run(doors.call(application, {}))

    asleep, awaiting = "sleep on the event loop", "wait on the event loop"
    assert watch.found == [asleep, awaiting, asleep, "sleep with 1 locks held"]


WAITING = 2 * LOGIN_PLACES


@pytest.fixture
def settings(viafoura: SimulatedViafoura) -> Settings:
    """Pages wait for long here, so that whoever comes through does so without waiting."""
    return Settings.from_env({**viafoura.environ(), "VIAFOURA_TIMEOUT": "60"})


def test_thousands_that_wait_hold_nobody_up_and_leave_nothing_behind(
    settings: Settings, viafoura: SimulatedViafoura
) -> None:
    """While pages wait for a hanging Viafoura others are served; when their clients go, nothing of them is left."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/anonymous":
            scope["user"] = scope["path"].removeprefix("/")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", HTML[1].encode())]})
        await send({"type": "http.response.body", "body": PAGE})

    async def main() -> None:
        app = asgi.ViafouraMiddleware(application, settings)
        first = await call(app, scope_of(path="/ann"))
        cookie = dict(first[0]["headers"])[b"set-cookie"].decode().partition(";")[0]
        viafoura.fail("login", Fault.hang())
        tasks = [asyncio.create_task(call(app, scope_of(path=f"/user{number}"))) for number in range(WAITING)]
        await asyncio.to_thread(viafoura.wait_for, "login", 2)
        assert (await call(app, scope_of(path="/anonymous")))[1]["body"] == PAGE
        again = await call(app, scope_of(path="/ann", headers={"Cookie": cookie}))
        assert again[1]["body"] == first[1]["body"]
        waiting = [task for task in tasks if not task.done()]
        assert waiting
        for task in waiting:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert app._runtime is not None
        here = app._runtime.sessions._here.get()
        viafoura.heal()
        assert await asyncio.to_thread(here.workers.logins.join, SAFETY)  # type: ignore[attr-defined]
        assert not here.logins._unanswered

    asyncio.run(main())
