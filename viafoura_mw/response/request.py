"""What a request says before the application is called: its path, its cookies, what is withheld from it.

Whatever is read here was written by a visitor. Each text is read once, in time that grows with its length and no
faster; a text longer than any browser sends is not taken apart at all; and nothing is remembered by its length.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fnmatch import translate
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from viafoura_mw.response.known_cookies import NO_SIGN_IN
from viafoura_mw.response.remembered import for_short_texts

#: Withheld from the application so that it never answers 304 or 206 for a page that must now carry a session.
CONDITIONAL: Final = ("If-None-Match", "If-Modified-Since", "If-Range", "Range")
#: ASGI extensions by which an application sends a file whose bytes we would not see.
FILE_EXTENSIONS: Final = ("http.response.pathsend", "http.response.zerocopysend")

#: Characters of cookies, and of an ``Authorization``, that are taken apart. Servers take 4 to 64 KiB of headers in
#: all; one that takes megabytes (uvicorn with httptools) must not be made to wait for them here.
LONGEST: Final = 64 * 1024
_LONGEST_ACCEPT: Final = 1024

_REFUSED: Final = re.compile(r";\s*q\s*=\s*0(?:\.0*)?\s*$", re.IGNORECASE)  # RFC 9110 §12.4.2
_ADDRESS: Final = re.compile(r"(?:(?:[Hh][Tt][Tt][Pp][Ss]?:)?//([^/?#]*+))?([^?#]*+)")  # RFC 3986 appendix B
_USERNAME: Final = re.compile(r'(?i)(?:^|,)\s*+username\*?+\s*+=\s*+("(?:[^"\\]|\\.)*+"|[^,\s]*+)')  # RFC 7616 §3.4


class RequestRules:
    """The settings that look at requests, compiled once.

    ``include``, ``exclude``, ``logout_paths`` and ``auth_cookies`` are globs. Where ``auth_cookies`` is empty, the
    sign-in cookie is the one that ``session_cookie()`` names; where that names none (the framework has none, or is not
    known yet), any but ``cookie_name`` and those of :mod:`viafoura_mw.response.known_cookies`.
    """

    def __init__(
        self,
        *,
        cookie_name: str,
        include: tuple[str, ...] = ("/*",),
        exclude: tuple[str, ...] = (),
        logout_paths: tuple[str, ...] = (),
        auth_cookies: tuple[str, ...] = (),
        session_cookie: Callable[[], str] = str,
    ) -> None:
        self._included = None if include == ("/*",) else _any_of(include)
        self._excluded = _any_of(exclude) if exclude else None
        self._logout = _any_of(logout_paths) if logout_paths else None
        self._cookie_name = cookie_name
        self._auth_cookies = _any_of(auth_cookies) if auth_cookies else None
        self._session_cookie = session_cookie
        self.looks_at_paths: bool = bool(self._included or self._excluded)
        self.knows_logout_paths: bool = bool(self._logout)

    def includes(self, path: str) -> bool:
        """Whether the whole decoded path is to be touched at all (``VIAFOURA_INCLUDE``, ``VIAFOURA_EXCLUDE``)."""
        if self._included and not self._included.fullmatch(path):
            return False
        return not (self._excluded and self._excluded.fullmatch(path))

    def is_logout(self, method: str, path: str) -> bool:
        """Whether the request asks one of the site's own log-out pages.

        A HEAD asks only about the page, a CORS preflight (OPTIONS) only whether it may be asked for.
        """
        return method not in ("HEAD", "OPTIONS") and self.is_logout_path(path)

    def is_logout_path(self, path: str) -> bool:
        """Whether one of the site's own log-out pages is there, however it is asked for."""
        return bool(self._logout and self._logout.fullmatch(path))

    def leads_back(self, path: str, host: str, location: str) -> bool:
        """Whether a redirect from a log-out page at ``path`` leads to that page itself, its address spelled otherwise.

        With a slash at its end or without, with another scheme, query or ``www.``. Nobody has signed out yet: the
        browser asks the page next, if it is one of the log-out pages in that spelling as well.
        """
        at = _ADDRESS.match(location)
        assert at is not None  # every text has a path, be it an empty one
        if at[1] is not None and _site(at[1]) != _site(host):
            return False
        there = unquote(at[2]) or path
        if not there.startswith("/"):
            there = path[: path.rfind("/") + 1] + there
        return there.rstrip("/") == path.rstrip("/") and self.is_logout_path(there)

    def may_be_signed_in_by(self, cookies: str) -> bool:
        """Whether a ``Cookie`` header has a cookie by which the site may know a signed-in user.

        ``True`` for a header that is too long to be a browser's: nobody looks for the cookie in it.
        """
        return len(cookies) > LONGEST or any(True for _ in self._sign_in_cookies(cookies))

    def browser(self, cookies: str, authorization: str) -> bytes:
        """A digest that tells one signed-in browser from another, and from itself after another sign-in.

        It is made of the sign-in cookies and of ``Authorization``'s scheme and user: what else is in there changes
        with every request (Digest, Negotiate) or with every hour (Bearer). ``b""`` where there is neither.
        """
        if len(cookies) + len(authorization) > LONGEST:
            return sha256(f"{len(cookies)} {cookies}{authorization}".encode("utf-8", "surrogatepass")).digest()
        told_by = (sorted({*self._sign_in_cookies(cookies)}), _scheme_and_user(authorization))
        return sha256(repr(told_by).encode()).digest() if any(told_by) else b""

    def _sign_in_cookies(self, cookies: str) -> Iterator[str]:
        """The ``name=value`` pairs of the cookies by which the site knows a signed-in user."""
        is_sign_in = self._is_sign_in()
        for pair in cookies.split(";"):
            name = pair.partition("=")[0].strip()
            if name and name != self._cookie_name and is_sign_in(name):
                yield pair.strip()

    def _is_sign_in(self) -> Callable[[str], object]:
        if self._auth_cookies:
            return self._auth_cookies.fullmatch
        if session_cookie := self._session_cookie():
            return session_cookie.__eq__
        return _is_unknown


