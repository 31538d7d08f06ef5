"""The cookie in its three forms: sealed for one site, each judged by itself, and believed as nothing that it is not."""

import base64
import json
import re
import sys
import tracemalloc
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import Clock
from viafoura_mw.response.cookie import MAX_LENGTH, NOTHING, Brought, SealedSession, SessionCookie
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

ANN, BEN = User("ann", "Ann", "ann@site.example"), User("ben", "Ben")
SECRET = "a-secret-of-this-site"
START = 1_000_000.25


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock(START)


@pytest.fixture
def cookie(clock: Clock) -> SessionCookie:
    """The cookie of a site."""
    return cookie_of(clock)


def cookie_of(clock: Clock | None = None, **values: Any) -> SessionCookie:
    usual = {"name": "viafoura_mw", "secrets": (SECRET,), "site_id": "site", "session_ttl": 39_600.0}
    return SessionCookie(**{**usual, **values}, clock=clock or Clock(START))


def session(number: int = 1, since: float = START) -> Session:
    return Session("7000000003119", f"session-{number}", since)


def sent(*set_cookies: str) -> str:
    """The ``Cookie`` header of a browser that was told so."""
    return "; ".join(header.partition(";")[0] for header in set_cookies)


def pair(cookie: SessionCookie | None = None, user: User = ANN, of: Session | None = None) -> str:
    return sent((cookie or cookie_of()).set(user, of or session(), secure=False))


def only(brought: Brought) -> SealedSession:
    (sealed,) = brought.sessions
    return sealed


def ids(brought: Brought) -> list[str]:
    return [sealed.session.id for sealed in brought.sessions]


def content_of(set_cookie: str) -> list[Any]:
    """What anybody can read in a cookie."""
    value = sent(set_cookie).partition("=")[2]
    content: list[Any] = json.loads(base64.urlsafe_b64decode(value + "==")[32:])
    return content


class TestSession:
    """The form that holds a session."""

    def test_gives_the_session_back(self) -> None:
        """To the process that set it and to every other with the secret, with the login's time to the last digit."""
        given_back = [only(cookie_of().find(pair())).session for _ in range(2)]

        assert given_back == [session(), session()]

    @pytest.mark.parametrize(
        "header", ["a=1; {}", "{};a=1", "a=1;  {}  ; b=2", "xviafoura_mw=1; {}", ";;{};;", "a; {}", "\t{}\t;"]
    )
    def test_is_found_among_others(self, cookie: SessionCookie, header: str) -> None:
        """Whatever else the browser sends."""
        assert only(cookie.find(header.format(pair()))).session == session()

    def test_is_the_users_with_these_details(self, cookie: SessionCookie) -> None:
        """*Valid* is the cookie that was made for this user."""
        brought = cookie.find(pair())

        assert brought.valid_for(ANN) is only(brought)
        assert only(brought).has_details_of(ANN)
        assert brought.is_authentic
        assert not brought.of_another(ANN)

    @pytest.mark.parametrize("user", [BEN, User("Ann", "Ann", ANN.email), User("ann ", "Ann", ANN.email)])
    def test_is_no_other_users(self, cookie: SessionCookie, user: User) -> None:
        """A cookie that is replayed by another user is authentic, but not theirs."""
        brought = cookie.find(pair())

        assert brought.valid_for(user) is None
        assert not only(brought).has_details_of(user)
        assert brought.is_authentic
        assert brought.of_another(user)

    @pytest.mark.parametrize(
        "user",
        [User("ann", "Anna", ANN.email), User("ann", "Ann"), User("ann", "Ann", ""), User("ann", "Ann", "a@b.c")],
    )
    def test_with_old_details_is_still_the_users(self, cookie: SessionCookie, user: User) -> None:
        """Whoever has changed their name keeps the session meanwhile."""
        brought = cookie.find(pair())

        assert brought.valid_for(user)
        assert not only(brought).has_details_of(user)

    def test_takes_no_part_of_one_text_for_another(self, cookie: SessionCookie) -> None:
        """Where a name ends and an address begins is part of the digest."""
        header = pair(cookie, User("ann", "A\0B", "c@d"))

        assert not only(cookie.find(header)).has_details_of(User("ann", "A", "B\0c@d"))

    def test_takes_any_text_for_a_user(self, cookie: SessionCookie) -> None:
        """Lone surrogates have no UTF-8, but break no page."""
        odd = User("\ud800", "\udcff", "\x00")

        assert only(cookie.find(pair(cookie, odd))).has_details_of(odd)

    def test_is_opened_once(self, cookie: SessionCookie) -> None:
        """A user's next page costs no HMAC."""
        assert only(cookie.find(pair())) is only(cookie.find(pair()))

    def test_ends_with_the_sessions_time(self, clock: Clock) -> None:
        """Whatever the browser thinks of the cookie's age."""
        cookie = cookie_of(clock, session_ttl=60.0)
        header = pair(cookie)
        clock.pass_(59.9)
        assert cookie.find(header).sessions

        clock.pass_(0.1)

        assert cookie.find(header) is NOTHING

    def test_ends_sooner_when_the_setting_is_lowered(self, clock: Clock) -> None:
        """The cookie holds the time of its login, not that of its end, so that a lowered setting ends old ones."""
        header = pair(cookie_of(clock))
        clock.pass_(600.0)

        assert cookie_of(clock, session_ttl=601.0).find(header).sessions
        assert not cookie_of(clock, session_ttl=600.0).find(header).sessions


