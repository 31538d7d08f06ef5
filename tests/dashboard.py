"""``python -m tests.dashboard [FILE]``: the dashboard of ``samples/metrics``, with the data of a real run.

The sample is served as its README says, for two sites, each with a simulated Viafoura of its own, while readers come to
both. Prometheus fetches the metrics. Then Viafoura is made slow for one of the sites, works again, and is gone. Each
panel's own queries are asked of Prometheus, as Grafana asks them, and drawn here: Grafana itself has no part in it.

The picture goes to ``.pictures/dashboard.png``, or to ``FILE``. It needs ``prometheus`` (Debian has it) and Chromium.
"""

import html
import json
import math
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.support.chromium import chromium
from tests.support.samples import SAMPLES, WITH_METRICS, copied, started
from tests.support.servers import Browser, free_port, program, serving
from viafoura_mw.testing import Fault, SimulatedViafoura

PICTURE: Final = Path(__file__).parents[1] / ".pictures/dashboard.png"
COURIER, GAZETTE = "www.courier.example", "news.gazette.example"
SCRAPE, WINDOW = 1, 5  # seconds; the sample's Prometheus fetches every 15, and Grafana takes four times that
RATE: Final = {COURIER: 3.0, GAZETTE: 7.0}  # readers who sign in, a second
#: What happens to the Gazette's Viafoura, one after the other, and for how many seconds.
PHASES: Final = (("works", 40.0), ("slow", 45.0), ("works", 30.0), ("gone", 45.0))
SLOW: Final = 1.5  # seconds for a login: with eight threads some five a second, and seven come


# The dashboard's queries.


def panels() -> list[dict[str, Any]]:
    """The panels of the sample's dashboard."""
    dashboard = json.loads((SAMPLES / WITH_METRICS / "dashboard.json").read_text("utf-8"))
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


def asked(expression: str) -> str:
    """A query with Grafana's variables in it: all sites, and the window in which a rate is taken."""
    return expression.replace("$site", ".*").replace("$__rate_interval", f"{WINDOW}s")


# The run.


@dataclass(frozen=True)
class Phase:
    """What the Gazette's Viafoura did, and from when to when."""

    name: str
    start: float
    end: float


class Readers:
    """Readers who come to both sites, sign in, and read on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()

    def come(self) -> list[threading.Thread]:
        """Let them come until :meth:`stop`."""
        threads = [threading.Thread(target=self._come_to, args=(host, rate)) for host, rate in RATE.items()]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Let nobody come any more."""
        self._over.set()

    def _come_to(self, host: str, rate: float) -> None:
        began, number = time.monotonic(), 0
        with ThreadPoolExecutor(48) as pool:
            while not self._over.wait(max(0.0, began + number / rate - time.monotonic())):
                pool.submit(self._read, host, f"reader {number}")
                number += 1

    def _read(self, host: str, name: str) -> None:
        with suppress(OSError), Browser(self._port, always={"Host": host}) as browser:
            browser.get()  # as a visitor
            browser.post("/sign-in", reader=name)
            for _ in range(3):
                browser.get()
                self._over.wait(1.0)


def run(stack: ExitStack, tell: Callable[[str], object]) -> tuple[int, list[Phase]]:
    """The port of a Prometheus that has seen it all, and the phases."""
    sites = {host: stack.enter_context(SimulatedViafoura(site_id=host.split(".")[1])) for host in (COURIER, GAZETTE)}
    folder = stack.enter_context(copied(WITH_METRICS))
    (folder / "sites.toml").write_text(
        "".join(
            f'["{host}"]\nsite_id = "{each.site_id}"\napi_key = "{each.api_key}"\napi_url = "{each.url}"\n'
            for host, each in sites.items()
        )
    )
    metrics_port = free_port()
    environ = {"METRICS_PORT": str(metrics_port), "VIAFOURA_SITES_FILE": "sites.toml"}
    site = stack.enter_context(started(folder, "start.sh", environ))
    prometheus = stack.enter_context(serving(lambda port, its: _prometheus(port, its, folder, metrics_port), {}))
    readers = Readers(site.port)
    coming = readers.come()
    phases = []
    try:
        for name, seconds in PHASES:
            tell(f"the Gazette's Viafoura: {name}, {seconds:.0f} s")
            match name:
                case "slow":
                    sites[GAZETTE].fail("login", Fault.delay(SLOW))
                case "gone":
                    sites[GAZETTE].fail("all", Fault.refuse())
                case _:
                    sites[GAZETTE].heal()
            start = time.time()
            time.sleep(seconds)
            phases.append(Phase(name, start, time.time()))
    finally:
        readers.stop()
        for thread in coming:
            thread.join()
    return prometheus.port, phases


