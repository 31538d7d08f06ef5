"""What several sites in one process, and metrics, cost a request: ``python -m tests.bench operating``.

First the choice of a request's site by its host; then a request through each door with metrics off and with metrics on,
side by side, with OpenTelemetry's SDK and a reader that nobody asks. Microseconds, the best of several rounds.
"""

import itertools
import timeit
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

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
from viafoura_mw import asgi, wsgi
from viafoura_mw.sites import Hosts

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
    return min(timeit.repeat(ask, number=times, repeat=9)) / times * 1e6


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


def main(arguments: list[str]) -> None:
    """Print the tables."""
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    print("| host | 1 glob, µs | 100 globs, µs |\n|---|---|---|")
    for (name, one), (_, hundred) in zip(choices(1), choices(100), strict=True):
        print(f"| {name} | {one:.2f} | {hundred:.2f} |", flush=True)
    print("\n| door | request | metrics off, µs | on, µs | more, µs |\n|---|---|---|---|---|")
    for door, name, off, on in requests():
        print(f"| {door} | {name} | {off:.1f} | {on:.1f} | {on - off:.1f} |", flush=True)
