"""Nothing of a user's and no secret is ever logged, at any level, of this package or of what it stands on.

A handler on the root logger takes every record there is at DEBUG, with asyncio in its debug mode, while everything
happens that can: logins, logouts, switches, each fault of the simulator.
"""

import asyncio
import base64
import json
import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.support import doors
from tests.support.doors import HTML, PAGE, Site, both_doors, through_asgi
from tests.support.faults import EXPIRED, TABLE, Door, Stands, every_fault
from tests.support.pairs import BROWSER
from tests.support.thoroughness import matrix
from viafoura_mw import Settings
from viafoura_mw.errors import ViafouraError
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.testing.service import Answer, Request
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Viafoura

API_KEY, COOKIE_SECRET, SITE_ID = "api-key+of/the=site", "cookie secret of the site", "site-id-of-the-site"
USER_ID, NAME, EMAIL = "id-of-a-user", "Agnès of Somewhere", "agnes@users.example"
OTHERS = ("of-another", "of-a-third", "of-a-fourth")

EVERY_USER = {
    "VIAFOURA_USER_ID": "environ:REMOTE_USER|scope:user",
    "VIAFOURA_COOKIE_SECRET": COOKIE_SECRET,
    "VIAFOURA_TIMEOUT": "0.05",
}


class Overheard(SimulatedViafoura):
    """A simulated Viafoura that remembers every secret that it ever gave away."""

    def __init__(self) -> None:
        super().__init__(site_id=SITE_ID, api_key=API_KEY)
        self.secrets: set[str] = set()

    def answer(self, request: Request) -> Any:
        answered: tuple[Answer, Any, Any] = super().answer(request)
        try:
            members = json.loads(answered[0].body)
        except ValueError:
            return answered
        given = (members.get(name) for name in ("access_token", "session", "user_id"))
        self.secrets |= {str(value) for value in given if isinstance(value, str | int)}
        return answered

    def environ(self) -> dict[str, str]:
        return {**super().environ(), **EVERY_USER}


@pytest.fixture
def viafoura() -> Iterator[Overheard]:
    """In place of the tests' usual one."""
    simulated = Overheard()
    with simulated:
        yield simulated


class Everything(logging.Handler):
    """Keeps every record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def texts(self) -> Iterator[str]:
        """Whatever a formatter could make of the records."""
        for record in self.records:
            yield record.getMessage()
            yield from (repr(value) for value in vars(record).values())
            if record.exc_info:
                yield "".join(traceback.format_exception(*record.exc_info))

    def lines(self) -> Counter[str]:
        """How often each of this package's sentences was said."""
        return Counter(str(record.msg) for record in self.records if record.name.startswith("viafoura_mw"))


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[Everything]:
    """Every record of every logger, asyncio's slow callbacks too: each is one here."""
    handler, root = Everything(), logging.getLogger()
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    monkeypatch.setattr(doors, "call", partial(_every_callback_is_slow, doors.call))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


async def _every_callback_is_slow(call: Any, *arguments: Any) -> Any:
    try:
        asyncio.get_running_loop().slow_callback_duration = -1.0
    except RuntimeError:  # trio has no such log
        return await call(*arguments)
    return await call(*arguments)


def secrets_of(viafoura: Overheard, *more: str) -> set[str]:
    """What must not be found, in the spellings that it takes on its way."""
    basic = base64.b64encode(f"{SITE_ID}:{API_KEY}".encode()).decode()
    plain = {API_KEY, COOKIE_SECRET, USER_ID, NAME, EMAIL, basic, *OTHERS, *more, *viafoura.secrets} - {""}
    return {spelt for secret in plain for spelt in (secret, quote(secret, ""), quote_plus(secret), repr(secret)[1:-1])}


def assert_silent_about(secrets: set[str], texts: Iterator[str]) -> None:
    """None of the secrets is in any of the texts."""
    everything = "\n".join(texts)
    assert [secret for secret in secrets if secret in everything] == []


@matrix
@both_doors
@pytest.mark.parametrize("kind", ["token", "login", "logout"])
@every_fault
def test_no_fault_makes_anything_personal_be_logged(
    door: Door, stands: Stands, viafoura: Overheard, everything: Everything, kind: str, fault: str
) -> None:
    """Through a login, a fault, a switch, a logout and the healing, not one record has a secret or a user's detail."""
    stand = stands(door, 0.05)
    cookie = stand.page_in_the_end(USER_ID).cookie or ""
    assert cookie
    stand.strike(kind, fault)
    cookies = [
        cookie,
        stand.page(OTHERS[0], cookie).cookie,
        stand.page(OTHERS[1]).cookie,
        stand.page(None, cookie).cookie,
    ]
    stand.page("\udcff" + OTHERS[2])
    viafoura.heal()
    stand.settle()
    stand.page_in_the_end(USER_ID)

    assert everything.records
    values = [each.partition("=")[2] for each in cookies if each]
    assert_silent_about(secrets_of(viafoura, *values), everything.texts())


