"""Connecting over real sockets: dead addresses, resolvers that hang, and what is remembered of both."""

import errno
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.addresses import address_of, dead, refusing
from tests.support.fakes import Clock
from viafoura_mw.viafoura import connecting
from viafoura_mw.viafoura.connecting import LOOK_UP_WRITTEN_OFF, LOOK_UPS, Address, Connected, Network

ROOT = Path(__file__).parents[2]
HOST = ("viafoura.test", 443)
SOON = 10.0  # seconds within which what must happen happens, on any machine
LONG = 600.0  # seconds that no test waits: with this patience the second address is begun with after STEP


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens, whose backlog takes every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def giving(addresses: Sequence[Address]) -> Callable[[str, int], Sequence[Address]]:
    return lambda name, port: addresses


def connect(network: Network, seconds: float = SOON) -> Connected:
    connected = network.connect(HOST, time.monotonic() + seconds)
    connected.sock.close()
    return connected


def deadline() -> float:
    return time.monotonic() + SOON


# Addresses.


def test_connects_to_a_name(listener: socket.socket) -> None:
    """The system's resolver is asked; what is connected blocks as long as there is time."""
    network = Network(LONG)

    connected = network.connect(("localhost", listener.getsockname()[1]), deadline(), [(socket.SOL_SOCKET, 9, 1)])

    with connected.sock as sock:
        assert sock.getpeername() == listener.getsockname()
        assert 0 < (sock.gettimeout() or 0) <= SOON
        assert sock.getsockopt(socket.SOL_SOCKET, 9)


@pytest.mark.parametrize("count", [1, 8, 40])
def test_dead_addresses_do_not_keep_from_a_live_one(listener: socket.socket, count: int) -> None:
    """However many of them come first, all are begun with in half of the patience, not each after a step of its own."""
    with dead(count) as addresses:
        network = Network(0.4, look_up=giving([*addresses, address_of(listener)]))
        began = time.monotonic()

        assert connect(network).address == address_of(listener)
        assert time.monotonic() - began < 40 * connecting.STEP / 2


def test_an_address_that_refuses_is_no_wait_at_all(listener: socket.socket) -> None:
    """The next is begun with at once, not after a step."""
    refused = [refusing() for _ in range(100)]
    began = time.monotonic()

    assert connect(Network(LONG, look_up=giving([*refused, address_of(listener)]))).address == address_of(listener)
    assert time.monotonic() - began < 100 * connecting.STEP / 2


def test_the_address_that_answered_is_tried_first_and_the_dead_last(listener: socket.socket) -> None:
    """The dead one costs a wait once, also when the name's addresses come in another order."""
    with socket.create_server(("127.0.0.1", 0)) as another, dead() as [lost]:
        found = [lost, address_of(listener), address_of(another)]
        network = Network(0.2, look_up=lambda name, port: list(found))
        network.answered(connect(network))

        found[1:] = [address_of(another), address_of(listener)]

        assert network.addresses(HOST, deadline()) == [address_of(listener), address_of(another), lost]


def test_an_address_that_takes_connections_and_does_not_answer_is_tried_last(listener: socket.socket) -> None:
    """Something in between, or a server that hangs in its handshake, may well take connections."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        addresses = [address_of(hanging), address_of(listener)]
        network = Network(LONG, look_up=giving(addresses))
        first = connect(network)
        network.failed(first)

        second = connect(network)

    assert [first.address, second.address] == addresses


def test_forgets_addresses_that_a_name_has_no_more(listener: socket.socket) -> None:
    """What is remembered does not grow with the addresses that a name has had."""
    found = [[refusing(), address_of(listener)], [address_of(listener)]]
    network = Network(LONG, look_up=lambda name, port: found.pop(0))
    first = connect(network)
    second = connect(network)
    network.failed(Connected(first.sock, HOST, refusing()))  # of no address that is known

    assert first.address == second.address
    assert len(network._known[HOST]) == 1


def test_addresses_that_are_all_dead_end_in_time() -> None:
    """The time is for all of them, not for each."""
    began = time.monotonic()
    with dead(9) as addresses, pytest.raises(TimeoutError):
        connect(Network(0.2, look_up=giving(addresses)), 0.4)
    assert time.monotonic() - began < SOON / 2


def test_addresses_that_all_refuse_end_in_the_last_ones_reason() -> None:
    """Nobody waits for what has failed."""
    with pytest.raises(ConnectionRefusedError):
        connect(Network(LONG, look_up=giving([refusing(), refusing()])), LONG)


def test_an_address_of_a_kind_that_this_machine_has_not_is_skipped(listener: socket.socket) -> None:
    """A name's IPv6 addresses on a machine without IPv6, and whatever else no socket can be made for or take."""
    strange: list[Address] = [
        (12345, socket.SOCK_STREAM, 0, "", ("::1", 443)),
        (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 443)),
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("no address", 443)),
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("255.255.255.255", 443)),
    ]

    assert connect(Network(LONG, look_up=giving([*strange, address_of(listener)]))).address == address_of(listener)


def test_a_name_without_an_address_is_a_failure() -> None:
    """Not an error of another kind."""
    with pytest.raises(OSError, match="without an address"):
        connect(Network(LONG, look_up=giving([])))


def test_closes_whatever_it_does_not_give(listener: socket.socket) -> None:
    """A new connection would else leave a socket behind for each dead address (warnings are errors here)."""
    with dead(3) as addresses:
        connect(Network(0.1, look_up=giving([*addresses, address_of(listener)])))


# Names.


