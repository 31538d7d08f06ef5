"""Who is reading, asked through both doors: what the application sees, and what the page is told."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any

import anyio
import pytest
from flask import Flask, flash, get_flashed_messages

from tests.support.doors import HTML, Answer, Get, Site, both_doors, call, environ_of, scope_of, through_wsgi
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.asgi_asked import MOST_MESSAGES
from viafoura_mw.testing import Fault, SimulatedViafoura

Door = Callable[[Settings | None], Get]

M = "0123456789abcdef"
ASKS = {"X-Viafoura-Bridge": M, "Sec-Fetch-Site": "same-origin", "Host": "site.example"}
SIGNED = {"Cookie": "sessionid=abc"}
SESSION, LOGOUT = "/_viafoura/session", "/_viafoura/logout"


def settings_of(viafoura: SimulatedViafoura, **variables: str) -> Settings:
    named = {f"VIAFOURA_{name.upper()}": value for name, value in variables.items()}
    return Settings.from_env({**viafoura.environ(), "VIAFOURA_BRIDGE": "1", "VIAFOURA_DEBUG_HEADER": "1", **named})


@pytest.fixture
def settings(viafoura: SimulatedViafoura) -> Settings:
    """A bridge that says what it did."""
    return settings_of(viafoura)


def ask(get: Get, site: Site, *cookies: str | None, path: str = SESSION, **headers: str) -> Answer:
    """Ask as bridge.js does, with these cookies besides the site's own."""
    jar = "; ".join(filter(None, ("sessionid=abc", *cookies)))
    asked = {**ASKS, "Cookie": jar, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return get(site, method="POST", path=path, headers={name: value for name, value in asked.items() if value})


def told(answer: Answer) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(answer.body)
    assert given.pop("for") == M
    assert int(answer.get("content-length") or -1) == len(answer.body)
    assert (answer.status, answer.get("content-type")) == (200, "application/json")
    assert (answer.get("cache-control"), answer.get("vary")) == ("private, no-store", "Cookie")
    assert (answer.get("surrogate-control"), answer.get("cdn-cache-control")) == ("no-store", "no-store")
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]
    return given


def said(answer: Answer) -> str | None:
    return answer.get("x-viafoura-mw")


def asked_scope() -> dict[str, Any]:
    return scope_of("POST", SESSION, {**ASKS, **SIGNED})


def asked_environ() -> dict[str, Any]:
    return environ_of("POST", SESSION, {**ASKS, **SIGNED})


NOBODY = {"state": "nobody", "user_id": None, "session": None}
UNKNOWN = {"state": "unknown", "user_id": None, "session": None}
OUT = Site((b"<p>Hello",), (HTML,))


def calls(viafoura: SimulatedViafoura, kind: str) -> int:
    return sum(call.kind == kind for call in viafoura.calls)


def wait_for_calls(viafoura: SimulatedViafoura, kind: str, count: int) -> None:
    until = time.monotonic() + 20
    while calls(viafoura, kind) < count and time.monotonic() < until:
        time.sleep(0.01)
    assert calls(viafoura, kind) == count


# 17 to 19. Who is answered.


@both_doors
@pytest.mark.parametrize("path", [SESSION, LOGOUT])
def test_refuses_what_no_page_of_the_site_asks(door: Door, settings: Settings, path: str) -> None:
    """And the application is not called."""
    get = door(settings)
    for change in (
        {"X-Viafoura-Bridge": ""},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ):
        asked = {name: value for name, value in {**ASKS, **SIGNED, **change}.items() if value}
        answer = get(Site(user="ann"), method="POST", path=path, headers=asked)
        assert (answer.status, answer.body, said(answer), answer.seen) == (403, b"", "refused", {})
        assert answer.get("cache-control") == "private, no-store"
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        answer = get(Site(user="ann"), method=method, path=path, headers={**ASKS, **SIGNED})
        assert (answer.status, answer.get("allow"), answer.seen) == (405, "POST", {})


@both_doors
def test_goes_by_origin(door: Door, settings: Settings) -> None:
    """Where the browser says no more."""
    get = door(settings)
    for origin, status in (("http://site.example", 200), ("http://site.example:81", 403)):
        asked = {"X-Viafoura-Bridge": M, "Host": "site.example", "Origin": origin}
        assert get(OUT, method="POST", path=SESSION, headers=asked).status == status


