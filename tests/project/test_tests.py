"""The rules that the tests themselves obey."""

import ast
from functools import cache
from pathlib import Path

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
