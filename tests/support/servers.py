"""Real servers on loopback, started as their users start them, and a browser that asks them.

A server is a process of its own. It is ended by its own pid, and waited for; what it has written is told when it
fails. Nothing sleeps for a fixed time: whether a server is ready is asked until it is, or until patience ends.
"""

import contextlib
import http.client
import importlib.util
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlencode

PATIENCE = 30.0  # seconds; a safety net for loaded machines, not a promise
ROOT = Path(__file__).resolve().parents[2]

_NOT_EPHEMERAL = (10_240, 32_768)
_RANDOM = random.SystemRandom()  # hypothesis seeds the other

_DATE = re.compile(rb"(?im)^(date: )[^\r]*")
_TAG = re.compile(rb'<script id="viafoura-platform"[^>]*>')
_ATTRIBUTE = re.compile(rb'data-(uid|sid)="([^"]*)"')


#: Makes the arguments of a process from the port where it is to listen, and a folder for what it needs.
Command = Callable[[int, Path], Sequence[str]]


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
    """A port of loopback on which nobody listens, and which the system gives to nobody who asks for any port.

    Between the looking and the server's listening another could have taken it, and answered in the server's place.
    """
    while True:
        port = _RANDOM.randrange(*_NOT_EPHEMERAL)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def serving(command: Command, environ: Mapping[str, str], *, cwd: Path = ROOT, path: str = "/") -> Iterator[Running]:
    """Start ``command(port, folder)`` and wait until ``path`` is answered; end it afterwards.

    ``folder`` is empty, writable for whomever the server runs as, and lasts as long as the server.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        running = _started(command, environ, cwd, path, Path(folder))
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.end()


def _started(command: Command, environ: Mapping[str, str], cwd: Path, path: str, folder: Path) -> Running:
    # A port that is free now may be taken when the server comes to it.
    for attempt in range(3):
        port, output = free_port(), folder / f"{attempt}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                arguments := [*command(port, folder)],
                env=environ_of_process({"XDG_RUNTIME_DIR": str(folder), **environ}),  # for gunicorn's control socket
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
    raise NotServing(f"{' '.join(arguments)}\n{running.said()[-4000:]}")


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


# The servers.


@dataclass(frozen=True)
class Server:
    """A server as its users start it. ``command`` takes a module that has an ``application`` and an ``app``.

    ``needs`` are its program and its modules; ``keeps_alive`` says whether it serves several requests on a connection,
    ``cuts_anew`` whether the chunks of a page that streams are cut by its own timing, ``streams`` whether such a page
    comes to its end on the bare server, whatever makes it.
    """

    name: str
    door: Literal["wsgi", "asgi"]
    command: Callable[[str, int, Path], Sequence[str]]
    needs: tuple[str, ...]
    keeps_alive: bool = True
    cuts_anew: bool = False
    streams: bool = True
    processes: int = 1

    @property
    def missing(self) -> str:
        """What of it this machine lacks; empty if nothing."""
        absent = [name for name in self.needs if not (program(name) or Path(name).exists() or _is_module(name))]
        return f"{', '.join(absent)} not installed" if absent else ""

    def serving(self, module: str, environ: Mapping[str, str]) -> contextlib.AbstractContextManager[Running]:
        """Serve the application of ``module``."""
        path = f"{ROOT}{os.pathsep}{_SITE_PACKAGES}"
        return serving(lambda port, folder: self.command(module, port, folder), {"PYTHONPATH": path, **environ})


_SITE_PACKAGES = sysconfig.get_path("purelib")
_MOD_WSGI = f"/usr/lib/apache2/modules/mod_wsgi.so-{sys.version_info.major}.{sys.version_info.minor}"
_UWSGI_PYTHON = "/usr/lib/uwsgi/plugins/python3_plugin.so"
_UWSGI_NEEDS = ("uwsgi-core", _UWSGI_PYTHON)


def _is_module(name: str) -> bool:
    return name.isidentifier() and importlib.util.find_spec(name) is not None


def _gunicorn(*options: str) -> Callable[[str, int, Path], Sequence[str]]:
    return lambda module, port, _: ["gunicorn", "--bind", f"127.0.0.1:{port}", *options, module]


def _uwsgi(*options: str) -> Callable[[str, int, Path], Sequence[str]]:
    def command(module: str, port: int, _: Path) -> Sequence[str]:
        listen = ("--http-socket", f"127.0.0.1:{port}", "--master", "--die-on-term", "--need-app")
        return [program("uwsgi-core"), "--plugin", _UWSGI_PYTHON, *listen, "--wsgi-file", _file_of(module), *options]

    return command


def _file_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


def readable_packages(folder: Path) -> Path:
    """A copy of this checkout's packages below ``folder``: Apache's own user may not be let into the checkout."""
    packages = folder / "packages"
    for name in ("viafoura_mw", "tests"):
        shutil.copytree(ROOT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return packages


def _apache(module: str, port: int, folder: Path) -> Sequence[str]:
    configuration = folder / "apache.conf"
    modules = "/usr/lib/apache2/modules"
    packages = readable_packages(folder)
    script = packages / Path(_file_of(module)).relative_to(ROOT)
    configuration.write_text(f"""
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {_MOD_WSGI}
WSGISocketPrefix "{folder}/wsgi"
WSGIDaemonProcess site processes=1 threads=8 python-path="{packages}:{_SITE_PACKAGES}"
WSGIScriptAlias / "{script}" process-group=site application-group=%{{GLOBAL}}
<Location "/">
    Require all granted
