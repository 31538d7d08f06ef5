"""Every way in which Viafoura can fail x every call x both doors: the page is complete, the next ones do not wait.

One table says what each fault comes to. Nothing here is timed: a clock that stands still decides about pauses, the
simulator's calls and futures that are done at once show that nobody waited. Only a fault that gives no answer at all
costs its page a real, short wait.
"""

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.doors import HTML, PAGE, Site, both_doors, environ_of, through_wsgi
from tests.support.faults import (
    LONG,
    REFUSES,
    SAFETY,
    SILENT,
    TABLE,
    TRIES,
    Door,
    Stands,
    assert_own_pair,
    effect_of,
    every_fault,
    go_through,
    lets_nobody_wait,
    refuses_one_user_and_no_other,
)
from tests.support.pairs import BROWSER
from tests.support.thoroughness import matrix
from viafoura_mw import Settings, wsgi
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.viafoura.breaker import FAILURES
from viafoura_mw.viafoura.client import CALL_LIMIT
from viafoura_mw.viafoura.workers import CallerWorkers


@matrix
@both_doors
@pytest.mark.parametrize("kind", ["token", "login"])
@every_fault
def test_serves_every_page_and_none_waits_for_long(
    door: Door, stands: Stands, viafoura: SimulatedViafoura, kind: str, fault: str
) -> None:
    """Through a failing call, an open breaker and its healing, each page is complete, and right at the end."""
    go_through(door, stands, viafoura, kind, fault)


@matrix
@pytest.mark.parametrize("kind", ["token", "login"])
@pytest.mark.parametrize(
    "fault", ["hang", "drip headers", "refuse", "500", "503, Retry-After in seconds", "401", "HTML"]
)
def test_where_no_thread_runs_pages_are_served_all_the_same(
    stands: Stands, viafoura: SimulatedViafoura, kind: str, fault: str
) -> None:
    """A page makes its own login, within its own wait; the probe is made in ``close()``, after a page has left."""
    effect = effect_of(fault, kind)
    timeout = 1.0 if effect is SILENT else LONG
    stand = stands(through_wsgi, timeout, lambda api, clock: CallerWorkers(timeout, clock=clock))
    stand.strike(kind, fault)
    if effect is REFUSES:
        refuses_one_user_and_no_other(stand)
        return
    if effect is SILENT:
        effect = replace(effect, pages=1)
        breaker = stand.sessions._here.get().logins._breaker
        for number in range(FAILURES - 1):  # as that many pages before would have told it
            breaker.failed(f"unlucky-{number}", stand.clock.now)
    for _ in range(effect.pages):
        stand.assert_untouched(stand.page(stand.new_user()))
    lets_nobody_wait(stand)

    viafoura.heal()
    stand.clock.pass_(effect.pause)
    user = stand.new_user()
    stand.assert_untouched(stand.page(user))  # whose end makes the probe
    for each in (user, stand.new_user()):
        assert_own_pair(stand, each, stand.page_in_the_end(each))


@pytest.mark.parametrize("pieces", [False, True])
def test_where_no_thread_runs_a_page_s_end_makes_the_logout(
    stands: Stands, viafoura: SimulatedViafoura, pieces: bool
) -> None:
    """The page has left by then; a logout that fails is tried again at a later page's end."""
    stand = stands(through_wsgi, LONG, lambda api, clock: CallerWorkers(LONG, clock=clock))
    cookies = [stand.page(user).cookie or "" for user in ("ann", "ben")]
    viafoura.fail("logout", Fault.status(500), times=1)

    assert stand.page(None, cookies[0], pieces=pieces).body == PAGE
    assert viafoura.count("logout") == 1
    stand.clock.pass_(60.0)
    assert stand.page(None, cookies[1], pieces=pieces).body == PAGE

    assert viafoura.sessions == {}
    assert viafoura.count("logout") == 3


