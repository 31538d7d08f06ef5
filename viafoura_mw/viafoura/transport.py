"""One HTTP call over ``requests``, bounded as a whole: the only module that imports ``requests``, and imported late.

Importing ``requests`` imports ``ssl``, which gevent must be able to patch first; hence only a first call imports this.

- Connecting has one deadline, however many addresses are dead; the answer as a whole, head and body, has one
  deadline, however slowly its bytes drip in, and one size.
- A kept connection is used again only if it has not been idle for long: a router forgets an idle connection without
  telling either end, and a call on it would get no answer.
- No redirect is followed, no cookie kept, no ``.netrc`` read. Proxies and CA bundles of the environment work, but what
  is on this machine is never reached through a proxy, which would see the API key on its way to an ``http://`` address.
- What is raised says what happened in words of this module, and carries neither a URL, a secret nor a detail.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError
from urllib3.util import Timeout

from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.viafoura.connecting import Connected, Network
from viafoura_mw.viafoura.reading import AnswerFile, BoundedReads
from viafoura_mw.viafoura.socks import Login, connect_by_4, connect_by_5
from viafoura_mw.viafoura.workers import threads_run

MAX_ANSWER: Final = 65_536  # bytes; Viafoura's answers are of a hundred or so
KEPT_CONNECTIONS: Final = 16  # idle ones per host: more than there are threads that call
IDLE: Final = 30.0  # seconds after which a kept connection is not used again
SOCKS_PORT: Final = 1080
SOCKS_4: Final = 1  # as PySocks counts the versions
PATIENCE: Final = 1.0  # seconds that dead addresses may cost, where a page waits two

_WITHOUT_BODY: Final = (101, 204, 304)  # no answers of Viafoura's; a peer that gives them may send a body all the same

_HEADERS_OF_GET: Final = {
    "Accept": "*/*",  # keys come as JSON, or as a PEM
    "Accept-Encoding": "identity",  # an answer is a hundred bytes, and cannot be a bomb this way
    "User-Agent": "viafoura-mw",
}
_HEADERS: Final = _HEADERS_OF_GET | {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
}

_Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What an endpoint answered: the ``status``, the ``headers`` (any case) and the whole ``body``."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StaleConnection(Exception):
    """A kept connection turned out to have been closed by the server, which answered nothing on it."""


class Transport:
    """Connections to one service, kept alive between calls; safe with threads, and good for one process.

    ``patience``: seconds that dead addresses and a resolver that hangs may cost a page, half of what it waits.
    ``clock``: seconds that only grow, by which connections are idle. ``network``: what connects.
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        *,
        clock: Callable[[], float] = time.monotonic,
        network: Network | None = None,
    ) -> None:
        wires = _Wires(network or Network(patience, threads=threads_run()), clock)
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(wires))

    def post(self, url: str, form: bytes, authorization: str, deadline: float) -> Answer:
        """Post ``form`` and read the answer; ``deadline`` is on the clock of :func:`time.monotonic`.

        Raises :class:`~viafoura_mw.errors.ViafouraUnavailable` and nothing else.
        """
        return self._answered(partial(self._call, "POST", url, form, _HEADERS, _Authorization(authorization)), deadline)

    def get(self, url: str, deadline: float) -> Answer:
        """Get what is at ``url``, with no credentials; otherwise as :meth:`post`."""
        return self._answered(partial(self._call, "GET", url, None, _HEADERS_OF_GET, _unauthorized), deadline)

    def _answered(self, call: Callable[[float], Answer], deadline: float) -> Answer:
        try:
            try:
                return call(deadline)
            except StaleConnection:
                # A login that Viafoura did act upon is made twice this way: a session that nobody uses, and ends by
                # itself. To count a kept connection's end as a failure would cost a page its session instead.
                return call(deadline)
        except ViafouraUnavailable as error:
            reason = error.reason
        except Exception as error:
            reason = _reason(error)
        raise ViafouraUnavailable(reason)  # out here, so that it has no context, and nothing is told through one

    def _call(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], auth: _Auth, deadline: float
    ) -> Answer:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ViafouraUnavailable("no answer in time")
        # Half for connecting, so that there is time for an answer; "total" gives it what the connecting has left.
        limit = Timeout(total=left, connect=left / 2)
        with self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            auth=auth,
            timeout=limit,  # type: ignore[arg-type]  # requests takes one of urllib3's, its stubs do not know
            stream=True,
            allow_redirects=False,
        ) as response:
            return Answer(response.status_code, response.headers, _body(response))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()


