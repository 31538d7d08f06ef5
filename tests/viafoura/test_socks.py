"""SOCKS as its documents have it, byte for byte, without a proxy."""

import io
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from viafoura_mw.viafoura.socks import Login, SocksRefused, connect_by_4, connect_by_5

NOBODY = Login()
ANN = Login(b"ann", b"s3cret")
BOUND = b"\x05\x00\x00\x01" + bytes(6)  # granted, from an IPv4 address


@dataclass
class Sent:
    """A socket that keeps what is sent."""

    octets: bytes = b""
    parts: list[bytes] = field(default_factory=list)

    def sendall(self, octets: bytes) -> None:
        self.octets += octets
        self.parts.append(octets)


class OneByOne(io.BytesIO):
    """What comes, a byte at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 1))


def by_5(came: bytes, host: str = "api.test", login: Login = NOBODY) -> list[bytes]:
    sent = Sent()
    connect_by_5(sent, OneByOne(came), host, 443, login)  # type: ignore[arg-type]
    return sent.parts


def by_4(came: bytes, host: str = "api.test", login: Login = NOBODY) -> bytes:
    sent = Sent()
    connect_by_4(sent, OneByOne(came), host, 443, login)  # type: ignore[arg-type]
    return sent.octets


@pytest.mark.parametrize(
    ("host", "destination"),
    [
        ("api.test", b"\x03\x08api.test"),
        ("192.0.2.1", b"\x01\xc0\x00\x02\x01"),
        ("2001:db8::1", b"\x04" + ip_address("2001:db8::1").packed),
    ],
)
@pytest.mark.parametrize(
    "bound", [b"\x01" + bytes(4), b"\x04" + bytes(16), b"\x03\x05proxy"], ids=["IPv4", "IPv6", "name"]
)
def test_asks_version_5_for_a_name_or_an_address(host: str, destination: bytes, bound: bytes) -> None:
    """RFC 1928 §3 to §6; nothing that follows is read, since it is the destination's."""
    came = OneByOne(b"\x05\x00" + b"\x05\x00\x00" + bound + bytes(2) + b"TLS")
    sent = Sent()

    connect_by_5(sent, came, host, 443, NOBODY)  # type: ignore[arg-type]

    assert sent.parts == [b"\x05\x01\x00", b"\x05\x01\x00" + destination + b"\x01\xbb"]
    assert io.BytesIO.read(came) == b"TLS"


def test_says_who_we_are_to_a_version_5_that_asks() -> None:
    """RFC 1929; a proxy that does not ask is not told."""
    assert by_5(b"\x05\x02" + b"\x01\x00" + BOUND, login=ANN)[:2] == [b"\x05\x02\x00\x02", b"\x01\x03ann\x06s3cret"]
    assert b"s3cret" not in b"".join(by_5(b"\x05\x00" + BOUND, login=ANN))


@pytest.mark.parametrize(
    "came",
    [
        b"",
        b"\x05",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x05\xff",  # no method
        b"\x05\x01",  # a method that was not offered
        b"\x05\x02\x01\x01",  # a wrong password
        b"\x05\x00\x05\x05\x00\x01" + bytes(6),  # connection refused
        b"\x05\x00\x04\x00\x00\x01" + bytes(6),
        b"\x05\x00\x05\x00\x00\x01" + bytes(5),
    ],
)
def test_a_version_5_that_does_not_connect_is_a_refusal(came: bytes) -> None:
    """Whatever it says instead."""
    with pytest.raises(SocksRefused):
        by_5(came, login=ANN)


@pytest.mark.parametrize(("host", "login"), [("x" * 256, NOBODY), ("api.test", Login(b"x" * 256, b""))])
def test_what_version_5_has_no_room_for_is_a_refusal(host: str, login: Login) -> None:
    """A length is one byte."""
    with pytest.raises(SocksRefused):
        by_5(b"\x05\x02" + b"\x01\x00" + BOUND, host, login)


def test_a_name_that_was_not_put_into_idna_is_no_name() -> None:
    """``UnicodeError``, as from a resolver."""
    with pytest.raises(UnicodeError):
        by_5(b"\x05\x00" + BOUND, "bücher.test")


@pytest.mark.parametrize(
    ("host", "login", "asked"),
    [
        ("192.0.2.1", NOBODY, b"\xc0\x00\x02\x01\x00"),
        ("192.0.2.1", ANN, b"\xc0\x00\x02\x01ann\x00"),
        ("api.test", NOBODY, b"\x00\x00\x00\x01\x00api.test\x00"),
    ],
)
def test_asks_version_4_for_an_address_or_a_name(host: str, login: Login, asked: bytes) -> None:
    """Version 4, and 4a for a name."""
    assert by_4(b"\x00\x5a" + bytes(6), host, login) == b"\x04\x01\x01\xbb" + asked


@pytest.mark.parametrize("came", [b"", b"\x00\x5b" + bytes(6), b"\x05\x5a" + bytes(6), b"\x00\x5a" + bytes(5)])
def test_a_version_4_that_does_not_connect_is_a_refusal(came: bytes) -> None:
    """Whatever it says instead."""
    with pytest.raises(SocksRefused):
        by_4(came)


def test_a_user_that_would_be_more_than_a_user_is_a_refusal() -> None:
    """A zero byte ends the field."""
    with pytest.raises(SocksRefused):
        by_4(b"\x00\x5a" + bytes(6), login=Login(b"ann\x00"))


def test_shows_nothing_of_a_login() -> None:
    """A login in a traceback's frame is just that."""
    assert "s3cret" not in repr(ANN)
