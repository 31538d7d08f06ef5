"""Viafoura's script starts once, with the reader's pair where it can be had, and without it where it cannot."""

import threading
from typing import Any

import pytest

from tests.bridge.characters import BOTH_APIS, BOTH_BROWSERS, CHARACTERS
from tests.support.bridge_browser import Reader, page, story
from tests.support.bridge_site import (
    PATIENCE,
    Fault,
    Site,
    answers,
    changes,
    held_until,
    redirected,
    reset,
    with_status,
)
from viafoura_mw.testing import Widget

NEW = "{url}/entry/index.js"
LOADER = """(function () {{ var s = document.createElement("script"); s.src = "{url}/entry/index.js";
document.head.appendChild(s); }})();"""

#: The tag as it is met, and where the page has it.
TAGS = {
    "async": f'<script id="viafoura-platform" async src="{NEW}"></script>',
    "async in the head": f'HEAD<script async src="{NEW}" id="viafoura-platform"></script>',
    "async defer": f'<script async defer id="viafoura-platform" src="{NEW}"></script>',
    "defer": f'<script defer id="viafoura-platform" src="{NEW}"></script>',
    "a type": f'<script type="text/javascript" async id="viafoura-platform" src="{NEW}"></script>',
    "a type behind": f'<script async id="viafoura-platform" src="{NEW}" type=text/javascript></script>',
    "an empty type": f'<script async id="viafoura-platform" src="{NEW}" type=""></script>',
    "no scheme": '<script async id="viafoura-platform" src="{rest}/entry/index.js"></script>',
    "module": f'<script type="module" id="viafoura-platform" src="{NEW}"></script>',
    "inline loader": f'<script id="viafoura-platform">{LOADER}</script>',
    "inline module": f'<script type="module" id="viafoura-platform">{LOADER}</script>',
    "marker": f'<script id="viafoura-platform"></script><p>between</p><script async src="{NEW}"></script>',
    "marker, deferred": f'<script id="viafoura-platform"></script><script defer src="{NEW}"></script>',
    "marker, module": f'<script id="viafoura-platform"></script><script type="Module" src="{NEW}"></script>',
    "marker, last of its parent": f'<b><script id="viafoura-platform"></script></b><script async src="{NEW}"></script>',
    "old": '<script id="viafoura-platform" async src="{url}/vf.js"></script>',
    "v2": '<script id="viafoura-platform" async src="{url}/vf-v2.js"></script>',
}


def published(site: Site, tag: str) -> str:
    written = tag.format(url=site.viafoura.url, rest=site.viafoura.url.removeprefix("http:"))
    html = page("", written.removeprefix("HEAD")) if tag.startswith("HEAD") else page(written)
    return site.put("/story", html)


def assert_booted_once(reader: Reader, site: Site, user: str | None) -> None:
    reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
    reader.has_been_told("signed-in" if user else "nobody")
    pair = reader.pair
    assert [(boot["uid"], boot["sid"]) for boot in reader.boots] == [pair or ("", "")]
    assert [call.user for call in site.viafoura.widget_calls] == [user or ""]
    assert len(site.viafoura.script_requests) == 1
    assert reader.mark == (pair[0] if pair else None)
    assert reader.evaluates("thrown") == []
    if user:
        assert pair
        assert site.viafoura.sessions[pair[1]] == int(site.user_id(user))


@pytest.mark.parametrize(
    ("reader", "tag"),
    [
        *(("chromium", tag) for tag in TAGS),
        *(("firefox", tag) for tag in ("async", "module", "inline loader", "marker")),
    ],
    indirect=["reader"],
)
def test_boots_once_with_the_pair(reader: Reader, site: Site, tag: str) -> None:
    """Each variant of the tag, fetched once; the type that a script came with is its type again."""
    reader.signs_in(site, "ann")

    reader.opens(published(site, TAGS[tag]))

    assert_booted_once(reader, site, "ann")
    types = reader.evaluates("[...document.scripts].map(script => script.getAttribute('type'))")
    assert not [kind for kind in types if kind and "parked" in kind]
    assert not reader.evaluates("document.querySelector('[data-viafoura-type]')")


@pytest.mark.parametrize("tag", ["async", "async in the head", "module", "inline loader", "marker", "old"])
def test_boots_once_for_nobody(reader: Reader, site: Site, tag: str) -> None:
    """Without a pair, and without one that the source had."""
    reader.opens(published(site, TAGS[tag].replace("<script ", '<script data-uid="7" data-sid="seven" ', 1)))

    assert_booted_once(reader, site, None)


