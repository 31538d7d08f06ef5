"""Gunicorn's configuration whose hook wraps whatever application gunicorn serves, whatever its worker.

    GUNICORN_CMD_ARGS="--config python:viafoura_mw.gunicorn" gunicorn site.wsgi

Gunicorn reads one configuration only: a ``gunicorn.conf.py`` in the working directory would be passed over for this
one, so its settings are taken over here, and its hooks are called before these. Nothing that a worker might patch,
such as ``ssl``, is imported before the worker has begun.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from viafoura_mw.errors import SettingsError
from viafoura_mw.settings import Settings

_OWN_FILE: Final = "gunicorn.conf.py"  # what gunicorn reads when it is told nothing
_ASGI_WORKERS: Final = ("uvicorn", "uvicorn_worker")
_OTHER_APPLICATIONS: Final = ("aiohttp", "tornado")


def _check(_: Any) -> None:
    """``on_starting``: end the start with one error where the settings are wrong, before there are workers."""
    _forget(_)
    try:
        Settings.from_env()
    except SettingsError as error:
        sys.exit(str(error))


def _forget(_: Any) -> None:
    """``on_reload``: have this module, and with it the site's file, read again at the next reload."""
    sys.modules.pop(__name__, None)


def _wrap(worker: Any) -> None:
    """``post_worker_init``: put the middleware around the application that ``worker`` has loaded."""
    name = "asgi" if hasattr(worker, "asgi") else "wsgi"
    application = getattr(worker, name)
    door: Any
    if name == "asgi" or _comes_from(_ASGI_WORKERS, worker) or _is_coroutine_function(application):
        from viafoura_mw import asgi as door
    elif _comes_from(_OTHER_APPLICATIONS, application):
        kind = f"{type(application).__module__}.{type(application).__qualname__}"
        raise SettingsError([f"viafoura_mw.gunicorn cannot wrap a {kind}, which is neither WSGI nor ASGI"])
    else:
        from viafoura_mw import wsgi as door
    setattr(worker, name, door.ViafouraMiddleware(application))


def _comes_from(packages: tuple[str, ...], value: object) -> bool:
    return any(kind.__module__.partition(".")[0] in packages for kind in type(value).__mro__)


def _is_coroutine_function(application: Any) -> bool:
    return inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(
        getattr(application, "__call__", None)  # noqa: B004 - its kind is asked for
    )


def _site_configuration() -> Mapping[str, Any]:
    """The gunicorn settings of the file in the working directory, if there is one."""
    path = Path.cwd() / _OWN_FILE
    if not path.exists():
        return {}
    spec = importlib.util.spec_from_file_location("__config__", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module  # as gunicorn does
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SettingsError([f"{_OWN_FILE} cannot be read: {type(error).__name__}: {error}"]) from error
    names = {setting.name for setting in importlib.import_module("gunicorn.config").KNOWN_SETTINGS}
    return {name: value for name, value in vars(module).items() if name in names}


def _after(hook: Any, own: Callable[[Any], None]) -> Callable[[Any], None]:
    """``own``, after the site's hook of that name: a function, or the dotted name of one."""
    if isinstance(hook, str):
        module, _, name = hook.rpartition(".")
        hook = getattr(importlib.import_module(module), name)

    def both(argument: Any) -> None:
        hook(argument)
        own(argument)

    return both if hook is not None else own


_site: Final = _site_configuration()
globals().update(_site)

on_starting: Final = _after(_site.get("on_starting"), _check)
on_reload: Final = _after(_site.get("on_reload"), _forget)
post_worker_init: Final = _after(_site.get("post_worker_init"), _wrap)
