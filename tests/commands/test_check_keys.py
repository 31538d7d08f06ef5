"""``viafoura-mw check`` asks for the keys of signed tokens, and waits for them before it asks for a page."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytest.importorskip("jwt", reason="PyJWT is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

from tests.support.commands import Lines, checks
from tests.support.key_server import KeyServer, key_server
from tests.support.tokens import jwk, pair, public_pem, signed
from viafoura_mw.testing import SimulatedViafoura

SITE = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b'<!doctype html><script id="viafoura-platform"></script>']
"""
SET = json.dumps({"keys": [jwk("P-256", "ES256", kid="ours"), jwk("P-256", "ES256", kid="old")]}).encode()
RIGHT: Mapping[str, str] = {
    "VIAFOURA_APP": "keys_site",
    "VIAFOURA_USER_ID": "jwt:sub",
    "VIAFOURA_JWT_HEADER": "X-Token",
    "VIAFOURA_JWT_ALGORITHMS": "ES256",
    "VIAFOURA_JWT_AUDIENCE": "arn:ours",
}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, viafoura: SimulatedViafoura) -> Iterator[KeyServer]:
    """A key server, and an environment in which all but its address is set."""
    (tmp_path / "keys_site.py").write_text(SITE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, value in {**viafoura.environ(), **RIGHT}.items():
        monkeypatch.setenv(name, value)
    answers: dict[str, bytes | None] = {
        "/set": SET,
        "/key/ours": public_pem("P-256").encode(),
        "/html/viafoura-mw-check": b"<!doctype html>",
        "/moved": None,
    }
    with key_server(answers) as server:
        yield server


@pytest.mark.parametrize(
    ("address", "state", "sentence"),
    [
        ("/set", "ok", "VIAFOURA_JWT_JWKS_URL gave 2 keys for VIAFOURA_JWT_ALGORITHMS"),
        ("/key/ours", "ok", "VIAFOURA_JWT_JWKS_URL gave one key for VIAFOURA_JWT_ALGORITHMS"),
        ("/key/{kid}", "ok", "the server of VIAFOURA_JWT_JWKS_URL answers; each key is fetched when a token names it"),
        ("/none", "failed", "VIAFOURA_JWT_JWKS_URL gave no keys (status 404): look at the address"),
        ("/moved", "failed", "VIAFOURA_JWT_JWKS_URL gave no keys (status 302): look at the address"),
        ("/html/{kid}", "failed", "VIAFOURA_JWT_JWKS_URL gave no keys (an answer that is neither a JWKS nor"),
    ],
)
def test_says_whether_keys_can_be_had(
    address: str, state: str, sentence: str, keys: KeyServer, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    """One sentence; a server that answers a made-up key id as it should is right."""
    monkeypatch.setenv("VIAFOURA_JWT_JWKS_URL", f"{keys.url}{address}")
    code, told = checks(capsys)
    ((seen, words),) = [each[::2] for each in told if each[1] == "keys"]
    assert (seen, code) == (state, int(state == "failed"))
    assert words.startswith(sentence)


def test_says_that_the_key_server_gives_no_answer(
    keys: KeyServer, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    """Also where each key has an address of its own."""
    monkeypatch.setenv("VIAFOURA_JWT_JWKS_URL", "http://127.0.0.1:1/{kid}")
    _, told = checks(capsys)
    ((state, words),) = [each[::2] for each in told if each[1] == "keys"]
    assert state == "failed"
    assert words.startswith("VIAFOURA_JWT_JWKS_URL gave no keys (no connection")


@pytest.mark.parametrize("address", ["/set", "/key/{kid}"])
def test_waits_for_the_keys_of_a_page(
    address: str, keys: KeyServer, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    """A server's first page goes without; the command asks for no other."""
    monkeypatch.setenv("VIAFOURA_JWT_JWKS_URL", f"{keys.url}{address}")
    token = signed({"sub": "ann"}, pair("P-256"), "ES256", kid="ours", signer="arn:ours")
    code, told = checks(capsys, "--page", "/", "--header", f"X-Token: {token}")
    ((state, words),) = [each[::2] for each in told if each[1] == "reader"]
    assert (code, state) == (0, "ok")
    assert "id from jwt:sub" in words
