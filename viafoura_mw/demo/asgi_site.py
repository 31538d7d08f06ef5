"""The news site as an ASGI application: its reader is ``scope["user"]``."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from viafoura_mw.demo.site import Site, Visit


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A reader as the ASGI world names a user's fields (starlette's authentication)."""

    id: str
    display_name: str
    email: str | None
    is_authenticated: bool = True


def asgi_site(site: Site) -> ASGIApp:
    """``site`` as an application that an ASGI server can serve."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        cookies = request.headers.get("cookie", "")
        reader = site.reader(cookies)
        scope["user"] = SignedIn(reader.id, reader.name, reader.email) if reader else None
        visit = Visit(
            request.method,
            scope["path"],
            scope["query_string"].decode("ascii", "replace"),
            (await request.body()).decode("ascii", "replace"),
            cookies,
            request.headers.get("sec-fetch-site", ""),
        )
        reply = await run_in_threadpool(site.answer, visit)
        response = Response(reply.body, reply.status)
        response.raw_headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers]
        await response(scope, receive, send)

    return application
