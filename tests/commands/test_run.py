"""``viafoura-mw run``: real commands, typed as they are, whose servers make their application themselves."""

import importlib
import importlib.abc
import os
import runpy
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import PATIENCE, ROOT, Browser, environ_of_process, program, serving
from viafoura_mw import Settings
from viafoura_mw import __main__ as command
from viafoura_mw import run as run_entrance
from viafoura_mw.commands import run as run_command
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.wsgi import ViafouraMiddleware

PAGE = '<!doctype html><script id="viafoura-platform"></script>'
RUN = (sys.executable, "-m", "viafoura_mw", "run")

FLASK = f"""
    from flask import Flask, request

    app = Flask(__name__)

    @app.get("/")
    def front():
        request.environ["REMOTE_USER"] = "17"
        return {PAGE!r}
"""
DJANGO = f"""
    from django.http import HttpResponse
    from django.urls import path

    SECRET_KEY = "only for this test"
    DEBUG = True
    ALLOWED_HOSTS = ["*"]
    ROOT_URLCONF = __name__
    USE_TZ = True
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]

    def front(request):
        from django.contrib.auth.models import User

        request.user = User(pk=17, username="ann")
        return HttpResponse({PAGE!r})

    urlpatterns = [path("", front)]
"""
DAPHNE = """
    INSTALLED_APPS = ["daphne", *INSTALLED_APPS]
    ASGI_APPLICATION = "site_asgi.application"
"""
MANAGE = """
    import os, sys

    os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""
LITESTAR = f"""
    from litestar import Litestar, MediaType, Request, get

    @get("/", media_type=MediaType.HTML)
    async def front(request: Request) -> str:
        request.scope["user"] = {{"id": "17"}}
        return {PAGE!r}

    app = Litestar([front])
"""
FASTAPI = f"""
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse

    app = FastAPI()

    @app.get("/", response_class=HTMLResponse)
    def front(request: Request):
        request.scope["user"] = {{"id": "17"}}
        return {PAGE!r}
"""
DATASETTE = f"""
    from datasette import Response, hookimpl

    async def front():
        return Response.html({PAGE!r}, headers={{"X-Site-User": "17"}})

    @hookimpl
    def register_routes():
        return [("^/$", front)]
"""
TRAC = f"""
    from trac.core import Component, implements
    from trac.web.api import IRequestHandler

    class Front(Component):
        implements(IRequestHandler)

        def match_request(self, req):
            return True

        def process_request(self, req):
            req.environ["REMOTE_USER"] = "17"
            req.send({PAGE!r}.encode(), "text/html")
"""
CHERRYPY = f"""
    import cherrypy

    class Site:
        @cherrypy.expose
        def index(self):
            cherrypy.response.headers["X-Site-User"] = "17"
            return {PAGE!r}
"""
CHERRYPY_CONF = """
    [global]
    server.socket_port = {port}
    engine.autoreload.on = False
"""
PYRAMID = f"""
    from pyramid.config import Configurator
    from pyramid.response import Response

    class Policy:
        def identity(self, request):
            return None

        def authenticated_userid(self, request):
            return "17"

    def main(global_config, **settings):
        with Configurator() as config:
            config.set_security_policy(Policy())
            config.add_route("front", "/")
            config.add_view(lambda request: Response({PAGE!r}), route_name="front")
            return config.make_wsgi_app()
"""
PYRAMID_INI = """
    [app:main]
    paste.app_factory = site_pyramid:main

    [server:main]
    use = egg:waitress#main
    listen = 127.0.0.1:{port}
"""


@dataclass(frozen=True)
class Site:
    """A site's ``files``, in which ``{port}`` stands for the port, and the ``line`` that starts it.

    ``before`` is what must be done once; ``needs`` are the line's programs; ``environ`` are settings of ours.
    """

    line: str
    files: dict[str, str]
    needs: tuple[str, ...]
    before: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def written(self, folder: Path, port: int) -> list[str]:
        """Do what comes before, write the files, and give the line's words."""
        if self.before:
            subprocess.run(self.before.split(), cwd=folder, env=environ_of_process({}), check=True, capture_output=True)
        for name, text in self.files.items():
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            content = textwrap.dedent(text)
            (folder / name).write_text(content.replace("{port}", str(port)) if not name.endswith(".py") else content)
        return self.line.replace("{port}", str(port)).split()


