"""Viafoura's API over real HTTP: what is sent, what is believed, and what every failure becomes."""

import base64
import email.utils
import gzip
import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.support.fakes import Clock
from viafoura_mw.errors import CredentialsRefused, LoginRefused, LogoutRefused, ViafouraError, ViafouraUnavailable
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import CALL_LIMIT, RENEWALS, RENEWALS_PERIOD, AccessToken, Session, Viafoura
from viafoura_mw.viafoura.connecting import Network
from viafoura_mw.viafoura.transport import Answer

ZOE = User("zoe-1", "Zoë Ångström & Co = 1+1", "zoe@example.com")
BOB = User("bob/2", "Bob")
SHORT = 0.2  # seconds that a call may take where a test wants it to be too slow


def client(viafoura: SimulatedViafoura, clock: Clock | None = None, token_path: str = "/oauth2/token") -> Viafoura:
    return Viafoura(
        site_id=viafoura.site_id,
        api_key=viafoura.api_key,
        api_url=viafoura.url,
        token_url=viafoura.url + token_path,
        timeout=2.0,
        clock=clock or Clock(),
    )


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def api(viafoura: SimulatedViafoura, clock: Clock) -> Viafoura:
    """A client of the simulated Viafoura."""
    return client(viafoura, clock)


@dataclass
class Wire:
    """A transport that answers what a test says; it keeps what was sent."""

    answers: list[Answer | Exception | Callable[[], object]]
    sent: list[tuple[str, bytes, str]] = field(default_factory=list)

    def post(self, url: str, form: bytes, authorization: str, deadline: float) -> Answer:
        self.sent.append((url, form, authorization))
        answer = self.answers.pop(0)
        if callable(answer):
            answer()
            return self.post(url, form, authorization, deadline)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(status: int = 200, /, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
    return Answer(status, headers or {}, json.dumps(members).encode())


TOKEN = answer(access_token="t0ken+/=", token_type="bearer", expires_in=3600)
LOGGED_IN = answer(user_id=7000000003119, session="o52l4itrv8q4p8n4amsou1c567")


def wired(*answers: Answer | Exception | Callable[[], object], clock: Clock | None = None) -> tuple[Viafoura, Wire]:
    wire = Wire(list(answers))
    urls: Any = {"api_url": "https://api.test/", "token_url": "https://token.test/token"}
    api = Viafoura(site_id="site", api_key="key", **urls, timeout=2.0, clock=clock or Clock(), transport=lambda: wire)
    return api, wire


# The calls.


def test_logs_a_user_in(api: Viafoura, viafoura: SimulatedViafoura, clock: Clock) -> None:
    """A token call, a login call, and what the login gave."""
    session = api.login(ZOE)

    assert [call.kind for call in viafoura.calls] == ["token", "login"]
    assert viafoura.sessions == {session.id: int(session.user_id)}
    assert session.since == clock.now


def test_sends_the_details_as_they_are(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """Any character arrives; an e-mail address that is not known is left out."""
    api.login(ZOE)
    api.login(BOB)

    forms = [dict(call.form) for call in viafoura.calls if call.kind == "login"]
    assert forms == [{"id": ZOE.id, "name": ZOE.name, "email": ZOE.email}, {"id": BOB.id, "name": BOB.name}]


def test_ends_a_session(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """The session that is named, and no other."""
    kept, ended = api.login(ZOE), api.login(ZOE)

    api.logout(ended.id)

    assert list(viafoura.sessions) == [kept.id]


def test_speaks_as_the_document_says() -> None:
    """URLs, authorization and forms are those of "OAuth 2.0 Integration"."""
    api, wire = wired(TOKEN, LOGGED_IN, answer())

    api.logout(api.login(User("7", "John Doe", "john@example.com")).id)

    basic = f"Basic {base64.b64encode(b'site:key').decode()}"
    assert wire.sent == [
        ("https://token.test/token", b"grant_type=client_credentials&scope=accounts", basic),
        (
            "https://api.test/rest/v1/accounts/login",
            b"id=7&name=John+Doe&email=john%40example.com",
            "Bearer t0ken+/=",
        ),
        ("https://api.test/rest/v1/accounts/logout", b"session=o52l4itrv8q4p8n4amsou1c567", "Bearer t0ken+/="),
    ]


def test_a_user_whose_id_has_no_utf8_is_refused_without_a_call() -> None:
    """A lone surrogate cannot be sent; to replace it could name another user."""
    api, wire = wired()

    with pytest.raises(LoginRefused):
        api.login(User("\ud800", "Zoe"))

    assert not wire.sent


def test_a_key_of_any_characters_is_sent_as_utf8(viafoura: SimulatedViafoura) -> None:
    """RFC 7617 §2.1."""
    with SimulatedViafoura(api_key="schlüssel ☃") as other:
        assert client(other).access_token().value


# The access token.


def test_keeps_the_token_until_shortly_before_its_end(api: Viafoura, viafoura: SimulatedViafoura, clock: Clock) -> None:
    """One call an hour, a minute before it must be."""
    api.login(ZOE)
    clock.pass_(3539)
    api.login(ZOE)
    assert viafoura.count("token") == 1

    clock.pass_(1)
    api.login(ZOE)

    assert viafoura.count("token") == 2


def test_a_token_that_lives_shortly_is_used_for_nine_tenths_of_it(clock: Clock) -> None:
    """A token of ten seconds is good for nine."""
    api, _ = wired(answer(access_token="a", token_type="Bearer", expires_in=10), clock=clock)

    assert api.access_token() == AccessToken("a", clock.now + 9)


def test_a_token_without_expires_in_is_used_for_a_little(clock: Clock) -> None:
    """RFC 6749 §5.1 only recommends it."""
    api, _ = wired(answer(access_token="a", token_type="BEARER"), clock=clock)

    assert api.access_token().until == clock.now + 270


def test_a_token_that_claims_to_live_for_years_is_fetched_daily(clock: Clock) -> None:
    """What is revoked meanwhile is found out by a 401 anyway."""
    api, _ = wired(answer(access_token="a", token_type="bearer", expires_in=10**12), clock=clock)

    assert api.access_token().until == clock.now + 86_400 - 60


@pytest.mark.parametrize("call", ["login", "logout"])
def test_fetches_a_new_token_when_the_old_one_is_not_accepted(
    api: Viafoura, viafoura: SimulatedViafoura, call: str
) -> None:
    """A 401 is a token's end, not a failure."""
    session = api.login(ZOE)
    viafoura.expire_tokens()

    api.login(BOB) if call == "login" else api.logout(session.id)

    assert [(c.kind, c.status) for c in viafoura.calls[2:]] == [(call, 401), ("token", 200), (call, 200)]


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_a_fresh_token_does_not_open_is_that_users_refusal(
    api: Viafoura, viafoura: SimulatedViafoura, status: int
) -> None:
    """A token that was just fetched is not fetched again; it says nothing about the site's credentials."""
    viafoura.fail("login", Fault.status(status))

    with pytest.raises(LoginRefused) as raised:
        api.login(ZOE)

    assert raised.value.status == status
    assert [c.kind for c in viafoura.calls] == ["token", "login"]


@pytest.mark.parametrize(
    ("call", "refusal"), [("login", LoginRefused), ("logout", LogoutRefused)], ids=["login", "logout"]
)
def test_a_new_token_is_fetched_once_for_a_call(
    api: Viafoura, viafoura: SimulatedViafoura, call: Any, refusal: type[ViafouraError]
) -> None:
    """A call that the new token does not open either is refused, and the next call begins with the new token."""
    session = api.login(ZOE)
    viafoura.fail(call, Fault.status(401), times=2)

    with pytest.raises(refusal):
        api.login(BOB) if call == "login" else api.logout(session.id)
    api.login(BOB)

    assert [c.kind for c in viafoura.calls[2:]] == [call, "token", call, "login"]


def test_a_403_fetches_no_token(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """RFC 9110 §15.5.4: the credentials were understood, and another token would not help."""
    api.login(ZOE)
    viafoura.fail("login", Fault.status(403))

    with pytest.raises(LoginRefused):
        api.login(BOB)

    assert viafoura.count("token") == 1


def test_users_who_are_always_refused_do_not_renew_the_token_each_time(
    api: Viafoura, viafoura: SimulatedViafoura, clock: Clock
) -> None:
    """So many a minute in a process; then a 401 is a refusal at once, and after the minute it renews again."""
    api.login(ZOE)
    viafoura.fail("login", Fault.status(401))
    for number in range(5 * RENEWALS):
        with pytest.raises(LoginRefused):
            api.login(User(f"user-{number}", "A user"))
    assert viafoura.count("token") == 1 + RENEWALS

    viafoura.heal()
    viafoura.expire_tokens()
    clock.pass_(RENEWALS_PERIOD)
    api.login(BOB)

    assert viafoura.count("token") == 2 + RENEWALS


def test_a_token_service_that_hands_out_dead_tokens_is_asked_no_more_than_that(clock: Clock) -> None:
    """Each page's login is refused, and no page fetches a token of its own."""
    tokens = 0

    class DeadTokens:
        def post(self, url: str, form: bytes, authorization: str, deadline: float) -> Answer:
            nonlocal tokens
            if "token" not in url:
                return answer(401)
            tokens += 1
            return answer(access_token=f"dead{tokens}", token_type="bearer", expires_in=3600)

    urls: Any = {"api_url": "https://api.test", "token_url": "https://token.test/token"}
    api = Viafoura(site_id="", api_key="", **urls, timeout=2.0, clock=clock, transport=DeadTokens)
    for number in range(100):
        with pytest.raises(LoginRefused):
            api.login(User(f"user-{number}", "A user"))

    assert tokens == 1 + RENEWALS


def test_a_token_that_fails_to_be_renewed_serves_the_others(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """One user's 401 does not throw away the token by which all others are logged in."""
    api.login(ZOE)
    viafoura.fail("token", Fault.status(503))
    viafoura.fail("login", Fault.status(401), times=1)
    with pytest.raises(ViafouraUnavailable):
        api.login(BOB)

    assert api.login(ZOE).id in viafoura.sessions


def test_only_the_token_endpoint_refuses_the_credentials(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """When a token has ended and the key is refused now, the operator is told, whichever call found out."""
    session = api.login(ZOE)
    viafoura.expire_tokens()
    viafoura.fail("token", Fault.status(401))

    with pytest.raises(CredentialsRefused):
        api.logout(session.id)


def test_takes_the_token_that_another_call_has_fetched_meanwhile(clock: Clock) -> None:
    """Two calls with the same refused token fetch one new one."""
    new = answer(access_token="new", token_type="bearer", expires_in=3600)
    two, wire = wired(TOKEN, lambda: two.logout("x"), answer(401), new, answer(), answer(401), LOGGED_IN)
    two.access_token()

    two.login(ZOE)

    assert [authorization for _, form, authorization in wire.sent if b"name" in form][-1] == "Bearer new"
    assert sum(url.endswith("token") for url, _, _ in wire.sent) == 2


def test_many_whose_token_has_ended_fetch_one_new_one(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """However many logins and logouts find it out at one time; each is made again with the new one."""
    session = api.login(ZOE)
    viafoura.expire_tokens()
    viafoura.fail("token", Fault.hang())
    logins = [partial(api.login, User(f"user-{n}", "A user")) for n in range(2 * RENEWALS)]
    calls: list[Callable[[], Any]] = [*logins, partial(api.logout, session.id)]
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    viafoura.wait_for("login", 1 + len(logins))
    viafoura.wait_for("logout")
    viafoura.heal()
    for thread in threads:
        thread.join()

    assert len(viafoura.sessions) == len(logins)
    assert viafoura.count("token") == 2


def test_one_users_failure_is_nobody_elses(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """Fifty others are logged in between the tries of a user whom Viafoura answers with 401, 403 or 500."""
    others = [User(f"user-{number}", "A user") for number in range(50)]
    for status in (401, 403, 500):
        viafoura.fail("login", Fault.status(status), user=ZOE.id)
        for other in others:
            with pytest.raises((LoginRefused, ViafouraUnavailable)):
                api.login(ZOE)
            assert api.login(other).id in viafoura.sessions

    assert viafoura.count("token") == 1 + RENEWALS


def test_many_threads_fetch_one_token(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """One call, however many need it."""
    viafoura.fail("token", Fault.hang())
    tokens: list[AccessToken] = []
    threads = [threading.Thread(target=lambda: tokens.append(api.access_token())) for _ in range(16)]
    for thread in threads:
        thread.start()
    viafoura.wait_for("token")

    with pytest.raises(ViafouraUnavailable):
        api.access_token(limit=0.0)  # one who cannot wait for it does not make a call of its own
    viafoura.heal()
    for thread in threads:
        thread.join()

    assert len(tokens) == 16
    assert len(set(tokens)) == 1
    assert viafoura.count("token") == 1


def test_who_waits_for_a_token_gets_its_failure(api: Viafoura, viafoura: SimulatedViafoura) -> None:
    """One refusal serves all; nobody is left waiting, and the next call is a new one."""
    viafoura.fail("token", Fault(answer=Fault.status(401).answer, pause=None))
    failures: list[ViafouraError] = []

    def ask() -> None:
        try:
            api.access_token()
        except ViafouraError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    viafoura.wait_for("token")
    viafoura.heal()
    for thread in threads:
        thread.join()

    assert {type(failure) for failure in failures} == {CredentialsRefused}
    assert api.access_token().value


def test_an_interrupted_token_call_leaves_nobody_waiting() -> None:
    """Ctrl-C during the call is Ctrl-C, and the next call is a new one."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    api, _ = wired(interrupt, TOKEN)
    with pytest.raises(KeyboardInterrupt):
        api.access_token()

    assert api.access_token().value


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials_are_told_apart(api: Viafoura, viafoura: SimulatedViafoura, status: int) -> None:
    """RFC 6749 §5.2: what the site's operator must mend."""
    viafoura.fail("token", Fault.status(status))

    with pytest.raises(CredentialsRefused) as raised:
        api.login(ZOE)

    assert raised.value.status == status


def test_a_wrong_token_url_is_no_refusal_of_credentials(viafoura: SimulatedViafoura) -> None:
    """A 404 for the token says nothing about the key, nor about a user."""
    api = client(viafoura, token_path="/nowhere")

    with pytest.raises(ViafouraUnavailable):
        api.login(ZOE)


# What is believed.

BAD_TOKENS: list[dict[str, Any]] = [
    {},
    {"access_token": None},
    {"access_token": ""},
    {"access_token": "a b"},
    {"access_token": "a\r\nX-Header: 1"},
    {"access_token": "é"},
    {"access_token": "a" * 4097},
    {"access_token": ["a"]},
    {"token_type": "mac"},
    {"token_type": None},
    {"token_type": ["bearer"]},
    {"expires_in": 0},
    {"expires_in": -1},
    {"expires_in": True},
    {"expires_in": "3600"},
    {"expires_in": None},
    {"expires_in": math.inf},
    {"expires_in": math.nan},
    {"expires_in": [3600]},
]


@pytest.mark.parametrize("wrong", BAD_TOKENS, ids=repr)
def test_a_token_is_believed_in_its_form_only(wrong: dict[str, Any]) -> None:
    """Anything else is no answer."""
    right: dict[str, Any] = {"access_token": "a", "token_type": "bearer", "expires_in": 60}
    given = right | wrong if wrong else {}
    api, _ = wired(answer(**given))

    with pytest.raises(ViafouraUnavailable):
        api.access_token()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"user_id": value} for value in (None, True, 0, -1, 1.5, 7.0, 7e18, 10**20, [7], {"id": 7})),
        *({"user_id": value} for value in ("7.0", "0", "07", "", "7a", "٣", "7" * 21)),
        *({"session": value} for value in (None, "", "a b", "a\n", 'a"', "a'", "a`", "a<", "a>", "a&", "a;", "a,")),
        *({"session": value} for value in ("é", "\x00", "a" * 257, 12, ["a"])),
    ],
    ids=repr,
)
def test_a_login_is_believed_in_its_form_only(wrong: dict[str, Any]) -> None:
    """What could not stand in a page's attribute or in a cookie is no answer."""
    api, _ = wired(TOKEN, answer(**{"user_id": 7, "session": "s", **wrong}))

    with pytest.raises(ViafouraUnavailable):
        api.login(ZOE)


@pytest.mark.parametrize(
    ("user_id", "session"),
    [(7000000003119, "o52l4itrv8q4p8n4amsou1c567"), ("7", "A-Za-z0-9._~+/=|!#$%()*:?@[\\]^{}"), (10**19, "a" * 256)],
)
def test_a_login_is_believed_as_it_is(user_id: object, session: str) -> None:
    """A number or its digits, and any session of harmless characters."""
    api, _ = wired(TOKEN, answer(user_id=user_id, session=session))

    given = api.login(ZOE)

    assert (given.user_id, given.id) == (str(user_id), session)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"<html>",
        b"[" * 60_000,
        b'{"user_id":' + b"7" * 5000 + b"}",
        b'{"user_id":7,"session":"a","session":"b"}',
        b'{"user_id":7,"session":"a","x":NaN}',
        b'{"user_id":7,"session":"a","x":-Infinity}',
        gzip.compress(b'{"user_id":7,"session":"a"}', mtime=0),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_object_is_no_answer(body: bytes) -> None:
    """However it is broken."""
    api, _ = wired(TOKEN, Answer(200, {}, body))

    with pytest.raises(ViafouraUnavailable):
        api.login(ZOE)


def test_an_answer_of_any_depth_is_one_or_is_none() -> None:
    """How deep JSON may be differs between versions of Python; nothing else ever comes of it."""
    deep = b'{"user_id":7,"session":"a","x":' + b'{"x":' * 10_000 + b"1" + b"}" * 10_001
    api, _ = wired(TOKEN, Answer(200, {}, deep))

    with suppress(ViafouraUnavailable):
        assert api.login(ZOE).id == "a"


def test_a_logouts_answer_is_believed_by_its_status() -> None:
    """There is nothing in it to read."""
    api, _ = wired(TOKEN, Answer(204, {}, b""))

    api.logout("session")


# What a status means.


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 451])
def test_a_4xx_refuses_the_user(status: int) -> None:
    """It is about what was asked, and carries its status."""
    api, _ = wired(TOKEN, answer(status), answer(status))

    with pytest.raises(LoginRefused) as raised:
        api.login(ZOE)
    with pytest.raises(LogoutRefused) as ended:
        api.logout("session")

    assert (raised.value.status, ended.value.status) == (status, status)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 407, 408, 425, 429, 500, 502, 503, 504, 599])
def test_other_statuses_mean_no_answer(status: int) -> None:
    """A redirect is not followed, a failure is nobody's fault."""
    api, wire = wired(TOKEN, answer(status))

    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)

    assert raised.value.retry_after is None
    assert len(wire.sent) == 2


