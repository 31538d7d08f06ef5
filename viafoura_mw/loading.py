"""``VIAFOURA_APP``: from a name to the application.

Five forms: ``pkg.mod`` (its ``application``, else ``app``), ``pkg.mod:attr.attr``, ``pkg.mod:factory('literal', n=1)``,
``/abs/file.wsgi[:attr]`` and ``/abs/file.ini[#name]`` (PasteDeploy).
"""

import ast
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable
from functools import cache, reduce
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeVar

from viafoura_mw.environment import ENV_FILE, read_file
from viafoura_mw.errors import SettingsError
from viafoura_mw.interface import interface_of, takes_no_request
from viafoura_mw.log import say
from viafoura_mw.settings import Settings, named_application

Door = TypeVar("Door")

_DEFAULT_NAMES: Final = ("application", "app")


def served(door: Callable[[Any, Settings], Door]) -> Door | None:
    """The application that ``VIAFOURA_APP`` names, inside ``door``; ``None`` where nothing is named.

    The settings are read once the application is there: a site may make them while it is imported. The environment
    file is read once for both, and each secret's file once.
    """
    read = cache(read_file)
    name = named_application(read=read)
    if not name:
        return None
    application = load(name)
    refuse_maker(name, application)
    wrapped = door(application, Settings.from_env(read=read))
    _tell_of_other_door(application, door.__module__)
    return wrapped


def refuse_maker(name: str, application: Any) -> None:
    """Raise :class:`~viafoura_mw.errors.SettingsError` where a name is that of what makes the application."""
    if takes_no_request(application):
        hint = "if it makes the application, name the call, as in mysite:create_app()"
        raise SettingsError([f"VIAFOURA_APP={without_arguments(name)} takes no request: {hint}"])


def _tell_of_other_door(application: Any, module: str) -> None:
    """Log that an application stands behind the wrong door: its requests would fail without saying why.

    By its shape alone, which may mislead: so the door is left as it is. A lazy proxy is not asked for what it stands
    for, which a server's parent process must not make before its children are there.
    """
    if any("__class__" in vars(kind) for kind in type(application).__mro__[:-1]):
        return
    other = {"viafoura_mw.asgi": "wsgi", "viafoura_mw.wsgi": "asgi"}.get(module)
    if other == interface_of(application) and other is not None:
        sentence = (
            "VIAFOURA_APP names an application that looks like %s: let the server load viafoura_mw.%s in place of %s"
        )
        say(logging.WARNING, sentence, other.upper(), other, module, event="other-door")


def door(interface: Literal["wsgi", "asgi"]) -> Any:
    """The middleware's class for an interface, imported for its own sake.

    A door's module loads the application that ``VIAFOURA_APP`` names as it is imported. Whoever has an application
    already must not have the site made a second time, nor the environment file read again, which may be a pipe.
    """
    put_aside = {name: os.environ.pop(name) for name in ("VIAFOURA_APP", ENV_FILE) if name in os.environ}
    try:
        return importlib.import_module(f"viafoura_mw.{interface}").ViafouraMiddleware
    finally:
        os.environ.update(put_aside)


def absent(module: str, attribute: str) -> AttributeError:
    """What a door's module raises for an attribute that it has not.

    Some servers show it. gunicorn and uvicorn say in its place that there is no such attribute: hence the log.
    """
    if attribute in _DEFAULT_NAMES:
        sentence = (
            f"{module}:{attribute} is the application that VIAFOURA_APP names, and VIAFOURA_APP is not set, neither in "
            "the environment nor in the file that VIAFOURA_ENV_FILE names"
        )
        say(logging.ERROR, sentence, event="no-application")
        return AttributeError(sentence)
    return AttributeError(f"module {module!r} has no attribute {attribute!r}")


def load(name: str) -> Any:
    """The application that ``VIAFOURA_APP`` names.

    Raises :class:`~viafoura_mw.errors.SettingsError`, caused by the original exception, where there is none. One that
    the site raises itself, as it wraps its application, is passed on.
    """
    try:
        application = _found(name)
        if not callable(application):
            raise _Misnamed(f"a {type(application).__name__} is no application")
    except SettingsError:
        raise
    except (Exception, SystemExit) as error:
        tried = f"VIAFOURA_APP={without_arguments(name)}"
        raise SettingsError([f"{tried} cannot be loaded: {described(error)}"]) from error
    return application


class _Misnamed(ValueError):
    """A name that cannot be one of an application; its text is about the name alone."""


def described(error: BaseException) -> str:
    """What the site's code raised: its type, the missing name, and where, but not its text: that may hold a secret."""
    if isinstance(error, _Misnamed):
        return str(error)
    details = []
    if isinstance(error, ImportError | AttributeError) and error.name:
        details.append(error.name)
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError):
        details.append(f"{error.filename}, line {error.lineno}")
    elif (last := frames[-1]).filename != __file__ and not last.filename.startswith("<frozen"):
        details.append(f"{last.filename}, line {last.lineno}")
    kind = type(error).__name__
    return f"{kind} ({', '.join(details)})" if details else kind


def without_arguments(name: str) -> str:
    """``VIAFOURA_APP`` as it may be shown: an argument of a factory may be a secret."""
    factory, bracket, arguments = name.partition("(")
    return f"{factory}(…)" if bracket and arguments != ")" else name


def _found(name: str) -> Any:
    if name.startswith("/") and name.partition("#")[0].endswith(".ini"):
        return _of_ini(name)
    place, colon, expression = name.partition(":")
    module = _of_file(place) if place.startswith("/") else _imported(place)
    return _evaluated(module, expression) if colon else _default(module)


def _imported(name: str) -> ModuleType:
    if "/" in name:
        raise _Misnamed("a file's path begins with /")
    # Servers that import by name do as much; cheroot and others leave the working directory out.
    if "" not in sys.path and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _of_file(path: str) -> ModuleType:
    """The module that a file by any ending holds, as mod_wsgi and ``uwsgi --wsgi-file`` load it."""
    module = ModuleType(f"_viafoura_app_{sha256(path.encode()).hexdigest()[:16]}")
    module.__file__ = path
    # Not by an import's loader, whose byte code for app.wsgi would take the place of app.py's.
    code = compile(Path(path).read_bytes(), path, "exec")
    sys.modules[module.__name__] = module
    try:
        exec(code, vars(module))  # noqa: S102 - the site's own file
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _of_ini(name: str) -> Any:
    path, _, section = name.partition("#")
    return importlib.import_module("paste.deploy").loadapp(f"config:{path}", name=section or None)


def _default(module: ModuleType) -> Any:
    for name in _DEFAULT_NAMES:
        if hasattr(module, name):
            return getattr(module, name)
    raise _Misnamed(f"{module.__name__} has neither {' nor '.join(_DEFAULT_NAMES)}; name one as module:attribute")


def _evaluated(module: ModuleType, expression: str) -> Any:
    """An attribute of ``module``, or what a factory of it gives, called with literal arguments (gunicorn's rule)."""
    node = ast.parse(expression, mode="eval").body
    call = node if isinstance(node, ast.Call) else None
    names = _dotted(call.func if call else node)
    found = reduce(getattr, names, module)
    if call is None:
        return found
    arguments = [ast.literal_eval(argument) for argument in call.args]
    keywords = {_name(keyword): ast.literal_eval(keyword.value) for keyword in call.keywords}
    return found(*arguments, **keywords)  # type: ignore[operator]


def _name(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise _Misnamed("an argument must be a literal")
    return keyword.arg


def _dotted(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    raise _Misnamed("after the colon goes an attribute, or a call of one with literal arguments")
