"""A WSGI application without a framework; its reader is ``REMOTE_USER``."""

from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from tests.sites import news

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("reader")
    reader = news.reader_of(cookie.value if cookie else None)
    if reader:
        environ["REMOTE_USER"] = reader.id
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    reply = news.reply(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        reader,
        environ.get("HTTP_IF_NONE_MATCH", ""),
        sent,
        environ.get("CONTENT_TYPE") or "text/plain",
    )
    start_response(reply.status, reply.headers)
    return reply.body if len(reply.body) == 1 else iter(reply.body)
