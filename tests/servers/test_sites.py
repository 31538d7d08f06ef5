"""Two sites in one process of a real server: each has its own account, and neither costs the other anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.servers import SERVERS, Browser, Running, Server
from viafoura_mw.testing import Fault, SimulatedViafoura

COURIER, GAZETTE = "www.courier.example", "news.gazette.example"
TESTED = tuple(server for server in SERVERS if server.name in ("gunicorn gthread", "uvicorn"))
TIMEOUT = 20.0  # seconds: no page that waits is let go because the machine is busy


@dataclass
class Served:
    """A server of two sites, and the Viafoura of each."""

    running: Running
    courier: SimulatedViafoura
    gazette: SimulatedViafoura

    def browser(self, host: str, reader: int | None = 1, **cookies: str) -> Browser:
        """A browser of a reader's who has signed in to the site of that host."""
        site = {"reader": str(reader)} if reader else {}
        return Browser(self.running.port, cookies=site | cookies, always={"Host": host})


@pytest.fixture(params=TESTED, ids=lambda server: server.name)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    server: Server = request.param
    if server.missing:
        pytest.skip(server.missing)
    with SimulatedViafoura(site_id="courier") as courier, SimulatedViafoura(site_id="gazette") as gazette:
        (tmp_path / "key").write_text(gazette.api_key)
        tmp_path.chmod(0o755)
        (tmp_path / "sites.toml").write_text(
            f'["{COURIER}"]\nsite_id = "courier"\napi_key = "{courier.api_key}"\napi_url = "{courier.url}"\n'
            f'["*.gazette.example"]\nsite_id = "gazette"\napi_key_file = "{tmp_path / "key"}"\n'
            f'api_url = "{gazette.url}"\n'
        )
        environ = {
            "VIAFOURA_APP": f"tests.sites.plain_{server.door}:application",
            "VIAFOURA_SITES_FILE": str(tmp_path / "sites.toml"),
            "VIAFOURA_COOKIE_SECRET": "one secret for both of them",
            "VIAFOURA_TIMEOUT": str(TIMEOUT),
        }
        with server.serving(f"viafoura_mw.{server.door}", environ) as running:
            yield Served(running, courier, gazette)


def test_each_site_has_its_own_account_and_cookie(served: Served) -> None:
    """One reader, two hosts: two sessions, each of its own site's Viafoura, each kept in its own cookie."""
    with served.browser(COURIER) as courier, served.browser(f"{GAZETTE.upper()}.:8000") as gazette:
        pairs = [browser.get().pair for browser in (courier, gazette, courier, gazette)]

    assert pairs[0] is not None
    assert pairs[1] is not None
    assert pairs[:2] == pairs[2:]
    assert [*served.courier.sessions] == [pairs[0][1]]
    assert [*served.gazette.sessions] == [pairs[1][1]]
    assert (served.courier.count("login"), served.gazette.count("login")) == (1, 1)


def test_a_cookie_of_one_is_never_valid_at_the_other(served: Served) -> None:
    """It is no session there, and ends none; the same secret seals both."""
    with served.browser(COURIER) as courier:
        first = courier.get().pair
        ours = courier.cookies["viafoura_mw"]
    with served.browser(GAZETTE, viafoura_mw=ours) as gazette:
        second = gazette.get().pair
    with served.browser(GAZETTE, None, viafoura_mw=ours) as signed_out:
        assert signed_out.get().pair is None

    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    assert served.gazette.count("login") == 1
    assert served.gazette.count("logout") == served.courier.count("logout") == 0
    with served.browser(COURIER, viafoura_mw=ours) as again:
        assert again.get().pair == first


def test_a_dead_viafoura_costs_the_other_site_nothing(served: Served) -> None:
    """While one site's logins fail until no page waits for them, each page of the other carries its session."""
    served.gazette.fail("all", Fault.refuse())
    for reader in range(1, 9):
        with served.browser(GAZETTE, reader) as gazette:
            assert gazette.get().pair is None

        with served.browser(COURIER, reader) as courier:
            assert courier.get().pair is not None
    assert served.courier.count("login") == 8
    assert "*.gazette.example: Viafoura fails" in served.running.said()
    assert f"{COURIER}: Viafoura fails" not in served.running.said()


def test_a_host_that_no_table_names_is_left_as_it_is(served: Served) -> None:
    """No session, no cookie, no call."""
    with served.browser("elsewhere.example") as elsewhere:
        answer = elsewhere.get()

    assert answer.pair is None
    assert "viafoura_mw" not in elsewhere.cookies
    assert served.courier.calls == served.gazette.calls == ()
