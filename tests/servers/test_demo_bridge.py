"""``viafoura-mw demo --bridge``: one copy of a page for everybody, and each reader signed in by their own browser."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.chromium import chromium, missing
from tests.support.demo_browser import AtTheBrowser, wait_until
from tests.support.demo_process import Demo, running_demo
from viafoura_mw.demo.cache import MOST_COPIES, Headers, Response, SharedCache, Tally
from viafoura_mw.demo.readers import READERS, SignIn
from viafoura_mw.demo.serving import Served, bridged, settings_of, wrapped_wsgi
from viafoura_mw.demo.site import Edge, Site, Visit
from viafoura_mw.demo.stories import STORIES
from viafoura_mw.testing import SimulatedViafoura

STORY, OTHER_STORY = STORIES[0].path, STORIES[1].path
ADA, BJORN = READERS[:2]
PAGE = [("Content-Type", "text/html"), ("Cache-Control", "public, max-age=0, s-maxage=60")]


class TestCache:
    """What the demo's cache keeps, and for how long."""

    def test_serves_a_page_until_it_is_old(self) -> None:
        """And says of each where it came from, and of all how many it served."""
        now = 0.0
        cache = SharedCache(lambda: now)
        page = Response("200 OK", PAGE, b"news")

        first = cache.kept("h", "/?", page)
        now = 59.0
        second = cache.found("h", "/?")
        now = 60.0

        assert cache.found("h", "/?") is None
        assert second is not None
        assert [each.headers[-1] for each in (first, second)] == [
            ("Server-Timing", 'cache;desc="the site"'),
            ("Server-Timing", 'cache;desc="the cache, 59 s old"'),
        ]
        assert (second.body, second.headers[:-1], cache.tally()) == (b"news", PAGE, Tally(asked=2, served=1))

    @pytest.mark.parametrize(
        ("status", "headers"),
        [
            ("200 OK", []),
            ("200 OK", [("Cache-Control", "s-maxage=60")]),
            ("200 OK", [("Cache-Control", "public, max-age=0")]),
            ("200 OK", [*PAGE, ("Set-Cookie", "a=b")]),
            ("200 OK", [*PAGE, ("Vary", "Cookie")]),
            ("404 Not Found", PAGE),
        ],
    )
    def test_keeps_nothing_that_is_not_for_everybody(self, status: str, headers: Headers) -> None:
        """And leaves its head as it is."""
        cache = SharedCache()
        response = Response(status, headers, b"x")

        assert cache.kept("h", "/?", response) == response
        assert cache.found("h", "/?") is None
        assert cache.tally() == Tally(0, 0)

    def test_counts_pages_alone(self) -> None:
        """A script is kept for its ``max-age``, and is no page."""
        cache = SharedCache()
        script = Response("200 OK", [("Content-Type", "text/javascript"), ("Cache-Control", "public, max-age=9")], b"x")

        assert cache.kept("h", "/s?", script) == cache.found("h", "/s?") == script
        assert cache.tally() == Tally(0, 0)

    def test_is_bounded(self) -> None:
        """Whatever queries a visitor thinks of; the oldest copy goes first."""
        cache = SharedCache()
        for number in range(MOST_COPIES + 1):
            cache.kept("h", f"/?{number}", Response("200 OK", PAGE, b"x"))

        assert cache.found("h", "/?0") is None
        assert cache.found("h", "/?1") is not None
        assert cache.found("other", "/?1") is None


@pytest.fixture
def site(viafoura: SimulatedViafoura) -> Site:
    return Site(Watched(), SignIn("secret", "courier"), "a test", edge=Edge("http://v.test", lambda: Tally(3, 2)))


class Watched:
    """A Viafoura that is well, and was asked nothing."""

    mood = "well"

    def become(self, mood: str) -> None: ...

    def calls(self) -> list[Any]:
        return []

    def name_of(self, user_id: str, session: str) -> None: ...


