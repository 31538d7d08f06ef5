"""Bridged pages, through both doors: the same bytes for everybody, and validators that keep working."""

import gzip
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import anyio
import pytest

from tests.support.doors import HTML, Get, Site, both_doors, call, environ_of, scope_of, through_wsgi
from tests.support.html_cuttings import cut_in_two
from tests.support.wsgi_server import Server
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.bridge.script import ON_ERROR
from viafoura_mw.page.codings import decoder, encoder
from viafoura_mw.runtime import runtime_of
from viafoura_mw.testing import SimulatedViafoura

Door = Callable[[Settings | None], Get]

BROWSER = {"Accept": "text/html"}
LATE = "https://cdn.viafoura.net/entry/index.js"
TAG = '<script id="viafoura-platform">'
PARKED = 'type="text/x-viafoura-parked"'
BARE = (
    f"<!doctype html><title>News</title><p>a</p>{TAG}boot()</script><p>b</p><script async src={LATE}></script><p>c</p>"
)


def settings_of(viafoura: SimulatedViafoura, **variables: str) -> Settings:
    named = {f"VIAFOURA_{name.upper()}": value for name, value in variables.items()}
    return Settings.from_env({**viafoura.environ(), "VIAFOURA_BRIDGE": "1", **named})


@pytest.fixture
def settings(viafoura: SimulatedViafoura) -> Settings:
    """A site all of whose pages are bridged."""
    return settings_of(viafoura)


def digest_of(settings: Settings) -> str:
    bridge = runtime_of(settings, otherwise="off").bridge
    assert bridge
    return bridge.script.digest


def suffix(settings: Settings) -> str:
    return f"-vf{digest_of(settings)[:8]}"


def opening(settings: Settings, *, nonce: str = "", handler: bool = True) -> str:
    on_error = f' onerror="{ON_ERROR}"' if handler else ""
    address = f"{settings.bridge_path}bridge.js?{digest_of(settings)}"
    return f'<script src="{address}" async data-cfasync="false"{nonce}{on_error}></script>'


def bridged(settings: Settings) -> bytes:
    page = BARE.replace(TAG, f'{opening(settings)}<script {PARKED} id="viafoura-platform">')
    return page.replace(f"<script async src={LATE}>", f"<script {PARKED} async src={LATE}>").encode()


def page(*headers: tuple[str, str], html: str = BARE, status: int = 200, user: str | None = None) -> Site:
    return Site((html.encode(),), (HTML, *headers), status, user)


def cuttings(whole: bytes) -> Iterator[list[bytes]]:
    """Whole, byte for byte, and in two at some places."""
    yield [whole]
    yield [whole[at : at + 1] for at in range(len(whole))]
    yield from list(cut_in_two(whole))[1:-1:5]


# 1. One sequence of bytes for everybody.

