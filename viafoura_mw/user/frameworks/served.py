"""What a framework's hook leaves of a request, for its user to be read of it later.

The environ or scope holds it weakly, the door holds it: a framework's request refers to the environ that it was made
of, and a strong reference back would keep both alive until the garbage collector comes round.
"""

import weakref
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

_KEY: Final = "viafoura_mw.served"


class Served(dict[str, Any]):
    """By a framework's name, what its hook has left; shared by shallow copies of the environ or scope."""


def expect(request: MutableMapping[str, Any]) -> Served:
    """Lay out an empty one in an environ or scope; it lasts as long as the caller keeps it."""
    served = Served()
    request[_KEY] = weakref.ref(served)
    return served


def leave(request: Mapping[str, Any], framework: str, left: Any) -> None:
    """Leave what the user can be read of; nothing, where nobody expects it."""
    reference = request.get(_KEY)
    served = reference() if reference is not None else None
    if served is not None:
        served[framework] = left


def left(request: Mapping[str, Any], framework: str) -> Any:
    """What the hook of ``framework`` has left.

    Raises ``LookupError`` where the response was made by something else, so that nobody knows who the user is.
    """
    reference = request.get(_KEY)
    served = reference() if reference is not None else None
    return (served or {})[framework]
