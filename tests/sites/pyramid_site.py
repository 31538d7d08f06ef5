"""Pyramid with a security policy of its own, on signed tickets in a cookie."""

from typing import Any

from pyramid.authentication import AuthTktCookieHelper
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import remember

from tests.sites import news


class TicketPolicy:
    """Knows a reader by a ticket."""

    def __init__(self) -> None:
        self._tickets = AuthTktCookieHelper("the-gazette's-own-secret", hashalg="sha512", http_only=True)

    def identity(self, request: Request) -> news.Reader | None:
        ticket = self._tickets.identify(request)
        return news.Reader(int(ticket["userid"]) - 1000) if ticket else None

    def authenticated_userid(self, request: Request) -> str | None:
        reader = self.identity(request)
        return reader.id if reader else None

    def permits(self, *_: Any) -> bool:
        return True

    def remember(self, request: Request, userid: str, **options: Any) -> Any:
        return self._tickets.remember(request, userid, **options)

    def forget(self, request: Request, **options: Any) -> Any:
        return self._tickets.forget(request, **options)


def front_page(request: Request) -> Response:
    return _conditional(news.page(request.identity), "text/html")


def style(_: Request) -> Response:
    return _conditional(news.STYLE, "text/css")


def _conditional(body: bytes, media_type: str) -> Response:
    response = Response(body, content_type=media_type, conditional_response=True)
    response.md5_etag()
    return response


def live(request: Request) -> Response:
    return Response(app_iter=iter(news.pieces(news.page(request.identity))), content_type="text/html")


def sign_in(request: Request) -> HTTPSeeOther:
    headers = remember(request, news.Reader(int(request.POST["reader"])).id)
    return HTTPSeeOther("/", headers=headers)


def echo(request: Request) -> Response:
    return Response(request.body, content_type="text/plain")


def main(_: Any = None, **settings: Any) -> Any:
    """Make the site, as a PasteDeploy application factory."""
    with Configurator(settings=settings) as config:
        config.set_security_policy(TicketPolicy())
        for view, where in ((front_page, "/"), (style, "/style.css"), (live, "/live"), (sign_in, "/sign-in")):
            config.add_route(where, where)
            config.add_view(view, route_name=where)
        config.add_route("echo", "/echo")
        config.add_view(echo, route_name="echo", request_method="POST")
        return config.make_wsgi_app()
