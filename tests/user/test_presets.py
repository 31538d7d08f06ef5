"""The presets: what each reads, which never changes, since another id would be another account."""

import pytest

from viafoura_mw.user.presets import NAMES, PRESETS

NAME = "user:display_name|user:get_full_name()|user:full_name|user:name|user:username"


@pytest.mark.parametrize(
    ("name", "user_id", "user_name", "email"),
    [
        ("off", "", "", ""),
        ("remote-user", "environ:REMOTE_USER", "", ""),
        ("scope", "user:id|user:pk|user:identity|user:sub|user:username", NAME, "user:email"),
        ("django", "user:pk", NAME, "user:email"),
        ("flask-login", "user:get_id()", NAME, "user:email"),
        ("pyramid", "user:authenticated_userid", NAME, "user:email"),
        ("shibboleth", "environ:eppn|environ:REMOTE_USER", "environ:displayName|environ:cn", "environ:mail"),
        (
            "oauth2-proxy",
            "header:X-Forwarded-User",
            "header:X-Forwarded-Preferred-Username",
            "header:X-Forwarded-Email",
        ),
        ("authelia", "header:Remote-User", "header:Remote-Name", "header:Remote-Email"),
    ],
)
def test_reads_these_sources_for_ever(name: str, user_id: str, user_name: str, email: str) -> None:
    """A changed source here would give a site's users other accounts at Viafoura."""
    sources = PRESETS[name].sources
    read = ["|".join(map(str, field)) for field in (sources.id, sources.name, sources.email)]
    assert read == [user_id, user_name, email]


def test_auto_and_all_presets_can_be_named() -> None:
    """``VIAFOURA_USER`` takes the contract's names, and no other."""
    contract = "auto off remote-user scope django flask-login pyramid cherrypy quart-auth zope shibboleth"
    assert sorted(NAMES) == sorted([*contract.split(), "oauth2-proxy", "authelia"])


def test_auto_never_reads_a_request_header() -> None:
    """Only who asks for a preset of a proxy believes headers."""
    automatic = ("remote-user", "scope", "django", "flask-login", "pyramid")
    assert not any("header" in PRESETS[name].sources.kinds() for name in automatic)


def test_oauth2_proxy_reads_one_family_of_headers() -> None:
    """A proxy that sets ``X-Forwarded-User`` lets a visitor's own ``X-Auth-Request-User`` pass, and so the reverse."""
    sources = PRESETS["oauth2-proxy"].sources
    assert [len(field) for field in (sources.id, sources.name, sources.email)] == [1, 1, 1]


def test_only_shibboleths_attributes_are_lists() -> None:
    """A semicolon is part of every other system's ids and names."""
    assert [name for name, preset in PRESETS.items() if preset.sources.separator] == ["shibboleth"]
