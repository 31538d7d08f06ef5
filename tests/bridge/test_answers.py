"""What the bridge answers itself, and to whom it answers nothing."""

import json
from collections.abc import Mapping

import pytest

from viafoura_mw.bridge.answers import Reply, answer, refusal, script_reply
from viafoura_mw.bridge.script import BridgeScript
from viafoura_mw.viafoura.client import Session

SCRIPT = BridgeScript(b"let it = 1;", "0123456789abcdef")
M = "0123456789abcdef"
OF_ONE = {
    "Cache-Control": "private, no-store",
    "CDN-Cache-Control": "no-store",
    "Surrogate-Control": "no-store",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
SAFE = {key: OF_ONE[key] for key in ("X-Content-Type-Options", "Cross-Origin-Resource-Policy")}


def refused(method: str, fields: Mapping[str, str], *, debug: bool = False) -> Reply | None:
    lower = {name.lower(): value for name, value in fields.items()}
    return refusal(method, lambda name: lower.get(name.lower()), debug=debug)


class TestTheGuard:
    """Who may ask."""

    @pytest.mark.parametrize("echo", [M, "a" * 64, "A-z_0" * 4])
    def test_lets_the_page_itself_ask(self, echo: str) -> None:
        """As bridge.js does."""
        assert refused("POST", {"X-Viafoura-Bridge": echo, "Sec-Fetch-Site": "same-origin"}) is None

    @pytest.mark.parametrize("echo", ["", "a" * 15, "a" * 65, "a" * 15 + "!", f"{M}, {M}", f"{M}\n", "ä" * 20, f" {M}"])
    def test_refuses_what_no_page_sends(self, echo: str) -> None:
        """Too short, too long, of other characters, or twice."""
        reply = refused("POST", {"X-Viafoura-Bridge": echo, "Sec-Fetch-Site": "same-origin"})
        assert reply
        assert reply.status == 403

    def test_refuses_a_question_without_the_header(self) -> None:
        """A form, an image and a beacon send none."""
        reply = refused("POST", {"Sec-Fetch-Site": "same-origin"})
        assert reply
        assert (reply.status, reply.body) == (403, b"")

    @pytest.mark.parametrize(
        "site", ["same-site", "cross-site", "none", "junk", "", "Same-Origin", "same-origin, same-origin"]
    )
    def test_refuses_pages_of_other_origins(self, site: str) -> None:
        """A sibling subdomain is one; and a right Origin does not help."""
        fields = {
            "X-Viafoura-Bridge": M,
            "Sec-Fetch-Site": site,
            "Origin": "https://site.example",
            "Host": "site.example",
        }
        reply = refused("POST", fields)
        assert reply
        assert reply.status == 403

    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("https://site.example", "site.example"),
            ("HTTPS://Site.Example", "sitE.example"),
            ("https://site.example:443", "site.example"),
            ("https://site.example", "site.example:443"),
            ("http://site.example", "site.example:80"),
            ("http://site.example:8000", "site.example:8000"),
            ("http://[::1]:8000", "[::1]:8000"),
        ],
    )
    def test_goes_by_origin_where_the_browser_says_no_more(self, origin: str, host: str) -> None:
        """Host and port are the request's."""
        assert refused("POST", {"X-Viafoura-Bridge": M, "Origin": origin, "Host": host}) is None

    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            (None, "site.example"),
            ("null", "site.example"),
            ("", "site.example"),
            ("https://site.example", None),
            ("https://other.example", "site.example"),
            ("https://site.example:8443", "site.example"),
            ("https://site.example", "site.example:80"),
            ("http://site.example:443", "site.example"),
            ("https://site.example/", "site.example"),
            ("https://me@site.example", "site.example"),
            ("ftp://site.example", "site.example"),
            ("https://site.example, https://site.example", "site.example"),
            ("https://site.example.evil.example", "site.example"),
        ],
    )
    def test_refuses_another_origin(self, origin: str | None, host: str | None) -> None:
        """Another host, another port, none at all."""
        fields = {"X-Viafoura-Bridge": M, "Origin": origin, "Host": host}
        reply = refused("POST", {name: value for name, value in fields.items() if value is not None})
        assert reply
        assert reply.status == 403

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"])
    def test_refuses_other_methods(self, method: str) -> None:
        """And no other site's preflight succeeds."""
        reply = refused(method, {"X-Viafoura-Bridge": M, "Sec-Fetch-Site": "same-origin"})
        assert reply
        assert (reply.status, dict(reply.headers)) == (405, {"Allow": "POST", **TEXT, **OF_ONE, "Content-Length": "0"})

    def test_says_so_in_the_debug_header(self) -> None:
        """Where it is wanted."""
        reply = refused("POST", {}, debug=True)
        assert reply
        assert dict(reply.headers) == {**TEXT, **OF_ONE, "Content-Length": "0", "X-Viafoura-MW": "refused"}


