"""What a type checker makes of the middleware under the frameworks that have types."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SITES = """
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.types import ASGIApp

from viafoura_mw import Settings, asgi, wsgi

settings: Settings = Settings.from_env({"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key"})


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return []


wrapped: WSGIApplication = wsgi.ViafouraMiddleware(plain, settings)
twice: WSGIApplication = wsgi.ViafouraMiddleware(wrapped)
flask: WSGIApplication = wsgi.ViafouraMiddleware(Flask("site"), settings=settings)

starlette = Starlette()
starlette.add_middleware(asgi.ViafouraMiddleware)
fastapi = FastAPI()
fastapi.add_middleware(asgi.ViafouraMiddleware, settings=settings)
around: ASGIApp = asgi.ViafouraMiddleware(fastapi)
"""


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_a_strict_type_checker_takes_every_way_to_mount_it(tmp_path: Path) -> None:
    """Flask, Starlette, FastAPI and plain applications are wrapped without a complaint or an ignore."""
    site = tmp_path / "site_with_types.py"
    site.write_text(SITES)
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "/dev/null", str(site)]

    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)

    assert checked.returncode == 0, checked.stdout
