"""Plone with a member, and the tag where its site setup takes scripts; below ``/bare`` the same site once more."""

import json
from pathlib import Path
from typing import Any

from Zope2.Startup.run import make_wsgi_app

from tests.recipes.common import TAG

PRODUCTS = """
<configure xmlns="http://namespaces.zope.org/zope" xmlns:meta="http://namespaces.zope.org/meta"
           xmlns:five="http://namespaces.zope.org/five">
  <include package="Products.Five" />
  <meta:redefinePermission from="zope2.Public" to="zope.Public" />
  <five:loadProducts file="meta.zcml" />
  <five:loadProducts />
  <five:loadProductsOverrides />
</configure>
"""
CONFIGURATION = """
instancehome .
<zodb_db main>
  <mappingstorage>
  </mappingstorage>
  mount-point /
</zodb_db>
"""
Path("etc").mkdir()
Path("etc/site.zcml").write_text(PRODUCTS)
Path("etc/zope.conf").write_text(CONFIGURATION)
zope = make_wsgi_app({}, "etc/zope.conf")

import transaction  # noqa: E402 - once Zope is set up
import Zope2  # noqa: E402
from AccessControl.SecurityManagement import newSecurityManager  # noqa: E402
from plone.base.interfaces import IPloneSiteRoot  # noqa: E402
from plone.registry.interfaces import IRegistry  # noqa: E402
from Products.CMFPlone.factory import addPloneSite  # noqa: E402
from Products.Five.browser import BrowserView  # noqa: E402
from Testing.makerequest import makerequest  # noqa: E402
from zope.component import getUtility, provideAdapter  # noqa: E402
from zope.component.hooks import setSite  # noqa: E402
from zope.globalrequest import setRequest  # noqa: E402
from zope.interface import Interface  # noqa: E402
from zope.publisher.interfaces.browser import IBrowserRequest  # noqa: E402


class Data(BrowserView):
    """What is no page."""

    __roles__ = None

    def __call__(self) -> str:
        """Show it."""
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps({"text": TAG})


provideAdapter(Data, (IPloneSiteRoot, IBrowserRequest), Interface, name="json")

app = makerequest(Zope2.app())
setRequest(app.REQUEST)
app.acl_users.userFolderAddUser("admin", "secret", ["Manager"], [])
newSecurityManager(None, app.acl_users.getUser("admin").__of__(app.acl_users))
portal = addPloneSite(app, "Plone", title="News", setup_content=False)
setSite(portal)
member = {"username": "ann", "fullname": "Änn Łee", "email": "ann@site.example"}
portal.portal_registration.addMember("ann", "a long secret", properties=member)
getUtility(IRegistry)["plone.webstats_js"] = '<script id="viafoura-platform"></script>'
transaction.commit()
app._p_jar.close()
setSite(None)
setRequest(None)


def application(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path == "/seen":
        last = Zope2.DB.storage.lastTransaction()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"reads": 0, "writes": int.from_bytes(last, "big")}).encode()]
    return zope({**environ, "PATH_INFO": path.removeprefix("/bare")}, start_response)
