"""Bridged pages behind real caches that ask whether a copy is good, keep parts of pages, or keep what they must not.

The site's pages are the same for everybody, and have validators; it answers conditions, and ranges.
"""

import contextlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.sites.news import HTML, TAG
from tests.support.bridge_site import serving
from tests.support.caches import CACHES, standing
from tests.support.servers import Answer, Browser
from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.wsgi import ViafouraMiddleware

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ETAG = '"the-news"'
PAGE = b"<!doctype html><title>News</title>" + b"<p>Before the tag.\n" * 150 + TAG + b"<p>Behind the tag.\n" * 150
PARKED = b'type="text/x-viafoura-parked"'
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class News:
    """The site. ``life``: for how many seconds a cache may keep a page. ``asked``: each status, and the request."""

    life: int = 600
    asked: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        fields = {name[5:].lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
        reader = re.search(r"(?:^|; )reader=(\w+)", fields.get("cookie", ""))
        environ["REMOTE_USER"] = reader[1] if reader else ""
        if "_viafoura" in environ["PATH_INFO"]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b""]
        headers = [("Cache-Control", f"public, s-maxage={self.life}"), ("ETag", ETAG), ("Accept-Ranges", "bytes")]
        status, body = "200 OK", PAGE
        asked = _RANGE.fullmatch(fields.get("range", ""))
        if ETAG in fields.get("if_none_match", ""):
            status, body = "304 Not Modified", b""
        elif asked and fields.get("if_range", ETAG) == ETAG and int(asked[1]) < len(PAGE):
            first, last = int(asked[1]), min(int(asked[2] or len(PAGE)), len(PAGE) - 1)
            status, body = "206 Partial Content", PAGE[first : last + 1]
            headers.append(("Content-Range", f"bytes {first}-{last}/{len(PAGE)}"))
        if body:
            headers += [("Content-Type", HTML), ("Content-Length", str(len(body)))]
        self.asked.append((int(status[:3]), fields))
        start_response(status, headers)
        return [body]


class Switch:
    """Several applications in one place, of which one is there: a site that is started anew with other settings."""

    def __init__(self, app: "WSGIApplication") -> None:
        self.app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self.app(environ, start_response)


def wrapped(news: News, viafoura: SimulatedViafoura, bridge: str) -> "WSGIApplication":
    variables = {"VIAFOURA_BRIDGE": bridge, "VIAFOURA_TIMEOUT": "20", "VIAFOURA_AUTH_COOKIES": "reader"}
    return ViafouraMiddleware(news, Settings.from_env({**viafoura.environ(), **variables}))


@contextlib.contextmanager
def behind(name: str, app: "WSGIApplication", how: str) -> Iterator[Browser]:
    """A browser at a site behind a cache."""
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(standing(name, stack.enter_context(serving(app)), how))
        yield stack.enter_context(Browser(front.port))


def ask(browser: Browser) -> tuple[bool, dict[str, Any]]:
    """Ask who is reading, as bridge.js does: whether that is what is answered, and what is told."""
    echo = secrets.token_hex(16)
    headers = {"X-Viafoura-Bridge": echo, "Sec-Fetch-Site": "same-origin", "Content-Length": "0", "Accept": "*/*"}
    answer = browser.ask("POST", "/_viafoura/session", headers, b"")
    told: dict[str, Any] = json.loads(answer.body)
    return told.pop("for") == echo, told


# 6. Turned on, to "serve", and off.

REVALIDATES = {
    "nginx": "proxy_cache_revalidate on;",
    "varnishd": "sub vcl_backend_response { set beresp.grace = 0s; set beresp.keep = 1h; }",
}


def later(browser: Browser, is_so: Callable[[Answer], bool]) -> Answer:
    """Ask for the page until the copy that the cache has is too old, and what comes is so."""
    pause = threading.Event()
    for _ in range(300):
        answer = browser.get("/story")
        if is_so(answer):
            return answer
        pause.wait(0.1)
    raise AssertionError(answer)


@pytest.mark.parametrize("name", CACHES)
def test_a_cache_is_told_when_the_bridge_comes_and_goes(name: str, viafoura: SimulatedViafoura) -> None:
    """A copy from before the bridge is not renewed; one of the bridge's is, and works until it is too old."""
    news = News(life=1)
    bare, bridging, serving_only = (wrapped(news, viafoura, bridge) for bridge in ("0", "1", "serve"))
    switch = Switch(bare)
    with behind(name, switch, REVALIDATES[name]) as browser:
        assert browser.get("/story").body == PAGE

        switch.app = bridging
        bridged = later(browser, lambda answer: answer.body != PAGE)
        made = len(news.asked)
        renewed = later(browser, lambda _: any(status == 304 for status, _ in news.asked[made:]))
        switch.app = serving_only
        script = re.search(rb'"(/_viafoura/bridge.js[^"]*)"', bridged.body)
        assert script
        served = browser.get(script[1].decode())
        browser.cookies["reader"] = "ann"
        is_answered, told = ask(browser)
        browser.cookies.clear()
        made = len(news.asked)
        after = later(browser, lambda answer: b"bridge.js" not in answer.body)

    assert bridged.body.count(PARKED) == 1
    assert (renewed.body, renewed.get("etag")) == (bridged.body, bridged.get("etag"))
    assert (served.status, served.get("content-type")) == (200, "text/javascript; charset=utf-8")
    assert (is_answered, told["state"]) == (True, "signed-in")
    assert after.body == PAGE
    assert [status for status, _ in news.asked[made:]] == [200]


