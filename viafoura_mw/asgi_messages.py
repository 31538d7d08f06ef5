"""The messages of a response (ASGI's HTTP protocol), as applications send them and servers take them."""

from collections.abc import Container, Iterable
from typing import Any, Final

from starlette.types import Message, Send

from viafoura_mw.response.headers import BUFFERS, Headers, as_text, without

START: Final = "http.response.start"
BODY: Final = "http.response.body"
TRAILERS: Final = "http.response.trailers"
#: What may be said between a head and its body, and is not part of it.
ASIDES: Final = ("http.response.early_hint", "http.response.push")
#: Every message that carries a response's headers: a websocket is accepted, or refused, with headers too.
_HEADS: Final = (START, "websocket.accept", "websocket.http.response.start")


class Sent:
    """A message as it was when the application sent it: the application may go on to use it again."""

    __slots__ = ("_copy", "_message")

    def __init__(self, message: Message) -> None:
        self._message = message
        copy = self._copy = message.copy() if message.__class__ is dict else dict(message)
        if isinstance(headers := copy.get("headers"), list):
            copy["headers"] = [field if _is_fixed(field) else _kept(field) for field in headers]
        body = copy.get("body")
        if body is not None and body.__class__ is not bytes and isinstance(body, BUFFERS):
            copy["body"] = bytes(body)

    def as_it_came(self) -> Message:
        """The very message, where it is still what it was."""
        return self._message if self._message == self._copy else self._copy

    def with_headers(self, headers: Headers) -> Message:
        """The message with other fields; the names of those that the application did not send in lower case."""
        names = [field[0] for field in self._copy.get("headers", ())]
        own = [name if name.__class__ is bytes else as_text(name).encode("latin-1") for name in names]
        return {**self._copy, "headers": raw(headers, own)}


def _is_fixed(field: Any) -> bool:
    return field.__class__ is tuple and field[0].__class__ is field[1].__class__ is bytes


def _kept(field: Any) -> list[Any] | tuple[Any, ...]:
    """What a field of which a part may change is now, and equal to it."""
    parts = [bytes(part) if isinstance(part, BUFFERS) else part for part in field]
    return parts if isinstance(field, list) else tuple(parts)


def raw(headers: Headers, own: Container[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """Headers as a server takes them, their names in lower case but for those that are the application's ``own``."""
    fields = []
    for name, value in headers:
        encoded = name.encode("latin-1")
        fields.append((encoded if encoded in own else encoded.lower(), value.encode("latin-1")))
    return fields


def texts_of(headers: Iterable[Any]) -> Headers:
    """Headers as an application gave them, as text."""
    fields = []
    for name, value in headers:
        if name.__class__ is value.__class__ is bytes:
            fields.append((name.decode("latin-1"), value.decode("latin-1")))
        else:
            fields.append((as_text(name), as_text(value)))
    return fields


def bytes_of(body: Any) -> bytes | None:
    """The bytes of a body, as servers take it; ``None`` for what has none."""
    if body.__class__ is bytes:
        return body
    if body is None:
        return b""
    return bytes(body) if isinstance(body, BUFFERS) else None


def code_of(message: Message) -> int:
    """The status code; 0 for what is none, which only the server can judge."""
    try:
        return int(message["status"])
    except (ValueError, TypeError, KeyError):
        return 0


def removing(names: frozenset[str], send: Send) -> Send:
    """``send`` without the headers that the application sets for us alone."""

    async def send_without(message: Message) -> None:
        if message["type"] in _HEADS and "headers" in message:
            message = {**message, "headers": without(names, message["headers"])}
        await send(message)

    return send_without
