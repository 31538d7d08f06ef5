"""A plugin of a Datasette: its pages, and a way to become its actor."""

from typing import Any

from datasette import Response, hookimpl

from tests.recipes.common import ANN, COUNTED, TAG, count_sql


async def page() -> Response:
    return Response.html(TAG)


async def data() -> Response:
    return Response.json({"text": TAG})


async def seen() -> Response:
    return Response.json(dict(COUNTED))


async def sign_in(datasette: Any) -> Response:
    response = Response.text("in")
    response.set_cookie("ds_actor", datasette.sign({"a": ANN}, "actor"))
    return response


async def sign_out() -> Response:
    response = Response.text("out")
    response.set_cookie("ds_actor", "", expires=0, max_age=0)
    return response


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    pages = [("^/$", page), ("^/json$", data), ("^/bare/$", page), ("^/bare/json$", data)]
    return [*pages, ("^/in$", sign_in), ("^/out$", sign_out), ("^/seen$", seen)]


@hookimpl
def prepare_connection(conn: Any) -> None:
    conn.set_trace_callback(count_sql)
