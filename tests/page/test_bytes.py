"""Contract §5: however a body is cut, the result is the same, and no byte is lost, in each coding, on each way out."""

import gzip
import io
import random
import zlib
from collections.abc import Iterable

import pytest

from tests.support.html_cuttings import REALISTIC, cut_in_any_way, cut_in_few, cut_in_two, cut_small, hostile
from tests.support.thoroughness import matrix, tries
from viafoura_mw.page.codings import Beside, CodingError, decoder, encoder, understood
from viafoura_mw.page.html import Scanner, find, with_session
from viafoura_mw.page.rewriter import Page
from viafoura_mw.viafoura.client import Session

SESSION = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", 0.0)
CODINGS = ("identity", "gzip", "deflate", "br", "zstd")


@pytest.fixture(params=CODINGS)
def coding(request: pytest.FixtureRequest) -> str:
    """Each coding for which this machine has a library."""
    if request.param not in ("identity", *understood()):
        pytest.skip(f"no library for {request.param}")
    return str(request.param)


def set_in(page: bytes) -> bytes:
    """What a page, or what came of it, is to become."""
    place = find(page)
    if place is None:
        return page
    start, end = place
    return page[:start] + with_session(page[start:end], SESSION.user_id, SESSION.id) + page[end:]


def check_scanner(page: bytes, pieces: Iterable[bytes]) -> None:
    """Whatever a scanner gives out, and holds, is at each step what it was fed, and the tag is where it is."""
    scanner, out, fed, found = Scanner(), b"", b"", None
    for piece in pieces:
        fed += piece
        cut = scanner.feed(piece)
        if cut.tag is not None:
            found = (len(out + cut.before), len(out + cut.before + cut.tag))
        out += b"".join((cut.before, cut.tag or b"", cut.after))
        assert fed.startswith(out)
        assert len(fed) - len(out) <= 65_536
    assert out + scanner.end() == fed == page
    assert scanner.end() == b""
    assert found == find(page)


def read(coding: str, body: bytes) -> bytes:
    """What a body decodes to, as far as it goes."""
    stream, out = decoder(coding), b""
    try:
        for piece in stream.decode(body):
            out += b"" if isinstance(piece, Beside) else piece
    except CodingError:
        pass
    return out


def through(coding: str, pieces: list[bytes], looked_at: int, ending: str) -> bytes:
    """What a page gives of a body of which so many pieces were looked at before it was rewritten."""
    page = Page(coding, "utf-8")
    for piece in pieces[:looked_at]:
        page.look_at(piece)
    complete = looked_at == len(pieces) and ending == "complete"
    out = page.rewritten(pieces[:looked_at], SESSION, ended=complete)
    for piece in pieces[looked_at:]:
        out += page.passed(piece)
    if ending == "broken off":
        out += page.broken_off()
    elif not complete:
        out += page.ended()
    assert all(out)
    return b"".join(out)


def check_page(coding: str, page: bytes, pieces: list[bytes], looked_at: int, ending: str = "ended") -> None:
    """A body in pieces, of which so many were looked at before, becomes what the whole page becomes."""
    assert read(coding, through(coding, pieces, looked_at, ending)) == set_in(page), (pieces, looked_at, ending)


def coded(coding: str, pieces: Iterable[bytes]) -> list[bytes]:
    """The pieces compressed, so that each can be read when it has come."""
    stream = encoder(coding)
    out = [stream.encode(piece) + stream.flush() for piece in pieces]
    return [*out[:-1], out[-1] + stream.finish()]


@pytest.mark.parametrize("page", REALISTIC.values(), ids=REALISTIC)
def test_the_scanner_loses_nothing_of_a_realistic_page(page: bytes) -> None:
    """Pages of several scripts, cut in two at every byte and at random in few and in many pieces, stay whole."""
    source = random.Random(1)

    for pieces in cut_in_two(page):
        check_scanner(page, pieces)
    for pieces in cut_in_few(page, source, tries(500)):
        check_scanner(page, pieces)
    for _ in range(tries(50)):
        check_scanner(page, cut_small(page, source))


def test_the_scanner_loses_nothing_of_a_hostile_page() -> None:
    """Hostile pages in pieces of all sizes stay whole."""
    source = random.Random(2)

    for page in hostile(source, tries(3_000)):
        check_scanner(page, cut_in_any_way(page, source))


@matrix
@pytest.mark.parametrize("size", [1, 300, 40_000])
@pytest.mark.parametrize("name", [b"script", b"font", b"annotation-xml"])
def test_the_scanner_loses_nothing_of_a_tag_that_is_too_long(name: bytes, size: int) -> None:
    """A start tag that is let go since it is too long is let go whole."""
    page = b"<script></script><math><%b a='%b'><p><script async></script>" % (name, b"x" * 70_000)

    check_scanner(page, [page[start : start + size] for start in range(0, len(page), size)])


