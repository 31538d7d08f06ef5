"""HTTP content codings (RFC 9110 §8.4.1): a body decoded and encoded again while it streams through.

A decoder gives out everything that its input so far decodes to, so whatever the application flushed can be read at
once. Its pieces are small however much a chunk decodes to: a decompression bomb costs time in proportion to its
content, and no memory. ``gzip`` and ``deflate`` come with Python. ``br`` needs ``brotli`` or ``brotlicffi``, 1.2 or
later, since older ones cannot bound their output; ``zstd`` needs Python 3.14, ``backports.zstd`` or ``zstandard``.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
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


class Decoder(Protocol):
    """Decodes one response's body."""

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """All that can be decoded with ``chunk``, in non-empty pieces of at most :data:`PIECE` bytes.

        The pieces must be taken before the next chunk is given. A caller that passes on, and flushes, after every
        chunk that gave a piece delays nothing that the application had made readable. ``identity`` gives the chunk
        itself, of whatever length.

        Raises :class:`CodingError` where the stream is corrupt, after the pieces that come before the corruption
        (``br``: but for the content of the last 1024 bytes ahead of it). The decoder is of no use then.
        """

    def end(self) -> bytes:
        """What is left when the body has ended: nothing, for the codings known here. An empty body is complete.

        Raises :class:`CodingError` where the body was truncated.
        """


class Encoder:
    """Encodes one response's body. What it returns, joined, is the encoded body; each part may be empty."""

    def __init__(
        self, encode: Callable[[bytes], bytes], flush: Callable[[], bytes], finish: Callable[[], bytes]
    ) -> None:
        self._encode, self._flush, self._finish = encode, flush, finish
        self._unflushed = False

    def encode(self, data: bytes) -> bytes:
        """The next part; what ``data`` becomes may be kept back until a later call."""
        self._unflushed = self._unflushed or bool(data)
        return self._encode(data)

    def flush(self) -> bytes:
        """The part with which everything so far can be decoded; empty if it can be already. Costs a few bytes."""
        if not self._unflushed:
            return b""
        self._unflushed = False
        return self._flush()

    def finish(self) -> bytes:
        """The last part."""
        return self._finish()


def understood() -> tuple[str, ...]:
    """The codings that can be decoded and encoded in this process, in order of preference; ``identity`` goes unsaid."""
    optional = {"br": _brotli, "zstd": _zstd}
    return ("gzip", "deflate", *(coding for coding, library in optional.items() if library()))


def parse(value: str) -> str | None:
    """The coding that a ``Content-Encoding`` field names, as :func:`decoder` takes it, ``identity`` for none.

    ``None`` where it is not understood, or where there is more than one.
    """
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
    """An encoder that writes ``coding``, ``deflate`` with the zlib wrapping. Raises ``LookupError`` as above."""
    match _canonical(coding):
        case "identity":
            return Encoder(bytes, bytes, bytes)
        case "gzip":
            return _deflating(_GZIP)
        case "deflate":
            return _deflating(_ZLIB)
        case "br" if library := _brotli():
            brotli = library.Compressor(quality=_BROTLI_QUALITY)
            return Encoder(brotli.process, brotli.flush, brotli.finish)
        case "zstd" if library := _zstd():
            zstd = library.ZstdCompressor(level=_ZSTD_LEVEL)
            zstd = zstd.compressobj() if hasattr(zstd, "compressobj") else zstd
            return Encoder(zstd.compress, partial(zstd.flush, _ZSTD_FLUSH_BLOCK), zstd.flush)
    raise LookupError(f"no encoder for {coding!r}")


def _deflating(wrapping: int) -> Encoder:
    stream = zlib.compressobj(_ZLIB_LEVEL, wbits=wrapping)
    return Encoder(stream.compress, partial(stream.flush, zlib.Z_SYNC_FLUSH), stream.flush)


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
    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if chunk:
            yield chunk

    def end(self) -> bytes:
        return b""


