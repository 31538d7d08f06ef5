"""Beaker's session, wherever it is kept: its data, read without a write.

Beaker loads a session when it is first accessed, and deletes one then that has expired or cannot be read. So a session
that the site has not accessed is loaded in a copy that does neither.
"""

import time
from http.cookies import SimpleCookie
from typing import Any


def is_one(session: Any) -> bool:
    """Whether a session is Beaker's; asks it nothing, since it would load itself."""
    known = getattr(session, "__dict__", {})
    return "_sess" in known and "_params" in known and "_environ" in known


def data_of(session: Any) -> dict[str, Any]:
    """The session's data, loaded where the site has not loaded them; raises where they cannot be read."""
    known = vars(session)
    if known["_sess"] is not None:
        return dict.copy(known["_sess"])
    params, cookies = known["_params"], known["_environ"].get("HTTP_COOKIE", "")
    if params.get("key", "beaker.session.id") not in SimpleCookie(cookies):
        return {}  # to load a session that is not there would make one, with a lock of its own
    copy = type(session)(known["_environ"], **{**params, "timeout": None, "invalidate_corrupt": False})
    loaded = copy._session()
    data = dict.copy(loaded)
    timeout, accessed = params.get("timeout"), getattr(loaded, "last_accessed", data.get("_accessed_time"))
    has_expired = timeout is not None and accessed is not None and time.time() - accessed > int(timeout)
    return {} if has_expired else data
