"""``session:`` and ``g:`` on the real frameworks: read once they have answered, and nothing is written."""

import gc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.framework_reading import FIRST_CHUNK, HEAD_ONLY, ask, ask_asgi, reader_of
from viafoura_mw.user import frameworks
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UserSources, parse
from viafoura_mw.user.user import Nobody, NotKnown, User

TAG = '<script id="viafoura-platform">'
OWN = UserSources(parse("session:user/id"), parse("session:user/name"), parse("session:user/email"))
ANN = {"id": 7, "name": "Ann", "email": "ann@site.example"}
READ = User("7", "Ann", "ann@site.example")


def session_reader(own: UserSources = OWN, *, asgi: bool = False) -> UserReader:
    return reader_of("off", own, asgi=asgi)


def by(text: str) -> UserSources:
    return UserSources(parse(text))


# Flask.


@pytest.fixture
def flask_site() -> Any:
    """Flask's own tutorial: ``session["user_id"]``, and ``g.user`` of a database's row."""
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    sqlite3 = pytest.importorskip("sqlite3", reason="this Python has no SQLite")
    site = flask.Flask("tutorial")
    site.secret_key = "secret"
    site.opened = 0

    @site.before_request
    def load() -> None:
        if flask.request.path == "/unasked":
            return
        database = sqlite3.connect(":memory:")
        database.row_factory = sqlite3.Row
        flask.g.db = database
        flask.g.user = None
        if "user" in flask.session:
            flask.g.user = database.execute("SELECT 7 AS id, 'ann' AS username, 'Ann' AS name").fetchone()

    @site.teardown_appcontext
    def close(_: Any) -> None:
        if database := flask.g.pop("db", None):
            database.close()
        flask.g.pop("user", None)

    @site.get("/")
    @site.get("/unasked")
    def page() -> str:
        return TAG

    @site.get("/streamed")
    def streamed() -> Any:
        return flask.Response(flask.stream_with_context(iter([TAG, "the end"])))

    @site.get("/in")
    def sign_in() -> str:
        flask.session["user"] = ANN
        return TAG

    @site.get("/out")
    def sign_out() -> str:
        flask.session.pop("user", None)
        return TAG

    return site


