"""What happens to one response: its head is held until the platform's tag is settled, then it gets out of the way.

An exchange does no I/O and knows neither PEP 3333 nor ASGI. A door tells it *events*, by calling a method; each call
returns the *effects* that the door carries out, in order. An effect that asks a question (:class:`ReadUser`,
:class:`AwaitSession`) is the last of its list, and its answer is the next event.

Why a head is held: only the head can set the cookie, and a cookie is set only for a page that has the tag. So the first
page of a user waits with its head until the tag was seen, or half a second has passed, or ``VIAFOURA_LOOKAHEAD`` bytes
have. A page of a user who has the cookie has nothing to wait for: its head leaves at once.

The states, and to which states each leads:

    FRESH      ──► READING, PASSING
    READING    ──► HOLDING, WAITING, REWRITING, WATCHING, PASSING, BROKEN
    HOLDING    ──► READING, WAITING, REWRITING, WATCHING, PASSING, FRESH
    WAITING    ──► REWRITING, PASSING, BROKEN
    REWRITING  ──► PASSING, FRESH
    WATCHING   ──► PASSING, FRESH
    PASSING    ──► FRESH
    BROKEN     ──►

A question that is broken off, by a visitor who leaves or a deadline of the site's, ends in BROKEN: what was held leaves
as it came, and what the application sends after that is dropped.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from viafoura_mw.log import Notices
from viafoura_mw.page.codings import CodingError
from viafoura_mw.page.rewriter import Page
from viafoura_mw.response.cookie import Brought, SealedSession, SessionCookie
from viafoura_mw.response.effects import (
    DEBUG_HEADER,
    HOLD,
    AwaitSession,
    Effects,
    EndSessions,
    Hold,
    Item,
    Pass,
    Question,
    ReadUser,
    SendBody,
    SendHead,
    SendTrailers,
    StandAside,
    StartLogin,
    State,
)
from viafoura_mw.response.guard import Request, look
from viafoura_mw.response.headers import Headers, fields, made_private, with_cookie, with_length, without_digests
from viafoura_mw.response.hold import HoldBudget
from viafoura_mw.response.kept import Kept
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions, Ticket

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_MOVED: Final = frozenset((301, 307, 308))  # a POST that is answered so has done nothing yet
#: To which states each leads. Another head begins anew, where the first is still kept or the server has refused it.
TRANSITIONS: Final[Mapping[State, tuple[State, ...]]] = {
    State.FRESH: (State.READING, State.PASSING),
    State.READING: (
        State.HOLDING,
        State.WAITING,
        State.REWRITING,
        State.WATCHING,
        State.PASSING,
        State.BROKEN,
    ),
    State.HOLDING: (
        State.READING,
        State.WAITING,
        State.REWRITING,
        State.WATCHING,
        State.PASSING,
        State.FRESH,
    ),
    State.WAITING: (State.REWRITING, State.PASSING, State.BROKEN),
    State.REWRITING: (State.PASSING, State.FRESH),
    State.WATCHING: (State.PASSING, State.FRESH),
    State.PASSING: (State.FRESH,),
    State.BROKEN: (),
}
_STAND_ASIDE: Final = StandAside()
_READ_FREE: Final = ReadUser(load=False)
_LOAD: Final = ReadUser(load=True)
_QUESTIONS: Final = (State.READING, State.WAITING)
# A member is found in a module several times as fast as in its class.
_FRESH, _HOLDING, _READING, _WAITING, _REWRITING, _WATCHING, _PASSING, _BROKEN = State


@dataclass(frozen=True, slots=True)
class Policy:
    """What all exchanges of a site share in one process.

    ``timeout``: seconds that one page may wait for Viafoura, in all. ``lookahead``: bytes. ``clock``: seconds that only
    grow. ``debug``: whether responses say in a header what was done to them. ``told``: who is told the same, in a word.
    """

    cookie: SessionCookie
    sessions: Sessions
    budget: HoldBudget
    notices: Notices
    clock: Callable[[], float]
    timeout: float
    lookahead: int
    debug: bool = False
    told: Callable[[str], object] | None = None


class Exchange:
    """One response on its way out. The module tells how events, effects and states go together.

    ``login_key`` gives the digest that tells one signed-in browser from another. ``preset`` names the preset by which
    the user is read. No event raises: where this class itself fails, the response goes on as the application gave it.
    """

    __slots__ = (
        "_deadline",
        "_has_ended_sessions",
        "_headers",
        "_is_private",
        "_kept",
        "_login",
        "_login_key",
        "_policy",
        "_preset",
        "_reading",
        "_renewal",
        "_request",
        "_status",
        "_ticket",
        "state",
    )

    def __init__(
        self, policy: Policy, request: Request, login_key: Callable[[], bytes] = bytes, preset: Callable[[], str] = str
    ) -> None:
        self.state: State = _FRESH
        self._policy = policy
        self._request = request
        self._login_key = login_key
        self._preset = preset
        self._status = 0
        self._headers: Headers = []
        self._kept: Kept | None = None
        self._reading: Reading | None = None
        self._login: LoginRequest | None = None
        self._ticket: Ticket | None = None  # of the login that this page waits for
        self._deadline: float | None = None  # of all waits for Viafoura
        self._renewal: StartLogin | None = None  # to be started once the tag is seen
        self._is_private = False  # the head was made one user's own
        self._has_ended_sessions = False

    # Events.

    def head(self, status: int, headers: Headers) -> Effects:
        """The application gave its head, maybe in place of one that is still kept or that the server has refused."""
        try:
            return self._head(status, headers)
        except Exception as error:
            return self._given_up(error)

    def chunk(self, data: bytes, item: Item, *, last: bool = False) -> Effects:
        """A chunk of the body came; ``last`` if the application said so. ``item`` is what leaves for an untouched one.

        An empty last chunk that is no chunk of its own, but the end of an iterable, has ``None`` for an item.
        """
        try:
            return self._chunk(data, item, last)
        except Exception as error:
            return self._given_up(error, item)

    def aside(self, item: Item) -> Effects:
        """Something came that is no part of the body, and stays in its place between what is."""
        if self.state is _BROKEN:
            return []
        if self.state is _HOLDING and self._kept is not None:
            self._kept.items.append((None, item))
            return []
        return [Pass([item])]

    def trailers(self, headers: Headers, item: Item) -> Effects:
        """Fields came behind the body."""
        if self.state is _BROKEN:
            return []
        effects = self.unseen()
        return [*effects, SendTrailers(without_digests(headers)) if self._is_private else Pass([item])]

    def hold_over(self) -> Effects:
        """:data:`HOLD` seconds have passed since the head came."""
        try:
            return self._hold_over()
        except Exception as error:
            return self._given_up(error)

    def reading(self, reading: Reading | None) -> Effects:
        """Answers :class:`ReadUser`; ``None`` where the user can be had by loading only."""
        try:
            return self._read(reading)
        except Exception as error:
            return self._given_up(error)

    def session(self, session: Session | None) -> Effects:
        """Answers :class:`AwaitSession`; ``None`` for none, or none in time."""
        try:
            return self._session(session)
        except Exception as error:
            return self._given_up(error)

    def interrupted(self) -> Effects:
        """A question was broken off: its answer will never come. Without a question this changes nothing.

        The door goes on to tell what comes, which is dropped.
        """
        if self.state not in _QUESTIONS:
            return []
        effects = self._pass("broken-off")
        self.state = _BROKEN
        # The door must not stand aside: what it is given from here on is to be dropped.
        return [effect for effect in effects if not isinstance(effect, StandAside)]

    def unseen(self) -> Effects:
        """Bytes come that cannot be seen: what is held leaves, and everything after it, as it came."""
        if self.state in (_HOLDING, _WATCHING):
            return self._pass("unseen") if self.state is _HOLDING else self._stand_aside()
        if self.state is _REWRITING:
            return self._broken_off_in_body()
        return []

    def ended(self, *, returned: bool) -> Effects:
        """The application is done before its response is complete: it ``returned``, or it raised.

        A head alone leaves only if it returned: where it raised, the server has a head of its own.
        """
        if self.state is _REWRITING:
            return self._broken_off_in_body()
        if self.state is _HOLDING and self._kept is not None and (self._kept.came or returned):
            return self._pass("broken-off")
        return []

    def replaced(self, headers: Headers) -> Effects:
        """The application gives another head, after the first was given to the server and before it has left it.

        If this exchange ended a session, the head that takes the first one's place clears the cookie as well.
        """
        if self.state is _BROKEN:
            return []
        self.state = _PASSING
        self._forget_what_is_kept()
        return [SendHead(self._cookie_ended(headers) if self._has_ended_sessions else headers), _STAND_ASIDE]

    def close(self) -> None:
        """Give back what the hold took of the budget; may be called at any time, more than once.

        What is kept may still leave: a timer's wait may be broken off by now, and not know of it yet.
        """
        self._let_go_of_budget()

    # A failure of this class's own.

    def _given_up(self, error: Exception, item: Item = None) -> Effects:
        """Everything as it came, as far as it has not left, and the ``item`` of a chunk behind a head that has."""
        sentence = "a response is left as it is, by a fault of viafoura-mw's own (%s)"
        self._policy.notices.tell("fault", logging.ERROR, sentence, type(error).__name__)
        before, self.state = self.state, _PASSING
        if before in (_REWRITING, _WATCHING, _PASSING):
            return [*_passed(item), _STAND_ASIDE]
        items = [item for _, item in self._kept.items] if self._kept else []
        self._forget_what_is_kept()
        return [SendHead(None), Pass(items), _STAND_ASIDE]

    # From the head on.

    def _go(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} does not lead to {state}"
        self.state = state

    def _head(self, status: int, headers: Headers) -> Effects:
        if self.state is _BROKEN:
            return []
        if self.state is not _FRESH:
            self._forget_what_is_kept()
            self._go(_FRESH)
        self._status, self._headers, self._reading = status, headers, None
        self._is_private = False
        request = self._request
        if not (request.is_logout and status < 400 and request.brought.is_authentic):
            return self._look()
        if request.method == "GET" and status not in _REDIRECTS:  # the page may only ask whether to sign out
            self._go(_READING)
            return [_LOAD]
        return self._look() if self._is_moved() else self._signed_out()

    def _is_moved(self) -> bool:
        """Whether a log-out page answers with a redirect to itself, which is to be asked at its proper address."""
        request = self._request
        if self._status not in (_REDIRECTS if request.method == "GET" else _MOVED):
            return False
        location = fields(self._headers).get("location", "").strip()
        return bool(location) and request.leads_back(location)

    def _look(self) -> Effects:
        looked = look(self._request.method, self._status, self._headers, self._policy.notices)
        if looked is None:
            return self._stand_aside()
        page = Page(looked.coding, looked.charset)
        self._kept = Kept(page, looked.length, self._policy.clock() + HOLD, self._policy.budget)
        if self.state is _READING:
            return self._weigh(self._reading)
        self._go(_READING)
        return [_READ_FREE]

    def _stand_aside(self) -> Effects:
        head_is_here = self.state in (_FRESH, _READING)
        self._go(_PASSING)
        return [SendHead(None), _STAND_ASIDE] if head_is_here else [_STAND_ASIDE]

    def _read(self, reading: Reading | None) -> Effects:
        if self.state is not _READING:
            return []
        kept = self._kept
        if kept is not None and not (kept.began or kept.over):
            self._reading = reading
            return self._weigh(reading)
        self._reading = reading if reading is not None else NotKnown()
        if kept is not None:
            return self._settle()
        return self._signed_out() if isinstance(reading, Nobody) else self._look()  # of a log-out page

    def _weigh(self, reading: Reading | None) -> Effects:
        """Hold the page, or not, by what is known of the user when the head comes."""
        if isinstance(reading, NotKnown):
            return self._pass("unknown")
        if isinstance(reading, Nobody) and not self._may_sign_out():
            return self._pass("anonymous")
        self._go(_HOLDING)
        return [Hold(HOLD)]

    # The body.

    def _chunk(self, data: bytes, item: Item, last: bool) -> Effects:
        state = self.state
        if state is _HOLDING:
            return self._hold(data, item, last)
        if state is _REWRITING:
            return self._rewritten_on(data, last)
        if state is _WATCHING:
            return [*_passed(item), *self._watch(data)]
        return _passed(item) if state in (_FRESH, _PASSING) else []

    def _hold(self, data: bytes, item: Item, last: bool) -> Effects:
        kept = self._kept
        assert kept is not None
        kept.take(data, item, last=last)
        kept.over = kept.over or kept.came >= self._policy.lookahead or self._policy.clock() >= kept.until
        return self._settle()

    def _hold_over(self) -> Effects:
        if self.state is not _HOLDING or self._kept is None:
            return []
        self._kept.over = True
        return self._settle()

    def _settle(self) -> Effects:
        """Decide by what is known now: pass, rewrite, ask, or go on holding."""
        kept = self._kept
        assert kept is not None
        if not (kept.began or kept.over):
            return self._keep()
        if kept.complete and not kept.page.found:
            return self._pass("no-tag")
        match self._reading:
            case None:
                return self._ask(_READING, _LOAD)
            case User() as user:
                return self._settle_for(user, kept)
            case Nobody():
                return self._settle_for_nobody(kept)
        return self._pass("unknown")

    def _settle_for_nobody(self, kept: Kept) -> Effects:
        if not self._may_sign_out() or (kept.over and not kept.page.found):
            return self._pass("anonymous")
        return self._signed_out(by_page=True) if kept.page.found else self._keep()

    def _settle_for(self, user: User, kept: Kept) -> Effects:
        sealed = self._request.brought.valid_for(user)
        if sealed is not None and not self._policy.sessions.has_ended(sealed.session.id):
            return self._settle_with(sealed, user, kept)
        login = self._login_of(user)
        if kept.page.found or kept.over:
            return self._ask_for_session(login)
        if not self._policy.sessions.hopeless(login):
            return self._keep()
        return self._pass("unavailable", watching=True)

    def _settle_with(self, sealed: SealedSession, user: User, kept: Kept) -> Effects:
        """Serve a valid cookie's session; where the user's details have changed, see to one for the new details."""
        policy, secure = self._policy, self._request.secure
        if not user.complete or sealed.has_details_of(user):
            return self._rewrite(sealed.session, "cookie")
        login = self._login_of(user)
        renewed = policy.sessions.refresh(login, sealed.session.id, begin=False)
        if renewed is not None:
            cookie = policy.cookie.set(user, renewed, brought=self._request.brought, secure=secure, refreshed=True)
            return self._rewrite(renewed, "login", cookie)
        if not policy.cookie.may_refresh(sealed):
            return self._rewrite(sealed.session, "cookie")
        renewal = StartLogin(login, sealed.session.id)
        if kept.page.found:
            return [*self._rewrite(sealed.session, "cookie", policy.cookie.touch(sealed, secure=secure)), renewal]
        self._renewal = renewal
        return self._rewrite(sealed.session, "cookie")

    # The session.

    def _login_of(self, user: User) -> LoginRequest:
        if self._login is None:
            brought = self._request.brought
            self._login = LoginRequest(user, self._login_key(), brought.mark_for(user), brought.signed_out_at(user))
        return self._login

    def _ask_for_session(self, login: LoginRequest) -> Effects:
        ticket = self._ticket = self._policy.sessions.ensure(login)
        now = self._policy.clock()
        if self._deadline is None:
            self._deadline = now + self._policy.timeout
        return self._ask(_WAITING, AwaitSession(ticket.future, max(0.0, self._deadline - now)))

    def _ask(self, state: State, question: Question) -> Effects:
        if not self._reserve():
            return self._pass("too-much-held")
        self._go(state)
        return [question]

    def _session(self, session: Session | None) -> Effects:
        if self.state is not _WAITING:
            return []
        user, brought = self._reading, self._request.brought
        assert isinstance(user, User)
        # Told before anything leaves: what fails then leaves the page whole.
        others = brought.of_others(user) if brought.of_another(user) else None
        return self._serve(session, user, others) if session is not None else self._serve_without(user, others)

    def _serve(self, session: Session, user: User, others: Brought | None) -> Effects:
        """Serve a login's session, and end those of ``others``."""
        brought, secure = self._request.brought, self._request.secure
        damps = self._was_never_gone(user)
        if damps:
            sentence = "a user was signed out by a page that did not show them; add such pages to VIAFOURA_EXCLUDE"
            self._policy.notices.tell("damped", logging.WARNING, sentence)
        told = (self._ticket and self._ticket.user) or user  # whose details Viafoura was told
        cookie = self._policy.cookie.set(told, session, brought=brought, secure=secure, damped=damps)
        effects = self._rewrite(session, "login", cookie)
        is_set = self._is_private  # not where the page turned out to be corrupt
        return [*effects, *self._end_sessions(others)] if others is not None and is_set else effects

    def _serve_without(self, user: User, others: Brought | None) -> Effects:
        """Serve the page without a session, to be asked for again, and end those of ``others``."""
        ticket = self._ticket
        if ticket is None or not ticket.mark or ticket.future.done():  # no later page finds a session
            return self._signed_out("unavailable") if others is not None else self._pass("unavailable")
        brought, secure = self._request.brought, self._request.secure
        waiting = self._policy.cookie.wait(user, ticket.mark, brought=brought, secure=secure)
        self._is_private = True
        effects = self._pass("unavailable", with_cookie(self._headers, waiting))
        return [*effects, *self._end_sessions(others)] if others is not None else effects

    def _was_never_gone(self, user: User) -> bool:
        """Whether a page without a user ended this user's session in this browser within the last minute.

        The browser's cookies say so or, where that page and this one were asked for together, this process knows it.
        """
        sealed = self._request.brought.valid_for(user)
        if sealed is not None and self._policy.sessions.has_ended_by_page(sealed.session.id):
            return True
        return self._policy.cookie.damps(user, self._request.brought)

    # Sign-out.

    def _may_sign_out(self) -> bool:
        """Whether a page without a user says that the browser's user has left.

        It does not on a request from another site, which leaves the site's own ``SameSite=Strict`` cookie behind, nor
        in a frame where the site's cookies may stay behind, nor where such pages were seen to come and go.
        """
        request = self._request
        if not request.brought.is_authentic or request.brought.is_damped:
            return False
        return 200 <= self._status < 300 and not request.cross_site and not request.in_frame

    def _signed_out(self, outcome: str = "signed-out", *, by_page: bool = False) -> Effects:
        effects = self._pass(outcome, self._cookie_ended(self._headers, by_page=by_page))
        return [*effects, *self._end_sessions(self._request.brought, by_page=by_page)]

    def _cookie_ended(self, headers: Headers, *, by_page: bool = False) -> Headers:
        ended = self._policy.cookie.end(self._request.brought, by_page=by_page, secure=self._request.secure)
        self._is_private = True
        return with_cookie(headers, ended)

    def _end_sessions(self, brought: Brought, *, by_page: bool = False) -> Effects:
        self._has_ended_sessions = True
        return [EndSessions(tuple(sealed.session.id for sealed in brought.sessions), brought.marks, by_page)]

    # What leaves.

    def _pass(self, outcome: str, headers: Headers | None = None, *, watching: bool = False) -> Effects:
        """Let the head go, with these ``headers`` or as it came, and what is held as it came."""
        self._go(_WATCHING if watching else _PASSING)
        if self._policy.told is not None:
            self._policy.told(outcome)
        if self._policy.debug:
            word = f"{outcome}; preset={self._preset()}" if outcome in _WORDS_WITH_PRESET else outcome
            headers = [*(self._headers if headers is None else headers), (DEBUG_HEADER, word)]
        effects: Effects = [SendHead(headers)]
        if self._kept is not None:
            effects.append(Pass([item for _, item in self._kept.items]))
            self._kept.items = []
        self._let_go_of_budget()
        if not watching:
            self._kept = None
            effects.append(_STAND_ASIDE)
        return effects

    def _rewrite(self, session: Session, origin: str, set_cookie: str = "") -> Effects:
        kept = self._kept
        assert kept is not None
        try:
            data = b"".join(kept.page.rewritten(kept.chunks(), session, ended=kept.complete))
        except CodingError:
            return self._pass("corrupt")
        private = with_cookie(self._headers, set_cookie) if set_cookie else made_private(self._headers)
        headers = with_length(private, len(data) if kept.complete else None)
        self._is_private = True
        word = "injected" if kept.page.found else "streaming"
        if self._policy.told is not None:
            self._policy.told(word)
        if self._policy.debug:
            headers = [*headers, (DEBUG_HEADER, f"{word}; session={origin}")]
        self._go(_REWRITING)
        self._let_go_of_budget()
        effects: Effects = [SendHead(headers)]
        if asides := [item for chunk, item in kept.items if chunk is None]:
            effects.append(Pass(asides))
        if data or kept.last:
            effects.append(SendBody(data, more=not kept.last))
        kept.items = []
        if kept.complete:
            self._go(_PASSING)
            effects.append(_STAND_ASIDE)
        return effects

    def _rewritten_on(self, data: bytes, last: bool) -> Effects:
        kept = self._kept
        assert kept is not None
        pieces = kept.page.passed(data)
        if last:
            pieces = [*pieces, *kept.page.ended()]
        out = b"".join(pieces)
        effects: Effects = [SendBody(out, more=not last)] if out or last else []
        if self._renewal is not None and kept.page.found:
            effects.append(self._renewal)
            self._renewal = None
        if last:
            self._go(_PASSING)
            effects.append(_STAND_ASIDE)
        return effects

    def _broken_off_in_body(self) -> Effects:
        assert self._kept is not None
        rest = b"".join(self._kept.page.broken_off())
        self._go(_PASSING)
        return [SendBody(rest, more=True), _STAND_ASIDE] if rest else [_STAND_ASIDE]

    def _watch(self, data: bytes) -> Effects:
        """Look for the tag in a page that is not held, so that its user's login can probe a broken Viafoura."""
        assert self._kept is not None
        assert self._login is not None
        self._kept.page.look_at(data)
        if not self._kept.page.found:
            return []
        self._go(_PASSING)
        return [StartLogin(self._login), _STAND_ASIDE]

    # The budget.

    def _keep(self) -> Effects:
        if not self._reserve():
            return self._pass("too-much-held")
        if self.state is not _HOLDING:
            self._go(_HOLDING)
        return []

    def _reserve(self) -> bool:
        """Reserve what is held now: of the user's share or, while the user is not known, of the peer's."""
        kept = self._kept
        assert kept is not None
        holder = self._reading.id if isinstance(self._reading, User) else (self._request.peer,)
        return kept.reserve(holder)

    def _let_go_of_budget(self) -> None:
        if self._kept is not None:
            self._kept.let_go()

    def _forget_what_is_kept(self) -> None:
        self._let_go_of_budget()
        self._kept = None


_WORDS_WITH_PRESET: Final = ("anonymous", "unknown")


def _passed(item: Item) -> Effects:
    return [] if item is None else [Pass([item])]
