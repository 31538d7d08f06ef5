"""A site's own deadline that passes while Viafoura hangs: the page leaves whole, after one wait."""

import time

import pytest

from tests.sites.deadline import BUSY, PAGE
from tests.support.servers import PATIENCE, SERVERS, Browser
from viafoura_mw.testing import Fault, SimulatedViafoura

WAIT = 25.0  # seconds that a page may wait for Viafoura: a second wait alone would take so long
CASES = {
    "alarm": "gunicorn sync",
    "gevent": "gunicorn gevent",
    "asyncio": "uvicorn",
}


@pytest.mark.parametrize(("deadline", "name"), CASES.items(), ids=CASES)
def test_a_page_whose_wait_is_broken_off_leaves_whole(deadline: str, name: str) -> None:
    """As it came, and once: neither a second wait nor the site's answer that it is busy comes after it."""
    server = next(server for server in SERVERS if server.name == name)
    if server.missing:
        pytest.skip(server.missing)
    with SimulatedViafoura() as viafoura:
        environ = {**viafoura.environ(), "DEADLINE": deadline, "VIAFOURA_TIMEOUT": str(WAIT)}
        with server.serving("tests.sites.deadline", environ) as running:
            viafoura.fail("login", Fault.hang())
            viafoura.clear_calls()
            with Browser(running.port, closes=True, cookies={"sid": "1"}) as browser:
                began = time.monotonic()
                page = browser.get()
                took = time.monotonic() - began
            said = running.said()

    assert took < WAIT < PATIENCE
    assert page.status == 200
    assert page.body == PAGE
    assert page.get("set-cookie") is None
    assert BUSY not in page.body
    assert viafoura.count("login") == 1
    assert "Traceback" not in said
