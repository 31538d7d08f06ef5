"""Trac with its own sign-in: a plugin with the page. As a program it makes the project that the plugin is for."""

import base64
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trac.core import Component, implements
from trac.db.sqlite_backend import PyFormatCursor
from trac.env import Environment
from trac.web.api import IRequestHandler
from trac.web.session import DetachedSession

from tests.recipes.common import COUNTED, TAG, count_sql


class News(Component):
    implements(IRequestHandler)

    def match_request(self, req: Any) -> bool:
        return req.path_info.removeprefix("/bare") in ("/", "/json", "/seen")

    def process_request(self, req: Any) -> Any:
        if req.path_info == "/seen":
            return req.send(json.dumps(dict(COUNTED)).encode(), "application/json")
        if req.path_info.endswith("/json"):
            return req.send(json.dumps({"text": TAG}).encode(), "application/json")
        return "news.html", {}


def _counted(self: Any, sql: str, args: Any = None) -> Any:
    count_sql(sql)
    return _execute(self, sql, args)


_execute = PyFormatCursor.execute
PyFormatCursor.execute = _counted


def main() -> None:
    options = [("project", "name", "News"), ("trac", "database", "sqlite:db/trac.db")]
    if find_spec("acct_mgr"):
        modules = ("acct_mgr.api.*", "acct_mgr.web_ui.LoginModule", "acct_mgr.htfile.*")
        options += [("components", name, "enabled") for name in modules]
        options += [("components", "trac.web.auth.LoginModule", "disabled")]
        options += [("account-manager", "password_store", "HtPasswdStore")]
        options += [("account-manager", "htpasswd_file", str(Path("site.htpasswd").resolve()))]
    environment = Environment(str(Path("trac").resolve()), create=True, options=options)
    session = DetachedSession(environment, "ann")
    session.update({"name": "Änn Łee", "email": "ann@site.example"})
    session.save()
    environment.shutdown()
    Path("trac/plugins/news.py").write_bytes(Path(__file__).read_bytes())
    Path("trac/templates/news.html").write_text(TAG)
    digest = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    Path("site.htpasswd").write_text(f"ann:{{SHA}}{digest}\n")


if __name__ == "__main__":
    main()
