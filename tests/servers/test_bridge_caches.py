"""Bridged pages behind real caches: one copy for everybody, and each reader their own pair or none."""

import contextlib
import json
import random
import secrets
from collections import Counter
from typing import Any

import pytest

from tests.support.eager_caches import SITES, Cache
from tests.support.servers import Browser
from viafoura_mw.testing import SimulatedViafoura

PATHS = 50
ROUNDS = 150
READERS = {"ann": "1", "ben": "2", "visitor": ""}


def ask(browser: Browser) -> dict[str, Any]:
    """Ask who is reading, as bridge.js does; an answer to another question is none."""
    echo = secrets.token_hex(16)
    asked = {"X-Viafoura-Bridge": echo, "Sec-Fetch-Site": "same-origin", "Content-Length": "0", "Accept": "*/*"}
    answer = browser.ask("POST", "/_viafoura/session", asked, b"")
    assert answer.status == 200, answer
    told: dict[str, Any] = json.loads(answer.body)
    assert told.pop("for") == echo, "another question's answer was kept"
    return told


def test_everybody_has_the_same_page_and_their_own_pair(cache: Cache, door: str, viafoura: SimulatedViafoura) -> None:
    """In random order, with log-outs: each page is made once, as the bare site's is, and no pair is another's."""
    kind = "accel-yes" if cache.name.startswith("nginx that") else "public"
    settings = {**viafoura.environ(), "VIAFOURA_APP": f"tests.sites.cached:{door}", "VIAFOURA_TIMEOUT": "20"}
    settings |= {"VIAFOURA_BRIDGE": "1", "VIAFOURA_AUTH_COOKIES": "reader"}
    chance = random.Random(4)
    pages: dict[str, set[bytes]] = {}
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(SITES[door].serving(f"viafoura_mw.{door}", settings))
        front = stack.enter_context(cache.serving(site))
        browsers = {name: stack.enter_context(Browser(front.port)) for name in READERS}
        states: Counter[str] = Counter()
        for _ in range(ROUNDS):
            name = chance.choice([*READERS])
            browser = browsers[name]
            if chance.random() < 0.1:  # signs in, or out: a user has twelve logins a minute
                browser.cookies["reader"] = "" if browser.cookies.get("reader") else READERS[name]
            path = f"/{kind}/{chance.randrange(PATHS)}"
            pages.setdefault(path, set()).add(browser.get(path).body)
            told = ask(browser)
            states[told["state"]] += 1
            if browser.cookies.get("reader"):
                account = viafoura.users[str(1000 + int(READERS[name]))]
                assert told["user_id"] == str(account.user_id)
                assert viafoura.sessions[told["session"]] == account.user_id
            else:
                assert told == {"state": "nobody", "user_id": None, "session": None}

    assert all(len(versions) == 1 for versions in pages.values())
    assert all(b"/_viafoura/bridge.js?" in version for versions in pages.values() for version in versions)
    assert set(states) == {"signed-in", "nobody"}
    assert "viafoura_mw" not in browsers["visitor"].cookies


@pytest.mark.parametrize("path", ["/_viafoura/session", "/_viafoura/logout"])
def test_keeps_no_refusal(cache: Cache, door: str, viafoura: SimulatedViafoura, path: str) -> None:
    """A GET, which a cache might keep, is refused anew each time; bridge.js is kept."""
    settings = {**viafoura.environ(), "VIAFOURA_APP": f"tests.sites.cached:{door}", "VIAFOURA_BRIDGE": "1"}
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(SITES[door].serving(f"viafoura_mw.{door}", settings))
        browser = stack.enter_context(Browser(stack.enter_context(cache.serving(site)).port))
        answers = [browser.get(path) for _ in range(2)]
        scripts = [browser.get("/_viafoura/bridge.js") for _ in range(2)]
    assert [answer.status for answer in answers] == [405, 405]
    assert len({script.body for script in scripts}) == 1
    assert scripts[0].status == 200
