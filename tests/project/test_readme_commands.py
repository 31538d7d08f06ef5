"""What the README tells to type does what it says: every way to start a site, typed as it stands there."""

import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo_process import running_demo
from tests.support.readme import README, blocks, page
from tests.support.servers import ROOT, Browser, serving
from viafoura_mw.testing import SimulatedViafoura

_SITES = {
    "Django": """
        from django.conf import settings
        from django.core.wsgi import get_wsgi_application
        from django.http import HttpResponse
        from django.urls import path

        settings.configure(
            ALLOWED_HOSTS=["*"],
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
            ROOT_URLCONF=__name__,
            SECRET_KEY="only for this test",
        )
        application = get_wsgi_application()

        def front(request):
            from django.contrib.auth.models import User

            request.user = User(pk=17, username="ann")
            return HttpResponse(PAGE)

        urlpatterns = [path("", front)]
        """,
    "Flask": """
        from flask import Flask, request

        def create_app():
            app = Flask(__name__)

            @app.get("/")
            def front():
                request.environ["REMOTE_USER"] = "17"
                return PAGE

            return app

        app = create_app()
        """,
    "FastAPI": """
        from fastapi import FastAPI, Request
        from fastapi.responses import HTMLResponse

        app = FastAPI()

        @app.get("/", response_class=HTMLResponse)
        def front(request: Request):
            request.scope["user"] = {"id": "17", "name": "ann"}
            return PAGE
        """,
    "Pyramid": """
        from pyramid.config import Configurator
        from pyramid.response import Response

        class Policy:
            def identity(self, request):
                return {"name": "ann"}

            def authenticated_userid(self, request):
                return "17"

        def main(global_config, **settings):
            with Configurator() as config:
                config.set_security_policy(Policy())
                config.add_route("front", "/")
                config.add_view(lambda request: Response(PAGE), route_name="front")
                return config.make_wsgi_app()
        """,
}
_SITES["any, under gunicorn"] = _SITES["Flask"]
_PAGE = "PAGE = '<!doctype html><title>News</title><script id=\"viafoura-platform\"></script>'\n"
_INI = """
[app:site]
paste.app_factory = mysite:main

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:%(http_port)s

"""
#: How each program is told the port; the README leaves it at its default.
_PORTS = {
    "gunicorn": "gunicorn --bind=127.0.0.1:$PORT",
    "waitress-serve": "waitress-serve --listen=127.0.0.1:$PORT",
    "uvicorn": "uvicorn --port=$PORT",
    "pserve": "pserve",
}


def _ways() -> Iterator[tuple[str, str, str]]:
    """The rows of the table: the site, how it was started, and how it is."""
    section = README.partition("| your site | was started by | is started by |")[2].partition("\n\n")[0]
    for row in section.strip().splitlines()[1:]:
        site, was, now = (cell.strip() for cell in row.strip("|").split(" | "))
        before, after = (re.findall(r"`([^`]+)`", cell)[-1] for cell in (was, now))
        if "the same, with" in now:
            after = f"{after} {before}"
        if "samples/" not in now:
            yield site, before, after


WAYS = {site: (before, after) for site, before, after in _ways()}


def typed(line: str) -> str:
    """A line with the port in it."""
    (name,) = _PORTS.keys() & set(shlex.split(line))
    whole = re.sub(rf"(?<![\w./]){re.escape(name)} ", lambda _: f"{_PORTS[name]} ", line, count=1)
    return f"{whole} http_port=$PORT" if name == "pserve" else whole


def script(*lines: str) -> str:
    """A script of lines, of which the last is the one process that is left; assignments may stand ahead of it."""
    *before, last = lines
    return "\n".join(["set -e", *before, f"exec env {last}"])


@pytest.fixture
def told() -> Iterator[SimulatedViafoura]:
    """A Viafoura that knows the site of the README's two lines."""
    values = dict(re.findall(r"^export VIAFOURA_(\w+)=(\S+)$", exports(), re.MULTILINE))
    assert values.keys() == {"SITE_ID", "API_KEY"}
    with SimulatedViafoura(site_id=values["SITE_ID"], api_key=values["API_KEY"]) as simulated:
        yield simulated


def exports() -> str:
    (block,) = [block for block in blocks("sh") if "export " in block]
    return block


def written(site: str, folder: Path) -> None:
    """The site, by the name that the README gives it, in ``folder``."""
    module = folder / ("mysite/wsgi.py" if site == "Django" else "mysite.py")
    module.parent.mkdir(exist_ok=True)
    module.write_text(_PAGE + textwrap.dedent(_SITES[site]))
    (folder / "site.ini").write_text(_INI + "[pipeline:main]\npipeline = site\n")


def test_every_kind_of_site_is_started_here() -> None:
    """No row of the table is left out."""
    assert WAYS.keys() == _SITES.keys()


@pytest.mark.parametrize("site", WAYS)
def test_a_site_is_started_by_the_line_that_stands_there(site: str, tmp_path: Path, told: SimulatedViafoura) -> None:
    """Two exports and one line: the page that was without a session has one, of the user the site says."""
    before, after = WAYS[site]
    written(site, tmp_path)
    # A busy machine's login is late: the page waits for it.
    environ = {"PYTHONPATH": str(tmp_path), "VIAFOURA_API_URL": told.url, "VIAFOURA_TIMEOUT": "30"}

    def asked(*lines: str) -> tuple[str, str] | None:
        def start(port: int, _: Path) -> list[str]:
            return ["env", f"PORT={port}", "sh", "-c", script(*lines[:-1], typed(lines[-1]))]

        with serving(start, environ, cwd=tmp_path) as running, Browser(running.port, closes=True) as browser:
            return browser.get().pair

    assert asked(before) is None
    if site == "Pyramid":
        (tmp_path / "site.ini").write_text(_INI + blocks("ini", page("servers"))[0])
    pair = asked(exports(), after)

    assert pair is not None
    assert told.users["17"].user_id == int(pair[0])


def test_the_demo_is_started_by_the_line_that_stands_there(tmp_path: Path) -> None:
    """One line in a checkout, on a machine that has Python: it makes its own environment, and no more is needed."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "viafoura_mw", checkout / "viafoura_mw", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    (line,) = [block.strip() for block in blocks("sh") if "demo" in block]
    install, _, start = line.rpartition(" && ")
    assert start == ".venv/bin/viafoura-mw demo"
    path = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; export PATH"  # the python3 that tests
    typed_in = ("sh", "-c", script(path, install, '.venv/bin/viafoura-mw "$@"'), "sh")
    with running_demo(command=typed_in, cwd=checkout) as demo:
        with Browser(int(demo.url.rpartition(":")[2])) as browser:
            front = browser.get()
        assert demo.interrupt()[0] == 0

    assert front.status == 200
