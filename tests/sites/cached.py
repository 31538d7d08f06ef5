"""A site that caches stand in front of: each path says in a way of its own what may be kept of it.

A *personal* page greets its reader, so that the site forbids to keep it. A *common* page is the same for everybody, so
that the site lets caches keep it: without the middleware that is safe. Each answer has a number of its own, by which
two that were one in the cache are known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.sites.news import HTML, TAG, reader_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_NUMBERS = count(1)
FRAGMENT = b"the harbour's weather"


@dataclass(frozen=True)
class Page:
    """What a path's pages say to caches; ``composed``: the weather is put in at the edge."""

    headers: tuple[tuple[str, str], ...]
    is_personal: bool = False
    composed: bool = False


PAGES = {
    # For a cache that goes by Cache-Control.
    "private": Page((("Cache-Control", "private"),), is_personal=True),
    "no-store": Page((("Cache-Control", "no-store"),), is_personal=True),
    "public": Page((("Cache-Control", "public, max-age=600"),)),
    "expires": Page((("Expires", "Fri, 01 Jan 2100 00:00:00 GMT"), ("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"))),
    # For one that was told not to: nginx ...
    "accel-no": Page((("X-Accel-Expires", "0"),), is_personal=True),
    "accel-yes": Page((("X-Accel-Expires", "600"),)),
    "accel-later": Page((("X-Accel-Expires", "@4102444800"),)),  # in 2100
    # ... and those that are surrogates of the site.
    "surrogate-no": Page((("Surrogate-Control", "no-store"), ("Cache-Control", "max-age=600")), is_personal=True),
    "surrogate-yes": Page((("Surrogate-Control", "max-age=600"),)),
    "ttl-no": Page((("X-Reverse-Proxy-TTL", "0"),), is_personal=True),
    "ttl-yes": Page((("X-Reverse-Proxy-TTL", "600"), ("Cache-Control", "no-cache"))),
    "esi-no": Page(
        (("Surrogate-Control", 'no-store, content="ESI/1.0"'), ("Cache-Control", "max-age=600")),
        is_personal=True,
        composed=True,
    ),
    "esi-yes": Page((("Surrogate-Control", 'max-age=600, content="ESI/1.0"'),), composed=True),
    "esi-plain": Page((("Surrogate-Control", 'content="ESI/1.0"'), ("Cache-Control", "max-age=600")), composed=True),
}


def answer(path: str, cookies: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """The id of the reader, empty if nobody is signed in; the headers and the body of the answer."""
    cookie = SimpleCookie(cookies).get("reader")
    reader = reader_of(cookie.value if cookie else None)
    user_id = reader.id if reader else ""
    page = PAGES.get(path.split("/")[1])
    if page is None:
        return user_id, [("Content-Type", "text/plain"), ("Content-Length", str(len(FRAGMENT)))], FRAGMENT
    greeting = f"<p>Hello, {user_id or 'stranger'}." if page.is_personal else "<p>Hello."
    weather = '<esi:include src="/weather"/>' if page.composed else ""
    body = f"<!doctype html><title>News</title>{greeting}{weather}<i>{next(_NUMBERS)}</i>".encode() + TAG
    return user_id, [("Content-Type", HTML), ("Content-Length", str(len(body))), *page.headers], body


def wsgi(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    environ["REMOTE_USER"], headers, body = answer(environ["PATH_INFO"], environ.get("HTTP_COOKIE", ""))
    start_response("200 OK", headers)
    return [body]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    cookies = "; ".join(value.decode() for name, value in scope["headers"] if name == b"cookie")
    user_id, headers, body = answer(scope["path"], cookies)
    scope["user"] = {"id": user_id} if user_id else None
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    await send({"type": "http.response.body", "body": body})