class Resolver:
    """A resolver that answers when it is told to."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses = addresses
        self.asked: list[threading.Event] = []
        self.hangs = True
        self.error: BaseException | None = None

    def __call__(self, name: str, port: int) -> Sequence[Address]:
        answers = threading.Event()
        self.asked.append(answers)
        if self.hangs:
            answers.wait(SOON)
        if self.error:
            raise self.error
        return self.addresses

    def answer(self) -> None:
        for asked in self.asked:
            asked.set()


@pytest.fixture
def resolver(listener: socket.socket) -> Iterator[Resolver]:
    """A resolver that hangs until the test's end."""
    resolver = Resolver(address_of(listener))
    yield resolver
    resolver.answer()


def test_a_resolver_that_hangs_costs_no_more_than_the_time_for_connecting(resolver: Resolver) -> None:
    """``getaddrinfo`` knows no timeout; a thread waits for it."""
    with pytest.raises(TimeoutError):
        connect(Network(LONG, look_up=resolver), 0.05)


def test_a_resolver_that_hangs_is_asked_by_one_thread(resolver: Resolver) -> None:
    """However many calls wait for one name; its answer, once it comes, is for all of them."""
    network = Network(LONG, look_up=resolver)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            network.addresses(HOST, time.monotonic())
    assert len(resolver.asked) == 1

    threads = [threading.Thread(target=network.addresses, args=(HOST, deadline())) for _ in range(3)]
    for thread in threads:
        thread.start()
    resolver.hangs = False
    resolver.answer()
    for thread in threads:
        thread.join(SOON)

    assert network.addresses(HOST, deadline()) == [*resolver.addresses]


def test_a_look_up_that_never_returns_is_written_off(resolver: Resolver) -> None:
    """Others are begun then, a few: threads that hang are not many."""
    clock = Clock()
    network = Network(LONG, look_up=resolver, clock=clock)
    for _ in range(2 * LOOK_UPS):
        with pytest.raises(TimeoutError):
            network.addresses(HOST, clock.now)
        clock.pass_(LOOK_UP_WRITTEN_OFF)

    assert len(resolver.asked) == LOOK_UPS


@pytest.mark.parametrize("failure", ["hangs", "fails"])
def test_what_a_name_was_serves_while_the_resolver_fails(resolver: Resolver, failure: str) -> None:
    """An outage of the resolver does not end the sessions of users whose Viafoura is well."""
    resolver.hangs = False
    network = Network(0.1, look_up=resolver)
    connect(network)
    resolver.hangs, resolver.error = failure == "hangs", socket.gaierror(socket.EAI_AGAIN, "again")

    assert connect(network).address == resolver.addresses[0]


def test_a_name_that_does_not_resolve_is_a_failure(resolver: Resolver) -> None:
    """At once, and the next call asks anew."""
    resolver.hangs, resolver.error = False, socket.gaierror(socket.EAI_NONAME, "no name")
    network = Network(LONG, look_up=resolver)
    with pytest.raises(socket.gaierror):
        connect(network)

    resolver.error = None

    assert connect(network)


def test_whatever_ends_a_look_up_is_told_to_those_who_wait(resolver: Resolver) -> None:
    """Nobody is left waiting by a name that cannot be encoded, or by an end of the thread."""
    resolver.hangs, resolver.error = False, UnicodeError("label too long")

    with pytest.raises(UnicodeError):
        connect(Network(LONG, look_up=resolver))


def test_where_no_thread_runs_the_caller_asks(resolver: Resolver) -> None:
    """Then the resolver's own time comes on top."""
    resolver.hangs = False
    before = threading.active_count()
    ran: list[int] = []
    network = Network(LONG, threads=False, look_up=lambda *host: ran.append(threading.get_ident()) or resolver(*host))

    connect(network)

    assert ran == [threading.get_ident()]
    assert threading.active_count() == before


def test_an_address_needs_no_thread(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing hangs where nothing is asked."""
    monkeypatch.setattr(threading, "Thread", None)

    connected = Network(LONG).connect(("127.0.0.1", listener.getsockname()[1]), deadline())

    connected.sock.close()


def test_where_no_thread_can_be_had_the_caller_asks(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that is out of threads has a resolver all the same."""
    resolver.hangs = False

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    assert connect(Network(LONG, look_up=resolver)).address == resolver.addresses[0]


UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import time, gevent
from tests.support.addresses import address_of, dead
from viafoura_mw.viafoura.connecting import Network
import socket

turns = 0
def turn():
    global turns
    while True:
        gevent.sleep(0)
        turns += 1

def look_up(name, port):
    gevent.sleep(0.01)
    return [*addresses, address_of(listener)]

gevent.spawn(turn)
with dead(3) as addresses, socket.create_server(("127.0.0.1", 0)) as listener:
    connected = Network(0.2, look_up=look_up).connect(("viafoura.test", 443), time.monotonic() + 10)
    assert connected.address == address_of(listener)
    connected.sock.close()
assert turns > 100, turns
"""


@pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed")
def test_lets_others_run_under_gevent() -> None:
    """Greenlets go on while a name is looked up and while addresses are tried."""
    subprocess.run([sys.executable, "-c", UNDER_GEVENT], timeout=60, check=True, cwd=ROOT)


def test_a_dead_address_is_one() -> None:
    """What the tests above rely on: an attempt to connect to it neither succeeds nor fails."""
    with dead() as [(*_, where)], socket.socket() as sock:
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.connect(where)
    assert errno.EINPROGRESS in connecting._UNDER_WAY
