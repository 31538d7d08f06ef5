"""Every sample, started as its README says: before, and with the middleware around it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.servers import ROOT, Browser, Running, exchange, serving
from viafoura_mw.testing import SimulatedViafoura

SAMPLES = ROOT / "samples"
SITES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Running]]:
    """Start a sample by one of its scripts, in a copy of its folder, where it may write."""

    @contextlib.contextmanager
    def started(sample: str, script: str, environ: Mapping[str, str]) -> Iterator[Running]:
        folder = tmp_path / f"{sample}-{script}"
        shutil.copytree(SAMPLES / sample, folder, ignore=shutil.ignore_patterns("__pycache__"))
        # PORT is known only once a port has been picked, so a shell takes it as an argument.
        with serving(lambda port, _: ["env", f"PORT={port}", str(folder / script)], environ, cwd=folder) as running:
            yield running

    return started


@pytest.mark.parametrize("sample", SITES)
def test_a_sample_knows_nothing_of_the_middleware(sample: str) -> None:
    """No file of a site but those that start it says anything of this package."""
    starting = {"README.md", "start.sh"}
    files = [path for path in (SAMPLES / sample).rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    telling = {path.name for path in files if "viafoura_mw" in path.read_text() or "VIAFOURA_" in path.read_text()}

    assert telling <= starting


@pytest.mark.parametrize("sample", ["flask-gunicorn", "starlette-uvicorn"])
def test_a_reader_of_a_sample_is_signed_in_to_viafoura(
    sample: str, start: Callable[..., contextlib.AbstractContextManager[Running]], viafoura: SimulatedViafoura
) -> None:
    """The anonymous page stays the bare site's; a reader who signs in has a session of their own; the next page costs
    no call; who signs out is signed out of Viafoura."""
    with start(sample, "start-before.sh", {}) as bare:
        page_before = exchange(bare.port, "GET / HTTP/1.1\nAccept: text/html")

    with start(sample, "start.sh", viafoura.environ()) as site, Browser(site.port) as browser:
        page = exchange(site.port, "GET / HTTP/1.1\nAccept: text/html")
        browser.post("/sign-in", reader="Ann")
        first, second = browser.get(), browser.get()
        browser.post("/sign-out")
        after = browser.get()
        viafoura.wait_for("logout")

    assert page == page_before
    assert first.pair == second.pair is not None
    user_id, session = first.pair
    assert viafoura.users["Ann"].user_id == int(user_id)
    assert [call.form.get("id") for call in viafoura.calls if call.kind == "login"] == ["Ann"]
    assert [call.form["session"] for call in viafoura.calls if call.kind == "logout"] == [session]
    assert after.pair is None
