"""Metrics: what an operator sees of pages, calls and gauges through OpenTelemetry, and that it costs a page nothing."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.support.doors import HTML, PAGE, Get, Site, both_doors, through_wsgi
from tests.support.fakes import Clock, HandWorkers, ScriptedViafoura
from viafoura_mw import Settings, metrics
from viafoura_mw.errors import SettingsError
from viafoura_mw.runtime import served_of
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Viafoura
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions
from viafoura_mw.viafoura.workers import AtOnce, PutOff

Door = Callable[[Settings | None], Get]
ASKED = {"Accept": "text/html"}
ANN = Site(user="ann")


class Seen:
    """What a site's OpenTelemetry collects."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def metrics(self) -> dict[str, Any]:
        """The metrics by their names."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> dict[tuple[Any, ...], Any]:
        """The value, or the count, of each point by its attributes' values."""
        metric = self.metrics().get(name)
        found = metric.data.data_points if metric else ()
        return {
            tuple(value for _, value in sorted(point.attributes.items())): getattr(point, "count", None)
            if hasattr(point, "count")
            else point.value
            for point in found
        }


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    seen = Seen()
    monkeypatch.setattr(metrics, "meter", lambda: seen.provider.get_meter("viafoura_mw"))
    metrics.of_process.cache_clear()
    yield seen
    metrics.of_process.cache_clear()
    seen.provider.shutdown()


@pytest.fixture
def measured(settings: Settings, seen: Seen) -> Settings:
    return replace(settings, metrics=True)


@both_doors
def test_counts_pages_by_the_debug_headers_word(door: Door, measured: Settings, seen: Seen) -> None:
    """Those of visitors who are not signed in as well."""
    get = door(measured)
    cookie = get(ANN, headers=ASKED).cookie or ""

    get(ANN, headers={**ASKED, "Cookie": cookie})
    get(Site(), headers=ASKED)
    get(Site((b"<p>no tag",), (HTML, ("Content-Length", "9")), user="ann"), headers={**ASKED, "Cookie": cookie})
    get(Site((b"{}",), (("Content-Type", "application/json"),)), headers=ASKED)

    assert seen.points("viafoura.pages") == {("injected",): 2, ("anonymous",): 1, ("no-tag",): 1}


@both_doors
def test_counts_a_page_that_streams(door: Door, measured: Settings, seen: Seen) -> None:
    """By the word that its head would have had."""
    get = door(measured)
    cookie = get(ANN, headers=ASKED).cookie or ""

    get(Site((b"<p>", PAGE), user="ann"), headers={**ASKED, "Cookie": cookie})

    assert seen.points("viafoura.pages")[("streaming",)] == 1


