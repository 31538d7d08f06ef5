"""The two sign-ins in step: who leaves the site leaves Viafoura, who leaves Viafoura leaves the site."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.bridge.characters import BOTH_APIS, BOTH_BROWSERS, CHARACTERS, EACH_CHARACTER
from tests.support.bridge_browser import Reader, story
from tests.support.bridge_site import Site, answers, held_until
from viafoura_mw.testing import Widget


def widget_logouts(site: Site) -> list[str]:
    """Whose browser sessions the simulated script has ended, or "" where there was none."""
    return [call.user for call in site.viafoura.widget_calls if call.kind == "logout"]


def opened_as(reader: Reader, site: Site, user: str, api: str = "new", path: str = "/story") -> tuple[str, str]:
    """Sign in and open a page that carries the reader's pair."""
    reader.signs_in(site, user)
    reader.opens(site.put(path, story(site, api)))
    reader.has_been_told("signed-in")
    reader.sees_viafoura()
    assert reader.pair
    return reader.pair


# Viafoura's log-out.


@EACH_CHARACTER
@BOTH_APIS
@pytest.mark.options(logout="/bye?from={next}")
def test_a_log_out_in_the_widget_signs_out_of_the_site(reader: Reader, site: Site, api: str, character: str) -> None:
    """One question, our cookie gone, one call at Viafoura; then the browser goes to the site's own log-out."""
    site.viafoura.widget = replace(CHARACTERS[character], reads_tag=True)
    site.put("/bye", "<!doctype html><title>Bye</title>")
    opened_as(reader, site, "ann", api)

    reader.logs_out_in_the_widget()

    reader.waits("location.pathname === '/bye'")

    assert reader.evaluates("location.search") == "?from=%2Fstory"
    assert len(site.questions("logout")) == 1
    assert site.viafoura.count("logout") == 1
    assert site.viafoura.sessions == {}
    assert reader.mark


@BOTH_BROWSERS
def test_without_an_address_the_page_stays(reader: Reader, site: Site) -> None:
    """Its pair is off, and the page is told."""
    opened_as(reader, site, "ann")

    reader.logs_out_in_the_widget()

    reader.has_been_told("left")
    assert reader.pair is None
    assert reader.told[-1] == ["left", None]
    assert len(site.questions("logout")) == 1
    assert widget_logouts(site) == ["ann"]


@pytest.mark.options(logout="/bye", wait=4.0)
@pytest.mark.parametrize("fault", ["500", "hangs"])
def test_the_browser_leaves_whatever_came_of_the_question(reader: Reader, site: Site, fault: str) -> None:
    """An endpoint that fails keeps nobody signed in to the site."""
    opened_as(reader, site, "ann")
    faults: dict[str, Any] = {"500": answers("500 Oh"), "hangs": held_until(threading.Event())}
    site.meddle("logout", faults[fault])

    reader.logs_out_in_the_widget()

    reader.waits("location.pathname === '/bye'")


@EACH_CHARACTER
@BOTH_APIS
@pytest.mark.options(logout="/bye")
def test_what_is_nobody_s_doing_signs_nobody_out(reader: Reader, site: Site, api: str, character: str) -> None:
    """The event at boot, and one for a call of the page's before anybody has touched it."""
    site.viafoura.widget = CHARACTERS[character]
    pair = opened_as(reader, site, "ann", api)

    reader.runs("(window.vf || viafoura).session.logout()")
    site.viafoura.wait_for("login")
    reader.waits("!document.querySelector('.viafoura-log-out')")
    reader.settles()

    assert site.questions("logout") == []
    assert reader.evaluates("location.pathname") == "/story"
    assert reader.pair == pair


