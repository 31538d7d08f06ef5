"""The entrance of ``viafoura-mw run``: the application that a server is given is wrapped in the server's own process.

Some servers make their application themselves, so that it has no name that ``VIAFOURA_APP`` could take: ``flask run``,
``python manage.py runserver``, ``tracd``, … The command line stays as it is, and each Python process that comes of it
is watched from its start (:mod:`viafoura_mw.on_path.sitecustomize`): when a server's module is imported, the one method
in which that server takes its application is hooked. Nothing else of the process is touched, and nothing of this
package but this module and the settings' is imported until a server has taken an application.

The settings are read at that time: the site is imported by then, and may have made them itself. What is wrong with
them ends the process, with one error.
"""

import functools
import importlib.abc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple, NoReturn

from viafoura_mw.errors import SettingsError
from viafoura_mw.loading import door


class _Server(NamedTuple):
    """After ``method`` of a server's ``kind``, its ``attribute`` is the application, which speaks ``interface``.

    ``failure`` is the exit code by which whoever started the server's process knows that it is not to be started again.
    """

    kind: str
    method: str
    attribute: str
    interface: Literal["wsgi", "asgi"]
    failure: int = 1


#: Puts the middleware around an application that a server has taken.
Wrap = Callable[[Any, _Server], Any]


#: By the modules in which they are. Each serves the commands that stand beside it.
SERVERS: Final[Mapping[str, _Server]] = {
    # flask run; python app.py with app.run()
    "werkzeug.serving": _Server("BaseWSGIServer", "__init__", "app", "wsgi"),
    # python manage.py runserver; pserve with egg:pyramid#wsgiref; whatever else begins with wsgiref
    "wsgiref.simple_server": _Server("WSGIServer", "set_app", "application", "wsgi"),
    # the same with Daphne's or Channels' runserver
    "daphne.server": _Server("Server", "__init__", "application", "asgi"),
    # pserve; waitress.serve()
    "waitress.server": _Server("BaseWSGIServer", "__init__", "application", "wsgi"),
    # cherryd; cherrypy.quickstart()
    "cheroot.wsgi": _Server("Server", "__init__", "wsgi_app", "wsgi"),
    "trac.web.wsgi": _Server("WSGIServer", "__init__", "application", "wsgi"),  # tracd
    # litestar run, fastapi run, datasette serve; uvicorn.run(). Its workers are started again after any code but 3, by
    # which the reloaders of Flask and Django mean "start again"
    "uvicorn.config": _Server("Config", "load", "loaded_app", "asgi", failure=3),
}
#: Servers that are given their application by its name, each with what starts them wrapped.
_NOT_SERVED: Final[Mapping[str, str]] = {
    "gunicorn.app.base": 'GUNICORN_CMD_ARGS="--config python:viafoura_mw.gunicorn"',
    "hypercorn.run": "VIAFOURA_APP, and serve viafoura_mw.asgi:app",
    "granian.server": "VIAFOURA_APP, and serve viafoura_mw.asgi:app or viafoura_mw.wsgi:app",
    "sanic.cli.app": "VIAFOURA_APP, and serve viafoura_mw.asgi:app by an ASGI server: Sanic's own calls no application",
}
_LEFT: Final = "what it serves is left as it is"


def begin() -> None:
    """Hook the servers of this process, as they are imported; called once, as the process starts."""
    hooks: dict[str, Callable[[ModuleType], None]] = {}
    wrap = _Wrapping().around
    for name, server in SERVERS.items():
        hooks[name] = functools.partial(_hook, server, wrap)
    for name, instead in _NOT_SERVED.items():
        hooks[name] = functools.partial(
            _tell, f"{name.partition('.')[0]} is not wrapped by this command; set {instead}"
        )
    for name in hooks.keys() & sys.modules.keys():
        hooks[name](sys.modules[name])
    sys.meta_path.insert(0, _Finder(hooks))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing itself: lets the others find a module, and has a hook called once that is executed."""

    def __init__(self, hooks: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._hooks = hooks

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        hook = self._hooks.get(fullname)
        if hook is None:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(fullname, path, target)) is not None:
                if spec.loader is not None:
                    _call_after(spec.loader, hook)
                return spec
        return None


def _call_after(loader: Any, hook: Callable[[ModuleType], None]) -> None:
    """Have ``hook`` called with the module that the loader executes; the loader stays the one it is.

    Whatever goes wrong, the module is imported as it would have been.
    """

    def execute_and_hook(module: ModuleType) -> None:
        execute(module)
        try:
            hook(module)
        except Exception as error:
            _tell(f"{module.__name__} cannot be hooked ({type(error).__name__}): {_LEFT}", module)

    with suppress(AttributeError):  # a loader that cannot be told anything
        execute = loader.exec_module
        loader.exec_module = execute_and_hook


def _hook(server: _Server, wrap: Wrap, module: ModuleType) -> None:
    """Wrap what a server takes for its application; a server that is not as it is known here is left as it is."""
    kind = getattr(module, server.kind, None)
    method = getattr(kind, server.method, None)
    if method is None:
        _tell(f"this version of {module.__name__} is not known: {_LEFT}", module)
        return

    @functools.wraps(method)
    def take(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        application = getattr(self, server.attribute, None)
        if application is not None:
            setattr(self, server.attribute, wrap(application, server))
        return result

    setattr(kind, server.method, take)


def _tell(sentence: str, _: ModuleType) -> None:
    sys.stderr.write(f"viafoura-mw run: {sentence}\n")


class _Wrapping:
    """The middleware around each application of a process: one for each, however many servers take it."""

    def __init__(self) -> None:
        self._wrapped: list[tuple[Any, Any]] = []

    def around(self, application: Any, server: _Server) -> Any:
        """``application`` inside the middleware; what has the middleware around it already stays as it is."""
        for inner, outer in self._wrapped:
            if application is inner or application is outer:
                return outer
        try:
            middleware = door(server.interface)
            outer = application if isinstance(application, middleware) else middleware(application)
        except SettingsError as error:
            _end(str(error), server.failure)
        self._wrapped.append((application, outer))
        return outer


def _end(complaint: str, code: int) -> NoReturn:
    """End the process with an error, at once.

    Not by ``SystemExit``: a thread, in which some reloaders make their server, loses it, and ``pserve`` takes it for
    an end in order, with exit code 0.
    """
    sys.stderr.write(f"{complaint}\n")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
