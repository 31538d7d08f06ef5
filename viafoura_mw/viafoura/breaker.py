"""The circuit breaker: after failures of several users in a row no page waits, until a probe shows that Viafoura works.

    CLOSED ── 5 users fail in a row, or an asked-for pause ──► OPEN ── the pause is over: one probe ──► CLOSED
                                                                ▲ │
                                                                └─┘ the probe failed: a longer pause

It counts users, not failures. One user whose name makes Viafoura fail, or who asks two hundred times a second, is no
outage: the others are served. And a probe that is always the same user's says only how that user fares. So the user
whose login failed last gets a probe only when nobody else has asked for it: once the pause has passed a second time.

The breaker knows no clock and no lock: it is told the time, in seconds that only grow, by an owner that lets one
thread in.
"""

import random
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

FAILURES: Final = 5  # users, in a row
FIRST_PAUSE: Final = 1.0  # seconds, doubled by each failed probe
LONGEST_PAUSE: Final = 30.0
LONGEST_DEMAND: Final = 300.0  # seconds, whatever Viafoura asks for


class Admission(Enum):
    """What may be done about a login now."""

    CALL = auto()  # make it, and let the page wait
    PROBE = auto()  # make it, without a page's waiting: the one call that finds out
    NONE = auto()  # make none


def _spread() -> float:
    """Between 0.9 and 1.1: many processes do not probe in step. Not ``random.random``, whose state forks share."""
    return random.SystemRandom().uniform(0.9, 1.1)


class Breaker:
    """Decides whether calls are made. ``spread`` gives the factor by which a pause varies."""

    def __init__(self, spread: Callable[[], float] = _spread) -> None:
        self._spread = spread
        self._failing: set[str] = set()  # users whose logins failed since the last one that did not
        self._failed_last = ""
        self._pause = FIRST_PAUSE
        self._resume = 0.0  # no probe before
        self._resume_for_all = 0.0  # and none of the user who failed last before
        self._demanded = 0.0  # no call before, as Viafoura asked or its refusal of the credentials demands
        self._probing = False
        self.open: bool = False

    def admit(self, user_id: str, now: float) -> Admission:
        """Say what may be done; after ``PROBE`` there is none other until that probe's outcome is told."""
        if not self.open:
            return Admission.CALL
        resume = self._resume_for_all if user_id == self._failed_last else self._resume
        if self._probing or now < resume:
            return Admission.NONE
        self._probing = True
        return Admission.PROBE

    def pause_left(self, now: float) -> float:
        """Seconds for which no call may be made at all."""
        return max(0.0, self._resume - now) if self.open else 0.0

    def succeeded(self, now: float) -> bool:
        """Tell of an answer that came in time; ``True`` if the breaker has closed by it."""
        self._failing.clear()
        if not self.open or now < self._demanded:
            return False
        self.open = self._probing = False
        self._failed_last = ""
        self._pause = FIRST_PAUSE
        return True

    def failed(self, user_id: str, now: float, *, probe: bool = False) -> bool:
        """Tell of a call without a usable answer in time; ``True`` if the breaker has opened by it."""
        self._failed_last = user_id
        if not self.open:
            self._failing.add(user_id)
            if len(self._failing) < FAILURES:
                return False
            self.open = True
            self._failing.clear()
            self._rest(now)
            return True
        if probe:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._rest(now)
        return False

    def given_up(self, now: float) -> None:
        """Tell of a probe that could not be made, through no fault of Viafoura's: the next one after another pause."""
        self._rest(now)

    def came_late(self, now: float) -> None:
        """Tell of an answer to a call that counted as failed: slow is not gone, and worth the next probe soon."""
        self._pause = FIRST_PAUSE
        if self.open and not self._probing:
            self._rest(now)

    def demand(self, now: float, seconds: float) -> bool:
        """Make no call for so many seconds, five minutes at most; ``True`` if the breaker has opened by it."""
        opened, self.open = not self.open, True
        self._demanded = max(self._demanded, now + min(seconds, LONGEST_DEMAND))
        self._probing = False
        self._resume = max(self._resume, self._demanded)
        self._resume_for_all = max(self._resume_for_all, self._demanded)
        return opened

    def _rest(self, now: float) -> None:
        self._probing = False
        pause = self._pause * self._spread()
        self._resume = max(now + pause, self._demanded)
        self._resume_for_all = self._resume + pause
