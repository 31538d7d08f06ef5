"""Which interface an application speaks, by its shape alone: nothing of it is called.

An application is a function, a class that is called for each request, an object with ``__call__``, a partial of any of
them, or any of them decorated. What awaits is ASGI; else the parameters tell: ``(environ, start_response)`` is WSGI
(PEP 3333), ``(scope, receive, send)`` is ASGI 3, ``(scope)`` alone is ASGI 2.
"""

import functools
import inspect
from types import FunctionType
from typing import Any, Literal

Interface = Literal["wsgi", "asgi", "asgi2"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def interface_of(app: Any) -> Interface | None:
    """The interface of ``app``; ``None`` where it cannot be told, as of a function that takes any arguments."""
    try:
        return _interface_of(app)
    except Exception:  # a site's objects may raise for whatever they are asked
        return None


def takes_no_request(app: Any) -> bool:
    """Whether ``app`` is a function that can be called without arguments, and neither as WSGI nor as ASGI calls one.

    By its code alone: a decorator copies what the decorated function says of itself, and a lazy proxy says what it
    stands for.
    """
    if type(app) is not FunctionType:
        return False
    bare = FunctionType(app.__code__, {}, argdefs=app.__defaults__, closure=app.__closure__)
    bare.__kwdefaults__ = app.__kwdefaults__
    signature = inspect.signature(bare)
    return _takes(signature, 0) and not _takes(signature, 2) and not _takes(signature, 3)


def _interface_of(app: Any) -> Interface | None:
    if inspect.isclass(app):
        return _of_class(app)
    call = app if inspect.isroutine(app) or isinstance(app, functools.partial) else type(app).__call__
    if inspect.iscoroutinefunction(call):
        return "asgi"
    # A decorator may turn one interface into another: what it takes itself counts first.
    if own := _of_parameters(app, follow_wrapped=False):
        return own
    inner = _innermost(call)
    if inspect.isclass(inner):
        return _of_class(inner)
    if inspect.iscoroutinefunction(inner):
        return "asgi"
    return _of_parameters(app, follow_wrapped=True)


def _of_class(kind: type[Any]) -> Interface | None:
    if hasattr(kind, "__await__"):
        return "asgi"
    taken = _of_parameters(kind, follow_wrapped=True)
    is_called_again = inspect.iscoroutinefunction(getattr(kind, "__call__", None))  # noqa: B004 - its kind is asked for
    return "asgi2" if taken is None and is_called_again else taken


def _innermost(call: Any) -> Any:
    """What partials, decorators and methods of an application lead to in the end."""
    while True:
        if isinstance(call, functools.partial):
            call = call.func
        elif inspect.ismethod(call):
            call = call.__func__
        elif hasattr(call, "__wrapped__"):
            call = inspect.unwrap(call)
        elif inspect.isroutine(call) or inspect.isclass(call):
            return call
        else:
            call = type(call).__call__


def _of_parameters(app: Any, *, follow_wrapped: bool) -> Interface | None:
    try:
        signature = inspect.signature(app, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):  # of what is written in C, or says a strange __signature__
        return None
    counts = {count for count in (1, 2, 3) if _takes(signature, count)}
    first = next(iter(signature.parameters.values()), None)
    named = first.name if first is not None and first.kind in _POSITIONAL else ""
    if 3 in counts and (len(counts) == 1 or named == "scope"):
        return "asgi"
    if counts == {1} or (1 in counts and named == "scope"):
        return "asgi2"
    if 2 in counts and named:
        return "wsgi"
    return None


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
