"""What ``.docs/operations.md`` says is so: every line of the log, every metric, every bound of what a process holds."""

import ast
import importlib
import importlib.util
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from tests.layers import MODULES, PACKAGE
from tests.support.fakes import Clock, HandWorkers, ScriptedViafoura
from tests.support.readme import ROOT
from viafoura_mw import Settings
from viafoura_mw.user.user import User
from viafoura_mw.viafoura import breaker, limits, logins, workers
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions

PAGE = (ROOT / ".docs/operations.md").read_text("utf-8")
#: What the middleware is, without what is there to try it out.
TREES = {
    name.removeprefix(f"{PACKAGE}."): tree
    for name, tree in MODULES.items()
    if name.removeprefix(f"{PACKAGE}.").partition(".")[0] not in ("demo", "testing", "commands")
}


def table(name: str) -> list[list[str]]:
    """The rows of a table between two markers."""
    section = PAGE.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.strip().splitlines()[2:]]


# Log lines.


def _said() -> Iterator[tuple[str, str]]:
    """Each event that the code says, with its level."""
    for tree in TREES.values():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            match call.func:
                case ast.Attribute(attr="tell") if isinstance(
                    next(iter(call.args), None), ast.Constant | ast.JoinedStr
                ):
                    yield _event(call.args[0]), ast.unparse(call.args[1]).removeprefix("logging.")
                case ast.Attribute(attr="_tell") if isinstance(call.args[0], ast.Constant):
                    yield _event(call.args[0]), "ERROR"
                case ast.Name(id="say") if events := [each for each in call.keywords if each.arg == "event"]:
                    if isinstance(events[0].value, ast.Constant):
                        yield _event(events[0].value), ast.unparse(call.args[0]).removeprefix("logging.")


def _event(kind: ast.expr) -> str:
    text = kind.values[0] if isinstance(kind, ast.JoinedStr) else kind
    assert isinstance(text, ast.Constant)
    return str(text.value).partition(":")[0]


def _templates() -> Iterator[re.Pattern[str]]:
    """Patterns of whatever the package's texts can become."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield re.compile(".+".join(map(re.escape, re.split(r"%(?:\.\d+)?[sdr]", node.value))))
            elif isinstance(node, ast.JoinedStr):
                parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values]
                yield re.compile("".join(parts))


TEMPLATES = [*_templates()]


def test_tells_of_every_line_of_the_log() -> None:
    """By its event and its level, and of no other."""
    assert {(row[0].strip("`"), row[1]) for row in table("events")} == {*_said()}


@pytest.mark.parametrize("row", table("events"), ids=lambda row: row[0].strip("`"))
def test_shows_a_line_as_it_is(row: list[str]) -> None:
    """An example that the code can say, and what to do."""
    assert any(template.fullmatch(row[2].strip("`")) for template in TEMPLATES)
    assert row[3]


def test_no_event_is_made_of_what_happens() -> None:
    """Each kind is a word of the code's own; what varies in it stands behind a colon."""
    assert all(re.fullmatch(r"[a-z-]+", event) for event, _ in _said())


# Metrics.


def test_tells_of_every_metric() -> None:
    """By its name and unit."""
    made = []

    class Meter:
        def create_counter(self, name: str, unit: str, _: str) -> None:
            made.append((name, "counter", unit))

        def create_histogram(self, name: str, unit: str, _: str, **__: Any) -> None:
            made.append((name, "histogram", unit))

        def create_observable_counter(self, name: str, _: object, unit: str, __: str) -> None:
            made.append((name, "counter", unit))

        def create_observable_gauge(self, name: str, _: object, unit: str, __: str) -> None:
            made.append((name, "gauge", unit))

    importlib.import_module(f"{PACKAGE}.metrics").Metrics(Meter())

    assert sorted((row[0].strip("`"), row[1], row[2].strip("`")) for row in table("metrics")) == sorted(made)


# Commands.


def test_names_commands_that_there_are() -> None:
    """Each can be run by anyone who has a checkout."""
    named = re.findall(r"`python -m (tests[\w.]*)(?: (\w+))?`", PAGE)

    assert {f"{module}.{name}" if name else module for module, name in named} >= {"tests.two_sites", "tests.dashboard"}
    assert all(importlib.util.find_spec(f"{module}.{name}" if name else module) for module, name in named)


# The fleet.

#: What the formulas of the table know: the code's own numbers, and those that the page assumes.
NUMBERS = {
    "readers": 1_000_000,
    "session_ttl": Settings.__dataclass_fields__["session_ttl"].default,
    "timeout": Settings.__dataclass_fields__["timeout"].default,
    **{name: float(value) for name, value in re.findall(r"`(call|token|deploy) = ([\d.]+)`", PAGE)},
    **{name: getattr(workers, name) for name in ("LOGIN_THREADS", "LOGIN_PLACES", "LOGOUT_THREADS")},
    **{name: getattr(limits, name) for name in ("A_MINUTE", "AT_ONCE", "FAILED_ANSWERS", "REFUSAL")},
    **{name: getattr(breaker, name) for name in ("FAILURES", "LONGEST_PAUSE")},
    "WRONG_CREDENTIALS": logins.WRONG_CREDENTIALS,
}


@pytest.mark.parametrize("row", table("fleet"), ids=lambda row: row[0])
def test_a_fleets_numbers_are_those_of_their_formula(row: list[str]) -> None:
    """To two per cent: they are told in round figures."""
    formula = row[1].strip("`")
    for processes, told in zip((10, 10_000), row[2:], strict=True):
        number = eval(formula, {"__builtins__": {}}, {**NUMBERS, "processes": processes})  # the page's own formula
        assert float(told.split()[0].replace(",", "")) == pytest.approx(number, rel=0.02)


