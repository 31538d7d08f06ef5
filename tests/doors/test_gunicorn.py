"""The gunicorn door: whatever gunicorn serves is wrapped, by its configuration alone."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support import servers
from tests.support.servers import ROOT, Browser, environ_of_process, serving
from viafoura_mw import asgi, wsgi
from viafoura_mw.errors import SettingsError
from viafoura_mw.testing import SimulatedViafoura

pytest.importorskip("gunicorn", reason="gunicorn is not installed")

from gunicorn.errors import AppImportError

HOOK = "viafoura_mw.gunicorn"
WSGI, ASGI = "tests.sites.plain_wsgi", "tests.sites.plain_asgi:application"
WORKERS = {
    "sync": ([], WSGI, ()),
    "gthread": (["--threads", "4"], WSGI, ()),
    "gevent": (["-k", "gevent"], WSGI, ("gevent",)),
    "preload": (["--preload", "--workers", "2"], WSGI, ()),
    "gevent, preload": (["-k", "gevent", "--preload"], WSGI, ("gevent",)),
    "asgi": (["-k", "asgi"], ASGI, ("gunicorn.workers.gasgi",)),
    "asgi, preload": (["-k", "asgi", "--preload"], ASGI, ("gunicorn.workers.gasgi",)),
    "uvicorn": (["-k", "uvicorn_worker.UvicornWorker"], ASGI, ("uvicorn_worker",)),
}


def gunicorn(*arguments: str) -> servers.Command:
    return lambda port, _: [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *arguments]


def environ(viafoura: SimulatedViafoura, **more: str) -> dict[str, str]:
    """What is set to wrap a site: the settings, and gunicorn's own variable."""
    path = {"PYTHONPATH": str(ROOT), "GUNICORN_CMD_ARGS": f"--config python:{HOOK}"}
    return {**viafoura.environ(), **path, **more}


@pytest.mark.server
@pytest.mark.parametrize("worker", WORKERS)
def test_wraps_what_every_worker_serves(viafoura: SimulatedViafoura, worker: str) -> None:
    """The command that starts the site stays as it is."""
    options, site, needs = WORKERS[worker]
    for module in needs:
        pytest.importorskip(module, reason=f"{module} is not installed", exc_type=ImportError)
    with serving(gunicorn(*options, site), environ(viafoura)) as running:
        with Browser(running.port) as browser:
            assert browser.get().pair is None
            browser.post("/sign-in", reader="1")
            pair = browser.get().pair
            assert pair is not None
            assert browser.get().pair == pair
        assert viafoura.count("login") == 1
        assert running.end()
        assert "Warning" not in running.said()


@pytest.mark.server
def test_an_application_that_is_wrapped_already_is_wrapped_once(viafoura: SimulatedViafoura) -> None:
    """The outer middleware serves, the inner one stands aside."""
    settings = environ(viafoura, VIAFOURA_APP=WSGI)
    with serving(gunicorn("viafoura_mw.wsgi"), settings) as running, Browser(running.port) as browser:
        browser.post("/sign-in", reader="1")
        assert browser.get().pair is not None
    assert viafoura.count("login") == 1


@pytest.mark.server
def test_takes_over_a_configuration_that_is_there(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """Its settings hold, its hooks are called, and it is read again when gunicorn is told to reload."""
    own = tmp_path / "gunicorn.conf.py"
    own.write_text(
        "wsgi_app = 'tests.sites.plain_wsgi'\n"
        "raw_env = ['VIAFOURA_DEBUG_HEADER=1']\n"
        "def post_worker_init(worker):\n    print('the site: worker is ready')\n"
        "def on_starting(server):\n    print('the site: starting')\n"
    )
    with serving(gunicorn(), environ(viafoura), cwd=tmp_path) as running:
        with Browser(running.port) as browser:
            assert browser.get().get("x-viafoura-mw") is not None
        assert "the site: starting" in running.said()
        assert "the site: worker is ready" in running.said()
        own.write_text("wsgi_app = 'tests.sites.plain_wsgi'\n")
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: is_without_debug_header(running.port))