@pytest.mark.options(logout="/bye")
def test_an_event_at_boot_is_nobody_s_doing_even_where_a_click_has_loaded_the_script(
    reader: Reader, site: Site
) -> None:
    """A page that loads Viafoura's script when its reader asks for the comments."""
    site.viafoura.widget = Widget(logout_at_boot=True)
    reader.signs_in(site, "ann")
    boot = f"{site.viafoura.url}/entry/index.js"
    on_click = f"""<script>document.querySelector("#touch").onclick = () => {{
      const script = document.createElement("script"); script.src = "{boot}";
      document.body.append(script); }};</script>"""
    html = story(site).replace(f' async src="{boot}"', "").replace("<p>The end.</p>", on_click)
    reader.opens(site.put("/story", html))
    reader.has_been_told("signed-in")

    reader.touches()
    reader.sees_viafoura()
    reader.settles()

    assert ["authentication", "logout"] in reader.evaluates("viafouraSimulated.events")
    assert site.questions("logout") == []
    assert reader.boots[0]["uid"]


@pytest.mark.options(logout="/bye")
def test_a_page_without_our_pair_signs_nobody_out(reader: Reader, site: Site) -> None:
    """Whatever its widget tells, and whoever touched it."""
    reader.opens(site.put("/story", story(site)))
    reader.sees_viafoura()
    reader.touches()

    reader.runs("vf.$publish('authentication', 'logout')")
    reader.settles()

    assert site.questions("logout") == []
    assert reader.evaluates("location.pathname") == "/story"


@pytest.mark.options(logout="/bye")
def test_a_click_of_a_script_s_is_no_person_s(reader: Reader, site: Site) -> None:
    """A site that clicks its own buttons."""
    opened_as(reader, site, "ann")

    reader.runs("document.querySelector('.viafoura-log-out').click()")
    reader.waits("document.querySelector('.viafoura-sign-in')")
    reader.settles()

    assert site.questions("logout") == []


# The site's log-out.


@EACH_CHARACTER
@BOTH_APIS
@pytest.mark.options(logout="/bye")
def test_the_next_page_ends_what_viafoura_kept(reader: Reader, site: Site, api: str, character: str) -> None:
    """The reader has signed out of the site: Viafoura's session in this browser is ended, once."""
    site.viafoura.widget = CHARACTERS[character]
    opened_as(reader, site, "ann", api)
    reader.opens(site.sign_out)
    reader.opens(site.url + "/story")
    reader.has_been_told("nobody")
    reader.waits("!localStorage.getItem('viafoura_mw')")
    reader.opens(site.url + "/story")
    reader.has_been_told("nobody")
    reader.sees_viafoura()

    assert widget_logouts(site) == ["ann" if site.viafoura.widget.reads_tag else ""]
    assert site.viafoura.widget_calls[-1].user == ""
    assert site.viafoura.sessions == {}
    assert site.questions("logout") == []
    assert reader.evaluates("[viafouraSimulated.broken, thrown]") == [[], []]


def test_a_page_whose_script_does_not_come_leaves_it_to_the_next(reader: Reader, site: Site) -> None:
    """The mark stays until the log-out was made."""
    opened_as(reader, site, "ann")
    reader.opens(site.sign_out)
    site.viafoura.widget = Widget(gone=True)
    reader.opens(site.url + "/story")
    reader.has_been_told("nobody")
    assert reader.mark
    site.viafoura.widget = Widget()

    reader.opens(site.url + "/story")

    reader.waits("!localStorage.getItem('viafoura_mw')")
    assert widget_logouts(site) == ["ann"]


def test_a_log_out_that_fails_is_left_to_the_next_page(reader: Reader, site: Site) -> None:
    """Viafoura's promise is rejected, or its call throws."""
    opened_as(reader, site, "ann")
    reader.opens(site.sign_out)
    failing = "<script>window.vfAsyncInit = () => { vf.session.logout = () => { throw new Error('no'); }; };</script>"
    reader.opens(site.put("/failing", story(site).replace("</head>", failing + "</head>")))
    reader.sees_viafoura()
    reader.settles()

    assert reader.mark
    assert reader.evaluates("thrown") == []


