"""Content codings, decoded and encoded while they stream (contract §5; RFC 1950 to 1952, 7932, 8878)."""

import gzip
import random
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from itertools import cycle
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.thoroughness import matrix, tries
from viafoura_mw.errors import ViafouraError
from viafoura_mw.page import codings
from viafoura_mw.page.codings import PIECE, Beside, CodingError, Decoder, decoder, encoder, parse, understood

CODINGS = ("gzip", "deflate", "br", "zstd")
PAGE = b"".join(b"<p id=%d>%d</p>\n" % (n, n * n * n) for n in range(12_000))


@pytest.fixture(params=CODINGS)
def coding(request: pytest.FixtureRequest) -> str:
    """Each coding for which this machine has a library."""
    return available(request.param)


def available(coding: str) -> str:
    if coding not in understood():
        pytest.skip(f"no library for {coding}")
    return coding


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A world in which the test says, by ``setitem(sys.modules, …)``, which libraries there are."""
    lookups = (codings._brotli, codings._zstd)
    for lookup in lookups:
        lookup.cache_clear()
    for name in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    yield monkeypatch
    for lookup in lookups:
        lookup.cache_clear()


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def content(stream: Decoder, chunk: bytes) -> Iterator[bytes]:
    """What a chunk decodes to, without what is beside it."""
    return (piece for piece in stream.decode(chunk) if not isinstance(piece, Beside))


def encoded(coding: str, data: bytes, size: int = PIECE) -> bytes:
    stream = encoder(coding)
    return b"".join([*map(stream.encode, chunks(data, size)), stream.finish()])


def decoded(coding: str, data: bytes, size: int = PIECE) -> bytes:
    """What the whole of ``data`` decodes to, given in chunks of ``size``."""
    page, error = decoded_until_error(coding, data, size)
    if error:
        raise error
    return page


def decoded_until_error(coding: str, data: bytes, size: int = PIECE) -> tuple[bytes, CodingError | None]:
    """What ``data`` decodes to, and the error that comes then, if one does."""
    stream, pieces = decoder(coding), []
    try:
        for chunk in chunks(data, size):
            for piece in content(stream, chunk):
                pieces.append(piece)
        list(stream.end())
    except CodingError as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


# What is understood


def test_understands_what_python_can_decode() -> None:
    """gzip and deflate are always understood, and come first."""
    assert understood()[:2] == ("gzip", "deflate")
    assert set(understood()) <= set(CODINGS)


def test_does_not_understand_a_coding_without_its_library(libraries: pytest.MonkeyPatch) -> None:
    """br and zstd are not understood, nor decoded, where no library for them is installed."""
    assert understood() == ("gzip", "deflate")
    assert parse("br") is None
    for coding in ("br", "zstd"):
        with pytest.raises(LookupError, match=coding):
            decoder(coding)
        with pytest.raises(LookupError, match=coding):
            encoder(coding)


def test_does_not_use_a_brotli_that_cannot_bound_its_output(libraries: pytest.MonkeyPatch) -> None:
    """A brotli library from before 1.2, which lets a bomb explode, counts as absent, and the next one is taken."""
    libraries.setitem(sys.modules, "brotli", SimpleNamespace(Decompressor=object))
    assert "br" not in understood()

    codings._brotli.cache_clear()
    libraries.setitem(sys.modules, "brotlicffi", SimpleNamespace(Decompressor=SimpleNamespace(can_accept_more_data=0)))
    assert "br" in understood()


def test_loads_no_library_before_it_is_asked() -> None:
    """Importing the module imports no compression library."""
    script = "import sys, viafoura_mw.page.codings; sys.exit(not {'brotli', 'zstandard'}.isdisjoint(sys.modules))"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        (" , Identity ,", "identity"),
        ("gzip", "gzip"),
        (" GZip ", "gzip"),
        ("x-gzip", "gzip"),
        ("identity, deflate", "deflate"),
        ("gzip, gzip", None),
        ("gzip, br", None),
        ("compress", None),
        ("gzip;q=1", None),
    ],
)
def test_parses_a_content_encoding(value: str, coding: str | None) -> None:
    """A field names one coding that is understood, or none, or something that is left alone."""
    assert parse(value) == coding


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "x-deflate"])
def test_refuses_an_unknown_coding(coding: str) -> None:
    """A coding that is not known has no decoder and no encoder."""
    with pytest.raises(LookupError, match=coding):
        decoder(coding)
    with pytest.raises(LookupError, match=coding):
        encoder(coding)


# There and back


@pytest.mark.parametrize("coding", ["identity", "", "x-gzip", "GZIP", *CODINGS])
@given(
    page=st.binary(max_size=200) | st.sampled_from([PAGE[:1000], PAGE[:100_000], bytes(300_000)]),
    flushes=st.lists(st.booleans(), min_size=1, max_size=8),
    size=st.sampled_from([1, 2, 7, 100, 10_000, 200_000]),
)
def test_gives_back_what_was_encoded(coding: str, page: bytes, flushes: list[bool], size: int) -> None:
    """Whatever is encoded and decoded comes back, flushed or not, however what is between is cut."""
    writer, reader = encoder(available(coding) if coding in CODINGS else coding), decoder(coding)
    parts = []
    for chunk, flush in zip(chunks(page, max(1, len(page) // 8)), cycle(flushes)):
        parts += [writer.encode(chunk), writer.flush() if flush else b""]
    body = b"".join([*parts, writer.finish()])

    pieces = [piece for chunk in chunks(body, max(size, len(body) // 2000)) for piece in content(reader, chunk)]

    assert b"".join(pieces) == page
    assert not list(reader.end())
    assert all(pieces)


def test_is_read_by_the_libraries_themselves(coding: str) -> None:
    """What is encoded is valid for the coding's own library, and what that writes is decoded."""
    decompress, compress = _theirs(coding)

    assert decompress(encoded(coding, PAGE)) == PAGE
    assert decoded(coding, compress(PAGE)) == PAGE


