"""HTTP content codings (RFC 9110 §8.4.1): a body decoded and encoded again while it streams through.

A decoder gives out everything that its input so far decodes to, so whatever the application flushed can be read at
once. Its pieces are small however much a chunk decodes to: a decompression bomb costs time in proportion to its
content, and no memory. ``gzip`` and ``deflate`` come with Python. ``br`` needs ``brotli`` or ``brotlicffi``, 1.2 or
later, since older ones cannot bound their output; ``zstd`` needs Python 3.14, ``backports.zstd`` or ``zstandard``.

A coded body carries more than the page: gzip's members have headers with file names, comments and extra fields, zstd
has frames to be skipped, and bytes may follow the last stream. Sites use these as padding of random length, so that the
length of a page tells no secret in it (BREACH; Django's ``GZipMiddleware`` does it with the file name). A decoder gives
such bytes out as :class:`Beside`, and an encoder that is given them puts them, as they came, where they stood. What
stands inside of compressed data cannot be told from the data and is lost: empty blocks of deflate and zstd, and
brotli's metadata blocks.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, partial
from importlib import import_module
from typing import Any, Final, Protocol

from viafoura_mw.errors import ViafouraError

PIECE: Final = 64 * 1024  # the most bytes in one decoded piece

# A page waits for its encoding: each level is the last before the time grows faster than the bytes shrink. Against
# level 6, which applications use, zlib's 4 takes 60 % of the time for 5 % more bytes.
_ZLIB_LEVEL: Final = 4
_BROTLI_QUALITY: Final = 4
_ZSTD_LEVEL: Final = 3

_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's names for the wrappings around deflated data
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_GZIP_HEADER: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, no system (RFC 1952 §2.3)
_ZLIB_HEADER: Final = b"\x78\x5e"

# Input is read in slices: zlib copies what is left of its input at every piece, and brotli forgets what it decoded
# when it meets an error in the same call.
_ZLIB_SLICE: Final = 16 * 1024
_BROTLI_SLICE: Final = 1024
_BROTLI_LIMIT: Final = PIECE // 4  # brotli 1.2 exceeds its limit, by up to as much again or 32 KiB

_ZSTD_WINDOW: Final = 8 * 1024 * 1024  # the largest that a browser accepts (RFC 9659 §3)
_ZSTD_LONGEST_HEADER: Final = 13  # a frame's, without magic number and descriptor: window, dictionary, content size
_ZSTD_FLUSH_BLOCK: Final = 1  # the same number in all the libraries

_BROTLI_LIBRARIES: Final = ("brotli", "brotlicffi")
# Before Python 3.14 the name "compression" may be a site's own module.
_STANDARD_ZSTD: Final = ("compression.zstd",) if sys.version_info >= (3, 14) else ()
_ZSTD_LIBRARIES: Final = (*_STANDARD_ZSTD, "backports.zstd", "zstandard")


class CodingError(ViafouraError):
    """A body is not what its content ``coding`` says: it is corrupt, or ends too soon."""

    def __init__(self, coding: str, problem: str) -> None:
        self.coding = coding
        super().__init__(f"the {coding} body {problem}")


class Place(Enum):
    """Where in a coded body bytes stand that carry nothing of the page."""

    HEADER = auto()  # a stream (gzip's member, zstd's frame) begins with these bytes, which may be none
    MORE = auto()  # they go on
    BETWEEN = auto()  # no stream is open: these bytes follow one, or come ahead of the first
    BEHIND = auto()  # so do these, and no stream follows any more


@dataclass(frozen=True, slots=True)
class Beside:
    """Bytes of a coded body that carry nothing of the page and stay as they are."""

    place: Place
    raw: bytes = b""


class Decoder(Protocol):
    """Decodes one response's body."""

    def decode(self, chunk: bytes) -> Iterator[bytes | Beside]:
        """All that can be decoded with ``chunk``, in non-empty pieces of at most :data:`PIECE` bytes.

        Among them, in their places, are the bytes beside the page.
        The pieces must be taken before the next chunk is given. A caller that passes on, and flushes, after every
        chunk that gave a piece delays nothing that the application had made readable. ``identity`` gives the chunk
        itself, of whatever length.

        Raises :class:`CodingError` where the stream is corrupt, after the pieces that come before the corruption
        (``br``: but for the content of the last 1024 bytes ahead of it). The decoder is of no use then.
        """

    def end(self) -> Iterator[Beside]:
        """What is left when the body has ended. An empty body is complete.

        Raises :class:`CodingError` where the body was truncated.
        """


