"""The PasteDeploy door: the middleware as a filter of an ini file."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.doors import PAGE, environ_of
from viafoura_mw.errors import SettingsError
from viafoura_mw.paste import filter_app_factory
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.wsgi import ViafouraMiddleware

SITE = """
[app:site]
paste.app_factory = tests.doors.test_paste:site
"""
FILTER = """
[filter:viafoura]
use = egg:viafoura-mw
"""


def site(_: Any, **__: str) -> Any:
    """A site that knows nothing of Viafoura."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [("Content-Type", "text/html")])
        return [PAGE]

    return application


def served(ini: str, place: Path) -> bytes:
    """The page of the main application of an ini file."""
    deploy = pytest.importorskip("paste.deploy", reason="PasteDeploy is not installed")
    file = place / "site.ini"
    file.write_text(ini + SITE)
    application = deploy.loadapp(f"config:{file}", name="main")
    return b"".join(application(environ_of(), lambda *_: print))


@pytest.fixture
def environment(viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of a simulated Viafoura, in the process's environment."""
    environ = viafoura.environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


@pytest.mark.parametrize(
    "ini",
    [
        "[pipeline:main]\npipeline = viafoura site\n" + FILTER,
        "[app:main]\nuse = site\nfilter-with = viafoura\n" + FILTER,
        "[filter-app:main]\nuse = egg:viafoura-mw\nnext = site\n",
    ],
)
def test_wraps_an_application_of_an_ini_file(environment: dict[str, str], tmp_path: Path, ini: str) -> None:
    """By pipeline, by filter-with, and by filter-app, with the settings of the environment."""
    assert b"data-uid=" in served(ini, tmp_path)


@pytest.mark.parametrize("line", ["user = off", "VIAFOURA_USER = off"])
def test_the_section_has_the_last_word(environment: dict[str, str], tmp_path: Path, line: str) -> None:
    """What the ini file says stands above the environment, by its short name or its whole one."""
    ini = f"[pipeline:main]\npipeline = viafoura site\n{FILTER}{line}\n"
    assert b"data-uid=" not in served(ini, tmp_path)


def test_needs_nothing_of_the_environment(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """An ini file may hold all the settings."""
    lines = "\n".join(f"{name} = {value}" for name, value in viafoura.environ().items())
    assert b"data-uid=" in served(f"[pipeline:main]\npipeline = viafoura site\n{FILTER}{lines}\n", tmp_path)


def test_a_secret_of_the_section_hides_both_forms_of_the_environments(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A file in the section, a value in the environment: they are not told to be one too many."""
    secret = tmp_path / "key"
    secret.write_text(environment["VIAFOURA_API_KEY"])
    assert isinstance(filter_app_factory(site({}), {}, api_key_file=str(secret)), ViafouraMiddleware)


def test_tells_every_key_that_is_no_setting(environment: dict[str, str]) -> None:
    """By its name, with the one that was probably meant."""
    with pytest.raises(SettingsError) as raised:
        filter_app_factory(site({}), {}, sight_id="1", colour="red", user="off", VIAFOURA_USER="off")
    told = "\n".join(raised.value.problems)
    assert "VIAFOURA_SIGHT_ID" in told
    assert "did you mean VIAFOURA_SITE_ID" in told
    assert "VIAFOURA_COLOUR" in told
    assert "VIAFOURA_USER is set twice" in told


def test_passes_by_what_is_the_ini_files_own(environment: dict[str, str]) -> None:
    """The keys of [DEFAULT] are for every application of the file."""
    assert filter_app_factory(site({}), {"here": "/", "colour": "red"}) is not None
