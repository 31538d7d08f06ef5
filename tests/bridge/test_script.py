"""bridge.js as it is served: small, the same for the same settings, and with nothing in it but those."""

import gzip
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from viafoura_mw.bridge.script import ON_ERROR, PARKED_TYPE, BridgeScript, rendered, script_json

HOSTILE = "/a?b=\"'</script><!--&\u2028\u2029\\é{next}"


def settings_in(script: BridgeScript) -> dict[str, Any]:
    """The settings as a browser would read them."""
    found = re.search(rb"settings = (.*);\n", script.body)
    assert found
    settings: dict[str, Any] = json.loads(found[1])
    return settings


def test_holds_the_settings_in_milliseconds() -> None:
    """What it needs is five values, and nothing else of the site's settings is in it."""
    script = rendered(path="/_viafoura/", wait=2.5, hint=["a", "b"], login="/in?next={next}", logout="/out")

    assert settings_in(script) == {
        "path": "/_viafoura/", "wait": 2500, "hint": ["a", "b"], "login": "/in?next={next}", "logout": "/out"
    }  # fmt: skip


def test_what_is_not_set_is_empty() -> None:
    """A script's ``if`` tells it."""
    settings = settings_in(rendered(path="/b/", wait=0.55))

    assert (settings["wait"], settings["hint"], settings["login"], settings["logout"]) == (550, [], "", "")


def test_a_hostile_setting_stays_a_text() -> None:
    """It ends no script element, opens no comment, and has no line separator in it."""
    script = rendered(path="/b/", wait=1, login=HOSTILE)

    assert settings_in(script)["login"] == HOSTILE
    assert not re.search(rb"[^\x00-\x7f]", script.body)
    assert not re.search(r"[<>&\u2028\u2029]", script_json(HOSTILE))


def test_is_at_most_3_kb_with_gzip() -> None:
    """With the addresses that a site has."""
    login, logout = "/accounts/login/?next={next}", "/accounts/logout/"
    script = rendered(path="/_viafoura/", wait=2.5, hint=["sessionid"], login=login, logout=logout)

    assert len(gzip.compress(script.body, 9, mtime=0)) <= 3 * 1024


def test_comments_and_indentation_stay_behind() -> None:
    """Every other line leaves as it is in the source."""
    lines = rendered(path="/b/", wait=1).body.decode().splitlines()

    assert lines[0] == "(function () {"
    assert lines[-1] == "}());"
    assert not [line for line in lines if not line or line.startswith((" ", "//"))]


def test_the_digest_is_of_all_that_makes_a_page() -> None:
    """Any setting changes it, and so do the globs of the held scripts; the same settings give the same digest."""
    common: dict[str, Any] = {"path": "/b/", "wait": 1.0, "page": ["*//a/*", "*//b/*"]}
    others: list[dict[str, Any]] = [
        {"path": "/c/"}, {"wait": 2.0}, {"hint": ["h"]}, {"login": "/x"}, {"logout": "/x"},
        {"page": ["*//a/*"]}, {"page": ["*//a/**//b/*"]}
    ]  # fmt: skip

    digests = {rendered(**{**common, **other}).digest for other in [{}, *others]}

    assert len(digests) == 1 + len(others)
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in digests)
    assert rendered(**common) == rendered(**common)


def test_a_representation_shows_the_digest_alone() -> None:
    """A log line is no place for a script."""
    assert repr(replace(rendered(path="/b/", wait=1), digest="0" * 16)) == f"BridgeScript(digest='{'0' * 16}')"


@pytest.mark.parametrize("character", '"&<>\n')
def test_the_onerror_needs_no_escaping(character: str) -> None:
    """It stands in double quotes in the page, as it is."""
    assert character not in ON_ERROR
    assert PARKED_TYPE in ON_ERROR
