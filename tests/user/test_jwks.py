"""The keys of a JWKS are fetched behind the pages' backs, seldom, and serve on while no newer ones can be had."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

pytest.importorskip("jwt", reason="PyJWT is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

from tests.support.doors import HTML, PAGE, call, environ_of, scope_of
from tests.support.fakes import Clock
from tests.support.key_server import listening
from tests.support.tokens import jwk, pair, private_jwk, signed
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.log import Notices
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user.jwks import LIMIT, MAX_AGE, PAUSE, FetchedKeys, Job, KeyServer
from viafoura_mw.user.jwt import Terms, Tokens
from viafoura_mw.viafoura import workers
from viafoura_mw.viafoura.transport import Answer, Transport


class Server:
    """What answers a transport's ``get``, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.deadlines: list[float] = []
        self.answer: Any = None

    def get(self, url: str, deadline: float) -> Answer:
        assert url == "https://id.example/keys"
        self.asked += 1
        self.deadlines.append(deadline)
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: Answer = self.answer
        return answer


def key_set(*kids: str) -> Answer:
    members = [jwk("RSA", "RS256", kid=kid) for kid in kids]
    return Answer(200, {}, json.dumps({"keys": members}).encode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def keys(clock: Clock, server: Server) -> FetchedKeys:
    """Keys whose fetch is over as soon as it was asked for."""
    asked = KeyServer(["RS256"], Notices(clock), lambda: server)
    return FetchedKeys("https://id.example/keys", asked, lambda job: job(None) is None, clock=clock)


def kids(found: Any) -> list[str | None]:
    return [key.kid for key in found]


def test_are_fetched_at_the_first_token(keys: FetchedKeys, server: Server) -> None:
    """Which goes without them; nothing is fetched before."""
    server.answer = key_set("a")
    assert server.asked == 0
    assert kids(keys.find("a")) == []
    assert [kids(keys.find("a")), kids(keys.find(None))] == [["a"], ["a"]]
    assert server.asked == 1


def test_are_fetched_anew_when_they_are_an_hour_old(keys: FetchedKeys, server: Server, clock: Clock) -> None:
    """The older ones serve the token that has asked."""
    server.answer = key_set("a")
    keys.find("a")
    clock.now += MAX_AGE - 1
    keys.find("a")
    assert server.asked == 1
    clock.now += 1
    server.answer = key_set("a", "b")
    assert kids(keys.find("a")) == ["a"]
    assert (server.asked, kids(keys.find("b"))) == (2, ["b"])


def test_are_fetched_anew_for_a_key_id_that_they_do_not_have(keys: FetchedKeys, server: Server, clock: Clock) -> None:
    """The server has rotated them: what it has no more is believed no more."""
    server.answer = key_set("a")
    keys.find("a")
    clock.now += PAUSE
    server.answer = key_set("b")
    assert kids(keys.find("b")) == []
    assert (kids(keys.find("b")), kids(keys.find("a"))) == (["b"], [])


def test_are_fetched_once_a_minute_at_most(keys: FetchedKeys, server: Server, clock: Clock) -> None:
    """Whatever key ids visitors make up."""
    server.answer = key_set("a")
    for number in range(600):
        clock.now += 0.2
        keys.find(f"made up {number}")
    assert server.asked == 2


FAILURES = {
    "no answer": ViafouraUnavailable("no answer in time"),
    "an error": OSError("secret"),
    "a redirect": Answer(302, {"Location": "https://attacker.example/"}, key_set("x").body),
    "HTML": Answer(200, {}, b"<!doctype html><title>Sign in</title>"),
    "bytes": Answer(200, {}, b"\xff\xfe\xfd"),
    "nested": Answer(200, {}, b'{"keys":' * 20_000),
    "no keys": Answer(200, {}, b'{"keys": []}'),
    "no set": Answer(200, {}, b"[]"),
    "private keys": Answer(200, {}, json.dumps({"keys": [private_jwk("RSA", "RS256", kid="a")]}).encode()),
    "not found": Answer(404, {}, key_set("x").body),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_serve_on_while_no_newer_ones_can_be_had(
    failure: Any, keys: FetchedKeys, server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """However old they are; it is tried again, once a minute, until it succeeds."""
    server.answer = key_set("a")
    keys.find("a")
    server.answer = failure
    for _ in range(5):
        clock.now += MAX_AGE
        assert kids(keys.find("a")) == ["a"]
    clock.now += PAUSE
    server.answer = key_set("a", "b")
    keys.find("a")
    assert kids(keys.find("b")) == ["b"]
    assert server.asked == 7
    assert len(caplog.messages) == 5
    assert caplog.messages[0].startswith("VIAFOURA_JWT_JWKS_URL: no keys could be had (")
    assert "secret" not in caplog.text


def test_are_fetched_again_after_a_first_failure(keys: FetchedKeys, server: Server, clock: Clock) -> None:
    """Before that there are none, and every token is not known."""
    server.answer = FAILURES["HTML"]
    assert [kids(keys.find("a")), kids(keys.find("a"))] == [[], []]
    clock.now += PAUSE
    server.answer = key_set("a")
    keys.find("a")
    assert (server.asked, kids(keys.find("a"))) == (2, ["a"])


def test_the_log_tells_no_keys_yet_from_another_key(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The first token of each process goes without: nothing is wrong with the settings then."""
    jobs: list[Job] = []
    asked = KeyServer(["RS256"], Notices(), lambda: server)
    some = FetchedKeys("https://id.example/keys", asked, lambda job: bool(jobs.append(job)))
    tokens = Tokens(Terms("token", "", ("RS256",)), some, Notices())
    server.answer = key_set("a")
    tokens.claims(signed({"sub": "ann"}, pair("RSA"), "RS256", kid="a"))
    jobs[0](None)
    tokens.claims(signed({"sub": "ann"}, pair("RSA"), "RS256", kid="b"))
    assert caplog.messages == [
        "a token was not believed (its keys are not at hand yet)",
        "a token was not believed (there is no key for it)",
    ]


@pytest.mark.parametrize(("limit", "seconds"), [(None, LIMIT), (2.0, 2.0)])
def test_are_fetched_within_bounds(limit: float | None, seconds: float, server: Server) -> None:
    """Ten seconds in all, or what there is where no thread can run."""
    jobs: list[Job] = []
    asked = KeyServer(["RS256"], Notices(), lambda: server)
    some = FetchedKeys("https://id.example/keys", asked, lambda job: bool(jobs.append(job)))
    server.answer = key_set("a")
    some.find("a")
    before = time.monotonic()
    (job,) = jobs
    job(limit)
    assert before + seconds <= server.deadlines[0] <= time.monotonic() + seconds
    assert kids(some.find("a")) == ["a"]


@pytest.mark.parametrize("runs", [True, False])
def test_are_put_off_where_no_thread_runs(runs: bool, keys: FetchedKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then whoever has served the page fetches them."""
    monkeypatch.setattr("viafoura_mw.user.jwks.threads_run", lambda: runs)
    assert keys.are_put_off is not runs


# Over the network, and through the doors.


class Id:
    """An identity provider's server, on this machine."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.authorizations: list[str | None] = []
        self.came = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.url = ""


@contextmanager
def serving(body: bytes) -> Iterator[Id]:
    state = Id()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.paths.append(self.path)
            state.authorizations.append(self.headers["Authorization"])
            state.came.set()
            state.may_answer.wait()
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/keys")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with listening(Handler) as state.url:
        try:
            yield state
        finally:
            state.may_answer.set()


def test_a_transport_gets_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Not those of ``.netrc`` either; and follows no redirect."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ann password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(b"{}") as provider:
        transport = Transport()
        found = [transport.get(provider.url + path, time.monotonic() + 30) for path in ("/keys", "/moved")]
        transport.close()
    assert [answer.status for answer in found] == [200, 302]
    assert (provider.paths, provider.authorizations) == (["/keys", "/moved"], [None, None])


def test_a_set_without_end_is_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """Of an answer no more is read than any has."""
    member = json.dumps(jwk("RSA", "RS256", kid="a"))
    with serving(f'{{"keys": [{", ".join([member] * 5000)}]}}'.encode()) as provider:
        transport = Transport()
        asked = KeyServer(["RS256"], Notices(), lambda: transport)
        some = FetchedKeys(f"{provider.url}/keys", asked, lambda job: job(None) is None)
        assert (kids(some.find("a")), kids(some.find("a"))) == ([], [])
        transport.close()
    assert caplog.messages[0].startswith("VIAFOURA_JWT_JWKS_URL: no keys could be had (")


Page = Callable[[str], bytes]


def through(door: str, settings: Settings) -> tuple[Page, Any]:
    """Asks a site behind a door with a token, and gives the page's bytes."""

    def wsgi_site(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [HTML])
        return [PAGE]

    async def asgi_site(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE})

    if door == "wsgi":
        wrapped = wsgi.ViafouraMiddleware(wsgi_site, settings)

        def get(token: str) -> bytes:
            environ = environ_of("GET", "/", {"Authorization": f"Bearer {token}"})
            iterable = wrapped(environ, lambda *_: lambda chunk: chunk)
            body = b"".join(iterable)
            if hasattr(iterable, "close"):
                iterable.close()
            return body

        return get, wrapped
    other = asgi.ViafouraMiddleware(asgi_site, settings)

    def get_asgi(token: str) -> bytes:
        import anyio

        messages = anyio.run(call, other, scope_of("GET", "/", {"Authorization": f"Bearer {token}"}))
        return b"".join(message.get("body", b"") for message in messages)

    return get_asgi, other


def settings_of(viafoura: SimulatedViafoura, provider: Id, path: str) -> Settings:
    return Settings.from_env(
        {
            **viafoura.environ(),
            "VIAFOURA_USER": "off",
            "VIAFOURA_USER_ID": "jwt:sub",
            "VIAFOURA_JWT_HEADER": "Authorization",
            "VIAFOURA_JWT_JWKS_URL": f"{provider.url}{path}",
            "VIAFOURA_JWT_AUDIENCE": "site",
            "VIAFOURA_JWT_ALGORITHMS": "RS256",
            "VIAFOURA_TIMEOUT": "30",
        }
    )


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("path", ["/keys", "/keys/{kid}"])
def test_a_server_that_hangs_delays_no_page(path: str, door: str) -> None:
    """Pages are served while the keys are still to come, and signed in once they have."""
    token = signed({"sub": "ann", "aud": "site"}, pair("RSA"), "RS256", kid="a")
    with SimulatedViafoura() as viafoura, serving(key_set("a").body) as provider:
        get, _ = through(door, settings_of(viafoura, provider, path))
        provider.may_answer.clear()
        assert [get(token), get(token)] == [PAGE, PAGE]
        assert provider.came.wait(30)
        assert get(token) == PAGE  # the server has been asked, and has not answered
        provider.may_answer.set()
        assert b"data-uid" in _once_it_changes(get, token)
        assert (provider.paths, viafoura.count("login")) == ([path.format(kid="a")], 1)


def _once_it_changes(get: Page, token: str) -> bytes:
    """The first page that is another: the keys come in a thread of their own."""
    pause = threading.Event()
    for _ in range(1200):
        if (page := get(token)) != PAGE:
            return page
        pause.wait(0.05)
    return PAGE


@pytest.mark.parametrize("path", ["/keys", "/keys/{kid}"])
def test_keys_are_fetched_when_the_page_has_left_where_no_thread_runs(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever closes it."""
    for module in ("viafoura_mw.user.jwks", "viafoura_mw.user.jwks_by_kid", "viafoura_mw.viafoura.workers"):
        monkeypatch.setattr(f"{module}.threads_run", lambda: False)
    assert not workers.threads_run()
    token = signed({"sub": "ann", "aud": "site"}, pair("RSA"), "RS256", kid="a")
    with SimulatedViafoura() as viafoura, serving(key_set("a").body) as provider:
        get, _ = through("wsgi", settings_of(viafoura, provider, path))
        assert get(token) == PAGE
        assert provider.paths == [path.format(kid="a")]
        assert b"data-uid" in get(token)
