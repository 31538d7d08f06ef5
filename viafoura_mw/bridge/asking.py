"""Who is reading: an exchange that reads the user of the application's answer, and answers with the pair.

It speaks as :mod:`viafoura_mw.response.exchange` does. Its response is the application's to a request that the bridge
has made of the browser's question; nothing of that leaves but what it tells the site's own cookies.

Three answers. *signed-in* comes with a pair. *nobody* says that no pair stands in this browser, and the browser acts on
it: so it must be believed. *unknown* changes nothing.
"""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from viafoura_mw.bridge.answers import Reply, answer
from viafoura_mw.response.cookie import Brought, SealedSession
from viafoura_mw.response.effects import Answer, AwaitSession, Effects, EndSessions, Item, ReadUser, StartLogin, State
from viafoura_mw.response.exchange import Policy
from viafoura_mw.response.guard import Request
from viafoura_mw.response.headers import Headers
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.sessions import LoginRequest, Ticket

SIGNED_IN: Final = "signed-in"
NOBODY: Final = "nobody"
UNKNOWN: Final = "unknown"

_NOT_FOUND: Final = 404
_REFUSALS: Final = (401, 403)


def believed(reading: Reading | None, status: int, *, is_credible: bool) -> Reading:
    """What is believed of a reading beside an answer's status.

    A redirect, an error or a page that does not exist may have looked for nobody. ``is_credible``: the browser was
    free to send the site's own cookies, if there were any.
    """
    if not isinstance(reading, Nobody):
        return reading or NotKnown()
    is_told = 200 <= status < 300 or status in _REFUSALS or (status == _NOT_FOUND and reading.laid_out)
    return reading if is_told and is_credible else NotKnown()


def logged_out(policy: Policy, echo: str, brought: Brought, *, secure: bool) -> Reply:
    """Answer a log-out in the browser: our session is ended, and the site's own sign-in is not."""
    if not brought.is_authentic:
        return nobody(policy, echo)
    ended = policy.cookie.end(brought, by_page=False, secure=secure)
    return _answer(policy, echo, NOBODY, "signed-out", cookies=[ended], effects=[_ends(brought)])


def nobody(policy: Policy, echo: str) -> Reply:
    """Answer somebody who cannot be signed in."""
    return _answer(policy, echo, NOBODY, "anonymous", cookies=[])


def _answer(
    policy: Policy,
    echo: str,
    state: str,
    word: str,
    *,
    pair: Session | None = None,
    cookies: list[str],
    effects: list[EndSessions | StartLogin] | None = None,
) -> Reply:
    """Answer the question that ``echo`` names, and tell the outcome to whoever counts them."""
    if policy.told is not None:
        policy.told(word.partition(";")[0])
    return answer(echo, state, word, pair=pair, cookies=cookies, effects=effects, debug=policy.debug)


def _ends(brought: Brought) -> EndSessions:
    return EndSessions(tuple(sealed.session.id for sealed in brought.sessions), brought.marks)


class Question(NamedTuple):
    """What a page asks: ``renew``: its pair is one that Viafoura does not take any more."""

    echo: str
    renew: bool = False


