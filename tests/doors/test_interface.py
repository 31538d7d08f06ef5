"""One rule for "is this ASGI", whatever shape an application has."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.compatibility import guarantee_single_callable
from asgiref.wsgi import WsgiToAsgi

from viafoura_mw.interface import interface_of, takes_no_request


def wsgi(environ: Any, start_response: Any) -> Any: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def asgi2(scope: Any) -> Any: ...


class Wsgi:
    """Called once for a request, as PEP 3333 has it for a class."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Any: ...


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...

    @classmethod
    async def of_class(cls, scope: Any, receive: Any, send: Any) -> None: ...

    @staticmethod
    async def static(scope: Any, receive: Any, send: Any) -> None: ...


class Endpoint:
    """As Starlette's HTTPEndpoint."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Any: ...


class Asgi2:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Asgi2OfAnything:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Asgi2Object:
    def __call__(self, scope: Any) -> Any: ...


class Slotted:
    """An object that is called by its type's ``__call__``, whatever hangs on itself."""

    def __init__(self) -> None:
        self.__dict__["__call__"] = asgi

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """As decorators are written: it hands on whatever comes."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class DecoratedObject:
    @decorated
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class DecoratedWsgi:
    @decorated
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


@functools.wraps(asgi)
def to_wsgi(environ: Any, start_response: Any) -> Any:
    """An adapter that keeps the name of what it adapts."""


@functools.wraps(wsgi)
async def to_asgi(scope: Any, receive: Any, send: Any) -> None:
    """The other way round."""


def configured(colour: str, scope: Any, receive: Any, send: Any) -> Any: ...


class Shy:
    """An object that raises whenever it is asked for anything."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def strange(environ: Any, start_response: Any) -> Any: ...


strange.__signature__ = 3  # type: ignore[attr-defined]


def endless(*args: Any) -> Any: ...


endless.__wrapped__ = endless  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (wsgi, "wsgi"),
        (Wsgi, "wsgi"),
        (WsgiObject(), "wsgi"),
        (WsgiObject().__call__, "wsgi"),
        (lambda environ, start_response: [], "wsgi"),
        (lambda environ, start_response, exc_info=None: [], "wsgi"),
        (lambda environ, start_response, *more: [], "wsgi"),
        (functools.partial(wsgi), "wsgi"),
        (functools.partial(lambda colour, environ, start_response: [], "red"), "wsgi"),
        (decorated(wsgi), "wsgi"),
        (decorated(Wsgi), "wsgi"),
        (DecoratedWsgi(), "wsgi"),
        (Slotted(), "wsgi"),
        (to_wsgi, "wsgi"),
        (asgi, "asgi"),
        (AsgiObject(), "asgi"),
        (AsgiObject().method, "asgi"),
        (AsgiObject.of_class, "asgi"),
        (AsgiObject.static, "asgi"),
        (Endpoint, "asgi"),
        (decorated(Endpoint), "asgi"),
        (lambda scope, receive, send: None, "asgi"),
        (lambda scope, receive=None, send=None: None, "asgi"),
        (lambda scope, *more: None, "asgi"),
        (functools.partial(asgi), "asgi"),
        (functools.partial(AsgiObject()), "asgi"),
        (functools.partial(configured, "red"), "asgi"),
        (functools.partial(decorated(asgi)), "asgi"),
        (functools.partial(functools.partial(decorated(AsgiObject().method))), "asgi"),
        (decorated(asgi), "asgi"),
        (decorated(decorated(asgi)), "asgi"),
        (decorated(functools.partial(asgi)), "asgi"),
        (DecoratedObject(), "asgi"),
        (functools.partial(DecoratedObject()), "asgi"),
        (to_asgi, "asgi"),
        (WsgiToAsgi(wsgi), "asgi"),  # type: ignore[no-untyped-call]
        (guarantee_single_callable(Asgi2), "asgi"),  # type: ignore[no-untyped-call]
        (asgi2, "asgi2"),
        (Asgi2, "asgi2"),
        (Asgi2OfAnything, "asgi2"),
        (Asgi2Object(), "asgi2"),
        (functools.partial(Asgi2), "asgi2"),
        (functools.partial(lambda colour, scope: None, "red"), "asgi2"),
        (decorated(asgi2), "asgi2"),
        (decorated(Asgi2), "asgi2"),
        (lambda scope, more=None: None, "asgi2"),
        (lambda *args, **kwargs: None, None),
        (lambda: None, None),
        (lambda a, b, c, d: None, None),
        (lambda *, scope: None, None),
        (print, None),
        (strange, None),
        (endless, None),
        (3, None),
    ],
)
def test_is_told_by_the_applications_shape(app: Any, interface: str | None) -> None:
    """A function, a class, an object, a partial, a method, a decorated one; or it is said that nobody can tell."""
    assert interface_of(app) == interface


def test_of_an_object_that_raises_is_not_told() -> None:
    """A site's objects may do so for whatever they are asked."""
    assert interface_of(Shy()) is None
    assert not takes_no_request(Shy())


def maker() -> Any: ...


maker.__signature__ = inspect.signature(maker)  # type: ignore[attr-defined]


@functools.wraps(maker)
def made_at_once(environ: Any, start_response: Any) -> Any:
    """What says of itself what the maker says, and is called as WSGI has it."""


class Posing:
    """As the proxies of wrapt and of Django: it says to be the maker, and takes a request."""

    __class__: Any = type(maker)
    __code__ = maker.__code__
    __signature__ = inspect.signature(maker)

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize(
    ("app", "takes_none"),
    [
        (maker, True),
        (lambda: None, True),
        (lambda settings=None: None, True),
        (lambda *, settings=None: None, True),
        (lambda **settings: None, True),
        (lambda *, settings: None, False),
        (lambda scope: None, False),
        (lambda environ=None, start_response=None: None, False),
        (lambda *request: None, False),
        (made_at_once, False),
        (decorated(maker), False),
        (Posing(), False),
        (strange, False),
        (endless, False),
        (Wsgi, False),
        (functools.partial(maker), False),
        (print, False),
    ],
)
def test_takes_no_request_by_what_it_is(app: Any, takes_none: bool) -> None:
    """A function alone, by its own parameters, whatever it says of them; nothing else is refused."""
    assert takes_no_request(app) == takes_none


@pytest.mark.parametrize("framework", ["flask", "django", "pyramid", "starlette", "fastapi", "litestar"])
def test_of_frameworks_is_known(framework: str) -> None:
    """What sites really serve."""
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    app, interface = APPLICATIONS[framework]()
    assert interface_of(app) == interface


def _flask() -> tuple[Any, str]:
    from flask import Flask

    return Flask(__name__), "wsgi"


def _django() -> tuple[Any, str]:
    from django.core.handlers.asgi import ASGIHandler

    return ASGIHandler.__new__(ASGIHandler), "asgi"


def _pyramid() -> tuple[Any, str]:
    from pyramid.config import Configurator

    return Configurator().make_wsgi_app(), "wsgi"


def _starlette() -> tuple[Any, str]:
    from starlette.applications import Starlette

    return Starlette(), "asgi"


def _fastapi() -> tuple[Any, str]:
    from fastapi import FastAPI

    return FastAPI(), "asgi"


def _litestar() -> tuple[Any, str]:
    from litestar import Litestar

    return Litestar([]), "asgi"


APPLICATIONS = {
    "flask": _flask,
    "django": _django,
    "pyramid": _pyramid,
    "starlette": _starlette,
    "fastapi": _fastapi,
    "litestar": _litestar,
}
