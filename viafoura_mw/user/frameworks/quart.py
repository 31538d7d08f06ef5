"""Quart: ``session`` and ``g`` are kept as they are when the response is finished, with the user of Quart-Auth.

Quart-Auth keeps its user in ``g``; before 0.11 it kept the user on the context of the request.
"""

import functools
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from viafoura_mw.log import Notices
from viafoura_mw.user.frameworks.flask import current_context, session_name
from viafoura_mw.user.frameworks.served import leave_found
from viafoura_mw.user.sources import Absence

_NAME: Final = "quart"
_HOOKED: Final = "_viafoura_mw_lends"
_EXTENSION: Final = "QUART_AUTH"


def hook() -> bool:
    """Keep the session and ``g`` of each response, if Quart is imported; whether it is."""
    quart = getattr(sys.modules.get("quart"), "Quart", None)
    if quart is None:
        return False
    if not hasattr(quart.finalize_request, _HOOKED):
        quart.finalize_request = _leaving(quart.finalize_request)
    return True


def _leaving(finalize_request: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    notices = Notices()

    @functools.wraps(finalize_request)
    async def finalize_request_and_leave(app: Any, *args: Any, **kwargs: Any) -> Any:
        response = await finalize_request(app, *args, **kwargs)
        leave_found(_NAME, notices, _found, app)
        return response

    setattr(finalize_request_and_leave, _HOOKED, True)
    return finalize_request_and_leave


def _found(app: Any) -> tuple[Mapping[str, Any], Any]:
    context = current_context(_NAME)
    session = getattr(context, session_name(context))
    # A site without a secret key has none: the stand-in only tells whoever writes to it.
    kept = None if isinstance(session, sys.modules["quart.sessions"].NullSession) else session
    g = dict(vars(sys.modules["quart"].g._get_current_object()))
    return context.request.scope, {"session": kept, "g": g, "context": context, "extensions": app.extensions}


def lent(kind: str, left: Mapping[str, Any]) -> Any:
    """The session, or ``g`` as it was when the response was finished."""
    return left.get(kind)


@contextmanager
def opened(left: Mapping[str, Any]) -> Iterator[Callable[[], Any]]:
    """Lend Quart-Auth's user, whom it has loaded to write its cookie."""
    yield functools.partial(_user_of, {**vars(left["context"]), **left["g"]}, left["extensions"].get(_EXTENSION, ()))


def _user_of(kept: Mapping[str, Any], managers: Any) -> Any:
    """The user of the one manager that ``current_user`` stands for, else of the first."""
    for manager in sorted(managers, key=lambda manager: not manager.singleton):
        user = kept.get(manager.attribute_name, Absence.UNASKED)
        if isinstance(user, Absence):
            return user
        return None if user.auth_id is None else _User(user)
    return Absence.UNASKED


class _User:
    """Quart-Auth's user but for ``is_authenticated``, which must be awaited there and says no more than the id."""

    def __init__(self, user: Any) -> None:
        self._user = user

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The site's own class, by which it is told which attributes are computed."""
        kind: type = self._user.__class__
        return kind

    def __getattr__(self, name: str) -> Any:
        return True if name == "is_authenticated" else getattr(self._user, name)
