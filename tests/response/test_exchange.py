"""The exchange, stepped by hand: no sockets, no threads, no clock."""

import gzip
import inspect
import logging
import re
from typing import Any

import pytest

from tests.support.fakes import Clock
from tests.support.stepping import (
    ANN,
    BEN,
    COOKIE,
    HTML,
    OTHER,
    SESSION,
    KnownSessions,
    Stepped,
    brought,
    policy,
    sealed,
)
from viafoura_mw.page.rewriter import Page
from viafoura_mw.response import effects as says
from viafoura_mw.response import exchange as exchanges
from viafoura_mw.response.cookie import NOTHING, Brought
from viafoura_mw.response.effects import State
from viafoura_mw.response.exchange import TRANSITIONS, Exchange
from viafoura_mw.response.guard import Request
from viafoura_mw.response.hold import HoldBudget
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User
from viafoura_mw.viafoura.client import Session

TAG = b'<script id="viafoura-platform">'
SET_TAG = b'<script id="viafoura-platform" data-uid="7000000003119" data-sid="o52l4itrv8q4p8n4amsou1c567">'
PAGE = b"<p>before</p>" + TAG + b"</script><p>after</p>"
SET_PAGE = PAGE.replace(TAG, SET_TAG)
NOBODY, NOT_KNOWN = Nobody(laid_out=True), NotKnown()


class TestStates:
    """The states and the ways between them."""

    def test_are_drawn_as_they_are(self) -> None:
        """The docstring's diagram and the table say the same."""
        drawn = {
            State[state]: {State[name] for name in re.findall(r"\w+", names)}
            for state, names in re.findall(r"^    ([A-Z]+) +──►(.*)$", exchanges.__doc__ or "", re.MULTILINE)
        }
        assert drawn == {state: set(following) for state, following in TRANSITIONS.items()}

    def test_have_every_attribute_from_the_beginning(self) -> None:
        """No attribute appears only later."""
        exchange = Exchange(policy(), Request("GET"))
        assert all(hasattr(exchange, name) for name in Exchange.__slots__)

    def test_are_left_by_no_other_way(self) -> None:
        """A step that the table does not have is a fault, which leaves the response as it came."""
        exchange = Exchange(policy(), Request("GET"))
        with pytest.raises(AssertionError):
            exchange._go(State.REWRITING)

    def test_every_effect_is_in_the_union(self) -> None:
        """A door that matches the union misses no effect."""
        kinds = {kind for _, kind in inspect.getmembers(says, inspect.isclass) if hasattr(kind, "_fields")}
        effects = {kind for kind in kinds if kind.__module__ == says.__name__}
        assert effects == set(says.Effect.__args__)


class TestNobodyAndNotKnown:
    """A response for nobody, or for nobody knows whom."""

    def test_passes_a_page_for_nobody_without_cookie(self) -> None:
        """Without a user and without our cookie nothing is looked at."""
        assert Stepped(NOBODY).is_untouched

    @pytest.mark.parametrize("cookie", [NOTHING, sealed(ANN)])
    def test_changes_nothing_for_a_user_who_is_not_known(self, cookie: Brought) -> None:
        """No login, no logout, no cookie."""
        stepped = Stepped(NOT_KNOWN, cookie=cookie).finish(PAGE)
        assert stepped.is_untouched
        assert not stepped.ended

    def test_changes_nothing_when_loading_does_not_tell_who_the_user_is(self) -> None:
        """A framework that was never asked is not a framework that knows nobody."""
        stepped = Stepped(None, loaded=NOT_KNOWN, cookie=sealed(ANN)).finish(PAGE)
        assert stepped.is_untouched
        assert stepped.sent == [PAGE]

    def test_takes_no_answer_for_not_known(self) -> None:
        """A reader that has nothing to say even when it may load has not said that nobody is there."""
        stepped = Stepped(open_questions=True, cookie=sealed(ANN))
        stepped.tell(stepped.exchange.reading(None))
        stepped.finish(PAGE)
        stepped.tell(stepped.exchange.reading(None))
        assert stepped.sent == [PAGE]
        assert not stepped.ended


