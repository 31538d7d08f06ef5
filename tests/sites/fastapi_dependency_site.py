"""FastAPI as its tutorial has it: a dependency of some routes finds the reader, and no middleware does."""

from typing import Annotated

from fastapi import Depends, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from itsdangerous import BadSignature, Signer

from tests.sites import news

SIGNER = Signer("the-gazette's-own-secret")

app = FastAPI(openapi_url=None)


def current_reader(request: Request) -> news.Reader | None:
    """Say who it is, on the routes that ask."""
    try:
        reader = news.Reader(int(SIGNER.unsign(request.cookies.get("reader", ""))))
    except BadSignature:
        reader = None
    request.state.user = reader
    return reader


@app.get("/")
def front_page(reader: Annotated[news.Reader | None, Depends(current_reader)]) -> HTMLResponse:
    return HTMLResponse(news.page(reader))


@app.post("/sign-in")
def sign_in(reader: Annotated[int, Form()]) -> RedirectResponse:
    response = RedirectResponse("/", 303)
    response.set_cookie("reader", SIGNER.sign(str(reader)).decode(), httponly=True)
    return response