def _theirs(coding: str) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    match coding:
        case "gzip":
            return gzip.decompress, gzip.compress
        case "deflate":
            return zlib.decompress, zlib.compress
        case "br":
            return codings._brotli().decompress, codings._brotli().compress
    stream = codings._zstd().ZstdDecompressor()
    return getattr(stream, "decompressobj", lambda: stream)().decompress, codings._zstd().compress


def test_makes_everything_readable_that_was_flushed(coding: str) -> None:
    """Each part is decoded in full as soon as it comes, if it was flushed, even byte by byte."""
    writer, reader = encoder(coding), decoder(coding)
    for part in (b"<html>", b"x", PAGE[:50_000], b"</html>"):
        sent = writer.encode(part) + writer.flush()
        assert b"".join(piece for byte in chunks(sent, 1) for piece in content(reader, byte)) == part


def test_flushes_nothing_twice(coding: str) -> None:
    """A flush with nothing new to make readable costs no byte."""
    stream = encoder(coding)
    assert stream.flush() == b""

    assert stream.encode(b"x") + stream.flush()
    assert stream.flush() == b""


@pytest.mark.parametrize("chunk_count", [0, 2])
def test_takes_an_empty_body_for_complete(coding: str, chunk_count: int) -> None:
    """A body of no bytes at all is no truncated one, in chunks or not."""
    for stream in (decoder(coding), decoder("identity")):
        assert not [piece for _ in range(chunk_count) for piece in stream.decode(b"")]
        assert not list(stream.end())


# Flavours


@matrix
@pytest.mark.parametrize("size", [1, 2, 100, PIECE])
@pytest.mark.parametrize("wbits", [zlib.MAX_WBITS, 9, -zlib.MAX_WBITS, -9])
def test_decodes_deflate_with_and_without_its_wrapping(wbits: int, size: int) -> None:
    """deflate is recognised as zlib's format or as raw deflated data, also when one byte comes at a time."""
    stream = zlib.compressobj(wbits=wbits)
    assert decoded("deflate", stream.compress(PAGE) + stream.flush(), size) == PAGE


@pytest.mark.parametrize("size", [1, 3, 100, PIECE])
def test_decodes_every_member_of_a_gzip_body(size: int) -> None:
    """gzip's members are one text, with headers of any kind, empty ones among them."""
    named = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0" + gzip.compress(b"b")[10:]
    body = gzip.compress(b"a") + gzip.compress(b"") + named + gzip.compress(PAGE[:50_000])

    assert decoded("gzip", body, size) == b"ab" + PAGE[:50_000]


