"""Trac with AccountManager, by its recipe: run by ``.ci/frameworks``, since Trac finds each plugin that is installed.

The file is named so that no other run collects it.
"""

from pathlib import Path

import pytest

from tests.recipes.stacks import Stack, by_tracs_form, expect_in_and_out
from tests.support.servers import Browser
from viafoura_mw.testing import SimulatedViafoura


def sign_in(browser: Browser) -> None:
    browser.get("/login")
    form = {"username": "ann", "password": "secret", "__FORM_TOKEN": browser.cookies["trac_form_token"]}
    assert browser.post("/login", **form).status == 303


TRAC = Stack(
    "trac_own",
    ("trac", "acct_mgr"),
    ("ann", "Änn Łee", "ann@site.example"),
    sign_in=sign_in,
    sign_out=by_tracs_form("/logout"),
    place="make.py",
    makes=True,
    code="trac/plugins/site_user.py",
    code_of="Trac with its own sign-in",
)


def test_signs_in_and_out_by_account_manager(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """By its own form, with id, full name and e-mail address; nothing is written."""
    pytest.importorskip("acct_mgr", reason="TracAccountManager is not installed")
    expect_in_and_out("Trac with AccountManager", TRAC, viafoura, tmp_path)
