"""What a request says: paths, cookies, codings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw import Settings
from viafoura_mw.response.request import RequestRules, narrowed

UNDERSTOOD = ("gzip", "deflate", "br")


def rules(**fields: Any) -> RequestRules:
    return RequestRules(Settings(site_id="site", api_key="key", **fields))


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

    def test_logs_nobody_out_by_a_preflight(self) -> None:
        """A browser that asks whether it may log out does not log out (Fetch, "CORS-preflight fetch")."""
        out = rules(logout_paths=("/logout",))
        assert [out.is_logout(method, "/logout") for method in ("POST", "GET", "OPTIONS")] == [True, True, False]

    def test_has_no_logout_paths_by_default(self) -> None:
        """No path logs out unless it is named."""
        assert not rules().is_logout("POST", "/logout")

    @given(st.text(min_size=1), st.text())
    def test_takes_any_glob(self, glob: str, path: str) -> None:
        """Whatever is written is a glob, and never an error or a warning."""
        assert rules(include=(glob, "/*")).includes(f"/{path}")


class TestAuthCookies:
    """The cookies by which the site knows a signed-in user."""

    def test_are_all_but_analytics_and_ours_by_default(self) -> None:
        """A visitor with only analytics cookies keeps answers of 304."""
        analytics = "_ga=1; _ga_X=1; _gid=2; _gcl_au=3; _fbp=4; _hjid=5; _pk_id.1=6; __utma=7"
        assert rules().auth_cookies(f"{analytics}; viafoura_mw=8") == []
        assert rules().auth_cookies(f"sid=a=b; {analytics};csrf=c") == ["sid=a=b", "csrf=c"]

    def test_are_those_that_are_named(self) -> None:
        """Globs, with their case."""
        cookies = "sessionid=1; session=2; SESSIONID=3; _ga=4"
        assert rules(auth_cookies=("session*", "_ga")).auth_cookies(cookies) == ["sessionid=1", "session=2", "_ga=4"]

    def test_are_never_ours(self) -> None:
        """Our cookie comes with the first page: the browser is the same without it and with it."""
        assert rules(auth_cookies=("*",)).auth_cookies("a=1; viafoura_mw=x") == ["a=1"]

    def test_know_ours_by_its_very_name(self) -> None:
        """A name is no glob, even where its characters would make one."""
        assert rules(cookie_name="v*").auth_cookies("v*=1; visit=2") == ["visit=2"]

    @pytest.mark.parametrize("junk", ["", ";", "; ;", " = ", "=", "\x00", ";" * 9999])
    def test_never_fail(self, junk: str) -> None:
        """A ``Cookie`` header is whatever a client sends."""
        assert len(rules().auth_cookies(junk)) <= 1


class TestBrowser:
    """The digest that tells one signed-in browser from another."""

    def test_is_the_same_for_the_same_cookies(self) -> None:
        """In whatever order, with whatever else."""
        some = rules()
        assert some.browser("a=1; b=2; _ga=3", "") == some.browser("viafoura_mw=x; b=2;a=1", "")

    @pytest.mark.parametrize(
        ("cookies", "authorization"), [("a=2", ""), ("a=1; b=", ""), ("", ""), ("a=1", "Basic x"), ("A=1", "")]
    )
    def test_is_another_for_others(self, cookies: str, authorization: str) -> None:
        """After another sign-in, the site's cookie is another."""
        some = rules()
        assert some.browser("a=1", "") != some.browser(cookies, authorization)

    @given(st.text(), st.text())
    def test_never_fails_and_never_shows_a_cookie(self, cookies: str, authorization: str) -> None:
        """It is a digest, of any text."""
        assert len(rules().browser(cookies, authorization)) == 32

    def test_takes_lone_surrogates(self) -> None:
        """Servers decode headers as they like."""
        assert rules().browser("a=\udcff", "\ud800")


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