_BY_HEADER = {"VIAFOURA_USER_ID": "response:X-Site-User"}
_FLASK = {"site_flask.py": FLASK}
_DJANGO = {"manage.py": MANAGE, "site_settings.py": DJANGO}
_ASGI = "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n"
_DAPHNE = {**_DJANGO, "site_settings.py": DJANGO + DAPHNE, "site_asgi.py": _ASGI}
_LITESTAR = {"site_litestar.py": LITESTAR}
_CHERRYPY_QUICK = CHERRYPY + '\n    cherrypy.quickstart(Site(), config="site.conf")\n'
SITES = {
    "flask run": Site("flask --app site_flask run --port {port}", _FLASK, ("flask",)),
    "flask run, reloader": Site("flask --app site_flask run --debug --port {port}", _FLASK, ("flask",)),
    "runserver": Site("python manage.py runserver --noreload {port}", _DJANGO, ("django-admin",)),
    "runserver, reloader": Site("python manage.py runserver {port}", _DJANGO, ("django-admin",)),
    "runserver, ASGI": Site("python manage.py runserver --noreload {port}", _DAPHNE, ("django-admin", "daphne")),
    "litestar run": Site("litestar --app site_litestar:app run --port {port}", _LITESTAR, ("litestar", "uvicorn")),
    "litestar run, workers": Site(
        "litestar --app site_litestar:app run --web-concurrency 2 --port {port}", _LITESTAR, ("litestar", "uvicorn")
    ),
    "fastapi run": Site(
        "fastapi run --host 127.0.0.1 --port {port} site_fastapi.py", {"site_fastapi.py": FASTAPI}, ("fastapi",)
    ),
    "fastapi dev": Site("fastapi dev --port {port} site_fastapi.py", {"site_fastapi.py": FASTAPI}, ("fastapi",)),
    "datasette serve": Site(
        "datasette serve --memory --plugins-dir plugins --port {port}",
        {"plugins/front.py": DATASETTE},
        ("datasette",),
        environ=_BY_HEADER,
    ),
    "datasette, reloader": Site(
        "datasette --memory --reload --plugins-dir plugins --port {port}",
        {"plugins/front.py": DATASETTE},
        ("datasette",),
        environ=_BY_HEADER,
    ),
    "litestar run, reloader": Site(
        "litestar --app site_litestar:app run --reload --port {port}", _LITESTAR, ("litestar", "uvicorn")
    ),
    "tracd": Site(
        "tracd --single-env --port {port} trac",
        {"trac/plugins/front.py": TRAC},
        ("tracd", "trac-admin"),
        before="trac-admin trac initenv News sqlite:db/trac.db",
    ),
    "cherryd": Site(
        "cherryd --config site.conf --import site_cherrypy",
        {"site_cherrypy.py": CHERRYPY + "\n    cherrypy.tree.mount(Site())\n", "site.conf": CHERRYPY_CONF},
        ("cherryd",),
        environ=_BY_HEADER,
    ),
    "cherrypy.quickstart": Site(
        "python site_cherrypy.py",
        {"site_cherrypy.py": _CHERRYPY_QUICK, "site.conf": CHERRYPY_CONF},
        ("cherryd",),
        environ=_BY_HEADER,
    ),
    "pserve": Site("pserve site.ini", {"site_pyramid.py": PYRAMID, "site.ini": PYRAMID_INI}, ("pserve",)),
    "pserve, reloader": Site(
        "pserve --reload site.ini", {"site_pyramid.py": PYRAMID, "site.ini": PYRAMID_INI}, ("pserve",)
    ),
    "pserve, wsgiref": Site(
        "pserve site.ini",
        {
            "site_pyramid.py": PYRAMID,
            "site.ini": PYRAMID_INI.replace("egg:waitress#main", "egg:pyramid#wsgiref").replace(
                "listen = 127.0.0.1:{port}", "host = 127.0.0.1\n    port = {port}"
            ),
        },
        ("pserve",),
    ),
}


