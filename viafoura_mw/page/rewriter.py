"""A page's bytes: looked through for the platform's start tag, and passed on with a session set in it.

A page is *looked at* while its head is held, and keeps nothing of what it saw; the exchange has the application's own
chunks. Once it is settled that the page is rewritten, the same chunks, and those that follow, are *passed on*.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from viafoura_mw.page.charsets import readable
from viafoura_mw.page.codings import Beside, CodingError, Place, decoder, encoder
from viafoura_mw.page.html import Cut, Scanner, find, with_session
from viafoura_mw.viafoura.client import Session

_ESC: Final = b"\x1b"
PRESCAN: Final = 1024  # bytes in which a page may declare its charset (WHATWG HTML §13.2.3.2)
MAX_DECODED: Final = 64 * 1024 * 1024  # bytes of one compressed page that are looked through, then it is let go


class Page:
    """A page in a content ``coding`` that is understood, in the ``charset`` that its head names, if any."""

    def __init__(self, coding: str, charset: str | None) -> None:
        self.found: bool = False  # whether the tag was seen so far
        self._charset = charset
        self._coding = coding
        self._place: tuple[int, int] | None = None
        self._looking: _Lens | None = None
        self._passing: _Plain | Coded | None = None

    def look_at_whole(self, body: bytes) -> None:
        """Look through a body that is complete."""
        if self._coding != "identity":
            self.look_at(body)
            return
        place = find(body)
        self.found = place is not None and Ahead(self._charset).add(body, place[0]).is_readable
        self._place = place if self.found else None

    def look_at(self, chunk: bytes) -> None:
        """Look through the next chunk of a body."""
        if self._looking is None:
            self._looking = _Lens(self._coding, self._charset)
        self.found = self.found or self._looking.sees_tag_in(chunk)

    def rewritten(self, looked_at: Iterable[bytes], session: Session, *, ended: bool) -> list[bytes]:
        """What may pass of all chunks that were looked at, with ``session`` in the tag, now or when it comes.

        Raises :class:`~viafoura_mw.page.codings.CodingError` where a compressed body is corrupt.
        """
        if self._place:
            return [_spliced(b"".join(looked_at), self._place, session)]
        plain = _Plain(self._charset, session)
        passing = plain if self._coding == "identity" else Coded(self._coding, plain)
        pieces = [piece for chunk in looked_at for piece in passing.rewritten(chunk)]
        pieces += passing.completed() if ended else passing.flushed()
        self._passing = passing
        return [piece for piece in pieces if piece]

    def passed(self, chunk: bytes) -> list[bytes]:
        """What may pass when ``chunk`` has come, after :meth:`rewritten`."""
        if self._passing is None:
            return [chunk]
        pieces = self._passing.passed(chunk)
        self.found = self.found or self._passing.is_set
        return [piece for piece in pieces if piece]

    def ended(self) -> list[bytes]:
        """What is left to pass when the body has ended, after :meth:`rewritten`.

        The end of a compressed body that was truncated is not made up: it stays truncated.
        """
        return [piece for piece in self._passing.ended() if piece] if self._passing else []

    def broken_off(self) -> list[bytes]:
        """What is left to pass when no more of the body will come, whether it is complete or not."""
        return self.ended()


def _spliced(body: bytes, place: tuple[int, int], session: Session) -> bytes:
    start, end = place
    view = memoryview(body)
    return b"".join((view[:start], with_session(body[start:end], session.user_id, session.id), view[end:]))


class Ahead:
    """What stands ahead of the tag, as far as it decides how a browser reads the tag, in a page of this ``charset``.

    What stands behind the tag may have come with it or later, and must not decide: however a page is cut, the result is
    the same. A declaration behind the tag can name a charset that is no superset of ASCII; all of those that browsers
    still read (ISO-2022-JP) read ASCII as ASCII until an ESC comes.
    """

    __slots__ = ("_charset", "_escapes", "_prefix")

    def __init__(self, charset: str | None) -> None:
        self._charset = charset
        self._prefix = b""
        self._escapes = False

    def add(self, piece: bytes, end: int | None = None) -> "Ahead":
        """Take the next bytes, those before ``end`` if it is given."""
        if len(self._prefix) < PRESCAN:
            space = PRESCAN - len(self._prefix)
            self._prefix += piece[: space if end is None else min(space, end)]
        if self._charset is None and not self._escapes:
            self._escapes = piece.find(_ESC, 0, end) >= 0
        return self

    @property
    def is_readable(self) -> bool:
        """Whether a browser reads a tag that comes now as one."""
        return readable(self._charset, self._prefix, escapes=self._escapes)


class _Finder:
    """Finds the tag in decoded bytes whose charset is a superset of ASCII, or does not find it."""

    def __init__(self, charset: str | None) -> None:
        self._ahead = Ahead(charset)
        self._scanner = Scanner()

    @property
    def over(self) -> bool:
        return self._scanner.finished

    def feed(self, piece: bytes) -> Cut:
        """What the scanner gives; a tag in a page that cannot be read is none."""
        cut = self._scanner.feed(piece)
        self._ahead.add(cut.before)
        if cut.tag is None or self._ahead.is_readable:
            return cut
        return Cut(b"".join((cut.before, cut.tag, cut.after)))

    def end(self) -> bytes:
        return self._scanner.end()


class _Lens:
    """Looks for the tag and keeps nothing."""

    def __init__(self, coding: str, charset: str | None) -> None:
        self._decoder = decoder(coding)
        self._finder = _Finder(charset)
        self._left = MAX_DECODED
        self._over = False

    def sees_tag_in(self, chunk: bytes) -> bool:
        if self._over:
            return False
        try:
            for piece in self._decoder.decode(chunk):
                if isinstance(piece, Beside):
                    continue
                if self._finder.feed(piece).tag is not None:
                    return True
                self._left -= len(piece)
                if self._finder.over or self._left < 0:
                    self._over = True
                    return False
        except CodingError:
            self._over = True
        return False


class _Plain:
    """Passes a body that is not compressed."""

    def __init__(self, charset: str | None, session: Session) -> None:
        self.is_set: bool = False  # the session, in the tag
        self._finder = _Finder(charset)
        self._session = session

    def rewritten(self, chunk: bytes) -> list[bytes]:
        cut = self._finder.feed(chunk)
        if cut.tag is None:
            return [cut.before]
        self.is_set = True
        return [b"".join((cut.before, with_session(cut.tag, self._session.user_id, self._session.id), cut.after))]

    def passed(self, chunk: bytes) -> list[bytes]:
        return self.rewritten(chunk)

    def flushed(self) -> list[bytes]:
        return []

    def completed(self) -> list[bytes]:
        return [self._finder.end()]

    def ended(self) -> list[bytes]:
        return self.completed()


class Edit(Protocol):
    """What is done to decoded bytes. ``is_set``: some of them were changed."""

    @property
    def is_set(self) -> bool: ...

    def rewritten(self, chunk: bytes) -> list[bytes]:
        """What may pass when ``chunk`` has come."""
        ...

    def completed(self) -> list[bytes]:
        """What is still held; may be asked for more than once."""
        ...


class Coded:
    """Passes a compressed body: decoded, rewritten, and compressed again in the same coding.

    Whatever way a body takes to its end, the bytes that are held of a tag leave: ahead of what is behind the last
    stream, ahead of what is corrupt, and when the body ends.
    """

    def __init__(self, coding: str, edit: Edit) -> None:
        self._plain = edit
        self._decoder = decoder(coding)
        self._encoder = encoder(coding)
        self._broken = False

    @property
    def is_set(self) -> bool:
        return self._plain.is_set

    def rewritten(self, chunk: bytes) -> Iterator[bytes]:
        for piece in self._decoder.decode(chunk):
            if isinstance(piece, Beside):
                yield from self._put(piece)
            else:
                yield from map(self._encoder.encode, self._plain.rewritten(piece))

    def passed(self, chunk: bytes) -> list[bytes]:
        if self._broken:
            return [chunk]
        parts: list[bytes] = []
        try:
            parts.extend(self.rewritten(chunk))
        except CodingError:
            # What could be read has been passed on; the rest goes as it came, for the browser to judge.
            parts += self._truncated()
            self._broken = True
            return [*parts, chunk]
        return [*parts, *self.flushed()]

    def flushed(self) -> list[bytes]:
        return [self._encoder.flush()]

    def completed(self) -> list[bytes]:
        parts = [part for piece in self._decoder.end() for part in self._put(piece)]
        return [*parts, *self._held(), self._encoder.finish()]

    def ended(self) -> list[bytes]:
        if self._broken:
            return []
        try:
            return self.completed()
        except CodingError:
            return self._truncated()

    def _truncated(self) -> list[bytes]:
        return [*self._held(), self._encoder.flush()]

    def _put(self, piece: Beside) -> Iterator[bytes]:
        if piece.place is Place.BEHIND:  # no stream follows in which bytes that are held could leave
            yield from self._held()
        yield self._encoder.beside(piece)

    def _held(self) -> list[bytes]:
        return [self._encoder.encode(part) for part in self._plain.completed()]