class TestWithValidCookie:
    """A user whose cookie holds their session."""

    def test_sets_the_pair_in_a_complete_page(self) -> None:
        """A body that is complete is decided before the head leaves, with an exact length."""
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=[HTML, ("Content-Length", str(len(PAGE)))]).feed(PAGE)
        assert stepped.body == SET_PAGE
        assert stepped.value("Content-Length") == str(len(SET_PAGE))
        assert stepped.value("Set-Cookie") is None

    def test_passes_a_complete_page_without_the_tag_as_it_came(self) -> None:
        """A complete page without the tag keeps its head and its body."""
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=[HTML, ("ETag", '"1"')]).finish(b"<p>")
        assert stepped.is_untouched
        assert stepped.sent == [b"<p>"]

    def test_holds_nothing_of_a_page_in_pieces(self) -> None:
        """The head leaves with the first chunk, private and without a length, and chunks pass as they come."""
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=[HTML, ("Content-Length", "999")]).feed(b"<p>one")
        assert stepped.sent == [b"<p>one"]
        assert stepped.value("Cache-Control") == "private, no-cache"
        assert stepped.value("Content-Length") is None
        assert stepped.feed(PAGE).body == b"<p>one" + SET_PAGE

    @pytest.mark.parametrize("cut", range(1, len(PAGE)))
    def test_gives_the_same_page_wherever_it_is_cut(self, cut: int) -> None:
        """However the body is cut in two, the result is the same."""
        assert Stepped(ANN, cookie=sealed(ANN)).feed(PAGE[:cut], PAGE[cut:]).finish().body == SET_PAGE

    def test_gives_back_a_tag_that_never_ends(self) -> None:
        """A start tag that the page's end cuts off is passed on as it stands."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).feed(b"<p>", b'<script id="viafoura-pl').finish()
        assert stepped.body == b'<p><script id="viafoura-pl'

    def test_asks_for_another_session_when_the_cookie_s_was_logged_out_here(self) -> None:
        """A response that was under way while its user left brings back the cookie of a session that is no more."""
        of = policy(KnownSessions(ended=(SESSION.id,)))
        stepped = Stepped(ANN, cookie=sealed(ANN), of=of, session=OTHER).finish(PAGE)
        assert OTHER.id.encode() in stepped.body
        assert stepped.value("Set-Cookie")
        assert not stepped.ended

    def test_passes_more_than_the_declared_length_as_it_comes(self) -> None:
        """An application that sends more than it declared is left to the server."""
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=[HTML, ("Content-Length", str(len(PAGE)))])
        stepped.feed(PAGE, b"more")
        assert stepped.sent[1:] == [b"more"]

    def test_stands_aside_once_the_page_has_ended(self) -> None:
        """Nothing is looked at behind the last chunk."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).feed(b"<p>").finish(PAGE)
        assert stepped.is_aside
        assert stepped.exchange.state is State.PASSING


class TestNewDetails:
    """A user whose name or e-mail address is another by now."""

    RENAMED = User("ann", "Ann Two")

    def test_serves_the_session_that_is_there_and_begins_a_login_for_which_nobody_waits(self) -> None:
        """The page leaves at once; the cookie notes that a login was begun."""
        stepped = Stepped(self.RENAMED, cookie=sealed(ANN)).finish(PAGE)
        assert stepped.body == SET_PAGE
        (start,) = stepped.of_kind(says.StartLogin)
        assert (start.request.user, start.old_session_id) == (self.RENAMED, SESSION.id)
        again = brought(stepped.value("Set-Cookie") or "")
        assert again.sessions[0].session.id == SESSION.id
        assert not COOKIE.may_refresh(again.sessions[0])

    def test_begins_none_within_ten_minutes_of_the_last(self) -> None:
        """A name that differs by the page's language costs no login per page."""
        cookie = brought(COOKIE.set(ANN, SESSION, secure=False, refreshed=True))
        stepped = Stepped(self.RENAMED, cookie=cookie).finish(PAGE)
        assert stepped.body == SET_PAGE
        assert not stepped.of_kind(says.StartLogin)
        assert stepped.value("Set-Cookie") is None

    def test_hands_over_the_session_of_that_login_and_leaves_the_old_one_alone(self) -> None:
        """A later page carries the new session, and its cookie."""
        of = policy(KnownSessions(fresh=OTHER))
        stepped = Stepped(self.RENAMED, cookie=sealed(ANN), of=of).finish(PAGE)
        assert OTHER.id.encode() in stepped.body
        assert stepped.value("Set-Cookie")
        assert not stepped.ended

    def test_begins_it_only_when_the_tag_of_a_streamed_page_has_come(self) -> None:
        """No call is made for a page without the tag."""
        stepped = Stepped(self.RENAMED, cookie=sealed(ANN)).feed(b"<p>")
        assert not stepped.of_kind(says.StartLogin)
        stepped.feed(PAGE)
        stepped.feed(b"<p>")
        assert len(stepped.of_kind(says.StartLogin)) == 1

    def test_takes_details_that_could_not_be_read_for_no_change(self) -> None:
        """A name whose source raised is not a new name."""
        stepped = Stepped(User("ann", "ann", complete=False), cookie=sealed(ANN)).finish(PAGE)
        assert stepped.body == SET_PAGE
        assert not stepped.of_kind(says.StartLogin)


