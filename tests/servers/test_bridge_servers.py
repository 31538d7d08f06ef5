"""The bridge on servers that start their processes anew, have many, or have no threads: one page, and one login."""

import contextlib
import json
import re
import secrets
from typing import Any

import pytest

from tests.support.servers import SERVERS, TEN_PROCESSES, Browser, Running, Server
from viafoura_mw.testing import SimulatedViafoura

#: Ten processes, no threads, green ones, trio.
MACHINES = [
    TEN_PROCESSES,
    *(server for server in SERVERS if server.name in ("uWSGI", "gunicorn gevent", "Hypercorn trio")),
]
SECRET = "a-secret-of-every-process-of-the-site's"


def ask(browser: Browser, name: str = "session") -> dict[str, Any]:
    echo = secrets.token_hex(16)
    asked = {"X-Viafoura-Bridge": echo, "Sec-Fetch-Site": "same-origin", "Content-Length": "0"}
    answer = browser.ask("POST", f"/_viafoura/{name}", asked, b"")
    assert answer.status == 200, answer
    told: dict[str, Any] = json.loads(answer.body)
    assert told.pop("for") == echo
    return told


def question(running: Running, cookies: dict[str, str]) -> tuple[bytes, bytes, dict[str, Any]]:
    """What comes on connections of their own: the page's and the script's bytes, and what is told."""
    with Browser(running.port, cookies=cookies, closes=True) as browser:
        return browser.get("/public/1").body, browser.get("/_viafoura/bridge.js").body, ask(browser)


@pytest.mark.parametrize("server", MACHINES, ids=lambda server: server.name)
def test_any_process_answers_for_any_other(server: Server, viafoura: SimulatedViafoura) -> None:
    """One sequence of bytes, one script, one session for all of a browser's questions; after a restart too."""
    if server.missing:
        pytest.skip(server.missing)
    settings = {**viafoura.environ(), "VIAFOURA_APP": f"tests.sites.cached:{server.door}", "VIAFOURA_BRIDGE": "1"}
    settings |= {"VIAFOURA_COOKIE_SECRET": SECRET, "VIAFOURA_TIMEOUT": "20", "VIAFOURA_AUTH_COOKIES": "reader"}
    cookies = {"reader": "1"}
    came = []
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(server.serving(f"viafoura_mw.{server.door}", settings))
        came += [question(running, cookies) for _ in range(2 * server.processes)]
        if server.processes > 1 or server.name == "uWSGI":
            running.end()
            running = stack.enter_context(server.serving(f"viafoura_mw.{server.door}", settings))
            came.append(question(running, cookies))
        with Browser(running.port, cookies=cookies, closes=True) as browser:
            out = ask(browser, "logout")
            viafoura.wait_for("logout")

    pages, scripts, told = zip(*came, strict=True)
    assert len({re.sub(rb"<i>\d+</i>", b"", page) for page in pages}) == len({*scripts}) == 1
    assert b'type="text/x-viafoura-parked"' in pages[0]
    assert {each["state"] for each in told} == {"signed-in"}
    assert len({each["session"] for each in told}) == 1
    assert (viafoura.count("login"), viafoura.count("logout")) == (1, 1)
    assert out == {"state": "nobody", "user_id": None, "session": None}
