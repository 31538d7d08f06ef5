"""Content security policies: whether bridge.js surely runs, and asks."""

import pytest

from viafoura_mw.bridge.policies import Policies

NONCE = "abc123"


@pytest.mark.parametrize(
    "policies",
    [
        (),
        ("",),
        ("script-src 'self'",),
        ("SCRIPT-SRC 'SELF'",),
        ("script-src *; connect-src *",),
        ("script-src https:",),
        ("script-src http:; object-src 'none'",),
        ("default-src 'self'",),
        ("default-src 'none'; script-src 'self'; connect-src 'self'",),
        ("script-src 'none'; script-src-elem 'self'",),
        ("script-src 'self'; script-src 'none'",),
        (f"script-src 'nonce-{NONCE}'",),
        (f"script-src 'nonce-{NONCE}' 'strict-dynamic'",),
        (f"script-src 'NONCE-{NONCE}' 'strict-dynamic' 'self'; connect-src\thttps:",),
        ("frame-ancestors 'none'",),
        ("script-src 'self', default-src *",),
        ("script-src 'self'", "default-src *"),
    ],
)
def test_let_the_bridge_run(policies: tuple[str, ...]) -> None:
    """All of them do."""
    assert Policies(policies).allow(NONCE)


@pytest.mark.parametrize(
    "policies",
    [
        ("script-src 'none'",),
        ("script-src",),
        ("script-src https://site.example",),
        ("script-src site.example cdn.viafoura.net",),
        ("script-src 'unsafe-inline'",),
        ("script-src 'self' 'strict-dynamic'",),
        ("script-src * 'strict-dynamic'",),
        ("script-src 'nonce-other'",),
        (f"script-src 'nonce-{NONCE.upper()}'",),
        ("script-src 'sha256-abc'",),
        ("default-src 'none'",),
        ("script-src 'self'; script-src-elem 'none'",),
        ("script-src 'self'; connect-src 'none'",),
        ("script-src 'self'; connect-src https://site.example",),
        ("script-src 'self'; default-src 'none'",),
        ("script-src 'self', script-src 'none'",),
        ("script-src 'self'", "script-src 'none'"),
    ],
)
def test_might_not_let_the_bridge_run(policies: tuple[str, ...]) -> None:
    """One of them is enough."""
    assert not Policies(policies).allow(NONCE)


def test_know_no_nonce_where_the_tag_has_none() -> None:
    """An empty one is none."""
    assert not Policies(["script-src 'nonce-'"]).allow("")


@pytest.mark.parametrize(
    ("meta", "is_read"),
    [
        (b'<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">', True),
        (b"<META HTTP-EQUIV=content-security-policy CONTENT='script-src &apos;none&apos;'/>", True),
        (b"<meta http-equiv=content-security-polic&#121; content=\"default-src 'none'\">", True),
        (b"<meta http-equiv=Content-Security-Policy-Report-Only content=\"script-src 'none'\">", False),
        (b"<meta name=Content-Security-Policy content=\"script-src 'none'\">", False),
        (b"<meta http-equiv=Content-Security-Policy>", False),
    ],
)
def test_of_a_meta_count(meta: bytes, *, is_read: bool) -> None:
    """As those of the head."""
    policies = Policies()
    policies.note(meta)
    assert policies.allow(NONCE) is not is_read


@pytest.mark.parametrize(
    ("policy", "govern"),
    [
        ("frame-ancestors 'self'; upgrade-insecure-requests", False),
        ("default-src *", True),
        ("script-src-attr 'none'", True),
        ("script-src 'self'", True),
        ("script-src-elem 'self'", True),
    ],
)
def test_govern_handlers_or_do_not(policy: str, *, govern: bool) -> None:
    """Where one says anything of scripts, an ``onerror`` could be refused."""
    assert Policies([policy]).govern_handlers is govern
