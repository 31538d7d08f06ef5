"""An exchange stepped by hand: what a door does with its effects, written down; no sockets, no threads, no clock."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from tests.support.fakes import Clock
from viafoura_mw.log import Notices
from viafoura_mw.response import effects as says
from viafoura_mw.response.cookie import NOTHING, Brought, SessionCookie
from viafoura_mw.response.effects import Effects, State
from viafoura_mw.response.exchange import TRANSITIONS, Exchange, Policy
from viafoura_mw.response.guard import Request
from viafoura_mw.response.headers import Headers
from viafoura_mw.response.hold import HoldBudget
from viafoura_mw.user.user import Nobody, Reading, User
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.sessions import LoginRequest, Ticket

COOKIE = SessionCookie(
    name="viafoura_mw", secrets=("a secret of the tests",), site_id="site", session_ttl=39_600, clock=lambda: 1_000.0
)
SESSION = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", 1_000.0)
OTHER = Session("7000000003120", "other-session", 1_000.0)
ANN, BEN = User("ann", "Ann"), User("ben", "Ben")
HTML = ("Content-Type", "text/html")


def brought(*cookies: str) -> Brought:
    """What a browser brings that was given these ``Set-Cookie`` values."""
    return COOKIE.find("; ".join(cookie.partition(";")[0] for cookie in cookies))


def sealed(user: User, session: Session = SESSION) -> Brought:
    """The session cookie of ``user``, brought back."""
    return brought(COOKIE.set(user, session, secure=False))


@dataclass
class KnownSessions:
    """Sessions whose answers a test knows beforehand."""

    is_hopeless: bool = False
    ended: tuple[str, ...] = ()
    ended_by_page: tuple[str, ...] = ()
    fresh: Session | None = None  # the result of a login for new details
    mark: str = ""
    asked: list[LoginRequest] = field(default_factory=list)

    def ensure(self, request: LoginRequest) -> Ticket:
        self.asked.append(request)
        return Ticket(Future(), self.mark)

    def has_ended_by_page(self, session_id: str) -> bool:
        return session_id in self.ended_by_page

    def hopeless(self, request: LoginRequest) -> bool:
        return self.is_hopeless

    def has_ended(self, session_id: str) -> bool:
        return session_id in self.ended

    def refresh(self, request: LoginRequest, old_session_id: str, *, begin: bool) -> Session | None:
        assert not begin, "the door begins it"
        return self.fresh


def policy(
    sessions: Any = None,
    *,
    debug: bool = False,
    budget: HoldBudget | None = None,
    lookahead: int = 64,
    clock: Clock | None = None,
    notices: Notices | None = None,
    timeout: float = 2.0,
) -> Policy:
    sessions = sessions or KnownSessions()
    return Policy(
        cookie=COOKIE,
        sessions=sessions,
        budget=budget or HoldBudget(),
        notices=notices or Notices(),
        clock=clock or Clock(),
        timeout=timeout,
        lookahead=lookahead,
        debug=debug,
    )


class Stepped:
    """One response. ``free`` is what reading gives without loading, ``loaded`` with it; ``session`` what a wait gives.

    With ``open_questions`` a question is left open, for a test to answer or to break off.
    """

    def __init__(
        self,
        reading: Reading | None = None,
        *,
        loaded: Reading | None = None,
        session: Session | None = None,
        cookie: Brought = NOTHING,
        request: Request | None = None,
        of: Policy | None = None,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (HTML,),
        open_questions: bool = False,
        preset: str = "",
    ) -> None:
        self.free = reading if reading is not None or loaded is not None else Nobody(laid_out=True)
        self.loaded = loaded if loaded is not None else self.free
        self.session = session
        self.open_questions = open_questions
        self.head: Headers | None = None
        self.sent: list[bytes] = []
        self.effects: Effects = []
        self.as_it_came = False
        self.states = [State.FRESH]
        self.given: Headers = [*headers]
        self.exchange = Exchange(
            of or policy(), (request or Request("GET"))._replace(brought=cookie), preset=lambda: preset
        )
        self.start(status, self.given)

    def start(self, status: int, headers: Headers) -> None:
        """The application gives a head."""
        self.given = headers
        self.tell(self.exchange.head(status, headers))

    def feed(self, *chunks: bytes) -> "Stepped":
        """The application gives chunks that are not the last."""
        for chunk in chunks:
            self.tell(self.exchange.chunk(chunk, chunk))
        return self

    def finish(self, chunk: bytes = b"") -> "Stepped":
        """The application gives its last chunk."""
        self.tell(self.exchange.chunk(chunk, chunk or None, last=True))
        return self

    def tell(self, effects: Effects) -> None:
        """Carry out effects as a door does, and note them."""
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case says.SendHead(headers):
                    assert self.head is None, "a head was sent twice"
                    self.as_it_came = headers is None
                    self.head = self.given if headers is None else headers
                case says.Pass(items):
                    assert self.head is not None
                    self.sent += items
                case says.SendBody(data):
                    assert self.head is not None
                    self.sent.append(data)
                case says.ReadUser(load) if not self.open_questions:
                    effects += self.exchange.reading(self.loaded if load else self.free)
                case says.AwaitSession() if not self.open_questions:
                    effects += self.exchange.session(self.session)
        self._note()

    def _note(self) -> None:
        self.states.append(self.exchange.state)
        assert self.exchange.state in TRANSITIONS

    @property
    def body(self) -> bytes:
        return b"".join(self.sent)

    @property
    def is_aside(self) -> bool:
        """Whether everything that is still to come passes as it comes."""
        return any(isinstance(effect, says.StandAside) for effect in self.effects)

    @property
    def is_untouched(self) -> bool:
        """Whether the response goes as the application gave it, with no further event."""
        return self.is_aside and self.as_it_came

    @property
    def is_held(self) -> bool:
        return self.head is None

    def value(self, name: str) -> str | None:
        return next((value for field, value in self.head or () if field.lower() == name.lower()), None)

    def of_kind(self, kind: type) -> list[Any]:
        """The effects of one kind so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def ended(self) -> tuple[str, ...]:
        """The sessions that are to be logged out."""
        return tuple(one for effect in self.of_kind(says.EndSessions) for one in effect.ids)
