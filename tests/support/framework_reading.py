"""The reading of a framework's user from outside, as the doors do it, one request at a time."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.doors import environ_of, scope_of
from viafoura_mw.log import Notices
from viafoura_mw.user import frameworks
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UserSources
from viafoura_mw.user.user import NotKnown, Reading, User

HEAD_ONLY = "the user is read when the head has come"
FIRST_CHUNK = "the user is read with the first chunk"


@dataclass
class Asked:
    """What a visitor got, and what was read of them meanwhile."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    reading: Reading

    @property
    def user(self) -> User | None:
        assert not isinstance(self.reading, NotKnown)
        return self.reading if isinstance(self.reading, User) else None

    def cookies(self) -> dict[str, str]:
        """The cookies that the response sets."""
        pairs = [value.strip().partition(";")[0] for name, value in self.headers if name.lower() == "set-cookie"]
        return dict(pair.split("=", 1) for pair in pairs)


def reader_of(preset: str, own: UserSources = UserSources(), *, asgi: bool = False) -> UserReader:  # noqa: B008
    """A reader of users by ``preset``."""
    return UserReader(preset, own, Notices(), otherwise="scope" if asgi else "remote-user")


def ask(
    reader: UserReader,
    application: Any,
    path: str = "/",
    cookies: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    when: str = FIRST_CHUNK,
    method: str = "GET",
    through: Callable[[dict[str, Any]], dict[str, Any]] = lambda environ: environ,
) -> Asked:
    """Ask a WSGI application, and read the user when an exchange would."""
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
    environ = environ_of(method, path, {**sent, **(headers or {})})
    served = reader.expect(environ)
    asked = Asked(0, [], b"", NotKnown())

    def read() -> None:
        root = {"environ": environ, "session": environ.get("beaker.session")}.get
        asked.reading = reader.read_in_environ(environ, root, served)

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
        asked.status, asked.headers = int(status[:3]), fields
        if when == HEAD_ONLY:
            read()

    iterable = application(through(environ), start_response)
    try:
        chunks = iter(iterable)
        asked.body = next(chunks, b"")
        if when == FIRST_CHUNK:
            read()
        asked.body += b"".join(chunks)
    finally:
        if hasattr(iterable, "close"):
            iterable.close()
    return asked


def ask_asgi(
    reader: UserReader,
    application: Any,
    path: str = "/",
    cookies: Mapping[str, str] | None = None,
) -> Asked:
    """Ask an ASGI application, and read the user with the first chunk that it sends."""
    pairs = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    scope = scope_of("GET", path, {"Cookie": pairs} if pairs else {})
    served = reader.expect(scope)
    asked = Asked(0, [], b"", NotKnown())
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not receive.called:  # type: ignore[attr-defined]
            receive.called = True  # type: ignore[attr-defined]
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    receive.called = False  # type: ignore[attr-defined]

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            asked.status = message["status"]
            asked.headers = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
        elif not asked.body:
            root = {"scope": scope, "session": scope.get("session")}.get
            asked.reading = await reader.read_in_scope(scope, root, served)
        asked.body += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            left.set()  # as servers have it (ASGI, "Disconnect - receive event")

    asyncio.run(application(scope, receive, send))
    return asked


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """No application outlives its test, in whose process another would find it running."""
    yield
    request.node.funcargs.clear()
    gc.collect()
    assert frameworks.recognised(asgi=False) is frameworks.recognised(asgi=True) is None
