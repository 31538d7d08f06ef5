"""The validators of a bridged page: there and back."""

from collections.abc import Mapping

import pytest

from viafoura_mw.bridge.sharing import conditions, shared, suffix_of, unmodified

VF = suffix_of("0123456789abcdef")
OLD = "-vfdeadbeef"
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


def test_the_suffix_is_of_the_version() -> None:
    """Of the script, the settings and the way in which pages are parked."""
    assert VF == "-vf01234567"


@pytest.mark.parametrize(
    ("etag", "coded", "expected"),
    [
        ('"a"', False, f'"a{VF}"'),
        ('W/"a"', False, f'W/"a{VF}"'),
        ('"a"', True, f'W/"a{VF}"'),
        ('W/"a"', True, f'W/"a{VF}"'),
        ('""', False, f'"{VF}"'),
        ("junk", False, "junk"),
        ('"a', True, '"a'),
    ],
)
def test_an_etag_gets_the_suffix(etag: str, *, coded: bool, expected: str) -> None:
    """Before its closing quote; weak where the page is compressed again."""
    assert shared([("ETag", etag)], VF, coded=coded, changed=False, length=None) == [("ETag", expected)]


def test_what_is_told_of_the_bytes_goes_with_them() -> None:
    """And nothing else."""
    told = [(name, "x") for name in ("Accept-Ranges", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest")]
    kept = [("Cache-Control", "public"), ("Vary", "*"), ("Last-Modified", DATE), ("Set-Cookie", "a=b")]
    length = ("Content-Length", "5")

    assert shared([*told, *kept, length], VF, coded=False, changed=True, length=7) == [*kept, ("Content-Length", "7")]
    assert shared([*told, *kept, length], VF, coded=False, changed=True, length=None) == kept
    assert shared([*told, *kept, length], VF, coded=False, changed=False, length=None) == [*told, *kept, length]


#: Accept names text/html; the request's conditions; what the application sees of those that change.
ROWS: list[tuple[bool, Mapping[str, str], Mapping[str, str | None]]] = [
    (True, {}, {}),
    (True, {"If-None-Match": f'"a{VF}"'}, {"If-None-Match": '"a"'}),
    (True, {"If-None-Match": f'W/"a{VF}"'}, {"If-None-Match": 'W/"a"'}),
    (True, {"If-None-Match": '"a"'}, {"If-None-Match": None}),
    (True, {"If-None-Match": f'"a{OLD}"'}, {"If-None-Match": None}),
    (True, {"If-None-Match": "*"}, {"If-None-Match": None}),
    (True, {"If-None-Match": "junk"}, {"If-None-Match": None}),
    (True, {"If-None-Match": f'"b", W/"a{VF}", "c{VF}"'}, {"If-None-Match": 'W/"a", "c"'}),
    (True, {"If-None-Match": f'"b, c{VF}"'}, {"If-None-Match": '"b, c"'}),
    (True, {"If-None-Match": '"a"', "If-Modified-Since": DATE}, {"If-None-Match": None, "If-Modified-Since": None}),
    (True, {"If-None-Match": f'"a{VF}"', "If-Modified-Since": DATE}, {"If-None-Match": '"a"'}),
    (True, {"If-Modified-Since": DATE}, {}),
    (True, {"Range": "bytes=0-"}, {"Range": None}),
    (True, {"Range": "bytes=0-", "If-Range": DATE}, {"Range": None, "If-Range": None}),
    (False, {"If-None-Match": '"a"'}, {}),
    (False, {"If-None-Match": "*"}, {}),
    (False, {"If-None-Match": "junk", "If-Modified-Since": DATE}, {}),
    (False, {"If-None-Match": f'"b", "a{VF}"'}, {"If-None-Match": '"a", "b"'}),
    (False, {"Range": "bytes=0-"}, {}),
    (False, {"Range": "bytes=0-", "If-Range": '"a"'}, {}),
    (False, {"Range": "bytes=0-", "If-Range": f'"a{VF}"'}, {"Range": None, "If-Range": None}),
]


@pytest.mark.parametrize(("wants_html", "fields", "changed"), ROWS)
def test_no_304_stands_for_another_page(
    fields: Mapping[str, str], changed: Mapping[str, str | None], *, wants_html: bool
) -> None:
    """The application sees tags of its own, and where a page is asked for only those of this version."""
    assert conditions("GET", fields, VF, wants_html=wants_html).changed == changed


def test_a_head_keeps_its_range() -> None:
    """Which means nothing there."""
    assert conditions("HEAD", {"Range": "bytes=0-"}, VF, wants_html=True).changed == {}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_other_methods_conditions_stay(method: str) -> None:
    """They guard what is written."""
    assert conditions(method, {"If-None-Match": "*", "Range": "x"}, VF, wants_html=True).changed == {}


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (f'"a{VF}"', '"a"', f'"a{VF}"'),
        (f'W/"a{VF}"', '"a"', f'W/"a{VF}"'),
        (f'"a{VF}"', 'W/"a"', f'"a{VF}"'),
        (f'"a{VF}", "b"', '"b"', '"b"'),
        (f'"a{VF}"', "junk", "junk"),
    ],
)
def test_a_304_names_the_tag_that_was_asked_for(asked: str, answered: str, expected: str) -> None:
    """As the request spelled it; any other stays."""
    spelled = conditions("GET", {"If-None-Match": asked}, VF, wants_html=False).spelled
    headers = [("ETag", answered), ("Cache-Control", "public")]
    assert unmodified(headers, spelled) == [("ETag", expected), ("Cache-Control", "public")]