def test_refuses_a_header_that_came_twice(settings: Settings) -> None:
    """Which of the two would be the question?"""
    scope = scope_of("POST", SESSION, ASKS)
    scope["headers"] = iter([*scope["headers"], (b"x-viafoura-bridge", M.encode())])
    messages = anyio.run(call, asgi.ViafouraMiddleware(_never, settings), scope)
    assert messages[0]["status"] == 403


async def _never(*_: Any) -> None:
    raise AssertionError("the application is called")


@both_doors
@pytest.mark.parametrize("cookies", ["", "_ga=1; OptanonConsent=x"])
def test_asks_about_nobody_who_cannot_be_signed_in(door: Door, settings: Settings, cookies: str) -> None:
    """An answer in microseconds, and no cookie."""
    asked = {**ASKS, **({"Cookie": cookies} if cookies else {})}
    answer = door(settings)(Site(user=None), method="POST", path=SESSION, headers=asked)
    assert (told(answer), answer.seen, answer.cookie, said(answer)) == (NOBODY, {}, None, "anonymous")


# 20. What the application sees.


@both_doors
def test_shows_the_application_a_get_of_its_own(door: Door, viafoura: SimulatedViafoura) -> None:
    """With the client's cookies, and nothing of the question."""
    get = door(settings_of(viafoura, proxy_secret="a secret of the tests", user_id="header:X-User"))
    asked = {
        "Origin": "http://site.example",
        "If-None-Match": "*",
        "If-Match": "*",
        "If-Unmodified-Since": "x",
        "Range": "bytes=0-",
        "Accept-Encoding": "br",
        "X-Viafoura-Proxy-Secret": "a secret of the tests",
        "X-User": "ann",
        "X-Forwarded-For": "198.51.100.7",
    }
    answer = ask(get, OUT, **{name.replace("-", "_"): value for name, value in asked.items()})
    assert told(answer)["state"] == "signed-in"
    assert dict(answer.seen) == {
        "host": "site.example",
        "cookie": "sessionid=abc",
        "sec-fetch-site": "same-origin",
        "accept-encoding": "identity",
        "x-user": "ann",
        "x-forwarded-for": "198.51.100.7",
    }


@pytest.mark.parametrize(("user_path", "expected"), [("", "/blog/_viafoura/session"), ("/mé", "/blog/mé")])
def test_asks_for_its_own_path_or_the_users(viafoura: SimulatedViafoura, user_path: str, expected: str) -> None:
    """Below its SCRIPT_NAME, and without a query; quirks of servers say nothing else."""
    seen: list[dict[str, Any]] = []
    settings = settings_of(viafoura, bridge_path="/blog/_viafoura/", bridge_user_path=user_path)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read()})
        start_response("200 OK", [HTML])
        return [b""]

    environ = environ_of("POST", "/_viafoura/session?renew", {**ASKS, **SIGNED})
    quirks = {"SCRIPT_NAME": "/blog", "CONTENT_LENGTH": "3", "CONTENT_TYPE": "text/plain", "REQUEST_URI": "/x?renew"}
    quirks |= {"RAW_URI": "/x?renew", "werkzeug.request": "stale", "HTTP_TRANSFER_ENCODING": "chunked"}
    list(
        wsgi.ViafouraMiddleware(application, settings)(
            {**environ, **quirks, "wsgi.file_wrapper": list}, lambda *_: list
        )
    )
    (inner,) = seen
    assert inner["SCRIPT_NAME"] + inner["PATH_INFO"].encode("latin-1").decode() == expected
    assert (inner["REQUEST_METHOD"], inner["QUERY_STRING"], inner["body"]) == ("GET", "", b"")
    assert not (quirks.keys() - {"SCRIPT_NAME"}) & inner.keys()
    assert environ["REQUEST_METHOD"] == "POST"

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        seen.append({**scope, "message": await receive()})
        await send({"type": "http.response.start", "status": 200, "headers": []})

    for root_path, path in (("/blog", "/blog/_viafoura/session"), ("/blog", "/_viafoura/session")):
        scope = scope_of("POST", f"{path}?renew", {**ASKS, **SIGNED}) | {"root_path": root_path}
        anyio.run(call, asgi.ViafouraMiddleware(asked, settings), scope)
        inner = seen.pop()
        whole = inner["path"] if inner["path"].startswith("/blog/") else root_path + inner["path"]
        assert (whole, inner["method"], inner["query_string"]) == (expected, "GET", b"")
        assert inner["message"] == {"type": "http.request", "body": b"", "more_body": False}
        assert not user_path or inner["raw_path"].endswith(b"/m%C3%A9")


