"""What the pages of ``.docs/`` say is so: the settings, the words, the house, and every block of code."""

import ast
import configparser
import dataclasses
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from werkzeug.test import Client as WSGIClient

from tests import diagrams
from tests.support.doors import HTML, PAGE, call, scope_of
from tests.support.readme import PAGES, PORCH, PROSE, ROOT, blocks, headings, page, table
from viafoura_mw import Settings, asgi, settings
from viafoura_mw import __main__ as command
from viafoura_mw.page.html import find
from viafoura_mw.testing import Fault, SimulatedViafoura


class TestSettings:
    """The settings' table."""

    TABLE = table("settings", page("settings"))

    def test_names_every_variable_and_no_other(self) -> None:
        """A variable that is not told is not there, and the other way round."""
        assert set(settings.KNOWN) == self.TABLE.keys()

    @pytest.mark.parametrize(
        "field",
        [field for field in dataclasses.fields(Settings) if field.name != "sites"],  # what VIAFOURA_SITES_FILE holds
        ids=lambda field: field.name,
    )
    def test_tells_the_defaults(self, field: "dataclasses.Field[Any]") -> None:
        """A default is the one that Settings has, or is told in words."""
        told = self.TABLE[f"VIAFOURA_{field.name.upper()}"][0]
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
    assert all(f"`{word}`" in page("troubleshooting") for word in words)


def test_draws_every_room_of_the_house() -> None:
    """Each module of the package is in the drawing."""
    (drawing,) = [text for text in blocks("", page("layout")) if "frameworks/" in text]
    package = ROOT / "viafoura_mw"
    wings = [package, *(package / wing for wing in ("user", "viafoura", "page", "response", "bridge"))]
    rooms = {
        path.stem
        for wing in wings
        for path in wing.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} <= set(re.findall(r"\w+", drawing))


class TestLinks:
    """Links between pages."""

    @pytest.mark.parametrize("name", [*PAGES, *PORCH])
    def test_lead_to_what_is_there(self, name: str) -> None:
        """A file or folder of this repository, and a heading of it where one is named."""
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, heading = target.partition("#")
            if not path.startswith(("https://", "http://")):
                there = (ROOT / name).parent / path if path else ROOT / name
                assert there.exists(), target
                assert not heading or heading in headings(there.read_text("utf-8")), target

    def test_reach_every_page(self) -> None:
        """From the README, by one link or more."""
        reached: set[Path] = set()
        left = [ROOT / "README.md"]
        while left:
            file = left.pop()
            if file not in reached and file.suffix == ".md" and file.exists():
                reached.add(file)
                targets = re.findall(r"\]\(([\w./-]+)", file.read_text("utf-8"))
                left += [(file.parent / target).resolve() for target in targets]
        assert {ROOT / name for name in [*PAGES, *PORCH]} <= reached


