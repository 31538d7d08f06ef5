"""What several sites in one process, and metrics, cost a request: ``python -m tests.operating``.

First the choice of a request's site by its host; then a request through each door with metrics off and with metrics on,
side by side, with OpenTelemetry's SDK and a reader that nobody asks. Microseconds of the
processor, the best of several rounds.

Last, two sites in one process of gunicorn (8 threads) and of uvicorn: what pages of one site take while the other's
Viafoura works, refuses connections, and never answers, and new readers come to that other site all the time.
"""

import itertools
import statistics
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.bench.requests import (
    CASES,
    SETTINGS,
    Case,
    asgi_app,
    asgi_run,
    request_headers,
    side_by_side,
    wsgi_app,
    wsgi_run,
)
from tests.support.doors import environ_of, scope_of
from tests.two_sites import Site, Soak, soak
from viafoura_mw import asgi, wsgi
from viafoura_mw.sites import Hosts
from viafoura_mw.testing import Fault

LOOKED_AT = CASES[:4]  # where the tag is makes no difference here
EXACT, GLOB = "www.courier.example", "*.gazette.example"


def choices(globs: int) -> Iterator[tuple[str, float]]:
    """What choosing costs for each kind of host, with so many globs."""
    names = [EXACT, GLOB, *(f"*.site{number}.example" for number in range(globs - 1))]
    hosts = Hosts([(name, name) for name in names], "")
    numbers = itertools.count()
    yield "a table's name", _best(lambda: hosts.choose(EXACT))
    yield "a glob's, seen before", _best(lambda: hosts.choose("news.gazette.example"))
    yield "the same with capitals and a port", _best(lambda: hosts.choose("News.Gazette.example:8000"))
    making = _best(lambda: f"{next(numbers)}.gazette.example")
    yield "a glob's, never seen before", _best(lambda: hosts.choose(f"{next(numbers)}.gazette.example")) - making
    yield "no table's, never seen before", _best(lambda: hosts.choose(f"{next(numbers)}.evil.example")) - making
    yield "8 KB", _best(lambda: hosts.choose("x" * 8192))


def _best(ask: Callable[[], object], times: int = 20_000) -> float:
    return min(timeit.repeat(ask, number=times, repeat=9, timer=time.process_time)) / times * 1e6


def requests(rounds: int = 15, times: int = 1000) -> Iterator[tuple[str, str, float, float]]:
    """For each door and kind of request: its microseconds with metrics off, and on."""
    off, on = SETTINGS, replace(SETTINGS, metrics=True)
    for case in LOOKED_AT:
        environ = environ_of(headers=request_headers(case))
        runs = [wsgi_run(wsgi.ViafouraMiddleware(wsgi_app(case), each), environ, times) for each in (off, on)]
        yield ("WSGI", case.name, *side_by_side(runs, rounds))
    for case in LOOKED_AT:
        yield ("ASGI", case.name, *side_by_side([_through_asgi(case, each, times) for each in (off, on)], rounds))


def _through_asgi(case: Case, settings: Any, times: int) -> Callable[[], float]:
    return asgi_run(asgi.ViafouraMiddleware(asgi_app(case), settings), scope_of(headers=request_headers(case)), times)


# One site's dead Viafoura.

STATES: Final = {"works": None, "refuses": Fault.refuse(), "never answers": Fault.hang()}
NEWCOMERS: Final = 5.0  # readers a second who come to the site whose Viafoura is dead
SECONDS: Final = 8.0


@dataclass(frozen=True)
class Beside:
    """Pages of one site, in milliseconds, and how many of its new readers had their session on their first page."""

    server: str
    state: str
    median: float
    last: float  # the 95th percentile
    longest: float
    newcomers: int
    served: int


def beside_a_dead_one() -> Iterator[Beside]:
    """What a site's pages take beside another's, of which Viafoura is dead."""
    for server in ("gunicorn", "uvicorn"):
        for state, fault in STATES.items():
            with soak(server, processes=1, users=0, seconds=0.0, timeout=2.0) as made:
                courier, gazette = made.sites
                if fault is not None:
                    gazette.viafoura.fail("all", fault)
                yield _measured(server, state, made, courier, gazette)
                gazette.viafoura.heal()


def _measured(server: str, state: str, made: Soak, courier: Site, gazette: Site) -> Beside:
    over = threading.Event()

    def come(number: int) -> None:
        with made.browser(gazette, {"reader": f"{number}"}) as browser:
            browser.get()

    def all_come() -> None:
        with ThreadPoolExecutor(64) as pool:
            for number in itertools.count(1000):
                if over.wait(1 / NEWCOMERS):
                    return
                pool.submit(come, number)

    coming = threading.Thread(target=all_come)
    cookies = {"reader": "1"}
    with made.browser(courier, cookies) as browser:
        assert browser.get().pair
        cookies = browser.cookies
    coming.start()
    times, pairs, until = [], [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        with made.browser(courier, dict(cookies)) as browser:
            began = time.perf_counter()
            assert browser.get().pair
            times.append((time.perf_counter() - began) * 1e3)
        if len(times) % 20 == 0:
            with made.browser(courier, {"reader": f"{len(times)}"}) as browser:
                pairs.append(browser.get().pair)
    over.set()
    coming.join()
    times.sort()
    served = sum(pair is not None for pair in pairs)
    return Beside(server, state, statistics.median(times), times[int(len(times) * 0.95)], times[-1], len(pairs), served)


def main() -> None:
    """Print the tables."""
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    print("| host | 1 glob, µs | 100 globs, µs |\n|---|---|---|")
    for (name, one), (_, hundred) in zip(choices(1), choices(100), strict=True):
        print(f"| {name} | {one:.2f} | {hundred:.2f} |", flush=True)
    print("\n| door | request | metrics off, µs | on, µs | more, µs |\n|---|---|---|---|---|")
    for door, name, off, on in requests():
        print(f"| {door} | {name} | {off:.1f} | {on:.1f} | {on - off:.1f} |", flush=True)
    print("\n| server | the other's Viafoura | p50, ms | p95, ms | longest, ms | new readers served |")
    print("|---|---|---|---|---|---|")
    for row in beside_a_dead_one():
        figures = f"{row.median:.1f} | {row.last:.1f} | {row.longest:.0f} | {row.served} of {row.newcomers}"
        print(f"| {row.server} | {row.state} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
