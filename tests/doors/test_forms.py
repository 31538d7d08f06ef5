"""What servers take beyond the specifications, bare: the doors take it as well."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.doors import environ_of
from viafoura_mw import Settings, asgi_messages, wsgi, wsgi_head
from viafoura_mw.response.headers import as_text


@pytest.mark.parametrize("value", ["7", b"7", bytearray(b"7"), memoryview(b"7"), 7])
def test_a_header_is_text_in_whatever_form_it_comes(value: object) -> None:
    """Servers take buffers and numbers for text."""
    assert as_text(value) == "7"
    assert asgi_messages.texts_of([("X", value), (b"Y", b"1")]) == [("X", "7"), ("Y", "1")]


@pytest.mark.parametrize("status", ["", "none", None])
def test_what_is_no_status_has_no_code(status: Any) -> None:
    """Only the server can judge it."""
    assert wsgi_head.code_of(status) == 0
    assert asgi_messages.code_of({"status": status}) == 0
    assert asgi_messages.code_of({}) == 0


@pytest.mark.parametrize("iterable", [None, object()], ids=["None", "a server's own word"])
def test_what_is_no_iterable_goes_to_the_server_once_the_head_has(iterable: Any) -> None:
    """The server knows what it means; the head, which was held for a tag, leaves as it came."""
    heads: list[list[tuple[str, str]]] = []
    head = [("Content-Type", "text/html"), ("Set-Cookie", "a=b")]

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", head)
        returned: Iterable[bytes] = iterable
        return returned

    app = wsgi.ViafouraMiddleware(application, Settings(site_id="site", api_key="key", user="remote-user"))

    assert app(environ_of(), lambda _, headers, *__: heads.append(headers) or bool) is iterable
    assert heads == [head]


def test_a_held_field_that_is_a_list_leaves_as_it_came() -> None:
    """Servers take any pair; the application may use a list again before the head has left."""
    heads: list[list[Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = "ann"
        field = ["Set-Cookie", "a=b"]
        start_response("200 OK", [("Content-Type", "text/html"), field])
        field[1] = "a=c"
        return [b"<p>no tag"]

    app = wsgi.ViafouraMiddleware(application, Settings(site_id="site", api_key="key", user="remote-user"))

    assert list(app(environ_of(), lambda _, headers, *__: heads.append(headers) or bool)) == [b"<p>no tag"]
    assert heads == [[("Content-Type", "text/html"), ["Set-Cookie", "a=b"]]]