def date(moment: float) -> str:
    return email.utils.formatdate(moment, usegmt=True)


NOW = Clock().now
RETRY_AFTER: list[tuple[dict[str, str], float | None]] = [
    ({"Retry-After": "7"}, 7.0),
    ({"Retry-After": " 0 "}, 0.0),
    ({"Retry-After": "301"}, 300.0),
    ({"Retry-After": "9" * 5000}, 300.0),
    ({"Retry-After": date(NOW + 30)}, 30.0),
    ({"Retry-After": email.utils.formatdate(NOW + 30)}, 30.0),
    ({"Retry-After": date(NOW - 1000)}, 0.0),
    ({"Retry-After": date(NOW + 8_000_000)}, 300.0),
    # The answer's own clock is an hour ahead, an hour behind, a year behind, or says nothing.
    ({"Retry-After": date(NOW + 3605), "Date": date(NOW + 3600)}, 5.0),
    ({"Retry-After": date(NOW - 3595), "Date": date(NOW - 3600)}, 5.0),
    ({"Retry-After": date(NOW + 30), "Date": date(NOW - 31_536_000)}, 300.0),
    ({"Retry-After": date(NOW + 30), "Date": "yesterday"}, 30.0),
    ({"Retry-After": date(NOW + 30), "Date": ""}, 30.0),
    ({"Retry-After": date(NOW + 30), "Date": "Fri, 31 Dec 99999 23:59:59 GMT"}, 30.0),
    ({"Retry-After": "7", "Date": date(NOW + 3600)}, 7.0),
    ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "-1"}, None),
    ({"Retry-After": "1.5"}, None),
    ({"Retry-After": "5, 7"}, None),
    ({"Retry-After": "٣"}, None),
    ({"Retry-After": "\x00"}, None),
    ({"Retry-After": ""}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), RETRY_AFTER)
