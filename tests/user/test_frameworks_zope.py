"""Zope's user is read from outside, while the page's transaction lasts."""

import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.framework_reading import Asked, ask, reader_of
from viafoura_mw.user import frameworks
from viafoura_mw.user.user import Nobody, NotKnown, User

TAG = b'<script id="viafoura-platform">'


class Member:
    """A user of Plone's, whose objects can be read only until their connection is closed."""

    def __init__(self, key: str | None, **properties: str) -> None:
        self._key = key
        self._properties = properties
        self.is_open = True

    def getId(self) -> str | None:  # noqa: N802 - Zope's own name
        assert self.is_open
        return self._key

    def getUserName(self) -> str:  # noqa: N802
        return "Anonymous User" if self._key is None else f"{self._key}-login"

    def getProperty(self, name: str) -> str:  # noqa: N802
        assert self.is_open
        return self._properties[name]


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What Zope's publisher does, in its order."""
    module: Any = ModuleType("ZPublisher.WSGIPublisher")

    @contextmanager
    def transaction_pubevents(request: Any, response: Any) -> Any:
        yield

    module.transaction_pubevents = transaction_pubevents
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def published(publisher: Any, user: Any, kind: str = "text/html; charset=utf-8") -> Asked:
    """What is read where Zope has authenticated such a user."""

    def site(environ: Any, start_response: Any) -> list[bytes]:
        request = {} if user is None else {"AUTHENTICATED_USER": user}
        asked = SimpleNamespace(environ=environ, get=request.get)
        response = SimpleNamespace(getHeader=lambda name: kind)
        with publisher.transaction_pubevents(asked, response):
            pass
        if user is not None:
            user.is_open = False
        start_response("200 OK", [("Content-Type", kind)])
        return [TAG]

    return ask(reader_of("zope"), site)


def test_reads_a_member(publisher: Any) -> None:
    """With id, full name and e-mail address, though the connection is closed by then."""
    member = Member("ann", fullname="Ann", email="ann@site.example")
    assert published(publisher, member).reading == User("ann", "Ann", "ann@site.example")


def test_reads_a_member_without_a_full_name(publisher: Any) -> None:
    """By their user name."""
    assert published(publisher, Member("ann", fullname="", email="")).reading == User("ann", "ann-login")


def test_reads_a_user_of_zopes_own(publisher: Any) -> None:
    """Who has no properties at all."""
    user = SimpleNamespace(getId=lambda: "ann", getUserName=lambda: "ann")
    assert published(publisher, user).reading == User("ann", "ann")


def test_reads_the_anonymous_user_as_nobody(publisher: Any) -> None:
    """Zope's has no id."""
    assert published(publisher, Member(None)).reading == Nobody()


def test_knows_nothing_where_nobody_was_asked(publisher: Any) -> None:
    """An error before the user was authenticated; a response that is no page; a user who cannot be read."""
    assert published(publisher, None).reading == NotKnown()
    assert published(publisher, Member("ann"), "application/json").reading == NotKnown()
    broken = SimpleNamespace(getId=lambda: 1 / 0)
    assert published(publisher, broken).reading == NotKnown()


def test_details_that_raise_bar_no_login(publisher: Any) -> None:
    """They count as absent."""
    reading = published(publisher, Member("ann", fullname="Ann")).reading
    assert reading == User("ann", "Ann")
    assert isinstance(reading, User)
    assert not reading.complete


def test_is_hooked_once(publisher: Any) -> None:
    """However often it is asked."""
    assert frameworks.prepare(["zope"]) == ()
    hooked = publisher.transaction_pubevents
    assert frameworks.prepare(["zope"]) == ()
    assert publisher.transaction_pubevents is hooked


def test_is_hooked_only_where_it_is_imported() -> None:
    """It is optional."""
    assert "ZPublisher.WSGIPublisher" not in sys.modules
    assert frameworks.prepare(["zope"]) == ("zope",)


def test_reads_the_user_of_a_real_zope(tmp_path: Path) -> None:
    """With its own user folder, in a process of its own: a visitor, a user, a wrong password."""
    pytest.importorskip("Zope2", reason="Zope is not installed")
    code = f"""
        import base64, pathlib, sys, warnings
        from Zope2.Startup.run import make_wsgi_app

        place = pathlib.Path({str(tmp_path)!r})
        (place / "etc").mkdir()
        lines = ["instancehome " + str(place), "<zodb_db main>", "<mappingstorage>", "</mappingstorage>",
                 "mount-point /", "</zodb_db>"]
        (place / "zope.conf").write_text("\\n".join(lines))
        site = make_wsgi_app({{}}, str(place / "zope.conf"))
        import transaction, Zope2
        app = Zope2.app()
        if "acl_users" not in app.objectIds():
            app.manage_addUserFolder()
        app.acl_users.userFolderAddUser("ann", "secret", ["Manager"], [])
        app.manage_addDTMLMethod("page", "", '<html><script id="viafoura-platform"></html>')
        transaction.commit()
        app._p_jar.close()

        from tests.support.framework_reading import ask, reader_of
        def asked(path, credentials=""):
            basic = "Basic " + base64.b64encode(credentials.encode()).decode()
            headers = {{"Authorization": basic}} if credentials else {{}}
            return ask(reader_of("zope"), site, path, headers=headers)
        found = asked("/page", "ann:secret")
        print(found.status, found.user.id, found.user.name, asked("/page").reading)
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "200 ann ann Nobody(laid_out=True)", done.stderr
