"""Which requests are believed when their headers say who the user is."""

import ipaddress
from unittest import mock

import pytest

from tests.support.thoroughness import tries
from viafoura_mw import Settings
from viafoura_mw.log import Notices
from viafoura_mw.response.proxies import MOST_FORWARDED, ProxyTrust, replaces_headers

SECRET, NEW = "a-long-proxy-secret", "a-new-proxy-secret"


def trust(networks: str = "", secret: str = "") -> ProxyTrust:
    environ = {"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key", "VIAFOURA_TRUSTED_PROXIES": networks}
    settings = Settings.from_env({**environ, "VIAFOURA_PROXY_SECRET": secret})
    return ProxyTrust(settings.trusted_proxies, settings.proxy_secret, Notices())


def test_believes_nobody_by_default() -> None:
    """Without a setting, no peer and no secret is right."""
    nobody = trust()
    assert not nobody.is_configured
    assert not nobody.has_secret
    assert not any(nobody.believes(peer, secret, "") for peer in ("", "127.0.0.1") for secret in ("", SECRET))


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
        assert trust(networks).believes(peer, "", "")

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
        assert not trust(networks).believes(peer, SECRET, "")


class TestBySecret:
    """``VIAFOURA_PROXY_SECRET``."""

    def test_believes_whoever_knows_it(self) -> None:
        """The address does not matter, as it does not tell through some servers."""
        assert all(trust(secret=SECRET).believes(peer, SECRET, "") for peer in ("", "203.0.113.9", "nonsense"))

    @pytest.mark.parametrize(
        "sent", ["", SECRET[:-1], SECRET.upper(), f"{SECRET}, {SECRET}", "ü", "\udcff", "x" * 9999]
    )
    def test_believes_nobody_who_does_not(self, sent: str) -> None:
        """Whatever is sent, it is compared and never raises."""
        assert not trust(secret=SECRET).believes("127.0.0.1", sent, "")

    @pytest.mark.parametrize(("sent", "believed"), [(SECRET, True), (NEW, True), (f"{NEW},{SECRET}", False)])
    @pytest.mark.parametrize("secrets", [f"{SECRET},{NEW}", f"{NEW} , {SECRET}"])
    def test_believes_any_of_several(self, secrets: str, sent: str, believed: bool) -> None:
        """While a secret is being rotated, the old one and the new one are both right."""
        assert trust(secret=secrets).believes("", sent, "") is believed

    def test_compares_with_each_of_several(self) -> None:
        """How long it takes does not tell which of them was sent."""
        with mock.patch("hmac.compare_digest", return_value=True) as compare:
            assert trust(secret=f"{SECRET},{NEW}").believes("", "x", "")
        assert compare.call_count == 2

    def test_looks_at_no_address(self) -> None:
        """The secret alone is enough, whatever stands in the request's own headers."""
        assert trust(secret=SECRET).believes("10.0.0.1", SECRET, "10.0.0.1, for=10.0.0.1")

    def test_takes_as_long_for_every_secret(self) -> None:
        """The comparison is :func:`hmac.compare_digest`, of bytes."""
        with mock.patch("hmac.compare_digest", return_value=True) as compare:
            assert trust(secret=SECRET).believes("", "ü", "")
        compare.assert_called_once_with("ü".encode(), SECRET.encode())


@pytest.mark.parametrize(
    ("peer", "secret", "believed"),
    [("10.0.0.1", SECRET, True), ("10.0.0.1", "", False), ("10.0.0.2", SECRET, False), ("", SECRET, False)],
)
def test_wants_both_where_both_are_set(peer: str, secret: str, believed: bool) -> None:
    """An address and a secret are two locks on one door."""
    assert trust("10.0.0.1", SECRET).believes(peer, secret, "") is believed


