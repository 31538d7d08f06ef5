"""One POST over real sockets: bounded as a whole, told nothing by the environment but proxies and certificates."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.viafoura.transport import MAX_ANSWER, Answer, BoundedReads, Transport

CERTIFICATE = Path(__file__).with_name("loopback.pem")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
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


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport whose connections are closed in the end."""
    transport = Transport()
    yield transport
    transport.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates but those that a test names."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def post(transport: Transport, peer: Peer, seconds: float = SOON) -> Answer:
    return transport.post(f"{peer.url}/path", b"a=1.", "Bearer t0ken", time.monotonic() + seconds)


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


def test_nothing_is_read_after_the_deadline() -> None:
    """Not even what is there already: bytes that always come would never end."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as file:
        theirs.sendall(b"x")
        ours.settimeout(0.0)
        with BoundedReads(ours) as reads, pytest.raises(TimeoutError):
            reads.read(1)
        assert file.peek()


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


def test_shows_nothing_of_an_answer() -> None:
    """An answer in a traceback's frame is just that."""
    assert "s3ssion" not in repr(Answer(200, {}, b"s3ssion"))
