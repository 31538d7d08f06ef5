"""A page whose site gives every request one second, by a layer around the middleware; ``DEADLINE`` names how.

``alarm``: a signal. ``gevent``: a greenlet's timeout. ``asyncio``: ``wait_for``. When the second is over, the site
answers that it is busy.
"""

import asyncio
import os
import signal
from collections.abc import Iterable
from typing import Any

from viafoura_mw import asgi, wsgi

PAGE = b'<!doctype html><title>News</title><script id="viafoura-platform"></script><p>the end</p>'
BUSY = b"<!doctype html><title>Busy</title>"
HTML = "text/html; charset=utf-8"


def _site(environ: Any, start_response: Any) -> Iterable[bytes]:
    environ["REMOTE_USER"] = "ann"
    start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


class _Alarm(BaseException):
    """The second is over."""


def _ring(*_: object) -> None:
    raise _Alarm


def _with_alarm(environ: Any, start_response: Any) -> Iterable[bytes]:
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        return list(_wrapped(environ, start_response))
    except _Alarm:
        return [BUSY]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _with_gevent(environ: Any, start_response: Any) -> Iterable[bytes]:
    import gevent

    with gevent.Timeout(1.0, False):
        return list(_wrapped(environ, start_response))
    return [BUSY]


async def _asgi_site(scope: Any, receive: Any, send: Any) -> None:
    scope["user"] = "ann"
    length = str(len(PAGE)).encode()
    headers = [(b"content-type", HTML.encode()), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE})


async def _with_wait_for(scope: Any, receive: Any, send: Any) -> None:
    """A layer within the middleware: what it sends when the second is over comes after the page has left."""
    try:
        await asyncio.wait_for(_asgi_site(scope, receive, send), 1.0)
    except TimeoutError:
        await send({"type": "http.response.start", "status": 503, "headers": [(b"content-type", HTML.encode())]})
        await send({"type": "http.response.body", "body": BUSY})


_DEADLINE = os.environ.get("DEADLINE")
if _DEADLINE == "asyncio":
    app: Any = asgi.ViafouraMiddleware(_with_wait_for)
elif _DEADLINE:
    _wrapped = wsgi.ViafouraMiddleware(_site)
    application = {"alarm": _with_alarm, "gevent": _with_gevent}[_DEADLINE]
