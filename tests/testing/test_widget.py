"""The simulated script as it is served, and what it asks: without a browser."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from viafoura_mw.settings import Settings
from viafoura_mw.testing import SimulatedViafoura, Widget
from viafoura_mw.testing.widget import COOKIE, script

PATIENCE = 30.0
SCRIPTS = ("/vf.js", "/vf-v2.js", "/entry/index.js")
SITE = "http://127.0.0.1:1"


def logged_in(viafoura: SimulatedViafoura, user: str = "17") -> tuple[str, str]:
    """The pair of a login, made as a middleware makes one."""
    environ = viafoura.environ()
    asked = {"grant_type": "client_credentials", "scope": "accounts"}
    auth = (environ["VIAFOURA_SITE_ID"], environ["VIAFOURA_API_KEY"])
    token = requests.post(f"{viafoura.url}/oauth2/token", asked, auth=auth, timeout=PATIENCE).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    form = {"id": user, "name": f"Reader {user}"}
    url = f"{viafoura.url}/rest/v1/accounts/login"
    given = requests.post(url, form, headers=headers, timeout=PATIENCE).json()
    return str(given["user_id"]), given["session"]


class Browser:
    """Asks as the script asks, from a page of a site, and keeps the cookie."""

    def __init__(self, viafoura: SimulatedViafoura, origin: str = SITE) -> None:
        self._url = viafoura.url
        self._origin = origin
        self.http = requests.Session()

    def asks(self, what: str, uid: str = "", sid: str = "") -> Any:
        return self.posts(what, json.dumps({"uid": uid, "sid": sid})).json()

    def posts(self, what: str, body: str) -> requests.Response:
        url = f"{self._url}/simulated/{what}"
        return self.http.post(url, body, headers={"Origin": self._origin}, timeout=PATIENCE)


def got(viafoura: SimulatedViafoura, target: str, headers: Mapping[str, str] | None = None) -> requests.Response:
    return requests.get(viafoura.url + target, headers=headers, timeout=PATIENCE)


@pytest.mark.parametrize("path", SCRIPTS)
def test_serves_the_scripts(viafoura: SimulatedViafoura, path: str) -> None:
    """Each as a script, from the simulator's own address, so that a test can tell its integrity beforehand."""
    answer = got(viafoura, path)

    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.content == script(path, viafoura.url, Widget())
    assert [request.target for request in viafoura.script_requests] == [path]
    assert viafoura.calls == ()


def test_switches_by_attribute_and_by_query(viafoura: SimulatedViafoura) -> None:
    """A query changes the switches of the one page that has it; names that are none are left alone."""
    viafoura.widget = Widget(wants="needed")

    answer = got(viafoura, "/vf.js?logout_twice=1&dead_pair=asks&slow=0.0&reads_tag=0&v=1")

    asked = Widget(wants="needed", logout_twice=True, dead_pair="asks", reads_tag=False)
    assert answer.content == script("/vf.js", viafoura.url, asked)


@pytest.mark.parametrize("query", ["gone=perhaps", "slow=very", "wants=nothing"])
def test_a_wrong_switch_is_refused(viafoura: SimulatedViafoura, query: str) -> None:
    """A test that misspells one is told so."""
    assert got(viafoura, f"/vf.js?{query}").status_code == 400


def test_is_gone(viafoura: SimulatedViafoura) -> None:
    """As a script is that a content blocker or an outage keeps away."""
    assert got(viafoura, "/entry/index.js?gone=1").status_code == 404


def test_is_slow_until_it_is_closed() -> None:
    """What is slow is served at once when the simulator ends."""
    with SimulatedViafoura() as viafoura:
        viafoura.widget = Widget(slow=10 * PATIENCE)
        started = time.monotonic()

        def ask() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):  # the simulator may be gone before it is read
                got(viafoura, "/vf.js")

        asking = threading.Thread(target=ask)
        asking.start()
        while not viafoura.script_requests:
            time.sleep(0.01)
    asking.join(PATIENCE)

    assert not asking.is_alive()
    assert time.monotonic() - started < PATIENCE


