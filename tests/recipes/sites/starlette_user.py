"""Starlette with its AuthenticationMiddleware, whose user is ``scope["user"]``."""

from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route

from tests.recipes.common import COUNTED, TAG


class User(SimpleUser):
    id, email = 7, "ann@site.example"


class Backend(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        if "who" not in conn.cookies:
            return None
        if conn.url.path != "/seen":
            COUNTED["reads"] += 1
        return AuthCredentials(["authenticated"]), User("Ann")


async def sign_in(request: Any) -> PlainTextResponse:
    response = PlainTextResponse("in")
    response.set_cookie("who", "ann")
    return response


async def sign_out(request: Any) -> PlainTextResponse:
    response = PlainTextResponse("out")
    response.delete_cookie("who")
    return response


async def page(request: Any) -> HTMLResponse:
    return HTMLResponse(TAG)


async def data(request: Any) -> JSONResponse:
    return JSONResponse({"text": TAG})


async def seen(request: Any) -> JSONResponse:
    return JSONResponse(COUNTED)


routes = [Route("/", page), Route("/bare/", page), Route("/json", data), Route("/bare/json", data)]
routes += [Route("/in", sign_in), Route("/out", sign_out), Route("/seen", seen)]
app = Starlette(routes=routes, middleware=[Middleware(AuthenticationMiddleware, backend=Backend())])