# 7. Ranges.

RANGES = {
    "nginx that keeps whole pages": ("nginx", ""),
    "nginx that keeps slices": (
        "nginx",
        "slice 1k; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range; proxy_cache_valid 206 1h;",
    ),
    "nginx that passes ranges on": ("nginx", "proxy_cache off; proxy_set_header Range $http_range;"),
    "Varnish that keeps whole pages": ("varnishd", ""),
    "Varnish that passes ranges on": ("varnishd", "sub vcl_recv { return (pass); }"),
}


def assert_is_of_one_version(answer: Answer, versions: Mapping[str, bytes]) -> None:
    """A whole page, or a part of the one that its tag names."""
    page = versions[(answer.get("etag") or "").removeprefix("W/")]
    if answer.status == 200:
        assert answer.body == page
        return
    assert answer.status == 206
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("content-range") or "")
    assert found
    first, last, size = map(int, found.groups())
    assert (answer.body, size) == (page[first : last + 1], len(page))


@pytest.mark.parametrize("place", RANGES)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_no_part_of_one_version_is_joined_to_another(viafoura: SimulatedViafoura, place: str, accept: str) -> None:
    """What comes is whole, or a part of the very page whose tag it has: with no condition, a tag of either, a date."""
    name, how = RANGES[place]
    news = News()
    with behind(name, wrapped(news, viafoura, "1"), how) as browser:
        browser.always["Accept"] = accept
        first = browser.get("/story")
        bridged = browser.get("/other", Accept="text/html")
        own = bridged.get("etag") or ""
        versions = {own.removeprefix("W/"): bridged.body, ETAG: PAGE}
        parts = [browser.get("/story", Range=asked) for asked in ("bytes=0-99", "bytes=2900-3100", "bytes=4000-")]
        for condition in (own, ETAG, "Thu, 01 Jan 2026 00:00:00 GMT"):
            for path in ("/story", f"/{secrets.token_hex(4)}"):
                parts.append(browser.get(path, Range="bytes=2900-3100", If_Range=condition))

    assert bridged.body.count(PARKED) == 1
    for answer in (first, bridged, *parts):
        assert_is_of_one_version(answer, versions)


# 31. A cache that is told to keep everything, a POST's answer too.

KEEPS_ALL = """
    proxy_cache_methods GET HEAD POST; proxy_cache_key $uri; proxy_cache_valid any 10m;
    proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
"""
KEEPS_ALL_IN_VARNISH = """
    import std;
    sub vcl_recv {
        std.cache_req_body(1KB);
        set req.http.X-Method = req.method;
        return (hash);
    }
    sub vcl_backend_fetch { set bereq.method = bereq.http.X-Method; }
    sub vcl_backend_response { set beresp.ttl = 10m; unset beresp.http.Vary; return (deliver); }
"""


@pytest.mark.parametrize(("name", "how"), [("nginx", KEEPS_ALL), ("varnishd", KEEPS_ALL_IN_VARNISH)])
def test_an_answer_that_a_cache_keeps_is_nobody_elses(name: str, how: str, viafoura: SimulatedViafoura) -> None:
    """The next reader is given another question's answer, which is none, and their page stays anonymous.

    Such a cache hands on whatever cookie comes with what it keeps, the site's own too. Ours is worth nothing to
    another: who brings it is not its user, and the session in it is ended.
    """
    app = wrapped(News(), viafoura, "1")
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(serving(app))
        front = stack.enter_context(standing(name, site, how))
        ann, ben, nobody = (stack.enter_context(Browser(front.port)) for _ in range(3))
        ann.cookies["reader"], ben.cookies["reader"] = "ann", "ben"
        is_answered, told = ask(ann)
        assert (is_answered, told["state"]) == (True, "signed-in")

        for other in (ben, nobody):
            assert ask(other)[0] is False
            assert PARKED in other.get("/story").body
        past_the_cache = stack.enter_context(Browser(site, cookies=dict(ben.cookies)))
        is_answered, bens = ask(past_the_cache)
        viafoura.wait_for("logout", 1 if "viafoura_mw" in ben.cookies else 0)

    assert is_answered
    assert bens["user_id"] == str(viafoura.users["ben"].user_id)
    assert bens["session"] != told["session"]
