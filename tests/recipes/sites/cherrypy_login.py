"""CherryPy with one of its own authentication tools, which sets ``cherrypy.request.login``."""

import json

import cherrypy

from tests.recipes.common import COUNTED, TAG


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

    @cherrypy.expose
    def seen(self) -> bytes:
        return json.dumps(COUNTED).encode()


cherrypy.config.update({"environment": "embedded", "log.screen": False})
tools = {
    "tools.sessions.on": True,
    "tools.session_auth.on": True,
    "tools.session_auth.check_username_and_password": lambda user, password: None if password == "secret" else "no",
    "tools.session_auth.login_screen": lambda *_, **__: TAG.encode(),
}
application = cherrypy.tree.mount(Site(), "", {"/": tools, "/seen": {"tools.session_auth.on": False}})
