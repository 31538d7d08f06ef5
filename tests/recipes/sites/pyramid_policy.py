"""Pyramid with a security policy, and the user in ``request.user``, as its tutorial has it."""

from typing import Any

from pyramid.authentication import AuthTktCookieHelper
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import forget, remember

from tests.recipes.common import COUNTED, TAG


class User:
    id, name, email = 7, "Ann", "ann@site.example"


class Policy:
    def __init__(self) -> None:
        self.helper = AuthTktCookieHelper("secret")

    def identity(self, request: Request) -> User | None:
        if not self.helper.identify(request):
            return None
        COUNTED["reads"] += 1
        return User()

    def authenticated_userid(self, request: Request) -> int | None:
        return request.user.id if request.user else None

    def remember(self, request: Request, userid: str, **kw: Any) -> Any:
        return self.helper.remember(request, userid, **kw)

    def forget(self, request: Request, **kw: Any) -> Any:
        return self.helper.forget(request, **kw)


def moved(headers: Any) -> Response:
    return HTTPFound("/json", headers=headers)


VIEWS = {
    "/": lambda request: Response(TAG),
    "/json": lambda request: Response(json_body={"text": TAG}),
    "/bare/": lambda request: Response(TAG),
    "/bare/json": lambda request: Response(json_body={"text": TAG}),
    "/in": lambda request: moved(remember(request, "7")),
    "/out": lambda request: moved(forget(request)),
    "/seen": lambda request: Response(json_body=dict(COUNTED)),
}
with Configurator() as config:
    config.set_security_policy(Policy())
    config.add_request_method(lambda request: request.identity, "user", reify=True)
    for path, view in VIEWS.items():
        config.add_route(path, path)
        config.add_view(view, route_name=path)
    application = config.make_wsgi_app()
