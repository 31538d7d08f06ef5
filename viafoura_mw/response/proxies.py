"""Which requests come from a proxy whose headers may say who the user is."""

import hmac
import ipaddress
from typing import Final

from viafoura_mw.settings import Settings

PROOF: Final = "X-Viafoura-Proxy-Secret"
#: Servers whose environ has the later of ``X-User`` and ``X_User``, so that whoever sends the other spelling replaces
#: what the proxy says (measured: cheroot 11, Granian 2.8, Twisted 26). Others drop the underscore, or join the two.
REPLACING: Final = ("cheroot", "granian", "twisted")


def replaces_headers(software: str, *parts: object) -> bool:
    """Whether a WSGI server is one of :data:`REPLACING`, by its ``SERVER_SOFTWARE`` or by the classes of its parts."""
    modules = (type(part).__module__.partition(".")[0] for part in parts)
    return software.lower().startswith(REPLACING) or any(module in REPLACING for module in modules)


class ProxyTrust:
    """Believes a peer by its address, by the secret that it sends, or, where both are set, by both."""

    def __init__(self, settings: Settings) -> None:
        self._networks = settings.trusted_proxies
        self._secret = settings.proxy_secret.encode()

    @property
    def is_configured(self) -> bool:
        """Whether any request may be believed."""
        return bool(self._networks or self._secret)

    def believes(self, peer: str, secret: str) -> bool:
        """Whether ``peer`` (an address; empty for a unix socket) that sent ``secret`` is a trusted proxy."""
        if not self.is_configured:
            return False
        knows_secret = not self._secret or hmac.compare_digest(secret.encode("utf-8", "replace"), self._secret)
        return knows_secret and (not self._networks or self._is_near(peer))

    def _is_near(self, peer: str) -> bool:
        if not peer:
            return "unix" in self._networks
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(network != "unix" and address in network for network in self._networks)
