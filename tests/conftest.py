"""The simulated Viafoura for every test that asks for it, and settings that point at it."""

import gc
import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import hypothesis
import pytest

from tests.support.thoroughness import PROFILE, TRIES_EVERYTHING, sampled
from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user.frameworks import running

# Hundreds of tests start a Python of their own: each would compile the package anew, and pytest the tests in each run.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

hypothesis.settings.load_profile(PROFILE)


@pytest.fixture
def viafoura() -> Iterator[SimulatedViafoura]:
    """A Viafoura of its own for each test."""
    with SimulatedViafoura() as simulated:
        yield simulated


@pytest.fixture
def settings(viafoura: SimulatedViafoura) -> Settings:
    """Settings read from the environment that the simulated Viafoura offers."""
    return Settings.from_env(viafoura.environ())


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_before() -> None:
    """No test walks what lasts from before its module: the collector does not, nor a search for applications.

    A million objects are a tenth of a second, for each test that makes a middleware. What a test makes is found.
    """
    gc.collect()
    gc.freeze()
    unfrozen = SimpleNamespace(get_freeze_count=lambda: 0, get_referrers=gc.get_referrers)
    running.gc = unfrozen  # type: ignore[attr-defined, assignment]


_BRIDGE_IN_A_BROWSER = ("boot", "page", "in_step", "sign_in", "tracking", "behind_a_cache")

#: What a test needs besides this process, by where it stands: ``-m "not server and not browser and not build"`` is the
#: inner loop.
MARKS = {
    "server": (
        "tests/servers/",
        "tests/doors/test_bridge_frameworks.py",
        "tests/recipes/test_stacks.py",
        "tests/project/test_samples.py",
        "tests/project/test_readme_commands.py",
    ),
    "browser": (
        "tests/servers/test_browser.py",
        "tests/servers/test_demo_bridge.py",
        "tests/page/test_html_browser.py",
        *(f"tests/bridge/test_{name}.py" for name in _BRIDGE_IN_A_BROWSER),
    ),
    "build": (
        "tests/project/test_packaging.py",
        "tests/project/test_readme_commands.py",
        "tests/project/test_typing.py",
    ),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its place; leave out what the inner loop does not try."""
    for item in items:
        place = item.path.relative_to(item.config.rootpath).as_posix()
        for mark, places in MARKS.items():
            if place.startswith(places):
                item.add_marker(mark)
    if not TRIES_EVERYTHING:
        kept = {*sampled(items)}
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, where everything is installed, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
