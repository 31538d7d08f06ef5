"""FastAPI, where the dependency that knows the user leaves it in ``request.state.user``."""

from typing import Annotated, Any

from fastapi import Cookie, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from tests.recipes.common import ANN, COUNTED, TAG

app = FastAPI()


def current_user(request: Request, who: Annotated[str, Cookie()] = "") -> Any:
    COUNTED["reads"] += bool(who)
    request.state.user = ANN if who else None
    return request.state.user


@app.get("/in")
def sign_in() -> PlainTextResponse:
    response = PlainTextResponse("in")
    response.set_cookie("who", "ann")
    return response


@app.get("/out")
def sign_out() -> PlainTextResponse:
    response = PlainTextResponse("out")
    response.delete_cookie("who")
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
