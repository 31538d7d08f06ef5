"""Which requests come from a proxy whose headers may say who the user is."""

import hmac
import ipaddress
import logging
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal

from viafoura_mw.log import Notices

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PROOF: Final = "X-Viafoura-Proxy-Secret"
#: Servers whose environ has the later of ``X-User`` and ``X_User``, so that whoever sends the other spelling replaces
#: what the proxy says (measured: cheroot 11, Granian 2.8, Twisted 26). Others drop the underscore, or join the two.
REPLACING: Final = ("cheroot", "granian", "twisted")
#: More places than these are not searched for the peer's address: a chain of proxies has some dozens at most.
MOST_FORWARDED: Final = 1000

#: In X-Forwarded-For, and in Forwarded (RFC 7239), what may be an address, and the name of its parameter.
_NODE: Final = re.compile(r"(?:\b(by|host|proto)\s*=\s*[\"\[]*)?([0-9A-Fa-f:.]{2,})", re.IGNORECASE)
_LONGEST: Final = 45 + len(":65535")  # of an address (INET6_ADDRSTRLEN) and a port


def replaces_headers(software: str, *parts: object) -> bool:
    """Whether a WSGI server is one of :data:`REPLACING`, by its ``SERVER_SOFTWARE`` or by the classes of its parts."""
    modules = (type(part).__module__.partition(".")[0] for part in parts)
    return software.lower().startswith(REPLACING) or any(module in REPLACING for module in modules)


class ProxyTrust:
    """Believes a peer by its address, by a secret that it sends, or, where both are set, by both.

    A server that believes X-Forwarded-For itself (uvicorn, for loopback peers at least) replaces the peer's address by
    one that stands in the header, which any visitor can write: with ``X-Forwarded-For: 10.0.0.5`` a visitor would be
    the trusted proxy 10.0.0.5. So an address that the request itself names is no peer's, as far as we can tell.
    """

    def __init__(self, trusted: Iterable[Network | Literal["unix"]], secrets: Iterable[str], notices: Notices) -> None:
        trusted = tuple(trusted)
        self._networks = tuple(network for network in trusted if network != "unix")
        self._trusts_sockets = "unix" in trusted
        self._looks_at_peers = bool(trusted)
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._notices = notices

    @property
    def is_configured(self) -> bool:
        """Whether any request may be believed."""
        return self._looks_at_peers or self.has_secret

    @property
    def has_secret(self) -> bool:
        """Whether a secret is looked for, which is not for the application to see."""
        return bool(self._secrets)

    def believes(self, peer: str, secret: str, forwarded: str) -> bool:
        """Whether a trusted proxy sent this request.

        ``peer`` is its address (empty for a unix socket), ``secret`` what it sent in :data:`PROOF`, ``forwarded`` the
        text of X-Forwarded-For and Forwarded, joined by commas.
        """
        if not self.is_configured:
            return False
        if self.has_secret and not self._knows(secret.encode("utf-8", "replace")):
            return False
        return not self._looks_at_peers or self._is_near(peer, forwarded)

    def _knows(self, sent: bytes) -> bool:
        """Whether one of the secrets was sent; takes as long whichever it is, or none."""
        equal = [hmac.compare_digest(sent, secret) for secret in self._secrets]
        return any(equal)

    def _is_near(self, peer: str, forwarded: str) -> bool:
        if not peer:
            return self._trusts_sockets
        address = _address(peer.partition("%")[0])
        if address is None or not any(address in network for network in self._networks):
            return False
        return not forwarded or not self._is_named(address, forwarded)

    def _is_named(self, peer: Address, forwarded: str) -> bool:
        """Whether the request names the address of its peer, or so many addresses that nobody is to look."""
        for number, node in enumerate(_nodes(forwarded)):
            if number == MOST_FORWARDED:
                sentence = "a trusted proxy is not believed: X-Forwarded-For or Forwarded name too many addresses"
                self._notices.tell("forwarded-too-long", logging.WARNING, sentence)
                return True
            if peer in (_address(node), _address(node.rpartition(":")[0])):
                self._notices.tell(
                    "forwarded-peer",
                    logging.WARNING,
                    "header: sources are not believed from a peer whose address the request's own X-Forwarded-For or "
                    "Forwarded names: the server takes the peer's address from that header, so that any visitor can "
                    "write it there; set VIAFOURA_PROXY_SECRET instead of VIAFOURA_TRUSTED_PROXIES",
                )
                return True
        return False


def _nodes(forwarded: str) -> Iterator[str]:
    """What may be an address of a client, one place more than are looked at."""
    plain = forwarded.replace("\\", "")  # a quoted-string may escape any character (RFC 9110 §5.6.4)
    found = islice(_NODE.finditer(plain), MOST_FORWARDED + 1)
    return ("" if node[1] or len(node[2]) > _LONGEST else node[2] for node in found)


def _address(text: str) -> Address | None:
    """An address in any spelling; an IPv4 address mapped into IPv6 is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address
