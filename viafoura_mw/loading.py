"""``VIAFOURA_APP``: from a name to the application.

Five forms: ``pkg.mod`` (its ``application``, else ``app``), ``pkg.mod:attr.attr``, ``pkg.mod:factory('literal', n=1)``,
``/abs/file.wsgi[:attr]`` and ``/abs/file.ini[#name]`` (PasteDeploy).
"""

import ast
import importlib
import importlib.util
import sys
from functools import reduce
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from viafoura_mw.errors import SettingsError
from viafoura_mw.settings import named_application

__all__ = ["load", "named_application"]

_DEFAULT_NAMES: Final = ("application", "app")


def load(name: str) -> Any:
    """The application that ``VIAFOURA_APP`` names.

    Raises :class:`~viafoura_mw.errors.SettingsError`, caused by the original exception, where there is none.
    """
    try:
        if name.startswith("/") and name.partition("#")[0].endswith(".ini"):
            return _of_ini(name)
        place, _, expression = name.partition(":")
        module = _of_file(place) if place.startswith("/") else _imported(place)
        return _evaluated(module, expression) if expression else _default(module)
    except Exception as error:
        tried = f"VIAFOURA_APP={name} cannot be loaded: {type(error).__name__}: {error}"
        raise SettingsError([tried]) from error


def _imported(name: str) -> ModuleType:
    # Servers that import by name do as much; cheroot and others leave the working directory out.
    if "" not in sys.path and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _of_file(path: str) -> ModuleType:
    """The module that a file by any ending holds, as mod_wsgi and ``uwsgi --wsgi-file`` load it."""
    name = f"_viafoura_app_{Path(path).stem}".replace("-", "_").replace(".", "_")
    loader = SourceFileLoader(name, path)
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _of_ini(name: str) -> Any:
    path, _, section = name.partition("#")
    from paste.deploy import loadapp

    return loadapp(f"config:{path}", name=section or None)


def _default(module: ModuleType) -> Any:
    for name in _DEFAULT_NAMES:
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"{module.__name__} has neither {' nor '.join(_DEFAULT_NAMES)}; name one as module:attribute")


def _evaluated(module: ModuleType, expression: str) -> Any:
    """An attribute of ``module``, or what a factory of it gives, called with literal arguments (gunicorn's rule)."""
    node = ast.parse(expression, mode="eval").body
    call = node if isinstance(node, ast.Call) else None
    names = _dotted(call.func if call else node)
    found = reduce(getattr, names, module)
    if call is None:
        return found
    arguments = [ast.literal_eval(argument) for argument in call.args]
    keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    return found(*arguments, **keywords)  # type: ignore[operator]


def _dotted(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    raise ValueError("after the colon goes an attribute, or a call of one with literal arguments")
