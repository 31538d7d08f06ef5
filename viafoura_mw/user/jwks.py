"""The keys of ``VIAFOURA_JWT_JWKS_URL``: fetched in the background, never by a page, and kept while none newer is had.

They are fetched at the first token, then when they are an hour old, for a ``kid`` that they do not have, and after a
failure: at most once a minute in all, whatever visitors send. Where each key has an address of its own, see
:mod:`viafoura_mw.user.jwks_by_kid`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.log import Notices
from viafoura_mw.per_process import PerProcess
from viafoura_mw.user.jwt import Key, matching, published
from viafoura_mw.viafoura.workers import threads_run

if TYPE_CHECKING:
    from viafoura_mw.viafoura.transport import Answer

MAX_AGE: Final = 3600.0  # seconds
PAUSE: Final = 60.0  # seconds between two fetches, at least
LIMIT: Final = 10.0  # seconds for a fetch, in all

#: A job, which is told how many seconds it may take where that is not its own to say.
Job = Callable[[float | None], object]


class Transport(Protocol):
    """What carries a call: see :class:`viafoura_mw.viafoura.transport.Transport`."""

    def get(self, url: str, deadline: float) -> "Answer":
        """Ask for ``url``; raise :class:`~viafoura_mw.errors.ViafouraUnavailable` if there is no answer by then."""
        ...


def _transport() -> Transport:
    from viafoura_mw.viafoura.transport import Transport  # late: it imports requests, and so ssl

    return Transport()


class NoKeys(Exception):
    """A key server gave no keys, for a ``reason`` that can be logged; ``status``: its answer's, if there was one."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(slots=True, eq=False)
class _Connections:
    """What belongs to one process."""

    transport: Transport | None = None


class KeyServer:
    """What keys for these ``algorithms`` are fetched from."""

    def __init__(
        self, algorithms: Iterable[str], notices: Notices, transport: Callable[[], Transport] = _transport
    ) -> None:
        self._algorithms = frozenset(algorithms)
        self._notices = notices
        self._transport = transport
        self._here: PerProcess[_Connections] = PerProcess(_Connections)

    def keys(self, url: str, limit: float | None) -> tuple[Key, ...]:
        """Those at ``url``, of which there is one at least; ``limit``: seconds. Raises :class:`NoKeys`."""
        try:
            return self._answered(url, time.monotonic() + (LIMIT if limit is None else limit))
        except NoKeys as error:
            failure = error
        except ViafouraUnavailable as error:
            failure = NoKeys(error.reason)
        except Exception as error:
            failure = NoKeys(type(error).__name__)
        raise failure  # out here, so that it has no context, and nothing is told through one

    def tell(self, failure: NoKeys) -> None:
        """Say in the log that there are no newer keys."""
        sentence = "VIAFOURA_JWT_JWKS_URL: no keys could be had (%s); those at hand serve on"
        self._notices.tell("jwks", logging.WARNING, sentence, failure.reason)

    def _answered(self, url: str, deadline: float) -> tuple[Key, ...]:
        here = self._here.get()
        here.transport = here.transport or self._transport()
        answer = here.transport.get(url, deadline)
        if answer.status != 200:  # a redirect is not followed: it would lead to keys that the site has not named
            raise NoKeys(f"status {answer.status}", answer.status)
        try:
            return published(answer.body, self._algorithms)
        except ValueError as error:
            raise NoKeys(f"an answer that {error}", answer.status) from None


@dataclass(slots=True, eq=False)
class _Here:
    """What belongs to one process."""

    keys: tuple[Key, ...] = ()
    since: float = float("-inf")
    tried: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class FetchedKeys:
    """The keys at ``url``.

    ``later`` takes a job for which no page waits, and says whether it did. ``clock``: seconds that only grow.
    """

    def __init__(
        self,
        url: str,
        server: KeyServer,
        later: Callable[[Job], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
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
        """The keys at hand that may have signed a token that names ``kid``; asks for newer ones where that may help."""
        here, now = self._here.get(), self._clock()
        found = matching(here.keys, kid)
        if not found or now - here.since >= MAX_AGE:
            self._ask(here, now)
        return found

    def _ask(self, here: _Here, now: float) -> None:
        with here.lock:
            if now - here.tried < PAUSE:
                return
            here.tried = now
        self._later(self._fetch)

    def _fetch(self, limit: float | None) -> None:
        here = self._here.get()
        try:
            here.keys = self._server.keys(self._url, limit)
            here.since = self._clock()
        except NoKeys as error:
            self._server.tell(error)
