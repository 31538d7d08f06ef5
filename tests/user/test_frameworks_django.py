"""Django's user is read from outside, and nothing of the site is written."""

import asyncio
import gc
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.doors import environ_of, scope_of
from tests.support.framework_reading import Asked, alone, ask, ask_asgi, reader_of
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.log import Notices
from viafoura_mw.runtime import runtime_of
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user import frameworks
from viafoura_mw.user.frameworks.django import session_cookie
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UserSources, parse
from viafoura_mw.user.user import Nobody, NotKnown, User

pytest.importorskip("django", reason="Django is not installed")

__all__ = ["alone"]  # a fixture, for each test of this module

TAG = b'<script id="viafoura-platform">'
SECRETS = {"SECRET_KEY": "a-new-secret", "SECRET_KEY_FALLBACKS": ["an-old-secret"]}
STAFFS = [app for app in ("hijack", "loginas") if importlib.util.find_spec(app)]
ENGINES = ("db", "cached_db", "cache", "file", "signed_cookies")

both_kinds = pytest.mark.parametrize("kind", ["wsgi", "asgi"])
Ask = Callable[..., Asked]


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Django project with contrib.auth and a user, as its tutorial makes one."""
    import django
    from django.conf import settings

    place = tmp_path_factory.mktemp("django")
    settings.configure(
        ALLOWED_HOSTS=["*"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(place / "site.sqlite3")}},
        INSTALLED_APPS=[*(f"django.contrib.{app}" for app in ("auth", "contenttypes", "sessions", "admin")), *STAFFS],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        ROOT_URLCONF="tests_django_urls",
        SECRET_KEY="an-old-secret",
        SESSION_FILE_PATH=str(place),
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    User.objects.create_user("ann", "ann@site.example", "x", first_name="Ann", last_name="Onymous")
    User.objects.create_user("bob", "bob@site.example", "x")
    User.objects.create_superuser("staff", "staff@site.example", "x")
    connections.close_all()
    sys.modules["tests_django_urls"] = urls()
    yield
    connections.close_all()


def _hijack(request: Any) -> Any:
    from django.contrib.auth.models import User
    from hijack.views import AcquireUserView, ReleaseUserView

    view = ReleaseUserView if "release" in request.path else AcquireUserView
    request.method, request._dont_enforce_csrf_checks = "POST", True
    request.POST = {"user_pk": User.objects.get(username="bob").pk}
    return view.as_view()(request)


def _loginas(request: Any) -> Any:
    from django.contrib.auth.models import User
    from django.http import HttpResponse
    from loginas.utils import login_as, restore_original_login

    request._messages = types.SimpleNamespace(add=lambda *_: None)
    if "release" in request.path:
        restore_original_login(request)
    else:
        login_as(User.objects.get(username="bob"), request)
    return HttpResponse(TAG)


def urls() -> types.ModuleType:
    """The site's views; none of them knows of Viafoura."""
    from django.contrib.auth import login, logout
    from django.contrib.auth.models import User
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    def untouched(request: Any) -> Any:
        return HttpResponse(TAG)

    def touched(request: Any) -> Any:
        return HttpResponse(TAG + str(request.user).encode())

    async def awaited(request: Any) -> Any:
        return HttpResponse(TAG + str(await request.auser()).encode())

    def sign_in(request: Any, name: str) -> Any:
        login(request, User.objects.get(username=name))
        return HttpResponse(TAG)

    def sign_out(request: Any) -> Any:
        logout(request)
        return HttpResponse(TAG)

    def streamed(request: Any) -> Any:
        return StreamingHttpResponse(iter([TAG, b"the end"]))

    def keep(request: Any) -> Any:
        request.session["user"] = {"id": 7, "name": "Ann"}
        return HttpResponse(TAG)

    module = types.ModuleType("tests_django_urls")
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("", untouched),
        path("touched", touched),
        path("awaited", awaited),
        path("streamed", streamed),
        path("in/<name>", sign_in),
        path("out", sign_out),
        path("hijack", _hijack),
        path("hijack/release", _hijack),
        path("loginas", _loginas),
        path("loginas/release", _loginas),
        path("keep", keep),
    ]
    return module


