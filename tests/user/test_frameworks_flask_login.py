"""Flask-Login's user is read from outside, and nothing of the site is written."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.doors import environ_of
from tests.support.framework_reading import FIRST_CHUNK, HEAD_ONLY, Asked, alone, ask, ask_asgi, reader_of
from viafoura_mw import Settings, wsgi
from viafoura_mw.log import Notices
from viafoura_mw.user import frameworks
from viafoura_mw.user.sources import UserSources, parse
from viafoura_mw.user.user import NotKnown, User

pytest.importorskip("flask_login", reason="Flask-Login is not installed")

from flask import Flask, Response, session, stream_with_context
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

__all__ = ["alone"]  # a fixture, for each test of this module

TAG = '<script id="viafoura-platform">'
# Flask-Login 0.6 calls datetime.utcnow() to set its remember-me cookie.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


class Member(UserMixin):
    """A user of the site."""

    def __init__(self, key: str) -> None:
        self.id = key
        self.name = key.title()
        self.email = f"{key}@site.example"


class Expired(Member):
    """A user object whose session has ended, with all that it had not loaded."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("detached")

    def get_id(self) -> str:
        raise RuntimeError("detached")


class Directory:
    """Where the site keeps its users, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.contexts = 0
        self.at_the_end: list[Exception | None] = []
        self.sessions: list[tuple[Any, dict[str, Any]]] = []

    def load(self, key: str) -> Member | None:
        self.asked += 1
        if key == "broken":
            raise OSError("no directory")
        return Member(key) if key != "gone" else None


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def app(directory: Directory) -> Flask:
    """A site that knows nothing of Viafoura."""
    site = Flask(__name__)
    site.secret_key = "secret"
    manager = LoginManager(site)
    manager.user_loader(directory.load)

    @site.teardown_request
    def ended(_: Any) -> None:
        directory.contexts += 1
        if directory.at_the_end and (error := directory.at_the_end.pop(0)):
            raise error

    @site.after_request
    def keep(response: Any) -> Any:
        proxy: Any = session
        kept = proxy._get_current_object()
        directory.sessions.append((kept, dict(kept)))
        return response

    @site.get("/")
    def untouched() -> str:
        return TAG

    @site.get("/touched")
    def touched() -> str:
        return TAG + str(current_user.is_authenticated)

    @site.get("/streamed")
    def streamed() -> Any:
        return Response(stream_with_context(iter([TAG, "the end"])))

    @site.get("/in/<name>")
    def sign_in(name: str) -> str:
        login_user(Member(name), remember=True)
        return TAG

    @site.get("/expired")
    def expired() -> str:
        login_user(Member("ann"))
        from flask import g

        g._login_user = Expired("ann")
        return TAG

    @site.get("/out")
    def sign_out() -> str:
        logout_user()
        return TAG

    return site


def signed_in(app: Flask, name: str = "ann") -> dict[str, str]:
    """The cookies of a browser that has signed in."""
    return ask(reader_of("flask-login"), app, f"/in/{name}").cookies()


@pytest.mark.parametrize("path", ["/", "/touched", "/streamed"])
def test_reads_a_signed_in_user(app: Flask, path: str) -> None:
    """The id is what get_id() gives."""
    user = ask(reader_of("flask-login"), app, path, signed_in(app)).user
    assert user is not None
    assert (user.id, user.name, user.email) == ("ann", "Ann", "ann@site.example")


def test_sees_who_signs_in_and_out_in_this_very_request(app: Flask) -> None:
    """What the view did last counts, also where a remember-me cookie says otherwise."""
    reader = reader_of("flask-login")
    asked = ask(reader, app, "/in/ann")
    assert asked.user is not None
    assert asked.user.id == "ann"
    assert ask(reader, app, "/out", asked.cookies()).user is None


@pytest.mark.parametrize(("path", "asked"), [("/", 1), ("/touched", 1), ("/out", 1), ("/in/bob", 0)])
def test_asks_nothing_that_the_view_has_asked(app: Flask, directory: Directory, path: str, asked: int) -> None:
    """A user whom the view has loaded is not loaded again."""
    cookies = signed_in(app)
    ask(reader_of("flask-login"), app, path, cookies)
    assert directory.asked == asked


def test_asks_nothing_for_a_visitor_without_a_session(app: Flask, directory: Directory) -> None:
    """An anonymous visitor costs no query."""
    assert ask(reader_of("flask-login"), app).user is None
    assert directory.asked == 0


def test_asks_nothing_where_the_user_is_not_wanted(app: Flask, directory: Directory) -> None:
    """A response that nobody reads the user of costs no query."""
    cookies = signed_in(app)
    ask(reader_of("flask-login"), app, "/", cookies, when="never")
    assert directory.asked == 0


def test_loads_again_what_the_view_has_loaded_and_cannot_be_read_any_more(app: Flask, directory: Directory) -> None:
    """SQLAlchemy's objects raise when their session has ended."""
    user = ask(reader_of("flask-login"), app, "/expired").user
    assert user is not None
    assert (user.id, user.name, user.email) == ("ann", "Ann", "ann@site.example")
    assert directory.asked == 1


