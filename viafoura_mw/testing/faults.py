"""What can go wrong with a call, as values: what is answered instead, and how the bytes leave.

``Fault.status(503, retry_after=30)``, ``Fault.hang()``, ``Fault.drip_headers()``: one for each way in which services
fail.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from viafoura_mw.testing.service import Answer

HUGE: Final = 10 * 1024 * 1024  # bytes

_HTML: Final = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"
_WRONG_TYPES: Final = (
    b'{"access_token":["x"],"token_type":7,"expires_in":"soon","user_id":{"id":true},"session":12.5,"scope":null}'
)


class Leaving(Enum):
    """How an answer leaves."""

    WHOLE = auto()
    THEN_CLOSED = auto()  # whole, and the connection is closed after it without a word
    TRUNCATED = auto()  # half of the announced body, then closed
    DRIPPING_BODY = auto()  # a byte at a time
    DRIPPING_HEAD = auto()  # a byte at a time from the first on
    RESET = auto()  # nothing, and the connection is reset
    CLOSED = auto()  # nothing, and the connection is closed
    REFUSED = auto()  # nobody listens


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. ``answer`` stands in for the service's own; before anything, ``pause`` seconds pass.

    A ``pause`` of ``None`` lasts until the fault is healed. ``interval``: seconds between two bytes that drip.
    """

    leaving: Leaving = Leaving.WHOLE
    answer: Answer | None = None
    spoil: Callable[[bytes], bytes] | None = None
    pause: float | None = 0.0
    interval: float = 0.0

    def applied(self, answer: Callable[[], Answer]) -> Answer:
        """What is answered: this fault's own answer, or the service's (then only does it act), spoiled or not."""
        given = self.answer or answer()
        return replace(given, body=self.spoil(given.body)) if self.spoil else given

    @property
    def is_silent(self) -> bool:
        """Whether nothing is answered, and so nothing done."""
        return self.leaving in (Leaving.RESET, Leaving.CLOSED, Leaving.REFUSED)

    @classmethod
    def delay(cls, seconds: float) -> "Fault":
        """The right answer, late."""
        return cls(pause=seconds)

    @classmethod
    def hang(cls) -> "Fault":
        """No answer until healed, then the right one."""
        return cls(pause=None)

    @classmethod
    def refuse(cls) -> "Fault":
        """Nobody listens: connections are refused, those that were open end. It concerns every kind of call."""
        return cls(Leaving.REFUSED)

    @classmethod
    def reset(cls) -> "Fault":
        """The connection is reset (RST) in answer to the request."""
        return cls(Leaving.RESET)

    @classmethod
    def close(cls) -> "Fault":
        """The connection is closed in answer to the request."""
        return cls(Leaving.CLOSED)

    @classmethod
    def close_after(cls) -> "Fault":
        """The right answer on a connection that promises to stay and is then closed, as by a keep-alive timeout."""
        return cls(Leaving.THEN_CLOSED)

    @classmethod
    def status(cls, status: int, *, retry_after: int | str | None = None, date: str | None = None) -> "Fault":
        """A status of its own, with ``Retry-After`` (seconds or an HTTP date) and another ``Date`` if given."""
        given = {"Content-Type": "application/json", "Retry-After": retry_after, "Date": date}
        headers = tuple((name, str(value)) for name, value in given.items() if value is not None)
        return cls(answer=Answer(status, b'{"error":"simulated"}', headers))

    @classmethod
    def redirect(cls, location: str = "https://elsewhere.invalid/", status: int = 307) -> "Fault":
        """A redirect, by default one that would carry the request's body on."""
        return cls(answer=Answer(status, b"", (("Location", location),)))

    @classmethod
    def truncated(cls) -> "Fault":
        """Half of the right answer, and then the connection's end."""
        return cls(Leaving.TRUNCATED)

    @classmethod
    def truncated_json(cls) -> "Fault":
        """Half of the right answer, as if it were whole."""
        return cls(spoil=lambda body: body[: len(body) // 2])

    @classmethod
    def wrong_types(cls) -> "Fault":
        """JSON with the right names and wrong values."""
        return cls.body(_WRONG_TYPES)

    @classmethod
    def html(cls) -> "Fault":
        """A page for people, with status 200."""
        return cls.body(_HTML, "text/html; charset=utf-8")

    @classmethod
    def empty(cls) -> "Fault":
        """Status 200 and no body."""
        return cls.body(b"")

    @classmethod
    def huge(cls, size: int = HUGE) -> "Fault":
        """A right answer in a body that does not end soon."""
        return cls(spoil=lambda body: body[:-1] + b',"padding":"' + b"x" * size + b'"}')

    @classmethod
    def body(cls, body: bytes, content_type: str = "application/json") -> "Fault":
        """Status 200 with a body of its own."""
        return cls(answer=Answer(200, body, (("Content-Type", content_type),)))

    @classmethod
    def drip_body(cls, interval: float = 0.05) -> "Fault":
        """The right answer, its body a byte at a time."""
        return cls(Leaving.DRIPPING_BODY, interval=interval)

    @classmethod
    def drip_headers(cls, interval: float = 0.05) -> "Fault":
        """The right answer, a byte at a time from the status line on."""
        return cls(Leaving.DRIPPING_HEAD, interval=interval)
