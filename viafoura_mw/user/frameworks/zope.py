"""Zope and Plone: the user is read of the request when a page was published, before its transaction ends.

What a user of Zope's has is read there and then: their objects belong to a connection that is closed before the
response starts. Their properties come with the user, so that nothing more is asked of the database.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

from viafoura_mw.log import Notices
from viafoura_mw.user.frameworks.served import leave_found
from viafoura_mw.user.once import Once
from viafoura_mw.user.sources import Absence

_NAME: Final = "zope"
_HOOKED: Final = "_viafoura_mw_hooked"


def hook() -> bool:
    """Read the user of each page, if Zope's publisher is imported; whether it is."""
    publisher = sys.modules.get("ZPublisher.WSGIPublisher")
    published = getattr(publisher, "transaction_pubevents", None)
    if published is None:
        return False
    if not hasattr(published, _HOOKED):
        vars(publisher)["transaction_pubevents"] = _leaving(published)
    return True


def _leaving(published: Callable[..., AbstractContextManager[Any]]) -> Callable[..., AbstractContextManager[Any]]:
    notices = Notices()

    @contextmanager
    def published_and_left(request: Any, response: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with published(request, response, *args, **kwargs) as given:
            yield given
            leave_found(_NAME, notices, _found, request, response)

    setattr(published_and_left, _HOOKED, True)
    return published_and_left


def _found(request: Any, response: Any) -> tuple[Mapping[str, Any], Any]:
    is_page = "html" in (response.getHeader("Content-Type") or "")
    return request.environ, _User(request.get("AUTHENTICATED_USER")) if is_page else None


@contextmanager
def opened(left: "_User") -> Iterator[Callable[[], Any]]:
    """Lend what was read of the user; one without an id is nobody, as Zope's Anonymous User."""
    yield lambda: left.found()


class _User:
    """A user's id, user name, full name and e-mail address, or what each of them has raised."""

    def __init__(self, user: Any) -> None:
        self._is_there = user is not None
        self._read = {
            "id": Once(partial(_called, user, "getId")),
            "username": Once(partial(_called, user, "getUserName")),
            "fullname": Once(partial(_called, user, "getProperty", "fullname")),
            "email": Once(partial(_called, user, "getProperty", "email")),
        }
        for read in self._read.values():
            with contextlib.suppress(Exception):  # it raises again, for whoever asks for it
                read()

    def found(self) -> Any:
        """This user, nobody, or an absence where Zope has asked nobody."""
        if not self._is_there:
            return Absence.UNASKED
        return self if self._read["id"]() else None

    def __getattr__(self, name: str) -> Any:
        if name not in self._read:
            raise AttributeError(name)
        return self._read[name]()


def _called(user: Any, method: str, *args: Any) -> Any:
    """What a user's method gives; a user of Zope's own has no properties."""
    return getattr(user, method)(*args) if hasattr(user, method) else None
