"""The server's side of PEP 3333, and applications to put behind it."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.doors import HTML, environ_of

BROWSER = {"Accept": "text/html"}


class Server:
    """The server's side: what it was told, in order."""

    def __init__(self, *, writes: bool = True) -> None:
        self.heads: list[tuple[str, list[tuple[str, str]]]] = []
        self.chunks: list[bytes] = []
        self.sent = False
        self._writes = writes

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if exc_info and self.sent:
            raise exc_info[1]
        if self.heads and not exc_info:
            raise AssertionError("headers already set")
        self.heads.append((status, list(headers)))
        return self.write if self._writes else None

    def write(self, chunk: bytes) -> None:
        self.sent = True
        self.chunks.append(chunk)

    def serve(self, app: Any, environ: dict[str, Any] | None = None) -> bytes:
        iterable = app(environ or environ_of(headers=BROWSER), self.start_response)
        assert self.heads, "the head must be there when the application returns"
        try:
            for chunk in iterable:
                self.write(chunk)
        finally:
            if hasattr(iterable, "close"):
                iterable.close()
        return b"".join(self.chunks)


class Closing:
    """An iterable that counts how often it is closed; its iterator is another object."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks, self.error, self.closed = chunks, error, 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


def signed_in(body: Iterable[bytes], *headers: tuple[str, str]) -> Any:
    """An application that has authenticated its user."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [HTML, *headers])
        return body

    return application
