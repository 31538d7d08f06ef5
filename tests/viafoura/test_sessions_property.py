"""Browsers that sign out and in, over several processes that share nothing but a secret: whose session is whose.

The machine below plays the doors' part as the contract has it: a page for a user injects the valid cookie's session or
asks for a login, waits or leaves with a waiting cookie; a page for nobody ends what the browser has. Everything else
is real: cookies, sessions, limits, breaker. Viafoura is scripted, jobs are done when a rule does them, and while a call
is under way another browser may sign out. The processes' clocks tell times up to five seconds apart.

What it cannot reach: threads at the same instant, logins that hang until they are written off, a browser that loses its
ended cookie (nothing else in the world knows of that sign-out), and a copy of a cookie under another path that outlives
the ended cookie.
"""

import itertools
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.fakes import Clock, HandWorkers
from viafoura_mw.errors import LoginRefused, ViafouraUnavailable
from viafoura_mw.response.cookie import NOTHING, Brought, SealedSession, SessionCookie
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session
from viafoura_mw.viafoura.ending import OrderlyEnd
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions, Ticket

USERS = (User("ann", "Ann"), User("ben", "Ben"))
PROCESSES = 3
BROWSERS = 3
TIMEOUT = 2.0
FAILURES = (
    ViafouraUnavailable("no answer in time"),
    ViafouraUnavailable("status 500", status=500),
    ViafouraUnavailable("status 429", retry_after=3.0, status=429),
    LoginRefused(403),
)
AHEAD = st.sampled_from((-2.5, 0.0, 2.5))  # seconds, of a process's clock
BROWSER = st.integers(0, BROWSERS - 1)
BOOLEAN = st.booleans()
PROCESS = st.integers(0, PROCESSES - 1)


@dataclass
class Jar:
    """A browser's cookies of our name: one under ``/``, and at times a copy under another path."""

    value: str = ""
    until: float = 0.0
    copy: str = ""

    def header(self, now: float, *, copy_first: bool) -> str:
        if now >= self.until:
            self.value = self.copy = ""
        pairs = [self.copy, self.value] if copy_first else [self.value, self.copy]
        return "; ".join(filter(None, pairs))

    def keep(self, set_cookie: str, now: float) -> None:
        self.value = set_cookie.partition(";")[0]
        self.until = now + int(set_cookie.rpartition("=")[2])


@dataclass
class Visitor:
    """A browser, who is signed in with it, and what must not come back to it."""

    jar: Jar = field(default_factory=Jar)
    user: User | None = None
    digest: bytes = b""
    ended: bool = False  # its last page was a sign-out: what it has is an ended cookie
    tickets: list[Ticket] = field(default_factory=list)  # since its last sign-out
    barred: list[Ticket] = field(default_factory=list)  # from before a sign-out
    ended_ids: set[str] = field(default_factory=set)


class Viafoura:
    """One Viafoura for all processes: whose each session is, and which were ended."""

    limit = 10.0

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.owners: dict[str, str] = {}
        self.ended: list[str] = []
        self.failures: list[Exception] = []
        self.meanwhile: list[object] = []
        self.takes = 0.1
        self._numbers = itertools.count(1)


