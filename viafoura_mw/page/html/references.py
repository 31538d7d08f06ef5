"""Whether a page can spell the platform's id with character references, told without reading its tags.

An id is spelled with its own letters or with numeric references to them: no named reference makes any of its letters
(the tests hold this against the standard's table). Pages are full of references, but hardly ever to these letters.
"""

import re
from typing import Final

from viafoura_mw.page.html.start_tag import PLATFORM

_DECIMAL: Final = "|".join(sorted({str(code) for code in PLATFORM}))
_HEXADECIMAL: Final = "|".join(sorted({f"{code:x}" for code in PLATFORM}))
_LETTER: Final = re.compile(rf"&#(?:0*+(?:{_DECIMAL})(?![0-9])|[xX]0*+(?i:{_HEXADECIMAL})(?![0-9a-fA-F]))".encode())
_AMPERSAND: Final = ord("&")
# What can follow "&#" in such a reference.
_FIRST: Final = frozenset(b"0149xX")
# To find one "#" and look at its neighbours takes as long as the pattern takes for this many bytes: where they are
# closer together than that, for so many of them, the pattern is the faster.
_APART: Final = 350
_IN_A_ROW: Final = 16


def may_be_spelled(page: bytes, start: int) -> bool:
    """Whether there is a numeric reference to a letter of the id at or behind ``start``."""
    find = page.find
    size = len(page)
    begin = start - _IN_A_ROW * _APART
    while start - begin >= _IN_A_ROW * _APART:
        begin = start
        for _ in range(_IN_A_ROW):
            start = find(b"#", start) + 1
            if not 0 < start < size:
                return False
            if page[start - 2] != _AMPERSAND:
                # A colour or a link: others that follow ahead of the next ampersand are passed over as well.
                start = find(b"&", start)
                if start < 0:
                    return False
            elif page[start] in _FIRST and _LETTER.match(page, start - 2):
                return True
    return bool(_LETTER.search(page, start))
