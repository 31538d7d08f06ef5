"""One HTTP POST over ``requests``, bounded as a whole: the only module that imports ``requests``, and imported late.

Importing ``requests`` imports ``ssl``, which gevent must be able to patch first; hence only a first call imports this.

- The answer as a whole, head and body, has one deadline, however slowly its bytes drip in, and one size.
- No redirect is followed, no cookie kept, no ``.netrc`` read; proxies and CA bundles of the environment work.
- What is raised says what happened in words of this module, and carries neither a URL, a secret nor a detail.
"""

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError
from urllib3.util import Timeout

from viafoura_mw.errors import ViafouraUnavailable

MAX_ANSWER: Final = 65_536  # bytes; Viafoura's answers are of a hundred or so
KEPT_CONNECTIONS: Final = 16  # idle ones per host: more than there are threads that call

_WITHOUT_BODY: Final = (101, 204, 304)  # no answers of Viafoura's; a peer that gives them may send a body all the same

_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # an answer is a hundred bytes, and cannot be a bomb this way
    "Content-Type": "application/x-www-form-urlencoded",
    "User-Agent": "viafoura-mw",
}


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What an endpoint answered: the ``status``, the ``headers`` (any case) and the whole ``body``."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StaleConnection(Exception):
    """A kept connection turned out to have been closed by the server, which answered nothing on it."""


class Transport:
    """Connections to one service, kept alive between calls; safe with threads, and good for one process."""

    def __init__(self) -> None:
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=KEPT_CONNECTIONS))

    def post(self, url: str, form: bytes, authorization: str, deadline: float) -> Answer:
        """Post ``form`` and read the answer; ``deadline`` is on the clock of :func:`time.monotonic`.

        Raises :class:`~viafoura_mw.errors.ViafouraUnavailable` and nothing else.
        """
        try:
            try:
                return self._post(url, form, authorization, deadline)
            except StaleConnection:
                # A login that Viafoura did act upon is made twice this way: a session that nobody uses, and ends by
                # itself. To count a kept connection's end as a failure would cost a page its session instead.
                return self._post(url, form, authorization, deadline)
        except ViafouraUnavailable as error:
            reason = error.reason
        except Exception as error:
            reason = _reason(error)
        raise ViafouraUnavailable(reason)  # out here, so that it has no context, and nothing is told through one

    def _post(self, url: str, form: bytes, authorization: str, deadline: float) -> Answer:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ViafouraUnavailable("no answer in time")
        # Half for connecting, since a host has often two addresses (IPv6, IPv4) that get so long each; "total" makes
        # the time for the answer what the connecting has left.
        limit = Timeout(total=left, connect=left / 2)
        authorized = _Authorization(authorization)
        with self._session.post(
            url,
            data=form,
            headers=_HEADERS,
            auth=authorized,
            timeout=limit,  # type: ignore[arg-type]  # requests takes one of urllib3's, its stubs do not know
            stream=True,
            allow_redirects=False,
        ) as response:
            return Answer(response.status_code, response.headers, _body(response))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    while piece := response.raw.read(MAX_ANSWER + 1 - len(body), decode_content=False):
        body += piece
        if len(body) > MAX_ANSWER:
            raise ViafouraUnavailable("an answer of more than 64 KiB")
    return bytes(body)


def _reason(error: Exception) -> str:
    """What happened, in words that can be logged: never the error's own, which have the URL and more."""
    if isinstance(error, requests.Timeout | Urllib3TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no TLS connection (certificate or handshake)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "no connection through the proxy"
    if isinstance(error, requests.ConnectionError | ProtocolError):
        return "no connection, or one that was cut"
    return f"no answer ({type(error).__name__})"


class _Authorization(requests.auth.AuthBase):
    """An Authorization header as an auth object: without one, requests puts ``.netrc``'s in its place."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - requests' own name
        """Say that nothing redirects: requests reads a redirect's whole body, even one that it is not to follow."""
        return None


# From here on: urllib3's connections, bounded. requests' timeouts bound each read from the socket, so that a server
# which drips bytes, be it within the head, could hold a thread for ever.


class BoundedReads(io.RawIOBase):
    """What comes from ``sock``, until the time that is left on it now is over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedFile:
    """The one thing that ``http.client.HTTPResponse`` asks of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - a socket's own signature; it is always "rb"
        return io.BufferedReader(BoundedReads(self._sock))


class _BoundedResponse(http.client.HTTPResponse):
    """A response read within the socket's timeout as a whole: urllib3 has just set it to the time that is left."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(_BoundedFile(sock), debuglevel, method, url)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read the final answer's head, and forget what could not be parsed of it: urllib3 would log whatever it holds.

        ``http.client`` takes an interim answer (RFC 9110 §15.2) for the final one. The connection would be kept, and
        the answer that follows, one user's session, be read by the next user's login.
        """
        super().begin()
        while 100 <= self.status < 200 and self.status not in _WITHOUT_BODY:
            self.headers = self.msg = None  # type: ignore[assignment]  # as before the first: to be read anew
            super().begin()
        if self.status in _WITHOUT_BODY:
            self.will_close = True  # whatever follows on this connection must be no other call's answer
        if self.msg.defects:
            self.msg.defects = []
            self.msg.set_payload("")


class _Connection(HTTPConnection):
    """A connection that tells its being stale from a failure, and bounds what it reads."""

    response_class = _BoundedResponse
    _used = False

    def connect(self) -> None:
        self._used = False
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        with _telling_stale(self._used):
            super().request(*args, **options)

    def getresponse(self) -> Any:
        with _telling_stale(self._used):
            response = super().getresponse()
        self._used = True
        return response


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


@contextlib.contextmanager
def _telling_stale(used: bool) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, ssl.SSLError):
        if used:
            raise StaleConnection from None
        raise


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    """requests' adapter over the connections above, direct or through a proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _bounded(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        _bounded(manager)
        return manager


def _bounded(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