class _Gzip:
    """Members, one after another, then perhaps bytes that are none."""

    _MAGIC: Final = b"\x1f\x8b\x08"  # RFC 1952 §2.3.1: ID1, ID2, and deflate, the only CM there is

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False
        self._held = b""  # the first bytes after a member, too few to tell what they are
        self._over = False

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        for part in _cut(chunk, _ZLIB_SLICE):
            rest = part
            while rest and not self._over:
                rest = self._next_member(rest) if self._member.eof else rest
                if rest:
                    self._begun = True
                    yield from _inflated(self._member, "gzip", rest)
                    rest = self._member.unused_data

    def _next_member(self, rest: bytes) -> bytes:
        """What is to be read of ``rest``, which follows the end of a member."""
        rest, self._held = self._held + rest, b""
        if rest.startswith(self._MAGIC):
            self._member = zlib.decompressobj(_GZIP)
            return rest
        if self._MAGIC.startswith(rest):
            self._held = rest
        else:
            self._over = True
        return b""

    def end(self) -> bytes:
        if self._begun and not self._member.eof:
            raise CodingError("gzip", "ends too soon")
        return b""


class _Deflate:
    """One stream, whose first two bytes tell whether it is wrapped."""

    def __init__(self) -> None:
        self._held = b""
        self._stream: zlib._Decompress | None = None

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._held += chunk
            if len(self._held) < 2:
                return
            chunk, self._held = self._held, b""
            self._stream = zlib.decompressobj(_ZLIB if _has_zlib_header(chunk) else _RAW)
        for part in _cut(chunk, _ZLIB_SLICE):
            if not self._stream.eof:
                yield from _inflated(self._stream, "deflate", part)

    def end(self) -> bytes:
        if self._held or (self._stream and not self._stream.eof):
            raise CodingError("deflate", "ends too soon")
        return b""


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

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        for part in _cut(chunk, _BROTLI_SLICE):
            if self._stream.is_finished():
                raise CodingError("br", "goes on after its end")
            self._begun = True
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

    def end(self) -> bytes:
        if self._begun and not self._stream.is_finished():
            raise CodingError("br", "ends too soon")
        return b""


class _Zstd:
    """Frames, one after another.

    The libraries have no bound on their output in common, but the format has one: a block decodes to 128 KiB at most
    (RFC 8878 §3.1.1.2.4). So the input is cut at the ends of the format's fields, of which a block is one.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._frame: Any = None
        self._fields = _zstd_fields()
        self._left = next(self._fields)  # bytes of the field that have not come yet
        self._header = b""  # as much of it as a header can be

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        for part in self._parts(chunk):
            if self._frame is None or self._frame.eof:
                frame = self._library.ZstdDecompressor()
                self._frame = frame.decompressobj() if hasattr(frame, "decompressobj") else frame
            try:
                decoded = self._frame.decompress(part)
            except self._library.ZstdError as error:
                raise CodingError("zstd", "is corrupt") from error
            yield from _cut(decoded, PIECE)

    def _parts(self, chunk: bytes) -> Iterator[bytes]:
        """``chunk``, cut at the ends of fields."""
        start = 0
        while start < len(chunk):
            part = chunk[start : start + self._left]
            start += len(part)
            self._left -= len(part)
            self._header += part[: _ZSTD_LONGEST_HEADER - len(self._header)]
            while not self._left:
                self._left = self._fields.send(self._header)
                self._header = b""
            yield part

    def end(self) -> bytes:
        if self._frame is not None and not self._frame.eof:
            raise CodingError("zstd", "ends too soon")
        return b""


def _zstd_fields() -> Generator[int, bytes, None]:
    """The lengths of the fields in a series of zstd frames; is sent each field's first bytes (RFC 8878 §3.1).

    Checks only what the libraries leave open; they check the rest.
    """
    while True:
        magic = _little((yield 4))
        if magic & 0xFFFFFFF0 == 0x184D2A50:  # a skippable frame
            yield _little((yield 4))
            continue
        if magic != 0xFD2FB528:
            raise CodingError("zstd", "has no frame where one must be")
        descriptor = (yield 1)[0]
        single_segment, checksum = descriptor & 0x20, descriptor & 0x04
        window_length = 0 if single_segment else 1
        dictionary_length = (0, 1, 2, 4)[descriptor & 0x03]
        size_length = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
        header = yield window_length + dictionary_length + size_length
        if single_segment:
            window = _little(header[dictionary_length:])
        else:
            base = 1 << (10 + (header[0] >> 3))
            window = base + base // 8 * (header[0] & 0x07)
        if window > _ZSTD_WINDOW:
            raise CodingError("zstd", "needs more memory than a browser gives it")
        last_block = 0
        while not last_block:
            block = _little((yield 3))
            last_block, run_length = block & 1, block >> 1 & 3 == 1
            yield 1 if run_length else block >> 3
        if checksum:
            yield 4


def _little(field: bytes) -> int:
    return int.from_bytes(field, "little")
