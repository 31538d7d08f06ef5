"""A pytest plugin: ``pytest_plugins = ["viafoura_mw.testing.pytest_plugin"]`` gives the fixture ``viafoura``."""

from collections.abc import Iterator

import pytest

from viafoura_mw.testing import SimulatedViafoura


@pytest.fixture
def viafoura() -> Iterator[SimulatedViafoura]:
    """A simulated Viafoura for one test."""
    with SimulatedViafoura() as simulated:
        yield simulated
