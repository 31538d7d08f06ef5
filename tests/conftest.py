"""The simulated Viafoura for every test that asks for it, and settings that point at it."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura

# No test depends on how busy the machine is.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("tests")


@pytest.fixture
def viafoura() -> Iterator[SimulatedViafoura]:
    """A Viafoura of its own for each test."""
    with SimulatedViafoura() as simulated:
        yield simulated


@pytest.fixture
def settings(viafoura: SimulatedViafoura) -> Settings:
    """Settings read from the environment that the simulated Viafoura offers."""
    return Settings.from_env(viafoura.environ())


_BRIDGE_IN_A_BROWSER = ("boot", "page", "in_step", "sign_in", "tracking", "behind_a_cache")

#: What a test needs besides this process, by where it stands: ``-m "not server and not browser and not build"`` is the
#: inner loop.
MARKS = {
    "server": (
        "tests/servers/",
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
    "build": ("tests/project/test_packaging.py", "tests/project/test_readme_commands.py"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its place."""
    for item in items:
        place = item.path.relative_to(item.config.rootpath).as_posix()
        for mark, places in MARKS.items():
            if place.startswith(places):
                item.add_marker(mark)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, where everything is installed, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