@pytest.mark.parametrize("character", CHARACTERS)
@BOTH_APIS
def test_boots_once_whatever_the_script_does(reader: Reader, site: Site, api: str, character: str) -> None:
    """Each thing that is not known of it leaves the start as it is."""
    site.viafoura.widget = CHARACTERS[character]
    reader.signs_in(site, "ann")

    reader.opens(site.put("/story", story(site, api)))

    reader.sees_viafoura()
    assert len(reader.boots) == 1
    assert reader.evaluates("[viafouraSimulated.broken, thrown]") == [[], []]
    assert len(site.questions()) == 1
    assert site.questions("logout") == []


def test_a_script_that_is_gone_breaks_nothing(reader: Reader, site: Site) -> None:
    """The pair is on the tag all the same."""
    site.viafoura.widget = Widget(gone=True)
    reader.signs_in(site, "ann")

    reader.opens(site.put("/story", story(site)))

    reader.has_been_told("signed-in")
    assert reader.pair
    assert reader.evaluates("thrown") == []


def junk(body: bytes) -> Fault:
    return answers("200 OK", body)


def without(**changed: Any) -> Fault:
    return changes(lambda answer: {**answer, **changed})


FAULTS: dict[str, Fault] = {
    "500": answers("500 Internal Server Error"),
    "503 with the right answer": with_status("503 Service Unavailable"),
    "203 with the right answer": with_status("203 Non-Authoritative Information"),
    "403": answers("403 Forbidden"),
    "204": answers("204 No Content"),
    "a page": answers("200 OK", b"<!doctype html>", ("Content-Type", "text/html")),
    "a redirect to a page": answers("302 Found", b"", ("Location", "/sign-in")),
    "a redirect to the right answer": redirected,
    "a redirect elsewhere": answers("302 Found", b"", ("Location", "http://localhost:9/")),
    "nothing": junk(b""),
    "half": junk(b'{"for": '),
    "null": junk(b"null"),
    "a list": junk(b"[]"),
    "a number": junk(b"7"),
    "bytes": junk(b"\xff\x00"),
    "the answer to another question": without(**{"for": "viafoura-mw-1-2-3-4"}),
    "no echo": without(**{"for": None}),
    "another state": without(state="superuser"),
    "no state": without(state=None),
    "no user": without(user_id=None),
    "a number for a user": without(user_id=7),
    "no session": without(session=""),
    "an object for a session": without(session={"a": 1}),
    "unknown": without(state="unknown"),
    "a reset": reset,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_boots_once_anonymously_whatever_is_answered(reader: Reader, site: Site, fault: str) -> None:
    """What is no answer leaves the reader unknown: no pair, and a mark that is there stays."""
    reader.signs_in(site, "ann")
    reader.runs("localStorage.setItem('viafoura_mw', '7')")
    site.meddle("session", FAULTS[fault])

    reader.opens(site.put("/story", story(site)))

    reader.sees_viafoura()
    assert [(boot["uid"], boot["sid"]) for boot in reader.boots] == [("", "")]
    assert reader.told == [["unknown", None]]
    assert reader.pair is None
    assert reader.mark == "7"
    assert reader.evaluates("thrown") == []
    assert [call.kind for call in site.viafoura.widget_calls] == ["boot"]


@BOTH_BROWSERS
@pytest.mark.options(wait=0.3)
def test_an_answer_that_is_late_changes_nothing(reader: Reader, site: Site) -> None:
    """The script starts without it; the cookie that came with it serves the next page."""
    let_go = threading.Event()
    site.meddle("session", held_until(let_go))
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", story(site)))
    reader.sees_viafoura()

    let_go.set()
    site.viafoura.wait_for("login", timeout=PATIENCE)
    reader.settles()

    assert reader.told == [["unknown", None]]
    assert (reader.pair, reader.mark, len(reader.boots)) == (None, None, 1)
    site.meddle("session", None)


@pytest.mark.options(wait=0.3)
def test_a_question_that_hangs_holds_nothing(reader: Reader, site: Site) -> None:
    """Neither the scripts nor the page's own promise, for longer than is set."""
    site.meddle("session", held_until(threading.Event()))
    clock = """<script>window.timers = []; const set = setTimeout; window.setTimeout = (act, after, ...more) => {
      timers.push(after); return set(act, after, ...more); };</script>"""
    reader.opens(site.put("/story", story(site).replace("</head>", clock + "</head>")))

    reader.sees_viafoura()

    assert reader.evaluates("timers[0]") == 510  # the shortest timeout, and half a second
    reader.runs("viafouraSession.then(session => { window.given = [session]; })")
    assert reader.waits("window.given") == [None]


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        *((tag, "404 Not Found") for tag in ("async", "module", "inline loader", "marker, module", "old")),
        ("marker", "500 Internal Server Error"),
    ],
)
def test_boots_where_the_bridge_is_gone(reader: Reader, site: Site, tag: str, status: str) -> None:
    """An onerror lets the held scripts run, each once."""
    site.meddle("bridge.js", answers(status))

    reader.opens(published(site, TAGS[tag]))

    reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
    assert len(reader.boots) == 1
    assert reader.evaluates("document.querySelectorAll('[data-viafoura-type], [type*=parked]').length") == 0