class TestSeveral:
    """Cookies of one name, of another path or domain: each is judged by itself."""

    def test_the_youngest_login_is_the_one_that_serves(self, cookie: SessionCookie) -> None:
        """In whatever order the browser sends them (RFC 6265 §4.2.2 leaves it open)."""
        old, young = (pair(of=session(number, START - 10 + number)) for number in (1, 2))

        for header in (f"{old}; {young}", f"{young}; a=1; {old}"):
            brought = cookie.find(header)
            valid = brought.valid_for(ANN)
            assert valid
            assert valid.session.id == "session-2"
            assert ids(brought) == ["session-2", "session-1"]

    def test_times_within_one_second_are_told_apart(self, cookie: SessionCookie) -> None:
        """A machine signs out and in within a second."""
        header = "; ".join(pair(of=session(number, START + number / 1000)) for number in range(5))

        assert ids(cookie.find(header)) == [f"session-{number}" for number in (4, 3, 2, 1, 0)]

    def test_another_users_younger_one_does_not_serve(self, cookie: SessionCookie) -> None:
        """Of several valid ones the youngest serves; one of another user is not valid."""
        header = f"{pair(user=BEN, of=session(1, START + 5))}; {pair(of=session(2))}"

        brought = cookie.find(header)

        valid = brought.valid_for(ANN)
        assert valid
        assert valid.session.id == "session-2"
        assert brought.of_another(ANN)
        assert brought.of_another(BEN)

    @pytest.mark.parametrize(
        "junk",
        [
            "viafoura_mw=",
            "viafoura_mw",
            "viafoura_mw=junk",
            pair(cookie_of(site_id="other")),
            pair(cookie_of(secrets=("an-older-secret-of-ours",))),
            pair()[:-1],
            f"viafoura_mw={'A' * 5_000_000}",
            "; ".join(f"viafoura_mw={number:0100}" for number in range(50)),
            "; ".join(["viafoura_mw=junk"] * 10_000),
        ],
        ids=lambda junk: f"{junk[:24]}...{len(junk)}",
    )
    def test_junk_beside_a_cookie_changes_nothing(self, cookie: SessionCookie, junk: str) -> None:
        """Planted by a sibling domain, left by an older secret, cut by a proxy, ahead of ours or behind."""
        assert ids(cookie.find(f"{pair()}; {junk}")) == ["session-1"]
        assert ids(cookie.find(f"{junk}; a=1; {pair()}")) == ["session-1"]

    def test_one_that_is_sent_twice_counts_once(self, cookie: SessionCookie) -> None:
        """However often: it is one cookie."""
        assert ids(cookie.find("; ".join([pair()] * 1000))) == ["session-1"]

    def test_one_older_than_an_ended_cookie_does_not_serve(self, cookie: SessionCookie, clock: Clock) -> None:
        """The browser signed out after that login, under another path or domain; a logout still ends its session."""
        old = pair(cookie)
        clock.pass_(0.001)
        ended = sent(cookie.end(cookie.find(old), by_page=False, secure=False))

        for header in (f"{old}; {ended}", f"{ended}; {old}"):
            brought = cookie.find(header)
            assert brought.valid_for(ANN) is None
            assert brought.is_authentic
            assert ids(brought) == ["session-1"]
            assert brought.ended_at == clock.now

    def test_one_as_old_as_an_ended_cookie_does_not_serve(self, cookie: SessionCookie) -> None:
        """A clock that has not moved tells nothing: rather a login too many than an ended session."""
        old = pair(cookie)
        ended = sent(cookie.end(cookie.find(old), by_page=False, secure=False))

        assert cookie.find(f"{old}; {ended}").valid_for(ANN) is None

    def test_the_login_after_an_ended_cookie_serves_beside_it(self, cookie: SessionCookie, clock: Clock) -> None:
        """Signed in again: also at the same reading of the clock, and where this machine's clock is behind."""
        ended = sent(cookie.end(cookie.find(pair()), by_page=False, secure=False))
        brought = cookie.find(ended)

        for behind in (0.0, 20.0):
            after = sent(cookie.set(ANN, session(2, clock.now - behind), brought=brought, secure=False))
            assert cookie.find(f"{ended}; {after}").valid_for(ANN)

    def test_the_youngest_ended_cookie_counts(self, cookie: SessionCookie, clock: Clock) -> None:
        """Of two sign-outs the later one is the one that a login must come after."""
        ended = []
        for _ in range(2):
            clock.pass_(1.0)
            ended.append(sent(cookie.end(NOTHING, by_page=False, secure=False)))

        assert cookie.find("; ".join(ended)).ended_at == cookie.find("; ".join(ended[::-1])).ended_at == clock.now


