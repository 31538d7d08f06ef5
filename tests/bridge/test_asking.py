"""Who is reading, step by step: what is believed, what is answered, what becomes of our cookie."""

import json
import logging
from concurrent.futures import Future
from typing import Any

import pytest

from tests.support.stepping import ANN, BEN, COOKIE, OTHER, SESSION, KnownSessions, brought, policy, sealed
from viafoura_mw.bridge.asking import AskingExchange, Question, believed, logged_out
from viafoura_mw.response.cookie import NOTHING, Brought, SessionCookie
from viafoura_mw.response.effects import Answer, AwaitSession, Effects, EndSessions, ReadUser, StartLogin, State
from viafoura_mw.response.exchange import Policy
from viafoura_mw.response.guard import Request
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.sessions import LoginRequest, Ticket

M = "0123456789abcdef"
LATE = object()
NO_PAIR = {"user_id": None, "session": None}


@pytest.mark.parametrize("laid_out", [True, False])
@pytest.mark.parametrize(
    ("status", "is_believed"),
    [
        *((status, True) for status in (200, 204, 299, 401, 403)),
        *((status, False) for status in (0, 100, 199, 300, 302, 400, 402, 405, 410, 429, 500, 503)),
    ],
)
def test_nobody_is_believed_by_the_status(status: int, *, is_believed: bool, laid_out: bool) -> None:
    """A redirect, an error and a refusal of another kind may have looked for nobody."""
    reading = Nobody(laid_out=laid_out)
    assert believed(reading, status, is_credible=True) == (reading if is_believed else NotKnown())


def test_nobody_is_believed_of_a_missing_page_that_looked() -> None:
    """And not where a key is merely missing."""
    assert believed(Nobody(laid_out=True), 404, is_credible=True) == Nobody(laid_out=True)
    assert believed(Nobody(laid_out=False), 404, is_credible=True) == NotKnown()


def test_nobody_is_not_believed_without_the_sites_cookies() -> None:
    """A user is, all the same; and what is not known stays so."""
    assert believed(Nobody(), 200, is_credible=False) == NotKnown()
    assert believed(ANN, 503, is_credible=False) == ANN
    assert believed(NotKnown(), 200, is_credible=True) == believed(None, 200, is_credible=True) == NotKnown()


class Asked:
    """One question, stepped by hand. ``session``: what a wait gives; ``LATE``: nothing yet."""

    def __init__(
        self,
        reading: Reading | None,
        *,
        cookie: Brought = NOTHING,
        session: Any = SESSION,
        sessions: KnownSessions | None = None,
        renew: bool = False,
        status: int = 200,
        of: Policy | None = None,
    ) -> None:
        self.sessions = sessions or KnownSessions()
        of = of or policy(self.sessions, debug=True)
        self.exchange = AskingExchange(of, Request("GET", brought=cookie), lambda: b"key", Question(M, renew))
        self.effects = self.exchange.head(status, [("set-cookie", "site=1"), ("X", "y"), ("Set-Cookie", "site=2")])
        assert self.effects == [ReadUser(load=True)]
        self.tell(self.exchange.reading(reading), session)

    def tell(self, effects: Effects, session: Any) -> None:
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, AwaitSession):
                if isinstance(session, Session):
                    effect.future.set_result(session)
                elif session is None:
                    effect.future.set_result(None)
                effects += self.exchange.session(session if isinstance(session, Session) else None)

    @property
    def answer(self) -> Answer:
        (answer,) = [effect for effect in self.effects if isinstance(effect, Answer)]
        return answer

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.answer.body)
        assert told.pop("for") == M
        return told

    @property
    def word(self) -> str:
        return dict(self.answer.headers)["X-Viafoura-MW"]

    @property
    def cookie(self) -> Brought | None:
        """Our cookie, as it comes back; the site's own stand behind it."""
        values = [value for name, value in self.answer.headers if name == "Set-Cookie"]
        assert values[-2:] == ["site=1", "site=2"]
        return brought(values[0]) if len(values) == 3 else None

    @property
    def ended(self) -> tuple[str, ...]:
        return tuple(one for effect in self.effects if isinstance(effect, EndSessions) for one in effect.ids)


PAIR = {"state": "signed-in", "user_id": SESSION.user_id, "session": SESSION.id}


def test_a_user_is_signed_in() -> None:
    """By a login, whose session the cookie keeps."""
    asked = Asked(ANN)
    assert (asked.told, asked.word, asked.ended) == (PAIR, "injected; session=login", ())
    assert asked.cookie
    assert asked.cookie.valid_for(ANN)
    assert asked.sessions.asked == [LoginRequest(ANN, b"key")]


