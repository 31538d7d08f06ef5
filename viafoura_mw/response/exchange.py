"""What happens to one response: its head is held until the platform's tag is settled, then it gets out of the way.

An exchange does no I/O: a door tells it what the application gave and carries out what it says. It waits for three
things only, and names the one it waits for in :attr:`Exchange.need`: the *user*, a *session*, or (by a door's timer)
the end of the hold. Its states:

    FRESH ──► PASSING                      not ours: everything goes as it came
      │
      ├────► HOLDING ──► PASSING           no tag, no session, or nothing left to look for
      │         └──────► REWRITING         the tag, or the end of the hold with a session
      └────► REWRITING                     a valid cookie: the head leaves at once
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from viafoura_mw.log import Notices
from viafoura_mw.page.charsets import ascii_superset
from viafoura_mw.page.codings import CodingError, parse
from viafoura_mw.page.rewriter import Page
from viafoura_mw.response.cookie import SealedSession, SessionCookie
from viafoura_mw.response.headers import Headers, made_private, with_length
from viafoura_mw.response.request import Request
from viafoura_mw.user.user import NotKnown, Reading, User
from viafoura_mw.viafoura.client import Session

HOLD: Final = 0.5  # seconds for which the head of a page that comes in pieces may be held
MAX_HELD: Final = 64 * 1024 * 1024  # bytes held in one process
DEBUG_HEADER: Final = "X-Viafoura-MW"
_WITHOUT_WHOLE_BODY: Final = frozenset((204, 205, 206, 304))
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class State(Enum):
    """Where an exchange stands."""

    FRESH = auto()  # no head yet
    PASSING = auto()  # the head may leave, the body goes as it came
    HOLDING = auto()  # the head is kept, the tag is looked for
    REWRITING = auto()  # the head may leave, the body goes with the session in its tag


class Need(Enum):
    """What an exchange waits for, to be told by its door."""

    USER = auto()  # read the user, then say user_is()
    SESSION = auto()  # ensure a session for `user`, then say session_is()
    PROBE = auto()  # start a login for `user` without waiting for it, then say probed()


class HoldBudget:
    """The bytes that a process holds back in all; safe with threads."""

    def __init__(self, size: int = MAX_HELD) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take ``size`` bytes of what is left; ``False`` if there is not so much."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Return what was taken."""
        with self._lock:
            self._left += size


@dataclass(frozen=True, slots=True)
class Terms:
    """What all exchanges of a process share: settings, the cookie, the budget, and what is known of Viafoura.

    ``hopeless`` says of a user in a browser that no session can be had now by waiting; ``has_ended`` of a session that
    it was logged out here: a response that was on its way meanwhile can bring its cookie back.
    """

    cookie: SessionCookie
    hopeless: Callable[[User, bytes], bool]
    has_ended: Callable[[str], bool]
    lookahead: int
    debug: bool
    budget: HoldBudget
    notices: Notices


