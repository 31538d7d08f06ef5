"""What a hostile request costs a server, in its processor time: bare, and with the middleware.

``python -m tests.bench hostile`` sends uvicorn with httptools, which bounds no request's headers, 4 MB of them in
several shapes, and prints the seconds of processor time that the server took for each and the memory that it keeps.
The event loop stands still for as long.
"""

import os
import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.servers import ROOT, Browser, Running, serving
from viafoura_mw.testing import SimulatedViafoura

SIZE: Final = 4_000_000
SITE: Final = "tests.sites.plain_asgi:application"
#: Each shape's lines, again and again until they are so many bytes.
SHAPES: Final[Mapping[str, bytes]] = {
    "cookie: a": b"cookie: a\r\n",
    "cookie: viafoura_mw=1": b"cookie: viafoura_mw=1\r\n",
    "cookies of 4 KB": b"cookie: " + b"; ".join(b"c%d=%d" % (n, n) for n in range(400)) + b"\r\n",
    "one cookie header": b"abcdefgh=" + b"x" * 90 + b"; ",
    "one cookie": b"a",
    "accept-encoding: gzip;q=0": b"accept-encoding: gzip;q=0\r\n",
    "authorization: Digest x": b"authorization: Digest x\r\n",
    "x-forwarded-for: 1.2.3.4": b"x-forwarded-for: 1.2.3.4\r\n",
}
_ONE_LINE: Final = {"one cookie header": b"cookie: %s\r\n", "one cookie": b"cookie: session=%s\r\n"}
_HERTZ: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a server took for a request: seconds of processor time, and the KiB by which it has grown for good."""

    seconds: float
    grown: int
    answer: bytes


def request(shape: str, size: int = SIZE) -> bytes:
    """A page's request with so many bytes of headers."""
    lines = SHAPES[shape] * (size // len(SHAPES[shape]))
    if shape in _ONE_LINE:
        lines = _ONE_LINE[shape] % lines
    start = b"GET / HTTP/1.1\r\nHost: site.example\r\nAccept: text/html\r\n"
    return start + lines + b"Connection: close\r\n\r\n"


def cost(running: Running, sent: bytes) -> Cost:
    """Send a request, and ask the system what it has cost the server."""
    before, memory = _processor_seconds(running), _resident(running)
    with socket.create_connection(("127.0.0.1", running.port), 120) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    with Browser(running.port, closes=True) as browser:
        assert browser.get().status == 200
    return Cost(_processor_seconds(running) - before, _resident(running) - memory, answer)


def _processor_seconds(running: Running) -> float:
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _HERTZ


def _resident(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


def both(stack: ExitStack) -> tuple[Running, Running]:
    """uvicorn with httptools and a site, bare and wrapped."""
    viafoura = stack.enter_context(SimulatedViafoura())
    made = []
    site = {"PYTHONPATH": str(ROOT), "SITE": SITE, "VIAFOURA_APP": SITE}
    for module, environ in (("tests.sites.bare:app", {}), ("viafoura_mw.asgi:app", viafoura.environ())):
        command = ("uvicorn", "--http", "httptools", "--no-access-log", module)
        running = serving(partial(_command, command), {**site, **environ})
        made.append(stack.enter_context(running))
    return made[0], made[1]


def _command(command: tuple[str, ...], port: int, _: Path) -> tuple[str, ...]:
    return (*command, "--port", str(port))


def main(arguments: list[str]) -> None:
    """Print the table."""
    print("| 4 MB of | bare, s | wrapped, s | bare grows, KiB | wrapped grows, KiB |\n|---|---|---|---|---|")
    with ExitStack() as stack:
        servers = both(stack)
        for shape in SHAPES:
            sent = request(shape)
            for running in servers:
                cost(running, sent)  # the first one makes what is kept for good
            bare, wrapped = (cost(running, sent) for running in servers)
            print(
                f"| {shape} | {bare.seconds:.2f} | {wrapped.seconds:.2f} | {bare.grown} | {wrapped.grown} |", flush=True
            )