def _prometheus(port: int, its: Path, folder: Path, metrics_port: int) -> list[str]:
    configuration = (folder / "prometheus.yml").read_text()
    configuration = configuration.replace("9464", str(metrics_port)).replace("15s", f"{SCRAPE}s")
    shutil.copy(folder / "alerts.yml", its)
    (its / "prometheus.yml").write_text(configuration)
    return [
        program("prometheus"),
        f"--config.file={its / 'prometheus.yml'}",
        f"--storage.tsdb.path={its / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


# What Prometheus answers.


@dataclass(frozen=True)
class Series:
    """One line of a panel: its legend, and its values by their time."""

    legend: str
    points: tuple[tuple[float, float], ...]


def series_of(panel: Mapping[str, Any], port: int, start: float, end: float) -> list[Series]:
    """What a panel's queries give, by their legends."""
    found = []
    for target in panel["targets"]:
        query = urlencode({"query": asked(target["expr"]), "start": start, "end": end, "step": SCRAPE})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query_range?{query}") as answer:
            results = json.load(answer)["data"]["result"]
        for each in results:
            legend = target["legendFormat"]
            for label, value in each["metric"].items():
                legend = legend.replace(f"{{{{{label}}}}}", value)
            points = ((float(at), float(value)) for at, value in each["values"])
            found.append(Series(legend, tuple((at, value) for at, value in points if math.isfinite(value))))
    return found


# The drawing.

_COLOURS: Final = ("#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#f2495c", "#b877d9", "#3274d9", "#8f3bb8", "#37872d")
_COLUMN, _ROW, _GAP = 58, 34, 8  # pixels of the grid's units, as in Grafana
_BANDS: Final = {"slow": "#ff9830", "gone": "#f2495c"}
_UNITS: Final[dict[str, Callable[[float], str]]] = {
    "reqps": lambda value: f"{value:g} /s",
    "s": lambda value: f"{value:g} s" if value >= 1 or not value else f"{value * 1000:g} ms",
    "percentunit": lambda value: f"{value:.0%}",
    "bytes": lambda value: f"{value / 1024:.0f} KiB",
    "short": lambda value: f"{value:g}",
}


@dataclass(frozen=True)
class Frame:
    """Where a panel's lines are drawn, and what its axes span."""

    width: float
    height: float
    start: float
    end: float
    top: float

    def x(self, at: float) -> float:
        return 56 + (at - self.start) / (self.end - self.start) * (self.width - 72)

    def y(self, value: float) -> float:
        return self.height - 48 - value / self.top * (self.height - 92)


def drawn(panel: Mapping[str, Any], series: list[Series], phases: list[Phase]) -> str:
    """A panel as SVG."""
    width, height = panel["gridPos"]["w"] * _COLUMN - _GAP, panel["gridPos"]["h"] * _ROW - _GAP
    parts = [f'<rect width="{width}" height="{height}" rx="2" fill="#fff" stroke="#dcdee3"/>']
    parts.append(f'<text x="12" y="22" font-weight="500" font-size="14">{html.escape(panel["title"])}</text>')
    parts += _tiles(panel, series, width, height) if panel["type"] == "stat" else _lines(panel, series, phases)
    place = f"translate({panel['gridPos']['x'] * _COLUMN} {panel['gridPos']['y'] * _ROW})"
    return f'<g transform="{place}">{"".join(parts)}</g>'


def _tiles(panel: Mapping[str, Any], series: list[Series], width: float, height: float) -> Iterator[str]:
    """The last value of each series, by the panel's own words and colours."""
    words = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    each = (height - 40) / max(1, len(series))
    for place, one in enumerate(series):
        word = words[f"{one.points[-1][1]:.0f}"]
        colour = {"green": "#56a64b", "red": "#e02f44"}[word["color"]]
        y = 34 + place * each
        yield f'<rect x="8" y="{y}" width="{width - 16}" height="{each - 6}" fill="{colour}" rx="2"/>'
        yield f'<text x="{width / 2}" y="{y + each / 2 - 14}" fill="#fff" text-anchor="middle">{one.legend}</text>'
        yield (
            f'<text x="{width / 2}" y="{y + each / 2 + 22}" fill="#fff" font-size="32" text-anchor="middle">'
            f"{word['text']}</text>"
        )


def _lines(panel: Mapping[str, Any], series: list[Series], phases: list[Phase]) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    tops = list(_stacked(series)) if stacked else [dict(one.points) for one in series]
    highest = max((value for top in tops for value in top.values()), default=0.0)
    step = _step(highest, binary=defaults["unit"] == "bytes")
    width, height = panel["gridPos"]["w"] * _COLUMN - _GAP, panel["gridPos"]["h"] * _ROW - _GAP
    frame = Frame(width, height, phases[0].start, phases[-1].end, step * max(1, math.ceil(highest / step - 1e-9)))
    yield from _axes(frame, step, _UNITS[defaults["unit"]], phases)
    lower: Mapping[float, float] = {}
    drawings = []
    for place, top in enumerate(tops):
        drawings.append(_area(frame, top, lower if stacked else {}, _COLOURS[place % len(_COLOURS)]))
        lower = top
    yield from reversed(drawings)  # of two lines in one place the first is seen
    yield from _legend(frame, [one.legend for one in series])


def _stacked(series: list[Series]) -> Iterator[dict[float, float]]:
    """The upper edge of each series upon those before."""
    times = sorted({at for one in series for at, _ in one.points})
    below = dict.fromkeys(times, 0.0)
    for one in series:
        values = dict(one.points)
        below = {at: below[at] + values.get(at, 0.0) for at in times}
        yield below


def _step(highest: float, *, binary: bool) -> float:
    """The distance of some four lines, in round figures."""
    if highest <= 0:
        return 1024.0 if binary else 1.0
    unit = 1024.0 if binary else 1.0
    power = 10.0 ** math.floor(math.log10(highest / unit / 4))
    return unit * power * next(factor for factor in (1, 2, 2.5, 5, 10) if unit * power * factor * 4 >= highest)


def _axes(frame: Frame, step: float, unit: Callable[[float], str], phases: list[Phase]) -> Iterator[str]:
    for phase in phases:
        if colour := _BANDS.get(phase.name):
            x, width = frame.x(phase.start), frame.x(phase.end) - frame.x(phase.start)
            y, height = frame.y(frame.top), frame.y(0) - frame.y(frame.top)
            yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}" fill-opacity="0.1"/>'
            yield f'<text x="{x + 4}" y="{y - 3}" fill="{colour}" font-size="11">{phase.name}</text>'
    for number in range(round(frame.top / step) + 1):
        y = frame.y(number * step)
        yield f'<path d="M{frame.x(frame.start)} {y}H{frame.x(frame.end)}" stroke="#e4e5ea"/>'
        yield f'<text x="50" y="{y + 4}" text-anchor="end" fill="#6b6f76" font-size="11">{unit(number * step)}</text>'
    apart = 30 if frame.width > 600 else 60  # seconds
    for number in range(math.ceil(frame.start / apart), math.floor((frame.end - 4) / apart) + 1):
        told = time.strftime("%H:%M:%S", time.gmtime(number * apart))
        x, y = frame.x(number * apart), frame.y(0) + 15
        yield f'<text x="{x}" y="{y}" text-anchor="middle" fill="#6b6f76" font-size="11">{told}</text>'


