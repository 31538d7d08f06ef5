"""A sign-in that Viafoura's widget wants is the site's; a pair that Viafoura no longer takes is made anew."""

from dataclasses import replace
from typing import Any

import pytest

from tests.bridge.characters import BOTH_APIS, BOTH_BROWSERS, CHARACTERS, EACH_CHARACTER
from tests.support.bridge_browser import Reader, story
from tests.support.bridge_site import Site, encoded
from viafoura_mw.testing import Widget

LOGIN = "/log-in?then={next}"
WANTS_LOGIN = pytest.mark.options(login=LOGIN)
ASKING = Widget(dead_pair="asks")


def put_log_in(site: Site) -> None:
    site.put("/log-in", "<!doctype html><title>Log in</title>")


def opened(reader: Reader, site: Site, api: str = "new") -> None:
    put_log_in(site)
    reader.opens(site.put("/story", story(site, api)))
    reader.sees_viafoura()


@EACH_CHARACTER
@BOTH_APIS
@WANTS_LOGIN
def test_a_sign_in_that_the_widget_wants_is_the_site_s(reader: Reader, site: Site, api: str, character: str) -> None:
    """Its button leads to the site's own page, and Viafoura's own sign-in stays closed where that can be had."""
    site.viafoura.widget = CHARACTERS[character]
    opened(reader, site, api)
    reader.runs(
        "document.addEventListener('viafoura-mw', event => localStorage.setItem('wanted', "
        "event.detail.state + viafouraSimulated.ownSignIn))"
    )

    reader.signs_in_in_the_widget()

    reader.waits("location.pathname === '/log-in'")
    assert reader.evaluates("location.search") == "?then=%2Fstory"
    assert reader.evaluates("localStorage.getItem('wanted')") == "wantedclosed"
    assert site.questions("session?renew") == []


@WANTS_LOGIN
def test_every_other_event_passes(reader: Reader, site: Site) -> None:
    """With its arguments, to whoever has subscribed, and through the site's own callback."""
    opened(reader, site)
    reader.runs(
        "window.passed = []; vf.$subscribe('tray', 'open', (...args) => passed.push(args));"
        "vf.$subscribe('authentication', 'other', (...args) => passed.push(args));"
        "vf.$publish('tray', 'open', 1, {a: [2]}, null); vf.$publish('authentication', 'other');"
        "vf.$publish('required', 'authentication', 'x')"
    )

    assert reader.evaluates("passed") == [[1, {"a": [2]}, None], []]
    assert reader.evaluates("viafouraSimulated.events.at(-1)") == ["required", "authentication", "x"]
    assert reader.evaluates("viafouraSimulated.broken") == []
    assert reader.evaluates("location.pathname") == "/story"


def test_without_an_address_the_site_s_own_callback_stays(reader: Reader, site: Site) -> None:
    """Where ``$prepublish`` keeps one callback, it is the site's."""
    site.viafoura.widget = Widget(prepublish="one")
    own = """<script>window.own = []; const keep = (channel, event, ...args) => {
      own.push(event); return event !== "required" && {channel, event, args}; };
      (window.vfQ = window.vfQ || []).push(() => vf.$prepublish(keep));</script>"""
    reader.opens(site.put("/story", story(site).replace("</head>", own + "</head>")))
    reader.sees_viafoura()

    reader.signs_in_in_the_widget()

    assert "required" in reader.evaluates("own")
    assert reader.evaluates("viafouraSimulated.ownSignIn") == "closed"
    assert reader.evaluates("viafouraSimulated.subscribed").count("$prepublish") == 1
    assert "wanted" not in [state for state, _ in reader.told]


ADDRESSES = {
    "a query": "/story?a=b&c=d%26",
    "a fragment": "/story#comments",
    "both": "/story?a=b#c?d",
    "two slashes": "//evil.example/x",
    "many slashes": "////evil.example/x",
    "a backslash": "/%5Cevil.example",
    "a plain backslash": "/\\evil.example",
    "other letters": "/größe/記事?q=ü#ß",
    "4 KB": "/story?" + "x" * 4096,
    "a placeholder": "/story?{next}&$&$1",
}


@pytest.mark.parametrize("address", ADDRESSES)
@WANTS_LOGIN
def test_next_is_this_page_s_path(reader: Reader, site: Site, address: str) -> None:
    """Its query and fragment too, percent-encoded; it never names another host."""
    site.put("*", story(site))
    put_log_in(site)
    reader.opens(site.url + ADDRESSES[address])
    reader.sees_viafoura()
    here = reader.evaluates("location.href").removeprefix(site.url)

    reader.signs_in_in_the_widget()

    reader.waits("location.pathname === '/log-in'")
    assert reader.evaluates("location.search") == "?then=" + encoded("/" + here.lstrip("/"))


@WANTS_LOGIN
def test_a_base_of_the_page_leads_nowhere_else(reader: Reader, site: Site) -> None:
    """A <base> of another site's is for the page's links, not for the bridge's questions and the site's sign-in."""
    put_log_in(site)
    html = story(site).replace("<p>The end.</p>", '<base href="http://localhost:9/elsewhere/">')
    reader.opens(site.put("/story", html))
    reader.has_been_told("nobody")
    reader.sees_viafoura()

    reader.signs_in_in_the_widget()

    reader.waits("location.pathname === '/log-in'")
    assert reader.evaluates("location.origin") == site.url


@pytest.mark.options(login="https://accounts.example/?a={next}&b={next}")
def test_the_site_s_sign_in_may_be_another_host_s(reader: Reader, site: Site) -> None:
    """Every placeholder is filled."""
    opened(reader, site)
    reader.runs(
        "window.navigation.addEventListener('navigate', event => { window.went = event.destination.url;"
        " event.preventDefault(); })"
    )

    reader.signs_in_in_the_widget()

    assert reader.waits("window.went") == "https://accounts.example/?a=%2Fstory&b=%2Fstory"


