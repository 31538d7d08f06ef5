"""A framework of the site's own, in plain WSGI; it names its user in headers of its response."""

import json
from http.cookies import SimpleCookie
from typing import Any

from tests.recipes.common import ANN, COUNTED, TAG


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    path = environ["PATH_INFO"].removeprefix("/bare")
    is_ann = "who" in SimpleCookie(environ.get("HTTP_COOKIE", ""))
    user = ANN if is_ann else dict.fromkeys(ANN, "")
    headers = [("X-Site-User", user["id"]), ("X-Site-Name", user["name"]), ("X-Site-Email", user["email"])]
    if path == "/in":
        headers.append(("Set-Cookie", "who=ann"))
    if path == "/out":
        headers.append(("Set-Cookie", "who=; Max-Age=0"))
    answer = {"/": TAG, "/json": json.dumps({"text": TAG}), "/seen": json.dumps(COUNTED)}.get(path, "moved")
    kind = "text/html; charset=utf-8" if path == "/" else "application/json"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(answer))), *headers])
    return [answer.encode()]