class Exchange:
    """One response. A door calls :meth:`start`, :meth:`feed`, :meth:`hold_is_over`, and answers each :attr:`need`.

    When ``state`` is no longer ``HOLDING``, ``headers`` may leave, and after each call what :meth:`take` gives.
    ``ended_session`` is to be logged out once they do. When ``settled``, the body need not be fed any more.
    """

    __slots__ = (
        "_began",
        "_came",
        "_complete",
        "_held",
        "_length",
        "_out",
        "_over",
        "_page",
        "_reading",
        "_request",
        "_reserved",
        "_status",
        "_terms",
        "_watching",
        "browser",
        "ended_session",
        "headers",
        "need",
        "state",
    )

    def __init__(self, terms: Terms, request: Request, browser: Callable[[], bytes] = bytes) -> None:
        self.state: State = State.FRESH
        self.need: Need | None = None
        self.headers: Headers = []
        self.ended_session: Session | None = None
        self._terms = terms
        self._request = request
        self.browser: Callable[[], bytes] = browser  # gives the digest that tells one signed-in browser from another
        self._watching = False
        self._reserved = 0
        self._out: list[bytes] = []

    @property
    def settled(self) -> bool:
        """Whether everything that is still to come passes as it comes."""
        return self.state is State.PASSING and not self._watching

    @property
    def user(self) -> User:
        """The user for whom a session is needed."""
        assert isinstance(self._reading, User)
        return self._reading

    @property
    def came_with(self) -> str:
        """The session that the browser brought, whosever it is; empty if none."""
        return self._request.cookie.session.id if self._request.cookie else ""

    def start(self, status: int, headers: Headers, read: Callable[[], Reading | None]) -> None:
        """Take the application's head; ``read`` gives the user, or ``None`` where the door must be asked for it.

        A second head while the first is held replaces it, and what was held with it is dropped.
        """
        self.close()
        self.need = None
        self.ended_session = None
        self.headers = headers
        self.state = State.PASSING
        self._status = status
        self._held: list[bytes] = []
        self._came = 0
        self._began = self._complete = self._over = self._watching = False
        cookie = self._request.cookie
        if self._request.is_logout and cookie and status < 400:
            self._sign_out(cookie)
            self._pass("signed-out")
            return
        looks = _Looks(self._request.method, status, headers)
        if not looks.worthwhile(self._terms.notices):
            return
        self._reading = reading = read()
        if reading is not None and not isinstance(reading, User) and not (cookie and self._may_sign_out(reading)):
            self._pass("anonymous")
            return
        self._length = looks.length
        self._page = Page(looks.coding, looks.charset)
        self.state = State.HOLDING

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        """Take the next chunk of the body; ``last`` if the application said that it is."""
        if self.state is State.HOLDING:
            self._hold(chunk, last=last)
        elif self.state is State.REWRITING and not self._complete:
            self._out += filter(None, self._page.passed(chunk))
            if last:
                self._complete = True
                self._out += filter(None, self._page.ended())
        elif chunk or not last:
            self._out.append(chunk)
            if self._watching:
                self._watch(chunk)

    def hold_is_over(self) -> None:
        """Say that :data:`HOLD` seconds have passed since the head came."""
        if self.state is State.HOLDING:
            self._over = True
            self._settle()

    def user_is(self, reading: Reading) -> None:
        """Answer :attr:`Need.USER`."""
        self.need = None
        self._reading = reading
        self._settle()

    def session_is(self, session: Session | None) -> None:
        """Answer :attr:`Need.SESSION`."""
        self.need = None
        cookie = self._request.cookie
        changed_from = cookie if cookie and not cookie.is_of(self.user) else None
        if session is None:
            self._go_without(changed_from)
            return
        self._rewrite(session, "login")
        if self.state is State.REWRITING:
            self.ended_session = changed_from.session if changed_from else None

    def probed(self) -> None:
        """Answer :attr:`Need.PROBE`."""
        self.need = None

    def take(self) -> list[bytes]:
        """What may leave of the body now."""
        taken, self._out = self._out, []
        return taken

    def in_place_of_own(self, headers: Headers) -> Headers:
        """The headers of a head that takes this one's place: what was logged out leaves the browser by it, too."""
        return self._with_cookie_cleared(headers) if self.ended_session else headers

    def step_aside(self) -> None:
        """Let everything pass from now on, and forget what was to leave: another head has taken this one's place."""
        self.state = State.PASSING
        self.need = None
        self._watching = False
        self._out = []
        self.close()

    def let_go(self) -> None:
        """Let what is held pass as it came, and what follows: bytes come that cannot be seen."""
        if self.state is State.HOLDING:
            self._pass("unseen")
        elif self.state is State.REWRITING and not self._complete:
            self._out += filter(None, self._page.broken_off())
            self.state = State.PASSING

    def break_off(self, *, returned: bool = False) -> bool:
        """Let what is held pass as it came, since nothing will follow; ``False`` if there is nothing that may leave.

        That is so of a head alone, unless the application has ``returned``: when it raises, the server has its own.
        """
        if self.state is State.REWRITING and not self._complete:
            self._complete = True
            self._out += filter(None, self._page.broken_off())
            return bool(self._out)
        if self.state is not State.HOLDING or not (self._came or returned):
            return False
        self._pass("broken-off")
        return True

    def close(self) -> None:
        """Give back what the hold took of the process's budget; may be called at any time, more than once."""
        if self._reserved:
            self._terms.budget.give_back(self._reserved)
            self._reserved = 0

    def _hold(self, chunk: bytes, *, last: bool) -> None:
        if chunk or not last:
            self._held.append(chunk)
        self._came += len(chunk)
        self._complete = last or self._came == self._length
        if self._complete and not self._began:
            self._page.look_at_whole(b"".join(self._held))
        elif chunk:
            self._page.look_at(chunk)
        self._began = self._began or bool(chunk) or self._complete
        self._over = self._over or self._came >= self._terms.lookahead
        self._settle()

    def _settle(self) -> None:
        """Decide by what is known now: pass, rewrite, ask for something, or go on holding."""
        if not self._began and not self._over:
            return
        if self._complete and not self._page.found:
            self._pass("no-tag")
        elif self._reading is None:
            self.need = Need.USER
        elif not isinstance(self._reading, User):
            self._settle_for_nobody(self._reading)
        else:
            self._settle_for(self._reading)
        if self.state is State.HOLDING and not self._reserve():
            self.need = None
            self._pass("too-much-held")

    def _settle_for_nobody(self, reading: Reading) -> None:
        cookie = self._request.cookie
        if cookie and self._page.found and self._may_sign_out(reading):
            self._sign_out(cookie)
            self._pass("signed-out")
        elif self._page.found or self._over or not (cookie and self._may_sign_out(reading)):
            self._pass("anonymous")

    def _settle_for(self, user: User) -> None:
        cookie = self._request.cookie
        if cookie and self._is_valid(cookie, user):
            self._rewrite(cookie.session, "cookie")
        elif self._page.found or self._over:
            self.need = Need.SESSION
        elif self._terms.hopeless(user, self.browser()):
            self._watching = True
            self._pass("unavailable")

    def _is_valid(self, cookie: SealedSession, user: User) -> bool:
        is_theirs = cookie.is_of(user) and (not user.complete or cookie.has_details_of(user))
        return is_theirs and not self._terms.has_ended(cookie.session.id)

    def _may_sign_out(self, reading: Reading) -> bool:
        """Whether a page without a user says that the browser's user has left.

        It does not when reading the user failed, nor on a request from another site, which leaves the site's own
        ``SameSite=Strict`` cookie behind.
        """
        return 200 <= self._status < 300 and not isinstance(reading, NotKnown) and not self._request.cross_site

    def _go_without(self, changed_from: SealedSession | None) -> None:
        if changed_from:
            self._sign_out(changed_from)
        self._pass("unavailable")

    def _sign_out(self, cookie: SealedSession) -> None:
        self.ended_session = cookie.session
        self.headers = self._with_cookie_cleared(self.headers)

    def _with_cookie_cleared(self, headers: Headers) -> Headers:
        cleared = self._terms.cookie.clear(secure=self._request.secure)
        return [*made_private(headers), ("Set-Cookie", cleared)]

    def _pass(self, outcome: str) -> None:
        self.state = State.PASSING
        self._out, self._held = self._held, []
        self._say(outcome)
        self.close()

    def _rewrite(self, session: Session, origin: str) -> None:
        try:
            out = self._page.rewritten(self._held, session, ended=self._complete)
        except CodingError:
            self._pass("corrupt")
            return
        self._held = []
        self._out = [b"".join(out)]
        self.state = State.REWRITING
        length = len(self._out[0]) if self._complete else None
        self.headers = with_length(made_private(self.headers), length)
        if origin == "login":
            cookie = self._terms.cookie.set(self.user, session, secure=self._request.secure)
            self.headers.append(("Set-Cookie", cookie))
        self._say(f"{'injected' if self._page.found else 'streaming'}; session={origin}")
        self.close()

    def _say(self, outcome: str) -> None:
        if self._terms.debug:
            self.headers = [*self.headers, (DEBUG_HEADER, outcome)]

    def _reserve(self) -> bool:
        """Reserve what is held now of the process's budget."""
        size = self._came - self._reserved
        if not self._terms.budget.take(size):
            return False
        self._reserved += size
        return True

    def _watch(self, chunk: bytes) -> None:
        """Look for the tag in a page that is not held, so that its user's login can probe a broken Viafoura."""
        self._page.look_at(chunk)
        if self._page.found:
            self._watching = False
            self.need = Need.PROBE


