"""The reading of users by what ``VIAFOURA_USER`` says: by one preset, settled once for the process."""

import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from viafoura_mw.log import Notices
from viafoura_mw.user import frameworks
from viafoura_mw.user.once import Once
from viafoura_mw.user.presets import Preset, chosen
from viafoura_mw.user.reading import Load, Places, Root, read_id, read_user
from viafoura_mw.user.sources import LENT, UNBELIEVED, Source, UserSources
from viafoura_mw.user.user import NotKnown, Reading, User

_OF_REQUEST: Final = ("environ", "scope", "header", "jwt")
_OF_DOORS: Final = ("environ", "scope")
_OF_FRAMEWORK: Final = ("user", *LENT)
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Expected:
    """What is kept of a request until its user is read: where a framework leaves the user, what the server wrote."""

    served: object
    by_server: Mapping[str, str]


class UserReader:
    """Reads users by preset ``user`` with the site's ``own`` sources in the place of the preset's.

    ``otherwise`` is the preset that ``auto`` means where no framework is recognised. Nothing here raises, whatever the
    site and its framework do. ``impersonation``: whether a user whom a member of staff impersonates is read as that
    user; else nobody is known meanwhile.
    """

    def __init__(
        self, user: str, own: UserSources, notices: Notices, *, otherwise: str, impersonation: bool = False
    ) -> None:
        self._own = own
        self._notices = notices
        self._otherwise = otherwise
        self._impersonation = impersonation
        self.preset_name: str = "" if user == "auto" else user  # empty until it is settled
        self._settled: Preset | None = None if user == "auto" else chosen(user, own)
        self._is_free = self._settled is not None and self._settled.is_free
        early = chosen(otherwise if user == "auto" else user, own)
        sources = early.sources
        self._early = [source for source in (*sources.id, *early.user_object) if source.kind in _OF_REQUEST]
        #: The keys of an environ or a scope without which there is no user by now; ``None``: a user may be elsewhere.
        self.keys: tuple[str | None, ...] = tuple(
            {source.steps[0] if source.kind in _OF_DOORS else None for source in self._early}
        )
        self._reads_response = any(source.kind == "response" for source in sources.id)
        every = (*sources.id, *sources.name, *sources.email)
        self._environ_keys = tuple({source.steps[0] for source in every if source.kind == "environ"})
        self._unhooked = (*self._to_hook(), *frameworks.SHOWN)
        self._hook()
        self._unhooked = tuple(name for name in self._unhooked if name not in frameworks.SHOWN)

    @property
    def framework(self) -> str | None:
        """The framework that must be asked for the user object, which may cost a query."""
        preset = self._preset()
        return preset.framework if preset else None

    def named(self) -> str:
        """The name of the preset; empty until it is settled."""
        return self.preset_name

    # Before the application is called.

    def expect(self, request: MutableMapping[str, Any]) -> object:
        """Let a framework leave the user in the environ or scope, and note which texts the server wrote.

        What this gives is to be kept until the user has been read.
        """
        by_server = _NOTHING
        for key in self._environ_keys:
            value = request.get(key)
            if type(value) is str and not value.isascii():  # of ASCII, bytes and text are the same
                by_server = {**by_server, key: value}
        if self._is_free:
            return Expected(None, by_server) if by_server else None
        if self._unhooked:
            self._hook()
        served = frameworks.expect(request)
        return Expected(served, by_server) if by_server else served

    def _to_hook(self) -> tuple[str, ...]:
        """The frameworks that may be asked: for the user, and for a session or ``g``."""
        names: tuple[str, ...] = frameworks.RECOGNISED
        if self._settled is not None:
            names = (self._settled.framework,) if self._settled.framework else ()
        lenders = () if LENT.isdisjoint(self._own.kinds()) else frameworks.LENDERS
        return (*names, *(name for name in lenders if name not in names))

    def _hook(self) -> None:
        """Hook what is imported by now: an application may import its framework only when it is called."""
        try:
            self._unhooked = frameworks.prepare(self._unhooked)
        except Exception as error:
            self._tell("framework-user", "a framework's user cannot be read (%s)", error)

    def may_be_set(self, root: Root) -> bool:
        """Whether a user may be found in the request by now; certain only when it says no. Loads nothing."""
        return any(_may_lead_somewhere(source, root(source.kind)) for source in self._early)

    # Once it has answered.

    def may_find(self) -> bool:
        """Whether a reading may find a user of whom the request says nothing: a framework's, a response's."""
        asks = not self._is_free and (preset := self._preset()) is not None and not preset.is_free
        return asks or self._reads_response

    def read_free(self, root: Root, expected: object) -> Reading | None:
        """Read the user where that costs no query; ``None`` where a framework must be asked."""
        preset = self._settled or self._preset()
        if preset is None:
            return NotKnown()
        if self._is_free:
            return read_user(preset, _places(preset, root, expected), self._notices)
        if any(source.kind in _OF_FRAMEWORK for source in preset.sources.id):
            return None
        identifier = read_id(preset, _places(preset, root, expected), self._notices)
        return None if isinstance(identifier, str) else identifier

    def read_in_environ(self, environ: Mapping[str, Any], root: Root, expected: object) -> Reading:
        """Read the user of a framework that has answered under WSGI."""
        preset = self._preset()
        if preset is None:
            return NotKnown()
        if preset.is_free:
            return self._read(preset, root, expected)
        try:
            with frameworks.opened(preset.framework, environ) as load:
                reading = self._read(preset, _lending(root, environ), expected, load)
                is_staff = isinstance(reading, User) and not self._impersonation and frameworks.is_impersonated(environ)
                return NotKnown() if is_staff else reading
        except Exception as error:
            return self._read_without(preset, root, expected, error)

    async def read_in_scope(self, scope: Mapping[str, Any], root: Root, expected: object) -> Reading:
        """Read the user of a framework that has answered under ASGI, in the thread of the site's synchronous code."""
        preset = self._preset()
        if preset is None:
            return NotKnown()
        try:
            return await frameworks.in_thread_of(self.read_in_environ, scope, root, expected)
        except Exception as error:
            return self._read_without(preset, root, expected, error)

    def _preset(self) -> Preset | None:
        """The preset; ``None`` while it cannot be told which framework runs."""
        if self._settled is None:
            asgi = self._otherwise == "scope"
            try:
                recognised = frameworks.recognised(asgi=asgi)
                unreached = () if recognised or self._own.id else tuple(frameworks.unreached("auto", asgi=asgi))
            except Exception as error:
                self._tell("framework", "whether a framework runs cannot be told (%s)", error)
                return None
            name = recognised or self._otherwise
            self._notices.tell("preset", logging.INFO, "VIAFOURA_USER=auto: the user is read by preset %s", name)
            for number, sentence in enumerate(unreached):
                self._notices.tell(f"unreached:{number}", logging.WARNING, sentence)
            self._settled, self.preset_name = chosen(name, self._own), name
            self._is_free = self._settled.is_free
            self._unhooked = self._to_hook()
        return self._settled

    def _read(self, preset: Preset, root: Root, expected: object, load: Load | None = None) -> Reading:
        return read_user(preset, _places(preset, root, expected, load), self._notices)

    def _read_without(self, preset: Preset, root: Root, expected: object, error: Exception) -> Reading:
        """Read what is not the framework's, since the framework's context has raised ``error``."""
        self._tell("framework-user", "a framework's user cannot be read (%s)", error)

        def load() -> Any:
            raise error

        return self._read(preset, root, expected, load)

    def _tell(self, kind: str, sentence: str, error: Exception) -> None:
        self._notices.tell(kind, logging.ERROR, sentence, type(error).__name__)


def _places(preset: Preset, root: Root, expected: object, load: Load | None = None) -> Places:
    by_server = expected.by_server if expected.__class__ is Expected else _NOTHING
    return Places(preset, root, by_server, load)


def _lending(root: Root, request: Mapping[str, Any]) -> Root:
    """``root`` with what the framework that has answered lends, each asked for once."""

    def lent(kind: str) -> Any:
        found = frameworks.lent(kind, request)
        return frameworks.plain(root(kind)) if found is None else found

    places = {kind: Once(partial(lent, kind)) for kind in LENT}

    def lending(kind: str) -> Any:
        return places[kind]() if kind in places else root(kind)

    return lending


def _may_lead_somewhere(source: Source, value: Any) -> bool:
    """Whether ``source`` may lead from ``value`` to something, as far as headers and plain dicts tell."""
    if source.kind == "header":
        return value is not None and value is not UNBELIEVED and source.steps[0] in value
    if source.kind == "jwt":  # which is not verified to tell
        return value is not None and bool(value.is_there)
    for step in source.steps:
        if type(value) is not dict:
            break
        value = value.get(step)
    # By its type: a lazy proxy that is compared would load what it stands for.
    return value is not None and not (type(value) is str and not value)
