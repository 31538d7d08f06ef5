"""The policy around the calls, step by step: workers by hand, a clock that stands still, a scripted Viafoura."""

import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass

import pytest

from tests.support.fakes import Clock, HandWorkers, ScriptedViafoura
from viafoura_mw.errors import CredentialsRefused, LoginRefused, LogoutRefused, ViafouraUnavailable
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura import logins, logouts
from viafoura_mw.viafoura.client import Session, Viafoura
from viafoura_mw.viafoura.ending import OrderlyEnd
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions, Ticket
from viafoura_mw.viafoura.workers import CallerWorkers, Workers

ZOE = User("zoe-1", "Zoë Ångström", "zoe@example.com")
BOB = User("bob-2", "Bob")
FIREFOX, PHONE = b"firefox", b"phone"
TIMEOUT = 2.0
START = Clock().now
GONE = ViafouraUnavailable("no answer in time")
SOON = 10.0  # seconds within which what must happen happens, on any machine


@dataclass
class World:
    """Sessions, and what they stand on."""

    clock: Clock
    viafoura: ScriptedViafoura
    workers: HandWorkers
    sessions: Sessions

    def ask(self, user: User = ZOE, browser: bytes = FIREFOX, mark: str = "", not_before: float = 0.0) -> Ticket:
        """Ask for a session, and let nothing happen yet."""
        return self.sessions.ensure(LoginRequest(user, browser, mark, not_before))

    def login(
        self, user: User = ZOE, browser: bytes = FIREFOX, mark: str = "", not_before: float = 0.0
    ) -> Session | None:
        """What a page gets that waits for its login to be made."""
        ticket = self.ask(user, browser, mark, not_before)
        self.workers.logins.run()
        return ticket.future.result(0)

    def page(
        self, user: User = ZOE, browser: bytes = FIREFOX, mark: str = "", not_before: float = 0.0
    ) -> Session | None:
        """What a page gets that waits for nothing."""
        future = self.ask(user, browser, mark, not_before).future
        return future.result(0) if future.done() else None

    def hopeless(self, user: User = ZOE, browser: bytes = FIREFOX) -> bool:
        return self.sessions.hopeless(LoginRequest(user, browser))

    def probe(self, user: User = BOB) -> None:
        """Let a probe be made, for a page that gets nothing."""
        assert self.ask(user, PHONE).future.result(0) is None
        assert self.workers.probes.jobs
        self.workers.probes.run()

    def break_down(self, failure: Exception = GONE) -> None:
        """Let so many logins fail that the breaker opens."""
        self.viafoura.failure = failure
        for number in range(5):
            self.login(User(f"unlucky-{number}", "Unlucky"))

    def heal(self) -> None:
        self.viafoura.failure = None


def sessions_of(viafoura: ScriptedViafoura, clock: Clock, workers: Workers, session_ttl: float = 39_600.0) -> Sessions:
    """The sessions of another process, before the same Viafoura."""
    end = OrderlyEnd(clock, register=bool)
    return Sessions(
        viafoura,
        timeout=TIMEOUT,
        session_ttl=session_ttl,
        clock=clock,
        unix_clock=clock,
        workers=lambda: workers,
        end=lambda: end,
    )


@pytest.fixture
def world() -> World:
    """A new process before a working Viafoura."""
    clock = Clock()
    viafoura, workers = ScriptedViafoura(clock), HandWorkers(clock)
    return World(clock, viafoura, workers, sessions_of(viafoura, clock, workers))


# One call for one user in one browser.


def test_logs_a_user_in(world: World) -> None:
    """A page that waits for its login gets the session."""
    session = world.login()

    assert session == Session("1", "session1", START)
    assert world.viafoura.logins == [ZOE]


def test_pages_that_come_together_share_one_login(world: World) -> None:
    """The first pages of a browser wait for one call."""
    futures = [world.ask().future for _ in range(3)]

    world.workers.logins.run()

    assert {future.result(0) for future in futures} == {Session("1", "session1", START)}
    assert len(world.viafoura.logins) == 1


def test_other_users_and_browsers_have_logins_of_their_own(world: World) -> None:
    """What is shared is shared by the same user in the same browser only."""
    given = [world.login(ZOE, PHONE), *(world.login(user) for user in (ZOE, BOB))]

    assert len({session.id for session in given if session}) == 3


def test_other_details_share_the_login(world: World) -> None:
    """A name that differs by the page's language costs no login a page; the ticket says what Viafoura was told."""
    translated = User(ZOE.id, "Zoé", ZOE.email)
    first, second = world.ask(), world.ask(translated)
    world.workers.logins.run()

    third = world.ask(translated)

    assert len({ticket.future.result(0) for ticket in (first, second, third)}) == 1
    assert [ticket.user for ticket in (first, second, third)] == [ZOE] * 3
    assert world.viafoura.logins == [ZOE]


def test_hands_no_result_on_for_longer_than_a_session_is_used(world: World) -> None:
    """A session whose time is shorter than the minute ends with its time."""
    world.sessions = sessions_of(world.viafoura, world.clock, world.workers, session_ttl=5.0)
    session = world.login()

    world.clock.pass_(4.9 - world.viafoura.takes)
    assert world.page() == session
    world.clock.pass_(0.2)
    assert world.page() is None


def test_hands_a_result_to_the_next_pages_of_a_minute(world: World) -> None:
    """A browser's next pages within the minute need no call; the one after it does."""
    session = world.login()

    world.clock.pass_(59.9)
    assert world.page() == session
    world.clock.pass_(0.2)
    assert world.page() is None
    assert len(world.workers.logins.jobs) == 1


def test_cancelling_by_one_page_leaves_the_others_their_login(world: World) -> None:
    """A client that has gone (asyncio cancels what it waited for) takes nothing from the others."""
    gone, waiting = world.ask().future, world.ask().future

    assert not gone.cancel()
    world.workers.logins.run()

    assert waiting.result(0) is not None


