"""The import graph is the architecture: each module imports only from those above it, and few know the world."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.layers import LEVELS, MODULES, PACKAGE, ROOT, WINGS, imports_of, room_of
from tests.support.thoroughness import TRIES_EVERYTHING

#: Who may import what of the world outside, besides the standard library.
FOREIGN = {
    "webob": {"response.webob"},
    "requests": {"viafoura.transport"},
    "urllib3": {"viafoura.transport"},
    "starlette": {"asgi", "asgi_asked", "asgi_messages", "asgi_scope", "lifespan", "demo"},
    "asgiref": {"asgi", "user.frameworks"},
    "anyio": {"asgi", "waiting"},
    "trio": {"waiting"},
    "opentelemetry": {"metrics"},
    "wsgiref": {"wsgi", "wsgi_environ", "wsgi_head", "paste", "cgi", "demo", "testing"},
}


def _pairs() -> list[tuple[str, str]]:
    """Who imports whom within the package."""
    return [(name, other) for name in MODULES for other in imports_of(name) if other in MODULES]


def test_every_module_has_its_place() -> None:
    """A new module is put into the list."""
    assert {room_of(name) for name in MODULES} - {"", *WINGS} == {*LEVELS}


@pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) in LEVELS])
def test_imports_only_from_above(name: str) -> None:
    """At whatever depth of its code, and from no neighbour."""
    others = {other for other in imports_of(name) if other in MODULES and room_of(other) != room_of(name)}
    others -= {PACKAGE, *(f"{PACKAGE}.{wing}" for wing in WINGS)}
    wrong = {other for other in others if LEVELS[room_of(other)] >= LEVELS[room_of(name)]}
    assert not wrong


def test_has_no_cycles() -> None:
    """Within a package neither; a package's own ``__init__`` imports its modules, and they do not import it back."""
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, other in _pairs():
        graph[name].add(other)
    assert len([*TopologicalSorter(graph).static_order()]) == len(MODULES)


def test_the_doors_never_import_each_other() -> None:
    """Neither decides anything that the other would need."""
    doors = {"wsgi": "asgi", "asgi": "wsgi"}
    assert not [pair for pair in _pairs() if doors.get(room_of(pair[0])) == room_of(pair[1])]


@pytest.mark.parametrize("library", FOREIGN)
def test_few_know_a_library(library: str) -> None:
    """A dependency is known in one place, so that it can be replaced there."""
    users = {room_of(name) for name in MODULES for other in imports_of(name) if other.partition(".")[0] == library}
    assert users <= FOREIGN[library]


def test_imports_no_other_library_by_name() -> None:
    """What is neither the standard library's nor listed here is optional, and imported where it is asked for."""
    optional = {"jwt", "brotli", "brotlicffi", "zstandard", "uvicorn", "waitress", "pytest", "gunicorn"}
    tops = {other.partition(".")[0] for name in MODULES for other in imports_of(name)}
    assert tops - sys.stdlib_module_names - {PACKAGE} <= {*FOREIGN, *optional}


def test_only_the_wsgi_door_knows_an_environs_keys() -> None:
    """Others are given plain values; Beaker's session has an environ of its own."""
    knowing = {
        room_of(name)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("HTTP_", "wsgi."))
    }
    assert knowing <= {"wsgi", "wsgi_environ", "cgi", "demo", "testing", "commands", "user.sources", "user.frameworks"}


def test_only_the_settings_read_the_environment() -> None:
    """``os.environ`` is asked in one place; a section of an ini file is laid over it in another.

    Two names are put aside while a door is imported for its class alone.
    """
    knowing = {
        room_of(name)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and _is_os(node.value)
    }
    assert knowing <= {"settings", "loading", "paste", "commands", "demo", "testing"}


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("viafoura_mw", {"requests", "urllib3", "ssl"}),
        ("viafoura_mw.gunicorn", {"requests", "urllib3", "ssl"}),
        ("viafoura_mw.run", {"requests", "urllib3", "ssl", "socket", "asyncio"}),
        ("viafoura_mw.wsgi", {"requests", "urllib3", "asyncio", "anyio", "starlette", "trio"}),
        ("viafoura_mw.asgi", {"requests", "urllib3", "trio", "flask", "django"}),
    ],
)
def test_imports_nothing_too_early(name: str, never: set[str], tmp_path: Path) -> None:
    """gevent patches ``ssl`` after a configuration was read; a door brings nothing of the other one with it."""
    program = f"import sys; before = {{*sys.modules}}; import {name}; print(*({{*sys.modules}} - before), sep='\\n')"
    environ = {"PYTHONPATH": os.pathsep.join([str(ROOT.parent), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    imported = {*done.stdout.split()}
    assert name in imported
    assert not never & imported


@pytest.mark.parametrize(
    "names",
    [*([name] for name in sorted(MODULES) if TRIES_EVERYTHING), sorted(MODULES)],
    ids=lambda names: names[0] if len(names) == 1 else "all",
)
def test_warns_of_nothing(names: list[str], tmp_path: Path) -> None:
    """A site may make warnings errors; its filters are as they were afterwards, but for what requests adds."""
    program = (
        "import sys, warnings; before = [*warnings.filters]; "
        f"import {', '.join(names)}; added = [each[2].__module__ for each in warnings.filters if each not in before]; "
        "assert {each.partition('.')[0] for each in added} <= {'requests', 'urllib3'}, added"
    )
    environ = {"PYTHONPATH": os.pathsep.join([str(ROOT.parent), *filter(None, sys.path)])}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_lets_others_be_warned_of_cgi(tmp_path: Path) -> None:
    """Of everything else, the site is told as before."""
    program = (
        "import viafoura_mw.wsgi, warnings\n"
        "try: warnings.warn(\"'cgi' is deprecated\", DeprecationWarning)\n"
        "except DeprecationWarning: print('told')"
    )
    environ = {"PYTHONPATH": os.pathsep.join([str(ROOT.parent), *filter(None, sys.path)])}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "told\n"
