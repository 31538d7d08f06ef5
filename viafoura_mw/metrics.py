"""Metrics through OpenTelemetry's API, where the site's operators want them (``VIAFOURA_METRICS=1``, extra ``otel``).

| instrument | kind | attributes |
|---|---|---|
| `viafoura.pages` | counter | `outcome`: the debug header's word, of a bridge's answers as well |
| `viafoura.calls` | counter | `call`: `token`, `login`, `logout`; `result`: `ok`, `refused`, `failed`, … |
| `viafoura.call.duration` | histogram, seconds | `call`, `result`; of a call that was dropped there is none |
| `viafoura.breaker.open` | gauge, 0 or 1 | |
| `viafoura.hold.bytes` | gauge, bytes | |
| `viafoura.logins.waiting` | gauge | |

Each has `viafoura.site` as well, where there are several. No user, no session and no path is ever an attribute: each
would make as many series as there are visitors.

A call's result is `ok`, `refused` (4xx), `timeout`, `failed` (any other), or `dropped`: it was never made. A login's
seconds hold those of the access token that it had to fetch. What is only told can never raise into a page, whatever the
site has registered.

Pages are counted here, and the numbers read, as the gauges are, when the site's own OpenTelemetry collects, in whatever
thread it does: its SDK takes some ten microseconds to count one thing, which a call may cost and a page should not.

A meter knows an instrument by its name, and asks only whoever made it first. So a process has one :class:`Metrics`,
whatever number of middlewares it has.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from viafoura_mw.per_process import PerProcess

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

#: As OpenTelemetry's semantic conventions have them for ``http.client.request.duration``.
BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
SITE: Final = "viafoura.site"

_Gauge = Callable[[], int]


def is_there() -> bool:
    """Whether OpenTelemetry's API is installed."""
    try:
        return find_spec("opentelemetry.metrics") is not None
    except ImportError:
        return False


def meter() -> "Meter":
    """This package's meter, of whatever provider the site sets, before or after."""
    from importlib.metadata import version  # late: it brings the socket module, which gevent patches

    from opentelemetry.metrics import get_meter  # late: nothing of it is there where metrics are off

    return get_meter("viafoura_mw", version("viafoura-mw"))


@cache
def of_process() -> "Metrics":
    """The metrics of this process, which all its middlewares share."""
    return Metrics(meter())


class Metrics:
    """The instruments of a process, for all its middlewares and sites."""

    def __init__(self, meter: "Meter") -> None:
        self._gauges: dict[str, list[tuple[str, _Gauge]]] = {}
        self.pages: PerProcess[PageCounts] = PerProcess(PageCounts)
        self.calls: Counter = meter.create_counter("viafoura.calls", "{call}", "Calls to Viafoura.")
        self.duration: Histogram = meter.create_histogram(
            "viafoura.call.duration",
            "s",
            "Duration of calls to Viafoura.",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        meter.create_observable_counter(
            "viafoura.pages", [lambda _: self._counted()], "{page}", "Responses that were looked at."
        )
        for name, unit, description in (
            ("viafoura.breaker.open", "{breaker}", "1 while no page waits for Viafoura, which fails."),
            ("viafoura.hold.bytes", "By", "Bytes of pages that wait for their tag or their user's login."),
            ("viafoura.logins.waiting", "{login}", "Logins that wait for a thread."),
        ):
            gauges = self._gauges[name] = []
            together = max if name == "viafoura.breaker.open" else sum
            meter.create_observable_gauge(name, [_observing(gauges, together)], unit, description)

    def of_site(self, name: str) -> "SiteMetrics":
        """The metrics of one site; ``name`` is empty where there are no others."""
        return SiteMetrics(self, name)

    def watch(self, name: str, site: str, gauge: _Gauge) -> None:
        """Read ``gauge`` of a site whenever the gauge of that name is collected."""
        self._gauges[name].append((site, gauge))

    def _counted(self) -> "Iterable[Observation]":
        from opentelemetry.metrics import Observation

        numbers = self.pages.get().numbers()
        return [Observation(number, _of(site) | {"outcome": outcome}) for (site, outcome), number in numbers.items()]


class PageCounts:
    """How many pages of each site came to which outcome in one process."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._lock = threading.RLock()  # the thread that holds it may collect garbage, and so end a response in here

    def add(self, site: str, outcome: str) -> None:
        """Count one more."""
        with self._lock:
            self._numbers[site, outcome] = self._numbers.get((site, outcome), 0) + 1

    def numbers(self) -> dict[tuple[str, str], int]:
        """The numbers by site and outcome."""
        with self._lock:
            return dict(self._numbers)


def _of(site: str) -> dict[str, str]:
    """The attributes that name a site, where it is not alone."""
    return {SITE: site} if site else {}


def _observing(
    gauges: list[tuple[str, _Gauge]], together: Callable[[list[int]], int]
) -> "Callable[[CallbackOptions], Iterable[Observation]]":
    """What reads ``gauges``, those of one site ``together`` (several middlewares may serve it)."""

    def observe(_: "CallbackOptions") -> "Iterable[Observation]":
        from opentelemetry.metrics import Observation

        read: dict[str, list[int]] = {}
        for site, gauge in gauges:
            read.setdefault(site, []).append(gauge())
        return [Observation(together(values), _of(site)) for site, values in read.items()]

    return observe


class SiteMetrics:
    """What the parts of one site tell; they know these functions as plain functions, and nothing of OpenTelemetry."""

    def __init__(self, metrics: Metrics, site: str) -> None:
        self._metrics = metrics
        self._site = site

    def page(self, outcome: str) -> None:
        """Count a response that was looked at."""
        self._metrics.pages.get().add(self._site, outcome)

    def call(self, call: str, result: str, seconds: float | None) -> None:
        """Count a call to Viafoura that has ended, or that was dropped, which took no time."""
        with suppress(Exception):
            attributes = _of(self._site) | {"call": call, "result": result}
            self._metrics.calls.add(1, attributes)
            if seconds is not None:
                self._metrics.duration.record(seconds, attributes)

    def watch(self, *, breaker_open: _Gauge, hold_bytes: _Gauge, logins_waiting: _Gauge) -> None:
        """Read these whenever the gauges are collected."""
        self._metrics.watch("viafoura.breaker.open", self._site, breaker_open)
        self._metrics.watch("viafoura.hold.bytes", self._site, hold_bytes)
        self._metrics.watch("viafoura.logins.waiting", self._site, logins_waiting)
