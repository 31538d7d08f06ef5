"""Many users at once, through both doors, while Viafoura fails at random: ``python -m tests.soak [--seconds 60]``.

A WSGI door is asked by 32 threads and an ASGI door by 500 tasks, as by the browsers of thousands of users: they sign
in, change their names, switch, leave, come back, ask for several pages at once, lose their cookie, replay an old one,
bring junk, and go away in the middle of a page. Which user a session belongs to is known from the simulated Viafoura.

- Every page is complete; one that carries a pair carries its own user's.
- No session is given to a page that is asked for after that session was logged out.
- Nothing is left behind: no response, no byte of the hold, no login; memory does not grow.
- Viafoura is called no more often than users come to a door anew, but for the calls that failed.

Exit code 1, with the first violations, if any of it does not hold.
"""

import argparse
import asyncio
import gc
import gzip
import itertools
import logging
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.response.exchange import Exchange
from viafoura_mw.runtime import Runtime, cookie_of
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.testing.service import Answer as ServiceAnswer
from viafoura_mw.testing.service import Request
from viafoura_mw.testing.simulator import Concerned
from viafoura_mw.viafoura.logouts import REMEMBERED

THREADS, TASKS = 32, 500
USERS, BROWSERS, HOT = 5000, 2000, 60  # HOT of each door's browsers ask for half of its pages, several at a time
SHARING = 3  # users of one browser
TIMEOUT = 0.5  # VIAFOURA_TIMEOUT
GROWTH = 48 * 1024  # KiB by which the process may have grown from the middle to the end

TAG = b'<script id="viafoura-platform">'
PAGE = b"<!doctype html><title>News</title>" + b"<p>words</p>" * 200 + TAG + b"</script><p>after</p>"
PLAIN = b"<!doctype html><title>About</title><p>no comments here</p>"
PAIR = re.compile(rb'<script id="viafoura-platform" data-uid="(\d+)" data-sid="([^"]+)">')
WITH_TAG = ("whole", "pieces", "slow", "gzip", "raises", "left")
#: In which forms the site answers, and what happens at a browser before it asks, each with its weight.
FORMS = {
    "whole": 40, "pieces": 20, "slow": 4, "gzip": 10, "plain": 6, "json": 3, "error": 2, "raises": 1, "left": 1,
}  # fmt: skip
HAPPENINGS = {
    "": 80, "signs in": 5, "switches": 4, "changes the name": 1, "leaves": 3, "leaves, and we are not told": 3,
    "loses our cookie": 2, "brings junk": 1, "brings its last cookie": 2,
}  # fmt: skip
HTML = ("Content-Type", "text/html; charset=utf-8")


# The service, which keeps account of what it does.


class Watched(SimulatedViafoura):
    """A simulated Viafoura that knows whose every session is, and when its logout came."""

    def __init__(self, tick: Callable[[], int]) -> None:
        super().__init__()
        self._tick = tick
        self.owner: dict[str, int] = {}
        self.logged_out: dict[str, int] = {}
        self.clean: Counter[str] = Counter()  # calls that were answered as they should be
        self.struck: Counter[str] = Counter()  # calls that a fault concerned

    def answer(self, request: Request) -> tuple[ServiceAnswer, Fault, threading.Event]:
        if request.kind == "logout":
            self.logged_out.setdefault(request.body.decode().partition("=")[2], self._tick())
        answer, fault, healed = super().answer(request)
        with self._changed:
            is_clean = fault == Fault() and answer.status == 200
            (self.clean if is_clean else self.struck)[request.kind] += 1
            if request.kind == "login" and (found := re.search(rb'"user_id":(\d+),"session":"(\w+)"', answer.body)):
                self.owner[found[2].decode()] = int(found[1])
            self._calls.clear()
        return answer, fault, healed


def some_fault(dice: random.Random) -> tuple[Concerned, Fault, int | None]:
    """What fails next, how, and for how many calls."""
    ways: list[Callable[[], Fault]] = [
        partial(Fault.delay, 0.3), partial(Fault.delay, 1.0), Fault.hang, Fault.reset, Fault.close, Fault.close_after,
        Fault.truncated, Fault.truncated_json, Fault.wrong_types, Fault.html, Fault.empty, Fault.redirect,
        partial(Fault.huge, 200_000), partial(Fault.drip_body, 0.02), partial(Fault.drip_headers, 0.01), Fault.refuse,
        *(partial(Fault.status, status) for status in (429, 500, 502, 503)),
        partial(Fault.status, 429, retry_after=1), partial(Fault.status, 503, retry_after=1),
    ]  # fmt: skip
    refusals = [partial(Fault.status, status) for status in (400, 403)]  # a token's are a pause of a minute
    kind: Concerned = dice.choice(("token", "login", "login", "logout", "all"))
    ways += refusals if kind in ("login", "logout") else []
    return kind, dice.choice(ways)(), dice.choice((1, 3, 10, None))