def test_waits_for_the_disconnect(settings: Settings) -> None:
    """What the client's own body says is not the application's."""
    seen: list[str] = []
    messages = iter(["http.request", "http.request", "http.disconnect"])

    async def receive() -> dict[str, Any]:
        return {"type": next(messages)}

    async def application(_: Any, receive: Any, __: Any) -> None:
        for _ in range(2):
            seen.append((await receive())["type"])

    async def run() -> None:
        scope = asked_scope()
        await asgi.ViafouraMiddleware(application, settings)(scope, receive, receive)  # type: ignore[arg-type]

    anyio.run(run)
    assert seen == ["http.request", "http.disconnect"]


# 21. Its cookies.


@both_doors
def test_passes_on_the_applications_cookies(door: Door, settings: Settings) -> None:
    """All of them, in order, behind ours; and nothing else of its answer."""
    cookies = (("Set-Cookie", "sessionid=new; Path=/"), ("X-Site", "x"), ("set-cookie", "csrf=; Max-Age=0"))
    for user, count in (("ann", 3), (None, 2)):
        answer = ask(door(settings), Site((b"secret",), (HTML, *cookies), 200, user))
        values = [value for name, value in answer.headers if name.lower() == "set-cookie"]
        assert len(values) == count
        assert values[-2:] == [cookies[0][1], cookies[2][1]]
        assert answer.get("x-site") is None


# 25. What is believed.


@both_doors
@pytest.mark.parametrize("status", [200, 204, 301, 302, 401, 403, 404, 429, 500, 503])
def test_believes_a_user_whatever_the_status(door: Door, settings: Settings, status: int) -> None:
    """A user who was read is there."""
    site = Site((b"",), (HTML,) if status != 204 else (), status, "ann")
    answer = ask(door(settings), site)
    assert told(answer)["state"] == "signed-in"
    assert said(answer) == "injected; session=login"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, "nobody") for status in (200, 201, 401, 403, 404)),
        *((status, "unknown") for status in (301, 302, 410, 429, 500, 503)),
    ],
)
@both_doors
def test_believes_in_nobody_by_the_status(door: Door, settings: Settings, status: int, state: str) -> None:
    """And of a 404 only where a place for the user was laid out, which the environ of this site is not."""
    answer = ask(door(settings), Site((b"",), (HTML,), status))
    is_merely_missing = door is through_wsgi and status == 404
    assert told(answer)["state"] == ("unknown" if is_merely_missing else state)
    assert answer.cookie is None


def test_says_which_setting_would_help(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody was asked: a FastAPI dependency, Litestar."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    messages = anyio.run(
        call, asgi.ViafouraMiddleware(application, settings), scope_of("POST", SESSION, {**ASKS, **SIGNED})
    )
    assert json.loads(messages[1]["body"]) == {"for": M, **UNKNOWN}
    assert "VIAFOURA_BRIDGE_USER_PATH" in caplog.text
    assert M not in caplog.text


@both_doors
def test_believes_no_frame_without_the_sites_cookies(door: Door, viafoura: SimulatedViafoura) -> None:
    """With ``SameSite=None`` ours comes where the site's own stay behind."""
    get = door(settings_of(viafoura, cookie_samesite="none", auth_cookies="sessionid"))
    ours = ask(get, Site(user="ann")).cookie
    framed = get(OUT, method="POST", path=SESSION, headers={**ASKS, "Cookie": ours or ""})
    assert (told(framed), framed.cookie) == (UNKNOWN, None)
    assert told(ask(get, OUT, ours)) == NOBODY


# 26. Applications that fail.


class Body:
    """An iterable that gives, or raises, and notes that it was closed."""

    def __init__(self, *given: bytes | Exception) -> None:
        self.given = iter(given)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        given = next(self.given)
        if isinstance(given, Exception):
            raise given
        return given

    def close(self) -> None:
        self.closed += 1