class _Stream(Protocol):
    """One compressed stream: gzip's deflated data with what follows it, a zstd frame."""

    def encode(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...

    def finish(self) -> bytes: ...


class Encoder:
    """Encodes one response's body. What it returns, joined, is the encoded body; each part may be empty.

    ``begin`` makes a stream for the header that a body had; ``header`` is that of a stream that no body began.
    """

    def __init__(self, begin: Callable[[bytes], _Stream], header: bytes = b"") -> None:
        self._begin = begin
        self._header = header
        self._stream: _Stream | None = None
        self._unflushed = False

    def beside(self, piece: Beside) -> bytes:
        """The part with ``piece`` in its place."""
        if piece.place is Place.MORE:
            return piece.raw
        part = self.finish() + piece.raw
        if piece.place is Place.HEADER:
            self._stream = self._begin(piece.raw)
        return part

    def encode(self, data: bytes) -> bytes:
        """The next part; what ``data`` becomes may be kept back until a later call."""
        if not data:
            return b""
        header = b""
        if self._stream is None:
            header, self._stream = self._header, self._begin(self._header)
        self._unflushed = True
        return header + self._stream.encode(data)

    def flush(self) -> bytes:
        """The part with which everything so far can be decoded; empty if it can be already. Costs a few bytes."""
        if self._stream is None or not self._unflushed:
            return b""
        self._unflushed = False
        return self._stream.flush()

    def finish(self) -> bytes:
        """The last part."""
        stream, self._stream, self._unflushed = self._stream, None, False
        return stream.finish() if stream else b""


def understood() -> tuple[str, ...]:
    """The codings that can be decoded and encoded in this process, in order of preference; ``identity`` goes unsaid."""
    optional = {"br": _brotli, "zstd": _zstd}
    return ("gzip", "deflate", *(coding for coding, library in optional.items() if library()))


def parse(value: str) -> str | None:
    """The coding that a ``Content-Encoding`` field names, as :func:`decoder` takes it, ``identity`` for none.

    ``None`` where it is not understood, or where there is more than one.
    """
    if not value:
        return "identity"
    codings = [coding for coding in map(_canonical, value.split(",")) if coding != "identity"]
    if not codings:
        return "identity"
    return codings[0] if len(codings) == 1 and codings[0] in understood() else None


def decoder(coding: str) -> Decoder:
    """A decoder for a body in ``coding``. Raises ``LookupError`` for one that is not understood.

    - ``gzip``: all members (RFC 1952 §2.2); what follows the last and is no member, such as padding, is ignored, as
      browsers do.
    - ``deflate``: with the zlib wrapping (RFC 1950) that the coding's definition asks for, or without; what follows
      is ignored.
    - ``br``: one stream; what follows is corruption.
    - ``zstd``: all frames (RFC 8878 §3.1), with a window of at most 8 MiB, as browsers have it.
    """
    match _canonical(coding):
        case "identity":
            return _Identity()
        case "gzip":
            return _Gzip()
        case "deflate":
            return _Deflate()
        case "br" if library := _brotli():
            return _Brotli(library)
        case "zstd" if library := _zstd():
            return _Zstd(library)
    raise LookupError(f"no decoder for {coding!r}")


def encoder(coding: str) -> Encoder:
    """An encoder that writes ``coding``, ``deflate`` in the wrapping that the body had.

    Raises ``LookupError`` as above.
    """
    match _canonical(coding):
        case "identity":
            return Encoder(lambda _: _Library(bytes, bytes, bytes))
        case "gzip":
            return Encoder(lambda _: _Deflated(_GZIP, len(_GZIP_HEADER)), _GZIP_HEADER)
        case "deflate":
            return Encoder(_deflated_like, _ZLIB_HEADER)
        case "br" if library := _brotli():
            return Encoder(lambda _: _brotli_stream(library))
        case "zstd" if library := _zstd():
            return Encoder(lambda _: _zstd_stream(library))
    raise LookupError(f"no encoder for {coding!r}")


@dataclass(frozen=True, slots=True)
class _Library:
    """A stream of a library's own."""

    encode: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]


