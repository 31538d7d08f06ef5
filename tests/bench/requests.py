"""What a request costs: in process, and behind real servers, always side by side in one run.

``python -m tests.bench requests`` prints, for WSGI and ASGI, the microseconds that the middleware adds to a request
over an empty pass-through middleware, and then requests per second and latencies of gunicorn with Flask and of uvicorn
with Starlette: bare, with the empty middleware, with ours, and with Starlette's own GZipMiddleware.
"""

import asyncio
import multiprocessing
import re
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.cookie import SessionCookie
from viafoura_mw.user import User
from viafoura_mw.viafoura import Session

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


@dataclass(frozen=True)
class Case:
    """One kind of request: what is answered, and whether the user is signed in."""

    name: str
    body: bytes
    content_type: str
    signed_in: bool


CASES = (
    Case("JSON, anonymous", b"{}", "application/json", signed_in=False),
    Case("page, anonymous", page(0.05), "text/html; charset=utf-8", signed_in=False),
    Case("JSON, signed in", b"{}", "application/json", signed_in=True),
    Case("page, signed in, tag at 5 %", page(0.05), "text/html; charset=utf-8", signed_in=True),
    Case("page, signed in, tag at 95 %", page(0.95), "text/html; charset=utf-8", signed_in=True),
    Case("page, signed in, no tag", page(None), "text/html; charset=utf-8", signed_in=True),
)


def cookie() -> str:
    """A browser's cookies on its second page."""
    session = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", time.time())
    return "sessionid=abc; " + SessionCookie(SETTINGS).set(User("ann", "ann"), session, secure=False).partition(";")[0]


def request_headers(case: Case) -> dict[str, str]:
    """What a browser sends."""
    headers = {"Host": "news.example", "Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "gzip", "User-Agent": "x"}
    return {**headers, "Cookie": cookie()} if case.signed_in else headers


def wsgi_app(case: Case) -> Any:
    """An application that answers ``case``."""
    headers = [("Content-Type", case.content_type), ("Content-Length", str(len(case.body)))]

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if case.signed_in:
            environ["REMOTE_USER"] = "ann"
        start_response("200 OK", list(headers))
        return [case.body]

    return application


def asgi_app(case: Case) -> Any:
    """An application that answers ``case``."""
    headers = [(b"content-type", case.content_type.encode()), (b"content-length", str(len(case.body)).encode())]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if case.signed_in:
            scope["user"] = "ann"
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": case.body})

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
        runs = [_wsgi_run(app, environ, requests) for app in _pair(wsgi_app(case), EmptyWSGI, wsgi.ViafouraMiddleware)]
        rows.append(("WSGI", case.name, *_side_by_side(runs, rounds)))
    for case in CASES:
        scope = scope_of(headers=request_headers(case))
        runs = [_asgi_run(app, scope, requests) for app in _pair(asgi_app(case), EmptyASGI, asgi.ViafouraMiddleware)]
        rows.append(("ASGI", case.name, *_side_by_side(runs, rounds)))
    return rows


def _pair(app: Any, empty: Any, ours: Any) -> tuple[Any, Any]:
    return empty(app), ours(app, SETTINGS)


def _side_by_side(runs: list[Callable[[], float]], rounds: int) -> tuple[float, float]:
    """The best of several rounds of each, in turn."""
    times = [[run() for run in runs] for _ in range(rounds)]
    empty, ours = (min(column) for column in zip(*times, strict=True))
    return empty, ours


def _wsgi_run(app: Any, environ: dict[str, Any], requests: int) -> Callable[[], float]:
    def start_response(*_: Any) -> None:
        pass

    def run() -> float:
        began = time.perf_counter()
        for _ in range(requests):
            iterable = app(dict(environ), start_response)
            for _chunk in iterable:
                pass
            if hasattr(iterable, "close"):
                iterable.close()
        return (time.perf_counter() - began) / requests * 1e6

    return run


def _asgi_run(app: Any, scope: dict[str, Any], requests: int) -> Callable[[], float]:
    async def channel(*_: Any) -> None:
        pass

    async def serve() -> float:
        began = time.perf_counter()
        for _ in range(requests):
            await app(dict(scope), channel, channel)
        return (time.perf_counter() - began) / requests * 1e6

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

    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: Response(case.body, content_type=case.content_type))
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

    async def view(request: Any) -> Response:
        if case.signed_in:
            request.scope["user"] = "ann"
        return Response(case.body, headers={"Content-Type": case.content_type})

    return Starlette(routes=[Route("/", view)])


def _wsgi_variant(variant: str, app: Any) -> Any:
    match variant:
        case "bare":
            return app
        case "empty":
            return EmptyWSGI(app)
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
    return asgi.ViafouraMiddleware(app, Settings(site_id="site", api_key="key", user="scope"))


def _serve(door: str, variant: str, case: Case, port: int) -> None:
    """Serve in this process until it is ended."""
    app = application(door, variant, case)
    if door == "asgi":
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
        return
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
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
        headers = {**request_headers(case), "Accept-Encoding": "identity"}
        lines = ["GET / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
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


def behind_servers(rounds: int = 8, requests: int = 150) -> list[tuple[str, str, str, float, float, float]]:
    """For each server, case and variant: requests per second, median and 99th percentile in milliseconds."""
    rows = []
    for door, server in (("wsgi", "gunicorn + Flask"), ("asgi", "uvicorn + Starlette")):
        for case in CASES:
            variants = ("bare", "empty", "ours", "GZip") if door == "asgi" else ("bare", "empty", "ours")
            for variant, times in _measured(door, case, variants, rounds, requests).items():
                ordered = sorted(times)
                median, last = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
                rows.append((server, case.name, variant, 1 / statistics.mean(ordered), median * 1e3, last * 1e3))
    return rows


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
    """Print both tables."""
    write = sys.stdout.write
    write("| door | request | empty middleware, µs | ours, µs | added, µs |\n|---|---|---|---|---|\n")
    for door, name, empty, ours in in_process():
        write(f"| {door} | {name} | {empty:.1f} | {ours:.1f} | {ours - empty:.1f} |\n")
    if "--quick" in arguments:
        return
    write("\n| server | request | variant | requests/s | against bare | p50, ms | p99, ms |\n")
    write("|---|---|---|---|---|---|---|\n")
    bare = 0.0
    for server, name, variant, rate, median, last in behind_servers():
        bare = median if variant == "bare" else bare
        write(f"| {server} | {name} | {variant} | {rate:.0f} | {median / bare:.3f} | {median:.2f} | {last:.2f} |\n")
