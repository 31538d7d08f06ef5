"""The simulated Viafoura: as strict as the real one, as broken as a test wants it."""

import base64
import email.utils
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.fakes import Clock
from viafoura_mw import Settings
from viafoura_mw.testing import Fault, SimulatedViafoura, serve

pytest_plugins = ["pytester"]

SOON = 10.0  # seconds within which what must happen happens, on any machine
FORM = "application/x-www-form-urlencoded"
GRANT = {"grant_type": "client_credentials", "scope": "accounts"}
ZOE = {"id": "zoe-1", "name": "Zoë", "email": "zoe@example.com"}


class Caller:
    """Calls over one connection that is kept as long as it lasts."""

    def __init__(self, viafoura: SimulatedViafoura) -> None:
        self.viafoura = viafoura
        self.connection = http.client.HTTPConnection(viafoura.url.removeprefix("http://"), timeout=SOON)
        self.token = ""

    def send(self, method: str, path: str, body: bytes | str = b"", headers: dict[str, str] | None = None) -> Any:
        self.connection.request(method, path, body, {"Content-Type": FORM} | (headers or {}))
        response = self.connection.getresponse()
        self.headers, self.body = response.headers, response.read()
        self.status = response.status
        return response.status

    def fetch_token(self, form: dict[str, str] = GRANT, user: str = "", password: str = "") -> Any:
        user, password = user or self.viafoura.site_id, password or self.viafoura.api_key
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        status = self.send("POST", "/oauth2/token", urlencode(form), {"Authorization": f"Basic {basic}"})
        self.token = self.members.get("access_token", self.token)
        return status

    def login(self, form: dict[str, str] = ZOE) -> Any:
        return self.post("login", urlencode(form))

    def logout(self, session: str) -> Any:
        return self.post("logout", urlencode({"session": session}))

    def post(self, call: str, body: bytes | str) -> Any:
        return self.send("POST", f"/rest/v1/accounts/{call}", body, {"Authorization": f"Bearer {self.token}"})

    @property
    def members(self) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self.body)
        return members


@pytest.fixture
def caller(viafoura: SimulatedViafoura) -> Iterator[Caller]:
    """A caller who has a token."""
    caller = Caller(viafoura)
    caller.fetch_token()
    viafoura.clear_calls()
    yield caller
    caller.connection.close()


# As Viafoura's document says.


def test_gives_a_token_to_the_site(caller: Caller) -> None:
    """The document's example, with a token of its own each time."""
    before = caller.token

    assert caller.fetch_token() == 200
    assert caller.members == {
        "access_token": caller.token,
        "token_type": "bearer",
        "expires_in": 3600,
        "scope": "accounts",
    }
    assert caller.token != before


