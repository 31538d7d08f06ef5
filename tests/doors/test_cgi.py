"""The CGI door: one request, one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT, environ_of_process
from viafoura_mw.cgi import PATIENCE
from viafoura_mw.testing import Fault, SimulatedViafoura

SITE = """
import os
print("loading")

def application(environ, start_response):
    print("serving")
    os.system("echo from a child")
    if "REMOTE_USER" in environ:
        assert environ["wsgi.run_once"]
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b'<script id="viafoura-platform"></script>' + environ["wsgi.input"].read()]

def broken(environ, start_response):
    raise OSError("no directory")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "cgi_site.py"
    file.write_text(SITE)
    return file


def served(
    environ: dict[str, str], *, method: str = "GET", body: bytes = b"", **request: str
) -> subprocess.CompletedProcess[bytes]:
    """What a web server gets of the CGI program."""
    meta = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "site.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_ACCEPT": "text/html",
        **request,
    }
    return subprocess.run(
        [sys.executable, "-m", "viafoura_mw.cgi"],
        env={**environ_of_process(environ), **meta},
        cwd=ROOT,
        input=body,
        capture_output=True,
        timeout=2 * PATIENCE,
    )


def test_serves_a_signed_in_users_page(viafoura: SimulatedViafoura, site: Path) -> None:
    """The response alone is on the standard output; what the site prints is on the standard error."""
    environ = {**viafoura.environ(), "VIAFOURA_APP": str(site)}
    process = served(environ, method="POST", body=b"<p>sent", REMOTE_USER="ann")
    head, _, body = process.stdout.partition(b"\r\n\r\n")
    assert process.returncode == 0
    assert head.startswith(b"Status: 200 OK\r\n")
    assert b"Set-Cookie: viafoura_mw=" in head
    assert body.startswith(b'<script id="viafoura-platform" data-uid=')
    assert body.endswith(b"<p>sent")
    assert [line for line in process.stderr.split() if line in (b"loading", b"serving", b"child")] == [
        b"loading",
        b"serving",
        b"child",
    ]


def test_ends_when_the_logout_has_ended(viafoura: SimulatedViafoura, site: Path) -> None:
    """A call that is under way is not lost with the process."""
    environ = {**viafoura.environ(), "VIAFOURA_APP": str(site)}
    head = served(environ, REMOTE_USER="ann").stdout.decode()
    cookie = head.partition("Set-Cookie: ")[2].partition(";")[0]
    viafoura.fail("logout", Fault.delay(0.5), times=1)
    served(environ, HTTP_COOKIE=cookie)
    assert viafoura.count("logout") == 1
    assert viafoura.sessions == {}


def test_what_the_site_raises_is_the_servers_to_report(viafoura: SimulatedViafoura, site: Path) -> None:
    """As of any CGI program: a 500, and the traceback on the standard error."""
    process = served({**viafoura.environ(), "VIAFOURA_APP": f"{site}:broken"})
    assert process.stdout.startswith(b"Status: 500")
    assert b"no directory" in process.stderr


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "VIAFOURA_APP is not set"),
        ({"VIAFOURA_APP": "/nowhere.wsgi"}, "VIAFOURA_APP=/nowhere.wsgi cannot be loaded"),
    ],
)
def test_wrong_settings_end_it_with_one_error(environ: dict[str, str], problem: str) -> None:
    """Which names the variable."""
    process = served(environ)
    assert process.returncode == 1
    assert process.stdout == b""
    assert problem.encode() in process.stderr
    assert b"Traceback" not in process.stderr


def test_disabled_it_serves_the_application_alone(site: Path) -> None:
    """No other variable is needed."""
    process = served({"VIAFOURA_APP": str(site), "VIAFOURA_ENABLED": "0"}, REMOTE_USER="ann")
    assert process.stdout.endswith(b'<script id="viafoura-platform"></script>')
    assert os.linesep not in process.stdout.decode().partition("\r\n\r\n")[2]
