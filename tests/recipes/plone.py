"""Plone by its recipe: run by ``.ci/frameworks``, since its 300 packages are an environment.

The file is named so that no other run collects it.
"""

from pathlib import Path

import pytest

from tests.recipes.stacks import Stack, by_path, expect_in_and_out
from tests.support.servers import Browser
from viafoura_mw.testing import SimulatedViafoura


def sign_in(browser: Browser) -> None:
    form = {"__ac_name": "ann", "__ac_password": "a long secret", "buttons.login": "Log in"}
    assert browser.post("/Plone/login", **form).status == 302
    browser.get("/bare/Plone")  # the page that welcomes


PLONE = Stack(
    "plone_site",
    ("Products.CMFPlone", "waitress"),
    ("ann", "Änn Łee", "ann@site.example"),
    sign_in=sign_in,
    sign_out=by_path("/Plone/logout"),
    page="/Plone",
    data="/Plone/@@json",
)


def test_signs_a_member_in_and_out(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """By Plone's own form and its own log-out, with id, full name and e-mail address; nothing is written."""
    pytest.importorskip("Products.CMFPlone", reason="Plone is not installed")
    expect_in_and_out("Plone", PLONE, viafoura, tmp_path)
