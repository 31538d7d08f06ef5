"""The guard: one test for each reason not to act."""

import pytest

from viafoura_mw.log import Notices
from viafoura_mw.response.guard import Looked, can_sign_out, look, page_type

HTML = ("Content-Type", "text/html")


def looked(*headers: tuple[str, str], method: str = "GET", status: int = 200) -> Looked | None:
    return look(method, status, [HTML, *headers], Notices())


@pytest.mark.parametrize("status", [0, 100, 101, 204, 205, 206, 304, 500, 503])
def test_passes_a_status_that_has_no_whole_page(status: int) -> None:
    """Informational, bodiless, partial and server-error responses, and what is no status, are never looked at."""
    assert looked(status=status) is None


@pytest.mark.parametrize("status", [200, 201, 301, 401, 404, 499])
def test_looks_at_a_status_that_may_have_a_page(status: int) -> None:
    """Error pages below 500 are pages."""
    assert looked(status=status) is not None


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Type", "application/json"),
        ("Content-Type", "application/xhtml+xml"),
        ("Content-Type", "text/html; charset=utf-16"),
        ("Content-Type", 'TEXT/HTML; Charset="ISO-2022-JP"'),
        ("Content-Disposition", "Attachment; filename=page.html"),
        ("Content-Encoding", "compress"),
        ("Content-Encoding", "gzip, gzip"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
    ],
)
def test_passes_what_is_not_a_readable_page(header: tuple[str, str]) -> None:
    """Other media types, downloads, unreadable charsets, unknown codings and a framing of the application's own."""
    headers = [header] if header[0] == "Content-Type" else [HTML, header]
    assert look("GET", 200, headers, Notices()) is None


def test_passes_a_page_without_a_media_type() -> None:
    """What nobody calls a page is none."""
    assert look("GET", 200, [], Notices()) is None


def test_joins_a_coding_that_stands_on_two_lines() -> None:
    """Neither the first nor the last line is all of it (RFC 9110 §5.3)."""
    assert looked(("Content-Encoding", "gzip"), ("content-encoding", "br")) is None
    assert looked(("Content-Encoding", ""), ("Content-Encoding", "gzip")) is not None


def test_passes_a_response_to_head() -> None:
    """A response to HEAD has no body to look at."""
    assert looked(method="HEAD") is None


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html", None),
        ("Text/HTML; charset=UTF-8", "UTF-8"),
        ('text/html;charset="latin1"', "latin1"),
        ("text/html; level=1; charset=utf-8", "utf-8"),
    ],
)
def test_looks_at_html_in_any_spelling(content_type: str, charset: str | None) -> None:
    """The media type is compared without regard to case and parameters."""
    assert look("GET", 200, [("content-type", content_type)], Notices()) == Looked("identity", charset, None)


def test_remembers_no_type_of_a_visitors_length() -> None:
    """A site may send back the type that a visitor sent: what is remembered is short."""
    assert page_type("text/html;" + "x" * 10_000) == (True, None, True)
    assert page_type("text/html;" + "x" * 10_000) is not page_type("text/html;" + "x" * 10_000)
    assert page_type("text/html;x") is page_type("text/html;x")


@pytest.mark.parametrize(("length", "known"), [("12", 12), (" 12 ", 12), ("", None), ("-1", None), ("12, 12", None)])
def test_knows_a_length_only_where_it_is_one(length: str, known: int | None) -> None:
    """A length that is no number is no length."""
    found = looked(("Content-Length", length))
    assert found is not None
    assert found.length == known


@pytest.mark.parametrize(
    ("method", "site", "purpose", "can"),
    [
        ("GET", "", "", True),
        ("POST", "same-origin", "", True),
        ("GET", "none", "", True),
        ("GET", "same-site", "", True),
        ("HEAD", "", "", False),
        ("OPTIONS", "", "", False),
        ("GET", "cross-site", "", False),
        ("POST", "Cross-Site", "", False),
        ("GET", "", "prefetch", False),
        ("GET", "", "prefetch;prerender", False),
        ("GET", "", "Prerender", False),
        ("GET", "", "preview", False),
    ],
)
def test_tells_a_wish_to_sign_out(method: str, site: str, purpose: str, can: bool) -> None:
    """A prefetch, HEAD, a preflight and another site's request are no wish of the user's."""
    assert can_sign_out(method, site, ("", purpose)) is can
