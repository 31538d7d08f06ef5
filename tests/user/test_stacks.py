"""Real stacks behind the doors, set up by variables alone: signed in with id, name and e-mail address, and out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import anyio
import pytest

from tests.support.doors import environ_of, scope_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.testing.service import Account

TAG = '<script id="viafoura-platform">'
SECRET = "a shared secret of more than thirty-two bytes"
ANN = {"id": "ann", "name": "Ann", "email": "ann@site.example"}
SESSION = {
    "VIAFOURA_USER_ID": "session:user/id",
    "VIAFOURA_USER_NAME": "session:user/name",
    "VIAFOURA_USER_EMAIL": "session:user/email",
}
TOKEN = {
    "VIAFOURA_USER_ID": "jwt:sub",
    "VIAFOURA_USER_NAME": "jwt:name",
    "VIAFOURA_USER_EMAIL": "jwt:email",
    "VIAFOURA_JWT_KEY": SECRET,
    "VIAFOURA_JWT_ALGORITHMS": "HS256",
}


def flask_session() -> Any:
    """Flask's tutorial."""
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    site = flask.Flask("site")
    site.secret_key = "secret"

    @site.get("/in")
    def sign_in() -> str:
        flask.session["user"] = ANN
        return "in"

    @site.get("/out")
    def sign_out() -> str:
        flask.session.pop("user")
        return TAG

    @site.get("/")
    def page() -> str:
        return TAG

    @site.get("/json")
    def data() -> dict[str, str]:
        return {"a": TAG}

    return site


def bottle_beaker() -> Any:
    """Bottle with Beaker's session."""
    bottle = pytest.importorskip("bottle", reason="Bottle is not installed")
    middleware = pytest.importorskip("beaker.middleware", reason="Beaker is not installed")
    site = bottle.Bottle()

    @site.route("/<path:re:.*>")
    def page(path: str) -> Any:
        session = bottle.request.environ["beaker.session"]
        if path == "in":
            session["user"] = ANN
            session.save()
        if path == "out":
            session.delete()
        return {"a": TAG} if path == "json" else TAG if path != "in" else "in"

    return middleware.SessionMiddleware(site, {"session.type": "cookie", "session.validate_key": "secret"})


def starlette_session() -> Any:
    """Starlette with its SessionMiddleware."""
    applications = pytest.importorskip("starlette.applications", reason="Starlette is not installed")
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route

    async def page(request: Any) -> Any:
        path = request.url.path
        if path == "/in":
            request.session["user"] = ANN
        if path == "/out":
            request.session.clear()
        return JSONResponse({"a": TAG}) if path == "/json" else HTMLResponse(TAG if path != "/in" else "in")

    middleware = [Middleware(SessionMiddleware, secret_key="secret")]
    return applications.Starlette(routes=[Route("/{path:path}", page)], middleware=middleware)


def quart_session() -> Any:
    """Quart's session."""
    quart = pytest.importorskip("quart", reason="Quart is not installed")
    site = quart.Quart("site")
    site.secret_key = "secret"

    @site.get("/<path>")
    @site.get("/", defaults={"path": ""})
    async def page(path: str) -> Any:
        if path == "in":
            quart.session["user"] = ANN
        if path == "out":
            quart.session.clear()
        return {"a": TAG} if path == "json" else TAG if path != "in" else "in"

    return site


def fastapi_token() -> Any:
    """FastAPI's tutorial on OAuth2: a dependency decodes the token, here from a cookie."""
    fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
    jwt = pytest.importorskip("jwt", reason="PyJWT is not installed")
    from fastapi.responses import HTMLResponse, JSONResponse

    site = fastapi.FastAPI()

    def current_user(token: str = fastapi.Cookie(default="")) -> Any:
        return jwt.decode(token, SECRET, algorithms=["HS256"]) if token else None

    @site.get("/in")
    def sign_in() -> Any:
        response = HTMLResponse("in")
        response.set_cookie("token", jwt.encode({**ANN, "sub": "ann"}, SECRET, algorithm="HS256"))
        return response

    @site.get("/out")
    def sign_out() -> Any:
        response = HTMLResponse(TAG)
        response.delete_cookie("token")
        return response

    user = fastapi.Depends(current_user)

    def page(user: Any = user) -> Any:
        return HTMLResponse(TAG)

    def data(user: Any = user) -> Any:
        return JSONResponse({"a": TAG})

    site.get("/")(page)
    site.get("/json")(data)
    return site


def fastapi_users_token() -> Any:
    """What fastapi-users sets with its CookieTransport and JWTStrategy, made by its own code."""
    fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
    authentication = pytest.importorskip("fastapi_users.authentication", reason="fastapi-users is not installed")
    from types import SimpleNamespace

    from fastapi.responses import HTMLResponse, JSONResponse

    backend = authentication.AuthenticationBackend(
        name="jwt",
        transport=authentication.CookieTransport(cookie_secure=False),
        get_strategy=lambda: authentication.JWTStrategy(secret=SECRET, lifetime_seconds=3600),
    )
    site = fastapi.FastAPI()

    @site.get("/in")
    async def sign_in() -> Any:
        return await backend.login(backend.get_strategy(), SimpleNamespace(id="ann"))

    @site.get("/out")
    async def sign_out() -> Any:
        left = await backend.transport.get_logout_response()
        return HTMLResponse(TAG, headers={"set-cookie": left.headers["set-cookie"]})

    site.get("/")(lambda: HTMLResponse(TAG))
    site.get("/json")(lambda: JSONResponse({"a": TAG}))
    return site


@dataclass(frozen=True)
class Stack:
    """A site, the variables that it needs, and what Viafoura is to know of its user."""

    make: Callable[[], Any]
    is_asgi: bool
    variables: Mapping[str, str]
    user: tuple[str, str, str | None] = ("ann", "Ann", "ann@site.example")


STACKS = {
    "Flask's session": Stack(flask_session, False, SESSION),
    "Bottle with Beaker": Stack(bottle_beaker, False, SESSION),
    "Starlette's session": Stack(starlette_session, True, SESSION),
    "Quart's session": Stack(quart_session, True, SESSION),
    "FastAPI with a token": Stack(fastapi_token, True, {**TOKEN, "VIAFOURA_JWT_COOKIE": "token"}),
    "fastapi-users": Stack(
        fastapi_users_token,
        True,
        {
            "VIAFOURA_USER_ID": "jwt:sub",
            "VIAFOURA_JWT_COOKIE": "fastapiusersauth",
            "VIAFOURA_JWT_KEY": SECRET,
            "VIAFOURA_JWT_ALGORITHMS": "HS256",
            "VIAFOURA_JWT_AUDIENCE": "fastapi-users:auth",
        },
        ("ann", "ann", None),
    ),
}


class Browser:
    """Asks a stack behind its door, and keeps the cookies that it is given."""

    def __init__(self, stack: Stack, viafoura: SimulatedViafoura) -> None:
        site = stack.make()
        settings = Settings.from_env({**viafoura.environ(), **stack.variables, "VIAFOURA_TIMEOUT": "30"})
        self._wsgi = None if stack.is_asgi else wsgi.ViafouraMiddleware(site, settings)
        self._asgi = asgi.ViafouraMiddleware(site, settings) if stack.is_asgi else None
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> str:
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Accept": "*/*", "Host": "site.example"} | ({"Cookie": pairs} if pairs else {})
        fields, body = self._by_wsgi(path, headers) if self._wsgi else anyio.run(self._by_asgi, path, headers)
        for name, value in fields:
            if name.lower() == "set-cookie":
                self._keep(value)
        return body

    def _keep(self, text: str) -> None:
        for name, morsel in SimpleCookie(text).items():
            self.cookies[name] = morsel.value
            if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                del self.cookies[name]

    def _by_wsgi(self, path: str, headers: Mapping[str, str]) -> tuple[list[tuple[str, str]], str]:
        assert self._wsgi
        given: list[tuple[str, str]] = []

        def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
            given.extend(fields)
            return lambda chunk: None

        iterable = self._wsgi(environ_of("GET", path, headers), start_response)
        body = b"".join(iterable)
        if hasattr(iterable, "close"):
            iterable.close()
        return given, body.decode()

    async def _by_asgi(self, path: str, headers: Mapping[str, str]) -> tuple[list[tuple[str, str]], str]:
        assert self._asgi
        messages: list[dict[str, Any]] = []
        asked: list[str] = []

        async def receive() -> dict[str, Any]:
            if asked:
                await anyio.sleep_forever()
            asked.append("once")
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await self._asgi(scope_of("GET", path, headers), receive, send)
        fields = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
        return fields, b"".join(message.get("body", b"") for message in messages[1:]).decode()


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_signs_its_user_in_and_out(stack: Stack) -> None:
    """A visitor's page and what is no page cost no call; the second page none either; a sign-out ends the session."""
    with SimulatedViafoura() as viafoura:
        browser = Browser(stack, viafoura)
        assert browser.get("/") == TAG
        browser.get("/in")
        assert browser.get("/json").startswith("{")
        assert (viafoura.calls, "viafoura_mw" in browser.cookies) == ((), False)
        pages = [browser.get("/"), browser.get("/")]
        assert ["data-uid" in page for page in pages] == [True, True]
        assert viafoura.count("login") == 1
        (account,) = viafoura.users.values()
        assert account == Account(*stack.user, account.user_id)
        browser.get("/out")
        assert browser.get("/") == TAG
        viafoura.wait_for("logout")
        assert (viafoura.count("login"), viafoura.sessions) == (1, {})
