"""The policy around the calls, step by step: lanes run by hand, a clock that stands still, a scripted Viafoura."""

import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass

import pytest

from tests.support.fakes import Clock, HandLanes, ScriptedViafoura
from viafoura_mw.errors import CredentialsRefused, LoginRefused, LogoutRefused, ViafouraUnavailable
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura import sessions as policy
from viafoura_mw.viafoura.client import Session, Viafoura
from viafoura_mw.viafoura.sessions import Sessions
from viafoura_mw.viafoura.workers import CallerLanes

ZOE = User("zoe-1", "Zoë Ångström", "zoe@example.com")
BOB = User("bob-2", "Bob")
FIREFOX, PHONE = b"firefox", b"phone"
TIMEOUT = 2.0
GONE = ViafouraUnavailable("no answer in time")
SOON = 10.0  # seconds within which what must happen happens, on any machine


@dataclass
class World:
    """Sessions, and what they stand on."""

    clock: Clock
    viafoura: ScriptedViafoura
    lanes: HandLanes
    sessions: Sessions

    def login(self, user: User = ZOE, browser: bytes = FIREFOX) -> Session | None:
        """What a page gets that waits for its login to be made."""
        future = self.sessions.ensure(user, browser)
        self.lanes.logins.run()
        return future.result(0)

    def page(self, user: User = ZOE, browser: bytes = FIREFOX) -> Session | None:
        """What a page gets that waits for nothing."""
        future = self.sessions.ensure(user, browser)
        return future.result(0) if future.done() else None

    def probe(self, user: User = BOB) -> None:
        """Let a probe be made, for a page that gets nothing."""
        assert self.sessions.ensure(user, PHONE).result(0) is None
        assert self.lanes.probes.jobs
        self.lanes.probes.run()

    def break_down(self, failure: Exception = GONE) -> None:
        """Let so many logins fail that the breaker opens."""
        self.viafoura.failure = failure
        for number in range(5):
            self.login(User(f"unlucky-{number}", "Unlucky"))

    def heal(self) -> None:
        self.viafoura.failure = None


@pytest.fixture
def world() -> World:
    """A new process before a working Viafoura."""
    clock = Clock()
    viafoura, lanes = ScriptedViafoura(clock), HandLanes(clock)
    return World(clock, viafoura, lanes, Sessions(viafoura, timeout=TIMEOUT, clock=clock, lanes=lambda: lanes))


# One call for one user in one browser.


def test_logs_a_user_in(world: World) -> None:
    """A page that waits for its login gets the session."""
    session = world.login()

    assert session == Session("1", "session1", world.clock.now)
    assert world.viafoura.logins == [ZOE]


def test_pages_that_come_together_share_one_login(world: World) -> None:
    """The first pages of a browser wait for one call."""
    futures = [world.sessions.ensure(ZOE, FIREFOX) for _ in range(3)]

    world.lanes.logins.run()

    assert {future.result(0) for future in futures} == {Session("1", "session1", world.clock.now)}
    assert len(world.viafoura.logins) == 1


def test_other_users_details_and_browsers_have_logins_of_their_own(world: World) -> None:
    """What is shared is shared by the same user with the same details in the same browser only."""
    renamed, moved = User("zoe-1", "Zoë", "zoe@example.com"), User("zoe-1", "Zoë Ångström", "zoe@example.org")
    given = [world.login(ZOE, PHONE), *(world.login(user) for user in (ZOE, renamed, moved, BOB))]

    assert len({session.id for session in given if session}) == 5


def test_hands_no_result_on_for_longer_than_a_session_is_used(world: World) -> None:
    """A session whose time is shorter than the minute ends with its time."""
    world.sessions = Sessions(
        world.viafoura, timeout=TIMEOUT, session_ttl=5, clock=world.clock, lanes=lambda: world.lanes
    )
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
    assert len(world.lanes.logins.jobs) == 1


def test_cancelling_by_one_page_leaves_the_others_their_login(world: World) -> None:
    """A client that has gone (asyncio cancels what it waited for) takes nothing from the others."""
    gone, waiting = world.sessions.ensure(ZOE, FIREFOX), world.sessions.ensure(ZOE, FIREFOX)

    assert not gone.cancel()
    world.lanes.logins.run()

    assert waiting.result(0) is not None