@pytest.mark.parametrize("status", [429, 503])
def test_reads_retry_after(status: int, headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, or a date by the clock that the answer shows; five minutes at most; nonsense is none."""
    api, _ = wired(TOKEN, answer(status, headers))

    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)

    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("skew", [-86_400.0, -3000.0, 0.0, 3000.0])
def test_a_pause_is_as_long_as_viafoura_says_whatever_its_clock(skew: float, clock: Clock) -> None:
    """Five seconds are five seconds, also where its clock and ours are apart."""
    with SimulatedViafoura(clock=clock, skew=skew) as viafoura:
        viafoura.fail("all", Fault.status(503, retry_after=viafoura.http_date(5)))
        with pytest.raises(ViafouraUnavailable) as raised:
            client(viafoura, clock).login(ZOE)

    assert raised.value.retry_after == 5.0


@pytest.mark.parametrize("kind", ["login", "token"])
def test_connections_that_were_dropped_are_no_failure(api: Viafoura, viafoura: SimulatedViafoura, kind: str) -> None:
    """A restart of Viafoura's costs no page its session."""
    api.login(ZOE)
    viafoura.drop_connections()
    if kind == "token":
        viafoura.expire_tokens()

    assert api.login(BOB).id in viafoura.sessions


@pytest.mark.parametrize("status", [301, 408, 425, 500, 502, 504])
def test_obeys_retry_after_on_two_statuses_only(status: int) -> None:
    """RFC 9110 §10.2.3 and RFC 6585 §4; elsewhere it is not about how busy Viafoura is."""
    api, _ = wired(TOKEN, answer(status, {"Retry-After": "30"}))

    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)

    assert raised.value.retry_after is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_tells_the_status_of_a_failed_login(api: Viafoura, viafoura: SimulatedViafoura, status: int) -> None:
    """Viafoura answered this user so: whoever counts a user's failures tells a 5xx from a broken line."""
    viafoura.fail("login", Fault.status(status))

    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)

    assert raised.value.status == status