def test_boots_where_the_bridge_is_blocked(reader: Reader, site: Site) -> None:
    """As by an extension's rule for its address."""
    reader.driver.execute_cdp_cmd("Network.enable", {})
    reader.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/_viafoura/*"]})
    try:
        reader.opens(site.put("/story", story(site)))
        reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
    finally:
        reader.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})

    assert len(reader.boots) == 1
    assert site.questions() == []


@pytest.mark.options(path="/community/parts/")
def test_its_address_can_be_another(reader: Reader, site: Site) -> None:
    """Where a rule is for the usual one."""
    reader.signs_in(site, "ann")

    reader.opens(published(site, TAGS["async"]))

    assert_booted_once(reader, site, "ann")


MISSING: dict[str, str] = {
    "fetch": "delete window.fetch; window.fetch = undefined",
    "Promise": "window.Promise = undefined",
    "crypto": "Object.defineProperty(window, 'crypto', {value: undefined})",
    "getRandomValues": "Object.defineProperty(window, 'crypto', {value: {}})",
}


@pytest.mark.parametrize(
    ("missing", "tag"), [*zip(MISSING, ["async", "marker, module", "inline loader", "marker"], strict=True)]
)
def test_boots_where_something_is_missing(reader: Reader, site: Site, missing: str, tag: str) -> None:
    """The held scripts run at once, and nothing is asked."""
    written = TAGS[tag].format(url=site.viafoura.url)

    reader.opens(site.put("/story", page(written, f"<script>{MISSING[missing]};</script>")))

    reader.waits("window.vf")
    assert site.questions() == []
    assert reader.pair is None
    assert reader.evaluates("document.querySelectorAll('[data-viafoura-type], [type*=parked]').length") == 0


HOSTILE_GLOBALS = {
    "fetch throws": "window.fetch = () => { throw new Error('no') }",
    "fetch gives nothing": "window.fetch = () => undefined",
    "fetch never answers": "window.fetch = () => new Promise(() => {})",
    "vfQ is no queue": "Object.defineProperty(window, 'vfQ', {value: 7})",
    "viafouraBridge is no function": "window.viafouraBridge = 7",
}


@pytest.mark.options(wait=0.3)
@pytest.mark.parametrize("hostile", HOSTILE_GLOBALS)
def test_boots_among_hostile_globals(reader: Reader, site: Site, hostile: str) -> None:
    """Whatever other scripts have made of them, nothing is thrown into the page."""
    head = f"<script>{HOSTILE_GLOBALS[hostile]};</script>"

    reader.opens(site.put("/story", page(TAGS["async"].format(url=site.viafoura.url), head)))

    reader.waits("window.vf && told.length")
    assert len(reader.boots) == 1
    assert reader.evaluates("thrown") == []


NAMED = "".join(
    f'<img name="{name}">' for name in ("head", "hidden", "cookie", "readyState", "prerendering", "scripts")
)
HOSTILE_PAGES = {
    "elements with the names of the document's properties": NAMED + '<form name="body"></form>',
    "a head that is gone": "<script>document.head.remove();</script>",
    "polluted prototypes": "<script>Object.prototype.session = Object.prototype.user_id = '9'; Array.prototype.x = 1;"
    "</script>",
    "scripts that are moved": '<script>document.addEventListener("DOMContentLoaded", () => '
    'document.body.append(...document.querySelectorAll("script[type*=parked]")));</script>',
    "another parked script, in a template": '<template><script type="text/x-viafoura-parked">thrown.push("ran")'
    "</script></template>",
}


@pytest.mark.parametrize(
    ("hostile", "tag"), [*zip(HOSTILE_PAGES, ["async", "module", "marker", "module", "async"], strict=True)]
)
def test_boots_once_with_the_pair_in_a_hostile_page(reader: Reader, site: Site, hostile: str, tag: str) -> None:
    """Whatever else the page holds; and nothing is thrown into it."""
    reader.signs_in(site, "ann")

    reader.opens(site.put("/story", page(HOSTILE_PAGES[hostile] + TAGS[tag].format(url=site.viafoura.url))))

    reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
    assert [boot["uid"] for boot in reader.boots] == [site.user_id("ann")]
    assert reader.evaluates("thrown") == []


@pytest.mark.parametrize("tag", ["defer", "module", "inline loader", "marker, module", "old"])
def test_boots_once_anonymously_however_the_page_has_the_tag(reader: Reader, site: Site, tag: str) -> None:
    """Where nobody says who is reading."""
    reader.signs_in(site, "ann")
    site.meddle("session", FAULTS["500"])

    reader.opens(published(site, TAGS[tag]))

    reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
    assert [(boot["uid"], boot["sid"]) for boot in reader.boots] == [("", "")]
    assert reader.evaluates("thrown") == []
