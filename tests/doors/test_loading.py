"""``VIAFOURA_APP``: five forms of a name, and one error for whatever is wrong with it."""

import importlib
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from tests.support.servers import ROOT
from viafoura_mw import Settings
from viafoura_mw.errors import SettingsError
from viafoura_mw.loading import load, served
from viafoura_mw.settings import named_application

_NUMBERS = count()
NAMES = ("application", "app")

Write = Callable[..., str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module with this source, and give its name; it is forgotten after the test."""
    before = {*sys.modules}
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str, suffix: str = ".py") -> str:
        name = f"some_site_{next(_NUMBERS)}"
        (tmp_path / f"{name}{suffix}").write_text(source)
        return name

    yield write
    for name in {*sys.modules} - before:
        if name.startswith(("some_site_", "_viafoura_app_")):
            del sys.modules[name]


def problem_of(name: str) -> tuple[str, BaseException | None]:
    with pytest.raises(SettingsError) as caught:
        load(name)
    (problem,) = caught.value.problems
    return problem, caught.value.__cause__


class TestModule:
    """``pkg.mod`` and ``pkg.mod:attr.attr``."""

    @pytest.mark.parametrize(
        ("source", "found"),
        [
            ("def application(): return 1", 1),
            ("def app(): return 2", 2),
            ("def app(): return 2\ndef application(): return 1", 1),
        ],
    )
    def test_has_an_application_by_one_of_two_names(self, source: str, found: int, module: Write) -> None:
        """``application``, else ``app``: servers' defaults differ."""
        assert load(module(source))() == found

    @pytest.mark.parametrize("expression", ["wsgi", "site.wsgi", "site.inner.wsgi"])
    def test_has_it_where_the_name_says(self, expression: str, module: Write) -> None:
        """Attributes of attributes."""
        name = module("class site:\n  class inner:\n    wsgi = str\n  wsgi = str\nwsgi = str")
        assert load(f"{name}:{expression}") is str

    def test_may_be_in_the_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not every server puts that on ``sys.path``; it is put there once."""
        monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
        monkeypatch.chdir(tmp_path)
        (tmp_path / "some_site_here.py").write_text("application = str")
        assert load("some_site_here") is str
        assert load("some_site_here") is str
        assert sys.path.count(str(tmp_path)) == 1

    @pytest.mark.parametrize("entry", ["", "cwd"])
    def test_leaves_a_path_alone_that_has_it(self, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An empty entry is the working directory."""
        monkeypatch.chdir(tmp_path)
        path = [*filter(None, sys.path), entry and str(tmp_path)]
        monkeypatch.setattr(sys, "path", [*path])
        assert load("json:loads")
        assert sys.path == path


class TestFactory:
    """``pkg.mod:factory()``, by gunicorn's rule."""

    @pytest.mark.parametrize(
        ("call", "made"),
        [
            ("make()", ((), {})),
            ("make('a:b', 1, [None])", (("a:b", 1, [None]), {})),
            ("make(debug=True, path='/x#y.ini')", ((), {"debug": True, "path": "/x#y.ini"})),
            ("site.make(-1)", ((-1,), {})),
        ],
    )
    def test_is_called_with_literals(self, call: str, made: object, module: Write) -> None:
        """Positional or by keyword."""
        source = "def make(*args, **kwargs): return lambda: (args, kwargs)\nclass site: make = staticmethod(make)"
        assert load(f"{module(source)}:{call}")() == made

    @pytest.mark.parametrize(
        ("expression", "reason"),
        [
            ("make(x)", "ValueError"),
            ("make(*[1])", "ValueError"),
            ("make(**{'a': 1})", "an argument must be a literal"),
            ("make(print())", "ValueError"),
            ("make()()", "after the colon goes"),
            ("make().app", "after the colon goes"),
            ("make[0]", "after the colon goes"),
            ("lambda: 0", "after the colon goes"),
            ("make(", "SyntaxError"),
            ("", "SyntaxError"),
            ("a; b", "SyntaxError"),
            ("absent", "AttributeError (absent)"),
            ("make.absent.more", "AttributeError"),
            ("make(1, 2, 3)", "TypeError"),
            ("number", "a int is no application"),
        ],
    )
    def test_is_called_with_nothing_else(self, expression: str, reason: str, module: Write) -> None:
        """The name of an application is not a program."""
        name = f"{module('def make(a=0): return str' + chr(10) + 'number = 7')}:{expression}"
        problem, _ = problem_of(name)
        assert problem.startswith("VIAFOURA_APP=some_site_")
        assert f" cannot be loaded: {reason}" in problem


class TestFile:
    """``/abs/file.wsgi[:attr]``."""

    def test_is_loaded_by_its_path(self, tmp_path: Path, module: Write) -> None:
        """By any ending, as mod_wsgi and ``uwsgi --wsgi-file`` do; it knows its own path and is a module."""
        name = module("import sys\nhere = sys.modules[__name__].__file__\ndef application(): return here", ".wsgi")
        path = tmp_path / f"{name}.wsgi"
        assert load(str(path))() == str(path)

    def test_has_its_attribute(self, tmp_path: Path, module: Write) -> None:
        """Or a factory."""
        path = tmp_path / f"{module('def make(kind): return kind' + chr(10) + 'site = str', '.wsgi')}.wsgi"
        assert load(f"{path}:site") is str
        problem, _ = problem_of(f"{path}:make('x')")
        assert problem.endswith("cannot be loaded: a str is no application")

    def test_may_import_a_module_of_the_same_name(self, tmp_path: Path, module: Write) -> None:
        """``app.wsgi`` beside ``app.py`` is usual: neither's byte code takes the other's place."""
        name = module("application = str")
        path = tmp_path / f"{name}.wsgi"
        path.write_text(f"from {name} import application")
        assert load(str(path)) is str
        assert load(name) is str
        assert len([*(tmp_path / "__pycache__").glob(f"{name}.*")]) <= 1

    def test_of_one_name_in_two_places_are_two(self, tmp_path: Path, module: Write) -> None:
        """A site per directory, each with its ``app.wsgi``."""
        del module  # forgets them after the test
        paths = [tmp_path / place / "app.wsgi" for place in ("a", "b")]
        for path in paths:
            path.parent.mkdir()
            path.write_text(f"def application(): return __name__, {path.parent.name!r}")
        (one, a), (other, b) = (load(str(path))() for path in paths)
        assert (a, b) == ("a", "b")
        assert one != other

    def test_that_fails_leaves_nothing_behind(self, tmp_path: Path, module: Write) -> None:
        """Half a module is none."""
        before = {*sys.modules}
        path = tmp_path / f"{module('1 / 0', '.wsgi')}.wsgi"
        problem, cause = problem_of(str(path))
        assert problem == f"VIAFOURA_APP={path} cannot be loaded: ZeroDivisionError ({path}, line 1)"
        assert isinstance(cause, ZeroDivisionError)
        assert f'File "{path}", line 1' in "".join(traceback.format_exception(cause))
        assert {*sys.modules} == before

    @pytest.mark.parametrize("name", ["./app.wsgi", "site/app.wsgi", "../app.ini", "site/app"])
    def test_that_is_relative_is_told(self, name: str) -> None:
        """A server may run anywhere."""
        problem, _ = problem_of(name)
        assert problem == f"VIAFOURA_APP={name} cannot be loaded: a file's path begins with /"


class TestIni:
    """``/abs/file.ini[#name]``, PasteDeploy's."""

    @pytest.fixture
    def path(self, tmp_path: Path, module: Write) -> str:
        """An ini file with two applications."""
        pytest.importorskip("paste.deploy")
        name = module("def make(conf, **local): return lambda: (conf['where'], local)")
        application = f"paste.app_factory = {name}:make"
        text = f"[DEFAULT]\nwhere = here\n[app:main]\n{application}\n[app:other]\n{application}\na = 1\n"
        (tmp_path / "site.ini").write_text(text)
        return str(tmp_path / "site.ini")

    def test_has_a_main_application(self, path: str) -> None:
        """With the file's defaults."""
        assert load(path)() == ("here", {})

    def test_has_others_by_name(self, path: str) -> None:
        """With their own section's values."""
        assert load(f"{path}#other")() == ("here", {"a": "1"})

    @pytest.mark.parametrize(("section", "reason"), [("#absent", "LookupError"), ("#main#", "LookupError")])
    def test_without_the_section_is_told(self, path: str, section: str, reason: str) -> None:
        """By the variable's name."""
        problem, cause = problem_of(f"{path}{section}")
        assert problem.startswith(f"VIAFOURA_APP={path}{section} cannot be loaded: {reason}")
        assert isinstance(cause, LookupError)

    def test_needs_paste_deploy(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is not installed is named."""
        monkeypatch.setitem(sys.modules, "paste.deploy", None)
        problem, _ = problem_of(path)
        assert "paste.deploy" in problem


class TestWhatIsWrong:
    """One error, which names the variable and was caused by the original exception."""

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("", ValueError),
            (":app", ValueError),
            ("no_such_module_at_all", ModuleNotFoundError),
            ("json.no_such_module", ModuleNotFoundError),
            (".relative", TypeError),
            ("..", TypeError),
            ("/nowhere/app.wsgi", FileNotFoundError),
            ("/nowhere/site.ini", OSError),
            ("/", OSError),
            ("a b", ModuleNotFoundError),
            ("a\0b", ModuleNotFoundError),
            ("/a\0b", ValueError),
        ],
    )
    def test_is_told_of_a_name_that_leads_nowhere(self, name: str, kind: type[Exception]) -> None:
        """Whatever is written."""
        problem, cause = problem_of(name)
        assert problem.startswith(f"VIAFOURA_APP={name} cannot be loaded: {type(cause).__name__}")
        assert isinstance(cause, kind)

    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ("raise RuntimeError('no database')", RuntimeError),
            ("import no_such_module_at_all", ModuleNotFoundError),
            ("def broken(:", SyntaxError),
            ("import sys; sys.exit('no configuration')", SystemExit),
            ("raise SystemExit(0)", SystemExit),
        ],
    )
    @pytest.mark.parametrize("form", ["{name}", "{path}"])
    def test_is_told_of_a_site_that_cannot_be_imported(
        self, source: str, kind: type[BaseException], form: str, tmp_path: Path, module: Write
    ) -> None:
        """A site that exits is one of them: an exit with no word would be a riddle."""
        name = module(source)
        problem, cause = problem_of(form.format(name=name, path=tmp_path / f"{name}.py"))
        assert f" cannot be loaded: {kind.__name__} (" in problem
        assert isinstance(cause, kind)

    @pytest.mark.parametrize("form", ["{name}", "{path}"])
    def test_an_interruption_is_none_of_it(self, form: str, tmp_path: Path, module: Write) -> None:
        """Who stops the start stops it."""
        name = module("raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            load(form.format(name=name, path=tmp_path / f"{name}.py"))

    @pytest.mark.parametrize(
        "source",
        [
            "raise RuntimeError('postgres://site:s3cret@db')",
            "raise SystemExit('s3cret')",
            "import json; json.loads('s3cret')",
            "int('s3cret')",
            "password = 's3cret' +",
            "raise ImportError('s3cret')",
            "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})('s3cret')",
        ],
    )
    def test_tells_of_a_foreign_exception_its_type_and_place_alone(self, source: str, module: Write) -> None:
        """What a site raises may have a password in it; the exception itself is the cause, for a server to show."""
        problem, cause = problem_of(module(source))
        assert "s3cret" not in problem
        assert type(cause).__name__ in problem

    def test_is_told_of_a_module_without_an_application(self) -> None:
        """By the names that were looked for."""
        problem, _ = problem_of("json")
        assert problem.endswith("json has neither application nor app; name one as module:attribute")

    @pytest.mark.parametrize(
        "call", ["make('s3cret')", "make(key='s3cret', other=1)", "make('s3cret'", "int('s3cret')"]
    )
    def test_tells_no_argument_of_a_factory(self, call: str, module: Write) -> None:
        """It may be a password."""
        problem, _ = problem_of(f"{module('from builtins import int' + chr(10) + 'def make(key): 1 / 0')}:{call}")
        assert "(…) cannot be loaded: " in problem
        assert "s3cret" not in problem

    def test_a_site_that_wraps_itself_tells_its_own(self, module: Write) -> None:
        """Its settings are wrong, and not its name."""
        name = module("from viafoura_mw.errors import SettingsError\nraise SettingsError(['VIAFOURA_X is wrong'])")
        assert problem_of(name) == ("VIAFOURA_X is wrong", None)


class Door(NamedTuple):
    """In a middleware's place."""

    application: Any
    settings: Settings


class TestServed:
    """The application of ``viafoura_mw.wsgi:application`` and of ``viafoura_mw.asgi:application``."""

    @pytest.fixture(autouse=True)
    def _no_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in os.environ if name.startswith("VIAFOURA_")]:
            monkeypatch.delenv(name)

    def test_is_none_where_none_is_named(self) -> None:
        """Importing a door for its class alone needs no setting, and judges none."""
        assert served(Door) is None

    def test_has_the_settings_that_it_made_itself(self, module: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """A site that calls ``load_dotenv()`` as it is imported."""
        for name in ("VIAFOURA_SITE_ID", "VIAFOURA_API_KEY"):
            monkeypatch.setenv(name, "")
        site = "import os\nos.environ.update(VIAFOURA_SITE_ID='s', VIAFOURA_API_KEY='k')\napplication = str"
        monkeypatch.setenv("VIAFOURA_APP", module(site))
        found = served(Door)
        assert found is not None
        assert (found.application, found.settings.site_id, found.settings.api_key) == (str, "s", "k")

    @pytest.mark.parametrize(
        ("door", "source", "other"),
        [
            ("wsgi", "def app(environ, start_response): ...", ""),
            ("wsgi", "async def app(scope, receive, send): ...", "asgi"),
            ("wsgi", "def app(scope): ...", ""),
            ("wsgi", "def app(*anything): ...", ""),
            ("asgi", "async def app(scope, receive, send): ...", ""),
            ("asgi", "def app(environ, start_response): ...", "wsgi"),
        ],
    )
    def test_is_told_to_take_the_other_door(
        self,
        door: str,
        source: str,
        other: str,
        module: Write,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """As the server starts: each request would end in a TypeError that names neither variable nor door."""
        middleware = importlib.import_module(f"viafoura_mw.{door}").ViafouraMiddleware
        for name, value in {"APP": module(source), "SITE_ID": "s", "API_KEY": "k"}.items():
            monkeypatch.setenv(f"VIAFOURA_{name}", value)

        assert isinstance(served(middleware), middleware)

        told = [f"let the server load viafoura_mw.{other} in place of viafoura_mw.{door}"] if other else []
        assert [record.getMessage().partition(": ")[2] for record in caplog.records] == told

    def test_is_not_made_where_a_lazy_proxy_stands_for_it(self, module: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server's parent process must not make what its children are to make."""
        proxy = (
            "class Proxy:\n    made = False\n    def __call__(self, *request): ...\n"
            "    @property\n    def __class__(self):\n        type(self).made = True\n        return type(print)\n"
            "application = Proxy()"
        )
        for name, value in {"APP": module(proxy), "SITE_ID": "s", "API_KEY": "k"}.items():
            monkeypatch.setenv(f"VIAFOURA_{name}", value)

        found = served(Door)

        assert found is not None
        assert not type(found.application).made

    @pytest.mark.parametrize("parameters", ["", "test_config=None", "*, config=None", "**settings"])
    @pytest.mark.parametrize("door", ["wsgi", "asgi"])
    def test_is_to_be_made_by_a_call(
        self, door: str, parameters: str, module: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A function that takes no request is what makes the application, and nobody has called it."""
        name = f"{module(f'def create_app({parameters}): ...')}:create_app"
        monkeypatch.setenv("VIAFOURA_APP", name)

        with pytest.raises(SettingsError) as caught:
            served(importlib.import_module(f"viafoura_mw.{door}").ViafouraMiddleware)

        hint = "if it makes the application, name the call, as in mysite:create_app()"
        assert caught.value.problems == (f"VIAFOURA_APP={name} takes no request: {hint}",)

    def test_may_be_named_by_the_environment_file(
        self, module: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Which may be a pipe, and name a secret's pipe: each is read once."""
        pipes = [tmp_path / "env", tmp_path / "key"]
        lines = f"VIAFOURA_APP={module('application = str')}\nVIAFOURA_SITE_ID=s\nVIAFOURA_API_KEY_FILE={pipes[1]}\n"
        writers = [Thread(target=pipe.write_text, args=(text,)) for pipe, text in zip(pipes, (lines, "k"), strict=True)]
        for pipe, writer in zip(pipes, writers, strict=True):
            os.mkfifo(pipe)
            writer.start()
        monkeypatch.setenv("VIAFOURA_ENV_FILE", str(pipes[0]))
        found = served(Door)
        for writer in writers:
            writer.join()
        assert found is not None
        assert (found.application, found.settings.api_key) == (str, "k")

    @pytest.mark.parametrize("door", ["wsgi", "asgi"])
    @pytest.mark.parametrize("name", NAMES)
    def test_says_that_nothing_is_named(self, door: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
        """A door that was imported without ``VIAFOURA_APP``: in the log, since gunicorn and uvicorn hide why."""
        module = importlib.import_module(f"viafoura_mw.{door}")
        with pytest.raises(AttributeError, match=rf"viafoura_mw\.{door}:{name} .*VIAFOURA_APP is not set") as raised:
            getattr(module, name)
        assert [record.getMessage() for record in caplog.records] == [str(raised.value)]
        assert not hasattr(module, name)
        with pytest.raises(AttributeError, match=rf"module 'viafoura_mw\.{door}' has no attribute 'apple'"):
            _ = module.apple

    @pytest.mark.parametrize("door", ["wsgi", "asgi"])
    def test_is_a_real_attribute_of_its_door(self, door: str, module: Write, tmp_path: Path) -> None:
        """UWSGI sees no ``__getattr__``. The environment file alone knows the name, the site alone the rest."""
        site = "import os\nos.environ.update(VIAFOURA_SITE_ID='s', VIAFOURA_API_KEY='k')\ndef application(a, b): ..."
        (tmp_path / "env").write_text(f"export VIAFOURA_APP='{module(site)}'  # the site\n")
        code = f"from viafoura_mw import {door}; print(*(type(vars({door})[name]).__name__ for name in {NAMES}))"
        path = os.pathsep.join([str(ROOT), str(tmp_path), *filter(None, sys.path)])
        environ = {"PYTHONPATH": path, "VIAFOURA_ENV_FILE": str(tmp_path / "env")}
        done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == "ViafouraMiddleware ViafouraMiddleware\n"


def test_the_name_is_a_setting() -> None:
    """:func:`named_application` gives it without judging the others."""
    environ: dict[str, Any] = {"VIAFOURA_APP": "pkg", "VIAFOURA_TIMEOUT": "x"}
    assert named_application(environ) == "pkg"
