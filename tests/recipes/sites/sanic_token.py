"""Sanic with a signed token in a cookie; whom its middleware finds is in ``request.ctx``, which nobody outside sees."""

from typing import Any

import jwt
from sanic import Sanic, html, json, text

from tests.recipes.common import ANN, COUNTED, SECRET, TAG

app = Sanic("news")


@app.on_request
async def find_user(request: Any) -> None:
    token = request.cookies.get("token")
    request.ctx.user = jwt.decode(token, SECRET, algorithms=["HS256"]) if token else None


@app.get("/in")
async def sign_in(request: Any) -> Any:
    response = text("in")
    response.add_cookie("token", jwt.encode({**ANN, "sub": "ann"}, SECRET, algorithm="HS256"), secure=False)
    return response


@app.get("/out")
async def sign_out(request: Any) -> Any:
    response = text("out")
    response.add_cookie("token", "", max_age=0, secure=False)
    return response


@app.get("/", name="page")
@app.get("/bare/", name="bare_page")
async def page(request: Any) -> Any:
    return html(TAG)


@app.get("/json", name="data")
@app.get("/bare/json", name="bare_data")
async def data(request: Any) -> Any:
    return json({"text": TAG})


@app.get("/seen")
async def seen(request: Any) -> Any:
    return json(dict(COUNTED))