def answers(body: Iterable[bytes] | Exception, *, has_head: bool = True) -> Any:
    """An application that gives its head, if it does, and then this body, or raises."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if has_head:
            start_response("200 OK", [HTML])
        if isinstance(body, Exception):
            raise body
        return body

    return application


ERROR = LookupError("the site's own")


@pytest.mark.parametrize(
    "application",
    [answers(ERROR), answers(ERROR, has_head=False), answers(Body(ERROR), has_head=False)],
    ids=["after its head", "at once", "in its iterable"],
)
def test_raises_what_a_wsgi_application_raises(settings: Settings, application: Any) -> None:
    """The very exception."""
    with pytest.raises(LookupError) as raised:
        wsgi.ViafouraMiddleware(application, settings)(asked_environ(), lambda *_: list)
    assert raised.value is ERROR


@pytest.mark.parametrize("chunks", [(), (b"x",) * 10])
def test_closes_a_wsgi_application_once_its_head_has_come(settings: Settings, chunks: tuple[bytes, ...]) -> None:
    """However long its body is."""
    body = Body(*chunks)
    answer = wsgi.ViafouraMiddleware(answers(body), settings)(asked_environ(), lambda *_: list)
    assert (json.loads(b"".join(answer))["state"], body.closed, len([*body.given])) == ("nobody", 1, len(chunks))


def test_says_nothing_where_a_wsgi_application_gives_no_head(settings: Settings) -> None:
    """The server judges it as it would without us."""
    heads: list[Any] = []
    app = wsgi.ViafouraMiddleware(answers(Body(), has_head=False), settings)
    assert not list(app(asked_environ(), lambda *given: heads.append(given)))  # type: ignore[arg-type]
    assert heads == []


def test_answers_once_where_a_wsgi_application_writes_or_thinks_better_of_it(settings: Settings) -> None:
    """What it writes is dropped, and so is another head."""
    written: list[bytes] = []

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [HTML])
        write(b"mine")
        try:
            raise LookupError
        except LookupError as error:
            start_response("500 No", [HTML], (type(error), error, error.__traceback__))(b"mine too")
        return [b"also mine"]

    body = wsgi.ViafouraMiddleware(application, settings)(asked_environ(), lambda *_: written.append)
    assert json.loads(b"".join([*written, *body]))["state"] == "nobody"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_raises_what_an_asgi_application_raises(settings: Settings, backend: str) -> None:
    """Before its head and after it; without a head nothing is sent."""
    sent: list[Any] = []

    def failing(*messages: dict[str, Any]) -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            for message in messages:
                await send(message)
            raise LookupError("the site's own")

        return application

    async def send(message: Any) -> None:
        sent.append(message)

    async def run(app: Any) -> None:
        scope = asked_scope()
        with pytest.raises(LookupError, match="the site's own"):
            await asgi.ViafouraMiddleware(app, settings)(scope, None, send)  # type: ignore[arg-type]

    start = {"type": "http.response.start", "status": 200, "headers": []}
    anyio.run(run, failing(), backend=backend)
    assert sent == []
    anyio.run(run, failing(start), backend=backend)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_drops_whatever_an_asgi_application_sends_besides_its_head(settings: Settings) -> None:
    """Hints before it, trailers and a file behind it, another head."""
    start = {"type": "http.response.start", "status": 200, "headers": [], "trailers": True}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</secret>"]})
        await send(start)
        await send({"type": "http.response.push", "path": "/secret", "headers": []})
        await send({"type": "http.response.pathsend", "path": "/secret"})
        await send({"type": "http.response.trailers", "headers": []})
        await send(start)

    messages = anyio.run(call, asgi.ViafouraMiddleware(application, settings), asked_scope())
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert "trailers" not in messages[0]


@pytest.mark.parametrize("chunk", [b"", b"x" * 100_000])
def test_tells_an_asgi_application_that_streams_for_ever_that_nobody_is_there(settings: Settings, chunk: bytes) -> None:
    """The answer has left long before; what the application makes of ``OSError`` is not raised."""
    count = 0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal count
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        while True:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            count += 1

    messages = anyio.run(
        call, asgi.ViafouraMiddleware(application, settings), scope_of("POST", SESSION, {**ASKS, **SIGNED})
    )
    assert json.loads(messages[1]["body"])["for"] == M
    assert count <= MOST_MESSAGES


# 27 to 30. Sessions.


@both_doors
def test_signs_in_once(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """With a valid cookie nothing is called."""
    get = door(settings)
    first = ask(get, Site(user="ann"))
    again = ask(get, Site(user="ann"), first.cookie)
    pair = {"user_id": str(viafoura.users["ann"].user_id), "session": told(first)["session"]}
    assert told(first) == told(again) == {"state": "signed-in", **pair}
    assert (said(first), said(again)) == ("injected; session=login", "injected; session=cookie")
    assert again.cookie is None
    assert calls(viafoura, "login") == 1


@both_doors
def test_a_log_out_of_the_sites_ends_the_session(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """Once, and junk is left."""
    get = door(settings)
    cookie = ask(get, Site(user="ann")).cookie
    out = ask(get, OUT, cookie)
    assert (told(out), said(out)) == (NOBODY, "signed-out")
    wait_for_calls(viafoura, "logout", 1)
    after = ask(get, OUT, out.cookie)
    assert (told(after), after.cookie, said(after)) == (NOBODY, None, "anonymous")
    assert ask(get, OUT, "viafoura_mw=junk").cookie is None


@both_doors
def test_what_is_not_known_leaves_the_cookie(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """A redirect to https, say."""
    get = door(settings)
    cookie = ask(get, Site(user="ann")).cookie
    answer = ask(get, Site((b"",), (HTML,), 301), cookie)
    assert (told(answer), answer.cookie, said(answer)) == (UNKNOWN, None, "unknown")
    assert told(ask(get, Site(user="ann"), cookie))["state"] == "signed-in"
    assert calls(viafoura, "logout") == 0


@both_doors
def test_another_user_has_their_own(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """And the first one's session is ended."""
    get = door(settings)
    cookie = ask(get, Site(user="ann")).cookie
    answer = ask(get, Site(user="ben"), cookie)
    assert told(answer)["user_id"] == str(viafoura.users["ben"].user_id)
    wait_for_calls(viafoura, "logout", 1)
    assert told(ask(get, Site(user="ben"), answer.cookie))["session"] == told(answer)["session"]