class TestWithoutCookie:
    """A user who has no session yet."""

    def test_asks_for_a_session_only_when_the_tag_is_there(self) -> None:
        """A page without the tag costs no call."""
        sessions = KnownSessions()
        assert Stepped(ANN, of=policy(sessions)).finish(b"<p>no tag</p>").is_untouched
        assert not sessions.asked

    def test_sets_the_cookie_and_the_pair(self) -> None:
        """With the session had, the tag carries it and the head sets the cookie."""
        sessions = KnownSessions()
        stepped = Stepped(ANN, of=policy(sessions), session=SESSION).finish(PAGE)
        assert stepped.body == SET_PAGE
        assert (stepped.value("Set-Cookie") or "").startswith("viafoura_mw=")
        assert [request.user for request in sessions.asked] == [ANN]
        assert not stepped.ended

    def test_sets_the_cookie_ahead_of_the_sites_own(self) -> None:
        """An adapter that keeps the last one only keeps the site's."""
        stepped = Stepped(ANN, session=SESSION, headers=[HTML, ("Set-Cookie", "own=1")]).finish(PAGE)
        cookies = [value for name, value in stepped.head or () if name == "Set-Cookie"]
        assert len(cookies) == 2
        assert cookies[1] == "own=1"

    def test_makes_a_login_though_a_detail_could_not_be_read(self) -> None:
        """A name or an e-mail address is optional."""
        assert Stepped(User("ann", "ann", complete=False), session=SESSION).finish(PAGE).body == SET_PAGE

    def test_passes_the_page_as_it_came_when_no_session_can_be_had(self) -> None:
        """Without a session the chunks and the head are the application's own."""
        stepped = Stepped(ANN, headers=[HTML, ("ETag", '"1"')]).feed(b"<p>", TAG)
        assert stepped.is_untouched
        assert stepped.sent == [b"<p>", TAG]

    def test_leaves_with_the_waiting_cookie_when_its_login_is_late(self) -> None:
        """The next page finds the result by the mark, whatever the site's own cookies do meanwhile."""
        stepped = Stepped(ANN, of=policy(KnownSessions(mark="mark1"))).finish(PAGE)
        assert stepped.body == PAGE
        assert brought(stepped.value("Set-Cookie") or "").mark_for(ANN) == "mark1"
        assert stepped.value("Cache-Control") == "private, no-cache"

    def test_asks_with_the_mark_and_the_time_of_the_last_sign_out(self) -> None:
        """No result of a login before the sign-out may serve."""
        sessions = KnownSessions()
        waiting = COOKIE.wait(ANN, "mark1", brought=NOTHING, secure=False)
        Stepped(ANN, cookie=brought(waiting), of=policy(sessions)).finish(PAGE)
        ended = COOKIE.end(sealed(ANN), by_page=False, secure=False)
        Stepped(ANN, cookie=brought(ended), of=policy(sessions)).finish(PAGE)
        assert [(request.mark, request.not_before) for request in sessions.asked] == [
            ("mark1", 0.0),
            ("", brought(ended).ended_at),
        ]

    def test_ensures_the_session_when_the_lookahead_has_passed(self) -> None:
        """After VIAFOURA_LOOKAHEAD bytes the session is ensured at once, and the tag is set when it comes."""
        stepped = Stepped(ANN, session=SESSION).feed(b"x" * 40)
        assert stepped.is_held
        stepped.feed(b"x" * 40)
        assert stepped.body == b"x" * 80
        assert stepped.value("Set-Cookie")
        assert stepped.finish(PAGE).body == b"x" * 80 + SET_PAGE

    def test_ensures_the_session_when_the_hold_is_over(self) -> None:
        """After half a second the session is ensured, and without one the page passes as it came."""
        stepped = Stepped(ANN).feed(b"<p>")
        stepped.tell(stepped.exchange.hold_over())
        assert stepped.of_kind(says.AwaitSession)
        assert stepped.sent == [b"<p>"]
        assert stepped.is_untouched

    def test_ends_the_hold_with_a_chunk_that_comes_late(self) -> None:
        """A door without a timer has the next chunk tell the time."""
        clock = Clock()
        stepped = Stepped(ANN, of=policy(clock=clock)).feed(b"<p>")
        clock.pass_(says.HOLD)
        assert stepped.is_held
        assert stepped.feed(b"<p>").sent == [b"<p>", b"<p>"]

    def test_waits_for_no_more_than_the_page_has_left(self) -> None:
        """One deadline bounds all waits of a page, also where a second head began anew."""
        clock = Clock()
        stepped = Stepped(ANN, of=policy(KnownSessions(), clock=clock), open_questions=True)
        stepped.tell(stepped.exchange.reading(ANN))
        stepped.feed(PAGE)
        (wait,) = stepped.of_kind(says.AwaitSession)
        assert wait.seconds == 2.0

    def test_waits_no_longer_for_a_second_head(self) -> None:
        """The time that a page may wait is one for all heads that its application gives."""
        clock = Clock()
        stepped = Stepped(ANN, of=policy(clock=clock, timeout=2.0)).finish(PAGE)
        clock.pass_(1.5)
        stepped.head = None  # the server has refused it
        stepped.start(200, [HTML])
        stepped.finish(PAGE)
        assert [wait.seconds for wait in stepped.of_kind(says.AwaitSession)] == [2.0, 0.5]

    def test_holds_nothing_while_no_session_can_be_had(self) -> None:
        """With the breaker open a page in pieces passes at once; its tag makes its user's login the probe."""
        stepped = Stepped(ANN, of=policy(KnownSessions(is_hopeless=True))).feed(b"<p>")
        assert stepped.sent == [b"<p>"]
        assert not stepped.is_aside
        stepped.feed(TAG)
        assert len(stepped.of_kind(says.StartLogin)) == 1
        assert stepped.sent == [b"<p>", TAG]
        assert stepped.is_aside

    def test_makes_one_login_key_a_response(self) -> None:
        """The digest of a browser is made once a response, not once a chunk."""
        made: list[None] = []
        exchange = Exchange(policy(KnownSessions()), Request("GET"), lambda: made.append(None) or b"key")
        exchange.head(200, [HTML])
        exchange.reading(ANN)
        for _ in range(5):
            exchange.chunk(b"<p>", b"<p>")
        assert len(made) == 1


