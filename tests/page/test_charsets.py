"""Which pages can be read as ASCII (contract §5): by the header, a byte order mark, or a declaration in the page."""

import codecs
import sys
import time
from types import FrameType

import pytest

from viafoura_mw.page import charsets
from viafoura_mw.page.charsets import ascii_superset, readable

SUPERSETS = (
    "utf-8",
    "UTF-8",
    " utf8\t",
    "us-ascii",
    "ISO-8859-1",
    "windows-1252",
    "Shift_JIS",
    "euc-kr",
    "gb18030",
    "big5",
)
OTHERS = ("utf-16", "UTF-16LE", "unicode", "utf-32", "iso-2022-jp", "utf-7", "hz-gb-2312", "iso-2022-kr", "cp037")
ASCII = bytes(range(128))


@pytest.mark.parametrize("label", SUPERSETS)
def test_reads_supersets_of_ascii(label: str) -> None:
    """A label of a charset in which ASCII bytes mean ASCII is recognised in any case, with space around it."""
    assert ascii_superset(label)


@pytest.mark.parametrize(
    "label", [*OTHERS, "replacement", "idna", "raw_unicode_escape", "rot13", "nonsense", "", "x" * 9999]
)
def test_does_not_read_other_charsets(label: str) -> None:
    """A label of another charset, of a codec that is none, or of nothing is no superset of ASCII."""
    assert not ascii_superset(label)


def test_knows_every_label_of_the_encoding_standard() -> None:
    """The labels are those of the WHATWG Encoding Standard: all, and no others."""
    labels = pytest.importorskip("webencodings.labels").LABELS
    others = {"utf-16le", "utf-16be", "iso-2022-jp", "replacement"}

    for label, encoding in labels.items():
        assert ascii_superset(label) == (encoding not in others), label
        assert readable(None, b"<meta charset='%b'>" % label.encode()) == (encoding not in others), label


@pytest.mark.parametrize(
    "declaration",
    [
        b"<meta charset=%b>",
        b"<META a='>' CHARSET\n=\t'\f %b '>",
        b"<meta http-equiv=content-type content='charset charset; charset = \"%b\"'>",
        b"<meta http-equiv=content-type content=charset=%b;x>",
        b"<meta charset=nonsense><p charset=utf-8><meta charset = " + b" " * 500 + b'"%b"/>',
    ],
)
def test_overlooks_no_label_of_another_charset(declaration: bytes) -> None:
    """However a page declares a charset that cannot be read, the short look at it does not pass it over."""
    for label in charsets._OTHERS:
        assert not readable(None, declaration % label.encode()), label
        assert not readable(None, declaration % label.upper().encode()), label


@pytest.mark.parametrize(
    "page",
    [
        b"<meta charset=utf-8>",
        b"<!doctype html><title>In 2022</title><a href=/2022-11-03/>unicode</a>" + b"<link rel=preload>" * 60,
        b"<meta http-equiv=content-type content='text/html; charset=utf-8'><p>",
    ],
)
def test_does_not_read_a_page_tag_by_tag_that_declares_nothing_else(page: bytes) -> None:
    """A page in which nothing can be declared but a superset of ASCII costs a few searches of its first kilobyte."""
    calls = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        found = readable(None, page[:1024])
    finally:
        sys.setprofile(None)

    assert found
    assert calls < 30


def test_agrees_with_pythons_codecs() -> None:
    """A superset of ASCII that Python knows too decodes ASCII bytes to ASCII characters."""
    for label in SUPERSETS:
        assert codecs.decode(ASCII, label.strip()) == ASCII.decode("ascii")


@pytest.mark.parametrize(
    "start",
    [b"\xff\xfe<\0h\0", b"\xfe\xff\0<\0h", b"\xff\xfe\0\0<\0\0\0", b"\0\0\xfe\xff\0\0\0<", b"<\0?\0x\0", b"\0<\0?\0x"],
)
def test_does_not_read_a_page_that_begins_as_utf_16_or_utf_32(start: bytes) -> None:
    """A byte order mark, or an XML declaration of two bytes a character, means that ASCII bytes are not ASCII."""
    assert not readable(None, start)


def test_lets_a_byte_order_mark_win_over_the_header() -> None:
    """A byte order mark has the last word, as in browsers, over the header and over the page."""
    assert not readable("utf-8", b"\xff\xfe<\0")
    assert readable("iso-2022-jp", b"\xef\xbb\xbf<html>")
    assert readable(None, b"\xef\xbb\xbf<meta charset=iso-2022-jp>")


