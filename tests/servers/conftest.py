"""Each door behind each cache."""

import pytest

from tests.support.eager_caches import CACHES, SITES, Cache
from tests.support.servers import program


@pytest.fixture(params=SITES)
def door(request: pytest.FixtureRequest) -> str:
    """Each of the two doors."""
    name: str = request.param
    if SITES[name].missing:
        pytest.skip(SITES[name].missing)
    return name


@pytest.fixture(params=CACHES, ids=lambda cache: cache.name)
def cache(request: pytest.FixtureRequest) -> Cache:
    """Each of the caches."""
    found: Cache = request.param
    if not program(found.needs):
        pytest.skip(f"{found.needs} not installed")
    return found
