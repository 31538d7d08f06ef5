"""What makes the user of a framework readable from outside, for frameworks that keep it to themselves.

Three calls make a reading: :func:`prepare` hooks the frameworks that the site has imported, :func:`expect` lays a
:class:`~viafoura_mw.user.frameworks.served.Served` out for a request before the application is called, in which a hook
leaves the framework's own request, and :func:`read_in_environ` or :func:`read_in_scope` reads the user of it.

No framework is imported here: each module finds its own in ``sys.modules``, once the site has put it there.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final, TypeVar

from viafoura_mw.user.frameworks import django, flask_login, pyramid
from viafoura_mw.user.frameworks.served import Served, expect

__all__ = ["Load", "Served", "expect", "prepare", "read_in_environ", "read_in_scope", "recognised"]

T = TypeVar("T")
#: Gives the user object, ``None`` for nobody; may query, raises as the site does.
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


def read_in_environ(preset: str, environ: Mapping[str, Any], read: Callable[[Load], T]) -> T:
    """What ``read`` makes of the user of a request that has been answered under WSGI.

    The user's fields must be read inside ``read``, which must not raise: the framework's own context lasts no longer.
    Whatever the framework raises around it is raised by the ``Load`` that ``read`` is given.
    """
    try:
        result: T = _FRAMEWORKS[preset].read_in_environ(environ, read)
    except Exception as error:
        return read(_raising(error))
    return result


async def read_in_scope(preset: str, scope: Mapping[str, Any], read: Callable[[Load], T]) -> T:
    """The same under ASGI. ``read`` may run in a thread; only Django is read there, Flask and Pyramid are WSGI's."""
    try:
        result: T = await django.read_in_scope(scope if preset == "django" else {}, read)
    except Exception as error:
        return read(_raising(error))
    return result


def _raising(error: Exception) -> Load:
    def load() -> Any:
        raise error

    return load
