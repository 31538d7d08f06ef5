"""Every server with every framework: what is promised of each cell, checked on the real server, and the docs' table.

python -m tests.matrix                     # prints the table
python -m tests.matrix --write .docs/servers.md   # and writes it between its markers
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.sites import news
from tests.support.servers import ROOT, SERVERS, Answer, Browser, Running, Server, environ_of_process, exchange, uncut
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.viafoura.breaker import FAILURES

CELLS_AT_ONCE: Final = 4  # while one waits for its Viafoura to time out, others work
TIMEOUT: Final = 1.0  # seconds that a page may wait for Viafoura


@dataclass(frozen=True)
class Site:
    """A framework's site; ``wsgi`` and ``asgi`` name its applications, as ``VIAFOURA_APP`` does."""

    name: str
    wsgi: str = ""
    asgi: str = ""
    has_database: bool = False


SITES: Final = (
    Site("plain", "tests.sites.plain_wsgi:application", "tests.sites.plain_asgi:application"),
    Site("Flask, Flask-Login", wsgi="tests.sites.flask_site:create_app()"),
    Site("Django", "tests.sites.django_site:wsgi()", "tests.sites.django_site:asgi()", has_database=True),
    Site("Pyramid", wsgi="tests.sites.pyramid_site:main()"),
    Site("Starlette", asgi="tests.sites.starlette_site:app"),
    Site("FastAPI", asgi="tests.sites.fastapi_site:app"),
    Site("Litestar", asgi="tests.sites.litestar_site:app"),
)

#: The cells that make no sense: a server or a door, a site, and why.
LEFT_OUT: Final = (
    ("asgi", "Flask, Flask-Login", "is WSGI"),
    ("asgi", "Pyramid", "is WSGI"),
    ("wsgi", "Starlette", "is ASGI"),
    ("wsgi", "FastAPI", "is ASGI"),
    ("wsgi", "Litestar", "is ASGI"),
    ("Hypercorn trio", "Django", "needs asyncio"),
)

Cell = tuple[Server, Site]


def left_out(server: Server, site: Site) -> str:
    """Why a cell is left out; empty if it is not."""
    return next((why for where, what, why in LEFT_OUT if where in (server.name, server.door) and what == site.name), "")


CELLS: Final[tuple[Cell, ...]] = tuple((s, site) for s in SERVERS for site in SITES if not left_out(s, site))


# What is promised.

HEAD: Final = "HEAD / HTTP/1.1\nAccept: text/html"
LIVE: Final = "GET /live HTTP/1.1\nAccept: text/html"
#: What anybody may ask, and gets from the wrapped site as from the bare one, byte for byte.
ANONYMOUS: Final = (
    "GET / HTTP/1.1\nAccept: text/html",
    HEAD,
    "GET / HTTP/1.1\nAccept: text/html\nAccept-Encoding: gzip, br\nCookie: _ga=GA1.1.1; theme=dark",
    LIVE,
    "GET /style.css HTTP/1.1\nAccept: text/css",
    f"GET /style.css HTTP/1.1\nAccept: text/css\nIf-None-Match: {news.etag(news.STYLE)}",
    "GET /none HTTP/1.1\nAccept: text/html",
    "POST /echo HTTP/1.1\nContent-Type: text/plain\nContent-Length: 5\n\nhello",
)


@dataclass(frozen=True)
class Served:
    """A wrapped site that is being served."""

    server: Server
    running: Running
    viafoura: SimulatedViafoura
    bare: Mapping[str, bytes]

    @property
    def live(self) -> str:
        """A page that streams, where one comes to its end."""
        return "/live" if self.server.streams else "/"

    def signed_in(self, number: int, *, closes: bool = False) -> Browser:
        """A browser whose user has signed in to the site; it has seen no page yet."""
        browser = Browser(self.running.port, closes=closes or not self.server.keeps_alive)
        assert browser.post("/sign-in", reader=str(number)).status in (302, 303)
        return browser

    def until_it_carries_a_session(self, browser: Browser) -> list[Answer]:
        """The pages that it takes: one, but for a machine so loaded that a login takes all of a page's time."""
        pages = [browser.get()]
        while pages[-1].pair is None and len(pages) < 5:
            pages.append(browser.get())
        return pages


