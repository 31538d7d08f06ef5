"""TCP connections that are bounded in all: however many of a host's addresses are dead, and if its name hangs.

- Addresses are tried one after the other without giving up those before, as RFC 8305 ("Happy Eyeballs") has it: the
  first that takes the connection gets it, and all have been begun with within a part of a page's wait.
- An address that answered is tried first the next time, one that did not is tried last.
- ``getaddrinfo`` cannot be interrupted. A thread of its own waits for it, and if its answer is late, the addresses
  that the name had before will do: TLS, or being loopback, says who is there.
"""

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

STEP: Final = 0.25  # seconds between two addresses, where the page's wait is long enough (RFC 8305 §5)

#: A look-up that has taken so many seconds will not come back; a resolver's own patience is 30 seconds at most.
LOOK_UP_WRITTEN_OFF: Final = 30.0
LOOK_UPS: Final = 4  # threads that may wait for one host's name

#: What ``getaddrinfo`` gives for each address: family, type, protocol, canonical name, socket address.
Address = tuple[int, int, int, str, tuple[Any, ...]]
Host = tuple[str, int]
SocketOptions = Sequence[tuple[int, int, int | bytes]]

_UNDER_WAY: Final = frozenset((0, errno.EINPROGRESS, errno.EWOULDBLOCK))  # of connect() without blocking
_WORKED, _UNKNOWN, _FAILED = range(3)


@dataclass(slots=True, eq=False)
class _LookUp:
    began: float
    future: "Future[Sequence[Address]]" = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class Connected:
    """A ``sock`` that is connected to one ``address`` of ``host``."""

    sock: socket.socket
    host: Host
    address: Address


def getaddrinfo(name: str, port: int) -> Sequence[Address]:
    """Look a name up, by what :func:`socket.getaddrinfo` is when called: gevent may have replaced it."""
    return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)


