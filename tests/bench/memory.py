"""What a request holds at the most, and what a process keeps of a hundred thousand of them.

``python -m tests.bench memory [--requests N]`` prints first the most memory that is in use at one time while one page
passes, for pages from 1 MB to 64 MB in chunks of 16 KB: bounded by what is held, whatever the page's size. Then, for
each door, the process's resident memory every tenth of N requests (100,000 unless told otherwise): of every ten one
is a new reader's first page, with a login, the others are their next pages. It grows until the bounded tables of the
last minute are full (4,096 logins), and stays. The simulated Viafoura is a process of its own, so that what it
remembers of its calls is not counted.
"""

import argparse
import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from tests.bench.requests import CASES, HTML, request_headers
from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi

CHUNK = 16_384
MEGABYTE = 1024 * 1024
SIZES = (1, 4, 16, 64)  # megabytes
EVERY = 10  # requests for one new reader
PAGE = CASES[4].body or b""


@contextlib.contextmanager
def simulator() -> Iterator[Settings]:
    """A simulated Viafoura in a process of its own, and settings that point at it."""
    command = [sys.executable, "-m", "viafoura_mw", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = "".join(process.stdout.readline() for _ in range(3))
            yield Settings.from_env(dict(re.findall(r"^export (\w+)=(\S+)$", lines, re.MULTILINE)))
        finally:
            process.terminate()


# One request.


def streamed(size: int) -> Iterable[bytes]:
    """A page of that size without a tag, piece by piece."""
    piece = b"<p>A paragraph of a long page.</p>".ljust(CHUNK, b" ")
    return (bytes(bytearray(piece)) for _ in range(size // CHUNK))


def peak(settings: Settings, size: int, headers: dict[str, str]) -> float:
    """The most megabytes in use at one time while one such page passes through the WSGI door."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [("Content-Type", HTML)])
        return streamed(size)

    app = wsgi.ViafouraMiddleware(application, settings)
    environ = environ_of(headers=headers)
    tracemalloc.start()
    try:
        for _chunk in app(environ, lambda *_: None):  # type: ignore[arg-type]
            pass
        return tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()


def one_request(say: Callable[[str], None], settings: Settings) -> None:
    """The first table."""
    gone = Settings(site_id="site", api_key="key", api_url="http://127.0.0.1:9")
    ways = {
        "bytes held while the tag is looked for (VIAFOURA_LOOKAHEAD = 1 MB)": (settings, request_headers(CASES[1])),
        "the same, and Viafoura is gone": (gone, request_headers(CASES[1])),
        "a valid cookie, so that nothing is held": (Settings(site_id="site", api_key="key"), request_headers(CASES[3])),
    }
    peak(settings, 2 * MEGABYTE, request_headers(CASES[1]))  # the first login imports requests
    say(f"| most MB in use while a page of … passes | {' | '.join(f'{size} MB' for size in SIZES)} |")
    say(f"|---|{'---|' * len(SIZES)}")
    for way, (configured, headers) in ways.items():
        figures = (f"{peak(configured, size * MEGABYTE, headers):.2f}" for size in SIZES)
        say(f"| {way} | {' | '.join(figures)} |")


# Many requests.


def resident() -> float:
    """Megabytes of this process that are in memory (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a file of the kernel's
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


class Readers:
    """Readers whose first page costs a login, and who come back with the cookie that it gave them."""

    def __init__(self) -> None:
        self._made = 0
        self._cookie = ""

    def next(self, number: int) -> tuple[str, str]:
        """Who asks, and with which cookies: a new reader every :data:`EVERY` requests."""
        if number % EVERY == 0:
            self._made += 1
            self._cookie = ""
        site_cookie = f"sessionid=reader{self._made}"
        return f"reader{self._made}", f"{site_cookie}; {self._cookie}" if self._cookie else site_cookie

    def keep(self, headers: Iterable[tuple[str, str]]) -> None:
        """Keep the cookie of a response."""
        for name, value in headers:
            if name.lower() == "set-cookie":
                self._cookie = value.partition(";")[0]


def over_wsgi(settings: Settings, requests: int, note: Callable[[], None]) -> None:
    """Serve so many requests through the WSGI door."""
    readers = Readers()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = environ["reader"]
        start_response("200 OK", [("Content-Type", HTML)])
        return [PAGE]

    app = wsgi.ViafouraMiddleware(application, settings)
    for number in range(requests):
        reader, cookies = readers.next(number)
        environ = {**environ_of(headers={"Accept": "text/html", "Cookie": cookies}), "reader": reader}
        for _chunk in app(environ, lambda _, headers, *__: readers.keep(headers)):  # type: ignore[arg-type]
            pass
        if (number + 1) % (requests // 10) == 0:
            note()


def over_asgi(settings: Settings, requests: int, note: Callable[[], None]) -> None:
    """Serve so many requests through the ASGI door."""
    readers = Readers()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = scope["reader"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", HTML.encode())]})
        await send({"type": "http.response.body", "body": PAGE})

    async def send(message: Any) -> None:
        readers.keep((name.decode(), value.decode()) for name, value in message.get("headers", ()))

    async def receive() -> Any:
        raise AssertionError("nothing is to be read")

    app = asgi.ViafouraMiddleware(application, settings)

    async def serve() -> None:
        for number in range(requests):
            reader, cookies = readers.next(number)
            scope = {**scope_of(headers={"Accept": "text/html", "Cookie": cookies}), "reader": reader}
            await app(scope, receive, send)
            if (number + 1) % (requests // 10) == 0:
                note()

    asyncio.run(serve())


def many_requests(say: Callable[[str], None], settings: Settings, requests: int) -> None:
    """The second table."""
    tenths = [f"{(tenth + 1) * requests // 10:,}" for tenth in range(10)]
    say(f"\n| MB resident after … requests | {' | '.join(tenths)} |")
    say(f"|---|{'---|' * len(tenths)}")
    for door, serve in (("WSGI", over_wsgi), ("ASGI", over_asgi)):
        seen: list[float] = []
        serve(settings, requests, lambda seen=seen: seen.append(resident()))  # type: ignore[misc]
        say(f"| {door} | {' | '.join(f'{megabytes:.1f}' for megabytes in seen)} |")


def main(arguments: list[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench memory", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000, help="through each door (default: %(default)s)")
    options = parser.parse_args(arguments)
    say = partial(print, flush=True)
    with simulator() as settings:
        one_request(say, settings)
        many_requests(say, settings, options.requests)