def _site(authority: str) -> str:
    return authority.lower().removeprefix("www.").partition(":")[0]


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches what any of the globs does.

    :func:`fnmatch.translate` makes each ``*`` but the last possessive up to what follows it, so that no path costs
    more than its length times the globs'.
    """
    return re.compile("|".join(map(translate, globs)))


_KNOWN: Final = _any_of(NO_SIGN_IN)


@for_short_texts(512, longest=64)  # a site's visitors bring the same few names
def _is_unknown(name: str) -> bool:
    return not _KNOWN.fullmatch(name)


def _scheme_and_user(authorization: str) -> tuple[str, str] | None:
    """What of an ``Authorization`` header is the same for one user's requests: its scheme, and the user if it says."""
    scheme, _, credentials = authorization.strip().partition(" ")
    scheme = scheme.lower()
    user = ""
    if scheme == "basic":  # RFC 7617 §2
        with suppress(ValueError):
            user = b64decode(credentials).partition(b":")[0].hex()
    elif scheme == "digest" and (said := _USERNAME.search(credentials)):
        user = said[1]
    return (scheme, user) if scheme else None


def wants_html(accept: str, hx_request: str) -> bool:
    """Whether ``Accept`` names ``text/html``, or takes anything while htmx asks (``HX-Request: true``).

    ``*/*`` alone is what scripts, images and programs send. htmx sends it too, and puts what comes into the page.
    """
    if "text/html" in accept or "text/html" in (accept := accept.lower()):
        return True
    takes_html = "*/*" in accept or "text/*" in accept or not accept.strip()
    return takes_html and hx_request.strip().lower() == "true"


def says_https(forwarded_proto: str) -> bool:
    """Whether the first of the protocols that ``X-Forwarded-Proto`` lists, the client's own, is https."""
    return forwarded_proto.partition(",")[0].strip().lower() == "https"


def is_speculative(sec_purpose: str) -> bool:
    """Whether ``Sec-Purpose`` says that a browser asks before anybody has clicked (``prefetch``, ``prerender``)."""
    lower = sec_purpose.lower()
    return "prefetch" in lower or "prerender" in lower


@for_short_texts(256, longest=256)  # browsers send a few
def narrowed(accept_encoding: str, understood: tuple[str, ...]) -> str:
    """``Accept-Encoding`` (RFC 9110 §12.5.3) with what is understood of it, each coding once.

    ``identity`` if nothing of that is accepted: what the client refuses is better than an error in place of a page.
    """
    members: dict[str, tuple[str, str]] = {}  # by coding: the member's name and weight, as they came
    for member in filter(None, map(str.strip, accept_encoding[:_LONGEST_ACCEPT].split(","))):
        name, semicolon, weight = member.partition(";")
        members.setdefault(_coding(name), (name, semicolon + weight))
    kept = []
    for coding, (name, weight) in members.items():
        if coding == "*":
            kept += [other + weight for other in understood if other not in members]
        elif coding in (*understood, "identity"):
            kept.append(name + weight)
    return "identity" if all(map(_REFUSED.search, kept)) else ", ".join(kept)


def _coding(name: str) -> str:
    lower = name.strip().lower()
    return "gzip" if lower == "x-gzip" else lower
