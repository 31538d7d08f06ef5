"""Several sites behind one door: the host chooses, and no site knows of another."""

import io
import logging
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.support.doors import HTML, PAGE, Get, Site, both_doors, call, environ_of, scope_of
from tests.support.fakes import Clock, HandWorkers, ScriptedViafoura
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.response.hold import MAX_HELD
from viafoura_mw.runtime import cookie_of, served_of
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user.sources import parse
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions

COURIER, GAZETTE = "www.courier.example", "news.gazette.example"
PROOF = "X-Viafoura-Proxy-Secret"
SECRET = "the secret of a proxy"
ANN = Site(user="ann")

Door = Callable[[Settings | None], Get]


@pytest.fixture
def other() -> "Iterable[SimulatedViafoura]":
    """The other site's Viafoura, with another site id and key."""
    with SimulatedViafoura(site_id="gazette", api_key="key of the gazette") as simulated:
        yield simulated


@pytest.fixture
def both(viafoura: SimulatedViafoura, other: SimulatedViafoura) -> Settings:
    """Two sites, and none for any other host."""
    courier = Settings.from_env(viafoura.environ())
    return Settings(sites=((COURIER, courier), ("*.gazette.example", Settings.from_env(other.environ()))))


def asked(host: str | None, cookie: str | None = None, **headers: str) -> dict[str, str]:
    named = {"Accept": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return named | ({"Host": host} if host is not None else {}) | ({"Cookie": cookie} if cookie else {})


@both_doors
def test_each_host_has_its_own_account_and_cookie(
    door: Door, both: Settings, viafoura: SimulatedViafoura, other: SimulatedViafoura
) -> None:
    """A page carries the session of its own site's Viafoura."""
    get = door(both)

    courier, gazette = get(ANN, headers=asked(COURIER)), get(ANN, headers=asked(GAZETTE))

    (first,), (second,) = viafoura.sessions, other.sessions
    assert first.encode() in courier.body
    assert second.encode() in gazette.body
    assert (viafoura.count("login"), other.count("login")) == (1, 1)
    assert get(ANN, headers=asked(COURIER, courier.cookie)).body == courier.body
    assert viafoura.count("login") == 1


@both_doors
@pytest.mark.parametrize("secret", [(), ("a secret of both the sites",)])
def test_a_cookie_of_one_site_is_never_valid_at_the_other(
    door: Door, secret: tuple[str, ...], both: Settings, other: SimulatedViafoura
) -> None:
    """Not even where one secret seals both: it is junk there, which ends nothing."""
    both = replace(both, sites=tuple((name, replace(site, cookie_secret=secret)) for name, site in both.sites))
    get = door(both)
    courier = get(ANN, headers=asked(COURIER))

    gazette = get(ANN, headers=asked(GAZETTE, courier.cookie))

    assert other.count("login") == 1
    assert gazette.cookie != courier.cookie
    (_, first), (_, second) = both.sites
    assert cookie_of(first).find(courier.cookie or "").is_authentic
    assert not cookie_of(second).find(courier.cookie or "").is_authentic
    assert get(Site(), headers=asked(GAZETTE, courier.cookie)).body == PAGE
    assert other.count("logout") == 0


@both_doors
@pytest.mark.parametrize("host", ["elsewhere.example", None, "", "x" * 8192, f"{COURIER}, {COURIER}"])
def test_a_host_that_no_table_names_is_untouched(
    door: Door, host: str | None, both: Settings, viafoura: SimulatedViafoura
) -> None:
    """Where the environment has no site of its own."""
    answer = door(both)(ANN, headers=asked(host))

    assert (answer.body, answer.headers) == (PAGE, [HTML if door.__name__ == "through_wsgi" else _low(HTML)])
    assert viafoura.calls == ()


def _low(field: tuple[str, str]) -> tuple[str, str]:
    return field[0].lower(), field[1]


@both_doors
def test_or_served_by_the_environments_site(
    door: Door, both: Settings, viafoura: SimulatedViafoura, other: SimulatedViafoura
) -> None:
    """If it has one."""
    with SimulatedViafoura(site_id="own") as third:
        own = Settings.from_env(third.environ())
        get = door(replace(own, sites=both.sites))

        get(ANN, headers=asked("elsewhere.example"))
        get(ANN, headers=asked(COURIER))

        assert [each.count("login") for each in (third, viafoura, other)] == [1, 1, 0]


@both_doors
def test_a_host_is_compared_without_case_port_and_dot(door: Door, both: Settings, viafoura: SimulatedViafoura) -> None:
    """As browsers and proxies write it."""
    answer = door(both)(ANN, headers=asked("WWW.Courier.Example.:8443"))

    assert b"data-sid" in answer.body
    assert viafoura.count("login") == 1


@both_doors
def test_a_dead_viafoura_costs_the_other_site_nothing(
    door: Door, both: Settings, viafoura: SimulatedViafoura, other: SimulatedViafoura
) -> None:
    """Its breaker opens for itself alone."""
    other.close()
    get = door(both)
    for number in range(8):
        assert get(Site(user=f"reader {number}"), headers=asked(GAZETTE)).body == PAGE

    answer = get(ANN, headers=asked(COURIER))

    assert b"data-sid" in answer.body


def test_a_site_holds_half_of_what_a_process_may_at_most(both: Settings) -> None:
    """One whose Viafoura hangs leaves the other its room."""
    first, second = (runtime.policy.budget for runtime in served_of(both, otherwise="scope").runtimes)
    piece = 8 * 1024 * 1024

    taken = [number for number in range(12) if first.take(piece, number)]

    try:
        assert len(taken) == MAX_HELD // 2 // piece
        assert second.take(piece, "ann")
        second.give_back(piece, "ann")
    finally:
        for number in taken:
            first.give_back(piece, number)


RESPONSE = {"user_id": parse("response:X-Reader")}


@both_doors
@pytest.mark.parametrize("host", [COURIER, GAZETTE, "elsewhere.example", None])
def test_a_header_that_one_site_reads_leaves_on_no_host(door: Door, host: str | None, both: Settings) -> None:
    """An application may set it wherever it answers, and it says who the user is."""
    (name, courier), gazette = both.sites
    sites = ((name, replace(courier, **RESPONSE)), gazette)  # type: ignore[arg-type]

    answer = door(Settings(sites=sites))(Site(headers=(HTML, ("X-Reader", "ann"))), headers=asked(host))

    assert answer.get("X-Reader") is None
    assert (b"data-sid" in answer.body) == (host == COURIER)


@both_doors
@pytest.mark.parametrize("host", [COURIER, GAZETTE, "elsewhere.example", None])
def test_a_proxys_secret_reaches_the_application_on_no_host(door: Door, host: str | None, both: Settings) -> None:
    """Nor on a site that does not ask for it."""
    (name, courier), gazette = both.sites
    sites = ((name, replace(courier, user="oauth2-proxy", proxy_secret=(SECRET,))), gazette)

    answer = door(Settings(sites=sites))(ANN, headers=asked(host, X_Viafoura_Proxy_Secret=SECRET))

    assert PROOF.lower() not in answer.seen
    assert "accept" in answer.seen


def test_an_asgi_request_with_two_hosts_has_none(both: Settings, viafoura: SimulatedViafoura) -> None:
    """Servers and frameworks differ in which of them counts."""
    scope = scope_of(headers=asked(COURIER))
    scope["headers"].append((b"host", GAZETTE.encode()))
    scope["headers"] = iter(scope["headers"])

    messages = anyio.run(call, asgi.ViafouraMiddleware(_page_of_ann, both), scope)

    assert messages[1]["body"] == PAGE
    assert viafoura.calls == ()


async def _page_of_ann(scope: Any, receive: Any, send: Any) -> None:
    scope["user"] = "ann"
    assert len(list(scope["headers"])) >= 2  # none was used up
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": PAGE})


def test_the_life_of_an_asgi_application_has_no_host(both: Settings) -> None:
    """The application is asked, and what it leaves of the protocol is answered."""
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    events = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> dict[str, Any]:
        return {"type": events.pop(0)}

    async def send(message: MutableMapping[str, Any]) -> None:
        seen.append(message["type"])

    async def live() -> None:
        await asgi.ViafouraMiddleware(application, both)({"type": "lifespan"}, receive, send)

    anyio.run(live)

    assert seen == ["lifespan", "lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_all_sites_logouts_are_waited_for(
    both: Settings, viafoura: SimulatedViafoura, other: SimulatedViafoura
) -> None:
    """A CGI process ends when each site has made those that it owes."""
    user: list[str] = ["ann"]

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if user:
            environ["REMOTE_USER"] = user[0]
        start_response("200 OK", [HTML])
        return [PAGE]

    middleware = wsgi.ViafouraMiddleware(application, both)
    cookies = {host: _get(middleware, host, "") for host in (COURIER, GAZETTE)}
    user.clear()
    for host, cookie in cookies.items():
        _get(middleware, host, cookie)

    middleware.drain(20.0)

    assert (viafoura.count("logout"), other.count("logout")) == (1, 1)


def _get(middleware: wsgi.ViafouraMiddleware, host: str, cookie: str) -> str:
    sent: list[tuple[str, str]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        sent.extend(headers)
        return io.BytesIO().write

    iterable = middleware(environ_of(headers=asked(host, cookie or None)), start_response)
    list(iterable)
    getattr(iterable, "close", bool)()
    return next((value.partition(";")[0] for name, value in sent if name == "Set-Cookie"), "")


def test_a_line_in_the_log_names_its_site(both: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """And the record has the name apart from the sentence; what one site has said silences no other."""
    for runtime in served_of(both, otherwise="scope").runtimes:
        runtime.notices.tell("hook:django", logging.WARNING, "100 %% of %s", "them")

    assert caplog.messages == [f"{COURIER}: 100 % of them", "*.gazette.example: 100 % of them"]
    assert [vars(record)["viafoura_site"] for record in caplog.records] == [COURIER, "*.gazette.example"]
    assert {vars(record)["viafoura_event"] for record in caplog.records} == {"hook"}


def test_what_sessions_say_names_their_site_as_well(both: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """They have notices of their own."""
    caplog.set_level(logging.INFO)
    clock = Clock()
    workers, viafoura = HandWorkers(clock), ScriptedViafoura(clock, failure=ViafouraUnavailable("refused"))
    sessions = Sessions(viafoura, timeout=2.0, clock=clock, workers=lambda: workers, site=COURIER)

    sessions.ensure(LoginRequest(User("ann", "Ann")))
    workers.logins.run()

    assert caplog.messages == [f"{COURIER}: a call to Viafoura failed: refused"]