@both_doors
def test_details_that_are_sent_are_not_logged(door: Door, viafoura: Overheard, everything: Everything) -> None:
    """A name and an e-mail address go to Viafoura, and nowhere else."""
    sources = {f"VIAFOURA_USER_{field}": f"response:X-User-{field}" for field in ("ID", "NAME", "EMAIL")}
    environ = {**viafoura.environ(), **sources, "VIAFOURA_TIMEOUT": "20"}
    told = (("X-User-ID", USER_ID), ("X-User-NAME", NAME.encode().decode("latin-1")), ("X-User-EMAIL", EMAIL))
    get = door(Settings.from_env(environ))

    answer = get(Site(headers=(HTML, *told)), headers=BROWSER)
    get(Site(headers=(HTML, ("X-User-ID", ""))), headers={**BROWSER, "Cookie": answer.cookie or ""})
    viafoura.wait_for("logout")

    assert viafoura.users[USER_ID].email == EMAIL
    assert answer.body != PAGE
    assert_silent_about(secrets_of(viafoura, (answer.cookie or "").partition("=")[2]), everything.texts())
    heard = {record.name.partition(".")[0] for record in everything.records}
    assert "urllib3" in heard  # so that its silence is no accident
    assert "asyncio" in heard or door is not through_asgi


@both_doors
def test_each_kind_of_line_is_logged_once_a_minute_at_most(
    door: Door, stands: Stands, viafoura: Overheard, everything: Everything
) -> None:
    """However much fails within a minute, nobody's log is flooded; a minute later it is told again."""
    stand = stands(door, 0.05)
    cookie = stand.page_in_the_end("ann").cookie or ""
    for fault in TABLE:
        stand.strike("all", fault)
        for number in range(3):
            stand.page(f"{fault} {number}")
        stand.page(None, cookie)
        viafoura.heal()
        stand.settle()
    assert stand.clock.now < 1_000_060.0
    within_a_minute = everything.lines()
    assert within_a_minute
    assert set(within_a_minute.values()) == {1}

    stand.clock.pass_(7200.0)
    viafoura.fail("all", Fault.status(500))
    stand.page("late")  # the probe
    stand.settle()
    assert max(everything.lines().values()) == 2


@matrix
@pytest.mark.parametrize("kind", ["token", "login", "logout"])
@every_fault
def test_exceptions_say_nothing_personal(viafoura: Overheard, everything: Everything, kind: str, fault: str) -> None:
    """What the client raises, and whatever hangs on it, has no secret and no detail in text, arguments or trace."""
    client = Viafoura(
        site_id=SITE_ID, api_key=API_KEY, api_url=viafoura.url, token_url=f"{viafoura.url}/oauth2/token", timeout=1.0
    )
    user = User(USER_ID, NAME, EMAIL)
    texts = []
    session = client.login(user)
    if kind == "token":
        viafoura.expire_tokens()
    if fault != EXPIRED:
        make = TABLE[fault][0]
        assert make is not None
        viafoura.fail(kind, make())  # type: ignore[arg-type]
    for call in (partial(client.login, user, limit=0.2), partial(client.logout, session.id, limit=0.2)):
        try:
            texts.append(repr(call()))
        except ViafouraError as error:
            texts += [*_told_by(error), *traceback.format_exception(error)]

    assert_silent_about(
        secrets_of(viafoura), iter([*texts, repr(client), repr(session), repr(user), *everything.texts()])
    )


def _told_by(error: BaseException | None) -> list[str]:
    if error is None:
        return []
    own = [str(error), repr(error), repr(error.args), repr(vars(error))]
    return [*own, *_told_by(error.__cause__), *_told_by(error.__context__)]


@both_doors
def test_of_a_foreign_exception_only_its_type_is_logged(
    door: Door, stands: Stands, viafoura: Overheard, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever raises what nobody has foreseen, its text stays where it is."""

    def login(_: Viafoura, user: User, *, limit: float | None = None) -> None:
        raise LookupError(user.id, API_KEY)

    monkeypatch.setattr(Viafoura, "login", login)
    stand = stands(door, 20.0)

    stand.assert_untouched(stand.page(USER_ID))
    stand.settle()

    assert "LookupError" in "\n".join(record.getMessage() for record in everything.records)
    assert_silent_about(secrets_of(viafoura), everything.texts())
