"""Asks one framework's site who is reading, in a process of its own; prints what the bridge answers, as JSON,
by the path that tells a user: none, and the front page.

python -m tests.support.bridge_probe DOOR MODULE:ATTRIBUTE
"""

import io
import json
import os
import sys
from typing import Any

import anyio

from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.loading import load

ASKS = {"X-Viafoura-Bridge": "0123456789abcdef", "Sec-Fetch-Site": "same-origin", "Host": "127.0.0.1"}
FORM = b"reader=1"
Headers = list[tuple[str, str]]


def through_wsgi(app: Any, path: str, headers: dict[str, str], body: bytes) -> tuple[Headers, bytes]:
    """POST to a WSGI application."""
    heads: list[Headers] = []
    environ = environ_of("POST", path, headers) | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    answer = app(environ, lambda _, headers, *__: heads.append(headers))
    try:
        return heads[-1:][0], b"".join(answer)
    finally:
        getattr(answer, "close", bool)()


def through_asgi(app: Any, path: str, headers: dict[str, str], body: bytes) -> tuple[Headers, bytes]:
    """POST to an ASGI application."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    sent: list[Any] = []
    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        message = next(asked, None)
        if message is None:
            await anyio.sleep_forever()
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    anyio.run(app, scope_of("POST", path, {**headers, **form}), receive, send)
    raw = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return raw, b"".join(message.get("body", b"") for message in sent[1:])


def main(door: str, name: str) -> None:
    app: Any = load(name)
    post = through_wsgi if door == "wsgi" else through_asgi
    signed, _ = post(app, "/sign-in", {"Host": "127.0.0.1"}, FORM)
    cookies = "; ".join(value.partition(";")[0] for field, value in signed if field.lower() == "set-cookie")
    told: dict[str, dict[str, str]] = {}
    for user_path in ("", "/"):
        settings = Settings.from_env({**os.environ, "VIAFOURA_BRIDGE_USER_PATH": user_path})
        wrapped = (wsgi if door == "wsgi" else asgi).ViafouraMiddleware(app, settings)
        told[user_path] = {}
        for reader, jar in (("signed in", cookies), ("nobody", "sessionid=unknown; session=unknown")):
            _, body = post(wrapped, "/_viafoura/session", {**ASKS, "Cookie": jar}, b"")
            told[user_path][reader] = json.loads(body)["state"]
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
