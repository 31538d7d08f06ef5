"""Flask-Login: the request's context is kept when Flask has finished the response, and the user is read of it.

``flask.request_finished`` fires inside the context, after the session was saved, for each response of each
application; reading there would cost the site a query for every JSON reply. Later the context has been left, so that
a user whom the view did not load is loaded in a copy of it, with a copy of the session: Flask-Login writes to the
session as it loads a user.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from viafoura_mw.user.frameworks.running import instances
from viafoura_mw.user.frameworks.served import leave, left

T = TypeVar("T")
Read = Callable[[Callable[[], Any]], T]

_NAME: Final = "flask_login"


def hook() -> bool:
    """Keep the context of each response, if Flask-Login is imported; whether it is."""
    finished = getattr(sys.modules.get("flask"), "request_finished", None)
    # Before 2.3, Flask did without blinker, and without signals then.
    if finished is None or "flask_login" not in sys.modules or "blinker" not in sys.modules:
        return False
    finished.connect(_leave_context)  # a receiver that is connected already is not connected twice
    return True


def _leave_context(app: Any, **_: Any) -> None:
    if hasattr(app, "login_manager"):
        context = _current_context()
        leave(context.request.environ, _NAME, (context, sys.modules["flask"].g.get("_login_user")))


def _current_context() -> Any:
    """The request's context; since Flask 3.2 it is one with the application's. ``None`` outside of a request."""
    contexts = vars(sys.modules["flask.globals"])  # not getattr(), which warns about the old name in the new Flask
    variable = contexts["_cv_request"] if "_cv_request" in contexts else contexts["_cv_app"]
    return variable.get(None)


def is_running(*, asgi: bool) -> bool:
    """Whether a Flask application with a login manager has been made; under ASGI there is none."""
    flask = getattr(sys.modules.get("flask"), "Flask", None)
    if asgi or flask is None or "flask_login" not in sys.modules:
        return False
    return any("login_manager" in vars(app) for app in instances(flask))


def read_in_environ(environ: Mapping[str, Any], read: Read[T]) -> T:
    """Read ``current_user``, which costs nothing where the view has loaded it."""
    context, loaded = left(environ, _NAME)
    with ExitStack() as stack:
        load = functools.cache(lambda: stack.enter_context(_loaded_again(context)))
        return read(load if loaded is None else lambda: _Loaded(loaded, load))


class _Loaded:
    """The user whom the view has loaded, with what can no longer be read of it read of the same user, loaded again.

    SQLAlchemy's objects outlive their session, which ends with the request, but what they had not loaded, or what a
    commit has expired, then raises.
    """

    def __init__(self, user: Any, load: Callable[[], Any]) -> None:
        self._user = user
        self._load = load

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
    session = _read_only(context._session)
    with _entered(context, session):
        yield sys.modules["flask_login"].utils._get_user()


@contextmanager
def _entered(context: Any, session: Any) -> Iterator[None]:
    current = _current_context()
    if current is not None and current.request is context.request:
        # A page that is streamed with its context: to enter and leave it again would tear down what it still uses.
        own, current._session = current._session, session
        try:
            yield
        finally:
            current._session = own
    else:
        copy = context.copy()
        copy._session = session
        # The application's context first: a request's would share the one it finds, and the user kept in that.
        with copy.app.app_context(), copy:
            yield


def _read_only(session: Any) -> Any:
    """A copy of a session in memory, with its attributes."""
    copy = sys.modules["flask.sessions"].SecureCookieSession(session)
    vars(copy).update(getattr(session, "__dict__", {}))
    return copy
