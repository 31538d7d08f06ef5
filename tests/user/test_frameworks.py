"""Which framework runs in a process is found out from outside, and importing one is not to run it."""

import gc
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.support.framework_reading import reader_of
from viafoura_mw.user import frameworks
from viafoura_mw.user.frameworks import running
from viafoura_mw.user.frameworks.running import instances
from viafoura_mw.user.frameworks.served import leave, left

NAMES = ("django", "flask", "flask_login", "pyramid")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_imports_no_framework() -> None:
    """Whatever is installed beside the site."""
    code = f"""
        import sys
        from viafoura_mw import wsgi, asgi
        from viafoura_mw.user import frameworks
        assert frameworks.prepare() == frameworks.RECOGNISED
        assert frameworks.recognised(asgi=True) is frameworks.recognised(asgi=False) is None
        print([name for name in {NAMES} if name in sys.modules])
    """
    assert python(code) == "[]"


def test_does_without_what_the_site_has_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each framework is optional."""
    for name in ("django.core.handlers", "flask", "pyramid.router", "quart", "cherrypy"):
        for module in [module for module in sys.modules if f"{module}.".startswith(f"{name}.")]:
            monkeypatch.delitem(sys.modules, module)
    assert frameworks.prepare() == frameworks.RECOGNISED
    assert frameworks.prepare(frameworks.LENDERS) == frameworks.LENDERS
    assert frameworks.recognised(asgi=True) is frameworks.recognised(asgi=False) is None


def test_waits_for_what_is_only_half_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may be importing it at this moment."""
    names = tuple(frameworks._IMPORTED_AS)
    for module in ("flask", *frameworks._IMPORTED_AS.values()):
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    assert frameworks.prepare(names) == names


def test_is_not_fooled_by_what_is_merely_imported() -> None:
    """By a development tool, or for a framework's models alone."""
    for name in NAMES:
        pytest.importorskip(name, reason=f"{name} is not installed")
    code = """
        import django.core.handlers.asgi, django.core.handlers.wsgi, django.test, flask, flask_login, pyramid.router
        from viafoura_mw.user import frameworks
        flask.Flask("a dev tool")
        assert not frameworks.prepare()
        print(frameworks.recognised(asgi=True), frameworks.recognised(asgi=False))
    """
    assert python(code) == "None None"


def test_takes_the_first_of_several_in_a_known_order() -> None:
    """Django before Flask-Login before Pyramid, whichever was made first."""
    for name in NAMES:
        pytest.importorskip(name, reason=f"{name} is not installed")
    code = """
        import django, flask, flask_login
        from django.conf import settings
        from pyramid.config import Configurator
        from viafoura_mw.user import frameworks

        config = Configurator()
        config.set_security_policy(object())
        pyramid = config.make_wsgi_app()
        print(frameworks.recognised(asgi=False), end=" ")
        app = flask.Flask("site")
        flask_login.LoginManager(app)
        print(frameworks.recognised(asgi=False), end=" ")
        settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
        from django.core.wsgi import get_wsgi_application
        application = get_wsgi_application()
        print(frameworks.recognised(asgi=False))
    """
    assert python(code) == "pyramid flask-login django"


def test_hooks_what_is_imported_when_the_first_request_comes() -> None:
    """An application that is imported lazily is hooked as soon as it is there."""
    pytest.importorskip("pyramid", reason="Pyramid is not installed")
    code = """
        from viafoura_mw.user import frameworks
        assert frameworks.prepare(["pyramid"]) == ("pyramid",)
        from pyramid.router import Router
        own = Router.invoke_request
        assert frameworks.prepare(["pyramid"]) == ()
        hooked = Router.invoke_request
        assert frameworks.prepare(["pyramid"]) == ()
        print(hooked is not own and Router.invoke_request is hooked)
    """
    assert python(code) == "True"


class Application:
    """Something of which an instance may be alive."""


class Derived(Application):
    """A site's own."""


@pytest.mark.parametrize("freeze", [lambda: None, gc.freeze])
def test_finds_the_instances_that_are_alive(freeze: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of subclasses, and also those that were frozen before a fork."""
    monkeypatch.setattr(running, "gc", gc)
    gc.unfreeze()
    gc.collect()
    kept: list[Any] = [Application(), Derived()]
    freeze()
    try:
        assert {id(one) for one in instances(Application)} == {id(one) for one in kept}
        assert instances(Derived) == kept[1:]
        gc.unfreeze()
        kept.clear()
        assert instances(Application) == []
    finally:
        gc.freeze()  # as the tests' conftest.py leaves it


def test_never_asks_a_proxy_what_it_stands_for() -> None:
    """To ask could load it."""

    class Proxy:
        @property
        def __class__(self) -> Any:
            raise AssertionError("asked")

        @__class__.setter
        def __class__(self, value: Any) -> None: ...

    proxy = Proxy()
    proxy.refers_to = Application  # type: ignore[attr-defined]
    assert instances(Application) == []


def test_what_is_left_lasts_as_long_as_the_door_keeps_it() -> None:
    """A framework's request refers to the environ: no cycle is made that only the garbage collector ends."""
    environ: dict[str, Any] = {}
    served = frameworks.expect(environ)
    leave(dict(environ), "pyramid", "a request")
    assert left(environ, "pyramid") == "a request"
    gone = weakref.ref(served)
    del served
    assert gone() is None
    leave(environ, "pyramid", "a request")
    assert left(environ, "pyramid") is None
    assert left({}, "pyramid") is None


@pytest.mark.parametrize("preset", ["off", "remote-user", "shibboleth"])
def test_costs_nothing_where_no_framework_is_read(preset: str) -> None:
    """Nothing is laid out for a request."""
    environ: dict[str, Any] = {}
    assert reader_of(preset).expect(environ) is None
    assert environ == {}


def test_auto_expects_until_it_is_settled() -> None:
    """Then it has settled for what is no framework's."""
    environ: dict[str, Any] = {}
    reader = reader_of("auto")
    assert reader.expect(environ) is not None
    assert reader.framework is None
    assert reader.expect({}) is None
