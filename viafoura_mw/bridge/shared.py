"""What happens to one response on a bridged path: an exchange that asks nobody who is reading.

It speaks as :mod:`viafoura_mw.response.exchange` does, event for event, so that the doors carry out both alike. The
head is kept until the first chunk has come, or half a second has passed, since only a body that is complete by then has
a length that is known; then everything leaves as it comes.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from viafoura_mw.bridge.holding import Holding
from viafoura_mw.bridge.page import BRIDGED, BridgedPage
from viafoura_mw.bridge.policies import Policies
from viafoura_mw.bridge.sharing import shared, unmodified
from viafoura_mw.log import Notices
from viafoura_mw.response.effects import (
    DEBUG_HEADER,
    HOLD,
    Effects,
    Hold,
    Item,
    Pass,
    SendBody,
    SendHead,
    SendTrailers,
    StandAside,
    State,
)
from viafoura_mw.response.guard import Looked, look
from viafoura_mw.response.headers import Headers, without_digests

_NOT_MODIFIED: Final = 304


class SharedExchange:
    """One response on its way out to everybody.

    ``spelled``: how the request spelled the tags that have lost the suffix. ``debug``: whether responses say in a
    header what was done to them. ``told``: who is told the same, in a word. No event raises: where this class itself
    fails, the response goes on as the application gave it.
    """

    __slots__ = (
        "_came",
        "_debug",
        "_headers",
        "_holding",
        "_items",
        "_looked",
        "_method",
        "_notices",
        "_page",
        "_spelled",
        "_suffix",
        "_told",
        "state",
    )

    def __init__(
        self,
        holding: Holding,
        suffix: str,
        notices: Notices,
        method: str,
        spelled: Mapping[str, str],
        *,
        debug: bool = False,
        told: Callable[[str], object] | None = None,
    ) -> None:
        self.state: State = State.FRESH
        self._holding = holding
        self._suffix = suffix
        self._notices = notices
        self._method = method
        self._spelled = spelled
        self._debug = debug
        self._told = told
        self._headers: Headers = []
        self._looked: Looked | None = None
        self._page: BridgedPage | None = None
        self._items: list[tuple[bytes | None, Item]] = []  # that wait with the head; None: no part of the body
        self._came = 0

    # Events.

    def head(self, status: int, headers: Headers) -> Effects:
        """The application gave its head, maybe in place of one that is still kept."""
        return self._safely(self._head, status, headers)

    def chunk(self, data: bytes, item: Item, *, last: bool = False) -> Effects:
        """A chunk of the body came."""
        return self._safely(self._chunk, data, item, last)

    def aside(self, item: Item) -> Effects:
        """Something came that is no part of the body, and stays in its place between what is."""
        if self.state is State.HOLDING:
            self._items.append((None, item))
            return []
        return [Pass([item])]

    def trailers(self, headers: Headers, item: Item) -> Effects:
        """Fields came behind the body."""
        is_changed = self.state is State.REWRITING
        effects = self.unseen()
        return [*effects, SendTrailers(without_digests(headers)) if is_changed else Pass([item])]

    def hold_over(self) -> Effects:
        """:data:`HOLD` seconds have passed since the head came."""
        return self._safely(self._begin) if self.state is State.HOLDING else []

    def reading(self, _: object) -> Effects:
        """Nobody is asked for."""
        return []

    def session(self, _: object) -> Effects:
        """None is asked for."""
        return []

    def interrupted(self) -> Effects:
        """There is no question that could be."""
        return []

    def unseen(self) -> Effects:
        """Bytes come that cannot be seen: what is kept leaves, and everything after it, as it came."""
        if self.state is State.HOLDING:
            return self._as_it_came()
        if self.state is State.REWRITING and self._page is not None:
            self.state = State.PASSING
            rest = self._page.ended()
            return [SendBody(rest, more=True), StandAside()] if rest else [StandAside()]
        return []

    def ended(self, *, returned: bool) -> Effects:
        """The application is done before its response is complete: it ``returned``, or it raised."""
        if self.state is State.HOLDING and not (self._came or returned):
            return []
        return self.unseen()

    def replaced(self, headers: Headers) -> Effects:
        """The application gives another head, after the first was given to the server and before it has left it."""
        self.state = State.PASSING
        return [SendHead(headers), StandAside()]

    def close(self) -> None:
        """Nothing is held."""

    # A failure of this class's own.

    def _safely(self, step: Callable[..., Effects], *told: Any) -> Effects:
        try:
            return step(*told)
        except Exception as error:
            sentence = "a response is left as it is, by a fault of viafoura-mw's own (%s)"
            self._notices.tell("fault", logging.ERROR, sentence, type(error).__name__)
        if self.state in (State.FRESH, State.HOLDING):
            return self._as_it_came()
        self.state = State.PASSING
        return [Pass([told[1]]), StandAside()] if told and told[1] is not None else [StandAside()]

    def _as_it_came(self) -> Effects:
        self.state = State.PASSING
        return [SendHead(None), Pass([item for _, item in self._items]), StandAside()]

    # What is said.

    def _head(self, status: int, headers: Headers) -> Effects:
        self.state, self._items, self._came = State.FRESH, [], 0
        self._headers = headers
        if status == _NOT_MODIFIED and self._spelled:
            return self._aside_with(unmodified(headers, self._spelled))
        looked = self._looked = look("GET" if self._method == "HEAD" else self._method, status, headers, self._notices)
        if looked is None:
            return self._as_it_came()
        if self._method == "HEAD":
            return self._aside_with(self._shared(BRIDGED, changed=True, length=None))
        policies = Policies(value for name, value in headers if name.lower() == "content-security-policy")
        self._page = BridgedPage(self._holding, looked.coding, looked.charset, policies, self._notices)
        self.state = State.HOLDING
        return [Hold(HOLD)]

    def _chunk(self, data: bytes, item: Item, last: bool) -> Effects:
        if self.state is State.REWRITING:
            return self._sent(data, last=last)
        if self.state is not State.HOLDING or self._looked is None:
            return [] if item is None else [Pass([item])]
        if item is not None:
            self._items.append((data, item))
        self._came += len(data)
        if last or self._came == self._looked.length:
            return self._complete(last=last)
        return self._begin() if data else []

    def _complete(self, *, last: bool) -> Effects:
        """The body is complete while its head is here."""
        assert self._page is not None
        body = self._page.whole(b"".join(data for data, _ in self._items if data))
        changed = body is not None
        self.state = State.PASSING
        headers = self._shared(self._page.outcome, changed=changed, length=len(body) if body else None)
        items = [item for data, item in self._items if data is None or not changed]
        effects: Effects = [SendHead(headers), Pass(items)]
        return [*effects, *([SendBody(body, more=not last)] if body else []), StandAside()]

    def _begin(self) -> Effects:
        """The head leaves, before it is known what becomes of the body."""
        self.state = State.REWRITING
        asides = [item for data, item in self._items if data is None]
        head: Effects = [SendHead(self._shared(BRIDGED, changed=True, length=None)), Pass(asides)]
        return [*head, *self._sent(b"".join(data for data, _ in self._items if data), last=False)]

    def _sent(self, data: bytes, *, last: bool) -> Effects:
        assert self._page is not None
        out = self._page.passed(data) + (self._page.ended() if last else b"")
        effects: Effects = [SendBody(out, more=not last)] if out or last else []
        if last:
            self.state = State.PASSING
            effects.append(StandAside())
        return effects

    def _shared(self, outcome: str, *, changed: bool, length: int | None) -> Headers:
        coded = self._looked is not None and self._looked.coding != "identity"
        headers = shared(self._headers, self._suffix, coded=coded, changed=changed, length=length)
        if self._told is not None:
            self._told(outcome)
        return [*headers, (DEBUG_HEADER, outcome)] if self._debug else headers

    def _aside_with(self, headers: Headers) -> Effects:
        self.state = State.PASSING
        return [SendHead(headers), StandAside()]
