"""The simulated script: what the platform tag's page loads from Viafoura, for tests in a browser of one's own.

``{viafoura.url}/entry/index.js`` (today's API; ``/vf-v2.js`` is the same) and ``{viafoura.url}/vf.js`` (the old one)
read the first ``#viafoura-platform`` when they run, ask the simulator whether its pair lives, keep a browser session in
a cookie on the simulator's host (it outlives the pair's own, and counts where a page has no pair), and show a sign-in
or a log-out button in the page's first ``.viafoura``. What they have seen is in ``window.viafouraSimulated``:
``boots``, ``events``, ``ownSignIn`` ("open" where nothing stopped it), ``subscribed``, ``broken`` (callbacks that threw
or gave nothing back), ``isReady``.

Much of Viafoura's own script is not known, and whatever it does must do no harm: :class:`Widget` has a switch for each.
"""

import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from viafoura_mw.testing.service import Answer, Request, Service

APIS: Final[Mapping[str, Literal["old", "new"]]] = MappingProxyType(
    {"/vf.js": "old", "/vf-v2.js": "new", "/entry/index.js": "new"}
)
COOKIE: Final = "viafoura_simulated"
_CALLS: Final[Mapping[str, Literal["boot", "logout"]]] = MappingProxyType(
    {"/simulated/boot": "boot", "/simulated/logout": "logout"}
)
_SCHEME_OR_PORT: Final = re.compile(r"^\w+://|:\d+$")
_SOURCE: Final = Path(__file__).with_name("widget.js")


@dataclass(frozen=True, slots=True)
class Widget:
    """How the simulated script behaves; ``viafoura.widget = Widget(slow=2)``, or ``/entry/index.js?slow=2`` for a page.

    In a query ``1`` is true, ``0`` is false, and names that are no switch's are left alone.
    """

    reads_tag: bool = True  # whether the pair on the tag is read at all
    reset_rereads: bool = False  # whether ``vf.context.reset()`` reads it again
    dead_pair: Literal["silent", "asks", "logout"] = "silent"  # what a pair whose session has ended leads to at boot
    wants: Literal["required", "needed"] = "required"  # which event of ``authentication`` asks for a sign-in
    prepublish: Literal["many", "one"] = "many"  # whether ``$prepublish`` keeps every callback or the last alone
    logout_at_boot: bool = False  # whether the event of a log-out comes while the script starts
    logout_by_call: bool = True  # whether it comes for the page's own ``session.logout()``
    logout_twice: bool = False  # whether it comes twice
    slow: float = 0.0  # seconds until the script is served
    gone: bool = False  # whether it is not found

    def asked_by(self, query: str) -> "Widget":
        """These switches, changed by a query; raise ``ValueError`` for a value that is none."""
        kinds = get_type_hints(Widget)
        asked = {name: _read(kinds[name], value) for name, value in parse_qsl(query) if name in kinds}
        return replace(self, **asked)


def _read(kind: Any, value: str) -> Any:
    if kind is bool:
        return bool(int(value))
    if kind is float:
        return float(value)
    if value not in get_args(kind):
        raise ValueError(f"not one of {', '.join(get_args(kind))}")
    return value


@dataclass(frozen=True, slots=True)
class WidgetCall:
    """What a script that ran in a browser asked: the pair that it saw, and of whom it told ("" of nobody).

    ``user``: the site's own id of who is signed in after a ``boot``, and of whose browser session a ``logout`` ended.
    """

    kind: Literal["boot", "logout"]
    uid: str = field(repr=False)
    sid: str = field(repr=False)
    user: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """A request for one of the scripts; the names of ``headers`` are in lower case."""

    target: str
    headers: Mapping[str, str] = field(repr=False)


