"""Gunicorn's configuration whose hook wraps whatever application gunicorn serves, whatever its worker.

    GUNICORN_CMD_ARGS="--config python:viafoura_mw.gunicorn" gunicorn site.wsgi

Gunicorn reads one configuration only: a ``gunicorn.conf.py`` in the working directory would be passed over for this
one, so its settings are taken over here, and its hooks are called before these. Nothing that a worker might patch,
such as ``ssl``, is imported before the worker has begun.
"""

import functools
import importlib
import importlib.util
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from viafoura_mw.environment import read_file
from viafoura_mw.errors import SettingsError
from viafoura_mw.interface import interface_of
from viafoura_mw.loading import described
from viafoura_mw.settings import Settings

_OWN_FILE: Final = "gunicorn.conf.py"  # what gunicorn reads when it is told nothing
_ASGI_WORKERS: Final = ("uvicorn", "uvicorn_worker")
_OTHER_APPLICATIONS: Final = ("aiohttp", "tornado")


class _Token:
    """One for all the processes that fork from this one: the first that takes it has it."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"!")
        os.close(writing)
        self._pipe = reading
        weakref.finalize(self, os.close, reading)  # a reload makes another

    def take(self) -> bool:
        return bool(os.read(self._pipe, 1))


def _check(server: Any) -> None:
    """``on_starting``: end the start with one error where the settings are wrong, before there are workers.

    But only where the site is there already (``--preload``): it may make its settings while it is imported.
    """
    _forget(server)
    try:
        Settings.from_env(read=_read)
    except SettingsError as error:
        if server.cfg.preload_app:
            sys.exit(str(error))


def _forget(_: Any) -> None:
    """``on_reload``: have this module, and with it the site's file, read again at the next reload."""
    sys.modules.pop(__name__, None)


def _wrap(worker: Any) -> None:
    """``post_worker_init``: put the middleware around the application that ``worker`` has loaded.

    What is wrong ends the start, as an application does that cannot be imported; one worker of all says what it is.
    """
    name = "asgi" if hasattr(worker, "asgi") else "wsgi"
    application = getattr(worker, name)
    try:
        door = _door(worker, name, application)
        setattr(worker, name, door(application, Settings.from_env(read=_read)))
    except SettingsError as error:
        if _token.take():
            raise importlib.import_module("gunicorn.errors").AppImportError(str(error)) from error
        sys.exit()  # with no error of its own: gunicorn, while it stops, takes a second one for its own failure


def _door(worker: Any, name: str, application: Any) -> Any:
    """The middleware's class for the application of a worker."""
    if name == "asgi" or _comes_from(_ASGI_WORKERS, worker):
        return importlib.import_module("viafoura_mw.asgi").ViafouraMiddleware
    if _comes_from(_OTHER_APPLICATIONS, application):
        kind = f"{type(application).__module__}.{type(application).__qualname__}"
        raise SettingsError([f"viafoura_mw.gunicorn cannot wrap a {kind}, which is neither WSGI nor ASGI"])
    kind = "asgi" if interface_of(application) in ("asgi", "asgi2") else "wsgi"
    return importlib.import_module(f"viafoura_mw.{kind}").ViafouraMiddleware


def _comes_from(packages: tuple[str, ...], value: object) -> bool:
    return any(kind.__module__.partition(".")[0] in packages for kind in type(value).__mro__)


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
        raise SettingsError([f"{_OWN_FILE} cannot be read: {described(error)}"]) from error
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


_token: Final = _Token()
#: The master reads the files as it starts, and its workers have their texts: a pipe gives its text once.
_read: Final = functools.cache(read_file)
_site: Final = _site_configuration()
globals().update(_site)

on_starting: Final = _after(_site.get("on_starting"), _check)
on_reload: Final = _after(_site.get("on_reload"), _forget)
post_worker_init: Final = _after(_site.get("post_worker_init"), _wrap)
