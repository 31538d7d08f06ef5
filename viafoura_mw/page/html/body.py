"""Whether a page has begun a body for which no ``<frameset>`` can be exchanged any more.

WHATWG §13.2.6.4.7: a frameset replaces the body as long as the "frameset-ok" flag is "ok". Text that is no white space,
and start tags of elements that show something, set it to "not ok" once a body has begun; outside of templates they
begin one themselves. A frameset is rare, so that the data that was passed over is only noted, and read when one comes.
What is said of a page must be certain: a reference may be one to white space, and so counts for nothing.
"""

import re
from typing import Final

from viafoura_mw.page.html import tokens
from viafoura_mw.page.html.open_elements import keeps_body

# More notes than this are read at once, so that their number is bounded.
_MANY: Final = 64
_REST_OF_REFERENCE: Final = re.compile(rb"[#0-9a-zA-Z]*+;?+")
_CUT_REFERENCE: Final = re.compile(rb"&[#0-9a-zA-Z]*+\Z")
_LESS: Final = ord("<")


class PassedOver:
    """Pieces of the data of one run that were passed over: whole tags and text from the data state on."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, int]] = []
        self._in_reference = False  # the data of the last run ended inside of a reference

    def note(self, data: bytes, start: int, end: int) -> bool:
        """Note a piece; gives whether a body is known to have begun in those that were read by now."""
        self._pieces.append((start, end))
        return len(self._pieces) > _MANY and self.begin_body(data)

    def begin_body(self, data: bytes) -> bool:
        """Read the pieces and forget them; gives whether a body has begun in one of them."""
        pieces, self._pieces = self._pieces, []
        for start, end in pieces:
            cut = self._in_reference and start == 0
            text = _end_of(_REST_OF_REFERENCE, data, start, end) if cut else start
            goes_on = cut and text == end and not data.endswith(b";")
            self._in_reference = end == len(data) and (goes_on or bool(_CUT_REFERENCE.search(data, text)))
            if _begins_body(data, text, end):
                return True
        return False


def _begins_body(data: bytes, at: int, end: int) -> bool:
    while True:
        at = _end_of(tokens.PERHAPS_SPACE, data, at, end)
        if at == end:
            return False
        if data[at] != _LESS:
            return True
        tag = tokens.WHOLE_TAG.match(data, at, end)
        if tag and (tag[2].lower() == b"br" if tag[1] else keeps_body(tag[2].lower(), tag[0])):
            return True
        skipped = tag or tokens.BOGUS_COMMENT.match(data, at, end)
        if not skipped:
            return bool(tokens.LESS_THAN.match(data, at))
        at = skipped.end()


def _end_of(pattern: re.Pattern[bytes], data: bytes, start: int, end: int) -> int:
    found = pattern.match(data, start, end)
    return found.end() if found else start
