"""An ASGI application without a framework; its reader is ``scope["user"]``."""

from http.cookies import SimpleCookie
from typing import Any

from tests.sites import news


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # as the specification has it for what an application does not know
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    cookie = SimpleCookie(headers.get(b"cookie", "")).get("reader")
    reader = news.reader_of(cookie.value if cookie else None)
    scope["user"] = {"id": reader.id, "name": reader.name, "email": reader.email} if reader else None
    sent, more = b"", True
    while more:
        message = await receive()
        sent, more = sent + message.get("body", b""), message.get("more_body", False)
    reply = news.reply(
        scope["method"],
        scope["path"],
        reader,
        headers.get(b"if-none-match", ""),
        sent,
        headers.get(b"content-type", "text/plain"),
    )
    raw = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": int(reply.status[:3]), "headers": raw})
    if len(reply.body) > 1:
        for piece in reply.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
    else:
        await send({"type": "http.response.body", "body": b"".join(reply.body)})
