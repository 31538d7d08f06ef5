"""Starlette with its SessionMiddleware."""

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route

from tests.recipes.common import ANN, COUNTED, TAG


async def sign_in(request: Any) -> PlainTextResponse:
    request.session["user"] = ANN
    return PlainTextResponse("in")


async def sign_out(request: Any) -> PlainTextResponse:
    request.session.clear()
    return PlainTextResponse("out")


async def page(request: Any) -> HTMLResponse:
    return HTMLResponse(TAG)


async def data(request: Any) -> JSONResponse:
    return JSONResponse({"text": TAG})


async def seen(request: Any) -> JSONResponse:
    return JSONResponse(COUNTED)


routes = [Route("/", page), Route("/bare/", page), Route("/json", data), Route("/bare/json", data)]
routes += [Route("/in", sign_in), Route("/out", sign_out), Route("/seen", seen)]
app = Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="secret")])
