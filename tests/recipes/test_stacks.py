"""Each recipe of ``.docs/recipes.md``, on the real library: started by its line, set up by its variables alone."""

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
    ``code``: where the recipe's own code belongs.
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

    def needed(self) -> None:
        """Skip the test where a library is not installed; none is imported, for other tests to find it here."""
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"{module} is not installed")

    def is_for_visitors(self, answer: Answer) -> bool:
        """Whether that is what a visitor gets: a page without a session."""
        return answer.pair is None if self.has_page_for_visitors else answer.status == 302


ANN_7 = ("7", "Ann", "ann@site.example")
STACKS = {
    "Flask's session": Stack("flask_session", ("flask", "gunicorn")),
    "Flask's `g`": Stack("flask_g", ("flask", "gunicorn"), ANN_7),
    "Flask-Login": Stack("flask_login", ("flask_login", "gunicorn"), ANN_7, reads=1),
    "Flask-Security": Stack("flask_security", ("flask_security", "sqlalchemy", "gunicorn"), ANN_7, reads=2),
    "Bottle with Beaker": Stack("bottle_beaker", ("bottle", "beaker", "gunicorn")),
    "CherryPy's session": Stack("cherrypy_session", ("cherrypy", "gunicorn")),
    "CherryPy's authentication tools": Stack(
        "cherrypy_login",
        ("cherrypy", "gunicorn"),
        ("ann", "ann", None),
        sign_in=by_form("/do_login", username="ann", password="secret", from_page="/json"),
        sign_out=by_form("/do_logout", from_page="/json"),
    ),
    "Pyramid": Stack("pyramid_policy", ("pyramid", "waitress"), ANN_7, reads=1),
    "TurboGears": Stack(
        "turbogears",
        ("tg", "repoze.who", "waitress"),
        sign_in=by_form("/login_handler", login="ann", password="secret"),
        sign_out=by_path("/logout_handler"),
        reads=1,
    ),
    "Trac": Stack(
        "trac_site",
        ("trac", "gunicorn"),
        ("ann", "ann", None),
        sign_in=lambda browser: browser.always.update(Authorization=BASIC),
        sign_out=lambda browser: browser.always.clear(),
    ),
    "Trac with its own sign-in": Stack(
        "trac_own",
        ("trac",),
        ("ann", "Änn Łee", "ann@site.example"),
        sign_in=by_basic("/login"),
        sign_out=by_tracs_form("/logout"),
        place="make.py",
        makes=True,
        code="trac/plugins/site_user.py",
    ),
    "A header of the response": Stack("any_wsgi", ("gunicorn",)),
    "Zope": Stack(
        "zope_site",
        ("Zope2", "waitress"),
        ("ann", "ann", None),
        sign_in=lambda browser: browser.always.update(Authorization=BASIC),
        sign_out=lambda browser: browser.always.clear(),
    ),
    "Django": Stack("django_user", ("django", "gunicorn"), ANN_7, reads=2),
    "Django's session": Stack("django_user", ("django", "gunicorn"), reads=1),
    "Wagtail": Stack("wagtail_site", ("wagtail", "gunicorn"), ANN_7, reads=2),
    "django-allauth with django-hijack": Stack(
        "allauth_hijack",
        ("allauth", "hijack", "gunicorn"),
        ANN_7,
        sign_in=by_protected_form("/accounts/login/", login="ann", password="secret"),
        sign_out=by_protected_form("/accounts/logout/"),
        reads=2,
    ),
    "Starlette's AuthenticationMiddleware": Stack("starlette_user", ("starlette", "uvicorn"), ANN_7),
    "Starlette's session": Stack("starlette_session", ("starlette", "uvicorn")),
    "FastAPI with `request.state.user`": Stack("fastapi_state", ("fastapi", "uvicorn")),
    "FastAPI with a token in a cookie": Stack("fastapi_token", ("fastapi", "jwt", "uvicorn")),
    "fastapi-users": Stack(
        "fastapi_users_site",
        ("fastapi_users", "fastapi_users_db_sqlalchemy", "aiosqlite", "uvicorn"),
        ("00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000007", None),
        sign_in=by_form("/auth/jwt/login", username="ann@site.example", password="secret"),
        sign_out=by_form("/auth/jwt/logout"),
    ),
    "Litestar": Stack("litestar_jwt", ("litestar", "jwt", "uvicorn"), sign_out=by_form("/out")),
    "Quart's session": Stack("quart_session", ("quart", "uvicorn")),
    "Quart-Auth": Stack("quart_auth_site", ("quart_auth", "uvicorn")),
    "SQLAdmin": Stack(
        "sqladmin_site",
        ("sqladmin", "uvicorn"),
        sign_in=by_form("/admin/login", username="ann", password="secret"),
        sign_out=by_path("/admin/logout"),
        page="/admin/",
        data="/admin/json",
        has_page_for_visitors=False,
    ),
    "Datasette": Stack("datasette_site", ("datasette", "uvicorn"), place="plugins/news.py"),
    "Sanic with a token": Stack("sanic_token", ("sanic", "jwt", "uvicorn")),
}


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
        (folder / stack.code).write_text(recipe.code)
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


@pytest.mark.parametrize("title", STACKS)
def test_signs_its_user_in_and_out(title: str, viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """As the recipe says: with id, name and e-mail address; one login; what is no page, and what a visitor gets, is the
    bare site's, header for header; nothing is written, and nothing more read for what is no page."""
    stack = STACKS[title]
    stack.needed()
    expect_in_and_out(title, stack, viafoura, tmp_path)


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


def test_every_recipe_is_run() -> None:
    """No stack is told of and not tried, and none is tried and not told of."""
    elsewhere = {"Plone"}  # by .ci/frameworks
    assert {*STACKS} == {title for title, recipe in RECIPES.items() if recipe.line} - elsewhere


def test_a_member_of_staff_is_nobody_else_at_viafoura(viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """While django-hijack lets Ann use the site as Bob, neither is signed in to Viafoura, and nobody is logged out."""
    title = "django-allauth with django-hijack"
    stack = STACKS[title]
    stack.needed()
    with started(title, stack, viafoura, tmp_path) as running, Browser(running.port, closes=True) as browser:
        stack.sign_in(browser)
        own = browser.get("/").pair
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post("/hijack/acquire/", user_pk="8", **token).status == 302
        meanwhile = browser.get("/").pair
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post("/hijack/release/", **token).status == 302
        after = browser.get("/").pair
    assert (meanwhile, after) == (None, own)
    assert own is not None
    assert (viafoura.count("login"), viafoura.count("logout")) == (1, 0)
