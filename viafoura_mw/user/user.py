"""The user whom the site has authenticated, and how one is made of what the site says.

An id is taken exactly as it is, or not at all: to clean it could turn one user into another. A name and an e-mail
address are only shown and sent, so they are cleaned.
"""

import inspect
import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from viafoura_mw.log import Notices
from viafoura_mw.user.sources import Source, attribute, resolve

MAX_ID: Final = 255
MAX_NAME: Final = 255
MAX_EMAIL: Final = 254  # RFC 5321 §4.5.3.1.3 leaves that many octets for an address
_REMEMBERED: Final = 1024  # texts that were looked at, per process, so that a user's next page costs less

_BIDI_CONTROLS: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_EMAIL: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
_ADDRESS: Final = re.compile(r"<?([^@\s<]+)@\S+")  # also a realm's, and one in angle brackets
_ADDRESS_AFTER_NAME: Final = re.compile(r" ?<[^<>\s@]+@[^<>\s]+>$")  # RFC 5322 §3.4


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """A user of the site: ``id`` as the site knows them, ``name`` to be shown, ``email`` when known.

    Viafoura's document, "The login endpoint": ``id`` and ``name`` are required, ``email`` is optional.
    """

    id: str
    name: str
    email: str | None = None

    def __repr__(self) -> str:
        return "<User>"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look for the user found.

    ``user`` is ``None`` for nobody. ``failed``: the id's source raised, so that "nobody" is not known for sure.
    ``partial``: the id is right, but a name's or e-mail's source raised, so that no login may be made of it.
    """

    user: User | None = None
    failed: bool = False
    partial: bool = False


NOBODY: Final = Reading()
FAILED: Final = Reading(failed=True)


@dataclass(frozen=True, slots=True)
class UserSources:
    """Where each field is read: alternatives, the first that gives a non-empty value wins.

    ``separator`` is what stands between the values of an attribute that has several, if anything does: the first one
    of a name or an e-mail address is taken, an id must be the only one.
    """

    id: tuple[Source, ...] = ()
    name: tuple[Source, ...] = ()
    email: tuple[Source, ...] = ()
    strip_realm: bool = False
    separator: str = ""

    def kinds(self) -> frozenset[str]:
        """The kinds of all sources, of :data:`viafoura_mw.user.sources.KINDS`."""
        return frozenset(source.kind for source in (*self.id, *self.name, *self.email))


def is_nobody(candidate: object) -> bool:
    """Whether a user object stands for a visitor who is not signed in: ``is_authenticated`` is there and false."""
    if isinstance(candidate, Mapping):
        return not candidate.get("is_authenticated", True)
    return not attribute(candidate, "is_authenticated", True)


def read_user(sources: UserSources, root: Callable[[str], Any], notices: Notices) -> Reading:
    """Read a user: ``root(kind)`` gives the object from which a source of that kind steps down, or ``None``.

    Never raises: what the site's objects raise becomes ``failed`` or ``partial``, and one warning.
    """
    separator = sources.separator
    identifier, id_failed = _first(sources.id, root, lambda value: _id_text(_only(value, separator)))
    if not identifier:
        if id_failed:
            notices.tell("user-id", logging.WARNING, "the user's id could not be read; served as anonymous")
            return FAILED
        return NOBODY
    if sources.strip_realm:
        identifier = _without_realm(identifier)
    # Starlette's BaseUser raises NotImplementedError for what a site's user class does not have.
    absent = NotImplementedError
    name, name_failed = _first(sources.name, root, lambda value: clean_name(_foremost(value, separator)), absent)
    email, email_failed = _first(sources.email, root, lambda value: _clean_email(_foremost(value, separator)), absent)
    partial = name_failed or email_failed
    if partial:
        sentence = "the user's name or e-mail address could not be read; no login is made of it"
        notices.tell("user-details", logging.WARNING, sentence)
    return Reading(User(identifier, name or clean_name(identifier), email or None), partial=partial)


def _first(
    sources: tuple[Source, ...],
    root: Callable[[str], Any],
    text: Callable[[Any], str],
    absent: tuple[type[Exception], ...] | type[Exception] = (),
) -> tuple[str, bool]:
    """The first non-empty text, and whether none was found while an alternative raised."""
    failed = False
    for source in sources:
        try:
            found = resolve(root(source.kind), source.steps)
            value = "" if found is None else text(_legible(source, found))
        except absent:
            continue
        except Exception:
            failed = True
        else:
            if value:
                return value, False
    return "", failed


def _legible(source: Source, value: Any) -> Any:
    """A string that came through the environ or a header as latin-1 (PEP 3333, "Unicode Issues"), as UTF-8."""
    if isinstance(value, str) and len(source.steps) == 1 and source.kind in ("environ", "header", "response"):
        return utf8_of_latin1(value)
    return value


def _values(value: Any, separator: str) -> list[Any]:
    """The values that a string lists; mod_shib writes a separator within a value with a backslash."""
    if not separator or not isinstance(value, str):
        return [value]
    parts = re.split(rf"(?<!\\){re.escape(separator)}", value)
    return [part.replace(f"\\{separator}", separator) for part in parts if part.strip()]


def _foremost(value: Any, separator: str) -> Any:
    return next(iter(_values(value, separator)), None)


def _only(value: Any, separator: str) -> Any:
    """The one value; raises ``ValueError`` where there are several, since none of them is the id."""
    values = _values(value, separator)
    if len(values) > 1:
        raise ValueError("several values")
    return values[0] if values else None


def _without_realm(identifier: str) -> str:
    """``user@REALM`` without its realm, which is what follows the last ``@``."""
    name = identifier.rpartition("@")[0]
    return name if name.strip() else identifier


def utf8_of_latin1(value: str) -> str:
    """``value`` with its latin-1 bytes read as UTF-8, or as it is where they are not that."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _text(value: Any) -> str:
    """The text of a scalar; raises ``ValueError`` for what has no text that lasts, such as a coroutine."""
    if value is None or value is False or value == 0:
        return ""
    if isinstance(value, str):
        # Of a string's subclass the characters, not what it shows itself as; a lazy proxy only looks like one.
        return str.__str__(value) if issubclass(type(value), str) else str(value)
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8")
    if value is True or isinstance(value, Mapping | list | tuple | set | frozenset | float):
        raise ValueError("not a scalar")
    if isinstance(value, int):
        return str(int(value))
    if inspect.isawaitable(value) or callable(value) or "__str__" not in _defined(type(value)):
        raise ValueError("not a scalar")
    return str(value)


