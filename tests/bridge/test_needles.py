"""How far into a complete page is read: as far as anything can be held, and the result is as if all of it were."""

import random
import re
from collections.abc import Sequence
from html.entities import html5

import pytest

from viafoura_mw.bridge.holding import Holding, Needles
from viafoura_mw.bridge.page import BridgedPage
from viafoura_mw.bridge.policies import Policies
from viafoura_mw.bridge.script import BridgeScript
from viafoura_mw.log import Notices

GLOBS = ("*//cdn.viafoura.net/*", "*//api.viafoura.com/app/js/*")
TAG = b'<script id="viafoura-platform" async src="/x"></script>'
BOOT = b'<script async src="//cdn.viafoura.net/entry/index.js"></script>'


@pytest.mark.parametrize(
    ("globs", "page", "last"),
    [
        (GLOBS, b"<p>nothing of the kind</p>", 0),
        (GLOBS, BOOT, 0),
        (GLOBS, TAG + b"<p>more", len(b'<script id="viafoura-platform')),
        (GLOBS, TAG + BOOT + b"<p>more", len(TAG + b'<script async src="//cdn.viafoura')),
        (GLOBS, TAG + b"<p>&amp;&#39;&sol;&period;</p>", len(b'<script id="viafoura-platform')),
        (GLOBS, TAG + b"<p>&#118;</p>", None),
        (GLOBS, TAG + b"<p>&#x0076</p>", None),
        (("*/boot.js",), TAG + b"<p>boot</p>more", len(TAG + b"<p>boot")),
        (("*/boot.js",), TAG + b"<p>&#98;</p>more", None),
        (("*/boot.js",), TAG + b"<p>&#980;</p>more", len(b'<script id="viafoura-platform')),
        (("*/[abcd]*", "*/boot.js"), TAG + b"<p>more", None),
        (("*",), TAG + b"<p>more", None),
        (("*/ö-jjjj*",), TAG + b"<p>more", None),
        (("*/deaf",), TAG + b"<script async src='/dea&fjlig;'>", None),
    ],
)
def test_tells_how_far_a_page_is_to_be_read(globs: Sequence[str], page: bytes, last: int | None) -> None:
    """Up to the last letters of anything that may be held; to its end where that cannot be told."""
    assert Needles(globs).last(page) == (len(page) if last is None else last)


def test_no_named_reference_makes_a_letter_that_is_looked_for() -> None:
    """But for the one of two letters, of which the first is looked for only where another follows that is no ``j``."""
    made = {text for text in html5.values() if re.search("[0-9A-Za-z]", text)}

    assert made == {"fj"}


PIECES = [
    *(
        TAG,
        BOOT,
        b"<p>text</p>",
        b"viafoura",
        b"viafoura-platform",
        b"<!-- viafoura-platform -->",
        b'">',
        b"'",
        b"&#39;",
    ),
    *(
        b"<script>var a='<b';</script>",
        b"<script async src=//cdn.viafoura.net/",
        b"></script>",
        b"<meta charset=utf-8>",
    ),
    b'<script async src="&#47;/cdn.viafoura.net/x"></script>',
    b'<script async src="//cdn.&#118;iafoura.net/x"></script>',
    b"<SCRIPT ASYNC SRC='//cdn.viafoura.net/y'></SCRIPT>",
    b'<script async title="' + b"x" * 600 + b'" src="//cdn.viafoura.net/z" data-y="' + b"y" * 600 + b'"></script>',
    *(b"<textarea>", b"</textarea>", b"<svg>", b"</svg>", b"<template>", b"</template>", b"<meta charset=iso-2022-kr>"),
    *(b'<script id="viafoura-platform" defer>', b"<!--", b"-->", b"\x1b", b"<scr", b"ipt"),
]


@pytest.mark.parametrize("seed", range(40))
def test_a_page_that_is_complete_is_bridged_as_one_that_comes_in_pieces(seed: int) -> None:
    """Whatever is in it, and wherever it is cut."""
    chance = random.Random(seed)
    for _ in range(25):
        page = b"".join(chance.choices(PIECES, k=chance.randrange(1, 14)))
        holding = Holding(GLOBS, "/_viafoura/", BridgeScript(b"", "0123456789abcdef"))
        whole, streamed = (BridgedPage(holding, "identity", None, Policies(), Notices()) for _ in range(2))
        size = chance.choice([1, 7, 300])
        chunks = [page[at : at + size] for at in range(0, len(page), size)]

        expected = b"".join([*map(streamed.passed, chunks), streamed.ended()])

        assert (whole.whole(page) or page) == expected, page
        assert whole.outcome == streamed.outcome
