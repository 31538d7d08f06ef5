"""Servers that end in order: the logouts that a worker owes are made before it is gone."""

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.servers import environ_of_process, free_port
from viafoura_mw.testing import Fault, SimulatedViafoura

SITE = """
import os
from viafoura_mw import Settings
from viafoura_mw.runtime import viafoura_of
from viafoura_mw.viafoura.sessions import Sessions
settings = Settings.from_env()
sessions = Sessions(viafoura_of(settings), timeout=2.0)
def application(environ, start_response):
    if environ["PATH_INFO"] == "/sign-out":
        sessions.logout(f"session{os.getpid()}")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI_SITE = """
import os
from starlette.applications import Starlette
from viafoura_mw import Settings
from viafoura_mw.asgi import ViafouraMiddleware
from viafoura_mw.runtime import viafoura_of
from viafoura_mw.viafoura.sessions import Sessions
settings = Settings.from_env()
sessions = Sessions(viafoura_of(settings), timeout=2.0)
async def silent(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("knows no " + scope["type"])
    if scope["path"] == "/sign-out":
        sessions.logout(f"session{os.getpid()}")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
speaking = Starlette()
speaking.mount("/", silent)
speaking, silent = ViafouraMiddleware(speaking, settings), ViafouraMiddleware(silent, settings)
"""
GUNICORN = ["-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "10"]
UVICORN = ["-m", "uvicorn", "--port", "{port}"]
HYPERCORN = ["-m", "hypercorn", "--bind", "127.0.0.1:{port}"]
GRANIAN = ["-m", "granian", "--interface", "asgi", "--port", "{port}"]
ASGI_SERVERS = {
    "uvicorn": (UVICORN, signal.SIGTERM),
    "uvicorn, interrupted": (UVICORN, signal.SIGINT),
    "uvicorn, workers": ([*UVICORN, "--workers", "2"], signal.SIGTERM),
    "gunicorn with uvicorn's worker": ([*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker"], signal.SIGTERM),
    "Hypercorn": (HYPERCORN, signal.SIGTERM),
    "Hypercorn, trio": ([*HYPERCORN, "--worker-class", "trio"], signal.SIGTERM),
    "Granian": (GRANIAN, signal.SIGTERM),
    "Daphne": (["-m", "daphne", "-b", "127.0.0.1", "-p", "{port}"], signal.SIGTERM),
}
SERVERS = {
    "gunicorn": ([*GUNICORN, "site_of_old"], signal.SIGTERM),
    "gunicorn, threads": ([*GUNICORN, "--threads", "2", "site_of_old"], signal.SIGTERM),
    "gunicorn, max_requests": ([*GUNICORN, "--max-requests", "1", "site_of_old"], None),
    "waitress": (["-m", "waitress", "--listen", "127.0.0.1:{port}", "site_of_old:application"], signal.SIGINT),
}


def fetch(port: int, path: str) -> bool:
    """Whether the server has answered."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return bool(answer.read())
    except OSError:
        return False


@pytest.mark.parametrize(("command", "ends_by"), SERVERS.values(), ids=SERVERS)
def test_a_worker_makes_the_logouts_that_it_owes(
    viafoura: SimulatedViafoura, tmp_path: Path, command: list[str], ends_by: signal.Signals | None
) -> None:
    """The access token comes slowly, so that the logout is still to be made when the worker ends."""
    (tmp_path / "site_of_old.py").write_text(SITE)

    said = _sign_out_and_end(viafoura, tmp_path, command, ends_by)

    assert viafoura.count("logout") == 1
    assert b"Traceback" not in said


@pytest.mark.parametrize("site", ["speaking", "silent"])
@pytest.mark.parametrize(("command", "ends_by"), ASGI_SERVERS.values(), ids=ASGI_SERVERS)
def test_an_asgi_worker_makes_the_logouts_that_it_owes(
    viafoura: SimulatedViafoura, tmp_path: Path, command: list[str], ends_by: signal.Signals, site: str
) -> None:
    """Whether or not the site speaks the lifespan protocol, and whatever the server does with the signal after it."""
    (tmp_path / "site_of_new.py").write_text(ASGI_SITE)

    said = _sign_out_and_end(viafoura, tmp_path, [*command, f"site_of_new:{site}"], ends_by)

    assert viafoura.count("logout") == 1
    assert b"Traceback" not in said


def _sign_out_and_end(
    viafoura: SimulatedViafoura, folder: Path, command: list[str], ends_by: signal.Signals | None
) -> bytes:
    """Have a server's worker asked to sign somebody out, end the server, and give what it has written."""
    viafoura.fail("token", Fault.delay(0.3))
    port = free_port()
    environ = environ_of_process(viafoura.environ())
    environ["PYTHONPATH"] = f"{folder}:{environ.get('PYTHONPATH', '')}"
    arguments = [sys.executable, *(part.format(port=port) for part in command)]
    server = subprocess.Popen(arguments, env=environ, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not fetch(port, "/sign-out"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if ends_by:
            server.send_signal(ends_by)
            server.wait(30)
        viafoura.wait_for("logout", 1)
    finally:
        server.terminate()
        _, said = server.communicate(timeout=30)
    return said