@pytest.mark.parametrize(
    ("path", "when", "more"),
    [("/", FIRST_CHUNK, 1), ("/streamed", FIRST_CHUNK, 0), ("/", HEAD_ONLY, 0), ("/touched", FIRST_CHUNK, 0)],
)
def test_ends_only_the_context_that_it_began(app: Flask, directory: Directory, path: str, when: str, more: int) -> None:
    """What the site does at a request's end is done for ours too, and not while a page is still streamed in its own."""
    cookies = signed_in(app)
    directory.contexts = 0
    ask(reader_of("flask-login"), app, path, cookies, when="never")
    of_the_site = directory.contexts
    assert ask(reader_of("flask-login"), app, path, cookies, when=when).user is not None
    assert directory.contexts == 2 * of_the_site + more


@pytest.mark.parametrize("mode", ["basic", "strong"])
@pytest.mark.parametrize("when", [HEAD_ONLY, FIRST_CHUNK])
def test_reading_never_writes_to_the_session(app: Flask, directory: Directory, mode: str, when: str) -> None:
    """Flask-Login marks a session as not fresh, or empties it, when the browser looks different."""
    app.config["SESSION_PROTECTION"] = mode
    cookies = {"session": signed_in(app)["session"]}
    asked = ask(reader_of("flask-login"), app, "/", cookies, headers={"User-Agent": "another"}, when=when)
    kept, before = directory.sessions[-1]
    assert before["_user_id"] == "ann"
    assert dict(kept) == before
    assert (asked.user is None) == (mode == "strong")


def test_reads_a_remembered_browser(app: Flask) -> None:
    """The remember-me cookie says who it is, and no session is begun for it."""
    cookies = {"remember_token": signed_in(app)["remember_token"]}
    asked = ask(reader_of("flask-login"), app, "/", cookies)
    assert asked.user is not None
    assert asked.user.id == "ann"
    assert "session" not in asked.cookies()


def test_never_takes_the_user_of_a_context_outside(app: Flask) -> None:
    """A server that runs in a context of its own does not make one visitor's user another's."""
    reader = reader_of("flask-login")
    with app.app_context():
        from flask import g

        cookies = signed_in(app)
        g.pop("_login_user", None)
        asked = ask(reader, app, "/", cookies)
        assert asked.user is not None
        assert "_login_user" not in g


def test_what_the_site_raises_is_a_failure_and_not_a_visitor_who_left(app: Flask) -> None:
    """The page is served; nobody is logged out for it."""
    cookies = signed_in(app, "broken")
    asked = ask(reader_of("flask-login"), app, "/", cookies)
    assert asked.status == 200
    assert isinstance(asked.reading, NotKnown)
    assert ask(reader_of("flask-login"), app, "/", signed_in(app, "gone")).user is None


def test_what_the_end_of_a_context_raises_is_a_failure(app: Flask, directory: Directory) -> None:
    """A page is served, even where the site's own clearing up goes wrong."""
    cookies = signed_in(app)
    directory.at_the_end = [None, OSError("no directory")]
    asked = ask(reader_of("flask-login"), app, "/", cookies)
    assert asked.status == 200
    assert isinstance(asked.reading, NotKnown)


def test_an_application_without_a_login_manager_says_nothing() -> None:
    """Flask alone has no user."""
    bare = Flask("bare")
    bare.add_url_rule("/", view_func=lambda: TAG)
    assert isinstance(ask(reader_of("flask-login"), bare).reading, NotKnown)
    gc.collect()
    assert frameworks.recognised(asgi=False) is None


def test_flask_login_is_recognised_by_its_application(app: Flask) -> None:
    """Which is WSGI's."""
    assert frameworks.recognised(asgi=False) == "flask-login"
    assert frameworks.recognised(asgi=True) is None


