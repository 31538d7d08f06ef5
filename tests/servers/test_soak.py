"""Short soaks, bounded by their pages: many browsers at once, hostile users beside others, and three processes."""

import time
from typing import Any

import pytest

from tests import three_processes, two_sites
from tests.hostile import LOGINS, MALLORY, Browser, Door, trial, trials
from tests.soak import Soak
from viafoura_mw.testing import Fault, SimulatedViafoura

OTHERS = 50
both_doors = pytest.mark.parametrize("door", ["WSGI", "ASGI"])


@pytest.mark.parametrize("seed", [1, 2])
def test_every_page_is_complete_and_carries_its_own_user_s_session(seed: int) -> None:
    """No page is lost or carries another's or an ended session, and nothing is left behind."""
    soak = Soak(pages=3000, seconds=None, seed=seed, threads=8, tasks=60)

    soak.run(lambda _: None)

    assert soak.figures.violations == []
    assert soak.figures.counts["pages with a pair"] > 300


@pytest.mark.parametrize(("door", "hostile"), trials())
def test_one_user_costs_others_nothing(door: str, hostile: str) -> None:
    """All others get their session, and again when they have left; Viafoura hears little of who does their worst."""
    with trial(door, hostile) as made:
        for _ in range(OTHERS):
            made.attack(8)
            made.serve_one()

    assert made.violations == []
    assert made.figures["others served"] == made.figures["others served again"] == OTHERS
    assert made.figures["hostile logins"] <= LOGINS
    assert made.figures["tokens"] <= 2


@both_doors
def test_a_site_that_shows_its_user_on_every_second_page_costs_two_logins_and_a_logout(
    door: str, viafoura: SimulatedViafoura
) -> None:
    """In 100 pages of one user: the first page without them is a sign-out, the later ones are believed no more."""
    site = Door(door, viafoura.environ())
    browser = Browser(site)

    pairs = [browser.get(MALLORY if number % 2 == 0 else None).pair for number in range(100)]

    site.close()
    viafoura.wait_for("logout")
    assert [pair is not None for pair in pairs] == [True, False] * 50
    assert len(set(pairs)) == 3  # of the first page, of all later ones, and none
    assert (viafoura.count("login"), viafoura.count("logout")) == (2, 1)


@both_doors
def test_a_login_that_is_late_serves_a_later_page_whatever_the_site_s_cookies_do(
    door: str, viafoura: SimulatedViafoura
) -> None:
    """Viafoura is slower than a page may wait, and every response brings the browser other cookies of the site's.

    The users are as few as do not yet show that Viafoura fails.
    """
    viafoura.fail("login", Fault.delay(0.4))
    site = Door(door, viafoura.environ(), timeout=0.1)
    browsers = {f"user{number}": Browser(site) for number in range(3)}
    first = [browser.get(user).pair for user, browser in browsers.items()]
    until = time.monotonic() + 60
    sessions: dict[Any, Any] = {}

    while len(sessions) < len(browsers) and time.monotonic() < until:
        sessions |= {user: pair for user, browser in browsers.items() if (pair := browser.get(user).pair)}

    site.close()
    assert first == [None] * len(browsers)
    assert {user: pair[0] for user, pair in sessions.items()} == {
        user: account.user_id for user, account in viafoura.users.items()
    }
    assert viafoura.count("login") == len(browsers)


@pytest.mark.parametrize("name", three_processes.SITES)
def test_who_signs_out_and_in_again_never_gets_the_ended_session_back(name: str) -> None:
    """Whichever of three processes answers."""
    with three_processes.trial(name, times=60) as made:
        made.run()

    assert made.violations == []
    assert made.figures["sign-outs"] == 60
    assert made.figures["sessions ended"] >= 10


def test_users_of_two_sites_on_three_processes_get_their_own_sessions_alone() -> None:
    """Beside hostile ones; a login for each who is due one, and no cookie is valid at the other site."""
    with two_sites.soak("gunicorn", processes=3, users=60, seconds=60.0, pace=20.0) as made:
        made.run(threads=8)
        logins = sum(call.kind == "login" for site in made.sites for call in site.viafoura.calls)

    assert made.violations == []
    assert made.figures["users"] == 60
    assert made.figures["cookies brought to the other site"] >= 3
    assert made.figures["sign-outs"] >= 5
    due = made.figures["sign-ins served"] + made.figures["pages that were left"]
    assert logins <= due + 2 * 2 * 3 * LOGINS  # two hostile users at two sites, in three processes