@matrix
@pytest.mark.parametrize("size", [1, 3, 100, PIECE])
@pytest.mark.parametrize(
    "padding", [b"\0" * 512, b"\n", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x09junk", b"\0" + gzip.compress(b"x", mtime=0)]
)
def test_ignores_what_follows_a_gzip_body(padding: bytes, size: int) -> None:
    """Bytes after the last member that are no member are ignored, as browsers do."""
    assert decoded("gzip", gzip.compress(b"page") + padding, size) == b"page"


@pytest.mark.parametrize("size", [1, 100, PIECE])
def test_ignores_what_follows_a_deflate_body(size: int) -> None:
    """Bytes after the stream are ignored, as browsers do, and not kept."""
    assert decoded("deflate", zlib.compress(b"page") + b"\0" * 100_000, size) == b"page"


@pytest.mark.parametrize("size", [1, 7, PIECE])
def test_decodes_every_frame_of_a_zstd_body(size: int) -> None:
    """zstd's frames are one text, skippable ones between them, empty ones among them."""
    available("zstd")
    empty = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0"
    skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + b"\x50\x2a\x4d\x18\0\0\0\0"
    body = skippable + encoded("zstd", b"a") + empty + skippable + encoded("zstd", PAGE) + skippable

    assert decoded("zstd", body, size) == b"a" + PAGE


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("20 05 290000 68656c6c6f", id="one segment"),
        pytest.param("60 0500 280000 68656c6c6f 030800 20", id="one segment, size of two bytes"),
        pytest.param("00 00 290000 68656c6c6f", id="window of 1 KiB"),
        pytest.param("80 67 05000000 290000 68656c6c6f", id="window of 7.5 MiB, size of four bytes"),
        pytest.param("c0 68 0500000000000000 290000 68656c6c6f", id="window of 8 MiB, size of eight bytes"),
        pytest.param("04 58 290000 68656c6c6f a36d9f88", id="checksum"),
        pytest.param("01 00 00 290000 68656c6c6f", id="dictionary of one byte"),
        pytest.param("02 00 0000 290000 68656c6c6f", id="dictionary of two bytes"),
        pytest.param("23 00000000 05 290000 68656c6c6f", id="one segment, dictionary of four bytes"),
        pytest.param("00 00 000000 280000 68656c6c6f 010000", id="empty blocks around"),
    ],
)
@pytest.mark.parametrize("size", [1, PIECE])
def test_reads_zstd_frame_headers(frame: str, size: int) -> None:
    """Every form that a frame's header may have is followed to its blocks."""
    available("zstd")
    body = bytes.fromhex("28b52ffd" + frame)

    assert decoded("zstd", body * 2, size).replace(b" ", b"") == b"hellohello"


@pytest.mark.parametrize("header", ["00 69", "00 70", "a0 01008000", "e0 ffffffffffffffff"])
def test_refuses_a_zstd_window_that_no_browser_has(header: str) -> None:
    """A frame that needs a window of more than 8 MiB is refused before memory is taken for it (RFC 9659)."""
    available("zstd")
    page, error = decoded_until_error("zstd", bytes.fromhex("28b52ffd" + header + "00" * 8))
    assert (page, str(error)) == (b"", "the zstd body needs more memory than a browser gives it")


# What is wrong


@matrix
@pytest.mark.parametrize("size", [1, 100, PIECE])
def test_decodes_a_truncated_body_as_far_as_it_goes(coding: str, size: int) -> None:
    """A body that ends too soon gives what it holds, then an error."""
    whole = encoded(coding, PAGE)
    for length in (1, len(whole) // 2, len(whole) - 1):
        page, error = decoded_until_error(coding, whole[:length], size)
        assert error
        assert PAGE.startswith(page)
    assert len(page) > len(PAGE) - 128 * 1024


@pytest.mark.parametrize("size", [1, 100, PIECE])
def test_refuses_a_body_in_no_coding(coding: str, size: int) -> None:
    """A page that only claims to be compressed is an error, not a page."""
    page, error = decoded_until_error(coding, b"<!doctype html><title>page</title>" * 100, size)
    assert error
    assert page == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), size=st.sampled_from([2, 300, PIECE]))
def test_decodes_a_corrupt_deflated_body_up_to_the_corruption(coding: str, place: int, bit: int, size: int) -> None:
    """However a corrupt body is cut, nothing that comes before the error is lost."""
    body = bytearray(encoded(coding, PAGE[:5_000]))
    body[place % len(body)] ^= 1 << bit

    page, error = decoded_until_error(coding, bytes(body), size)

    expected, expected_error = decoded_until_error(coding, bytes(body), 1)
    assert page == expected
    assert (error is None) == (expected_error is None)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_decodes_a_body_whose_checksum_is_wrong(coding: str) -> None:
    """A wrong checksum is an error, and comes after the whole content."""
    body = bytearray(encoded(coding, PAGE))
    body[-5 if coding == "gzip" else -1] ^= 1

    page, error = decoded_until_error(coding, bytes(body))
    assert error
    assert page == PAGE