@pytest.mark.parametrize("fault", [Fault.status(500), Fault.status(404), Fault.html()], ids=["500", "404", "HTML"])
def test_a_failing_token_service_is_no_users_status(api: Viafoura, viafoura: SimulatedViafoura, fault: Fault) -> None:
    """The user's own call was not made."""
    viafoura.fail("token", fault)

    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)

    assert raised.value.status is None


@pytest.mark.parametrize("fault", [Fault.close(), Fault.html()], ids=["closed", "HTML"])
def test_no_answer_has_no_status(api: Viafoura, viafoura: SimulatedViafoura, fault: Fault) -> None:
    """A line that is cut and an answer that is none are no 5xx."""
    viafoura.fail("login", fault)

    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)

    assert raised.value.status is None


# Every failure, over the network.

FAULTS = {
    "reset": Fault.reset(),
    "close": Fault.close(),
    "500": Fault.status(500),
    "429": Fault.status(429, retry_after=30),
    "truncated": Fault.truncated(),
    "truncated JSON": Fault.truncated_json(),
    "wrong types": Fault.wrong_types(),
    "HTML": Fault.html(),
    "empty": Fault.empty(),
    "redirect": Fault.redirect(),
    "10 MB": Fault.huge(),
    "refuse": Fault.refuse(),
}
SLOW_FAULTS = {
    "hang": Fault.hang(),
    "delay": Fault.delay(30.0),
    "dripping body": Fault.drip_body(),
    "dripping head": Fault.drip_headers(),
}