def anonymous_pages_are_the_bare_sites(served: Served) -> None:
    seen = uncut if served.server.cuts_anew else bytes
    for request, bare in served.bare.items():
        assert seen(exchange(served.running.port, request)) == seen(bare), request
    assert not served.viafoura.calls


def a_signed_in_page_has_its_users_pair_and_the_next_costs_no_call(served: Served) -> None:
    with served.signed_in(1) as browser:
        pages = served.until_it_carries_a_session(browser)
        logins = served.viafoura.count("login")
        served.viafoura.clear_calls()
        answers = [pages[-1], browser.get(), browser.get(served.live), browser.get()]

    assert logins == 1 or len(pages) > 1
    pairs = {answer.pair for answer in answers}
    assert len(pairs) == 1, "one user, one session"
    pair = pairs.pop()
    assert pair is not None
    assert served.viafoura.calls == ()
    (account,) = served.viafoura.users.values()
    assert (account.user_id, served.viafoura.sessions[pair[1]]) == (int(pair[0]), int(pair[0]))
    assert account.id == news.Reader(1).id
    attributes = f' data-uid="{pair[0]}" data-sid="{pair[1]}"'.encode()
    assert all(answer.body.replace(attributes, b"") == news.page(news.Reader(1)) for answer in answers)
    assert all("private" in (answer.get("Cache-Control") or "") for answer in answers)


def a_connection_stays_usable(served: Served) -> None:
    with served.signed_in(1) as browser:
        served.until_it_carries_a_session(browser)
        connection = browser.connection
        page = browser.get()
        # Django leaves it to the server to send no body to HEAD, and cheroot sends it: bare as well as wrapped.
        head = browser.ask("HEAD", "/", {}) if served.bare[HEAD].endswith(b"\r\n\r\n") else None
        style = browser.get("/style.css")
        unchanged = browser.get("/style.css", If_None_Match=style.get("ETag") or "")
        unchanged_page = browser.get(If_None_Match=news.etag(news.page(news.Reader(1))))
        echoed = browser.ask("POST", "/echo", {"Content-Type": "text/plain"}, b"x" * 100_000)
        kept = browser.connection is connection and connection is not None
        live, again = browser.get(served.live), browser.get()  # after a page of unknown length some servers close

    assert page.pair == live.pair == again.pair == unchanged_page.pair is not None
    assert head is None or head.body == b""
    assert (style.status, style.body) == (200, news.STYLE)
    assert echoed.body == b"x" * 100_000
    assert (unchanged.status, unchanged.body) in ((304, b""), (200, news.STYLE))
    assert kept or not served.server.keeps_alive


def viafoura_hanging_costs_no_page_and_soon_no_call(served: Served) -> None:
    readers = range(100, 100 + HANGING_PAGES)
    browsers = {number: served.signed_in(number, closes=True) for number in readers}
    served.viafoura.fail("login", Fault.hang())
    served.viafoura.clear_calls()

    def page_of(number: int) -> bytes:
        with browsers[number] as browser:
            return browser.get().body

    with ThreadPoolExecutor(PAGES_AT_ONCE) as pool:
        pages = list(pool.map(page_of, readers))

    assert pages == [news.page(news.Reader(number)) for number in readers]
    probes = 5  # the pauses between them double, from a second on
    assert served.viafoura.count("login") <= served.server.processes * (FAILURES + PAGES_AT_ONCE + probes)


PAGES_AT_ONCE: Final = 6
HANGING_PAGES: Final = 40

PROMISES: Final[tuple[Callable[[Served], None], ...]] = (
    anonymous_pages_are_the_bare_sites,
    a_signed_in_page_has_its_users_pair_and_the_next_costs_no_call,
    a_connection_stays_usable,
    viafoura_hanging_costs_no_page_and_soon_no_call,
)


