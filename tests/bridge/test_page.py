"""The page around bridge.js: its policy, its own scripts, its storage, and what becomes of it without being left."""

import base64
import hashlib
import re
import threading

import pytest

from tests.bridge.characters import BOTH_BROWSERS
from tests.support.bridge_browser import NOTES, Reader, page, story
from tests.support.bridge_site import Site, changes, held_until
from viafoura_mw.testing import Widget
from viafoura_mw.testing.widget import script

NONCE = "bm9uY2U"


def tag(site: Site, attributes: str = "async", path: str = "/entry/index.js") -> str:
    return f'<script id="viafoura-platform" {attributes} src="{site.viafoura.url}{path}"></script>'


def sha256(text: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode()


# A policy.

POLICIES = {
    "self": ("'self' {viafoura}", "async"),
    "scheme": ("http: ", "async"),
    "nonce": (f"'nonce-{NONCE}'", f'async nonce="{NONCE}"'),
    "strict-dynamic": (f"'nonce-{NONCE}' 'strict-dynamic'", f'async nonce="{NONCE}"'),
    "strict-dynamic, module": (f"'nonce-{NONCE}' 'strict-dynamic'", f'type="module" nonce="{NONCE}"'),
    "hash": ("'self' {viafoura} '{hash}'", "inline"),
    "hash of an integrity": ("'self' '{integrity}'", 'async crossorigin integrity="{integrity}"'),
}
LOADER = 'var s=document.createElement("script");s.src="{url}/entry/index.js";document.head.appendChild(s)'


@BOTH_BROWSERS
@pytest.mark.parametrize("policy", POLICIES)
def test_a_strict_policy_has_nothing_to_report(reader: Reader, site: Site, policy: str) -> None:
    """Nothing that bridge.js does needs more than the page's own scripts do."""
    allowed, attributes = POLICIES[policy]
    url = site.viafoura.url
    loader = LOADER.format(url=url)
    values = {"viafoura": url, "hash": sha256(loader.encode())}
    values["integrity"] = sha256(script("/entry/index.js", url, site.viafoura.widget))
    value = (
        f"default-src 'none'; script-src {allowed.format(**values)}; connect-src 'self' {url}; img-src data:; "
        "report-uri /report" + ("; require-trusted-types-for 'script'" if attributes != "inline" else "")
    )
    own = f'<script id="viafoura-platform">{loader}</script>' if attributes == "inline" else ""
    body = own or tag(site, attributes.format(**values))
    site.put("/notes.js", re.sub("</?script>", "", NOTES), ("Content-Type", "text/javascript"))
    notes = f'<script src="/notes.js" nonce="{NONCE}"></script>'
    if policy == "hash of an integrity":
        notes = notes.replace(f' nonce="{NONCE}"', "")
    html = page(body).replace(NOTES, notes)
    reader.signs_in(site, "ann")

    reader.opens(site.put("/story", html, ("Content-Security-Policy", value)))

    reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
    reader.has_been_told("signed-in")
    reader.settles()
    assert len(reader.boots) == 1
    assert reader.pair
    assert reader.boots[0]["uid"] == reader.pair[0]
    assert reader.console() == []
    assert site.meddler.seen("/report") == []
    assert len(site.viafoura.script_requests) == 1


# The requests.

FETCHED = {
    "plain": "async",
    "crossorigin": "async crossorigin",
    "crossorigin, with credentials": 'async crossorigin="use-credentials"',
    "integrity": 'async crossorigin="anonymous" integrity="{integrity}"',
    "referrer": 'async referrerpolicy="no-referrer"',
    "whole referrer": 'async referrerpolicy="unsafe-url"',
    "defer": "defer",
    "priority": 'async fetchpriority="high"',
    "module": 'type="module"',
    "module, with credentials": 'type="module" crossorigin="use-credentials" fetchpriority="low"',
}
COMPARED = ("accept", "referer", "origin", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest")


@pytest.mark.parametrize("attributes", FETCHED)
def test_a_held_script_is_fetched_as_it_would_be(reader: Reader, site: Site, attributes: str) -> None:
    """Once, and with what its attributes say."""
    integrity = sha256(script("/entry/index.js", site.viafoura.url, site.viafoura.widget))
    own = tag(site, FETCHED[attributes].format(integrity=integrity))
    site.put("/held", page(own))
    site.put("/bare", page(own.replace("<script", "<script data-bare")))

    for path in ("/bare", "/held"):
        reader.opens(site.url + path)
        reader.waits("window.viafouraSimulated && viafouraSimulated.isReady")
        reader.settles()

    bare, held = site.viafoura.script_requests
    wanted, got = ({name: one.headers.get(name) for name in COMPARED} for one in (bare, held))
    assert {**got, "referer": (got["referer"] or "").replace("/held", "/bare") or None} == wanted
    links = reader.evaluates("[...document.querySelectorAll('link[rel*=preload]')].map(link => link.outerHTML)")
    assert len(links) == 1
    if priority := re.search("fetchpriority=.[a-z]*", FETCHED[attributes]):
        assert priority[0] in links[0]
    assert reader.console() == []


def test_the_script_is_fetched_while_the_question_is_asked(reader: Reader, site: Site) -> None:
    """It starts when both have come, and no page's start waits for the one and then for the other."""
    let_go = threading.Event()
    site.meddle("session", held_until(let_go))
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", story(site)))
    reader.waits("performance.getEntriesByType('resource').some(one => one.name.endsWith('/entry/index.js'))")
    assert reader.boots == []

    let_go.set()
    reader.sees_viafoura()

    assert len(site.viafoura.script_requests) == 1
    assert [seen.path for seen in site.meddler._seen if "_viafoura" in seen.path] == [
        "/_viafoura/bridge.js",
        "/_viafoura/session",
    ]
    assert len(site.meddler.seen("/story")) == 1


def test_deferred_scripts_keep_their_order(reader: Reader, site: Site) -> None:
    """A slow one before a fast one."""
    url = site.viafoura.url
    slow = f'<script id="viafoura-platform" defer src="{url}/entry/index.js?slow=0.4"></script>'
    fast = f'<script defer src="{url}/vf-v2.js"></script>'
    reader.opens(site.put("/story", page(slow + fast).replace('"viafoura-platform"', '"viafoura-platform" data-x')))
    reader.waits("window.viafouraSimulated && viafouraSimulated.boots.length === 2")
    entries = "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'script')"

    assert reader.evaluates(f"{entries}.length") >= 1
    assert [boot["at"] for boot in reader.boots] == sorted(boot["at"] for boot in reader.boots)
    order = reader.evaluates("[...document.querySelectorAll('script[defer]')].map(one => one.async)")
    assert order == [False, False]


@BOTH_BROWSERS
def test_site_code_that_looks_for_the_script_finds_it(reader: Reader, site: Site) -> None:
    """By its ``src``, at any time: it is not loaded a second time."""
    looks = """<script>const load = () => {
      if (document.querySelector("script[src*='/entry/index.js']")) return;
      const script = document.createElement("script"); script.src = "URL/entry/index.js";
      document.head.append(script); };
      load(); document.addEventListener("DOMContentLoaded", load); addEventListener("load", load);
      setInterval(load, 1); new MutationObserver(load).observe(document, {childList: true, subtree: true});</script>"""
    reader.signs_in(site, "ann")

    reader.opens(site.put("/story", page(tag(site) + looks.replace("URL", site.viafoura.url))))

    reader.sees_viafoura()
    reader.settles()
    assert len(reader.boots) == 1
    assert len(site.viafoura.script_requests) == 1


# Pages that come in pieces.

#: The rest of a page comes when the bridge has decided.
GO_ON = """<script>document.addEventListener("viafoura-mw", () => {
  window.vfWasThere = Boolean(window.vf); setTimeout(fetch, 50, "/go-on"); })</script>"""


def test_what_comes_later_is_served_the_same(reader: Reader, site: Site) -> None:
    """Held scripts in a piece that comes when all is decided."""
    reader.signs_in(site, "ann")
    first, last = page(f'<script id="viafoura-platform"></script>SPLIT{tag(site)}').split("SPLIT")
    later = last.replace(' id="viafoura-platform"', "")

    reader.opens(site.put("/story", first.replace("</head>", GO_ON + "</head>") + "<p>more</p>", pieces=[later]))

    reader.sees_viafoura()
    assert reader.evaluates("vfWasThere") is False
    assert len(reader.boots) == 1
    assert reader.boots[0]["uid"] == site.user_id("ann")


@BOTH_BROWSERS
def test_an_inline_script_is_not_run_before_all_of_it_is_there(reader: Reader, site: Site) -> None:
    """The page is cut in the middle of the tag's own code, and the answer has come before the rest of it."""
    reader.signs_in(site, "ann")
    loader = LOADER.format(url=site.viafoura.url)
    html = page(f'<script id="viafoura-platform">{loader}; window.isWhole = true;</script>')
    html = html.replace("</head>", GO_ON + "</head>")
    cut = html.index("document.head.appendChild")

    reader.opens(site.put("/story", html[:cut], pieces=[html[cut:]]))

    reader.sees_viafoura()
    assert reader.evaluates("[vfWasThere, isWhole]") == [False, True]
    assert len(reader.boots) == 1
    assert reader.boots[0]["uid"] == site.user_id("ann")


# One document, several times.


def test_two_copies_are_one(reader: Reader, site: Site) -> None:
    """Of another version even: one question, one start."""
    reader.signs_in(site, "ann")
    copy = '<script src="/_viafoura/bridge.js?0000000000000000" async></script>'

    reader.opens(site.put("/story", page(copy + tag(site) + copy)))

    reader.sees_viafoura()
    reader.settles()
    assert len(site.questions()) == 1
    assert len(reader.boots) == 1
    assert reader.told == [["signed-in", site.user_id("ann")]]


#: What Turbo Drive does: its scripts are made anew, so that they run.
EXCHANGE = """
window.exchange = (given) => {
  const body = document.adoptNode(given);
  for (const old of body.querySelectorAll("script")) {
    const script = document.createElement("script");
    script.textContent = old.textContent;
    script.async = false;
    for (const { name, value } of old.attributes) script.setAttribute(name, value);
    old.replaceWith(script);
  }
  document.body.replaceWith(body);
};
window.visit = async (address) => {
  const html = await (await fetch(address)).text();
  document.dispatchEvent(new CustomEvent("turbo:before-cache"));
  window.snapshot = document.body.cloneNode(true);
  exchange(new DOMParser().parseFromString(html, "text/html").body);
};
"""


@BOTH_BROWSERS
def test_an_exchanged_body_is_asked_for_anew(reader: Reader, site: Site) -> None:
    """Turbo's: the new body's tag has the pair, and its script starts once."""
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", story(site)))
    reader.sees_viafoura()
    reader.runs(EXCHANGE + f"visit('{site.put('/other', story(site).replace('A story.', 'Another.'))}')")
    reader.waits("viafouraSimulated.boots.length === 2 && document.querySelector('#touch').textContent === 'Another.'")

    assert reader.pair
    assert [boot["uid"] for boot in reader.boots] == [reader.pair[0]] * 2
    assert len(site.questions()) == 2
    assert reader.evaluates("document.querySelectorAll('[type*=parked]').length") == 0


def test_the_way_back_to_a_body_shows_no_former_reader(reader: Reader, site: Site) -> None:
    """Turbo's copy of a body has no pair: who reads by now is asked."""
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", page(tag(site, 'type="text/javascript" async'))))
    reader.sees_viafoura()
    site.put("/other", page("<p>No comments here.</p>"))
    reader.runs(EXCHANGE + "visit('/other')")
    reader.waits("window.snapshot && !document.querySelector('#viafoura-platform')")
    reader.runs(f"fetch('{site.sign_in('bob')}').then(() => {{ window.isBob = true; }})")
    reader.waits("window.isBob")

    reader.runs("exchange(snapshot)")

    reader.waits("viafouraSimulated.boots.length === 2")
    assert reader.pair
    assert reader.pair[0] == site.user_id("bob")
    assert reader.boots[1]["uid"] == reader.pair[0]
    assert reader.evaluates("document.querySelector('#viafoura-platform').type") == "text/javascript"


def test_a_document_that_is_opened_anew_is_served_anew(reader: Reader, site: Site) -> None:
    """``document.open()`` takes the listeners away, and leaves the window as it is."""
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", story(site)))
    reader.sees_viafoura()
    site.put("/other", story(site).replace("A story.", "Another."))
    reader.runs(
        "fetch('/other').then(answer => answer.text()).then(html => {"
        " document.open(); document.write(html); document.close(); })"
    )
    reader.waits("viafouraSimulated.boots.length === 2 && document.querySelector('#touch').textContent === 'Another.'")
    reader.waits("viafouraSimulated.subscribed.length === 2 && document.querySelector('.viafoura-log-out')")
    assert reader.pair

    reader.logs_out_in_the_widget()

    reader.has_been_told("left")
    assert len(site.questions("logout")) == 1
    assert reader.evaluates("thrown") == []


def test_a_page_s_own_script_can_make_the_tag(reader: Reader, site: Site) -> None:
    """It includes bridge.js itself, and is given the pair."""
    reader.signs_in(site, "ann")
    own = f"""<script src="/_viafoura/bridge.js"></script><script>viafouraSession.then((session) => {{
      window.given = session; const tag = document.createElement("script"); tag.id = "viafoura-platform";
      tag.dataset.uid = session.user_id; tag.dataset.sid = session.session;
      tag.src = "{site.viafoura.url}/entry/index" + ".js"; document.body.append(tag); }})</script>"""

    reader.opens(site.put("/story", page(own)))

    reader.sees_viafoura()
    assert sorted(reader.evaluates("given")) == ["session", "user_id"]
    assert reader.boots[0]["uid"] == site.user_id("ann")
    assert reader.mark == site.user_id("ann")


# What the browser denies.

DENIED = {
    "storage": "Object.defineProperty(window, 'localStorage', "
    "{get() { throw new DOMException('', 'SecurityError'); }})",
    "no storage": "Object.defineProperty(window, 'localStorage', {value: null})",
    "storage that is full": "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"
    "const held = new Proxy({}, {set() { throw new DOMException('', 'QuotaExceededError'); }});"
    "Object.defineProperty(window, 'localStorage', {value: held})",
    "cookies": "Object.defineProperty(document, 'cookie', {get() { throw new DOMException('', 'SecurityError'); }})",
}


@pytest.mark.parametrize("denied", DENIED)
@pytest.mark.options(hint=["reader"])
def test_a_signed_in_reader_whose_browser_denies_something(reader: Reader, site: Site, denied: str) -> None:
    """The pair is there all the same; but where no cookie can be read, nobody is hinted at."""
    reader.signs_in(site, "ann")
    head = f"<script>{DENIED[denied]}</script>"

    reader.opens(site.put("/story", page(tag(site), head)))

    reader.sees_viafoura()
    assert reader.evaluates("thrown") == []
    assert len(reader.boots) == 1
    assert reader.told[0][0] == ("nobody" if denied == "cookies" else "signed-in")


def test_without_storage_a_log_out_of_the_site_is_heard_of(reader: Reader, site: Site) -> None:
    """On the page that has the pair: there is no mark to be told by."""
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", page(tag(site), f"<script>{DENIED['storage']}</script>")))
    reader.sees_viafoura()
    reader.driver.execute_cdp_cmd("Network.deleteCookies", {"name": "reader", "url": site.url})

    reader.looks_again_after_a_minute()

    reader.has_been_told("nobody")
    reader.waits("document.querySelector('.viafoura-sign-in')")
    assert [call.kind for call in site.viafoura.widget_calls] == ["boot", "logout"]
    assert reader.evaluates("thrown") == []


def test_a_frame_that_has_no_origin_boots_anonymously(reader: Reader, site: Site) -> None:
    """A sandbox is another origin: bridge.js itself is refused to it, and its ``onerror`` lets the scripts run."""
    site.put("/story", story(site))
    report = "<script>onmessage = (event) => { window.report = event.data; }</script>"
    site.put("/frame", f'{report}<iframe sandbox="allow-scripts" src="/inner"></iframe>')
    tells = """<script>setInterval(() => { if (window.viafouraSimulated && viafouraSimulated.isReady)
      parent.postMessage([viafouraSimulated.boots.length, told, thrown], "*"); }, 20)</script>"""
    site.put("/inner", story(site).replace("</head>", tells + "</head>"))
    reader.signs_in(site, "ann")

    reader.opens(site.url + "/frame")

    assert reader.waits("window.report") == [1, [], []]


def test_cookies_that_are_blocked_sign_nobody_in(reader: Reader, site: Site) -> None:
    """The browser sends none: the reader is nobody, and the script starts."""
    reader.signs_in(site, "ann")
    reader.driver.execute_cdp_cmd("Emulation.setDocumentCookieDisabled", {"disabled": True})
    reader.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    try:
        reader.opens(site.put("/story", story(site)))
        reader.sees_viafoura()
    finally:
        reader.driver.execute_cdp_cmd("Emulation.setDocumentCookieDisabled", {"disabled": False})

    assert reader.told == [["nobody", None]]
    assert reader.evaluates("thrown") == []


# The hint.


@pytest.mark.options(hint=["other", "reader"])
def test_a_hint_spares_the_question(reader: Reader, site: Site) -> None:
    """Without such a cookie nothing is asked; with one it is; and with the mark alone, once."""
    site.put("/story", story(site))
    reader.opens(site.url + "/story")
    reader.sees_viafoura()
    assert reader.told == [["nobody", None]]
    assert site.questions() == []

    reader.signs_in(site, "ann")
    reader.opens(site.url + "/story")
    reader.has_been_told("signed-in")
    assert len(site.questions()) == 1

    reader.opens(site.sign_out)
    for _ in range(2):
        reader.opens(site.url + "/story")
        reader.has_been_told("nobody")
        reader.waits("!localStorage.getItem('viafoura_mw')")

    assert len(site.questions()) == 2
    assert [call.kind for call in site.viafoura.widget_calls].count("logout") == 1


@pytest.mark.options(hint=["read", "eader", "reader2"])
def test_a_hint_is_a_cookie_s_whole_name(reader: Reader, site: Site) -> None:
    """Not a part of another's, nor of a value."""
    reader.signs_in(site, "reader2=x")

    reader.opens(site.put("/story", story(site)))

    reader.sees_viafoura()
    assert site.questions() == []


# What else a page may hold.


def test_elements_with_viafoura_s_names_are_no_script(reader: Reader, site: Site) -> None:
    """A browser makes a global of each id."""
    reader.signs_in(site, "ann")
    named = '<div id="vf"></div><div id="viafoura"></div>'

    reader.opens(site.put("/story", page(named + tag(site, path="/vf.js"))))

    reader.sees_viafoura()
    assert reader.boots[0]["uid"] == site.user_id("ann")
    assert reader.evaluates("thrown") == []


def test_a_script_that_comes_late_is_met(reader: Reader, site: Site) -> None:
    """On scroll, on a click, when idle: also where the page has replaced the queue meanwhile."""
    reader.signs_in(site, "ann")
    reader.opens(site.put("/story", page('<script id="viafoura-platform"></script>')))
    reader.has_been_told("signed-in")
    url = f"{site.viafoura.url}/entry/index.js"

    reader.runs(
        f"window.vfQ = []; const s = document.createElement('script'); s.src = '{url}'; document.body.append(s)"
    )

    reader.sees_viafoura()
    assert reader.boots[0]["uid"] == site.user_id("ann")


@pytest.mark.options(login="/log-in?then={next}")
def test_a_slow_script_is_met_when_it_comes(reader: Reader, site: Site) -> None:
    """Slow answers of Viafoura's hold nothing else."""
    site.viafoura.widget = Widget(slow=0.6)
    reader.opens(site.put("/story", story(site)))
    reader.has_been_told("nobody")
    assert reader.boots == []

    reader.sees_viafoura()

    assert "$prepublish" in reader.evaluates("viafouraSimulated.subscribed")


def test_a_listener_that_throws_breaks_nothing(reader: Reader, site: Site) -> None:
    """A page's own, on the bridge's events."""
    throws = "<script>document.addEventListener('viafoura-mw', () => { throw new Error('mine'); })</script>"
    reader.signs_in(site, "ann")

    reader.opens(site.put("/story", story(site).replace("</head>", throws + "</head>")))

    reader.sees_viafoura()
    assert reader.pair
    assert reader.evaluates("thrown") == ["Uncaught Error: mine"]


def test_an_answer_is_only_text(reader: Reader, site: Site) -> None:
    """Markup in it is an attribute's value, as it is."""
    hostile = '"><img src=x onerror=alert(1)>'
    reader.signs_in(site, "ann")
    site.meddle("session", changes(lambda answer: {**answer, "user_id": "1", "session": hostile}))

    reader.opens(site.put("/story", story(site)))

    reader.has_been_told("signed-in")
    assert reader.pair == ("1", hostile)
    assert reader.evaluates("document.querySelectorAll('img').length") == 0
