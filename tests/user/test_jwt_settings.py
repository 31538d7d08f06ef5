"""What is wrong with the settings of tokens is told at start-up, and nothing of a key is."""

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jwt", reason="PyJWT is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

from tests.support.tokens import public_pem
from viafoura_mw import Settings
from viafoura_mw.errors import SettingsError
from viafoura_mw.runtime import runtime_of

SECRET = "a shared secret of more than thirty-two bytes"
RIGHT = {"COOKIE": "token", "KEY": SECRET, "ALGORITHMS": "HS256"}
URL = "https://id.example/keys"


def settings(own: dict[str, str], **others: str) -> Settings:
    tokens = {f"VIAFOURA_JWT_{name}": value for name, value in own.items()}
    return Settings.from_env({"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key", **tokens, **others})


def problems(own: dict[str, str], **others: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as told:
        settings(own, **others)
    assert SECRET not in str(told.value)
    return told.value.problems


def test_are_read() -> None:
    """Lists by commas."""
    own = {**RIGHT, "HEADER": "Authorization", "AUDIENCE": "a, b", "ISSUER": "https://id.example/", "LEEWAY": "5"}
    read = settings(own)
    assert (read.jwt_cookie, read.jwt_header, read.jwt_leeway) == ("token", "Authorization", 5.0)
    assert (read.jwt_algorithms, read.jwt_audience, read.jwt_issuer) == (
        ("HS256",),
        ("a", "b"),
        ("https://id.example/",),
    )
    assert SECRET not in repr(read)
    assert runtime_of(read, otherwise="scope").tokens is not None


def test_may_have_their_key_in_a_file(tmp_path: Path) -> None:
    """A PEM has several lines."""
    file = tmp_path / "key.pem"
    file.write_text(public_pem("RSA"))
    read = settings({"COOKIE": "token", "KEY_FILE": str(file), "ALGORITHMS": "RS256"})
    assert runtime_of(read, otherwise="scope").tokens is not None


def test_may_be_none() -> None:
    """Nobody needs tokens."""
    assert runtime_of(settings({}), otherwise="scope").tokens is None


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"COOKIE": ""}, "VIAFOURA_JWT_COOKIE or VIAFOURA_JWT_HEADER must be set"),
        ({"COOKIE": "a b"}, "VIAFOURA_JWT_COOKIE must be a cookie's name"),
        ({"HEADER": "X_Token"}, "VIAFOURA_JWT_HEADER must be the name of one header"),
        ({"HEADER": "Cookie"}, "VIAFOURA_JWT_HEADER names a header that holds no token"),
        ({"KEY": ""}, "VIAFOURA_JWT_KEY or VIAFOURA_JWT_JWKS_URL must be set, and not both"),
        ({"JWKS_URL": URL}, "VIAFOURA_JWT_KEY or VIAFOURA_JWT_JWKS_URL must be set, and not both"),
        ({"ALGORITHMS": ""}, "VIAFOURA_JWT_ALGORITHMS is not set"),
        ({"ALGORITHMS": "none"}, "VIAFOURA_JWT_ALGORITHMS has none"),
        ({"ALGORITHMS": "HS256, RS256"}, "VIAFOURA_JWT_ALGORITHMS mixes"),
        ({"ALGORITHMS": "RS256"}, "VIAFOURA_JWT_KEY is neither a PEM nor a JWKS"),
        ({"KEY": public_pem("RSA")}, "VIAFOURA_JWT_KEY is a PEM, which is no shared secret"),
        ({"KEY": "", "JWKS_URL": URL}, "VIAFOURA_JWT_ALGORITHMS has HS…, which needs a secret"),
        ({"KEY": "", "JWKS_URL": "http://id.example/", "ALGORITHMS": "RS256"}, "VIAFOURA_JWT_JWKS_URL must begin"),
        ({"KEY": "", "JWKS_URL": f"{URL}/{{KID}}", "ALGORITHMS": "ES256"}, "VIAFOURA_JWT_JWKS_URL may have {kid} once"),
        ({"KEY": "", "JWKS_URL": f"{URL}/{{kid}}/{{kid}}"}, "VIAFOURA_JWT_JWKS_URL may have {kid} once"),
        ({"KEY": "", "JWKS_URL": "https://{kid}.example/"}, "VIAFOURA_JWT_JWKS_URL may have {kid} once, in its path"),
        ({"KEY": "", "JWKS_URL": f"{URL}?kid={{kid}}"}, "VIAFOURA_JWT_JWKS_URL must be a URL without a user, a query"),
        ({"KEY": "", "JWKS_URL": "http://id.example/{kid}"}, "VIAFOURA_JWT_JWKS_URL must begin with https://"),
        ({"KEY": "", "JWKS_URL": f"{URL}/{{kid}}", "ALGORITHMS": "ES256"}, "VIAFOURA_JWT_AUDIENCE is not set"),
        ({"LEEWAY": "-1"}, "VIAFOURA_JWT_LEEWAY must be a number of seconds"),
    ],
)
def test_that_are_wrong_are_told(own: dict[str, str], problem: str) -> None:
    """By the variable's name."""
    assert [one for one in problems(RIGHT | own) if one.startswith(problem)]


def test_are_all_missed_where_a_source_reads_a_token() -> None:
    """``VIAFOURA_USER_ID=jwt:sub`` alone says too little."""
    told = problems({}, VIAFOURA_USER_ID="jwt:sub")
    assert [one.split()[0] for one in told] == [
        "VIAFOURA_JWT_COOKIE",
        "VIAFOURA_JWT_KEY",
        "VIAFOURA_JWT_ALGORITHMS",
    ]


def test_that_a_program_makes_are_judged_too() -> None:
    """Not only an environment's."""
    with pytest.raises(SettingsError, match="VIAFOURA_JWT_ALGORITHMS has none"):
        Settings(site_id="a", api_key="b", jwt_cookie="t", jwt_key=SECRET, jwt_algorithms=("none",))


def test_name_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyJWT is one."""
    missing: dict[str, Any] = {"jwt": None}
    for name, module in missing.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert problems(RIGHT) == ("VIAFOURA_JWT_ALGORITHMS needs PyJWT: pip install viafoura-mw[jwt]",)


def test_what_is_missing_is_told_when_all_else_can_be_read() -> None:
    """A site that makes its settings itself gets one sentence for its mistake, and none that may follow from it."""
    with pytest.raises(SettingsError) as told:
        Settings(site_id="site", api_key="key", jwt_cookie="token", jwt_leeway=-1.0)
    assert [problem.partition(" ")[0] for problem in told.value.problems] == ["VIAFOURA_JWT_LEEWAY"]
