"""Django: the request is kept when its handler answers it, and ``request.user`` is read of it.

To load ``request.user`` may write: ``django.contrib.auth.get_user()`` cycles the session's key when the session was
signed with one of ``SECRET_KEY_FALLBACKS``, and flushes the session whose hash is wrong. Since the response has its
cookies by then, that would sign the browser out of the site. So while the user is read, the request's session is a
copy of itself whose store cannot be written to.
"""

import functools
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar

from viafoura_mw.user.frameworks.served import leave_before
from viafoura_mw.user.sources import Absence

P = ParamSpec("P")
T = TypeVar("T")

_NAME: Final = "django"
_HOOKED: Final = "_viafoura_mw_hooked"
_WRITES: Final = ("create", "save", "delete", "flush", "cycle_key")
#: Where django-hijack, django-loginas, django-impersonate and django-su keep the member of staff who is somebody else.
_IMPERSONATION: Final = ("hijack_history", "loginas_from_user", "_impersonate", "exit_users_pk")
_LOGINAS_KEY: Final = "LOGINAS_FROM_USER_SESSION_FLAG"  # the setting by which a site may name the second
_CACHE_WRITES: Final = ("set", "add", "delete", "touch")


def hook() -> bool:
    """Keep the request of each response, if Django is imported; whether it is."""
    handler = getattr(sys.modules.get("django.core.handlers.base"), "BaseHandler", None)
    if handler is None:
        return False
    # Methods, not `request_class`: instances and subclasses of the site's may have request classes of their own.
    leave_before(handler, "get_response_async", _HOOKED, _NAME, functools.partial(_found, "scope"))
    leave_before(handler, "get_response", _HOOKED, _NAME, functools.partial(_found, "environ"))
    return True


def _found(origin: str, _handler: Any, request: Any) -> tuple[Mapping[str, Any], Any]:
    return getattr(request, origin, {}), request


def application_class_of(*, asgi: bool) -> Any:
    """Django's handler of that kind. A site that uses Django for its models alone has none."""
    name = "asgi" if asgi else "wsgi"
    return getattr(sys.modules.get(f"django.core.handlers.{name}"), f"{name.upper()}Handler", None)


def is_running(_handlers: list[Any]) -> bool:
    """Whether ``django.contrib.auth`` is installed."""
    apps = sys.modules["django.apps"].apps
    return bool(apps.ready and apps.is_installed("django.contrib.auth"))


def session_cookie() -> str:
    """The name of the site's session cookie; empty while Django is not set up."""
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    return str(settings.SESSION_COOKIE_NAME) if settings is not None and settings.configured else ""


def in_thread(read: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """``read`` in the thread of the site's own synchronous code, where the user's every attribute can be read."""
    from asgiref.sync import sync_to_async  # late, since it imports asyncio and ssl, which a WSGI site may not

    return sync_to_async(read)


@contextmanager
def opened(request: Any) -> Iterator[Callable[[], Any]]:
    """Lend ``request.user``, which costs nothing where the view has loaded it, and a session that cannot be written."""
    session = vars(request).get("session")
    if session is None or not hasattr(type(session), "cycle_key"):
        yield functools.partial(_user_of, request)
        return
    request.session = _read_only(session)
    try:
        yield functools.partial(_user_of, request)
    finally:
        request.session = session


def lent(kind: str, request: Any) -> Any:
    """``request.session``, as :func:`opened` lends it."""
    return vars(request).get("session") if kind == "session" else None


def is_impersonated(request: Any) -> bool:
    """Whether a member of staff uses the site as another user; to be asked while :func:`opened` lends the session."""
    session = vars(request).get("session")
    if session is None:
        return False
    named = getattr(sys.modules["django.conf"].settings, _LOGINAS_KEY, None)
    return any(session.get(key) for key in (*_IMPERSONATION, named) if key)


def _user_of(request: Any) -> Any:
    """``request.user``, or what ``await request.auser()`` has given while the former was not yet loaded.

    A page that was answered above AuthenticationMiddleware has neither: nobody asked who its visitor is.
    """
    lazy = sys.modules["django.utils.functional"]
    user: Any = getattr(request, "user", Absence.UNASKED)
    if type(user) is lazy.SimpleLazyObject and user._wrapped is lazy.empty:
        return getattr(request, "_acached_user", user)
    return user


def _read_only(session: Any) -> Any:
    """A copy of a session, whose writing methods do nothing."""
    copy = object.__new__(type(session))
    state = vars(copy)
    state.update(vars(session))
    if "_session_cache" in state:
        state["_session_cache"] = dict(state["_session_cache"])
    for name in _WRITES:
        state[name], state[f"a{name}"] = _nothing, _nothing_async
    if "_cache" in state:  # of the stores "cache" and "cached_db", of which the latter fills it as it loads a session
        state["_cache"] = _ReadOnlyCache(state["_cache"])
    return copy


class _ReadOnlyCache:
    """A cache whose writing methods do nothing: a session that is loaded here may have ended meanwhile."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __contains__(self, key: object) -> bool:
        return key in self._cache

    def __getattr__(self, name: str) -> Any:
        if name in _CACHE_WRITES:
            return _nothing
        return _nothing_async if name.removeprefix("a") in _CACHE_WRITES else getattr(self._cache, name)


def _nothing(*_: Any, **__: Any) -> None:
    pass


async def _nothing_async(*_: Any, **__: Any) -> None:
    pass