def test_a_slow_login_serves_the_next_page(world: World) -> None:
    """A login slower than its page goes on, and its result is handed to the next one."""
    world.viafoura.takes = 3.0

    world.sessions.ensure(ZOE, FIREFOX)
    world.lanes.logins.run()

    assert world.page() is not None
    assert len(world.viafoura.logins) == 1


def test_no_page_waits_for_a_login_that_is_late(world: World) -> None:
    """Another page while a call is overdue gets its answer at once: nothing now, and no second call."""
    seen: list[object] = []

    def meanwhile() -> None:
        world.clock.pass_(TIMEOUT)
        seen.extend([world.sessions.hopeless(ZOE, FIREFOX), world.sessions.ensure(ZOE, FIREFOX).result(0)])

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
    world.sessions.ensure(ZOE, FIREFOX)
    world.lanes.logins.run()

    assert seen[0] is not None
    assert len(world.viafoura.logins) == 2


def test_remembers_a_bounded_number_of_results(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is bounded, and the least recently used result goes."""
    monkeypatch.setattr(policy, "REMEMBERED", 2)
    world.login(browser=b"a")
    world.login(browser=b"b")
    world.page(browser=b"a")
    world.login(browser=b"c")

    assert world.page(browser=b"a") is not None
    assert world.page(browser=b"b") is None


# Nobody waits for what cannot come.


def test_a_login_that_cannot_begin_in_time_is_not_asked_for(world: World) -> None:
    """A page behind a long queue does not wait at all."""
    world.lanes.logins.crowd = TIMEOUT

    assert world.sessions.hopeless(ZOE, FIREFOX)
    assert world.page() is None
    assert not world.lanes.logins.jobs


def test_a_login_for_which_there_is_no_place_is_given_up(world: World) -> None:
    """A full queue means no session now, and no trace of the attempt."""
    world.lanes.logins.places = 0

    assert world.sessions.ensure(ZOE, FIREFOX).result(0) is None
    world.lanes.logins.places = 1
    assert world.login() is not None


def test_a_login_whose_turn_comes_too_late_is_not_made(world: World) -> None:
    """Nobody waits for it any more: the time is better spent on the next in the queue. It is no failure."""
    future = world.sessions.ensure(ZOE, FIREFOX)
    world.clock.pass_(TIMEOUT)

    assert world.sessions.hopeless(ZOE, FIREFOX)
    world.lanes.logins.run()

    assert future.result(0) is None
    assert not world.viafoura.logins


def test_pages_wait_for_a_login_under_way(world: World) -> None:
    """Where a login is under way, to wait is not hopeless, however long the queue has become."""
    world.sessions.ensure(ZOE, FIREFOX)
    world.lanes.logins.crowd = TIMEOUT

    assert not world.sessions.hopeless(ZOE, FIREFOX)


def test_a_refused_user_is_not_tried_again_for_a_minute(world: World) -> None:
    """A 4xx for a user is believed for a minute, in every browser."""
    world.viafoura.failure = LoginRefused(403)
    assert world.login() is None
    world.heal()

    assert world.sessions.hopeless(ZOE)
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

    assert world.sessions.hopeless(ZOE)
    assert world.sessions.ensure(ZOE, FIREFOX).result(0) is None
    assert not world.lanes.logins.jobs


def test_one_failure_alone_is_tried_again_by_the_next_page(world: World) -> None:
    """A failed login is not handed on."""
    world.viafoura.failure = GONE
    assert world.login() is None
    world.heal()

    assert world.login() is not None


def test_pages_waiting_when_the_breaker_opens_are_joined_by_none(world: World) -> None:
    """While the breaker is open nobody waits even for a call that is under way."""
    world.sessions.ensure(ZOE, FIREFOX)
    waiting = world.lanes.logins.jobs.pop()
    world.break_down()

    assert world.sessions.ensure(ZOE, FIREFOX).result(0) is None
    waiting()


def test_calls_that_are_not_answered_in_time_open_the_breaker(world: World) -> None:
    """A hanging Viafoura is noticed after the page's wait, by whoever asks next."""
    for number in range(5):
        world.sessions.ensure(User(f"u{number}", "U"), FIREFOX)
    jobs = [world.lanes.logins.jobs.pop() for _ in range(5)]
    seen = []

    def hang() -> None:  # each call begins while the one before it hangs
        if jobs:
            world.viafoura.meanwhile = hang
            jobs.pop()()
        else:
            world.clock.pass_(TIMEOUT)
            seen.append(world.sessions.hopeless(ZOE))

    hang()

    assert seen == [True]


def test_a_late_failure_counts_once(world: World) -> None:
    """A call that was overdue and then fails is one failure."""
    world.viafoura.takes = TIMEOUT
    world.viafoura.failure = GONE
    for number in range(4):
        world.login(User(f"u{number}", "U"))

    assert not world.sessions.hopeless(ZOE)


def test_a_viafoura_that_always_answers_late_opens_the_breaker(world: World) -> None:
    """To wait for it would be in vain each time; its answers serve the next pages all the same."""
    world.viafoura.takes = 3.0
    users = [User(f"u{number}", "U") for number in range(5)]
    for user in users:
        assert world.sessions.ensure(user, FIREFOX) is not None
        world.lanes.logins.run()

    assert world.sessions.hopeless(ZOE)
    assert all(world.page(user) for user in users)
    assert not world.sessions.hopeless(users[0], FIREFOX)


def test_one_page_starts_a_probe_and_does_not_wait_for_it(world: World) -> None:
    """When the pause is over, one login is made in the background; its result serves that browser's next page."""
    world.break_down()
    world.heal()
    world.clock.pass_(1.2)

    assert [world.sessions.ensure(user, FIREFOX).result(0) for user in (ZOE, BOB)] == [None, None]
    assert len(world.lanes.probes.jobs) == 1
    world.lanes.probes.run()

    assert world.page(ZOE) is not None
    assert world.login(BOB) is not None


def test_a_failed_probe_makes_the_pause_longer(world: World) -> None:
    """Nobody waits meanwhile, and the next probe comes later."""
    world.break_down()
    world.clock.pass_(1.2)
    world.probe()

    world.clock.pass_(1.2)
    assert world.sessions.ensure(ZOE, FIREFOX).result(0) is None
    assert not world.lanes.probes.jobs
    world.clock.pass_(1.2)
    world.probe()


def test_a_probe_answered_late_does_not_close_the_breaker(world: World) -> None:
    """Its result serves the next page of its browser, but no page waits yet."""
    world.break_down()
    world.heal()
    world.clock.pass_(1.2)
    world.viafoura.takes = 3.0
    world.probe(BOB)

    assert world.sessions.hopeless(ZOE)
    assert world.page(BOB, PHONE) is not None


def test_a_probe_for_which_there_is_no_thread_is_made_later(world: World) -> None:
    """A probe that could not be made does not block the next one."""
    world.break_down()
    world.clock.pass_(1.2)
    world.lanes.probes.places = 0
    assert world.page() is None
    world.lanes.probes.places = 1
    world.heal()

    world.clock.pass_(2.4)
    world.probe()

    assert not world.sessions.hopeless(ZOE)


def test_a_refused_probe_closes_the_breaker(world: World) -> None:
    """Who refuses a user answers."""
    world.break_down(GONE)
    world.clock.pass_(1.2)
    world.viafoura.failure = LoginRefused(403)
    world.probe()

    assert not world.sessions.hopeless(ZOE)


def test_makes_no_call_before_retry_after_has_passed(world: World) -> None:
    """One 429 or 503 with ``Retry-After`` is enough, and its time is kept to."""
    world.viafoura.failure = ViafouraUnavailable("status 429", retry_after=40.0)
    world.login()
    world.heal()

    world.clock.pass_(39.0)
    assert world.page() is None
    assert not world.lanes.probes.jobs
    world.clock.pass_(1.0)
    world.probe()
    assert world.login() is not None


def test_wrong_credentials_are_tried_again_slowly(world: World) -> None:
    """Nobody waits; each minute one call shows whether they are right now."""
    world.viafoura.failure = CredentialsRefused(401)
    world.login()

    world.clock.pass_(59.0)
    assert world.page() is None
    assert not world.lanes.probes.jobs
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
    future = world.sessions.ensure(ZOE, FIREFOX)

    with pytest.raises(SystemExit):
        world.lanes.logins.run()

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


def test_a_session_logged_out_while_its_login_is_under_way_is_not_given(world: World) -> None:
    """Viafoura may name the session that the user has; if it is ended meanwhile, it is ended."""
    world.viafoura.session_ids = ["same", "other"]
    world.viafoura.meanwhile = lambda: world.sessions.logout("same")

    assert world.login() is None
    assert world.login() == Session("2", "other", world.clock.now)


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
    assert world.lanes.rests == [1.0, 4.0]


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
    assert world.lanes.rests == [9.0, 9.0]


def test_a_logout_waits_for_the_pause_that_viafoura_asked_for(world: World) -> None:
    """``Retry-After`` is obeyed by logouts too."""
    world.viafoura.failure = ViafouraUnavailable("status 429", retry_after=7.0)
    world.login()
    world.heal()

    world.sessions.logout("session1")
    world.sessions.drain(1.0)

    assert world.lanes.rests == [7.0]
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
    world.lanes.logouts.places = 0

    world.sessions.logout("session1")
    world.sessions.drain(1.0)

    assert not world.viafoura.logouts


def test_a_logout_that_may_not_rest_is_put_back(world: World) -> None:
    """Where no thread runs the next page's end looks again."""
    world.lanes.patient = False
    world.viafoura.failure = GONE
    world.sessions.logout("session1")
    for _ in range(2):
        world.lanes.logouts.jobs.pop()()
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

    session = sessions.ensure(ZOE, FIREFOX).result(SOON)
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
    threads = [threading.Thread(target=lambda: futures.append(sessions.ensure(ZOE, FIREFOX))) for _ in range(16)]
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

    futures = [sessions.ensure(User(f"u{number}", "U"), FIREFOX) for number in range(30)]
    wait(futures, SOON)

    assert all(future.result(0) for future in futures)
    assert viafoura.count("token") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_fork_begins_anew(viafoura: SimulatedViafoura) -> None:
    """What was prepared, and even used, before a fork works after it: with new threads, sockets and tables."""
    program = (
        "import os, sys\n"
        "from viafoura_mw.viafoura.sessions import Sessions; from viafoura_mw.viafoura.client import Viafoura\n"
        "from viafoura_mw.user.user import User\n"
        "site, key, url = sys.argv[1:]\n"
        "api = Viafoura(site_id=site, api_key=key, api_url=url, token_url=url + '/oauth2/token', timeout=10)\n"
        "sessions = Sessions(api, timeout=10)\n"
        "assert sessions.ensure(User('1', 'A'), b'x').result(10)\n"
        "pid = os.fork()\n"
        "ok = sessions.ensure(User('1', 'A'), b'x').result(10) and sessions.ensure(User('2', 'B'), b'x').result(10)\n"
        "if not pid: os._exit(0 if ok else 1)\n"
        "assert ok and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
    )
    arguments = [viafoura.site_id, viafoura.api_key, viafoura.url]

    subprocess.run([sys.executable, "-c", program, *arguments], timeout=60, check=True)

    assert (viafoura.count("token"), viafoura.count("login")) == (1, 4)


def test_without_threads_the_page_makes_its_own_login(viafoura: SimulatedViafoura) -> None:
    """Where no thread runs the session is there when ``ensure`` returns, and logouts wait for ``run_pending``."""
    sessions, clock = simulated(viafoura), Clock()
    sessions = Sessions(sessions._viafoura, timeout=SOON, clock=clock, lanes=lambda: CallerLanes(SOON, clock=clock))

    session = sessions.ensure(ZOE, FIREFOX).result(0)
    assert session is not None
    sessions.logout(session.id)
    assert viafoura.sessions

    sessions.run_pending()

    assert not viafoura.sessions


def test_without_threads_a_probe_delays_no_page(world: World) -> None:
    """It is made after a page has left, in ``run_pending``."""
    lanes = CallerLanes(TIMEOUT, clock=world.clock)
    sessions = Sessions(world.viafoura, timeout=TIMEOUT, clock=world.clock, lanes=lambda: lanes)
    world.viafoura.failure = GONE
    for number in range(5):
        sessions.ensure(User(f"u{number}", "U"), FIREFOX)
    world.heal()
    world.clock.pass_(1.2)
    assert sessions.ensure(ZOE, FIREFOX).result(0) is None
    assert len(world.viafoura.logins) == 5

    sessions.run_pending()

    assert sessions.ensure(ZOE, FIREFOX).result(0) is not None
    assert len(world.viafoura.logins) == 6
