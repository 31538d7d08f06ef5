"""What makes the user of a framework readable from outside, for frameworks that keep it to themselves.

Three calls make a reading: :func:`prepare` hooks the frameworks that the site has imported, :func:`expect` lays a
:class:`~viafoura_mw.user.frameworks.served.Served` out for a request before the application is called, in which a hook
leaves the framework's own request, and :func:`opened` lends the framework's context, in which the user is read of it.

A framework whose user can be read is a module here with ``hook()`` and the context manager ``opened(left)``, and, where
it is recognised by itself, ``application_class_of(asgi=…)`` and ``is_running(applications)``; one whose session or
``g`` can be read has ``hook()`` and ``lent(kind, left)``. No framework is imported: each module finds its own in
``sys.modules``, once the site has put it there.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from viafoura_mw.user.frameworks import beaker, cherrypy, datasette, django, flask, flask_login, pyramid, quart, zope
from viafoura_mw.user.frameworks.running import made_of
from viafoura_mw.user.frameworks.served import Served, expect, left
from viafoura_mw.user.frameworks.unreached import sentences as unreached
from viafoura_mw.user.sources import Absence

__all__ = [
    "LENDERS",
    "RECOGNISED",
    "SHOWN",
    "Load",
    "Served",
    "expect",
    "in_thread_of",
    "is_impersonated",
    "lent",
    "opened",
    "plain",
    "prepare",
    "recognised",
    "unreached",
]

P = ParamSpec("P")
T = TypeVar("T")
#: Gives the user object, ``None`` for nobody, or the absence of one; may query, raises as the site does.
Load = Callable[[], Any]

#: The presets that are recognised by themselves, in the order that counts where several run in one process.
RECOGNISED: Final = ("django", "flask-login", "pyramid")
_FRAMEWORKS: Final[Mapping[str, ModuleType]] = {
    "django": django,
    "flask-login": flask_login,
    "pyramid": pyramid,
    "cherrypy": cherrypy,
    "quart-auth": quart,
    "zope": zope,
}
#: Those whose session or ``g`` is lent, by the names under which their hooks leave it.
_LENDERS: Final[Mapping[str, ModuleType]] = {
    "flask": flask,
    "quart": quart,
    "django": django,
    "pyramid": pyramid,
    "cherrypy": cherrypy,
}
LENDERS: Final = (*_LENDERS,)
#: What shows its user in the scope: hooked once, when a reader is made.
SHOWN: Final = ("datasette",)
_HOOKED: Final = {**_FRAMEWORKS, **_LENDERS, "datasette": datasette}
#: The module that must be there before a framework can be hooked, for every request to look whether it is by now.
_IMPORTED_AS: Final = {
    "django": "django.core.handlers.base",
    "flask": "flask",
    "flask-login": "flask_login",
    "pyramid": "pyramid.router",
    "quart": "quart",
    "quart-auth": "quart",
    "cherrypy": "cherrypy._cpwsgi",
    "zope": "ZPublisher.WSGIPublisher",
    "datasette": "datasette.app",
}
_LEFT_AS: Final = {"quart-auth": "quart"}  # where that is not the preset's name


def prepare(names: Iterable[str] = RECOGNISED) -> tuple[str, ...]:
    """Hook those of the frameworks that are imported by now; gives those that are not.

    Costs next to nothing to call again, which is what an application that is imported lazily needs.
    """
    imported = sys.modules
    return tuple([name for name in names if _IMPORTED_AS[name] not in imported or not _HOOKED[name].hook()])


def recognised(*, asgi: bool) -> str | None:
    """The preset of the framework that runs in this process behind a door of that kind, if it is one that has one.

    To be imported is not to run: an application of the framework must have been made. Where several have, the first
    of Django, Flask-Login, Pyramid.
    """
    classes = {name: _FRAMEWORKS[name].application_class_of(asgi=asgi) for name in RECOGNISED}
    return next(
        (name for name, applications in made_of(classes).items() if _FRAMEWORKS[name].is_running(applications)), None
    )


@contextmanager
def opened(preset: str | None, request: Mapping[str, Any]) -> Iterator[Load | None]:
    """Lend the context of the framework that has answered the request of an environ or scope.

    The user and its fields must be read inside: the framework's own context lasts no longer. Raises what the framework
    raises around it. Where something else has answered, nobody has asked who the user is. Django's context is lent
    besides, since it keeps its session from being written.
    """
    with ExitStack() as stack:
        load: Load | None = None
        if preset is not None:
            found = _left_for(preset, request)
            load = _unasked if found is None else stack.enter_context(_FRAMEWORKS[preset].opened(found))
        if preset != "django" and (found := left(request, "django")) is not None:
            stack.enter_context(django.opened(found))
        yield load


def _left_for(preset: str, request: Mapping[str, Any]) -> Any:
    return left(request, _LEFT_AS.get(preset, preset))


def _unasked() -> Absence:
    return Absence.UNASKED


def lent(kind: str, request: Mapping[str, Any]) -> Any:
    """The session or ``g`` of the framework that has answered, to be read while it is :func:`opened`.

    ``None`` where there is none. Raises where there is one that cannot be read.
    """
    for name, module in _LENDERS.items():
        found = left(request, name)
        place = module.lent(kind, found) if found is not None else None
        if place is not None:
            return plain(place)
    return None


def plain(place: Any) -> Any:
    """A session's data where it is a dict or Beaker's: to ask the object itself may mark it, renew it or load it."""
    if beaker.is_one(place):
        return beaker.data_of(place)
    return dict.copy(place) if issubclass(type(place), dict) else place


def is_impersonated(request: Mapping[str, Any]) -> bool:
    """Whether a member of staff uses the site as the user who was read; to be asked while that is :func:`opened`."""
    found = left(request, "django")
    return found is not None and django.is_impersonated(found)


async def in_thread_of(
    read: Callable[Concatenate[Mapping[str, Any], P], T],
    scope: Mapping[str, Any],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Call ``read(scope, …)`` where a framework runs the site's own synchronous code, if it has answered."""
    if left(scope, "django") is not None:
        return await django.in_thread(read)(scope, *args, **kwargs)
    return read(scope, *args, **kwargs)