class TestBudget:
    """What may be held."""

    def test_holds_nothing_once_too_much_is_held_in_the_process(self) -> None:
        """Beyond the process's budget pages pass as they came."""
        stepped = Stepped(ANN, of=policy(budget=HoldBudget(size=4))).feed(b"<p>one")
        assert stepped.sent == [b"<p>one"]
        assert stepped.is_untouched

    def test_holds_nothing_more_for_a_user_who_has_a_share(self) -> None:
        """One user's pages leave room for others'."""
        of = policy(budget=HoldBudget(share=10))
        first = Stepped(ANN, of=of).feed(b"12345678")
        second, others = Stepped(ANN, of=of).feed(b"12345678"), Stepped(BEN, of=of).feed(b"12345678")
        assert (first.is_held, second.is_held, others.is_held) == (True, False, True)

    def test_holds_for_a_peer_while_the_user_is_not_known(self) -> None:
        """Whoever brings our cookie and no user is held by the address."""
        of = policy(budget=HoldBudget(share=10))
        held = [
            Stepped(NOBODY, cookie=sealed(ANN), of=of, request=Request("GET", peer=peer)).feed(b"12345678").is_held
            for peer in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
        ]
        assert held == [True, False, True]

    def test_lets_no_page_wait_for_a_login_that_it_has_no_room_for(self) -> None:
        """A complete page waits for its login with all its bytes."""
        stepped = Stepped(ANN, of=policy(budget=HoldBudget(size=4)), session=SESSION).finish(PAGE)
        assert stepped.sent == [PAGE]
        assert not stepped.of_kind(says.AwaitSession)

    def test_moves_what_is_held_from_the_peer_to_the_user(self) -> None:
        """Once the user is known, the peer's share is free again."""
        budget = HoldBudget()
        stepped = Stepped(None, loaded=ANN, of=policy(budget=budget), open_questions=True)
        stepped.tell(stepped.exchange.reading(None))
        stepped.feed(b"<p>")
        stepped.tell(stepped.exchange.reading(ANN))
        assert budget.held == 3
        stepped.exchange.close()
        assert budget.held == 0

    def test_gives_back_what_it_held(self) -> None:
        """What an exchange reserved is free again when it is closed, however often."""
        of = policy(budget=HoldBudget(size=10))
        for _ in range(3):
            stepped = Stepped(ANN, of=of).feed(b"12345678")
            assert stepped.is_held
            stepped.exchange.close()
            stepped.exchange.close()