class TestWaiting:
    """The form that leads to a login under way."""

    def test_gives_its_mark_to_its_user_alone(self, cookie: SessionCookie) -> None:
        """Another user of this browser does not find the login; a logout finds all of them."""
        brought = cookie.find(sent(cookie.wait(ANN, "mark-1", secure=False)))

        assert (brought.mark_for(ANN), brought.mark_for(BEN)) == ("mark-1", "")
        assert brought.marks == ("mark-1",)
        assert brought.is_authentic
        assert (brought.of_another(ANN), brought.of_another(BEN)) == (False, True)
        assert not brought.sessions
        assert brought.ended_at == 0.0

    def test_lasts_for_a_minute(self, cookie: SessionCookie, clock: Clock) -> None:
        """In the browser and here."""
        header = cookie.wait(ANN, "mark-1", secure=False)
        assert header.endswith("; Max-Age=60")
        clock.pass_(59.9)
        assert cookie.find(sent(header)).marks

        clock.pass_(0.1)

        assert cookie.find(sent(header)) is NOTHING

    def test_the_youngest_mark_is_the_users(self, cookie: SessionCookie, clock: Clock) -> None:
        """Of several paths or domains."""
        waiting = []
        for number in range(3):
            waiting.append(sent(cookie.wait(ANN, f"mark-{number}", secure=False)))
            clock.pass_(1.0)

        brought = cookie.find(f"{waiting[1]}; {waiting[2]}; {waiting[0]}")

        assert brought.mark_for(ANN) == "mark-2"
        assert brought.marks == ("mark-2", "mark-1", "mark-0")

    def test_a_mark_that_was_ended_since_leads_nowhere(self, cookie: SessionCookie) -> None:
        """A waiting cookie beside a younger ended one: its login's session is logged out when it comes."""
        waiting = sent(cookie.wait(ANN, "mark-1", secure=False))
        ended = sent(cookie.end(cookie.find(waiting), by_page=False, secure=False))

        brought = cookie.find(f"{waiting}; {ended}")

        assert brought.mark_for(ANN) == ""
        assert brought.marks == ("mark-1",)

    def test_a_mark_that_was_made_after_an_ended_cookie_leads_on_beside_it(self, cookie: SessionCookie) -> None:
        """Signed out and in again at one reading of the clock, under two paths."""
        ended = sent(cookie.end(cookie.find(pair()), by_page=False, secure=False))
        waiting = sent(cookie.wait(ANN, "mark-1", brought=cookie.find(ended), secure=False))

        assert cookie.find(f"{ended}; {waiting}").mark_for(ANN) == "mark-1"

    def test_remembers_the_ended_cookie_that_it_replaced(self, cookie: SessionCookie, clock: Clock) -> None:
        """For as long as the browser waits: no earlier login's result may serve meanwhile."""
        ended_at = clock.now
        brought = cookie.find(sent(cookie.end(NOTHING, by_page=False, secure=False)))
        for _ in range(3):
            clock.pass_(50.0)
            brought = cookie.find(sent(cookie.wait(ANN, "mark-1", brought=brought, secure=False)))

        assert brought.ended_at == ended_at


class TestEnded:
    """The form that says that a session was ended."""

    def test_says_when(self, cookie: SessionCookie, clock: Clock) -> None:
        """And is nothing that could be ended again."""
        header = cookie.end(cookie.find(pair()), by_page=False, secure=False)

        brought = cookie.find(sent(header))

        assert header.endswith("; Max-Age=60")
        assert brought.ended_at == pytest.approx(clock.now, abs=1e-6)
        assert not brought.is_authentic
        assert not brought.of_another(ANN)

    @pytest.mark.parametrize("ahead", [0.0, 20.0], ids=["a clock that stands", "another machine's clock"])
    def test_is_later_than_all_that_it_ends(self, cookie: SessionCookie, clock: Clock, ahead: float) -> None:
        """A login of the same instant, or of a machine whose clock is ahead, was made before it was ended."""
        there = cookie_of(Clock(clock.now + ahead))
        session_there = pair(there, of=session(1, START + ahead))
        waiting_there = sent(there.wait(ANN, "mark-1", secure=False))
        ended_there = sent(there.end(NOTHING, by_page=False, secure=False))

        for header in (session_there, waiting_there, ended_there):
            assert (
                cookie.find(sent(cookie.end(cookie.find(header), by_page=False, secure=False))).ended_at > START + ahead
            )

    def test_lasts_for_a_minute_and_for_what_clocks_differ(self, cookie: SessionCookie, clock: Clock) -> None:
        """The browser keeps it for a minute; the machine that made it may have a clock that is behind."""
        header = sent(cookie.end(NOTHING, by_page=False, secure=False))
        clock.pass_(60.0)
        assert cookie.find(header).ended_at

        clock.pass_(30.0)

        assert cookie.find(header) is NOTHING


