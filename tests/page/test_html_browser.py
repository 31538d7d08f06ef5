"""Hostile pages put to a real browser: the tag that is found is the one Chromium makes the script of."""

import os
import random

import pytest

from tests.support.html_browser import FRAMESET, chromium, chromium_says
from tests.support.html_documents import KINDS, drawn, numbered

pytest.importorskip("turbohtml", reason="turbohtml, on which the oracle rests, is not installed")

from tests.support.html_oracle import Answer

BROWSER = chromium()
DOCUMENTS = int(os.environ.get("HTML_DOCUMENTS", "3000" if os.environ.get("CI") else "1000"))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("kind", KINDS)
def test_finds_what_a_browser_finds(kind: str) -> None:
    """Chromium, with scripting on, makes the platform's script of the very tag that is found."""
    assert BROWSER is not None
    source = random.Random(f"browser {kind}")
    pages = [numbered(drawn(source, kind)) for _ in range(DOCUMENTS)]

    wrong = [
        (page, said, answer.number)
        for page, said in zip(pages, chromium_says(BROWSER, pages), strict=True)
        if not (answer := Answer(page)).gave_up and said not in (answer.number, FRAMESET)
    ]

    assert wrong == []