class _Looks:
    """What a head says about whether its body is looked at (contract: "What is rewritten")."""

    def __init__(self, method: str, status: int, headers: Headers) -> None:
        self._method = method
        self._status = status
        self._fields = {name.lower(): value for name, value in headers}
        self._media_type, self.charset = _content_type(self._fields.get("content-type", ""))
        self._coding = parse(self._fields.get("content-encoding", ""))
        length = self._fields.get("content-length", "").strip()
        self.length = int(length) if _LENGTH.fullmatch(length) else None

    @property
    def coding(self) -> str:
        assert self._coding is not None
        return self._coding

    def worthwhile(self, notices: Notices) -> bool:
        """The guard: every reason not to look at a response."""
        if self._method == "HEAD":
            return False
        if self._status < 200 or self._status in _WITHOUT_WHOLE_BODY or self._status >= 500:
            return False
        if self._media_type != "text/html":
            return False
        if self._fields.get("content-disposition", "").partition(";")[0].strip().lower() == "attachment":
            return False
        if self.charset is not None and not ascii_superset(self.charset):
            notices.tell("charset", logging.WARNING, "pages in charset %.40r are left as they are", self.charset)
            return False
        if self._coding is None:
            coding = self._fields["content-encoding"]
            notices.tell("coding", logging.WARNING, "pages in content coding %.40r are left as they are", coding)
            return False
        return True


@lru_cache(64)  # sites send a few
def _content_type(value: str) -> tuple[str, str | None]:
    """The media type of a Content-Type in lower case, and its ``charset``, if any (RFC 9110 §8.3.1)."""
    media_type, *parameters = value.split(";")
    return media_type.strip().lower(), _charset(parameters)


def _charset(parameters: Iterable[str]) -> str | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'").strip() or None
    return None
