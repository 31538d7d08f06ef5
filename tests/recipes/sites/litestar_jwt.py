"""Litestar with its JWTCookieAuth; who is not signed in is shown a page that says so, as 401."""

from dataclasses import dataclass
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.exceptions import NotAuthorizedException
from litestar.security.jwt import JWTCookieAuth, Token

from tests.recipes.common import COUNTED, SECRET, TAG


@dataclass
class User:
    id: str
    name: str
    email: str


async def retrieve(token: Token, connection: Any) -> User:
    COUNTED["reads"] += 1
    return User(token.sub, "Ann", "ann@site.example")


auth = JWTCookieAuth[User](
    retrieve_user_handler=retrieve, token_secret=SECRET, exclude=["^/in$", "^/seen$", "^/schema"], secure=False
)


@get("/in")
async def sign_in() -> Response[Any]:
    return auth.login(identifier="ann", response_body="in", response_status_code=200)


@post("/out")
async def sign_out() -> Response[str]:
    response = Response("out")
    response.delete_cookie("token")
    return response


@get(["/", "/bare/"], media_type=MediaType.HTML)
async def page() -> str:
    return TAG


@get(["/json", "/bare/json"])
async def data() -> dict[str, str]:
    return {"text": TAG}


@get("/seen")
async def seen() -> dict[str, int]:
    return dict(COUNTED)


def sign_in_first(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    return Response(TAG, media_type=MediaType.HTML, status_code=401)


app = Litestar(
    [sign_in, sign_out, page, data, seen],
    on_app_init=[auth.on_app_init],
    exception_handlers={NotAuthorizedException: sign_in_first},
)
