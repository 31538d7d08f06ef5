"""One reading of the user: each field from the first of its sources that is there.

Rules that everything here obeys:

- Nothing raises: what the site's objects raise makes an id *not known*, and a name or an e-mail address absent.
- An id is exact. Only a source that has nothing (missing, ``None``, an empty text, ``NotImplementedError``) lets the
  next one be tried; one that raises, is not believed, or gives what is no id ends in *not known*.
- Bytes that came as latin-1 (a header's; what the server put into the environ) are read as UTF-8. What the application
  put there is text already, and is taken as it is.
"""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from viafoura_mw.log import Notices
from viafoura_mw.user import fields
from viafoura_mw.user.presets import Preset
from viafoura_mw.user.sources import REMOTE_USER, UNBELIEVED, Absence, Source, resolve, says, says_nobody
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User

#: Gives what a source of a kind steps down from, ``None`` where a door has no such thing.
Root = Callable[[str], Any]
#: Gives a framework's user object, ``None`` for nobody or an absence; may query, raises as the site does.
Load = Callable[[], Any]

_OF_HEADERS: Final = ("header", "response")
#: Tuples, not unions, which take ten times as long to be asked.
_OWN_IDS: Final = (str, int)
_MAY_BE_EMPTY: Final = (str, bytes, Mapping)
_ID: Final = ("id",)
_REMEMBERED: Final = 1024  # users who were read, per process, so that a user's next page costs less
_REMOTE_USER: Final = Source("environ", (REMOTE_USER,))
_OTHER_ID: Final = (
    "the user's get_id() is neither the text of their id nor of their pk, and may change with their password: "
    "set VIAFOURA_USER_ID=user:id or VIAFOURA_USER_ID=user:get_id()"
)


class Places:
    """Where one response leaves its user.

    ``by_server`` are the texts that stood in the environ before the application was called. The user object is loaded
    at most once, even if that fails: a database that is down is not asked for each field again.
    """

    def __init__(self, preset: Preset, root: Root, by_server: Mapping[str, str], load: Load | None = None) -> None:
        self._preset = preset
        self._root = root
        self._by_server = by_server
        self._load = load
        self.is_own_id: bool = False  # the user object is a text, and has nothing else
        self._found: Any = None  # the user object, or an absence
        self._failure: Exception | None = None

    def user(self) -> Any:
        """The user object, or an absence; raises as the site does."""
        if self._found is None and self._failure is None:
            try:
                self._found = self._find_user()
            except Exception as error:
                self._failure = error
        if self._failure is not None:
            raise self._failure
        return self._found

    def look(self, source: Source) -> Any:
        """The value of a source, an :class:`Absence`, or ``UNBELIEVED``; raises as the site does."""
        if source.kind == "user":
            return self._look_at_user(source)
        root = self._root(source.kind)
        if root is None:
            return Absence.UNASKED
        if source.kind == "jwt":
            root = root.claims()
        if root is UNBELIEVED or isinstance(root, Absence):
            return root
        if source.kind == "header":
            (name,) = source.steps
            if name not in root:
                return Absence.UNSET
            return root[name]
        found = resolve(root, source.steps, place=source.place)
        return Absence.UNSET if found is Absence.UNASKED and source == _REMOTE_USER else found

    def is_bytes(self, source: Source, value: Any) -> bool:
        """Whether a text is a latin-1 picture of bytes: a header's, or as the server put it into the environ."""
        if not isinstance(value, str):
            return False
        if source.kind in _OF_HEADERS:
            return True
        return source.kind == "environ" and self._by_server.get(source.steps[0]) is value

    def _find_user(self) -> Any:
        """The user object, or an :class:`Absence`; a user that is a string is its own id."""
        absence = Absence.UNASKED
        for candidate in [self._load()] if self._load else map(self.look, self._preset.user_object):
            if candidate is Absence.UNASKED:
                continue
            if candidate is Absence.NOBODY or _is_empty(candidate) or says_nobody(candidate):
                absence = Absence.NOBODY
                continue
            if isinstance(candidate, _OWN_IDS):
                self.is_own_id = True
                return {"id": candidate}
            return candidate
        return absence

    def _look_at_user(self, source: Source) -> Any:
        user = self._found if self._found is not None else self.user()
        if isinstance(user, Absence):
            return user
        if self.is_own_id and source.steps == _ID:
            return user["id"]
        found = resolve(user, source.steps, place=1)
        is_empty = found is Absence.NOBODY or (isinstance(found, str | bytes) and not found)
        # A user without an id is not nobody.
        return Absence.UNASKED if is_empty and says(user, "is_authenticated", otherwise=False) else found


