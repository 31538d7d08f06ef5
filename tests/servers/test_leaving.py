"""A visitor who leaves while a first login is slow: nothing is logged, nothing is lost, and others are served."""

import socket

import pytest

from tests.sites.leaving import END, PAGE, USER
from tests.support.servers import PATIENCE, SERVERS, Browser, Server
from viafoura_mw.testing import Fault, SimulatedViafoura

SITES = ("starlette", "django", "quart")
#: uvicorn tells the application of a visitor who has left; Hypercorn, Daphne and Granian cancel what it does.
NAMES = ("uvicorn", "Hypercorn asyncio", "Daphne", "Granian ASGI")
ONE_OF_EACH = [server for server in SERVERS if server.name in NAMES]
COMPLAINTS = ("Traceback", "Exception", "ERROR", "assert", "never retrieved", "without completing")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("server", ONE_OF_EACH, ids=lambda server: server.name)
def test_a_visitor_who_leaves_during_a_slow_first_login(server: Server, site: str) -> None:
    """The server writes no complaint, and the next visitor's page is whole and carries their pair."""
    if server.missing:
        pytest.skip(server.missing)
    with SimulatedViafoura() as viafoura:
        environ = {
            **viafoura.environ(),
            "SITE": site,
            "VIAFOURA_APP": "tests.sites.leaving:app",
            "VIAFOURA_USER_ID": f"response:{USER}",
            "VIAFOURA_TIMEOUT": "20",
        }
        with server.serving("viafoura_mw.asgi", environ) as running:
            viafoura.fail("login", Fault.hang())
            _leave_while_waiting(running.port, viafoura)
            viafoura.heal()
            with Browser(running.port) as browser:
                page = browser.get("/?user=ben")
            assert running.end()
            said = running.said()

    assert page.pair is not None
    assert page.body.endswith(b"</script>" + END)
    assert not [line for line in said.splitlines() if any(word in line for word in COMPLAINTS)]


def _leave_while_waiting(port: int, viafoura: SimulatedViafoura) -> None:
    request = b"GET /?user=ann HTTP/1.1\r\nHost: site.example\r\nAccept: text/html\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(request)
        viafoura.wait_for("login", timeout=PATIENCE)


def test_the_pages_that_visitors_leave_have_the_tag() -> None:
    """Without it nobody would wait."""
    assert b"viafoura-platform" in PAGE
