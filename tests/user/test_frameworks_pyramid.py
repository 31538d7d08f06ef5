"""Pyramid's user is read from outside, by the site's own security policy."""

import gc
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.doors import environ_of
from tests.support.framework_reading import alone, ask, reader_of
from viafoura_mw import Settings, wsgi
from viafoura_mw.log import Notices
from viafoura_mw.user import frameworks
from viafoura_mw.user.user import NotKnown, User

pytest.importorskip("pyramid", reason="Pyramid is not installed")

from pyramid.authentication import AuthTktCookieHelper
from pyramid.config import Configurator
from pyramid.request import RequestLocalCache
from pyramid.response import Response
from pyramid.security import remember
from pyramid.threadlocal import get_current_request

__all__ = ["alone"]  # a fixture, for each test of this module

TAG = b'<script id="viafoura-platform">'


class Policy:
    """A security policy as Pyramid's documentation makes one."""

    def __init__(self, identities: dict[str, Any]) -> None:
        self.identities = identities
        self.asked = 0
        self.helper = AuthTktCookieHelper("secret", hashalg="sha512", reissue_time=0, timeout=100)
        self.cache = RequestLocalCache(self.load)

    def load(self, request: Any) -> Any:
        found = self.helper.identify(request)
        if found is None:
            return None
        assert get_current_request() is request
        if "tm" in vars(request):
            request.tm.get()  # raises outside of a transaction
        self.asked += 1
        return self.identities[found["userid"]]

    def identity(self, request: Any) -> Any:
        return self.cache.get_or_create(request)

    def authenticated_userid(self, request: Any) -> Any:
        identity = self.identity(request)
        return None if identity is None else getattr(identity, "key", 7)

    def remember(self, request: Any, userid: Any, **kw: Any) -> Any:
        return self.helper.remember(request, userid, **kw)


IDENTITIES = {
    "ann": SimpleNamespace(key="a-1", full_name="Ann Onymous", email="ann@site.example"),
    "bob": {"name": "Bob", "email": "bob@site.example", "authenticated_userid": 8},
    "cy": "cy",
}


@pytest.fixture
def policy() -> Policy:
    return Policy(IDENTITIES)


def configured(policy: Policy | None, **settings: Any) -> Any:
    """A site that knows nothing of Viafoura."""
    with Configurator(settings=settings) as config:
        if policy is not None:
            config.set_security_policy(policy)
        if settings:
            config.include("pyramid_tm")
        config.add_route("page", "/")
        config.add_view(lambda request: Response(TAG), route_name="page")
        config.add_route("in", "/in/{name}")
        config.add_view(sign_in, route_name="in")
        config.add_route("nested", "/nested")
        config.add_view(nested, route_name="nested")
    return config.make_wsgi_app()


def sign_in(request: Any) -> Response:
    return Response(TAG, headerlist=[("Content-Type", "text/html"), *remember(request, request.matchdict["name"])])


def nested(request: Any) -> Response:
    from pyramid.request import Request

    response: Response = request.invoke_subrequest(Request.blank("/"))
    return response


@pytest.fixture
def app(policy: Policy) -> Any:
    return configured(policy)


def signed_in(app: Any, name: str = "ann") -> dict[str, str]:
    """The cookies of a browser that has signed in."""
    cookies = ask(reader_of("pyramid"), app, f"/in/{name}").cookies()
    return {"auth_tkt": cookies["auth_tkt"].strip('"')}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ann", ("a-1", "Ann Onymous", "ann@site.example")),
        ("bob", ("7", "Bob", "bob@site.example")),
        ("cy", ("7", "7", None)),
    ],
)
@pytest.mark.parametrize("path", ["/", "/nested"])
def test_reads_a_signed_in_user(app: Any, policy: Policy, path: str, name: str, read: tuple[Any, ...]) -> None:
    """The id is authenticated_userid; the rest is of the identity, whether that is an object, a mapping or a string."""
    user = ask(reader_of("pyramid"), app, path, signed_in(app, name)).user
    assert user is not None
    assert (user.id, user.name, user.email) == read
    assert policy.asked == 1


def test_reads_nobody_where_nobody_is_signed_in(app: Any, policy: Policy) -> None:
    """Without asking the site for more."""
    assert ask(reader_of("pyramid"), app).user is None
    assert policy.asked == 0


def test_asks_nothing_where_the_user_is_not_wanted(app: Any, policy: Policy) -> None:
    """A response that nobody reads the user of costs nothing."""
    ask(reader_of("pyramid"), app, "/", signed_in(app), when="never")
    assert policy.asked == 0


def test_reading_sets_no_cookie(app: Any) -> None:
    """A policy that reissues its ticket when it is read does so without effect."""
    assert ask(reader_of("pyramid"), app, "/", signed_in(app)).cookies() == {}