def test_a_fleets_formulas_use_every_number() -> None:
    """So that a bound which is added to the list, and to no row, is seen."""
    used = {name for row in table("fleet") for name in re.findall(r"[A-Za-z_]+", row[1])}
    assert used == {*NUMBERS, "processes"}


# What a process holds.

_GROWING = ("dict", "list", "set", "OrderedDict", "deque")
_CACHES = ("cache", "lru_cache", "for_short_texts")

#: What grows and goes again with one response, one call or one start.
OF_ONE = {
    "asgi._Response": "a response",
    "wsgi._Response": "a response",
    "response.exchange.Exchange": "a response",
    "bridge.answers.Reply": "a response",
    "bridge.asking.AskingExchange": "a response",
    "bridge.shared.SharedExchange": "a response",
    "bridge.page.HeldScripts": "a page",
    "page.html.tokenizer.Tokenizer": "a page",
    "run._Wrapping": "a process, by its servers",
    "waiting.Lock": "a response",
    "response.kept.Kept": "a response",
    "page.html.body.PassedOver": "a page",
    "page.html.open_elements.OpenElements": "a page",
    "viafoura.connecting._Race": "a connection",
    "viafoura.transport._BoundedResponse": "a call",
    "sites.meet": "two globs",
    "user.frameworks.django._ReadOnlyCache": "a reading of the user",
    "cgi.os_environ": "a process of one request",
    "gunicorn._read": "a start's files",
    "loading.read": "a start's files",
    "page.codings._brotli": "a module that is there or not",
    "page.codings._zstd": "a module that is there or not",
    "response.remembered.remembered": "whoever uses it",
    "per_process.PerProcess": "a process",
    "metrics.of_process": "a process",
}


def _holders() -> Iterator[tuple[str, ast.expr]]:
    """Every attribute, field and cache that can grow, with what makes it."""
    for module, tree in TREES.items():
        for owner in (tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))):
            prefix = f"{module}.{owner.name}" if isinstance(owner, ast.ClassDef) else module
            for node in _within(owner):
                match node:
                    case ast.FunctionDef(decorator_list=decorators):
                        yield from ((f"{prefix}.{node.name}", each) for each in decorators if _is_cache(each))
                    case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=value) if value:
                        name = target.attr if isinstance(target, ast.Attribute) else ast.unparse(target)
                        is_attribute = isinstance(target, ast.Attribute) or (
                            isinstance(owner, ast.ClassDef) and node in owner.body
                        )
                        if _is_cache(value) or (is_attribute and _can_grow(value)):
                            yield f"{prefix}.{name}", value


def _within(owner: ast.AST) -> Iterator[ast.AST]:
    """What is in a module or a class, and in no class within."""
    for node in ast.iter_child_nodes(owner):
        if not isinstance(node, ast.ClassDef):
            yield node
            yield from _within(node)


def _can_grow(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id="field")):
            return any(name in ast.unparse(value) for name in _GROWING)
        case ast.Call(func=ast.Name(id=name)):
            return name in _GROWING
        case ast.Dict(keys=members) | ast.List(elts=members) | ast.Set(elts=members):
            return not members
    return False


def _is_cache(value: ast.expr) -> bool:
    """Whether it is one of :mod:`functools`' caches, or ours, with or without the function that it is put around."""
    while isinstance(value, ast.Call):
        value = value.func
    return ast.unparse(value).rpartition(".")[2] in _CACHES


def _constant(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


HOLDERS = dict(_holders())
BOUNDS = {row[0].strip("`"): row[1:] for row in table("bounds")}


def test_every_bounded_thing_is_told() -> None:
    """Whatever can grow in the code is in the table, or goes with one response; and the other way round."""
    lasting = {name for name in HOLDERS if name not in OF_ONE and name.rpartition(".")[0] not in OF_ONE}
    assert lasting == BOUNDS.keys()


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_is_the_codes(name: str) -> None:
    """The number is the constant's, and the constant is used where the thing is; a cache has so many places."""
    number = int(BOUNDS[name][0].split()[0])
    if named := re.search(r"\(`([\w.]+)`\)", BOUNDS[name][0]):
        assert _constant(named[1]) == number
    value = HOLDERS[name]
    if _is_cache(value) and isinstance(value, ast.Call):
        call = value.func if isinstance(value.func, ast.Call) else value  # around a function, or a decorator
        places = call.args[0]
        module = next(each for each in sorted(TREES, key=len, reverse=True) if name.startswith(f"{each}."))
        told = places.value if isinstance(places, ast.Constant) else _constant(f"{module}.{ast.unparse(places)}")
        assert told == number


def test_a_logins_entries_have_the_size_that_is_told() -> None:
    """All of them together, in all tables."""
    (told,) = re.findall(r"some (\d+) KB", PAGE.partition("All entries of one login")[2].partition("\n\n")[0])
    clock = Clock()
    hands = HandWorkers(clock)
    sessions = Sessions(ScriptedViafoura(clock, takes=0.0), timeout=2.0, clock=clock, workers=lambda: hands)
    used, times = [], 500

    tracemalloc.start()
    for number in range(2 * times):
        sessions.ensure(LoginRequest(User(f"reader-{number}", f"Reader {number}"), b"browser %d" % number))
        hands.logins.run()
        if number % times == times - 1:
            used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert (used[1] - used[0]) / times <= int(told) * 1200  # versions of Python differ a little


def test_no_more_kinds_of_lines_are_remembered_than_there_are() -> None:
    """The bound of what was last said: an event is one kind, but for a hook's, which are one for each framework."""
    assert len(table("events")) <= int(BOUNDS["log.Notices._said"][0])