def _brotli_stream(library: Any) -> _Stream:
    stream = library.Compressor(quality=_BROTLI_QUALITY)
    return _Library(stream.process, stream.flush, stream.finish)


def _zstd_stream(library: Any) -> _Stream:
    stream = library.ZstdCompressor(level=_ZSTD_LEVEL)
    stream = stream.compressobj() if hasattr(stream, "compressobj") else stream
    return _Library(stream.compress, partial(stream.flush, _ZSTD_FLUSH_BLOCK), stream.flush)


class _Deflated:
    """Deflated data with the trailer of its wrapping, whose header has been written: zlib's own is cut off."""

    def __init__(self, wrapping: int, header_length: int) -> None:
        self._stream = zlib.compressobj(_ZLIB_LEVEL, wbits=wrapping)
        self._header_left = header_length

    def encode(self, data: bytes) -> bytes:
        return self._without_header(self._stream.compress(data))

    def flush(self) -> bytes:
        return self._without_header(self._stream.flush(zlib.Z_SYNC_FLUSH))

    def finish(self) -> bytes:
        return self._without_header(self._stream.flush())

    def _without_header(self, data: bytes) -> bytes:
        cut = min(self._header_left, len(data))
        self._header_left -= cut
        return data[cut:]


def _deflated_like(header: bytes) -> _Stream:
    """A stream of ``deflate`` with the wrapping of one that began with ``header``, none if that is empty."""
    if not header:
        return _Deflated(_RAW, 0)
    # The window that the header declares (RFC 1950 §2.2) must not be exceeded. In one of 2**9 bytes, the smallest that
    # zlib writes, it uses less than the 2**8 that a header can declare.
    return _Deflated(max(9, 8 + (header[0] >> 4)), len(header))


def _canonical(coding: str) -> str:
    name = coding.strip(" \t").lower()
    return {"": "identity", "x-gzip": "gzip"}.get(name, name)


@cache
def _brotli() -> Any:
    """The brotli library, or ``None``."""
    for library in map(_imported, _BROTLI_LIBRARIES):
        if hasattr(getattr(library, "Decompressor", None), "can_accept_more_data"):
            return library
    return None


@cache
def _zstd() -> Any:
    """The zstd library, or ``None``."""
    return next(filter(None, map(_imported, _ZSTD_LIBRARIES)), None)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


class _Identity:
    def decode(self, chunk: bytes) -> Iterator[bytes | Beside]:
        if chunk:
            yield chunk

    def end(self) -> Iterator[Beside]:
        yield from ()


class _Gzip:
    """Members, one after another, and whatever follows them."""

    _MAGIC: Final = b"\x1f\x8b\x08"  # RFC 1952 §2.3.1: ID1, ID2, and deflate, the only CM there is

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._header = _GzipHeader()
        self._held = b""  # the first bytes after a member, too few to tell what they are
        self._over = False

    def decode(self, chunk: bytes) -> Iterator[bytes | Beside]:
        for part in _cut(chunk, _ZLIB_SLICE):
            rest = part
            while rest:
                if self._member.eof and not self._over:
                    rest = self._behind_member(rest)
                if self._over:
                    yield Beside(Place.BEHIND, rest)
                    break
                if rest:
                    yield from self._read(rest)
                    rest = self._member.unused_data

    def _behind_member(self, rest: bytes) -> bytes:
        """What is to be read of ``rest``, which follows the end of a member."""
        rest, self._held = self._held + rest, b""
        if rest.startswith(self._MAGIC):
            self._member = zlib.decompressobj(_GZIP)
            self._header = _GzipHeader()
        elif self._MAGIC.startswith(rest):
            self._held = rest
            return b""
        else:
            self._over = True
        return rest

    def _read(self, rest: bytes) -> Iterator[bytes | Beside]:
        place = Place.MORE if self._header.begun else Place.HEADER
        length = self._header.take(rest)
        yield from _inflated(self._member, "gzip", rest[:length])
        if length:
            yield Beside(place, rest[:length])
        if length < len(rest):
            yield from _inflated(self._member, "gzip", rest[length:])

    def end(self) -> Iterator[Beside]:
        if self._header.begun and not self._member.eof:
            raise CodingError("gzip", "ends too soon")
        if self._held:
            yield Beside(Place.BEHIND, self._held)


