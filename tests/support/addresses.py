"""Addresses on loopback that live, are dead or refuse, as a resolver would give them for one host's name."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from viafoura_mw.viafoura.connecting import Address


def address_of(listener: socket.socket) -> Address:
    """The address of a socket that listens."""
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", listener.getsockname()


@contextmanager
def dead(count: int = 1) -> Iterator[list[Address]]:
    """Addresses that answer no attempt to connect: their backlog is full, and nobody accepts."""
    with ExitStack() as stack:
        addresses = []
        for _ in range(count):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(2):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                assert filler.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
            addresses.append(address_of(listener))
        yield addresses


def refusing() -> Address:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return address_of(listener)
