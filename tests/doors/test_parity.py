"""Every promise that is the same for WSGI and ASGI, through both doors, against a Viafoura over real HTTP."""

import re
from dataclasses import replace

import pytest

from tests.support.doors import HTML, PAGE, TAG, Site, both_doors, through_asgi, through_wsgi
from tests.support.pairs import BROWSER, PAIR, Door, pair_in
from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura

META_ISO_2022_JP = b'<meta charset="iso-2022-jp">'
CONDITIONAL = {"If-None-Match": '"1"', "If-Modified-Since": "x", "If-Range": '"1"', "Range": "bytes=0-1"}


@both_doors
class TestSignedIn:
    """A user whom the site has authenticated."""

    def test_gets_their_own_pair_in_the_tag(self, door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
        """The tag carries the Viafoura user and a live session of the site's own user."""
        site = Site(user="ann", headers=(HTML, ("Content-Length", str(len(PAGE)))))
        answer = door(settings)(site, headers=BROWSER)
        user_id, session = pair_in(answer.body)
        assert viafoura.users["ann"].user_id == int(user_id)
        assert session in viafoura.sessions
        assert answer.get("content-length") == str(len(answer.body))

    def test_costs_one_token_and_one_login(self, door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
        """The first page makes two calls, the second none."""
        get = door(settings)
        first = get(Site(user="ann"), headers=BROWSER)
        second = get(Site(user="ann"), headers={**BROWSER, "Cookie": first.cookie or ""})
        assert [call.kind for call in viafoura.calls] == ["token", "login"]
        assert pair_in(first.body) == pair_in(second.body)
        assert second.cookie is None

    def test_keeps_the_session_in_another_process(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura
    ) -> None:
        """Processes share nothing but the secret; the cookie is enough."""
        first = door(settings)(Site(user="ann"), headers=BROWSER)
        second = door(settings)(Site(user="ann"), headers={**BROWSER, "Cookie": first.cookie or ""})
        assert viafoura.count("login") == 1
        assert pair_in(first.body) == pair_in(second.body)

    def test_makes_the_response_private(self, door: Door, settings: Settings) -> None:
        """No cache may keep a page with a session; the site's other headers stay, in their order."""
        headers = (
            ("X-First", "1"),
            HTML,
            ("Content-Length", str(len(PAGE))),
            ("ETag", '"abc"'),
            ("Cache-Control", "public, max-age=60"),
            ("CDN-Cache-Control", "max-age=600"),
            ("Set-Cookie", "site=1; Path=/"),
            ("X-Last", "2"),
        )
        answer = door(settings)(Site(user="ann", headers=headers), headers=BROWSER)
        left = [(name.lower(), value) for name, value in answer.headers]
        cookie, ours = left.pop(5)  # ahead of the site's
        assert (cookie, ours.split("=")[0]) == ("set-cookie", "viafoura_mw")
        assert left == [
            ("x-first", "1"),
            ("content-type", HTML[1]),
            ("content-length", str(len(answer.body))),
            ("cache-control", "private, no-cache"),
            ("cdn-cache-control", "no-store"),
            ("set-cookie", "site=1; Path=/"),
            ("x-last", "2"),
            ("vary", "Cookie"),
        ]

    def test_sets_a_cookie_that_scripts_and_other_sites_cannot_use(self, door: Door, settings: Settings) -> None:
        """HttpOnly, SameSite=Lax, the life that is left; Secure when the request came over https."""
        get = door(settings)
        plain = (get(Site(user="ann"), headers=BROWSER).get("set-cookie") or "").lower()
        https = get(Site(user="ben"), headers={**BROWSER, "X-Forwarded-Proto": "https"}).get("set-cookie") or ""
        assert {"path=/", "httponly", "samesite=lax"} <= set(plain.split("; "))
        assert 39_590 <= int(re.search(r"max-age=(\d+)", plain)[1]) <= 39_600  # type: ignore[index]
        assert "secure" not in plain.split("; ")
        assert "secure" in https.lower().split("; ")

    def test_gets_the_pair_in_a_page_that_comes_in_pieces(self, door: Door, settings: Settings) -> None:
        """With and without a cookie, a page in pieces carries the pair."""
        get = door(settings)
        site = Site(user="ann", chunks=(PAGE[:60], PAGE[60:70], PAGE[70:]))
        first = get(site, headers=BROWSER)
        second = get(site, headers={**BROWSER, "Cookie": first.cookie or ""})
        assert pair_in(first.body) == pair_in(second.body)
        assert first.get("content-length") is None
        assert second.get("content-length") is None

    def test_is_told_apart_from_another_user(self, door: Door, settings: Settings) -> None:
        """A cookie of one user's is never believed for another."""
        get = door(settings)
        ann = get(Site(user="ann"), headers=BROWSER)
        ben = get(Site(user="ben"), headers={**BROWSER, "Cookie": ann.cookie or ""})
        assert pair_in(ann.body)[0] != pair_in(ben.body)[0]
        assert ben.cookie is not None

    @pytest.mark.parametrize("tag", [b"", b"<!--" + TAG + b"-->", b"<textarea>" + TAG])
    def test_makes_no_call_without_the_tag(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura, tag: bytes
    ) -> None:
        """A page without the tag is the site's own, byte for byte, and costs no call."""
        site = Site(user="ann", chunks=(b"<p>page</p>" + tag,), headers=(HTML, ("ETag", '"1"')))
        answer = door(settings)(site, headers=BROWSER)
        bare = door(None)(site, headers=BROWSER)
        assert (answer.headers, answer.chunks) == (bare.headers, bare.chunks)
        assert viafoura.calls == ()


@both_doors
class TestUntouched:
    """Responses that are none of our business."""

    @pytest.mark.parametrize(
        "site",
        [
            Site(),
            Site(chunks=(PAGE[:50], PAGE[50:])),
            Site(user="ann", headers=(("Content-Type", "application/json"), ("ETag", '"1"')), chunks=(b"{}",)),
            Site(user="ann", status=500),
            Site(user="ann", headers=(HTML, ("Content-Disposition", "attachment"))),
            Site(user="ann", headers=(("Content-Type", "text/html; charset=utf-16"),)),
            Site(user="ann", headers=(HTML, ("Content-Encoding", "unknown"))),
            Site(user="ann", headers=(("Content-Type", "text/html"),), chunks=(META_ISO_2022_JP + PAGE,)),
        ],
    )
    def test_are_the_application_s_chunk_for_chunk(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura, site: Site
    ) -> None:
        """Status, headers, their order and the chunks are those of the bare site."""
        answer, bare = door(settings)(site, headers=BROWSER), door(None)(site, headers=BROWSER)
        assert (answer.status, answer.headers, answer.chunks) == (bare.status, bare.headers, bare.chunks)
        assert viafoura.calls == ()

    def test_on_excluded_paths(self, door: Door, settings: Settings) -> None:
        """A path that is not included, or is excluded, is never touched."""
        get = door(replace(settings, include=("/news/*",), exclude=("/news/raw/*",)))
        assert get(Site(user="ann"), path="/other", headers=BROWSER).body == PAGE
        assert get(Site(user="ann"), path="/news/raw/1", headers=BROWSER).body == PAGE
        pair_in(get(Site(user="ann"), path="/news/1", headers=BROWSER).body)

    def test_when_disabled(self, door: Door) -> None:
        """VIAFOURA_ENABLED=0 needs no other variable and calls the application directly."""
        answer = door(Settings.from_env({"VIAFOURA_ENABLED": "0"}))(Site(user="ann"), headers=BROWSER)
        assert answer.body == PAGE


@both_doors
class TestRequest:
    """What the application sees of a request."""

    @pytest.mark.parametrize(
        "sign",
        [
            {"Cookie": "sessionid=1"},
            {"Authorization": "Basic x"},
            {"Cookie": "viafoura_mw=junk"},
            {"Cookie": "sessionid=1", "Accept": "application/json, Text/HTML"},
            {"Cookie": "sessionid=1", "Accept": "*/*", "HX-Request": "true"},
        ],
    )
    def test_withholds_conditions_from_a_page_that_may_be_a_signed_in_user_s(
        self, door: Door, settings: Settings, sign: dict[str, str]
    ) -> None:
        """No 304 and no 206 for a page that must now carry a session, and only codings that can be read."""
        asked = {**BROWSER, **sign, **CONDITIONAL, "Accept-Encoding": "gzip, compress"}
        seen = door(settings)(Site(), headers=asked).seen
        assert not {name.lower() for name in CONDITIONAL} & seen.keys()
        assert seen["accept-encoding"] == "gzip"

    @pytest.mark.parametrize(
        "asked",
        [
            {**BROWSER, "Cookie": "_ga=1; _gid=2; AWSALB=3; OptanonConsent=4; __cf_bm=5; csrftoken=6; _vfa=7"},
            {"Accept": "*/*", "Cookie": "sessionid=1"},
            {"Accept": "application/json", "Cookie": "sessionid=1", "HX-Request": "true"},
            BROWSER,
        ],
    )
    def test_is_the_client_s_otherwise(self, door: Door, settings: Settings, asked: dict[str, str]) -> None:
        """Visitors with only analytics cookies, and requests for other things than pages, keep their 304s."""
        asked = {**asked, **CONDITIONAL, "Accept-Encoding": "compress"}
        seen = door(settings)(Site(), headers=asked).seen
        assert seen == {name.lower(): value for name, value in asked.items()}

    def test_keeps_conditions_of_other_methods(self, door: Door, settings: Settings) -> None:
        """A conditional POST stays one; only its codings are narrowed."""
        asked = {**BROWSER, "Cookie": "sessionid=1", "If-Match": '"1"', "Range": "x", "Accept-Encoding": "br;q=1, zz"}
        seen = door(settings)(Site(), method="POST", headers=asked).seen
        assert seen["range"] == "x"
        assert "zz" not in seen["accept-encoding"]


@both_doors
class TestFailingViafoura:
    """Whatever Viafoura does, the visitor gets the page."""

    def test_serves_the_page_when_viafoura_is_down(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura
    ) -> None:
        """A refused connection costs nothing but the session."""
        viafoura.close()
        site = Site(user="ann", headers=(HTML, ("ETag", '"1"')))
        answer, bare = door(settings)(site, headers=BROWSER), door(None)(site, headers=BROWSER)
        assert (answer.headers, answer.chunks) == (bare.headers, bare.chunks)


@both_doors
class TestLeaving:
    """A user who leaves the site leaves Viafoura."""

    def test_logs_out_when_the_user_is_gone(self, door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
        """A page with the tag and no user clears the cookie and ends the session at Viafoura."""
        get = door(settings)
        first = get(Site(user="ann"), headers=BROWSER)
        gone = get(Site(), headers={**BROWSER, "Cookie": first.cookie or ""})
        assert gone.body == PAGE
        assert "max-age=60" in (gone.get("set-cookie") or "").lower()
        viafoura.wait_for("logout")
        assert viafoura.sessions == {}

    def test_logs_out_on_the_site_s_own_log_out_page(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura
    ) -> None:
        """A redirect from a log-out page is enough."""
        get = door(replace(settings, logout_paths=("/logout*",)))
        first = get(Site(user="ann"), headers=BROWSER)
        redirect = Site(status=302, headers=(("Content-Type", "text/plain"), ("Location", "/")), chunks=(b"",))
        gone = get(redirect, path="/logout/", headers={"Cookie": first.cookie or ""})
        assert gone.status == 302
        assert "max-age=60" in (gone.get("set-cookie") or "").lower()
        viafoura.wait_for("logout")


@both_doors
class TestResponseSource:
    """The header that an application sets on its response to say who the user is."""

    SITE = Site(headers=(HTML, ("X-Site-User", "ann")))

    def test_names_the_user_and_is_removed(self, door: Door, viafoura: SimulatedViafoura) -> None:
        """The browser never sees it, and its page carries the pair."""
        settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_USER_ID": "response:X-Site-User"})
        answer = door(settings)(self.SITE, headers=BROWSER)
        pair_in(answer.body)
        assert answer.get("x-site-user") is None
        assert "ann" in viafoura.users

    @pytest.mark.parametrize("more", [{"VIAFOURA_EXCLUDE": "/*"}, {"VIAFOURA_ENABLED": "0"}])
    def test_is_removed_where_nothing_else_is_touched(
        self, door: Door, viafoura: SimulatedViafoura, more: dict[str, str]
    ) -> None:
        """On excluded paths, and when disabled, the header does not leave either."""
        settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_USER_ID": "response:X-Site-User", **more})
        answer = door(settings)(self.SITE, headers=BROWSER)
        assert answer.body == PAGE
        assert answer.get("x-site-user") is None


@pytest.mark.parametrize("cookie", [True, False])
def test_gives_the_same_page_through_both_doors_wherever_it_is_cut(settings: Settings, cookie: bool) -> None:
    """Every cutting of a page, with and without a cookie, gives the same bytes through both doors."""
    wsgi_door, asgi_door = through_wsgi(settings), through_asgi(settings)
    first = wsgi_door(Site(user="ann"), headers=BROWSER)
    asked = {**BROWSER, "Cookie": first.cookie or ""} if cookie else BROWSER
    for cut in range(1, len(PAGE)):
        site = Site(user="ann", chunks=(PAGE[:cut], PAGE[cut:]))
        bodies = [door(site, headers=asked).body for door in (wsgi_door, asgi_door)]
        assert all(map(PAIR.search, bodies)) or not cookie
        assert [PAIR.sub(TAG, body) for body in bodies] == [PAGE, PAGE], cut


@both_doors
class TestHeaderSource:
    """A request header that a proxy in front sets."""

    @pytest.mark.parametrize(
        ("sent", "signed_in"),
        [
            ({"X-User": "ann", "X-Viafoura-Proxy-Secret": "proof-of-the-proxy"}, True),
            ({"X-User": "ann"}, False),
            ({"X-User": "ann", "X-Viafoura-Proxy-Secret": "guess"}, False),
            ({"X-User": "ann, ben", "X-Viafoura-Proxy-Secret": "proof-of-the-proxy"}, False),
            ({"X-Viafoura-Proxy-Secret": "proof-of-the-proxy"}, False),
        ],
    )
    def test_is_believed_once_and_only_with_the_secret(
        self, door: Door, viafoura: SimulatedViafoura, sent: dict[str, str], signed_in: bool
    ) -> None:
        """One value from a proxy that proves itself; and the application never sees the proof."""
        proxy = {"VIAFOURA_USER_ID": "header:X-User", "VIAFOURA_PROXY_SECRET": "proof-of-the-proxy"}
        answer = door(Settings.from_env({**viafoura.environ(), **proxy}))(Site(), headers={**BROWSER, **sent})
        assert (PAIR.search(answer.body) is not None) is signed_in
        assert "x-viafoura-proxy-secret" not in answer.seen

    @pytest.mark.parametrize(
        ("forwarded", "signed_in"),
        [
            ({}, True),
            ({"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1;by=203.0.113.9"}, True),
            ({"X-Forwarded-For": "203.0.113.9"}, False),
            ({"Forwarded": 'for="203.0.113.9:80"'}, False),
            ({"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=203.0.113.9"}, False),
        ],
    )
    def test_is_not_believed_by_an_address_that_the_request_names(
        self, door: Door, viafoura: SimulatedViafoura, forwarded: dict[str, str], signed_in: bool
    ) -> None:
        """The server may have taken the peer's address from there, where any visitor can write it."""
        proxy = {"VIAFOURA_USER_ID": "header:X-User", "VIAFOURA_TRUSTED_PROXIES": "203.0.113.9"}
        headers = {**BROWSER, "X-User": "ann", **forwarded}
        answer = door(Settings.from_env({**viafoura.environ(), **proxy}))(Site(), headers=headers)
        assert (PAIR.search(answer.body) is not None) is signed_in