@both_doors
def test_no_former_reader_stays_while_viafoura_is_down(
    door: Door, settings: Settings, viafoura: SimulatedViafoura
) -> None:
    """The second reader has no session now, and the first one's is ended."""
    get = door(settings)
    cookie = ask(get, Site(user="ann")).cookie
    viafoura.close()
    answer = ask(get, Site(user="ben"), cookie)
    assert (told(answer), said(answer)) == (NOBODY, "unavailable")
    assert answer.cookie
    assert told(ask(get, OUT, answer.cookie)) == NOBODY
    assert ask(get, Site(user="ben")).cookie is None


@both_doors
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_nobody_has_a_session_that_viafoura_refuses(
    door: Door, settings: Settings, viafoura: SimulatedViafoura, status: int
) -> None:
    """The reader is told so, is asked nothing else, and has no cookie; the former reader's session is ended."""
    get = door(settings)
    cookie = ask(get, Site(user="ann")).cookie
    viafoura.fail("login", Fault.status(status))
    answer = ask(get, Site(user="ben"))
    assert (told(answer), answer.cookie, said(answer)) == (NOBODY, None, "unavailable")
    assert told(ask(get, Site(user="ben"), cookie)) == NOBODY
    wait_for_calls(viafoura, "logout", 1)


@both_doors
def test_a_breaker_that_is_open_is_waited_for_by_nobody(
    door: Door, settings: Settings, viafoura: SimulatedViafoura
) -> None:
    """Viafoura was down for several readers: the next ones' answers come without a call."""
    get = door(settings)
    viafoura.fail("login", Fault.status(503))
    for number in range(20):
        assert told(ask(get, Site(user=f"reader-{number}"))) == NOBODY
    made = calls(viafoura, "login")
    assert told(ask(get, Site(user="ann"))) == NOBODY
    assert calls(viafoura, "login") == made < 20


@both_doors
def test_a_late_login_serves_the_next_question(door: Door, viafoura: SimulatedViafoura) -> None:
    """Nobody's pair stands meanwhile."""
    get = door(settings_of(viafoura, timeout="0.2"))
    viafoura.fail("login", Fault.hang())
    late = ask(get, Site(user="ann"))
    assert (told(late), said(late)) == (NOBODY, "unavailable")
    viafoura.heal()
    wait_for_calls(viafoura, "login", 1)
    until = time.monotonic() + 20
    while told(answer := ask(get, Site(user="ann"), late.cookie))["state"] != "signed-in":
        assert time.monotonic() < until
    assert calls(viafoura, "login") == 1
    assert answer.cookie


