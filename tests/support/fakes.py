"""Stand-ins with which the policy is tested step by step: a clock, workers by hand, a scripted Viafoura."""

from collections.abc import Callable
from dataclasses import dataclass, field

from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.workers import Job


@dataclass
class Clock:
    """A clock that stands still until it is told."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class HandQueue:
    """A queue whose jobs wait until a test does them."""

    jobs: list[Job] = field(default_factory=list)
    places: int = 1000
    crowd: float = 0.0

    def submit(self, job: Job) -> bool:
        if len(self.jobs) >= self.places:
            return False
        self.jobs.append(job)
        return True

    def delay(self) -> float:
        return self.crowd

    @property
    def waiting(self) -> int:
        return len(self.jobs)

    def run(self) -> None:
        """Do the jobs that wait, and those that come of them."""
        while self.jobs:
            self.jobs.pop(0)()


@dataclass
class HandWorkers:
    """Workers by hand; ``rests`` are the seconds for which logouts have waited."""

    clock: Clock
    logins: HandQueue = field(default_factory=HandQueue)
    probes: HandQueue = field(default_factory=HandQueue)
    refreshes: HandQueue = field(default_factory=HandQueue)
    logouts: HandQueue = field(default_factory=HandQueue)
    limit: float | None = None
    rests: list[float] = field(default_factory=list)
    patient: bool = True
    hastened: bool = False

    def rest(self, seconds: float) -> bool:
        if seconds > 0 and self.patient and not self.hastened:
            self.rests.append(seconds)
            self.clock.pass_(seconds)
        return self.patient or seconds <= 0

    def drain(self, timeout: float) -> None:
        self.logouts.run()

    def run_pending(self, timeout: float) -> None:
        self.probes.run()

    def hasten(self) -> None:
        self.hastened = True

    def resume(self) -> None:
        self.hastened = False

    def work_off(self, seconds: float) -> None:
        """Do the jobs until the time is over."""
        until = self.clock() + seconds
        while self.logouts.jobs and self.clock() < until:
            self.logouts.jobs.pop(0)()


@dataclass
class ScriptedViafoura:
    """Answers as a test says: a call does ``meanwhile()``, takes ``takes`` seconds, then raises ``failure`` if set.

    What ``meanwhile`` raises is what the call raises, so that a test must assert after it and not within.
    """

    clock: Clock
    limit: float = 10.0
    takes: float = 0.1
    failure: BaseException | None = None
    meanwhile: Callable[[], object] = bool
    logins: list[User] = field(default_factory=list)
    logouts: list[str] = field(default_factory=list)
    limits: list[float | None] = field(default_factory=list)  # of the logouts, in seconds
    session_ids: list[str] = field(default_factory=list)

    def login(self, user: User, *, limit: float | None = None) -> Session:
        self.logins.append(user)
        number, since = len(self.logins), self.clock.now
        self._answer()
        return Session(str(number), self.session_ids.pop(0) if self.session_ids else f"session{number}", since)

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        self.logouts.append(session_id)
        self.limits.append(limit)
        self._answer()

    def _answer(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, bool
        meanwhile()
        self.clock.pass_(self.takes)
        if self.failure is not None:
            raise self.failure