class TestChangedUser:
    """A browser whose cookie is another user's."""

    def test_gets_the_new_session_and_ends_the_old_one(self) -> None:
        """The new user is logged in, the old one's session ended, in one response, once its head has left."""
        stepped = Stepped(BEN, cookie=sealed(ANN, OTHER), session=SESSION).finish(PAGE)
        assert stepped.body == SET_PAGE
        assert stepped.ended == (OTHER.id,)
        kinds = [type(effect) for effect in stepped.effects]
        assert kinds.index(says.SendHead) < kinds.index(says.EndSessions)

    def test_leaves_with_the_cookie_ended_when_the_new_login_fails(self) -> None:
        """Never the other user's session: it is ended, and the cookie, the page as it came."""
        stepped = Stepped(BEN, cookie=sealed(ANN)).finish(PAGE)
        assert stepped.body == PAGE
        assert stepped.ended == (SESSION.id,)
        assert brought(stepped.value("Set-Cookie") or "").ended_at >= SESSION.since
        assert stepped.value("Cache-Control") == "private, no-cache"

    def test_leaves_with_the_waiting_cookie_when_the_new_login_is_late(self) -> None:
        """The old session is ended all the same."""
        of = policy(KnownSessions(mark="mark1"))
        stepped = Stepped(BEN, cookie=sealed(ANN), of=of).finish(PAGE)
        assert stepped.ended == (SESSION.id,)
        assert brought(stepped.value("Set-Cookie") or "").mark_for(BEN) == "mark1"

    def test_ends_no_session_by_a_page_that_turns_out_to_be_corrupt(self) -> None:
        """The login was made for nothing: no cookie is set, and none is cleared without its session's end."""
        broken = gzip.compress(PAGE, 0)[:-8] + b"x" * 8
        headers = [HTML, ("Content-Encoding", "gzip")]
        stepped = Stepped(BEN, cookie=sealed(ANN), session=SESSION, headers=headers).finish(broken)
        assert stepped.sent == [broken]
        assert stepped.is_untouched
        assert not stepped.ended


class TestLeaving:
    """A browser with our cookie and no user."""

    def test_signs_out_on_a_page_with_the_tag(self) -> None:
        """The cookie is ended, and the session; the page stays as it came."""
        stepped = Stepped(NOBODY, cookie=sealed(ANN)).feed(b"<p>")
        assert stepped.is_held
        stepped.feed(PAGE)
        assert stepped.body == b"<p>" + PAGE
        assert stepped.ended == (SESSION.id,)
        assert "Max-Age=60" in (stepped.value("Set-Cookie") or "")

    def test_ends_every_session_and_the_login_under_way(self) -> None:
        """Of several cookies of the name each is ended, and a late login's result as well."""
        cookie = brought(
            COOKIE.set(ANN, SESSION, secure=False),
            COOKIE.set(ANN, OTHER, secure=False),
            COOKIE.wait(ANN, "mark1", brought=NOTHING, secure=False),
        )
        (effect,) = Stepped(NOBODY, cookie=cookie).finish(PAGE).of_kind(says.EndSessions)
        assert {*effect.ids} == {SESSION.id, OTHER.id}
        assert effect.marks == ("mark1",)

    def test_signs_nobody_out_on_a_page_without_the_tag(self) -> None:
        """A merely anonymous page on a path where the site never authenticates changes nothing."""
        assert Stepped(NOBODY, cookie=sealed(ANN)).finish(b"<p>").is_untouched

    def test_ends_the_hold_with_nothing_done(self) -> None:
        """When the hold ends before the tag is seen, nothing is done."""
        stepped = Stepped(NOBODY, cookie=sealed(ANN)).feed(b"<p>")
        stepped.tell(stepped.exchange.hold_over())
        assert stepped.is_untouched

    @pytest.mark.parametrize("status", [301, 404])
    def test_signs_nobody_out_but_on_success(self, status: int) -> None:
        """Only a 2xx page tells that the user has left."""
        assert Stepped(NOBODY, cookie=sealed(ANN), status=status).is_untouched

    @pytest.mark.parametrize("request_", [Request("GET", cross_site=True), Request("GET", in_frame=True)])
    def test_signs_nobody_out_where_the_sites_own_cookie_stays_behind(self, request_: Request) -> None:
        """A request from another site or a frame may come without it."""
        assert Stepped(NOBODY, cookie=sealed(ANN), request=request_).is_untouched

    def test_signs_nobody_out_again_who_was_back_within_a_minute(self) -> None:
        """A site that shows its user on some pages only costs no storm of logins and logouts, and is told so."""
        ended = COOKIE.end(sealed(ANN), by_page=True, secure=False)
        back = Stepped(ANN, cookie=brought(ended), session=OTHER).finish(PAGE)
        again = Stepped(NOBODY, cookie=brought(back.value("Set-Cookie") or "")).finish(PAGE)
        assert again.is_untouched

    def test_tells_once_that_such_pages_are_to_be_excluded(self, caplog: pytest.LogCaptureFixture) -> None:
        """The warning names the setting."""
        ended = COOKIE.end(sealed(ANN), by_page=True, secure=False)
        Stepped(ANN, cookie=brought(ended), session=OTHER).finish(PAGE)
        assert "VIAFOURA_EXCLUDE" in caplog.text