class TestAnotherUser:
    """A browser that changes from one user to another, and back, with no page in between that says "nobody"."""

    @pytest.mark.parametrize("first", ["session", "waiting"])
    @pytest.mark.parametrize("second", ["session", "waiting", "session after waiting"])
    def test_signs_out_as_it_changes(self, cookie: SessionCookie, clock: Clock, first: str, second: str) -> None:
        """No earlier login may serve the first user when they come back, whichever process remembers it."""
        header = pair(cookie) if first == "session" else sent(cookie.wait(ANN, "mark-1", secure=False))
        changed_at = clock.now
        brought = cookie.find(header)
        if "waiting" in second:
            brought = cookie.find(sent(cookie.wait(BEN, "mark-2", brought=brought, secure=False)))
        if "session" in second:
            older = session(2, START - 30.0)
            brought = cookie.find(sent(cookie.set(BEN, older, brought=brought, secure=False)))
            assert brought.valid_for(BEN)

        assert brought.ended_at == pytest.approx(changed_at, abs=1e-6)
        clock.pass_(5.0)
        if brought.sessions:
            brought = cookie.find(sent(cookie.touch(only(brought), secure=False)))
        assert brought.ended_at == pytest.approx(changed_at, abs=1e-6)

    def test_is_told_from_the_same_user(self, cookie: SessionCookie) -> None:
        """Who stays has not signed out."""
        brought = cookie.find(pair())

        again = cookie.set(ANN, session(2), brought=brought, secure=False)
        waiting = cookie.wait(ANN, "mark-1", brought=brought, secure=False)

        assert cookie.find(sent(again)).ended_at == cookie.find(sent(waiting)).ended_at == 0.0


class TestDamping:
    """A browser that was logged out by a page without a user, and whose user was there again within a minute."""

    @pytest.mark.parametrize("waited", [False, True], ids=["at-once", "late-login"])
    def test_is_not_logged_out_that_way_for_an_hour(self, cookie: SessionCookie, clock: Clock, waited: bool) -> None:
        """Also where the login after it was late, and the cookie was a waiting one in between."""
        brought = cookie.find(sent(cookie.end(cookie.find(pair()), by_page=True, secure=False)))
        if waited:
            brought = cookie.find(sent(cookie.wait(ANN, "mark-1", brought=brought, secure=False)))
        assert cookie.damps(ANN, brought)

        header = sent(cookie.set(ANN, session(2), brought=brought, secure=False))

        assert cookie.find(header).is_damped
        clock.pass_(3599.9)
        assert cookie.find(header).is_damped
        clock.pass_(0.1)
        assert not cookie.find(header).is_damped

    @pytest.mark.parametrize("waited", [False, True], ids=["at-once", "late-login"])
    @pytest.mark.parametrize(("by_page", "user"), [(False, ANN), (True, BEN)], ids=["sign-out-page", "another-user"])
    def test_is_for_no_other_reason(self, cookie: SessionCookie, by_page: bool, user: User, waited: bool) -> None:
        """A sign-out page is meant so, and another user is another user."""
        brought = cookie.find(sent(cookie.end(cookie.find(pair()), by_page=by_page, secure=False)))
        if waited:
            brought = cookie.find(sent(cookie.wait(user, "mark-1", brought=brought, secure=False)))

        assert not cookie.damps(user, brought)
        assert not cookie.find(sent(cookie.set(user, session(2), brought=brought, secure=False))).is_damped

    def test_is_for_nobody_who_brought_no_session(self, cookie: SessionCookie) -> None:
        """An ended cookie that replaced nothing names no user."""
        assert not cookie.damps(ANN, cookie.find(sent(cookie.end(NOTHING, by_page=True, secure=False))))

    def test_counts_where_the_user_was_waiting(self, cookie: SessionCookie) -> None:
        """A waiting cookie that a page without a user ended names its user."""
        waiting = cookie.find(sent(cookie.wait(ANN, "mark-1", secure=False)))

        assert cookie.damps(ANN, cookie.find(sent(cookie.end(waiting, by_page=True, secure=False))))

    def test_outlives_a_login_for_new_details(self, cookie: SessionCookie, clock: Clock) -> None:
        """The hour is the browser's; another user's session does not inherit it."""
        ended = cookie.find(sent(cookie.end(cookie.find(pair()), by_page=True, secure=False)))
        damped = cookie.find(sent(cookie.set(ANN, session(2), brought=ended, secure=False)))
        clock.pass_(1800.0)

        for user, kept in ((ANN, True), (BEN, False)):
            header = cookie.set(user, session(3, clock.now), brought=damped, secure=False, refreshed=True)
            assert cookie.find(sent(header)).is_damped is kept

    def test_outlives_a_change_of_secrets(self, clock: Clock) -> None:
        """The user of the ended cookie is known by whichever secret its session was sealed with."""
        old, new = cookie_of(clock), cookie_of(clock, secrets=("a-new-secret-of-this-site", SECRET))
        ended = sent(new.end(new.find(pair(old)), by_page=True, secure=False))

        assert new.damps(ANN, new.find(ended))


