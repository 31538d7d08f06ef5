"""The reading of the user by what ``VIAFOURA_USER`` says: by which preset, and of which user object."""

import logging
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, Final

from viafoura_mw.log import Notices, say
from viafoura_mw.settings import Settings
from viafoura_mw.user import frameworks
from viafoura_mw.user.presets import Preset
from viafoura_mw.user.sources import Source, resolve
from viafoura_mw.user.user import FAILED, Reading, UserSources, is_nobody, read_user

Root = Callable[[str], Any]

_OF_REQUEST: Final = ("environ", "scope", "header")
#: In place of a preset, while it cannot be told which framework runs: what raises there must not break a page.
_UNKNOWN: Final = Preset(UserSources())


class UserReader:
    """Reads users by one preset, which is settled at the first response and then never changes.

    ``otherwise`` is the preset that ``auto`` means where no framework is recognised.
    """

    def __init__(self, settings: Settings, notices: Notices, *, otherwise: str) -> None:
        self._settings = settings
        self._notices = notices
        self._otherwise = otherwise
        self._settled: Preset | None = None if settings.user == "auto" else settings.preset(settings.user)
        early = settings.preset(otherwise if settings.user == "auto" else settings.user)
        self._early = [source for source in (*early.sources.id, *early.user_object) if source.kind in _OF_REQUEST]
        self._reads_response = any(source.kind == "response" for source in early.sources.id)
        self._is_hooked = self._hook()

    @property
    def _preset(self) -> Preset:
        if self._settled is None:
            try:
                name = frameworks.recognised(asgi=self._otherwise == "scope") or self._otherwise
            except Exception as error:
                self._tell("whether a framework runs cannot be told", error)
                return _UNKNOWN
            say(logging.INFO, "VIAFOURA_USER=auto: the user is read by preset %s", name)
            self._settled = self._settings.preset(name)
        return self._settled

    @property
    def framework(self) -> str | None:
        """The framework that must be asked for the user object, which may cost a query."""
        return self._preset.framework

    def expect(self, request: MutableMapping[str, Any]) -> object:
        """Before the application is called: let a framework leave the user in the environ or scope.

        What this gives is to be kept until the user has been read.
        """
        if self._settled is not None and self._settled.framework is None:
            return None
        self._is_hooked = self._is_hooked or self._hook()
        return frameworks.expect(request)

    def _hook(self) -> bool:
        """Whether nothing is left to be hooked; what an application imports only when it is called is hooked then."""
        preset = self._settled
        if preset is not None and preset.framework is None:
            return True
        try:
            return frameworks.prepare(preset.framework if preset else None)
        except Exception as error:
            self._tell("a framework's user cannot be read", error)
            return False

    def _tell(self, what: str, error: Exception) -> None:
        self._notices.tell(what, logging.ERROR, f"{what} (%s)", type(error).__name__)

    def may_be_set(self, root: Root) -> bool:
        """Whether a user may be found in the request by now; certain only when it says no. Loads nothing."""
        for source in self._early:  # noqa: SIM110 - any()'s generator would cost every visitor's every request
            if _may_lead_somewhere(source, root(source.kind)):
                return True
        return False

    def may_find(self, root: Root) -> bool:
        """Whether :meth:`read` may find a user; certain only when it says no. Loads nothing."""
        return self.framework is not None or self._reads_response or self.may_be_set(root)

    def read_in_environ(self, environ: MutableMapping[str, Any], root: Root) -> Reading:
        """Read the user of a framework that has answered under WSGI."""
        assert self.framework is not None
        return frameworks.read_in_environ(self.framework, environ, partial(self._read_with, root))

    async def read_in_scope(self, scope: MutableMapping[str, Any], root: Root) -> Reading:
        """Read the user of a framework that has answered under ASGI."""
        assert self.framework is not None
        return await frameworks.read_in_scope(self.framework, scope, partial(self._read_with, root))

    def _read_with(self, root: Root, load: frameworks.Load) -> Reading:
        return self.read(lambda kind: load() if kind == "user" else root(kind))

    def read(self, root: Root) -> Reading:
        """Read the user; ``root(kind)`` gives what a source steps down from, or raises as the site does."""
        preset = self._preset
        if preset is _UNKNOWN:
            return FAILED
        user = _Once(lambda: _user_object(preset.user_object, root))
        return read_user(preset.sources, lambda kind: user.get() if kind == "user" else root(kind), self._notices)


class _Once:
    """What is loaded at most once, even if that fails: a database that is down is not asked for each field again."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._outcome: tuple[Any, Exception | None] | None = None

    def get(self) -> Any:
        if self._outcome is None:
            try:
                self._outcome = self._load(), None
            except Exception as error:
                self._outcome = None, error
        value, failure = self._outcome
        if failure is not None:
            raise failure
        return value


def _user_object(places: tuple[Source, ...], root: Root) -> Any:
    """The first user object that stands for somebody; a user that is a string is its own id."""
    candidates = (resolve(root(place.kind), place.steps) for place in places) if places else (root("user"),)
    for candidate in candidates:
        if candidate is not None and not is_nobody(candidate):
            return {"id": candidate} if isinstance(candidate, str | int) else candidate
    return None


def _may_lead_somewhere(source: Source, value: Any) -> bool:
    """Whether ``source`` may lead from ``value`` to something, as far as headers and plain dicts tell."""
    if source.kind == "header":
        return value is not None and source.steps[0] in value
    for step in source.steps:
        if type(value) is not dict:
            break
        value = value.get(step)
    # By its type: a lazy proxy that is compared would load what it stands for.
    return value is not None and not (type(value) is str and not value)
