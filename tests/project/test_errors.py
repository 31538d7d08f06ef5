"""The exceptions: each carries its data, and says it without a secret."""

import pytest

from viafoura_mw.errors import (
    CredentialsRefused,
    LoginRefused,
    LogoutRefused,
    SettingsError,
    ViafouraError,
    ViafouraUnavailable,
)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LoginRefused(422), "Viafoura refused the login with status 422"),
        (LogoutRefused(404), "Viafoura refused the logout with status 404"),
        (CredentialsRefused(401), "Viafoura refused the site's credentials with status 401"),
    ],
)
def test_a_refusal_has_its_status(error: LoginRefused, sentence: str) -> None:
    """Which is all that can be told of it."""
    assert isinstance(error, ViafouraError)
    assert (str(error), str(error.status)) == (sentence, sentence[-3:])


@pytest.mark.parametrize("pause", [None, 30.0])
def test_an_unavailable_viafoura_has_the_pause_it_asked_for(pause: float | None) -> None:
    """In seconds, where it asked for one."""
    error = ViafouraUnavailable("status 503", retry_after=pause)
    assert (str(error), error.retry_after) == ("Viafoura is unavailable: status 503", pause)


def test_an_unavailable_viafoura_has_the_status_it_answered_with() -> None:
    """Where it answered at all."""
    assert ViafouraUnavailable("status 500", status=500).status == 500
    assert ViafouraUnavailable("no answer in time").status is None


def test_wrong_settings_are_a_list() -> None:
    """A line for each, for whoever reads a server's first words."""
    error = SettingsError(["A is not set", "B must be 1 or 0"])
    assert error.problems == ("A is not set", "B must be 1 or 0")
    assert str(error) == "viafoura-mw cannot start:\n  - A is not set\n  - B must be 1 or 0"
