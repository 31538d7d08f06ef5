"""What an exchange and a door say to each other: events are calls, effects are values.

A door tells an :class:`Exchanging` what comes, by calling a method; each call returns the effects that the door carries
out, in order. An effect that asks a question is the last of its list, and its answer is the next event.
"""

from concurrent.futures import Future
from enum import IntEnum, auto
from typing import Any, Final, NamedTuple, Protocol

from viafoura_mw.response.headers import Headers
from viafoura_mw.user.user import Reading
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.sessions import LoginRequest

HOLD: Final = 0.5  # seconds for which the head of a page that comes in pieces may be held
DEBUG_HEADER: Final = "X-Viafoura-MW"

#: What a door gives with the bytes of a chunk, to get back where the chunk leaves as it came: the chunk or the message.
Item = Any


class State(IntEnum):  # whose hash is an integer's: Enum's own is a function of Python's
    """Where an exchange stands."""

    FRESH = auto()  # no head yet
    HOLDING = auto()  # the head is kept, the tag is looked for
    READING = auto()  # the head is kept, the door was asked who the user is
    WAITING = auto()  # the head is kept, a login is waited for
    REWRITING = auto()  # the head has left, the body goes with the session in its tag
    WATCHING = auto()  # everything goes as it came, and the tag is looked for: its user's login can probe Viafoura
    PASSING = auto()  # everything goes as it came
    BROKEN = auto()  # a question was broken off: nothing that comes is sent any more


class SendHead(NamedTuple):
    """Give the server the head with these headers; ``None``: as the application gave it."""

    headers: Headers | None


class Pass(NamedTuple):
    """Give the server these items of the body as they came."""

    items: list[Item]


class SendBody(NamedTuple):
    """Give the server these bytes of the body; ``more``: others follow."""

    data: bytes
    more: bool


class SendTrailers(NamedTuple):
    """Give the server trailers with these fields."""

    headers: Headers


class StandAside(NamedTuple):
    """From here on the application's own objects pass untouched, without any further event."""


class Answer(NamedTuple):
    """Give the server this whole response in place of the application's."""

    status: int
    headers: Headers
    body: bytes


class Hold(NamedTuple):
    """The head is kept: tell :meth:`Exchange.hold_over` when so many ``seconds`` have passed."""

    seconds: float


class ReadUser(NamedTuple):
    """Read the user, and tell :meth:`Exchange.reading`; ``load``: also where that may cost the site a query."""

    load: bool


class AwaitSession(NamedTuple):
    """Wait for a login's result for at most so many seconds, and tell :meth:`Exchange.session`."""

    future: "Future[Session | None]"
    seconds: float


class EndSessions(NamedTuple):
    """Log these sessions out, and whatever comes of the logins under these marks; ``by_page``: a page has no user."""

    ids: tuple[str, ...]
    marks: tuple[str, ...]
    by_page: bool = False


class StartLogin(NamedTuple):
    """Start a login for which nobody waits: a probe or, in place of an ``old_session_id``, one for new details."""

    request: LoginRequest
    old_session_id: str = ""


Question = ReadUser | AwaitSession
QUESTIONS: Final = (ReadUser, AwaitSession)
Effect = SendHead | Pass | SendBody | SendTrailers | StandAside | Answer | Hold | Question | EndSessions | StartLogin
Effects = list[Effect]


class Exchanging(Protocol):
    """What a door speaks with: an :class:`Exchange`, or another that takes the same events."""

    @property
    def state(self) -> State: ...
    def head(self, status: int, headers: Headers, /) -> Effects: ...
    def chunk(self, data: bytes, item: Item, /, *, last: bool = False) -> Effects: ...
    def aside(self, item: Item, /) -> Effects: ...
    def trailers(self, headers: Headers, item: Item, /) -> Effects: ...
    def hold_over(self) -> Effects: ...
    def reading(self, reading: Reading | None, /) -> Effects: ...
    def session(self, session: Session | None, /) -> Effects: ...
    def interrupted(self) -> Effects: ...
    def unseen(self) -> Effects: ...
    def ended(self, *, returned: bool) -> Effects: ...
    def replaced(self, headers: Headers, /) -> Effects: ...
    def close(self) -> None: ...