def _is_empty(candidate: Any) -> bool:
    if type(candidate) is str:
        return not candidate
    if candidate is None or candidate is False:
        return True
    return isinstance(candidate, _MAY_BE_EMPTY) and not len(candidate)


def read_user(preset: Preset, places: Places, notices: Notices) -> Reading:
    """Read the user from the places that a response has left."""
    identifier = read_id(preset, places, notices)
    if not isinstance(identifier, str):
        return identifier
    sources = preset.sources
    separator = sources.separator
    name, has_name = _first(sources.name, places, separator, _name)
    email, has_email = _first(sources.email, places, separator, _email)
    complete = has_name and has_email
    if not complete:
        sentence = "the user's name or e-mail address could not be read, and counts as absent"
        notices.tell("user-details", logging.WARNING, sentence)
    return _user(identifier, name or fields.shown_name(identifier), email or None, complete)


@lru_cache(_REMEMBERED)
def _user(identifier: str, name: str, email: str | None, complete: bool) -> User:
    return User(identifier, name, email, complete)


# The id.


def read_id(preset: Preset, places: Places, notices: Notices) -> str | Nobody | NotKnown:
    """Read the id alone."""
    try:
        identifier = _first_id(preset, places)
        if preset.same_as and isinstance(identifier, str) and not _is_same(identifier, preset.same_as, places):
            notices.tell("user-id-differs", logging.ERROR, _OTHER_ID)
            return NotKnown()
    except Exception:
        notices.tell("user-id", logging.WARNING, "the user's id could not be read; served as anonymous")
        return NotKnown()
    return identifier


def _first_id(preset: Preset, places: Places) -> str | Nobody | NotKnown:
    is_nobody = is_unset = False
    for source in preset.sources.id:
        try:
            value = places.look(source)
        except NotImplementedError:
            continue
        if value is UNBELIEVED:
            return NotKnown()
        if isinstance(value, Absence):
            is_nobody = is_nobody or value is Absence.NOBODY
            is_unset = is_unset or value is Absence.UNSET
            continue
        if text := _id(source, value, places, preset.sources.separator):
            if text in fields.PLACEHOLDERS and (source.kind == "header" or source == _REMOTE_USER):
                return Nobody()
            return fields.without_realm(text) if preset.sources.strip_realm else text
        is_nobody = True
    return Nobody(laid_out=is_nobody) if is_nobody or is_unset else NotKnown()


def _id(source: Source, value: Any, places: Places, separator: str) -> str:
    """The id that a source gives, empty for none; raises for what is no id."""
    if source.kind == "header" and "," in value:
        raise ValueError("a header that says who the user is came more than once")
    if places.is_bytes(source, value):
        value = fields.strict_utf8(value)
    if not separator:
        return fields.exact_id(value)
    several = fields.values(value, separator)
    if len(several) > 1:
        raise ValueError("several values, of which none is the id")
    return fields.exact_id(several[0]) if several else ""


def _is_same(identifier: str, others: tuple[Source, ...], places: Places) -> bool:
    """Whether an id is the text of one of the ``others``, or there are none."""
    found = []
    for other in others:
        try:
            value = places.look(other)
        except NotImplementedError:
            continue
        if not isinstance(value, Absence):
            found.append(value)
    return not found or any(_has_text(identifier, value) for value in found)


def _has_text(text: str, value: Any) -> bool:
    try:
        return fields.exact_id(value) == text
    except ValueError:
        return False


# The details.


def _first(
    sources: tuple[Source, ...], places: Places, separator: str, text: Callable[[Source, Any, Places, str], str]
) -> tuple[str, bool]:
    """The first text that is not empty, and whether every source up to it could be read."""
    complete = True
    for source in sources:
        if places.is_own_id and source.kind == "user" and source.steps != _ID:
            continue
        try:
            value = places.look(source)
            if value is UNBELIEVED:
                complete = False
            elif not isinstance(value, Absence) and (found := text(source, value, places, separator)):
                return found, complete
        except NotImplementedError:
            continue
        except Exception:
            complete = False
    return "", complete


def _name(source: Source, value: Any, places: Places, separator: str) -> str:
    if places.is_bytes(source, value):
        value = fields.utf8_of_latin1(value)
        if source.kind in _OF_HEADERS:
            value = "" if value in fields.PLACEHOLDERS else fields.decoded_name(value)
    return fields.shown_name(_foremost(value, separator))


def _email(source: Source, value: Any, places: Places, separator: str) -> str:
    if places.is_bytes(source, value):
        value = fields.utf8_of_latin1(value)
    return fields.plausible_email(_foremost(value, separator))


def _foremost(value: Any, separator: str) -> Any:
    return next(iter(fields.values(value, separator)), None)