def test_logs_a_user_in_and_out(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """A session is live from its login to its logout."""
    assert caller.login() == 200
    session = caller.members["session"]
    assert viafoura.sessions == {session: caller.members["user_id"]}

    assert caller.logout(session) == 200
    assert not viafoura.sessions


def test_a_user_has_one_user_id_and_many_sessions(caller: Caller) -> None:
    """Each login gives another session for the same user."""
    caller.login()
    first = caller.members
    caller.login(ZOE | {"name": "Zoe"})

    assert caller.members["user_id"] == first["user_id"]
    assert caller.members["session"] != first["session"]


def test_user_ids_and_sessions_look_like_the_documents(caller: Caller) -> None:
    """7000000003119 and o52l4itrv8q4p8n4amsou1c567."""
    caller.login()

    assert 7_000_000_000_000 <= caller.members["user_id"] < 8_000_000_000_000
    assert len(caller.members["session"]) == 26
    assert set(caller.members["session"]) <= set("0123456789abcdefghijklmnopqrstuv")


def test_user_ids_are_the_same_in_another_simulator(caller: Caller) -> None:
    """A site's user is the same user after a restart; another site's is another."""
    caller.login()
    given = []
    for site_id in (caller.viafoura.site_id, "another site"):
        with SimulatedViafoura(site_id=site_id) as other:
            another = Caller(other)
            another.fetch_token()
            another.login()
            another.connection.close()
            given.append(another.members["user_id"])

    assert given[0] == caller.members["user_id"] != given[1]


def test_updates_changed_details(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """The last login's details are the user's."""
    caller.login()
    caller.login({"id": "zoe-1", "name": "Zoe"})

    (account,) = viafoura.users.values()
    assert (account.id, account.name, account.email) == ("zoe-1", "Zoe", None)


def test_a_logout_of_a_session_that_is_over_is_no_error(caller: Caller) -> None:
    """It is as much over as before."""
    assert caller.logout("o52l4itrv8q4p8n4amsou1c567") == 200


def test_tokens_and_sessions_expire_by_the_clock() -> None:
    """A token after an hour, a session after twelve."""
    clock = Clock()
    with SimulatedViafoura(clock=clock) as viafoura:
        caller = Caller(viafoura)
        caller.fetch_token()
        caller.login()
        clock.pass_(3600)
        assert caller.login() == 401
        assert viafoura.sessions

        clock.pass_(11 * 3600)
        assert not viafoura.sessions
        caller.connection.close()


def test_tokens_and_sessions_expire_on_demand(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """All tokens; all sessions, or one user's."""
    caller.login()
    zoe = caller.members["user_id"]
    caller.login({"id": "bob", "name": "Bob"})
    viafoura.expire_sessions(zoe)
    assert list(viafoura.sessions.values()) == [caller.members["user_id"]]
    viafoura.expire_sessions()
    assert not viafoura.sessions

    viafoura.expire_tokens()
    assert caller.login() == 401


# As strict as the real one.


@pytest.mark.parametrize("path", ["/oauth2/token", "/rest/v1/accounts/login", "/rest/v1/accounts/logout"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_takes_post_only(caller: Caller, path: str, method: str) -> None:
    """RFC 9110 §15.5.6: 405 says what it takes."""
    assert caller.send(method, path) == 405
    assert caller.headers["Allow"] == "POST"


def test_knows_three_paths(caller: Caller) -> None:
    """Any other is 404."""
    assert caller.send("POST", "/rest/v1/accounts") == 404
    assert caller.viafoura.count("unknown") == 1


def test_takes_forms_only(caller: Caller) -> None:
    """JSON is not what the document says."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {caller.token}"}

    assert caller.send("POST", "/rest/v1/accounts/login", json.dumps(ZOE), headers) == 415


@pytest.mark.parametrize("body", ["", "id", "id=1&id=2&name=x", "id=%ff&name=x", b"id=\xff&name=x"], ids=repr)
def test_takes_well_formed_forms_only(caller: Caller, body: str | bytes) -> None:
    """Each field once, in UTF-8."""
    assert caller.post("login", body) == 400


@pytest.mark.parametrize(("user", "password"), [("another", ""), ("", "wrong"), ("", "schlüssel")])
def test_gives_no_token_for_wrong_credentials(caller: Caller, user: str, password: str) -> None:
    """RFC 6749 §5.2: 401 and how to authenticate."""
    assert caller.fetch_token(user=user, password=password) == 401
    assert caller.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "accounts"}, "invalid_request"),
        ({"grant_type": "password", "scope": "accounts"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "everything"}, "invalid_scope"),
    ],
)
def test_gives_no_token_for_another_grant_or_scope(caller: Caller, form: dict[str, str], error: str) -> None:
    """RFC 6749 §5.2: 400 and which error."""
    assert caller.fetch_token(form) == 400
    assert caller.members == {"error": error}


@pytest.mark.parametrize("call", ["login", "logout"])
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", "Basic {}", "{}", "Bearer ü"])
def test_takes_calls_with_a_token_only(caller: Caller, call: str, authorization: str | None) -> None:
    """RFC 6750 §3: 401 and which error."""
    headers = {} if authorization is None else {"Authorization": authorization.format(caller.token)}

    assert caller.send("POST", f"/rest/v1/accounts/{call}", urlencode(ZOE), headers) == 401
    assert 'error="invalid_token"' in caller.headers["WWW-Authenticate"]


@pytest.mark.parametrize("form", [{"id": "1"}, {"name": "Zoë"}, {"id": "", "name": "Zoë"}, {"id": "1", "name": ""}])
def test_a_login_needs_an_id_and_a_name(caller: Caller, form: dict[str, str]) -> None:
    """Both are required, "email" is not."""
    assert caller.login(form) == 400


def test_a_logout_needs_a_session(caller: Caller) -> None:
    """It is required."""
    assert caller.logout("") == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Length": "x"}, 411), ({"Content-Length": "²"}, 411), ({"Content-Length": "65537"}, 413)],
)
def test_a_request_says_how_long_it_is(caller: Caller, headers: dict[str, str], status: int) -> None:
    """And is not too long."""
    assert caller.send("POST", "/oauth2/token", b"", headers) == status


def test_a_chunked_request_is_not_taken(caller: Caller) -> None:
    """What is not needed is not understood."""
    assert caller.send("POST", "/oauth2/token", b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}) == 411


# What a test can read.


def test_logs_the_calls(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """What came, with its form, its answer and when."""
    caller.login()
    caller.login({"id": "1"})

    first, second = viafoura.calls
    assert (first.kind, dict(first.form), first.status) == ("login", ZOE, 200)
    assert first.when <= second.when
    assert second.status == 400
    assert (viafoura.count("login"), viafoura.count("token")) == (2, 0)


def test_its_log_can_be_cleared_while_a_call_is_under_way(viafoura: SimulatedViafoura, caller: Caller) -> None:
    """What was cleared does not come back."""
    viafoura.fail("login", Fault.hang())
    thread = threading.Thread(target=caller.login)
    thread.start()
    viafoura.wait_for("login")
    assert viafoura.calls[0].status is None

    viafoura.clear_calls()
    viafoura.heal()
    thread.join(SOON)

    assert not viafoura.calls


def test_waiting_for_a_call_has_an_end(viafoura: SimulatedViafoura) -> None:
    """A test that waits in vain fails."""
    with pytest.raises(TimeoutError, match="no 1 login calls"):
        viafoura.wait_for("login", timeout=0.0)


def test_shows_no_details_in_its_calls(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """A failing test's output has no personal data, even made-up."""
    caller.login()

    assert "zoe" not in repr(viafoura.calls)


def test_points_a_middleware_at_itself(viafoura: SimulatedViafoura) -> None:
    """Its environ is one that settings accept."""
    settings = Settings.from_env(viafoura.environ())

    assert (settings.site_id, settings.api_key, settings.api_url) == (viafoura.site_id, viafoura.api_key, viafoura.url)


# What can be made to happen.


def test_fails_with_a_status(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """With ``Retry-After`` if wanted; no user is logged in by it."""
    date = email.utils.formatdate(0, usegmt=True)
    viafoura.fail("login", Fault.status(503, retry_after=date))

    assert caller.login() == 503
    assert caller.headers["Retry-After"] == date
    assert not viafoura.users
    viafoura.fail("login", Fault.status(599))
    assert caller.login() == 599


def test_fails_for_so_many_calls(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Then it works again; other kinds of call have worked all the time."""
    viafoura.fail("login", Fault.status(500), times=2)

    assert [caller.login(), caller.fetch_token(), caller.login(), caller.login()] == [500, 200, 500, 200]


def test_fails_in_one_way_for_one_kind_and_in_another_for_all(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """The nearer fault counts, until it is healed or over."""
    viafoura.fail("all", Fault.status(500))
    viafoura.fail("login", Fault.status(403), times=1)

    assert [caller.login(), caller.login(), caller.logout("x"), caller.fetch_token()] == [403, 500, 500, 500]
    viafoura.heal()
    assert caller.login() == 200


def test_heals_one_kind_alone(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """The others go on failing; to heal what is whole is nothing."""
    viafoura.fail("login", Fault.status(500))
    viafoura.fail("logout", Fault.status(500))

    viafoura.heal("login")
    viafoura.heal("token")

    assert [caller.login(), caller.logout("x")] == [200, 500]


@pytest.mark.parametrize(
    ("fault", "body"),
    [(Fault.empty(), b""), (Fault.body(b"[]"), b"[]"), (Fault.redirect(), b"")],
    ids=["empty", "body", "redirect"],
)
def test_answers_something_else(caller: Caller, viafoura: SimulatedViafoura, fault: Fault, body: bytes) -> None:
    """And does nothing else."""
    viafoura.fail("login", fault)
    caller.login()

    assert caller.body == body
    assert not viafoura.sessions


def test_answers_a_page_for_people(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """As a load balancer does."""
    viafoura.fail("login", Fault.html())

    assert caller.login() == 200
    assert caller.headers["Content-Type"].startswith("text/html")


def test_answers_wrong_types_under_right_names(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Of a login and of a token."""
    viafoura.fail("all", Fault.wrong_types())
    caller.login()

    assert {"user_id", "session", "access_token", "token_type", "expires_in"} <= caller.members.keys()


def test_answers_half_of_it(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """As if it were whole."""
    viafoura.fail("login", Fault.truncated_json())
    caller.login()

    with pytest.raises(ValueError, match=r"delimiter|Unterminated"):
        json.loads(caller.body)


def test_breaks_off(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Half of it, and the connection's end."""
    viafoura.fail("login", Fault.truncated())

    with pytest.raises(http.client.IncompleteRead):
        caller.login()


def test_answers_ten_megabytes(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """A right answer in it."""
    viafoura.fail("login", Fault.huge())
    caller.login()

    assert len(caller.body) > 10_000_000
    assert caller.members["session"] in viafoura.sessions


@pytest.mark.parametrize("fault", [Fault.drip_body(0.0), Fault.drip_headers(0.0)], ids=["body", "head"])
def test_drips(caller: Caller, viafoura: SimulatedViafoura, fault: Fault) -> None:
    """Byte by byte it is the right answer."""
    viafoura.fail("login", fault)

    assert caller.login() == 200
    assert caller.members["session"] in viafoura.sessions


@pytest.mark.parametrize("fault", [Fault.drip_body(SOON), Fault.drip_headers(SOON), Fault.delay(SOON), Fault.hang()])
def test_what_is_slow_is_answered_when_healed(caller: Caller, viafoura: SimulatedViafoura, fault: Fault) -> None:
    """No test need wait."""
    viafoura.fail("login", fault)
    thread = threading.Thread(target=caller.login)
    thread.start()
    viafoura.wait_for("login")

    viafoura.heal()
    thread.join(SOON / 2)

    assert caller.status == 200


def test_a_delay_is_over_by_itself(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Then comes the right answer."""
    viafoura.fail("login", Fault.delay(0.01))
    began = time.monotonic()

    assert caller.login() == 200
    assert time.monotonic() - began >= 0.01


def test_resets_the_connection(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """RST, and nothing done."""
    viafoura.fail("login", Fault.reset())

    with pytest.raises(ConnectionResetError):
        caller.login()
    assert not viafoura.users


def test_closes_the_connection(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """FIN, and nothing done."""
    viafoura.fail("login", Fault.close())

    with pytest.raises(http.client.RemoteDisconnected):
        caller.login()


def test_closes_the_connection_after_the_answer(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """It promises to keep it, and does not."""
    viafoura.fail("login", Fault.close_after())
    assert caller.login() == 200
    assert caller.headers["Connection"] is None
    assert caller.connection.sock is not None

    assert caller.connection.sock.recv(1) == b""


def test_refuses_connections(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Nobody listens, and what was connected is no more; healed, it listens where it did."""
    viafoura.fail("all", Fault.refuse())
    with pytest.raises(ConnectionError):
        caller.login()
    caller.connection.close()
    with pytest.raises(ConnectionRefusedError):
        caller.login()
    caller.connection.close()

    viafoura.heal()

    assert caller.login() == 200


def test_a_call_that_came_just_before_it_refused_is_closed(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Whatever has come that far gets no answer either."""
    viafoura.fail("login", Fault(Fault.refuse().leaving, pause=None))
    with pytest.raises(ConnectionError):
        caller.login()


BOB = {"id": "bob", "name": "Bob"}


def test_fails_one_user_and_nobody_else(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """In their logins and, by the session, in their logouts."""
    caller.login()
    session = caller.members["session"]
    viafoura.fail("all", Fault.status(500), user="zoe-1")

    assert [caller.login(), caller.logout(session), caller.login(BOB), caller.fetch_token()] == [500, 500, 200, 200]
    assert caller.logout("another's") == 200
    viafoura.heal()
    assert [caller.login(), caller.logout(session)] == [200, 200]


def test_a_users_own_fault_comes_before_everybodys(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """And of a user's, the one that is of this kind of call; each lasts as long as it was to."""
    viafoura.fail("login", Fault.status(503))
    viafoura.fail("all", Fault.status(429), user="zoe-1")
    viafoura.fail("login", Fault.status(403), user="zoe-1", times=1)

    assert [caller.login(), caller.login(), caller.login(BOB)] == [403, 429, 503]


def test_heals_one_user_alone(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Of all that fails them, or of one kind; others go on failing."""
    for user in ("zoe-1", "bob"):
        viafoura.fail("login", Fault.status(500), user=user)

    viafoura.heal("logout", user="zoe-1")
    assert caller.login() == 500
    viafoura.heal(user="zoe-1")

    assert [caller.login(), caller.login(BOB)] == [200, 500]
    viafoura.heal("login")
    assert caller.login(BOB) == 200


def test_one_user_waits_and_nobody_else(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """A delay is one user's as any fault is."""
    viafoura.fail("login", Fault.hang(), user="zoe-1")
    another = Caller(viafoura)
    another.token = caller.token
    thread = threading.Thread(target=caller.login)
    thread.start()
    viafoura.wait_for("login")

    assert another.login(BOB) == 200

    viafoura.heal(user="zoe-1")
    thread.join(SOON)
    assert caller.status == 200
    another.connection.close()


@pytest.mark.parametrize(("kind", "fault"), [("token", Fault.status(500)), ("all", Fault.refuse())])
def test_what_is_no_users_cannot_fail_for_one(viafoura: SimulatedViafoura, kind: Any, fault: Fault) -> None:
    """A test that means something else fails."""
    with pytest.raises(ValueError, match="no user's"):
        viafoura.fail(kind, fault, user="zoe-1")


def test_drops_connections_and_goes_on(caller: Caller, viafoura: SimulatedViafoura) -> None:
    """Those that were kept have ended; the next is taken."""
    assert viafoura.connections == 1

    viafoura.drop_connections()

    with pytest.raises(ConnectionError):
        caller.login()
    caller.connection.close()
    assert caller.login() == 200
    assert viafoura.connections == 2


def test_shows_the_date_of_its_own_clock() -> None:
    """Which may be wrong, from the beginning or later on; and of an answer, another may be told."""
    clock = Clock()
    with SimulatedViafoura(clock=clock, skew=3000.0) as viafoura:
        caller = Caller(viafoura)
        dates = []
        for skew in (3000.0, -60.0):
            viafoura.skew = skew
            caller.fetch_token()
            dates.append(caller.headers["Date"])
            assert caller.headers["Date"] == viafoura.http_date()
        viafoura.fail("login", Fault.status(503, retry_after=viafoura.http_date(5), date="yesterday"))
        caller.login()
        caller.connection.close()

    assert dates == [email.utils.formatdate(clock.now + skew, usegmt=True) for skew in (3000.0, -60.0)]
    assert caller.headers["Date"] == "yesterday"
    assert caller.headers["Retry-After"] == email.utils.formatdate(clock.now - 55.0, usegmt=True)


def test_what_has_not_begun_has_no_connections() -> None:
    """None to count, none to drop."""
    viafoura = SimulatedViafoura()

    viafoura.drop_connections()

    assert viafoura.connections == 0


# Beginning and end.


def test_ends_at_once_though_calls_hang() -> None:
    """The end of the ``with`` block waits for nobody."""
    failures: list[Exception] = []

    def call(caller: Caller) -> None:
        try:
            caller.login()
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)
        caller.connection.close()

    with SimulatedViafoura() as viafoura:
        callers = [Caller(viafoura) for _ in range(3)]
        viafoura.fail("login", Fault.hang())
        threads = [threading.Thread(target=call, args=[caller]) for caller in callers]
        for thread in threads:
            thread.start()
        viafoura.wait_for("login", 3)
        began = time.monotonic()
    assert time.monotonic() - began < SOON / 2
    for thread in threads:
        thread.join(SOON)

    assert not [thread for thread in threading.enumerate() if thread.name == "simulated Viafoura"]


def test_listens_where_it_is_told() -> None:
    """On a port that is free, or on the one that is named."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with SimulatedViafoura(port=port) as viafoura:
        assert viafoura.url == f"http://127.0.0.1:{port}"


def test_a_port_that_is_taken_is_an_error(viafoura: SimulatedViafoura) -> None:
    """Two cannot listen at one place."""
    port = int(viafoura.url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"), SimulatedViafoura(port=port):
        pass


def test_healing_what_has_not_begun_begins_nothing() -> None:
    """It listens within its ``with`` block only."""
    viafoura = SimulatedViafoura()

    viafoura.heal()

    assert viafoura.url.endswith(":0")


def test_serves_until_it_is_stopped() -> None:
    """As the command does."""
    stop, urls = threading.Event(), []

    def started(viafoura: SimulatedViafoura) -> None:
        urls.append(viafoura.url)
        stop.set()

    serve(0, started, stop=stop)

    assert urls[0].startswith("http://127.0.0.1:")


def test_serves_until_ctrl_c() -> None:
    """Which is no error."""

    def interrupt(_: SimulatedViafoura) -> None:
        raise KeyboardInterrupt

    serve(0, interrupt)


def test_is_a_pytest_fixture_for_users(pytester: pytest.Pytester) -> None:
    """``pytest_plugins = ["viafoura_mw.testing.pytest_plugin"]`` is all that it takes."""
    pytester.makeconftest('pytest_plugins = ["viafoura_mw.testing.pytest_plugin"]')
    pytester.makepyfile("def test_it(viafoura):\n    assert viafoura.url.startswith('http://127.0.0.1:')")

    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=1)