class _GzipHeader:
    """Follows a member's header to its end (RFC 1952 §2.3); zlib judges what it says."""

    def __init__(self) -> None:
        self.begun: bool = False
        self._fields = _gzip_fields()
        self._left: int | None = next(self._fields)  # bytes of the field at hand that have not come; None: up to a NUL
        self._field = b""  # as much of it as is asked for its meaning

    def take(self, data: bytes) -> int:
        """How many of the next bytes are the header's."""
        self.begun = True
        at = 0
        while at < len(data) and self._left != 0:
            if self._left is None:
                nul = data.find(b"\0", at)
                if nul < 0:
                    return len(data)
                at = nul + 1
            else:
                part = data[at : at + self._left]
                at += len(part)
                self._field += part[: _GZIP_FIXED - len(self._field)]
                self._left -= len(part)
                if self._left:
                    return at
            self._left, self._field = self._fields.send(self._field), b""
        return at


_GZIP_FIXED: Final = 10  # bytes of a header without optional fields


def _gzip_fields() -> Generator[int | None, bytes, None]:
    """The lengths of a header's fields, ``None`` for one that ends with a NUL, 0 at its end; is sent each field."""
    flags = (yield _GZIP_FIXED)[3]
    if flags & 0x04:
        extra = _little((yield 2))
        if extra:
            yield extra
    if flags & 0x08:  # the file's name
        yield None
    if flags & 0x10:  # a comment
        yield None
    if flags & 0x02:  # the header's checksum
        yield 2
    yield 0


class _Deflate:
    """One stream, whose first two bytes tell whether it is wrapped."""

    def __init__(self) -> None:
        self._held = b""
        self._stream: zlib._Decompress | None = None

    def decode(self, chunk: bytes) -> Iterator[bytes | Beside]:
        if self._stream is None:
            self._held += chunk
            if len(self._held) < 2:
                return
            chunk, self._held = self._held, b""
            header = chunk[:2] if _has_zlib_header(chunk) else b""
            self._stream = zlib.decompressobj(_ZLIB if header else _RAW)
            yield Beside(Place.HEADER, header)
        for part in _cut(chunk, _ZLIB_SLICE):
            rest = part
            if not self._stream.eof:
                yield from _inflated(self._stream, "deflate", part)
                rest = self._stream.unused_data
            if rest:
                yield Beside(Place.BEHIND, rest)

    def end(self) -> Iterator[Beside]:
        if self._held or (self._stream and not self._stream.eof):
            raise CodingError("deflate", "ends too soon")
        yield from ()


def _has_zlib_header(start: bytes) -> bool:
    """Whether the first two bytes are RFC 1950's (§2.2): deflate, a window of at most 32 KiB, and the check bits."""
    return start[0] & 0x8F == 0x08 and int.from_bytes(start[:2], "big") % 31 == 0


def _inflated(stream: zlib._Decompress, coding: str, data: bytes) -> Iterator[bytes]:
    """What ``stream`` makes of ``data``, up to the stream's end."""
    while True:
        before = stream.copy()  # a microsecond
        try:
            piece = stream.decompress(data, PIECE)
        except zlib.error as error:
            yield from _inflated_up_to_error(before, data)
            raise CodingError(coding, "is corrupt") from error
        if piece:
            yield piece
        data = stream.unconsumed_tail
        if stream.eof or (not data and len(piece) < PIECE):
            return


