"""A site behind the bridge, for bridge.js in a browser: pages, a sign-in of its own, and faults on demand.

Three WSGI applications, one around the other. :class:`Paper` is the site, and knows nothing of Viafoura.
:class:`RealBridge` is the middleware itself; whatever has the signature of :data:`Bridge` can take its place.
:class:`Meddler` stands for all that lies between a site and its readers.
"""

import contextlib
import io
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from viafoura_mw import Settings
from viafoura_mw.runtime import GRACE
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.wsgi import ViafouraMiddleware

PATIENCE = 30.0
READER_COOKIE = "reader"
OUR_COOKIE = "viafoura_mw"

Header = tuple[str, str]


@dataclass(frozen=True)
class Options:
    """The settings of a bridge, as plain values; ``wait`` is long, so that a busy machine is not taken for a fault."""

    path: str = "/_viafoura/"
    wait: float = PATIENCE
    hint: Sequence[str] = ()
    login: str = ""
    logout: str = ""
    cookie_path: str = "/"


Bridge = Callable[[WSGIApplication, SimulatedViafoura, Options], WSGIApplication]


# The site.


@dataclass(frozen=True)
class Page:
    """A page as the site has it. ``pieces``: what is sent later, each once ``/go-on`` was asked for."""

    html: str
    headers: Sequence[Header] = ()
    pieces: Sequence[str] = ()
    status: str = "200 OK"


class Paper:
    """A site with pages, and readers who are signed in by a cookie; ``environ["paper.reader"]`` is who reads."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {"/empty": Page("<!doctype html><title>Empty</title>")}
        self._go_on = threading.Semaphore(0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        environ["paper.reader"] = {"id": cookie(environ, READER_COOKIE) or None}
        asked = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        if path in ("/sign-in", "/sign-out"):
            return _signed(asked, start_response)
        if path == "/go-on":
            self._go_on.release()
        page = self.pages.get(path) or self.pages.get("*") or Page("<!doctype html>Not found.", status="404 Not Found")
        headers = [("Cache-Control", "no-cache"), *page.headers]
        if not any(name == "Content-Type" for name, _ in headers):
            headers.append(("Content-Type", "text/html; charset=utf-8"))
        start_response(page.status, headers)
        return self._sent(page)

    def _sent(self, page: Page) -> Iterator[bytes]:
        yield page.html.encode()
        for piece in page.pieces:
            self._go_on.acquire(timeout=PATIENCE)
            yield piece.encode()


def _signed(asked: dict[str, str], start_response: StartResponse) -> Iterable[bytes]:
    """Sign a reader in, or out where nobody is named, and on to the next page, if any."""
    life = "Max-Age=3600" if asked.get("as") else "Max-Age=0"
    headers = [("Set-Cookie", f"{READER_COOKIE}={asked.get('as', '')}; Path=/; {life}"), ("Cache-Control", "no-store")]
    if "next" in asked:
        start_response("303 See Other", [*headers, ("Location", asked["next"])])
        return []
    start_response("200 OK", [*headers, ("Content-Type", "text/html")])
    return [b"<!doctype html><title>Signed</title><p>Done."]


def cookie(environ: WSGIEnvironment, name: str) -> str:
    """A cookie of the request, or nothing."""
    found = re.search(rf"(?:^|;\s*){name}=([^;]*)", environ.get("HTTP_COOKIE", ""))
    return found[1] if found else ""


# The middleware.


class RealBridge:
    """The middleware itself, by the options; its clock, as far as cookies go by it, can be put forward."""

    def __init__(self, app: WSGIApplication, viafoura: SimulatedViafoura, options: Options) -> None:
        self.later = 0.0
        self._middleware = ViafouraMiddleware(app, Settings.from_env({**viafoura.environ(), **_variables(options)}))
        runtime = self._middleware._runtime
        assert runtime is not None
        for part, clock in ((runtime.cookie, "_clock"), (runtime.sessions, "_unix_clock")):
            setattr(part, clock, self._now)
        runtime.sessions._viafoura._clock = self._now  # type: ignore[attr-defined]

    def _now(self) -> float:
        return time.time() + self.later

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._middleware(environ, start_response)


def _variables(options: Options) -> dict[str, str]:
    return {
        "VIAFOURA_BRIDGE": "1",
        "VIAFOURA_BRIDGE_PATH": options.path,
        "VIAFOURA_BRIDGE_SCRIPTS": "*//*/entry/index.js*, *//*/vf.js*, *//*/vf-v2.js*",
        "VIAFOURA_BRIDGE_HINT": ",".join(options.hint),
        "VIAFOURA_LOGIN_URL": options.login,
        "VIAFOURA_LOGOUT_URL": options.logout,
        "VIAFOURA_COOKIE_PATH": options.cookie_path,
        "VIAFOURA_TIMEOUT": str(max(0.01, options.wait - GRACE)),
        "VIAFOURA_USER_ID": "environ:paper.reader/id",
        "VIAFOURA_AUTH_COOKIES": READER_COOKIE,
    }


# What lies between a site and its readers.


@dataclass(frozen=True)
class Seen:
    """A request as it came to the site."""

    method: str
    path: str
    query: str
    environ: dict[str, Any] = field(repr=False)


Fault = Callable[[WSGIApplication, WSGIEnvironment, StartResponse], Iterable[bytes]]


class Meddler:
    """Notes what comes, and answers some of it in the site's place."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._changed = threading.Condition()
        self._seen: list[Seen] = []
        self._faults: dict[str, Fault] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        with self._changed:
            self._seen.append(Seen(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), dict(environ)))
            self._changed.notify_all()
        fault = self._faults.get(path)
        return fault(self._app, environ, start_response) if fault else self._app(environ, start_response)

    def meddle(self, path: str, fault: Fault | None) -> None:
        """From now on answer a path thus; or no more."""
        if fault:
            self._faults[path] = fault
        else:
            self._faults.pop(path, None)

    def seen(self, path: str) -> list[Seen]:
        """The requests for a path, in order."""
        with self._changed:
            return [seen for seen in self._seen if seen.path == path]

    def wait_for(self, path: str, count: int = 1) -> None:
        """Wait until so many requests for a path have come."""
        with self._changed:
            came = self._changed.wait_for(lambda: sum(s.path == path for s in self._seen) >= count, PATIENCE)
        assert came, f"not {count} requests for {path}"


