"""Real caches in front of a real server: two signed-in users and a visitor, in random order, through each of them.

Each cache is told to keep what it can: to pass over cookies, and over ``Cache-Control`` where there is another header
that it goes by. The paths are those on which the bare site is safe behind that very cache.
"""

import contextlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.sites.cached import FRAGMENT, PAGES
from tests.support.eager_caches import CACHES, SITES, Cache
from tests.support.servers import Answer, Browser, Running, program
from viafoura_mw.testing import SimulatedViafoura

_NUMBER = re.compile(rb"<i>(\d+)</i>")
_GREETING = re.compile(rb"<p>Hello(?:, (\w+))?\.")
READERS = {"ann": "1", "ben": "2", "visitor": ""}
PATHS_OF_EACH = 10  # on each of which it is another reader who comes first
VISITS_TO_EACH = 3  # by each reader


@contextlib.contextmanager
def _bare(door: str) -> Iterator[Running]:
    with SITES[door].serving("tests.sites.bare", {"SITE": f"tests.sites.cached:{door}"}) as site:
        yield site


@contextlib.contextmanager
def _wrapped(door: str, viafoura: SimulatedViafoura) -> Iterator[Running]:
    settings = {**viafoura.environ(), "VIAFOURA_APP": f"tests.sites.cached:{door}", "VIAFOURA_TIMEOUT": "20"}
    with SITES[door].serving(f"viafoura_mw.{door}", settings) as site:
        yield site


# The visits.


@dataclass(frozen=True)
class Visit:
    """Who has asked for which path, and what came."""

    who: str
    path: str
    answer: Answer

    @property
    def user_id(self) -> str:
        """The site's id of who has asked; empty for a visitor."""
        return str(1000 + int(READERS[self.who])) if READERS[self.who] else ""

    @property
    def greeted(self) -> str | None:
        """Whom the page greets; ``None`` on a page for everybody."""
        greeting = _GREETING.search(self.answer.body)
        assert greeting, self.answer.body
        return greeting[1].decode() if greeting[1] else None

    @property
    def number(self) -> bytes:
        """The number of the site's answer."""
        number = _NUMBER.search(self.answer.body)
        assert number
        return number[1]


def _visits(port: int, cache: Cache, seed: int) -> list[Visit]:
    """Every reader on every path, several times, in random order: on each path another one comes first."""
    paths = [f"/{path}/{number}" for path in cache.paths for number in range(PATHS_OF_EACH)]
    turns = [(who, path) for who in READERS for path in paths for _ in range(VISITS_TO_EACH)]
    random.Random(seed).shuffle(turns)
    browsers = {who: Browser(port, cookies={"reader": reader} if reader else {}) for who, reader in READERS.items()}
    with contextlib.ExitStack() as stack:
        for browser in browsers.values():
            stack.enter_context(browser)
        visits = [Visit(who, path.split("/")[1], browsers[who].get(path)) for who, path in turns]
    assert "viafoura_mw" not in browsers["visitor"].cookies
    return visits


def _hits(visits: list[Visit], path: str) -> int:
    """How many answers of a path were kept ones."""
    numbers = [visit.number for visit in visits if visit.path == path]
    return len(numbers) - len(set(numbers))


def _assert_own_greetings(visits: list[Visit]) -> None:
    for visit in visits:
        expected = (visit.user_id or "stranger") if PAGES[visit.path].is_personal else None
        assert visit.greeted == expected, visit


def test_the_bare_site_is_safe_behind_the_cache(cache: Cache, door: str) -> None:
    """Nobody is greeted as another, and what the site lets be kept is kept: the cache is one."""
    with _bare(door) as site, cache.serving(site) as front:
        visits = _visits(front.port, cache, seed=1)

    _assert_own_greetings(visits)
    assert all(_hits(visits, path) for path in cache.paths if not PAGES[path].is_personal)


def test_nobody_gets_anothers_page(cache: Cache, door: str, viafoura: SimulatedViafoura) -> None:
    """A page carries the session of who asked for it, or none; the visitors' pages are kept as ever."""
    with _wrapped(door, viafoura) as site, cache.serving(site) as front:
        visits = _visits(front.port, cache, seed=2)

    users = {account.user_id: account.id for account in viafoura.users.values()}
    _assert_own_greetings(visits)
    for visit in visits:
        pair = visit.answer.pair
        if pair is not None:
            assert users[int(pair[0])] == visit.user_id, visit
            assert viafoura.sessions[pair[1]] == int(pair[0])
        assert pair is not None or not (visit.user_id and PAGES[visit.path].is_personal), visit
    assert all(_hits(visits, path) for path in cache.paths if not PAGES[path].is_personal)


def test_varnish_composes_a_signed_in_users_page(door: str, viafoura: SimulatedViafoura) -> None:
    """``Surrogate-Control: content="ESI/1.0"`` is no matter of keeping: nobody sees a raw ``<esi:include>``."""
    cache = next(cache for cache in CACHES if cache.name == "Varnish")
    if not program(cache.needs):
        pytest.skip(f"{cache.needs} not installed")
    with _wrapped(door, viafoura) as site, cache.serving(site) as front:
        visits = _visits(front.port, cache, seed=3)

    composed = [visit for visit in visits if PAGES[visit.path].composed]
    assert all(FRAGMENT in visit.answer.body and b"<esi:" not in visit.answer.body for visit in composed)
    assert {visit.who for visit in composed if visit.answer.pair} == {"ann", "ben"}