@pytest.fixture
def ask_site(kind: str) -> Ask:
    """Asks the site behind one of the doors."""
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    reader = reader_of("django", asgi=kind == "asgi")

    def ask_handler(*args: Any, **kwargs: Any) -> Asked:
        if kind == "wsgi":
            return ask(reader, WSGIHandler(), *args, **kwargs)
        return ask_asgi(reader, ASGIHandler(), *args, **kwargs)

    return ask_handler


class TestImpersonation:
    """While a member of staff uses the site as another user, nobody is signed in to Viafoura, nor logged out."""

    @pytest.mark.parametrize("library", [pytest.param(name, id=name) for name in STAFFS])
    @both_kinds
    def test_is_not_known_while_it_lasts(self, ask_site: Ask, library: str) -> None:
        """From the response that begins it on, and no longer than to the one that ends it."""
        cookies = ask_site("/in/staff").cookies()
        began = ask_site(f"/{library}", cookies)
        cookies |= began.cookies()
        during = [ask_site(path, cookies).reading for path in ("/", "/touched")]
        ended = ask_site(f"/{library}/release", cookies)
        cookies |= ended.cookies()
        assert (began.reading, *during) == (NotKnown(),) * 3
        assert ask_site("/", cookies).user == User("3", "staff", "staff@site.example")

    @pytest.mark.parametrize("library", [pytest.param(name, id=name) for name in STAFFS])
    def test_is_that_users_where_the_site_wants_it(self, library: str) -> None:
        """``VIAFOURA_IMPERSONATION=1``."""
        from django.core.handlers.wsgi import WSGIHandler

        reader = UserReader("django", UserSources(), Notices(), otherwise="remote-user", impersonation=True)
        cookies = ask(reader, WSGIHandler(), "/in/staff").cookies()
        cookies |= ask(reader, WSGIHandler(), f"/{library}", cookies).cookies()
        assert ask(reader, WSGIHandler(), "/", cookies).user == User("2", "bob", "bob@site.example")

    def test_is_found_by_the_key_that_the_site_has_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """loginas lets it; and a request without a session is nobody's."""
        from django.conf import settings

        from viafoura_mw.user.frameworks import django

        monkeypatch.setattr(settings, "LOGINAS_FROM_USER_SESSION_FLAG", "staff_key", raising=False)
        assert django.is_impersonated(types.SimpleNamespace(session={"staff_key": "3:signed"}))
        assert not django.is_impersonated(types.SimpleNamespace(session={"hijack_history": []}))
        assert not django.is_impersonated(types.SimpleNamespace())