# The site and its visitors.


@dataclass
class Visit:
    """One request as the site saw it: who its user was, in which form it answered."""

    form: str
    came: tuple[int, int]  # the browser, and how often it came anew
    user: str | None = None


@dataclass
class Asking:
    """One request as its browser makes it: ``when`` is its place in the order of things."""

    visit: Visit
    cookies: str
    keeps: bool
    when: int

    @property
    def path(self) -> str:
        return self.visit.form if self.visit.form == "/logout" else "/"


@dataclass(eq=False)
class Browser:
    """One browser: its cookies, and who has signed in with it."""

    number: int
    sid: str = ""
    cookie: str = ""  # ours
    old: str = ""  # one of ours, from before
    anew: int = 0  # how often it came without its own cookie, so that a login was due

    def header(self, cookie: str) -> str:
        """The Cookie header."""
        ours = f"viafoura_mw={cookie}" if cookie else ""
        return "; ".join(filter(None, (f"sid={self.sid}" if self.sid else "", ours, "_ga=1")))


@dataclass
class Figures:
    """What has happened."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def violate(self, what: str) -> None:
        with self.lock:
            self.counts["violations"] += 1
            self.violations.append(what)


class Soak:
    """The whole: a service, a site behind two doors, and browsers. Ends after ``pages`` pages or ``seconds``."""

    def __init__(
        self, *, pages: int | None, seconds: float | None, seed: int, threads: int = THREADS, tasks: int = TASKS
    ) -> None:
        self.figures = Figures()
        self._pages, self._seconds, self._seed = pages, seconds, seed
        self._threads, self._tasks = threads, tasks
        ticks = itertools.count()
        self._tick: Callable[[], int] = ticks.__next__  # atomic: what came before what
        self._asked = itertools.count()
        self._signed_in: dict[str, tuple[str, str]] = {}  # by the site's own cookie: id and name
        self._replaced: dict[str, int] = {}  # sessions that a response took from its browser, and when that came
        self._sids = itertools.count()
        self._due: set[int] = set()  # what a login was due for: digests of user, browser, and how often that came anew
        self._over = threading.Event()
        self.viafoura = Watched(self._tick)
        self._memory: list[int] = []
        self.kept: list[tuple[int, ...]] = []  # by each door: results, users, ended sessions

    # What the site does.

    def _authenticate(self, request: dict[str, Any], visit: Visit, cookies: str) -> None:
        found = re.search(r"\bsid=(\w+)", cookies)
        request["soak.user"] = None  # the site has asked, and it is nobody
        if found and (user := self._signed_in.get(found[1])):
            visit.user, name = user
            request["soak.user"] = {"id": visit.user, "name": name}
            if visit.form in WITH_TAG:
                self._due.add(hash((found[1], user, visit.came, "type" in request)))

    def _answer(self, visit: Visit, cookies: str) -> tuple[int, list[tuple[str, str]], list[bytes]]:
        """Answer a request: status, headers, chunks."""
        match visit.form:
            case "whole" | "raises":
                return 200, [HTML, ("Content-Length", str(len(PAGE)))], [PAGE]
            case "pieces" | "slow" | "left":
                return 200, [HTML, ("ETag", '"1"')], [PAGE[:100], PAGE[100:2440], PAGE[2440:]]
            case "gzip":
                return 200, [HTML, ("Content-Encoding", "gzip")], [gzip.compress(PAGE, 1)]
            case "plain":
                return 200, [HTML], [PLAIN]
            case "json":
                return 200, [("Content-Type", "application/json")], [b"{}"]
            case "error":
                return 500, [HTML], [PAGE]
        assert visit.form == "/logout"
        if found := re.search(r"\bsid=(\w+)", cookies):
            self._signed_in.pop(found[1], None)
        return 302, [("Content-Type", "text/plain"), ("Location", "/")], [b""]

    def _wsgi_site(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        visit: Visit = environ["visit"]
        self._authenticate(environ, visit, environ["HTTP_COOKIE"])
        status, headers, chunks = self._answer(visit, environ["HTTP_COOKIE"])
        start_response(f"{status} Said", headers)
        if visit.form == "raises":
            raise KeyError("the site's own")
        return self._slowly(chunks) if visit.form == "slow" else chunks

    def _slowly(self, chunks: list[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            time.sleep(0.02)

    async def _asgi_site(self, scope: Any, receive: Any, send: Any) -> None:
        visit: Visit = scope["visit"]
        cookies = dict(scope["headers"])[b"cookie"].decode("latin-1")
        self._authenticate(scope, visit, cookies)
        status, headers, chunks = self._answer(visit, cookies)
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        if visit.form == "raises":
            raise KeyError("the site's own")
        for chunk in chunks:
            await asyncio.sleep(random.choice((0.3, 0.6)) if visit.form in ("slow", "left") else 0)
            await send({"type": "http.response.body", "body": chunk, "more_body": chunk is not chunks[-1]})

    # What the visitors do.

    def _work_over(self) -> bool:
        if self._pages is not None and next(self._asked) >= self._pages:
            self._over.set()
        return self._over.is_set()

    def _happens(self, browser: Browser, dice: random.Random) -> "Asking":
        """Let something happen at a browser, and give the request that it makes next."""
        form = dice.choices([*FORMS], [*FORMS.values()])[0]
        cookie, keeps, is_in = browser.cookie, True, browser.sid in self._signed_in
        match dice.choices([*HAPPENINGS], [*HAPPENINGS.values()])[0] if is_in or dice.random() < 0.4 else "signs in":
            case "signs in":  # whoever it was before
                self._signed_in.pop(browser.sid, None)
                browser.sid = f"s{next(self._sids)}"
                self._sign_in(browser, dice)
            case "switches" if is_in:  # and the site's cookie stays as it is
                self._sign_in(browser, dice)
            case "changes the name" if is_in:
                user, _ = self._signed_in[browser.sid]
                self._signed_in[browser.sid] = (user, f"name {next(self._sids)}")
                browser.anew += 1
            case "leaves":
                form = "/logout"
            case "leaves, and we are not told":
                self._signed_in.pop(browser.sid, None)
            case "loses our cookie":
                browser.cookie = cookie = ""
                browser.anew += 1
            case "brings junk":
                ours = browser.cookie
                cookie, keeps = dice.choice(("junk", "x" * 8000, ours[:-3], f"{ours}; viafoura_mw=2", "é")), False
                browser.anew += 1
            case "brings its last cookie":
                cookie, keeps = browser.old, False
                browser.anew += 1
        return Asking(Visit(form, (browser.number, browser.anew)), browser.header(cookie), keeps, self._tick())

    def _sign_in(self, browser: Browser, dice: random.Random) -> None:
        number = (browser.number + dice.randrange(SHARING)) % USERS
        self._signed_in[browser.sid] = (f"user{number}", f"name{number}")
        browser.anew += 1

    def _sees(self, browser: Browser, asking: "Asking", headers: Mapping[str, str], body: bytes) -> None:
        """Judge a page as its browser got it, and keep its cookie."""
        visit, asked = asking.visit, asking.when
        figures = self.figures
        figures.count("pages")
        match = PAIR.search(body)
        expected = {"plain": PLAIN, "json": b"{}", "/logout": b""}.get(visit.form, PAGE)
        if (body.replace(match[0], TAG) if match else body) != expected:
            figures.violate(f"a page was not complete: {visit}")
        if match:
            figures.count("pages with a pair")
            self._judge_pair(visit, asked, int(match[1]), match[2].decode())
        elif visit.user and visit.form in WITH_TAG:
            figures.count("pages without their pair")
        set_cookie = headers.get("set-cookie")
        if set_cookie is None or not asking.keeps:
            return
        value = set_cookie.partition(";")[0].partition("=")[2]
        brought = (self._cookies.find(cookies) for cookies in (asking.cookies, f"viafoura_mw={value}"))
        before, after = (next(iter(cookies.sessions), None) for cookies in brought)
        if before and not (after and visit.user and before.session.user_id == after.session.user_id):
            self._replaced.setdefault(before.session.id, self._tick())
        browser.old, browser.cookie = browser.cookie or browser.old, "" if "Max-Age=60" in set_cookie else value

    def _judge_pair(self, visit: Visit, asked: int, user_id: int, session: str) -> None:
        figures, viafoura = self.figures, self.viafoura
        if visit.user is None or viafoura.users[visit.user].user_id != user_id:
            figures.violate(f"a page of {visit.user} carried another's user id")
        if viafoura.owner.get(session) != user_id:
            figures.violate(f"a page of {visit.user} carried another's session")
        if min(viafoura.logged_out.get(session, asked), self._replaced.get(session, asked)) < asked:
            if self._is_forgotten(session):  # a cookie from before what a process can remember
                figures.count("pages with a session that was logged out long ago")
            else:
                figures.violate(f"a page of {visit.user} carried a session that had been logged out: {visit}")

    def _is_forgotten(self, session: str) -> bool:
        tables = [parts.sessions._here.get().logouts._ended for parts in self._runtime]
        return any(len(ended) >= REMEMBERED for ended in tables) and not any(session in ended for ended in tables)

    def _browser(self, browsers: list[Browser], dice: random.Random) -> Browser:
        return dice.choice(browsers[:HOT] if dice.random() < 0.5 else browsers)

    # Through the doors.

    def _through_wsgi(self, app: Any, browsers: list[Browser], dice: random.Random) -> None:
        while not self._work_over():
            browser = self._browser(browsers, dice)
            asking = self._happens(browser, dice)
            visit = asking.visit
            environ = environ_of(path=asking.path, headers={"Accept": "text/html"})
            environ |= {"HTTP_COOKIE": asking.cookies, "visit": visit}
            headers: dict[str, str] = {}

            def start_response(status: str, fields: Any, exc_info: Any = None, *, into: Any = headers) -> None:
                into.update((name.lower(), value) for name, value in fields)

            try:
                iterable = app(environ, start_response)
                try:
                    body = b"".join(itertools.islice(iterable, 1) if visit.form == "left" else iterable)
                finally:
                    getattr(iterable, "close", bool)()
            except KeyError:
                self.figures.count("pages that the site broke off")
                continue
            except Exception as error:
                self.figures.violate(f"a page was lost: {visit} {type(error).__name__}")
                continue
            if visit.form == "left":
                self.figures.count("pages that were left")
                continue
            body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            self._sees(browser, asking, headers, body)

    async def _through_asgi(self, app: Any, browsers: list[Browser], dice: random.Random) -> None:
        while not self._work_over():
            browser = self._browser(browsers, dice)
            asking = self._happens(browser, dice)
            visit = asking.visit
            fields = {"Accept": "text/html", "Cookie": asking.cookies}
            scope = scope_of(path=asking.path, headers=fields) | {"visit": visit}
            messages: list[Any] = []

            async def send(message: Any, *, into: list[Any] = messages) -> None:
                await asyncio.sleep(0)
                into.append(message)

            try:
                async with asyncio.timeout(dice.random() if visit.form == "left" else None):
                    await app(scope, None, send)
            except (KeyError, TimeoutError) as error:
                left = isinstance(error, TimeoutError)
                self.figures.count("pages that were left" if left else "pages that the site broke off")
                continue
            except Exception as error:
                self.figures.violate(f"a page was lost: {visit} {type(error).__name__}")
                continue
            headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
            body = b"".join(message.get("body", b"") for message in messages)
            body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            self._sees(browser, asking, headers, body)
            await asyncio.sleep(0.01 * dice.random())

    def _loop(self, app: Any, browsers: list[Browser]) -> None:
        async def all_tasks() -> None:
            dice = (random.Random(f"{self._seed} task {number}") for number in range(self._tasks))
            await asyncio.gather(*(self._through_asgi(app, browsers, each) for each in dice))
            for _ in range(3):
                await asyncio.sleep(0)  # a timer that has been cancelled ends
            if len(asyncio.all_tasks()) > 1:
                self.figures.violate("a task was left behind")

        asyncio.run(all_tasks())

    # The run.

    def run(self, tell: Callable[[str], object]) -> bool:
        """Run it; ``tell`` is told how it goes. Whether every promise was kept."""
        self._exchanges_before = _exchanges()
        with self.viafoura:
            environ = {
                **self.viafoura.environ(),
                "VIAFOURA_TIMEOUT": str(TIMEOUT),
                "VIAFOURA_LOGOUT_PATHS": "/logout",
                "VIAFOURA_USER_ID": "environ:soak.user/id",
                "VIAFOURA_USER_NAME": "environ:soak.user/name",
            }
            settings = Settings.from_env(environ)
            self._cookies = cookie_of(settings)
            in_scope = {name: value.replace("environ:", "scope:") for name, value in environ.items()}
            doors = (
                wsgi.ViafouraMiddleware(self._wsgi_site, settings),
                asgi.ViafouraMiddleware(self._asgi_site, Settings.from_env(in_scope)),
            )
            self._runtime = [door._runtime for door in doors if door._runtime]
            crowds = [[Browser(number) for number in range(BROWSERS)] for _ in doors]
            workers = [threading.Thread(target=self._loop, args=(doors[1], crowds[1]))]
            for number in range(self._threads):
                dice = random.Random(f"{self._seed} thread {number}")
                workers.append(threading.Thread(target=self._through_wsgi, args=(doors[0], crowds[0], dice)))
            self._go(workers, tell)
            self.viafoura.heal()
            for parts in self._runtime:
                self._judge_remains(parts)
            self._judge_calls()
        return not self.figures.violations

    def _go(self, workers: list[threading.Thread], tell: Callable[[str], object]) -> None:
        """Let the workers work, the service fail now and then, and the progress be seen."""
        dice, began, step = random.Random(self._seed), time.monotonic(), 0
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            pages, passed = self.figures.counts["pages"], time.monotonic() - began
            share = min(1.0, pages / self._pages if self._pages else passed / (self._seconds or 1.0))
            tell(f"{'#' * int(30 * share):30} {share:4.0%} {passed:4.0f} s {pages:8} pages, "
                 f"{self.figures.counts['violations']} violations")  # fmt: skip
            if self._seconds and passed >= self._seconds:
                self._over.set()
            self._memory.append(_resident())
            if step % 12 == 0:
                kind, fault, times = some_fault(dice)
                self.viafoura.fail(kind, fault, times=times)
            elif step % 12 == 2 or dice.random() < 0.3:
                self.viafoura.heal()
            if dice.random() < 0.1:
                self.viafoura.expire_tokens()
            step += 1
            workers[0].join(0.25)
        self.seconds = time.monotonic() - began

    def _judge_remains(self, parts: Runtime) -> None:
        """Once all is over nothing is under way, and nothing is held."""
        here = parts.sessions._here.get()
        for name in ("logins", "probes", "logouts"):
            if not getattr(here.workers, name).join(60.0):
                self.figures.violate(f"{name} did not end")
        for what, number in (
            ("unanswered calls", len(here.logins._unanswered)),
            ("exchanges", _exchanges() - self._exchanges_before),
            ("bytes of the hold", parts.policy.budget.held),
        ):
            if number > 0:
                self.figures.violate(f"{number} {what} were left behind")
        self.kept.append((len(here.logins._logins), len(here.logins._newest), len(here.logouts._ended)))
        middle = max(self._memory[: len(self._memory) // 2 + 1])
        if self._memory[-1] - middle > GROWTH:
            self.figures.violate(f"memory grew by {self._memory[-1] - middle} KiB in the second half")

    def _judge_calls(self) -> None:
        if self.viafoura.clean["login"] > 1.01 * len(self._due):  # a cookie that is lost for a minute costs another
            self.figures.violate("more logins were made than users came anew")

    def table(self) -> Iterator[str]:
        """What happened, as lines."""
        made, struck = self.viafoura.clean, self.viafoura.struck
        rows: list[tuple[str, object]] = [("seconds", f"{self.seconds:.1f}"), ("seed", self._seed)]
        rows += [(f"{self._threads} threads, {self._tasks} tasks: pages", self.figures.counts["pages"])]
        rows += [(name, n) for name, n in sorted(self.figures.counts.items()) if name not in ("pages", "violations")]
        rows += [(f"{kind} calls: answered, failed", f"{made[kind]}, {struck[kind]}") for kind in KINDS]
        rows += [("logins due: a user came to a browser anew", len(self._due))]
        rows += [("sessions known, logged out", f"{len(self.viafoura.owner)}, {len(self.viafoura.logged_out)}")]
        quarter = max(1, len(self._memory) // 4)
        resident = ", ".join(f"{kib // 1024}" for kib in self._memory[::quarter])
        rows += [
            (f"kept by the {door} door, of {REMEMBERED}: results, users, ended", kept)
            for door, kept in zip(("WSGI", "ASGI"), self.kept, strict=True)
        ]
        rows += [
            ("resident memory by quarters, MiB, with these figures", resident),
            ("violations", len(self.figures.violations)),
        ]
        return (f"{name:60} {value}" for name, value in rows)


KINDS = ("token", "login", "logout")


def _exchanges() -> int:
    gc.collect()
    return sum(type(each) is Exchange for each in gc.get_objects())


def _resident() -> int:
    """The process's resident memory in KiB; 0 where that is not to be known."""
    try:
        return int(re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[0])
    except (OSError, IndexError):
        return 0


def main() -> int:
    """Run the soak from the command line."""
    logging.getLogger("viafoura_mw").addHandler(logging.NullHandler())  # the faults are ours, and on purpose
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    soak = Soak(pages=None, seconds=options.seconds, seed=options.seed)
    kept = soak.run(lambda line: print(f"\r{line}", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    print(*soak.table(), *soak.figures.violations[:20], sep="\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
