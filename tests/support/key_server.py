"""A key server on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class KeyServer:
    """What it answers, by path, at any time (404 else, 302 for ``None``), and the paths that it was ``asked`` for."""

    answers: dict[str, bytes | None]
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Where a server of this handler listens; it ends when all its requests have their answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = False  # those that it waits for
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def key_server(answers: dict[str, bytes | None]) -> Iterator[KeyServer]:
    state = KeyServer(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            body = state.answers.get(self.path, b"")
            self.send_response(302 if body is None else 200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: Any) -> None: ...

    with listening(Handler) as state.url:
        yield state
