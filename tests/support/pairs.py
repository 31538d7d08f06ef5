"""What a browser asks for, and the pair that it finds in a page."""

import re
from collections.abc import Callable

from tests.support.doors import PAGE, TAG, Get
from viafoura_mw import Settings

Door = Callable[[Settings | None], Get]


#: A browser's request for a page.
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


PAIR = re.compile(rb'<script id="viafoura-platform" data-uid="(\d+)" data-sid="([^"]+)">')


def pair_in(body: bytes) -> tuple[str, str]:
    """The pair in a page's tag; the page is the site's but for it."""
    match = PAIR.search(body)
    assert match is not None, body
    assert body.replace(match[0], TAG) == PAGE
    return match[1].decode(), match[2].decode()