class Network:
    """What one process knows of the hosts that it connects to. Safe with threads.

    ``patience``: seconds that a connection may cost more than it would if every address and the resolver were well.
    ``threads``: whether a thread that is started here runs; if not, a resolver that hangs takes its own time.
    """

    def __init__(
        self,
        patience: float,
        *,
        threads: bool = True,
        look_up: Callable[[str, int], Sequence[Address]] = getaddrinfo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._part = patience / 2  # one for the resolver, one for the addresses
        self._threads = threads
        self._getaddrinfo = look_up
        self._clock = clock
        self._known: dict[Host, dict[Address, int]] = {}  # each host's addresses, and how they did
        self._looking_up: dict[Host, list[_LookUp]] = {}  # the latest last
        self._lock = threading.Lock()

    def connect(self, host: Host, deadline: float, options: SocketOptions = ()) -> Connected:
        """Connect by ``deadline``, on this network's clock; the socket's timeout is what is left of it then.

        Raises ``TimeoutError`` or another ``OSError``, and ``UnicodeError`` for what can be no host's name.
        """
        addresses = self.addresses(host, deadline)
        race = _Race(addresses, deadline, min(STEP, self._part / len(addresses)), options, self._clock)
        try:
            sock, address = race.run()
        finally:
            for loser in race.losers:
                self._rank(host, loser, _FAILED)
        sock.settimeout(max(deadline - self._clock(), 0.001))
        return Connected(sock, host, address)

    def answered(self, connected: Connected) -> None:
        """Remember that an answer came from this address."""
        self._rank(connected.host, connected.address, _WORKED)

    def failed(self, connected: Connected) -> None:
        """Remember that no answer came from this address, though it took the connection."""
        self._rank(connected.host, connected.address, _FAILED)

    def _rank(self, host: Host, address: Address, rank: int) -> None:
        ranks = self._known.get(host, {})
        if address in ranks:
            ranks[address] = rank

    def addresses(self, host: Host, deadline: float) -> list[Address]:
        """Give a host's addresses, those first that answered, those last that did not."""
        known = self._known.get(host, {})
        until = min(deadline, self._clock() + self._part) if known else deadline
        try:
            found = self._looked_up(host, until)
        except OSError:
            if not known:
                raise
            found = tuple(known)
        ranks = {address: known.get(address, _UNKNOWN) for address in found}
        if not ranks:
            raise OSError("a name without an address")
        self._known[host] = ranks
        return sorted(ranks, key=ranks.__getitem__)

    # Looking names up.

    def _looked_up(self, host: Host, until: float) -> Sequence[Address]:
        if not self._threads or _is_address(host[0]):
            return self._getaddrinfo(*host)
        return self._look_up(host).future.result(max(0.0, until - self._clock()))

    def _look_up(self, host: Host) -> _LookUp:
        """Begin to look ``host`` up, or join a look-up that has not taken too long."""
        now = self._clock()
        with self._lock:
            under_way = self._looking_up.setdefault(host, [])
            if under_way and (now - under_way[-1].began < LOOK_UP_WRITTEN_OFF or len(under_way) >= LOOK_UPS):
                return under_way[-1]
            look_up = _LookUp(now)
            under_way.append(look_up)
        thread = threading.Thread(target=self._finish, args=(host, look_up), name="viafoura_mw", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads, or the interpreter is ending
            self._finish(host, look_up)
        return look_up

    def _finish(self, host: Host, look_up: _LookUp) -> None:
        try:
            look_up.future.set_result(self._getaddrinfo(*host))
        except BaseException as error:
            look_up.future.set_exception(error)  # of whoever waits for it, whatever it is
        finally:
            with self._lock:
                self._looking_up[host].remove(look_up)


def _is_address(name: str) -> bool:
    """Whether a host's name is an address itself, and so needs no resolver."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return False


class _Race:
    """Connecting to several addresses, each begun with a ``step`` after the one before it, or once that has failed."""

    def __init__(
        self,
        addresses: Sequence[Address],
        deadline: float,
        step: float,
        options: SocketOptions,
        clock: Callable[[], float],
    ) -> None:
        self._waiting = deque(addresses)
        self._deadline = deadline
        self._step = step
        self._options = options
        self._clock = clock
        self._next = 0.0  # when the next address is begun with
        self._begun: dict[socket.socket, Address] = {}
        self._failure: OSError | None = None
        self.losers: list[Address] = []  # those that failed, or had more time than the one that won

    def run(self) -> tuple[socket.socket, Address]:
        """Give the first socket that is connected, or raise ``OSError``: the last failure, or ``TimeoutError``."""
        with selectors.DefaultSelector() as selector:
            try:
                while True:
                    if won := self._one_round(selector):
                        return won
            finally:
                self.losers += self._begun.values()
                for sock in self._begun:
                    sock.close()

    def _one_round(self, selector: selectors.BaseSelector) -> tuple[socket.socket, Address] | None:
        """Begin with an address whose time has come, or wait for those that were begun with."""
        now = self._clock()
        if now >= self._deadline:
            raise TimeoutError
        if self._waiting and (now >= self._next or not self._begun):
            self._next = now + self._step
            self._begin(self._waiting.popleft(), selector)
            return None
        if not self._begun:
            raise self._failure or OSError
        until = min(self._next, self._deadline) if self._waiting else self._deadline
        for key, _ in selector.select(until - now):
            sock: Any = key.fileobj
            selector.unregister(sock)
            address = self._begun.pop(sock)
            if (code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) == 0:
                return sock, address
            self._lost(sock, address, OSError(code, os.strerror(code)))
        return None

    def _begin(self, address: Address, selector: selectors.BaseSelector) -> None:
        family, kind, protocol, _, where = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # this machine has no IPv6, or no more descriptors
            return self._lost(None, address, error)
        try:
            for option in self._options:
                sock.setsockopt(*option)
            sock.setblocking(False)
            code = sock.connect_ex(where)
        except OSError as error:
            return self._lost(sock, address, error)
        if code not in _UNDER_WAY:
            return self._lost(sock, address, OSError(code, os.strerror(code)))
        self._begun[sock] = address
        selector.register(sock, selectors.EVENT_WRITE)
        return None

    def _lost(self, sock: socket.socket | None, address: Address, failure: OSError) -> None:
        self._failure = failure
        self.losers.append(address)
        if sock is not None:
            sock.close()