@WANTS_LOGIN
def test_one_sign_in_at_a_time(reader: Reader, site: Site) -> None:
    """What comes meanwhile is answered alike, and starts nothing."""
    opened(reader, site)
    reader.touches()
    reader.runs(
        "window.went = 0; navigation.addEventListener('navigate', event => { went += 1; event.preventDefault(); });"
        "for (const event of ['required', 'needed', 'required']) vf.$publish('authentication', event)"
    )
    reader.waits("window.went")
    reader.settles()

    assert reader.evaluates("went") == 1
    assert [state for state, _ in reader.told] == ["nobody", "wanted"]
    assert ["tray", "close"] in reader.evaluates("viafouraSimulated.events")
    assert not [event for event in reader.evaluates("viafouraSimulated.events") if event[1] in ("required", "needed")]


# A pair that Viafoura no longer takes.


def opened_with_a_dead_pair(reader: Reader, site: Site, api: str = "new", *, for_ever: bool = False) -> None:
    """The site still knows its reader, and Viafoura ended the session long ago; the page has been opened with it."""
    put_log_in(site)
    reader.signs_in(site, "ann")
    reader.opens(site.put("/empty-story", story(site)))
    reader.has_been_told("signed-in")
    site.viafoura.expire_sessions()
    site.bridge.later = 61.0
    if for_ever:
        refuse_every_session(site)
    reader.opens(site.put("/story", story(site, api)))


@BOTH_APIS
@BOTH_BROWSERS
@WANTS_LOGIN
def test_a_dead_pair_is_made_anew(reader: Reader, site: Site, api: str) -> None:
    """A click on the widget's sign-in asks for a session that is not this page's, and loads the page again with it."""
    opened_with_a_dead_pair(reader, site, api)
    reader.sees_viafoura()
    dead = reader.pair

    reader.signs_in_in_the_widget()

    reader.waits("viafouraSimulated.isReady && document.querySelector('.viafoura-log-out')")
    assert reader.evaluates("location.pathname") == "/story"
    assert reader.pair not in (None, dead)
    assert site.viafoura.count("login") == 2


@WANTS_LOGIN
@pytest.mark.parametrize("wants", ["required", "needed"])
def test_a_dead_pair_that_asks_at_boot_is_made_anew_once(reader: Reader, site: Site, wants: str) -> None:
    """Without a click: the page is loaded again with a session that lives."""
    site.viafoura.widget = Widget(dead_pair="asks", wants=wants)  # type: ignore[arg-type]
    opened_with_a_dead_pair(reader, site)

    reader.waits("viafouraSimulated.isReady && document.querySelector('.viafoura-log-out')")

    assert len(site.meddler.seen("/story")) == 2
    assert site.meddler.seen("/log-in") == []


@WANTS_LOGIN
@pytest.mark.parametrize("later", [0.0, 61.0])
def test_no_loop_without_a_click(reader: Reader, site: Site, later: float) -> None:
    """Every pair is dead to Viafoura: the page is loaded again once, and goes nowhere until it is touched."""
    site.viafoura.widget = ASKING
    opened_with_a_dead_pair(reader, site, for_ever=True)
    reader.waits("performance.getEntriesByType('navigation')[0].type === 'reload' && told.length > 1")
    site.bridge.later += later
    reader.waits("vf.$publish('authentication', 'required') || told.filter(one => one[0] === 'wanted').length === 2")
    site.meddler.wait_for("/_viafoura/session", 5)
    reader.settles()

    assert len(site.meddler.seen("/story")) == 2
    assert site.meddler.seen("/log-in") == []


def refuse_every_session(site: Site) -> None:
    """From now on no session lives at Viafoura, however young."""
    service: Any = site.viafoura._service
    login = service._login
    service._login = lambda form: _expired(site, login, form)


def _expired(site: Site, login: Any, form: Any) -> Any:
    answer = login(form)
    site.viafoura._service.expire_sessions()
    return answer


@WANTS_LOGIN
def test_a_second_click_goes_to_the_site_s_sign_in(reader: Reader, site: Site) -> None:
    """Where the session that was made anew is refused as well."""
    opened_with_a_dead_pair(reader, site, for_ever=True)
    reader.sees_viafoura()
    reader.signs_in_in_the_widget()
    reader.waits("performance.getEntriesByType('navigation')[0].type === 'reload'")
    reader.sees_viafoura()

    reader.signs_in_in_the_widget()

    reader.waits("location.pathname === '/log-in'")
    assert len(site.meddler.seen("/story")) == 2


@WANTS_LOGIN
def test_nobody_is_sent_to_the_sign_in_without_a_click(reader: Reader, site: Site) -> None:
    """A widget that asks by itself, while it starts, leaves the page where it is."""
    opened(reader, site)

    reader.runs("vf.$publish('authentication', 'required')")
    reader.settles()

    assert reader.evaluates("location.pathname") == "/story"
    assert reader.told == [["nobody", None], ["wanted", None]]


@WANTS_LOGIN
def test_a_reader_whom_the_site_has_forgotten_signs_in(reader: Reader, site: Site) -> None:
    """The page carries a pair, and the site's session has ended since."""
    site.viafoura.widget = replace(ASKING, reads_tag=False)
    put_log_in(site)
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", story(site)))
    reader.sees_viafoura()
    reader.driver.execute_cdp_cmd("Network.deleteCookies", {"name": "reader", "url": site.url})

    reader.signs_in_in_the_widget()

    reader.waits("location.pathname === '/log-in'")
