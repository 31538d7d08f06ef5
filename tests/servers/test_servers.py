"""Real servers: the matrix of servers and frameworks, and who can say on which of them who the user is."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests import matrix
from tests.matrix import CELLS, CELLS_AT_ONCE, Cell
from tests.support.servers import ROOT, SERVERS, TWISTED, Running, Server, exchange
from viafoura_mw.testing import SimulatedViafoura

# The matrix.


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[Cell, "Future[None]"]]:
    """The checks of the cells that are asked for, a few at a time: a test waits for its own."""
    specs = (getattr(item, "callspec", None) for item in request.session.items)
    wanted: list[Cell] = [spec.params["cell"] for spec in specs if spec and "cell" in spec.params]
    with ThreadPoolExecutor(CELLS_AT_ONCE) as pool:
        yield {cell: pool.submit(matrix.check, *cell) for cell in wanted if not cell[0].missing}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("cell", CELLS, ids=matrix.name_of)
def test_keeps_every_promise_of_the_matrix(cell: Cell, request: pytest.FixtureRequest) -> None:
    """On each server with each framework: the promises of :data:`tests.matrix.PROMISES`."""
    if cell[0].missing:
        pytest.skip(cell[0].missing)

    request.getfixturevalue("outcomes")[cell].result()


def test_leaves_out_only_cells_that_there_are() -> None:
    """Each line of the table of what is left out names a server or a door, and a site."""
    places = {name for server in SERVERS for name in (server.name, server.door)}
    sites = {site.name for site in matrix.SITES}

    assert {where for where, _, _ in matrix.LEFT_OUT} <= places
    assert {what for _, what, _ in matrix.LEFT_OUT} <= sites
    assert all(site.wsgi if server.door == "wsgi" else site.asgi for server, site in CELLS)


def test_the_pages_table_is_the_matrix() -> None:
    """The docs' table is the one that ``python -m tests.matrix --write .docs/servers.md`` writes when all is well."""
    written = matrix.in_page((ROOT / ".docs/servers.md").read_text("utf-8"))

    assert written == matrix.table(matrix.kept)


# Who can say who the user is.

SECRET = "a-secret-that-only-the-proxy-knows"
GENUINE = f"X-Viafoura-Proxy-Secret: {SECRET}"
PROXY, STRANGER = "127.0.0.1", "127.0.0.2"

#: What a stranger may try, or make the proxy pass on: where it comes from, and the request's headers.
SPOOFS = {
    "no secret": (PROXY, "X-Forwarded-User: 1001"),
    "a wrong secret": (PROXY, f"X-Forwarded-User: 1001\nX-Viafoura-Proxy-Secret: {SECRET[:-1]}"),
    "an empty secret": (PROXY, "X-Forwarded-User: 1001\nX-Viafoura-Proxy-Secret:"),
    "the secret twice": (PROXY, f"X-Forwarded-User: 1001\n{GENUINE}\n{GENUINE}"),
    "another peer": (STRANGER, f"X-Forwarded-User: 1001\n{GENUINE}"),
    "another peer that says it is the proxy": (
        STRANGER,
        f"X-Forwarded-User: 1001\nX-Forwarded-For: {PROXY}\nForwarded: for={PROXY}\nX-Real-IP: {PROXY}\n{GENUINE}",
    ),
    "the header twice": (PROXY, f"X-Forwarded-User: 1001\nX-Forwarded-User: 1002\n{GENUINE}"),
    "the header twice, in other cases": (PROXY, f"x-forwarded-user: 1001\nX-FORWARDED-USER: 1002\n{GENUINE}"),
    "two in one header": (PROXY, f"X-Forwarded-User: 1001, 1002\n{GENUINE}"),
}
#: An underscore spelling beside the proxy's own header: nobody, or whom the proxy says, but never the other one.
BESIDE = {
    "underscores, after": f"X-Forwarded-User: 1001\nX_Forwarded_User: 1002\n{GENUINE}",
    "underscores, before": f"X_Forwarded_User: 1002\nX-Forwarded-User: 1001\n{GENUINE}",
    "one underscore": f"X-Forwarded-User: 1001\nX-Forwarded_User: 1002\n{GENUINE}",
    "a reader beside nobody": f"X-Forwarded-User:\nX_Forwarded_User: 1002\n{GENUINE}",
    "nobody beside a reader": f"X-Forwarded-User: 1001\nX_Forwarded_User:\n{GENUINE}",
    "a secret beside the secret": f"X-Forwarded-User: 1001\n{GENUINE}\nX_Viafoura_Proxy_Secret: {SECRET}",
}
#: The servers on which the later of two spellings counts, so that no header is believed.
REPLACING = ("cheroot", "Granian WSGI", "Twisted")


@pytest.fixture(scope="module", params=[*SERVERS, TWISTED], ids=lambda server: server.name)
def proxied(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Running, SimulatedViafoura]]:
    """A server that is told to believe one proxy, which knows a secret and comes from one address."""
    server: Server = request.param
    if server.missing:
        pytest.skip(server.missing)
    with SimulatedViafoura() as viafoura:
        settings = {
            "VIAFOURA_APP": f"tests.sites.plain_{server.door}:application",
            "VIAFOURA_USER": "oauth2-proxy",
            "VIAFOURA_PROXY_SECRET": SECRET,
            "VIAFOURA_TRUSTED_PROXIES": PROXY,
            **viafoura.environ(),
        }
        with server.serving(f"viafoura_mw.{server.door}", settings) as running:
            yield server, running, viafoura


def _who(running: Running, viafoura: SimulatedViafoura, source: str, headers: str) -> str | None:
    """The id of the user whose session a page carries that is asked for with these headers; ``None`` for nobody."""
    page = exchange(running.port, f"GET / HTTP/1.1\nAccept: text/html\n{headers}", source=source)
    assert page.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")), page
    found = re.search(rb'data-uid="([0-9]+)"', page)
    if not found:
        return None
    (who,) = (account.id for account in viafoura.users.values() if account.user_id == int(found[1]))
    return who


def test_believes_the_proxy(proxied: tuple[Server, Running, SimulatedViafoura]) -> None:
    """The proxy that is set says who the user is; where its header can be replaced nobody does, and the log says so."""
    server, running, viafoura = proxied
    refused = server.name in REPLACING

    who = _who(running, viafoura, PROXY, f"X-Forwarded-User: 1001\n{GENUINE}")

    assert who == (None if refused else "1001")
    assert ("header: sources are refused" in running.said()) == refused


@pytest.mark.parametrize("spoof", SPOOFS)
def test_nobody_is_signed_in_by_a_header(spoof: str, proxied: tuple[Server, Running, SimulatedViafoura]) -> None:
    """A header that does not come from the proxy once, and once only, says nothing."""
    _, running, viafoura = proxied

    assert _who(running, viafoura, *SPOOFS[spoof]) is None
    assert "1002" not in viafoura.users


@pytest.mark.parametrize("spoof", BESIDE)
def test_an_underscore_replaces_no_header(spoof: str, proxied: tuple[Server, Running, SimulatedViafoura]) -> None:
    """Whatever is sent in another spelling beside the proxy's header, nobody else is signed in by it."""
    server, running, viafoura = proxied

    who = _who(running, viafoura, PROXY, BESIDE[spoof])

    assert who in ((None,) if server.name in REPLACING else (None, "1001"))
    assert "1002" not in viafoura.users
