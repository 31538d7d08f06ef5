"""What a signed-in page leaves behind: nothing that only the garbage collector could end."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.bench.requests import HTML, SETTINGS, TAG, Case, asgi_app, request_headers, wsgi_app
from tests.support.doors import environ_of, scope_of
from viafoura_mw import asgi, wsgi

PAGES = {
    "with the tag": b"<!doctype html><title>News</title><body>" + TAG,
    "without it": b"<!doctype html><title>News</title><body>",
    "cut": b"<!doctype html><title>News</title><script>/* </script",
}
both_pages = pytest.mark.parametrize("body", PAGES.values(), ids=PAGES)


@contextmanager
def collected() -> Iterator[list[Any]]:
    """The objects that were left in reference cycles meanwhile."""
    found: list[Any] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += gc.garbage
    finally:
        gc.garbage.clear()
        gc.set_debug(0)
        gc.enable()


def kinds(found: list[Any]) -> set[str]:
    """What of ours is among the objects."""
    return {type(one).__name__ for one in found if type(one).__module__.startswith("viafoura_mw")}


@both_pages
def test_a_signed_in_page_leaves_no_cycle_under_wsgi(body: bytes) -> None:
    """Whole, with the user's cookie, which is nearly every page of a signed-in user."""
    case = Case("page", body, HTML, signed_in=True)
    app = wsgi.ViafouraMiddleware(wsgi_app(case), SETTINGS)
    headers = request_headers(case)

    def ask() -> None:
        iterable = app(environ_of(headers=headers), lambda *_: bool)
        b"".join(iterable)
        getattr(iterable, "close", bool)()

    ask()
    with collected() as found:
        ask()

    assert kinds(found) == set()


@both_pages
def test_a_signed_in_page_leaves_no_cycle_under_asgi(body: bytes) -> None:
    """The timer that was set for its head holds nothing either."""
    case = Case("page", body, HTML, signed_in=True)
    app = asgi.ViafouraMiddleware(asgi_app(case), SETTINGS)
    headers = request_headers(case)

    async def nothing(*_: Any) -> None: ...

    async def ask(collecting: Callable[[], Any]) -> None:
        await app(scope_of(headers=headers), nothing, nothing)  # type: ignore[arg-type]
        with collecting() as found:
            await app(scope_of(headers=headers), nothing, nothing)  # type: ignore[arg-type]
        assert kinds(found) == set()

    asyncio.run(ask(collected))