class TestForwarded:
    """A peer whose address the request's own headers name: any visitor may have written it there."""

    @pytest.mark.parametrize(
        ("peer", "forwarded"),
        [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9, 10.0.0.1"),
            ("10.0.0.1", "10.0.0.1,203.0.113.9"),
            ("10.0.0.1", " 10.0.0.1\t, unknown"),
            ("10.0.0.1", "10.0.0.1:4711"),
            ("10.0.0.1", '"10.0.0.1:4711"'),
            ("10.0.0.1", "::ffff:10.0.0.1"),
            ("10.0.0.1", "::FFFF:a00:1"),
            ("10.0.0.1", "[::ffff:0a00:0001]:80"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "for=10.0.0.1;proto=http"),
            ("10.0.0.1", 'proto=https; FOR = "10.0.0.1:1"'),
            ("10.0.0.1", 'for="10\\.0.0.1"'),
            ("10.0.0.1", "203.0.113.9,for=unknown, for=_x;by=10.0.0.2;for=10.0.0.1"),
            ("10.0.0.1", "by=,10.0.0.1"),
            ("2001:db8::1", "2001:0DB8:0:0:0:0:0:1"),
            ("2001:db8::1", "2001:db8::0.0.0.1"),
            ("2001:db8::1", 'for="[2001:db8::1]:4711"'),
            ("2001:db8::1", "2001:db8::1:4711"),
            ("2001:db8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1%25eth0"),
            ("fe80::1", "[fe80::1%lo]"),
        ],
    )
    def test_is_not_believed_by_it(self, peer: str, forwarded: str, caplog: pytest.LogCaptureFixture) -> None:
        """In whatever spelling, port, quotes or brackets; one line says why, and names no address."""
        believed = trust("10.0.0.0/8, 2001:db8::/32, fe80::/10")
        assert believed.believes(peer, "", "")
        assert not any(believed.believes(peer, "", forwarded) for _ in range(3))
        (line,) = caplog.messages
        assert "X-Forwarded-For or Forwarded names" in line
        assert "10.0" not in line

    @pytest.mark.parametrize("secret", [SECRET, ""])
    def test_is_not_believed_by_it_where_both_must_hold(self, secret: str) -> None:
        """An address that proves nothing is one of two locks that stands open."""
        assert not trust("10.0.0.1", SECRET).believes("10.0.0.1", secret, "10.0.0.1")
        assert trust("10.0.0.1", SECRET).believes("10.0.0.1", SECRET, "203.0.113.9")

    @pytest.mark.parametrize(
        "forwarded",
        [
            "203.0.113.9",
            "10.0.0.11, 110.0.0.1, 10.0.0.1.example, 10.0.0.1.1, 10.0.0",
            "for=203.0.113.9;by=10.0.0.1",
            'for=203.0.113.9;host="10.0.0.1:8000";by = "[::ffff:10.0.0.1]"',
            "unknown, _hidden, , for=",
            "0" * 50 + "10.0.0.1",
        ],
    )
    def test_is_believed_where_others_are_named(self, forwarded: str, caplog: pytest.LogCaptureFixture) -> None:
        """As what a proxy writes: its client, and, in Forwarded, itself as ``by`` and the name that was asked for."""
        assert trust("10.0.0.1").believes("10.0.0.1", "", forwarded)
        assert not caplog.messages

    def test_says_nothing_of_a_peer_that_is_not_believed_anyway(self, caplog: pytest.LogCaptureFixture) -> None:
        """A visitor's own address in the header is what is usual."""
        assert not trust("10.0.0.1").believes("203.0.113.9", "", "203.0.113.9")
        assert trust("unix, 10.0.0.1").believes("", "", "10.0.0.1")
        assert not caplog.messages

    @pytest.mark.parametrize("node", ["203.0.113.9,", "::1,", "1:", "ab,", ".,", "for=1.1.1.1;"])
    def test_of_megabytes_costs_no_more_than_of_a_thousand(
        self, node: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A bounded number of addresses is looked at, and then the peer is not believed; nor is the text searched."""
        parsed = []
        ip_address = ipaddress.ip_address
        monkeypatch.setattr(ipaddress, "ip_address", lambda text: parsed.append(text) or ip_address(text))
        trusted = trust("10.0.0.1")
        assert trusted.believes("10.0.0.1", "", node * 10)
        trusted.believes("10.0.0.1", "", node * 10**6)
        assert len(parsed) <= 2 * MOST_FORWARDED + 100
        assert len(caplog.messages) <= 1

    @pytest.mark.parametrize("text", ["g", "by", "by=", 'by="', "by ", " ", '"', "[", "\\", "a", ":", "host=["])
    def test_of_megabytes_is_searched_once(self, text: str) -> None:
        """Whatever is repeated, or begun and never ended."""
        trust("10.0.0.1").believes("10.0.0.1", "", text * tries(10**6))
        trust("10.0.0.1").believes("10.0.0.1", "", "by=" + text * tries(10**6))


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