def test_reads_inside_a_transaction_and_aborts_it(policy: Policy) -> None:
    """A site with pyramid_tm finds its users in the database."""
    pytest.importorskip("pyramid_tm", reason="pyramid_tm is not installed")
    import transaction

    managers: list[Any] = []

    def manager(request: Any) -> Any:
        managers.append(transaction.TransactionManager(explicit=True))
        return managers[-1]

    app = configured(policy, **{"tm.manager_hook": manager, "tm.annotate_user": "false"})
    user = ask(reader_of("pyramid"), app, "/", signed_in(app)).user
    assert user is not None
    assert user.id == "a-1"
    with pytest.raises(transaction.interfaces.NoTransaction):
        managers[-1].get()


def test_leaves_no_transaction_to_a_thread(policy: Policy) -> None:
    """Which would keep a connection until the thread's next request."""
    pytest.importorskip("pyramid_tm", reason="pyramid_tm is not installed")
    import transaction

    app = configured(policy, **{"tm.annotate_user": "false"})
    assert ask(reader_of("pyramid"), app, "/", signed_in(app)).user is not None
    assert transaction.manager.manager._txn is None


def test_leaves_the_transaction_of_a_streamed_page_alone(policy: Policy) -> None:
    """It is the site's, to commit or to abort."""
    pytest.importorskip("pyramid_tm", reason="pyramid_tm is not installed")
    import transaction

    app = configured(policy, **{"tm.annotate_user": "false"})
    cookies = signed_in(app)
    kept: list[Any] = []

    def streaming(environ: Any, start_response: Any) -> Any:
        app(environ, start_response)
        kept.append(transaction.begin())
        return [TAG]

    assert ask(reader_of("pyramid"), streaming, "/", cookies).user is not None
    assert transaction.get() is kept[0]
    transaction.abort()


def test_what_the_site_raises_is_a_failure_and_not_a_visitor_who_left(app: Any, policy: Policy) -> None:
    """The page is served; nobody is logged out for it."""
    cookies = signed_in(app)
    policy.identities = {}
    asked = ask(reader_of("pyramid"), app, "/", cookies)
    assert asked.status == 200
    assert isinstance(asked.reading, NotKnown)


def test_reads_the_rest_from_the_sites_own_user(policy: Policy) -> None:
    """Pyramid 1.10 has no identity; sites of any version put a user into the request."""
    cookies = signed_in(configured(policy))
    with Configurator() as config:
        config.set_security_policy(policy)
        config.add_request_method(lambda _: SimpleNamespace(name="Annie", email="annie@site.example"), "user", True)
        config.add_route("page", "/")
        config.add_view(lambda request: Response(TAG), route_name="page")
    reading = ask(reader_of("pyramid"), config.make_wsgi_app(), "/", cookies).user
    assert reading == User("a-1", "Annie", "annie@site.example")


class Broken:
    """A user of the site's whose code has a fault."""

    @property
    def name(self) -> str:
        return self.row  # type: ignore[attr-defined, no-any-return]


def test_what_the_sites_own_user_raises_is_no_absence(policy: Policy) -> None:
    """A fault in its code is told apart from a name that it does not have."""
    policy.identities = {"ann": Broken()}
    app = configured(policy)
    user = ask(reader_of("pyramid"), app, "/", signed_in(app)).user
    assert user == User("7", "7")
    assert not user.complete


def test_does_not_know_who_asks_a_site_without_a_policy() -> None:
    """Nobody asked."""
    assert ask(reader_of("pyramid"), configured(None)).reading == NotKnown()


def test_a_hook_that_fails_breaks_no_page(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is the site's, and the user is not known."""
    from viafoura_mw.user.frameworks import served

    def leave(*_: Any) -> None:
        raise KeyError("ann@site.example")

    told: list[str] = []
    monkeypatch.setattr(Notices, "tell", lambda _, kind, level, sentence, *values: told.append(sentence % values))
    monkeypatch.setattr(served, "leave", leave)
    asked = ask(reader_of("pyramid"), app)
    assert (asked.status, asked.reading) == (200, NotKnown())
    assert told == ["the hook of preset pyramid failed (KeyError): the user is not known"]


def test_pyramid_is_recognised_by_its_router(app: Any) -> None:
    """Which is WSGI's."""
    assert frameworks.recognised(asgi=False) == "pyramid"
    assert frameworks.recognised(asgi=True) is None


def test_pyramid_without_a_security_policy_is_not_recognised() -> None:
    """Such a site's user is the server's: REMOTE_USER."""
    gc.collect()
    site = configured(None)
    assert frameworks.recognised(asgi=False) is None
    del site


def test_serves_a_pyramid_page_through_the_wsgi_door(app: Any, settings: Settings) -> None:
    """By VIAFOURA_USER=auto, with nothing said to the site."""
    environ = environ_of(headers={"Cookie": f"auth_tkt={signed_in(app)['auth_tkt']}"})
    iterable: Any = wsgi.ViafouraMiddleware(app, settings)(environ, lambda *_: print)
    assert b"data-uid=" in b"".join(iterable)
    iterable.close()
