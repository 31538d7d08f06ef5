"""The site's readers, and how the site knows them again: by a signed session cookie of its own."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from viafoura_mw.response.webob import RequestCookies, SignedSerializer, make_cookie

MAX_NAME: Final = 60  # characters of the name that a visitor may choose


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader with an account. The site has their e-mail address, or has not."""

    id: str
    name: str
    email: str | None = None


READERS: Final = (
    Reader("reader-17", "Ada Novák", "ada.novak@example.org"),
    Reader("reader-42", "Björn O’Leary", "bjorn@example.org"),
    Reader("reader-108", "渡辺みどり"),
)


def guest(name: str) -> Reader | None:
    """The reader of a freely chosen name: the same name is the same account. ``None`` for a name of nothing."""
    shown = " ".join(name.split())[:MAX_NAME].strip()
    if not shown.isprintable() or not shown:
        return None
    return Reader(f"guest-{sha256(shown.casefold().encode()).hexdigest()[:12]}", shown)


class SignIn:
    """The cookie by which the site knows a reader who signed in: signed, and gone when the browser closes."""

    def __init__(self, secret: str, cookie_name: str) -> None:
        self._cookie_name = cookie_name
        self._serializer = SignedSerializer(secret, "the news site's sign-in", "sha256")

    def reader(self, cookie_header: str) -> Reader | None:
        """The reader whose cookie a ``Cookie`` header has; ``None`` for none, or one that the site did not sign."""
        value = RequestCookies({"HTTP_COOKIE": cookie_header}).get(self._cookie_name)
        if value is None:
            return None
        try:
            _, *details = self._serializer.loads(value.encode())
            return Reader(*details)
        except (ValueError, TypeError):
            return None

    def remembering(self, reader: Reader) -> str:
        """The value of a ``Set-Cookie`` header that signs ``reader`` in, and is never the same twice."""
        content = [secrets.token_urlsafe(), reader.id, reader.name, reader.email]
        return self._made(self._serializer.dumps(content).decode("ascii"))

    def forgetting(self) -> str:
        """The value of a ``Set-Cookie`` header that signs the browser's reader out."""
        return self._made(None)

    def _made(self, value: str | None) -> str:
        header: str = make_cookie(self._cookie_name, value, path="/", httponly=True, samesite="lax")
        return header
