"""Who is reading, in every framework: on the bridge's own address, which it does not know, and on a path of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT, environ_of_process
from viafoura_mw.testing import SimulatedViafoura

#: What the bridge is told on its own address, by a reader who is signed in and by nobody.
KNOWN, UNKNOWN = ("signed-in", "nobody"), ("unknown", "unknown")
SITES = [
    ("wsgi", "tests.sites.flask_site:create_app()", "flask-login", KNOWN),
    ("wsgi", "tests.sites.django_site:wsgi()", "django", KNOWN),
    ("asgi", "tests.sites.django_site:asgi()", "django", KNOWN),
    ("wsgi", "tests.sites.pyramid_site:main()", "pyramid", KNOWN),
    ("asgi", "tests.sites.starlette_site:app", "scope", KNOWN),
    ("asgi", "tests.sites.fastapi_site:app", "scope", KNOWN),
    ("asgi", "tests.sites.fastapi_dependency_site:app", "scope", UNKNOWN),
    ("asgi", "tests.sites.litestar_site:app", "scope", UNKNOWN),
]


@pytest.mark.parametrize(("door", "site", "preset", "on_own_path"), SITES)
def test_knows_who_is_reading(
    viafoura: SimulatedViafoura,
    tmp_path: Path,
    door: str,
    site: str,
    preset: str,
    on_own_path: tuple[str, str],
) -> None:
    """Where it cannot be known on the address that is asked, nobody is never said; a path of the site's tells."""
    if "litestar" in site:
        pytest.importorskip("litestar", reason="Litestar is not installed")
    environ = environ_of_process(
        {
            **viafoura.environ(),
            "VIAFOURA_BRIDGE": "1",
            "VIAFOURA_USER": preset,
            "DATABASE": str(tmp_path / "database"),
        }
    )
    if preset == "django":
        subprocess.run([sys.executable, "-m", "tests.sites.django_site"], env=environ, cwd=ROOT, check=True)
    command = [sys.executable, "-m", "tests.support.bridge_probe", door, site]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(each["signed in"], each["nobody"]) for each in (told[""], told["/"])] == [on_own_path, KNOWN]


@pytest.mark.parametrize("storage", ["cookie.CookieStorage", "session.SessionStorage"])
def test_spends_no_message_of_django_s(viafoura: SimulatedViafoura, storage: str) -> None:
    """What is shown once is shown on the next page, wherever Django keeps it: the bridge's own path shows none."""
    environ = environ_of_process({**viafoura.environ(), "VIAFOURA_BRIDGE": "1", "STORAGE": storage})
    command = [sys.executable, "-m", "tests.sites.django_messages"]

    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"states": ["nobody", "nobody"], "views": 1, "shown": "Saved."}
