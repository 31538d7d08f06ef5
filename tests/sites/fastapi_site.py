"""FastAPI, whose own middleware puts the reader of a signed cookie into ``request.state.user``."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Form, Header, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from itsdangerous import BadSignature, Signer

from tests.sites import news

SIGNER = Signer("the-gazette's-own-secret")

app = FastAPI(openapi_url=None)


@app.middleware("http")
async def find_reader(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
    """Say who it is, before anything else is done."""
    try:
        reader = news.Reader(int(SIGNER.unsign(request.cookies.get("reader", ""))))
    except BadSignature:
        reader = None
    request.state.user = reader
    return await call_next(request)


def _conditional(body: bytes, if_none_match: str | None, media_type: str) -> Response:
    headers = {"ETag": news.etag(body)}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


@app.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
async def front_page(request: Request, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    return _conditional(news.page(request.state.user), if_none_match, "text/html")


@app.api_route("/style.css", methods=["GET", "HEAD"])
def style(if_none_match: Annotated[str | None, Header()] = None) -> Response:
    return _conditional(news.STYLE, if_none_match, "text/css")


@app.get("/live")
def live(request: Request) -> StreamingResponse:
    return StreamingResponse(iter(news.pieces(news.page(request.state.user))), media_type="text/html")


@app.post("/sign-in")
def sign_in(reader: Annotated[int, Form()]) -> RedirectResponse:
    response = RedirectResponse("/", 303)
    response.set_cookie("reader", SIGNER.sign(str(reader)).decode(), httponly=True)
    return response


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["Content-Type"])
