"""What a request says: paths, cookies, codings."""

import re
import warnings
from base64 import b64encode
from collections import Counter
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw.response import request
from viafoura_mw.response.known_cookies import BY_SOURCE, NO_SIGN_IN
from viafoura_mw.response.request import (
    LONGEST,
    RequestRules,
    is_speculative,
    narrowed,
    says_https,
    wants_html,
)

UNDERSTOOD = ("gzip", "deflate", "br")


def rules(**fields: Any) -> RequestRules:
    return RequestRules(**{"cookie_name": "viafoura_mw", **fields})


def told(cookies: str, **fields: Any) -> bool:
    return rules(**fields).may_be_signed_in_by(cookies)


class TestPaths:
    """``VIAFOURA_INCLUDE``, ``VIAFOURA_EXCLUDE``, ``VIAFOURA_LOGOUT_PATHS``."""

    @pytest.mark.parametrize("path", ["/", "/a/b", "", "*", "/ä\n"])
    def test_includes_everything_by_default(self, path: str) -> None:
        """No path need even be made for the default."""
        assert rules().includes(path)
        assert not rules().looks_at_paths
        assert not rules().knows_logout_paths

    @pytest.mark.parametrize(
        ("glob", "path", "matches"),
        [
            ("/news/*", "/news/", True),
            ("/news/*", "/news/a/b.html", True),
            ("/news/*", "/news", False),
            ("/news/*", "/News/a", False),
            ("/news/*", "/x/news/a", False),
            ("/news", "/news/", False),
            ("*.html", "/a/b.html", True),
            ("*.html", "/a/b.html\n", False),
            ("/a?c", "/abc", True),
            ("/a?c", "/a/c", True),
            ("/[ab]", "/b", True),
            ("/[!ab]", "/b", False),
            ("/a.b", "/axb", False),
            ("/für/*", "/für/alle", True),
            ("/a*b*c*d*e", "/" + "a" * 5000, False),
        ],
    )
    def test_matches_the_whole_path_with_its_case(self, glob: str, path: str, matches: bool) -> None:
        """``*`` crosses a slash; a hostile path costs no more than its length."""
        assert rules(include=(glob,)).includes(path) is matches
        assert rules(exclude=(glob,)).includes(path) is not matches
        assert rules(logout_paths=(glob,)).is_logout("GET", path) is matches

    def test_excludes_what_is_also_included(self) -> None:
        """The exception is stronger than the rule."""
        some = rules(include=("/a/*", "/b/*"), exclude=("*/raw", "/b/c"))
        assert [some.includes(path) for path in ("/a/x", "/b/x", "/a/raw", "/b/c", "/c")] == [
            True,
            True,
            False,
            False,
            False,
        ]

    def test_logs_nobody_out_by_a_question(self) -> None:
        """Who asks whether they may log out (Fetch, "CORS-preflight fetch"), or about the page, does not log out."""
        out = rules(logout_paths=("/logout",))
        methods = ("POST", "GET", "DELETE", "OPTIONS", "HEAD")
        assert [out.is_logout(method, "/logout") for method in methods] == [True, True, True, False, False]

    @pytest.mark.parametrize(
        ("location", "leads_back"),
        [
            ("/logout/", True),
            ("logout/", True),
            ("/logout?next=%2F", True),
            ("/log%6Fut/", True),
            ("https://site.example/logout", True),
            ("//www.site.example:8443/logout/", True),
            ("/", False),
            ("?next=%2F", True),
            ("/logout/done", False),
            ("/de/logout/", False),
            ("https://sso.example/logout", False),
            ("app://site.example/logout", False),
            ("https://[/logout", False),
        ],
    )
    def test_knows_a_log_out_page_by_another_spelling_of_its_address(self, location: str, leads_back: bool) -> None:
        """A site that appends a slash, or redirects to https, has not signed anybody out by that."""
        out = rules(logout_paths=("/logout*",))
        assert out.leads_back("/logout", "site.example", location) is leads_back

    def test_counts_a_redirect_to_what_is_no_log_out_page(self) -> None:
        """The page at that address is not looked at: this redirect is all that tells of the sign-out."""
        assert not rules(logout_paths=("/logout",)).leads_back("/logout", "site.example", "/logout/")

    def test_has_no_logout_paths_by_default(self) -> None:
        """No path logs out unless it is named."""
        assert not rules().is_logout("POST", "/logout")

    @given(st.text(min_size=1), st.text())
    def test_takes_any_glob(self, glob: str, path: str) -> None:
        """Whatever is written is a glob, and never an error or a warning."""
        assert rules(include=(glob, "/*")).includes(f"/{path}")


