"""Metrics through OpenTelemetry's API, where the site's operators want them (``VIAFOURA_METRICS=1``, extra ``otel``).

| instrument | kind | attributes |
|---|---|---|
| `viafoura.pages` | counter | `outcome`: the debug header's word |
| `viafoura.calls` | counter | `call`: `token`, `login`, `logout`; `result`: `ok`, `refused`, `failed`, … |
| `viafoura.call.duration` | histogram, seconds | `call`, `result`; of a call that was dropped there is none |
| `viafoura.breaker.open` | gauge, 0 or 1 | |
| `viafoura.hold.bytes` | gauge, bytes | |
| `viafoura.logins.waiting` | gauge | |

Each has `viafoura.site` as well, where there are several. No user, no session and no path is ever an attribute: each
would make as many series as there are visitors.

A call's result is `ok`, `refused` (4xx), `timeout`, `failed` (any other), or `dropped`: it was never made. A login's
seconds hold those of the access token that it had to fetch. A gauge is read when the site's own OpenTelemetry
collects, in whatever thread it does. What is only told can never raise into a page, whatever the site has registered.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

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


class Metrics:
    """The instruments of one middleware, which all its sites share."""

    def __init__(self, meter: "Meter") -> None:
        self._gauges: dict[str, list[tuple[dict[str, str], _Gauge]]] = {}
        self.pages: Counter = meter.create_counter("viafoura.pages", "{page}", "Responses that were looked at.")
        self.calls: Counter = meter.create_counter("viafoura.calls", "{call}", "Calls to Viafoura.")
        self.duration: Histogram = meter.create_histogram(
            "viafoura.call.duration",
            "s",
            "Duration of calls to Viafoura.",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        for name, unit, description in (
            ("viafoura.breaker.open", "{breaker}", "1 while no page waits for Viafoura, which fails."),
            ("viafoura.hold.bytes", "By", "Bytes of pages that wait for their tag or their user's login."),
            ("viafoura.logins.waiting", "{login}", "Logins that wait for a thread."),
        ):
            gauges = self._gauges[name] = []
            meter.create_observable_gauge(name, [_observing(gauges)], unit, description)

    def of_site(self, name: str) -> "SiteMetrics":
        """The metrics of one site; ``name`` is empty where there are no others."""
        return SiteMetrics(self, {SITE: name} if name else {})

    def watch(self, name: str, attributes: dict[str, str], gauge: _Gauge) -> None:
        """Read ``gauge`` whenever the gauge of that name is collected."""
        self._gauges[name].append((attributes, gauge))


def _observing(
    gauges: "list[tuple[dict[str, str], _Gauge]]",
) -> "Callable[[CallbackOptions], Iterable[Observation]]":
    def observe(_: "CallbackOptions") -> "Iterable[Observation]":
        from opentelemetry.metrics import Observation

        return [Observation(gauge(), attributes) for attributes, gauge in gauges]

    return observe


class SiteMetrics:
    """What the parts of one site tell; they know these functions as plain functions, and nothing of OpenTelemetry."""

    def __init__(self, metrics: Metrics, attributes: dict[str, str]) -> None:
        self._metrics = metrics
        self._attributes = attributes

    def page(self, outcome: str) -> None:
        """Count a response that was looked at."""
        with suppress(Exception):
            self._metrics.pages.add(1, self._attributes | {"outcome": outcome})

    def call(self, call: str, result: str, seconds: float | None) -> None:
        """Count a call to Viafoura that has ended, or that was dropped, which took no time."""
        with suppress(Exception):
            attributes = self._attributes | {"call": call, "result": result}
            self._metrics.calls.add(1, attributes)
            if seconds is not None:
                self._metrics.duration.record(seconds, attributes)

    def watch(self, *, breaker_open: _Gauge, hold_bytes: _Gauge, logins_waiting: _Gauge) -> None:
        """Read these whenever the gauges are collected."""
        self._metrics.watch("viafoura.breaker.open", self._attributes, breaker_open)
        self._metrics.watch("viafoura.hold.bytes", self._attributes, hold_bytes)
        self._metrics.watch("viafoura.logins.waiting", self._attributes, logins_waiting)
