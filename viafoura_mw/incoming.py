"""One request as it comes in: what both doors know of it, what the application sees of it, and who asked.

A door says how its protocol lays a request out (:class:`Layout`), and carries out what is decided here, once for both:
which headers the application sees in another form, whether a response may concern us, and who speaks for us then.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from viafoura_mw.bridge import answers, asking
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.response.effects import Effect, EndSessions, Exchanging, StartLogin
from viafoura_mw.response.exchange import Exchange
from viafoura_mw.response.guard import FRAMES, Request, can_sign_out
from viafoura_mw.response.headers import says_html
from viafoura_mw.response.request import CONDITIONAL, narrowed, says_https, wants_html
from viafoura_mw.runtime import Runtime
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UNBELIEVED

ACCEPT_ENCODING: Final = "Accept-Encoding"
_PURPOSES: Final = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
#: The names of the headers that are read of a request.
READ: Final = (
    *("Accept", ACCEPT_ENCODING, "Authorization", "Cookie", "Forwarded", "Host", "HX-Request", "Origin"),
    *("Sec-Fetch-Dest", "Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Proto", answers.ECHO),
    *CONDITIONAL,
    *_PURPOSES,
)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Layout:
    """How a door's protocol lays out a request, an environ or a scope.

    ``kind``: that of the sources that read from it. ``keys``: by a header's name its key in the table of a request's
    headers. ``path``: the whole decoded path. ``peer``: the address that it came from, or an empty text. ``scheme``
    and ``session``: the keys of these. ``headers``: the headers by their hyphenated names, for those that say who the
    user is; ``is_forged``: whether the server lets any visitor replace them.
    """

    kind: str
    keys: Mapping[str, Any]
    path: Callable[[Any], str]
    peer: Callable[[Any], str]
    headers: Callable[[Any], Any]
    is_forged: Callable[[Any], bool]
    scheme: str
    session: str

    def is_secure(self, request: Mapping[str, Any], fields: Mapping[Any, str]) -> bool:
        """Whether a browser came over https, as the server or a proxy says."""
        if request.get(self.scheme) == "https":
            return True
        forwarded = fields.get(self.keys["X-Forwarded-Proto"])
        return forwarded is not None and says_https(forwarded)


class Incoming:
    """A request, from before the application is called until its response has left.

    ``request`` is an environ or a scope, ``fields`` its headers by the layout's keys, ``proof`` what a proxy sent to be
    believed. ``question``: who is reading, where the application is asked in the place of the bridge's answer.
    """

    __slots__ = (
        "_bridge",
        "_cookies",
        "_expected",
        "_fields",
        "_is_believed",
        "_layout",
        "_logout_path",
        "_method",
        "_question",
        "_request",
        "_spelled",
        "owes_calls",
        "reader",
        "runtime",
        "said",
    )

    def __init__(
        self,
        runtime: Runtime,
        layout: Layout,
        request: MutableMapping[str, Any],
        fields: Mapping[Any, str],
        method: str,
        proof: str = "",
        question: asking.Question | None = None,
    ) -> None:
        self.runtime: Runtime = runtime
        self.reader: UserReader = runtime.reader
        self._layout = layout
        self._request = request
        self._fields = fields
        self._method = method  # now: what is inside may serve a HEAD by a GET
        self._cookies: str = fields.get(layout.keys["Cookie"]) or ""
        self._question = question
        self.said: Mapping[str, object] = _NOTHING  # the response's headers for `response:` sources
        self.owes_calls: bool = False  # calls were put off, where no thread can make them
        self._logout_path = ""
        self._is_believed = False
        # What most sites have no settings for. Now: what is inside may take a prefix from the path.
        self._bridge = self._look(proof) if runtime.looks_at_requests else None
        self._expected = runtime.reader.expect(request) if self._bridge is None else None

    def _look(self, proof: str) -> Bridge | None:
        """Look at the peer and at the path; gives the bridge, where the page is the same for everybody."""
        runtime = self.runtime
        rules, bridge = runtime.rules, runtime.bridge
        if runtime.proxies.is_configured:
            self._is_believed = self._is_from_proxy(proof)
        if bridge is None and not rules.knows_logout_paths:
            return None
        path = self._layout.path(self._request)
        self._logout_path = path if rules.is_logout(self._method, path) else ""
        if bridge is None or self._question is not None or rules.is_logout_path(path):
            return None
        return bridge if bridge.bridges(path) else None

    def _is_from_proxy(self, proof: str) -> bool:
        """Whether the peer's headers may say who the user is."""
        layout, runtime, fields = self._layout, self.runtime, self._fields
        if layout.is_forged(self._request):
            sentence = "header: sources are refused: on this server a client's X_User replaces the proxy's X-User"
            runtime.notices.tell("headers-replaced", logging.ERROR, sentence)
            return False
        keys = (layout.keys["X-Forwarded-For"], layout.keys["Forwarded"])
        return runtime.proxies.believes(
            layout.peer(self._request), proof, ",".join(filter(None, map(fields.get, keys)))
        )

    # What the application sees of it.

    def shown(self) -> Mapping[str, str | None] | None:
        """The request's headers that the application sees in another form, by their names; ``None``: not at all.

        What would make it answer with less than a readable page is withheld from it where the request may be that of
        a signed-in user; of a page that caches share it sees validators of its own, whoever asks. ``None`` in place of
        an empty answer: the response is to be changed in no way, and may be made in any.
        """
        fields, keys = self._fields, self._layout.keys
        accept = fields.get(keys["Accept"]) or ""  # a browser's says so without a further look
        is_for_page = "text/html" in accept or wants_html(accept, fields.get(keys["HX-Request"]) or "")
        if self._bridge is not None:
            return self._shown_of_shared(self._bridge, is_for_page=is_for_page)
        if not (is_for_page and self.may_be_signed_in()):
            return None
        shown: dict[str, str | None] = {}
        if self._method in ("GET", "HEAD"):
            for name in CONDITIONAL:
                if keys[name] in fields:
                    shown[name] = None
        return self._narrowed(shown)

    def _shown_of_shared(self, bridge: Bridge, *, is_for_page: bool) -> Mapping[str, str | None] | None:
        fields, keys = self._fields, self._layout.keys
        sent = {name: fields[keys[name]] for name in CONDITIONAL if keys[name] in fields}
        shown, self._spelled = bridge.conditions(self._method, sent, wants_html=is_for_page)
        return self._narrowed({**shown}) if is_for_page and self._method in ("GET", "HEAD") else shown or None

    def _narrowed(self, shown: dict[str, str | None]) -> dict[str, str | None]:
        if accepted := self._fields.get(self._layout.keys[ACCEPT_ENCODING]):
            understood = narrowed(accepted, self.runtime.understood)
            if understood != accepted:
                shown[ACCEPT_ENCODING] = understood
        return shown

    def may_be_signed_in(self) -> bool:
        """Whether the request may be a signed-in user's."""
        return (self._cookies != "" and self.runtime.cookie.is_in(self._cookies)) or self._has_sign_in()

    def _has_sign_in(self) -> bool:
        """Whether it has a sign-in of the site's own, so that our cookie is not all that the browser sent."""
        return (
            self._layout.keys["Authorization"] in self._fields
            or (self._cookies != "" and self.runtime.rules.may_be_signed_in_by(self._cookies))
            or self._may_have_user()
        )

    def _may_have_user(self) -> bool:
        """Whether it may have a user by now; certain only when it says no."""
        for key in self.reader.keys:
            if key is None or key in self._request:
                return self.reader.may_be_set(self._root)
        return False

    # What becomes of its response.

    def may_concern_us(self, headers: Iterable[Any]) -> bool:
        """Whether an exchange is to look at a response closer; the cheapest reasons why not come first."""
        runtime = self.runtime
        if runtime.looks_at_every_response or self._bridge is not None or self._question is not None:
            return True
        if not says_html(headers):
            return False
        if runtime.counts_pages or runtime.cookie.name in self._cookies:
            return True
        return self.reader.may_find() or self._may_have_user()

    def exchange(self) -> Exchanging:
        """Who decides about the response from its head on."""
        runtime, layout, fields, keys = self.runtime, self._layout, self._fields, self._layout.keys
        if self._bridge is not None:
            return self._bridge.exchange(self._method, self._spelled)
        fetch_site = fields.get(keys["Sec-Fetch-Site"], "")
        brought = runtime.cookie.find(self._cookies)
        secure = layout.is_secure(self._request, fields)
        cross_site = fetch_site == "cross-site"
        in_frame = runtime.is_for_frames and fields.get(keys["Sec-Fetch-Dest"], "") in FRAMES
        request = Request(self._method, brought, secure, cross_site, in_frame, layout.peer(self._request))
        if self._logout_path:
            leads_back = partial(runtime.rules.leads_back, self._logout_path, fields.get(keys["Host"], ""))
            is_logout = can_sign_out(self._method, fetch_site, self._purposes())
            request = request._replace(is_logout=is_logout, leads_back=leads_back)
        login_key = partial(runtime.rules.browser, self._cookies, fields.get(keys["Authorization"], ""))
        if self._question is not None:
            is_credible = not runtime.is_for_frames or self._has_sign_in()
            return asking.AskingExchange(runtime.policy, request, login_key, self._question, is_credible=is_credible)
        return Exchange(runtime.policy, request, login_key, self.reader.named)

    def _purposes(self) -> list[str]:
        return [self._fields.get(self._layout.keys[name], "") for name in _PURPOSES]

    def see_to(self, effect: Effect) -> None:
        """Hand to the sessions what neither sends nor asks anything; other effects are no matter of theirs."""
        if isinstance(effect, EndSessions):
            self.runtime.sessions.end(effect.ids, effect.marks, by_page=effect.by_page)
            self.owes_calls = True
        elif isinstance(effect, StartLogin):
            self.runtime.sessions.start(effect.request, effect.old_session_id)
            self.owes_calls = True

    # The user.

    def read_free(self) -> Any:
        """The user, where reading costs no query."""
        return self.reader.read_free(self._root, self._expected)

    @property
    def where(self) -> tuple[Any, ...]:
        """Where the user is read by whoever may ask a framework."""
        return self._request, self._root, self._expected

    def _root(self, kind: str) -> Any:
        layout = self._layout
        if kind == layout.kind:
            return self._request
        if kind == "response":
            return self.said
        if kind == "header":
            return layout.headers(self._request) if self._is_believed else UNBELIEVED
        if kind == "jwt" and (tokens := self.runtime.tokens) is not None:
            self.owes_calls = self.owes_calls or tokens.are_put_off
            return tokens.presented(layout.headers(self._request), self._cookies)
        if kind == "session":
            return self._request.get(layout.session)
        return None


# The bridge's addresses.


def bridge_reply(
    runtime: Runtime,
    bridge: Bridge,
    name: str,
    layout: Layout,
    request: Mapping[str, Any],
    fields: Mapping[Any, str],
    method: str,
    query: str,
) -> answers.Reply | None:
    """What the bridge answers by itself at one of its addresses; ``None`` where the application must be asked."""
    keys = layout.keys
    if name == answers.SCRIPT:
        return answers.script_reply(bridge.script, method, query, fields.get(keys["If-None-Match"], ""))
    refusal = answers.refusal(method, lambda field: fields.get(keys[field]), debug=runtime.policy.debug)
    if refusal is not None or name != answers.LOGOUT:
        return refusal
    brought = runtime.cookie.find(fields.get(keys["Cookie"], ""))
    secure = layout.is_secure(request, fields)
    return asking.logged_out(runtime.policy, fields[keys[answers.ECHO]], brought, secure=secure)
