"""Ten thousand users, three processes, two sites: ``python -m tests.two_sites [--users 10000] [--seconds 240]``.

A server with three processes serves two sites by their hosts, each with a Viafoura of its own. Users come one after the
other in a few threads, each as a browser whose every request is a connection of its own, so that any process answers,
and whose other cookies change with every response. One in eight reads both sites, and brings each site the other's
cookie; one in six signs out and in again; one in ten goes away in the middle of a page. Meanwhile one user asks with
another cookie each time, ``--pace`` times a second, and another's login Viafoura always answers with 500.

- No page is cut or another's: a pair is the user's own, at the Viafoura of the host that was asked.
- No session is given to a page that is asked for after it ended; none is believed at the other site.
- What Viafoura is asked for, and what the processes have grown by, is told.

Ends when every user has come, or after ``--seconds``; exit code 1 if a promise was broken.
"""

import argparse
import contextlib
import http.client
import itertools
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.sites.news import TAG, reader_of
from tests.sites.news import page as bare_page
from tests.support.servers import ROOT, Answer, Browser, Running, serving
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.testing.service import Answer as ServiceAnswer
from viafoura_mw.testing.service import Request, form_of

HOSTS: Final = ("www.courier.example", "news.gazette.example")
COOKIE: Final = "viafoura_mw"
MALLORY, FAILING, FIRST = 1, 2, 10  # readers' numbers
TRIES: Final = 5  # pages in which a user has their session, on however busy a machine
START: Final = TAG.removesuffix(b"</script>")
OURS: Final = re.compile(rb'<script id="viafoura-platform"[^>]*>')
SERVERS: Final[dict[str, Callable[[int, int], list[str]]]] = {
    "gunicorn": lambda port, processes: [
        *("gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(processes), "--threads", "8"),
        *("--worker-class", "gthread", "viafoura_mw.wsgi"),
    ],
    "uvicorn": lambda port, processes: [
        *("uvicorn", "--port", str(port), "--workers", str(processes), "--no-access-log", "viafoura_mw.asgi:app"),
    ],
}


class Watched(SimulatedViafoura):
    """A simulated Viafoura that knows whose every session is, by both ids, and which are over."""

    def __init__(self, site_id: str) -> None:
        super().__init__(site_id=site_id)
        self.owner: dict[str, tuple[str, str]] = {}
        self.over: set[str] = set()

    def answer(self, request: Request) -> tuple[ServiceAnswer, Fault, threading.Event]:
        answer, fault, healed = super().answer(request)
        form = form_of(request)
        if request.kind == "login" and (found := re.search(rb'"user_id":(\d+),"session":"(\w+)"', answer.body)):
            self.owner[found[2].decode()] = form["id"], found[1].decode()
        elif request.kind == "logout":
            self.over.add(form["session"])
        return answer, fault, healed


@dataclass
class Site:
    """One of the two sites: its host, its Viafoura, and the sessions that its users have left behind."""

    host: str
    viafoura: Watched
    ended: set[str] = field(default_factory=set)


@dataclass
class Soak:
    """Users at a server of two sites. ``figures`` and ``violations`` tell what became of them."""

    running: Running
    sites: tuple[Site, Site]
    processes: int
    users: int
    seconds: float
    pace: float = 50.0
    seed: int = 1
    figures: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    memory: list[list[int]] = field(default_factory=list)  # KiB of each process, as time passes

    def __post_init__(self) -> None:
        self._numbers = iter(range(FIRST, FIRST + self.users))
        self._until = time.monotonic() + self.seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._turns = itertools.count()

    def run(self, threads: int, tell: Callable[[str], object] = lambda _: None) -> None:
        """Let all users come, so many at one time, and the hostile ones beside them."""
        for site in self.sites:
            site.viafoura.fail("login", Fault.status(500), user=str(1000 + FAILING))
        crowd = [
            threading.Thread(target=self._serve, args=(random.Random(f"{self.seed} {n}"),)) for n in range(threads)
        ]
        hostile = [threading.Thread(target=self._attack, args=(number,)) for number in (MALLORY, FAILING)]
        for thread in (*crowd, *hostile):
            thread.start()
        while any(thread.is_alive() for thread in crowd):
            self.memory.append(_resident(self.running, self.processes))
            tell(f"{self.figures['users']:6} users, {self.figures['pages']:7} pages, {len(self.violations)} violations")
            crowd[0].join(2.0) if crowd[0].is_alive() else time.sleep(1.0)
        self._over.set()
        for thread in hostile:
            thread.join()
        self.memory.append(_resident(self.running, self.processes))

    def count(self, what: str, number: int = 1) -> None:
        """Note what has happened."""
        with self._lock:
            self.figures[what] += number

    def _serve(self, dice: random.Random) -> None:
        while time.monotonic() < self._until:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            try:
                _User(self, number, dice).live()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.violations.append(f"reader {number} lost a page: {type(error).__name__} {error}")
            self.count("users")

    # The hostile ones.

    def _attack(self, number: int) -> None:
        """Ask as this reader, with cookies that nobody has seen."""
        began = time.monotonic()
        for turn in itertools.count():
            if self._over.wait(max(0.0, began + turn / self.pace - time.monotonic())):
                return
            site = self.sites[turn % 2]
            cookies = {"reader": str(number), "session": f"thrown-{number}-{turn}"}
            try:
                with self.browser(site, cookies) as browser:
                    answer = browser.get()
            except OSError:
                self.violations.append("a hostile request was not answered")
                continue
            self.count("hostile requests")
            if number == FAILING and answer.pair:
                self.violations.append("a user whom Viafoura fails has a session")

    def browser(self, site: Site, cookies: dict[str, str]) -> Browser:
        """A browser at a site, with cookies that its responses change."""
        return Browser(self.running.port, closes=True, cookies=cookies, always={"Host": site.host})

    def turn(self) -> str:
        """A value that no response has had yet."""
        return f"{next(self._turns):x}"


class _User:
    """One user's visit."""

    def __init__(self, soak: Soak, number: int, dice: random.Random) -> None:
        self._soak = soak
        self._number = number
        self._id = str(1000 + number)
        self._whole = bare_page(reader_of(str(number)))
        self._dice = dice
        self._seen: dict[str, set[str]] = {site.host: set() for site in soak.sites}

    def live(self) -> None:
        """Read a site, and do what its users do."""
        soak, dice = self._soak, self._dice
        first, second = dice.sample(soak.sites, 2)
        cookies = {"reader": str(self._number)}
        self._read(first, cookies, dice.randrange(1, 3))
        if dice.random() < 1 / 10:
            self._leave(first, cookies)
        if dice.random() < 1 / 8:
            self._cross(first, second, dict(cookies))
        if dice.random() < 1 / 6:
            self._sign_out(first, cookies)
            self._read(first, cookies | {"reader": str(self._number)}, 2)

    def _read(self, site: Site, cookies: dict[str, str], pages: int) -> None:
        """Read until the session is there, then so many pages, which have that session each."""
        session = None
        for _ in range(TRIES):
            session = self._page(site, cookies)
            if session:
                break
            self._soak.count("pages before the session")
        if session is None:
            self._soak.violations.append(f"reader {self._number} got no session")
            return
        self._soak.count("sign-ins served")
        for _ in range(pages):
            if self._page(site, cookies) != session:
                self._soak.violations.append(f"reader {self._number} lost their session, or got another")

    def _page(self, site: Site, cookies: dict[str, str]) -> str | None:
        cookies["AWSALB"] = self._soak.turn()
        with self._soak.browser(site, cookies) as browser:
            answer = browser.get()
            cookies.update(browser.cookies)
        self._soak.count("pages")
        return self._judged(site, answer)

    def _judged(self, site: Site, answer: Answer) -> str | None:
        if answer.status != 200 or OURS.sub(START, answer.body) != self._whole:
            self._wrong("page")
        if answer.pair is None:
            return None
        user_id, session = answer.pair
        if site.viafoura.owner.get(session) != (self._id, user_id):
            self._wrong("user's session")
        if session in site.ended or session in site.viafoura.over:
            self._wrong("session, which had ended")
        self._seen[site.host].add(session)
        return session

    def _wrong(self, what: str) -> None:
        self._soak.count(f"wrong: {what}")
        self._soak.violations.append(f"reader {self._number} got a wrong {what}")

    def _leave(self, site: Site, cookies: dict[str, str]) -> None:
        """Go away before the page has come."""
        sent = "; ".join(f"{name}={value}" for name, value in cookies.items() if name != COOKIE)
        lines = ["GET / HTTP/1.1", f"Host: {site.host}", "Accept: text/html", f"Cookie: {sent}; a={self._soak.turn()}"]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._soak.running.port), 10) as gone:
            gone.sendall("\r\n".join((*lines, "", "")).encode())
        self._soak.count("pages that were left")

    def _cross(self, first: Site, second: Site, cookies: dict[str, str]) -> None:
        """Bring the other site the first one's cookie, and come back with the other's."""
        mine = cookies[COOKIE]
        self._soak.count("cookies brought to the other site")
        self._read(second, cookies, 1)
        if self._seen[first.host] & self._seen[second.host]:
            self._wrong("session, the other site's")
        if self._page(first, cookies | {COOKIE: mine}) not in self._seen[first.host]:
            self._soak.violations.append(f"reader {self._number} lost their session by reading the other site")

    def _sign_out(self, site: Site, cookies: dict[str, str]) -> None:
        """Read a page as nobody, which is a sign-out."""
        del cookies["reader"]
        with self._soak.browser(site, cookies) as browser:
            answer = browser.get()
            cookies.update(browser.cookies)
        if answer.pair:
            self._soak.violations.append("nobody got a session")
        self._soak.count("sign-outs")
        if any(value.startswith(f"{COOKIE}=") and "Max-Age=60" in value for value in answer.all("set-cookie")):
            site.ended |= self._seen[site.host]
            self._seen[site.host].clear()


