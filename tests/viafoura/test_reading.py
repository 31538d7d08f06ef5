"""What is read from a socket, and when no more is."""

import socket
from collections.abc import Iterator

import pytest

from viafoura_mw.viafoura.reading import MAX_READ, AnswerFile, BoundedReads, TooLong
from viafoura_mw.viafoura.transport import MAX_ANSWER

SOON = 10.0  # seconds within which what must happen happens, on any machine


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection's two ends, of which ours has time."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(SOON)
        yield ours, theirs


def test_so_many_bytes_are_read_and_no_more(ends: tuple[socket.socket, socket.socket]) -> None:
    """Of one socket, for one answer."""
    ours, theirs = ends
    theirs.sendall(b"xyz")

    with BoundedReads(ours, most=2) as reads:
        assert reads.read(2) == b"xy"
        with pytest.raises(TooLong):
            reads.read(1)
    assert MAX_READ > 2 * MAX_ANSWER


def test_nothing_is_read_after_the_deadline() -> None:
    """Not even what is there already: bytes that always come would never end."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as file:
        theirs.sendall(b"x")
        ours.settimeout(0.0)
        with BoundedReads(ours) as reads, pytest.raises(TimeoutError):
            reads.read(1)
        assert file.peek()


@pytest.mark.parametrize(("came", "goes_on"), [(b"ab", False), (b"abc", True)])
def test_bytes_that_are_no_part_of_the_answer_end_the_connection(
    ends: tuple[socket.socket, socket.socket], came: bytes, goes_on: bool
) -> None:
    """Only those: a connection that is clean is kept; and an end is an end once."""
    ours, theirs = ends
    theirs.sendall(came)
    file = AnswerFile(BoundedReads(ours))
    assert file.read(2) == b"ab"

    file.close()
    file.close()

    theirs.setblocking(False)
    if goes_on:
        assert theirs.recv(1) == b""
    else:
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def test_the_end_of_a_connection_that_has_ended_is_nothing(ends: tuple[socket.socket, socket.socket]) -> None:
    """Whoever was first."""
    ours, _ = ends
    reads = BoundedReads(ours)

    ours.close()
    reads.end_connection()
    reads.close()