def test_under_asgi_the_preset_is_a_failure() -> None:
    """Flask is no ASGI application."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": TAG.encode()})

    asked: Asked = ask_asgi(reader_of("flask-login", asgi=True), application)
    assert isinstance(asked.reading, NotKnown)


@pytest.mark.parametrize("session", ["_session", "session"])
def test_finds_the_session_under_either_of_its_names(app: Flask, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flask 3.1.3 has renamed it, so that the name of before says who has asked for it."""
    from viafoura_mw.user.frameworks import flask_login

    kept = SimpleNamespace(**{session: {"_user_id": "ann"}})
    entered: list[tuple[str, Any]] = []

    @contextmanager
    def enter(context: Any, name: str, copy: Any) -> Iterator[None]:
        entered.append((name, dict(copy)))
        yield

    monkeypatch.setattr(flask_login, "_entered", enter)
    with app.test_request_context(), flask_login._loaded_again(kept):
        assert entered == [(session, {"_user_id": "ann"})]


@pytest.mark.parametrize("name", ["_cv_request", "_cv_app", "_request_ctx_stack"])
def test_finds_the_context_of_each_generation_of_flask(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack before Flask 2.2, then two variables, one since 3.2."""
    from viafoura_mw.user.frameworks import flask

    context = object()
    place = SimpleNamespace(top=context) if name == "_request_ctx_stack" else SimpleNamespace(get=lambda _: context)
    monkeypatch.setitem(sys.modules, "flask.globals", SimpleNamespace(**{name: place}))
    assert flask.current_context() is context


def test_does_without_signals(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flask before 2.3 has them only where blinker is installed."""
    monkeypatch.delitem(sys.modules, "blinker", raising=False)
    assert not frameworks.prepare(["flask-login"])
    assert ask(reader_of("flask-login"), app, "/", signed_in(app)).user == User("ann", "Ann", "ann@site.example")


def test_reads_a_user_that_is_kept_in_the_context(app: Flask, directory: Directory) -> None:
    """As Flask-Login did before 0.6.2."""

    @app.after_request
    def move(response: Any) -> Any:
        from flask import g

        g.pop("_login_user", None)
        flask_context().user = Member("ben")
        return response

    cookies = signed_in(app)
    directory.asked = 0
    assert ask(reader_of("flask-login"), app, "/touched", cookies).user == User("ben", "Ben", "ben@site.example")
    assert directory.asked == 1


def flask_context() -> Any:
    """The request's context, in any Flask."""
    from viafoura_mw.user.frameworks import flask

    return flask.current_context()


def test_a_hook_that_fails_breaks_no_page(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context that another Flask keeps elsewhere: the response is the site's, the user is not known."""
    from viafoura_mw.user.frameworks import flask_login

    def missing() -> Any:
        raise KeyError("_cv_app")

    told: list[str] = []
    monkeypatch.setattr(Notices, "tell", lambda _, kind, level, sentence, *values: told.append(sentence % values))
    cookies = signed_in(app)
    monkeypatch.setattr(flask_login, "current_context", missing)
    asked = ask(reader_of("flask-login"), app, "/touched", cookies)
    assert (asked.status, asked.reading) == (200, NotKnown())
    assert told == ["the hook of preset flask-login failed (KeyError): the user is not known"]


def test_an_id_that_is_a_credential_is_not_taken(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flask-Security's changes with the password."""
    cookies = signed_in(app)
    for path in ("/", "/touched"):
        with monkeypatch.context() as patch:
            patch.setattr(Member, "get_id", lambda _: "a token")
            assert ask(reader_of("flask-login"), app, path, cookies).reading == NotKnown()
            own = reader_of("flask-login", UserSources(parse("user:id")))
            assert ask(own, app, path, cookies).user == User("ann", "Ann", "ann@site.example")


def test_a_directory_that_is_down_is_asked_once_again(app: Flask, directory: Directory) -> None:
    """For a user who cannot be read any more, whatever is read of them."""

    @app.get("/lost")
    def lost() -> str:
        from flask import g

        session["_user_id"] = "broken"
        g._login_user = Expired("broken")
        return TAG

    assert ask(reader_of("flask-login"), app, "/lost").reading == NotKnown()
    assert directory.asked == 1


def test_serves_a_flask_page_through_the_wsgi_door(app: Flask, settings: Settings) -> None:
    """By VIAFOURA_USER=auto, with nothing said to the site."""
    cookies = signed_in(app)
    environ = environ_of(headers={"Cookie": f"session={cookies['session']}"})
    iterable: Any = wsgi.ViafouraMiddleware(app, settings)(environ, lambda *_: print)
    assert b"data-uid=" in b"".join(iterable)
    iterable.close()
