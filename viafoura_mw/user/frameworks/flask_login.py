"""Flask-Login: the request's context is kept when Flask has finished the response, and the user is read of it.

``Flask.finalize_request()`` runs inside the context, and ends when the session was saved, for each response of each
application, with blinker's signals or without; reading there would cost the site a query for every JSON reply. Later
the context has been left, so that a user whom the view did not load is loaded in a copy of it, with a copy of the
session: Flask-Login writes to the session as it loads a user.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from viafoura_mw.user.frameworks.flask import application_class, current_context, session_name
from viafoura_mw.user.frameworks.served import leave_after
from viafoura_mw.user.once import Once

_NAME: Final = "flask-login"
_HOOKED: Final = "_viafoura_mw_hooked"


def hook() -> bool:
    """Keep the context of each response, if Flask-Login is imported; whether it is."""
    flask = application_class()
    if flask is None or "flask_login" not in sys.modules:
        return False
    leave_after(flask, "finalize_request", _HOOKED, _NAME, _found)
    return True


def _found(app: Any) -> tuple[Mapping[str, Any], Any]:
    if not hasattr(app, "login_manager"):
        return {}, None
    context = current_context()
    # Flask-Login has kept the user in `g` since 0.6.2.
    loaded = sys.modules["flask"].g.get("_login_user", vars(context).get("user"))
    return context.request.environ, (context, loaded)


def application_class_of(*, asgi: bool) -> Any:
    """Flask's, if Flask-Login is imported; under ASGI there is none."""
    return None if asgi or "flask_login" not in sys.modules else application_class()


def is_running(applications: list[Any]) -> bool:
    """Whether one of Flask's applications has a login manager."""
    return any("login_manager" in vars(app) for app in applications)


@contextmanager
def opened(left: tuple[Any, Any]) -> Iterator[Callable[[], Any]]:
    """Lend ``current_user``, which costs nothing where the view has loaded it."""
    context, loaded = left
    with ExitStack() as stack:
        load = Once(lambda: stack.enter_context(_loaded_again(context)))
        yield load if loaded is None else lambda: _Loaded(loaded, load)


class _Loaded:
    """The user whom the view has loaded, with what can no longer be read of it read of the same user, loaded again.

    SQLAlchemy's objects outlive their session, which ends with the request, but what they had not loaded, or what a
    commit has expired, then raises.
    """

    def __init__(self, user: Any, load: Callable[[], Any]) -> None:
        self._user = user
        self._load = load

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The site's own class, by which it is told which attributes are computed."""
        kind: type = self._user.__class__
        return kind

    def __getattr__(self, name: str) -> Any:
        value = self._attempt(lambda user: getattr(user, name))
        return functools.partial(self._attempt, lambda user: getattr(user, name)()) if callable(value) else value

    def _attempt(self, look: Callable[[Any], Any]) -> Any:
        try:
            return look(self._user)
        except AttributeError:
            raise
        except Exception:
            return look(self._load())


@contextmanager
def _loaded_again(context: Any) -> Iterator[Any]:
    """``current_user``, loaded in the request's context, which is current meanwhile."""
    name = session_name(context)
    session = _read_only(getattr(context, name))
    with _entered(context, name, session):
        yield sys.modules["flask_login"].utils._get_user()


@contextmanager
def _entered(context: Any, name: str, session: Any) -> Iterator[None]:
    current = current_context()
    if current is not None and current.request is context.request:
        # A page that is streamed with its context: to enter and leave it again would tear down what it still uses.
        own = getattr(current, name)
        setattr(current, name, session)
        try:
            yield
        finally:
            setattr(current, name, own)
    else:
        copy = context.copy()
        setattr(copy, name, session)
        # The application's context first: a request's would share the one it finds, and the user kept in that.
        with copy.app.app_context(), copy:
            yield


def _read_only(session: Any) -> Any:
    """A copy of a session in memory, with its attributes."""
    copy = sys.modules["flask.sessions"].SecureCookieSession(session)
    vars(copy).update(getattr(session, "__dict__", {}))
    return copy