def needed(site: Site) -> None:
    missing = [name for name in site.needs if not program(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def environ(viafoura: SimulatedViafoura, folder: Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(folder), str(ROOT)])
    return {**viafoura.environ(), "PYTHONPATH": path, **more}


@pytest.mark.server
@pytest.mark.parametrize("name", SITES)
def test_wraps_what_the_command_serves(name: str, viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """The line as it is, behind ``viafoura-mw run``: the user's page carries a session, of one login."""
    site = SITES[name]
    needed(site)

    def command(port: int, _: Path) -> Sequence[str]:
        return [*RUN, *site.written(tmp_path, port)]

    settings = environ(viafoura, tmp_path, **site.environ)
    with (
        serving(command, settings, cwd=tmp_path) as running,
        Browser(running.port, closes=True) as browser,
    ):
        first, second = browser.get(), browser.get()
        said = running.said()

    assert first.pair is not None
    assert int(first.pair[0]) == viafoura.users["17"].user_id
    assert second.pair == first.pair
    # The server was asked whether it is ready by another browser.
    assert viafoura.count("login") == 2
    assert "viafoura-mw run:" not in said


def ended(site: Site, folder: Path, settings: dict[str, str]) -> tuple[int, str]:
    """The exit code of a command that ends by itself, and what it wrote."""
    done = subprocess.run(
        [*RUN, *site.written(folder, 0)],
        cwd=folder,
        env=environ_of_process(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.server
@pytest.mark.parametrize(
    "name",
    [
        "flask run",
        "flask run, reloader",
        "runserver",
        "runserver, reloader",
        "runserver, ASGI",
        "litestar run",
        "fastapi run",
        "cherrypy.quickstart",
        "pserve",
    ],
)
def test_wrong_settings_end_the_start_with_one_error(name: str, viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """Every problem in it, whatever thread makes the server, and no traceback of ours."""
    site = SITES[name]
    needed(site)

    code, said = ended(site, tmp_path, environ(viafoura, tmp_path, VIAFOURA_TIMEOUT="soon", VIAFOURA_SITE_ID=""))

    assert code != 0
    assert said.count("viafoura-mw cannot start:") == 1
    assert "VIAFOURA_TIMEOUT must be a number" in said
    assert "VIAFOURA_SITE_ID is not set" in said
    assert "Traceback" not in said


@pytest.mark.server
def test_workers_that_cannot_start_are_not_started_again(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """Each says it, and the command ends, as where their application cannot be imported."""
    site = SITES["litestar run, workers"]
    needed(site)

    _, said = ended(site, tmp_path, environ(viafoura, tmp_path, VIAFOURA_TIMEOUT="soon"))

    assert 1 <= said.count("viafoura-mw cannot start:") <= 2


@pytest.mark.server
@pytest.mark.parametrize("name", ["flask run", "litestar run"])
def test_a_middleware_that_is_off_changes_nothing(name: str, viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """``VIAFOURA_ENABLED=0`` needs no other variable."""
    site = SITES[name]
    needed(site)
    settings = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "VIAFOURA_ENABLED": "0"}

    with (
        serving(lambda port, _: [*RUN, *site.written(tmp_path, port)], settings, cwd=tmp_path) as running,
        Browser(running.port, closes=True) as browser,
    ):
        page = browser.get()

    assert page.body.decode() == PAGE
    assert viafoura.calls == ()


@pytest.mark.server
@pytest.mark.parametrize(
    ("line", "files"),
    [
        (
            "python site_wrapped.py",
            FLASK + "\n    from viafoura_mw.wsgi import ViafouraMiddleware\n"
            "    from werkzeug.serving import run_simple\n"
            "    run_simple('127.0.0.1', {port}, ViafouraMiddleware(app))\n",
        ),
        (
            "uvicorn viafoura_mw.asgi:app --port {port}",
            FASTAPI,
        ),
    ],
)
def test_what_is_wrapped_already_is_wrapped_once(
    line: str, files: str, viafoura: SimulatedViafoura, tmp_path: Path
) -> None:
    """A site that has the middleware is served by one of them, and VIAFOURA_APP is made once."""

    def command(port: int, _: Path) -> Sequence[str]:
        site = Site(line, {}, ())
        (tmp_path / "site_wrapped.py").write_text(
            textwrap.dedent(files).replace("{port}", str(port)) + "\nprint('the site is made')\n"
        )
        return [*RUN, *site.written(tmp_path, port)]

    settings = environ(viafoura, tmp_path, VIAFOURA_APP="site_wrapped:app")
    with serving(command, settings, cwd=tmp_path) as running, Browser(running.port, closes=True) as browser:
        pages = [browser.get(), browser.get()]
        said = running.said()

    assert pages[0].pair is not None
    assert pages[1].pair == pages[0].pair
    assert said.count("the site is made") <= 1
    assert viafoura.count("login") == 2  # and that of the browser which asked whether it is ready


class TestCommand:
    """What ``viafoura-mw run`` itself does."""

    @pytest.mark.parametrize(
        ("arguments", "code", "complaint"),
        [
            ([], 2, "run needs a command: viafoura-mw run flask --app mysite run"),
            (["--"], 2, "run needs a command: viafoura-mw run flask --app mysite run"),
            (["no-such-command", "--help"], 127, "no-such-command: command not found"),
            (["/"], 126, "/ cannot be run: Permission denied"),
        ],
    )
    def test_a_command_that_cannot_be_run_is_one_line(
        self, arguments: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With a shell's exit code."""
        assert command.main(["run", *arguments]) == code
        assert capsys.readouterr() == ("", f"viafoura-mw: {complaint}\n")

    @pytest.mark.parametrize("separator", [[], ["--"]])
    def test_becomes_the_command(self, separator: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Its options are its own, also where they look like this command's."""
        became: list[Any] = []
        monkeypatch.setattr(os, "execvpe", lambda *arguments: became.append(arguments))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/site", str(run_command.ON_PATH)]))

        command.main(["run", *separator, "flask", "--help", "--", "-x"])

        ((name, arguments, environ),) = became
        assert (name, arguments) == ("flask", ["flask", "--help", "--", "-x"])
        assert environ["PYTHONPATH"] == os.pathsep.join([str(run_command.ON_PATH), "/site"])

    def test_the_working_directory_is_not_put_on_the_path(self) -> None:
        """An empty entry would be it."""
        assert run_command.watched({})["PYTHONPATH"] == str(run_command.ON_PATH)

    def test_the_exit_code_is_the_command_s(self) -> None:
        """The command is what is left of the process."""
        done = subprocess.run([*RUN, sys.executable, "-c", "raise SystemExit(7)"], check=False)

        assert done.returncode == 7


def python(program: str, path: Sequence[Path] = (), *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python that is watched."""
    environ = environ_of_process({"PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))})
    return subprocess.run(
        [*RUN, sys.executable, *options, "-c", program], env=environ, capture_output=True, text=True, check=False
    )


class TestStart:
    """What each Python of the command does as it starts."""

    def test_the_machine_s_own_sitecustomize_is_imported_too(self, tmp_path: Path) -> None:
        """There is one name for both, and other tools begin by it as well."""
        (tmp_path / "sitecustomize.py").write_text("own = 'here'")

        done = python("import sitecustomize; print(sitecustomize.own)", [tmp_path])

        assert (done.stdout, done.stderr) == ("here\n", "")

    def test_brings_nothing_that_a_site_patches_later(self) -> None:
        """gevent patches ``ssl`` once the process has begun; and a Python that serves nothing is not slowed down."""
        program = [sys.executable, "-c", "import sys; print(*sys.modules)"]
        environ = environ_of_process({"PYTHONPATH": str(ROOT)})
        bare, watched = (
            {*subprocess.run([*run, *program], env=environ, capture_output=True, text=True, check=True).stdout.split()}
            for run in ((), RUN)
        )

        brought = watched - bare

        assert "viafoura_mw.run" in brought
        assert not brought & {"ssl", "socket", "requests", "urllib3", "asyncio", "starlette", "viafoura_mw.runtime"}

    def test_a_python_without_the_package_says_so(self) -> None:
        """It goes on: what it serves is left as it is."""
        environ = environ_of_process({"PYTHONPATH": str(run_command.ON_PATH)})
        done = subprocess.run(
            [sys._base_executable, "-s", "-c", "print('goes on')"],  # type: ignore[attr-defined]
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.stdout == "goes on\n"
        assert "has no viafoura-mw installed" in done.stderr
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("module", "instead"),
        [
            ("gunicorn.app.base", "GUNICORN_CMD_ARGS"),
            ("hypercorn.run", "VIAFOURA_APP"),
            ("granian.server", "VIAFOURA_APP"),
            ("sanic.cli.app", "VIAFOURA_APP"),
        ],
    )
    def test_a_server_with_a_way_of_its_own_is_told(self, module: str, instead: str) -> None:
        """Nobody waits for a session that never comes."""
        pytest.importorskip(module.partition(".")[0])

        done = python(f"import {module}")

        assert "is not wrapped by this command" in done.stderr
        assert instead in done.stderr


SERVER = """
class Server:
    application = None

    def __init__(self, application):
        self.application = application

loader = __spec__.loader
"""


class TestHooks:
    """How a server's module is hooked."""

    @pytest.fixture(autouse=True)
    def _no_traces(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """What is hooked here is forgotten again."""
        (tmp_path / "some_server.py").write_text(SERVER)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
        monkeypatch.setattr(run_entrance, "_NOT_SERVED", {})
        monkeypatch.delitem(sys.modules, "some_server", raising=False)

    def hooked(self, monkeypatch: pytest.MonkeyPatch, method: str = "__init__") -> None:
        server = run_entrance._Server("Server", method, "application", "wsgi")
        monkeypatch.setattr(run_entrance, "SERVERS", {"some_server": server, "no_such_server": server})
        run_entrance.begin()

    def test_each_application_is_wrapped_once(
        self, monkeypatch: pytest.MonkeyPatch, viafoura: SimulatedViafoura
    ) -> None:
        """However many servers take it, and also where it comes wrapped; no application is none."""
        for name, value in viafoura.environ().items():
            monkeypatch.setenv(name, value)
        self.hooked(monkeypatch)
        import some_server

        first, second = some_server.Server(len).application, some_server.Server(len).application

        assert isinstance(first, ViafouraMiddleware)
        assert second is first
        assert some_server.Server(first).application is first
        own = ViafouraMiddleware(len, Settings(enabled=False))  # type: ignore[arg-type]
        assert some_server.Server(own).application is own
        assert some_server.Server(None).application is None

    def test_the_module_stays_what_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its loader still gives its source; a module that is nowhere is nowhere."""
        self.hooked(monkeypatch)
        import some_server

        assert "class Server" in some_server.loader.get_source("some_server")
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_such_server")

    def test_a_module_that_is_there_already_is_hooked_too(
        self, monkeypatch: pytest.MonkeyPatch, viafoura: SimulatedViafoura
    ) -> None:
        """Another tool's start may have imported it."""
        monkeypatch.setenv("VIAFOURA_ENABLED", "0")
        import some_server

        self.hooked(monkeypatch)

        assert isinstance(some_server.Server(len).application, ViafouraMiddleware)

    def test_a_package_without_a_loader_is_left_alone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A folder of a server's name is no server."""
        (tmp_path / "no_such_server").mkdir()
        self.hooked(monkeypatch)

        module = importlib.import_module("no_such_server")

        assert not hasattr(module, "Server")
        del sys.modules["no_such_server"]

    def test_an_unknown_version_of_a_server_is_told(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It serves its site as it is."""
        self.hooked(monkeypatch, method="serve")
        import some_server

        assert some_server.Server(len).application is len
        assert capsys.readouterr().err.startswith("viafoura-mw run: this version of some_server is not known")

    def test_a_server_that_cannot_be_hooked_is_imported_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Written in C, it takes no other method."""
        (tmp_path / "some_server.py").write_text("Server = int")
        self.hooked(monkeypatch)
        import some_server

        assert some_server.Server is int
        assert "some_server cannot be hooked (TypeError)" in capsys.readouterr().err

    def test_a_loader_that_cannot_be_told_anything_is_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module is imported as it would have been."""

        class Loader(importlib.abc.Loader):
            __slots__ = ()
            exec_module = property(lambda self: lambda module: setattr(module, "made", "here"))

        class Finder(importlib.abc.MetaPathFinder):
            def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
                return ModuleSpec(name, Loader()) if name == "some_server" else None

        monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
        self.hooked(monkeypatch)
        import some_server

        assert some_server.made == "here"
        assert not hasattr(some_server, "Server")

    def test_wrong_settings_end_the_process(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """At once, since threads and some servers keep an exit to themselves."""
        monkeypatch.setattr(os, "_exit", lambda code: sys.exit(code))
        monkeypatch.setenv("VIAFOURA_TIMEOUT", "soon")
        self.hooked(monkeypatch)
        import some_server

        with pytest.raises(SystemExit, match="1"):
            some_server.Server(len)

        assert "VIAFOURA_TIMEOUT must be a number" in capsys.readouterr().err


@pytest.mark.parametrize("own", ["", "own = 'here'"])
def test_goes_on_to_the_next_sitecustomize(own: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The one that would have been imported, if there is any; a Python without the package goes on too."""
    began: list[bool] = []
    monkeypatch.setattr(run_entrance, "begin", lambda: began.append(True))
    monkeypatch.delitem(sys.modules, "sitecustomize", raising=False)
    monkeypatch.setattr(sys, "path", [str(run_command.ON_PATH), str(tmp_path)])
    if own:
        (tmp_path / "sitecustomize.py").write_text(own)

    runpy.run_path(str(run_command.ON_PATH / "sitecustomize.py"))
    monkeypatch.setitem(sys.modules, "viafoura_mw.run", None)
    runpy.run_path(str(run_command.ON_PATH / "sitecustomize.py"))

    assert began == [True]
    assert getattr(sys.modules.get("sitecustomize"), "own", "") == ("here" if own else "")
    sys.modules.pop("sitecustomize", None)