class TestRefresh:
    """At most one login for new details in ten minutes for a browser."""

    def test_may_be_made_at_once_after_the_first_login(self, cookie: SessionCookie, clock: Clock) -> None:
        """The first login does not count."""
        assert only(cookie.find(pair())).may_refresh(clock.now)

    @pytest.mark.parametrize("touched", [False, True], ids=["its-result", "begun"])
    def test_may_be_made_again_after_ten_minutes(self, cookie: SessionCookie, clock: Clock, touched: bool) -> None:
        """Whether its result has come to the browser, or it has only begun."""
        sealed = only(cookie.find(pair()))
        if touched:
            header = cookie.touch(sealed, secure=False)
        else:
            header = cookie.set(ANN, session(2), brought=cookie.find(pair()), secure=False, refreshed=True)
        refreshed = only(cookie.find(sent(header)))

        assert not refreshed.may_refresh(clock.now + 599.9)
        assert refreshed.may_refresh(clock.now + 600.0)

    def test_is_remembered_by_the_cookies_of_the_same_user(self, cookie: SessionCookie, clock: Clock) -> None:
        """A new session in the same browser is no new allowance; another user's is."""
        touched = cookie.find(sent(cookie.touch(only(cookie.find(pair())), secure=False)))

        for user, may in ((ANN, False), (BEN, True)):
            header = cookie.set(user, session(2), brought=touched, secure=False)
            assert only(cookie.find(sent(header))).may_refresh(clock.now) is may

    def test_changes_nothing_else_of_a_cookie_when_it_begins(self, cookie: SessionCookie, clock: Clock) -> None:
        """The same session for the same user with the same details, and no longer life."""
        ended = cookie.find(sent(cookie.end(cookie.find(pair()), by_page=True, secure=False)))
        before = only(cookie.find(sent(cookie.set(ANN, session(2), brought=ended, secure=False))))
        clock.pass_(100.0)

        header = cookie.touch(before, secure=True)

        after = only(cookie.find(sent(header)))
        assert (after.session, after.damped_until) == (before.session, before.damped_until)
        assert after.is_of(ANN)
        assert after.has_details_of(ANN)
        assert header.endswith("; Max-Age=39500")

    def test_begins_for_a_cookie_of_an_older_secret(self, clock: Clock) -> None:
        """The secret that opened the cookie seals it again, since its digests are of that secret's keys."""
        new = cookie_of(clock, secrets=("a-new-secret-of-this-site", SECRET))
        header = new.touch(only(new.find(pair(cookie_of(clock)))), secure=False)

        assert only(new.find(sent(header))).is_of(ANN)


