"""What a request costs: in process, and behind real servers, always side by side in one run.

``python -m tests.bench requests [--svg FILE] [--quick]`` prints, for WSGI and ASGI, the microseconds that the
middleware adds to a request over an empty pass-through middleware; then requests per second and latencies of gunicorn
with Flask and of uvicorn with Starlette: bare, with the empty middleware, with ours, with New Relic's middleware that
inserts its browser agent, and with Starlette's own GZipMiddleware; then what a reader's first page costs.

Most pages are made beforehand and only sent, which no site does: they show what the middleware costs, and nothing
hides it. Of the last page every byte is rendered by a template for each request, with nothing read from a database.

New Relic's is that of its agent, around a transaction that records nothing. It looks for ``<body>``, writes one string
there, and looks no further, for every visitor alike.
"""

import argparse
import asyncio
import importlib.util
import multiprocessing
import re
import socket
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from tests.bench.plot import bars
from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.runtime import cookie_of
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

SETTINGS = Settings(site_id="site", api_key="key")
TAG = b'<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>'
STORY = b'<p class="story">Some text with a <a href="/x?y=1&amp;z=2">link</a>, a <b>word</b>, and it&#39;s a day.</p>\n'
SIZE = 50_000


def page(place: float | None) -> bytes:
    """A page of about 50 KB with the tag at ``place`` (0 to 1), or without one."""
    stories = [STORY] * (SIZE // len(STORY))
    if place is not None:
        stories.insert(int(len(stories) * place), TAG)
    return b"<!doctype html><title>News</title><body>" + b"".join(stories)


HTML = "text/html; charset=utf-8"
TEMPLATE = """<!doctype html><title>News</title><body><header>Good morning, {{ reader }}</header>
{% for story in stories %}<article class="card card--{{ loop.index }}"><a href="/news/{{ story.number }}">
<h3>{{ story.title }}</h3></a><p class="story">{{ story.text }}
<b>{{ story.author }}</b>, {{ story.hours }} h</p></article>
{% endfor %}<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script></body>"""


@dataclass(frozen=True)
class Case:
    """One kind of request: what is answered, and whether the user is signed in. Without ``body`` it is rendered."""

    name: str
    body: bytes | None
    content_type: str
    signed_in: bool


CASES = (
    Case("JSON, anonymous", b"{}", "application/json", signed_in=False),
    Case("page, anonymous", page(0.05), HTML, signed_in=False),
    Case("JSON, signed in", b"{}", "application/json", signed_in=True),
    Case("page, signed in, tag at 5 %", page(0.05), HTML, signed_in=True),
    Case("page, signed in, tag at 95 %", page(0.95), HTML, signed_in=True),
    Case("page, signed in, no tag", page(None), HTML, signed_in=True),
)
RENDERED = Case("page rendered, signed in", None, HTML, signed_in=True)


def body_of(case: Case) -> Callable[[], bytes]:
    """What makes the body of a response: the same each time, or rendered each time."""
    if (body := case.body) is not None:
        return lambda: body
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(TEMPLATE)
    text = "It's a day like any other & so on. " * 7
    stories = [
        {"number": n, "title": f"Story number {n} & more", "text": text, "author": "Ann Lee", "hours": n % 24}
        for n in range(110)
    ]
    return lambda: template.render(stories=stories, reader="ann").encode()


def cookie() -> str:
    """A browser's cookies on its second page."""
    session = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", time.time())
    return "sessionid=abc; " + cookie_of(SETTINGS).set(User("ann", "ann"), session, secure=False).partition(";")[0]


def request_headers(case: Case) -> dict[str, str]:
    """What a browser sends."""
    headers = {"Host": "127.0.0.1", "Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "gzip", "User-Agent": "x"}
    return {**headers, "Cookie": cookie()} if case.signed_in else headers


def wsgi_app(case: Case) -> Any:
    """An application that answers ``case``."""
    body = body_of(case)()
    headers = [("Content-Type", case.content_type), ("Content-Length", str(len(body)))]

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if case.signed_in:
            environ["REMOTE_USER"] = "ann"
        start_response("200 OK", list(headers))
        return [body]

    return application


def asgi_app(case: Case) -> Any:
    """An application that answers ``case``."""
    body = body_of(case)()
    headers = [(b"content-type", case.content_type.encode()), (b"content-length", str(len(body)).encode())]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if case.signed_in:
            scope["user"] = "ann"
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return application


class EmptyWSGI:
    """The middleware that does nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.app(environ, start_response)


class EmptyASGI:
    """The middleware that does nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def in_process(rounds: int = 7, requests: int = 2000) -> list[tuple[str, str, float, float]]:
    """For each door and case the microseconds of a request: through the empty middleware, and through ours."""
    rows = []
    for case in CASES:
        environ = environ_of(headers=request_headers(case))
        runs = [wsgi_run(app, environ, requests) for app in _pair(wsgi_app(case), EmptyWSGI, wsgi.ViafouraMiddleware)]
        rows.append(("WSGI", case.name, *side_by_side(runs, rounds)))
    for case in CASES:
        scope = scope_of(headers=request_headers(case))
        runs = [asgi_run(app, scope, requests) for app in _pair(asgi_app(case), EmptyASGI, asgi.ViafouraMiddleware)]
        rows.append(("ASGI", case.name, *side_by_side(runs, rounds)))
    return rows


def _pair(app: Any, empty: Any, ours: Any) -> tuple[Any, Any]:
    return empty(app), ours(app, SETTINGS)


def side_by_side(runs: list[Callable[[], float]], rounds: int) -> tuple[float, float]:
    """The best of several rounds of each, in turn."""
    times = [[run() for run in runs] for _ in range(rounds)]
    empty, ours = (min(column) for column in zip(*times, strict=True))
    return empty, ours


def wsgi_run(app: Any, environ: dict[str, Any], requests: int) -> Callable[[], float]:
    """What makes so many requests, and gives the microseconds of the processor that one took, whoever else uses it."""

    def start_response(*_: Any) -> None:
        pass

    def run() -> float:
        began = time.process_time()
        for _ in range(requests):
            iterable = app(dict(environ), start_response)
            for _chunk in iterable:
                pass
            if hasattr(iterable, "close"):
                iterable.close()
        return (time.process_time() - began) / requests * 1e6

    return run


def asgi_run(app: Any, scope: dict[str, Any], requests: int) -> Callable[[], float]:
    """The same of an ASGI application."""

    async def channel(*_: Any) -> None:
        pass

    async def serve() -> float:
        began = time.process_time()
        for _ in range(requests):
            await app(dict(scope), channel, channel)
        return (time.process_time() - began) / requests * 1e6

    return lambda: asyncio.run(serve())


# Behind real servers: one keep-alive connection, one request after the other, the variants in turn.


def application(door: str, variant: str, case: Case) -> Any:
    """What a server process serves: Flask's or Starlette's page in one of the variants."""
    if door == "wsgi":
        return _wsgi_variant(variant, flask_app(case))
    return _asgi_variant(variant, starlette_app(case))


def flask_app(case: Case) -> Any:
    """A Flask site with one page."""
    from flask import Flask, Response

    app, body = Flask(__name__), body_of(case)
    app.add_url_rule("/", view_func=lambda: Response(body(), content_type=case.content_type))
    if not case.signed_in:
        return app

    def with_user(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_USER"] = "ann"
        return app(environ, start_response)

    return with_user


def starlette_app(case: Case) -> Any:
    """A Starlette site with one page."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    body = body_of(case)

    async def view(request: Any) -> Response:
        if case.signed_in:
            request.scope["user"] = "ann"
        return Response(body(), headers={"Content-Type": case.content_type})

    return Starlette(routes=[Route("/", view)])


def _wsgi_variant(variant: str, app: Any) -> Any:
    match variant:
        case "bare":
            return app
        case "empty":
            return EmptyWSGI(app)
        case "New Relic":
            from newrelic.api.wsgi_application import _WSGIApplicationMiddleware as Inserter

            return lambda environ, start_response: Inserter(app, environ, start_response, transaction())
    return wsgi.ViafouraMiddleware(app, Settings(site_id="site", api_key="key", user="remote-user"))


def _asgi_variant(variant: str, app: Any) -> Any:
    match variant:
        case "bare":
            return app
        case "empty":
            return EmptyASGI(app)
        case "GZip":
            from starlette.middleware.gzip import GZipMiddleware

            return GZipMiddleware(app)
        case "New Relic":
            from newrelic.api.asgi_application import ASGIBrowserMiddleware as Inserter

            async def inserting(scope: Any, receive: Any, send: Any) -> None:
                await Inserter(app, transaction())(scope, receive, send)

            return inserting
    return asgi.ViafouraMiddleware(app, Settings(site_id="site", api_key="key", user="scope"))


def transaction() -> Any:
    """What New Relic's middleware asks of its agent: whether to insert, and what."""
    return SimpleNamespace(
        enabled=True,
        autorum_disabled=False,
        rum_header_generated=False,
        settings=SimpleNamespace(
            debug=SimpleNamespace(log_autorum_middleware=False),
            browser_monitoring=SimpleNamespace(content_type=["text/html"]),
        ),
        browser_timing_header=lambda *_: "<script>window.agent={}</script>",
    )


def variants_of(door: str) -> tuple[str, ...]:
    """What is compared; New Relic's only where its package is installed."""
    others = ("New Relic",) if importlib.util.find_spec("newrelic") else ()
    return ("bare", "empty", "ours", *others, *(("GZip",) if door == "asgi" else ()))


def _serve(door: str, variant: str, case: Case, port: int) -> None:
    """Serve in this process until it is ended."""
    app = application(door, variant, case)
    if door == "asgi":
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
        return
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        def load_config(self) -> None:
            for name, value in {"bind": f"127.0.0.1:{port}", "worker_class": "gthread", "loglevel": "critical"}.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    Server().run()


class Browser:
    """One connection that is kept, and how long each answer on it took."""

    def __init__(self, port: int, case: Case) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fields = (f"{name}: {value}" for name, value in request_headers(case).items())
        lines = ["GET / HTTP/1.1", *fields, "", ""]
        self.request = "\r\n".join(lines).encode()
        self.times: list[float] = []

    def get(self, requests: int) -> None:
        """Ask as often, one after the other."""
        for _ in range(requests):
            began = time.perf_counter()
            self.socket.sendall(self.request)
            self._read()
            self.times.append(time.perf_counter() - began)

    def _read(self) -> None:
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._receive()
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        left = length - len(body)
        while left > 0:
            left -= len(self._receive())

    def _receive(self) -> bytes:
        received = self.socket.recv(1 << 18)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received


@dataclass(frozen=True)
class Measured:
    """What one variant of one server took for one kind of request; times in milliseconds."""

    server: str
    case: str
    variant: str
    rate: float
    median: float
    last: float  # the 99th percentile
    bare: float  # the median of the bare site


def behind_servers(rounds: int = 10, requests: int = 150) -> Iterable[Measured]:
    """Every server, kind of request and variant."""
    for door, server in (("wsgi", "gunicorn + Flask"), ("asgi", "uvicorn + Starlette")):
        for case in (*CASES, RENDERED):
            times = _measured(door, case, variants_of(door), rounds, requests)
            bare = statistics.median(times["bare"])
            for variant, taken in times.items():
                ordered = sorted(taken)
                last = ordered[int(len(ordered) * 0.99)]
                rate = 1 / statistics.mean(ordered)
                median = statistics.median(ordered)
                yield Measured(server, case.name, variant, rate, median * 1e3, last * 1e3, bare * 1e3)


def first_page() -> str:
    """What Viafoura is asked for a reader's first page and for the next one."""
    case = CASES[4]
    asked = []
    with SimulatedViafoura() as viafoura:
        app = wsgi.ViafouraMiddleware(wsgi_app(case), Settings.from_env(viafoura.environ()))
        environ = environ_of(headers=request_headers(CASES[1]))
        for _ in range(2):
            before = len(viafoura.calls)
            heads: list[Any] = []
            b"".join(app(dict(environ), lambda status, headers, *_, heads=heads: heads.append(headers)))
            asked.append(", ".join(call.kind for call in viafoura.calls[before:]) or "nothing")
            cookies = [value.partition(";")[0] for name, value in heads[0] if name == "Set-Cookie"]
            environ["HTTP_COOKIE"] = "; ".join(cookies)
    return f"asked of Viafoura for a reader's first page: {asked[0]}; for the next: {asked[1]}"


def _measured(door: str, case: Case, variants: tuple[str, ...], rounds: int, requests: int) -> dict[str, list[float]]:
    context = multiprocessing.get_context("spawn")
    ports = {variant: _free_port() for variant in variants}
    servers = [
        context.Process(target=_serve, args=(door, variant, case, port), daemon=True) for variant, port in ports.items()
    ]
    for server in servers:
        server.start()
    try:
        browsers = {variant: Browser(port, case) for variant, port in ports.items()}
        for browser in browsers.values():
            browser.get(50)
            browser.times.clear()
        for _ in range(rounds):
            for browser in browsers.values():
                browser.get(requests)
        for browser in browsers.values():
            browser.socket.close()
        return {variant: browser.times for variant, browser in browsers.items()}
    finally:
        for server in servers:
            server.terminate()
            server.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def main(arguments: list[str]) -> None:
    """Print the tables, and draw the second when asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench requests", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--svg", help="a file for the plot of what a request costs behind real servers")
    parser.add_argument("--quick", action="store_true", help="in process only")
    options = parser.parse_args(arguments)
    say = partial(print, flush=True)
    say("| door | request | empty middleware, µs | ours, µs | added, µs |\n|---|---|---|---|---|")
    for door, name, empty, ours in in_process():
        say(f"| {door} | {name} | {empty:.1f} | {ours:.1f} | {ours - empty:.1f} |")
    if options.quick:
        return
    say("\n| server | request | variant | requests/s | p50, ms | p99, ms | p50 against bare |")
    say("|---|---|---|---|---|---|---|")
    drawn: dict[str, dict[str, float]] = {}
    for row in behind_servers():
        figures = f"{row.rate:.0f} | {row.median:.2f} | {row.last:.2f} | {row.median / row.bare:.3f}"
        say(f"| {row.server} | {row.case} | {row.variant} | {figures} |")
        drawn.setdefault(f"{row.server}: {row.case}", {})[row.variant] = row.median
    say(f"\n{first_page()}")
    if options.svg:
        bars(options.svg, "A request's median time, against the bare site's", drawn, "bare", logarithmic=False)