class TestLogOutPage:
    """One of the site's own log-out pages."""

    @pytest.mark.parametrize(("status", "ended"), [(302, True), (303, True), (400, False), (500, False)])
    def test_signs_out_by_a_redirect(self, status: int, ended: bool) -> None:
        """A log-out page below 400 ends cookie and session, whatever its content."""
        stepped = Stepped(
            ANN, cookie=sealed(ANN), status=status, headers=[("Location", "/")], request=Request("GET", is_logout=True)
        )
        assert bool(stepped.ended) is ended
        assert bool(stepped.value("set-cookie")) is ended

    @pytest.mark.parametrize(
        ("method", "status", "ended"),
        [("GET", 301, False), ("GET", 302, False), ("POST", 301, False), ("POST", 308, False), ("POST", 303, True)],
    )
    def test_signs_nobody_out_by_a_redirect_to_itself(self, method: str, status: int, ended: bool) -> None:
        """Its address is spelled otherwise, and the page there may only ask; a form that was sent is another matter."""
        request = Request(method, is_logout=True, leads_back="/logout/".__eq__)
        location = [("Location", "/logout/")]
        stepped = Stepped(NOBODY, cookie=sealed(ANN), status=status, headers=location, request=request)
        assert bool(stepped.ended) is ended

    def test_signs_out_by_a_redirect_that_leads_nowhere(self) -> None:
        """A redirect without a ``Location`` is one all the same."""
        request = Request("GET", is_logout=True, leads_back=lambda location: not location)
        assert Stepped(NOBODY, cookie=sealed(ANN), status=302, request=request).ended == (SESSION.id,)

    def test_signs_out_by_a_post_that_succeeds(self) -> None:
        """A form that was sent is a wish."""
        stepped = Stepped(ANN, cookie=sealed(ANN), request=Request("POST", is_logout=True), headers=[])
        assert stepped.ended == (SESSION.id,)

    @pytest.mark.parametrize(("reading", "ended"), [(ANN, False), (NOT_KNOWN, False), (NOBODY, True)])
    def test_signs_out_by_a_page_whose_own_user_is_gone(self, reading: Reading, ended: bool) -> None:
        """A page that only asks whether to sign out signs nobody out."""
        request = Request("GET", is_logout=True)
        stepped = Stepped(None, loaded=reading, cookie=sealed(ANN), request=request).finish(b"<p>Sign out?")
        assert bool(stepped.ended) is ended
        assert stepped.body == b"<p>Sign out?"

    def test_is_a_page_like_others_while_its_user_is_there(self) -> None:
        """It may carry the tag."""
        request = Request("GET", is_logout=True)
        assert Stepped(None, loaded=ANN, cookie=sealed(ANN), request=request).finish(PAGE).body == SET_PAGE


class TestUserWhoMustBeLoaded:
    """A framework's user, which may cost a query."""

    def test_is_not_loaded_for_a_complete_page_without_the_tag(self) -> None:
        """No tag, no query."""
        stepped = Stepped(None, loaded=ANN).finish(b"<p>")
        assert [effect.load for effect in stepped.of_kind(says.ReadUser)] == [False]
        assert stepped.is_untouched

    def test_is_loaded_when_the_tag_is_there(self) -> None:
        """The tag makes it necessary to know the user."""
        assert Stepped(None, loaded=ANN, cookie=sealed(ANN)).finish(PAGE).body == SET_PAGE

    def test_is_loaded_with_the_first_chunk_of_a_page_in_pieces(self) -> None:
        """An anonymous page in pieces is not held, so its user is read with its first chunk."""
        stepped = Stepped(None, loaded=NOBODY).feed(b"<p>")
        assert stepped.sent == [b"<p>"]
        assert stepped.is_untouched


class TestBrokenOff:
    """A question that will never be answered."""

    @pytest.mark.parametrize("asked", ["user", "session"])
    def test_lets_what_was_held_leave_and_drops_what_follows(self, asked: str) -> None:
        """A visitor who leaves, a deadline of the site's, an alarm: nothing is asked a second time."""
        stepped = Stepped(None, open_questions=True)
        stepped.tell(stepped.exchange.reading(None if asked == "user" else ANN))
        stepped.feed(PAGE)
        stepped.tell(stepped.exchange.interrupted())
        assert stepped.as_it_came
        assert stepped.sent == [PAGE]
        assert not stepped.is_aside  # else the door would give what follows to the server
        for effects in (
            stepped.exchange.chunk(b"more", b"more"),
            stepped.exchange.head(500, []),
            stepped.exchange.aside("hint"),
            stepped.exchange.trailers([], "trailers"),
            stepped.exchange.hold_over(),
            stepped.exchange.ended(returned=True),
            stepped.exchange.replaced([]),
            stepped.exchange.session(SESSION),
            stepped.exchange.reading(ANN),
            stepped.exchange.interrupted(),
            stepped.exchange.unseen(),
        ):
            assert effects == []

    def test_changes_nothing_where_no_question_is_open(self) -> None:
        """There is nothing to break off."""
        stepped = Stepped(ANN).feed(b"<p>")
        assert stepped.exchange.interrupted() == []
        assert stepped.is_held


