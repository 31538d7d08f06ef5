"""The platform's start tag once it is known where it begins and ends: its attributes, its id, the session in it.

WHATWG §13.2.5.32 to §13.2.5.40 (the attribute states). Everything here is given a whole start tag, from its ``<`` to
its ``>``, so that nothing has to be resumed.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

PLATFORM: Final = b"viafoura-platform"
# A start tag longer than this is never matched, and no more than this is held back of a page. The longest that sites
# write are a few hundred bytes; one with a nonce, an integrity hash and inline handlers stays far below.
MAX_TAG: Final = 65_536
_UID: Final = b"data-uid"
_SID: Final = b"data-sid"
# The pages of a site have the same tag, or few: so many that were looked at are remembered by a process, and none that
# is longer than tags are unless a page's content makes them so.
_REMEMBERED: Final = 32
_LONGEST_REMEMBERED: Final = 1024

# A name may begin with "=" (unexpected-equals-sign-before-attribute-name) and hold quotes; a value without quotes may
# hold a solidus. The repeats are possessive: nothing is ever tried twice.
_ATTRIBUTE: Final = re.compile(
    rb"([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rb"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r >]*+))?"
)
_TAG_NAME: Final = re.compile(rb"<[^\t\n\f\r />]++")
_NUMERIC_REFERENCE: Final = re.compile(rb"&#(?:[xX]0*+([0-9a-fA-F]++)|0*+([0-9]++));?+")
_LONGEST_ASCII_CODE: Final = 3  # digits of "127"; a longer code is no letter of the id, and int() may refuse it


class Attribute(NamedTuple):
    """One attribute where it stands in its tag: ``tag[start:end]``, its value without the quotes.

    ``slot`` is where a value's spelling stands, quotes included: empty, at the name's end, for a name alone. ``start``
    is where the name begins.
    """

    name: bytes
    value: bytes
    has_value: bool
    slot: tuple[int, int]
    start: int


def attributes(tag: bytes) -> Iterator[Attribute]:
    """The attributes of a start tag in source order, duplicates included, names in lower case."""
    name_end = _TAG_NAME.match(tag)
    assert name_end is not None, "a start tag begins with its name"
    for found in _ATTRIBUTE.finditer(tag, name_end.end(), len(tag) - 1):
        spelling = found[2]
        has_value = spelling is not None
        value = spelling[1:-1] if has_value and spelling[:1] in (b'"', b"'") else spelling or b""
        slot = found.span(2) if has_value else (found.end(1), found.end(1))
        yield Attribute(found[1].lower(), value, has_value, slot, found.start())


def value_of(tag: bytes, name: bytes) -> bytes | None:
    """The value that a browser gives the attribute: of duplicates the first counts. ``None`` when it is not there."""
    return next((decoded(each.value) for each in attributes(tag) if each.name == name), None)


def decoded(value: bytes) -> bytes:
    """An attribute's value with its numeric character references to ASCII read (WHATWG §13.2.5.80).

    Named references stay as they are, and so do those to other characters: none of them makes a letter of an id that is
    sought (the tests hold this against the standard's table).
    """
    return _NUMERIC_REFERENCE.sub(_referenced, value) if b"&#" in value else value


def _referenced(found: re.Match[bytes]) -> bytes:
    hexadecimal, decimal = found.groups()
    digits: bytes = hexadecimal or decimal
    if len(digits) > _LONGEST_ASCII_CODE:
        return found[0]
    code = int(digits, 16 if hexadecimal else 10)
    return bytes([code]) if 0 < code < 128 else found[0]


def may_be_platform(tag: bytes) -> bool:
    """Whether a start tag spells anything that its id could be: most scripts are told apart by that alone."""
    return PLATFORM in tag or b"&#" in tag


def is_platform(tag: bytes) -> bool:
    """Whether the id of a script's start tag is exactly the platform's."""
    if not may_be_platform(tag):
        return False
    return _remembered_id(tag) if len(tag) <= _LONGEST_REMEMBERED else _has_platform_id(tag)


def _has_platform_id(tag: bytes) -> bool:
    return value_of(tag, b"id") == PLATFORM


_remembered_id = lru_cache(_REMEMBERED)(_has_platform_id)


def with_session(tag: bytes, user_id: str, session: str) -> bytes:
    """The platform's start tag with ``data-uid`` and ``data-sid`` set; every other byte stays as it is.

    A value is replaced where it stands, in the first attribute of that name, which is the one that counts. What is not
    there is added right behind the id, whose value is never empty, so that nothing can run together with it.
    """
    values = {_UID: _quoted(user_id), _SID: _quoted(session), b"": b""}
    places = _remembered_places(tag) if len(tag) <= _LONGEST_REMEMBERED else _with_places(tag)
    return b"".join([literal + values[name] for literal, name in places])


def _with_places(tag: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The platform's start tag in pieces: bytes that stay, and the attribute whose value follows them, if any."""
    places: list[tuple[int, int, bytes, bytes]] = []
    absent = [_UID, _SID]
    behind_id = 0
    for each in attributes(tag):
        start, end = each.slot
        if each.name == b"id" and not behind_id:
            behind_id = end
        elif each.name in absent:
            absent.remove(each.name)
            places.append((start, end, b"" if each.has_value else b"=", each.name))
    places += [(behind_id, behind_id, b" " + name + b"=", name) for name in absent]
    pieces, at = [], 0
    for start, end, spelling, name in sorted(places, key=lambda place: place[0]):
        pieces.append((tag[at:start] + spelling, name))
        at = end
    return (*pieces, (tag[at:], b""))


_remembered_places = lru_cache(_REMEMBERED)(_with_places)


def _quoted(value: str) -> bytes:
    """A value in double quotes, in ASCII whatever the page's charset is."""
    if value.isascii() and value.isalnum():  # as Viafoura's are
        return b'"%b"' % value.encode("ascii")
    escaped = value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    return b'"' + escaped.replace("\r", "&#13;").encode("ascii", "xmlcharrefreplace") + b'"'
