"""Datasette copies the scope before it asks who the visitor is: the copy's ``scope["actor"]`` is shown outside.

The scope is marked with itself on its way in. Before a response is sent, whom the copy has as its actor is told to it.
"""

import functools
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from viafoura_mw.log import Notices

_HOOKED: Final = "_viafoura_mw_hooked"
_KEY: Final = "viafoura_mw.datasette"


def hook() -> bool:
    """Show the actor of each response, if Datasette is imported; whether it is."""
    datasette = getattr(sys.modules.get("datasette.app"), "Datasette", None)
    if datasette is None:
        return False
    outermost = sys.modules["datasette.utils.asgi"].AsgiRunOnFirstRequest
    if not hasattr(outermost.__call__, _HOOKED):
        outermost.__call__ = _marking(outermost.__call__)
        datasette._write_messages_to_response = _showing(datasette._write_messages_to_response)
    return True


def _marking(serve: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(serve)
    async def mark_and_serve(datasette: Any, scope: Any, *args: Any, **kwargs: Any) -> Any:
        scope[_KEY] = scope
        try:
            return await serve(datasette, scope, *args, **kwargs)
        finally:
            scope.pop(_KEY, None)

    setattr(mark_and_serve, _HOOKED, True)
    return mark_and_serve


def _showing(write_messages: Callable[..., Any]) -> Callable[..., Any]:
    notices = Notices()

    @functools.wraps(write_messages)
    def show_and_write_messages(datasette: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            request.scope[_KEY]["actor"] = request.scope["actor"]
        except Exception as error:
            sentence = "Datasette's actor cannot be seen (%s): the user is not known"
            notices.tell("datasette", logging.WARNING, sentence, type(error).__name__)
        return write_messages(datasette, request, *args, **kwargs)

    return show_and_write_messages
