"""Hostile pages put to independent parsers: the tag that is found is the one they make the script of.

``HTML_DOCUMENTS`` sets how many pages are drawn in each test; in CI it is tens of thousands in all.
"""

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.html_documents import (
    KINDS,
    MARKUP,
    OTHER_TAGS,
    PLATFORM_TAGS,
    RARE_TAGS,
    SPECIAL,
    TAGS,
    drawn,
    numbered,
)
from tests.support.thoroughness import tries
from viafoura_mw.page.html import Scanner, find

pytest.importorskip("turbohtml", reason="turbohtml, the oracle, is not installed")
pytest.importorskip("html5lib", reason="html5lib, the second oracle, is not installed")

from tests.support.html_oracle import (
    Answer,
    html5lib_can_tell,
    html5lib_says,
    platform_scripts,
    tree,
    turbohtml_says,
)

DOCUMENTS = int(os.environ.get("HTML_DOCUMENTS", tries(10_000)))

PIECES = st.one_of(
    *map(st.sampled_from, (PLATFORM_TAGS, OTHER_TAGS, MARKUP, MARKUP, SPECIAL, SPECIAL, TAGS, RARE_TAGS))
)
PAGES = st.lists(PIECES, min_size=1, max_size=16).map(numbered)
hostile = settings(
    max_examples=max(100, DOCUMENTS // 4),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def check_finding(page: bytes) -> bool:
    """Hold the answer against both oracles; gives whether the package gave up, which is never wrong."""
    answer = Answer(page)
    if answer.gave_up:
        return True
    asked = page if answer.tag is None else page[: answer.end]
    assert turbohtml_says(asked) == answer.number, page
    if html5lib_can_tell(page):
        assert html5lib_says(asked) == answer.number, page
    return False


@hostile
@given(PAGES)
def test_finds_what_the_oracles_find(page: bytes) -> None:
    """Where the oracles make the platform's script of a tag, that tag is found; where they make none, none is."""
    check_finding(page)


@pytest.mark.parametrize("kind", KINDS)
def test_finds_what_the_oracles_find_in_many_pages(kind: str) -> None:
    """The same over many more pages, drawn from a seed; the package seldom gives up, even on these."""
    source = random.Random(kind)
    pages = [numbered(drawn(source, kind)) for _ in range(DOCUMENTS)]

    gave_up = sum(map(check_finding, pages))

    assert gave_up < DOCUMENTS * 0.15


@hostile
@given(PAGES)
def test_changes_two_attributes_and_nothing_else(page: bytes) -> None:
    """The trees of the page and of the page with a session are equal but for the two attributes."""
    answer = Answer(page)
    if answer.tag is None:
        return
    if turbohtml_says(page) is None:  # a later frameset has replaced the body
        page = page[: answer.end]
    edited = answer.edited(page)
    before, after = tree(page), tree(edited)
    scripts = platform_scripts(before)[0], platform_scripts(after)[0]

    assert (scripts[1].attrs["data-uid"], scripts[1].attrs["data-sid"]) == ("7", "s")
    for script in scripts:
        for name in ("data-uid", "data-sid"):
            script.attrs.pop(name, None)
    assert scripts[0].attrs == scripts[1].attrs
    scripts[0].attrs.clear()
    scripts[1].attrs.clear()
    assert before.html == after.html
    assert find(edited) is not None


@hostile
@given(PAGES, st.randoms(use_true_random=False))
def test_every_cutting_gives_the_same_bytes(page: bytes, source: random.Random) -> None:
    """However the page is cut, the same tag is found, and every other byte leaves as it came."""
    scanner, position, out, found = Scanner(), 0, b"", None
    while position < len(page):
        size = source.choice((1, 1, 2, 3, 5, 11, 40))
        cut = scanner.feed(page[position : position + size])
        position += size
        out += cut.before
        if cut.tag is not None:
            found = (len(out), len(out) + len(cut.tag))
            out += cut.tag + cut.after

    assert out + scanner.end() == page
    assert found == find(page)
