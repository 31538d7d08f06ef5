"""The rules that the tests themselves obey."""

import ast
from functools import cache
from itertools import product
from pathlib import Path

from tests.support.thoroughness import of_each_value

TESTS = Path(__file__).parents[1]


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def test_each_test_has_its_sentence() -> None:
    """The sentence states the promise, or what the name of the test leaves open."""
    without = [
        f"{module.relative_to(TESTS)}, line {node.lineno}: {node.name}"
        for module in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test") and not ast.get_docstring(node)
    ]
    assert without == []


def test_no_test_module_is_imported() -> None:
    """What several share stands in ``tests/support``, or is a fixture of a ``conftest.py``."""
    imported = [
        f"{module.relative_to(TESTS)} imports {node.module}"
        for module in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2].startswith("test_")
    ]
    assert imported == []


def test_the_inner_loop_tries_each_value_of_a_matrix() -> None:
    """As few cases as its longest argument has values, in which the others' take turns."""
    doors, kinds, faults = ("wsgi", "asgi", "asgi-trio"), ("token", "login"), range(10)
    cases = {case: case for case in product(doors, kinds, faults)}

    tried = [*of_each_value(cases)]

    assert {value for case in tried for value in case} == {*doors, *kinds, *faults}
    assert len(tried) == len(faults)
    assert {case[:2] for case in tried} == {*product(doors, kinds)}


def test_ci_tries_everything() -> None:
    """Wherever the tests are run as a whole, the profile is named."""
    for script in ("run", "versions"):
        assert "HYPOTHESIS_PROFILE=ci" in (TESTS.parent / ".ci" / script).read_text("utf-8")
