"""Hostile users beside others: ``python -m tests.hostile [--seconds 60]``.

Through each door, while somebody does their worst, other users come one after the other: each signs in, reads pages
with cookies that change with every response (as a load balancer's and a renewed session's do), signs out, and in
again. Each is to get a session of their own, and never one that has ended.

- ``throw-away``: one user with another cookie in every request, 200 a second.
- ``500``, ``401``, ``429``: a user whom Viafoura answers so, asking as often.
- ``hangs``: a user whom Viafoura does not answer at all.
- ``leaves``: a user who asks with another cookie each time and leaves while the login is waited for (ASGI).
- ``half``: a user whom the site shows on every second page only.

Exit code 1, with the first violations, if any promise was broken.
"""

import argparse
import asyncio
import itertools
import logging
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.testing import Fault, SimulatedViafoura

PAGE: Final = b'<!doctype html><title>News</title><script id="viafoura-platform"></script><p>after</p>'
PAIR: Final = re.compile(rb' data-uid="(\d+)" data-sid="([^"]+)"')
HTML: Final = "text/html; charset=utf-8"
HOSTILE: Final = ("throw-away", "500", "401", "429", "hangs", "leaves", "half")
DOORS: Final = ("WSGI", "ASGI")
MALLORY: Final = "mallory"
AT_ONCE: Final = 64  # requests of the hostile user
PACE: Final = 200.0  # of them in a second
TRIES: Final = 3  # pages in which a user has their session, on however busy a machine
LOGINS: Final = 12  # of one user, in a minute and a process


@dataclass(frozen=True)
class Answer:
    """A page as its browser got it: the pair in its tag, and the value of our cookie if it set one."""

    pair: tuple[int, str] | None
    cookie: str | None


