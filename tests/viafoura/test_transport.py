"""One POST over real sockets: bounded as a whole, told nothing by the environment but proxies and certificates."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.addresses import dead
from tests.support.fakes import Clock
from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.viafoura.connecting import Address, Network
from viafoura_mw.viafoura.transport import IDLE, MAX_ANSWER, Answer, Transport

CERTIFICATE = Path(__file__).with_name("loopback.pem")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
SOON = 10.0  # seconds within which what must happen happens, on any machine

Conversation = Callable[["Peer"], object]


class Peer:
    """A server that says what a test lets it say; its conversations, one for each connection, are in order."""

    def __init__(self, *conversations: Conversation, tls: bool = False) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._conversations = conversations
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = threading.Event()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Peer":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed.set()
        self._socket.close()
        self._thread.join(SOON)

    def _serve(self) -> None:
        for conversation in self._conversations:
            with suppress(OSError), self._accepted() as self.connection:
                conversation(self)

    def _accepted(self) -> socket.socket:
        connection, _ = self._socket.accept()
        connection.settimeout(SOON)
        self.connections += 1
        if not self._tls:
            return connection
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        try:
            return context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            raise

    def hear(self) -> bytes:
        """Read one request, whose body ends with ``.``."""
        request = b""
        while not request.endswith(b".") and (some := self.connection.recv(65_536)):
            request += some
        self.requests.append(request)
        return request

    def say(self, octets: bytes) -> None:
        self.connection.sendall(octets)


def once(octets: bytes) -> Conversation:
    """Hear one request and answer it."""

    def conversation(peer: Peer) -> None:
        peer.hear()
        peer.say(octets)

    return conversation


def then_close_on_the_next(peer: Peer) -> None:
    """Answer one request, hear another and close without a word, as a server whose patience ends just then."""
    peer.hear()
    peer.say(OK)
    peer.hear()


def silence(peer: Peer) -> None:
    """Say nothing until the other side has closed."""
    while peer.connection.recv(65_536):
        pass


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport whose connections are closed in the end."""
    transport = Transport()
    yield transport
    transport.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates but those that a test names."""
    for name in (*PROXIES, "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def post(transport: Transport, peer: Peer, seconds: float = SOON) -> Answer:
    return transport.post(f"{peer.url}/path", b"a=1.", "Bearer t0ken", time.monotonic() + seconds)


def post_to(transport: Transport, url: str, seconds: float = SOON) -> Answer:
    return transport.post(url, b"a=1.", "Bearer t0ken", time.monotonic() + seconds)


def address_of(peer: Peer) -> Address:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", int(peer.url.rpartition(":")[2]))


def proxied_by(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Name a proxy for everything, in each of the variables that name one."""
    for name in PROXIES:
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.upper(), url)


# What is sent and what is read.


def test_sends_a_form_and_reads_the_answer(transport: Transport) -> None:
    """A POST with its authorization, and nothing that an answer need not know."""
    with Peer(once(b"HTTP/1.1 201 Created\r\nX-Header: x\r\nContent-Length: 2\r\n\r\n{}")) as peer:
        answer = post(transport, peer)

    assert (answer.status, answer.headers["x-header"], answer.body) == (201, "x", b"{}")
    head, _, body = peer.requests[0].decode().partition("\r\n\r\n")
    line, *fields = head.splitlines()
    assert (line, body) == ("POST /path HTTP/1.1", "a=1.")
    assert sorted(fields) == sorted(
        [
            f"Host: {peer.url.removeprefix('http://')}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "Authorization: Bearer t0ken",
            "Connection: keep-alive",
            "Content-Length: 4",
            "Content-Type: application/x-www-form-urlencoded",
            "User-Agent: viafoura-mw",
        ]
    )


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["chunked", "close", "1.0", "100"],
)
def test_reads_an_answer_in_any_framing(transport: Transport, octets: bytes) -> None:
    """Servers and proxies choose."""
    with Peer(once(octets)) as peer:
        assert post(transport, peer).body == b"{}"


