"""Pyramid: the request is kept when its router answers it, and asked for ``authenticated_userid`` and ``identity``.

The response is made by then, and the request's finished callbacks have run. So the user is read as a router would:
the request is the current one, a transaction of ``pyramid_tm`` is begun, and aborted afterwards, and the callbacks that
reading has added are run.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from viafoura_mw.user.frameworks.running import instances
from viafoura_mw.user.frameworks.served import leave, left
from viafoura_mw.user.sources import resolve

T = TypeVar("T")
Read = Callable[[Callable[[], Any]], T]

_NAME: Final = "pyramid"
_HOOKED: Final = "_viafoura_mw_hooked"


def hook() -> bool:
    """Keep the request of each response, if Pyramid's router is imported; whether it is."""
    router = _router()
    if router is None:
        return False
    if not hasattr(router.invoke_request, _HOOKED):
        router.invoke_request = _leaving(router.invoke_request)
    return True


def _router() -> Any:
    return getattr(sys.modules.get("pyramid.router"), "Router", None)


def _leaving(invoke_request: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(invoke_request)
    def invoke_request_and_leave(router: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        leave(request.environ, _NAME, (router, request))
        return invoke_request(router, request, *args, **kwargs)

    setattr(invoke_request_and_leave, _HOOKED, True)
    return invoke_request_and_leave


def is_running(*, asgi: bool) -> bool:
    """Whether a router has been made whose application has a security policy; under ASGI there is none."""
    router = _router()
    if asgi or router is None:
        return False
    policy = sys.modules["pyramid.interfaces"].ISecurityPolicy
    return any(one.registry.queryUtility(policy) is not None for one in instances(router))


def read_in_environ(environ: Mapping[str, Any], read: Read[T]) -> T:
    """Read ``request.authenticated_userid``, and of ``request.identity`` the rest."""
    router, request = left(environ, _NAME)
    with _answered(router, request):
        return read(functools.partial(_user_of, request))


@contextmanager
def _answered(router: Any, request: Any) -> Iterator[None]:
    transactions = vars(request).get("tm")
    # One that is under way is left alone: it is that of a page that is still streamed.
    own = transactions if _is_idle(transactions) else None
    with sys.modules["pyramid.threadlocal"].RequestContext(request):
        if own is not None:
            own.begin()
        try:
            yield
        finally:
            if own is not None:
                own.abort()
            router.finish_request(request)


def _is_idle(transactions: Any) -> bool:
    """Whether a transaction manager, or that of this thread, has no transaction; to ask it would begin one."""
    manager = getattr(transactions, "manager", transactions)
    return manager is not None and getattr(manager, "_txn", manager) is None


def _user_of(request: Any) -> Any:
    userid = request.authenticated_userid
    return None if userid is None else _User(userid, request)


class _User:
    """The user of a request: its ``authenticated_userid``, and whatever its ``identity`` has besides."""

    is_authenticated: Final = True

    def __init__(self, userid: Any, request: Any) -> None:
        self.authenticated_userid = userid
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return resolve(self._request.identity, (name,))
