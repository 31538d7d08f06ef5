"""A site behind the bridge, for bridge.js in a browser: pages, a sign-in of its own, and faults on demand.

Three WSGI applications, one around the other. :class:`Paper` is the site, and knows nothing of Viafoura.
:class:`StubBridge` stands for the middleware: it parks the scripts of its pages and answers the bridge's three
addresses, by the contract and no more of it than a browser needs; whatever has the signature of :data:`Bridge` can take
its place. :class:`Meddler` stands for all that lies between a site and its readers.
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
from http.cookies import SimpleCookie
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import requests

from viafoura_mw.bridge.script import ON_ERROR, OWN_TYPE_ATTRIBUTE, PARKED_TYPE, rendered
from viafoura_mw.testing import SimulatedViafoura

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


# What stands for the middleware.


class StubBridge:
    """Answers as the middleware does; its cookie is not sealed, and ``clock`` can be put forward."""

    def __init__(self, app: WSGIApplication, viafoura: SimulatedViafoura, options: Options) -> None:
        self._app = app
        self._viafoura = viafoura
        self._options = options
        self._script = rendered(
            path=options.path, wait=options.wait, hint=options.hint, login=options.login, logout=options.logout
        )
        self._lock = threading.Lock()
        self.later = 0.0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith(self._options.path):
            return self._page(environ, start_response)
        name = path.removeprefix(self._options.path)
        if name == "bridge.js":
            headers = [("Content-Type", "text/javascript; charset=utf-8"), ("ETag", f'"{self._script.digest}"')]
            start_response("200 OK", [*headers, ("Cache-Control", "public, max-age=31536000, immutable")])
            return [self._script.body]
        if name not in ("session", "logout"):
            return self._app(environ, start_response)
        echo = environ.get("HTTP_X_VIAFOURA_BRIDGE", "")
        is_same = environ.get("HTTP_SEC_FETCH_SITE") == "same-origin"
        if environ["REQUEST_METHOD"] != "POST" or not is_same or not re.fullmatch("[0-9A-Za-z_-]{16,64}", echo):
            start_response("403 Forbidden", [("Cache-Control", "no-store")])
            return []
        with self._lock:
            answer, cookies = self._answered(name, environ)
        headers = [("Content-Type", "application/json"), ("Cache-Control", "private, no-store"), ("Vary", "Cookie")]
        start_response("200 OK", [*headers, *cookies])
        return [json.dumps({"for": echo, **answer}).encode()]

    def _answered(self, name: str, environ: WSGIEnvironment) -> tuple[dict[str, Any], list[Header]]:
        ours: dict[str, Any] = json.loads(SimpleCookie(environ.get("HTTP_COOKIE", "")).get(OUR_COOKIE, _NONE).value)
        list(self._app({**environ, "REQUEST_METHOD": "GET"}, lambda *_: lambda _: None))  # it is asked who reads
        now = time.time() + self.later
        reader = None if name == "logout" else cookie(environ, READER_COOKIE)
        nobody = {"state": "nobody", "user_id": None, "session": None}
        is_kept = ours and ours["reader"] == reader
        if is_kept and environ.get("QUERY_STRING") == "renew" and now - ours["at"] >= 60:
            is_kept = False
        if ours and not is_kept:
            self._call("logout", session=ours["session"])
        if not reader:
            return nobody, [_our_cookie(None, self._options)] if ours else []
        if not is_kept:
            ours = {"reader": reader, "at": now, **self._call("login", id=reader, name=f"Reader {reader}")}
        pair = {"user_id": str(ours["user_id"]), "session": ours["session"]}
        return {"state": "signed-in", **pair}, [] if is_kept else [_our_cookie(ours, self._options)]

    def _call(self, kind: str, **form: str) -> dict[str, Any]:
        asked = {"grant_type": "client_credentials", "scope": "accounts"}
        auth = (self._viafoura.site_id, self._viafoura.api_key)
        url = self._viafoura.url
        token = requests.post(f"{url}/oauth2/token", asked, auth=auth, timeout=PATIENCE).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(f"{url}/rest/v1/accounts/{kind}", form, headers=headers, timeout=PATIENCE)
        given: dict[str, Any] = answer.json()
        return given

    def _page(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        heads: list[tuple[str, list[Header]]] = []

        def keep(status: str, headers: list[Header], *_: Any) -> Callable[[bytes], object]:
            heads.append((status, headers))
            start_response(status, headers)
            return lambda _: None

        chunks = iter(self._app(environ, keep))
        first = next(chunks, b"")
        has_policy = any(name == "Content-Security-Policy" for name, _ in heads[0][1])
        yield parked(first.decode(), self._address, is_bare=has_policy).encode()
        for chunk in chunks:
            yield parked(chunk.decode(), self._address, is_bare=has_policy).encode()

    @property
    def _address(self) -> str:
        return f"{self._options.path}bridge.js?{self._script.digest}"


class _None:
    value = "null"


_NONE = _None()


def _our_cookie(ours: dict[str, Any] | None, options: Options) -> Header:
    life = "Max-Age=3600" if ours else "Max-Age=0"
    jar: SimpleCookie = SimpleCookie()
    jar[OUR_COOKIE] = json.dumps(ours) if ours else ""
    return "Set-Cookie", f"{jar[OUR_COOKIE].OutputString()}; Path={options.cookie_path}; HttpOnly; {life}"


_SCRIPT = re.compile(r"<script\b([^>]*)>")
_TYPE = re.compile(r"""\s+type=("[^"]*"|'[^']*'|[^\s>"']+)""")
_BOOT = re.compile(r"""src="?[^"\s>]*//[^/\s]+/(entry/index|vf|vf-v2)\.js""")


def parked(html: str, address: str, *, is_bare: bool) -> str:
    """The page with Viafoura's scripts held, as far as pages of tests need it. ``is_bare``: it has a policy."""

    def held(found: re.Match[str]) -> str:
        attributes = found[1]
        is_tag = 'id="viafoura-platform"' in attributes
        if not (is_tag or _BOOT.search(attributes)) or PARKED_TYPE in attributes or "data-bare" in attributes:
            return found[0]
        parking = f' type="{PARKED_TYPE}"'
        if kind := _TYPE.search(attributes):
            kept = kind[1].strip("\"'")
            attributes = attributes.replace(kind[0], f'{parking} {OWN_TYPE_ATTRIBUTE}="{kept}"', 1)
        else:
            attributes = parking + attributes
        nonce = re.search(r'nonce="([^"]*)"', attributes)
        with_nonce = f' nonce="{nonce[1]}"' if nonce else ""
        on_error = "" if is_bare else f' onerror="{ON_ERROR}"'
        ours = f'<script src="{address}" async data-cfasync="false"{with_nonce}{on_error}></script>'
        return f"{ours if is_tag else ''}<script{attributes}>"

    return _SCRIPT.sub(held, html)


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
        return [json.dumps(change(json.loads(b"".join(app(environ, start_response))))).encode()]

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
    viafoura: SimulatedViafoura, options: Options | None = None, bridge: Bridge = StubBridge
) -> Iterator[Site]:
    """Serve a site on 127.0.0.1, on a free port."""
    options = options or Options()
    paper = Paper()
    bridging = bridge(paper, viafoura, options)
    meddler = Meddler(bridging)
    with make_server("127.0.0.1", 0, meddler, _Server, _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", paper, bridging, meddler, viafoura, options)
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def encoded(text: str) -> str:
    """As ``encodeURIComponent`` has it."""
    return quote(text, safe="!'()*")
