"""One site, described once, behind both doors: what every promise that is the same for WSGI and ASGI is tested with."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from wsgiref.validate import validator

import anyio
import pytest

from viafoura_mw import Settings, asgi, wsgi

TAG = b'<script id="viafoura-platform">'
PAGE = b"<!doctype html><title>News</title><p>before</p>" + TAG + b"</script><p>after</p>"
HTML = ("Content-Type", "text/html; charset=utf-8")

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Site:
    """What an application answers, and whom it has authenticated."""

    chunks: tuple[bytes, ...] = (PAGE,)
    headers: tuple[tuple[str, str], ...] = (HTML,)
    status: int = 200
    user: str | None = None


@dataclass
class Answer:
    """What a visitor gets, and what the application saw of the request."""

    status: int
    headers: Headers
    chunks: list[bytes]
    seen: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def get(self, name: str) -> str | None:
        return next((value for field, value in self.headers if field.lower() == name.lower()), None)

    @property
    def cookie(self) -> str | None:
        """The Cookie header with which the browser comes back; ``None`` when none was set."""
        set_cookie = self.get("set-cookie")
        return set_cookie.partition(";")[0] if set_cookie else None


Get = Callable[..., Answer]


def through_wsgi(settings: Settings | None, **kept: Any) -> Get:
    """A browser that asks sites behind the WSGI door; wsgiref's validator stands on both sides of it."""
    sites: list[Site] = []
    seen: dict[str, str] = {}

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        site = sites[-1]
        seen.update({_header_name(key): value for key, value in environ.items() if key.startswith("HTTP_")})
        if site.user is not None:
            environ["REMOTE_USER"] = site.user
        start_response(f"{site.status} Status", [*site.headers])
        return list(site.chunks) if len(site.chunks) == 1 else iter(site.chunks)

    wrapped = wsgi.ViafouraMiddleware(validator(application), settings) if settings else application

    def get(site: Site, *, method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None) -> Answer:
        sites.append(site)
        seen.clear()
        answer = Answer(0, [], [])

        def start_response(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
            answer.status, answer.headers = int(status[:3]), list(headers)
            return answer.chunks.append

        iterable = validator(wrapped)(environ_of(method, path, headers or {}), start_response)
        try:
            answer.chunks += list(iterable)
        finally:
            iterable.close()  # type: ignore[attr-defined]
        answer.seen = dict(seen)
        return answer

    return get


def environ_of(method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """An environ as PEP 3333 has it."""
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "site.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def _header_name(key: str) -> str:
    return key.removeprefix("HTTP_").replace("_", "-").lower()


def through_asgi(settings: Settings | None, backend: str = "asyncio") -> Get:
    """A browser that asks sites behind the ASGI door."""
    sites: list[Site] = []
    seen: dict[str, str] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        site = sites[-1]
        seen.update({name.decode(): value.decode("latin-1") for name, value in scope["headers"]})
        scope["user"] = site.user  # None: the site has asked, and it is nobody
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in site.headers]
        await send({"type": "http.response.start", "status": site.status, "headers": raw})
        if len(site.chunks) == 1:
            await send({"type": "http.response.body", "body": site.chunks[0]})
            return
        for chunk in site.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    wrapped = asgi.ViafouraMiddleware(application, settings) if settings else application

    def get(site: Site, *, method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None) -> Answer:
        sites.append(site)
        seen.clear()
        messages = anyio.run(call, wrapped, scope_of(method, path, headers or {}), backend=backend)
        start = messages[0]
        raw = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
        chunks = [message.get("body", b"") for message in messages[1:]]
        return Answer(start["status"], raw, chunks, dict(seen))

    return get


async def call(app: Any, scope: dict[str, Any], body: bytes = b"") -> list[dict[str, Any]]:
    """Call an ASGI application and give the messages that it sends."""
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages


def scope_of(method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A scope as ASGI has it."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("203.0.113.9", 5000),
        "server": ("site.example", 80),
        "extensions": {},
    }


both_doors = pytest.mark.parametrize(
    "door",
    [
        pytest.param(through_wsgi, id="wsgi"),
        pytest.param(through_asgi, id="asgi"),
        pytest.param(lambda settings: through_asgi(settings, "trio"), id="asgi-trio"),
    ],
)