def answer_of(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Odd"])
def test_never_takes_one_call_s_answer_for_another_s(transport: Transport, interim: bytes) -> None:
    """An interim answer is none: what follows it on the connection is the same call's, one user's session."""

    def conversation(peer: Peer) -> None:
        for user in (b"ann", b"bob"):
            peer.hear()
            peer.say(b"HTTP/1.1 %b\r\nLink: </x>; rel=preload\r\n\r\n" % interim)
            peer.say(answer_of(user))

    with Peer(conversation) as peer:
        answers = [post(transport, peer) for _ in range(2)]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"ann"), (200, b"bob")]


@pytest.mark.parametrize("bodiless", [b"101 Switching Protocols", b"204 No Content", b"304 Not Modified"])
def test_keeps_no_connection_on_which_another_answer_may_follow(transport: Transport, bodiless: bytes) -> None:
    """A peer that answers with what has no body, and then with a body, does not answer the next call with it."""

    def late(peer: Peer) -> None:
        peer.hear()
        peer.say(b"HTTP/1.1 %b\r\n\r\n" % bodiless)
        peer.connection.recv(1)  # until the other side has closed, or asks again
        peer.say(answer_of(b"ann"))

    with Peer(late, once(answer_of(b"bob"))) as peer:
        answers = [post(transport, peer) for _ in range(2)]

    assert answers[1].body == b"bob"
    assert peer.connections == 2


def test_reads_no_more_than_it_must(transport: Transport) -> None:
    """An answer of 64 KiB is read; one byte more is none."""
    full, more = b"x" * MAX_ANSWER, b"x" * (MAX_ANSWER + 1)
    heads = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) for body in (full, more)]
    with Peer(once(heads[0] + full), once(heads[1] + more)) as peer:
        assert post(transport, peer).body == full
        transport.close()
        with pytest.raises(ViafouraUnavailable, match="64 KiB"):
            post(transport, peer)


def test_keeps_no_cookie(transport: Transport) -> None:
    """One user's could travel with another's call."""
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1; Path=/\r\nContent-Length: 2\r\n\r\n{}"
    with Peer(lambda peer: [once(answer)(peer) for _ in range(2)]) as peer:
        post(transport, peer)
        post(transport, peer)

    assert b"cookie" not in peer.requests[1].lower()


@pytest.mark.parametrize("location", [b"/elsewhere", b"http://[", b"//elsewhere.invalid/"])
def test_follows_no_redirect(transport: Transport, location: bytes) -> None:
    """A redirect is an answer like any, whatever its Location, and its body is bounded as any."""
    answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location
    with Peer(once(answer)) as peer:
        assert post(transport, peer).status == 307

    assert len(peer.requests) == 1