class TestAnythingElse:
    """Counts as no cookie at all, and never raises."""

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "viafoura_mw",
            "viafoura_mw=",
            "viafoura_mw==",
            "viafoura_mw=x",
            'viafoura_mw="x"',
            f'viafoura_mw="{pair().partition("=")[2]}"',
            "viafoura_mw=\x00\xff",
            "viafoura_mw=é€\ud800",
            "viafoura_mw=" + "A" * 100,
            "viafoura_mw=" + "A" * 8192,
            "viafoura_mw=" + "\xff" * 8192,
            "VIAFOURA_MW=" + pair().partition("=")[2],
            "xviafoura_mw=" + pair().partition("=")[2],
            "a=viafoura_mw",
            f"a={pair()}",
        ],
        ids=lambda header: header[:40],
    )
    def test_is_none(self, cookie: SessionCookie, header: str) -> None:
        """Junk, another's, too long."""
        assert cookie.find(header) is NOTHING

    @given(st.text(), st.integers(0, 300))
    def test_is_none_whatever_is_put_in(self, junk: str, at: int) -> None:
        """Any text at any letter."""
        name, _, value = pair().partition("=")
        changed = f"{value[:at]}{junk}{value[at:]}"

        brought = cookie_of().find(f"{name}={changed}")

        assert brought is NOTHING or changed.partition(";")[0].strip(" \t") == value

    def test_is_none_when_truncated(self, cookie: SessionCookie) -> None:
        """At any letter."""
        assert not any(cookie.find(pair()[:length]).is_authentic for length in range(len(pair())))

    def test_is_none_when_one_letter_is_another(self, cookie: SessionCookie) -> None:
        """At any place, the bits that base64 does not use included."""
        name, _, value = pair().partition("=")
        flips = (f"{value[:at]}{'B' if value[at] == 'A' else 'A'}{value[at + 1 :]}" for at in range(len(value)))

        assert not any(cookie.find(f"{name}={flip}").is_authentic for flip in flips)

    def test_is_none_when_the_bits_that_base64_does_not_use_differ(self, cookie: SessionCookie) -> None:
        """Base64 can be written in several ways; a cookie is ours letter for letter, or is not ours."""
        lengths = {}
        for name_length in range(3):
            value = sent(cookie.set(ANN, Session("1", "s" * (name_length + 1), START), secure=False)).partition("=")[2]
            lengths[len(value) % 4] = value
        for value in (lengths[2], lengths[3]):
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            others = [f"{value[:-1]}{letter}" for letter in alphabet if letter != value[-1]]
            assert not any(cookie.find(f"viafoura_mw={other}").is_authentic for other in others)

    @pytest.mark.parametrize("junk", ["=", "==", "%", "!", "\n", "-\x00"])
    def test_is_none_when_written_in_another_way(self, cookie: SessionCookie, junk: str) -> None:
        """Base64 passes over what is not of it."""
        assert cookie.find(f"{pair()[:30]}{junk}{pair()[30:]}") is NOTHING
        assert cookie.find(f"{pair()}{junk}x") is NOTHING

    def test_is_none_when_it_is_padded(self, cookie: SessionCookie) -> None:
        """Padding changes nothing of what is decoded."""
        value = pair().partition("=")[2]

        assert cookie.find(f"viafoura_mw={value}{'=' * (-len(value) % 4 or 4)}") is NOTHING

    def test_is_none_when_it_is_longer_than_a_browser_keeps(self, cookie: SessionCookie) -> None:
        """Nothing so long is ours, and none of it is opened."""
        assert cookie.find(pair(of=Session("1", "x" * MAX_LENGTH, START))) is NOTHING

    @pytest.mark.parametrize(
        "values", [{"site_id": "other"}, {"secrets": ("another-secret-of-ours",)}], ids=["site", "secret"]
    )
    def test_is_none_of_another_site_or_secret(self, cookie: SessionCookie, values: dict[str, Any]) -> None:
        """Two sites with one secret do not read each other's cookies."""
        assert cookie_of(**values).find(pair()) is NOTHING
        assert cookie.find(pair(cookie_of(**values))) is NOTHING

    @pytest.mark.parametrize("at", range(9))
    @pytest.mark.parametrize(
        "other", [None, True, "1", 10**400, -1, float("nan"), float("inf"), [], "é" * 32, "0" * 31], ids=repr
    )
    def test_is_none_with_another_kind_of_field(self, cookie: SessionCookie, at: int, other: Any) -> None:
        """A right seal around what this version does not seal."""
        digest = "0" * 32
        session_cookie = ["s", "u", "s", START, digest, digest, 0, 0, 0]
        waiting = ["w", digest, "m", START, 0, False]
        ended = ["e", START, digest, False]
        for content in (session_cookie, waiting, ended):
            if at < len(content) and type(content[at]) is not type(other):
                changed = [*content[:at], other, *content[at + 1 :]]
                assert cookie.find(sealed(cookie, content)) is not NOTHING
                assert cookie.find(sealed(cookie, changed)) is NOTHING

    @pytest.mark.parametrize(
        "content",
        [
            None,
            True,
            7,
            "12345",
            [],
            {"s": 1},
            ["x", START, "", False],
            ["s", "u", "s", START, "é" * 32, "0" * 32, 0, 0, 0],
            ["s", "u", "s", START, "0" * 32, "0" * 31, 0, 0, 0],
            ["s", "u", "s", START, "0" * 32, "0" * 32, 0, 0, 0, "more"],
            ["w", "0" * 32, "", START, 0, False],
            ["w", "0" * 31, "m", START, 0, False],
            ["e", START, "0" * 31, False],
        ],
        ids=str,
    )
    def test_is_none_of_another_shape(self, cookie: SessionCookie, content: Any) -> None:
        """Other fields, more or fewer."""
        assert cookie.find(sealed(cookie, content)) is NOTHING

    def test_is_none_of_the_first_version(self, cookie: SessionCookie) -> None:
        """Five fields, with the end of the session: who has one logs in once more."""
        assert cookie.find(sealed(cookie, ["u", "s", 2_000_000, "0" * 32, "0" * 32])) is NOTHING


def sealed(cookie: SessionCookie, content: Any) -> str:
    return f"viafoura_mw={cookie._keys[0].seal(content)}"


class TestHostileRequests:
    """Cost what they send, and leave nothing behind."""

    @pytest.mark.parametrize(
        "header",
        [
            "; ".join(f"viafoura_mw={number:0100}" for number in range(10_000)),
            "; ".join(["viafoura_mw=" + "A" * 4000] * 1000),
            "viafoura_mw=" + "A" * 1_000_000,
            "viafoura_mw" + " " * 1_000_000 + "=x",
            ";" + " " * 1_000_000 + "viafoura_mw=x",
            "viafoura_mw;" * 100_000,
            ("viafoura_mw=" + " " * 1000) * 1000,
        ],
        ids=lambda header: f"{header[:20]}...{len(header)}",
    )
    def test_open_a_bounded_number_of_cookies(
        self, cookie: SessionCookie, monkeypatch: pytest.MonkeyPatch, header: str
    ) -> None:
        """An HMAC is made for 180 of them at most, and none for what cannot be ours."""
        opened: list[str] = []
        key = cookie._keys[0]
        open_ = key.open
        monkeypatch.setattr(key, "open", lambda value: opened.append(value) or open_(value))

        assert cookie.find(header) is NOTHING

        assert len(opened) <= 180

    def test_hide_no_cookie_behind_as_many_as_a_browser_keeps(self, cookie: SessionCookie) -> None:
        """Whoever plants cookies, from a neighbouring host, costs the user no session and no sign-out."""
        planted = [f"viafoura_mw={number:0100}" for number in range(179)]

        assert cookie.find("; ".join([*planted, pair(cookie)])).valid_for(ANN)

    def test_leave_nothing_behind(self, cookie: SessionCookie) -> None:
        """Junk is not remembered, whatever its size and number, and takes no user's place."""
        cookie.find(pair())
        tracemalloc.start()
        try:
            for number in range(2000):
                cookie.find(f"viafoura_mw={number:03000}")
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert kept < 100_000
        assert cookie._opened.cache_info().currsize == 1

    def test_take_steps_that_grow_with_their_length_only(self, cookie: SessionCookie) -> None:
        """Four times the cookies are at most four times the steps, and a little, of this package and of WebOb."""
        few, many = (steps(cookie, count) for count in (2_500, 10_000))

        assert many <= 4 * few + 100