class TestHeld:
    """What happens to a head that is held."""

    def test_is_replaced_by_a_second_head(self) -> None:
        """An error page replaces a page, and what was held is dropped."""
        stepped = Stepped(ANN).feed(b"<p>half")
        stepped.start(500, [("Content-Type", "text/plain")])
        stepped.finish(b"error")
        assert stepped.sent == [b"error"]
        assert stepped.head == [("Content-Type", "text/plain")]

    def test_passes_as_it_came_when_the_application_breaks_off(self) -> None:
        """No byte of the application's answer is lost; a head alone is the server's to replace."""
        stepped = Stepped(ANN)
        assert stepped.exchange.ended(returned=False) == []
        stepped.feed(b"<p>half")
        stepped.tell(stepped.exchange.ended(returned=False))
        assert stepped.sent == [b"<p>half"]
        assert stepped.exchange.ended(returned=True) == []

    def test_leaves_as_it_came_when_the_application_returns_without_a_body(self) -> None:
        """A head alone is what the application gave."""
        stepped = Stepped(ANN)
        stepped.tell(stepped.exchange.ended(returned=True))
        assert stepped.as_it_came

    def test_passes_as_it_came_before_what_cannot_be_seen(self) -> None:
        """Bytes that come another way let go of what is held."""
        stepped = Stepped(ANN).feed(b"<p>")
        stepped.tell(stepped.exchange.unseen())
        assert stepped.exchange.unseen() == []
        assert stepped.sent == [b"<p>"]

    def test_watches_no_more_behind_what_cannot_be_seen(self) -> None:
        """The tag may have gone by."""
        stepped = Stepped(ANN, of=policy(KnownSessions(is_hopeless=True))).feed(b"<p>")
        stepped.tell(stepped.exchange.unseen())
        assert stepped.is_aside

    def test_gives_half_a_tag_before_what_cannot_be_seen(self) -> None:
        """No byte changes its place."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).feed(b"<p>", b"<script id=")
        stepped.tell(stepped.exchange.unseen())
        assert stepped.body == b"<p><script id="

    def test_keeps_what_is_no_part_of_the_body_in_its_place(self) -> None:
        """Hints between head and body leave between head and body."""
        stepped = Stepped(ANN, session=SESSION)
        stepped.tell(stepped.exchange.aside(b"hint"))
        stepped.finish(PAGE)
        assert stepped.sent == [b"hint", SET_PAGE]
        assert stepped.exchange.aside(b"hint") == [says.Pass([b"hint"])]

    def test_waits_for_the_first_byte(self) -> None:
        """Empty chunks decide nothing, and an empty body is a page without the tag."""
        stepped = Stepped(ANN).feed(b"")
        assert stepped.is_held
        assert stepped.finish().is_untouched

    def test_stands_aside_for_a_head_that_took_its_place(self) -> None:
        """When the server replaced the head, everything passes and nothing old leaves."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).feed(b"<p>")
        assert stepped.exchange.replaced([HTML]) == [says.SendHead([HTML]), says.StandAside()]
        assert stepped.exchange.chunk(b"new", b"new") == [says.Pass([b"new"])]
        assert stepped.exchange.hold_over() == []

    def test_ends_the_cookie_by_a_head_that_takes_the_place_of_one_that_ended_a_session(self) -> None:
        """No logout without the cookie's end."""
        stepped = Stepped(NOBODY, cookie=sealed(ANN)).finish(PAGE)
        head, _ = stepped.exchange.replaced([("Content-Type", "text/plain")])
        assert isinstance(head, says.SendHead)
        assert any(name == "Set-Cookie" for name, _ in head.headers or ())


class TestTrailers:
    """Fields behind the body."""

    def test_lose_what_describes_the_page_as_it_was(self) -> None:
        """A digest of another body is wrong."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).finish(PAGE)
        effects = stepped.exchange.trailers([("content-digest", "x"), ("server-timing", "y")], "message")
        assert effects == [says.SendTrailers([("server-timing", "y")])]

    def test_pass_behind_a_page_that_was_not_changed(self) -> None:
        """They are the application's."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).finish(b"<p>")
        assert stepped.exchange.trailers([("etag", "x")], "message") == [says.Pass(["message"])]


