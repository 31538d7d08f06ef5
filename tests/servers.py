"""Real servers on loopback, started as their users start them, and a browser that asks them.

A server is a process of its own. It is ended by its own pid, and waited for; what it has written is told when it
fails. Nothing sleeps for a fixed time: whether a server is ready is asked until it is, or until patience ends.
"""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

PATIENCE = 30.0  # seconds; a safety net for loaded machines, not a promise
ROOT = Path(__file__).resolve().parent.parent

_DATE = re.compile(rb"(?im)^(date: )[^\r]*")
_TAG = re.compile(rb'<script id="viafoura-platform"[^>]*>')
_ATTRIBUTE = re.compile(rb'data-(uid|sid)="([^"]*)"')


# Processes.


class NotServing(Exception):
    """A server that has not come up; the text has what it wrote."""


@dataclass
class Running:
    """A server that answers on ``port``."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def said(self) -> str:
        """What it has written so far."""
        return self.output.read_text("utf-8", "replace")

    def end(self) -> bool:
        """End it as an init system does, SIGTERM first; whether that was enough."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return False
        else:
            return True
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # what a server leaves behind of its own
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    command: Callable[[int], Sequence[str]], environ: Mapping[str, str], *, cwd: Path = ROOT, path: str = "/"
) -> Iterator[Running]:
    """Start ``command(port)`` and wait until ``path`` is answered; end it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        running = _started(command, environ, cwd, path, Path(folder))
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.end()


def _started(
    command: Callable[[int], Sequence[str]], environ: Mapping[str, str], cwd: Path, path: str, folder: Path
) -> Running:
    # A port that is free now may be taken when the server comes to it.
    for attempt in range(3):
        port, output = free_port(), folder / f"{attempt}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                command(port),
                env=environ_of_process(environ),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Running(process, port, output)
        if _is_ready(running, path):
            return running
        running.end()
        if "in use" not in running.said():
            break
    raise NotServing(f"{' '.join(command(port))}\n{running.said()[-4000:]}")


def environ_of_process(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: this one's without any setting of ours, and ``environ``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIAFOURA_")}
    scripts = str(Path(sys.executable).parent)
    return {**kept, "PATH": scripts + os.pathsep + kept.get("PATH", ""), "PYTHONUNBUFFERED": "1", **environ}


def _is_ready(running: Running, path: str) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and running.process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException), Browser(running.port) as browser:
            browser.get(path)
            return True
        time.sleep(0.02)
    return False


def program(name: str) -> str:
    """Where a program is, of this Python's own, of the system's; empty if it is nowhere."""
    system = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name, path=system) or ""


# Requests.


@dataclass(frozen=True)
class Answer:
    """What came: header names as they were written, the body without its transfer coding."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The first value of a header."""
        return next(iter(self.all(name)), None)

    @property
    def pair(self) -> tuple[str, str] | None:
        """``data-uid`` and ``data-sid`` of the page's tag; ``None`` if it has neither."""
        tag = _TAG.search(self.body)
        assert tag, f"a page of status {self.status} without the tag: {self.body[:400]!r}"
        pair = dict(_ATTRIBUTE.findall(tag[0]))
        return (pair[b"uid"].decode(), pair[b"sid"].decode()) if pair else None


@dataclass
class Browser:
    """A browser with cookies and one connection; ``source`` is the address that it comes from."""

    port: int
    source: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, PATIENCE, (self.source, 0))

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    @property
    def connection(self) -> socket.socket | None:
        """The connection, while it is open."""
        return self._connection.sock

    def get(self, path: str = "/", **headers: str) -> Answer:
        """Ask for a page as browsers do; ``_`` in a header's name stands for a hyphen."""
        return self.ask("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, **form: str) -> Answer:
        """Send a form."""
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, fields, urlencode(form).encode())

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Make one request."""
        fields = {"Accept": "text/html,*/*;q=0.8", **headers}
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            self._connection.request(method, path, body, fields)
            response = self._connection.getresponse()
            answer = Answer(response.status, tuple(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        for cookie in answer.all("set-cookie"):
            self._keep(cookie)
        return answer

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if re.search(r"max-age=0\b|expires=thu, 01.jan.1970", cookie, re.IGNORECASE):
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


def exchange(port: int, request: str, *, source: str = "127.0.0.1") -> bytes:
    """Send a request as it is written here on a connection of its own; give every byte of the answer but the date."""
    head, _, body = request.partition("\n\n")
    octets = f"{head}\nHost: 127.0.0.1\nConnection: close\n\n".replace("\n", "\r\n").encode("latin-1") + body.encode()
    with socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) as connection:
        connection.sendall(octets)
        pieces = list(iter(lambda: connection.recv(65_536), b""))
    return _DATE.sub(rb"\1", b"".join(pieces))