def _resident(running: Running, processes: int) -> list[int]:
    """KiB of each of the server's worker processes."""
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    sizes = []
    for child in children:
        with contextlib.suppress(OSError, IndexError):
            sizes.append(int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{child}/status").read_text())[0]))
    return sorted(sizes)[-processes:]  # uvicorn has one more, which only tracks what is shared


@contextlib.contextmanager
def soak(
    server: str, *, processes: int, users: int, seconds: float, pace: float = 50.0, timeout: float = 10.0
) -> Iterator[Soak]:
    """Two sites, each with its Viafoura, on a server with so many processes."""
    courier, gazette = Watched("courier"), Watched("gazette")
    with courier, gazette, tempfile.TemporaryDirectory() as folder:
        sites = Site(HOSTS[0], courier), Site(HOSTS[1], gazette)
        tables = (
            f'["{name}"]\nsite_id = "{site.viafoura.site_id}"\napi_key = "{site.viafoura.api_key}"\n'
            f'api_url = "{site.viafoura.url}"\n'
            for name, site in zip((HOSTS[0], "*.gazette.example"), sites, strict=True)
        )
        file = Path(folder) / "sites.toml"
        file.write_text("".join(tables))
        environ = {
            "VIAFOURA_APP": f"tests.sites.plain_{'asgi' if server == 'uvicorn' else 'wsgi'}:application",
            "VIAFOURA_SITES_FILE": str(file),
            "VIAFOURA_COOKIE_SECRET": "one secret for both of the sites",
            "VIAFOURA_TIMEOUT": f"{timeout}",
            "PYTHONPATH": str(ROOT),
        }
        with serving(lambda port, _: SERVERS[server](port, processes), environ) as running:
            yield Soak(running, sites, processes, users, seconds, pace)


def lines(made: Soak) -> Iterator[str]:
    """What happened."""
    yield from (f"{name:40} {number}" for name, number in sorted(made.figures.items()))
    both = Counter[tuple[str, str | None]]()
    for site in made.sites:
        both.update((call.kind, call.form.get("id")) for call in site.viafoura.calls)
    hostile = {"throw-away cookies": str(1000 + MALLORY), "whom Viafoura answers 500": str(1000 + FAILING)}
    for name, user in hostile.items():
        yield f"{'logins of the user ' + name:40} {both['login', user]}"
    logins = sum(n for (kind, user), n in both.items() if kind == "login" and user not in hostile.values())
    yield f"{'logins of the others':40} {logins}"
    due = made.figures["sign-ins served"] + made.figures["pages that were left"]  # by a browser without our cookie
    yield f"{'the same, for each that was due':40} {logins / max(1, due):.3f}"
    for kind in ("token", "logout"):
        yield f"{kind + ' calls':40} {sum(n for (each, _), n in both.items() if each == kind)}"
    places = [0, len(made.memory) // 4, len(made.memory) // 2, len(made.memory) - 1]
    told = "; ".join("+".join(f"{size / 1024:.0f}" for size in made.memory[place]) for place in places)
    yield f"{'MiB of the processes, by quarters':40} {told}"


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.two_sites", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--server", choices=[*SERVERS], default="gunicorn")
    parser.add_argument("--pace", type=float, default=50.0, help="requests a second of each hostile user")
    parser.add_argument("--threads", type=int, default=8, help="users at one time")
    options = parser.parse_args()
    given = {"processes": options.processes, "users": options.users, "seconds": options.seconds, "pace": options.pace}
    with soak(options.server, **given) as made:
        began = time.monotonic()
        made.run(options.threads, lambda line: print(f"\r{line}", end="", file=sys.stderr, flush=True))
        print(*lines(made), f"{'seconds':40} {time.monotonic() - began:.0f}", sep="\n")
    print(f"violations: {len(made.violations)}", *made.violations[:20], sep="\n")
    return 1 if made.violations else 0


if __name__ == "__main__":
    sys.exit(main())
