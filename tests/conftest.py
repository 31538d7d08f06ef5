"""The simulated Viafoura for every test that asks for it, and settings that point at it."""

import os
from collections.abc import Iterator

import pytest

from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura


@pytest.fixture
def viafoura() -> Iterator[SimulatedViafoura]:
    """A Viafoura of its own for each test."""
    with SimulatedViafoura() as simulated:
        yield simulated


@pytest.fixture
def settings(viafoura: SimulatedViafoura) -> Settings:
    """Settings read from the environment that the simulated Viafoura offers."""
    return Settings.from_env(viafoura.environ())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, where everything is installed, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