def test_a_slow_login_serves_the_next_page(world: World) -> None:
    """A login slower than its page goes on, and its result is handed to the next one."""
    world.viafoura.takes = 3.0

    world.ask()
    world.workers.logins.run()

    assert world.page() is not None
    assert len(world.viafoura.logins) == 1


def test_no_page_waits_for_a_login_that_is_late(world: World) -> None:
    """Another page while a call is overdue gets its answer at once: nothing now, and no second call."""
    seen: list[object] = []

    def meanwhile() -> None:
        world.clock.pass_(TIMEOUT)
        seen.extend([world.hopeless(), world.ask().future.result(0)])

    world.viafoura.meanwhile = meanwhile
    world.login()

    assert seen == [True, None]
    assert len(world.viafoura.logins) == 1


def test_a_call_that_never_returns_is_written_off(world: World) -> None:
    """A user whose login is stuck for good is logged in by another one."""
    seen: list[Session | None] = []

    def meanwhile() -> None:
        world.clock.pass_(3 * world.viafoura.limit + 1)
        seen.append(world.login())

    world.viafoura.meanwhile = meanwhile
    world.ask()
    world.workers.logins.run()

    assert seen[0] is not None
    assert len(world.viafoura.logins) == 2


def test_remembers_a_bounded_number_of_results(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is bounded, and the least recently used result goes."""
    monkeypatch.setattr(logins, "REMEMBERED", 3)  # each by its mark, and by its browser
    world.login(browser=b"a")
    world.login(browser=b"b")
    world.page(browser=b"a")
    world.login(browser=b"c")

    assert world.page(browser=b"a") is not None
    assert world.page(browser=b"b") is None


# By the mark of a waiting cookie.


def late(world: World, browser: bytes = FIREFOX, mark: str = "", not_before: float = 0.0) -> str:
    """Let a page leave without its session, and give the mark by which the next page finds the login."""
    ticket = world.ask(browser=browser, mark=mark, not_before=not_before)
    assert ticket.mark
    return ticket.mark


def test_a_late_login_is_found_by_its_mark_whatever_the_sites_cookies_do(world: World) -> None:
    """``AWSALB``, a session that is renewed with each response, Digest: the browser has another digest by then."""
    mark = late(world, b"cookies of the first page")
    world.workers.logins.run()

    assert world.page(browser=b"cookies of the second page", mark=mark) is not None
    assert len(world.viafoura.logins) == 1


@pytest.mark.parametrize("browser", [b"", PHONE], ids=["nothing tells it", "by a digest"])
def test_pages_that_come_with_a_mark_wait_for_its_login(world: World, browser: bytes) -> None:
    """While it is under way: eight requests, one login."""
    mark = late(world, browser)

    tickets = [world.ask(browser=b"%d" % number, mark=mark) for number in range(8)]
    world.workers.logins.run()

    assert {ticket.future.result(0) for ticket in tickets} == {Session("1", "session1", START)}
    assert len(world.viafoura.logins) == 1


def test_a_page_that_leaves_early_is_told_the_mark(world: World) -> None:
    """Also where the login is so late that no page waits for it any more, or where it is a probe."""
    mark = late(world)
    world.clock.pass_(TIMEOUT)

    ticket = world.ask(mark=mark)

    assert ticket.future.result(0) is None
    assert ticket.mark == mark

    world.workers.logins.jobs.clear()
    world.break_down()
    world.clock.pass_(1.2)
    probe = world.ask(BOB, PHONE)
    assert probe.future.result(0) is None
    world.heal()
    world.workers.probes.run()
    assert world.page(BOB, b"other cookies", probe.mark)


def test_there_is_no_mark_where_nothing_is_under_way(world: World) -> None:
    """A waiting cookie would promise what does not come."""
    world.viafoura.failure = LoginRefused(403)
    world.login()

    assert world.ask().mark == ""
    assert world.ask().user is None


def test_an_unknown_mark_is_kept(world: World) -> None:
    """It was another process's: this one makes a login of its own under it, and the browser keeps one mark."""
    session = world.login(browser=b"a", mark="of-another-process")

    assert session
    assert world.page(browser=b"b", mark="of-another-process") == session


def test_a_mark_leads_to_no_result_that_cookies_lead_to(world: World) -> None:
    """The login that the browser waits for is another one, and what its cookies say may have changed since."""
    session = world.login()

    assert world.page(mark="of-another-process") is None
    assert world.page() == session


def test_cookies_lead_to_no_result_that_a_mark_leads_to(world: World) -> None:
    """Whoever has the site's cookies has not therefore the browser's own."""
    world.login(mark="of-another-process")

    assert world.page() is None


def test_a_mark_leads_to_no_other_users_session(world: World) -> None:
    """Whatever a browser brings, nobody gets another user's session."""
    mark = late(world)
    world.workers.logins.run()
    ours = world.page(mark=mark)

    theirs = world.login(BOB, FIREFOX, mark)

    assert ours
    assert theirs
    assert theirs.id != ours.id
    assert world.viafoura.logins == [ZOE, BOB]


def test_a_browser_that_nothing_tells_from_others_shares_only_what_it_waits_for(world: World) -> None:
    """Neither sign-in cookie nor Authorization: those who wait have the result, and who comes later has not."""
    waiting = [world.ask(browser=b"") for _ in range(2)]
    world.workers.logins.run()

    assert len({ticket.future.result(0) for ticket in waiting}) == 1
    assert world.page(browser=b"") is None
    assert world.page(browser=b"", mark=waiting[0].mark) is not None


# Signed out, and in again.


def test_a_login_before_the_sign_out_does_not_serve(world: World) -> None:
    """The other process has ended the session of which this one remembers the result."""
    ended = world.login()
    signed_out = world.clock.now

    again = world.login(not_before=signed_out)

    assert ended
    assert again
    assert again.id != ended.id


def test_a_login_under_way_at_the_sign_out_does_not_serve(world: World) -> None:
    """Its result comes later, and is from before."""
    before = world.ask()
    signed_out = world.clock.now

    after = world.ask(not_before=signed_out)
    world.workers.logins.run()

    sessions = [ticket.future.result(0) for ticket in (before, after)]
    assert len({session.id for session in sessions if session}) == 2
    assert world.page(not_before=signed_out) == sessions[1]


def test_a_login_for_who_came_back_serves_their_next_pages(world: World) -> None:
    """Whatever the clock of the machine says on which they signed out: it may be ahead of this one's."""
    for ahead in (0.0, 300.0):
        signed_out = world.clock.now + ahead
        session = world.login(not_before=signed_out)
        assert session
        assert world.page(not_before=signed_out) == session
        world.clock.pass_(60.0)


def test_another_browsers_sign_out_makes_no_login_later_than_this_ones(world: World) -> None:
    """Two browsers may bring the same cookies, and have signed out at machines whose clocks differ."""
    session = world.login(not_before=world.clock.now + 4.0)
    signed_out = world.clock.now + 1.0

    again = world.login(not_before=signed_out)

    assert session
    assert again
    assert again.id != session.id


def test_a_login_for_another_tab_serves_if_it_is_surely_later(world: World) -> None:
    """The clocks of two machines may differ by seconds."""
    signed_out = world.clock.now
    world.clock.pass_(4.9)
    world.login()
    assert world.page(not_before=signed_out) is None
    world.workers.logins.jobs.clear()

    world.clock.pass_(0.2)
    later = world.login(browser=PHONE)

    assert world.page(browser=PHONE, not_before=signed_out) == later


def test_a_login_forgotten_while_it_is_under_way_is_logged_out_when_it_comes(world: World) -> None:
    """Its browser has signed out: the session would be nobody's. Who still waits for it gets none."""
    waiting = world.ask()
    world.sessions.forget(waiting.mark)
    assert world.page() is None

    world.workers.logins.jobs.pop(0)()
    world.sessions.drain(1.0)

    assert waiting.future.result(0) is None
    assert world.viafoura.logouts == ["session1"]
    assert world.page(mark=waiting.mark) is None


def test_a_login_forgotten_when_its_result_is_there_is_logged_out_at_once(world: World) -> None:
    """It came, and no page has fetched it."""
    mark = late(world)
    world.workers.logins.run()

    world.sessions.forget(mark)
    world.sessions.forget(mark)
    world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["session1"]
    assert world.page() is None
    assert world.page(mark=mark) is None


def test_a_mark_that_is_not_known_is_forgotten_easily(world: World) -> None:
    """It belongs to another process, whose result the ended cookie bars."""
    world.sessions.forget("of-another-process")

    assert not world.workers.logouts.jobs


def test_a_failed_login_that_was_forgotten_leaves_nothing_to_end(world: World) -> None:
    """No session, no logout."""
    world.viafoura.failure = GONE
    waiting = world.ask()
    world.sessions.forget(waiting.mark)

    world.workers.logins.run()

    assert waiting.future.result(0) is None
    assert not world.workers.logouts.jobs


# New details.


RENAMED = User(ZOE.id, "Zoë Berg", ZOE.email)


def refresh(world: World, user: User = RENAMED, *, begin: bool = True, old: str = "old") -> Session | None:
    return world.sessions.refresh(LoginRequest(user, FIREFOX), old, begin=begin)


def test_an_end_logs_sessions_out_and_forgets_the_logins_of_marks(world: World) -> None:
    """A page without a user ends whatever the browser's cookies lead to."""
    mark = world.ask().mark
    world.sessions.end(["of-a-cookie"], [mark])
    world.workers.logins.run()
    world.workers.logouts.run()
    assert world.viafoura.logouts == ["of-a-cookie", "session1"]
    assert not world.sessions.has_ended_by_page("of-a-cookie")


def test_remembers_a_bounded_number_of_sessions_that_pages_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest, and each for a minute."""
    monkeypatch.setattr(logouts, "REMEMBERED", 2)
    world.sessions.end(["first", "second", "third"], [], by_page=True)
    assert [world.sessions.has_ended_by_page(each) for each in ("first", "second", "third")] == [False, True, True]
    world.clock.pass_(61.0)
    assert not world.sessions.has_ended_by_page("third")


def test_a_login_is_begun_in_the_place_of_an_old_session_or_of_none(world: World) -> None:
    """In the first case as one for new details, in the second as any other."""
    world.sessions.start(LoginRequest(RENAMED, FIREFOX), "old")
    world.sessions.start(LoginRequest(BOB, PHONE))
    world.workers.refreshes.run()
    assert world.viafoura.logins == [RENAMED]
    world.workers.logins.run()
    assert world.viafoura.logins == [RENAMED, BOB]


def test_a_login_for_new_details_is_made_for_which_no_page_waits(world: World) -> None:
    """The page has its old session; a later page has the new one."""
    assert refresh(world) is None
    assert not world.workers.logins.jobs

    world.workers.refreshes.run()

    assert refresh(world) == Session("1", "session1", START)
    assert world.viafoura.logins == [RENAMED]
    assert not world.workers.logouts.jobs


def test_a_login_for_new_details_is_made_once_in_ten_minutes(world: World) -> None:
    """However often the name changes."""
    for number in range(10):
        refresh(world, User(ZOE.id, f"Zoë {number}"))
        world.workers.refreshes.run()
        world.clock.pass_(59.0)
    assert len(world.viafoura.logins) == 1

    world.clock.pass_(10.0)
    refresh(world)

    assert len(world.workers.refreshes.jobs) == 1


def test_a_login_for_other_details_does_not_serve_these(world: World) -> None:
    """The cookie would say that Viafoura knows the new name."""
    refresh(world)
    world.workers.refreshes.run()

    assert refresh(world, User(ZOE.id, "Zoë Carl")) is None
    assert refresh(world)


def test_a_login_for_new_details_serves_for_ten_minutes(world: World) -> None:
    """By then the browser may begin another."""
    refresh(world)
    world.workers.refreshes.run()

    world.clock.pass_(599.0)
    assert refresh(world, begin=False)
    world.clock.pass_(2.0)
    assert refresh(world, begin=False) is None


def test_a_login_for_new_details_is_not_begun_where_it_may_not(world: World) -> None:
    """The browser's cookie says that it has begun one elsewhere; or the user, or Viafoura, is not to be tried."""
    assert refresh(world, begin=False) is None
    world.workers.logins.crowd = TIMEOUT
    assert refresh(world) is None
    world.workers.logins.crowd = 0.0
    world.break_down()
    assert refresh(world) is None

    assert not world.workers.refreshes.jobs


def test_a_login_for_new_details_without_a_place_is_begun_later(world: World) -> None:
    """Nothing is left of the attempt."""
    world.workers.refreshes.places = 0
    refresh(world)
    world.workers.refreshes.places = 1

    world.clock.pass_(600.0)
    refresh(world)

    assert len(world.workers.refreshes.jobs) == 1


def test_a_login_for_new_details_is_made_however_late_its_turn_comes(world: World) -> None:
    """Nobody waits for it."""
    refresh(world)
    world.clock.pass_(100.0)

    world.workers.refreshes.run()

    assert refresh(world)


@pytest.mark.parametrize("done", [False, True], ids=["under way", "done"])
def test_a_logout_ends_the_session_that_was_to_take_its_place(world: World, done: bool) -> None:
    """No browser would ever have it."""
    refresh(world)
    if done:
        world.workers.refreshes.run()

    world.sessions.logout("old")
    world.workers.refreshes.run()
    world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["old", "session1"]
    assert refresh(world, begin=False) is None


# One user costs others nothing.


def everybody_is_served(world: World) -> bool:
    """Whether fifty other users get their sessions, asking all at once."""
    world.viafoura.takes = 0.01
    others = [world.ask(User(f"other-{number}", "Other"), b"other").future for number in range(50)]
    world.workers.logins.run()
    return all(future.result(0) for future in others)


def test_a_user_has_two_logins_at_once(world: World) -> None:
    """Whatever the browsers say; the third gets nothing now."""
    tickets = [world.ask(browser=b"%d" % number) for number in range(3)]

    assert len(world.workers.logins.jobs) == 2
    assert tickets[2].future.result(0) is None
    assert tickets[2].mark == ""
    world.workers.logins.run()
    assert world.login(browser=b"3") is not None


def test_a_user_has_twelve_logins_a_minute_and_then_the_newest_result(world: World) -> None:
    """A visitor who throws cookies away is one user all the same."""
    sessions = [world.login(browser=b"%d" % number) for number in range(20)]

    assert len(world.viafoura.logins) == 12
    assert sessions[11:] == [sessions[11]] * 9
    assert not world.hopeless(browser=b"20")
    world.clock.pass_(60.0)
    assert world.login(browser=b"21") not in sessions


def test_the_newest_result_is_not_one_that_was_ended(world: World) -> None:
    """Here, or in another process before its browser signed out."""
    sessions = [world.login(browser=b"%d" % number) for number in range(12)]
    assert world.page(browser=b"x", not_before=world.clock.now) is None
    assert world.page(browser=b"x")
    assert sessions[-1]

    world.sessions.logout(sessions[-1].id)

    assert world.page(browser=b"x") is None
    assert world.hopeless(browser=b"x")


def test_the_newest_result_is_not_older_than_a_minute(world: World) -> None:
    """Its browser may have signed out at another process, and be back when its ended cookie has passed."""
    refresh(world)
    world.workers.refreshes.run()
    world.clock.pass_(61.0)

    hanging = [world.ask(browser=b"%d" % number) for number in range(2)]

    assert not any(ticket.future.done() for ticket in hanging)
    assert world.page(browser=b"x") is None


def test_a_login_that_was_not_made_is_none_of_the_twelve(world: World) -> None:
    """No place, or a turn that comes too late, costs the user nothing."""
    world.workers.logins.places = 0
    for number in range(20):
        world.ask(browser=b"%d" % number)
    world.workers.logins.places = 1
    for number in range(20):
        world.ask(browser=b"%d" % number)
        world.clock.pass_(TIMEOUT)
        world.workers.logins.run()

    assert world.login(browser=b"x") is not None


def test_two_hundred_requests_a_second_with_throw_away_cookies_harm_nobody(world: World) -> None:
    """For a minute: at most two places in the queue at any time, and nobody's result is flushed."""
    kept = world.login(BOB)
    most = 0
    for number in range(200 * 57):
        world.ask(browser=b"%d" % number)
        most = max(most, len(world.workers.logins.jobs))
        world.clock.pass_(1 / 200)
        if number % 40 == 0:
            world.workers.logins.run()

    assert most <= 2
    assert len(world.viafoura.logins) <= 1 + 2 * 12
    assert world.page(BOB) == kept
    assert everybody_is_served(world)


@pytest.mark.parametrize(
    "failure",
    [
        ViafouraUnavailable("status 500", status=500),
        ViafouraUnavailable("status 429", status=429),
        LoginRefused(401),
        ViafouraUnavailable("no answer in time"),
        RuntimeError(),
    ],
    ids=["500", "429", "401", "silence", "raises"],
)
def test_a_user_whom_viafoura_fails_harms_nobody(world: World, failure: Exception) -> None:
    """However often that user asks."""
    for number in range(200):
        world.viafoura.failure = failure
        world.login(browser=b"%d" % number)
        world.heal()
        if number % 20 == 0:
            assert world.login(User(f"between-{number}", "Between"))
    assert everybody_is_served(world)
    assert world.viafoura.logins.count(ZOE) <= 12


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_two_answers_that_fail_are_a_users_refusal(world: World, status: int) -> None:
    """For a minute, whatever the details are: nobody knows what Viafoura dislikes."""
    world.viafoura.failure = ViafouraUnavailable(f"status {status}", status=status)
    world.login()
    assert not world.hopeless()
    world.login()
    assert world.hopeless()
    assert world.sessions.hopeless(LoginRequest(RENAMED, FIREFOX))
    world.heal()

    assert world.login(BOB)
    assert world.login() is None
    world.clock.pass_(60.0)
    assert world.login()


def test_a_success_between_two_failing_answers_is_no_refusal(world: World) -> None:
    """Twice in a row is what counts."""
    for number in range(3):
        world.viafoura.failure = ViafouraUnavailable("status 500", status=500)
        world.login(browser=b"a%d" % number)
        world.heal()
        assert world.login(browser=b"b%d" % number)


def test_a_failure_that_is_no_answer_to_the_login_is_nobodys_refusal(world: World) -> None:
    """A token endpoint that fails, or a connection, says nothing of the user."""
    world.viafoura.failure = ViafouraUnavailable("status 500 for the access token")
    for _ in range(4):
        world.login()

    assert not world.hopeless()


def test_the_pages_of_a_sites_only_visitor_do_not_wait_on_and_on(world: World) -> None:
    """One user's failures open no breaker; five in a row are that user's own pause."""
    world.viafoura.takes = TIMEOUT
    world.viafoura.failure = GONE
    for _ in range(5):
        assert not world.hopeless()
        world.login()

    assert world.hopeless()
    assert not world.hopeless(BOB)


def test_a_call_that_hangs_takes_two_threads_of_a_user_at_most(world: World) -> None:
    """Eight threads serve the others."""
    for number in range(100):
        world.ask(browser=b"%d" % number)
        world.clock.pass_(0.01)
    hanging = world.workers.logins.jobs[:]
    world.workers.logins.jobs.clear()

    assert len(hanging) == 2
    assert everybody_is_served(world)


def test_the_probe_is_not_the_last_failing_users(world: World) -> None:
    """Who cannot be logged in asks all the time; somebody else's login shows that Viafoura works."""
    world.break_down()
    world.viafoura.failure = GONE
    world.clock.pass_(1.2)
    world.probe(BOB)
    world.heal()
    world.clock.pass_(2.3)
    for _ in range(200):
        assert world.ask(BOB, PHONE).future.result(0) is None
    assert not world.workers.probes.jobs

    world.probe(ZOE)

    assert not world.hopeless(BOB)


def test_the_only_user_who_asks_gets_the_probe_in_the_end(world: World) -> None:
    """Once the pause has passed twice, nobody else has asked."""
    world.break_down()
    world.clock.pass_(1.2)
    world.probe(BOB)
    world.heal()

    world.clock.pass_(4.6)
    world.probe(BOB)

    assert not world.hopeless(BOB)


def test_obeys_no_pause_of_more_than_five_minutes(world: World) -> None:
    """A typing error in a header must not switch the site's sessions off for a year."""
    world.viafoura.failure = ViafouraUnavailable("status 503", retry_after=1e9, status=503)
    world.login()
    world.heal()

    world.clock.pass_(300.0)
    world.probe()

    assert not world.hopeless()


# Nobody waits for what cannot come.


def test_a_login_that_cannot_begin_in_time_is_not_asked_for(world: World) -> None:
    """A page behind a long queue does not wait at all."""
    world.workers.logins.crowd = TIMEOUT

    assert world.hopeless()
    assert world.page() is None
    assert not world.workers.logins.jobs


def test_a_login_for_which_there_is_no_place_is_given_up(world: World) -> None:
    """A full queue means no session now, and no trace of the attempt."""
    world.workers.logins.places = 0

    assert world.ask().future.result(0) is None
    world.workers.logins.places = 1
    assert world.login() is not None


def test_a_login_whose_turn_comes_too_late_is_not_made(world: World) -> None:
    """Nobody waits for it any more: the time is better spent on the next in the queue. It is no failure."""
    future = world.ask().future
    world.clock.pass_(TIMEOUT)

    assert world.hopeless()
    world.workers.logins.run()

    assert future.result(0) is None
    assert not world.viafoura.logins


def test_pages_wait_for_a_login_under_way(world: World) -> None:
    """Where a login is under way, to wait is not hopeless, however long the queue has become."""
    world.ask()
    world.workers.logins.crowd = TIMEOUT

    assert not world.hopeless()


def test_a_refused_user_is_not_tried_again_for_a_minute(world: World) -> None:
    """A 4xx for a user is believed for a minute, in every browser."""
    world.viafoura.failure = LoginRefused(403)
    assert world.login() is None
    world.heal()

    assert world.hopeless()
    assert world.login(browser=PHONE) is None
    world.clock.pass_(60.0)
    assert world.login() is not None
    assert len(world.viafoura.logins) == 2


def test_a_refused_user_with_other_details_is_tried(world: World) -> None:
    """It may have been the name that was refused."""
    world.viafoura.failure = LoginRefused(400)
    world.login()
    world.heal()

    assert world.login(User(ZOE.id, "Zoe")) is not None


def test_refused_users_do_not_open_the_breaker(world: World) -> None:
    """That Viafoura refuses shows that it works: others are logged in."""
    world.break_down(LoginRefused(403))
    world.heal()

    assert world.login() is not None


# The breaker.


def test_no_page_waits_after_failures_in_a_row(world: World) -> None:
    """With the breaker open a page gets its answer at once."""
    world.break_down()

    assert world.hopeless()
    assert world.ask().future.result(0) is None
    assert not world.workers.logins.jobs


def test_one_failure_alone_is_tried_again_by_the_next_page(world: World) -> None:
    """A failed login is not handed on."""
    world.viafoura.failure = GONE
    assert world.login() is None
    world.heal()

    assert world.login() is not None


def test_pages_waiting_when_the_breaker_opens_are_joined_by_none(world: World) -> None:
    """While the breaker is open nobody waits even for a call that is under way."""
    world.ask()
    waiting = world.workers.logins.jobs.pop()
    world.break_down()

    assert world.ask().future.result(0) is None
    waiting()


def test_calls_that_are_not_answered_in_time_open_the_breaker(world: World) -> None:
    """A hanging Viafoura is noticed after the page's wait, by whoever asks next."""
    for number in range(5):
        world.ask(User(f"u{number}", "U"), FIREFOX)
    jobs = [world.workers.logins.jobs.pop() for _ in range(5)]
    seen = []

    def hang() -> None:  # each call begins while the one before it hangs
        if jobs:
            world.viafoura.meanwhile = hang
            jobs.pop()()
        else:
            world.clock.pass_(TIMEOUT)
            seen.append(world.hopeless())

    hang()

    assert seen == [True]


def test_a_late_failure_counts_once(world: World) -> None:
    """A call that was overdue and then fails is one failure."""
    world.viafoura.takes = TIMEOUT
    world.viafoura.failure = GONE
    for number in range(4):
        world.login(User(f"u{number}", "U"))

    assert not world.hopeless()


def test_a_viafoura_that_always_answers_late_opens_the_breaker(world: World) -> None:
    """To wait for it would be in vain each time; its answers serve the next pages all the same."""
    world.viafoura.takes = 3.0
    users = [User(f"u{number}", "U") for number in range(5)]
    for user in users:
        assert world.ask(user, FIREFOX) is not None
        world.workers.logins.run()

    assert world.hopeless()
    assert all(world.page(user) for user in users)
    assert not world.hopeless(users[0], FIREFOX)


def test_one_page_starts_a_probe_and_does_not_wait_for_it(world: World) -> None:
    """When the pause is over, one login is made in the background; its result serves that browser's next page."""
    world.break_down()
    world.heal()
    world.clock.pass_(1.2)

    assert [world.ask(user, FIREFOX).future.result(0) for user in (ZOE, BOB)] == [None, None]
    assert len(world.workers.probes.jobs) == 1
    world.workers.probes.run()

    assert world.page(ZOE) is not None
    assert world.login(BOB) is not None


def test_a_failed_probe_makes_the_pause_longer(world: World) -> None:
    """Nobody waits meanwhile, and the next probe comes later."""
    world.break_down()
    world.clock.pass_(1.2)
    world.probe()

    world.clock.pass_(1.2)
    assert world.ask().future.result(0) is None
    assert not world.workers.probes.jobs
    world.clock.pass_(1.2)
    world.probe(ZOE)


def test_a_probe_answered_late_does_not_close_the_breaker(world: World) -> None:
    """Its result serves the next page of its browser, but no page waits yet."""
    world.break_down()
    world.heal()
    world.clock.pass_(1.2)
    world.viafoura.takes = 3.0
    world.probe(BOB)

    assert world.hopeless()
    assert world.page(BOB, PHONE) is not None


def test_a_probe_for_which_there_is_no_thread_is_made_later(world: World) -> None:
    """A probe that could not be made does not block the next one."""
    world.break_down()
    world.clock.pass_(1.2)
    world.workers.probes.places = 0
    assert world.page() is None
    world.workers.probes.places = 1
    world.heal()

    world.clock.pass_(2.4)
    world.probe()

    assert not world.hopeless()


def test_a_refused_probe_closes_the_breaker(world: World) -> None:
    """Who refuses a user answers."""
    world.break_down(GONE)
    world.clock.pass_(1.2)
    world.viafoura.failure = LoginRefused(403)
    world.probe()

    assert not world.hopeless()


def test_makes_no_call_before_retry_after_has_passed(world: World) -> None:
    """One 429 or 503 with ``Retry-After`` is enough, and its time is kept to."""
    world.viafoura.failure = ViafouraUnavailable("status 429", retry_after=40.0)
    world.login()
    world.heal()

    world.clock.pass_(39.0)
    assert world.page() is None
    assert not world.workers.probes.jobs
    world.clock.pass_(1.0)
    world.probe()
    assert world.login() is not None


def test_wrong_credentials_are_tried_again_slowly(world: World) -> None:
    """Nobody waits; each minute one call shows whether they are right now."""
    world.viafoura.failure = CredentialsRefused(401)
    world.login()

    world.clock.pass_(59.0)
    assert world.page() is None
    assert not world.workers.probes.jobs
    world.heal()
    world.clock.pass_(1.0)
    world.probe()
    assert world.login() is not None


def test_an_unexpected_exception_is_a_failure_and_a_result(world: World) -> None:
    """Whatever happens, who waits gets an answer."""
    world.viafoura.failure = RuntimeError("zoe@example.com")

    assert world.login() is None


def test_an_interrupted_call_is_a_failure_and_a_result(world: World) -> None:
    """A thread that is killed leaves nobody waiting."""
    world.viafoura.failure = SystemExit()
    future = world.ask().future

    with pytest.raises(SystemExit):
        world.workers.logins.run()

    assert future.result(0) is None


# Logouts.


def test_tells_viafoura_of_a_logout_later(world: World) -> None:
    """Nothing is called while the page is made; then once."""
    world.sessions.logout("session1")
    assert not world.viafoura.logouts

    world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["session1"]


def test_logs_a_session_out_once(world: World) -> None:
    """However often it is asked for."""
    for _ in range(3):
        world.sessions.logout("session1")
        world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["session1"]


def test_a_logout_forgets_what_would_be_handed_off(world: World) -> None:
    """Who logs out and in again within the minute gets a new session."""
    ended = world.login()
    assert ended is not None

    world.sessions.logout(ended.id)
    again = world.login()

    assert again is not None
    assert again.id != ended.id


def test_knows_the_sessions_that_have_been_logged_out(world: World) -> None:
    """At once, before Viafoura has been told."""
    world.sessions.logout("session1")

    assert world.sessions.has_ended("session1")
    assert not world.sessions.has_ended("session2")


def test_remembers_a_bounded_number_of_ended_sessions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was ended first is forgotten first."""
    monkeypatch.setattr(logouts, "REMEMBERED", 2)
    for number in range(3):
        world.sessions.logout(f"session{number}")

    assert [world.sessions.has_ended(f"session{number}") for number in range(3)] == [False, True, True]


def test_a_session_logged_out_while_its_login_is_under_way_is_not_given(world: World) -> None:
    """Viafoura may name the session that the user has; if it is ended meanwhile, it is ended."""
    world.viafoura.session_ids = ["same", "other"]
    world.viafoura.meanwhile = lambda: world.sessions.logout("same")

    assert world.login() is None
    again = world.login()
    assert again
    assert again.id == "other"


def test_a_new_session_under_an_old_name_can_be_used_and_logged_out(world: World) -> None:
    """A name that comes again after its logout means a session of its own."""
    world.viafoura.session_ids = ["same", "same"]
    world.login()
    world.sessions.logout("same")
    world.sessions.drain(1.0)
    world.clock.pass_(1.0)

    assert world.login() is not None
    world.sessions.logout("same")
    world.sessions.drain(1.0)
    assert world.viafoura.logouts == ["same", "same"]


def test_a_logout_is_tried_again_a_little(world: World) -> None:
    """Three tries, with pauses; then it is given up."""
    world.viafoura.failure = GONE
    world.viafoura.takes = 0.0
    world.sessions.logout("session1")

    world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["session1"] * 3
    assert world.workers.rests == [1.0, 4.0]


@pytest.mark.parametrize("failure", [LogoutRefused(404), CredentialsRefused(401)], ids=["unknown", "credentials"])
def test_a_refused_logout_is_not_tried_again(world: World, failure: Exception) -> None:
    """What Viafoura refuses it will refuse again."""
    world.viafoura.failure = failure
    world.sessions.logout("session1")

    world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["session1"]


def test_an_unexpected_exception_does_not_stop_other_logouts(world: World) -> None:
    """Each logout stands alone."""
    world.viafoura.failure = RuntimeError("session1")
    world.sessions.logout("session1")
    world.sessions.drain(1.0)
    world.heal()
    world.sessions.logout("session2")

    world.sessions.drain(1.0)

    assert world.viafoura.logouts[-1] == "session2"


def test_failing_logouts_do_not_keep_users_from_logging_in(world: World) -> None:
    """Nobody waits for a logout, so that it says nothing about whether to wait."""
    world.viafoura.failure = ViafouraUnavailable("status 503", retry_after=9.0)
    world.sessions.logout("session1")
    world.sessions.drain(1.0)
    world.heal()

    assert world.login() is not None
    assert world.workers.rests == [9.0, 9.0]


def test_a_logout_waits_for_the_pause_that_viafoura_asked_for(world: World) -> None:
    """``Retry-After`` is obeyed by logouts too."""
    world.viafoura.failure = ViafouraUnavailable("status 429", retry_after=7.0)
    world.login()
    world.heal()

    world.sessions.logout("session1")
    world.sessions.drain(1.0)

    assert world.workers.rests == [7.0]
    assert world.viafoura.logouts == ["session1"]


def test_a_logout_does_not_wait_for_a_long_pause(world: World) -> None:
    """It is given up: its session ends by itself."""
    world.viafoura.failure = ViafouraUnavailable("status 503", retry_after=3600.0)
    world.login()

    world.sessions.logout("session1")
    world.sessions.drain(1.0)

    assert not world.viafoura.logouts


def test_logouts_for_which_there_is_no_place_are_given_up(world: World) -> None:
    """The queue is bounded."""
    world.workers.logouts.places = 0

    world.sessions.logout("session1")
    world.sessions.drain(1.0)

    assert not world.viafoura.logouts


def test_a_logout_that_may_not_rest_is_put_back(world: World) -> None:
    """Where no thread runs the next page's end looks again."""
    world.workers.patient = False
    world.viafoura.failure = GONE
    world.sessions.logout("session1")
    for _ in range(2):
        world.workers.logouts.jobs.pop()()
    assert world.viafoura.logouts == ["session1"]

    world.heal()
    world.clock.pass_(1.0)
    world.sessions.drain(1.0)

    assert world.viafoura.logouts == ["session1"] * 2


# What is told.


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_tells_of_the_breakers_opening_and_closing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An operator reads what happened, once."""
    caplog.set_level(logging.DEBUG)
    world.break_down()
    world.heal()
    world.clock.pass_(1.2)
    world.probe()

    assert told(caplog, logging.WARNING) == [
        "Viafoura fails (no answer in time); no page waits for it until it answers again"
    ]
    assert "Viafoura answers again" in told(caplog, logging.INFO)


def test_tells_of_a_hanging_viafoura(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Calls without an answer are told like failures, even by the page that finds out."""
    world.viafoura.takes = TIMEOUT
    for number in range(5):
        world.login(User(f"u{number}", "U"))

    assert len(told(caplog, logging.WARNING)) == 1


def test_tells_of_wrong_credentials_loudly_with_the_variables_names(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The one thing that the operator must change is named; once a minute at most."""
    world.viafoura.failure = CredentialsRefused(401)
    world.login()
    world.login()

    (sentence,) = told(caplog, logging.ERROR)
    assert "VIAFOURA_SITE_ID" in sentence
    assert "VIAFOURA_API_KEY" in sentence


def test_tells_of_a_logout_given_up(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One line, however many tries and logouts."""
    world.viafoura.failure = GONE
    for number in range(3):
        world.sessions.logout(f"session{number}")
    world.sessions.drain(1.0)

    assert told(caplog, logging.WARNING) == ["a logout was given up: Viafoura is unavailable: no answer in time"]


@pytest.mark.parametrize(
    "failure",
    [GONE, LoginRefused(403), CredentialsRefused(403), RuntimeError("zoe-1 Zoë zoe@example.com session1")],
    ids=lambda failure: type(failure).__name__,
)
def test_tells_nothing_of_anybody(world: World, caplog: pytest.LogCaptureFixture, failure: Exception) -> None:
    """No id, name, address or session is logged, at any level, whatever happens."""
    caplog.set_level(logging.DEBUG)
    world.login()
    world.viafoura.failure = failure
    world.break_down(failure)
    world.sessions.logout("session1")
    world.sessions.drain(1.0)

    text = caplog.text + repr([record.__dict__ for record in caplog.records])
    assert not [word for word in ("zoe", "Zo", "example.com", "session1", "unlucky", "Unlucky") if word in text]


# Processes and threads.


def simulated(viafoura: SimulatedViafoura, timeout: float = SOON) -> Sessions:
    api = Viafoura(
        site_id=viafoura.site_id,
        api_key=viafoura.api_key,
        api_url=viafoura.url,
        token_url=f"{viafoura.url}/oauth2/token",
        timeout=timeout,
    )
    return Sessions(api, timeout=timeout)


def test_logs_in_and_out_on_threads_of_its_own(viafoura: SimulatedViafoura) -> None:
    """With nothing but a Viafoura and a timeout given, it works."""
    sessions = simulated(viafoura)

    session = sessions.ensure(LoginRequest(ZOE, FIREFOX)).future.result(SOON)
    assert session is not None
    assert session.id in viafoura.sessions
    sessions.logout(session.id)
    sessions.drain(SOON)
    sessions.run_pending()

    assert not viafoura.sessions


def test_many_threads_make_one_login(viafoura: SimulatedViafoura) -> None:
    """However many ask at one time, there is one token call and one login."""
    sessions = simulated(viafoura)
    viafoura.fail("login", Fault.hang())
    futures: list[Future[Session | None]] = []
    threads = [
        threading.Thread(target=lambda: futures.append(sessions.ensure(LoginRequest(ZOE, FIREFOX)).future))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    viafoura.wait_for("login")
    viafoura.heal()

    assert len({future.result(SOON) for future in futures}) == 1
    assert (viafoura.count("token"), viafoura.count("login")) == (1, 1)


def test_many_users_need_one_token(viafoura: SimulatedViafoura) -> None:
    """One token call for any number of users at one time."""
    sessions = simulated(viafoura)

    futures = [sessions.ensure(LoginRequest(User(f"u{number}", "U"), FIREFOX)).future for number in range(30)]
    wait(futures, SOON)

    assert all(future.result(0) for future in futures)
    assert viafoura.count("token") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_fork_begins_anew(viafoura: SimulatedViafoura) -> None:
    """What was prepared, and even used, before a fork works after it: with new threads, sockets and tables."""
    program = (
        "import os, sys\n"
        "from viafoura_mw.viafoura.sessions import LoginRequest, Sessions\n"
        "from viafoura_mw.viafoura.client import Viafoura\n"
        "from viafoura_mw.user.user import User\n"
        "site, key, url = sys.argv[1:]\n"
        "api = Viafoura(site_id=site, api_key=key, api_url=url, token_url=url + '/oauth2/token', timeout=10)\n"
        "sessions = Sessions(api, timeout=10)\n"
        "def login(id): return sessions.ensure(LoginRequest(User(id, 'A'), b'x')).future.result(10)\n"
        "assert login('1')\n"
        "pid = os.fork()\n"
        "ok = login('1') and login('2')\n"
        "if not pid: os._exit(0 if ok else 1)\n"
        "assert ok and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
    )
    arguments = [viafoura.site_id, viafoura.api_key, viafoura.url]

    subprocess.run([sys.executable, "-c", program, *arguments], timeout=60, check=True)

    assert (viafoura.count("token"), viafoura.count("login")) == (1, 4)


def test_without_threads_the_page_makes_its_own_login(viafoura: SimulatedViafoura) -> None:
    """Where no thread runs the session is there when ``ensure`` returns, and logouts wait for ``run_pending``."""
    sessions, clock = simulated(viafoura), Clock()
    sessions = Sessions(sessions._viafoura, timeout=SOON, clock=clock, workers=lambda: CallerWorkers(SOON, clock=clock))

    session = sessions.ensure(LoginRequest(ZOE, FIREFOX)).future.result(0)
    assert session is not None
    sessions.logout(session.id)
    assert viafoura.sessions

    sessions.run_pending()

    assert not viafoura.sessions


def test_without_threads_a_probe_delays_no_page(world: World) -> None:
    """It is made after a page has left, in ``run_pending``."""
    workers = CallerWorkers(TIMEOUT, clock=world.clock)
    sessions = Sessions(world.viafoura, timeout=TIMEOUT, clock=world.clock, workers=lambda: workers)
    world.viafoura.failure = GONE
    for number in range(5):
        sessions.ensure(LoginRequest(User(f"u{number}", "U"), FIREFOX))
    world.heal()
    world.clock.pass_(1.2)
    assert sessions.ensure(LoginRequest(ZOE, FIREFOX)).future.result(0) is None
    assert len(world.viafoura.logins) == 5

    sessions.run_pending()

    assert sessions.ensure(LoginRequest(ZOE, FIREFOX)).future.result(0) is not None
    assert len(world.viafoura.logins) == 6
