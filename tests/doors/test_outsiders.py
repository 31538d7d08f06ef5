"""Faults that outsiders found with the contract in hand, through the doors: each with the sentence that it broke."""

import contextlib
import gzip
import time
from typing import Any

import anyio
import pytest

from tests.support.doors import HTML, PAGE, TAG, Get, Site, both_doors, call, environ_of, scope_of
from tests.support.pairs import BROWSER, PAIR, Door
from tests.support.thoroughness import matrix
from tests.support.wsgi_server import Server, signed_in
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.testing import Fault, SimulatedViafoura

DECLARES = b"<meta charset=iso-2022-jp>"


def test_a_list_that_is_rewritten_is_not_given_back_as_it_was(settings: Settings) -> None:
    """§5: applications give lists, and no validator of the tests' stands between."""
    server = Server()
    assert PAIR.search(server.serve(wsgi.ViafouraMiddleware(signed_in([PAGE]), settings)))


@pytest.mark.parametrize("chunks", [(PAGE,), (PAGE[:60], PAGE[60:]), (b"<p>", PAGE)])
@pytest.mark.parametrize("declared", [True, False])
def test_trailers_lose_what_describes_the_page_as_it_was(
    settings: Settings, chunks: tuple[bytes, ...], *, declared: bool
) -> None:
    """§6: ETag and digests are removed, in trailers as well."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        start: dict[str, Any] = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/html")],
        }
        await send({**start, "trailers": True} if declared else {**start, "trailers": 1})
        for number, chunk in enumerate(chunks, 1):
            await send({"type": "http.response.body", "body": chunk, "more_body": number < len(chunks)})
        fields = [(b"etag", b'"1"'), (b"content-digest", b"z"), (b"server-timing", b"db")]
        await send({"type": "http.response.trailers", "headers": fields})

    scope = {**scope_of(headers=BROWSER), "user": "ann"}
    sent = anyio.run(call, asgi.ViafouraMiddleware(app, settings), scope)
    assert PAIR.search(b"".join(message.get("body", b"") for message in sent))
    assert sent[-1]["headers"] == [(b"server-timing", b"db")]


@pytest.mark.parametrize("takes", [True, False])
def test_the_server_judges_a_second_head_without_an_error(settings: Settings, *, takes: bool) -> None:
    """§5: what a server takes bare it takes wrapped; some go by the last head."""

    class Lenient(Server):
        def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if takes:
                self.heads.clear()
            return super().start_response(status, headers, exc_info)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [HTML])
        start_response("404 Not Found", [HTML])
        return [PAGE]

    server = Lenient()
    if takes:
        assert server.serve(wsgi.ViafouraMiddleware(app, settings)) == PAGE
        assert [status for status, _ in server.heads] == ["404 Not Found"]
    else:
        with pytest.raises(AssertionError, match="already set"):
            server.serve(wsgi.ViafouraMiddleware(app, settings))


@matrix
@both_doors
@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("before", [b"", DECLARES, b"\x1b(J", b"-" * 1100 + DECLARES + b"\x1b$B"])
@pytest.mark.parametrize("behind", [b"", DECLARES])
def test_a_charset_decides_alike_however_the_page_is_cut(
    door: Door, settings: Settings, coding: str, before: bytes, behind: bytes
) -> None:
    """§5: however the body is cut into chunks, the result is the same."""
    page = before + TAG + behind
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html"),)
    if coding == "gzip":
        page, headers = gzip.compress(page, mtime=0), (*headers, ("Content-Encoding", "gzip"))
    get = door(settings)
    cuttings = [(page,), *((page[:cut], page[cut:]) for cut in range(1, len(page), 7))]
    bodies = [_body(get, cutting, headers) for cutting in cuttings]
    assert {b"data-sid" in body for body in bodies} == {not before}


def _body(get: Get, chunks: tuple[bytes, ...], headers: tuple[tuple[str, str], ...]) -> bytes:
    body = get(Site(user="ann", chunks=chunks, headers=headers), headers=BROWSER).body
    return gzip.decompress(body) if len(headers) > 1 else body


@pytest.mark.parametrize("name", [b"x-viafoura-proxy-secret", b"X-Viafoura-Proxy-Secret"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_proxys_secret_reaches_no_application(viafoura: SimulatedViafoura, name: bytes, kind: str) -> None:
    """§3: the header is removed on every path, excluded ones and websockets too."""
    secret = "a-secret-of-the-proxy"
    environ = {**viafoura.environ(), "VIAFOURA_PROXY_SECRET": secret, "VIAFOURA_EXCLUDE": "/*"}
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])

    scope = {**scope_of(), "type": kind, "headers": [(name, secret.encode()), (b"x-other", b"1")]}
    anyio.run(call, asgi.ViafouraMiddleware(app, Settings.from_env(environ)), scope)
    assert seen == [(b"x-other", b"1")]


@both_doors
def test_two_response_headers_that_differ_name_nobody(door: Door, viafoura: SimulatedViafoura) -> None:
    """§1: what is not known is not guessed."""
    settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_USER_ID": "response:X-Site-User"})
    get = door(settings)
    for users, is_known in ((("ann", "ben"), False), (("ann", "ann"), True)):
        site = Site(headers=(HTML, *(("X-Site-User", user) for user in users)))
        assert (b"data-sid" in get(site, headers=BROWSER).body) is is_known
    assert {*viafoura.users} == {"ann"}


@both_doors
def test_the_first_page_of_a_process_names_the_preset(door: Door, viafoura: SimulatedViafoura) -> None:
    """§4: the preset that auto means is named by the debug header, from the first response on."""
    settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_DEBUG_HEADER": "1"})
    said = door(settings)(Site(), headers=BROWSER).get("x-viafoura-mw") or ""
    assert said in ("anonymous; preset=remote-user", "anonymous; preset=scope")


@both_doors
@pytest.mark.parametrize(("status", "ends"), [(300, False), (304, False), (305, False), (303, True)])
def test_only_a_redirect_of_a_log_out_page_signs_out(
    door: Door, viafoura: SimulatedViafoura, status: int, *, ends: bool
) -> None:
    """§7: for a GET a redirect, or an answer whose own user is not there any more."""
    get = door(Settings.from_env({**viafoura.environ(), "VIAFOURA_LOGOUT_PATHS": "/out"}))
    cookie = get(Site(user="ann"), headers=BROWSER).cookie or ""
    site = Site(user="ann", status=status, chunks=(b"",), headers=() if status == 304 else (HTML,))
    out = get(site, path="/out", headers={**BROWSER, "Cookie": cookie})
    assert (out.get("set-cookie") is not None) is ends


@both_doors
def test_a_page_and_a_frame_without_the_user_that_come_together_cost_no_storm(
    door: Door, settings: Settings, viafoura: SimulatedViafoura
) -> None:
    """§4: who was logged in again within a minute is not logged out that way again for an hour."""
    get = door(settings)
    cookie = get(Site(user="ann"), headers=BROWSER).cookie or ""
    for _ in range(12):
        get(Site(), headers={**BROWSER, "Cookie": cookie})  # the frame; the page's own cookie lands behind its
        cookie = get(Site(user="ann"), headers={**BROWSER, "Cookie": cookie}).cookie or cookie
    viafoura.wait_for("logout")
    assert (viafoura.count("login"), viafoura.count("logout")) == (2, 1)


@pytest.mark.parametrize("kind", ["iframe", "frame", "object", "embed", "fencedframe"])
@both_doors
def test_no_frame_signs_out_where_the_cookie_goes_everywhere(
    door: Door, viafoura: SimulatedViafoura, kind: str
) -> None:
    """§7: in a frame on another site the site's own cookies may stay behind."""
    get = door(Settings.from_env({**viafoura.environ(), "VIAFOURA_COOKIE_SAMESITE": "none"}))
    cookie = get(Site(user="ann"), headers=BROWSER).cookie or ""
    framed = get(Site(), headers={**BROWSER, "Cookie": cookie, "Sec-Fetch-Dest": kind})
    assert framed.cookie is None


