"""The demo in a real browser: who is signed in is signed in to Viafoura as themselves, and never as another."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.chromium import chromium, missing
from tests.support.demo_browser import AtTheBrowser, wait_until
from tests.support.demo_process import PATIENCE, Demo, running_demo
from viafoura_mw.demo.readers import READERS
from viafoura_mw.demo.stories import STORIES

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")

STORY, OTHER_STORY, _ = (story.path for story in STORIES)
ADA, BJORN, MIDORI = READERS

Pair = tuple[str, str]


@pytest.fixture(params=["--wsgi", "--asgi"])
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    """A process for each test: in one, the demo's few readers would come to their bound of logins a minute."""
    with running_demo(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as driven:
        yield driven


@pytest.fixture
def reader(driver: Any, demo: Demo) -> Iterator[AtTheBrowser]:
    """Somebody at a browser that knows nobody yet, with one tab, and a Viafoura that is well."""
    driver.delete_all_cookies()
    driver.get_log("browser")
    yield AtTheBrowser(driver, demo.url)
    requests.post(f"{demo.url}/behind/mood", {"mood": "well"}, timeout=PATIENCE)
    first, *others = driver.window_handles
    for tab in others:
        driver.switch_to.window(tab)
        driver.close()
    driver.switch_to.window(first)


def test_signed_in_reader_is_signed_in_to_viafoura(reader: AtTheBrowser) -> None:
    """The widget shows the reader's own name."""
    reader.signs_in(ADA.id)

    assert reader.name == ADA.name
    assert reader.pair
    assert reader.owner(reader.pair) == ADA.name
    assert reader.widget == f"Signed in to Viafoura as {ADA.name}."


def test_reader_who_is_not_signed_in_gets_no_pair(reader: AtTheBrowser) -> None:
    """The tag stays as it was."""
    reader.opens(STORY)

    assert reader.name is None
    assert reader.pair is None
    assert reader.widget == "Nobody is signed in to Viafoura here."


def test_page_s_own_script_sees_the_values_while_the_page_is_parsed(reader: AtTheBrowser) -> None:
    """They are in the tag before any script runs."""
    reader.signs_in(ADA.id)

    seen = reader.evaluates("window.seenWhileParsing")

    assert seen["parsing"] is True
    assert (seen["uid"], seen["sid"]) == reader.pair
    wait_until(lambda: reader.evaluates('document.querySelector("#while-parsing").textContent') == "both values")


def test_page_shows_its_own_tag_and_the_calls(reader: AtTheBrowser) -> None:
    """The demo explains itself."""
    reader.signs_in(MIDORI.id)
    assert reader.pair

    wait_until(lambda: MIDORI.name in reader.evaluates('document.querySelector("#calls").textContent'))

    shown = reader.evaluates('document.querySelector("#tag").textContent')
    assert f'data-uid="{reader.pair[0]}"' in shown
    assert f'data-sid="{reader.pair[1]}"' in shown
    wait_until(lambda: reader.evaluates('document.querySelector("#served").textContent').endswith("s"))


def test_second_page_has_the_same_pair_for_no_call(reader: AtTheBrowser) -> None:
    """The cookie carries the session."""
    reader.signs_in(ADA.id)
    pair, calls = reader.pair, reader.calls()

    reader.opens(OTHER_STORY)

    assert reader.pair == pair
    assert reader.calls() == calls


@pytest.mark.parametrize("path", ["/", STORY, f"/sign-in?back={STORY}"])
def test_narrow_phone_does_not_scroll_sideways(reader: AtTheBrowser, path: str) -> None:
    """At 360 CSS pixels."""
    reader.signs_in(ADA.id)
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    reader.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    reader.opens(path)
    width = reader.evaluates("document.documentElement.scrollWidth")
    reader.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert width == 360


def test_strict_content_security_policy_holds(reader: AtTheBrowser) -> None:
    """Nothing of the pages needs more than it allows, and it does forbid what it is there to forbid."""
    reader.signs_in(ADA.id)
    assert reader.widget.startswith("Signed in")
    assert reader.console == []

    reader.driver.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.inline = true';"
        "document.body.append(script);"
    )

    assert reader.evaluates("window.inline") is None
    assert "Content Security Policy" in reader.console[0]


def test_back_and_forward_show_no_other_pair(reader: AtTheBrowser) -> None:
    """The browser's history is asked anew."""
    reader.signs_in(ADA.id)
    pair = reader.pair
    reader.opens("/")
    reader.opens(OTHER_STORY)

    for steps, expected in ((-1, None), (-1, pair), (+1, None), (+1, pair)):
        reader.goes(steps)
        if expected:
            assert reader.pair == expected


