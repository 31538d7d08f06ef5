"""BlackSheep with its cookie authentication; a line of the site leaves the user in the scope."""

from collections.abc import Awaitable, Callable
from typing import Any

from blacksheep import Application, Request, Response, get, html, json, redirect
from blacksheep.server.authentication.cookie import CookieAuthentication
from essentials.secrets import Secret

from tests.recipes.common import ANN, COUNTED, SECRET, TAG

app = Application()
cookies = CookieAuthentication(cookie_name="who", secret_keys=[Secret(SECRET, direct_value=True)])
app.use_authentication().add(cookies)


async def leave_user_in_scope(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
    user: Any = request.user
    request.scope["user"] = user.claims if user and user.is_authenticated() else None
    return await handler(request)


app.middlewares.append(leave_user_in_scope)


@get("/in")
async def sign_in() -> Response:
    response = redirect("/json")
    cookies.set_cookie({"sub": ANN["id"], "name": ANN["name"], "email": ANN["email"]}, response)
    return response


@get("/out")
async def sign_out() -> Response:
    response = redirect("/json")
    cookies.unset_cookie(response)
    return response


@get("/")
async def page() -> Response:
    return html(TAG)


@get("/bare/")
async def bare_page() -> Response:
    return html(TAG)


@get("/json")
async def data() -> Response:
    return json({"text": TAG})


@get("/bare/json")
async def bare_data() -> Response:
    return json({"text": TAG})


@get("/seen")
async def seen() -> Response:
    return json(dict(COUNTED))