def is_without_debug_header(port: int) -> bool:
    try:
        with Browser(port) as browser:
            return browser.get().get("x-viafoura-mw") is None
    except OSError:
        return False


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + servers.PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.server
@pytest.mark.parametrize(
    ("settings", "own", "problem"),
    [
        ({"VIAFOURA_SITE_ID": ""}, "", "VIAFOURA_SITE_ID is not set"),
        ({"VIAFOURA_SITE_ID": ""}, "preload_app = True", "VIAFOURA_SITE_ID is not set"),
        ({"VIAFOURA_TIMEOUT": "soon"}, "worker_class = 'gthread'", "VIAFOURA_TIMEOUT must be a number"),
        ({}, "1 / 0", "gunicorn.conf.py cannot be read: ZeroDivisionError"),
    ],
)
def test_what_is_wrong_ends_the_start_with_one_error(
    viafoura: SimulatedViafoura, tmp_path: Path, settings: dict[str, str], own: str, problem: str
) -> None:
    """However many workers find it."""
    (tmp_path / "gunicorn.conf.py").write_text(own)
    process = subprocess.run(
        [*gunicorn("--workers", "3", WSGI)(servers.free_port(), tmp_path)],
        env=environ_of_process(environ(viafoura, **settings)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode in (1, 4)  # 4: gunicorn's own "App failed to load."
    assert process.stderr.count("viafoura-mw cannot start") == 1
    assert problem in process.stderr
    assert "Traceback" not in process.stderr


SITE_WITH_DOTENV = """
import os
from dotenv import load_dotenv
load_dotenv(os.path.join(os.path.dirname(__file__), "site.env"), override=True)
from tests.sites.{site} import application
"""


@pytest.mark.server
@pytest.mark.parametrize("worker", ["sync", "preload", "asgi", "uvicorn"])
def test_takes_the_settings_that_a_site_makes_itself(viafoura: SimulatedViafoura, tmp_path: Path, worker: str) -> None:
    """A site that calls ``load_dotenv()`` while it is imported has its settings, in every worker."""
    pytest.importorskip("dotenv", reason="python-dotenv is not installed")
    options, site, needs = WORKERS[worker]
    for module in needs:
        pytest.importorskip(module, reason=f"{module} is not installed", exc_type=ImportError)
    (tmp_path / "site.env").write_text("".join(f"{name}={value}\n" for name, value in viafoura.environ().items()))
    (tmp_path / "own_site.py").write_text(SITE_WITH_DOTENV.format(site=site.rpartition(".")[2].partition(":")[0]))
    wrong = {**environ(viafoura), **dict.fromkeys(viafoura.environ(), ""), "VIAFOURA_TIMEOUT": "20"}
    command = gunicorn(*options, "own_site:application")
    with serving(command, wrong, cwd=tmp_path) as running, Browser(running.port) as browser:
        browser.post("/sign-in", reader="1")
        assert browser.get().pair is not None


@pytest.mark.server
def test_reads_a_secrets_pipe_once(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """A pipe (``<(…)`` of a shell) has a secret once, for however many workers."""
    os.mkfifo(tmp_path / "key")
    settings = {"VIAFOURA_API_KEY": "", "VIAFOURA_API_KEY_FILE": str(tmp_path / "key")}
    writer = Thread(target=(tmp_path / "key").write_text, args=(viafoura.api_key,))
    writer.start()
    with serving(gunicorn("--workers", "2", WSGI), environ(viafoura, **settings)) as running:
        for _ in range(4):
            with Browser(running.port) as browser:
                browser.post("/sign-in", reader="1")
                assert browser.get().pair is not None
    writer.join()


def test_imports_nothing_that_a_worker_patches() -> None:
    """Gevent patches ssl when a worker begins, which is after the configuration is read."""
    code = f"import sys, {HOOK}; print([name for name in ('requests', 'urllib3', 'ssl') if name in sys.modules])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.strip() == "[]"


# In process.


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], ModuleType]]:
    """Reads the configuration as gunicorn does, beside a ``gunicorn.conf.py`` or none."""
    monkeypatch.chdir(tmp_path)

    def read(own: str | None = None) -> ModuleType:
        if own is not None:
            (tmp_path / "gunicorn.conf.py").write_text(own)
        sys.modules.pop(HOOK, None)
        return importlib.import_module(HOOK)

    yield read
    sys.modules.pop(HOOK, None)
    sys.modules.pop("__config__", None)