@BOTH_BROWSERS
def test_another_tab_is_told(reader: Reader, site: Site) -> None:
    """A page with our pair, in a tab that nobody looks at, is nobody's as soon as another has found that out."""
    opened_as(reader, site, "ann")
    left = reader.opens_tab(site.sign_out)
    reader.opens(site.put("/other", story(site)))
    reader.waits("!localStorage.getItem('viafoura_mw')")

    reader.returns_to(left)

    reader.has_been_told("nobody")
    assert reader.pair is None
    reader.waits("document.querySelector('.viafoura-sign-in')")
    assert [user for user in widget_logouts(site) if user] == ["ann"]
    assert site.questions("logout") == []


@BOTH_BROWSERS
def test_the_back_button_shows_nobody_s_page(reader: Reader, site: Site) -> None:
    """The page comes back as it was left, asks, and gives its pair up."""
    opened_as(reader, site, "ann")
    reader.opens(site.sign_out)

    reader.goes_back()

    reader.has_been_told("nobody")
    assert reader.told == [["signed-in", site.user_id("ann")], ["nobody", None]]
    reader.waits("!localStorage.getItem('viafoura_mw')")
    assert reader.pair is None
    assert widget_logouts(site) == ["ann"]
    assert site.questions("logout") == []


def test_a_page_that_is_looked_at_again_after_a_minute_asks(reader: Reader, site: Site) -> None:
    """The site's session has ended meanwhile, in no tab of this browser's."""
    opened_as(reader, site, "ann")
    reader.driver.execute_cdp_cmd("Network.deleteCookies", {"name": "reader", "url": site.url})

    reader.looks_again_after_a_minute()

    reader.has_been_told("nobody")
    assert reader.pair is None


def test_a_page_that_is_looked_at_again_at_once_asks_nothing(reader: Reader, site: Site) -> None:
    """A question a minute is enough."""
    opened_as(reader, site, "ann")
    here = reader.opens_tab("about:blank")
    reader.driver.close()

    reader.returns_to(here)
    reader.settles()

    assert len(site.questions()) == 1


@pytest.mark.parametrize("fault", ["500 Internal Server Error", "403 Forbidden"])
def test_what_is_unknown_touches_nothing(reader: Reader, site: Site, fault: str) -> None:
    """An endpoint that fails when a page asks again signs nobody out."""
    pair = opened_as(reader, site, "ann")
    site.meddle("session", answers(fault))

    reader.looks_again_after_a_minute()
    site.meddler.wait_for("/_viafoura/session", 2)
    reader.settles()

    assert reader.pair == pair
    assert reader.mark == pair[0]
    assert widget_logouts(site) == []


# Another reader.


@BOTH_BROWSERS
def test_another_reader_in_another_tab(reader: Reader, site: Site) -> None:
    """The stale page gives its pair up at once, and is loaded anew when it is seen; the new reader's session lives."""
    opened_as(reader, site, "ann")
    left = reader.opens_tab(site.sign_in("bob"))
    reader.opens(site.put("/other", story(site)))
    reader.has_been_told("signed-in")
    reader.runs("document.querySelector('#draft').value = 'A draft of Bob.'")
    theirs = reader.pair
    assert theirs

    here = reader.driver.current_window_handle
    reader.returns_to(left)
    reader.waits(f"document.querySelector('#viafoura-platform').dataset.uid === '{site.user_id('bob')}'")

    assert reader.pair == theirs
    assert reader.told == [["signed-in", theirs[0]]]
    assert widget_logouts(site) == []
    assert site.viafoura.sessions == {theirs[1]: int(theirs[0])}
    reader.returns_to(here)
    assert reader.evaluates("document.querySelector('#draft').value") == "A draft of Bob."
    assert reader.pair == theirs


