"""How far into a complete page anything can stand that is held: the rest of it need not be read.

To read a page as a browser does takes longer than to look for a few letters in it. A script is held by its id or by its
``src``, and both are made of letters that the page spells, or of character references to them.
"""

import re
from collections.abc import Iterable
from typing import Final

from viafoura_mw.page.html import PLATFORM, last_mention

#: Letters of which no named reference makes one alone; "&fjlig;" makes an "f", with a "j" behind it (the tests hold
#: this against the standard's table).
_TEXT: Final = re.compile("[0-9A-Za-ik-z]+")
#: Shorter texts are in every page, and spare nothing.
_SHORTEST: Final = 4


class Needles:
    """For the platform's id, and for each of some globs, a text that is in whatever the glob matches."""

    def __init__(self, globs: Iterable[str]) -> None:
        texts = [_text_in(glob) for glob in globs]
        #: None where some glob has no such text.
        self._texts = tuple({text.encode("ascii") for text in texts}) if all(texts) else None
        others = {ord(letter) for text in texts for letter in text}.difference(PLATFORM)
        self._reference = _numeric_reference_to(sorted(others)) if others else None

    def last(self, page: bytes) -> int:
        """Behind which byte of a complete page no script can begin that is held; 0 where it has no tag."""
        mention = last_mention(page)
        if mention in (0, len(page)):
            return mention
        if self._texts is None or (self._reference and self._reference.search(page)):
            return len(page)
        return max(mention, *(page.rfind(text) + len(text) for text in self._texts))


def _text_in(glob: str) -> str:
    """The longest text that a glob spells out; a set of characters, ``[…]``, and what follows it is passed over."""
    texts = [text.rstrip("f") for text in _TEXT.findall(glob.partition("[")[0])]
    longest = max(texts, key=len, default="")
    return longest if len(longest) >= _SHORTEST else ""


def _numeric_reference_to(codes: Iterable[int]) -> re.Pattern[bytes]:
    decimal = "|".join(f"{code}" for code in codes)
    hexadecimal = "|".join(f"{code:x}" for code in codes)
    return re.compile(rf"&#(?:0*+(?:{decimal})(?![0-9])|[xX]0*+(?i:{hexadecimal})(?![0-9a-fA-F]))".encode())