class TestAuthCookies:
    """The cookies by which the site knows a signed-in user."""

    def test_are_all_but_the_well_known_and_ours_by_default(self) -> None:
        """A visitor with only analytics, consent, bot walls' and load balancers' cookies keeps answers of 304."""
        visitor = (
            "_ga=1; _ga_X=1; _gid=2; _gcl_au=3; _fbp=4; _hjid=5; _pk_id.1=6; __utma=7; OptanonConsent=a; "
            "OptanonAlertBoxClosed=b; AWSALB=c; AWSALBCORS=d; ARRAffinity=e; ARRAffinitySameSite=f; _clck=g; _clsk=h; "
            "__cf_bm=i; cf_clearance=j; ak_bmsc=k; bm_sz=l; datadome=m; csrftoken=n; _vfa=o; _vfb=p; _vfz=q"
        )
        assert not told(f"{visitor}; viafoura_mw=8")
        assert told(f"{visitor};sid=c")
        assert not told("")

    @pytest.mark.parametrize(
        "name",
        [
            "sessionid",
            "session",
            "sid",
            "remember_token",
            "auth_tkt",
            "beaker.session.id",
            "PHPSESSID",
            "JSESSIONID",
            "ASP.NET_SessionId",
            ".AspNetCore.Cookies",
            "laravel_session",
            "wordpress_logged_in_5c0f",
            "connect.sid",
            "__Secure-next-auth.session-token",
            "__session",
            "sb-abc-auth-token",
            "_oauth2_proxy",
            "_oauth2_proxy_0",
            "authelia_session",
            "mod_auth_openidc_session",
            "_shibsession_64656661",
            "AWSELBAuthSessionCookie-0",
            "AppServiceAuthSession",
            "CF_Authorization",
            "NSC_AAAC",
            "__Host-GCP_IAP_AUTH_TOKEN_ABC",
            "access_token_cookie",
            "__utp",
            "_GA",
            "g_ga",
        ],
    )
    def test_are_any_that_sign_users_in(self, name: str) -> None:
        """No well-known name is that of a cookie by which sites, frameworks or proxies know a signed-in user."""
        assert told(f"_ga=1; {name}=x")

    def test_have_a_source_for_each_that_is_none(self) -> None:
        """Each name stands once, below a page that tells of it; no glob is wide enough to match just anything."""
        assert all(source.startswith("https://") for source in BY_SOURCE)
        assert [name for name, times in Counter(NO_SIGN_IN).items() if times > 1] == []
        assert all(re.match(r"[\w.-]{2}", glob) for glob in NO_SIGN_IN)

    def test_are_those_that_are_named(self) -> None:
        """Globs, with their case; what is named counts, well known or not."""
        named = ("session*", "_ga")
        cookies = ("sessionid=1", "session=2", "SESSIONID=3", "_ga=4", "other=5")
        assert [told(cookie, auth_cookies=named) for cookie in cookies] == [True, True, False, True, False]

    def test_are_the_frameworks_own(self) -> None:
        """Where the framework names its session cookie, that is the one; until it can, any unknown one is."""
        names = ["", "sessionid"]
        some = rules(session_cookie=lambda: names[0])
        before = [some.may_be_signed_in_by(cookies) for cookies in ("sessionid=1", "session=1", "_ga=1")]
        del names[0]
        after = [some.may_be_signed_in_by(cookies) for cookies in ("sessionid=1", "session=1", "_ga=1")]
        assert (before, after) == ([True, True, False], [True, False, False])

    def test_are_those_that_are_named_rather_than_the_frameworks(self) -> None:
        """Who sets the variable knows the site."""
        assert not told("sessionid=1", auth_cookies=("sso",), session_cookie=lambda: "sessionid")
        assert told("sso=1", auth_cookies=("sso",), session_cookie=lambda: "sessionid")

    def test_are_never_ours(self) -> None:
        """Our cookie comes with the first page: the browser is the same without it and with it."""
        assert not told("viafoura_mw=x", auth_cookies=("*",))
        assert told("a=1; viafoura_mw=x", auth_cookies=("*",))

    def test_know_ours_by_its_very_name(self) -> None:
        """A name is no glob, even where its characters would make one."""
        assert not told("v*=1", cookie_name="v*")
        assert told("v*=1; visit=2", cookie_name="v*")

    @pytest.mark.parametrize("junk", ["", ";", "; ;", " = ", "=", "=x; =y", ";" * 9999])
    def test_are_not_in_junk(self, junk: str) -> None:
        """A ``Cookie`` header is whatever a client sends; what has no name is no cookie."""
        assert not told(junk)