class WidgetService:
    """The scripts, and what they ask. ``changed`` guards the service that it shares, and is told of what comes."""

    def __init__(self, service: Service, changed: threading.Condition) -> None:
        self._service = service
        self._changed = changed
        self._browsers: dict[str, tuple[int, str]] = {}  # by cookie: the user at Viafoura, and their pair's session
        self._closed = threading.Event()
        self.calls: list[WidgetCall] = []
        self.requests: list[ScriptRequest] = []

    @staticmethod
    def concerns(request: Request) -> bool:
        """Whether a request is for a script, or of one."""
        path = urlsplit(request.path).path
        return path in APIS or path in _CALLS

    def close(self) -> None:
        """Serve what is slow at once."""
        self._closed.set()

    def answer(self, request: Request, widget: Widget) -> Answer:
        """Answer a request that concerns it."""
        target = urlsplit(request.path)
        if kind := _CALLS.get(target.path):
            return self._call(kind, request)
        with self._changed:
            self.requests.append(ScriptRequest(request.path, MappingProxyType(dict(request.headers))))
            self._changed.notify_all()
        try:
            asked = widget.asked_by(target.query)
        except ValueError:
            return Answer(400, b"", _for_any_origin(request))
        if asked.slow:
            self._closed.wait(asked.slow)
        if asked.gone:
            return Answer(404, b"", _for_any_origin(request))
        headers = (("Content-Type", "text/javascript; charset=utf-8"), ("Cache-Control", "no-cache"))
        body = script(target.path, f"http://{request.headers.get('host', '')}", asked)
        return Answer(200, body, (*headers, *_for_any_origin(request)))

    def _call(self, kind: Literal["boot", "logout"], request: Request) -> Answer:
        """What a script asks; its answer tells the user and the session, and whether the pair was a dead one."""
        uid, sid = _pair_in(request.body)
        browser = _browser_in(request.headers.get("cookie", "")) or secrets.token_hex(16)
        with self._changed:
            is_alive = bool(sid) and str(self._service.sessions.get(sid, "")) == uid
            is_dead = bool(sid) and not is_alive
            if kind == "boot" and is_alive:
                self._browsers[browser] = (int(uid), sid)
            user_id, session = self._browsers.get(browser, (0, ""))
            if kind == "logout" and browser in self._browsers:
                del self._browsers[browser]
                self._service.end_session(session)
            if kind == "boot" and is_dead:
                user_id, session = 0, ""
            account = next((each for each in self._service.users.values() if each.user_id == user_id), None)
            self.calls.append(WidgetCall(kind, uid, sid, account.id if account else ""))
            self._changed.notify_all()
        user = {"id": str(user_id), "name": account.name} if account and kind == "boot" else None
        body = json.dumps({"user": user, "session": session or None, "dead": is_dead})
        headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), _cookie(browser, request))
        return Answer(200, body.encode(), (*headers, *_for_any_origin(request)))


def script(path: str, origin: str, widget: Widget) -> bytes:
    """A script as it is served at ``path`` by a simulator at ``origin``: for an ``integrity`` of one's own."""
    settings = {"api": APIS[path], "origin": origin, "switches": asdict(widget)}
    return _SOURCE.read_text("utf-8").replace("SETTINGS", json.dumps(settings), 1).encode()


def _pair_in(body: bytes) -> tuple[str, str]:
    """The pair that a script says it saw; of anything else nothing."""
    try:
        asked = json.loads(body)
        return str(asked["uid"]), str(asked["sid"])
    except (ValueError, TypeError, KeyError):
        return "", ""


def _browser_in(cookies: str) -> str:
    found = re.search(rf"(?:^|;\s*){COOKIE}=([0-9a-f]{{32}})", cookies)
    return found[1] if found else ""


def _cookie(browser: str, request: Request) -> tuple[str, str]:
    """A cookie of the simulator's host; where the page is another site's, one that goes along all the same."""
    here, there = (_SCHEME_OR_PORT.sub("", request.headers.get(name, "")) for name in ("host", "origin"))
    how = "SameSite=Lax" if there in (here, "") else "SameSite=None; Secure"
    return "Set-Cookie", f"{COOKIE}={browser}; Path=/; HttpOnly; {how}"


def _for_any_origin(request: Request) -> tuple[tuple[str, str], ...]:
    origin = request.headers.get("origin")
    if not origin:
        return ()
    allowed = (("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"))
    return (*allowed, ("Vary", "Origin"))
