"""Browsers that keep sites apart: Chromium that blocks third-party cookies, Firefox's strict tracking protection."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import chromium, firefox
from tests.support.bridge_browser import Reader, story
from tests.support.bridge_site import Site

BLOCKED = {"profile.cookie_controls_mode": 1, "profile.block_third_party_cookies": True}
STRICT = {
    "browser.contentblocking.category": "strict",
    "network.cookie.cookieBehavior": 5,
    "network.cookie.cookieBehavior.optInPartitioning": True,
    "privacy.trackingprotection.enabled": True,
    "privacy.trackingprotection.socialtracking.enabled": True,
    "privacy.partition.network_state": True,
    "privacy.query_stripping.enabled": True,
    "privacy.fingerprintingProtection": True,
}
BROWSERS: dict[str, tuple[str, Callable[[], contextlib.AbstractContextManager[Any]]]] = {
    "chromium": (chromium.missing(), lambda: chromium.chromium(preferences=BLOCKED)),
    "firefox": ("" if firefox.FIREFOX else "firefox", lambda: firefox.firefox(STRICT)),
}


@pytest.mark.parametrize("name", BROWSERS)
def test_sites_that_are_kept_apart_are_in_step_all_the_same(site: Site, name: str) -> None:
    """The pair signs in and its end signs out, whatever Viafoura's script, which is another site's, may keep.

    Everything of the bridge's own is the site's: its script, its question, our cookie, the mark.
    """
    missing, started = BROWSERS[name]
    if missing:
        pytest.skip(f"not installed: {missing}")
    here = site.url.replace("127.0.0.1", "localhost")  # to a browser another site than the script's
    site.put("/story", story(site))
    with started() as driver:
        reader = Reader(driver, name)
        reader.opens(site.sign_in("ann").replace(site.url, here))
        reader.opens(f"{here}/story")
        reader.sees_viafoura()
        signed_in = reader.told, reader.pair, reader.mark
        reader.waits("document.querySelector('.viafoura-log-out')")
        reader.opens(site.sign_out.replace(site.url, here))
        reader.opens(f"{here}/story")
        reader.sees_viafoura()
        reader.waits("!localStorage.getItem('viafoura_mw') && document.querySelector('.viafoura-sign-in')")
        signed_out = reader.told, reader.pair

    ann = site.user_id("ann")
    boots = [call.user for call in site.viafoura.widget_calls if call.kind == "boot"]
    assert signed_in[0] == [["signed-in", ann]]
    assert signed_in[1]
    assert (signed_in[1][0], signed_in[2]) == (ann, ann)
    assert signed_out == ([["nobody", None]], None)
    assert boots[0] == "ann"
    assert boots[1:] == [""] or name == "firefox"  # which lets the script keep a cookie for this site alone
    assert site.viafoura.sessions == {}