class AskingExchange:
    """One question, whose answer leaves in place of the application's. ``is_credible``: see :func:`believed`."""

    __slots__ = (
        "_brought",
        "_cookies",
        "_echo",
        "_is_credible",
        "_login_key",
        "_policy",
        "_renew",
        "_renewed",
        "_secure",
        "_status",
        "_ticket",
        "_user",
        "state",
    )

    def __init__(
        self,
        policy: Policy,
        request: Request,
        login_key: Callable[[], bytes],
        question: Question,
        *,
        is_credible: bool = True,
    ) -> None:
        self.state: State = State.FRESH
        self._policy = policy
        self._brought = request.brought
        self._secure = request.secure
        self._login_key = login_key
        self._echo, self._renew = question
        self._is_credible = is_credible
        self._status = 0
        self._cookies: list[str] = []  # the application's
        self._user: User | None = None
        self._ticket: Ticket | None = None
        self._renewed: SealedSession | None = None  # the cookie in whose place a login is made

    # Events.

    def head(self, status: int, headers: Headers) -> Effects:
        """The application has answered."""
        if self.state is not State.FRESH:
            return []
        self.state = State.READING
        self._status = status
        self._cookies = [value for name, value in headers if name.lower() == "set-cookie"]
        return [ReadUser(load=True)]

    def reading(self, reading: Reading | None) -> Effects:
        """Answers :class:`~viafoura_mw.response.effects.ReadUser`."""
        if self.state is not State.READING:
            return []
        match believed(reading, self._status, is_credible=self._is_credible):
            case User() as user:
                return self._for(user)
            case Nobody():
                reply = logged_out(self._policy, self._echo, self._brought, secure=self._secure)
                return self._replied(reply)
        if not isinstance(reading, Nobody):
            sentence = (
                "the bridge cannot know who is reading from the path that is asked: set VIAFOURA_BRIDGE_USER_PATH to a "
                "path of the application that knows the user"
            )
            self._policy.notices.tell("bridge-user", logging.WARNING, sentence)
        return self._answered(UNKNOWN, UNKNOWN)

    def session(self, session: Session | None) -> Effects:
        """Answers :class:`~viafoura_mw.response.effects.AwaitSession`."""
        if self.state is not State.WAITING or self._user is None:
            return []
        return self._without(self._user) if session is None else self._with(self._user, session)

    def interrupted(self) -> Effects:
        """A question was broken off: nobody is there any more to be answered."""
        self.state = State.BROKEN
        return []

    def chunk(self, _: bytes, __: Item, *, last: bool = False) -> Effects:  # noqa: ARG002 - as a door calls it
        """Nothing of the application's body leaves, whether this is its ``last`` chunk or not."""
        return []

    def aside(self, _: Item) -> Effects:
        """Nor what is no part of it."""
        return []

    def trailers(self, _: Headers, __: Item) -> Effects:
        """Nor what comes behind it."""
        return []

    def hold_over(self) -> Effects:
        """Nothing is held."""
        return []

    def unseen(self) -> Effects:
        """Nothing of it is looked at."""
        return []

    def ended(self, *, returned: bool) -> Effects:  # noqa: ARG002 - as a door calls it
        """The answer has left, or the server has none, whether the application ``returned`` or raised."""
        return []

    def replaced(self, _: Headers) -> Effects:
        """The answer stays."""
        return []

    def close(self) -> None:
        """Nothing is held."""

    # A user.

    def _for(self, user: User) -> Effects:
        policy = self._policy
        sealed = self._brought.valid_for(user)
        if sealed is not None and policy.sessions.has_ended(sealed.session.id):
            sealed = None
        not_before = self._brought.signed_out_at(user)
        if sealed is not None:
            if not (self._renew and policy.cookie.is_settled(sealed)):
                return self._with_cookie(user, sealed)
            # Later than the login of the cookie, and the same for whichever tab asks.
            self._renewed, not_before = sealed, max(not_before, sealed.session.since)
        self._user, self.state = user, State.WAITING
        login = LoginRequest(user, self._login_key(), self._brought.mark_for(user), not_before)
        ticket = self._ticket = policy.sessions.ensure(login)
        return [AwaitSession(ticket.future, policy.timeout)]

    def _with_cookie(self, user: User, sealed: SealedSession) -> Effects:
        """Serve a valid cookie's session; where the user's details have changed, see to one for the new details."""
        policy, session = self._policy, sealed.session
        if not user.complete or sealed.has_details_of(user):
            return self._answered(SIGNED_IN, "injected; session=cookie", session)
        login = LoginRequest(user, self._login_key(), self._brought.mark_for(user), self._brought.signed_out_at(user))
        renewed = policy.sessions.refresh(login, session.id, begin=False)
        if renewed is not None:
            cookie = policy.cookie.set(user, renewed, brought=self._brought, secure=self._secure, refreshed=True)
            return self._answered(SIGNED_IN, "injected; session=login", renewed, cookie)
        if not policy.cookie.may_refresh(sealed):
            return self._answered(SIGNED_IN, "injected; session=cookie", session)
        touched = policy.cookie.touch(sealed, secure=self._secure)
        started = StartLogin(login, session.id)
        return self._answered(SIGNED_IN, "injected; session=cookie", session, touched, started)

    def _with(self, user: User, session: Session) -> Effects:
        told = (self._ticket and self._ticket.user) or user  # whose details Viafoura was told
        cookie = self._policy.cookie.set(told, session, brought=self._brought, secure=self._secure)
        former = self._brought.of_others(user)
        ids = [sealed.session.id for sealed in former.sessions]
        if self._renewed is not None and self._renewed.session.id != session.id:
            ids.append(self._renewed.session.id)
        ends = [EndSessions(tuple(ids), former.marks)] if ids or former.marks else []
        return self._answered(SIGNED_IN, "injected; session=login", session, cookie, *ends)

    def _without(self, user: User) -> Effects:
        """No session can be had now: no former reader's stays either."""
        policy, brought, ticket = self._policy, self._brought, self._ticket
        if ticket is not None and ticket.mark and not ticket.future.done():  # a later question finds the session
            waiting = policy.cookie.wait(user, ticket.mark, brought=brought, secure=self._secure)
            return self._answered(NOBODY, "unavailable", None, waiting, *self._ended_former(user))
        if not (brought.sessions or brought.of_another(user)):
            return self._answered(NOBODY, "unavailable")
        ended = policy.cookie.end(brought, by_page=False, secure=self._secure)
        return self._answered(NOBODY, "unavailable", None, ended, _ends(brought))

    def _ended_former(self, user: User) -> list[EndSessions]:
        """The sessions whose cookie a waiting cookie replaces: others', and those of this user that serve no more."""
        former = self._brought.of_others(user)
        ids = tuple(sealed.session.id for sealed in self._brought.sessions)
        return [EndSessions(ids, former.marks)] if ids or former.marks else []

    # What leaves.

    def _answered(
        self,
        state: str,
        word: str,
        pair: Session | None = None,
        cookie: str = "",
        *effects: EndSessions | StartLogin,
    ) -> Effects:
        cookies = [cookie] if cookie else []
        return self._replied(
            _answer(self._policy, self._echo, state, word, pair=pair, cookies=cookies, effects=[*effects])
        )

    def _replied(self, reply: Reply) -> Effects:
        """Send the reply, with the application's own cookies behind ours."""
        self.state = State.BROKEN
        cookies = [("Set-Cookie", value) for value in self._cookies]
        names = [name for name, _ in reply.headers]
        place = names.index("Cache-Control")
        headers = [*reply.headers[:place], *cookies, *reply.headers[place:]]
        return [Answer(reply.status, headers, reply.body), *reply.effects]
