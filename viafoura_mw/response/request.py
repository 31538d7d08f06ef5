"""What a request says before the application is called: its path, its cookies, what is withheld from it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from hashlib import sha256
from typing import Final

from viafoura_mw.response.cookie import NOTHING, Brought, SealedSession
from viafoura_mw.settings import ANALYTICS_COOKIES, Settings

#: Withheld from the application so that it never answers 304 or 206 for a page that must now carry a session.
CONDITIONAL: Final = ("If-None-Match", "If-Modified-Since", "If-Range", "Range")
#: ASGI extensions by which an application sends a file whose bytes we would not see.
FILE_EXTENSIONS: Final = ("http.response.pathsend", "http.response.zerocopysend")

_REFUSED: Final = re.compile(r";\s*q\s*=\s*0(?:\.0*)?\s*$", re.IGNORECASE)  # RFC 9110 §12.4.2


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request decides about its response.

    ``brought`` has the request's authentic cookies, ``is_logout`` says that its path is one of the site's
    log-out pages,
    ``secure`` that it came over https, ``cross_site`` that the browser called it ``Sec-Fetch-Site: cross-site``.
    """

    method: str
    brought: Brought = NOTHING
    is_logout: bool = False
    secure: bool = False
    cross_site: bool = False

    @property
    def cookie(self) -> SealedSession | None:
        """The session cookie with the youngest login."""
        return self.brought.sessions[0] if self.brought.sessions else None


class RequestRules:
    """The settings that look at requests, compiled once."""

    def __init__(self, settings: Settings) -> None:
        self._included = None if settings.include == ("/*",) else _any_of(settings.include)
        self._excluded = _any_of(settings.exclude) if settings.exclude else None
        self._logout = _any_of(settings.logout_paths) if settings.logout_paths else None
        self._cookie_name = settings.cookie_name
        self._auth_cookies = _any_of(settings.auth_cookies) if settings.auth_cookies else None
        self._analytics = _any_of(ANALYTICS_COOKIES)
        self.looks_at_paths: bool = bool(self._included or self._excluded)
        self.knows_logout_paths: bool = bool(self._logout)

    def includes(self, path: str) -> bool:
        """Whether the whole decoded path is to be touched at all (``VIAFOURA_INCLUDE``, ``VIAFOURA_EXCLUDE``)."""
        if self._included and not self._included.fullmatch(path):
            return False
        return not (self._excluded and self._excluded.fullmatch(path))

    def is_logout(self, method: str, path: str) -> bool:
        """Whether the request asks one of the site's own log-out pages (a CORS preflight asks none)."""
        return bool(self._logout and method != "OPTIONS" and self._logout.fullmatch(path))

    def auth_cookies(self, cookie_header: str) -> list[str]:
        """The ``name=value`` pairs of the cookies by which the site knows a signed-in user."""
        pairs = (pair.strip() for pair in cookie_header.split(";"))
        return [pair for pair in pairs if pair and self._is_auth(pair.partition("=")[0].strip())]

    def _is_auth(self, name: str) -> bool:
        if name == self._cookie_name:  # it comes with the first page, and tells no browser from itself
            return False
        if self._auth_cookies:
            return bool(self._auth_cookies.fullmatch(name))
        return not self._analytics.fullmatch(name)

    def browser(self, cookie_header: str, authorization: str) -> bytes:
        """A digest that tells one signed-in browser from another, and from itself after another sign-in."""
        parts = [*sorted(self.auth_cookies(cookie_header)), authorization]
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)))


def says_https(forwarded_proto: str) -> bool:
    """Whether the first of the protocols that ``X-Forwarded-Proto`` lists, the client's own, is https."""
    return forwarded_proto.partition(",")[0].strip().lower() == "https"


@lru_cache(256)  # browsers send a few
def narrowed(accept_encoding: str, understood: tuple[str, ...]) -> str:
    """``Accept-Encoding`` (RFC 9110 §12.5.3) with what is understood of it.

    ``identity`` if nothing of that is accepted: what the client refuses is better than an error in place of a page.
    """
    members = [member.strip() for member in accept_encoding.split(",") if member.strip()]
    names = {_coding(member) for member in members}
    kept = []
    for member in members:
        name, semicolon, weight = member.partition(";")
        if name.strip() == "*":
            kept += [f"{coding}{semicolon}{weight}" for coding in understood if coding not in names]
        elif _coding(member) in (*understood, "identity"):
            kept.append(member)
    return "identity" if all(map(_REFUSED.search, kept)) else ", ".join(kept)


def _coding(member: str) -> str:
    name = member.partition(";")[0].strip().lower()
    return "gzip" if name == "x-gzip" else name