</Location>
""")
    return [program("apache2"), "-d", str(folder), "-f", str(configuration), "-D", "FOREGROUND"]


_WSGIREF = """
import importlib, sys
from wsgiref.simple_server import make_server
make_server("127.0.0.1", int(sys.argv[2]), importlib.import_module(sys.argv[1]).application).serve_forever()
"""

SERVERS: Final = (
    Server("gunicorn sync", "wsgi", _gunicorn(), ("gunicorn",), keeps_alive=False),
    Server("gunicorn gthread", "wsgi", _gunicorn("--threads", "4"), ("gunicorn",)),
    Server("gunicorn gevent", "wsgi", _gunicorn("--worker-class", "gevent"), ("gunicorn", "gevent")),
    Server(
        "gunicorn --preload -w 2",
        "wsgi",
        _gunicorn("--preload", "--workers", "2"),
        ("gunicorn",),
        keeps_alive=False,
        processes=2,
    ),
    Server("uWSGI", "wsgi", _uwsgi(), _UWSGI_NEEDS, keeps_alive=False),
    Server("uWSGI --enable-threads", "wsgi", _uwsgi("--enable-threads"), _UWSGI_NEEDS, keeps_alive=False),
    Server("mod_wsgi", "wsgi", _apache, ("apache2", _MOD_WSGI), cuts_anew=True),
    Server(
        "waitress",
        "wsgi",
        lambda module, port, _: ["waitress-serve", f"--listen=127.0.0.1:{port}", f"{module}:application"],
        ("waitress",),
    ),
    Server(
        "cheroot",
        "wsgi",
        lambda module, port, _: ["cheroot", "--bind", f"127.0.0.1:{port}", f"{module}:application"],
        ("cheroot",),
    ),
    Server(
        "wsgiref",
        "wsgi",
        lambda module, port, _: [sys.executable, "-c", _WSGIREF, module, str(port)],
        ("wsgiref",),
        keeps_alive=False,
    ),
    Server(
        "Granian WSGI",
        "wsgi",
        lambda module, port, _: ["granian", "--interface", "wsgi", "--port", str(port), f"{module}:application"],
        ("granian",),
    ),
    Server("uvicorn", "asgi", lambda module, port, _: ["uvicorn", "--port", str(port), f"{module}:app"], ("uvicorn",)),
    Server(
        "uvicorn --workers 2",
        "asgi",
        lambda module, port, _: ["uvicorn", "--workers", "2", "--port", str(port), f"{module}:app"],
        ("uvicorn",),
        processes=2,
    ),
    Server(
        "Hypercorn asyncio",
        "asgi",
        lambda module, port, _: ["hypercorn", "--bind", f"127.0.0.1:{port}", f"{module}:app"],
        ("hypercorn",),
    ),
    Server(
        "Hypercorn trio",
        "asgi",
        lambda module, port, _: ["hypercorn", "-k", "trio", "--bind", f"127.0.0.1:{port}", f"{module}:app"],
        ("hypercorn", "trio"),
        streams=False,  # Starlette's and Litestar's listen for a disconnect meanwhile, and wait for it to the end
    ),
    Server(
        "Daphne",
        "asgi",
        lambda module, port, _: ["daphne", "-b", "127.0.0.1", "-p", str(port), f"{module}:app"],
        ("daphne",),
    ),
    Server(
        "Granian ASGI",
        "asgi",
        lambda module, port, _: ["granian", "--interface", "asgi", "--port", str(port), f"{module}:app"],
        ("granian",),
    ),
)

#: Not of the matrix, which needs no more than two processes to show what several are.
TEN_PROCESSES: Final = Server(
    "gunicorn --preload -w 10",
    "wsgi",
    _gunicorn("--preload", "--workers", "10"),
    ("gunicorn",),
    keeps_alive=False,
    processes=10,
)

#: Not of the matrix: hardly anybody serves WSGI so, but Daphne brings it, and it reads headers in a way of its own.
TWISTED: Final = Server(
    "Twisted",
    "wsgi",
    lambda module, port, _: ["twist", "web", "--listen", f"tcp:{port}:interface=127.0.0.1", "--wsgi", f"{module}.app"],
    ("twist",),
)


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
    """A browser with cookies and one connection, which it ``closes`` after each answer if it is told to.

    ``source`` is the address that it comes from.
    """

    port: int
    source: str = "127.0.0.1"
    closes: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    always: dict[str, str] = field(default_factory=dict)  # headers of every request

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
        fields = {"Accept": "text/html,*/*;q=0.8", **self.always, **headers}
        if self.closes:
            fields["Connection"] = "close"
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            self._connection.request(method, path, body, fields)
            response = self._connection.getresponse()
            answer = Answer(response.status, tuple(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if self.closes:
            self._connection.close()
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


def uncut(answer: bytes) -> bytes:
    """An answer's bytes with its chunks joined (RFC 9112 §7.1)."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return answer
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return head + b"\r\n\r\n" + body
