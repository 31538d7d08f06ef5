"""Starlette with a session and an authentication backend of its own."""

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.sites import news


class User(BaseUser):
    """A reader as Starlette has them."""

    def __init__(self, reader: news.Reader) -> None:
        self.reader = reader
        self.email = reader.email

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return self.reader.name

    @property
    def identity(self) -> str:
        return self.reader.id


class SessionBackend(AuthenticationBackend):
    """Knows a reader by the session."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, User] | None:
        reader = news.reader_of(conn.session.get("reader"))
        return (AuthCredentials(["authenticated"]), User(reader)) if reader else None


def _reader(request: Request) -> news.Reader | None:
    return getattr(request.user, "reader", None)


def _conditional(request: Request, body: bytes, media_type: str) -> Response:
    headers = {"ETag": news.etag(body)}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


async def front_page(request: Request) -> Response:
    return _conditional(request, news.page(_reader(request)), "text/html")


async def style(request: Request) -> Response:
    return _conditional(request, news.STYLE, "text/css")


async def live(request: Request) -> Response:
    return StreamingResponse(iter(news.pieces(news.page(_reader(request)))), media_type="text/html")


async def sign_in(request: Request) -> Response:
    async with request.form() as form:
        request.session["reader"] = form["reader"]
    return RedirectResponse("/", 303)


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["Content-Type"])


app = Starlette(
    routes=[
        Route("/", front_page),
        Route("/style.css", style),
        Route("/live", live),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/echo", echo, methods=["POST"]),
    ],
    middleware=[
        Middleware(SessionMiddleware, secret_key="the-gazette's-own-secret"),
        Middleware(AuthenticationMiddleware, backend=SessionBackend()),
    ],
)
