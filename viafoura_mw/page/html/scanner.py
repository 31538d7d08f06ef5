"""The platform's start tag in a page: whole, or as it comes in chunks."""

from dataclasses import dataclass
from typing import Final

from viafoura_mw.page.html import tokens
from viafoura_mw.page.html.references import may_be_spelled
from viafoura_mw.page.html.start_tag import PLATFORM
from viafoura_mw.page.html.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Cut:
    """What a chunk gives: ``before + tag + after`` is what was held and the chunk, less what is held now."""

    before: bytes
    tag: bytes | None = None
    after: bytes = b""


class Scanner:
    """Looks for the platform's start tag in a page that comes in chunks.

    Everything passes as it comes but the bytes of an unfinished start tag that may be the one sought.
    """

    def __init__(self) -> None:
        self._tokenizer = Tokenizer()
        self._tail = b""  # undecided bytes at the end of what was fed, to be read again
        self._withheld = False  # the tail has not left yet

    @property
    def finished(self) -> bool:
        """Whether the tag cannot come any more: it was found, or nothing can be known from here on."""
        return self._tokenizer.finished

    def feed(self, chunk: bytes) -> Cut:
        """The next bytes of the page. When the tag has come, ``after`` is what follows it, unread."""
        tokenizer = self._tokenizer
        if tokenizer.finished:
            return Cut(chunk)
        data = self._tail + chunk if self._tail else chunk
        gone = 0 if self._withheld else len(self._tail)
        undecided = tokenizer.run(data, 0, len(data))
        if tokenizer.tag is not None:
            begins = max(tokenizer.tag_end - len(tokenizer.tag), gone)
            return Cut(data[gone:begins], tokenizer.tag, data[tokenizer.tag_end :])
        self._tail = b"" if self.finished else data[undecided:]
        self._withheld = tokenizer.may_begin and bool(tokens.SCRIPT_TO_BE.match(self._tail))
        held = len(data)
        if tokenizer.held is not None:
            held = tokenizer.held
        elif self._withheld:
            held = undecided
        if not gone and not tokenizer.released and held == len(data):
            return Cut(data)
        return Cut(tokenizer.released + data[gone:held])

    def end(self) -> bytes:
        """The page has ended: what is still held, verbatim. A start tag that never ended is none."""
        if self.finished:
            return b""
        return self._tokenizer.kept() + (self._tail if self._withheld else b"")


# bytes.rfind skips more of a page at a time than bytes.find does for a needle this long. In pages longer than this the
# branches of a processor are mispredicted so often that bytes.find, which has fewer, is the faster.
_LONG: Final = 1_000_000


def find(page: bytes) -> tuple[int, int] | None:
    """Where the platform's start tag begins and ends in a complete page."""
    mention = _mention(page, 0)
    if mention < 0 and not may_be_spelled(page, 0):
        return None
    tokenizer, read = Tokenizer(), 0
    while mention >= 0:
        read = tokenizer.run(page, read, mention)
        if tokenizer.finished:
            break
        mention = _mention(page, mention + 1)
    if not tokenizer.finished and may_be_spelled(page, read):
        tokenizer.run(page, read, len(page))
    return None if tokenizer.tag is None else (tokenizer.tag_end - len(tokenizer.tag), tokenizer.tag_end)


def _mention(page: bytes, start: int) -> int:
    """A place of the id's own letters at or behind ``start``, in a shorter page the last one; -1 without."""
    return page.find(PLATFORM, start) if len(page) > _LONG else page.rfind(PLATFORM, start)
