"""Litestar with an authentication middleware of its own, which sets the connection's user."""

from collections.abc import Iterator
from typing import Annotated, Any

from itsdangerous import BadSignature, Signer
from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.params import Body
from litestar.response import Redirect, Stream

from tests.sites import news

SIGNER = Signer("the-gazette's-own-secret")


class CookieAuthentication(AbstractAuthenticationMiddleware):
    """Knows a reader by a signed cookie."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        try:
            reader = news.Reader(int(SIGNER.unsign(connection.cookies.get("reader", ""))))
        except BadSignature:
            reader = None
        return AuthenticationResult(user=reader, auth=None)


def _conditional(request: Request[Any, Any, Any], body: bytes, media_type: str) -> Response[bytes]:
    headers = {"ETag": news.etag(body)}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


@get("/", sync_to_thread=False)
def front_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _conditional(request, news.page(request.user), "text/html")


@get("/style.css", sync_to_thread=False)
def style(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _conditional(request, news.STYLE, "text/css")


@get("/live", sync_to_thread=False)
def live(request: Request[Any, Any, Any]) -> Stream:
    def stream() -> Iterator[bytes]:
        yield from news.pieces(news.page(request.user))

    return Stream(stream(), media_type="text/html")


@post("/sign-in", sync_to_thread=False)
def sign_in(data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Redirect:
    response = Redirect("/", status_code=303)
    response.set_cookie("reader", SIGNER.sign(data["reader"]).decode(), httponly=True)
    return response


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await request.body(), media_type="text/plain")


app = Litestar([front_page, style, live, sign_in, echo], middleware=[CookieAuthentication], openapi_config=None)