def basic(credentials: str) -> str:
    return f"Basic {b64encode(credentials.encode()).decode()}"


class TestBrowser:
    """The digest that tells one signed-in browser from another."""

    def test_is_the_same_for_the_same_cookies(self) -> None:
        """In whatever order, how often ever, with whatever else."""
        some = rules()
        assert some.browser("a=1; b=2; _ga=3", "") == some.browser("viafoura_mw=x; b=2;a=1; AWSALB=4; a=1", "")

    @pytest.mark.parametrize(
        ("cookies", "authorization"),
        [("a=2", ""), ("a=1; b=", ""), ("", ""), ("a=1", "Basic x"), ("A=1", ""), ("a=1\0", ""), ("", "a=1")],
    )
    def test_is_another_for_others(self, cookies: str, authorization: str) -> None:
        """After another sign-in, the site's cookie is another."""
        some = rules()
        assert some.browser("a=1", "") != some.browser(cookies, authorization)

    @pytest.mark.parametrize(("cookies", "authorization"), [("", ""), ("_ga=1; viafoura_mw=x", " "), (";;", "\t")])
    def test_is_none_where_nothing_tells_browsers_apart(self, cookies: str, authorization: str) -> None:
        """A login's result then serves only the requests that waited for it."""
        assert rules().browser(cookies, authorization) == b""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (basic("ann:secret"), basic("ann:another")),
            (basic("ann:secret"), f"bAsIc {basic('ann:')[6:]}"),
            ('Digest username="ann", nonce="1", nc=00000001', 'Digest nonce="2", nc=00000002, username="ann"'),
            ("Digest username*=UTF-8''ann, nc=1", "digest  UserName* = UTF-8''ann,nc=2"),
            ("Negotiate YIIJ", "negotiate oYIB"),
            ("Bearer eyJ.a", "Bearer eyJ.b"),
            ("Basic ?", "Basic !"),
            ("Basic \udcff", "Basic YQ"),
            ("Digest nonce=1", "Digest nonce=2"),
        ],
    )
    def test_goes_by_the_scheme_and_the_user(self, one: str, other: str) -> None:
        """What changes with each request, or with each hour, does not make another browser of the same one."""
        assert rules().browser("", one) == rules().browser("", other) != b""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (basic("ann:x"), basic("ben:x")),
            (basic("ann:x"), "Bearer ann"),
            (basic("ann:x"), 'Digest username="ann"'),
            ('Digest username="ann"', 'Digest username="ben"'),
            ('Digest username="a\\"n", x=1', 'Digest username="a\\"b", x=1'),
        ],
    )
    def test_is_another_for_another_user_or_scheme(self, one: str, other: str) -> None:
        """Who signs in anew as another is another browser."""
        assert rules().browser("a=1", one) != rules().browser("a=1", other)

    @given(st.text(), st.text())
    def test_never_fails_and_never_shows_a_cookie(self, cookies: str, authorization: str) -> None:
        """It is a digest, of any text."""
        assert len(rules().browser(cookies, authorization)) in (0, 32)

    def test_takes_lone_surrogates(self) -> None:
        """Servers decode headers as they like."""
        assert rules().browser("a=\udcff", "\ud800")
        assert rules().browser("a=\udcff" * LONGEST, "\ud800")


class TestHtml:
    """Requests for pages."""

    @pytest.mark.parametrize(
        ("accept", "hx_request", "wants"),
        [
            ("text/html,application/xhtml+xml,*/*;q=0.8", "", True),
            ("Text/HTML", "", True),
            ("application/json, TEXT/HTML;q=0.1", "", True),
            ("*/*", "", False),
            ("text/*", "", False),
            ("", "", False),
            ("application/json", "", False),
            ("*/*", "true", True),
            ("*/*", " True ", True),
            ("text/*;q=0.5", "true", True),
            ("", "true", True),
            ("*/*", "false", False),
            ("*/*", "1", False),
            ("application/json", "true", False),
            ("text/html", "false", True),
        ],
    )
    def test_name_it_or_are_htmx(self, accept: str, hx_request: str, wants: bool) -> None:
        """``*/*`` is what scripts and pictures send as well; htmx says who it is."""
        assert wants_html(accept, hx_request) is wants


