"""Pages as sites write them, and the ways in which a server may cut them."""

import random
from collections.abc import Iterator
from typing import Final

from tests.support.html_documents import KINDS, drawn, numbered

TAG: Final = b'<script async id="viafoura-platform" src="//cdn.example/v.js">'

REALISTIC: Final[dict[str, bytes]] = {
    "scripts around the tag": (
        b'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>News &amp; more</title>'
        b'<script src="/a.js"></script>\n<script>if (a < b) { w("<script>") }</script><style>a>b{}</style></head>'
        b'<body class="x"><!-- ad --><p title=\'<script id="viafoura-platform">\'>Text</p>'
        b'<svg viewBox="0 0 1 1"><path d="M0 0"/></svg><script defer data-id=7>f()</script>' + TAG + b"</script>"
        b'<script src="/z.js"></script><script type="module">1</script></body></html>\n'
    ),
    "scripts and no tag": (
        b"<!doctype html><head><script src=/a.js></script><script src=/b.js async></script></head>"
        b"<p>viafoura-platform</p><script>x</script><template><script id=viafoura-platform></script></template>"
        b"<math><annotation-xml encoding='text/html'><p></p></annotation-xml></math><script"
    ),
    "nothing but scripts": b'<script src="/a.js"></script><script id="viafoura-platform"></script><script></script>',
    "the tag at the start": TAG + b"</script><p>",
    "long and hostile attributes": (
        b"<script a='>' b=\"<script>\" c = d/e></script><SCRIPT\n\tid\f=\r'viafoura&#45;platform'\n/></script>"
    ),
}


def cut_in_two(page: bytes) -> Iterator[list[bytes]]:
    """The page cut at every byte; reaches no state of two cuts, such as a tag of which the middle comes alone."""
    for at in range(len(page) + 1):
        yield [page[:at], page[at:]]


def cut_in_few(page: bytes, source: random.Random, count: int) -> Iterator[list[bytes]]:
    """The page cut at random into three to five pieces of any size, ``count`` times.

    Reaches each pair of cuts of a page of some hundred bytes by chance only; pieces of one byte hardly ever.
    """
    for _ in range(count):
        places = sorted(source.randrange(len(page) + 1) for _ in range(source.randint(2, 4)))
        yield [page[start:end] for start, end in zip([0, *places], [*places, len(page)], strict=True)]


def cut_small(page: bytes, source: random.Random) -> list[bytes]:
    """The page in pieces of 1 to 40 bytes; can never put the end of one tag and all of a long next one in one piece."""
    pieces, at = [], 0
    while at < len(page):
        size = source.choice((1, 1, 2, 3, 5, 11, 40))
        pieces.append(page[at : at + size])
        at += size
    return pieces


def cut_in_any_way(page: bytes, source: random.Random) -> list[bytes]:
    """The page in pieces of one size in each part: none, few large or many small ones.

    Cannot reach what depends on pieces of more than a few kilobytes, since the pages are shorter.
    """
    if source.random() < 0.5:
        return cut_small(page, source)
    return next(cut_in_few(page, source, 1))


def hostile(source: random.Random, count: int) -> Iterator[bytes]:
    """Pages of the hostile grammar, of all its kinds, behind some that begin with ordinary scripts.

    Cannot reach tags of more than some hundred bytes, nor names longer than those of the grammar.
    """
    for _ in range(count):
        page = numbered(drawn(source, source.choice(KINDS)))
        yield source.choice((b"", b"<script src=/a.js></script>", b"<p><script>1</script>")) + page
