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
    """Viafoura's token endpoint answered with ``status`` 400, 401 or 403; no other call can refuse the credentials."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"Viafoura refused the site's credentials with status {status}")


class ViafouraUnavailable(ViafouraError):
    """Viafoura gave no usable answer.

    ``reason`` is in words; ``is_late`` says that it is the time a call took. ``retry_after``: the pause that Viafoura
    asked for, in seconds, if any. ``status``: what the login or the logout itself was answered with, if that was an
    HTTP status without success; ``None`` where no such answer came (no connection, nonsense, or no access token to make
    the call with).
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, status: int | None = None) -> None:
        self.reason = reason
        self.is_late: bool = reason.endswith("in time")
        self.retry_after = retry_after
        self.status = status
        super().__init__(f"Viafoura is unavailable: {reason}")