def test_reads_no_netrc(transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """requests would put its password in the place of the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Peer(once(OK)) as peer:
        post(transport, peer)

    assert b"Authorization: Bearer t0ken" in peer.requests[0]


# Connections.


def test_uses_a_connection_again(transport: Transport) -> None:
    """Two calls, one connection; a refusal does not end it."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
    with Peer(lambda peer: [once(each)(peer) for each in (refusal, OK)]) as peer:
        assert post(transport, peer).status == 403
        assert post(transport, peer).status == 200

    assert peer.connections == 1


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_connection_that_turns_out_closed_is_replaced(
    transport: Transport, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that closes a kept connection as the next call is sent has failed at nothing."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with Peer(then_close_on_the_next, once(OK), tls=tls) as peer:
        post(transport, peer)

        assert post(transport, peer).status == 200

    assert peer.connections == 2


def test_a_new_connection_that_is_closed_is_a_failure(transport: Transport) -> None:
    """It is not tried again and again."""
    with Peer(then_close_on_the_next, lambda peer: peer.hear(), once(OK)) as peer:
        post(transport, peer)
        with pytest.raises(ViafouraUnavailable, match="cut"):
            post(transport, peer)
        post(transport, peer)


def test_an_answer_that_breaks_off_is_a_failure_on_a_used_connection_too(transport: Transport) -> None:
    """Once something has come, the call has been acted upon."""

    def conversation(peer: Peer) -> None:
        once(OK)(peer)
        once(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")(peer)

    with Peer(conversation) as peer:
        post(transport, peer)
        with pytest.raises(ViafouraUnavailable, match="cut"):
            post(transport, peer)

    assert peer.connections == 1


def test_nobody_listening_is_a_failure(transport: Transport) -> None:
    """A refused connection is told as such."""
    with Peer() as peer:
        pass

    with pytest.raises(ViafouraUnavailable, match="no connection"):
        post(transport, peer)


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    """A router on the way forgets it, tells nobody, and drops whatever is sent on it."""
    clock = Clock()
    transport = Transport(clock=clock)
    two = [lambda peer: [once(OK)(peer) for _ in range(2)]] * 2
    with Peer(*two) as peer:
        for idle in (0.0, IDLE - 1, IDLE, 0.0):
            clock.pass_(idle)
            post(transport, peer)
        transport.close()

    assert peer.connections == 2


def test_dead_addresses_do_not_keep_from_an_answer() -> None:
    """The next connection goes first to the address that answered, and waits for no dead one."""
    with dead(8) as addresses, Peer(once(OK), once(OK)) as peer:
        network = Network(0.2, look_up=lambda name, port: [*addresses, address_of(peer)])
        transport = Transport(network=network)
        assert post_to(transport, "http://viafoura.test/path").status == 200
        assert network.addresses(("viafoura.test", 80), time.monotonic())[0] == address_of(peer)
        transport.close()
        assert post_to(transport, "http://viafoura.test/path").status == 200
        transport.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_that_are_all_dead_leave_half_of_the_time(scheme: str) -> None:
    """Nine of them take no longer than one."""
    with dead(9) as addresses:
        transport = Transport(network=Network(0.1, look_up=lambda name, port: addresses))
        began = time.monotonic()
        with pytest.raises(ViafouraUnavailable, match="no connection in time"):
            post_to(transport, f"{scheme}://viafoura.test/path", 0.6)
        assert time.monotonic() - began < SOON / 2


def test_a_server_that_hangs_in_its_handshake_is_tried_last_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that takes connections is not yet one that works."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with Peer(lambda peer: peer.closed.wait(SOON)) as hanging, Peer(once(OK), tls=True) as peer:
        found = [address_of(hanging), address_of(peer)]
        transport = Transport(network=Network(600.0, look_up=lambda name, port: found))
        with pytest.raises(ViafouraUnavailable):
            post_to(transport, "https://viafoura.test/path", 0.4)

        assert post_to(transport, "https://viafoura.test/path").status == 200
        transport.close()


def test_a_resolver_that_hangs_is_a_failure_in_time() -> None:
    """The call's thread comes back, whatever becomes of the resolver's."""
    answered = threading.Event()

    def look_up(name: str, port: int) -> list[Address]:
        answered.wait(SOON)
        return []

    with pytest.raises(ViafouraUnavailable, match="no connection in time"):
        post_to(Transport(network=Network(600.0, look_up=look_up)), "http://viafoura.test/", 0.1)
    answered.set()


@pytest.mark.parametrize("url", ["http://viafoura.invalid/", "http://" + "x" * 64 + ".invalid/"])
def test_a_name_that_is_none_is_a_failure(transport: Transport, url: str) -> None:
    """Nobody knows it, or nobody could."""
    with pytest.raises(ViafouraUnavailable) as raised:
        post_to(transport, url)

    assert "invalid" not in str(raised.value)


# Time.


def test_makes_no_call_when_the_time_is_over(transport: Transport) -> None:
    """A token call may have used it up."""
    with Peer() as peer, pytest.raises(ViafouraUnavailable, match="in time"):
        post(transport, peer, 0.0)


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["silence", "dripping head", "dripping body"],
)
def test_an_answer_has_one_deadline(transport: Transport, first: bytes) -> None:
    """Byte after byte within each read's time, the whole of it is cut off."""

    def drip(peer: Peer) -> None:
        peer.hear()
        peer.say(first)
        while not peer.closed.wait(0.01):
            peer.say(b"x" if first else b"")

    with Peer(drip) as peer:
        began = time.monotonic()
        with pytest.raises(ViafouraUnavailable, match="in time"):
            post(transport, peer, 0.3)
        assert time.monotonic() - began < SOON / 2


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "one field": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 60_000),
    "fields": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "long fields": (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60_000 + b"\r\n"),
    "folded fields": (b"HTTP/1.1 200 OK\r\nX: y\r\n", b" y\r\n"),
    "chunk extensions": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;" + b"x" * 60_000 + b"\r\nx\r\n",
    ),
    "one chunk extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 60_000),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "a negative chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"x" * 60_000),
    "a body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000),
    "HTTP/0.9": (b"", b"junk\r\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_an_end_has_one(transport: Transport, name: str) -> None:
    """However it goes on, so many bytes are read and no more, long before its time is over."""
    first, more = ENDLESS[name]
    more *= max(1, 60_000 // len(more))

    def flood(peer: Peer) -> None:
        peer.hear()
        peer.say(first)
        while not peer.closed.is_set():
            peer.say(more)

    with Peer(flood) as peer, pytest.raises(ViafouraUnavailable, match=r"cut|64 KiB|no answer \(") as raised:
        post(transport, peer)
    assert "in time" not in raised.value.reason


@pytest.mark.parametrize("name", ["interim answers", "folded fields", "chunk extensions", "trailers"])
def test_what_drips_has_one_deadline_wherever_it_drips(transport: Transport, name: str) -> None:
    """Interim answers, fields, extensions and trailers are as much of the answer as its body."""
    first, more = ENDLESS[name]

    def drip(peer: Peer) -> None:
        peer.hear()
        peer.say(first)
        position = 0
        while not peer.closed.wait(0.01):
            peer.say(more[position % len(more) :][:1])
            position += 1

    with Peer(drip) as peer, pytest.raises(ViafouraUnavailable, match="in time"):
        post(transport, peer, 0.3)


LATER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nann"


@pytest.mark.parametrize(
    "answer",
    [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("cut", [1, len(LATER)], ids=["and goes on", "and another"])
def test_an_answer_that_goes_on_after_its_end_ends_the_connection(
    transport: Transport, answer: bytes, tls: bool, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What belongs to no request must not become the next call's answer: another user's session."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))

    def going_on(peer: Peer) -> None:
        peer.hear()
        peer.say(answer + LATER[:cut])
        with suppress(OSError):
            peer.hear()
            peer.say(LATER[cut:] or LATER)

    with Peer(going_on, once(answer_of(b"bob")), tls=tls) as peer:
        assert post(transport, peer).body == b"{}"
        assert post(transport, peer).body == b"bob"

    assert peer.connections == 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999999\r\n\r\n{}",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"{}",
        b"\x15\x03\x01\x00\x02\x02\x50",
    ],
)
def test_an_answer_that_contradicts_itself_or_is_none_is_a_failure(transport: Transport, head: bytes) -> None:
    """It is not guessed what was meant."""
    with Peer(once(head)) as peer, pytest.raises(ViafouraUnavailable):
        post(transport, peer)


def test_an_answer_in_a_coding_that_was_not_asked_for_is_not_decoded(transport: Transport) -> None:
    """It cannot be a bomb this way; that it is no JSON is for the client to find."""
    packed = gzip.compress(b"{}")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with Peer(once(head + packed)) as peer:
        assert post(transport, peer).body == packed


def test_a_handshake_has_a_deadline(transport: Transport) -> None:
    """A server that takes the connection and says nothing in TLS is cut off as well."""
    with Peer(lambda peer: peer.closed.wait(SOON)) as peer:
        peer.url = peer.url.replace("http:", "https:")
        with pytest.raises(ViafouraUnavailable):
            post(transport, peer, 0.3)


# TLS and proxies.


def test_believes_no_certificate_that_nobody_vouches_for(transport: Transport) -> None:
    """Verification is on, always."""
    with Peer(once(OK), tls=True) as peer, pytest.raises(ViafouraUnavailable, match="TLS"):
        post(transport, peer)


def test_believes_the_certificates_that_the_environment_names(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's own authority works, by ``REQUESTS_CA_BUNDLE``."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with Peer(once(OK), tls=True) as peer:
        assert post(transport, peer).body == b"{}"


def test_goes_through_the_proxy_that_the_environment_names(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many servers have no other way out."""
    with Peer(once(OK)) as peer:
        monkeypatch.setenv("HTTP_PROXY", peer.url)
        monkeypatch.setenv("http_proxy", peer.url)
        transport.post("http://viafoura.invalid/path", b"a=1.", "Bearer t0ken", time.monotonic() + SOON)

    assert peer.requests[0].startswith(b"POST http://viafoura.invalid/path HTTP/1.1\r\n")


def test_tunnels_through_the_proxy_to_tls(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy sees where to, and nothing else; that it hangs or refuses is a failure."""

    def refuse(peer: Peer) -> None:
        peer.requests.append(peer.connection.recv(65_536))
        peer.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with Peer(refuse) as peer:
        monkeypatch.setenv("HTTPS_PROXY", peer.url)
        with pytest.raises(ViafouraUnavailable, match="proxy"):
            transport.post("https://viafoura.invalid/path", b"a=1.", "Bearer t0ken", time.monotonic() + SOON)

    assert peer.requests[0].startswith(b"CONNECT viafoura.invalid:443 HTTP/1.")
    assert b"t0ken" not in peer.requests[0]


def test_a_proxy_that_hangs_or_drips_is_a_failure_in_time(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer to CONNECT has a deadline as a whole."""

    def drip(peer: Peer) -> None:
        peer.connection.recv(65_536)
        peer.say(b"HTTP/1.1 200 OK\r\n")
        while not peer.closed.wait(0.01):
            peer.say(b"X: y\r\n")

    with Peer(silence, drip) as peer:
        proxied_by(monkeypatch, peer.url)
        for _ in range(2):
            with pytest.raises(ViafouraUnavailable):
                post_to(transport, "https://viafoura.invalid/path", 0.4)

    assert peer.connections == 2


def test_a_proxy_at_a_dead_address_is_a_failure_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to the proxy is bounded as the way to Viafoura is."""
    with dead(3) as addresses:
        transport = Transport(network=Network(0.1, look_up=lambda name, port: addresses))
        proxied_by(monkeypatch, "http://proxy.test:3128")
        with pytest.raises(ViafouraUnavailable, match="no connection in time"):
            post_to(transport, "http://viafoura.test/path", 0.4)


LOOPBACK = [
    "127.0.0.1",
    "127.1.2.3",
    "127.1",
    "2130706433",
    "0x7f.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
]


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_nothing_on_this_machine_is_reached_through_a_proxy(
    host: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy would see the API key in clear, and could not reach this machine's loopback anyway."""
    with Peer(once(OK)) as peer, socket.create_server(("127.0.0.1", 0)) as proxy:
        proxied_by(monkeypatch, f"{scheme}://127.0.0.1:{proxy.getsockname()[1]}")
        transport = Transport(network=Network(600.0, look_up=lambda name, port: [address_of(peer)]))
        assert post_to(transport, f"http://{host}:80/path").status == 200
        transport.close()
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]"])
def test_nothing_on_this_machine_is_reached_through_a_proxy_by_ipv6(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in the other family."""
    asked: list[str] = []

    def look_up(name: str, port: int) -> list[Address]:
        asked.append(name)
        return []

    proxied_by(monkeypatch, "http://proxy.test:3128")
    with pytest.raises(ViafouraUnavailable):
        post_to(Transport(network=Network(600.0, look_up=look_up)), f"http://{host}:80/path")

    assert asked == [host.strip("[]")]


def test_a_host_that_only_looks_like_this_machine_goes_through_the_proxy(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that merely begins or ends like one of this machine's."""
    hosts = ["127.0.0.1.viafoura.invalid", "localhost.viafoura.invalid", "notlocalhost", "128.0.0.1", "[::2]"]
    with Peer(lambda peer: [once(OK)(peer) for _ in hosts]) as peer:
        proxied_by(monkeypatch, peer.url)
        for host in hosts:
            post_to(transport, f"http://{host}/path")

    assert len(peer.requests) == len(hosts)


@pytest.mark.parametrize("exempt", ["*", "viafoura.test", ".viafoura.test", "test", "other.test, api.viafoura.test"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_a_host_that_the_environment_exempts_is_reached_without_the_proxy(
    exempt: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``no_proxy``, in its forms."""
    with Peer(once(OK)) as peer:
        proxied_by(monkeypatch, "http://127.0.0.1:9")
        monkeypatch.setenv(name, exempt)
        transport = Transport(network=Network(600.0, look_up=lambda name, port: [address_of(peer)]))
        assert post_to(transport, "http://api.viafoura.test/path").status == 200
        transport.close()


# SOCKS.


class SocksProxy:
    """A SOCKS proxy for one connection, which it makes to ``peer`` whatever it is asked for."""

    def __init__(self, peer: Peer, *, password: bool = False) -> None:
        self._target = ("127.0.0.1", int(peer.url.rpartition(":")[2]))
        self._password = password
        self.asked: list[bytes] = []

    def __call__(self, proxy: Peer) -> None:
        connection = proxy.connection
        if connection.recv(1) == b"\x05":
            connection.recv(connection.recv(1)[0])
            proxy.say(b"\x05\x02" if self._password else b"\x05\x00")
            if self._password:
                self.asked.append(connection.recv(512))
                proxy.say(b"\x01\x00")
            self.asked.append(connection.recv(512))
            proxy.say(b"\x05\x00\x00\x01" + bytes(6))
        else:
            self.asked.append(connection.recv(512))
            proxy.say(b"\x00\x5a" + bytes(6))
        self._relay(connection)

    def _relay(self, connection: socket.socket) -> None:
        with socket.create_connection(self._target) as target:
            thread = threading.Thread(target=self._copy, args=(target, connection))
            thread.start()
            self._copy(connection, target)
            thread.join(SOON)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while octets := source.recv(65_536):
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_WR)


ASKED = {
    "socks5h": b"\x05\x01\x00\x03\x0dviafoura.test",
    "socks5": b"\x05\x01\x00\x01\x7f\x00\x00\x01",
    "socks4a": b"\x00\x00\x00\x01\x00viafoura.test\x00",
    "socks4": b"\x7f\x00\x00\x01\x00",
}


@pytest.mark.parametrize("scheme", ASKED)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_goes_through_a_socks_proxy(scheme: str, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions 4 and 5; the name is looked up by the proxy or here, as the proxy's URL says."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))

    def two_calls(peer: Peer) -> None:
        for _ in range(2):
            once(OK)(peer)

    with Peer(two_calls, tls=tls) as peer, Peer(socks := SocksProxy(peer)) as proxy:
        proxied_by(monkeypatch, f"{scheme}://proxy.test")
        found = {"proxy.test": address_of(proxy), "viafoura.test": address_of(peer)}
        transport = Transport(network=Network(600.0, look_up=lambda name, port: [found[name]]))
        url = f"{'https' if tls else 'http'}://viafoura.test/path"
        assert [post_to(transport, url).status for _ in range(2)] == [200, 200]
        transport.close()

    assert ASKED[scheme] in socks.asked[0]
    assert peer.connections == proxy.connections == 1
    assert b"Authorization: Bearer t0ken" in peer.requests[0]


def test_says_to_a_socks_proxy_what_its_url_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password, percent-decoded."""
    with Peer(once(OK)) as peer, Peer(socks := SocksProxy(peer, password=True)) as proxy:
        proxied_by(monkeypatch, proxy.url.replace("http://", "socks5h://ann:s%40cret@"))
        transport = Transport()
        assert post_to(transport, "http://viafoura.test/path").status == 200
        transport.close()

    assert socks.asked[0] == b"\x01\x03ann\x06s@cret"


def test_a_socks_proxy_has_a_port_though_its_url_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """1080."""
    asked: list[tuple[str, int]] = []

    def look_up(name: str, port: int) -> list[Address]:
        asked.append((name, port))
        return []

    proxied_by(monkeypatch, "socks5h://proxy.test")
    with pytest.raises(ViafouraUnavailable):
        post_to(Transport(network=Network(600.0, look_up=look_up)), "http://viafoura.test/")

    assert asked == [("proxy.test", 1080)]


def test_a_version_4_proxy_is_asked_for_no_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no words for one; that is a failure if there is no other."""
    v6: Address = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("2001:db8::1", 80, 0, 0))
    with Peer(lambda peer: peer.connection.recv(1)) as proxy:
        proxied_by(monkeypatch, "socks4://proxy.test")
        found = {"proxy.test": address_of(proxy), "viafoura.test": v6}
        network = Network(600.0, look_up=lambda name, port: [found[name]])
        with pytest.raises(ViafouraUnavailable, match=r"no connection through the proxy$"):
            post_to(Transport(network=network), "http://viafoura.test/")


def test_a_socks_proxy_that_refuses_hangs_or_drips_is_a_failure_in_time(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says has one deadline; and nothing of its URL is told."""

    def drip(peer: Peer) -> None:
        peer.say(b"\x05\x02\x01\x00\x05\x00\x00\x03\xff")
        while not peer.closed.wait(0.01):
            peer.say(b"x")

    def refuse(peer: Peer) -> None:
        peer.connection.recv(65_536)
        peer.say(b"\x05\xff")

    with Peer(refuse, silence, drip) as proxy:
        proxied_by(monkeypatch, proxy.url.replace("http://", "socks5h://ann:s3cret@"))
        reasons = []
        for seconds in (SOON, 0.5, 0.5):
            with pytest.raises(ViafouraUnavailable) as raised:
                post_to(transport, "https://viafoura.test/path", seconds)
            reasons.append(repr(raised.value) + repr(raised.value.__context__))

    assert "s3cret" not in "".join(reasons)
    assert ["in time" in reason for reason in reasons] == [False, True, True]
    assert proxy.connections == 3


# What is told.


def test_a_url_that_makes_no_sense_is_a_failure(transport: Transport) -> None:
    """Whatever requests raises, it is of one kind here."""
    with pytest.raises(ViafouraUnavailable, match=r"no answer \(InvalidURL\)"):
        transport.post("http://", b"", "", time.monotonic() + SOON)


def test_a_malformed_head_is_read_and_not_logged(transport: Transport, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 would log the lines that it cannot parse, which may hold a session."""
    caplog.set_level(logging.DEBUG)
    with Peer(once(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno header: \x00\r\ns3ssion\r\nX: y\r\n\r\n{}")) as peer:
        post(transport, peer)

    assert "s3ssion" not in caplog.text


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5h"])
@pytest.mark.parametrize("target", ["http", "https"])
def test_nothing_secret_is_told_whatever_the_proxy_does(
    scheme: str, target: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no level, by no logger, requests' and urllib3's included: no token, no form, no proxy's password."""
    caplog.set_level(1)
    told = []
    junk = b"HTTP/1.1 407 s3cret\r\nProxy-Authenticate: Basic realm=s3cret\r\nbad s3cret\r\n\r\n"
    with Peer(lambda peer: [peer.connection.recv(1), peer.say(junk)], lambda peer: None) as proxy:
        proxied_by(monkeypatch, proxy.url.replace("http://", f"{scheme}://ann:s3cret@"))
        for _ in range(3):
            transport = Transport()
            with suppress(ViafouraUnavailable):
                transport.post(f"{target}://viafoura.test/", b"s3cret=1.", "Bearer s3cret", time.monotonic() + 0.5)
            transport.close()
            told += [record.getMessage() + repr(record.exc_info) for record in caplog.records]

    assert told
    assert "s3cret" not in "".join(told)


def test_shows_nothing_of_an_answer() -> None:
    """An answer in a traceback's frame is just that."""
    assert "s3ssion" not in repr(Answer(200, {}, b"s3ssion"))
