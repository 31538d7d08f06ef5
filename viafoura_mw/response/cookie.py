"""The cookie that holds a user's Viafoura session: sealed, of one user of one site, with its own expiry inside.

A cookie is *authentic* when its seal, its site and its expiry are right. It is *valid* for a user when it was also
made for that user with these details. Several cookies of the name count as none: which one the browser means is not
to be known (RFC 6265 §4.2.2 leaves their order open).
"""

import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

from viafoura_mw.response.webob import SignedSerializer, make_cookie
from viafoura_mw.settings import Settings, is_secure_name
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

MAX_LENGTH: Final = 4096  # RFC 6265 §6.1: what a browser must be able to keep; nothing longer is ours
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")
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
        self._serializer = SignedSerializer(_derived(secret, "seal", site_id).hex(), "", "sha256")
        self._digest_key = _derived(secret, "digest", site_id)
        self._digest = lru_cache(_REMEMBERED)(self._digested)

    def seal(self, content: list[str | int]) -> str:
        """``content``, to be read by anybody and made by nobody else."""
        return self._serializer.dumps(content).decode("ascii")

    def open(self, value: str) -> object:
        """What was sealed; raises ``ValueError`` for anything that this key did not seal, letter for letter."""
        content = self._serializer.loads(value.encode("ascii"))
        # Base64 can be written in several ways, of which one is ours.
        if self.seal(content) != value:
            raise ValueError("not as it was sealed")
        return content

    def of_user(self, user: User) -> str:
        return self._digest("id", user.id)

    def of_details(self, user: User) -> str:
        return self._digest("details", user.id, user.name, user.email or "")

    def _digested(self, *parts: str) -> str:
        message = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
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
                content = key.open(value)
            except ValueError:
                continue
            return self._session_of(content, key)
        return None

    def _session_of(self, content: object, key: _Key) -> SealedSession | None:
        """What this version seals; ``None`` for what another one did."""
        match content:
            case [str(user_id), str(session_id), int(expires_at), str(of_user), str(of_details)]:
                if _DIGEST.fullmatch(of_user) and _DIGEST.fullmatch(of_details):
                    session = Session(user_id, session_id, expires_at - self._settings.session_ttl)
                    return SealedSession(session, expires_at, of_user, of_details, key)
        return None

    def set(self, user: User, session: Session, *, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header that keeps ``session`` for ``user`` for the life that it has left."""
        key = self._keys[0]
        expires_at = int(session.since) + self._settings.session_ttl
        value = key.seal([session.user_id, session.id, expires_at, key.of_user(user), key.of_details(user)])
        max_age = max(0, int(expires_at - self._clock()))
        # Not by WebOb, which would add an Expires by a clock of its own.
        return f"{self._made(value, secure=secure)}; Max-Age={max_age}"

    def clear(self, *, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header that makes the browser forget the cookie."""
        return self._made(None, secure=secure)

    def _made(self, value: str | None, *, secure: bool) -> str:
        settings = self._settings
        header: str = make_cookie(
            self._name,
            value,
            path=settings.cookie_path,
            domain=settings.cookie_domain or None,
            secure=self.is_secure(secure=secure),
            httponly=True,
            samesite=settings.cookie_samesite,
        )
        return header

    def is_secure(self, *, secure: bool) -> bool:
        """Whether the cookie carries ``Secure`` when the request came over https (``secure``) or did not."""
        setting = self._settings.cookie_secure
        # Browsers drop a cookie with SameSite=None or such a name when it is not Secure.
        needed = self._settings.cookie_samesite == "none" or is_secure_name(self._name)
        return needed or setting == "1" or (setting == "auto" and secure)
