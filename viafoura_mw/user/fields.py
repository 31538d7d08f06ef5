"""What an id, a name and an e-mail address are made of.

An id is taken exactly as it is, or not at all: to clean it could turn one user into another. A name and an e-mail
address are only shown and sent, so they are cleaned.
"""

import base64
import binascii
import inspect
import quopri
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

MAX_ID: Final = 255
MAX_NAME: Final = 255
MAX_EMAIL: Final = 254  # RFC 5321 §4.5.3.1.3 leaves that many octets for an address
_MAX_RAW: Final = 8 * MAX_NAME  # characters of a name that are looked at: no more could be shown, however encoded
_REMEMBERED: Final = 1024  # texts that were looked at, per process, so that a user's next page costs less

#: Tuples, not unions, which take ten times as long to be asked.
_BYTES: Final = (bytes, bytearray)
_NO_SCALARS: Final = (bool, float, Mapping, list, tuple, set, frozenset)

#: What proxies and servers write for a value that they do not have (Apache, JavaScript, Python, log formats).
PLACEHOLDERS: Final = frozenset(("(null)", "null", "None", "undefined", "-"))

#: Characters that show nothing and that Unicode does not list as format characters: its Default_Ignorable_Code_Point,
#: the fillers of Hangul, and the empty cell of Braille.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
_JOINERS: Final = "\u200c\u200d"  # needed in Persian and Indic words, and in pictures that are made of several
_ARROWS: Final = "\u2194\u2195"  # Unicode's categories list these pictures as mathematical signs
_AT: Final = re.compile("[\uff20\ufe6b]")  # what else is read as an @
_GAP_IN_ADDRESS: Final = re.compile(r" ?@ ?(?=[^\s@.]+\.[^\s@.])")  # RFC 5322 §3.4.1 allows spaces there
_ADDRESS: Final = re.compile(r"(?<!\S)@*([^\s@]\S*?)@\S+")
_IN_BRACKETS: Final = re.compile(r"[<(\[{][^<>()\[\]{}@]*@[^<>()\[\]{}]*[>)\]}]?")
_LOOSE: Final = " ,;:|/<>()[]{}\"'\u2013\u2014-"  # what stands between a name and an address
_EMAIL: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")

#: RFC 2047 §2; a charset's name and an encoded text are no longer than 75 characters by the RFC, servers write more.
_ENCODED_WORD: Final = re.compile(r"=\?([!-<>@-~]{1,40})\?([bBqQ])\?([!->@-~]{0,800})\?=")
_BETWEEN_WORDS: Final = re.compile(r"(?<=\?=)[ \t]+(?==\?)")  # RFC 2047 §6.2: not shown
_CHARSET: Final = re.compile(r"(utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d)(\*[\w-]*)?", re.IGNORECASE)
_PERCENT_ENCODED: Final = re.compile(r"(?:[Uu][Tt][Ff]-8'[\w-]*')?((?:[!-$&-~ ]|%[0-9A-Fa-f]{2})*)")  # RFC 8187 too


def exact_id(value: Any) -> str:
    """An id, letter for letter; empty for an absent one.

    Raises ``ValueError`` for what is no id: no scalar, too long, with control characters, or nothing that shows.
    """
    if isinstance(value, bool):
        raise ValueError("not a scalar")
    return _sound_id(_text(value)[: MAX_ID + 1])


@lru_cache(_REMEMBERED)
def _sound_id(text: str) -> str:
    if len(text) > MAX_ID or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise ValueError("not an id")
    if text and not _visible(text).strip():
        raise ValueError("nothing of it can be seen")
    return text


def without_realm(identifier: str) -> str:
    """``user@REALM`` without its realm, which is what follows the last ``@``."""
    name = identifier.rpartition("@")[0]
    return name if name.strip() else identifier


def shown_name(value: Any) -> str:
    """A name that can be shown, or nothing: no control characters, no lone surrogates, never an e-mail address.

    Raises ``ValueError`` for what has no text.
    """
    return _shown_name("" if value is False else _text(value)[:_MAX_RAW])


@lru_cache(_REMEMBERED)
def _shown_name(text: str) -> str:
    name = _without_addresses(" ".join(_visible(text).split()))
    return name[:MAX_NAME].rstrip(f" {_JOINERS}")


