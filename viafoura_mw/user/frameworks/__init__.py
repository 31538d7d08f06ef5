"""What makes the user of a framework readable from outside, for frameworks that keep it to themselves.

Three calls make a reading: :func:`prepare` hooks the frameworks that the site has imported, :func:`expect` lays a
:class:`~viafoura_mw.user.frameworks.served.Served` out for a request before the application is called, in which a hook
leaves the framework's own request, and :func:`opened` lends the framework's context, in which the user is read of it.

A framework is a module here with three functions: ``hook()``, ``is_running(asgi=…)``, and the context manager
``opened(left)``. No framework is imported: each module finds its own in ``sys.modules``, once the site has put it
there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from viafoura_mw.user.frameworks import django, flask_login, pyramid
from viafoura_mw.user.frameworks.served import Served, expect, left
from viafoura_mw.user.sources import Absence

__all__ = ["Load", "Served", "expect", "in_thread_of", "opened", "prepare", "recognised"]

P = ParamSpec("P")
T = TypeVar("T")
#: Gives the user object, ``None`` for nobody, or the absence of one; may query, raises as the site does.
Load = Callable[[], Any]

#: By the names of their presets, in the order in which they are recognised where several run in one process.
_FRAMEWORKS: Final[Mapping[str, ModuleType]] = {"django": django, "flask-login": flask_login, "pyramid": pyramid}


def prepare(preset: str | None = None) -> bool:
    """Hook the frameworks imported by now, or only that of ``preset``; whether nothing is left to be hooked.

    Costs next to nothing to call again, which is what an application that is imported lazily needs.
    """
    modules = [_FRAMEWORKS[preset]] if preset else _FRAMEWORKS.values()
    hooked = [module.hook() for module in modules]  # every one, also after one that is not there
    return all(hooked)


def recognised(*, asgi: bool) -> str | None:
    """The preset of the framework that runs in this process behind a door of that kind, if it is one that has one.

    To be imported is not to run: an application of the framework must have been made. Where several have, the first
    of Django, Flask-Login, Pyramid.
    """
    return next((name for name, module in _FRAMEWORKS.items() if module.is_running(asgi=asgi)), None)


@contextmanager
def opened(preset: str, request: Mapping[str, Any]) -> Iterator[Load]:
    """Lend the context of the framework that has answered the request of an environ or scope.

    The user and its fields must be read inside: the framework's own context lasts no longer. Raises what the framework
    raises around it. Where something else has answered, nobody has asked who the user is.
    """
    found = left(request, preset)
    if found is None:
        yield lambda: Absence.UNASKED
        return
    with _FRAMEWORKS[preset].opened(found) as load:
        yield load


async def in_thread_of(
    preset: str | None,
    read: Callable[Concatenate[Mapping[str, Any], P], T],
    scope: Mapping[str, Any],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Call ``read(scope, …)`` where a framework runs the site's own synchronous code, if it has answered."""
    if preset == "django" and left(scope, preset) is not None:
        return await django.in_thread(read)(scope, *args, **kwargs)
    return read(scope, *args, **kwargs)
