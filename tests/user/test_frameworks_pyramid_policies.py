"""Pyramid's user is read by the policies of before Pyramid 2, under Pyramid 1.10 as under 2."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.framework_reading import alone, ask, reader_of
from viafoura_mw.user import frameworks
from viafoura_mw.user.user import Nobody, NotKnown, User

pytest.importorskip("pyramid", reason="Pyramid is not installed")

from pyramid.authentication import AuthTktAuthenticationPolicy
from pyramid.authorization import ACLAuthorizationPolicy
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.security import remember
from pyramid.threadlocal import get_current_request

__all__ = ["alone"]  # a fixture, for each test of this module

TAG = b'<script id="viafoura-platform">'
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Site:
    """A site as Pyramid's tutorials made one, and how often its users were looked up."""

    def __init__(self, *, user: bool = False) -> None:
        self.asked = 0
        self.fails = False
        with Configurator() as config:
            config.set_authorization_policy(ACLAuthorizationPolicy())
            config.set_authentication_policy(
                AuthTktAuthenticationPolicy("secret", callback=self.groups, hashalg="sha512", reissue_time=0)
            )
            if user:
                config.add_request_method(self.user, "user", reify=True)
            for path, view in {"/": page, "/in/{name}": sign_in, "/touched": touched}.items():
                config.add_route(path, path)
                config.add_view(view, route_name=path)
        self.app = config.make_wsgi_app()

    def groups(self, name: str, request: Any) -> list[str] | None:
        assert get_current_request() is request
        self.asked += 1
        if self.fails:
            raise OSError("no directory")
        return [] if name != "gone" else None

    def user(self, request: Any) -> Any:
        name = request.authenticated_userid
        return SimpleNamespace(name=name.title(), email=f"{name}@site.example")


def page(request: Any) -> Response:
    return Response(TAG)


def touched(request: Any) -> Response:
    return Response(TAG + repr(request.authenticated_userid).encode())


def sign_in(request: Any) -> Response:
    return Response(TAG, headerlist=[("Content-Type", "text/html"), *remember(request, request.matchdict["name"])])


@pytest.fixture
def site() -> Site:
    return Site()


def signed_in(site: Site, name: str = "ann") -> dict[str, str]:
    """The cookies of a browser that has signed in."""
    cookies = ask(reader_of("pyramid"), site.app, f"/in/{name}").cookies()
    site.asked = 0
    return {"auth_tkt": cookies["auth_tkt"].strip('"')}


@pytest.mark.parametrize("path", ["/", "/touched"])
def test_reads_a_signed_in_user(site: Site, path: str) -> None:
    """The id is authenticated_userid, which the site's callback has confirmed."""
    asked = ask(reader_of("pyramid"), site.app, path, signed_in(site))
    assert asked.user == User("ann", "ann")
    assert asked.user.complete
    assert site.asked == (1 if path == "/" else 2)


def test_reads_the_rest_from_the_sites_own_user() -> None:
    """Before Pyramid 2 there was no identity: sites put a user into the request."""
    site = Site(user=True)
    user = ask(reader_of("pyramid"), site.app, "/", signed_in(site)).user
    assert user == User("ann", "Ann", "ann@site.example")


def test_nobody_is_who_the_policy_does_not_know(site: Site) -> None:
    """Neither a visitor without a ticket, nor one whose account is gone."""
    assert ask(reader_of("pyramid"), site.app).reading == Nobody()
    assert ask(reader_of("pyramid"), site.app, "/", signed_in(site, "gone")).reading == Nobody()


def test_reading_sets_no_cookie(site: Site) -> None:
    """A policy that reissues its ticket when it is read does so without effect."""
    assert ask(reader_of("pyramid"), site.app, "/", signed_in(site)).cookies() == {}


def test_what_the_site_raises_is_not_known(site: Site) -> None:
    """The page is served; nobody is logged out for it."""
    cookies = signed_in(site)
    site.fails = True
    asked = ask(reader_of("pyramid"), site.app, "/", cookies)
    assert (asked.status, asked.reading) == (200, NotKnown())


def test_is_recognised_by_its_policy(site: Site) -> None:
    """Whichever kind of policy that is."""
    assert frameworks.recognised(asgi=False) == "pyramid"
    assert frameworks.recognised(asgi=True) is None


def test_without_a_policy_is_not_recognised() -> None:
    """Such a site's user is the server's: REMOTE_USER."""
    with Configurator() as config:
        config.add_route("page", "/")
        config.add_view(page, route_name="page")
    app = config.make_wsgi_app()
    assert frameworks.recognised(asgi=False) is None
    assert ask(reader_of("pyramid"), app).reading == NotKnown()
