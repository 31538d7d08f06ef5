"""What can go wrong, as exceptions that carry data and never a secret or a user's detail.

ViafouraError
├── SettingsError         the environment asks for something impossible
├── LoginRefused          Viafoura will not log this user in
├── LogoutRefused         Viafoura will not end this session
├── CredentialsRefused    Viafoura does not accept the site id and the API key
├── CodingError           a compressed page cannot be decoded (of :mod:`viafoura_mw.page.codings`)
└── ViafouraUnavailable   no usable answer: refused, reset, timed out, 5xx, nonsense
"""

from collections.abc import Sequence


class ViafouraError(Exception):
    """The base of every exception that this package raises of its own accord."""


class SettingsError(ViafouraError):
    """Raised at start-up when settings are wrong; ``problems`` has one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(["viafoura-mw cannot start:", *(f"  - {p}" for p in self.problems)]))


class LoginRefused(ViafouraError):
    """Viafoura answered a login with a 4xx ``status``: trying this user again now would not help."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"Viafoura refused the login with status {status}")


class LogoutRefused(ViafouraError):
    """Viafoura answered a logout with a 4xx ``status``: it knows no such session, or no such logout."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"Viafoura refused the logout with status {status}")


class CredentialsRefused(ViafouraError):
    """Viafoura answered the token request, or a fresh token, with ``status`` 400, 401 or 403."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"Viafoura refused the site's credentials with status {status}")


class ViafouraUnavailable(ViafouraError):
    """Viafoura gave no usable answer; ``retry_after`` is the pause it asked for, in seconds, if any."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"Viafoura is unavailable: {reason}")
