"""Every way in which Viafoura can fail x every call x both doors: the page is complete, the next ones do not wait.

One table says what each fault comes to. Nothing here is timed: a clock that stands still decides about pauses, the
simulator's calls and futures that are done at once show that nobody waited. Only a fault that gives no answer at all
costs its page a real, short wait.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from tests.doors.test_parity import BROWSER, PAIR
from tests.support.doors import HTML, PAGE, TAG, Answer, Get, Site, both_doors, environ_of, through_wsgi
from tests.support.fakes import Clock
from viafoura_mw import Settings, wsgi
from viafoura_mw import runtime as parts
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.breaker import FAILURES, LONGEST_PAUSE
from viafoura_mw.viafoura.client import CALL_LIMIT, Viafoura
from viafoura_mw.viafoura.logins import WRONG_CREDENTIALS
from viafoura_mw.viafoura.logouts import PAUSES
from viafoura_mw.viafoura.pool import Pool
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions
from viafoura_mw.viafoura.workers import CallerWorkers, ThreadWorkers, Workers

SHORT, LONG = 0.05, 30.0  # VIAFOURA_TIMEOUT where no answer comes, and where one does
SAFETY = 20.0  # seconds after which something hangs; no test is near it
PIECES = (PAGE[:30], PAGE[30:70], PAGE[70:])


@dataclass(frozen=True)
class Effect:
    """What a fault comes to: after how many failed pages nobody waits, and until when."""

    name: str
    pages: int = 0  # that are served without a session before the breaker opens
    pause: float = 0.0  # seconds after which a probe is made
    timeout: float = LONG


HARMLESS = Effect("harmless")
REFUSES = Effect("refuses")  # this user, and nobody else
FAILS = Effect("fails", FAILURES, LONGEST_PAUSE * 1.2)
SILENT = Effect("silent", FAILURES, LONGEST_PAUSE * 1.2, SHORT)
DEMANDS = Effect("demands", 1, 301.0)  # five minutes at most
DISTRUSTS = Effect("distrusts", 1, WRONG_CREDENTIALS + 1.0)  # the site's credentials

TRIES = len(PAUSES)
EXPIRED = "expired token"

#: fault, its effect on the access token, its effect on a login, and how many logout calls are made under it.
TABLE: dict[str, tuple[Callable[[], Fault] | None, Effect, Effect, int]] = {
    "delay": (partial(Fault.delay, 3600.0), SILENT, SILENT, 1),
    "hang": (Fault.hang, SILENT, SILENT, 1),
    "drip body": (partial(Fault.drip_body, 3600.0), SILENT, SILENT, 1),
    "drip headers": (partial(Fault.drip_headers, 3600.0), SILENT, SILENT, 1),
    "refuse": (Fault.refuse, FAILS, FAILS, 0),
    "reset": (Fault.reset, FAILS, FAILS, TRIES + 1),  # a kept connection's end is no failure yet: one call more
    "close": (Fault.close, FAILS, FAILS, TRIES + 1),
    "500": (partial(Fault.status, 500), FAILS, FAILS, TRIES),
    "502": (partial(Fault.status, 502), FAILS, FAILS, TRIES),
    "503": (partial(Fault.status, 503), FAILS, FAILS, TRIES),
    "503, Retry-After in seconds": (partial(Fault.status, 503, retry_after=600), DEMANDS, DEMANDS, 1),
    "503, Retry-After as a date": (
        lambda: Fault.status(503, retry_after=formatdate(time.time() + 600, usegmt=True)),
        DEMANDS,
        DEMANDS,
        1,
    ),
    "503, Retry-After nonsense": (partial(Fault.status, 503, retry_after="soon"), FAILS, FAILS, TRIES),
    "429": (partial(Fault.status, 429), FAILS, FAILS, TRIES),
    "429, Retry-After in seconds": (partial(Fault.status, 429, retry_after=600), DEMANDS, DEMANDS, 1),
    "400": (partial(Fault.status, 400), DISTRUSTS, REFUSES, 1),
    "401": (partial(Fault.status, 401), DISTRUSTS, REFUSES, 2),
    "403": (partial(Fault.status, 403), DISTRUSTS, REFUSES, 1),
    "404": (partial(Fault.status, 404), FAILS, REFUSES, 1),
    "truncated": (Fault.truncated, FAILS, FAILS, TRIES),
    "truncated JSON": (Fault.truncated_json, FAILS, FAILS, 1),  # a logout's answer has no content to be read
    "wrong types": (Fault.wrong_types, FAILS, FAILS, 1),
    "HTML": (Fault.html, FAILS, FAILS, 1),
    "empty": (Fault.empty, FAILS, FAILS, 1),
    "redirect": (Fault.redirect, FAILS, FAILS, TRIES),
    "10 MB": (Fault.huge, FAILS, FAILS, TRIES),
    EXPIRED: (None, HARMLESS, HARMLESS, 2),
    "keep-alive closed": (Fault.close_after, HARMLESS, HARMLESS, 1),
}


def effect_of(fault: str, kind: str) -> Effect:
    """What a fault comes to where it strikes the access token, or a login."""
    _, on_token, on_login, _ = TABLE[fault]
    return on_token if kind == "token" else on_login


Door = Callable[[Settings | None], Get]

every_fault = pytest.mark.parametrize("fault", list(TABLE))


class Stand:
    """A site behind one door, its sessions on a clock that stands still and on workers that can be waited for."""

    def __init__(self, door: Door, viafoura: SimulatedViafoura, clock: Clock, timeout: float) -> None:
        settings = Settings.from_env(viafoura.environ())
        self.clock, self.viafoura, self.timeout = clock, viafoura, timeout
        self._get, self._bare = door(replace(settings, timeout=timeout)), door(None)
        self._users = 0
        self.sessions: Sessions
        self.workers: Workers

    def strike(self, kind: str, fault: str) -> None:
        """Let calls of a kind fail from now on."""
        make = TABLE[fault][0]
        if make is None:
            self.viafoura.expire_tokens()
        else:
            self.viafoura.fail(kind, make())  # type: ignore[arg-type]

    def page(self, user: str | None, cookie: str = "", *, pieces: bool = False) -> Answer:
        """A page of the site, whole or in pieces, in less than :data:`SAFETY`."""
        began = time.monotonic()
        answer = self._get(_site(user, pieces=pieces), headers={**BROWSER, **({"Cookie": cookie} if cookie else {})})
        assert time.monotonic() - began < SAFETY
        return answer

    def assert_untouched(self, answer: Answer, *, pieces: bool = False) -> None:
        """The page is the site's, chunk for chunk and, but for a late login's waiting cookie, header for header."""
        bare = self._bare(_site(None, pieces=pieces), headers=BROWSER)
        assert (answer.status, answer.chunks) == (bare.status, bare.chunks)
        if answer.cookie is None:
            assert answer.headers == bare.headers
        else:
            assert "Max-Age=60" in (answer.get("set-cookie") or "")
            assert answer.get("cache-control") == "private, no-cache"

    def new_user(self) -> str:
        """Somebody who has not been here."""
        self._users += 1
        return f"user{self._users}"

    def page_in_the_end(self, user: str) -> Answer:
        """A page of somebody whose login may take longer than a page waits here."""
        answer = self.page(user)
        self.settle()
        return answer if PAIR.search(answer.body) else self.page(user, answer.cookie or "")

    def wait_for_login(self, count: int) -> None:
        """Wait until so many logins have been begun, and none has ended."""
        until = time.monotonic() + SAFETY
        while len(self.workers.logins._begun) < count:  # type: ignore[attr-defined]
            assert time.monotonic() < until
            time.sleep(0.001)

    def settle(self) -> None:
        """Wait until every call that was begun has ended."""
        for queue in (self.workers.logins, self.workers.probes, self.workers.logouts):
            assert queue.join(SAFETY) if isinstance(queue, Pool) else True


def _site(user: str | None, *, pieces: bool = False) -> Site:
    return Site(chunks=PIECES if pieces else (PAGE,), user=user, headers=(HTML, ("ETag", '"1"'), ("X-Own", "1")))


def _on_threads(api: Viafoura, clock: Clock) -> Workers:
    return ThreadWorkers(api.limit, clock=clock, sleep=clock.pass_)


MadeWorkers = Callable[[Viafoura, Clock], Workers]
Stands = Callable[..., Stand]


@pytest.fixture
def stands(viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stands]:
    """Makes a :class:`Stand`; the one way in is where the parts are put together."""
    made: list[Stand] = []

    def stand(door: Door, timeout: float, made_workers: MadeWorkers = _on_threads) -> Stand:
        clock = Clock()
        kept: dict[str, object] = {}

        def sessions(api: Viafoura, **options: float) -> Sessions:
            workers = made_workers(api, clock)
            kept["workers"] = workers
            kept["sessions"] = Sessions(api, clock=clock, workers=lambda: workers, **options)
            return kept["sessions"]  # type: ignore[return-value]

        monkeypatch.setattr(parts, "Sessions", sessions)
        made.append(Stand(door, viafoura, clock, timeout))
        made[-1].__dict__.update(kept)
        return made[-1]

    yield stand
    viafoura.close()
    for each in made:
        each.settle()


@both_doors
@pytest.mark.parametrize("kind", ["token", "login"])
@every_fault
def test_serves_every_page_and_none_waits_for_long(
    door: Door, stands: Stands, viafoura: SimulatedViafoura, kind: str, fault: str
) -> None:
    """Through a failing call, an open breaker and its healing, each page is complete, and right at the end."""
    go_through(door, stands, viafoura, kind, fault)


def go_through(door: Door, stands: Stands, viafoura: SimulatedViafoura, kind: str, fault: str) -> None:
    """Let a fault strike, last, and be healed."""
    effect = effect_of(fault, kind)
    stand = stands(door, effect.timeout)
    if fault == EXPIRED:
        stand.page("who came before")
    stand.strike(kind, fault)

    if effect is HARMLESS:
        for pieces in (False, True, False):
            _assert_own_pair(stand, user := stand.new_user(), stand.page(user, pieces=pieces))
        return
    if effect is REFUSES:
        _refuses_one_user_and_no_other(stand)
        return

    early = _fails_until_the_breaker_opens(stand, effect)
    _lets_nobody_wait(stand)

    viafoura.heal()
    stand.settle()
    if effect is SILENT:
        for user, cookie in early.items():  # the logins that were slower than their pages went on, and serve the next
            before = viafoura.count("login")
            _assert_own_pair(stand, user, stand.page(user, cookie))
            assert viafoura.count("login") == before
    _lets_nobody_wait(stand)  # until the pause is over
    stand.clock.pass_(effect.pause)
    user = stand.new_user()
    stand.assert_untouched(stand.page(user))  # this one sends the probe, and does not wait for it either
    stand.settle()
    for each in (user, stand.new_user()):
        _assert_own_pair(stand, each, stand.page_in_the_end(each))


def _fails_until_the_breaker_opens(stand: Stand, effect: Effect) -> dict[str, str]:
    """The users who came meanwhile, and with which cookie each of their pages left."""
    early = {}
    for number in range(effect.pages):
        probe = User("nobody", "nobody")
        assert not stand.sessions.hopeless(LoginRequest(probe))
        user = stand.new_user()
        answer = stand.page(user, pieces=number % 2 == 1)
        early[user] = answer.cookie or ""
        stand.assert_untouched(answer, pieces=number % 2 == 1)
        if effect is SILENT:
            stand.wait_for_login(number + 1)
            stand.clock.pass_(stand.timeout)  # it has passed in truth, too: the page has waited it
        else:
            stand.settle()
    return early


def _lets_nobody_wait(stand: Stand) -> None:
    """The breaker is open: no login is made, and every future is done when it is given."""
    newcomers, waited = [], []
    for pieces in (False, True):
        newcomers += [stand.new_user(), stand.new_user()]
        stand.assert_untouched(stand.page(newcomers[-2], pieces=pieces), pieces=pieces)
        someone = User(newcomers[-1], "name")
        waited += [
            stand.sessions.ensure(LoginRequest(someone, b"browser")).future.done(),
            stand.sessions.hopeless(LoginRequest(someone)),
        ]
    assert waited == [True] * 4
    # By whom, not by how many: a call that was sent before the breaker opened may only now arrive.
    assert {call.form.get("id") for call in stand.viafoura.calls}.isdisjoint(newcomers)


def _refuses_one_user_and_no_other(stand: Stand) -> None:
    users = [stand.new_user() for _ in range(FAILURES + 1)]
    for user in users:
        stand.assert_untouched(stand.page(user))
    tried = [call.form["id"] for call in stand.viafoura.calls if call.kind == "login"]
    assert set(tried) == set(users)  # the breaker stayed closed
    for user in users:
        stand.assert_untouched(stand.page(user))
    assert stand.viafoura.count("login") == len(tried)  # none of them again
    stand.viafoura.heal()
    stand.assert_untouched(stand.page(users[0]))
    _assert_own_pair(stand, user := stand.new_user(), stand.page(user))
    stand.clock.pass_(61.0)
    _assert_own_pair(stand, users[0], stand.page(users[0]))


def _assert_own_pair(stand: Stand, user: str, answer: Answer) -> None:
    """The page is the site's but for the pair, which is this user's own and alive."""
    match = PAIR.search(answer.body)
    assert match is not None
    assert answer.body.replace(match[0], TAG) == PAGE
    user_id, session = int(match[1]), match[2].decode()
    assert stand.viafoura.users[user].user_id == user_id
    assert stand.viafoura.sessions[session] == user_id
    assert answer.cookie is not None
    assert answer.get("x-own") == "1"
    assert answer.get("etag") is None


@pytest.mark.parametrize("kind", ["token", "login"])
@pytest.mark.parametrize(
    "fault", ["hang", "drip headers", "refuse", "500", "503, Retry-After in seconds", "401", "HTML"]
)
def test_where_no_thread_runs_pages_are_served_all_the_same(
    stands: Stands, viafoura: SimulatedViafoura, kind: str, fault: str
) -> None:
    """A page makes its own login, within its own wait; the probe is made in ``close()``, after a page has left."""
    effect = effect_of(fault, kind)
    timeout = 1.0 if effect is SILENT else LONG
    stand = stands(through_wsgi, timeout, lambda api, clock: CallerWorkers(timeout, clock=clock))
    stand.strike(kind, fault)
    if effect is REFUSES:
        _refuses_one_user_and_no_other(stand)
        return
    if effect is SILENT:
        effect = replace(effect, pages=1)
        breaker = stand.sessions._here.get().logins._breaker
        for number in range(FAILURES - 1):  # as that many pages before would have told it
            breaker.failed(f"unlucky-{number}", stand.clock.now)
    for _ in range(effect.pages):
        stand.assert_untouched(stand.page(stand.new_user()))
    _lets_nobody_wait(stand)

    viafoura.heal()
    stand.clock.pass_(effect.pause)
    user = stand.new_user()
    stand.assert_untouched(stand.page(user))  # whose end makes the probe
    for each in (user, stand.new_user()):
        _assert_own_pair(stand, each, stand.page_in_the_end(each))


@pytest.mark.parametrize("pieces", [False, True])
def test_where_no_thread_runs_a_page_s_end_makes_the_logout(
    stands: Stands, viafoura: SimulatedViafoura, pieces: bool
) -> None:
    """The page has left by then; a logout that fails is tried again at a later page's end."""
    stand = stands(through_wsgi, LONG, lambda api, clock: CallerWorkers(LONG, clock=clock))
    cookies = [stand.page(user).cookie or "" for user in ("ann", "ben")]
    viafoura.fail("logout", Fault.status(500), times=1)

    assert stand.page(None, cookies[0], pieces=pieces).body == PAGE
    assert viafoura.count("logout") == 1
    stand.clock.pass_(60.0)
    assert stand.page(None, cookies[1], pieces=pieces).body == PAGE

    assert viafoura.sessions == {}
    assert viafoura.count("logout") == 3


