"""Plone's members are read by preset ``zope``: run by ``.ci/frameworks``, since its 300 packages are an environment.

The file is named so that no other run collects it.
"""

import base64
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

CODE = """
    import pathlib, sys
    from Zope2.Startup.run import make_wsgi_app

    place = pathlib.Path({place!r})
    (place / "etc").mkdir()
    (place / "etc" / "site.zcml").write_text('<configure xmlns="http://namespaces.zope.org/zope" '
        'xmlns:meta="http://namespaces.zope.org/meta" xmlns:five="http://namespaces.zope.org/five">'
        '<include package="Products.Five" /><meta:redefinePermission from="zope2.Public" to="zope.Public" />'
        '<five:loadProducts file="meta.zcml"/><five:loadProducts /><five:loadProductsOverrides /></configure>')
    lines = ["instancehome " + str(place), "<zodb_db main>", "<mappingstorage>", "</mappingstorage>", "mount-point /",
             "</zodb_db>"]
    (place / "zope.conf").write_text("\\n".join(lines))
    site = make_wsgi_app({{}}, str(place / "zope.conf"))
    import transaction, Zope2
    from AccessControl.SecurityManagement import newSecurityManager
    from Testing.makerequest import makerequest
    from Products.CMFPlone.factory import addPloneSite
    from zope.globalrequest import setRequest

    app = makerequest(Zope2.app())
    setRequest(app.REQUEST)
    app.acl_users.userFolderAddUser("admin", "secret", ["Manager"], [])
    newSecurityManager(None, app.acl_users.getUser("admin").__of__(app.acl_users))
    portal = addPloneSite(app, "Plone", title="News", setup_content=False)
    from zope.component.hooks import setSite
    setSite(portal)
    properties = {{"username": "ann", "fullname": "Ann Lee", "email": "ann@site.example"}}
    portal.portal_registration.addMember("ann", "a long secret", properties=properties)
    transaction.commit()
    app._p_jar.close()
    setRequest(None)

    import json
    from tests.support.framework_reading import ask, reader_of
    found = []
    for credentials in {credentials!r}:
        headers = {{"Authorization": credentials}} if credentials else {{}}
        reader = reader_of("zope")
        before = Zope2.DB.storage.lastTransaction()
        asked = ask(reader, site, "/Plone", headers=headers)
        names = sorted(name.lower() for name, _ in asked.headers if name.lower() in ("set-cookie", "vary"))
        user = asked.user and [asked.user.id, asked.user.name, asked.user.email]
        found.append([asked.status, user, names, before == Zope2.DB.storage.lastTransaction()])
    print(json.dumps(found))
"""


def test_reads_a_member(tmp_path: Path) -> None:
    """With id, full name and e-mail address; a visitor is nobody; nothing is written."""
    pytest.importorskip("Products.CMFPlone", reason="Plone is not installed")
    basic = "Basic " + base64.b64encode(b"ann:a long secret").decode()
    code = textwrap.dedent(CODE.format(place=str(tmp_path), credentials=["", basic, "", basic]))
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    # The first page of each kind is what Plone itself writes to its registries and caches for.
    *_, visitor, member = found
    assert visitor[:2] == [200, None]
    assert member[:2] == [200, ["ann", "Ann Lee", "ann@site.example"]]
    assert (visitor[3], member[3]) == (True, True)