@pytest.mark.parametrize(
    ("sec_purpose", "speculative"),
    [("", False), ("prefetch", True), ("prefetch;prerender", True), ("Prerender", True), ("video", False)],
)
def test_knows_who_asks_before_a_click(sec_purpose: str, speculative: bool) -> None:
    """A page that is fetched in advance is nobody's sign-out (WICG, "Prerendering Revamped")."""
    assert is_speculative(sec_purpose) is speculative


@pytest.mark.parametrize(
    ("forwarded_proto", "https"),
    [("https", True), (" HTTPS ", True), ("https, http", True), ("http,https", False), ("", False), ("httpss", False)],
)
def test_goes_by_the_clients_own_protocol(forwarded_proto: str, https: bool) -> None:
    """Of several proxies the first one spoke with the client."""
    assert says_https(forwarded_proto) is https


class TestNarrowing:
    """``Accept-Encoding``, narrowed to what is understood."""

    @pytest.mark.parametrize(
        ("accepted", "narrow"),
        [
            ("gzip, deflate, br, zstd", "gzip, deflate, br"),
            ("zstd", "identity"),
            ("", "identity"),
            (" , ,", "identity"),
            ("gzip", "gzip"),
            ("GZip;Q=0.5", "GZip;Q=0.5"),
            ("x-gzip", "x-gzip"),
            ("compress, x-compress, gzip;q=0.1", "gzip;q=0.1"),
            ("gzip;q=0, br", "gzip;q=0, br"),
            ("identity;q=0.5, gzip;q=1", "identity;q=0.5, gzip;q=1"),
            ("*", "gzip, deflate, br"),
            ("*;q=0.2", "gzip;q=0.2, deflate;q=0.2, br;q=0.2"),
            ("br;q=1.0, *;q=0.1", "br;q=1.0, gzip;q=0.1, deflate;q=0.1"),
            ("gzip, *;q=0", "gzip, deflate;q=0, br;q=0"),
            ("x-gzip;q=0, *", "x-gzip;q=0, deflate, br"),
            ("zstd, identity;q=0", "identity"),
            ("zstd, *;q=0", "identity"),
            ("gzip;q=0", "identity"),
            ("GZIP;Q=0.0", "identity"),
            ("gzip ; q = 0.000 , zstd", "identity"),
            ("gzip;q=0.001", "gzip;q=0.001"),
            ("dcb, dcz, gzip", "gzip"),
            ("gzip, GZIP;q=0.5, x-gzip, br, br", "gzip, br"),
            ("*;q=0.5, *;q=0.1", "gzip;q=0.5, deflate;q=0.5, br;q=0.5"),
            ("gzip;q=1, gzip;q=0", "gzip;q=1"),
        ],
    )
    def test_names_what_is_understood_with_its_weight(self, accepted: str, narrow: str) -> None:
        """RFC 9110 §12.5.3; where nothing is left, a page without a coding is better than an error."""
        assert narrowed(accepted, UNDERSTOOD) == narrow

    @given(st.text(alphabet="gzip*br,;=q01. \tid", max_size=60))
    def test_never_names_anything_else(self, accepted: str) -> None:
        """Whatever a client sends, the application is offered nothing that is not understood."""
        members = [member.partition(";")[0].strip().lower() for member in narrowed(accepted, UNDERSTOOD).split(",")]
        assert {*members} <= {*UNDERSTOOD, "identity", "x-gzip"}
        assert members