@matrix
@pytest.mark.parametrize("page", REALISTIC.values(), ids=REALISTIC)
def test_a_page_that_streams_loses_nothing(coding: str, page: bytes) -> None:
    """A page cut in two at every byte, readable at the cut, is rewritten whole: nothing, one piece or all held."""
    for number, pieces in enumerate(cut_in_two(page)):
        check_page(coding, page, coded(coding, pieces), number % 2, "ended" if number % 3 else "broken off")
        check_page(coding, page, coded(coding, pieces), 2, "complete" if number % 2 else "ended")


@matrix
@pytest.mark.parametrize("page", REALISTIC.values(), ids=REALISTIC)
def test_a_body_cut_anywhere_loses_nothing(coding: str, page: bytes) -> None:
    """A compressed body cut at every byte of its own, and at random in few pieces, is rewritten whole."""
    source = random.Random(3)
    body = b"".join(coded(coding, [page[:200], page[200:]]))

    for number, pieces in enumerate([*cut_in_two(body), *cut_in_few(body, source, tries(100))]):
        check_page(coding, page, pieces, number % len(pieces), "ended" if number % 3 else "broken off")


@matrix
@pytest.mark.parametrize("page", REALISTIC.values(), ids=REALISTIC)
def test_a_body_that_breaks_off_anywhere_loses_nothing(coding: str, page: bytes) -> None:
    """What has come, and can be read, when a body breaks off leaves, with what was held of a tag."""
    pieces = coded(coding, [page[start : start + 37] for start in range(0, len(page), 37)])
    body = b"".join(pieces)

    for end in range(1, len(body)):
        came = [body[: end // 2], body[end // 2 : end]]
        check_page(coding, read(coding, body[:end]), came, end % 3, "broken off" if end % 2 else "ended")


def test_a_hostile_page_that_streams_loses_nothing(coding: str) -> None:
    """Hostile pages in pieces of all sizes are rewritten whole, wherever the hold ends."""
    source = random.Random(4)

    for page in hostile(source, tries(400)):
        pieces = cut_in_any_way(page, source)
        check_page(coding, page, coded(coding, pieces), source.randint(0, len(pieces)))


def test_a_whole_body_loses_nothing(coding: str) -> None:
    """A body that is complete at once is rewritten whole."""
    for page in [*REALISTIC.values(), *hostile(random.Random(5), tries(200))]:
        body = b"".join(coded(coding, [page]))
        looked = Page(coding, None)

        looked.look_at_whole(body)

        assert looked.found == (find(page) is not None)
        assert read(coding, b"".join(looked.rewritten([body], SESSION, ended=True))) == set_in(page)


# What a coding carries beside the page


def gzip_member(content: bytes, *, flags: int = 0, fields: bytes = b"") -> bytes:
    """A member of its own header: the checksum of the header is right where the flags say there is one."""
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\x12\x34\x56\x78\x02\x03" + fields
    checksum = (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") if flags & 0x02 else b""
    return header + checksum + gzip.compress(content)[10:]


HEAD = REALISTIC["scripts around the tag"]
EMPTY_FRAME = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0"
GZIP_HEADERS = {
    "plain": (0x00, b""),
    "text": (0x01, b""),
    "name": (0x08, b"a-random-name\0"),
    "empty name": (0x08, b"\0"),
    "comment": (0x10, b"padding" * 50 + b"\0"),
    "extra": (0x04, b"\x05\0ab\x01\0c"),
    "empty extra": (0x04, b"\0\0"),
    "long extra": (0x04, b"\xff\xff" + b"\0" * 65_535),
    "checksum": (0x02, b""),
    "all": (0x1F, b"\x04\0ab\0\0name\0comment\0"),
}


@matrix
@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("header", GZIP_HEADERS.values(), ids=GZIP_HEADERS)
def test_a_gzip_header_stays(header: tuple[int, bytes], size: int) -> None:
    """File name, comment, extra field, time, system and the header's checksum stay, in streams as well."""
    flags, fields = header
    body = gzip_member(HEAD, flags=flags, fields=fields)
    length = len(body) - len(gzip.compress(HEAD)[10:])
    pieces = [body[start : start + size] for start in range(0, len(body), size)]

    for looked_at in (0, 1, len(pieces)):
        out = through("gzip", pieces, looked_at, "complete")
        assert out[:length] == body[:length]
        assert gzip.decompress(out) == set_in(HEAD)


@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_all_gzip_headers_and_what_follows_stay(size: int) -> None:
    """Each member keeps its header, also empty ones, and bytes behind the last are there again, also few of them."""
    empty = gzip_member(b"", flags=0x08, fields=b"empty\0")
    for behind in (b"", b"\0" * 300, b"\x1f\x8b", b"\x1f\x8b\x09junk"):
        parts = [gzip_member(HEAD[:300], flags=0x10, fields=b"one\0"), empty, gzip_member(HEAD[300:]), behind]
        body = b"".join(parts)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]

        out = through("gzip", pieces, len(pieces) // 2, "ended")

        assert [out.count(mark) for mark in (b"one\0", b"empty\0", b"\x1f\x8b\x08")] == [1, 1, 3]
        assert out.endswith(behind)
        assert read("gzip", out) == set_in(HEAD)
        assert gzip.GzipFile(fileobj=io.BytesIO(out[: len(out) - len(behind)])).read() == set_in(HEAD)


@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_half_a_tag_leaves_ahead_of_what_is_behind_a_body(size: int) -> None:
    """What is held when the last stream ends is part of that stream, whatever bytes follow it."""
    page = b"<p>half<script id=via"
    for coding, body in (("gzip", gzip.compress(page)), ("deflate", zlib.compress(page))):
        padded = body + b"\0" * 20
        out = through(coding, [padded[start : start + size] for start in range(0, len(padded), size)], 0, "ended")

        assert read(coding, out) == page
        assert out.endswith(b"\0" * 20)


@matrix
@pytest.mark.parametrize("wbits", [15, 14, 9, -15, -9])
@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_the_wrapping_of_deflate_stays(wbits: int, size: int) -> None:
    """Data in zlib's wrapping stays in it, with its window; raw data stays raw; bytes behind it stay."""
    stream = zlib.compressobj(wbits=wbits)
    page = HEAD * 100
    body = stream.compress(page) + stream.flush()
    behind = b"\0padding"
    pieces = [(body + behind)[start : start + size] for start in range(0, len(body + behind), size)]

    out = through("deflate", pieces, 1, "ended")

    assert out.endswith(behind)
    assert wbits < 0 or out[:2] == body[:2]
    reader = zlib.decompressobj(wbits=wbits)
    assert reader.decompress(out) == set_in(page)
    assert reader.unused_data == behind


def test_the_smallest_window_of_deflate_is_kept() -> None:
    """A header that declares a window of 256 bytes is followed by data that needs no larger one."""
    body = bytearray(zlib.compress(HEAD * 20, 0))
    body[:2] = b"\x08\x1d"

    out = through("deflate", [bytes(body)], 0, "ended")

    assert out[:2] == b"\x08\x1d"
    assert zlib.decompress(out) == set_in(HEAD * 20)


@pytest.mark.parametrize("size", [1, 11, 100_000])
def test_the_frames_of_zstd_stay(size: int) -> None:
    """Skippable frames stay where they are, ahead of the page, in it and behind it, and so do empty frames."""
    if "zstd" not in understood():
        pytest.skip("no library for zstd")
    skips = [b"\x5a\x2a\x4d\x18\x03\0\0\0abc", b"\x50\x2a\x4d\x18\0\0\0\0", b"\x51\x2a\x4d\x18\x02\0\0\0xy"]
    frames = [b"".join(coded("zstd", [part])) for part in (HEAD[:300], HEAD[300:])]
    body = b"".join((skips[0], EMPTY_FRAME, frames[0], skips[1], frames[1], skips[2]))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]

    out = through("zstd", pieces, len(pieces) // 2, "ended")

    assert out.startswith(skips[0])
    assert out.endswith(skips[2])
    assert out.count(skips[1]) == 1
    assert out.count(EMPTY_FRAME[:4]) == 3
    assert read("zstd", out) == set_in(HEAD)


def test_half_a_tag_leaves_in_a_frame_of_its_own() -> None:
    """What is held when a frame ends, and a skippable one follows, leaves when the body ends."""
    if "zstd" not in understood():
        pytest.skip("no library for zstd")
    page = b"<p>half<script id=via"
    body = b"".join(coded("zstd", [page])) + b"\x50\x2a\x4d\x18\0\0\0\0"

    assert read("zstd", through("zstd", [body], 0, "ended")) == page


def test_an_empty_body_stays_empty(coding: str) -> None:
    """A body of no bytes at all stays one; a page of no bytes stays a valid stream."""
    assert through(coding, [b""], 0, "ended") == b""
    empty = {"gzip": gzip.compress(b""), "deflate": zlib.compress(b""), "br": b"\x06", "zstd": EMPTY_FRAME}
    if coding in empty:
        out = through(coding, [empty[coding]], 0, "ended")
        assert out
        assert through(coding, [out], 1, "complete")