def test_a_valid_cookie_is_enough() -> None:
    """Nothing is asked."""
    asked = Asked(ANN, cookie=sealed(ANN))
    assert (asked.told, asked.word, asked.cookie, asked.sessions.asked) == (PAIR, "injected; session=cookie", None, [])


def test_a_session_that_has_ended_here_is_not_served() -> None:
    """Another tab has signed out meanwhile."""
    sessions = KnownSessions(ended=(SESSION.id,))
    asked = Asked(ANN, cookie=sealed(ANN), session=OTHER, sessions=sessions)
    assert asked.told["session"] == OTHER.id


@pytest.mark.parametrize("cookie", [NOTHING, sealed(ANN)])
def test_nobody_has_no_pair(cookie: Brought) -> None:
    """A former reader's session is ended, and so is the cookie."""
    asked = Asked(Nobody(), cookie=cookie)
    assert asked.told == {"state": "nobody", **NO_PAIR}
    assert asked.word == ("signed-out" if cookie.is_authentic else "anonymous")
    assert asked.ended == ((SESSION.id,) if cookie.is_authentic else ())
    assert bool(asked.cookie and asked.cookie.ended) is cookie.is_authentic


@pytest.mark.parametrize(("reading", "status"), [(NotKnown(), 200), (None, 200), (Nobody(), 301)])
def test_who_is_not_known_changes_nothing(
    reading: Reading | None, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning says what helps, where nobody was asked."""
    asked = Asked(reading, cookie=sealed(ANN), status=status)
    assert (asked.told, asked.word) == ({"state": "unknown", **NO_PAIR}, "unknown")
    assert (asked.cookie, asked.ended) == (None, ())
    assert [record.levelno for record in caplog.records] == ([] if status == 301 else [logging.WARNING])


def test_another_user_has_their_own_pair() -> None:
    """The former one's session is ended."""
    asked = Asked(BEN, cookie=sealed(ANN), session=OTHER)
    assert (asked.told["session"], asked.ended) == (OTHER.id, (SESSION.id,))
    assert asked.cookie
    assert not asked.cookie.of_another(BEN)


@pytest.mark.parametrize("user", [ANN, BEN])
def test_a_late_login_leaves_nobodys_pair(user: User) -> None:
    """The waiting cookie finds the session later, and a former reader's is ended."""
    asked = Asked(user, cookie=sealed(BEN), session=LATE, sessions=KnownSessions(mark="m", ended=(SESSION.id,)))
    assert (asked.told, asked.word) == ({"state": "nobody", **NO_PAIR}, "unavailable")
    assert asked.cookie
    assert asked.cookie.mark_for(user) == "m"
    assert asked.ended == (SESSION.id,)


def test_a_late_first_login_ends_nothing() -> None:
    """There is nothing to be ended."""
    asked = Asked(ANN, session=LATE, sessions=KnownSessions(mark="m"))
    assert asked.cookie
    assert asked.ended == ()


@pytest.mark.parametrize("mark", ["", "m"])
def test_a_login_that_fails_leaves_nobodys_pair(mark: str) -> None:
    """Another reader's is ended, and this one's that serves no more."""
    for cookie, sessions in (
        (sealed(BEN), KnownSessions(mark=mark)),
        (sealed(ANN), KnownSessions(ended=(SESSION.id,))),
    ):
        asked = Asked(ANN, cookie=cookie, session=None, sessions=sessions)
        assert (asked.told["state"], asked.word, asked.ended) == ("nobody", "unavailable", (SESSION.id,))
        assert asked.cookie
        assert asked.cookie.ended
    assert Asked(ANN, session=None).cookie is None


def test_a_waiting_cookie_stays_while_nothing_else_is_known() -> None:
    """Its login may still come."""
    waiting = brought(COOKIE.wait(ANN, "m", secure=False))
    asked = Asked(ANN, cookie=waiting, session=None)
    assert (asked.told["state"], asked.cookie, asked.ended) == ("nobody", None, ())
    assert asked.sessions.asked[0].mark == "m"


# Changed details.

RENAMED = User("ann", "Ann B.")


def test_changed_details_are_told_later() -> None:
    """A login is begun for which nobody waits, at most once in ten minutes."""
    asked = Asked(RENAMED, cookie=sealed(ANN))
    assert (asked.told, asked.word) == (PAIR, "injected; session=cookie")
    assert asked.effects[-1] == StartLogin(LoginRequest(RENAMED, b"key"), SESSION.id)
    assert asked.cookie
    again = Asked(RENAMED, cookie=asked.cookie)
    assert (again.told, again.cookie, len(again.effects)) == (PAIR, None, 2)


def test_the_session_of_changed_details_is_served_once_it_is_there() -> None:
    """And the old one is left alone."""
    asked = Asked(RENAMED, cookie=sealed(ANN), sessions=KnownSessions(fresh=OTHER))
    assert (asked.told["session"], asked.word, asked.ended) == (OTHER.id, "injected; session=login", ())


def test_details_that_could_not_be_read_are_no_change() -> None:
    """A source raised."""
    asked = Asked(User("ann", "ann", complete=False), cookie=sealed(ANN))
    assert (asked.told, asked.cookie) == (PAIR, None)


# A pair that Viafoura does not take any more.


def later(seconds: float, sessions: KnownSessions) -> Policy:
    cookie = SessionCookie(
        name="viafoura_mw",
        secrets=("a secret of the tests",),
        site_id="site",
        session_ttl=39_600,
        clock=lambda: 1_000.0 + seconds,
    )
    base = policy(sessions, debug=True)
    return Policy(
        cookie, base.sessions, base.budget, base.notices, base.clock, base.timeout, base.lookahead, base.debug
    )


def renewal(seconds: float, *, session: Any = OTHER, user: Reading = ANN, mark: str = "") -> Asked:
    sessions = KnownSessions(mark=mark)
    return Asked(user, cookie=sealed(ANN), session=session, sessions=sessions, renew=True, of=later(seconds, sessions))


def test_a_renewal_is_a_new_login() -> None:
    """The old session is ended, and no result of a login before serves."""
    asked = renewal(60)
    assert (asked.told["session"], asked.ended, asked.word) == (OTHER.id, (SESSION.id,), "injected; session=login")
    assert asked.sessions.asked[0].not_before == SESSION.since


def test_a_renewal_of_a_young_cookie_is_none() -> None:
    """A second tab is served what the first was given."""
    asked = renewal(59.9)
    assert (asked.told, asked.ended, asked.sessions.asked) == (PAIR, (), [])


def test_a_renewal_that_brings_the_same_session_ends_nothing() -> None:
    """It would end the one that is served."""
    assert renewal(60, session=Session(SESSION.user_id, SESSION.id, 1_060.0)).ended == ()


@pytest.mark.parametrize(("session", "mark"), [(None, ""), (LATE, "m")])
def test_a_renewal_that_fails_ends_the_old_session_all_the_same(session: Any, mark: str) -> None:
    """With its cookie ended, or waiting."""
    asked = renewal(60, session=session, mark=mark)
    assert (asked.told["state"], asked.ended) == ("nobody", (SESSION.id,))
    assert asked.cookie
    assert not asked.cookie.sessions


def test_a_renewal_by_another_user_is_theirs() -> None:
    """The cookie's session is ended as a former reader's."""
    asked = renewal(60, user=BEN)
    assert (asked.told["session"], asked.ended) == (OTHER.id, (SESSION.id,))
    assert asked.sessions.asked[0].user == BEN


# What else a door may say.


def test_says_nothing_out_of_turn() -> None:
    """One answer, whatever comes; nothing of the application's body leaves."""
    exchange = Asked(ANN).exchange
    assert exchange.state is State.BROKEN
    assert exchange.head(200, []) == exchange.reading(ANN) == exchange.session(SESSION) == []
    assert exchange.chunk(b"x", b"x", last=True) == exchange.aside("x") == exchange.trailers([], "x") == []
    assert exchange.ended(returned=True) == exchange.replaced([]) == exchange.unseen() == exchange.hold_over() == []
    exchange.close()


def test_answers_nobody_who_has_left() -> None:
    """The wait was broken off."""
    exchange = AskingExchange(policy(), Request("GET"), bytes, Question(M))
    exchange.head(200, [])
    (question,) = exchange.reading(ANN)
    assert isinstance(question, AwaitSession)
    assert exchange.interrupted() == exchange.session(SESSION) == []


def test_a_log_out_ends_what_is_there() -> None:
    """A waiting cookie's login too."""
    waiting = brought(COOKIE.wait(ANN, "m", secure=False))
    reply = logged_out(policy(), M, waiting, secure=True)
    assert reply.effects == [EndSessions((), ("m",))]
    assert "; secure" in dict(reply.headers)["Set-Cookie"]
    assert logged_out(policy(), M, NOTHING, secure=True).effects == []


def test_a_ticket_of_older_details_is_set_by_them() -> None:
    """Viafoura was told those."""

    class Older(KnownSessions):
        def ensure(self, request: LoginRequest) -> Ticket:
            return Ticket(Future(), "m", ANN)

    asked = Asked(RENAMED, sessions=Older())
    assert asked.cookie
    assert asked.cookie.sessions[0].has_details_of(ANN)
