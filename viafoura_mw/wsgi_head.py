"""A head, as WSGI applications give it to ``start_response`` and servers take it (PEP 3333)."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any

from viafoura_mw.response.headers import Headers, as_text, without

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Write = Callable[[bytes], object]


def status_line(status: int) -> str:
    """The code with its phrase."""
    return f"{status} {HTTPStatus(status).phrase}"


def code_of(status: str) -> int:
    """The status code; 0 for what has none, which only the server can judge."""
    try:
        return int(status[:3])
    except (ValueError, TypeError):
        return 0


def texts_of(headers: Headers) -> Headers:
    """The headers as text; servers take buffers, numbers and longer fields as well."""
    fields: Iterable[Any] = headers
    for field in fields:
        if len(field) != 2 or field[0].__class__ is not str or field[1].__class__ is not str:
            return [(as_text(field[0]), as_text(field[1])) for field in headers]
    return headers


def kept(headers: Iterable[Any]) -> Headers:
    """Headers as they are now; servers take a field that is a list, too, which may be used again."""
    return [list(field) if isinstance(field, list) else field for field in headers]  # type: ignore[misc]


def call(start_response: "StartResponse", status: str, headers: Headers, exc_info: ExcInfo | None) -> Write:
    """Call with two arguments when there is no ``exc_info``: some servers' function takes no third."""
    return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)


def removing(names: frozenset[str], start_response: "StartResponse") -> "StartResponse":
    """``start_response`` without the headers that the application sets for us alone."""

    def start(status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Write:
        return call(start_response, status, without(names, headers), exc_info)

    return start


def dropped(_: bytes) -> None:
    """Be the ``write`` of a response whose head and body have left without the application."""