def answers(status: str, body: bytes = b"", *headers: Header) -> Fault:
    """An answer of its own."""

    def fault(_: WSGIApplication, __: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [*headers] or [("Content-Type", "application/json")])
        return [body]

    return fault


def changes(change: Callable[[Any], Any]) -> Fault:
    """The site's own answer, its JSON changed."""

    def fault(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def without_length(status: str, headers: list[Header], *_: Any) -> Callable[[bytes], object]:
            return start_response(status, [field for field in headers if field[0] != "Content-Length"])

        return [json.dumps(change(json.loads(b"".join(app(environ, without_length))))).encode()]

    return fault


def with_status(status: str) -> Fault:
    """The site's own answer under another status."""

    def fault(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app(environ, lambda _, headers, *__: start_response(status, headers))

    return fault


def redirected(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """To the same address with a query, where the site answers."""
    if environ.get("QUERY_STRING"):
        return app(environ, start_response)
    start_response("307 Temporary Redirect", [("Location", f"{environ['PATH_INFO']}?again")])
    return []


def held_until(let_go: threading.Event) -> Fault:
    """The site's own answer, once it is let go."""

    def fault(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        let_go.wait(PATIENCE)
        return app(environ, start_response)

    return fault


def reset(_: WSGIApplication, environ: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
    """No answer: the connection is reset."""
    connection: socket.socket = environ["test.connection"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise ConnectionResetError


# All of it, served.


@dataclass
class Site:
    """A running site: ``url``, what its readers' requests met, and the simulated Viafoura that it uses."""

    url: str
    paper: Paper
    bridge: Any
    meddler: Meddler
    viafoura: SimulatedViafoura
    options: Options

    def put(self, path: str, html: str, *headers: Header, pieces: Sequence[str] = ()) -> str:
        """Publish a page; its address."""
        self.paper.pages[path] = Page(html, headers, pieces)
        return self.url + path

    def sign_in(self, reader: str, then: str = "") -> str:
        """The address at which a reader signs in."""
        return f"{self.url}/sign-in?" + urlencode({"as": reader, **({"next": then} if then else {})})

    @property
    def sign_out(self) -> str:
        """The address at which whoever reads signs out."""
        return f"{self.url}/sign-out"

    def questions(self, name: str = "session") -> list[Seen]:
        """What bridge.js has asked."""
        return self.meddler.seen(self.options.path + name)

    def meddle(self, name: str, fault: Fault | None) -> None:
        """Answer one of the bridge's addresses thus."""
        self.meddler.meddle(self.options.path + name, fault)

    def user_id(self, reader: str) -> str:
        """Viafoura's id of a reader who has been signed in."""
        return str(self.viafoura.users[reader].user_id)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A browser that has left is no error, nor is a connection that a test resets."""


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> WSGIEnvironment:
        return {**super().get_environ(), "test.connection": self.connection}

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def get_stderr(self) -> Any:
        return io.StringIO()


@contextlib.contextmanager
def running_site(
    viafoura: SimulatedViafoura, options: Options | None = None, bridge: Bridge = RealBridge
) -> Iterator[Site]:
    """Serve a site on 127.0.0.1, on a free port."""
    options = options or Options()
    paper = Paper()
    bridging = bridge(paper, viafoura, options)
    meddler = Meddler(bridging)
    with serving(meddler) as port:
        yield Site(f"http://127.0.0.1:{port}", paper, bridging, meddler, viafoura, options)


@contextlib.contextmanager
def serving(app: WSGIApplication) -> Iterator[int]:
    """Serve an application in this process, on a free port of 127.0.0.1."""
    with make_server("127.0.0.1", 0, app, _Server, _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def encoded(text: str) -> str:
    """As ``encodeURIComponent`` has it."""
    return quote(text, safe="!'()*")
