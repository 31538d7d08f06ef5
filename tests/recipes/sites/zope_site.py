"""Zope with its own user folder, whose users send their name and password with each request."""

import json
from pathlib import Path
from typing import Any

from Zope2.Startup.run import make_wsgi_app

from tests.recipes.common import TAG

CONFIGURATION = """
instancehome .
<zodb_db main>
  <mappingstorage>
  </mappingstorage>
  mount-point /
</zodb_db>
"""
Path("etc").mkdir(exist_ok=True)
Path("zope.conf").write_text(CONFIGURATION)
application = make_wsgi_app({}, "zope.conf")

import transaction  # noqa: E402 - once Zope is set up
import Zope2  # noqa: E402
from OFS.SimpleItem import SimpleItem  # noqa: E402


class Data(SimpleItem):
    """What is no page."""

    id = "json"

    def index_html(self, REQUEST: Any) -> str:  # noqa: N803 - Zope's own name
        """Show it."""
        REQUEST.RESPONSE.setHeader("Content-Type", "application/json")
        return json.dumps({"text": TAG})


class Seen(SimpleItem):
    """How much was written."""

    id = "seen"

    def index_html(self, REQUEST: Any) -> str:  # noqa: N803
        """Each write makes the last transaction another."""
        REQUEST.RESPONSE.setHeader("Content-Type", "application/json")
        last = self._p_jar.db().storage.lastTransaction()
        return json.dumps({"reads": 0, "writes": int.from_bytes(last, "big")})


app = Zope2.app()
app.acl_users.userFolderAddUser("ann", "secret", ["Manager"], [])
app.manage_addFolder("bare")
for folder in (app, app.bare):
    if "index_html" in folder.objectIds():
        folder._delObject("index_html")
    folder.manage_addDTMLMethod("index_html", "", TAG)
    folder._setObject("json", Data())
app._setObject("seen", Seen())
transaction.commit()
app._p_jar.close()
