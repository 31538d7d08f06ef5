"""The breaker: after several failures in a row nobody waits for Viafoura, until a probe shows that it answers again.

    CLOSED ── 5 failures in a row, or an asked-for pause ──► OPEN ── the pause is over: one probe ──► CLOSED
                                                              ▲ │
                                                              └─┘ the probe failed: a longer pause

It knows no clock and no lock: it is told the time, in seconds that only grow, by an owner that lets one thread in.
"""

import random
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

FAILURES: Final = 5  # in a row
FIRST_PAUSE: Final = 1.0  # seconds, doubled by each failed probe
LONGEST_PAUSE: Final = 30.0


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
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._resume = 0.0  # no probe before
        self._demanded = 0.0  # no call before, as Viafoura asked or its refusal of our credentials demands
        self._probing = False
        self.open: bool = False

    def admit(self, now: float) -> Admission:
        """Say what may be done; after ``PROBE`` there is none other until that probe's outcome is told."""
        if not self.open:
            return Admission.CALL
        if self._probing or now < self._resume:
            return Admission.NONE
        self._probing = True
        return Admission.PROBE

    def pause_left(self, now: float) -> float:
        """Seconds for which no call may be made at all."""
        return max(0.0, self._resume - now) if self.open else 0.0

    def succeeded(self, now: float) -> bool:
        """Tell of an answer that came in time; ``True`` if the breaker has closed by it."""
        self._failures = 0
        if not self.open or now < self._demanded:
            return False
        self.open = self._probing = False
        self._pause = FIRST_PAUSE
        return True

    def failed(self, now: float, *, probe: bool = False) -> bool:
        """Tell of a call without a usable answer in time; ``True`` if the breaker has opened by it."""
        self._failures += 1
        if not self.open:
            if self._failures < FAILURES:
                return False
            self.open = True
            self._rest(now)
            return True
        if probe:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._rest(now)
        return False

    def came_late(self, now: float) -> None:
        """Tell of an answer to a call that counted as failed: slow is not gone, and worth the next probe soon."""
        self._pause = FIRST_PAUSE
        if self.open and not self._probing:
            self._rest(now)

    def demand(self, now: float, seconds: float) -> bool:
        """Make no call for so many seconds; ``True`` if the breaker has opened by it."""
        opened, self.open = not self.open, True
        self._demanded = max(self._demanded, now + seconds)
        self._probing = False
        self._resume = max(self._resume, self._demanded)
        return opened

    def _rest(self, now: float) -> None:
        self._probing = False
        self._resume = max(now + self._pause * self._spread(), self._demanded)
