"""The cookie that holds a user's Viafoura session: sealed, of one user of one site, with its own expiry inside.

A cookie is *authentic* when its seal, its site and its expiry are right. It is *valid* for a user when it was also
made for that user with these details. Several cookies of the name count as none: which one the browser means is not
to be known (RFC 6265 §4.2.2 leaves their order open).
"""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

from webob.cookies import SignedSerializer, make_cookie

from viafoura_mw.settings import Settings
from viafoura_mw.user import User
from viafoura_mw.viafoura import Session

MAX_LENGTH: Final = 4096  # RFC 6265 §6.1: what a browser must be able to keep; nothing longer is ours
_REMEMBERED: Final = 1024  # opened cookies kept per process, so that a user's next page costs no HMAC


@dataclass(frozen=True, slots=True, repr=False)
class SealedSession:
    """An authentic cookie's content."""

    session: Session
    expires_at: float
    _user_digest: str
    _details_digest: str
    _key: "_Key" = field(compare=False)

    def is_of(self, user: User) -> bool:
        """Whether the session was made for the user with this id, whatever their details are now."""
        return hmac.compare_digest(self._user_digest, self._key.of_user(user))

    def has_details_of(self, user: User) -> bool:
        """Whether the user's name and e-mail address are those that Viafoura was told."""
        return hmac.compare_digest(self._details_digest, self._key.of_details(user))


class _Key:
    """One secret's keys: the seal's and the digests', each derived with a label of its own from secret and site."""

    def __init__(self, secret: str, site_id: str) -> None:
        self.serializer = SignedSerializer(_derived(secret, "seal", site_id).hex(), None, "sha256")
        self._digest_key = _derived(secret, "digest", site_id)

    def of_user(self, user: User) -> str:
        return self._digest("id", user.id)

    def of_details(self, user: User) -> str:
        return self._digest("details", user.id, user.name, "" if user.email is None else f"<{user.email}>")

    def _digest(self, *parts: str) -> str:
        message = b"\0".join(part.encode() for part in parts)
        return hmac.digest(self._digest_key, message, sha256)[:16].hex()


def _derived(secret: str, label: str, site_id: str) -> bytes:
    return hmac.digest(secret.encode(), f"viafoura-mw cookie {label} 1\0{site_id}".encode(), sha256)


class SessionCookie:
    """Opens, sets and clears the cookie of one site; ``clock`` gives unix seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        secrets = settings.cookie_secret or (f"api key {settings.api_key}",)
        self._keys = tuple(_Key(secret, settings.site_id) for secret in secrets)
        self._settings = settings
        self._name = settings.cookie_name
        self._clock = clock
        self._opened = lru_cache(_REMEMBERED)(self._open)

    def is_in(self, cookie_header: str) -> bool:
        """Whether a ``Cookie`` header has a cookie of our name, believed or not."""
        return self._name in cookie_header and bool(self._values(cookie_header))

    def find(self, cookie_header: str) -> SealedSession | None:
        """The authentic cookie of a ``Cookie`` header; ``None`` for none, a forged one, junk, several."""
        if self._name not in cookie_header:
            return None
        values = self._values(cookie_header)
        if len(values) != 1 or len(values[0]) > MAX_LENGTH:
            return None
        sealed = self._opened(values[0])
        return sealed if sealed and sealed.expires_at > self._clock() else None

    def _values(self, cookie_header: str) -> list[str]:
        pairs = (pair.partition("=") for pair in cookie_header.split(";"))
        return [value.strip() for name, _, value in pairs if name.strip() == self._name]

    def _open(self, value: str) -> SealedSession | None:
        for key in self._keys:
            try:
                user_id, session_id, expires_at, user_digest, details_digest = key.serializer.loads(value)
            except (ValueError, TypeError):
                continue
            session = Session(user_id, session_id, expires_at - self._settings.session_ttl)
            return SealedSession(session, expires_at, user_digest, details_digest, key)
        return None

    def set(self, user: User, session: Session, *, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header that keeps ``session`` for ``user`` for the life that it has left."""
        key = self._keys[0]
        expires_at = int(session.since) + self._settings.session_ttl
        content = [session.user_id, session.id, expires_at, key.of_user(user), key.of_details(user)]
        value = key.serializer.dumps(content).decode("ascii")
        return self._made(value, max(0, int(expires_at - self._clock())), secure=secure)

    def clear(self, *, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header that makes the browser forget the cookie."""
        return self._made(None, None, secure=secure)

    def _made(self, value: str | None, max_age: int | None, *, secure: bool) -> str:
        settings = self._settings
        header: str = make_cookie(
            self._name,
            value,
            max_age=max_age,
            path=settings.cookie_path,
            domain=settings.cookie_domain or None,
            secure=self.is_secure(secure=secure),
            httponly=True,
            samesite=settings.cookie_samesite,
        )
        return header

    def is_secure(self, *, secure: bool) -> bool:
        """Whether the cookie carries ``Secure`` when the request came over https (``secure``) or did not."""
        setting, name = self._settings.cookie_secure, self._name
        # Browsers drop a cookie with SameSite=None or one of these prefixes when it is not Secure.
        needed = self._settings.cookie_samesite == "none" or name.startswith(("__Secure-", "__Host-"))
        return needed or setting == "1" or (setting == "auto" and secure)