def test_back_after_signing_out_shows_no_living_session(reader: AtTheBrowser) -> None:
    """Whatever the browser keeps, Viafoura has ended it."""
    reader.signs_in(ADA.id)
    pair = reader.pair
    assert pair
    reader.signs_out()
    assert reader.pair is None
    wait_until(lambda: reader.owner(pair) is None)

    reader.goes(-1)

    reader.assert_never_another_s()
    assert reader.pair in (None, pair)


def test_back_after_another_reader_has_signed_in_shows_nobody_else_s_pair(reader: AtTheBrowser) -> None:
    """The page belongs to who is signed in now."""
    reader.signs_in(ADA.id)
    reader.signs_in(BJORN.id)
    assert reader.pair
    assert reader.owner(reader.pair) == BJORN.name

    for steps in (-1, -1, -1, +1, +1, +1):
        reader.goes(steps)
        if "sign-in" not in reader.driver.current_url and reader.evaluates("!!document.querySelector('#widget')"):
            reader.assert_never_another_s()


def test_second_tab_shares_the_session(reader: AtTheBrowser) -> None:
    """Two tabs of one browser are one reader."""
    reader.signs_in(ADA.id)
    pair, calls = reader.pair, reader.calls()

    reader.opens_tab(STORY)

    assert reader.pair == pair
    assert reader.calls() == calls


def test_signing_out_in_one_tab_signs_out_in_the_other(reader: AtTheBrowser) -> None:
    """With its next page."""
    reader.signs_in(ADA.id)
    pair = reader.pair
    assert pair
    left = reader.opens_tab(STORY)
    reader.signs_out()
    wait_until(lambda: reader.owner(pair) is None)

    reader.returns_to(left)
    reader.driver.refresh()

    assert reader.name is None
    assert reader.pair is None


def test_another_reader_in_one_tab_is_that_reader_in_the_other(reader: AtTheBrowser) -> None:
    """With its next page."""
    reader.signs_in(ADA.id)
    old = reader.pair
    assert old
    left = reader.opens_tab(STORY)
    reader.signs_in(BJORN.id)
    new = reader.pair
    assert new

    reader.returns_to(left)
    reader.assert_never_another_s()
    reader.driver.refresh()

    assert reader.name == BJORN.name
    assert reader.pair == new
    assert reader.owner(new) == BJORN.name
    wait_until(lambda: reader.owner(old) is None)


def test_many_changes_of_reader_in_two_tabs_never_show_another_s_pair(reader: AtTheBrowser) -> None:
    """In any order."""
    here, there = reader.opens_tab(STORY), reader.driver.current_window_handle
    for tab, user in ((here, ADA), (there, BJORN), (here, MIDORI), (there, ADA), (here, ADA), (there, MIDORI)):
        reader.returns_to(tab)
        reader.assert_never_another_s()
        reader.signs_in(user.id)
        assert reader.pair
        assert reader.owner(reader.pair) == user.name
        for other in (here, there):
            reader.returns_to(other)
            reader.driver.refresh()
            assert reader.name == user.name
            reader.assert_never_another_s()


@pytest.mark.parametrize("mood", ["failing", "gone"])
def test_page_stays_whole_when_viafoura_does_not(reader: AtTheBrowser, mood: str) -> None:
    """Each kind of failure leaves the page and its tag alone."""
    reader.opens(STORY)
    reader.presses(f"button[value={mood}]")
    reader.signs_in(BJORN.id)

    assert reader.name == BJORN.name
    assert reader.pair is None
    assert reader.evaluates("document.querySelector('footer').textContent").strip()

    reader.presses("button[value=well]")
    wait_until(lambda: reader.driver.refresh() or reader.pair)
    assert reader.pair
    assert reader.owner(reader.pair) == BJORN.name


def test_slow_login_serves_the_next_page(reader: AtTheBrowser) -> None:
    """The first page leaves in time without a pair."""
    reader.signs_in(ADA.id)
    reader.presses("button[value=slow]")
    reader.signs_in(MIDORI.id)
    assert reader.name == MIDORI.name
    assert reader.pair is None

    logins = [call for call in reader.calls() if call["name"] == "login"]
    wait_until(lambda: [call for call in reader.calls() if call["name"] == "login"][-1]["status"] == 200)
    reader.opens(STORY)

    assert reader.pair
    assert reader.owner(reader.pair) == MIDORI.name
    assert len([call for call in reader.calls() if call["name"] == "login"]) == len(logins)