class Process:
    """One process: its sessions, its cookies, and the calls that it makes. ``ahead``: seconds of its clock."""

    def __init__(self, viafoura: Viafoura, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self.limit = viafoura.limit
        self.calls: list[tuple[float, str]] = []
        self._viafoura = viafoura
        clock = viafoura.clock
        self.workers = HandWorkers(clock)
        end = OrderlyEnd(clock, register=bool)
        self.sessions = Sessions(
            self,
            timeout=TIMEOUT,
            session_ttl=3600.0,
            clock=clock,
            unix_clock=self.now,
            workers=lambda: self.workers,
            end=lambda: end,
        )
        self.cookie = SessionCookie(
            name="viafoura_mw",
            secrets=("a-secret-of-this-site",),
            site_id="site",
            session_ttl=3600.0,
            clock=self.now,
        )

    def now(self) -> float:
        return self._viafoura.clock.now + self.ahead

    def login(self, user: User, *, limit: float | None = None) -> Session:
        viafoura, since = self._viafoura, self.now()
        self.calls.append((viafoura.clock.now, user.id))
        if viafoura.meanwhile:
            viafoura.meanwhile.pop()()  # type: ignore[operator]
        viafoura.clock.pass_(viafoura.takes)
        if viafoura.failures:
            raise viafoura.failures.pop()
        number = next(viafoura._numbers)
        viafoura.owners[f"session{number}"] = user.id
        return Session(str(number), f"session{number}", since)

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        self._viafoura.ended.append(session_id)


class Site(RuleBasedStateMachine):
    """Three browsers, two users, three processes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.viafoura = Viafoura(self.clock)
        self.processes = [Process(self.viafoura) for _ in range(PROCESSES)]
        self.users = {user.id: user for user in USERS}
        self.visitors = [Visitor(digest=b"%d" % number) for number in range(BROWSERS)]

    @initialize(ahead=st.tuples(AHEAD, AHEAD, AHEAD))
    def clocks_differ(self, ahead: tuple[float, ...]) -> None:
        for process, seconds in zip(self.processes, ahead, strict=True):
            process.ahead = seconds

    # What a door does.

    def _brought(self, process: Process, visitor: Visitor, *, copy_first: bool = False) -> Brought:
        return process.cookie.find(visitor.jar.header(self.clock.now, copy_first=copy_first))

    def _end(self, process: Process, visitor: Visitor, brought: Brought, keeps: User | None = None) -> None:
        """End what the browser has of everybody but ``keeps``."""
        for sealed in brought.sessions:
            if not (keeps and sealed.is_of(keeps)):
                process.sessions.logout(sealed.session.id)
                visitor.ended_ids.add(sealed.session.id)
        for mark in brought.marks:
            if not (keeps and brought.mark_for(keeps) == mark):
                process.sessions.forget(mark)
        visitor.barred += [t for t in visitor.tickets if not (keeps and t.user and t.user.id == keeps.id)]
        visitor.tickets = []

    def _page_for_nobody(self, process: Process, visitor: Visitor, *, copy_first: bool = False) -> None:
        brought = self._brought(process, visitor, copy_first=copy_first)
        if not brought.is_authentic:
            return
        self._end(process, visitor, brought)
        visitor.jar.keep(process.cookie.end(brought, by_page=False, secure=False), self.clock.now)
        visitor.ended = True

    def _page(
        self, process: Process, visitor: Visitor, user: User, *, waits: bool = True, copy_first: bool = False
    ) -> None:
        user = self.users[user.id]
        brought = self._brought(process, visitor, copy_first=copy_first)
        if brought.of_another(user):
            self._end(process, visitor, brought, keeps=user)
        valid = brought.valid_for(user)
        if valid and not process.sessions.has_ended(valid.session.id):
            self._page_with(process, visitor, user, valid, brought)
            return
        request = LoginRequest(user, visitor.digest, brought.mark_for(user), brought.signed_out_at(user))
        ticket = process.sessions.ensure(request)
        visitor.tickets.append(ticket)
        if waits:
            process.workers.logins.run()
        session = ticket.future.result(0) if ticket.future.done() else None
        if session:
            self._inject(visitor, user, session)
            set_cookie = process.cookie.set(user, session, brought=brought, secure=False)
        elif ticket.mark:
            set_cookie = process.cookie.wait(user, ticket.mark, brought=brought, secure=False)
        elif brought.of_another(user):
            set_cookie = process.cookie.end(brought, by_page=False, secure=False)
        else:
            return
        visitor.jar.keep(set_cookie, self.clock.now)
        visitor.ended = not (session or ticket.mark)

    def _page_with(
        self, process: Process, visitor: Visitor, user: User, valid: SealedSession, brought: Brought
    ) -> None:
        """Serve a valid cookie's session, and see to one for the user's new details."""
        if valid.has_details_of(user):
            self._inject(visitor, user, valid.session)
            return
        request = LoginRequest(user, visitor.digest, brought.mark_for(user), brought.signed_out_at(user))
        renewed = process.sessions.refresh(request, valid.session.id, begin=False)
        self._inject(visitor, user, renewed or valid.session)
        if renewed:
            cookie = process.cookie.set(user, renewed, brought=brought, secure=False, refreshed=True)
            visitor.jar.keep(cookie, self.clock.now)
        elif process.cookie.may_refresh(valid):
            process.sessions.refresh(request, valid.session.id)
            visitor.jar.keep(process.cookie.touch(valid, secure=False), self.clock.now)

    def _inject(self, visitor: Visitor, user: User, session: Session) -> None:
        assert self.viafoura.owners[session.id] == user.id, "another user's session"
        assert session.id not in visitor.ended_ids, "a session that this browser has ended"
        barred = [t.future.result(0) for t in visitor.barred if t.future.done()]
        assert session.id not in {late.id for late in barred if late}, "a login from before this browser signed out"

    # What happens.

    @rule(process=PROCESS, number=BROWSER, waits=st.booleans(), copy_first=st.booleans())
    def page(self, process: int, number: int, waits: bool, copy_first: bool) -> None:
        visitor = self.visitors[number]
        if visitor.user:
            self._page(self.processes[process], visitor, visitor.user, waits=waits, copy_first=copy_first)
        else:
            self._page_for_nobody(self.processes[process], visitor, copy_first=copy_first)

    @rule(number=BROWSER, user=st.sampled_from(USERS))
    def sign_in(self, number: int, user: User) -> None:
        """Also from one user to another, with no page in between."""
        self.visitors[number].user = user

    @rule(process=PROCESS, number=BROWSER)
    def sign_out(self, process: int, number: int) -> None:
        self.visitors[number].user = None
        self._page_for_nobody(self.processes[process], self.visitors[number])

    @rule(process=PROCESS, number=BROWSER, user=st.sampled_from(USERS), into=PROCESS, waits=st.booleans())
    def sign_out_and_in(self, process: int, number: int, user: User, into: int, waits: bool) -> None:
        visitor = self.visitors[number]
        self._page_for_nobody(self.processes[process], visitor)
        visitor.user = user
        self._page(self.processes[into], visitor, user, waits=waits)

    @rule(processes=st.tuples(PROCESS, PROCESS, PROCESS, PROCESS, PROCESS), number=BROWSER, first=BOOLEAN)
    def two_users_take_turns(self, processes: tuple[int, ...], number: int, first: bool) -> None:
        """Twice, and then one of them signs out."""
        visitor = self.visitors[number]
        turns = [*USERS, *USERS] if first else [*USERS[::-1], *USERS[::-1]]
        *served_by, last = [self.processes[process] for process in processes]
        for visitor.user, process in zip(turns, served_by, strict=True):
            self._page(process, visitor, visitor.user)
        visitor.user = None
        self._page_for_nobody(last, visitor)

    @rule(
        processes=st.lists(PROCESS, min_size=2, max_size=4), number=BROWSER, user=st.sampled_from(USERS), last=BOOLEAN
    )
    def tabs_are_opened_together(self, processes: list[int], number: int, user: User, last: bool) -> None:
        """All bring the same cookies, and one's are kept."""
        visitor = self.visitors[number]
        visitor.user = user
        brought, kept = visitor.jar, []
        for process in processes:
            visitor.jar = replace(brought)
            self._page(self.processes[process], visitor, user)
            if visitor.jar.value != brought.value:
                kept.append((visitor.jar, visitor.ended))
        if kept:
            visitor.jar, visitor.ended = kept[-1 if last else 0]

    @rule(user=st.sampled_from(USERS), name=st.sampled_from(("Ann", "Anne")))
    def is_renamed(self, user: User, name: str) -> None:
        self.users[user.id] = replace(user, name=name)

    @rule(process=PROCESS)
    def make_calls(self, process: int) -> None:
        self.processes[process].workers.logins.run()
        self.processes[process].workers.refreshes.run()
        self.processes[process].workers.probes.run()

    @rule(process=PROCESS, number=BROWSER, elsewhere=PROCESS)
    def make_calls_while_somebody_signs_out(self, process: int, number: int, elsewhere: int) -> None:
        self.viafoura.meanwhile = [lambda: self.sign_out(elsewhere, number)]
        self.make_calls(process)
        self.viafoura.meanwhile = []

    @rule(process=PROCESS)
    def make_logouts(self, process: int) -> None:
        self.processes[process].workers.logouts.run()

    @rule(seconds=st.sampled_from((0.0, 0.001, 0.5, 3.0, 20.0, 61.0, 700.0)))
    def time_passes(self, seconds: float) -> None:
        if seconds > self.viafoura.limit:  # no login is under way for longer
            for process in self.processes:
                process.workers.logins.run()
                process.workers.refreshes.run()
        self.clock.pass_(seconds)

    @rule(takes=st.sampled_from((0.0, 0.1, 3.0)), failure=st.sampled_from((None, *FAILURES)))
    def viafoura_is_as_it_is(self, takes: float, failure: Exception | None) -> None:
        self.viafoura.takes = takes
        self.viafoura.failures = [failure] if failure else []

    @rule(number=BROWSER, digest=st.sampled_from((b"", b"0", b"1", b"2")))
    def site_cookies_change(self, number: int, digest: bytes) -> None:
        """Renewed with a response, lost, or the same in two browsers."""
        self.visitors[number].digest = digest

    @rule(number=BROWSER)
    def cookie_is_doubled(self, number: int) -> None:
        jar = self.visitors[number].jar
        jar.copy = jar.value

    @rule(number=BROWSER)
    def cookies_are_lost(self, number: int) -> None:
        visitor = self.visitors[number]
        if not visitor.ended and not self._brought(self.processes[0], visitor).ended_at:
            visitor.jar = Jar()

    @rule(process=PROCESS, number=BROWSER, many=st.integers(1, 30))
    def a_user_throws_cookies_away(self, process: int, number: int, many: int) -> None:
        user = USERS[0]
        for digest in range(many):
            self.processes[process].sessions.ensure(LoginRequest(user, b"thrown away %d" % digest))

    # What holds.

    @invariant()
    def no_user_costs_more_than_their_share(self) -> None:
        for process in self.processes:
            assert len(process.workers.logins.jobs) <= 2 * len(USERS)
            for user in USERS:
                made = [moment for moment, user_id in process.calls if user_id == user.id]
                assert all(later - first >= 60.0 for first, later in zip(made, made[12:], strict=False))

    @invariant()
    def each_session_is_logged_out_once_in_a_process(self) -> None:
        assert all(self.viafoura.ended.count(session) <= PROCESSES for session in set(self.viafoura.ended))

    def teardown(self) -> None:
        """Nobody is barred for good: after a quiet time each user gets a session in each process."""
        self.viafoura.failures, self.viafoura.takes = [], 0.1
        for process in self.processes:
            process.workers.logins.run()
            process.workers.probes.run()
        for process, user in itertools.product(self.processes, USERS):
            self.clock.pass_(400.0)
            request = LoginRequest(user, b"quiet")
            ticket = process.sessions.ensure(request)
            process.workers.logins.run()
            process.workers.probes.run()
            assert ticket.future.result(0) or process.sessions.ensure(request).future.result(0)


TestSite = Site.TestCase
TestSite.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_machine_begins_with_nothing() -> None:
    """Its browsers have no cookie, so that whatever they bring later came from a response."""
    site = Site()

    assert all(site._brought(site.processes[0], visitor) is NOTHING for visitor in site.visitors)