def test_fields_of_more_than_two_members_are_taken(settings: Settings) -> None:
    """§5: uWSGI takes such fields bare."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [("Content-Type", "text/html", "x")])
        return [b"<p>no tag"]

    server = Server()
    assert server.serve(wsgi.ViafouraMiddleware(app, settings)) == b"<p>no tag"
    fields: Any = server.heads[0][1]
    assert fields == [("Content-Type", "text/html", "x")]


@pytest.mark.parametrize("key", ["HTTP_COOKIE", "HTTP_ACCEPT"])
def test_a_key_that_an_outer_layer_emptied_is_none(settings: Settings, key: str) -> None:
    """§1: nothing breaks the page."""
    environ = {**environ_of(headers=BROWSER), key: None}
    assert Server().serve(wsgi.ViafouraMiddleware(signed_in([PAGE]), settings), environ)


@both_doors
def test_a_late_login_of_a_changed_user_serves_their_next_page(door: Door, viafoura: SimulatedViafoura) -> None:
    """§7: the next page finds the result by the mark of the waiting cookie."""
    patient, hasty = (
        door(Settings.from_env({**viafoura.environ(), "VIAFOURA_TIMEOUT": seconds, "VIAFOURA_COOKIE_SECRET": "s" * 32}))
        for seconds in ("30", "0.05")
    )
    ann = patient(Site(user="ann"), headers=BROWSER)
    viafoura.fail("login", Fault.hang())
    cookie, found = ann.cookie or "", None
    until = time.monotonic() + 30
    while viafoura.count("login") < 2 and time.monotonic() < until:
        late = hasty(Site(user="ben"), headers={**BROWSER, "Cookie": cookie})
        with contextlib.suppress(TimeoutError):  # on a busy machine, a login whose turn comes too late is not made
            viafoura.wait_for("login", 2, timeout=1.0)
    viafoura.heal()
    count = viafoura.count("login")
    cookie = late.cookie or ""
    while found is None and time.monotonic() < until:
        page = hasty(Site(user="ben"), headers={**BROWSER, "Cookie": cookie})
        cookie, found = page.cookie or cookie, PAIR.search(page.body)
    assert found
    assert int(found[1]) == viafoura.users["ben"].user_id
    assert viafoura.count("login") == count