def steps(cookie: SessionCookie, count: int) -> int:
    """How many Python calls and returns a request of so many cookies takes."""
    taken = 0

    def count_step(*_: object) -> None:
        nonlocal taken
        taken += 1

    header = "; ".join(["viafoura_mw=" + "A" * 60] * count)
    sys.setprofile(count_step)
    try:
        cookie.find(header)
    finally:
        sys.setprofile(None)
    return taken


class TestSecrets:
    """``VIAFOURA_COOKIE_SECRET``: the first seals, all open."""

    def test_rotate(self, clock: Clock) -> None:
        """Old cookies are read with the new secrets, new ones not with the old."""
        old, new = cookie_of(clock), cookie_of(clock, secrets=("a-new-secret-of-this-site", SECRET))

        brought = new.find(pair(old))

        assert only(brought).is_of(ANN)
        assert only(brought).has_details_of(ANN)
        assert not only(brought).is_of(BEN)
        assert old.find(pair(new)) is NOTHING

    def test_rotate_for_the_other_forms(self, clock: Clock) -> None:
        """A browser that waits or has signed out does not notice."""
        old, new = cookie_of(clock), cookie_of(clock, secrets=("a-new-secret-of-this-site", SECRET))

        assert new.find(sent(old.wait(ANN, "mark-1", secure=False))).mark_for(ANN) == "mark-1"
        assert new.find(sent(old.end(NOTHING, by_page=False, secure=False))).ended_at == clock.now


class TestWhatItShows:
    """A cookie can be read by whoever has it, but says little."""

    def test_has_no_name_id_or_address_in_it(self, cookie: SessionCookie) -> None:
        """The user and their details are keyed digests, in each form."""
        forms = [
            cookie.set(ANN, session(), secure=False),
            cookie.wait(ANN, "mark-1", secure=False),
            cookie.end(cookie.find(pair()), by_page=True, secure=False),
        ]

        contents = [content_of(form) for form in forms]

        assert contents[0][:4] == ["s", "7000000003119", "session-1", START]
        texts = [str(content).lower() for content in contents]
        assert not [text for text in texts if "ann" in text or "site.example" in text]
        assert "session" not in texts[2]

    def test_tells_nothing_of_two_sites_users(self) -> None:
        """One user has other digests on another site, and with another secret."""
        others: tuple[dict[str, Any], ...] = ({}, {"site_id": "b"}, {"secrets": ("another-secret-of-ours",)})
        contents = [content_of(cookie_of(**values).set(ANN, session(), secure=False)) for values in others]

        digests = [digest for content in contents for digest in content[4:6]]

        assert len({*digests}) == len(digests)

    def test_is_not_in_a_log(self, cookie: SessionCookie) -> None:
        """No ``repr()`` has a session, a key, a mark, a digest or a user in it."""
        forms = (
            pair(),
            sent(cookie.wait(ANN, "mark-1", secure=False)),
            sent(cookie.end(cookie.find(pair()), by_page=True, secure=False)),
        )
        brought = cookie.find("; ".join(forms))

        shown = repr([brought, brought.sessions, brought.waiting, brought.ended, cookie, cookie._keys])

        assert not re.search(r"session-1|7000000003119|mark-1|'ann'|a-secret|[0-9a-f]{32}", shown)


def attributes(header: str) -> dict[str, Any]:
    """The attributes of a Set-Cookie header, as the standard library reads them."""
    (morsel,) = SimpleCookie(header).values()
    return {name: value for name, value in morsel.items() if value}


