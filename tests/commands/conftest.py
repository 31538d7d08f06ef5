"""The environment that a command finds."""

import os

import pytest

from viafoura_mw.testing import SimulatedViafoura


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says nothing that a test does not."""
    for name in list(os.environ):
        if name.startswith("VIAFOURA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, viafoura: SimulatedViafoura) -> dict[str, str]:
    """The environment points to the simulated Viafoura."""
    environ = viafoura.environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ
