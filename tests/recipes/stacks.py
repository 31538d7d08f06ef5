"""A recipe's site, started by the recipe's line and set up by its variables alone, and what is seen of it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.recipes import RECIPES
from tests.support.servers import PATIENCE, ROOT, Answer, Browser, Running, serving
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.testing.service import Account

SITES = Path(__file__).with_name("sites")
#: Where a server takes its port.
PORTS: dict[str, Callable[[int], list[str]]] = {
    "gunicorn": lambda port: ["--bind", f"127.0.0.1:{port}"],
    "waitress-serve": lambda port: [f"--listen=127.0.0.1:{port}"],
    "uvicorn": lambda port: ["--port", str(port)],
}
#: What differs between two answers of any site.
PASSING = ("date", "connection")
#: What the middleware changes of a page that carries a session.
OURS = ("cache-control", "vary", "etag", "last-modified", "expires", "content-length", "transfer-encoding")

Act = Callable[[Browser], object]
BASIC = "Basic " + b64encode(b"ann:secret").decode()


def by_path(path: str) -> Act:
    return lambda browser: browser.get(path)


def by_form(path: str, **form: str) -> Act:
    return lambda browser: browser.post(path, **form)


def by_protected_form(path: str, **form: str) -> Act:
    """A form of Django's, with the token that the page before has given."""

    def act(browser: Browser) -> None:
        browser.get(path)
        assert browser.post(path, csrfmiddlewaretoken=browser.cookies["csrftoken"], **form).status == 302

    return act


def by_basic(path: str) -> Act:
    """Name and password for one path alone."""
    return lambda browser: browser.get(path, Authorization=BASIC)


def by_tracs_form(path: str) -> Act:
    return lambda browser: browser.post(path, __FORM_TOKEN=browser.cookies["trac_form_token"])


SIGN_IN, SIGN_OUT = by_path("/in"), by_path("/out")


@dataclass(frozen=True)
class Stack:
    """A recipe's site, what its libraries are, and what Viafoura is to know of its user.

    ``reads``: of the site's stores, more than its own, at most, for a page. A site without a page for visitors sends
    them to its sign-in. ``place``: where the site's file belongs; it is run there first where it ``makes`` the site.
    ``code``: where the recipe's own code belongs, or that of the recipe ``code_of``.
    """

    site: str
    needs: tuple[str, ...]
    user: tuple[str, str, str | None] = ("ann", "Ann", "ann@site.example")
    sign_in: Act = SIGN_IN
    sign_out: Act = SIGN_OUT
    reads: int = 0
    page: str = "/"
    data: str = "/json"
    has_page_for_visitors: bool = True
    place: str = "mysite.py"
    makes: bool = False
    code: str = ""
    code_of: str = ""

    def needed(self) -> None:
        """Skip the test where a library is not installed; none is imported, for other tests to find it here."""
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"{module} is not installed")

    def is_for_visitors(self, answer: Answer) -> bool:
        """Whether that is what a visitor gets: a page without a session."""
        return answer.pair is None if self.has_page_for_visitors else answer.status == 302


@contextmanager
def started(title: str, stack: Stack, viafoura: SimulatedViafoura, folder: Path) -> Iterator[Running]:
    """Serve a recipe's site by its line, with its variables."""
    recipe = RECIPES[title]
    (folder / stack.place).parent.mkdir(exist_ok=True)
    shutil.copy(SITES / f"{stack.site}.py", folder / stack.place)
    path = os.pathsep.join((str(folder), str(ROOT)))
    if stack.makes:
        environ = {**os.environ, "PYTHONPATH": path}
        subprocess.run([sys.executable, stack.place], cwd=folder, env=environ, check=True, timeout=PATIENCE)
    if stack.code:
        (folder / stack.code).write_text(RECIPES[stack.code_of or title].code)
    environ = {
        **viafoura.environ(),
        **recipe.variables,
        "VIAFOURA_EXCLUDE": "/bare*,/seen",
        "VIAFOURA_TIMEOUT": "30",
        "PYTHONPATH": path,
    }

    def command(port: int, _: Path) -> Sequence[str]:
        program, *rest = recipe.line
        if program == "viafoura-mw":
            return [sys.executable, "-m", "viafoura_mw", *rest, "--port", str(port)]
        return [program, *PORTS[program](port), *rest]

    with serving(command, environ, cwd=folder, path="/seen") as running:
        yield running


class Visit:
    """A browser at a site that counts what it reads and writes."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def cost(self, path: str) -> tuple[Answer, dict[str, int]]:
        """The answer, and what it has read and written."""
        before = self._seen()
        answer = self.browser.get(path)
        after = self._seen()
        return answer, {name: after[name] - before[name] for name in ("reads", "writes")}

    def _seen(self) -> dict[str, int]:
        seen: dict[str, int] = json.loads(self.browser.get("/seen").body)
        return seen


def shown(answer: Answer, *without: str) -> list[tuple[str, str]]:
    """An answer's headers, of its cookies the names: some are made anew for each response."""
    fields = [(name.lower(), value) for name, value in answer.headers if name.lower() not in (*PASSING, *without)]
    return sorted((name, value.partition("=")[0] if name == "set-cookie" else value) for name, value in fields)


def expect_in_and_out(title: str, stack: Stack, viafoura: SimulatedViafoura, folder: Path) -> None:
    """Serve the site of a recipe, sign its user in and out, and look at what the middleware made of that."""
    with started(title, stack, viafoura, folder) as running, Browser(running.port, closes=True) as browser:
        visit = Visit(browser)
        assert stack.is_for_visitors(browser.get(stack.page))
        assert shown(browser.get(stack.page)) == shown(browser.get(f"/bare{stack.page}"))
        stack.sign_in(browser)
        browser.get(f"/bare{stack.data}")  # what a site writes for a user's first request is its own

        (data, cost), (bare_data, bare_cost) = visit.cost(stack.data), visit.cost(f"/bare{stack.data}")
        assert not [name for name, _ in data.headers if name.lower().startswith("x-site-")]
        assert (data.body, shown(data), cost) == (bare_data.body, shown(bare_data), bare_cost), running.said()
        assert (viafoura.calls, "viafoura_mw" in browser.cookies) == ((), False)

        bare, bare_cost = visit.cost(f"/bare{stack.page}")
        first, _ = visit.cost(stack.page)
        assert first.pair is not None, running.said()
        second, cost = visit.cost(stack.page)
        assert second.pair == first.pair
        assert cost["writes"] == bare_cost["writes"]
        assert cost["reads"] <= bare_cost["reads"] + stack.reads
        assert shown(second, *OURS) == shown(bare, *OURS)
        (account,) = viafoura.users.values()
        assert account == Account(*stack.user, account.user_id)

        stack.sign_out(browser)
        assert stack.is_for_visitors(browser.get(stack.page))
        viafoura.wait_for("logout")
        assert (viafoura.count("login"), viafoura.sessions) == (1, {})
