"""One page, asked of an application in this process as a server would ask it, under WSGI or ASGI.

Nothing is listened on. An ASGI application's lifespan is run around its page, as servers do (ASGI, "Lifespan
Protocol"). What the application raises is passed on.
"""

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from viafoura_mw.response.headers import Headers

PATIENCE: Final = 30.0  # seconds for a page to come to its end
FAREWELL: Final = 2.0  # seconds for what an application does once its page has come
LONGEST: Final = 16 * 1024 * 1024  # bytes of a page that are read

_PORTS: Final = {"http": 80, "https": 443}
PEER: Final = "127.0.0.1"


class NoAnswer(Exception):
    """The application gave no response; the text is a sentence whose subject is the application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A page's address and the request's own headers, as the command line has them."""

    scheme: str = "http"
    host: str = "localhost"
    port: int = 80
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_of_somebody(self) -> bool:
        """Whether a cookie or a header was given, by which the site should know a user."""
        return bool(self.headers)

    def fields(self) -> dict[str, str]:
        """The request's headers by their lower-case names: those given, repeated ones joined, and a browser's."""
        fields: dict[str, str] = {}
        for name, value in self.headers:
            lower = name.lower()
            separator = "; " if lower == "cookie" else ", "
            fields[lower] = f"{fields[lower]}{separator}{value}" if lower in fields else value
        fields.setdefault("host", self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}")
        fields.setdefault("accept", "text/html")
        return fields


def question(page: str, cookies: list[str], headers: list[str]) -> Question:
    """What the command line asks; ``page`` is a path or an address. Raises ``ValueError`` with what is wrong."""
    given = tuple(_header(header) for header in headers)
    for cookie in cookies:
        if "=" not in cookie or not cookie.isprintable():
            raise ValueError("--cookie takes 'name=value', as the browser's tools show it")
    given += tuple(("Cookie", cookie) for cookie in cookies)
    parts = urlsplit(page)
    if parts.scheme in _PORTS and parts.hostname:
        port = parts.port or _PORTS[parts.scheme]
        path = parts.path or "/"
        return Question(
            scheme=parts.scheme, host=parts.hostname, port=port, path=path, query=parts.query, headers=given
        )
    if not page.startswith("/") or not page.isprintable():
        raise ValueError("--page takes a path that begins with /, or an address that begins with http:// or https://")
    path, _, query = page.partition("#")[0].partition("?")
    return Question(path=path, query=query, headers=given)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and name.strip() and text.isascii() and text.isprintable()):
        raise ValueError("--header takes 'Name: value', in printable ASCII")
    return name.strip(), value.strip()


@dataclass(slots=True)
class Answer:
    """What the application answered; ``is_whole`` unless it had no end within :data:`PATIENCE`."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = True

    def header(self, name: str) -> str:
        """The first value of a header; empty if there is none."""
        return next((value for other, value in self.headers if other.lower() == name), "")


# WSGI.


def ask_wsgi(app: Any, asked: Question) -> Answer:
    """Ask a WSGI application (PEP 3333)."""
    answer = Answer()
    body = bytearray()

    def start_response(status: str, headers: Headers, _: Any = None) -> Any:
        answer.status, answer.headers = int(status[:3]), list(headers)
        return body.extend

    until = time.monotonic() + PATIENCE
    iterable = app(_environ(asked), start_response)
    try:
        for chunk in iterable:
            body += chunk
            if time.monotonic() > until or len(body) > LONGEST:
                answer.is_whole = False
                break
    finally:
        if hasattr(iterable, "close"):
            iterable.close()
    if not answer.status:
        raise NoAnswer("gave no response: it never called start_response()")
    answer.body = bytes(body)
    return answer


def _environ(asked: Question) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(asked.path).decode("latin-1"),
        "QUERY_STRING": asked.query,
        "SERVER_NAME": asked.host,
        "SERVER_PORT": str(asked.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": PEER,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": asked.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in asked.fields().items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


# ASGI.


def ask_asgi(app: Any, asked: Question) -> Answer:
    """Ask an ASGI application (ASGI 3.0), on asyncio."""
    return asyncio.run(_ask_asgi(app, asked))


async def _ask_asgi(app: Any, asked: Question) -> Answer:
    answer = Answer()
    body = bytearray()
    over = asyncio.Event()
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if requests:
            return requests.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = int(message["status"])
            answer.headers = [(_text(name), _text(value)) for name, value in message.get("headers", ())]
        elif message["type"] == "http.response.body" and not over.is_set():
            body.extend(message.get("body", b""))
            is_too_long = len(body) > LONGEST
            answer.is_whole = not message.get("more_body", False)
            if answer.is_whole or is_too_long:
                over.set()

    async with _lifespan(app) as state:
        answer.is_whole = False
        page = asyncio.ensure_future(app(_scope(asked, state), receive, send))
        left = asyncio.ensure_future(over.wait())
        await asyncio.wait((page, left), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        over.set()  # an application that waits for the visitor to leave
        await _ended(page, left)
    if not answer.status:
        raise NoAnswer("gave no response: it never sent http.response.start")
    answer.body = bytes(body)
    return answer


async def _ended(page: "asyncio.Future[None]", left: "asyncio.Future[Any]") -> None:
    """Let the application come to its end, or end it; what it raised is passed on."""
    await left
    await asyncio.wait((page,), timeout=FAREWELL)
    page.cancel()
    with suppress(asyncio.CancelledError):
        await page


def _scope(asked: Question, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": asked.scheme,
        "path": unquote_to_bytes(asked.path).decode("utf-8", "replace"),
        "raw_path": asked.path.encode(),
        "query_string": asked.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8")) for name, value in asked.fields().items()],
        "client": (PEER, 0),
        "server": (asked.host, asked.port),
        "state": dict(state),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Run the application's lifespan around what is done inside; an application that has none raises, as servers know.

    Gives the state that it leaves for requests. Raises :class:`NoAnswer` where it says that it cannot start.
    """
    state: dict[str, Any] = {}
    told: asyncio.Queue[Any] = asyncio.Queue()
    said: asyncio.Queue[str] = asyncio.Queue()

    async def send(message: Any) -> None:
        said.put_nowait(message["type"])

    async def live() -> None:
        with suppress(Exception):  # servers take it for "has no lifespan"
            asgi = {"version": "3.0", "spec_version": "2.0"}
            await app({"type": "lifespan", "asgi": asgi, "state": state}, told.get, send)
        said.put_nowait("none")

    told.put_nowait({"type": "lifespan.startup"})
    life = asyncio.ensure_future(live())
    try:
        await _started(said)
        yield state
        told.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait((life,), timeout=FAREWELL)
    finally:
        life.cancel()


async def _started(said: "asyncio.Queue[str]") -> None:
    try:
        word = await asyncio.wait_for(said.get(), PATIENCE)
    except TimeoutError:
        raise NoAnswer(f"cannot start: its lifespan takes longer than {PATIENCE:g} seconds") from None
    if word == "lifespan.startup.failed":
        raise NoAnswer("cannot start: its lifespan answers lifespan.startup.failed")
