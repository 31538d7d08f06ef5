"""The simulated Viafoura on the network: real HTTP/1.1 on loopback, on threads, with faults on demand."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from types import MappingProxyType
from typing import Final, Literal

from viafoura_mw.testing.faults import Fault, Leaving
from viafoura_mw.testing.listener import Listener
from viafoura_mw.testing.service import Account, Answer, Call, Kind, Request, Service, form_of
from viafoura_mw.testing.widget import ScriptRequest, Widget, WidgetCall, WidgetService

Concerned = Literal["token", "login", "logout", "all"]

SITE_ID: Final = "00000000-0000-4000-8000-000000003119"
API_KEY: Final = "simulated-api-key"


@dataclass(slots=True)
class _Lasting:
    """A fault and how many more calls it concerns; ``None`` for all until it is healed."""

    fault: Fault
    times: int | None
    healed: threading.Event = field(default_factory=threading.Event)

    def strikes(self) -> bool:
        """Whether it concerns one more call."""
        if self.times is not None:
            self.times -= 1
        return self.times is None or self.times >= 0


class SimulatedViafoura:
    """A Viafoura for one site, on ``http://127.0.0.1``, that lives as long as the ``with`` block.

    ``port``: 0 for a free one. ``clock``: unix time, by which tokens and sessions expire. ``skew``: seconds by which
    the ``Date`` of its answers is ahead of that clock, as a server's own clock may be; it can be set at any time.
    ``told`` is called with each call that has its answer, in the thread of that call.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        site_id: str = SITE_ID,
        api_key: str = API_KEY,
        clock: Callable[[], float] = time.time,
        skew: float = 0.0,
        told: Callable[[Call], object] = lambda _: None,
    ) -> None:
        self.skew = skew
        self.site_id = site_id
        self.api_key = api_key
        self._port = port
        self._clock = clock
        self._told = told
        self._service = Service(site_id, api_key, clock)
        self._listener: Listener | None = None
        self._running = False
        self.widget: Widget = Widget()  # how the simulated script behaves
        self._changed = threading.Condition()  # guards all that follows, and the service
        self._widgets = WidgetService(self._service, self._changed)
        self._calls: dict[int, Call] = {}
        self._arrived = 0
        self._faults: dict[tuple[str, str | None], _Lasting] = {}  # by the kind of call, and whose it is

    def __enter__(self) -> "SimulatedViafoura":
        self._running = True
        self._listen()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End at once, whatever hangs."""
        self._running = False
        self._widgets.close()
        self.heal()
        self._leave()

    @property
    def url(self) -> str:
        """The base of the three endpoints, for ``VIAFOURA_API_URL``."""
        return f"http://127.0.0.1:{self._port}"

    def environ(self) -> dict[str, str]:
        """The variables that point a middleware here."""
        return {
            "VIAFOURA_SITE_ID": self.site_id,
            "VIAFOURA_API_KEY": self.api_key,
            "VIAFOURA_API_URL": self.url,
        }

    # What has happened.

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that have come, in order; those under way have no status yet."""
        with self._changed:
            return tuple(self._calls.values())

    def count(self, kind: Kind) -> int:
        """How many calls of a kind have come."""
        with self._changed:
            return self._count(kind)

    def wait_for(self, kind: Kind, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until so many calls of a kind have come; raise ``TimeoutError`` after ``timeout`` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count(kind) >= count, timeout):
                raise TimeoutError(f"no {count} {kind} calls within {timeout} seconds")

    def _count(self, kind: Kind) -> int:
        return sum(call.kind == kind for call in self._calls.values())

    def clear_calls(self) -> None:
        """Forget the calls that have come, those of the simulated script and the requests for it too."""
        with self._changed:
            self._calls.clear()
            self._widgets.calls.clear()
            self._widgets.requests.clear()

    @property
    def widget_calls(self) -> tuple[WidgetCall, ...]:
        """What the simulated script has asked, in browsers, in order."""
        with self._changed:
            return tuple(self._widgets.calls)

    @property
    def script_requests(self) -> tuple[ScriptRequest, ...]:
        """The requests for the simulated script, in order."""
        with self._changed:
            return tuple(self._widgets.requests)

    @property
    def sessions(self) -> dict[str, int]:
        """The live sessions, each with its user's id at Viafoura."""
        with self._changed:
            return self._service.sessions

    @property
    def users(self) -> dict[str, Account]:
        """The users who have been logged in, by the site's ids."""
        with self._changed:
            return dict(self._service.users)

    @property
    def connections(self) -> int:
        """How many connections have been made to it since it listens where it listens now."""
        return self._listener.accepted if self._listener else 0

    def http_date(self, seconds: float = 0.0) -> str:
        """The date in so many seconds by the clock that its answers show, for ``Retry-After``."""
        return formatdate(self._clock() + self.skew + seconds, usegmt=True)

    # What can be made to happen.

    def expire_tokens(self) -> None:
        """Let every access token that was given end now."""
        with self._changed:
            self._service.expire_tokens()

    def expire_sessions(self, user_id: int | None = None) -> None:
        """Let every session end now, or those of one user."""
        with self._changed:
            self._service.expire_sessions(user_id)

    def drop_connections(self) -> None:
        """Close every connection that is open, as a server that is restarted does, and go on listening."""
        if self._listener is not None:
            self._listener.drop()

    def fail(self, kind: Concerned, fault: Fault, *, times: int | None = None, user: str | None = None) -> None:
        """Fail calls of a kind, or ``"all"``: the next ``times``, or those until :meth:`heal`.

        ``user``: the site's id of the one user whose logins, or logouts, fail; all others' go on as they did. Of
        several faults the one that is this user's comes first, then the one that is of this kind. Raises ``ValueError``
        for what cannot be one user's: a token, and connections that are refused.
        """
        refuses = fault.leaving is Leaving.REFUSED
        if user is not None and (kind == "token" or refuses):
            raise ValueError("tokens and connections are no user's")
        with self._changed:
            self._heal((kind, user))
            self._faults[kind, user] = _Lasting(fault, times)
        if refuses:
            self._leave()

    def heal(self, kind: Concerned = "all", *, user: str | None = None) -> None:
        """Fail no more, for a kind of call or for ``"all"``, for one user or for everybody; what hangs is answered."""
        with self._changed:
            for each in list(self._faults):
                if kind in ("all", each[0]) and user in (None, each[1]):
                    self._heal(each)
        self._listen()

    def _heal(self, concerned: tuple[str, str | None]) -> None:
        if lasting := self._faults.pop(concerned, None):
            lasting.healed.set()

    # How a call is answered, on its connection's thread.

    def answer(self, request: Request) -> tuple[Answer, Fault, threading.Event]:
        """Give the answer to a request, how it is to leave, and what tells that it need not be slow any more."""
        if self._widgets.concerns(request):
            return self._widgets.answer(request, self.widget), Fault(), threading.Event()
        with self._changed:
            lasting = self._striking(request)
            number = self._arrived
            self._arrived += 1
            call = self._calls[number] = Call(request.kind, MappingProxyType(dict(form_of(request))), self._clock())
            self._changed.notify_all()
        fault, healed = lasting.fault, lasting.healed
        if fault.pause != 0:
            healed.wait(fault.pause)
        if fault.is_silent:
            return Answer(0), fault, healed
        with self._changed:
            answer = fault.applied(lambda: self._service.answer(request))
            call = replace(call, status=answer.status)
            if number in self._calls:
                self._calls[number] = call
            self._changed.notify_all()
        self._told(call)
        return answer, fault, healed

    def _striking(self, request: Request) -> _Lasting:
        user = self._service.user_of(request)
        for whose in (user, None) if user is not None else (None,):
            for kind in (request.kind, "all"):
                lasting = self._faults.get((kind, whose))
                if lasting is not None and lasting.strikes():
                    return lasting
        return _Lasting(Fault(), None)

    def _listen(self) -> None:
        if self._running and self._listener is None:
            self._listener = Listener(self._port, self.answer, self.http_date)
            self._port = self._listener.port

    def _leave(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def serve(
    port: int,
    started: Callable[[SimulatedViafoura], object],
    *,
    told: Callable[[Call], object] = lambda _: None,
    stop: threading.Event | None = None,
) -> None:
    """Serve a simulated Viafoura on ``port`` until ``stop`` is set or Ctrl-C; tell ``started`` once it listens.

    ``told`` is told of each call, as :class:`SimulatedViafoura` does.
    """
    with SimulatedViafoura(port=port, told=told) as viafoura, suppress(KeyboardInterrupt):
        started(viafoura)
        (stop or threading.Event()).wait()
