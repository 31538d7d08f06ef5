"""The news site as a WSGI application: its reader is ``REMOTE_USER``, with the details beside."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from viafoura_mw.demo.site import Site, Visit

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def wsgi_site(site: Site) -> "WSGIApplication":
    """``site`` as an application that a WSGI server can serve."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        cookies = environ.get("HTTP_COOKIE", "")
        if reader := site.reader(cookies):
            environ["REMOTE_USER"] = reader.id
            environ["courier.reader"] = reader
        reply = site.answer(
            Visit(
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                environ.get("QUERY_STRING", ""),
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode("ascii", "replace"),
                cookies,
                environ.get("HTTP_SEC_FETCH_SITE", ""),
            )
        )
        start_response(f"{reply.status.value} {reply.status.phrase}", reply.headers)
        return [reply.body]

    return application
