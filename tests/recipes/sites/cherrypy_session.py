"""CherryPy with its session tool."""

import json
from typing import Any

import cherrypy
from cherrypy.lib.sessions import RamSession

from tests.recipes.common import ANN, COUNTED, TAG


class Bare:
    @cherrypy.expose
    def index(self) -> str:
        return TAG

    @cherrypy.expose
    def json(self) -> bytes:
        cherrypy.response.headers["Content-Type"] = "application/json"
        return json.dumps({"text": TAG}).encode()


class Site(Bare):
    bare = Bare()

    @cherrypy.expose(["in"])
    def enter(self) -> str:
        cherrypy.session["user"] = ANN
        return "in"

    @cherrypy.expose
    def out(self) -> str:
        cherrypy.session.pop("user", None)
        return "out"

    @cherrypy.expose
    def seen(self) -> bytes:
        return json.dumps(COUNTED).encode()


def save(session: Any, *args: Any) -> None:
    COUNTED["writes"] += 1
    saved(session, *args)


saved = RamSession._save
RamSession._save = save
cherrypy.config.update({"environment": "embedded", "log.screen": False})
application = cherrypy.tree.mount(Site(), "", {"/": {"tools.sessions.on": True}, "/seen": {"tools.sessions.on": False}})