EVERYBODY: list[Mapping[str, str]] = [
    {},
    BROWSER,
    {"Accept": "*/*"},
    {"Cookie": "sessionid=abc"},
    {"Cookie": "viafoura_mw=forged"},
    {"Authorization": "Basic YW5uOng="},
    {"Host": "evil.example"},
    {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    {"Accept-Encoding": "gzip, br", "Accept": "text/html"},
    {"If-None-Match": '"other"', "Accept": "text/html"},
]


@both_doors
@pytest.mark.parametrize("user", [None, "ann"])
def test_is_the_same_for_everybody(door: Door, settings: Settings, user: str | None) -> None:
    """Whatever a request says, and whoever is signed in; its headers too."""
    get, headers = door(settings), (("ETag", '"a"'), ("Cache-Control", "public, max-age=60"))
    answers = [get(page(*headers, user=user), headers=asked) for asked in EVERYBODY]
    assert {answer.body for answer in answers} == {bridged(settings)}
    assert len({(*answer.headers,) for answer in answers}) == 1
    assert answers[0].get("cache-control") == "public, max-age=60"


#: What a request may say, each of it or nothing.
SAID: Mapping[str, tuple[str, ...]] = {
    "Accept": ("text/html", "*/*", "application/json", "text/html;q=0", "text/*", "TEXT/HTML"),
    "Accept-Encoding": ("gzip", "identity", "br, gzip", "*", "gzip;q=0", "dcb"),
    "Cookie": ("a=b", "viafoura_mw=x", "sessionid=1; viafoura_mw=MTIz"),
    "Authorization": ("Bearer x",),
    "If-None-Match": ('"x"', "*", 'W/"a"', "junk"),
    "If-Modified-Since": ("Thu, 01 Jan 2026 00:00:00 GMT",),
    "Range": ("bytes=0-5",),
    "If-Range": ('"x"',),
    "Host": ("evil.example",),
    "Forwarded": ("host=evil.example",),
    "X-Forwarded-Proto": ("https",),
    "HX-Request": ("true",),
    "Sec-Purpose": ("prefetch;prerender",),
    "X-Requested-With": ("XMLHttpRequest",),
    "Sec-Fetch-Dest": ("document", "iframe"),
    "X-Viafoura-Bridge": ("0123456789abcdef",),
    "User-Agent": ("curl",),
}


@both_doors
@pytest.mark.parametrize("html", [BARE, "<p>no tag", "<script id=viafoura-platform src=x></script>"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_is_the_same_for_any_mixture_of_headers(
    door: Door, viafoura: SimulatedViafoura, html: str, method: str
) -> None:
    """Status, headers in their order, and body."""
    settings = settings_of(viafoura, debug_header="1", auth_cookies="sessionid", logout_paths="/out")
    headers = (HTML, ("ETag", '"a"'), ("Set-Cookie", "q=1"), ("Vary", "Accept-Encoding"), ("Set-Cookie", "r=2"))
    get, chance = door(settings), random.Random(5)
    answers = set()
    for _ in range(60):
        asked = {name: chance.choice(values) for name, values in SAID.items() if chance.random() < 0.5}
        site = Site((html.encode() if method == "GET" else b"",), headers, 200, chance.choice([None, "ann", "ben"]))
        answer = get(site, method=method, headers=asked)
        answers.add((answer.status, (*answer.headers,), answer.body))
    assert len(answers) == 1
    assert [value for name, value in answers.pop()[1] if name.lower() == "set-cookie"] == ["q=1", "r=2"]


@both_doors
def test_is_the_same_with_our_cookie(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """One that is valid is neither read nor cleared nor set."""
    cookie = through_wsgi(Settings.from_env(viafoura.environ()))(Site(user="ann"), headers=BROWSER).cookie
    calls = len(viafoura.calls)
    for user in ("ann", "ben", None):
        answer = door(settings)(page(user=user), headers={**BROWSER, "Cookie": cookie or ""})
        assert (answer.body, answer.get("set-cookie"), answer.get("vary")) == (bridged(settings), None, None)
    assert len(viafoura.calls) == calls


@pytest.mark.parametrize("change", [{"SCRIPT_NAME": "//evil"}, {"SERVER_PROTOCOL": "HTTP/1.0"}, {"REMOTE_USER": "ann"}])
def test_is_the_same_whatever_the_server_says(settings: Settings, change: Mapping[str, str]) -> None:
    """Of a prefix, the protocol and a user."""
    server = Server()
    app = wsgi.ViafouraMiddleware(lambda _, start: (start("200 OK", [HTML]) and None) or [BARE.encode()], settings)
    assert server.serve(app, {**environ_of(headers=BROWSER), **change}) == bridged(settings)


@both_doors
def test_is_the_same_however_it_is_cut(door: Door, settings: Settings) -> None:
    """A complete page and a streamed one are the same bytes."""
    get = door(settings)
    for chunks in cuttings(BARE.encode()):
        answer = get(Site(tuple(chunks), (HTML,)), headers=BROWSER)
        assert answer.body == bridged(settings), chunks


@both_doors
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_is_the_same_compressed(door: Door, settings: Settings, coding: str) -> None:
    """It is compressed again, and its tag is a weak one, on every way that it leaves."""
    encode = encoder(coding)
    body = encode.encode(BARE.encode()) + encode.finish()
    headers = (HTML, ("Content-Encoding", coding), ("ETag", '"a"'))
    for chunks in ((body,), (body[:20], body[20:])):
        answer = door(settings)(Site(chunks, headers), headers=BROWSER)
        decode = decoder(coding)
        pieces = [*decode.decode(answer.body), *decode.end()]
        assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == bridged(settings)
        assert answer.get("etag") == f'W/"a{suffix(settings)}"'


# 2. Nobody is read.


class Untouchable:
    """A user that must not be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"read: {name}")


def test_reads_no_user(settings: Settings, viafoura: SimulatedViafoura) -> None:
    """Not even where one is laid out."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = Untouchable()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": BARE.encode()})

    messages = anyio.run(call, asgi.ViafouraMiddleware(application, settings), scope_of(headers=BROWSER))
    assert messages[1]["body"] == bridged(settings)
    assert not viafoura.calls


def test_reads_no_user_of_an_environ(settings: Settings, viafoura: SimulatedViafoura) -> None:
    """Nor under WSGI."""

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = environ["flask_login.user"] = Untouchable()
        start_response("200 OK", [HTML])
        return [BARE.encode()]

    assert Server().serve(wsgi.ViafouraMiddleware(application, settings), environ_of(headers=BROWSER)) == bridged(
        settings
    )
    assert not viafoura.calls


# 3 and 9. Headers.


@both_doors
def test_leaves_what_caches_go_by(door: Door, settings: Settings) -> None:
    """Byte for byte; only the length is another's."""
    kept = (
        ("Cache-Control", "public, s-maxage=60"),
        ("Vary", "Accept-Encoding"),
        ("Expires", "0"),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Surrogate-Control", "max-age=99"),
        ("CDN-Cache-Control", "max-age=9"),
        ("Set-Cookie", "a=b"),
    )
    answer = door(settings)(page(*kept, ("Content-Length", str(len(BARE)))), headers=BROWSER)
    assert [(name.lower(), value) for name, value in answer.headers] == [
        ("content-type", HTML[1]),
        *((name.lower(), value) for name, value in kept),
        ("content-length", str(len(bridged(settings)))),
    ]


@both_doors
def test_says_the_length_where_it_is_known(door: Door, settings: Settings) -> None:
    """Of a complete page; a page without the tag keeps its own, but a file of several chunks, and HEAD, have none."""
    get, length = door(settings), ("Content-Length", "5")
    digests = (("Digest", "x"), ("Accept-Ranges", "bytes"))
    whole = get(Site((b"<p>no",), (HTML, length, *digests)), headers=BROWSER)
    pieces = get(Site((b"<p>", b"no"), (HTML, length, *digests)), headers=BROWSER)
    head = get(Site((b"",), (HTML, length, *digests)), headers=BROWSER, method="HEAD")

    assert (whole.body, whole.get("content-length"), whole.get("digest")) == (b"<p>no", "5", "x")
    assert (pieces.body, pieces.get("content-length"), pieces.get("digest")) == (b"<p>no", None, None)
    assert (head.body, head.get("content-length"), head.get("accept-ranges")) == (b"", None, None)


# 4, 5. Validators.


@both_doors
@pytest.mark.parametrize("etag", ['"a"', 'W/"a"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_has_an_etag_of_its_own(door: Door, settings: Settings, etag: str, method: str) -> None:
    """HEAD has the GET's; with a tag in the page and without one."""
    for html in (BARE, "<p>no"):
        site = page(("ETag", etag), html=html) if method == "GET" else Site((b"",), (HTML, ("ETag", etag)))
        answer = door(settings)(site, headers=BROWSER, method=method)
        assert answer.get("etag") == f'{etag[:-1]}{suffix(settings)}"'


@both_doors
def test_a_cache_revalidates_it(door: Door, settings: Settings) -> None:
    """The application is asked with its own tag, and its 304 leaves with ours."""
    own = f'"a{suffix(settings)}"'
    not_modified = Site((b"",), (("ETag", '"a"'),), 304)
    for accept in ("text/html", "*/*"):
        answer = door(settings)(not_modified, headers={"Accept": accept, "If-None-Match": own})
        assert (answer.seen["if-none-match"], answer.status, answer.get("etag")) == ('"a"', 304, own)


@both_doors
def test_no_304_stands_for_the_page_before_the_bridge(door: Door, settings: Settings) -> None:
    """A bare tag is not shown where a page is asked for; a program's 304 goes on."""
    asked = {"If-None-Match": '"a"', "If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT", "Range": "bytes=0-1"}
    for_page = door(settings)(page(), headers={**BROWSER, **asked})
    for_program = door(settings)(Site((b"",), (("ETag", '"a"'),), 304), headers={"Accept": "*/*", **asked})
    assert not {"if-none-match", "if-modified-since", "range"} & {*for_page.seen}
    assert {*map(str.lower, asked)} <= {*for_program.seen}
    assert (for_program.status, for_program.get("etag")) == (304, '"a"')


def test_puts_back_what_was_withheld(settings: Settings) -> None:
    """Once the head has come, for the layers outside."""
    asked = {
        "Accept": "text/html",
        "If-None-Match": f'"a{suffix(settings)}"',
        "Range": "bytes=0-",
        "Accept-Encoding": "br, x",
    }
    environ = environ_of(headers=asked)
    before = dict(environ)
    Server().serve(wsgi.ViafouraMiddleware(_a_page, settings), environ)
    assert {key: environ.get(key) for key in before} == before

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = scope_of(headers=asked) | {"extensions": {"http.response.pathsend": {}}}
    before = dict(scope)
    anyio.run(call, asgi.ViafouraMiddleware(application, settings), scope)
    assert scope == before


def _a_page(environ: Any, start_response: Any) -> Iterable[bytes]:
    assert environ["HTTP_IF_NONE_MATCH"] == '"a"'
    assert "HTTP_RANGE" not in environ
    start_response("200 OK", [HTML])
    return [BARE.encode()]


def test_takes_repeated_conditions(settings: Settings) -> None:
    """Two headers are one list."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = scope_of(headers=BROWSER)
    scope["headers"] = iter(
        [*scope["headers"], (b"if-none-match", b'"b"'), (b"if-none-match", f'"a{suffix(settings)}"'.encode())]
    )
    anyio.run(call, asgi.ViafouraMiddleware(application, settings), scope)
    assert [value for name, value in seen if name == b"if-none-match"] == [b'"a"']


# 12 to 16. What is held, and what is not.

BOOT = f"<script async src={LATE}>"
LEFT = [
    ("no-tag", "<p>nothing</p>"),
    ("no-tag", f"<!-- {TAG} --><template>{TAG}</script></template><textarea>{TAG}</textarea>"),
    ("no-tag", f"<svg><script id=viafoura-platform></script></svg><title>{TAG}</title>"),
    ("no-tag", f"{BOOT}</script>"),
    ("blocking", f"<script id=viafoura-platform src={LATE}></script>"),
    ("parked", "<script id=viafoura-platform type=text/plain></script>"),
    ("parked", f"{TAG.replace('<script', '<script ' + PARKED)}</script>"),
    ("csp", f"<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">{TAG}</script>"),
]


@both_doors
@pytest.mark.parametrize(("outcome", "html"), LEFT)
@pytest.mark.parametrize("is_cut", [False, True])
def test_leaves_such_pages(door: Door, viafoura: SimulatedViafoura, outcome: str, html: str, *, is_cut: bool) -> None:
    """In one piece or in several; the debug header of a complete one says why."""
    settings = settings_of(viafoura, debug_header="1")
    whole = html.encode()
    chunks = (whole[:40], whole[40:]) if is_cut and len(whole) > 40 else (whole,)
    answer = door(settings)(Site(chunks, (HTML, ("Content-Length", str(len(whole))))), headers=BROWSER)
    assert answer.body == whole
    assert answer.get("x-viafoura-mw") == (outcome if len(chunks) == 1 else "bridged")


NO_SCRIPT = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
HELD = [
    # Behind the tag, and not before it.
    (f"{BOOT}</script>{TAG}</script>{BOOT}</script>", [f"<script {PARKED} async src={LATE}>"]),
    # In no string, attribute or comment.
    (f"{TAG}</script><script>'{BOOT}'</script><p title='{BOOT}'><!-- {BOOT} -->", []),
    # What the page waits for, and what is no script.
    (f"{TAG}</script><script src={LATE}></script><script async type=text/plain src={LATE}></script>", []),
    # A second element of the same id is another script.
    (f"{TAG}</script>{TAG}</script>", []),
    # A policy behind the tag comes too late.
    (f"{TAG}</script>{NO_SCRIPT}", []),
    # In a template it is none.
    (
        f"<template>{NO_SCRIPT}</template>{TAG}</script>",
        [],
    ),
    # The id spelled with references.
    ('<SCRIPT ID="viafoura&#45;platform"></SCRIPT>', []),
]


@both_doors
@pytest.mark.parametrize(("html", "others"), HELD)
def test_holds_scripts_behind_the_tag(door: Door, settings: Settings, html: str, others: list[str]) -> None:
    """The first is the tag, with the bridge before it; then those that match."""
    for chunks in cuttings(html.encode()):
        body = door(settings)(Site(tuple(chunks), (HTML,)), headers=BROWSER).body.decode()
        assert body.count("bridge.js") == 1
        assert body.count(PARKED) == 1 + len(others)
        assert all(other in body for other in others)
        assert body.replace(opening(settings), "").replace(f" {PARKED}", "") == html


def test_warns_of_a_script_before_the_tag(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Once, and only where a tag follows."""
    get = through_wsgi(settings)
    get(page(html=f"{BOOT}</script>"), headers=BROWSER)
    assert caplog.messages == []
    for _ in range(2):
        get(page(html=f"{BOOT}</script>{TAG}</script>"), headers=BROWSER)
    assert [message for message in caplog.messages if "stands before the tag" in message] == caplog.messages[-1:]


def test_names_the_cure(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Of a tag that would block."""
    through_wsgi(settings)(page(html=LEFT[4][1]), headers=BROWSER)
    assert caplog.records[-1].levelno == logging.WARNING
    assert "give it async" in caplog.messages[-1]


@both_doors
def test_repeats_the_nonce(door: Door, settings: Settings) -> None:
    """Where a policy goes by it; and then there is no handler that the policy would refuse."""
    html = BARE.replace(TAG, TAG.replace(">", " nonce=abc>"))
    policy = ("Content-Security-Policy", "script-src 'nonce-abc' 'strict-dynamic'")
    answer = door(settings)(page(policy, html=html), headers=BROWSER)
    assert opening(settings, nonce=' nonce="abc"', handler=False) in answer.body.decode()
    assert answer.get("content-security-policy") == policy[1]


@both_doors
@pytest.mark.parametrize(
    ("name", "policy", "is_bridged"),
    [
        ("Content-Security-Policy", "script-src 'self'", True),
        ("Content-Security-Policy", "frame-ancestors 'none'", True),
        ("Content-Security-Policy", "script-src site.example", False),
        ("Content-Security-Policy", "script-src 'self', script-src 'none'", False),
        ("content-security-policy", "default-src 'none'", False),
        ("Content-Security-Policy-Report-Only", "default-src 'none'", True),
    ],
)
def test_goes_by_the_policy(door: Door, settings: Settings, name: str, policy: str, *, is_bridged: bool) -> None:
    """A page whose policy might refuse the bridge is left as it is."""
    answer = door(settings)(page((name, policy)), headers=BROWSER)
    assert (b"bridge.js" in answer.body) is is_bridged
    assert is_bridged or answer.body == BARE.encode()


NOT_LOOKED_AT = [
    page(("Content-Disposition", "attachment")),
    page(status=500),
    page(status=206),
    Site((BARE.encode(),), (("Content-Type", "application/xhtml+xml"),)),
    Site((BARE.encode(),), (("Content-Type", "text/html; charset=utf-16"),)),
    page(("Content-Encoding", "unheard-of")),
]


@both_doors
@pytest.mark.parametrize("site", NOT_LOOKED_AT)
def test_leaves_other_responses(door: Door, settings: Settings, site: Site) -> None:
    """Their bytes, their headers, their tags."""
    site = Site(site.chunks, (*site.headers, ("ETag", '"a"'), ("Content-Length", str(len(BARE)))), site.status)
    answer, bare = (door(given)(site, headers=BROWSER) for given in (settings, None))
    assert (answer.body, answer.status, [*answer.headers]) == (bare.body, bare.status, [*bare.headers])


@both_doors
@pytest.mark.parametrize("status", [404, 301, 410])
def test_bridges_pages_of_other_statuses(door: Door, settings: Settings, status: int) -> None:
    """As they would be injected."""
    assert door(settings)(page(status=status), headers=BROWSER).body == bridged(settings)


@both_doors
def test_leaves_an_unreadable_page(door: Door, settings: Settings) -> None:
    """Its meta says a charset that is no superset of ASCII; a compressed one is corrupt."""
    html = f"<meta charset=iso-2022-kr>{TAG}</script>{BOOT}</script>"
    untold = Site((html.encode(),), (("Content-Type", "text/html"),))
    assert door(settings)(untold, headers=BROWSER).body == html.encode()
    corrupt = gzip.compress(BARE.encode())[:-12] + b"x" * 12
    site = Site((corrupt,), (HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(corrupt)))))
    assert door(settings)(site, headers=BROWSER).body == corrupt


def test_gives_up_on_a_bomb(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes of one compressed page are looked through, then it is let go."""
    monkeypatch.setattr("viafoura_mw.bridge.page.MAX_DECODED", 100_000)
    bomb = gzip.compress(b" " * 300_000 + BARE.encode())
    site = Site((bomb,), (HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(bomb)))))
    assert through_wsgi(settings)(site, headers=BROWSER).body == bomb


@both_doors
@pytest.mark.parametrize("html", [LEFT[0][1], LEFT[4][1], BARE])
def test_leaves_a_compressed_page_without_need_as_it_is(door: Door, settings: Settings, html: str) -> None:
    """Its very bytes, where nothing is to be held."""
    body = gzip.compress(html.encode())
    length = ("Content-Length", str(len(body)))
    answer = door(settings)(Site((body,), (HTML, ("Content-Encoding", "gzip"), length)), headers=BROWSER)
    assert (answer.body == body) is (html != BARE)


# Where.


@both_doors
def test_is_bridged_where_the_settings_say(door: Door, viafoura: SimulatedViafoura) -> None:
    """An excluded path is never touched; a log-out page is served as any other; the rest has its pair."""
    settings = settings_of(viafoura, bridge="/news/*", exclude="/news/old*", logout_paths="/news/out")
    get = door(settings)
    for path, is_bridged in (("/news/", True), ("/news/old", False), ("/news/out", False), ("/else", False)):
        answer = get(page(), path=path, headers=BROWSER)
        assert (b"bridge.js" in answer.body) is is_bridged, path
    assert b"data-uid" in get(page(user="ann"), path="/else", headers=BROWSER).body


def test_is_bridged_by_the_whole_path(viafoura: SimulatedViafoura) -> None:
    """An application that is mounted is known by the browser's path; its address in the page is the setting's."""
    settings = settings_of(viafoura, bridge="/blog/*", bridge_path="/blog/v/")
    app = wsgi.ViafouraMiddleware(lambda _, start: (start("200 OK", [HTML]) and None) or [BARE.encode()], settings)
    for prefix, is_bridged in (("/blog", True), ("", False)):
        body = Server().serve(app, environ_of(path="/story", headers=BROWSER) | {"SCRIPT_NAME": prefix})
        assert body == (bridged(settings) if is_bridged else BARE.encode())

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": BARE.encode()})

    for root_path, path in (("/blog", "/blog/story"), ("/blog", "/story"), ("//evil", "/blog/story")):
        scope = scope_of(path=path, headers=BROWSER) | {"root_path": root_path}
        messages = anyio.run(call, asgi.ViafouraMiddleware(application, settings), scope)
        assert (messages[1]["body"] == bridged(settings)) is (root_path == "/blog")


@both_doors
def test_is_bridged_no_more(door: Door, viafoura: SimulatedViafoura) -> None:
    """``serve``: the addresses answer, and pages are what they would be without the bridge."""
    get = door(settings_of(viafoura, bridge="serve"))
    assert get(page(), headers=BROWSER).body == BARE.encode()
    assert get(page(), path="/_viafoura/bridge.js").status == 200
    assert get(page(), path="/_viafoura/bridge.js").get("content-type") == "text/javascript; charset=utf-8"


@both_doors
def test_answers_at_its_own_addresses_alone(door: Door, viafoura: SimulatedViafoura) -> None:
    """Whatever is excluded; and what else is below is the application's."""
    get = door(settings_of(viafoura, bridge="/x", bridge_path="/v/", exclude="/v/*", logout_paths="/v/*"))
    assert get(page(), path="/v/bridge.js").get("content-type") == "text/javascript; charset=utf-8"
    assert get(page(), path="/v/session").status == 405
    assert get(page(), path="/v/else").body == BARE.encode()
    assert get(page(), path="/_viafoura/bridge.js").body == BARE.encode()


def test_is_bridged_once(settings: Settings) -> None:
    """Wrapped twice, and by two machines."""
    app = wsgi.ViafouraMiddleware(lambda _, start: (start("200 OK", [HTML]) and None) or [BARE.encode()], settings)
    for _ in range(2):
        app = wsgi.ViafouraMiddleware(app, settings)
        assert Server().serve(app, environ_of(headers=BROWSER)) == bridged(settings)
    assert through_wsgi(settings)(Site((bridged(settings),)), headers=BROWSER).body == bridged(settings)


@both_doors
def test_sets_no_session_in_a_bridged_page(door: Door, viafoura: SimulatedViafoura) -> None:
    """A page that came bridged from another machine, on a path that is not bridged here, is not asked about."""
    answer = door(settings_of(viafoura, debug_header="1"))(page(user="ann"), headers=BROWSER)
    assert answer.get("x-viafoura-mw") == "bridged"
    assert b"data-uid" not in answer.body
