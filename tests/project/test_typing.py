"""What type checkers make of the middleware under the frameworks that have types."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = """
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from viafoura_mw import Settings, asgi, wsgi

settings: Settings = Settings.from_env({"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key"})


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return []


wrapped: WSGIApplication = wsgi.ViafouraMiddleware(plain, settings)
twice: WSGIApplication = wsgi.ViafouraMiddleware(wrapped)
flask: WSGIApplication = wsgi.ViafouraMiddleware(Flask("site"), settings=settings)
django: WSGIApplication = wsgi.ViafouraMiddleware(get_wsgi_application())

starlette = Starlette(middleware=[Middleware(asgi.ViafouraMiddleware, settings=settings)])
starlette.add_middleware(asgi.ViafouraMiddleware)
fastapi = FastAPI()
fastapi.add_middleware(asgi.ViafouraMiddleware, settings=settings)
around_fastapi: ASGIApp = asgi.ViafouraMiddleware(fastapi)
django_async: ASGIApp = asgi.ViafouraMiddleware(get_asgi_application())
"""


def checked(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=cwd)


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if "pyright" in modules and not (shutil.which("node") and shutil.which("npm")):
        missing.append("Node.js")
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A module that mounts the middleware in every way."""
    path = tmp_path / "site_with_types.py"
    path.write_text(SITE)
    return path


@needs("mypy", "mypy_django_plugin")
def test_mypy_takes_every_way_to_mount_it(site: Path) -> None:
    """Flask, Django, Starlette, FastAPI and plain applications are wrapped without a complaint or an ignore."""
    done = checked("mypy", "--strict", "--config-file", "/dev/null", str(site))

    assert done.returncode == 0, done.stdout


@needs("pyright", "mypy_django_plugin")
def test_pyright_takes_every_way_to_mount_it(site: Path) -> None:
    """The same for the other checker, the one in editors."""
    configuration = site.parent / "pyrightconfig.json"
    configuration.write_text('{"typeCheckingMode": "strict", "reportMissingTypeStubs": false}')

    done = checked("pyright", "--pythonpath", sys.executable, "--project", str(configuration))

    assert done.returncode == 0, done.stdout


@needs("pyright")
def test_every_public_name_has_a_type() -> None:
    """Nothing that the package exports is left for a checker to guess."""
    done = checked("pyright", "--pythonpath", sys.executable, "--verifytypes", "viafoura_mw", "--ignoreexternal")

    assert done.returncode == 0, done.stdout