def _defined(kind: type) -> set[str]:
    return {name for base in kind.__mro__[:-1] for name in vars(base)}


def _id_text(value: Any) -> str:
    """An id, exactly; raises ``ValueError`` for one that no system would mean (control characters, huge)."""
    return _sound_id(_text(value)[: MAX_ID + 1])


@lru_cache(_REMEMBERED)
def _sound_id(text: str) -> str:
    if len(text) > MAX_ID or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise ValueError("not an id")
    if text.strip() and not clean_name(text):
        raise ValueError("nothing of it can be seen")
    return text if text.strip() else ""


def clean_name(value: Any) -> str:
    """A name that can be shown: no control characters, no lone surrogates, never an e-mail address."""
    return _shown_name(_text(value)[: 4 * MAX_NAME])


@lru_cache(_REMEMBERED)
def _shown_name(text: str) -> str:
    shown = filter(_is_shown, text)
    kept = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in shown)
    name = " ".join(kept.split())
    if address := _ADDRESS.fullmatch(name):
        name = address[1]
    return _ADDRESS_AFTER_NAME.sub("", name)[:MAX_NAME].rstrip()


def _is_shown(char: str) -> bool:
    return char not in _BIDI_CONTROLS and unicodedata.category(char) != "Cs"


def _clean_email(value: Any) -> str:
    """An e-mail address, or nothing where the text cannot be one."""
    text = _text(value).strip()
    plausible = text.isprintable() and len(text.encode()) <= MAX_EMAIL and _EMAIL.fullmatch(text)
    return text if plausible else ""