class TestHostileRequests:
    """What a visitor sends costs in proportion to its length, and nothing is remembered by it."""

    @pytest.mark.parametrize("size", [LONGEST + 1, 4_000_000])
    @pytest.mark.parametrize("piece", ["_ga=1;", "a;", ";", "a", "viafoura_mw=1;", "=", '"', "_ga\0;"])
    def test_cookies_too_long_for_a_browser_are_not_taken_apart(
        self, size: int, piece: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Four megabytes of them are looked at as often as none: the site may have to answer them anyhow."""
        some, cookies = rules(), (piece * size)[:size]
        monkeypatch.setattr(RequestRules, "_sign_in_cookies", None)  # raises if it is called
        assert some.may_be_signed_in_by(cookies)
        assert some.browser(cookies, "") == some.browser(cookies, "") != some.browser(f"{cookies}b", "")
        assert some.browser("", cookies) == some.browser("", cookies) != some.browser(cookies, "")

    @pytest.mark.parametrize("known", [True, False])
    def test_each_cookie_is_judged_once_at_most(self, known: bool) -> None:
        """Thousands of cookies are thousands of questions, and of one name that signs in only the first is asked."""
        asked: list[str] = []

        class Name(str):
            __slots__ = ()

            def __eq__(self, other: object) -> bool:
                asked.append(str(other))
                return not known

            __hash__ = str.__hash__

        some = rules(session_cookie=lambda: Name("sessionid"))
        count = LONGEST // 8
        assert some.may_be_signed_in_by(";".join(f"c{number:05}" for number in range(count))) is not known
        assert len(asked) == (count if known else 1)

    def test_globs_never_try_a_path_again_from_its_start(self) -> None:
        """Each ``*`` but the last is possessive, and no repeat stands in a repeat: nothing multiplies."""
        for glob in ("/" + "*a" * 30, "/*x*?*[!a]*y", "*" * 50, "/*" * 20 + "z", *NO_SIGN_IN):
            assert _is_linear(translate(glob)), glob

    def test_a_pattern_that_multiplies_is_known(self) -> None:
        """The check above can fail."""
        assert not _is_linear("(?s:/.*a.*a.*a)\\Z")
        assert not _is_linear("(?:a*)*b")

    @pytest.mark.parametrize(
        "accept_encoding",
        [
            "*," * 500_000,
            "gzip," * 500_000,
            "gzip;q=0." + "0" * 500_000,
            "*;q=" + " " * 500_000,
            ";" * 500_000,
            ",".join(f"x{number}" for number in range(100_000)),
        ],
    )
    def test_accept_encoding_is_answered_in_a_few_words(self, accept_encoding: str) -> None:
        """The application is not sent more for a header than the header's first part."""
        assert len(narrowed(accept_encoding, UNDERSTOOD)) < 4000

    def test_nothing_long_is_remembered(self) -> None:
        """What is remembered of visitors is bounded in bytes: by entries, and by their length."""
        long = "gzip;q=0.5" + " " * 300
        assert narrowed(long, UNDERSTOOD) is not narrowed(long, UNDERSTOOD)
        assert narrowed("gzip;q=0.5", UNDERSTOOD) is narrowed("gzip;q=0.5", UNDERSTOOD)
        remembering = [value for value in vars(request).values() if hasattr(value, "cache_info")]
        assert remembering == []  # of lru_cache itself there is none here

    @pytest.mark.parametrize(
        "credentials", ['username="' * 6000, "username=" * 6000, ", " * 30_000, 'username="\\' * 6000, "\t" * 60_000]
    )
    def test_authorization_is_read_once(self, credentials: str) -> None:
        """No quote that is left open, nor any number of commas, makes it be read from its start again."""
        assert _is_linear(request._USERNAME.pattern)
        assert len(rules().browser("", f"Digest {credentials}")) == 32


def _is_linear(pattern: str) -> bool:
    """Whether a pattern, as Python's own parser reads it, has no two repeats that could share the same characters.

    Repeats that are possessive, or inside of an atomic group, have one way to match. One that is neither may stand
    once in a pattern, and not inside of another. It cannot see what alternatives have in common.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the parser being private
        from re import _parser as parser  # type: ignore[attr-defined]
    return _open_repeats(parser.parse(pattern)) <= 1


def _open_repeats(tree: Any) -> int:
    count = 0
    for operation, argument in tree:
        match str(operation):
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, inner = argument
                fixed = low == high or high == 1
                count += _open_repeats(inner) * (1 if fixed else 2) + (0 if fixed else 1)
            case "POSSESSIVE_REPEAT":
                count += _open_repeats(argument[2])
            case "ATOMIC_GROUP":
                count += max(0, _open_repeats(argument) - 1)  # one is tried until it fits, and never again
            case "SUBPATTERN":
                count += _open_repeats(argument[-1])
            case "BRANCH":
                count += max(map(_open_repeats, argument[1]))
    return count
