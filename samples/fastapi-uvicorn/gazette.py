"""The Gazette on FastAPI: a middleware of its own finds the reader of a signed cookie."""

from html import escape
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from itsdangerous import BadSignature, Signer
from pydantic import BaseModel

PAGE = """<!doctype html>
<html lang="en">
<title>The Gazette</title>
<h1>The harbour bridge opens</h1>
<p>After nine years of building, the first trams crossed the harbour this morning.</p>
{form}
<vf-conversations></vf-conversations>
<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>
</html>
"""
SIGN_IN = '<form method="post" action="/sign-in"><input name="reader" required> <button>Sign in</button></form>'
SIGN_OUT = '<form method="post" action="/sign-out">Signed in as {}. <button>Sign out</button></form>'

app = FastAPI()
signer = Signer("the-gazette's-own-secret")


class Reader(BaseModel):
    id: int
    full_name: str
    email: str


READERS = {
    "ann": Reader(id=17, full_name="Ann Lee", email="ann@gazette.example"),
    "bob": Reader(id=42, full_name="Bob Hill", email="bob@gazette.example"),
}


@app.middleware("http")
async def find_reader(request: Request, call_next):
    try:
        name = signer.unsign(request.cookies.get("reader", "")).decode()
    except BadSignature:
        name = ""
    request.state.user = READERS.get(name)
    return await call_next(request)


@app.get("/", response_class=HTMLResponse)
def front_page(request: Request):
    reader = request.state.user
    return PAGE.format(form=SIGN_OUT.format(escape(reader.full_name)) if reader else SIGN_IN)


@app.post("/sign-in")
def sign_in(reader: Annotated[str, Form()]):
    response = RedirectResponse("/", 303)
    response.set_cookie("reader", signer.sign(reader).decode(), httponly=True)
    return response


@app.post("/sign-out")
def sign_out():
    response = RedirectResponse("/", 303)
    response.delete_cookie("reader")
    return response
