"""Pyramid: the request is kept when its router answers it, and asked for ``authenticated_userid`` and its user.

The response is made by then, and the request's finished callbacks have run. So the user is read as a router would:
the request is the current one, a transaction of ``pyramid_tm`` is begun, and aborted afterwards, and the callbacks that
reading has added are run.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from viafoura_mw.user.frameworks.served import leave_before
from viafoura_mw.user.once import Once
from viafoura_mw.user.sources import Absence, resolve

_NAME: Final = "pyramid"
_HOOKED: Final = "_viafoura_mw_hooked"
#: What a site registers to say who its users are: since Pyramid 2, and before.
_POLICY: Final = "ISecurityPolicy"
_OLD_POLICY: Final = "IAuthenticationPolicy"


def hook() -> bool:
    """Keep the request of each response, if Pyramid's router is imported; whether it is."""
    router = _router()
    if router is None:
        return False
    leave_before(router, "invoke_request", _HOOKED, _NAME, _found)
    return True


def _router() -> Any:
    return getattr(sys.modules.get("pyramid.router"), "Router", None)


def _found(router: Any, request: Any) -> tuple[Mapping[str, Any], Any]:
    return request.environ, (router, request)


def application_class_of(*, asgi: bool) -> Any:
    """Pyramid's router; under ASGI there is none."""
    return None if asgi else _router()


def is_running(routers: list[Any]) -> bool:
    """Whether the application of one of the routers has a policy."""
    return any(_has(one.registry, _POLICY, _OLD_POLICY) for one in routers)


def _has(registry: Any, *policies: str) -> bool:
    known = vars(sys.modules["pyramid.interfaces"])
    return any(name in known and registry.queryUtility(known[name]) is not None for name in policies)


@contextmanager
def opened(left: tuple[Any, Any]) -> Iterator[Callable[[], Any]]:
    """Lend ``request.authenticated_userid``, and of ``request.user`` or ``request.identity`` the rest."""
    router, request = left
    with _answered(router, request):
        yield functools.partial(_user_of, request)


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


def lent(kind: str, left: tuple[Any, Any]) -> Any:
    """``request.session`` as the view has it, else a new one where that is in the cookie.

    A store's session writes as it begins, and no page of a visitor's may begin one here: raises for such a session that
    the view has not asked for.
    """
    _, request = left
    if kind != "session":
        return None
    if "session" in vars(request):
        return vars(request)["session"]
    interfaces = sys.modules["pyramid.interfaces"]
    make = request.registry.queryUtility(interfaces.ISessionFactory)
    if make is None:
        return None
    if getattr(make, "__module__", "") != "pyramid.session":
        raise LookupError("a session that the view has not asked for")
    return make(request)


def _user_of(request: Any) -> Any:
    userid = request.authenticated_userid
    if userid is None:
        return None if _has(request.registry, _POLICY, _OLD_POLICY) else Absence.UNASKED
    return _User(userid, Once(functools.partial(_own_user_of, request)))


def _own_user_of(request: Any) -> Any:
    """The site's own user object, or an absence: ``request.user`` where there is one, else ``request.identity``."""
    user = resolve(request, ("user",))
    # By an old policy, the identity is the authenticated_userid, looked up again.
    if not isinstance(user, Absence) or _has(request.registry, _OLD_POLICY):
        return user
    return resolve(request, ("identity",))


class _User:
    """The user of a request: its ``authenticated_userid``, and whatever the site's ``own`` user object has besides."""

    is_authenticated: Final = True
    is_anonymous: Final = False

    def __init__(self, userid: Any, own: Callable[[], Any]) -> None:
        self.authenticated_userid = userid
        self._own = own

    def __getattr__(self, name: str) -> Any:
        try:
            own = self._own()
            found = own if isinstance(own, Absence) else resolve(own, (name,))
        except AttributeError as error:  # of the site's own code: to raise it here would say that nothing is there
            raise TypeError("the user cannot be read") from error
        if isinstance(found, Absence):
            raise AttributeError(name)
        return found