def test_a_head_that_replaces_one_with_a_logout_clears_the_cookie_too(viafoura: SimulatedViafoura) -> None:
    """An error page in place of the log-out page is no reason for the browser to keep what has ended."""
    settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_LOGOUT_PATHS": "/logout"})
    cookie = through_wsgi(settings)(Site(user="ann"), headers=BROWSER).cookie or ""
    heads: list[list[tuple[str, str]]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("302 Found", [("Location", "/")])
        try:
            raise ValueError("the site's own")
        except ValueError:
            start_response("500 Error", [HTML], sys.exc_info())
        return [b"<p>sorry"]

    environ = environ_of(path="/logout", headers={"Cookie": cookie})

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        heads.append(headers)

    wsgi.ViafouraMiddleware(application, settings)(environ, start_response)

    viafoura.wait_for("logout")
    assert HTML in heads[-1]
    assert [value for name, value in heads[-1] if name == "Set-Cookie" and "Max-Age=60" in value]


@both_doors
@every_fault
def test_a_logout_that_fails_delays_no_page(
    door: Door, stands: Stands, viafoura: SimulatedViafoura, fault: str
) -> None:
    """The cookie is cleared at once; the call is tried a little, then given up; the next page is served as ever."""
    calls = TABLE[fault][3]
    stand = stands(door, LONG)
    cookie = stand.page("ann").cookie
    assert cookie is not None
    viafoura.clear_calls()
    stand.strike("logout", fault)

    left = stand.page(None, cookie)

    assert left.body == PAGE
    assert "max-age=60" in (left.get("set-cookie") or "").lower()
    assert left.get("cache-control") == "private, no-cache"
    if TABLE[fault][1] is SILENT:
        viafoura.wait_for("logout")
        assert [call.status for call in viafoura.calls if call.kind == "logout" and call.status] in ([], [200])
        _assert_own_pair(stand, "ben", stand.page("ben"))  # while the logout is still on its way
        viafoura.heal()
    stand.settle()
    assert viafoura.count("logout") == calls
    viafoura.heal()
    _assert_own_pair(stand, "cid", stand.page("cid"))
    stand.assert_untouched(stand.page(None))


@both_doors
def test_a_logout_is_made_once_service_is_back(door: Door, stands: Stands, viafoura: SimulatedViafoura) -> None:
    """A failure that passes does not leave the session alive."""
    stand = stands(door, LONG)
    cookie = stand.page("ann").cookie
    viafoura.fail("logout", Fault.status(500), times=TRIES - 1)

    stand.page(None, cookie or "")
    stand.settle()

    assert viafoura.sessions == {}
    assert viafoura.count("logout") == TRIES


@both_doors
@pytest.mark.parametrize("fault", ["500", "hang", "refuse"])
def test_a_changed_user_never_keeps_the_one_before(
    door: Door, stands: Stands, viafoura: SimulatedViafoura, fault: str
) -> None:
    """When the new user's login fails, the page leaves without a pair and with the cookie cleared."""
    stand = stands(door, TABLE[fault][2].timeout if fault == "hang" else LONG)
    cookie = stand.page_in_the_end("ann").cookie or ""
    stand.strike("login", fault)

    changed = stand.page("ben", cookie)

    assert changed.body == PAGE
    assert "max-age=60" in (changed.get("set-cookie") or "").lower()
    viafoura.heal()
    stand.settle()


@both_doors
@pytest.mark.parametrize("fault", ["hang", "500", "refuse", "10 MB"])
def test_a_valid_cookie_needs_no_viafoura(door: Door, stands: Stands, viafoura: SimulatedViafoura, fault: str) -> None:
    """Whatever has become of Viafoura, a browser with its cookie has its pair, and no call is made."""
    stand = stands(door, LONG)
    first = stand.page("ann")
    stand.strike("all", fault)
    viafoura.clear_calls()

    later = stand.page("ann", first.cookie or "")

    assert later.body == first.body
    assert viafoura.calls == ()


def test_the_table_has_every_fault_that_can_be_simulated() -> None:
    """Nothing that the simulator can do is missing above."""
    made = {
        make.func.__name__ if isinstance(make, partial) else getattr(make, "__name__", "")
        for make, *_ in TABLE.values()
        if make is not None
    }
    ways = {name for name in vars(Fault) if isinstance(vars(Fault)[name], classmethod)}
    assert ways - made == {"body"}  # of which HTML, empty and wrong types are made
    assert CALL_LIMIT < SAFETY
