"""CherryPy: its request and session are kept when it has run the request, and read of them later."""

import copy
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from viafoura_mw.user.frameworks.served import leave_after
from viafoura_mw.user.sources import Absence

_NAME: Final = "cherrypy"
_HOOKED: Final = "_viafoura_mw_hooked"
#: CherryPy's own tools that ask who the visitor is; a page without any of them asks nobody.
_TOOLS: Final = ("auth_basic", "auth_digest", "basic_auth", "digest_auth", "session_auth")


def hook() -> bool:
    """Keep the request and the session of each response, if CherryPy is imported; whether it is."""
    response = getattr(sys.modules.get("cherrypy._cpwsgi"), "AppResponse", None)
    if response is None:
        return False
    leave_after(response, "run", _HOOKED, _NAME, _found)
    return True


def _found(response: Any) -> tuple[Mapping[str, Any], Any]:
    serving = sys.modules["cherrypy"].serving  # of this thread, and of this request until it is closed
    return response.environ, (serving.request, getattr(serving, "session", None))


@contextmanager
def opened(left: tuple[Any, Any]) -> Iterator[Callable[[], Any]]:
    """Lend ``cherrypy.request.login``."""
    yield functools.partial(_login_of, left[0])


def _login_of(request: Any) -> Any:
    """The name that an authentication tool of CherryPy's or of the site's has set."""
    if request.login:
        return request.login
    tools = request.toolmaps.get("tools", {})
    return None if any(tools.get(name, {}).get("on") for name in _TOOLS) else Absence.UNASKED


def lent(kind: str, left: tuple[Any, Any]) -> Any:
    """The session's data; raises where the session is there and its data cannot be had."""
    session = left[1]
    if kind != "session" or session is None:
        return None
    if session.loaded:
        return dict(session._data)
    if session.originalid is None or session.missing:  # nothing is stored yet
        return {}
    # Not load(), after which the session would be saved. A copy that seems to be locked: to wait for the lock of
    # another request of this browser would delay the page.
    unlocked = copy.copy(session)
    unlocked.locked = True
    data, until = unlocked._load()
    return data if until >= session.now() else {}
