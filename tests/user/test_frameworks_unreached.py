"""Users whom nobody outside can see are told, once and in a sentence, with what to set."""

import gc
import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.support.framework_reading import reader_of
from viafoura_mw.user import frameworks
from viafoura_mw.user.sources import UserSources, parse


class Application:
    """One of a framework that is not installed here."""


class Cookie:
    """A scheme of FastAPI's by which a browser is known."""


#: By the module, the class, and the door.
ALONE = {
    ("flask", "Flask", False): "without Flask-Login",
    ("pyramid.router", "Router", False): "without a security policy",
    ("flask", "Flask", True): "Flask runs behind an ASGI adapter",
    ("pyramid.router", "Router", True): "Pyramid runs behind an ASGI adapter",
    ("django.core.handlers.wsgi", "WSGIHandler", True): "Django runs behind an ASGI adapter",
    ("quart", "Quart", True): "Quart keeps its users to itself",
    ("sanic", "Sanic", True): "Sanic keeps its users in request.ctx",
    ("fastapi.security", "OAuth2", True): "FastAPI asks for bearer tokens",
    ("fastapi.security", "HTTPBearer", True): "FastAPI asks for bearer tokens",
}


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """But what a test makes."""
    for module in {module for module, _, _ in ALONE}:
        monkeypatch.setitem(sys.modules, module, SimpleNamespace())
    monkeypatch.setattr(frameworks, "recognised", lambda asgi: None)
    yield
    gc.collect()


def imported(monkeypatch: pytest.MonkeyPatch, module: str, **kinds: type) -> None:
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**kinds))


@pytest.mark.parametrize(("module", "name", "asgi"), ALONE)
def test_is_told_where_an_application_is_made(
    module: str, name: str, asgi: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be imported is not to run; behind the other door something else is told, or nothing."""
    imported(monkeypatch, module, **{name: Application})
    assert list(frameworks.unreached("auto", asgi=asgi)) == []
    application = Application()
    (sentence,) = frameworks.unreached("auto", asgi=asgi)
    assert ALONE[module, name, asgi] in sentence
    assert sentence not in frameworks.unreached("auto", asgi=not asgi)
    assert application


def test_is_told_of_the_preset_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has named another one has not asked."""
    imported(monkeypatch, "flask", Flask=Application)
    application = Application()
    assert len([*frameworks.unreached("flask-login", asgi=False)]) == 1
    assert [*frameworks.unreached("remote-user", asgi=False)] == []
    assert application


def test_a_session_is_lent_unless_an_adapter_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """``session:`` and ``g:`` are read of Flask, and of Quart, but not through an adapter."""
    imported(monkeypatch, "flask", Flask=Application)
    imported(monkeypatch, "quart", Quart=Application)
    application = Application()
    assert [*frameworks.unreached("auto", asgi=False, lent=True)] == []
    (sentence,) = frameworks.unreached("auto", asgi=True, lent=True)
    assert "adapter" in sentence
    assert application


def test_bearer_tokens_are_told_once_and_not_beside_a_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser sends a cookie with each page."""
    imported(monkeypatch, "fastapi.security", OAuth2=Application, HTTPBearer=Application, APIKeyCookie=Cookie)
    scheme = Application()
    assert len([*frameworks.unreached("auto", asgi=True)]) == 1
    cookie = Cookie()
    assert [*frameworks.unreached("auto", asgi=True)] == []
    assert scheme
    assert cookie


@pytest.mark.parametrize("own", [UserSources(), UserSources(parse("scope:auth/uid"))])
def test_the_log_has_it_once_a_process(
    own: UserSources, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When it is settled by which preset users are read; where a source of the id is set there is nothing to tell."""
    imported(monkeypatch, "sanic", Sanic=Application)
    imported(monkeypatch, "quart", Quart=Application)
    application = Application()
    reader = reader_of("auto", own, asgi=True)
    no_keys: dict[str, object] = {}
    for _ in range(2):
        reader.read_free(no_keys.get, None)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [sentence.partition(" ")[0] for sentence in warnings] == ([] if own.id else ["Quart", "Sanic"])
    assert application