class TestSession:
    """``session:`` under Django."""

    @pytest.fixture
    def own(self) -> UserSources:
        return UserSources(parse("session:user/id"), parse("session:user/name"))

    @pytest.mark.parametrize("engine", ENGINES)
    @both_kinds
    def test_is_read(
        self, kind: str, engine: str, own: UserSources, queries: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By one query at most, in any store, and without a write or a cookie."""
        ask_own = asker(own, kind, engine, monkeypatch)
        cookies = ask_own("/keep").cookies()
        queries.clear()
        asked = ask_own("/", cookies)
        assert (asked.reading, asked.cookies()) == (User("7", "Ann"), {})
        assert len(queries) <= 1
        assert not any(writes(query) for query in queries)

    @both_kinds
    def test_of_a_visitor_is_nobodys(self, kind: str, own: UserSources, monkeypatch: pytest.MonkeyPatch) -> None:
        """The session is there, without the key; Django has no ``g``."""
        assert asker(own, kind, "db", monkeypatch)("/").reading == Nobody()
        assert asker(UserSources(parse("g:user")), kind, "db", monkeypatch)("/").reading == NotKnown()


def writes(query: str) -> bool:
    return not query.lstrip().upper().startswith("SELECT")


def asker(own: UserSources, kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks the site, whose sessions are in such a store, who its user is by the ``own`` sources."""
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    monkeypatch.setattr(settings, "SESSION_ENGINE", f"django.contrib.sessions.backends.{engine}")
    reader = reader_of("off", own, asgi=kind == "asgi")
    if kind == "wsgi":
        return lambda *args: ask(reader, WSGIHandler(), *args)
    return lambda *args: ask_asgi(reader, ASGIHandler(), *args)


@pytest.fixture
def queries() -> Iterator[list[str]]:
    """The SQL that is executed, on whatever connection."""
    from django.db.backends.signals import connection_created

    said: list[str] = []

    def watch(connection: Any, **_: Any) -> None:
        if note not in connection.execute_wrappers:
            connection.execute_wrappers.append(note)

    def note(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        said.append(sql)
        return execute(sql, params, many, context)

    connection_created.connect(watch)
    yield said
    connection_created.disconnect(watch)


@both_kinds
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("path", ["/", "/touched", "/streamed", "/awaited"])
def test_reads_a_signed_in_user(ask_site: Ask, path: str) -> None:
    """The id is the primary key, the name is the full name."""
    user = ask_site(path, ask_site("/in/ann").cookies()).user
    assert user is not None
    assert (user.id, user.name, user.email) == ("1", "Ann Onymous", "ann@site.example")


@both_kinds
def test_sees_who_signs_in_and_out_in_this_very_request(ask_site: Ask) -> None:
    """What the view did last counts."""
    signed_in = ask_site("/in/ann")
    assert signed_in.user is not None
    assert signed_in.user.id == "1"
    changed = ask_site("/in/bob", signed_in.cookies())
    assert changed.user is not None
    assert changed.user.id == "2"
    assert ask_site("/out", signed_in.cookies()).user is None


@both_kinds
def test_asks_nothing_of_the_database_for_a_visitor_without_a_session(ask_site: Ask, queries: list[str]) -> None:
    """An anonymous visitor costs no query."""
    assert ask_site("/").user is None
    assert queries == []


@both_kinds
@pytest.mark.parametrize(("path", "more"), [("/", 2), ("/touched", 0), ("/awaited", 0)])
def test_asks_nothing_that_the_view_has_asked(ask_site: Ask, queries: list[str], path: str, more: int) -> None:
    """A user whom the view has loaded costs no query; else the session and the user are loaded once."""
    cookies = ask_site("/in/ann").cookies()
    queries.clear()
    assert ask_site(path, cookies).user is not None
    of_the_view = 0 if path == "/" else 2
    assert len(queries) == of_the_view + more


def stored(engine: str) -> set[tuple[str, str]]:
    """All that is in the site's session store."""
    from django.contrib.sessions.models import Session
    from django.core.cache import cache
    from django.db import connections

    rows = {(row.session_key, row.session_data) for row in Session.objects.all()}
    connections.close_all()
    cached = {(key, repr(cache.get(key, version=None))) for key in (engine == "cache" and raw_cache_keys()) or ()}
    return rows | cached | session_files()


def raw_cache_keys() -> list[str]:
    from django.core.cache import cache

    entries: Any = cache
    return [key.split(":", 2)[2] for key in entries._cache]


def session_files() -> set[tuple[str, str]]:
    from django.conf import settings

    return {(file.name, file.read_text()) for file in Path(settings.SESSION_FILE_PATH).glob("sessionid*")}


@both_kinds
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rotation", ["kept", "rotated", "forgotten"])
def test_reading_never_writes_to_the_session(ask_site: Ask, engine: str, rotation: str) -> None:
    """Django cycles a session of a rotated key, and flushes one of a forgotten key, when it loads the user."""
    from django.contrib.auth.models import User
    from django.db import connections
    from django.test.utils import override_settings

    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        cookies = ask_site("/in/ann").cookies()
        password = User.objects.get(pk=1).password
        if rotation == "forgotten":  # as after a change of the password on another device
            User.objects.filter(pk=1).update(password="another")
        connections.close_all()
        secrets = SECRETS if rotation == "rotated" else {}
        with override_settings(**secrets):
            before = stored(engine)
            asked = ask_site("/", cookies)
            assert stored(engine) == before
            assert asked.cookies() == {}
        User.objects.filter(pk=1).update(password=password)
        connections.close_all()
        assert (asked.user is None) == (rotation == "forgotten")
        signed_in = ask_site("/touched", cookies)
        assert b"ann" in signed_in.body


@both_kinds
@pytest.mark.parametrize("path", ["/", "/touched"])
def test_reading_fills_no_cache_of_sessions(ask_site: Ask, path: str) -> None:
    """cached_db caches what it loads: a session that ends meanwhile would come back; the site's own reading may."""
    from django.core.cache import cache
    from django.test.utils import override_settings

    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cached_db"):
        cookies = ask_site("/in/ann").cookies()
        cache.clear()
        assert ask_site(path, cookies).user is not None
        assert bool(raw_cache_keys()) == (path == "/touched")


def test_a_session_that_is_only_read_is_found_in_its_cache() -> None:
    """A store may look whether a key is taken."""
    from django.contrib.sessions.backends.cache import SessionStore

    from viafoura_mw.user.frameworks import django

    session = SessionStore()
    session.create()
    copy = django._read_only(session)
    assert copy.exists(session.session_key)
    assert not copy.exists("another")


class AsyncMiddleware:
    """A site's own way to put the user into the request."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        from asgiref.sync import async_to_sync
        from django.contrib.auth import aget_user
        from django.utils.functional import SimpleLazyObject

        request.user = SimpleLazyObject(lambda: async_to_sync(aget_user)(request))
        return self.get_response(request)


@pytest.mark.parametrize("kind", ["wsgi"])
def test_reading_never_writes_where_the_user_is_loaded_asynchronously(ask_site: Ask) -> None:
    """Django has each method of a session twice."""
    from django.conf import settings
    from django.test.utils import override_settings

    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}.AsyncMiddleware"]):
        cookies = ask_site("/in/ann").cookies()
        with override_settings(**SECRETS):
            before = stored("db")
            assert ask_site("/", cookies).user is not None
            assert stored("db") == before


@both_kinds
def test_reads_a_session_that_has_expired_as_nobody(ask_site: Ask) -> None:
    """A store that forgets an expired session when it is loaded is left as it is."""
    from django.test.utils import override_settings

    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.file", SESSION_COOKIE_AGE=-1):
        cookies = ask_site("/in/ann").cookies()
        before = session_files()
        assert ask_site("/", cookies or {"sessionid": "a" * 32}).user is None
        assert session_files() == before


def back_soon(get_response: Any) -> Any:
    """A site's own middleware, that answers above its authentication."""
    from django.http import HttpResponse

    return lambda request: HttpResponse(TAG)


@both_kinds
@pytest.mark.parametrize("middleware", [[], ["back_soon"], ["back_soon", "auth"]])
def test_does_not_know_who_asks_where_the_site_has_not_asked(ask_site: Ask, middleware: list[str]) -> None:
    """A page that is answered above AuthenticationMiddleware logs nobody out."""
    from django.conf import settings
    from django.test.utils import override_settings

    cookies = ask_site("/in/ann").cookies()
    paths = {"back_soon": [f"{__name__}.back_soon"], "auth": settings.MIDDLEWARE}
    with override_settings(MIDDLEWARE=[path for name in middleware for path in paths[name]]):
        assert ask_site("/", cookies).reading == NotKnown()


@both_kinds
@pytest.mark.parametrize("path", ["/", "/out"])
def test_knows_that_nobody_is_signed_in_where_the_site_has_asked(ask_site: Ask, path: str) -> None:
    """The request has a user, who is anonymous."""
    assert ask_site(path).reading == Nobody()


class NoUser:
    """A site's own way to say that nobody is there."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.user = None
        return self.get_response(request)


@pytest.mark.parametrize("kind", ["wsgi"])
def test_takes_a_user_that_is_none_for_nobody(ask_site: Ask) -> None:
    """The place was laid out."""
    from django.test.utils import override_settings

    with override_settings(MIDDLEWARE=[f"{__name__}.NoUser"]):
        assert ask_site("/").reading == Nobody()


@both_kinds
def test_a_hook_that_fails_breaks_no_page(
    ask_site: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is the site's, and the user is not known; the log has the type of what was raised, and no more."""
    from viafoura_mw.user.frameworks import served

    def leave(*_: Any) -> None:
        raise KeyError("ann@site.example")

    monkeypatch.setattr(served, "leave", leave)
    monkeypatch.setattr(Notices, "tell", lambda _, kind, level, sentence, *values: told.append(sentence % values))
    told: list[str] = []
    asked = ask_site("/")
    assert (asked.status, asked.body, asked.reading) == (200, TAG, NotKnown())
    assert told == ["the hook of preset django failed (KeyError): the user is not known"]


@both_kinds
def test_what_the_site_raises_is_a_failure_and_not_a_visitor_who_left(ask_site: Ask) -> None:
    """The page is served; nobody is logged out for it."""
    from django.test.utils import override_settings

    cookies = ask_site("/in/ann").cookies()
    with override_settings(AUTHENTICATION_BACKENDS=["tests.user.test_frameworks_django.BrokenBackend"]):
        broken = ask_site("/in/ann")
        asked = ask_site("/", {**cookies, **broken.cookies()})
    assert asked.status == 200
    assert isinstance(asked.reading, NotKnown)


class BrokenBackend:
    """A site's own way to find users, which has a bad day."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def get_user(self, user_id: Any) -> Any:
        raise OSError("no directory")


def test_keeps_to_a_handler_of_the_sites_own() -> None:
    """A handler with a request class of its own goes on using it."""
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

    class Request(WSGIRequest):
        session: Any = None  # not the instance's: none is put in its place

    class Handler(WSGIHandler):
        request_class = Request

    handler = Handler()
    asked = ask(reader_of("django"), handler, cookies=ask(reader_of("django"), handler, "/in/ann").cookies())
    assert asked.user is not None


def test_reads_through_an_environ_that_was_copied() -> None:
    """A layer between may hand a copy of the environ on."""
    from django.core.handlers.wsgi import WSGIHandler

    assert isinstance(ask(reader_of("django"), WSGIHandler(), "/in/ann", through=dict).reading, User)


def test_an_explicit_preset_without_the_framework_is_a_failure() -> None:
    """VIAFOURA_USER=django before anything else than Django."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [TAG]

    assert isinstance(ask(reader_of("django"), application).reading, NotKnown)

    async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": TAG})

    assert isinstance(ask_asgi(reader_of("django", asgi=True), asgi_application).reading, NotKnown)


@both_kinds
def test_django_is_recognised_by_its_handler(kind: str, ask_site: Ask) -> None:
    """Not by being imported, nor without contrib.auth; and a handler of the other kind is none."""
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test.utils import modify_settings

    gc.collect()
    assert frameworks.recognised(asgi=kind == "asgi") is None
    handler: Any = WSGIHandler() if kind == "wsgi" else ASGIHandler()
    assert frameworks.recognised(asgi=kind == "asgi") == "django"
    assert frameworks.recognised(asgi=kind != "asgi") is None
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.auth"}):
        assert frameworks.recognised(asgi=kind == "asgi") is None
    del handler


def test_serves_a_django_page_through_the_wsgi_door(viafoura: SimulatedViafoura, settings: Settings) -> None:
    """By VIAFOURA_USER=auto, with nothing said to the site."""
    from django.core.handlers.wsgi import WSGIHandler

    handler = WSGIHandler()
    cookies = ask(reader_of("django"), handler, "/in/ann").cookies()
    environ = environ_of(headers={"Cookie": f"sessionid={cookies['sessionid']}"})
    iterable: Any = wsgi.ViafouraMiddleware(handler, settings)(environ, lambda *_: print)
    assert b"data-uid=" in b"".join(iterable)
    iterable.close()


def test_serves_a_django_page_through_the_asgi_door(viafoura: SimulatedViafoura, settings: Settings) -> None:
    """By VIAFOURA_USER=auto, with nothing said to the site."""
    from django.core.handlers.asgi import ASGIHandler

    handler = ASGIHandler()
    cookies = ask_asgi(reader_of("django", asgi=True), handler, "/in/ann").cookies()
    scope = scope_of(headers={"Cookie": f"sessionid={cookies['sessionid']}"})
    body = asyncio.run(page_of(asgi.ViafouraMiddleware(handler, settings), scope))
    assert b"data-uid=" in body


async def page_of(application: Any, scope: dict[str, Any]) -> bytes:
    """The body that an application sends, to a browser that stays."""
    body = bytearray()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        body.extend(message.get("body", b""))

    await application(scope, receive, send)
    return bytes(body)


def test_tells_the_name_of_the_sites_session_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """By it the site knows a signed-in user; as long as Django is not set up, nobody knows the name."""
    from django import conf
    from django.test.utils import override_settings

    told = [session_cookie()]
    with override_settings(SESSION_COOKIE_NAME="gazette"):
        told.append(session_cookie())
    monkeypatch.setattr(conf, "settings", conf.LazySettings())
    told.append(session_cookie())
    monkeypatch.delitem(sys.modules, "django.conf")
    told.append(session_cookie())

    assert told == ["sessionid", "gazette", "", ""]


def test_no_other_cookie_of_a_django_site_signs_a_user_in() -> None:
    """Under preset ``django`` a visitor with a cookie that no list has keeps answers of 304."""
    parts = runtime_of(Settings(site_id="site", api_key="key", user="django"), otherwise="scope")

    assert parts.rules.may_be_signed_in_by("sessionid=1")
    assert not parts.rules.may_be_signed_in_by("language=en; messages=x")
