"""Log lines for operators: none is missed, none fills the log."""

import logging

import pytest

from tests.support.fakes import Clock
from viafoura_mw.log import INTERVAL, Notices


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notices(clock: Clock) -> Notices:
    return Notices(clock)


def test_says_a_thing_on_the_packages_logger(notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
    """A notice is a line of logger ``viafoura_mw`` at its level, with its values in it."""
    notices.tell("kind", logging.WARNING, "%d of %s", 2, "them")
    assert caplog.record_tuples == [("viafoura_mw", logging.WARNING, "2 of them")]


def test_says_a_thing_of_one_kind_once_a_minute(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """What happens on every page is said once a minute."""
    notices.tell("kind", logging.ERROR, "first")
    clock.pass_(INTERVAL - 1)
    notices.tell("kind", logging.ERROR, "too soon")
    clock.pass_(1)
    notices.tell("kind", logging.ERROR, "second")
    assert caplog.messages == ["first", "second"]


def test_keeps_kinds_apart(notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
    """A thing that is said often does not silence another."""
    notices.tell("one", logging.ERROR, "one")
    notices.tell("other", logging.ERROR, "other")
    assert caplog.messages == ["one", "other"]


def test_says_the_first_thing_on_a_clock_that_has_just_begun(caplog: pytest.LogCaptureFixture) -> None:
    """A machine that was started a second ago has its notices too."""
    Notices(lambda: 1.0).tell("kind", logging.ERROR, "early")
    assert caplog.messages == ["early"]
