"""Hostile pages cost time in proportion to their length, and no more memory than a tag.

Work is counted, not timed: the calls that are made, and the bytes that each search and match has before it. A failed
match of a pattern that runs over a whole tag counts for all that is left of the data, which is more than it looked at.
"""

import re
import sys
import tracemalloc
from types import FrameType
from typing import Any, cast

import pytest

from tests.support.html_hostile import FAMILIES, TAG
from tests.support.thoroughness import TRIES_EVERYTHING, matrix
from viafoura_mw.page.html import Scanner, body, find, references, tokenizer, tokens

# Not ICON: where it fails, it has only looked at shapes, which are all passed before the next one is tried.
FAR = ("boring", "REST_OF_TAG", "WHOLE_ATTRIBUTES", "WHOLE_TAG", "BOGUS_COMMENT")


class Work:
    """Counts what is done while it is open."""

    def __init__(self) -> None:
        self.done = 0

    def __enter__(self) -> "Work":
        sys.setprofile(self._called)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        self.done += event in ("call", "c_call")


class Counted:
    """A pattern that tells how many bytes it had before it."""

    def __init__(self, pattern: re.Pattern[bytes], work: Work, far: bool) -> None:
        self._pattern, self._work, self._far = pattern, work, far

    def match(self, data: bytes, start: int = 0, end: int | None = None) -> re.Match[bytes] | None:
        end = len(data) if end is None else end
        found = self._pattern.match(data, start, end)
        self._work.done += found.end() - start if found else (end - start) * self._far
        return found

    def search(self, data: bytes, start: int = 0) -> re.Match[bytes] | None:
        found = self._pattern.search(data, start)
        self._work.done += (found.end() if found else len(data)) - start
        return found


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    counter = Work()

    def counted(holder: Any, name: str) -> None:
        monkeypatch.setattr(holder, name, Counted(getattr(holder, name), counter, name in FAR))

    for name, value in vars(tokens).copy().items():
        if isinstance(value, re.Pattern):
            counted(tokens, name)
        elif isinstance(value, tokens.PlainHtml):
            patterns: dict[str, Any] = {
                field: Counted(pattern, counter, field in FAR) for field, pattern in value._asdict().items()
            }
            monkeypatch.setattr(tokens, name, value._replace(**patterns))
    counted(references, "_LETTER")
    counted(body, "_REST_OF_REFERENCE")
    counted(body, "_CUT_REFERENCE")
    for table in (tokens.TEXT_END, tokenizer._RUNS):
        for key, pattern in table.items():
            monkeypatch.setitem(cast("dict[Any, Any]", table), key, Counted(pattern, counter, False))
    return counter


def scanned(page: bytes, size: int) -> None:
    scanner = Scanner()
    for start in range(0, len(page), size):
        scanner.feed(page[start : start + size])
    scanner.end()


@matrix
@pytest.mark.parametrize("size", [None, 1, 100])
@pytest.mark.parametrize("name", FAMILIES)
def test_work_grows_with_the_page(name: str, size: int | None, work: Work) -> None:
    """Four times the page is four times the work, whole or in chunks of a byte."""
    counts = []
    for length in (4_000, 16_000):
        page = FAMILIES[name](length) + b"'\">" + TAG
        work.done = 0
        with work:
            if size is None:
                find(page)
            else:
                scanned(page, size)
        counts.append(work.done)

    assert counts[1] <= counts[0] * 4.4 + 1_000
    assert counts[1] <= 16_000 * 60


@matrix
@pytest.mark.skipif(sys.version_info < (3, 11, 5), reason="greedy groups keep a mark for each turn; see html/tokens.py")
@pytest.mark.parametrize("size", [None, 16_384])
@pytest.mark.parametrize("name", FAMILIES)
def test_memory_is_bounded(name: str, size: int | None) -> None:
    """No more of a page is kept than the longest start tag and a chunk."""
    length = 400_000 if TRIES_EVERYTHING else 200_000
    page = FAMILIES[name](length) + TAG
    tracemalloc.start()

    if size is None:
        find(page)
    else:
        scanned(page, size)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < length * 3 // 4
