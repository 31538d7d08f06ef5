"""Trac behind what authenticates every path: here a few lines of WSGI, in the place of Apache."""

import base64
import json
from pathlib import Path
from typing import Any

from trac.core import Component, implements
from trac.env import Environment
from trac.web.api import IRequestHandler
from trac.web.main import dispatch_request

from tests.recipes.common import COUNTED, TAG

PLACE = str(Path("trac").resolve())
OPTIONS = [
    ("project", "name", "News"),
    ("trac", "database", "sqlite:db/trac.db"),
    ("components", "mysite.*", "enabled"),
]
Environment(PLACE, create=True, options=OPTIONS)


class News(Component):
    implements(IRequestHandler)

    def match_request(self, req: Any) -> bool:
        return True

    def process_request(self, req: Any) -> None:
        if req.path_info == "/seen":
            writes = Path(PLACE, "db/trac.db").read_bytes()[24:28]  # SQLite's own counter of changes
            req.send(json.dumps({**COUNTED, "writes": int.from_bytes(writes, "big")}).encode(), "application/json")
        if req.path_info.endswith("/json"):
            req.send(json.dumps({"text": TAG}).encode(), "application/json")
        req.send(TAG.encode(), "text/html")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme == "Basic":
        environ["REMOTE_USER"] = base64.b64decode(credentials).decode().partition(":")[0]
    environ["trac.env_path"] = PLACE
    return dispatch_request(environ, start_response)