@matrix
@pytest.mark.parametrize("size", [1, 1000, PIECE])
@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_refuses_junk_behind_a_body(coding: str, size: int) -> None:
    """What follows the end of a br or zstd body is corruption."""
    body = encoded(available(coding), PAGE) + b"junk" * 500

    page, error = decoded_until_error(coding, body, size)
    assert error
    assert PAGE.startswith(page)
    assert len(page) > len(PAGE) - 32 * 1024


def test_decodes_a_corrupt_zstd_body_up_to_the_block() -> None:
    """The blocks before a corrupt one are given out."""
    available("zstd")
    noise = random.Random(1).randbytes(128 * 1024)
    body = bytearray(encoded("zstd", noise) + encoded("zstd", PAGE))
    body[-1] ^= 0xFF

    page, error = decoded_until_error("zstd", bytes(body))
    assert error
    assert page.startswith(noise)


def test_says_which_body_is_wrong(coding: str) -> None:
    """The error names the coding and is one of this package's."""
    with pytest.raises(ViafouraError, match=f"the {coding} body ") as caught:
        decoded(coding, encoded(coding, PAGE)[:-1])
    assert isinstance(caught.value, CodingError)
    assert caught.value.coding == coding


# Bombs


def bomb(coding: str, size: int) -> bytes:
    stream = encoder(coding)
    return b"".join([stream.encode(bytes(1 << 20)) for _ in range(size >> 20)] + [stream.finish()])


def test_decodes_a_bomb_in_bounded_pieces(coding: str) -> None:
    """A chunk that decodes to a thousand times its size does so in small pieces."""
    size = 64 << 20
    stream = decoder(coding)
    body = bomb(coding, size)
    lengths = []
    tracemalloc.start()
    try:
        for piece in content(stream, body):
            lengths.append(len(piece))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(lengths) == size
    assert max(lengths) <= PIECE
    assert peak < 1 << 20


def test_passes_a_gigabyte_of_zeros() -> None:
    """A gigabyte comes out of a megabyte, one piece after another."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    mebibyte = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    pieces = content(decoder("deflate"), mebibyte * tries(1024))

    assert sum(map(len, pieces)) == tries(1024) << 20


@pytest.mark.parametrize(
    ("coding", "unit"),
    [
        ("gzip", gzip.compress(b"", mtime=0)),
        ("deflate", b"\0\0\0\xff\xff"),
        ("zstd", b"\x28\xb5\x2f\xfd\x20\0\x01\0\0"),
        ("zstd", b"\x50\x2a\x4d\x18\0\0\0\0"),
    ],
)
def test_reads_a_body_of_nothing_in_linear_time(coding: str, unit: bytes) -> None:
    """A chunk of many thousand parts that decode to nothing takes time in proportion to its length."""
    available(coding)

    def duration(count: int) -> float:
        begun = time.perf_counter()
        assert not any(content(decoder(coding), unit * count))
        return time.perf_counter() - begun

    assert min(duration(8_000) for _ in range(3)) < 16 * min(duration(1_000) for _ in range(3)) + 0.1


# Every library


@pytest.mark.parametrize("name", ["brotli", "brotlicffi", *codings._ZSTD_LIBRARIES])
def test_works_with_each_library(libraries: pytest.MonkeyPatch, name: str) -> None:
    """Any one library of a coding will do."""
    libraries.delitem(sys.modules, name)
    coding = "br" if name in ("brotli", "brotlicffi") else "zstd"
    if not parse(coding):
        pytest.skip(f"{name} is not installed")

    assert decoded(coding, encoded(coding, PAGE), 1000) == PAGE


def test_works_with_the_interface_of_the_standard_library(libraries: pytest.MonkeyPatch) -> None:
    """zstd needs no more of a library than what Python 3.14's has, whose objects are streams at once."""
    libraries.delitem(sys.modules, "zstandard")
    zstandard = pytest.importorskip("zstandard")
    standard = SimpleNamespace(
        ZstdCompressor=lambda level: zstandard.ZstdCompressor(level).compressobj(),
        ZstdDecompressor=lambda: zstandard.ZstdDecompressor().decompressobj(),
        ZstdError=zstandard.ZstdError,
    )
    libraries.setitem(sys.modules, "backports.zstd", standard)

    assert codings._zstd() is standard
    assert decoded("zstd", encoded("zstd", PAGE), 1000) == PAGE
