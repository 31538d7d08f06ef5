"""The reading of the user by what ``VIAFOURA_USER`` says: by which preset, and of which user object."""

import logging
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, Final

from viafoura_mw import frameworks
from viafoura_mw.notices import LOGGER, Notices
from viafoura_mw.presets import Preset
from viafoura_mw.settings import Settings
from viafoura_mw.sources import Source, resolve
from viafoura_mw.user import Reading, is_nobody, read_user

Root = Callable[[str], Any]

_OF_REQUEST: Final = ("environ", "scope", "header")


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
            name = frameworks.recognised(asgi=self._otherwise == "scope") or self._otherwise
            LOGGER.log(logging.INFO, "VIAFOURA_USER=auto: the user is read by preset %s", name)
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
        return frameworks.prepare(preset.framework if preset else None)

    def may_be_set(self, root: Root) -> bool:
        """Whether a user may be found in the request by now; certain only when it says no. Loads nothing."""
        return any(_may_lead_somewhere(root(source.kind), source.steps) for source in self._early)

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
        found: list[Any] = []

        def root_or_user(kind: str) -> Any:
            if kind != "user":
                return root(kind)
            if not found:
                found.append(_user_object(preset.user_object, root))
            return found[0]

        return read_user(preset.sources, root_or_user, self._notices)


def _user_object(places: tuple[Source, ...], root: Root) -> Any:
    """The first user object that stands for somebody; a user that is a string is its own id."""
    candidates = (resolve(root(place.kind), place.steps) for place in places) if places else (root("user"),)
    for candidate in candidates:
        if candidate is not None and not is_nobody(candidate):
            return {"id": candidate} if isinstance(candidate, str | int) else candidate
    return None


def _may_lead_somewhere(value: Any, steps: tuple[str, ...]) -> bool:
    """Whether ``steps`` may lead from ``value`` to something, as far as plain dicts tell."""
    for step in steps:
        if type(value) is not dict:
            break
        value = value.get(step)
    return value is not None