@BOTH_BROWSERS
def test_another_reader_by_the_back_button(reader: Reader, site: Site) -> None:
    """A page of the last reader's that comes back as it was is loaded anew."""
    opened_as(reader, site, "ann")
    reader.signs_in(site, "bob")

    reader.goes_back()

    site.viafoura.wait_for("login", 2)
    reader.waits(f"document.querySelector('#viafoura-platform').dataset.uid === '{site.user_id('bob')}'")
    assert widget_logouts(site) == []
    assert len(site.viafoura.sessions) == 1


def test_a_stale_page_that_nobody_sees_waits(reader: Reader, site: Site) -> None:
    """It is without a pair, and as it was, until somebody looks at it."""
    opened_as(reader, site, "ann")
    reader.runs(
        "document.addEventListener('viafoura-mw', event => localStorage.setItem('stale', event.detail.state +"
        " document.hidden + document.querySelector('#viafoura-platform').hasAttribute('data-uid')))"
    )
    reader.opens_tab(site.sign_in("bob"))
    reader.opens(site.put("/other", story(site)))

    assert reader.waits("localStorage.getItem('stale')") == "changedtruefalse"
    reader.settles()
    assert len(site.meddler.seen("/story")) == 1


def test_a_stale_page_stays_stale_whoever_comes_next(reader: Reader, site: Site) -> None:
    """Two more readers before somebody looks at it: it is loaded anew all the same."""
    opened_as(reader, site, "ann")
    left = reader.opens_tab(site.url + "/empty")
    for user in ("bob", "cyn"):
        asked = len(site.questions())
        reader.signs_in(site, user)
        reader.opens(site.put("/other", story(site)))
        site.meddler.wait_for("/_viafoura/session", asked + 2)
    site.bridge.later += 1

    reader.returns_to(left)

    reader.waits(f"document.querySelector('#viafoura-platform').dataset.uid === '{site.user_id('cyn')}'")


def test_a_page_without_our_pair_keeps_what_was_typed(reader: Reader, site: Site) -> None:
    """Somebody has signed in elsewhere: the page is told, and nothing else changes."""
    reader.opens(site.put("/story", story(site)))
    reader.has_been_told("nobody")
    reader.sees_viafoura()
    reader.runs("document.querySelector('#draft').value = 'A draft.'")
    left = reader.opens_tab(site.sign_in("bob"))
    reader.opens(site.put("/other", story(site)))
    reader.has_been_told("signed-in")

    reader.returns_to(left)

    reader.has_been_told("changed")
    assert reader.told == [["nobody", None], ["changed", site.user_id("bob")]]
    assert reader.evaluates("document.querySelector('#draft').value") == "A draft."
    assert reader.pair is None
    assert len(reader.boots) == 1


def test_a_late_log_out_does_not_end_the_next_reader_s_session(reader: Reader, site: Site) -> None:
    """Viafoura's script comes when somebody else has signed in, in another tab: it is not called."""
    opened_as(reader, site, "ann")
    reader.opens(site.sign_out)
    boot = f'<script id="viafoura-platform" async src="{site.viafoura.url}/entry/index.js"></script>'
    left = reader.driver.current_window_handle
    reader.opens(site.put("/lazy", story(site).replace(boot, '<script id="viafoura-platform"></script>')))
    reader.has_been_told("nobody")
    reader.opens_tab(site.sign_in("bob"))
    reader.opens(site.url + "/story")
    reader.has_been_told("signed-in")
    reader.returns_to(left)

    reader.runs(
        f"const s = document.createElement('script'); s.src = '{site.viafoura.url}/entry/index.js';"
        "document.body.append(s)"
    )
    reader.sees_viafoura()
    reader.settles()

    assert widget_logouts(site) == []
    assert reader.mark == site.user_id("bob")


