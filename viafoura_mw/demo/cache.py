"""A small shared cache before the site, as a CDN stands before a publisher's: one copy of a page for everybody.

It keeps what says that it may be kept by a cache that readers share (RFC 9111 §3, §5.2.2), and nothing else. A page
says on its way out where it came from, in a header that a script of the page may read (``Server-Timing``).
"""

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[str, str]]

MOST_COPIES: Final = 64  # the site has a handful of pages, and an address may have any query
_LIFE: Final = re.compile(r"(s-maxage|max-age)=(\d+)")


@dataclass(frozen=True, slots=True)
class Tally:
    """Of so many pages that readers ``asked`` for and that may be kept, the cache ``served`` so many by itself."""

    asked: int
    served: int


@dataclass(frozen=True, slots=True)
class Response:
    """One response as it is kept: ``status`` is a status line without the version."""

    status: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Copy:
    response: Response
    since: float
    until: float


class SharedCache:
    """Copies of responses by host and address. ``clock``: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards all that follows
        self._copies: dict[tuple[str, str], _Copy] = {}
        self._tally = Tally(0, 0)

    def tally(self) -> Tally:
        """How many pages were asked for, and served from here."""
        with self._lock:
            return self._tally

    def found(self, host: str, target: str) -> Response | None:
        """A copy that is still good."""
        now = self._clock()
        with self._lock:
            copy = self._copies.get((host, target))
            if copy is None or copy.until <= now:
                return None
            self._count(copy.response, served=1)
        return _from(copy.response, f"the cache, {now - copy.since:.0f} s old")

    def kept(self, host: str, target: str, response: Response) -> Response:
        """Keep a copy of a response that the site gave, if it may be kept; and give the response as it is to leave."""
        life = _life(response)
        if not life:
            return response
        now = self._clock()
        with self._lock:
            self._copies.pop((host, target), None)
            while len(self._copies) >= MOST_COPIES:
                del self._copies[next(iter(self._copies))]
            self._copies[host, target] = _Copy(response, now, now + life)
            self._count(response, served=0)
        return _from(response, "the site")

    def _count(self, response: Response, *, served: int) -> None:
        if _is_page(response):
            self._tally = Tally(self._tally.asked + 1, self._tally.served + served)


def _life(response: Response) -> int:
    """For how many seconds readers may share a response; 0 for one that is somebody's own, or one of several."""
    fields = {name.lower(): value.lower() for name, value in response.headers}
    control = fields.get("cache-control", "")
    if not response.status.startswith("200") or "public" not in control or fields.keys() & {"set-cookie", "vary"}:
        return 0
    lives: dict[str, str] = dict(_LIFE.findall(control))
    return int(lives.get("s-maxage") or lives.get("max-age") or 0)


def _is_page(response: Response) -> bool:
    return any(name.lower() == "content-type" and value.startswith("text/html") for name, value in response.headers)


def _from(response: Response, place: str) -> Response:
    if not _is_page(response):
        return response
    headers = [*response.headers, ("Server-Timing", f'cache;desc="{place}"')]
    return Response(response.status, headers, response.body)


def cached_wsgi(cache: SharedCache, app: "WSGIApplication") -> "WSGIApplication":
    """``app`` behind the cache."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            return app(environ, start_response)
        place = environ.get("HTTP_HOST", ""), environ["PATH_INFO"] + "?" + environ.get("QUERY_STRING", "")
        response = cache.found(*place) or cache.kept(*place, _asked_wsgi(app, environ))
        start_response(response.status, response.headers)
        return [response.body]

    return application


def _asked_wsgi(app: "WSGIApplication", environ: "WSGIEnvironment") -> Response:
    head: list[Any] = []
    pieces: list[bytes] = []

    def start_response(status: str, headers: Headers, _: Any = None) -> Callable[[bytes], object]:
        head[:] = status, headers
        return pieces.append

    iterable = app(environ, start_response)
    try:
        pieces.extend(iterable)
    finally:
        getattr(iterable, "close", lambda: None)()
    return Response(head[0], head[1], b"".join(pieces))


def cached_asgi(cache: SharedCache, app: "ASGIApp") -> "ASGIApp":
    """``app`` behind the cache."""

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        place = host, scope["path"] + "?" + scope["query_string"].decode("latin-1")
        response = cache.found(*place) or cache.kept(*place, await _asked_asgi(app, scope, receive))
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    return application


async def _asked_asgi(app: "ASGIApp", scope: "Scope", receive: "Receive") -> Response:
    messages: list[Message] = []

    async def keep(message: "Message") -> None:
        messages.append(message)

    await app(scope, receive, keep)
    head, *rest = messages
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head["headers"]]
    return Response(str(head["status"]), headers, b"".join(message.get("body", b"") for message in rest))
