"""Megabytes of headers, to a server that bounds none: the middleware makes of them what the bare site does."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.bench.hostile import SHAPES, both, cost, request
from tests.support.servers import Running, uncut


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Running, Running]]:
    """uvicorn with httptools and a site, bare and wrapped."""
    with ExitStack() as stack:
        yield both(stack)


@pytest.mark.parametrize("shape", SHAPES)
def test_four_megabytes_of_headers(servers: tuple[Running, Running], shape: str) -> None:
    """The page is the bare site's. The processor time is of the bare site's order, and the memory is given back.

    What grows with the square of what was sent takes a hundred times as much.
    """
    sent = request(shape)
    for running in servers:
        cost(running, sent)  # what a first such request makes for good
    bare, wrapped = (cost(running, sent) for running in servers)

    assert wrapped.answer.startswith(b"HTTP/1.1 200 ")
    assert uncut(wrapped.answer).partition(b"\r\n\r\n")[2] == uncut(bare.answer).partition(b"\r\n\r\n")[2]
    assert wrapped.seconds <= 5 * bare.seconds + 1.0
    assert wrapped.grown <= max(bare.grown, 0) + 16 * 1024