@both_doors
def test_a_hundred_tabs_are_one_login(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """Of one browser at once."""
    told_all: list[Answer] = []
    get = door(settings)
    threads = [Thread(target=lambda: told_all.append(ask(get, Site(user="ann")))) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({json.loads(answer.body)["session"] for answer in told_all}) == 1
    assert calls(viafoura, "login") == 1


# Log-out.


@both_doors
def test_logs_out(door: Door, settings: Settings, viafoura: SimulatedViafoura) -> None:
    """Without the application; once."""
    get = door(settings)
    cookie = ask(get, Site(user="ann")).cookie
    out = ask(get, Site(user="ann"), cookie, path=LOGOUT)
    assert (told(out), said(out), out.seen) == (NOBODY, "signed-out", {})
    wait_for_calls(viafoura, "logout", 1)
    again = ask(get, Site(user="ann"), out.cookie, path=LOGOUT)
    assert (told(again), said(again), again.cookie) == (NOBODY, "anonymous", None)
    assert told(ask(get, Site(user="ann"), out.cookie))["state"] == "signed-in"
    assert calls(viafoura, "login") == 2


@both_doors
def test_the_sites_own_log_out_page_signs_out(door: Door, viafoura: SimulatedViafoura) -> None:
    """On a bridged path too, and the next question is answered with nobody."""
    get = door(settings_of(viafoura, logout_paths="/out"))
    cookie = ask(get, Site(user="ann")).cookie
    out = get(Site((b"",), (HTML,), 302), path="/out", headers={"Cookie": f"sessionid=abc; {cookie}"})
    assert out.cookie
    wait_for_calls(viafoura, "logout", 1)
    assert told(ask(get, OUT, out.cookie)) == NOBODY


# 34. Logs.


@both_doors
def test_logs_nothing_of_anybody(door: Door, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """No pair, no user, no question."""
    caplog.set_level(1, "viafoura_mw")
    get = door(settings)
    cookie = ask(get, Site(user="annabel")).cookie
    ask(get, Site((b"",), (HTML,), 500), cookie)
    secret = json.loads(ask(get, Site(user="annabel"), cookie).body)
    log = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("viafoura_mw"))
    assert not [text for text in (M, "annabel", secret["session"], secret["user_id"], cookie) if text and text in log]


# 22, 23. What a question does not use up.


def test_spends_no_message_that_is_shown_once(settings: Settings) -> None:
    """A flash of Flask's is there on the next page; and the site's pages are not viewed."""
    site = Flask(__name__)
    site.secret_key = "the site's own"
    views: list[str] = []

    @site.get("/")
    def front() -> str:
        views.append("/")
        return "".join(map(str, get_flashed_messages()))

    @site.get("/save")
    def save() -> str:
        flash("Saved.")
        return ""

    def get(method: str, path: str, cookie: str, **headers: str) -> tuple[str, bytes]:
        set_cookies: list[str] = []
        environ = environ_of(method, path, {**headers, "Cookie": cookie, "Host": "site.example"})

        def start_response(_: str, given: list[tuple[str, str]], *__: Any) -> Any:
            set_cookies.extend(value.partition(";")[0] for name, value in given if name == "Set-Cookie")

        body = b"".join(wsgi.ViafouraMiddleware(site.wsgi_app, settings)(environ, start_response))
        return (set_cookies or [cookie])[-1], body

    cookie, _ = get("GET", "/save", "")
    cookie, told_by = get("POST", SESSION, cookie, **ASKS)
    assert json.loads(told_by)["state"] in ("nobody", "unknown")
    assert views == []
    assert get("GET", "/", cookie)[1] == b"Saved."


@both_doors
def test_renews_a_pair_once(
    door: Door, settings: Settings, viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cookie that is old enough: its session is ended; one that is younger is served as it is."""
    get = door(settings)
    first = ask(get, Site(user="ann"))
    young = ask(get, Site(user="ann"), first.cookie, path=f"{SESSION}?renew")
    assert told(young) == told(first)
    monkeypatch.setattr("viafoura_mw.response.cookie.SETTLED", 0.0)
    renewed = ask(get, Site(user="ann"), first.cookie, path=f"{SESSION}?renew")
    assert told(renewed)["session"] != told(first)["session"]
    wait_for_calls(viafoura, "logout", 1)
    assert told(ask(get, Site(user="ann"), renewed.cookie))["session"] == told(renewed)["session"]
    assert calls(viafoura, "login") == 2
