"""What the README says is so: its settings, its words, its house, and every block of code in it."""

import configparser
import dataclasses
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.support.readme import README, ROOT, blocks, table
from viafoura_mw import Settings, settings


class TestSettings:
    """The settings' table."""

    def test_names_every_variable_and_no_other(self) -> None:
        """A variable that is not told is not there, and the other way round."""
        assert table("settings").keys() == set(settings.KNOWN)

    @pytest.mark.parametrize(
        "field",
        [field for field in dataclasses.fields(Settings) if field.name != "sites"],  # what VIAFOURA_SITES_FILE holds
        ids=lambda field: field.name,
    )
    def test_tells_the_defaults(self, field: "dataclasses.Field[Any]") -> None:
        """A default is the one that Settings has, or is told in words."""
        told = table("settings")[f"VIAFOURA_{field.name.upper()}"][0]
        default = field.default
        in_words = {"api_key", "site_id", "token_url", "user_id", "user_name", "user_email", "auth_cookies"}
        if field.name in in_words or field.name == "cookie_secret":
            assert told
            assert not default
        elif field.name == "bridge":
            assert told == "`0`"
            assert not default
        elif isinstance(default, bool):
            assert told == f"`{int(default)}`"
        elif isinstance(default, tuple):
            assert told.strip("`") == ",".join(default)
        else:
            assert told.strip("`") == str(default)


def test_tells_every_word_of_the_debug_header() -> None:
    """Each outcome that the exchange says is explained."""
    source = (ROOT / "viafoura_mw/response/exchange.py").read_text("utf-8")
    words = set(re.findall(r'_pass\("([a-z-]+)"\)', source)) | {"injected; session=cookie", "injected; session=login"}
    assert all(f"`{word}`" in README for word in words)


def test_draws_every_room_of_the_house() -> None:
    """Each module of the package is in the drawing."""
    (drawing,) = [text for text in blocks("") if "frameworks/" in text]
    package = ROOT / "viafoura_mw"
    wings = [package, *(package / wing for wing in ("user", "viafoura", "page", "response", "bridge"))]
    rooms = {
        path.stem
        for wing in wings
        for path in wing.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} <= set(re.findall(r"\w+", drawing))


class TestCode:
    """Each block of Python runs."""

    def test_wraps_a_wsgi_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The one line for WSGI."""
        self._run("viafoura_mw.wsgi", monkeypatch, application=_wsgi)

    def test_wraps_an_asgi_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The one line for Starlette and FastAPI."""
        self._run("viafoura_mw.asgi", monkeypatch, app=Starlette())

    def test_offers_the_simulated_viafoura(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The lines for a site's own tests."""
        self._run("viafoura_mw.testing", monkeypatch)

    def test_is_all_run_here(self) -> None:
        """No block of Python is left out."""
        assert len(blocks("python")) == 3

    @staticmethod
    def _run(module: str, monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
        monkeypatch.setenv("VIAFOURA_SITE_ID", "site")
        monkeypatch.setenv("VIAFOURA_API_KEY", "key")
        (block,) = [text for text in blocks("python") if module in text]
        exec(compile(block, "README.md", "exec"), names)


def _wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return []


def test_shows_an_ini_file_that_is_one() -> None:
    """The PasteDeploy lines parse; the samples' tests run such a file."""
    (block,) = blocks("ini")
    ini = configparser.ConfigParser()
    ini.read_string(block)
    assert ini["filter:viafoura"]["use"] == "egg:viafoura-mw"


def test_shows_commands_that_exist(tmp_path: Path) -> None:
    """Each command line of the package in a block is one that its parser knows."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = {words[-1] for line in lines if "viafoura-mw " in line and (words := shlex.split(line))}
    inline = set(re.findall(r"`viafoura-mw (\w+)", README))
    for command in sorted((commands | inline) - {"demo."}):
        done = subprocess.run(
            [sys.executable, "-m", "viafoura_mw", command, "--help"], capture_output=True, check=False
        )
        assert done.returncode == 0, command


def test_names_commands_pictures_and_extras_that_exist() -> None:
    """Each module that is to be run, each picture that is shown, each extra that is to be installed is there."""
    modules = re.findall(r"python -m (tests[\w.]*)", README)
    pages = [README, *(page.read_text("utf-8") for page in (ROOT / ".docs").glob("*.md"))]
    pictures = [picture for page in pages for picture in re.findall(r"\.pictures/[\w.-]+", page)]
    extras = {extra for found in re.findall(r"\[((?:br|zstd|demo|test)[\w,]*)\]", README) for extra in found.split(",")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert modules
    assert all(importlib.util.find_spec(module) for module in modules)
    assert {f".pictures/{path.name}" for path in (ROOT / ".pictures").iterdir()} == set(pictures)
    assert extras
    assert extras <= project["optional-dependencies"].keys()


def test_names_each_benchmark() -> None:
    """What the section about speed names is what can be run."""
    benchmarks = {path.stem for path in (ROOT / "tests/bench").glob("*.py")} - {"__init__", "__main__", "pages", "plot"}
    assert all(f"`{name}`" in README.partition("<!-- speed -->")[2] for name in benchmarks)


def test_gives_ci_the_line_that_passes_the_tests() -> None:
    """CI runs exactly the README's line."""
    (line,) = [block.strip() for block in blocks("sh") if "pytest" in block]
    ci = (ROOT / ".ci/run").read_text("utf-8")
    assert line.replace("pip install", "pip install --quiet") in ci
