"""What is published: a wheel and an sdist that install and work where there is no checkout."""

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.demo_process import PATIENCE, running_demo
from tests.support.samples import BY_SITE, copied, django_with_ann, started
from tests.support.servers import ROOT, Browser, environ_of_process
from viafoura_mw.demo.stories import STORIES
from viafoura_mw.testing import SimulatedViafoura

MISSING = [name for name in ("build", "twine") if importlib.util.find_spec(name) is None]
IN_CI = "CI" in os.environ

pytestmark = [pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]


def run(*command: object, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a program where no checkout is, with no setting but these."""
    arguments = [str(part) for part in command]
    return subprocess.run(
        arguments, cwd=cwd, env=environ_of_process(environ), capture_output=True, text=True, check=False
    )


def installed(done: "subprocess.CompletedProcess[str]") -> None:
    """Skip the test where pip reaches no index; in CI, and for any other reason, that is a failure."""
    if done.returncode and not IN_CI and "No matching distribution found" in done.stderr:
        pytest.skip("pip reaches no package index")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What ``python -m build`` makes: the sdist of the checkout, and the wheel of the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    installed(run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder))
    made = {path.name.rpartition(".")[2]: path for path in folder.iterdir()}
    assert made.keys() == {"gz", "whl"}
    return made


@pytest.fixture(scope="module")
def python(published: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh virtual environment that has the wheel, and what the Django sample needs."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(sys.executable, "-m", "venv", folder / "venv", cwd=folder).returncode == 0
    fresh = folder / "venv" / "bin" / "python"
    installed(run(fresh, "-m", "pip", "install", f"{published['whl']}[demo]", "django", "gunicorn", cwd=folder))
    return fresh


def test_a_package_index_takes_what_is_published(published: dict[str, Path], tmp_path: Path) -> None:
    """Its metadata is whole, and its README is one that an index can show."""
    checked = run(sys.executable, "-m", "twine", "check", "--strict", *published.values(), cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout


def test_the_wheel_has_the_package_and_nothing_else(published: dict[str, Path]) -> None:
    """Every file of the package is in it, typed, with its licence; no test and no sample is."""
    with zipfile.ZipFile(published["whl"]) as wheel:
        names = set(wheel.namelist())
    package = {name for name in names if ".dist-info/" not in name}

    assert "viafoura_mw/py.typed" in package
    assert package == {str(path.relative_to(ROOT)) for path in (ROOT / "viafoura_mw").rglob("*") if _is_source(path)}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def test_the_sdist_has_what_a_distribution_s_maintainer_needs(published: dict[str, Path]) -> None:
    """Its tests, its samples and its papers are in it."""
    with tarfile.open(published["gz"]) as sdist:
        tops = {Path(name).parts[1] for name in sdist.getnames()}

    assert {"viafoura_mw", "tests", "samples", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= tops


def test_the_wheel_s_demo_signs_a_reader_in(python: Path, tmp_path: Path) -> None:
    """The README's command, of a wheel, where no checkout is."""
    story = STORIES[0].path
    with running_demo(command=(str(python.parent / "viafoura-mw"),), cwd=tmp_path) as demo:
        with requests.Session() as reader:
            page = reader.post(
                f"{demo.url}/sign-in?back={story}", {"reader": "reader-17", "back": story}, timeout=PATIENCE
            )
        assert demo.interrupt() == (0, "")

    assert 'data-uid="' in page.text
    assert 'data-sid="' in page.text


def test_the_wheel_s_check_passes(python: Path, tmp_path: Path, viafoura: SimulatedViafoura) -> None:
    """The command that says whether all is right says so."""
    done = run(python, "-m", "viafoura_mw", "check", "--json", cwd=tmp_path, **viafoura.environ())

    told: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True), told


def test_the_wheel_serves_the_django_sample(python: Path, viafoura: SimulatedViafoura) -> None:
    """A Django site that knows nothing of it, under gunicorn, started as its README says."""
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with copied("django-gunicorn") as folder:
        django_with_ann(folder, str(python))
        environ = {**viafoura.environ(), **path}
        with started(folder, "start.sh", environ) as site, Browser(site.port, closes=True) as browser:
            BY_SITE["django-gunicorn"].sign_in(browser)
            page = browser.get()

    assert page.pair is not None
    assert viafoura.users["17"].name == "Ann Lee"
    assert viafoura.count("login") == 1


def test_the_wheel_is_what_the_fresh_environment_runs(python: Path, tmp_path: Path) -> None:
    """None of this is the checkout's doing; and only the four dependencies came with it."""
    done = run(python, "-c", "import viafoura_mw; print(viafoura_mw.__file__)", cwd=tmp_path)
    about = run(python, "-m", "pip", "show", "viafoura-mw", cwd=tmp_path)

    assert Path(done.stdout.strip()).is_relative_to(python.parent.parent)
    assert "Requires: asgiref, requests, starlette, webob\n" in about.stdout
