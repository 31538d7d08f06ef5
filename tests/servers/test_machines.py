"""Several processes as several machines, behind a round-robin: they share the environment, and nothing else."""

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.doors import Get, Site, both_doors
from tests.support.servers import SERVERS, Answer, Browser, Running, Server
from viafoura_mw import Settings
from viafoura_mw.runtime import cookie_of
from viafoura_mw.testing import SimulatedViafoura

READERS = 24
MACHINES = tuple(server for server in SERVERS if server.name in ("waitress", "gunicorn gthread", "uvicorn"))
APPS = {"wsgi": "tests.sites.plain_wsgi:application", "asgi": "tests.sites.plain_asgi:application"}

#: One user for both doors: the sites behind them tell the same of a reader.
SAME_USER = {
    "VIAFOURA_USER_ID": "environ:REMOTE_USER|scope:user/id",
    "VIAFOURA_USER_NAME": "environ:REMOTE_USER|scope:user/id",
    "VIAFOURA_USER_EMAIL": "environ:NO_EMAIL|scope:user/no_email",
}

pytestmark = [
    pytest.mark.skipif(bool(server.missing), reason=f"{server.name}: {server.missing}") for server in MACHINES
]


@dataclass
class Fleet:
    """Machines that come and go; ``secrets`` is what each is started with from now on."""

    viafoura: SimulatedViafoura
    stack: contextlib.ExitStack
    secrets: str = "the fleet's first secret"
    machines: list[tuple[Server, Running]] = field(default_factory=list)

    def start(self, server: Server) -> None:
        """Start one more machine."""
        environ = {
            **self.viafoura.environ(),
            **SAME_USER,
            "VIAFOURA_APP": APPS[server.door],
            "VIAFOURA_TIMEOUT": "20",
            "VIAFOURA_COOKIE_SECRET": self.secrets,
        }
        machine = self.stack.enter_context(server.serving(f"viafoura_mw.{server.door}", environ))
        self.machines.append((server, machine))

    def kill(self, number: int) -> Server:
        """End a machine as a power cut does."""
        server, running = self.machines.pop(number)
        os.kill(running.process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)  # workers of its own
        running.process.wait(20)
        return server

    def replace_each(self) -> Iterator[None]:
        """Restart one machine after the other; stops after each."""
        for _ in range(len(self.machines)):
            server, running = self.machines.pop(0)
            running.end()
            self.start(server)
            yield


class Balancer:
    """Sends each request of any reader to the next machine."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._turn = itertools.count()
        self._cookies: dict[int, dict[str, str]] = {}

    def page(self, reader: int) -> Answer:
        """A page for a reader, from whichever machine has its turn."""
        cookies = self._cookies.setdefault(reader, {"reader": str(reader)})
        _, machine = self._fleet.machines[next(self._turn) % len(self._fleet.machines)]
        with Browser(machine.port, cookies=cookies) as browser:
            return browser.get("/")

    def round(self, readers: range) -> list[tuple[str, str] | None]:
        """A page for each reader, from every machine in turn."""
        pairs = []
        for reader in readers:
            pair, *others = [self.page(reader).pair for _ in self._fleet.machines]
            assert all(other == pair for other in others)  # one session everywhere
            pairs.append(pair)
            next(self._turn)  # the next one comes to another machine first
        return pairs


@pytest.fixture
def fleet(viafoura: SimulatedViafoura) -> Iterator[Fleet]:
    """Three machines."""
    with contextlib.ExitStack() as stack:
        fleet = Fleet(viafoura, stack)
        for server in MACHINES:
            fleet.start(server)
        yield fleet


@both_doors
def test_who_comes_back_is_given_no_session_that_another_machine_has_ended(
    door: Callable[[Settings | None], Get], settings: Settings, viafoura: SimulatedViafoura
) -> None:
    """Not even where a site's own cookie outlasts its users, so that only ours tells that there was another between."""
    one, other = door(settings), door(settings)
    cookie, sessions = "", []
    for user, machine in (("ann", one), ("ben", other), ("ann", one)):
        asked = {"Accept": "text/html", "Cookie": f"site=1; {cookie}"}
        answer = machine(Site(user=user), headers=asked)
        assert machine(Site(user=user), headers=asked).body == answer.body  # asked for at the same time: handed off
        cookie = answer.cookie or ""
        (sealed,) = cookie_of(settings).find(cookie).sessions
        sessions.append(sealed.session.id)
    viafoura.wait_for("logout", 2)

    assert len(set(sessions)) == 3
    assert viafoura.count("login") == 3


def test_each_user_is_logged_in_once_over_all_machines(fleet: Fleet, viafoura: SimulatedViafoura) -> None:
    """Whichever machine serves a page, it carries its user's one session; a machine costs one access token."""
    balancer = Balancer(fleet)

    pairs = balancer.round(range(1, READERS + 1))

    assert viafoura.count("login") == READERS
    assert viafoura.count("token") == len(MACHINES)
    users = {user.user_id: user.id for user in viafoura.users.values()}
    assert [users[int(pair[0])] for pair in pairs if pair] == [str(1000 + n) for n in range(1, READERS + 1)]
    assert all(pair and viafoura.sessions[pair[1]] == int(pair[0]) for pair in pairs)


def test_losing_a_machine_logs_nobody_in_anew(fleet: Fleet, viafoura: SimulatedViafoura) -> None:
    """``kill -9`` loses no session, nor does a new machine in its place."""
    balancer, readers = Balancer(fleet), range(1, READERS + 1)
    before = balancer.round(readers)
    viafoura.clear_calls()

    lost = fleet.kill(0)
    after = balancer.round(readers)
    fleet.start(lost)
    later = balancer.round(readers)

    assert before == after == later
    assert viafoura.calls == ()


def test_a_deploy_logs_nobody_in_anew(fleet: Fleet, viafoura: SimulatedViafoura) -> None:
    """A rolling restart makes no call for those who are signed in."""
    balancer, readers = Balancer(fleet), range(1, READERS + 1)
    before = balancer.round(readers)
    viafoura.clear_calls()

    for _ in fleet.replace_each():
        assert balancer.round(readers) == before

    assert viafoura.calls == ()


def test_rotating_the_secret_logs_nobody_in_anew(fleet: Fleet, viafoura: SimulatedViafoura) -> None:
    """First every machine learns to open with the new secret, then every one seals with it; who comes meanwhile too."""
    balancer, readers = Balancer(fleet), range(1, 5)
    balancer.round(readers)

    for secrets in ("the fleet's first secret,the fleet's second", "the fleet's second,the fleet's first secret"):
        fleet.secrets = secrets
        for _ in fleet.replace_each():
            readers = range(1, len(readers) + 3)  # two more, whose first page may come from any machine
            balancer.round(readers)

    assert viafoura.count("login") == len(readers)


def test_dropping_a_secret_costs_one_login_for_each_cookie_that_it_sealed(
    fleet: Fleet, viafoura: SimulatedViafoura
) -> None:
    """Whose cookie no machine can open any more is logged in once, and no more."""
    balancer, readers = Balancer(fleet), range(1, 7)
    balancer.round(readers)

    fleet.secrets = "another secret altogether"
    for _ in fleet.replace_each():
        pass
    balancer.round(readers)

    assert viafoura.count("login") == 2 * len(readers)
