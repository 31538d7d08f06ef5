"""Which requests are believed when their headers say who the user is."""

from unittest import mock

import pytest

from viafoura_mw import Settings
from viafoura_mw.response import proxies
from viafoura_mw.response.proxies import ProxyTrust, replaces_headers

SECRET = "a-long-proxy-secret"


def trust(networks: str = "", secret: str = "") -> ProxyTrust:
    environ = {"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key", "VIAFOURA_TRUSTED_PROXIES": networks}
    return ProxyTrust(Settings.from_env({**environ, "VIAFOURA_PROXY_SECRET": secret}))


def test_believes_nobody_by_default() -> None:
    """Without a setting, no peer and no secret is right."""
    nobody = trust()
    assert not nobody.is_configured
    assert not any(nobody.believes(peer, secret) for peer in ("", "127.0.0.1") for secret in ("", SECRET))


class TestByAddress:
    """``VIAFOURA_TRUSTED_PROXIES``."""

    @pytest.mark.parametrize(
        ("networks", "peer"),
        [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.0/8, 192.0.2.7", "10.255.0.1"),
            ("10.0.0.0/8, 192.0.2.7", "192.0.2.7"),
            ("2001:db8::/32", "2001:db8::1"),
            ("fe80::/10", "fe80::1%eth0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3"),
            ("::ffff:10.1.2.3", "::ffff:10.1.2.3"),
            ("unix", ""),
            ("unix,10.0.0.1", "10.0.0.1"),
        ],
    )
    def test_believes_a_peer_that_is_in_one(self, networks: str, peer: str) -> None:
        """Addresses, networks, unix sockets; an IPv4 address mapped into IPv6 is the IPv4 address, on either side."""
        assert trust(networks).believes(peer, "")

    @pytest.mark.parametrize(
        ("networks", "peer"),
        [
            ("10.0.0.1", "10.0.0.2"),
            ("10.0.0.1", ""),
            ("10.0.0.1", "unix"),
            ("10.0.0.1", "localhost"),
            ("10.0.0.1", "10.0.0.1, 10.0.0.1"),
            ("10.0.0.1", "10.0.0.1:5000"),
            ("10.0.0.0/8", "::ffff:11.1.2.3"),
            ("::/96", "10.1.2.3"),
            ("::/0", "10.1.2.3"),
            ("unix", "unix"),
            ("unix", "127.0.0.1"),
        ],
    )
    def test_believes_nobody_else(self, networks: str, peer: str) -> None:
        """What is not an address in the list is not believed, whatever it looks like."""
        assert not trust(networks).believes(peer, SECRET)


class TestBySecret:
    """``VIAFOURA_PROXY_SECRET``."""

    def test_believes_whoever_knows_it(self) -> None:
        """The address does not matter, as it does not tell through some servers."""
        assert all(trust(secret=SECRET).believes(peer, SECRET) for peer in ("", "203.0.113.9", "nonsense"))

    @pytest.mark.parametrize(
        "sent", ["", SECRET[:-1], SECRET.upper(), f"{SECRET}, {SECRET}", "ü", "\udcff", "x" * 9999]
    )
    def test_believes_nobody_who_does_not(self, sent: str) -> None:
        """Whatever is sent, it is compared and never raises."""
        assert not trust(secret=SECRET).believes("127.0.0.1", sent)

    def test_takes_as_long_for_every_secret(self) -> None:
        """The comparison is :func:`hmac.compare_digest`, of bytes."""
        with mock.patch.object(proxies.hmac, "compare_digest", return_value=True) as compare:
            assert trust(secret=SECRET).believes("", "ü")
        compare.assert_called_once_with("ü".encode(), SECRET.encode())


@pytest.mark.parametrize(
    ("peer", "secret", "believed"),
    [("10.0.0.1", SECRET, True), ("10.0.0.1", "", False), ("10.0.0.2", SECRET, False), ("", SECRET, False)],
)
def test_wants_both_where_both_are_set(peer: str, secret: str, believed: bool) -> None:
    """An address and a secret are two locks on one door."""
    assert trust("10.0.0.1", SECRET).believes(peer, secret) is believed


class TestServers:
    """Servers on which a header is worth nothing, since a client's other spelling of it replaces it."""

    @pytest.mark.parametrize("software", ["cheroot", "Cheroot/11.1.2 site", "Granian", "TwistedWeb/26.4"])
    def test_are_known_by_their_name(self, software: str) -> None:
        """As ``SERVER_SOFTWARE`` has it."""
        assert replaces_headers(software)

    def test_are_known_by_what_they_are_made_of(self) -> None:
        """A server that is renamed still gives its own objects."""
        part = type("Input", (), {"__module__": "cheroot.server"})()
        assert replaces_headers("Apache", None, part)

    @pytest.mark.parametrize(
        "software", ["", "gunicorn/27.0", "waitress", "WSGIServer/0.2 CPython/3.11", "not cheroot"]
    )
    def test_are_no_others(self, software: str) -> None:
        """They drop the other spelling, or join the two, which is refused."""
        assert not replaces_headers(software, None, "text", object())
