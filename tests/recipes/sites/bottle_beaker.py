"""Bottle with Beaker's session, kept in files."""

import tempfile
from typing import Any

import bottle
from beaker.container import FileNamespaceManager
from beaker.middleware import SessionMiddleware

from tests.recipes.common import ANN, COUNTED, TAG

site = bottle.Bottle()


@site.route("/in")
def sign_in() -> str:
    session = bottle.request.environ["beaker.session"]
    session["user"] = ANN
    session.save()
    return "in"


@site.route("/out")
def sign_out() -> str:
    bottle.request.environ["beaker.session"].delete()
    return "out"


def do_close(manager: Any) -> None:
    """Count what is written: Beaker writes a file where it closes one that was opened for it."""
    COUNTED["writes"] += manager.flags in ("c", "w")
    close(manager)


close = FileNamespaceManager.do_close
FileNamespaceManager.do_close = do_close
for path in ("", "/bare"):
    site.route(f"{path}/", callback=lambda: TAG)
    site.route(f"{path}/json", callback=lambda: {"text": TAG})
site.route("/seen", callback=lambda: dict(COUNTED))
application = SessionMiddleware(site, {"session.type": "file", "session.data_dir": tempfile.mkdtemp()})