class TestSite:
    """The site alone, where a cache stands before it."""

    @pytest.mark.parametrize("path", ["/", *(story.path for story in STORIES)])
    def test_its_pages_know_nobody(self, site: Site, path: str) -> None:
        """The same page for a reader and for a stranger, which a shared cache may keep."""
        cookies = SignIn("secret", "courier").remembering(ADA).partition(";")[0]
        page = site.answer(Visit("GET", path, cookies=cookies))

        assert page == site.answer(Visit("GET", path))
        assert ("Cache-Control", "public, max-age=0, s-maxage=60") in page.headers
        assert not re.search(rb"<style|<[^>]* (style|on\w+)=|<script(?![^>]* src=)", page.body)

    def test_its_script_is_told_who_reads(self, site: Site) -> None:
        """By an answer that nobody keeps."""
        cookies = SignIn("secret", "courier").remembering(ADA).partition(";")[0]
        known, stranger = (site.answer(Visit("GET", "/who", cookies=each)) for each in (cookies, ""))

        assert (known.body, stranger.body) == (b'{"name": "Ada Nov\\u00e1k"}', b'{"name": null}')
        assert ("Cache-Control", "no-store") in known.headers

    def test_shows_how_the_cache_does(self, site: Site) -> None:
        """Beside what Viafoura was asked."""
        assert b'"cache": {"asked": 3, "served": 2}' in site.answer(Visit("GET", "/behind/calls")).body

    @pytest.mark.parametrize(("came_from", "status"), [("same-origin", 303), ("cross-site", 404), ("none", 404)])
    def test_signs_out_whom_its_own_page_sends(self, site: Site, came_from: str, status: int) -> None:
        """The widget's log-out leads there; no other site's link signs anybody out."""
        reply = site.answer(Visit("GET", "/sign-out", f"back={STORY}%3Fa%3Db%23c", fetch_site=came_from))

        assert reply.status == status
        assert ("Location", STORY) in reply.headers or status == 404

    @pytest.mark.parametrize("back", ["http://[", "//elsewhere.example/", "/nowhere"])
    def test_leads_to_its_own_pages_only(self, site: Site, back: str) -> None:
        """Also where the address is none."""
        reply = site.answer(Visit("POST", "/sign-in", form=f"reader=reader-17&back={back}"))

        assert ("Location", "/") in reply.headers


class TestServed:
    """On real servers."""

    @pytest.mark.parametrize("door", ["--wsgi", "--asgi"])
    def test_one_copy_for_everybody(self, door: str) -> None:
        """The same bytes for a stranger and a reader, made once, and no cookie of ours with them."""
        with running_demo("--bridge", door) as demo, contextlib.closing(requests.Session()) as browser:
            browser.trust_env = False
            browser.headers["Accept"] = "text/html"
            stranger = browser.get(demo.url + STORY, timeout=30)
            browser.post(f"{demo.url}/sign-in", {"reader": "reader-17", "back": STORY}, timeout=30)
            reader = browser.get(demo.url + STORY, timeout=30)
            behind = browser.get(f"{demo.url}/behind/calls", timeout=30).json()
            head = browser.head(demo.url + STORY, timeout=30)

        assert reader.content == stranger.content
        assert b'type="text/x-viafoura-parked"' in reader.content
        assert head.status_code == 200
        assert (behind["cache"], behind["calls"]) == ({"asked": 3, "served": 2}, [])
        assert not [cookie for cookie in browser.cookies if cookie.name.startswith("viafoura_mw")]


def test_the_bare_demo_has_no_bridge(viafoura: SimulatedViafoura) -> None:
    """Its settings are those of an injected page, and the bridge's are laid over them."""
    settings = settings_of("wsgi", viafoura, 8765)
    served: Served = {"127.0.0.1": (Site(Watched(), SignIn("s", "c"), "a test"), settings)}

    assert settings.bridge == ()
    assert bridged(settings, 8765).bridge == ("/", "/stories/*")
    assert wrapped_wsgi(served)