class TestAnAnswer:
    """The JSON and its headers."""

    def test_names_its_question(self) -> None:
        """And the pair, the id as text."""
        reply = answer(M, "signed-in", "x", pair=Session("7000000003119", "s1", 0.0), cookies=["a=b"])
        assert json.loads(reply.body) == {
            "for": M,
            "state": "signed-in",
            "user_id": "7000000003119",
            "session": "s1",
        }
        length = str(len(reply.body))
        assert dict(reply.headers) == {
            "Content-Type": "application/json",
            "Set-Cookie": "a=b",
            **OF_ONE,
            "Content-Length": length,
        }

    def test_may_have_no_pair(self) -> None:
        """Both are null."""
        reply = answer(M, "nobody", "anonymous", cookies=[], debug=True)
        assert json.loads(reply.body) == {"for": M, "state": "nobody", "user_id": None, "session": None}
        assert ("X-Viafoura-MW", "anonymous") in reply.headers

    def test_shows_nothing_of_itself(self) -> None:
        """In a log, say."""
        assert "s1" not in repr(answer(M, "signed-in", "x", pair=Session("7", "s1", 0.0), cookies=[]).body[:0])
        assert "session" not in repr(answer(M, "nobody", "x", cookies=[]))


class TestTheScript:
    """bridge.js itself."""

    def test_is_kept_for_ever_by_its_digest(self) -> None:
        """Another version has another address."""
        reply = script_reply(SCRIPT, "GET", SCRIPT.digest, "")
        assert (reply.status, reply.body) == (200, SCRIPT.body)
        assert dict(reply.headers) == {
            "Content-Type": "text/javascript; charset=utf-8",
            "Cache-Control": "public, max-age=31536000, immutable",
            "ETag": '"0123456789abcdef"',
            **SAFE,
            "Content-Length": str(len(SCRIPT.body)),
        }

    @pytest.mark.parametrize("query", ["", "0000000000000000", f"{SCRIPT.digest}&x"])
    def test_is_kept_for_a_minute_otherwise(self, query: str) -> None:
        """A page of another version, during a deploy."""
        assert dict(script_reply(SCRIPT, "GET", query, "").headers)["Cache-Control"] == "public, max-age=60"

    def test_is_asked_for_by_head(self) -> None:
        """The same, without a body."""
        reply, full = (script_reply(SCRIPT, method, SCRIPT.digest, "") for method in ("HEAD", "GET"))
        assert (reply.status, reply.headers, reply.body) == (200, full.headers, b"")

    @pytest.mark.parametrize("asked", [f'"{SCRIPT.digest}"', f'"x", W/"{SCRIPT.digest}"', "*"])
    def test_is_not_sent_twice(self, asked: str) -> None:
        """A 304 says what would be said."""
        reply = script_reply(SCRIPT, "GET", SCRIPT.digest, asked)
        assert (reply.status, reply.body) == (304, b"")
        assert dict(reply.headers)["ETag"] == f'"{SCRIPT.digest}"'

    @pytest.mark.parametrize("asked", ['"x"', "junk", SCRIPT.digest])
    def test_is_sent_for_another(self, asked: str) -> None:
        """A tag that it has not."""
        assert script_reply(SCRIPT, "GET", "", asked).status == 200

    @pytest.mark.parametrize("method", ["POST", "OPTIONS", "PUT"])
    def test_is_only_read(self, method: str) -> None:
        """And the refusal is kept by nobody."""
        reply = script_reply(SCRIPT, method, "", "")
        assert (reply.status, dict(reply.headers)) == (
            405,
            {"Allow": "GET, HEAD", **TEXT, **OF_ONE, "Content-Length": "0"},
        )