class Door:
    """A site behind one door, which can be asked from any thread. Who the user is, each request says."""

    def __init__(self, name: str, environ: dict[str, str], timeout: float = 5.0) -> None:
        self.name = name
        settings = Settings.from_env(
            {**environ, "VIAFOURA_TIMEOUT": f"{timeout}", "VIAFOURA_LOGOUT_PATHS": "/sign-out"}
        )
        self._wsgi = wsgi.ViafouraMiddleware(_wsgi_site, settings)
        self._asgi = asgi.ViafouraMiddleware(_asgi_site, settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def get(self, user: str | None, cookies: str, path: str = "/") -> Answer:
        """Ask for a page, and wait for it."""
        return (
            self._through_wsgi(user, cookies, path) if self.name == "WSGI" else self.ask(user, cookies, path).result()
        )

    def ask(self, user: str | None, cookies: str, path: str = "/") -> "Future[Answer]":
        """Ask the ASGI door for a page that may be left."""
        return asyncio.run_coroutine_threadsafe(self._through_asgi(user, cookies, path), self._loop)

    def _through_wsgi(self, user: str | None, cookies: str, path: str) -> Answer:
        environ = environ_of(path=path, headers={"Accept": "text/html", "Cookie": cookies}) | {"site.user": user}
        heads: list[Any] = []
        iterable = self._wsgi(environ, lambda status, headers, *_: heads.append(headers))  # type: ignore[arg-type]
        try:
            body = b"".join(iterable)
        finally:
            getattr(iterable, "close", bool)()
        return _seen(body, heads[-1])

    async def _through_asgi(self, user: str | None, cookies: str, path: str) -> Answer:
        scope = scope_of(path=path, headers={"Accept": "text/html", "Cookie": cookies}) | {"site.user": user}
        messages: list[Any] = []

        async def send(message: Any) -> None:
            messages.append(message)

        async def receive() -> Any:
            return {"type": "http.request"}

        await self._asgi(scope, receive, send)
        headers = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
        return _seen(b"".join(message["body"] for message in messages[1:]), headers)


def _wsgi_site(environ: Any, start_response: Any) -> list[bytes]:
    if environ["site.user"]:
        environ["REMOTE_USER"] = environ["site.user"]
    leaves = environ["PATH_INFO"] == "/sign-out"
    start_response("302 Found" if leaves else "200 OK", [("Content-Type", HTML)])
    return [PAGE]


async def _asgi_site(scope: Any, receive: Any, send: Any) -> None:
    scope["user"] = scope["site.user"]
    status = 302 if scope["path"] == "/sign-out" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", HTML.encode())]})
    await send({"type": "http.response.body", "body": PAGE})


def _seen(body: bytes, headers: list[tuple[str, str]]) -> Answer:
    found = PAIR.search(body)
    ours = [value for name, value in headers if name.lower() == "set-cookie"]
    cookie = ours[0].partition(";")[0].partition("=")[2] if ours else None
    return Answer((int(found[1]), found[2].decode()) if found else None, cookie)


@dataclass
class Browser:
    """A browser with our cookie, and cookies of the site's and its balancer's that every response changes."""

    door: Door
    ours: str = ""
    turns: Iterator[int] = field(default_factory=itertools.count)

    def get(self, user: str | None, path: str = "/") -> Answer:
        turn = f"{id(self)}-{next(self.turns)}"
        cookies = [f"AWSALB=a{turn}", *([f"session=s{turn}"] if user else [])]
        if self.ours:
            cookies.append(f"viafoura_mw={self.ours}")
        answer = self.door.get(user, "; ".join(cookies), path)
        self.ours = self.ours if answer.cookie is None else answer.cookie
        return answer


class Trial:
    """One hostile user and the others, at one door. ``figures`` and ``violations`` tell what became of them."""

    def __init__(self, door: Door, viafoura: SimulatedViafoura, hostile: str) -> None:
        self.door = door
        self.viafoura = viafoura
        self.hostile = hostile
        self.figures: Counter[str] = Counter()
        self.violations: list[str] = []
        self._numbers = itertools.count()
        self._ended: set[str] = set()
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._half = Browser(door)
        if hostile in ("500", "401", "429"):
            viafoura.fail("login", Fault.status(int(hostile)), user=MALLORY)
        elif hostile in ("hangs", "leaves"):
            viafoura.fail("login", Fault.hang(), user=MALLORY)

    # The hostile user.

    def attack(self, times: int) -> None:
        """Ask as often, without waiting for any answer."""
        for _ in range(times):
            self.figures["hostile requests"] += 1
            cookies = f"session=m{next(self._numbers)}"
            if self.hostile == "leaves":
                asked = self.door.ask(MALLORY, cookies)
                self._pool.submit(self._leave, asked)
            elif self.hostile != "half":
                self._pool.submit(self.door.get, MALLORY, cookies)
        if self.hostile == "half":
            self._half.get(MALLORY if self.figures["hostile requests"] // times % 2 else None)

    def _leave(self, asked: "Future[Answer]") -> None:
        with suppress(TimeoutError):
            asked.result(0.05)
            return
        asked.cancel()

    # The others.

    def serve_one(self) -> None:
        """One of the others: signs in, reads two pages, signs out, and in again."""
        user, browser = f"user{next(self._numbers)}", Browser(self.door)
        first = self._session(browser, user)
        self.figures["others"] += 1
        self.figures["others served"] += first is not None
        for _ in range(2):
            if self._judged(browser.get(user), user) != first:
                self._violate(f"{user} lost their session, or got another")
        if browser.get(None, "/sign-out").pair:
            self._violate(f"{user} had a session when they had left")
        if first:
            self._ended.add(first)
        again = self._session(browser, user)
        self.figures["others served again"] += again is not None

    def _session(self, browser: Browser, user: str) -> str | None:
        for number in range(TRIES):
            if session := self._judged(browser.get(user), user):
                self.figures["on the first page"] += number == 0
                return session
        self._violate(f"{user} got no session")
        return None

    def _judged(self, answer: Answer, user: str) -> str | None:
        if answer.pair is None:
            return None
        user_id, session = answer.pair
        if self.viafoura.users[user].user_id != user_id or self.viafoura.sessions.get(session, user_id) != user_id:
            self._violate(f"{user} got another's session")
        if session in self._ended or session not in self.viafoura.sessions:
            self._violate(f"{user} got an ended session")
        return session

    def _violate(self, what: str) -> None:
        self.violations.append(f"{self.door.name}, {self.hostile}: {what}")

    # The end.

    def end(self) -> None:
        """Let what is under way come to its end, and judge what the hostile user has cost."""
        self.viafoura.heal()
        self._pool.shutdown()
        calls = Counter((call.kind, call.form.get("id") == MALLORY) for call in self.viafoura.calls)
        self.figures["hostile logins"] = calls["login", True]
        self.figures["tokens"] = calls["token", False]

    def lines(self) -> Iterator[str]:
        """What happened."""
        for name, number in self.figures.items():
            yield f"{self.door.name:5} {self.hostile:11} {name:24} {number}"


@contextmanager
def trial(door_name: str, hostile: str) -> Iterator[Trial]:
    """A trial with a Viafoura and a site of its own, ended when it is left."""
    with SimulatedViafoura() as viafoura, ExitStack() as stack:
        door = Door(door_name, viafoura.environ())
        stack.callback(door.close)
        made = Trial(door, viafoura, hostile)
        stack.callback(made.end)
        yield made


def trials() -> list[tuple[str, str]]:
    """Every door and hostile user; nobody can leave a WSGI application while it waits."""
    return [(door, hostile) for door in DOORS for hostile in HOSTILE if (door, hostile) != ("WSGI", "leaves")]


def run_for(seconds: float, door: str, hostile: str) -> Trial:
    """Let the hostile user ask at their pace for so long, and the others come one after the other."""
    over = threading.Event()

    def attack() -> None:
        began = time.monotonic()
        for number in itertools.count():
            if over.wait(max(0.0, began + number * 10 / PACE - time.monotonic())):
                return
            made.attack(10)

    with trial(door, hostile) as made:
        attacker = threading.Thread(target=attack)
        attacker.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            made.serve_one()
        over.set()
        attacker.join()
    return made


def main() -> int:
    """Run all trials one after the other from the command line."""
    logging.getLogger("viafoura_mw").addHandler(logging.NullHandler())  # the faults are ours, and on purpose
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    violations = []
    for door, hostile in trials():
        made = run_for(options.seconds / len(trials()), door, hostile)
        print(*made.lines(), sep="\n", flush=True)
        violations += made.violations
    print(f"violations: {len(violations)}", *violations[:20], sep="\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
