"""Flask: ``session`` and ``g`` are kept as they are when the response is finished.

``Flask.finalize_request()`` runs inside the request's context, and ends when the session was saved, for each response
of each application, with blinker's signals or without. Nothing is read there: a value of the session may cost a query,
and most responses are no pages.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final

from viafoura_mw.user.frameworks.served import leave_after

_NAME: Final = "flask"
_HOOKED: Final = "_viafoura_mw_lends"


def application_class() -> Any:
    """``flask.Flask``, ``None`` while it is not imported."""
    return getattr(sys.modules.get("flask"), "Flask", None)


def current_context(framework: str = _NAME) -> Any:
    """The request's context, ``None`` outside of a request: a stack's top before Flask 2.2, then a variable.

    Since Flask 3.2, and Quart 0.23, that is one with the application's.
    """
    # Not by getattr(), which warns about the old names in the new Flask.
    variables = vars(sys.modules[f"{framework}.globals"])
    for name in ("_cv_request", "_cv_app"):
        if name in variables:
            return variables[name].get(None)
    return variables["_request_ctx_stack"].top


def session_name(context: Any) -> str:
    """The attribute of a context's session; since Flask 3.1.3 and Quart 0.23 to read the public one marks it."""
    return "_session" if "_session" in vars(context) else "session"


def hook() -> bool:
    """Keep the session and ``g`` of each response, if Flask is imported; whether it is."""
    flask = application_class()
    if flask is None:
        return False
    leave_after(flask, "finalize_request", _HOOKED, _NAME, _found)
    return True


def _found(_app: Any) -> tuple[Mapping[str, Any], Any]:
    context = current_context()
    session = getattr(context, session_name(context))
    # A site without a secret key has none: Flask's stand-in only tells whoever writes to it.
    kept = None if isinstance(session, sys.modules["flask.sessions"].NullSession) else session
    return context.request.environ, {"session": kept, "g": dict(vars(sys.modules["flask"].g._get_current_object()))}


def lent(kind: str, left: Mapping[str, Any]) -> Any:
    """The session, or ``g`` as it was when the response was finished: what is torn down takes from it."""
    return left.get(kind)