def _inflated_up_to_error(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What comes before an error, which zlib has thrown away together with it."""
    with suppress(zlib.error):
        yield from filter(None, map(stream.decompress, _cut(data, 1)))


class _Brotli:
    """One stream (RFC 7932)."""

    def __init__(self, library: Any) -> None:
        self._error = library.error
        self._stream = library.Decompressor()
        self._begun = False

    def decode(self, chunk: bytes) -> Iterator[bytes | Beside]:
        for part in _cut(chunk, _BROTLI_SLICE):
            if self._stream.is_finished():
                raise CodingError("br", "goes on after its end")
            if not self._begun:
                self._begun = True
                yield Beside(Place.HEADER)
            yield from self._decoded(part)

    def _decoded(self, part: bytes) -> Iterator[bytes]:
        more = True
        while more:
            try:
                decoded = self._stream.process(part, output_buffer_limit=_BROTLI_LIMIT)
            except self._error as error:
                raise CodingError("br", "is corrupt") from error
            yield from _cut(decoded, PIECE)
            part = b""
            more = len(decoded) >= _BROTLI_LIMIT or not self._stream.can_accept_more_data()

    def end(self) -> Iterator[Beside]:
        if self._begun and not self._stream.is_finished():
            raise CodingError("br", "ends too soon")
        yield from ()


class _Zstd:
    """Frames, one after another.

    The libraries have no bound on their output in common, but the format has one: a block decodes to 128 KiB at most
    (RFC 8878 §3.1.1.2.4). So the input is cut at the ends of the format's fields, of which a block is one.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._frame: Any = None
        self._fields = _zstd_fields()
        self._kind, self._left = next(self._fields)  # the field at hand, and how much of it has not come yet
        self._field = b""  # as much of it as a header can be

    def decode(self, chunk: bytes) -> Iterator[bytes | Beside]:
        start = 0
        while start < len(chunk):
            part = chunk[start : start + self._left]
            start += len(part)
            self._left -= len(part)
            self._field += part[: _ZSTD_LONGEST_HEADER - len(self._field)]
            kind, field = self._kind, self._field
            whole = not self._left
            while not self._left:  # what is wrong with a header is found before the library sees it
                self._kind, self._left = self._fields.send(self._field)
                self._field = b""
            if kind is _Field.SKIPPED:
                yield Beside(Place.BETWEEN, part)
            elif kind is _Field.READ:
                yield from self._decoded(part)
            elif whole:
                yield from self._opened(field)

    def _opened(self, magic: bytes) -> Iterator[bytes | Beside]:
        """A frame begins."""
        if self._kind is _Field.SKIPPED:
            yield Beside(Place.BETWEEN, magic)
            return
        frame = self._library.ZstdDecompressor()
        self._frame = frame.decompressobj() if hasattr(frame, "decompressobj") else frame
        yield Beside(Place.HEADER)
        yield from self._decoded(magic)

    def _decoded(self, part: bytes) -> Iterator[bytes]:
        try:
            decoded = self._frame.decompress(part)
        except self._library.ZstdError as error:
            raise CodingError("zstd", "is corrupt") from error
        yield from _cut(decoded, PIECE)

    def end(self) -> Iterator[Beside]:
        if self._kind is not _Field.MAGIC or self._field:
            raise CodingError("zstd", "ends too soon")
        yield from ()


class _Field(Enum):
    """Who reads a field of a zstd frame."""

    MAGIC = auto()  # this module: the number that tells what kind of frame begins
    READ = auto()  # the library
    SKIPPED = auto()  # nobody


def _zstd_fields() -> Generator[tuple[_Field, int], bytes, None]:
    """The fields in a series of zstd frames, and their lengths; is sent each field's first bytes (RFC 8878 §3.1).

    Checks only what the libraries leave open; they check the rest.
    """
    while True:
        magic = _little((yield _Field.MAGIC, 4))
        if magic & 0xFFFFFFF0 == 0x184D2A50:  # a skippable frame
            yield _Field.SKIPPED, _little((yield _Field.SKIPPED, 4))
            continue
        if magic != 0xFD2FB528:
            raise CodingError("zstd", "has no frame where one must be")
        descriptor = (yield _Field.READ, 1)[0]
        single_segment, checksum = descriptor & 0x20, descriptor & 0x04
        window_length = 0 if single_segment else 1
        dictionary_length = (0, 1, 2, 4)[descriptor & 0x03]
        size_length = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
        header = yield _Field.READ, window_length + dictionary_length + size_length
        if single_segment:
            window = _little(header[dictionary_length:])
        else:
            base = 1 << (10 + (header[0] >> 3))
            window = base + base // 8 * (header[0] & 0x07)
        if window > _ZSTD_WINDOW:
            raise CodingError("zstd", "needs more memory than a browser gives it")
        last_block = 0
        while not last_block:
            block = _little((yield _Field.READ, 3))
            last_block, run_length = block & 1, block >> 1 & 3 == 1
            yield _Field.READ, 1 if run_length else block >> 3
        if checksum:
            yield _Field.READ, 4


def _little(field: bytes) -> int:
    return int.from_bytes(field, "little")
