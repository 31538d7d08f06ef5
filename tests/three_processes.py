"""Sign-out and in over three processes, in random order: ``python -m tests.three_processes [--times 1000]``.

The samples' own sites are served as their users serve them, by gunicorn or uvicorn with three workers. Browsers, each
with a reader of its own, read the page, sign out, and sign in again, on a new connection each time, so that any worker
may answer. No page may carry a session that had ended when it was asked for, or another reader's.

Exit code 1, with the first violations, if one did.
"""

import argparse
import itertools
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.servers import ROOT, Answer, Browser, Running, serving
from viafoura_mw.testing import SimulatedViafoura

PROCESSES: Final = 3
BROWSERS: Final = 6  # at one time
BY_PATH: Final = {"VIAFOURA_LOGOUT_PATHS": "/sign-out"}


@dataclass(frozen=True)
class Site:
    """A sample that three processes serve.

    ``reader``: from a number to what the sign-in form takes. ``ids``: the readers' ids, where there are few of them.
    ``cycles``: sign-outs after which a browser is another one, with another reader and no cookies.
    """

    sample: str
    command: Callable[[int], list[str]]
    reader: Callable[[int], str] = "reader{}".format
    ids: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    cycles: int = 2


def _gunicorn(port: int) -> list[str]:
    return ["gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(PROCESSES), "viafoura_mw.wsgi"]


def _uvicorn(port: int) -> list[str]:
    return ["uvicorn", "--port", str(port), "--workers", str(PROCESSES), "viafoura_mw.asgi:app"]


#: The first two sign out by a page without its reader, of which only a browser's first ones within a minute count; the
#: others by the sign-out's own path. The last has but two readers, each in one browser for ever: more logins than are
#: made for one user in a minute are due.
SITES: Final = {
    "gunicorn": Site("flask-gunicorn", _gunicorn),
    "uvicorn": Site("starlette-uvicorn", _uvicorn),
    "gunicorn, by path": Site("flask-gunicorn", _gunicorn, environ=BY_PATH, cycles=10),
    "uvicorn, by path": Site("starlette-uvicorn", _uvicorn, environ=BY_PATH, cycles=10),
    "uvicorn, two readers": Site(
        "fastapi-uvicorn",
        _uvicorn,
        lambda number: ("ann", "bob")[number % 2],
        {"ann": "17", "bob": "42"},
        BY_PATH,
        cycles=10**9,
    ),
}


class Trial:
    """Browsers at one site. ``figures`` and ``violations`` tell what they saw."""

    def __init__(self, name: str, running: Running, viafoura: SimulatedViafoura, times: int, seed: int) -> None:
        self.name = name
        self.figures: Counter[str] = Counter()
        self.violations: list[str] = []
        self._site = SITES[name]
        self._running = running
        self._viafoura = viafoura
        self._seed = seed
        self._lock = threading.Lock()
        self._turns = iter(range(times))
        self._readers = itertools.count()

    def run(self) -> None:
        """Let the browsers do their work at one time; one of each reader, where there are few."""
        threads = [
            threading.Thread(target=self._browse, args=(random.Random(f"{self._seed} {number}"),))
            for number in range(len(self._site.ids) or BROWSERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _browse(self, dice: random.Random) -> None:
        is_on = True
        while is_on:
            reader = self._site.reader(next(self._readers))
            with Browser(self._running.port, closes=True) as browser:
                visits = _Visits(self, browser, reader)
                for _ in range(self._site.cycles):
                    is_on = self._has_turn()
                    if not is_on:
                        break
                    visits.sign_in()
                    visits.read(dice.randrange(1, 4))
                    visits.sign_out()
                    visits.read(dice.randrange(3))

    def _has_turn(self) -> bool:
        with self._lock:
            return next(self._turns, None) is not None

    def count(self, what: str) -> None:
        """Note what has happened."""
        with self._lock:
            self.figures[what] += 1

    def judge(self, session: str, user_id: int, reader: str, ended: set[str]) -> None:
        """Judge the pair that a page has."""
        if session in ended:
            self.violations.append(f"{self.name}: {reader} got an ended session")
        elif self._viafoura.sessions.get(session) != user_id:
            self.violations.append(f"{self.name}: {reader} got a session that is not live, or not theirs")
        if self._viafoura.users[self._site.ids.get(reader, reader)].user_id != user_id:
            self.violations.append(f"{self.name}: {reader} got another's session")

    def lines(self) -> Iterator[str]:
        """What happened."""
        for name, number in sorted(self.figures.items()):
            yield f"{self.name:22} {name:40} {number}"
        for kind in ("login", "logout"):
            yield f"{self.name:22} {kind + ' calls':40} {self._viafoura.count(kind)}"


class _Visits:
    """One browser's visits to the site."""

    def __init__(self, trial: Trial, browser: Browser, reader: str) -> None:
        self._trial = trial
        self._browser = browser
        self._reader = reader
        self._is_in = False
        self._seen: set[str] = set()
        self._ended: set[str] = set()

    def sign_in(self) -> None:
        assert self._browser.post("/sign-in", reader=self._reader).status == 303
        self._is_in = True

    def sign_out(self) -> None:
        """Sign out; on the way our cookie may become *ended*."""
        self._is_in = False
        self._trial.count("sign-outs")
        answer = self._browser.post("/sign-out")
        assert answer.status == 303
        self._note(answer)

    def read(self, pages: int) -> None:
        """Read so many pages, and judge what they carry."""
        for _ in range(pages):
            answer = self._browser.get()
            if not self._is_in:
                self._note(answer)
                if answer.pair:
                    self._trial.violations.append(f"{self._trial.name}: nobody got a session")
                continue
            self._trial.count("pages with a session" if answer.pair else "pages without their session")
            if answer.pair:
                user_id, session = answer.pair
                self._trial.judge(session, int(user_id), self._reader, self._ended)
                self._seen.add(session)

    def _note(self, answer: Answer) -> None:
        """Note the sessions that ended, if this answer to nobody's request made the cookie *ended*."""
        ours = [cookie for cookie in answer.all("set-cookie") if cookie.startswith("viafoura_mw=")]
        if any("Max-Age=60" in cookie for cookie in ours):
            self._trial.count("sessions ended")
            self._ended |= self._seen


@contextmanager
def trial(name: str, times: int, seed: int = 1) -> Iterator[Trial]:
    """A trial with a Viafoura and three processes of its own."""
    site = SITES[name]
    folder: Path = ROOT / "samples" / site.sample
    with SimulatedViafoura() as viafoura:
        environ = {**viafoura.environ(), **site.environ, "VIAFOURA_APP": "gazette:app", "PYTHONPATH": str(ROOT)}
        with serving(lambda port, _: site.command(port), environ, cwd=folder) as running:
            yield Trial(name, running, viafoura, times, seed)


def main() -> int:
    """Run all trials one after the other from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.three_processes", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--times", type=int, default=1000, help="sign-outs in each trial")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    violations = []
    for name in SITES:
        with trial(name, options.times, options.seed) as made:
            made.run()
            print(*made.lines(), sep="\n", flush=True)
        violations += made.violations
    print(f"violations: {len(violations)}", *violations[:20], sep="\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
