"""Whether a complete page can hold the platform's start tag at all, at the speed of C.

An id is spelled with its own letters or with numeric character references to them: no named reference makes any of its
letters (the tests hold this against the standard's table). So a page with neither can be let go unread.
"""

import re
from typing import Final

from viafoura_mw.html.start_tag import PLATFORM

_DECIMAL: Final = "|".join(sorted({str(code) for code in PLATFORM}))
_HEXADECIMAL: Final = "|".join(sorted({f"{code:x}" for code in PLATFORM}))
_REFERENCE: Final = re.compile(rf"&#(?:0*+(?:{_DECIMAL})(?![0-9])|[xX]0*+(?i:{_HEXADECIMAL})(?![0-9a-fA-F]))".encode())


def last_candidate(page: bytes) -> int:
    """A position that no start tag of the platform begins behind; -1 when the page has none."""
    # bytes.rfind skips more of a page at a time than bytes.find does for a needle this long.
    last = page.rfind(PLATFORM)
    for reference in _REFERENCE.finditer(page, last + 1):
        last = reference.start()
    return last
