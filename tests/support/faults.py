"""A site on a clock that stands still, and every fault that its Viafoura can have."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from tests.support.doors import HTML, PAGE, TAG, Answer, Get, Site
from tests.support.fakes import Clock
from tests.support.pairs import BROWSER, PAIR
from viafoura_mw import Settings
from viafoura_mw import runtime as parts
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.breaker import FAILURES, LONGEST_PAUSE
from viafoura_mw.viafoura.client import Viafoura
from viafoura_mw.viafoura.logins import WRONG_CREDENTIALS
from viafoura_mw.viafoura.logouts import PAUSES
from viafoura_mw.viafoura.pool import Pool
from viafoura_mw.viafoura.sessions import LoginRequest, Sessions
from viafoura_mw.viafoura.workers import ThreadWorkers, Workers

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
        kept: dict[str, Any] = {}

        def made_sessions(api: Viafoura, **options: Any) -> Sessions:
            workers = made_workers(api, clock)
            kept["workers"] = workers
            sessions = kept["sessions"] = Sessions(api, clock=clock, workers=lambda: workers, **options)
            return sessions

        monkeypatch.setattr(parts, "Sessions", made_sessions)
        made.append(Stand(door, viafoura, clock, timeout))
        made[-1].__dict__.update(kept)
        return made[-1]

    yield stand
    viafoura.close()
    for each in made:
        each.settle()


def go_through(door: Door, stands: Stands, viafoura: SimulatedViafoura, kind: str, fault: str) -> None:
    """Let a fault strike, last, and be healed."""
    effect = effect_of(fault, kind)
    stand = stands(door, effect.timeout)
    if fault == EXPIRED:
        stand.page("who came before")
    stand.strike(kind, fault)

    if effect is HARMLESS:
        for pieces in (False, True, False):
            assert_own_pair(stand, user := stand.new_user(), stand.page(user, pieces=pieces))
        return
    if effect is REFUSES:
        refuses_one_user_and_no_other(stand)
        return

    early = fails_until_the_breaker_opens(stand, effect)
    lets_nobody_wait(stand)

    viafoura.heal()
    stand.settle()
    if effect is SILENT:
        for user, cookie in early.items():  # the logins that were slower than their pages went on, and serve the next
            before = viafoura.count("login")
            assert_own_pair(stand, user, stand.page(user, cookie))
            assert viafoura.count("login") == before
    lets_nobody_wait(stand)  # until the pause is over
    stand.clock.pass_(effect.pause)
    user = stand.new_user()
    stand.assert_untouched(stand.page(user))  # this one sends the probe, and does not wait for it either
    stand.settle()
    for each in (user, stand.new_user()):
        assert_own_pair(stand, each, stand.page_in_the_end(each))


def fails_until_the_breaker_opens(stand: Stand, effect: Effect) -> dict[str, str]:
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


def lets_nobody_wait(stand: Stand) -> None:
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


def refuses_one_user_and_no_other(stand: Stand) -> None:
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
    assert_own_pair(stand, user := stand.new_user(), stand.page(user))
    stand.clock.pass_(61.0)
    assert_own_pair(stand, users[0], stand.page(users[0]))


def assert_own_pair(stand: Stand, user: str, answer: Answer) -> None:
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