class TestCompressed:
    """A page that the application has compressed."""

    GZIP = (HTML, ("Content-Encoding", "gzip"))

    def test_comes_out_in_the_same_coding_with_the_pair(self) -> None:
        """A complete gzip page is decoded, rewritten, encoded, with an exact length."""
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=self.GZIP).finish(gzip.compress(PAGE, mtime=0))
        assert gzip.decompress(stepped.body) == SET_PAGE
        assert stepped.value("Content-Length") == str(len(stepped.body))

    def test_passes_as_it_came_without_the_tag(self) -> None:
        """A gzip page without the tag keeps its bytes."""
        page = gzip.compress(b"<p>no tag")
        assert Stepped(ANN, cookie=sealed(ANN), headers=self.GZIP).finish(page).sent == [page]

    @pytest.mark.parametrize("cut", range(1, len(gzip.compress(PAGE, mtime=0)), 7))
    def test_streams_wherever_it_is_cut(self, cut: int) -> None:
        """A gzip page in pieces is rewritten as it comes."""
        page = gzip.compress(PAGE, mtime=0)
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=self.GZIP).feed(page[:cut], page[cut:]).finish()
        assert gzip.decompress(stepped.body) == SET_PAGE

    @pytest.mark.parametrize(
        "broken", [gzip.compress(PAGE, mtime=0)[:-4], gzip.compress(PAGE, mtime=0)[:-9] + b"x" * 9, b"not gzip"]
    )
    def test_passes_as_it_came_when_it_is_corrupt(self, broken: bytes) -> None:
        """A complete body that cannot be decoded to its end is left as it is."""
        stepped = Stepped(ANN, cookie=sealed(ANN), headers=self.GZIP).finish(broken)
        assert stepped.sent == [broken]
        assert stepped.is_untouched


class TestOwnFault:
    """A fault of this package's own."""

    @pytest.mark.parametrize("when", ["look_at", "look_at_whole", "rewritten"])
    def test_leaves_the_response_as_it_came(
        self, when: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The page is whole, and the log names the kind of fault."""

        def faulty(*_: Any, **__: Any) -> None:
            raise LookupError("secret of a user")

        monkeypatch.setattr(Page, when, faulty)
        chunks = [PAGE[:20], PAGE[20:]] if when == "look_at" else [PAGE]
        stepped = Stepped(ANN, cookie=sealed(ANN))
        for chunk in chunks[:-1]:
            stepped.feed(chunk)
        if not stepped.is_aside:
            stepped.finish(chunks[-1])
            chunks = chunks if len(stepped.sent) == len(chunks) else chunks[:1]
        assert stepped.is_untouched
        assert stepped.sent == chunks[: len(stepped.sent)]
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "LookupError" in record.getMessage()
        assert "secret" not in record.getMessage()

    def test_passes_a_chunk_of_a_page_whose_head_has_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What comes from there on goes as it comes."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).feed(b"<p>")
        monkeypatch.setattr(Page, "passed", lambda *_: 1 / 0)
        stepped.feed(PAGE)
        assert stepped.body == b"<p>" + PAGE
        assert stepped.is_aside

    def test_stands_aside_where_no_chunk_was_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The end of an iterable is no chunk."""
        stepped = Stepped(ANN, cookie=sealed(ANN)).feed(b"<p>")
        monkeypatch.setattr(Page, "passed", lambda *_: 1 / 0)
        stepped.finish()
        assert stepped.is_aside

    def test_passes_a_head_that_cannot_be_understood(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The application's head leaves."""
        monkeypatch.setattr(exchanges, "look", lambda *_: 1 / 0)
        assert Stepped(ANN).is_untouched


class TestDebugHeader:
    """What the debug header says, when it is asked for."""

    @pytest.mark.parametrize(
        ("reading", "cookie", "session", "page", "said"),
        [
            (ANN, sealed(ANN), None, PAGE, "injected; session=cookie"),
            (ANN, NOTHING, SESSION, PAGE, "injected; session=login"),
            (ANN, NOTHING, None, PAGE, "unavailable"),
            (ANN, NOTHING, None, b"<p>", "no-tag"),
            (NOBODY, NOTHING, None, PAGE, "anonymous; preset=scope"),
            (NOT_KNOWN, NOTHING, None, PAGE, "unknown; preset=scope"),
            (NOBODY, sealed(ANN), None, PAGE, "signed-out"),
        ],
    )
    def test_says_what_happened(
        self, reading: Reading, cookie: Brought, session: Session | None, page: bytes, said: str
    ) -> None:
        """One word for the outcome, and where the session came from, or by what nobody was found."""
        of = policy(debug=True)
        stepped = Stepped(reading, cookie=cookie, of=of, session=session, preset="scope").finish(page)
        assert stepped.value("X-Viafoura-MW") == said

    def test_says_that_a_page_streams(self) -> None:
        """Its tag may still come."""
        stepped = Stepped(ANN, cookie=sealed(ANN), of=policy(debug=True)).feed(b"<p>")
        assert stepped.value("X-Viafoura-MW") == "streaming; session=cookie"

    def test_says_nothing_of_what_was_not_looked_at(self) -> None:
        """A response that is no page is the application's own."""
        assert Stepped(ANN, of=policy(debug=True), headers=[("Content-Type", "application/json")]).is_untouched