def test_a_head_that_replaces_one_with_a_logout_clears_the_cookie_too(viafoura: SimulatedViafoura) -> None:
    """An error page in place of the log-out page is no reason for the browser to keep what has ended."""
    settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_LOGOUT_PATHS": "/logout"})
    cookie = through_wsgi(settings)(Site(user="ann"), headers=BROWSER).cookie or ""
    heads: list[list[tuple[str, str]]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("302 Found", [("Location", "/")])
        try:
            raise ValueError("the site's own")
        except ValueError:
            start_response("500 Error", [HTML], sys.exc_info())
        return [b"<p>sorry"]

    environ = environ_of(path="/logout", headers={"Cookie": cookie})

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        heads.append(headers)

    wsgi.ViafouraMiddleware(application, settings)(environ, start_response)

    viafoura.wait_for("logout")
    assert HTML in heads[-1]
    assert [value for name, value in heads[-1] if name == "Set-Cookie" and "Max-Age=60" in value]


@matrix
@both_doors
@every_fault
def test_a_logout_that_fails_delays_no_page(
    door: Door, stands: Stands, viafoura: SimulatedViafoura, fault: str
) -> None:
    """The cookie is cleared at once; the call is tried a little, then given up; the next page is served as ever."""
    calls = TABLE[fault][3]
    stand = stands(door, LONG)
    cookie = stand.page("ann").cookie
    assert cookie is not None
    viafoura.clear_calls()
    stand.strike("logout", fault)

    left = stand.page(None, cookie)

    assert left.body == PAGE
    assert "max-age=60" in (left.get("set-cookie") or "").lower()
    assert left.get("cache-control") == "private, no-cache"
    if TABLE[fault][1] is SILENT:
        viafoura.wait_for("logout")
        assert [call.status for call in viafoura.calls if call.kind == "logout" and call.status] in ([], [200])
        assert_own_pair(stand, "ben", stand.page("ben"))  # while the logout is still on its way
        viafoura.heal()
    stand.settle()
    assert viafoura.count("logout") == calls
    viafoura.heal()
    assert_own_pair(stand, "cid", stand.page("cid"))
    stand.assert_untouched(stand.page(None))


@both_doors
def test_a_logout_is_made_once_service_is_back(door: Door, stands: Stands, viafoura: SimulatedViafoura) -> None:
    """A failure that passes does not leave the session alive."""
    stand = stands(door, LONG)
    cookie = stand.page("ann").cookie
    viafoura.fail("logout", Fault.status(500), times=TRIES - 1)

    stand.page(None, cookie or "")
    stand.settle()

    assert viafoura.sessions == {}
    assert viafoura.count("logout") == TRIES


@both_doors
@pytest.mark.parametrize("fault", ["500", "hang", "refuse"])
def test_a_changed_user_never_keeps_the_one_before(
    door: Door, stands: Stands, viafoura: SimulatedViafoura, fault: str
) -> None:
    """When the new user's login fails, the page leaves without a pair and with the cookie cleared."""
    stand = stands(door, TABLE[fault][2].timeout if fault == "hang" else LONG)
    cookie = stand.page_in_the_end("ann").cookie or ""
    stand.strike("login", fault)

    changed = stand.page("ben", cookie)

    assert changed.body == PAGE
    assert "max-age=60" in (changed.get("set-cookie") or "").lower()
    viafoura.heal()
    stand.settle()


@both_doors
@pytest.mark.parametrize("fault", ["hang", "500", "refuse", "10 MB"])
def test_a_valid_cookie_needs_no_viafoura(door: Door, stands: Stands, viafoura: SimulatedViafoura, fault: str) -> None:
    """Whatever has become of Viafoura, a browser with its cookie has its pair, and no call is made."""
    stand = stands(door, LONG)
    first = stand.page("ann")
    stand.strike("all", fault)
    viafoura.clear_calls()

    later = stand.page("ann", first.cookie or "")

    assert later.body == first.body
    assert viafoura.calls == ()


def test_the_table_has_every_fault_that_can_be_simulated() -> None:
    """Nothing that the simulator can do is missing above."""
    made = {
        make.func.__name__ if isinstance(make, partial) else getattr(make, "__name__", "")
        for make, *_ in TABLE.values()
        if make is not None
    }
    ways = {name for name in vars(Fault) if isinstance(vars(Fault)[name], classmethod)}
    assert ways - made == {"body"}  # of which HTML, empty and wrong types are made
    assert CALL_LIMIT < SAFETY
