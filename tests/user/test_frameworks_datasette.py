"""Datasette's actor is seen from outside, as ``scope["actor"]``."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.framework_reading import ask_asgi, reader_of
from viafoura_mw.user import frameworks
from viafoura_mw.user.user import Nobody, User

pytest.importorskip("datasette", reason="Datasette is not installed")

from datasette.app import Datasette

ANN = {"id": "ann", "name": "Ann", "email": "ann@site.example"}


@pytest.fixture(params=["/", "/base/"])
def datasette(request: pytest.FixtureRequest) -> Any:
    return Datasette(memory=True, settings={"base_url": request.param})


def cookies(datasette: Any, actor: Any) -> dict[str, str]:
    return {"ds_actor": datasette.sign({"a": actor}, "actor")}


@pytest.mark.parametrize("preset", ["auto", "scope"])
def test_reads_the_actor(datasette: Any, preset: str) -> None:
    """With id, name and e-mail address; its own cookies are all that is set."""
    reader = reader_of(preset, asgi=True)
    asked = ask_asgi(reader, datasette.app(), "/-/actor", cookies(datasette, ANN))
    assert (asked.status, asked.reading) == (200, User("ann", "Ann", "ann@site.example"))
    assert asked.cookies().keys() <= {"ds_csrftoken"}


def test_reads_a_visitor_as_nobody(datasette: Any) -> None:
    """Datasette has asked, and it is nobody."""
    assert ask_asgi(reader_of("scope", asgi=True), datasette.app(), "/-/actor").reading == Nobody()


def test_leaves_no_mark(datasette: Any) -> None:
    """The scope is what it was, but for its actor."""
    scopes: list[Any] = []
    site = datasette.app()

    async def kept(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await site(scope, receive, send)

    ask_asgi(reader_of("scope", asgi=True), kept, "/-/actor")
    assert {name for name in scopes[0] if name.startswith("viafoura_mw.datasette")} == set()


def test_breaks_no_page_where_the_actor_is_kept_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    """Another Datasette than is known: its response is what it was, the user is not known."""
    from viafoura_mw.user.frameworks import datasette

    shown = datasette._showing(lambda *_: "written")
    assert shown(None, SimpleNamespace(scope={})) == "written"
    assert caplog.messages == ["Datasette's actor cannot be seen (KeyError): the user is not known"]


def test_is_hooked_only_where_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional."""
    monkeypatch.delitem(sys.modules, "datasette.app")
    assert frameworks.prepare(frameworks.SHOWN) == frameworks.SHOWN