def test_a_living_pair_signs_the_browser_in(viafoura: SimulatedViafoura) -> None:
    """And the browser stays signed in on a page without a pair: the session is kept in a cookie."""
    uid, sid = logged_in(viafoura)
    browser = Browser(viafoura)

    first = browser.asks("boot", uid, sid)
    second = browser.asks("boot")

    assert first == {"user": {"id": uid, "name": "Reader 17"}, "session": sid, "dead": False}
    assert second == first
    assert [(call.kind, call.uid, call.sid, call.user) for call in viafoura.widget_calls] == [
        ("boot", uid, sid, "17"),
        ("boot", "", "", "17"),
    ]


def test_a_browser_without_a_pair_is_nobody_s(viafoura: SimulatedViafoura) -> None:
    """It has a cookie then, and no user."""
    browser = Browser(viafoura)

    assert browser.asks("boot") == {"user": None, "session": None, "dead": False}
    assert browser.http.cookies[COOKIE]
    assert viafoura.widget_calls[0].user == ""


@pytest.mark.parametrize("of_another", [False, True])
def test_a_pair_that_is_none_is_dead(viafoura: SimulatedViafoura, of_another: bool) -> None:
    """One whose session has ended, and a session with another's user id."""
    uid, sid = logged_in(viafoura)
    if of_another:
        uid, _ = logged_in(viafoura, "18")
    else:
        viafoura.expire_sessions()

    assert Browser(viafoura).asks("boot", uid, sid) == {"user": None, "session": None, "dead": True}


def test_a_log_out_ends_the_browser_s_session(viafoura: SimulatedViafoura) -> None:
    """Once: a second one ends nobody's."""
    uid, sid = logged_in(viafoura)
    browser = Browser(viafoura)
    browser.asks("boot", uid, sid)

    browser.asks("logout")
    browser.asks("logout")

    assert viafoura.sessions == {}
    assert browser.asks("boot")["user"] is None
    assert [call.user for call in viafoura.widget_calls] == ["17", "17", "", ""]


def test_a_log_out_leaves_other_browsers_alone(viafoura: SimulatedViafoura) -> None:
    """Each has a session of its own."""
    pair = logged_in(viafoura)
    browser, other = Browser(viafoura), Browser(viafoura)
    browser.asks("boot", *pair)

    other.asks("logout")

    assert browser.asks("boot")["user"]
    assert [*viafoura.sessions] == [pair[1]]


@pytest.mark.parametrize("body", ["", "[]", "{}", "7", '{"uid": 1}', "\0"])
def test_junk_is_no_pair(viafoura: SimulatedViafoura, body: str) -> None:
    """Whatever a script sends, it is answered."""
    assert Browser(viafoura).posts("boot", body).json() == {"user": None, "session": None, "dead": False}


@pytest.mark.parametrize(
    ("origin", "how"),
    [(SITE, "SameSite=Lax"), ("http://localhost:1", "SameSite=None; Secure"), ("http://[", "SameSite=None; Secure")],
)
def test_the_cookie_goes_along_from_any_site(viafoura: SimulatedViafoura, origin: str, how: str) -> None:
    """A page on 127.0.0.1 is of the simulator's own site; one on localhost is of another."""
    answer = Browser(viafoura, origin).posts("boot", "")

    assert answer.headers["Set-Cookie"].endswith(how)
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_a_script_may_be_fetched_across_origins(viafoura: SimulatedViafoura) -> None:
    """A module and a script with an integrity are."""
    assert got(viafoura, "/vf.js", {"Origin": SITE}).headers["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Origin" not in got(viafoura, "/vf.js").headers


def test_forgets_calls(viafoura: SimulatedViafoura) -> None:
    """Those of the script with the others."""
    got(viafoura, "/vf.js")
    Browser(viafoura).asks("boot")

    viafoura.clear_calls()

    assert (viafoura.script_requests, viafoura.widget_calls) == ((), ())


def test_the_middleware_s_calls_are_what_they_were(viafoura: SimulatedViafoura) -> None:
    """The address that the settings name serves both."""
    logged_in(viafoura)

    assert [call.kind for call in viafoura.calls] == ["token", "login"]
    assert Settings.from_env(viafoura.environ())


def test_shows_no_session() -> None:
    """A representation is what ends in logs."""
    with SimulatedViafoura() as viafoura:
        uid, sid = logged_in(viafoura)
        Browser(viafoura).asks("boot", uid, sid)
        got(viafoura, "/vf.js")
        shown = repr(viafoura.widget_calls) + repr(viafoura.script_requests)

    assert uid not in shown
    assert sid not in shown