@both_doors
def test_counts_what_a_bridge_serves(
    door: Door, viafoura: SimulatedViafoura, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bridged pages, and the answers to their question who is reading, by their words."""
    environ = {**viafoura.environ(), "VIAFOURA_BRIDGE": "/news*", "VIAFOURA_METRICS": "1"}
    get = door(Settings.from_env(environ))
    question = {"X-Viafoura-Bridge": "0123456789abcdef", "Sec-Fetch-Site": "same-origin", "Cookie": "sessionid=abc"}

    def ask(site: Site, path: str, cookies: str = "sessionid=abc") -> None:
        get(site, method="POST", path=path, headers={**question, "Cookie": cookies})

    get(ANN, headers=ASKED, path="/news")
    get(Site((b"<p>", PAGE), user="ann"), headers=ASKED, path="/news/2")
    get(Site((b"<p>", b"no tag", b"")), headers=ASKED, path="/news/3")
    get(Site((b"{}",), (("Content-Type", "application/json"),)), path="/news")
    assert seen.points("viafoura.pages") == {("bridged",): 3}

    ask(ANN, "/_viafoura/session")
    ask(Site(status=500), "/_viafoura/session")
    ask(ANN, "/_viafoura/logout")
    ask(ANN, "/_viafoura/session", cookies="")
    viafoura.fail("login", Fault.status(403))
    ask(Site(user="ben"), "/_viafoura/session")

    told = {"bridged": 3, "injected": 1, "unknown": 1, "anonymous": 2, "unavailable": 1}
    assert seen.points("viafoura.pages") == {(word,): number for word, number in told.items()}


@both_doors
def test_counts_calls_and_times_them(door: Door, measured: Settings, seen: Seen, viafoura: SimulatedViafoura) -> None:
    """A token, a login, a logout, each with its seconds."""
    get = door(measured)
    cookie = get(ANN, headers=ASKED).cookie or ""
    get(Site(), headers={**ASKED, "Cookie": cookie})
    viafoura.wait_for("logout", 1)
    expected = {("login", "ok"): 1, ("logout", "ok"): 1, ("token", "ok"): 1}
    while seen.points("viafoura.call.duration").keys() != expected.keys():
        time.sleep(0.01)  # a logout is told once its answer has been read, its seconds last

    assert seen.points("viafoura.calls") == seen.points("viafoura.call.duration") == expected
    (point, *_) = seen.metrics()["viafoura.call.duration"].data.data_points
    assert point.explicit_bounds == metrics.BOUNDARIES
    assert seen.metrics()["viafoura.call.duration"].unit == "s"


@pytest.mark.parametrize(
    ("kind", "fault", "results"),
    [
        ("token", Fault.status(401), {("token", "refused"), ("login", "failed")}),
        ("token", Fault.status(503), {("token", "failed"), ("login", "failed")}),
        ("login", Fault.status(403), {("token", "ok"), ("login", "refused")}),
        ("login", Fault.status(500), {("token", "ok"), ("login", "failed")}),
        ("login", Fault.html(), {("token", "ok"), ("login", "failed")}),
        ("login", Fault.hang(), {("token", "ok"), ("login", "timeout")}),
    ],
)
def test_tells_how_a_call_has_ended(
    kind: Any, fault: Fault, results: set[tuple[str, str]], viafoura: SimulatedViafoura
) -> None:
    """Refused, failed, or not answered in time; refused credentials are no user's refusal."""
    told: list[tuple[str, str, float | None]] = []
    client = Viafoura(
        site_id=viafoura.site_id,
        api_key=viafoura.api_key,
        api_url=viafoura.url,
        token_url=f"{viafoura.url}/oauth2/token",
        timeout=1.0,
        told=lambda *call: told.append(call),
    )
    viafoura.fail(kind, fault)

    with pytest.raises(Exception, match="Viafoura"):
        client.login(User("ann", "Ann"), limit=0.5 if ("login", "timeout") in results else None)

    assert {(call, result) for call, result, _ in told} == results
    assert all(seconds is not None and seconds >= 0 for _, _, seconds in told)


def test_tells_of_a_refused_logout_and_of_what_nobody_foresaw(viafoura: SimulatedViafoura) -> None:
    """Both are told, and raised as ever."""
    told: list[tuple[str, str]] = []

    def transport() -> Any:
        raise KeyboardInterrupt

    def client(**given: Any) -> Viafoura:
        return Viafoura(
            site_id=viafoura.site_id,
            api_key=viafoura.api_key,
            api_url=viafoura.url,
            token_url=f"{viafoura.url}/oauth2/token",
            timeout=1.0,
            told=lambda call, result, _: told.append((call, result)),
            **given,
        )

    viafoura.fail("logout", Fault.status(404))
    with pytest.raises(Exception, match="refused the logout"):
        client().logout("session")
    with pytest.raises(KeyboardInterrupt):
        client(transport=transport).logout("session")

    assert told == [("token", "ok"), ("logout", "refused"), ("token", "failed"), ("logout", "failed")]


def test_a_call_that_was_dropped_has_no_seconds(seen: Seen) -> None:
    """It is counted, and took none."""
    metrics.Metrics(metrics.meter()).of_site("").call("login", "dropped", None)
    assert seen.points("viafoura.calls") == {("login", "dropped"): 1}
    assert seen.points("viafoura.call.duration") == {}


class TestDropped:
    """A call that was never made is told as well, and has no seconds."""

    @pytest.fixture
    def told(self) -> list[tuple[str, str, float | None]]:
        return []

    @pytest.fixture
    def workers(self) -> HandWorkers:
        return HandWorkers(Clock())

    @pytest.fixture
    def sessions(self, workers: HandWorkers, told: list[tuple[str, str, float | None]]) -> Sessions:
        return Sessions(
            ScriptedViafoura(workers.clock),
            timeout=2.0,
            clock=workers.clock,
            workers=lambda: workers,
            told=lambda *call: told.append(call),
        )

    def test_a_login_for_which_there_is_no_place(self, workers: HandWorkers, sessions: Sessions, told: Any) -> None:
        """A full queue is counted."""
        workers.logins.places = 0
        sessions.ensure(LoginRequest(User("ann", "Ann")))
        assert told == [("login", "dropped", None)]

    def test_a_login_whose_page_has_left(self, workers: HandWorkers, sessions: Sessions, told: Any) -> None:
        """A late login is counted as one."""
        sessions.ensure(LoginRequest(User("ann", "Ann")))
        assert sessions.logins_waiting == 1
        workers.clock.pass_(3.0)
        workers.logins.run()
        assert told == [("login", "dropped", None)]
        assert sessions.logins_waiting == 0

    def test_a_logout_for_which_there_is_no_place(self, workers: HandWorkers, sessions: Sessions, told: Any) -> None:
        """A full queue of logouts is counted."""
        workers.logouts.places = 0
        sessions.logout("session")
        assert told == [("logout", "dropped", None)]


def test_no_job_waits_for_whoever_makes_it_at_once() -> None:
    """Where no thread runs, what is put off waits."""
    put_off = PutOff(places=2)
    put_off.submit(bool)
    assert (AtOnce().waiting, put_off.waiting) == (0, 1)


def test_the_gauges_are_read_when_they_are_collected(measured: Settings, seen: Seen) -> None:
    """The breaker, what is held, and the logins that wait."""
    (runtime,) = served_of(measured, otherwise="scope").runtimes
    names = ("viafoura.breaker.open", "viafoura.hold.bytes", "viafoura.logins.waiting")
    assert [seen.points(name) for name in names] == [{(): 0}, {(): 0}, {(): 0}]

    runtime.policy.budget.take(1000, "ann")
    runtime.sessions._here.get().breaker.open = True

    assert [seen.points(name) for name in names] == [{(): 1}, {(): 1000}, {(): 0}]
    runtime.policy.budget.give_back(1000, "ann")


def test_two_middlewares_of_one_process_are_told_together(measured: Settings, seen: Seen) -> None:
    """A meter asks only whoever made an instrument first: what the second one counts and holds is not lost."""
    gets = [through_wsgi(measured), through_wsgi(measured)]
    runtimes = [served_of(measured, otherwise="scope").runtimes[0] for _ in gets]

    for get in gets:
        get(Site(), headers=ASKED)
    for runtime in runtimes:
        runtime.policy.budget.take(1000, "ann")
    runtimes[0].sessions._here.get().breaker.open = True

    assert seen.points("viafoura.pages") == {("anonymous",): 2}
    assert seen.points("viafoura.hold.bytes") == {(): 2000}
    assert seen.points("viafoura.breaker.open") == {(): 1}
    for runtime in runtimes:
        runtime.policy.budget.give_back(1000, "ann")


def test_a_forks_child_counts_its_own_pages(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """And shares no lock with its parent, which a thread there may hold."""
    site = metrics.of_process().of_site("")
    site.page("injected")

    monkeypatch.setattr(os, "getpid", lambda: -1)
    site.page("anonymous")

    assert seen.points("viafoura.pages") == {("anonymous",): 1}


def test_pages_of_many_threads_are_all_counted(seen: Seen) -> None:
    """None is lost where two end at one time."""
    site = metrics.of_process().of_site("")

    def count() -> None:
        for _ in range(2000):
            site.page("injected")

    threads = [threading.Thread(target=count) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen.points("viafoura.pages") == {("injected",): 8000}


def test_a_page_that_ends_while_another_is_counted_waits_for_nobody() -> None:
    """The thread that counts may collect garbage meanwhile, which ends a response that nobody read to its end."""
    counts = metrics.PageCounts()

    class Word(str):
        __slots__ = ()

        def __hash__(self) -> int:
            counts.add("", "broken-off")
            return super().__hash__()

    counts.add("", Word("injected"))

    assert counts.numbers()["", "broken-off"] >= 1


@both_doors
def test_names_the_site_where_there_are_several(
    door: Door, settings: Settings, seen: Seen, viafoura: SimulatedViafoura
) -> None:
    """Each site's points are its own."""
    get = door(Settings(metrics=True, sites=(("a.example", settings), ("*.b.example", settings))))

    get(ANN, headers={**ASKED, "Host": "a.example"})
    get(ANN, headers={**ASKED, "Host": "www.b.example"})
    get(ANN, headers={**ASKED, "Host": "elsewhere.example"})

    assert seen.points("viafoura.pages") == {("injected", "a.example"): 1, ("injected", "*.b.example"): 1}
    assert seen.points("viafoura.breaker.open") == {("a.example",): 0, ("*.b.example",): 0}
    assert {key[-1] for key in seen.points("viafoura.calls")} == {"a.example", "*.b.example"}


def test_no_user_no_session_and_no_path_is_told(measured: Settings, seen: Seen, viafoura: SimulatedViafoura) -> None:
    """Every attribute is one of a few words."""
    through_wsgi(measured)(ANN, headers=ASKED, path="/a/path")

    told = {
        value
        for metric in seen.metrics().values()
        for point in metric.data.data_points
        for value in point.attributes.values()
    }
    assert told == {"injected", "token", "login", "ok"}


@both_doors
def test_nothing_that_is_told_raises_into_a_page(
    door: Door, measured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the site has made of its OpenTelemetry."""

    class Raising:
        def add(self, *_: Any) -> None:
            raise RuntimeError

        record = add

    class Meter:
        def create_counter(self, *_: Any) -> Raising:
            return Raising()

        def create_histogram(self, *_: Any, **__: Any) -> Raising:
            return Raising()

        def create_observable_gauge(self, *_: Any) -> None: ...

        create_observable_counter = create_observable_gauge

    monkeypatch.setattr(metrics, "meter", Meter)

    assert b"data-sid" in door(measured)(ANN, headers=ASKED).body


def test_works_with_the_api_alone(settings: Settings) -> None:
    """Where the site has no SDK, or sets its provider later."""
    assert served_of(replace(settings, metrics=True), otherwise="scope").own is not None


class TestOff:
    """Nothing is imported, and nothing is told."""

    def test_is_the_default(self, settings: Settings) -> None:
        """No part knows anybody whom it could tell."""
        (runtime,) = served_of(settings, otherwise="scope").runtimes
        assert not settings.metrics
        assert runtime.policy.told is None
        assert not runtime.looks_at_every_response
        assert not runtime.counts_pages

    def test_imports_nothing_of_it(self, viafoura: SimulatedViafoura) -> None:
        """Not even where it is installed."""
        program = (
            "import sys, viafoura_mw.asgi, viafoura_mw.wsgi\n"
            "viafoura_mw.wsgi.ViafouraMiddleware(print)\n"
            "print([name for name in sys.modules if name.startswith('opentelemetry')])"
        )
        environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **viafoura.environ()}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"


@pytest.mark.parametrize("absent", ["opentelemetry", "opentelemetry.metrics"])
def test_without_the_api_the_start_names_the_extra(
    absent: str, viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to type."""
    monkeypatch.delitem(sys.modules, "opentelemetry.metrics", raising=False)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(SettingsError, match=r'python -m pip install "viafoura-mw\[otel\]"'):
        Settings.from_env({**viafoura.environ(), "VIAFOURA_METRICS": "1"})
    Settings.from_env({**viafoura.environ(), "VIAFOURA_METRICS": "0"})
