"""What one user may cost: told the time and the outcomes, by the user's id alone."""

from functools import partial

import pytest

from viafoura_mw.user.user import User
from viafoura_mw.viafoura import limits as module
from viafoura_mw.viafoura.limits import A_MINUTE, UserLimits

ZOE, BOB = User("zoe", "Zoë"), User("bob", "Bob")


@pytest.fixture
def limits() -> UserLimits:
    """Limits that know nobody."""
    return UserLimits(stuck=30.0)


def test_allow_two_logins_at_once(limits: UserLimits) -> None:
    """The third may begin when one has ended, and other users' may at any time."""
    limits.begin("zoe", 0.0)
    assert limits.allow("zoe", 0.0)
    limits.begin("zoe", 0.0)

    assert not limits.allow("zoe", 0.0)
    assert limits.allow("bob", 0.0)
    limits.end("zoe", 0.0, sent=True)
    assert limits.allow("zoe", 0.0)


def test_write_off_a_login_that_never_ends(limits: UserLimits) -> None:
    """A name that does not resolve bars its user for a while, and not for good."""
    limits.begin("zoe", 0.0)
    limits.begin("zoe", 0.0)

    assert not limits.allow("zoe", 30.0)
    assert limits.allow("zoe", 30.1)


def test_allow_twelve_logins_in_any_minute(limits: UserLimits) -> None:
    """Not in a minute of the clock: in any sixty seconds."""
    begun = []
    for second in range(200):
        if limits.allow("zoe", second):
            limits.begin("zoe", second)
            limits.end("zoe", second, sent=True)
            begun.append(second)

    assert all(later - earlier >= 60 for earlier, later in zip(begun, begun[A_MINUTE:], strict=False))
    assert len(begun) == 4 * A_MINUTE


def test_do_not_count_what_was_not_sent(limits: UserLimits) -> None:
    """A login for which there was no place is none of the twelve."""
    for _ in range(100):
        limits.begin("zoe", 0.0)
        limits.end("zoe", 0.0, sent=False)

    assert limits.allow("zoe", 0.0)


def test_do_not_mind_an_end_that_they_know_nothing_of(limits: UserLimits) -> None:
    """A user who was forgotten meanwhile, or a login that has ended already."""
    limits.end("zoe", 0.0, sent=False)
    limits.begin("zoe", 0.0)
    limits.end("zoe", 1.0, sent=False)

    assert limits.allow("zoe", 0.0)


def test_refuse_a_user_with_these_details(limits: UserLimits) -> None:
    """For a minute: it may be the name that Viafoura does not like."""
    limits.refuse(ZOE, 0.0)

    assert limits.is_refused(ZOE, 59.9)
    assert not limits.is_refused(User("zoe", "Zoe"), 0.0)
    assert not limits.is_refused(User("zoe", "Zoë", "zoe@site.example"), 0.0)
    assert not limits.is_refused(BOB, 0.0)
    assert not limits.is_refused(ZOE, 60.0)


@pytest.mark.parametrize(("fail", "times"), [("fail", 5), ("fail_by_answer", 2)])
def test_refuse_a_user_after_failures_in_a_row(limits: UserLimits, fail: str, times: int) -> None:
    """With any details; a success in between, or a refusal, begins the row anew."""
    for between in (partial(limits.succeed, "zoe"), partial(limits.refuse, BOB, 0.0)):
        for _ in range(times - 1):
            getattr(limits, fail)("zoe", 0.0)
        assert not limits.is_refused(ZOE, 0.0)
        between()
        limits.succeed("zoe")
    for _ in range(times):
        getattr(limits, fail)("zoe", 0.0)

    assert limits.is_refused(ZOE, 59.9)
    assert limits.is_refused(User("zoe", "Zoe"), 0.0)
    assert not limits.is_refused(ZOE, 60.0)
    getattr(limits, fail)("zoe", 60.0)
    assert not limits.is_refused(ZOE, 60.0)


def test_remember_a_bounded_number_of_users(limits: UserLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logged in last is remembered; nobody can be flushed by one user's requests."""
    monkeypatch.setattr(module, "REMEMBERED", 2)
    for user_id in ("zoe", "bob"):
        limits.begin(user_id, 0.0)
        limits.begin(user_id, 0.0)
    for _ in range(100):
        limits.succeed("bob")
    assert not limits.allow("zoe", 0.0)

    limits.begin("carl", 0.0)

    assert limits.allow("zoe", 0.0)
    assert not limits.allow("bob", 0.0)