def _area(frame: Frame, top: Mapping[float, float], lower: Mapping[float, float], colour: str) -> str:
    """A line, and what lies between it and what is below, in pieces where there are no values."""
    drawn_parts: list[str] = []
    piece: list[float] = []
    for at in [*sorted(top), math.inf]:
        if piece and at - piece[-1] > 1.5 * SCRAPE:
            line = "L".join(f"{frame.x(each):.1f} {frame.y(top[each]):.1f}" for each in piece)
            back = "L".join(f"{frame.x(each):.1f} {frame.y(lower.get(each, 0.0)):.1f}" for each in reversed(piece))
            drawn_parts.append(f'<path d="M{line}L{back}Z" fill="{colour}" fill-opacity="0.2"/>')
            drawn_parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            piece = []
        piece.append(at)
    return "".join(drawn_parts)


def _legend(frame: Frame, legends: list[str]) -> Iterator[str]:
    x = 16.0
    for place, legend in enumerate(legends):
        colour = _COLOURS[place % len(_COLOURS)]
        yield f'<rect x="{x}" y="{frame.height - 18}" width="12" height="4" fill="{colour}"/>'
        yield f'<text x="{x + 16}" y="{frame.height - 12}" font-size="12">{html.escape(legend)}</text>'
        x += 34 + 6.6 * len(legend)


def page(port: int, phases: list[Phase]) -> tuple[str, int, int]:
    """The whole dashboard as a page, with its width and height."""
    start, end = phases[0].start, phases[-1].end
    parts = [drawn(panel, series_of(panel, port, start, end), phases) for panel in panels()]
    width, height = 24 * _COLUMN + 16, 24 * _ROW + 16
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" fill="#24292e"'
        f' font-family="Inter, Roboto, Helvetica, Arial, sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#f4f5f5"/><g transform="translate(12 12)">{"".join(parts)}</g></svg>'
    )
    return f'<!doctype html><meta charset="utf-8"><body style="margin:0">{svg}', width, height


def main() -> None:
    """Make the run, and the picture."""
    file = Path(sys.argv[1]) if sys.argv[1:] else PICTURE
    with ExitStack() as stack:
        port, phases = run(stack, lambda line: sys.stderr.write(f"{line}\n"))
        text, width, height = page(port, phases)
    with tempfile.TemporaryDirectory() as folder, chromium(width, height) as driver:
        shown = Path(folder) / "dashboard.html"
        shown.write_text(text, "utf-8")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get(shown.as_uri())
        driver.save_screenshot(str(file))
    sys.stdout.write(f"{file} ({file.stat().st_size // 1024} KB)\n")


if __name__ == "__main__":
    main()
