"""The table of the bridge's page: each promise has tests, and each test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_TEST = re.compile(r"^\s*(?:async )?def test_(\w+)\(", re.MULTILINE)


def test_each_promise_of_the_bridge_is_held_by_tests() -> None:
    """Fifty-four promises in their order, none without a test."""
    page = (ROOT / ".docs" / "bridge.md").read_text("utf-8")
    table = page.partition("<!-- promises -->")[2].partition("<!-- /promises -->")[0]
    rows = _ROW.findall(table)

    there = {name for path in (ROOT / "tests").rglob("test_*.py") for name in _TEST.findall(path.read_text("utf-8"))}

    assert [int(number) for number, _, _ in rows] == [*range(1, 55)]
    named = {number: set(re.findall(r"`(\w+)`", tests)) for number, _, tests in rows}
    assert all(named.values())
    assert {number: tests - there for number, tests in named.items() if tests - there} == {}