def _visible(text: str) -> str:
    """``text`` without what shows nothing; joiners stay between letters or pictures, controls become spaces."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    pending = ""  # a joiner that stays if a letter or picture follows
    for char in _BLANK.sub("", text):
        category = unicodedata.category(char)
        if char in _JOINERS:
            pending = char if kept and _is_joined(kept[-1]) else ""
        elif category not in ("Cf", "Cs"):
            if pending and _is_joined(char):
                kept.append(pending)
            pending = ""
            kept.append(" " if category in ("Cc", "Zl", "Zp") else char)
    return "".join(kept)


def _is_joined(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LM" or category in ("So", "Sk") or char in _ARROWS


def _without_addresses(name: str) -> str:
    """A name without the e-mail addresses in it; of one that is nothing else, the part before the ``@``."""
    name = _AT.sub("@", name)
    if "@" not in name:
        return name
    name = _GAP_IN_ADDRESS.sub("@", name)
    if not _ADDRESS.search(name):
        return name
    rest = _ADDRESS.sub("", _IN_BRACKETS.sub(" ", name))
    left = " ".join(rest.split()).strip(_LOOSE)
    if left:
        return left
    address = _ADDRESS.search(name)
    local = address[1] if address else ""
    return local.strip(_LOOSE) or local


def decoded_name(text: str) -> str:
    """A name that a proxy encoded to bring it through a header: RFC 2047, or percent-encoded UTF-8 (RFC 8187)."""
    text = text[:_MAX_RAW]
    if "=?" in text:
        return _ENCODED_WORD.sub(_decoded_word, _BETWEEN_WORDS.sub("", text))
    encoded = _PERCENT_ENCODED.fullmatch(text) if "%" in text else None
    if encoded is None:
        return text
    try:
        return unquote_to_bytes(encoded[1]).decode("utf-8")
    except UnicodeDecodeError:
        return text


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    known = _CHARSET.fullmatch(charset)  # not whatever codec Python has: some of them are no charsets
    if known is None:
        return match[0]
    try:
        data = base64.b64decode(text) if encoding in "bB" else quopri.decodestring(text, header=True)
        return data.decode(known[1])
    except (binascii.Error, UnicodeDecodeError, LookupError):
        return match[0]


def plausible_email(value: Any) -> str:
    """An e-mail address, or nothing where the text cannot be one. Raises ``ValueError`` for what has no text."""
    text = "" if value is False else _text(value).strip()
    plausible = text.isprintable() and len(text.encode()) <= MAX_EMAIL and _EMAIL.fullmatch(text)
    return text if plausible else ""


def strict_utf8(latin1: str) -> str:
    """The text of bytes that came as latin-1 (PEP 3333, "Unicode Issues").

    Raises ``UnicodeError`` for bytes that are no UTF-8: to take them otherwise would make one text of two.
    """
    return latin1 if latin1.isascii() else latin1.encode("latin-1").decode("utf-8")


def utf8_of_latin1(value: str) -> str:
    """``value`` with its latin-1 bytes read as UTF-8, or as it is where they are not that."""
    try:
        return strict_utf8(value)
    except UnicodeError:
        return value


def values(value: Any, separator: str) -> list[Any]:
    """The values that a string lists; mod_shib writes a separator within a value with a backslash."""
    if not separator or not isinstance(value, str):
        return [value]
    parts = re.split(rf"(?<!\\){re.escape(separator)}", value)
    return [part.replace(f"\\{separator}", separator) for part in parts if part.strip()]


def _text(value: Any) -> str:
    """The text of a scalar; raises ``ValueError`` for what has no text that lasts, such as a coroutine."""
    if type(value) is str:  # not its class, which a lazy proxy makes up
        return value
    if value is None:
        return ""
    # The characters alone: a subclass of str may be equal to other texts, which are remembered here, and show others.
    return str.__str__(value if issubclass(type(value), str) else _shown(value))


def _shown(value: Any) -> str:
    if isinstance(value, str):  # a lazy proxy, which only looks like one
        return str(value)
    if isinstance(value, _BYTES):
        return value.decode("utf-8")
    if isinstance(value, _NO_SCALARS):
        raise ValueError("not a scalar")
    if isinstance(value, int):
        return str(int(value) if issubclass(type(value), int) else value)
    if inspect.isawaitable(value) or callable(value) or "__str__" not in _defined(type(value)):
        raise ValueError("not a scalar")
    return str(value)


def _defined(kind: type) -> set[str]:
    return {name for base in kind.__mro__[:-1] for name in vars(base)}