# In a browser.


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running_demo("--bridge") as running:
        yield running


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    if missing():
        pytest.skip(f"not installed: {missing()}")
    with chromium() as driven:
        yield driven


@pytest.fixture
def reader(driver: Any, demo: Demo) -> "AtTheBridge":
    driver.get(demo.url + "/nowhere")
    driver.delete_all_cookies()
    driver.execute_script("localStorage.clear()")
    driver.get_log("browser")
    return AtTheBridge(driver, demo.url)


class AtTheBridge(AtTheBrowser):
    """Somebody at a bridged page, with the widget's own buttons."""

    def sees(self, selector: str, text: str) -> None:
        wait_until(lambda: text in (self.evaluates(f'document.querySelector("{selector}")?.innerText') or ""))


def test_signs_in_and_out_by_the_widget_s_own_buttons(reader: AtTheBridge) -> None:
    """The cached page gets the reader's pair; the widget's log-out is the site's as well; nothing is in the console."""
    reader.opens(STORY)
    reader.sees("#widget", "Nobody is signed in to Viafoura here.")
    reader.presses(".viafoura-sign-in")
    reader.presses(f"button[value={ADA.id}]")

    reader.sees("#widget", f"Signed in to Viafoura as {ADA.name}.")
    reader.sees("#reader", ADA.name)
    reader.sees("#told", "signed-in")
    reader.sees("#came-from", "the cache")
    reader.sees("#tag", "data-sid=")
    pair = reader.pair
    assert pair
    assert reader.owner(pair) == ADA.name

    reader.presses(".viafoura-log-out")

    reader.sees("#widget", "Nobody is signed in to Viafoura here.")
    reader.sees("#stranger", "Not signed in")
    assert reader.evaluates("location.pathname") == STORY
    wait_until(lambda: reader.owner(pair) is None)
    assert reader.console == []


def test_hits_are_counted_on_the_page(reader: AtTheBridge) -> None:
    """A page more that the cache served is one more of both numbers."""
    reader.opens(STORY)
    reader.sees("#tally", " of ")
    before = [int(number) for number in reader.evaluates("document.querySelector('#tally').textContent").split(" of ")]

    reader.opens(STORY)

    reader.sees("#tally", f"{before[0] + 1} of {before[1] + 1}")
    reader.sees("#came-from", "the cache")


def test_the_site_s_own_sign_out_signs_out_of_the_widget(reader: AtTheBridge) -> None:
    """Of Viafoura's own session in that browser too, and another reader is themselves."""
    reader.signs_in(BJORN.id)
    reader.sees("#widget", f"Signed in to Viafoura as {BJORN.name}.")

    reader.presses("#known button")
    reader.sees("#widget", "Nobody is signed in to Viafoura here.")
    reader.signs_in(ADA.id, OTHER_STORY)

    reader.sees("#widget", f"Signed in to Viafoura as {ADA.name}.")


def test_a_narrow_phone_does_not_scroll_sideways(reader: AtTheBridge) -> None:
    """With the pair in the tag, and all that is behind the page."""
    reader.signs_in(ADA.id)
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    reader.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    reader.opens(STORY)
    reader.sees("#tag", "data-sid=")

    width = reader.evaluates("document.documentElement.scrollWidth")

    reader.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width == 360


def test_a_viafoura_that_is_gone_leaves_the_page_whole(reader: AtTheBridge) -> None:
    """The cached page says so, and shows how Viafoura is."""
    reader.opens(STORY)
    reader.presses("button[value=gone]")

    reader.sees("#widget", "Viafoura does not answer.")
    wait_until(lambda: reader.evaluates("document.querySelector('[value=gone]').ariaPressed") == "true")
    reader.sees(".hint", "refuses connections")

    reader.presses("button[value=well]")
    reader.sees("#widget", "Nobody is signed in to Viafoura here.")
    wait_until(lambda: reader.evaluates("document.querySelector('[value=well]').ariaPressed") == "true")
    assert all("ERR_CONNECTION_REFUSED" in line for line in reader.console)
