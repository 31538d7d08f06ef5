"""Whether a page can spell the platform's id with character references, told without reading its tags.

An id is spelled with its own letters or with numeric references to them: no named reference makes any of its letters
(the tests hold this against the standard's table). Pages are full of references, but hardly ever to these letters.
"""

import re
from typing import Final

from viafoura_mw.html.start_tag import PLATFORM

_DECIMAL: Final = "|".join(sorted({str(code) for code in PLATFORM}))
_HEXADECIMAL: Final = "|".join(sorted({f"{code:x}" for code in PLATFORM}))
_LETTER: Final = re.compile(rf"&#(?:0*+(?:{_DECIMAL})(?![0-9])|[xX]0*+(?i:{_HEXADECIMAL})(?![0-9a-fA-F]))".encode())
_AMPERSAND: Final = ord("&")
# What can follow "&#" in such a reference.
_FIRST: Final = b"0149xX"
# Finding one "#" and looking at its neighbours takes as long as the pattern takes for some three hundred bytes: where
# there is more than one in that many, the pattern is the faster.
_SPARSE: Final = 300


def may_be_spelled(page: bytes, start: int) -> bool:
    """Whether there is a numeric reference to a letter of the id at or behind ``start``."""
    find = page.find
    for _ in range(8 + (len(page) - start) // _SPARSE):
        sharp = find(b"#", start)
        if sharp < 0:
            return False
        start = sharp + 1
        if page[sharp - 1] != _AMPERSAND:
            # A colour or a link: the others of its kind that follow are passed over as well.
            start = find(b"&", start)
            if start < 0:
                return False
        elif page[start : start + 1] in _FIRST and _LETTER.match(page, sharp - 1):
            return True
    return bool(_LETTER.search(page, start))
