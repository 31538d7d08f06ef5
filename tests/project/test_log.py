"""Log lines for operators: none is missed, none fills the log."""

import io
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support.fakes import Clock
from viafoura_mw import log
from viafoura_mw.log import INTERVAL, Notices, say


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


class Raising(logging.Handler):
    """A handler, a filter or a formatter of the site's that raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error


def raising(error: BaseException) -> Any:
    """A function that takes anything, and raises."""

    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


ERRORS = [RuntimeError("Working outside of request context"), KeyError("_cv_app"), RecursionError(), SystemExit(1)]


class TestNothingRaises:
    """What is only told can never raise into a page, whatever the site has hung on the logger."""

    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        """The logger as it was, after a test that spoils it."""
        logger = logging.getLogger("viafoura_mw")
        kept, factory, disable = dict(vars(logger)), logging.getLogRecordFactory(), logging.root.manager.disable
        handlers, filters = list(logger.handlers), list(logger.filters)
        yield
        vars(logger).clear()
        logger.__dict__.update(kept, handlers=handlers, filters=filters)
        logging.setLogRecordFactory(factory)
        logging.root.manager.disable = disable
        logger.manager._clear_cache()  # type: ignore[attr-defined]

    @pytest.mark.parametrize("error", ERRORS, ids=repr)
    @pytest.mark.parametrize("name", ["", "viafoura_mw"])
    def test_of_a_handler(self, notices: Notices, error: BaseException, name: str) -> None:
        """The root's or the package's own."""
        handler = Raising(error)
        logging.getLogger(name).addHandler(handler)
        try:
            notices.tell("kind", logging.ERROR, "told")
            say(logging.ERROR, "said")
        finally:
            logging.getLogger(name).removeHandler(handler)

    @pytest.mark.parametrize("error", ERRORS, ids=repr)
    @pytest.mark.parametrize("raises", [True, False])
    def test_of_a_filter(
        self, notices: Notices, error: BaseException, raises: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that asks for the request, on the logger or on a handler, whatever ``logging.raiseExceptions`` says."""
        monkeypatch.setattr(logging, "raiseExceptions", raises)
        logger = logging.getLogger("viafoura_mw")
        logger.addFilter(raising(error))
        notices.tell("kind", logging.ERROR, "told")
        logger.filters.clear()
        handler = logging.StreamHandler(io.StringIO())
        handler.addFilter(raising(error))
        logger.addHandler(handler)
        say(logging.ERROR, "said")

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda logger: logging.setLogRecordFactory(raising(ValueError())),
            lambda logger: logger.__dict__.update(level="loud"),
            lambda logger: logger.__dict__.update(isEnabledFor=raising(ValueError())),
            lambda logger: logger.__dict__.update(log=raising(ValueError())),
            lambda logger: logger.__dict__.update(handlers=None),
            lambda logger: logger.addHandler(logging.StreamHandler(closed())),
        ],
    )
    def test_of_a_logger_that_is_spoilt(self, notices: Notices, spoil: Callable[[logging.Logger], object]) -> None:
        """A record factory, a level, a logger's own methods, a stream that is closed."""
        logger = logging.getLogger("viafoura_mw")
        logger.manager._clear_cache()  # type: ignore[attr-defined]
        with mock.patch.object(sys, "stderr", closed()):
            spoil(logger)
            notices.tell("kind", logging.ERROR, "told")
            say(logging.ERROR, "said")

    def test_of_a_value(self, notices: Notices, capsys: pytest.CaptureFixture[str]) -> None:
        """Whatever is told cannot be written: the line is lost, and nothing else."""
        value = type("Value", (), {"__str__": raising(ValueError())})()
        notices.tell("kind", logging.ERROR, "%s", value)
        say(logging.ERROR, "%d of %d", 1)
        say("loud", "said")  # type: ignore[arg-type]

    def test_but_who_interrupts_the_process_interrupts_it(self, notices: Notices) -> None:
        """Ctrl-C is no handler's."""
        logging.getLogger("viafoura_mw").addFilter(raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            notices.tell("kind", logging.ERROR, "told")

    def test_nobody_else_in_the_package_logs(self) -> None:
        """Every line goes through this module, which holds the promise."""
        root = Path(log.__file__).parent
        logging_ = re.compile(r"getLogger|LOGGER|\blogging\.(log|debug|info|warning|error|exception|critical)\(")
        sources = {str(path.relative_to(root)) for path in root.rglob("*.py") if logging_.search(path.read_text())}
        # Two only listen, and one keeps a server quiet.
        assert sources == {"log.py", "commands/check.py", "commands/page.py", "demo/serving.py"}


def closed() -> io.StringIO:
    """A stream that raises ``ValueError``."""
    stream = io.StringIO()
    stream.close()
    return stream