class TestFlask:
    """The most common pattern of all."""

    @pytest.mark.parametrize("when", [HEAD_ONLY, FIRST_CHUNK])
    @pytest.mark.parametrize("path", ["/", "/streamed", "/unasked"])
    def test_reads_the_session(self, flask_site: Any, path: str, when: str) -> None:
        """With id, name and e-mail address, whether the view has looked at it or not; and sets no cookie."""
        cookies = ask(session_reader(), flask_site, "/in").cookies()
        asked = ask(session_reader(), flask_site, path, cookies, when=when)
        assert (asked.user, asked.cookies()) == (READ, {})

    def test_reads_who_has_just_signed_in_and_out(self, flask_site: Any) -> None:
        """Of the very response that says so: to sign out takes one key from the session."""
        entered = ask(session_reader(), flask_site, "/in")
        left = ask(session_reader(), flask_site, "/out", entered.cookies())
        assert (entered.reading, left.reading) == (READ, Nobody())

    def test_reads_a_visitor_as_nobody(self, flask_site: Any) -> None:
        """A session is there, and the key is not in it."""
        assert ask(session_reader(), flask_site).reading == Nobody()

    @pytest.mark.parametrize("when", [HEAD_ONLY, FIRST_CHUNK])
    def test_reads_g_as_it_was_when_the_response_was_finished(self, flask_site: Any, when: str) -> None:
        """What is torn down afterwards takes from it."""
        reader = session_reader(UserSources(parse("g:user/id"), parse("g:user/name")))
        cookies = ask(reader, flask_site, "/in").cookies()
        assert ask(reader, flask_site, "/", cookies, when=when).reading == User("7", "Ann")

    @pytest.mark.parametrize(("path", "reading"), [("/", Nobody()), ("/unasked", NotKnown())])
    def test_tells_nobody_in_g_from_a_page_that_asked_nobody(self, flask_site: Any, path: str, reading: Any) -> None:
        """``g.user = None`` is nobody; a ``g`` without the name is not known."""
        assert ask(session_reader(by("g:user/id")), flask_site, path).reading == reading

    def test_knows_nothing_of_a_site_without_a_secret_key(self, flask_site: Any) -> None:
        """It has no session."""
        flask_site.secret_key = None
        assert ask(session_reader(), flask_site, "/unasked").reading == NotKnown()

    def test_reads_it_by_auto(self, flask_site: Any) -> None:
        """``VIAFOURA_USER_ID`` is enough."""
        reader = reader_of("auto", OWN)
        cookies = ask(reader, flask_site, "/in").cookies()
        assert ask(reader, flask_site, "/", cookies).reading == READ
        assert reader.preset_name == "remote-user"

    def test_asks_for_it_only_where_it_must(self, flask_site: Any) -> None:
        """A reading that is to be free gives none."""
        no_keys: dict[str, Any] = {}
        reader = session_reader()
        assert reader.read_free(no_keys.get, reader.expect(no_keys)) is None
        assert reader.may_find()
        assert reader.framework is None

    def test_a_hook_that_fails_breaks_no_page(self, flask_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The response is the site's, the user is not known."""
        from viafoura_mw.user.frameworks import flask

        monkeypatch.setattr(flask, "current_context", lambda: None)
        asked = ask(session_reader(), flask_site)
        assert (asked.status, asked.reading) == (200, NotKnown())

    def test_reads_what_is_no_dict_as_it_is(self, flask_site: Any) -> None:
        """A session of the site's own making."""
        assert frameworks.plain(held := SimpleNamespace(user="ann")) is held


# Quart.


@pytest.fixture
def quart_site() -> Any:
    """A site on Quart, with Quart-Auth."""
    quart = pytest.importorskip("quart", reason="Quart is not installed")
    quart_auth = pytest.importorskip("quart_auth", reason="Quart-Auth is not installed")
    site = quart.Quart("site")
    site.secret_key = "secret"
    site.config["QUART_AUTH_COOKIE_SECURE"] = False

    class Member(quart_auth.AuthUser):  # type: ignore[name-defined]
        name, email = "Ann", "ann@site.example"

    quart_auth.QuartAuth(site).user_class = Member  # the argument of this name has no effect in 0.10

    @site.get("/")
    async def page() -> str:
        if quart.request.args.get("g") or quart.session.get("user"):
            quart.g.user = quart.session.get("user")
        return TAG

    @site.get("/in")
    async def sign_in() -> str:
        quart.session["user"] = ANN
        quart_auth.login_user(Member("7"))
        return TAG

    @site.get("/out")
    async def sign_out() -> str:
        quart.session.clear()
        quart_auth.logout_user()
        return TAG

    return site


class TestQuart:
    """Flask's sibling under ASGI."""

    @pytest.mark.parametrize(
        "reader",
        [
            pytest.param(lambda: session_reader(asgi=True), id="session"),
            pytest.param(
                lambda: session_reader(
                    UserSources(parse("g:user/id"), parse("g:user/name"), parse("g:user/email")), asgi=True
                ),
                id="g",
            ),
            pytest.param(lambda: reader_of("quart-auth", asgi=True), id="quart-auth"),
        ],
    )
    def test_reads_the_user(self, quart_site: Any, reader: Any) -> None:
        """With id, name and e-mail address, and sets no cookie."""
        cookies = ask_asgi(reader(), quart_site, "/in").cookies()
        asked = ask_asgi(reader(), quart_site, "/", cookies)
        assert (asked.reading, asked.cookies()) == (READ, {})

    @pytest.mark.parametrize("preset", ["off", "quart-auth"])
    def test_reads_a_visitor_and_who_has_left_as_nobody(self, quart_site: Any, preset: str) -> None:
        """Of the very response that signs out."""
        reader = reader_of(preset, OWN if preset == "off" else UserSources(), asgi=True)
        cookies = ask_asgi(reader, quart_site, "/in").cookies()
        left = ask_asgi(reader, quart_site, "/out", cookies)
        assert (ask_asgi(reader, quart_site).reading, left.reading) == (Nobody(), Nobody())

    def test_reads_the_user_of_an_older_quart_auth(self, quart_site: Any) -> None:
        """Before 0.11 the user was not in ``g``, but on the context of the request."""

        async def as_before(response: Any) -> Any:
            if user := vars(globals_.g._get_current_object()).pop("_quart_auth_user", None):
                getattr(globals_, "request_ctx", globals_.app_ctx)._quart_auth_user = user
            return response

        globals_ = pytest.importorskip("quart.globals")
        cookies = ask_asgi(reader_of("quart-auth", asgi=True), quart_site, "/in").cookies()
        quart_site.after_request_funcs[None].insert(0, as_before)
        quart_site.after_request_funcs[None].append(as_before)

        assert ask_asgi(reader_of("quart-auth", asgi=True), quart_site, "/", cookies).reading == READ
        assert ask_asgi(reader_of("quart-auth", asgi=True), quart_site).reading == Nobody()

    def test_knows_nothing_of_what_was_not_laid_out(self, quart_site: Any) -> None:
        """A ``g`` without the name, a site without a secret key, one without Quart-Auth."""
        assert ask_asgi(session_reader(by("g:user/id"), asgi=True), quart_site).reading == NotKnown()
        quart_site.extensions.clear()
        assert ask_asgi(reader_of("quart-auth", asgi=True), quart_site).reading == NotKnown()
        quart_site.after_request_funcs.clear()
        quart_site.template_context_processors.clear()
        quart_site.secret_key = None
        quart_site.view_functions["page"] = quart_site.ensure_async(lambda: TAG)
        assert ask_asgi(session_reader(asgi=True), quart_site).reading == NotKnown()

    def test_knows_nothing_where_quart_auth_has_not_loaded_its_user(self, quart_site: Any) -> None:
        """Something has answered before it."""
        quart_site.after_request_funcs.clear()
        assert ask_asgi(reader_of("quart-auth", asgi=True), quart_site).reading == NotKnown()


# Starlette.


class TestStarlette:
    """What is in ``scope["session"]``."""

    @pytest.fixture
    def site(self) -> Any:
        applications = pytest.importorskip("starlette.applications", reason="Starlette is not installed")
        from starlette.middleware import Middleware
        from starlette.middleware.sessions import SessionMiddleware
        from starlette.responses import HTMLResponse
        from starlette.routing import Route

        async def page(request: Any) -> Any:
            if request.url.path == "/in":
                request.session["user"] = ANN
            elif request.url.path == "/out":
                request.session.pop("user", None)
            return HTMLResponse(TAG)

        routes = [Route("/{any:path}", page)]
        return applications.Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="secret")])

    def test_reads_the_user(self, site: Any) -> None:
        """With id, name and e-mail address; the session is not marked as accessed.

        Older versions of Starlette send the cookie with every response, read or not.
        """
        cookies = ask_asgi(session_reader(asgi=True), site, "/in").cookies()
        unread = ask_asgi(reader_of("off", asgi=True), site, "/", cookies)
        asked = ask_asgi(session_reader(asgi=True), site, "/", cookies)
        assert (asked.reading, asked.cookies().keys()) == (READ, unread.cookies().keys())
        left = ask_asgi(session_reader(asgi=True), site, "/out", cookies)
        assert (left.reading, ask_asgi(session_reader(asgi=True), site).reading) == (Nobody(), Nobody())

    def test_knows_nothing_where_there_is_no_session(self) -> None:
        """A route above the middleware."""
        from starlette.responses import HTMLResponse

        assert ask_asgi(session_reader(asgi=True), HTMLResponse(TAG)).reading == NotKnown()


