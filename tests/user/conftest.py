"""Pages that wait for their login as long as a busy machine needs."""

import dataclasses

import pytest

from viafoura_mw import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The settings of every test, but that no page leaves before its session is there."""
    return dataclasses.replace(settings, timeout=60.0)
