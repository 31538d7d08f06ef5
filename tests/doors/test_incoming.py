"""One request, as both doors read it and show it to the application."""

from typing import Any

import pytest

from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi_scope, wsgi_environ
from viafoura_mw.incoming import Incoming, Layout
from viafoura_mw.runtime import runtime_of

LAYOUTS = [(wsgi_environ.LAYOUT, "wsgi.url_scheme"), (asgi_scope.LAYOUT, "scheme")]
both_layouts = pytest.mark.parametrize(("layout", "scheme"), LAYOUTS, ids=["wsgi", "asgi"])
SIGNED_IN = {"Accept": "text/html", "Authorization": "Basic YTpi", "Accept-Encoding": "gzip, x", "Range": "bytes=0-1"}


def incoming_by_wsgi(environ: dict[str, Any]) -> Incoming:
    """The request of an environ."""
    runtime = runtime_of(Settings(site_id="site", api_key="key"), otherwise="remote-user")
    return Incoming(runtime, wsgi_environ.LAYOUT, environ, environ, environ["REQUEST_METHOD"])


def incoming_by_asgi(scope: dict[str, Any]) -> Incoming:
    """The request of a scope."""
    runtime = runtime_of(Settings(site_id="site", api_key="key"), otherwise="scope")
    fields = asgi_scope.fields_of(asgi_scope.listed(scope))
    return Incoming(runtime, asgi_scope.LAYOUT, scope, fields, scope["method"])


@both_layouts
def test_came_over_https_where_the_server_or_a_proxy_says_so(layout: Layout, scheme: str) -> None:
    """The proxy's word is believed for this alone."""
    forwarded = layout.keys["X-Forwarded-Proto"]
    assert layout.is_secure({scheme: "https"}, {})
    assert layout.is_secure({scheme: "http"}, {forwarded: "https"})
    assert not layout.is_secure({scheme: "http"}, {forwarded: "http"})
    assert not layout.is_secure({scheme: "http"}, {})


def test_is_decided_alike_by_both_doors() -> None:
    """What would make the application answer with less than a readable page is withheld."""
    shown = incoming_by_wsgi(environ_of(headers=SIGNED_IN)).shown()
    assert shown == incoming_by_asgi(scope_of(headers=SIGNED_IN)).shown()
    assert shown == {"Range": None, "Accept-Encoding": "gzip"}


def test_is_shown_as_it_came_where_nothing_is_to_be_withheld() -> None:
    """An ``Accept-Encoding`` of which everything is understood stays the very field that it is."""
    scope = scope_of(headers={**SIGNED_IN, "Accept-Encoding": "gzip", "Range": ""})
    scope["headers"] = [field for field in scope["headers"] if field[0] != b"range"]
    headers = scope["headers"]

    shown = incoming_by_asgi(scope).shown()

    assert shown == {}
    assert asgi_scope.show(scope, shown or {}) == {}
    assert scope["headers"] is headers


def test_is_put_back_but_for_what_the_application_wrote() -> None:
    """A field that the application itself has set meanwhile stays."""
    environ = environ_of(headers=SIGNED_IN)
    withheld = wsgi_environ.show(environ, {"Range": None, "Accept-Encoding": "gzip"})
    environ["HTTP_RANGE"] = "its own"
    wsgi_environ.restore(environ, withheld)
    assert (environ["HTTP_RANGE"], environ["HTTP_ACCEPT_ENCODING"]) == ("its own", "gzip, x")

    scope = scope_of(headers=SIGNED_IN)
    as_sent = asgi_scope.show(scope, {"Range": None, "Accept-Encoding": "gzip"})
    assert (b"accept-encoding", b"gzip") in scope["headers"]
    scope["headers"] = [(b"its", b"own")]
    asgi_scope.restore(scope, as_sent)
    assert scope["headers"] == [(b"its", b"own")]


def test_keeps_one_field_of_several_in_the_place_of_the_first() -> None:
    """Repeated lines are one list (RFC 9110 §5.3)."""
    scope = scope_of()
    scope["headers"] = [(b"accept-encoding", b"gzip"), (b"a", b"1"), (b"accept-encoding", b"x")]
    asgi_scope.show(scope, {"Accept-Encoding": "gzip"})
    assert scope["headers"] == [(b"accept-encoding", b"gzip"), (b"a", b"1")]
