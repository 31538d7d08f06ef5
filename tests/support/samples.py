"""The samples, started as their READMEs say."""

import base64
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import (
    ROOT,
    Answer,
    Browser,
    Running,
    environ_of_process,
    serving,
)

SAMPLES = ROOT / "samples"


ANN = base64.b64encode(b"ann:apple").decode()


@contextlib.contextmanager
def copied(sample: str) -> Iterator[Path]:
    """A copy of a sample's folder, where whoever it runs as may read and it may write."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / sample
        shutil.copytree(SAMPLES / sample, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (Path(folder), copy):
            path.chmod(0o777)
        yield copy


@contextlib.contextmanager
def started(folder: Path, script: str, environ: Mapping[str, str]) -> Iterator[Running]:
    """A sample as one of its scripts starts it; ``PORT`` is known only once a port has been picked."""
    with serving(lambda port, _: ["env", f"PORT={port}", str(folder / script)], environ, cwd=folder) as running:
        yield running


@dataclass(frozen=True)
class Sample:
    """A sample's reader: by what id and name, and how they sign in and out."""

    id: str
    name: str
    sign_in: Callable[[Browser], None]
    sign_out: Callable[[Browser], None] | None = None
    prepare: Callable[[Path], None] = lambda _: None


def by_form(**form: str) -> Callable[[Browser], None]:
    def sign_in(browser: Browser) -> None:
        assert browser.post("/sign-in", **form).status == 303

    return sign_in


def sign_out(browser: Browser) -> None:
    assert browser.post("/sign-out").status == 303


def _token(page: Answer) -> str:
    found = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert found
    return found[1].decode()


def _in_to_django(browser: Browser) -> None:
    token = _token(browser.get("/sign-in"))
    answer = browser.post("/sign-in", username="ann", password="apple-pie-3119", csrfmiddlewaretoken=token)
    assert answer.status == 302


def _out_of_django(browser: Browser) -> None:
    assert browser.post("/sign-out", csrfmiddlewaretoken=_token(browser.get())).status == 302


def django_with_ann(folder: Path, python: str = sys.executable) -> None:
    """Make the Django sample's database, with its reader in it."""
    make = (
        "from django.contrib.auth.models import User; User.objects.create_user("
        "'ann', 'ann@gazette.example', 'apple-pie-3119', pk=17, first_name='Ann', last_name='Lee')"
    )
    for arguments in (["migrate", "--verbosity", "0"], ["shell", "--command", make]):
        command = [python, "manage.py", *arguments]
        subprocess.run(command, cwd=folder, env=environ_of_process({}), check=True, capture_output=True)


def _in_to_apache(browser: Browser) -> None:
    browser.always["Authorization"] = f"Basic {ANN}"


BY_SITE = {
    "django-gunicorn": Sample("17", "Ann Lee", _in_to_django, _out_of_django, django_with_ann),
    "fastapi-uvicorn": Sample("17", "Ann Lee", by_form(reader="ann"), sign_out),
    "flask-gunicorn": Sample("Ann", "Ann", by_form(reader="Ann"), sign_out),
    "flask-login-waitress": Sample("r-17", "Ann Lee", by_form(email="ann@gazette.example", password="apple"), sign_out),
    "mod-wsgi-apache": Sample("ann", "ann", _in_to_apache),
    "pyramid-paste": Sample("ann", "ann", by_form(reader="ann"), sign_out),
    "starlette-uvicorn": Sample("Ann", "Ann", by_form(reader="Ann"), sign_out),
}


BEHIND_A_PROXY = "oauth2-proxy-nginx"
WITH_METRICS = "metrics"
