"""One page, streamed by three frameworks under ASGI, whose user the application names in a response header.

``SITE`` names the framework. The page stays open behind its tag, as a page does whose visitor may leave meanwhile.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

PAGE = b'<!doctype html><title>News</title><script id="viafoura-platform"></script>'
END = b"<p>the end</p>"
USER = "X-Site-User"


async def _pieces() -> AsyncIterator[bytes]:
    yield PAGE
    await asyncio.sleep(0.05)
    yield END


def _starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def page(request: Request) -> StreamingResponse:
        who = request.query_params.get("user", "")
        return StreamingResponse(_pieces(), media_type="text/html", headers={USER: who})

    return Starlette(routes=[Route("/", page)])


def _django() -> Any:
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler
    from django.http import HttpRequest, StreamingHttpResponse
    from django.urls import path

    async def page(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(_pieces(), headers={USER: request.GET.get("user", "")})

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(path("", page),), SECRET_KEY="of the tests", MIDDLEWARE=[])
    import django

    django.setup()
    return ASGIHandler()


def _quart() -> Any:
    from quart import Quart, Response, request

    app = Quart(__name__)

    @app.route("/")
    async def page() -> Response:
        return Response(_pieces(), content_type="text/html", headers={USER: request.args.get("user", "")})

    return app


app = {"starlette": _starlette, "django": _django, "quart": _quart}[os.environ.get("SITE", "starlette")]()
