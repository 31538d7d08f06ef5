"""FastAPI's tutorial on OAuth2: a dependency decodes the token, here from a cookie."""

from typing import Annotated, Any

import jwt
from fastapi import Cookie, Depends, FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse

from tests.recipes.common import ANN, COUNTED, SECRET, TAG

app = FastAPI()


def current_user(access_token: Annotated[str, Cookie()] = "") -> Any:
    return jwt.decode(access_token, SECRET, algorithms=["HS256"]) if access_token else None


@app.get("/in")
def sign_in() -> PlainTextResponse:
    response = PlainTextResponse("in")
    response.set_cookie("access_token", jwt.encode({**ANN, "sub": "ann"}, SECRET, algorithm="HS256"))
    return response


@app.get("/out")
def sign_out() -> PlainTextResponse:
    response = PlainTextResponse("out")
    response.delete_cookie("access_token")
    return response


@app.get("/")
@app.get("/bare/")
def page(user: Annotated[Any, Depends(current_user)]) -> HTMLResponse:
    return HTMLResponse(TAG)


@app.get("/json")
@app.get("/bare/json")
def data(user: Annotated[Any, Depends(current_user)]) -> dict[str, str]:
    return {"text": TAG}


@app.get("/seen")
def seen() -> dict[str, int]:
    return dict(COUNTED)