@pytest.fixture
def environment(viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in viafoura.environ().items():
        monkeypatch.setenv(name, value)


def wsgi_application(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    return None


class AsgiInstance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        return None


class Asgi2:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class UvicornWorker:
    """What a class of uvicorn's looks like from outside."""

    __module__ = "uvicorn.workers"

    def __init__(self, application: Any) -> None:
        self.wsgi = application


@pytest.mark.parametrize(
    ("worker", "name", "door"),
    [
        (SimpleNamespace(wsgi=wsgi_application), "wsgi", wsgi),
        (SimpleNamespace(wsgi=asgi_application), "wsgi", asgi),
        (SimpleNamespace(wsgi=AsgiInstance()), "wsgi", asgi),
        (SimpleNamespace(asgi=asgi_application), "asgi", asgi),
        (UvicornWorker(Asgi2), "wsgi", asgi),
        (SimpleNamespace(wsgi=partial(asgi_application)), "wsgi", asgi),
        (SimpleNamespace(wsgi=Asgi2), "wsgi", asgi),
        (SimpleNamespace(wsgi=lambda *whatever: []), "wsgi", wsgi),
    ],
)
def test_knows_the_door_by_the_worker_and_the_application(
    configuration: Any, environment: None, worker: Any, name: str, door: Any
) -> None:
    """Gunicorn's own name for the application is no sign: uvicorn's worker calls it wsgi."""
    configuration().post_worker_init(worker)
    assert isinstance(getattr(worker, name), door.ViafouraMiddleware)


def test_refuses_what_is_neither_wsgi_nor_asgi(configuration: Any, environment: None) -> None:
    """A Tornado application is called with a request of its own kind."""
    application = type("Application", (), {"__module__": "tornado.web"})()
    with pytest.raises(AppImportError, match=r"cannot wrap a tornado\.web\.Application"):
        configuration().post_worker_init(SimpleNamespace(wsgi=application))


def test_takes_settings_alone_from_the_sites_file(configuration: Any) -> None:
    """Names that gunicorn does not know stay where they are."""
    module = configuration("workers = 7\n_wrap = None\ncolour = 'red'\n")
    assert module.workers == 7
    assert module._wrap is not None
    assert not hasattr(module, "colour")


def test_calls_the_sites_hook_first(configuration: Any, environment: None) -> None:
    """A function, or the dotted name of one."""
    said: list[str] = []
    sys.modules["hooks_of_the_site"] = SimpleNamespace(ready=lambda worker: said.append(str(worker.wsgi)))  # type: ignore[assignment]
    worker = SimpleNamespace(wsgi=wsgi_application)
    try:
        configuration("post_worker_init = 'hooks_of_the_site.ready'\n").post_worker_init(worker)
    finally:
        del sys.modules["hooks_of_the_site"]
    assert said == [str(wsgi_application)]
    worker = SimpleNamespace(wsgi=wsgi_application, said=[])
    configuration("def post_worker_init(worker):\n    worker.said.append(1)\n").post_worker_init(worker)
    assert worker.said == [1]


def test_is_read_anew_at_each_reload(configuration: Any, environment: None) -> None:
    """Gunicorn imports a configuration module, which Python does once."""
    module = configuration()
    module.on_starting(starting())
    assert HOOK not in sys.modules
    module = configuration()
    module.on_reload(None)
    assert HOOK not in sys.modules


def starting(*, preload: bool = False) -> SimpleNamespace:
    """What ``on_starting`` is called with."""
    return SimpleNamespace(cfg=SimpleNamespace(preload_app=preload))


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIAFOURA_SITE_ID", "VIAFOURA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_wrong_settings_are_one_error(configuration: Any, nothing_set: None) -> None:
    """The start ends with it, once the site is there."""
    with pytest.raises(SystemExit, match="VIAFOURA_SITE_ID is not set"):
        configuration().on_starting(starting(preload=True))


def test_wrong_settings_may_be_put_right_by_the_site(
    configuration: Any, nothing_set: None, viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is judged before the site has been imported, where a worker imports it."""
    module = configuration()
    module.on_starting(starting())
    for name, value in viafoura.environ().items():
        monkeypatch.setenv(name, value)
    worker = SimpleNamespace(wsgi=wsgi_application)
    module.post_worker_init(worker)
    assert isinstance(worker.wsgi, wsgi.ViafouraMiddleware)


def test_one_worker_of_all_tells_what_is_wrong(configuration: Any, nothing_set: None) -> None:
    """The others end as silently as they can."""
    module = configuration()
    with pytest.raises(AppImportError, match="VIAFOURA_SITE_ID is not set"):
        module.post_worker_init(SimpleNamespace(wsgi=wsgi_application))
    with pytest.raises(SystemExit) as ended:
        module.post_worker_init(SimpleNamespace(wsgi=wsgi_application))
    assert not ended.value.code


def test_a_file_that_cannot_be_read_is_one_error(configuration: Any) -> None:
    """Which names the file."""
    with pytest.raises(SettingsError, match=r"gunicorn\.conf\.py cannot be read: ZeroDivisionError"):
        configuration("1 / 0")
