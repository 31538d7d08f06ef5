"""The platform's start tag in a page, or others that are wanted with it: whole, or as it comes in chunks."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from viafoura_mw.page.html.references import may_be_spelled
from viafoura_mw.page.html.start_tag import PLATFORM
from viafoura_mw.page.html.tokenizer import THE_PLATFORM, Tokenizer, Watch


@dataclass(frozen=True, slots=True)
class Cut:
    """What a chunk gives: ``before + tag + after`` is what was held and the chunk, less what is held now."""

    before: bytes
    tag: bytes | None = None
    after: bytes = b""


class _Undecided(NamedTuple):
    """The end of what was fed that is not done with: bytes that have not left, or that must be seen again.

    ``data[:gone]`` has left, and ``data[gone:]`` is held; the tokenizer reads on at ``data[read:]``.
    """

    data: bytes = b""
    gone: int = 0
    read: int = 0


_NOTHING: Final = _Undecided()


class Scanner:
    """Looks for the platform's start tag, or for those that a ``watch`` wants, in a page that comes in chunks.

    Everything passes as it comes but the bytes of an unfinished start tag that may be the one sought. There is one
    place in which bytes are held, ``_undecided``, and every way out gives them out: a tag, no tag yet, no tag any more,
    and the end. So what has been given out, and what is held, is at any time all that was fed.
    """

    def __init__(self, watch: Watch = THE_PLATFORM) -> None:
        self._tokenizer = Tokenizer(watch)
        self._undecided = _NOTHING

    @property
    def finished(self) -> bool:
        """Whether no tag can come any more: it was found, or nothing can be known from here on."""
        return self._tokenizer.finished

    @property
    def is_holding(self) -> bool:
        """Whether what was fed last ends in an unfinished start tag that may be one that is wanted."""
        return self._undecided.gone < len(self._undecided.data)

    def go_on(self) -> None:
        """Look for another tag: what follows the last one, ``after``, is to be fed next."""
        self._tokenizer.go_on()

    def feed(self, chunk: bytes) -> Cut:
        """The next bytes of the page. When the tag has come, ``after`` is what follows it, unread."""
        tokenizer = self._tokenizer
        if tokenizer.finished:
            return Cut(chunk)
        last, self._undecided = self._undecided, _NOTHING
        data = last.data + chunk if last.data else chunk
        read = tokenizer.run(data, last.read, len(data))
        if tokenizer.tag is not None:
            begins = tokenizer.tag_end - len(tokenizer.tag)
            tokenizer.forget(data, tokenizer.tag_end)
            return Cut(data[last.gone : begins], tokenizer.tag, data[tokenizer.tag_end :])
        first, held = tokenizer.needed(data, read)
        leaves = max(last.gone, held)
        tokenizer.forget(data, first)
        if first < len(data):
            self._undecided = _Undecided(data[first:], leaves - first, read - first)
        return Cut(data[last.gone : leaves])

    def end(self) -> bytes:
        """The page has ended: what is still held, verbatim. A start tag that never ended is none."""
        last, self._undecided = self._undecided, _NOTHING
        return last.data[last.gone :]


# bytes.rfind skips more of a page at a time than bytes.find does for a needle this long. In pages longer than this the
# branches of a processor are mispredicted so often that bytes.find, which has fewer, is the faster.
_LONG: Final = 1_000_000


def last_mention(page: bytes) -> int:
    """Behind which byte a complete page cannot spell the id; most pages, which nowhere do, are told apart by the 0."""
    if may_be_spelled(page, 0):
        return len(page)
    place = page.rfind(PLATFORM)
    return place + len(PLATFORM) if place >= 0 else 0


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
