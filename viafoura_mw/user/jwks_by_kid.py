"""Keys that each have an address of their own: ``VIAFOURA_JWT_JWKS_URL`` with the place ``{kid}`` in its path.

AWS's load balancer gives its keys so. The ``kid`` stands in the token's head, which nobody has verified when its key is
fetched: a visitor may have made it up. So

- only a ``kid`` of letters, digits, ``-`` and ``_`` is put into the address: it cannot lead to another path or host;
- one key is fetched in :data:`SLOT` seconds at most, each that could not be had once a minute, and nothing for a minute
  after the server gave no answer at all;
- which one is fetched next is decided by lot among the requests since the last fetch. Whoever sends ``n`` times as many
  requests as all of the site's users, each with another made-up ``kid``, delays a new key by ``n + 1`` fetches on
  average. No order would do better for certain: first come, first served lets made-up ones fill the queue, and most
  asked for, first served lets them be asked for in advance;
- what is remembered of made-up ones does not grow, since no more is than was fetched within the last minute. Of the
  keys at hand the least recently used is let go.

:mod:`viafoura_mw.user.jwt` asks for a key only if the rest of the token is as the settings demand: a token that has
expired, or names another audience, costs no fetch.
"""

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from viafoura_mw.per_process import PerProcess
from viafoura_mw.user.jwks import MAX_AGE, PAUSE, Job, KeyServer, NoKeys
from viafoura_mw.user.jwt import KID, Key, matching
from viafoura_mw.viafoura.workers import threads_run

SLOT: Final = 6.0  # seconds between two fetches of different keys, at least
KEPT: Final = 64  # keys
_KID: Final = re.compile("[A-Za-z0-9_-]{1,128}")  # what needs no escape in a path, and is no step in one
_GONE: Final = (404, 410)


@dataclass(slots=True, eq=False)
class _Kept:
    keys: tuple[Key, ...]
    since: float


@dataclass(slots=True, eq=False)
class _Here:
    """What belongs to one process.

    ``kept`` is in the order of use. ``tried``: until when each is not to be fetched again. ``drawn``: which of those
    that were ``asked`` for since the last fetch is the next; there is none before ``not_before``.
    """

    kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    tried: dict[str, float] = field(default_factory=dict)
    drawn: str = ""
    asked: int = 0
    not_before: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeysByKid:
    """The keys at ``url``, in which a key's id takes the place ``{kid}``; otherwise as ``FetchedKeys``.

    ``lot``: gives any whole number from zero to below another.
    """

    def __init__(
        self,
        url: str,
        server: KeyServer,
        later: Callable[[Job], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        lot: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._lot = lot
        self._url = url
        self._server = server
        self._later = later
        self._clock = clock
        self._here: PerProcess[_Here] = PerProcess(_Here)

    @property
    def are_put_off(self) -> bool:
        """Where no thread can run, a page's caller fetches them once that has left."""
        return not threads_run()

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """The keys of ``kid`` that are at hand; none without a ``kid``. Asks for newer ones where that may help."""
        if kid is None or not _KID.fullmatch(kid):
            return ()
        here, now = self._here.get(), self._clock()
        with here.lock:
            kept = here.kept.get(kid)
            if kept:
                here.kept.move_to_end(kid)
            if kept and now - kept.since < MAX_AGE:
                return kept.keys
            next_one = self._next(here, kid, now)
        if next_one is not None:
            self._later(partial(self._fetch, next_one))
        return kept.keys if kept else ()

    def _fetch(self, kid: str, limit: float | None) -> None:
        here = self._here.get()
        try:
            keys = matching(self._server.keys(self._url.replace(KID, kid), limit), kid)
            if not keys:
                raise NoKeys("an answer without the key that was asked for", 200)
        except NoKeys as error:
            self._server.tell(error)
            with here.lock:
                if error.status in _GONE:  # what the server has no more is believed no more
                    here.kept.pop(kid, None)
                elif error.status is None:
                    here.not_before = max(here.not_before, self._clock() + PAUSE)
            return
        with here.lock:
            here.kept[kid] = _Kept(keys, self._clock())
            here.kept.move_to_end(kid)
            if len(here.kept) > KEPT:
                here.kept.popitem(last=False)

    def _next(self, here: _Here, kid: str, now: float) -> str | None:
        """Count that ``kid`` was asked for, and draw what is to be fetched now, if anything is."""
        if now < here.tried.get(kid, now):
            return None
        here.asked += 1
        if self._lot(here.asked) == 0:
            here.drawn = kid
        if now < here.not_before:
            return None
        here.asked = 0
        here.not_before = now + SLOT
        here.tried = {each: until for each, until in here.tried.items() if now < until} | {here.drawn: now + PAUSE}
        return here.drawn
