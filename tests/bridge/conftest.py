"""One browser of a kind for all of these tests, and a site of its own for each."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import chromium, firefox
from tests.support.bridge_browser import Reader
from tests.support.bridge_site import Options, Site, running_site
from viafoura_mw.testing import SimulatedViafoura


@pytest.fixture(scope="session")
def drivers() -> Iterator[Callable[[str], Any]]:
    """Each browser is started when the first test asks for it."""
    started: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:

        def driver(name: str) -> Any:
            if name not in started:
                started[name] = stack.enter_context(firefox.firefox() if name == "firefox" else chromium.chromium())
            return started[name]

        yield driver


@pytest.fixture
def reader(request: pytest.FixtureRequest, drivers: Callable[[str], Any], site: Site) -> Reader:
    """Somebody at a browser that knows nobody yet: Chromium, or the one that the test asks for."""
    name = getattr(request, "param", "chromium")
    missing = chromium.missing() if name == "chromium" else "" if firefox.FIREFOX else "firefox"
    if missing:
        pytest.skip(f"not installed: {missing}")
    reader = Reader(drivers(name), name)
    reader.forgets(site)
    return reader


@pytest.fixture
def site(request: pytest.FixtureRequest, viafoura: SimulatedViafoura) -> Iterator[Site]:
    """A site with the options that the test asks for."""
    marker = request.node.get_closest_marker("options")
    with running_site(viafoura, Options(**(marker.kwargs if marker else {}))) as running:
        yield running
