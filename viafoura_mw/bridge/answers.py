"""What the bridge answers itself: bridge.js, and who is reading; and to whom it answers nothing.

No other site may read a pair, or sign a reader out: a question is asked by POST, with a header that no form, image or
beacon can send, and that makes a browser ask first whether another site may send it, which nothing here ever allows. A
browser says itself whose page asks (``Sec-Fetch-Site``); one that does not is judged by ``Origin``. And an answer names
the question that it answers, so that a copy that some cache has kept for somebody else is none.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from viafoura_mw.bridge.script import BridgeScript
from viafoura_mw.response.effects import DEBUG_HEADER, EndSessions, StartLogin
from viafoura_mw.response.headers import Headers
from viafoura_mw.viafoura.client import Session

SCRIPT: Final = "bridge.js"
SESSION: Final = "session"
LOGOUT: Final = "logout"
ECHO: Final = "X-Viafoura-Bridge"

#: Gives a header of a request by its name, several lines as one list; ``None`` where it is not there.
Field = Callable[[str], str | None]

_ECHO: Final = re.compile("[0-9A-Za-z_-]{16,64}")
_ORIGIN: Final = re.compile(r"(https?)://([^\s/?#@,\\]+)")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_NOTHING: Final = ("Content-Type", "text/plain; charset=utf-8")
_ETAG: Final = re.compile(r'"[^"]*"')
_SAFE: Final = [("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin")]
#: Of everything but bridge.js. Caches that were told to overrule ``Cache-Control`` go by the others.
_OF_ONE: Final = [
    ("Cache-Control", "private, no-store"),
    ("CDN-Cache-Control", "no-store"),
    ("Surrogate-Control", "no-store"),
    ("Vary", "Cookie"),
    *_SAFE,
]


@dataclass(frozen=True)
class Reply:
    """A whole answer. ``effects``: what is to be seen to, which neither sends nor asks."""

    status: int
    headers: Headers
    body: bytes = field(default=b"", repr=False)
    effects: list[EndSessions | StartLogin] = field(default_factory=list, repr=False)


def script_reply(script: BridgeScript, method: str, query: str, if_none_match: str) -> Reply:
    """Answer a question for bridge.js: the same to everybody, and for ever to whoever names its digest."""
    if method not in ("GET", "HEAD"):
        return Reply(405, [("Allow", "GET, HEAD"), _NOTHING, *_OF_ONE, ("Content-Length", "0")])
    etag = f'"{script.digest}"'
    kept = "public, max-age=31536000, immutable" if query == script.digest else "public, max-age=60"
    headers = [("Cache-Control", kept), ("ETag", etag), *_SAFE]
    if etag in _ETAG.findall(if_none_match) or if_none_match.strip() == "*":
        return Reply(304, headers)
    headers = [("Content-Type", "text/javascript; charset=utf-8"), *headers, ("Content-Length", str(len(script.body)))]
    return Reply(200, headers, b"" if method == "HEAD" else script.body)


def refusal(method: str, asked: Field, *, debug: bool = False) -> Reply | None:
    """Answer a question about who is reading that the site's own page cannot have asked; ``None`` for one that can."""
    if method != "POST":
        return _told(405, [("Allow", "POST"), _NOTHING], b"", "refused", debug=debug)
    if _ECHO.fullmatch(asked(ECHO) or "") and _is_own(asked):
        return None
    return _told(403, [_NOTHING], b"", "refused", debug=debug)


def _is_own(asked: Field) -> bool:
    site = asked("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = _ORIGIN.fullmatch((asked("Origin") or "").lower())
    host = (asked("Host") or "").lower()
    if origin is None:
        return False
    port = _DEFAULT_PORTS[origin[1]]
    return origin[2].removesuffix(port) == host.removesuffix(port)


def answer(
    echo: str,
    state: str,
    word: str,
    *,
    pair: Session | None = None,
    cookies: list[str],
    effects: list[EndSessions | StartLogin] | None = None,
    debug: bool = False,
) -> Reply:
    """Answer the question that ``echo`` names. ``word``: of the debug header. ``cookies``: values of Set-Cookie."""
    told = {
        "for": echo,
        "state": state,
        "user_id": pair.user_id if pair else None,
        "session": pair.id if pair else None,
    }
    body = json.dumps(told).encode("ascii")
    headers = [("Content-Type", "application/json"), *(("Set-Cookie", cookie) for cookie in cookies)]
    return _told(200, headers, body, word, effects, debug=debug)


def _told(
    status: int,
    headers: Headers,
    body: bytes,
    word: str,
    effects: list[EndSessions | StartLogin] | None = None,
    *,
    debug: bool,
) -> Reply:
    said = [(DEBUG_HEADER, word)] if debug else []
    return Reply(status, [*headers, *_OF_ONE, ("Content-Length", str(len(body))), *said], body, effects or [])