# Beaker, here under Bottle.


def beaker_site(**options: Any) -> Any:
    bottle = pytest.importorskip("bottle", reason="Bottle is not installed")
    middleware = pytest.importorskip("beaker.middleware", reason="Beaker is not installed")
    site = bottle.Bottle()

    @site.route("/")
    def untouched() -> str:
        return TAG

    @site.route("/touched")
    def touched() -> str:
        return TAG + str("user" in bottle.request.environ["beaker.session"])

    @site.route("/in")
    def sign_in() -> str:
        session = bottle.request.environ["beaker.session"]
        session["user"] = ANN
        session.save()
        return TAG

    @site.route("/out")
    def sign_out() -> str:
        session = bottle.request.environ["beaker.session"]
        session.pop("user", None)
        session.save()
        return TAG

    return middleware.SessionMiddleware(site, {f"session.{name}": value for name, value in options.items()})


def snapshot(folder: Path) -> dict[str, bytes]:
    """What is stored; a lock that the site itself takes for each request is none of it."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


class TestBeaker:
    """Bottle's usual session, and Pylons' and TurboGears'."""

    @pytest.fixture(params=["file", "cookie"])
    def site(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        options = {"file": {"data_dir": str(tmp_path)}, "cookie": {"validate_key": "secret"}}
        return beaker_site(type=request.param, timeout=3600, **options[request.param])

    @pytest.mark.parametrize("path", ["/", "/touched"])
    def test_reads_the_user(self, site: Any, path: str) -> None:
        """Whether the site has accessed its session or not."""
        cookies = ask(session_reader(), site, "/in").cookies()
        assert ask(session_reader(), site, path, cookies).reading == READ

    def test_reads_a_visitor_and_who_has_left_as_nobody(self, site: Any) -> None:
        """No session is begun for it."""
        cookies = ask(session_reader(), site, "/in").cookies()
        left = ask(session_reader(), site, "/out", cookies)
        assert (left.reading, ask(session_reader(), site).reading) == (Nobody(), Nobody())

    def test_writes_nothing(self, tmp_path: Path) -> None:
        """Neither a session that is there, nor one for a visitor, nor one that has expired and would be deleted."""
        cookies = ask(session_reader(), beaker_site(type="file", data_dir=str(tmp_path)), "/in").cookies()
        before = snapshot(tmp_path)
        site = beaker_site(type="file", data_dir=str(tmp_path), timeout=-1)
        assert ask(session_reader(), site, "/", cookies).reading == Nobody()
        assert ask(session_reader(), site, "/").reading == Nobody()
        assert snapshot(tmp_path) == before

    def test_knows_nothing_of_a_session_that_cannot_be_read(self, tmp_path: Path) -> None:
        """Another key would decrypt it, or the file is damaged: nobody is logged out of it."""
        site = beaker_site(type="cookie", validate_key="secret", invalidate_corrupt=True)
        cookies = {"beaker.session.id": "junk"}
        assert ask(session_reader(), site, "/", cookies).reading == NotKnown()
        assert ask(session_reader(), site, "/", {"a(b": "x"}).reading == NotKnown()


# CherryPy.


@pytest.fixture
def cherrypy_site(tmp_path: Path) -> Iterator[Any]:
    cherrypy = pytest.importorskip("cherrypy", reason="CherryPy is not installed")
    from cherrypy.lib.sessions import FileSession

    class Site:
        @cherrypy.expose
        def index(self) -> str:
            return TAG

        @cherrypy.expose
        def touched(self) -> str:
            return TAG + str("user" in cherrypy.session)

        @cherrypy.expose
        def enter(self) -> str:
            cherrypy.session["user"] = ANN
            return TAG

        @cherrypy.expose
        def leave(self) -> str:
            cherrypy.session.pop("user", None)
            return TAG

        @cherrypy.expose
        @cherrypy.config(**{"tools.sessions.on": False})
        def plain(self) -> str:
            return TAG

        @cherrypy.expose
        @cherrypy.config(
            **{
                "tools.auth_basic.on": True,
                "tools.auth_basic.realm": "news",
                "tools.auth_basic.checkpassword": lambda _, user, password: user == password,
                "tools.auth_basic.accept_charset": "UTF-8",
            }
        )
        def members(self) -> str:
            return TAG

    config = {"tools.sessions.on": True, "tools.sessions.storage_class": FileSession, "log.screen": False}
    (tmp_path / "sessions").mkdir()
    config["tools.sessions.storage_path"] = str(tmp_path / "sessions")
    cherrypy.config.update({"environment": "embedded", "log.screen": False})
    application = cherrypy.Application(Site(), "", {"/": config})

    def with_host(environ: dict[str, Any], start_response: Any) -> Any:
        environ["HTTP_HOST"] = "site.example"
        return application(environ, start_response)

    yield with_host
    if FileSession.clean_thread:
        FileSession.clean_thread.stop()
        FileSession.clean_thread.unsubscribe()
        FileSession.clean_thread = None
    vars(cherrypy).pop("session", None)
    gc.collect()


class TestCherryPy:
    """Its session tool, and its authentication tools."""

    @pytest.mark.parametrize("when", [HEAD_ONLY, FIRST_CHUNK])
    @pytest.mark.parametrize("path", ["/", "/touched"])
    def test_reads_the_session(self, cherrypy_site: Any, path: str, when: str) -> None:
        """Whether the handler has looked at it or not."""
        cookies = ask(session_reader(), cherrypy_site, "/enter").cookies()
        assert ask(session_reader(), cherrypy_site, path, cookies, when=when).reading == READ

    def test_reads_a_visitor_and_who_has_left_as_nobody(self, cherrypy_site: Any) -> None:
        """The session is there, without the key."""
        cookies = ask(session_reader(), cherrypy_site, "/enter").cookies()
        left = ask(session_reader(), cherrypy_site, "/leave", cookies)
        assert (left.reading, ask(session_reader(), cherrypy_site).reading) == (Nobody(), Nobody())

    def test_writes_nothing(self, cherrypy_site: Any, tmp_path: Path) -> None:
        """A session that the handler has not looked at is not saved again, and none is begun for a visitor."""
        cookies = ask(session_reader(), cherrypy_site, "/enter").cookies()
        before = snapshot(tmp_path)
        ask(session_reader(), cherrypy_site, "/", cookies)
        ask(session_reader(), cherrypy_site)
        assert snapshot(tmp_path) == before

    def test_knows_nothing_where_the_session_is_off_or_gone(self, cherrypy_site: Any, tmp_path: Path) -> None:
        """A file that another request is just writing is no sign-out."""
        from viafoura_mw.user.frameworks import cherrypy

        assert ask(session_reader(), cherrypy_site, "/plain").reading == NotKnown()
        assert cherrypy.lent("g", (None, object())) is None
        torn = SimpleNamespace(loaded=False, originalid="a", missing=False, _load=lambda: None)
        with pytest.raises(TypeError):
            cherrypy.lent("session", (None, torn))

    def test_reads_an_expired_session_as_empty(self) -> None:
        """As CherryPy would."""
        from viafoura_mw.user.frameworks import cherrypy

        old = SimpleNamespace(
            loaded=False, originalid="a", missing=False, _load=lambda: ({"user": 1}, 1), now=lambda: 2
        )
        assert cherrypy.lent("session", (None, old)) == {}

    def test_reads_the_name_that_an_authentication_tool_has_set(self, cherrypy_site: Any) -> None:
        """Preset ``cherrypy``: the user, nobody where a tool asked, not known where none did."""
        basic = {"Authorization": "Basic YW5uOmFubg=="}
        reader = reader_of("cherrypy")
        assert ask(reader, cherrypy_site, "/members", headers=basic).reading == User("ann", "ann")
        assert ask(reader, cherrypy_site, "/members").reading == Nobody()
        assert ask(reader, cherrypy_site, "/").reading == NotKnown()


# Pyramid.


def pyramid_site(factory: Any) -> Any:
    config = pytest.importorskip("pyramid.config", reason="Pyramid is not installed")
    from pyramid.response import Response

    def view(request: Any) -> Any:
        if request.path == "/in":
            request.session["user"] = ANN
        elif request.path == "/out":
            request.session.pop("user", None)
        elif request.path == "/touched":
            request.session.get("user")
        return Response(TAG)

    with config.Configurator() as made:
        if factory:
            made.set_session_factory(factory)
        made.add_route("any", "/*any")
        made.add_view(view, route_name="any")
        return made.make_wsgi_app()


class TestPyramid:
    """``request.session``."""

    @pytest.fixture
    def site(self) -> Any:
        session = pytest.importorskip("pyramid.session", reason="Pyramid is not installed")
        return pyramid_site(session.SignedCookieSessionFactory("secret", reissue_time=None))

    @pytest.mark.parametrize("path", ["/", "/touched"])
    def test_reads_the_user(self, site: Any, path: str) -> None:
        """Whether the view has looked at the session or not."""
        cookies = ask(session_reader(), site, "/in").cookies()
        asked = ask(session_reader(), site, path, cookies)
        assert (asked.reading, asked.cookies()) == (READ, {})

    def test_reads_a_visitor_and_who_has_left_as_nobody(self, site: Any) -> None:
        """The session is there, without the key."""
        cookies = ask(session_reader(), site, "/in").cookies()
        left = ask(session_reader(), site, "/out", cookies)
        assert (left.reading, ask(session_reader(), site).reading) == (Nobody(), Nobody())

    def test_begins_no_session_in_a_store(self) -> None:
        """One that the view has not asked for is not known; one that it has is read."""
        begun = []

        def factory(request: Any) -> dict[str, Any]:
            begun.append(request)
            return {"user": ANN}

        site = pyramid_site(factory)
        assert ask(session_reader(), site, "/").reading == NotKnown()
        assert not begun
        assert ask(session_reader(), site, "/touched").reading == READ

    def test_knows_nothing_where_there_is_none(self) -> None:
        """No factory is set; and Pyramid has no ``g``."""
        assert ask(session_reader(), pyramid_site(None)).reading == NotKnown()
        assert ask(session_reader(by("g:user/id")), pyramid_site(None)).reading == NotKnown()