def test_an_answer_that_the_next_reader_has_overtaken_ends_nothing(reader: Reader, site: Site) -> None:
    """Nobody, says the site, and by then somebody else's pair has been set in another tab: their session lives."""
    opened_as(reader, site, "ann")
    reader.driver.execute_cdp_cmd("Network.deleteCookies", {"name": "reader", "url": site.url})
    reader.runs("localStorage.setItem('viafoura_mw', '8')")

    reader.looks_again_after_a_minute()
    reader.has_been_told("nobody")
    reader.settles()

    assert reader.pair is None
    assert widget_logouts(site) == []
    assert reader.mark == "8"


# When it asks.


def test_an_event_within_a_second_is_asked_later(reader: Reader, site: Site) -> None:
    """Not dropped; and many are one."""
    opened_as(reader, site, "ann")
    reader.opens(site.url + "/story")
    reader.has_been_told("signed-in")
    asked = "performance.getEntriesByType('resource').filter(one => one.name.endsWith('/session'))"
    reader.runs("for (let n = 0; n < 5; n += 1) dispatchEvent(new StorageEvent('storage', {key: 'viafoura_mw'}))")

    reader.waits(f"{asked}.length === 2")
    reader.settles()

    first, second = reader.evaluates(f"{asked}.map(one => one.startTime)")
    assert second - first > 950
    assert len(site.questions()) == 3


@pytest.mark.parametrize(("key", "asks"), [("'viafoura_mw'", True), ("null", True), ("'other'", False)])
def test_asks_when_the_mark_changes(reader: Reader, site: Site, key: str, asks: bool) -> None:
    """Or when all of the storage was cleared; what else the site keeps there is no matter of ours."""
    opened_as(reader, site, "ann")
    reader.runs(f"dispatchEvent(new StorageEvent('storage', {{key: {key}}}))")
    if asks:
        site.meddler.wait_for("/_viafoura/session", 2)
    reader.settles()

    assert (len(site.questions()) > 1) is asks


def test_an_older_answer_that_comes_last_counts_for_nothing(reader: Reader, site: Site) -> None:
    """Two questions under way: what the later one says stands."""
    pair = opened_as(reader, site, "ann")
    let_go = threading.Event()
    site.meddle("session", held_until(let_go))
    reader.opens_tab(site.sign_out)  # the first question is answered of nobody, when it is let go
    reader.driver.close()
    reader.returns_to(reader.driver.window_handles[0])
    reader.runs("dispatchEvent(new StorageEvent('storage', {key: 'viafoura_mw'}))")
    site.meddler.wait_for("/_viafoura/session", 2)
    site.meddle("session", answers("500 Oh"))
    reader.runs("dispatchEvent(new StorageEvent('storage', {key: 'viafoura_mw'}))")
    site.meddler.wait_for("/_viafoura/session", 3)

    let_go.set()
    reader.settles()

    assert reader.pair == pair
    assert widget_logouts(site) == []


def test_a_prerendered_page_asks_nothing_until_it_is_seen(reader: Reader, site: Site) -> None:
    """And one that is discarded asks nothing at all."""
    reader.signs_in(site, "ann")
    site.put("/story", story(site))
    reader.opens(site.put("/start", "<!doctype html><title>Start</title>"))
    reader.runs(
        "const rules = document.createElement('script'); rules.type = 'speculationrules'; rules.text = "
        "JSON.stringify({prerender: [{source: 'list', urls: ['/story', '/story?discarded']}]});"
        "document.head.append(rules)"
    )
    site.meddler.wait_for("/story", 2)
    site.meddler.wait_for("/_viafoura/bridge.js")
    reader.settles()
    assert site.questions() == []
    assert site.viafoura.script_requests == ()

    reader.runs("location.href = '/story'")
    reader.has_been_told("signed-in")
    reader.sees_viafoura()

    assert reader.evaluates("performance.getEntriesByType('navigation')[0].activationStart > 0")
    assert len(site.questions()) == 1
    assert len(reader.boots) == 1
    assert reader.boots[0]["uid"]