def _is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, in any of the forms that resolvers take."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    with contextlib.suppress(OSError):
        host = socket.inet_ntoa(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return address.is_loopback or bool(address.version == 6 and (v4 := address.ipv4_mapped) and v4.is_loopback)
    return False


def _body(response: requests.Response) -> bytes:
    response.raw.enforce_content_length = True  # which urllib3 before 2 does only if told so
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


def _unauthorized(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No Authorization header, nor that of ``.netrc``."""
    return request


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - requests' own name
        """Say that nothing redirects: requests reads a redirect's whole body, even one that it is not to follow."""
        return None

    def merge_environment_settings(self, url: Any, *settings: Any, **named: Any) -> Any:
        """Take the environment's settings, but no proxy to this machine itself.

        Not by requests' own way, ``no_proxy``: it puts that into ``os.environ`` while it looks, for all threads.
        """
        merged: dict[str, Any] = dict(super().merge_environment_settings(url, *settings, **named))
        return merged | {"proxies": {}} if _is_loopback(url) else merged


# From here on: urllib3's connections, bounded. requests' timeouts bound each address and each read from the socket.


@dataclass(frozen=True, slots=True)
class _Wires:
    """What all connections of a transport share."""

    network: Network
    clock: Callable[[], float]


class _BoundedFile:
    """The one thing that ``http.client.HTTPResponse`` asks of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> AnswerFile:  # noqa: ARG002 - a socket's own signature; it is always "rb"
        return AnswerFile(BoundedReads(self._sock))


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
    """A connection that is made and read within bounds, and tells its being stale from a failure.

    ``wires`` are given by the pool that makes the connection.
    """

    response_class = _BoundedResponse
    wires: _Wires
    _connected: Connected | None = None  # by which it was made, until an answer has come
    _used: float | None = None  # when the last answer came

    def _new_conn(self) -> socket.socket:
        return self._connected_to((self._dns_host, self.port))

    def _connected_to(self, host: tuple[str, int]) -> socket.socket:
        """Connect within this connection's time, which is what is left of it on the socket that this gives."""
        self._used = None
        deadline = time.monotonic() + float(self.timeout or 0.0)
        try:
            self._connected = self.wires.network.connect(
                (host[0].strip("[]"), host[1]), deadline, self.socket_options or ()
            )
            return self._connected.sock
        except TimeoutError:
            reason = "no connection in time"
        except (OSError, UnicodeError):
            reason = "no connection"
        raise ViafouraUnavailable(reason)

    @property
    def is_idle(self) -> bool:
        """Whether the connection has been idle for so long that somebody on its way may have forgotten it."""
        return self._used is not None and self.wires.clock() - self._used >= IDLE

    def request(self, *args: Any, **options: Any) -> None:
        with self._telling_stale():
            super().request(*args, **options)

    def getresponse(self) -> Any:
        with self._telling_stale():
            response = super().getresponse()
        self._used = self.wires.clock()
        if self._connected:
            self.wires.network.answered(self._connected)
            self._connected = None
        return response

    def close(self) -> None:
        if self._connected:
            self.wires.network.failed(self._connected)
            self._connected = None
        super().close()

    @contextlib.contextmanager
    def _telling_stale(self) -> Iterator[None]:
        used = self._used is not None and self.sock is not None
        try:
            yield
        except (ConnectionError, ssl.SSLError):
            if used:
                raise StaleConnection from None
            raise


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _SocksConnection(_Connection):
    """The same through a SOCKS proxy. ``_socks_options`` are what urllib3's manager makes of the proxy's URL."""

    def __init__(self, *args: Any, _socks_options: dict[str, Any], **options: Any) -> None:
        self._proxy = _socks_options
        super().__init__(*args, **options)

    def _new_conn(self) -> socket.socket:
        proxy = self._proxy
        sock = self._connected_to((proxy["proxy_host"], proxy["proxy_port"] or SOCKS_PORT))
        try:
            self._ask_for_the_host(sock, proxy)
        except BaseException:
            sock.close()
            raise
        return sock

    def _ask_for_the_host(self, sock: socket.socket, proxy: dict[str, Any]) -> None:
        is_4 = proxy["socks_version"] == SOCKS_4
        host = self._dns_host.strip("[]")
        login = Login(*((proxy[part] or "").encode() for part in ("username", "password")))
        deadline = time.monotonic() + (sock.gettimeout() or 0.0)
        reason = "no connection through the proxy"
        try:
            if not proxy["rdns"]:  # the URL says socks5: or socks4:, not socks5h: or socks4a:
                host = self._address(host, deadline, only_4=is_4)
            connect = connect_by_4 if is_4 else connect_by_5
            connect(sock, BoundedReads(sock), host, self.port, login)
            return
        except TimeoutError:
            reason = "no connection through the proxy in time"
        except (OSError, UnicodeError):
            pass
        raise ViafouraUnavailable(reason)

    def _address(self, host: str, deadline: float, *, only_4: bool) -> str:
        for family, *_, where in self.wires.network.addresses((host, self.port), deadline):
            if family == socket.AF_INET or not only_4:
                return str(where[0])
        raise OSError("no address of this proxy's kind")


class _SocksTLSConnection(_SocksConnection, _TLSConnection):
    """The same over TLS."""


class _PoolOfOurs(HTTPConnectionPool):
    """A pool of such connections, which uses none again that has been idle for long."""

    def __init__(self, wires: _Wires, *args: Any, **options: Any) -> None:
        self._wires = wires
        super().__init__(*args, **options)

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.wires = self._wires
        return connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.is_idle:
            connection.close()
        return connection


class _Pool(_PoolOfOurs):
    ConnectionCls = _Connection


class _TLSPool(_PoolOfOurs, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _SocksPool(_PoolOfOurs):
    ConnectionCls = _SocksConnection


class _SocksTLSPool(_PoolOfOurs, HTTPSConnectionPool):
    ConnectionCls = _SocksTLSConnection


class _Adapter(HTTPAdapter):
    """requests' adapter over the connections above, direct or through a proxy."""

    def __init__(self, wires: _Wires) -> None:
        self._wires = wires
        super().__init__(pool_maxsize=KEPT_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._use(self.poolmanager, _Pool, _TLSPool)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if proxy.lower().startswith("socks"):
            self._use(manager, _SocksPool, _SocksTLSPool)
        else:
            self._use(manager, _Pool, _TLSPool)
        return manager

    def _use(self, manager: PoolManager, http: type[_PoolOfOurs], https: type[_PoolOfOurs]) -> None:
        pools = {"http": partial(http, self._wires), "https": partial(https, self._wires)}
        manager.pool_classes_by_scheme = pools  # type: ignore[assignment]  # urllib3 calls them, and no more