class TestSetCookie:
    """The header that the browser gets."""

    def test_lives_as_long_as_the_session_is_left(self) -> None:
        """``Max-Age`` is what is left; the cookie is for HTTP alone. The header has no other clock in it."""
        header = cookie_of(Clock(START + 100.5)).set(ANN, session(), secure=False)

        assert attributes(header) == {"max-age": "39499", "path": "/", "samesite": "lax", "httponly": True}

    def test_of_a_session_that_is_over_is_forgotten_at_once(self) -> None:
        """A negative age has no meaning."""
        assert cookie_of(Clock(START + 50_000)).set(ANN, session(), secure=False).endswith("; Max-Age=0")

    def test_is_in_the_same_place_in_every_form(self) -> None:
        """By the same name, path and domain, or the browser would keep one beside the other."""
        cookie = cookie_of(domain=".site.example", path="/news", samesite="strict")
        headers = [
            cookie.set(ANN, session(), secure=True),
            cookie.wait(ANN, "mark-1", secure=True),
            cookie.end(NOTHING, by_page=False, secure=True),
            cookie.touch(only(cookie.find(pair())), secure=True),
        ]

        for header in headers:
            assert header.startswith("viafoura_mw=")
            assert {name: value for name, value in attributes(header).items() if name != "max-age"} == {
                "domain": ".site.example",
                "path": "/news",
                "samesite": "strict",
                "secure": True,
                "httponly": True,
            }

    @pytest.mark.parametrize(
        ("values", "over_http", "over_https"),
        [
            ({}, False, True),
            ({"secure": "1"}, True, True),
            ({"secure": "0"}, False, False),
            ({"samesite": "none"}, True, True),
            ({"name": "__Host-viafoura"}, True, True),
            ({"name": "__secure-viafoura"}, True, True),
            ({"name": "__Http-viafoura"}, True, True),
            ({"name": "__viafoura"}, False, True),
        ],
    )
    def test_is_secure_as_it_must_be(self, values: dict[str, Any], over_http: bool, over_https: bool) -> None:
        """By the request's scheme, but where a browser would drop it otherwise."""
        cookie = cookie_of(**values)

        for secure, expected in ((False, over_http), (True, over_https)):
            headers = (cookie.set(ANN, session(), secure=secure), cookie.end(NOTHING, by_page=False, secure=secure))
            assert ["; secure" in header for header in headers] == [expected, expected]

    @given(st.text(alphabet="!#$%&'*+-.^_`|~0123456789azAZ", min_size=1).filter(lambda name: name[0] != "$"))
    def test_takes_every_name_of_a_cookie(self, name: str) -> None:
        """RFC 6265 §4.1.1: a token, whatever of it means something in a regular expression."""
        cookie = cookie_of(name=name)
        header = sent(cookie.set(ANN, session(), secure=False))

        assert only(cookie.find(header)).session == session()
        assert cookie.is_in(header)

    def test_fits_into_a_browser(self) -> None:
        """The longest session that is believed gives a cookie that can be kept."""
        longest = Session("9" * 20, "x" * 256, 1_800_000_000.123456)

        header = cookie_of(name="n" * 64).set(User("i" * 255, "n" * 255, "e" * 254), longest, secure=True)

        assert len(header) < MAX_LENGTH


class TestPresence:
    """Whether a request may be a signed-in user's."""

    @pytest.mark.parametrize("header", [pair(), "viafoura_mw=junk", "a=1; viafoura_mw=", "a=1;viafoura_mw =x"])
    def test_is_told_by_the_name(self, cookie: SessionCookie, header: str) -> None:
        """Believed or not."""
        assert cookie.is_in(header)

    @pytest.mark.parametrize("header", ["", "a=viafoura_mw", "xviafoura_mw=1", "a=viafoura_mw=1", "viafoura_mwx=1"])
    def test_is_not_told_by_anything_else(self, cookie: SessionCookie, header: str) -> None:
        """A value is not a name."""
        assert not cookie.is_in(header)


class TestOneThatCannotBeOverwritten:
    """A session cookie of another domain or path, from before a change of the settings."""

    def test_is_outlived_by_an_ended_cookie(self, cookie: SessionCookie, clock: Clock) -> None:
        """The browser goes on to bring the ended session, and the ended cookie beside it, as long as it can."""
        old = sent(cookie.set(ANN, Session("1", "old", clock.now), secure=False))
        first = sent(cookie.end(cookie.find(old), by_page=True, secure=False))

        both = cookie.find(f"{old}; {first}")
        assert both.is_authentic
        lasting = cookie.end(both, by_page=True, secure=False)
        clock.pass_(3600.0)

        found = cookie.find(f"{old}; {sent(lasting)}")
        assert "Max-Age=39600" in lasting
        assert found.valid_for(ANN) is None
        assert not found.is_authentic
        assert not cookie.damps(ANN, found)

    def test_does_not_hide_a_login_that_came_after(self, cookie: SessionCookie, clock: Clock) -> None:
        """The new session is the younger one, and can be ended."""
        old = sent(cookie.set(ANN, Session("1", "old", clock.now), secure=False))
        first = cookie.find(f"{old}; {sent(cookie.end(cookie.find(old), by_page=False, secure=False))}")
        lasting = cookie.find(f"{old}; {sent(cookie.end(first, by_page=False, secure=False))}")
        clock.pass_(1.0)
        new = sent(cookie.set(ANN, Session("1", "new", clock.now), brought=lasting, secure=False))

        found = cookie.find(f"{old}; {new}")
        sealed = found.valid_for(ANN)
        assert sealed is not None
        assert sealed.session.id == "new"
        assert found.is_authentic
