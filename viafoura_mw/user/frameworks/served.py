"""What a framework's hook leaves of a request, for its user to be read of it later.

The environ or scope holds it weakly, the door holds it: a framework's request refers to the environ that it was made
of, and a strong reference back would keep both alive until the garbage collector comes round.
"""

import functools
import logging
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from viafoura_mw.log import Notices

Find = Callable[..., tuple[Mapping[str, Any], Any]]
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
    served = _served(request)
    if served is not None:
        served[framework] = left


def left(request: Mapping[str, Any], framework: str) -> Any:
    """What the hook of ``framework`` has left; ``None`` where something else made the response."""
    served = _served(request)
    return served.get(framework) if served is not None else None


def _served(request: Mapping[str, Any]) -> Served | None:
    reference = request.get(_KEY)
    served: Served | None = reference() if reference is not None else None
    return served


def leave_found(framework: str, notices: Notices, find: Find, *of: Any) -> None:
    """Leave what ``find(*of)`` finds, as an environ or scope and what is left in it.

    Hooks stand in the site's own way to its response: whatever ``find`` raises leaves that as it is.
    """
    try:
        request, found = find(*of)
        leave(request, framework, found)
    except Exception as error:
        sentence = "the hook of preset %s failed (%s): the user is not known"
        notices.tell(f"hook:{framework}", logging.WARNING, sentence, framework, type(error).__name__)


def leave_before(owner: Any, method: str, mark: str, framework: str, find: Find) -> None:
    """Have a ``method`` of the class ``owner``, when it is called, leave what ``find(self, request)`` finds.

    ``mark`` is the attribute of a method that does so already, which is left as it is.
    """
    original = getattr(owner, method)
    if hasattr(original, mark):
        return
    notices = Notices()

    @functools.wraps(original)
    def leave_and_call(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        leave_found(framework, notices, find, self, request)
        return original(self, request, *args, **kwargs)

    setattr(leave_and_call, mark, True)
    setattr(owner, method, leave_and_call)


def leave_after(owner: Any, method: str, mark: str, framework: str, find: Find) -> None:
    """Have a ``method`` of the class ``owner``, when it has returned, leave what ``find(self)`` finds.

    ``mark`` is as in :func:`leave_before`; two hooks of one method have a mark each.
    """
    original = getattr(owner, method)
    if hasattr(original, mark):
        return
    notices = Notices()

    @functools.wraps(original)
    def call_and_leave(self: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = original(self, *args, **kwargs)
        leave_found(framework, notices, find, self)
        return outcome

    setattr(call_and_leave, mark, True)
    setattr(owner, method, call_and_leave)