def test_lets_the_header_win_over_the_page() -> None:
    """A charset in the header decides, whatever the page says, and an unknown one is no superset of ASCII."""
    assert readable("utf-8", b"<meta charset=iso-2022-jp>")
    assert not readable("iso-2022-jp", b"<meta charset=utf-8>")
    assert not readable("nonsense", b"<meta charset=utf-8>")


@pytest.mark.parametrize(
    "page",
    [
        b"<meta charset=iso-2022-jp>",
        b"<!doctype html><html lang=ja><head><META\nCHARSET = 'ISO-2022-JP' /></head>",
        b'<meta charset=" iso-2022-jp ">',
        b'<meta/charset="iso-2022-jp">',
        b"<meta charset=utf-16>",
        b"<meta charset=nonsense><meta charset=iso-2022-jp>",
        b"<meta charset=iso-2022-jp charset=utf-8>",
        b'<meta http-equiv=Content-Type content="text/html; charset=ISO-2022-JP">',
        b"<meta content='charset charset = \"iso-2022-jp\"; x' http-equiv='content-type'>",
        b"<meta http-equiv=content-type content=\"charset='iso-2022-jp'\">",
        b'<meta http-equiv=content-type content="charset=utf-8" charset=iso-2022-jp>',
        b"<!--><meta charset=iso-2022-jp>",
        b"<!-- > --><?pi?></p></ x><!x><<meta charset=iso-2022-jp>",
        b"<a title='>' b=\">\" = c=d/e><meta charset=iso-2022-jp>",
        b"<script>'<meta charset=iso-2022-jp>'</script>",
        b'<?xml version="1.0" encoding="iso-2022-jp"?><html>',
        b"<?xml version='1.0' encoding = 'iso-2022-jp'?><html>",
    ],
)
def test_does_not_read_a_page_that_declares_another_charset(page: bytes) -> None:
    """Without a charset in the header, the first declaration that a browser's prescan finds and knows decides."""
    assert not readable(None, page)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<!doctype html><title>news</title><meta charset=utf-8>",
        b"<meta charset=utf-8><meta charset=iso-2022-jp>",
        b"<meta charset=x-user-defined>",
        b"<meta charset=utf-32>",
        b"<meta charset>",
        b"<meta charset=>",
        b"<metas charset=iso-2022-jp>",
        b"</meta charset=iso-2022-jp>",
        b"<!-- <meta charset=iso-2022-jp> -->",
        b"<!-- <meta charset=iso-2022-jp>",
        b"<a title='<meta charset=iso-2022-jp>'>",
        b"<a title='<meta charset=iso-2022-jp>",
        b"<a<meta charset=iso-2022-jp>",
        b"<meta charset=iso-2022-jp",
        b"<meta charset=iso-2022-jp ",
        b"<? <meta charset=iso-2022-jp",
        b'<meta content="text/html; charset=iso-2022-jp">',
        b'<meta http-equiv=refresh content="0; charset=iso-2022-jp">',
        b"<meta http-equiv=content-type>",
        b"<meta http-equiv=content-type content=text/html>",
        b'<meta http-equiv=content-type content="charset=\'iso-2022-jp">',
        b'<meta http-equiv=content-type content="charset=iso-2022-jp" charset=nonsense>',
        b'<?xml version="1.0" encoding="iso-2022-jp"?><meta charset=utf-8>',
        b' <?xml version="1.0" encoding="iso-2022-jp"?>',
    ],
)
def test_reads_a_page_that_declares_no_other_charset(page: bytes) -> None:
    """What a browser's prescan passes over, or does not know, leaves a guess, which is a superset of ASCII."""
    assert readable(None, page)


@pytest.mark.parametrize(
    "family", [b"<a ", b"<!--", b"<", b'<a b="', b"<meta ", b"<meta a='", b"charset= ", b" ", b"/", b"<?xml encoding ="]
)
@pytest.mark.parametrize("start", [b"", b"<meta ", b'<meta http-equiv=content-type content="charset=', b"<?xml "])
def test_reads_a_hostile_page_in_linear_time(start: bytes, family: bytes) -> None:
    """A hostile page a hundred times as long as the prescan ever reads takes less than a second."""
    page = start + family * (100_000 // len(family))
    begun = time.perf_counter()

    assert readable(None, page)
    assert time.perf_counter() - begun < 1
