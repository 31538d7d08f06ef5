"""The simulator's sockets: a listener on loopback, a thread for each connection, answers that leave as faults say."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from viafoura_mw.testing.faults import Fault, Leaving
from viafoura_mw.testing.service import Answer, Request

MAX_BODY: Final = 65_536  # bytes of a request
_PATIENCE: Final = 5.0  # seconds for a thread to end once its connection is closed
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER for no seconds: closing sends RST

Answering = Callable[[Request], tuple[Answer, Fault, threading.Event]]


class Listener:
    """A socket that listens on ``127.0.0.1``, and the connections made to it.

    ``port``: 0 for a free one. ``http_date``: gives the ``Date`` of an answer that has none of its own.
    """

    def __init__(self, port: int, answering: Answering, http_date: Callable[[], str]) -> None:
        self._answering = answering
        self._http_date = http_date
        self.accepted: int = 0  # connections
        self._socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: Final[int] = self._socket.getsockname()[1]
        self._closing = False
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._thread = _started(self._accept)

    def close(self) -> None:
        """Listen no more, and close every connection; return when all threads have ended."""
        self._closing = True
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), _PATIENCE):
            self._thread.join(_PATIENCE)  # accept() returns with this connection, on every system
        self._socket.close()
        for thread in self.drop():
            thread.join(_PATIENCE)

    def drop(self) -> list[threading.Thread]:
        """Close every connection, whatever its thread is at, and give these threads."""
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return list(connections.values())

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._closing:
                connection.close()
                return
            with self._lock:
                self.accepted += 1
                self._connections[connection] = _started(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Connection(connection, self._answering, self._http_date)
        with self._lock:
            del self._connections[connection]


def _started(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="simulated Viafoura", daemon=True)
    thread.start()
    return thread


class _Connection(BaseHTTPRequestHandler):
    """One connection, with one request after the other."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, answering: Answering, http_date: Callable[[], str]) -> None:
        self._answering = answering
        self._http_date = http_date
        super().__init__(connection, ("127.0.0.1", 0), None)  # type: ignore[arg-type]  # it asks nothing of a server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        """Say nothing: the calls are the log."""

    def do_POST(self) -> None:
        """Answer any request."""
        length = self.headers.get("Content-Length", "" if self.command == "POST" else "0")
        if not length.isdecimal() or self.headers.get("Transfer-Encoding"):
            return self.send_error(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > MAX_BODY:
            return self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(int(length)))
        self._leave(*self._answering(request))
        return None

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815 - http.server's names

    def _leave(self, answer: Answer, fault: Fault, healed: threading.Event) -> None:
        head, body = self._head(answer), b"" if self.command == "HEAD" else answer.body
        match fault.leaving:
            case Leaving.WHOLE:
                self.connection.sendall(head + body)
            case Leaving.THEN_CLOSED:
                self.connection.sendall(head + body)
                self.close_connection = True
            case Leaving.TRUNCATED:
                self.connection.sendall(head + body[: len(body) // 2])
                self.close_connection = True
            case Leaving.DRIPPING_BODY:
                self.connection.sendall(head)
                self._drip(body, fault.interval, healed)
            case Leaving.DRIPPING_HEAD:
                self._drip(head + body, fault.interval, healed)
            case Leaving.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.close_connection = True
            case _:  # CLOSED, or REFUSED just now
                self.close_connection = True

    def _head(self, answer: Answer) -> bytes:
        status = f"{answer.status} {self.responses.get(answer.status, ('Simulated',))[0]}"
        own_date = any(name.lower() == "date" for name, _ in answer.headers)
        date = () if own_date else (("Date", self._http_date()),)
        fields = (*date, ("Content-Length", str(len(answer.body))), *answer.headers)
        lines = (f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "", "")
        return "\r\n".join(lines).encode("latin-1")

    def _drip(self, octets: bytes, interval: float, healed: threading.Event) -> None:
        for position in range(len(octets)):
            if healed.wait(interval):
                self.connection.sendall(octets[position:])
                return
            self.connection.sendall(octets[position : position + 1])
