"""The holding of a script: its start tag with another ``type``, by which no browser runs it.

What is held is only what a browser would run without waiting for it: whoever waits for a script's result in the next
line of the page would wait in vain.
"""

import re
from collections.abc import Iterable
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from typing import Final

from viafoura_mw.bridge.references import decoded, value_of
from viafoura_mw.bridge.script import ON_ERROR, OWN_TYPE_ATTRIBUTE, PARKED_TYPE, BridgeScript
from viafoura_mw.page.html import PLATFORM, Attribute, attributes, last_mention

_SPACES: Final = "\t\n\f\r "
_OWN_TYPE: Final = OWN_TYPE_ATTRIBUTE.encode()
_PARKED: Final = f'type="{PARKED_TYPE}"'.encode()
_NAME_END: Final = len("<script")
_REMEMBERED: Final = 256
_LONGEST_REMEMBERED: Final = 1024  # bytes

#: Letters of which no named reference makes one alone; "&fjlig;" makes an "f", with a "j" behind it (the tests hold
#: this against the standard's table).
_TEXT: Final = re.compile("[0-9A-Za-ik-z]+")
#: Shorter texts are in every page, and spare nothing.
_SHORTEST: Final = 4

#: MIME Sniffing §4.6, "JavaScript MIME type essence match".
_JAVASCRIPT: Final = frozenset(
    (
        *("application/ecmascript", "application/javascript", "application/x-ecmascript", "application/x-javascript"),
        *("text/ecmascript", "text/javascript", "text/x-ecmascript", "text/x-javascript"),
        *("text/javascript1.0", "text/javascript1.1", "text/javascript1.2", "text/javascript1.3"),
        *("text/javascript1.4", "text/javascript1.5", "text/jscript", "text/livescript"),
    )
)
_MODULE: Final = "module"


class Left(Enum):
    """Why a script is left as it is."""

    BLOCKING = "blocking"  # the page's next lines may rely on it
    PARKED = "parked"  # by its type it is no script that runs, or not in every browser


class Holding:
    """What is held, and what is put before the tag: the same in each page of a site.

    ``scripts``: globs of the ``src`` of scripts that are held together with the tag. ``path``: the bridge's address.
    """

    def __init__(self, scripts: Iterable[str], path: str, script: BridgeScript) -> None:
        globs = [*scripts]
        self._scripts = re.compile("|".join(map(translate, globs)))
        self.needles: Needles = Needles(globs)
        # A site's pages have the same few scripts.
        self._remembered = lru_cache(_REMEMBERED)(self._matches)
        self._opening = f'<script src="{path}bridge.js?{script.digest}" async data-cfasync="false"'.encode()

    def matches(self, tag: bytes) -> bool:
        """Whether a script comes from where Viafoura's scripts come from."""
        if b"src" not in tag.lower():
            return False
        return self._remembered(tag) if len(tag) <= _LONGEST_REMEMBERED else self._matches(tag)

    def _matches(self, tag: bytes) -> bool:
        src = value_of(tag, b"src")
        return src is not None and self._scripts.fullmatch(src) is not None

    def before_the_tag(self, nonce: bytes | None, *, may_handle: bool) -> bytes:
        """The element that loads bridge.js.

        ``nonce``: the tag's, as spelled. ``may_handle``: no policy refuses an ``onerror``, which lets the held scripts
        run where bridge.js cannot be loaded.
        """
        with_nonce = b' nonce="' + nonce.replace(b'"', b"&quot;") + b'"' if nonce else b""
        on_error = f' onerror="{ON_ERROR}"'.encode() if may_handle else b""
        return self._opening + with_nonce + on_error + b"></script>"


def nonce_of(tag: bytes) -> bytes | None:
    """The value of a tag's ``nonce``, as spelled."""
    return next((each.value for each in attributes(tag) if each.name == b"nonce"), None)


def held(tag: bytes) -> bytes | Left:
    """A script's start tag with the ``type`` of what is held, or why it is left. Its ``src`` and all else stay."""
    found: dict[bytes, Attribute] = {}
    for each in attributes(tag):
        found.setdefault(each.name, each)
    kind = _type_of(found)
    if b"nomodule" in found or _OWN_TYPE in found or (kind != _MODULE and kind not in _JAVASCRIPT):
        return Left.PARKED
    if b"src" in found and kind != _MODULE and b"async" not in found and b"defer" not in found:
        return Left.BLOCKING
    own = found.get(b"type")
    if own is None:
        return tag[:_NAME_END] + b" " + _PARKED + tag[_NAME_END:]
    kept = b" " + _OWN_TYPE + b'="' + own.value + b'"'
    return tag[: own.start] + _PARKED + kept + tag[own.slot[1] :]


def _type_of(found: dict[bytes, Attribute]) -> str:
    """The type of a script by which a browser decides whether to run it (HTML, "prepare the script element")."""
    own, language = found.get(b"type"), found.get(b"language")
    if own is not None:
        return decoded(own.value).strip(_SPACES).lower() if own.value else "text/javascript"
    if language is not None and language.value:
        return f"text/{decoded(language.value).lower()}"
    return "text/javascript"


# How far into a complete page anything can stand that is held. To read a page as a browser does takes longer than to
# look for a few letters in it: a script is held by its id or by its src, and both are made of letters that the page
# spells, or of character references to them.


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
