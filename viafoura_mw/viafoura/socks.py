"""SOCKS over a connection to the proxy: version 5 (RFC 1928, RFC 1929) and version 4 with 4a, for CONNECT alone.

PySocks would do it with a timeout for each byte that comes, and look names up without any.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol

_CONNECT: Final = 1
_NO_AUTHENTICATION: Final = 0
_PASSWORD: Final = 2
_NAME: Final = 3
_LENGTHS: Final = {1: 4, 4: 16}  # of an IPv4 and of an IPv6 address, by RFC 1928's type
_GRANTED_BY_4: Final = 90


class SocksRefused(OSError):
    """The proxy did not connect, or does not speak this protocol."""


class Bytes(Protocol):
    """What comes from the proxy, bounded by whoever made it."""

    def read(self, count: int) -> bytes: ...


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """Who the proxy is to know us as; empty where it asks nobody."""

    user: bytes = b""
    password: bytes = b""


def connect_by_5(sock: socket.socket, came: Bytes, host: str, port: int, login: Login) -> None:
    """Ask a SOCKS 5 proxy to connect to ``host``, a name or an address; raise :class:`SocksRefused` if it does not."""
    methods = bytes((_NO_AUTHENTICATION, _PASSWORD) if login.user else (_NO_AUTHENTICATION,))
    sock.sendall(bytes((5, len(methods))) + methods)
    version, method = _exactly(came, 2)
    if version != 5 or method not in methods:
        raise SocksRefused
    if method == _PASSWORD:
        sock.sendall(b"\1" + _counted(login.user) + _counted(login.password))
        if _exactly(came, 2)[1] != 0:
            raise SocksRefused
    sock.sendall(bytes((5, _CONNECT, 0)) + _destination(host) + port.to_bytes(2, "big"))
    version, status, _, kind = _exactly(came, 4)
    if version != 5 or status != 0:
        raise SocksRefused
    length = _LENGTHS.get(kind) or _exactly(came, 1)[0]
    _exactly(came, length + 2)  # where the proxy has connected from, which is nothing to us


def connect_by_4(sock: socket.socket, came: Bytes, host: str, port: int, login: Login) -> None:
    """Ask a SOCKS 4 proxy; what is no IPv4 address is a name that the proxy looks up (4a). It knows no password."""
    name = b""
    try:
        address = IPv4Address(host).packed
    except ValueError:
        address, name = bytes((0, 0, 0, 1)), _encoded(host) + b"\0"
    if b"\0" in login.user:
        raise SocksRefused
    sock.sendall(bytes((4, _CONNECT)) + port.to_bytes(2, "big") + address + login.user + b"\0" + name)
    if _exactly(came, 8)[:2] != bytes((0, _GRANTED_BY_4)):
        raise SocksRefused


def _destination(host: str) -> bytes:
    """RFC 1928 §5: an address by its bytes, anything else by its name."""
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return bytes((_NAME,)) + _counted(_encoded(host))
    return bytes((1 if address.version == 4 else 4,)) + address.packed


def _encoded(host: str) -> bytes:
    return host.encode("ascii")  # requests has put an international name into IDNA


def _counted(text: bytes) -> bytes:
    if len(text) > 255:
        raise SocksRefused
    return bytes((len(text),)) + text


def _exactly(came: Bytes, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        more = came.read(count - len(octets))
        if not more:
            raise SocksRefused
        octets += more
    return octets