@pytest.mark.parametrize("kind", ["token", "login"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_failure_becomes_unavailable_and_heals(
    api: Viafoura, viafoura: SimulatedViafoura, kind: Any, name: str
) -> None:
    """Nothing else is raised, nothing of what happened clings to it, and the next call is sound."""
    viafoura.fail(kind, FAULTS[name])
    with pytest.raises(ViafouraUnavailable) as raised:
        api.login(ZOE)
    assert raised.value.__context__ is None

    viafoura.heal()

    assert api.login(ZOE).id in viafoura.sessions


@pytest.mark.parametrize("kind", ["token", "login"])
@pytest.mark.parametrize("name", SLOW_FAULTS)
def test_a_call_ends_when_its_time_is_over(api: Viafoura, viafoura: SimulatedViafoura, kind: Any, name: str) -> None:
    """Not each of its bytes has a time limit, but the whole of it."""
    api.login(ZOE)
    if kind == "token":
        viafoura.expire_tokens()
    viafoura.fail(kind, SLOW_FAULTS[name])

    with pytest.raises(ViafouraUnavailable, match="in time"):
        api.login(ZOE, limit=SHORT)


@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_logout_says_so(api: Viafoura, viafoura: SimulatedViafoura, name: str) -> None:
    """It is for the policy to try again; what says 2xx has ended the session, whatever else it says."""
    session = api.login(ZOE)
    viafoura.fail("logout", FAULTS[name])
    said_success = name in ("truncated JSON", "wrong types", "HTML", "empty")

    try:
        api.logout(session.id)
        ended = True
    except ViafouraUnavailable:
        ended = False

    assert ended is said_success


def test_a_call_may_take_longer_than_a_page_waits() -> None:
    """A login that is slower than its page serves the next one."""
    assert client(SimulatedViafoura()).limit == CALL_LIMIT
    long = Viafoura(site_id="", api_key="", api_url="", token_url="", timeout=30.0)
    assert long.limit == 150.0


@pytest.mark.parametrize("timeout", [0.5, 2.0, 30.0])
def test_dead_addresses_cost_a_page_half_of_its_wait(timeout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is made as patiently as a page waits, not as a call may take."""
    patience: list[float] = []

    def network(seconds: float, *, threads: bool) -> object:
        patience.append(seconds)
        return Network(seconds, threads=threads)

    monkeypatch.setattr("viafoura_mw.viafoura.transport.Network", network)
    api = Viafoura(
        site_id="", api_key="", api_url="http://127.0.0.1:9", token_url="http://127.0.0.1:9", timeout=timeout
    )
    with pytest.raises(ViafouraUnavailable):
        api.access_token()

    assert patience == [timeout / 2]


def test_what_cannot_even_be_tried_is_unavailable() -> None:
    """An installation without a working ``requests`` breaks no page."""

    def broken() -> Wire:
        raise ImportError("no module named requests")

    api = Viafoura(site_id="", api_key="", api_url="", token_url="", timeout=2.0, transport=broken)

    with pytest.raises(ViafouraUnavailable, match="ImportError"):
        api.login(ZOE)


# What is never told.

SECRETS = ("simulated-api-key", "zoe-1", "Zoë", "ngstr", "example.com", "Bearer", "Basic", "s3ssion")


def test_nothing_of_a_user_or_a_secret_is_logged(
    api: Viafoura, viafoura: SimulatedViafoura, caplog: pytest.LogCaptureFixture
) -> None:
    """At no level, by no logger, urllib3's own included, whether calls work or fail; and no exception tells more."""
    caplog.set_level(logging.DEBUG)
    session, token, failures = api.login(ZOE), api.access_token(), []
    for fault in (*FAULTS.values(), Fault.status(422), Fault.body(b'{"session":"s3ssion"}')):
        viafoura.fail("login", fault)
        with pytest.raises(ViafouraError) as raised:
            api.login(ZOE)
        failures.append(repr(raised.value) + repr(raised.value.__context__))
        viafoura.heal()
    api.logout(session.id)

    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    assert not leaks(caplog.text, session.id, token.value)
    assert not leaks("".join(failures), session.id, token.value)


def leaks(text: str, *secrets: str) -> list[str]:
    return [secret for secret in (*SECRETS, *secrets) if secret in text]


def test_values_show_nothing() -> None:
    """A session or a token in a traceback's frame is just that."""
    assert repr(Session("7", "s3cret", 0.0)) == "<Session>"
    assert repr(AccessToken("s3cret", 0.0)) == "<AccessToken>"


# Processes.


def test_importing_it_imports_neither_requests_nor_ssl() -> None:
    """gevent patches ``ssl`` later; and a start is quick."""
    program = (
        "import sys, viafoura_mw.viafoura.sessions, viafoura_mw.viafoura.client;"
        "from viafoura_mw.viafoura.client import Viafoura; from viafoura_mw.viafoura.sessions import Sessions;"
        "Sessions(Viafoura(site_id='', api_key='', api_url='', token_url='', timeout=1), timeout=1);"
        "loaded = {'requests', 'urllib3', 'ssl'} & sys.modules.keys(); assert not loaded, loaded"
    )

    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


def test_another_process_keeps_the_token_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of a fork opens connections of its own: two processes on one socket would read each other's answers."""
    made: list[Wire] = []

    def transport() -> Wire:
        made.append(Wire([TOKEN, LOGGED_IN] if not made else [LOGGED_IN]))
        return made[-1]

    api = Viafoura(site_id="", api_key="", api_url="", token_url="", timeout=2.0, clock=Clock(), transport=transport)
    api.login(ZOE)
    monkeypatch.setattr(os, "getpid", lambda: -1)

    api.login(ZOE)

    assert [len(wire.sent) for wire in made] == [2, 1]