class TestCode:
    """Each block of Python runs."""

    def test_wraps_a_wsgi_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The one line for WSGI."""
        self._run("viafoura_mw.wsgi", monkeypatch, application=_wsgi)

    def test_wraps_an_asgi_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The one line for Starlette and FastAPI."""
        self._run("viafoura_mw.asgi", monkeypatch, app=Starlette())

    @pytest.mark.parametrize("block", blocks("python", page("testing")))
    def test_offers_the_simulated_viafoura(self, block: str) -> None:
        """The lines for a site's own tests; a test among them passes, for a site that has a signed-in user."""
        names: dict[str, Any] = {}
        exec(compile(block, "testing.md", "exec"), names)
        for test in (value for name, value in names.items() if name.startswith("test_")):
            test(WSGIClient, _signed_in)

    def test_names_what_the_simulated_viafoura_offers(self) -> None:
        """Each name of the table is one of its own."""
        table_of_names = page("testing").partition("| name |")[2].partition("\n\n")[0]
        names = re.findall(r"`(\w+)[`(]", "".join(row.split(" | ")[0] for row in table_of_names.splitlines()))
        assert names
        assert all(hasattr(SimulatedViafoura, name) for name in names)
        assert all(hasattr(Fault, name) for name in re.findall(r"`(\w+)\(", page("testing").partition("Faults are")[2]))

    def test_is_all_run_here(self) -> None:
        """No block of Python is left out, but for those of pages whose own tests run them."""
        counts = {name: len(blocks("python", text)) for name, text in PAGES.items()}
        counted = {name: count for name, count in counts.items() if count and name not in RUN_ELSEWHERE}
        assert counted == {".docs/servers.md": 2, ".docs/testing.md": 3}

    @staticmethod
    def _run(module: str, monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
        monkeypatch.setenv("VIAFOURA_SITE_ID", "site")
        monkeypatch.setenv("VIAFOURA_API_KEY", "key")
        (block,) = [text for text in blocks("python", page("servers")) if module in text]
        exec(compile(block, "page.md", "exec"), names)


#: Pages with tests of their own, beside :class:`TestBlocks`.
RUN_ELSEWHERE = (".docs/bridge.md", ".docs/operations.md", ".docs/recipes.md", ".docs/versions.md")


def _signed_in(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["REMOTE_USER"] = "17"
    start_response("200 OK", [HTML])
    return [PAGE]


def _wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return []


def test_shows_an_ini_file_that_is_one() -> None:
    """The PasteDeploy lines parse; the samples' tests run such a file."""
    (block,) = blocks("ini", page("servers"))
    ini = configparser.ConfigParser()
    ini.read_string(block)
    assert ini["filter:viafoura"]["use"] == "egg:viafoura-mw"


def test_the_contract_has_each_section_that_is_cited() -> None:
    """A § in a docstring of the tests of promises leads to a heading of the contract."""
    numbers = set(re.findall(r"^#+ ([0-9.]+[0-9]|[0-9]+)\.? ", page("contract"), re.MULTILINE))
    texts = [path.read_text("utf-8") for path in (ROOT / "tests/doors").glob("test_*.py")]
    cited = {number for text in texts for number in re.findall(r'"""(?:Contract )?§([0-9.]*[0-9])', text)}

    assert cited
    assert cited <= numbers


class TestBlocks:
    """Blocks of code and commands, on every page, also on those whose own tests run them."""

    @pytest.mark.parametrize("name", PAGES)
    def test_are_what_they_say(self, name: str) -> None:
        """Python that compiles and imports names that are there; ini, TOML and JSON that parse; a tag that is one."""
        text = PAGES[name]
        for block in blocks("python", text):
            tree = ast.parse(block)
            imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
            for each in imports:
                if str(each.module).startswith("viafoura_mw"):
                    module = importlib.import_module(str(each.module))
                    assert all(hasattr(module, alias.name) for alias in each.names)
        for block in blocks("ini", text):
            configparser.ConfigParser().read_string(block)
        for block in blocks("toml", text):
            tomllib.loads(block)
        for block in blocks("json", text):
            json.loads(block)
        for block in blocks("html", text):
            assert "viafoura-platform" not in block or find(block.encode())

    @pytest.mark.parametrize("name", PAGES)
    def test_type_commands_that_are_taken(self, name: str) -> None:
        """Each line with ``viafoura-mw`` is one that its parser takes, each module that is run is there."""
        lines = [line for block in blocks("sh", PAGES[name]) for line in block.splitlines()]
        for words in (shlex.split(part, comments=True) for line in lines for part in re.split(r" (?:&&|\|) ", line)):
            if any(word.rpartition("/")[2] == "viafoura-mw" for word in words):
                at = next(place for place, word in enumerate(words) if word.rpartition("/")[2] == "viafoura-mw")
                command.parser().parse_args(words[at + 1 :])
            if "-m" in words and words[words.index("-m") - 1].startswith("python"):
                assert importlib.util.find_spec(words[words.index("-m") + 1])

    @pytest.mark.parametrize("name", sorted(PAGES.keys() - {".docs/contract.md"}))
    def test_name_options_that_there_are(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Each ``viafoura-mw`` within a sentence, with its options."""
        for line in re.findall(r"`viafoura-mw ([^`]+)`", PAGES[name]):
            known, *options = line.split(" ")
            with pytest.raises(SystemExit, match="0"):
                command.parser().parse_args([known, "--help"])
            described = capsys.readouterr().out
            taken = () if known == "run" else (option for option in options if option.startswith("--"))
            assert all(option in described for option in taken), line

    def test_help_gives_examples_that_are_taken(self) -> None:
        """Of each command."""
        for module in command.COMMANDS.values():
            assert module.EXAMPLES
            for example in module.EXAMPLES:
                words = shlex.split(example.rpartition(" | ")[2])
                assert words[0] == "viafoura-mw"
                command.parser().parse_args(words[1:])

    @pytest.mark.parametrize("name", PAGES)
    def test_name_settings_that_there_are(self, name: str) -> None:
        """But for the misspelt ones of lines in the log, and beginnings of names."""
        named = set(re.findall(r"\bVIAFOURA_(?:[A-Z]+_)*[A-Z]+\b(?!_|…|\*)", PAGES[name]))
        assert named - {"VIAFOURA_TIMEUOT", "VIAFOURA_MW_REPOSITORY"} <= set(settings.KNOWN)

    @pytest.mark.parametrize("name", PAGES)
    def test_set_what_is_taken(self, name: str) -> None:
        """The values that a block exports, together, and each that a sentence gives; secrets stand for themselves."""
        for block in blocks("sh", PAGES[name]):
            exported = dict(re.findall(r"^(?:export )?(VIAFOURA_\w+)=(.*)$", block, re.MULTILINE))
            assert Settings.from_env(surrounded({key: value.strip("'\"") for key, value in exported.items()}))
        for variable, value in re.findall(r"`(VIAFOURA_\w+)=([^`\s…]+)`", PAGES[name]):
            assert Settings.from_env(surrounded({variable: value}))

    def test_a_file_of_sites_is_one(self, tmp_path: Path) -> None:
        """The file of the page on settings, with secrets where it says."""
        (block,) = blocks("toml", page("settings"))
        (tmp_path / "courier").write_text("a-key")
        (tmp_path / "gazette").write_text("another-key")
        (tmp_path / "sites.toml").write_text(block.replace("/run/secrets", str(tmp_path)))

        sites = dict(Settings.from_env({"VIAFOURA_SITES_FILE": str(tmp_path / "sites.toml")}).sites)

        assert sites.keys() == {"www.courier.example", "*.gazette.example"}
        assert sites["*.gazette.example"].timeout == 1.5


def surrounded(given: Mapping[str, str]) -> dict[str, str]:
    """Settings of a page with what they need besides; what stands for a secret or a file is left out."""
    kept = {key: value for key, value in given.items() if not re.search(r"_(SECRET|KEY|FILE|APP)$", key)}
    around = {
        "VIAFOURA_SITE_ID": "site",
        "VIAFOURA_API_KEY": "key",
        "VIAFOURA_PROXY_SECRET": "a-secret-of-the-proxy-s",
    }
    if any("_BRIDGE_" in key or key.endswith(("LOGIN_URL", "LOGOUT_URL")) for key in kept):
        around["VIAFOURA_BRIDGE"] = "1"
    if any("jwt:" in value for value in kept.values()) and "VIAFOURA_JWT_JWKS_URL" not in kept:
        secret = "a-secret-of-the-tokens-that-is-long-enough"
        around |= {"VIAFOURA_JWT_COOKIE": "token", "VIAFOURA_JWT_KEY": secret, "VIAFOURA_JWT_ALGORITHMS": "HS256"}
        kept.pop("VIAFOURA_JWT_ALGORITHMS", None)  # of a public key, which a page only hints at
    return {**around, **kept}


def test_names_commands_pictures_and_extras_that_exist() -> None:
    """Each module that is to be run, each picture that is shown, each extra that is to be installed is there."""
    modules = re.findall(r"python -m (tests[\w.]*)", PROSE)
    pictures = re.findall(r"\.pictures/[\w.-]+", PROSE)
    extras = {extra for found in re.findall(r"\[((?:br|zstd|demo|test)[\w,]*)\]", PROSE) for extra in found.split(",")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert modules
    assert all(importlib.util.find_spec(module) for module in modules)
    assert {f".pictures/{path.name}" for path in (ROOT / ".pictures").iterdir()} == set(pictures)
    assert extras
    assert extras <= project["optional-dependencies"].keys()


@pytest.mark.parametrize("name", diagrams.DIAGRAMS)
def test_shows_the_diagrams_that_a_command_draws(name: str) -> None:
    """``python -m tests.diagrams`` would change nothing."""
    assert (ROOT / ".pictures" / name).read_text("utf-8") == diagrams.drawn(diagrams.DIAGRAMS[name])


def test_sends_no_address_where_a_source_has_none(viafoura: SimulatedViafoura) -> None:
    """The setting by which the security model lets a site keep its users' addresses to itself."""
    (told,) = re.findall(r"`VIAFOURA_USER_EMAIL=(\S+)`", page("security"))
    variables = {"VIAFOURA_USER": "scope", "VIAFOURA_USER_EMAIL": told, "VIAFOURA_TIMEOUT": "30"}
    of_site = Settings.from_env({**viafoura.environ(), **variables})

    async def site(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = {"id": "17", "name": "Ann", "email": "ann@site.example"}
        await HTMLResponse(PAGE)(scope, receive, send)

    anyio.run(call, asgi.ViafouraMiddleware(site, of_site), scope_of(headers={"Accept": "text/html"}))

    (login,) = [each.form for each in viafoura.calls if each.kind == "login"]
    assert login == {"id": "17", "name": "Ann"}


def test_names_each_benchmark() -> None:
    """What the section about speed names is what can be run."""
    benchmarks = {path.stem for path in (ROOT / "tests/bench").glob("*.py")} - {"__init__", "__main__", "pages", "plot"}
    assert all(f"`{name}`" in page("speed") for name in benchmarks)


def test_gives_ci_the_line_that_passes_the_tests() -> None:
    """CI runs exactly the README's line."""
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if "pytest" in line]
    ci = (ROOT / ".ci/run").read_text("utf-8")
    assert line.replace("pip install", "pip install --quiet") in ci
