"""``viafoura-mw check --page``: a page of the application itself, asked in this process."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Lines, run
from viafoura_mw import __main__ as command
from viafoura_mw.commands import asking, page
from viafoura_mw.commands.asking import Question, question
from viafoura_mw.testing import SimulatedViafoura

SITES = '''
import asyncio
import contextlib
import logging
import sys

TAG = b'<!doctype html><script id="viafoura-platform"></script>'
HTML = [("Content-Type", "text/html")]


class User:
    id, email = 17, None

    def __init__(self, **fields):
        vars(self).update(fields)


def with_flask_login():
    from flask import Flask
    from flask_login import LoginManager, UserMixin

    class Reader(UserMixin):
        id, name, email = 17, "Ann", "ann@secret.example"

    site = Flask(__name__)
    login = LoginManager(site)
    login.request_loader(lambda request: Reader() if request.cookies.get("who") == "ann" else None)
    site.add_url_rule("/", "front", lambda: TAG.decode())
    site.add_url_rule("/no-tag", "other", lambda: "<p>")
    return site


def with_flask_session():
    from flask import Flask

    site = Flask("site")
    site.secret_key = "key"
    site.add_url_rule("/", "front", lambda: TAG.decode())
    return site


def with_quart_auth():
    from quart import Quart
    from quart_auth import QuartAuth

    site = Quart("site")
    site.secret_key = "key"
    QuartAuth(site)
    site.add_url_rule("/", "front", lambda: TAG.decode())
    return site


async def with_session(scope, receive, send):
    scope["session"] = {"user": {"id": "17", "name": "s3cret"}}
    await answered(scope, send)


class Odd(User):
    @property
    def email(self):
        raise RuntimeError("s3cret")


def simple(environ, start_response):
    """REMOTE_USER by a cookie, as an authenticator inside of the middleware sets it."""
    path = environ["PATH_INFO"]
    if "who=ann" in environ.get("HTTP_COOKIE", ""):
        environ["REMOTE_USER"] = "ann@secret.example"
    if path == "/boom":
        raise RuntimeError("s3cret")
    if path == "/logged":
        try:
            raise LookupError("s3cret")
        except LookupError:
            logging.getLogger("site").exception("s3cret")
        logging.getLogger("site").warning("nothing was raised")
        logging.getLogger("site").error("nor was this", exc_info=ValueError("s3cret"))
        print("s3cret", file=environ["wsgi.errors"])
        print("s3cret")
    status = {"/old": "302 Found", "/gone": "410 Gone", "/absent": "404 Not Found", "/logged": "500 Oops",
              "/silent": "503 Busy", "/hidden": "401 Unauthorized"}.get(path, "200 OK")
    headers = {
        "/json": [("Content-Type", "application/json")],
        "/old": [("Location", "https://www.site.example/new?token=s3cret#s3cret")],
        "/none": [],
        "/file": [*HTML, ("Content-Disposition", "attachment")],
    }.get(path, HTML)
    start_response(status, headers)
    body = b"<p>" if path == "/no-tag" else b"<!-- viafoura-platform -->" if path == "/comment" else TAG
    return [body]


def without_a_head(environ, start_response):
    return []


def writing(environ, start_response):
    start_response("200 OK", HTML)(TAG)
    return ()


def endless(environ, start_response):
    start_response("200 OK", HTML)
    yield TAG
    while True:
        yield b"." * 1024


def host(environ, start_response):
    keys = "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "QUERY_STRING", "PATH_INFO", "HTTP_X_A"
    start_response("200 OK", HTML)
    return [TAG, repr([environ.get(key) for key in keys]).encode()]


async def answered(scope, send, body=TAG, status=200):
    fields = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def plain(scope, receive, send):
    """An application without a lifespan, whose user has an id only, or a name, or both."""
    assert scope["type"] == "http", "s3cret"
    cookie = dict(scope["headers"]).get(b"cookie", b"")
    scope["user"] = {
        b"who=ann": User(name="Ann", email="ann@secret.example"),
        b"who=bob": {"username": "bob"},
        b"who=": None,
        b"who=odd": Odd(),
    }.get(cookie)
    if b"unasked" in cookie:
        del scope["user"]
    await receive()
    await send({"type": "http.response.debug", "info": {}})
    await answered(scope, send)
    assert (await receive())["type"] == "http.disconnect"


class Living:
    """An application with a lifespan, which leaves a state for its requests."""

    def __init__(self, word):
        self.word = word

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            if self.word == "hanging":
                await asyncio.sleep(3600)
            scope["state"]["pool"] = "here"
            await send({"type": f"lifespan.startup.{self.word}", "message": "s3cret"})
            await receive()
            print("the lifespan has ended", file=sys.stderr)
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert scope["state"] == {"pool": "here"}
        await answered(scope, send)
        await asyncio.sleep(self.word == "complete" and scope["path"] == "/slow" and 3600)


living, failing, hanging = Living("complete"), Living("failed"), Living("hanging")


async def live(scope, receive, send):
    """A page without an end."""
    await send({"type": "http.response.start", "status": 200, "headers": [("content-type", "text/html")]})
    while True:
        await send({"type": "http.response.body", "body": TAG + b"." * 1024, "more_body": True})
        await asyncio.sleep(0)


async def mute(scope, receive, send):
    pass


async def raising(scope, receive, send):
    raise ValueError("s3cret")
'''


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, viafoura: SimulatedViafoura) -> None:
    """The sites can be imported, and the environment says nothing but where the simulated Viafoura is."""
    for name in list(os.environ):
        if name.startswith("VIAFOURA_"):
            monkeypatch.delenv(name)
    for name, value in viafoura.environ().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "asked_sites.py").write_text(SITES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "asked_sites", raising=False)


def asked(capsys: Lines, app: str, *arguments: str) -> tuple[int, dict[str, tuple[str, str]], dict[str, Any]]:
    """The exit code, the state and sentence of each subject of the page, and all their details."""
    code = command.main(["check", "--json", "--app", app if ":" in app else f"asked_sites:{app}", *arguments])
    out, err = capsys.readouterr()
    assert "s3cret" not in out + err
    assert "secret.example" not in out + err
    checks = json.loads(out)["checks"]
    of_page = [each for each in checks if each["subject"] in ("page", "tag", "reader", "outcome")]
    details = {name: value for each in of_page for name, value in each.get("details", {}).items()}
    return code, {each["subject"]: (each["state"], each["sentence"]) for each in of_page}, details


def signed_cookie(name: str) -> str:
    """What Flask and Quart-Auth would have set."""
    if name == "session":
        from flask import Flask
        from flask.sessions import SecureCookieSessionInterface

        site = Flask("site")
        site.secret_key = "key"
        serializer = SecureCookieSessionInterface().get_signing_serializer(site)
        assert serializer
        return str(serializer.dumps({"user_id": 17}))
    from quart import Quart
    from quart_auth import QuartAuth

    quart = Quart("site")
    quart.secret_key = "key"
    return QuartAuth(quart).dump_token("17", app=quart)


class TestUser:
    """Who was read, and by what."""

    def test_takes_no_line_of_information_for_a_warning(self, capsys: Lines, caplog: pytest.LogCaptureFixture) -> None:
        """A site may log all that it is told, from its import on."""
        caplog.set_level(logging.DEBUG)

        code, said, _ = asked(capsys, "simple", "--page", "/", "--cookie", "who=ann")

        assert (code, {state for state, _ in said.values()}) == (0, {"ok"})

    def test_says_the_page_the_tag_the_reader_and_what_would_happen(self, capsys: Lines) -> None:
        """Four lines, and their data for programs."""
        code, said, details = asked(capsys, "simple", "--page", "/", "--cookie", "who=ann")

        assert code == 0
        assert said == {
            "page": ("ok", "GET / is answered with 200, text/html, 118 bytes"),
            "tag": ("ok", '<script id="viafoura-platform"> is there'),
            "reader": (
                "ok",
                "a user was read by preset remote-user: id from environ:REMOTE_USER, name from the id, "
                "e-mail from nowhere",
            ),
            "outcome": (
                "ok",
                "Viafoura would be asked for a session, which would be set in the tag and in the cookie",
            ),
        }
        assert details == {
            "status": 200,
            "content_type": "text/html",
            "found": True,
            "answer": "user",
            "preset": "remote-user",
            "id": "environ:REMOTE_USER",
            "name": "",
            "email": "",
            "word": "injected; session=login",
        }

    def test_makes_no_login_and_no_logout(self, viafoura: SimulatedViafoura, capsys: Lines) -> None:
        """Viafoura is asked for the token of the check itself, and for nothing else."""
        for cookie in ("who=ann", "who=nobody"):
            asked(capsys, "simple", "--page", "/", "--cookie", cookie)

        assert {call.kind for call in viafoura.calls} == {"token"}

    @pytest.mark.parametrize(
        ("cookie", "sources"),
        [
            ("who=ann", ("user:id", "user:name", "user:email")),
            ("who=bob", ("user:username", "", "")),
        ],
    )
    def test_names_the_source_of_each_field_and_no_value(
        self, cookie: str, sources: tuple[str, str, str], capsys: Lines
    ) -> None:
        """Of several sources the one that gave the field."""
        code, _, details = asked(capsys, "plain", "--page", "/", "--cookie", cookie)

        assert code == 0
        assert (details["id"], details["name"], details["email"]) == sources

    @pytest.mark.parametrize(("app", "cookie"), [("simple", "who=bob"), ("plain", "who="), ("plain", "unasked=1")])
    def test_fails_where_nobody_could_be_read_though_a_cookie_was_given(
        self, app: str, cookie: str, capsys: Lines
    ) -> None:
        """The cookie is that of somebody: a site that works would know them."""
        code, said, details = asked(capsys, app, "--page", "/", "--cookie", cookie)

        assert code == 1
        assert said["reader"][0] == "failed"
        assert "set VIAFOURA_USER or VIAFOURA_USER_ID" in said["reader"][1]
        assert said["outcome"][0] == "warning"
        assert details["answer"] == ("not known" if "unasked" in cookie else "nobody")

    @pytest.mark.parametrize(
        ("app", "cookie", "instead"),
        [
            ("with_session", "who=ann", "VIAFOURA_USER_ID=session:user/id"),
            ("with_flask_session()", "session", "VIAFOURA_USER_ID=session:user_id"),
            ("with_quart_auth()", "QUART_AUTH", "VIAFOURA_USER=quart-auth"),
        ],
    )
    def test_says_what_would_give_a_user(self, app: str, cookie: str, instead: str, capsys: Lines) -> None:
        """Where a site has its user in a place that is not looked at; that it is so is tried out, in silence."""
        pytest.importorskip("flask", reason="Flask is not installed")
        pytest.importorskip("quart_auth", reason="Quart-Auth is not installed")
        if "=" not in cookie:
            cookie = f"{cookie}={signed_cookie(cookie)}"

        code, said, _ = asked(capsys, app, "--page", "/", "--cookie", cookie)

        assert code == 1
        assert f"set {instead}: that gives a user on this page" in said["reader"][1]

    def test_asks_whether_a_header_is_still_good(self, capsys: Lines) -> None:
        """Where no cookie was given."""
        _, said, _ = asked(capsys, "simple", "--page", "/", "--header", "Authorization: Bearer x")

        assert "is the header still good?" in said["reader"][1]

    def test_names_the_variable_that_says_where_the_id_is(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """Rather than a preset, which is not looked at then."""
        monkeypatch.setenv("VIAFOURA_USER_ID", "session:user_id|response:X-Site-User")

        _, said, _ = asked(capsys, "simple", "--page", "/", "--cookie", "who=ann")

        sources = "session:user_id|response:x-site-user"
        assert f"where VIAFOURA_USER_ID={sources} looks there is not even an empty place" in said["reader"][1]

    def test_names_no_place_where_nobody_is_to_be_read(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """``VIAFOURA_USER=off`` looks nowhere."""
        monkeypatch.setenv("VIAFOURA_USER", "off")

        _, said, _ = asked(capsys, "simple", "--page", "/", "--cookie", "who=ann")

        assert said["reader"][1].startswith("it is not known who asks: where preset off looks there is not even an ")

    def test_asks_for_a_cookie_where_none_was_given(self, capsys: Lines) -> None:
        """A visitor who is not signed in is no failure."""
        code, said, _ = asked(capsys, "simple", "--page", "/")

        assert code == 0
        assert said["reader"][1].endswith("give the site's sign-in cookie with --cookie 'name=value' to ask as a user")
        assert said["outcome"] == ("ok", "the page would leave as it is, since nobody is signed in")

    @pytest.mark.parametrize(
        ("secret", "code", "hint"),
        [
            ("proxy-secret-0123", 0, ""),
            ("wrong-secret-0123", 1, "believed only with --header 'X-Viafoura-Proxy-Secret: …' beside it"),
        ],
    )
    def test_reads_a_header_of_a_proxy(
        self, secret: str, code: int, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """It is believed as on a server: with the secret beside it."""
        monkeypatch.setenv("VIAFOURA_PROXY_SECRET", "proxy-secret-0123")
        monkeypatch.setenv("VIAFOURA_USER", "oauth2-proxy")
        headers = ["--header", "X-Forwarded-User: 17", "--header", f"X-Viafoura-Proxy-Secret: {secret}"]

        ended, said, _ = asked(capsys, "simple", "--page", "/", *headers)

        assert ended == code
        assert hint in said["reader"][1]

    @pytest.mark.parametrize("app", ["simple", "plain"])
    def test_tells_that_a_framework_s_user_was_not_found(
        self, app: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """Where a framework would find the user is not for the site to know."""
        monkeypatch.setenv("VIAFOURA_USER", "django")

        code, said, _ = asked(capsys, app, "--page", "/", "--cookie", "who=ann")

        assert code == 1
        assert "where preset django looks there is not even an empty place for a user" in said["reader"][1]

    def test_reads_a_user_whom_a_framework_loads(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """In the framework's own context, as on a server; where the page has no tag, nobody is loaded."""
        pytest.importorskip("flask_login", reason="Flask-Login is not installed")
        monkeypatch.setenv("VIAFOURA_USER", "flask-login")

        code, said, details = asked(capsys, "with_flask_login()", "--page", "/", "--cookie", "who=ann")
        _, without_tag, _ = asked(capsys, "with_flask_login()", "--page", "/no-tag", "--cookie", "who=ann")

        assert code == 0
        assert said["reader"][1].startswith("a user was read by preset flask-login: id from user:get_id(), name from")
        assert (details["id"], details["name"], details["email"]) == ("user:get_id()", "user:name", "user:email")
        assert without_tag["reader"] == (
            "warning",
            "nobody was asked who the user is, since the page has no tag",
        )

    def test_what_the_middleware_logs_is_told(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """A warning of the middleware's own is what an operator looks for."""
        command.main(["check", "--app", "asked_sites:plain", "--page", "/", "--cookie", "who=odd"])
        lines = capsys.readouterr().out.splitlines()

        assert [line for line in lines if line.startswith("warning  page")]
        assert not [line for line in lines if "s3cret" in line]


SITES_WITHOUT_USERS = {
    "flask": "import flask; app = flask.Flask(__name__)",
    "pyramid": "from pyramid.config import Configurator; app = Configurator().make_wsgi_app()",
    "adapted": "import flask; from asgiref.wsgi import WsgiToAsgi; app = WsgiToAsgi(flask.Flask(__name__))",
    "quart": "import quart; app = quart.Quart(__name__)",
    "sanic": "import sanic; app = sanic.Sanic('news')",
    "fastapi": "import fastapi; from fastapi.security import OAuth2PasswordBearer; app = fastapi.FastAPI()\n"
    "scheme = fastapi.Depends(OAuth2PasswordBearer(tokenUrl='token'))\n"
    "@app.get('/')\ndef items(token: str = scheme): ...",
    "neither": "import flask\ndef app(environ, start_response): ...",
}


@pytest.mark.server
class TestNobody:
    """``check`` where nobody can ever be read."""

    @pytest.mark.parametrize(
        ("site", "environ", "warning"),
        [
            ("flask", {}, "Flask runs without Flask-Login"),
            ("flask", {"VIAFOURA_USER": "flask-login"}, "Flask runs without Flask-Login"),
            ("flask", {"VIAFOURA_USER": "remote-user"}, ""),
            ("flask", {"VIAFOURA_USER_ID": "environ:site.user"}, ""),
            ("pyramid", {}, "Pyramid runs without a security policy"),
            ("adapted", {}, "Flask runs behind an ASGI adapter"),
            ("adapted", {"VIAFOURA_USER_ID": "session:user_id"}, "Flask runs behind an ASGI adapter"),
            ("quart", {}, "VIAFOURA_USER=quart-auth"),
            ("quart", {"VIAFOURA_USER_ID": "session:user_id"}, ""),
            ("sanic", {}, "Sanic keeps its users in request.ctx"),
            ("fastapi", {}, "FastAPI asks for bearer tokens, which no browser sends for a page"),
            ("neither", {}, ""),
        ],
    )
    def test_warns_where_a_framework_keeps_its_user_to_itself(
        self, site: str, environ: dict[str, str], warning: str, tmp_path: Path
    ) -> None:
        """It says what to set; where a source is set, or the server is asked, there is nothing to warn of."""
        pytest.importorskip({"neither": "flask", "adapted": "flask"}.get(site, site))
        (tmp_path / "without_users.py").write_text(SITES_WITHOUT_USERS[site])
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

        # In a process of its own: frameworks are recognised by the applications that are alive.
        ended = run("check", "--app", "without_users", PYTHONPATH=path, **environ)
        warnings = [line for line in ended.stdout.splitlines() if line.startswith("warning  user")]

        assert ended.returncode == 0
        assert len(warnings) == bool(warning)
        assert warning in "".join(warnings)


DJANGO = """
import sys
from django.conf import settings
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["site.example"],
    CACHES={},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[0] + ".site"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this test",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    USE_TZ=True,
    AUTHENTICATION_BACKENDS=[__name__ + ".Backend"],
)
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

get_wsgi_application()


class Backend:
    def get_user(self, pk):
        from django.contrib.auth.models import User

        return User(pk=pk, username="ann", password="") if pk == 17 else None


def cookie():
    store = SessionStore()
    from django.contrib.auth.models import User

    user = User(pk=17, password="")
    store.update({"_auth_user_id": "17", "_auth_user_backend": __name__ + ".Backend"})
    store["_auth_user_hash"] = user.get_session_auth_hash()
    store.save()
    return "sessionid=" + store.session_key


urlpatterns = [path("", lambda request: HttpResponse("<script id=viafoura-platform></script>"))]
"""


@pytest.mark.server
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize(("page", "code"), [("https://site.example/", 0), ("/", 1)])
def test_asks_django_by_either_interface(interface: str, page: str, code: int, tmp_path: Path) -> None:
    """Its user is loaded as on a server; a host that it does not serve is told to be given."""
    pytest.importorskip("django", reason="Django is not installed")
    (tmp_path / "django_news.py").write_text(DJANGO)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    program = [sys.executable, "-c", "import django_news; print(django_news.cookie())"]
    environ = {**os.environ, "PYTHONPATH": path}
    cookie = subprocess.run(program, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    app = f"django_news:get_{interface}_application()"

    ended = run("check", "--app", app, "--page", page, "--cookie", cookie, PYTHONPATH=path)

    assert ended.returncode == code, ended.stdout
    assert ended.stderr == ""
    if code:
        assert "400, text/html" in ended.stdout
        assert "the site may not serve this host: give the whole address" in ended.stdout
    else:
        assert "read by preset django: id from user:pk, name from user:username" in ended.stdout


class TestPage:
    """The page, and its tag."""

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/old", "it leads to https://www.site.example/new; ask for that page"),
            ("/absent", "the application has no such page"),
            ("/gone", "this is no page of the site"),
            ("/hidden", "give the site's sign-in cookie with --cookie 'name=value'"),
            ("/json", "only text/html is looked at"),
            ("/none", "no content type, 55 bytes: only text/html"),
            ("/file", "is not looked at"),
            ("/silent", "the site's own log may say why"),
            ("/logged", "the site logged LookupError ("),
            ("/boom", "the application raised RuntimeError ("),
        ],
    )
    def test_fails_where_the_page_is_missing(self, path: str, reason: str, capsys: Lines) -> None:
        """One line, with the type of an exception at most; the tag of what is no page is not looked for."""
        code, said, _ = asked(capsys, "simple", "--page", path)

        assert code == 1
        assert said.keys() == {"page"}
        assert said["page"][0] == "failed"
        assert reason in said["page"][1]

    @pytest.mark.parametrize(
        ("path", "reason"), [("/no-tag", "it has no viafoura-platform in it"), ("/comment", "it stands in a comment")]
    )
    def test_fails_where_the_tag_is_missing(self, path: str, reason: str, capsys: Lines) -> None:
        """With the reason that ``preview`` would give."""
        code, said, _ = asked(capsys, "simple", "--page", path, "--cookie", "who=ann")

        assert code == 1
        assert said["tag"][0] == "failed"
        assert reason in said["tag"][1]

    def test_fails_where_the_path_is_left_out(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """The application is not asked at all."""
        monkeypatch.setenv("VIAFOURA_EXCLUDE", "/boom")

        code, said, _ = asked(capsys, "simple", "--page", "/bo%6fm")

        assert code == 1
        assert said["page"][1] == "VIAFOURA_INCLUDE and VIAFOURA_EXCLUDE leave /bo%6fm out: it is never touched"

    @pytest.mark.parametrize(
        ("app", "reason"),
        [
            ("without_a_head", "gave no response: it never called start_response()"),
            ("mute", "gave no response: it never sent http.response.start"),
            ("raising", "raised ValueError ("),
            ("failing", "cannot start: its lifespan answers lifespan.startup.failed"),
        ],
    )
    def test_fails_where_there_is_no_answer(self, app: str, reason: str, capsys: Lines) -> None:
        """Each with a sentence of its own."""
        code, said, _ = asked(capsys, app, "--page", "/")

        assert code == 1
        assert reason in said["page"][1]

    def test_fails_where_there_is_no_application(self, capsys: Lines) -> None:
        """The variable that is missing is named."""
        assert command.main(["check", "--page", "/"]) == 1
        assert "name it in VIAFOURA_APP, or with --app" in capsys.readouterr().out

    def test_fails_where_the_middleware_is_off(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """No page is looked at then; to say nothing would be taken for a success."""
        monkeypatch.setenv("VIAFOURA_ENABLED", "0")

        code, said, _ = asked(capsys, "simple", "--page", "/boom")

        assert code == 1
        assert said["page"][1].startswith("VIAFOURA_ENABLED=0")

    @pytest.mark.parametrize("path", ["/old", "/hidden"])
    def test_asks_whether_the_cookie_is_good(self, path: str, capsys: Lines) -> None:
        """Where one was given, and the site wants one."""
        _, said, _ = asked(capsys, "simple", "--page", path, "--cookie", "who=bob")

        assert "is the cookie still good? (A session in a running server's own memory" in said["page"][1]

    def test_says_only_that_an_application_cannot_be_loaded(self, capsys: Lines) -> None:
        """What failed already is not told a second time."""
        code, said, _ = asked(capsys, "absent", "--page", "/")

        assert (code, said) == (1, {})

    @pytest.mark.parametrize("app", ["endless", "live"])
    def test_looks_at_the_beginning_of_a_page_without_an_end(
        self, app: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """It is broken off as by a visitor who leaves."""
        monkeypatch.setattr(asking, "LONGEST", 4096)
        monkeypatch.setattr(asking, "FAREWELL", 0.01)

        command.main(["check", "--app", f"asked_sites:{app}", "--page", "/"])
        lines = capsys.readouterr().out.splitlines()

        assert any(line.startswith("warning  page") and "it had no end" in line for line in lines)
        assert any(line.startswith("ok       tag") for line in lines)

    @pytest.mark.parametrize(("app", "path"), [("writing", "/"), ("living", "/"), ("living", "/slow")])
    def test_asks_as_a_server_does(self, app: str, path: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """``write()``, the lifespan and its state, and what goes on after the page."""
        monkeypatch.setattr(asking, "FAREWELL", 0.05)

        code, said, _ = asked(capsys, app, "--page", path)

        assert code == 0
        assert said["tag"][0] == "ok"

    def test_a_lifespan_that_never_begins_is_given_up(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """The command itself never hangs."""
        monkeypatch.setattr(asking, "PATIENCE", 0.05)

        code, said, _ = asked(capsys, "hanging", "--page", "/")

        assert code == 1
        assert "cannot start: its lifespan takes longer" in said["page"][1]

    def test_the_site_is_not_made_a_second_time(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """A door's module would make the application that VIAFOURA_APP names, beside that which was made already."""
        monkeypatch.setenv("VIAFOURA_APP", "asked_sites:simple")
        monkeypatch.setenv("VIAFOURA_ENV_FILE", os.devnull)
        for name in ("viafoura_mw.wsgi", "viafoura_mw.loading"):
            monkeypatch.delitem(sys.modules, name)

        from viafoura_mw.loading import door

        assert not hasattr(door("wsgi"), "application")
        assert not hasattr(sys.modules["viafoura_mw.wsgi"], "application") or pytest.fail("the site was made again")
        assert os.environ["VIAFOURA_APP"] == "asked_sites:simple"


class TestQuestion:
    """What the command line may say."""

    def test_takes_an_address(self) -> None:
        """A site that looks at its host and its scheme is asked as its visitors ask it."""
        asked = question("https://www.site.example:8443/caf%C3%A9?a=1#top", [], ["X-A: 1", "x-a: 2", "Host: other"])

        answer = asking.ask_wsgi(_host(), asked)

        seen = ["other", "www.site.example", "8443", "https", "a=1", "/cafÃ©", "1, 2"]
        assert answer.body.endswith(repr(seen).encode())

    @pytest.mark.parametrize(
        ("page", "host", "path"),
        [
            ("http://site.example", "site.example", "/"),
            ("https://site.example:8443/x", "site.example:8443", "/x"),
            ("/x?y#z", "localhost", "/x"),
        ],
    )
    def test_has_a_host(self, page: str, host: str, path: str) -> None:
        """As a browser writes it: without the scheme's own port."""
        asked = question(page, ["a=1", "b=2"], [])

        assert (asked.fields()["host"], asked.path) == (host, path)
        assert asked.fields()["cookie"] == "a=1; b=2"
        assert asked.is_of_somebody

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--page", "story"], "--page takes a path that begins with /"),
            (["--page", "ftp://site/"], "--page takes a path that begins with /"),
            (["--page", "/\r\nX: 1"], "--page takes a path that begins with /"),
            (["--page", "/", "--cookie", "s3cret"], "--cookie takes 'name=value'"),
            (["--page", "/", "--cookie", "a=\r\n"], "--cookie takes 'name=value'"),
            (["--page", "/", "--header", "s3cret"], "--header takes 'Name: value'"),
            (["--page", "/", "--header", ": s3cret"], "--header takes 'Name: value'"),
            (["--page", "/", "--header", "X: é"], "--header takes 'Name: value'"),
            (["--cookie", "s3cret=1"], "name it with --page PATH"),
            (["--header", "X: s3cret"], "name it with --page PATH"),
        ],
    )
    def test_explains_what_it_does_not_understand(self, arguments: list[str], complaint: str, capsys: Lines) -> None:
        """One line on standard error, exit code 2, and nothing of the value."""
        assert command.main(["check", *arguments]) == 2

        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert complaint in err
        assert "s3cret" not in err


def _host() -> Any:
    import asked_sites

    return asked_sites.host


def test_a_question_has_a_default_for_all_but_its_path() -> None:
    """Nothing but a path is needed, and nobody is asked as."""
    asked = Question(path="/")

    assert asked.fields() == {"host": "localhost", "accept": "text/html"}
    assert not asked.is_of_somebody


def test_nothing_stands_in_viafoura_s_place() -> None:
    """A login gives an example; a logout ends nothing."""
    nothing = page.NoViafoura(2.0)

    nothing.logout("session")

    assert nothing.limit == 2.0