def check(server: Server, site: Site) -> None:
    """Check every promise of a cell; raise ``AssertionError`` with the promise that is not kept."""
    name = site.wsgi if server.door == "wsgi" else site.asgi
    with _environ(site) as environ, SimulatedViafoura() as viafoura:
        with server.serving("tests.sites.bare", {"SITE": name, **environ}) as bare:
            asked = [request for request in ANONYMOUS if server.streams or request != LIVE]
            answers = {request: exchange(bare.port, request) for request in asked}
        wrapped = {"VIAFOURA_APP": name, "VIAFOURA_TIMEOUT": str(TIMEOUT), **viafoura.environ(), **environ}
        with server.serving(f"viafoura_mw.{server.door}", wrapped) as running:
            served = Served(server, running, viafoura, answers)
            for promise in PROMISES:
                try:
                    promise(served)
                except Exception as error:
                    error.add_note(f"{server.name}, {site.name}: {promise.__name__}\n{running.said()[-3000:]}")
                    raise
            assert running.end(), f"a pending login keeps it alive:\n{running.said()[-3000:]}"


@contextlib.contextmanager
def _environ(site: Site) -> Iterator[dict[str, str]]:
    if not site.has_database:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "gazette.sqlite3"
        database.write_bytes(_empty_database())
        for path in (Path(folder), database):
            path.chmod(0o777)  # for servers that run as somebody else
        yield {"DATABASE": str(database)}


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "empty.sqlite3"
        command = [sys.executable, "-m", "tests.sites.django_site"]
        subprocess.run(command, env=environ_of_process({"DATABASE": str(database)}), cwd=ROOT, check=True)
        return database.read_bytes()


# The table.

_BETWEEN: Final = re.compile(r"(?s)(<!-- matrix -->\n).*?(<!-- /matrix -->)")


def table(cell: Callable[[Server, Site], str]) -> str:
    """The matrix in Markdown; ``cell`` says what stands in those that are not left out."""
    rows = [["", *(site.name for site in SITES)], ["---"] * (len(SITES) + 1)]
    rows += [[server.name, *(left_out(server, site) or cell(server, site) for site in SITES)] for server in SERVERS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def kept(_: Server, __: Site) -> str:
    """What stands in a cell whose promises are all kept."""
    return "✓"


def in_page(text: str) -> str | None:
    """The table that a page has between its markers; ``None`` without them."""
    found = _BETWEEN.search(text)
    return found[0].removeprefix("<!-- matrix -->\n").removesuffix("<!-- /matrix -->") if found else None


def main() -> int:
    """Check every cell, print the table, and write it if that is asked for and all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table between its markers")
    parser.add_argument("--only", default="", help="only cells whose name has this in it, as in 'gunicorn' or 'Django'")
    arguments = parser.parse_args()
    outcomes = dict(_run([cell for cell in CELLS if arguments.only in name_of(cell)]))
    whole = table(lambda server, site: outcomes.get((server, site), "not run"))
    sys.stdout.write(whole)
    if any(outcome != "✓" for outcome in outcomes.values()):
        return 1
    if arguments.write and len(outcomes) == len(CELLS):
        text = arguments.write.read_text("utf-8")
        arguments.write.write_text(_BETWEEN.sub(lambda found: found[1] + whole + found[2], text), "utf-8")
    return 0


def name_of(cell: Cell) -> str:
    """A cell's name, as tests and options have it."""
    return f"{cell[0].name}, {cell[1].name}"


def _run(cells: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    with ThreadPoolExecutor(CELLS_AT_ONCE) as pool:
        for cell, outcome in zip(cells, pool.map(_outcome, cells), strict=True):
            sys.stderr.write(f"{name_of(cell)}: {outcome}\n")
            yield cell, outcome


def _outcome(cell: Cell) -> str:
    server, site = cell
    if server.missing:
        return server.missing
    try:
        check(server, site)
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n" + "\n".join(getattr(error, "__notes__", ())) + "\n")
        return "✗"
    return "✓"


if __name__ == "__main__":
    sys.exit(main())
