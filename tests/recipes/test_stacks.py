"""Each recipe of ``.docs/recipes.md``, on the real library: started by its line, set up by its variables alone."""

from pathlib import Path

import pytest

from tests.recipes.stacks import (
    BASIC,
    Stack,
    by_basic,
    by_form,
    by_path,
    by_protected_form,
    by_tracs_form,
    expect_in_and_out,
    started,
)
from tests.support.recipes import RECIPES
from tests.support.servers import Browser
from viafoura_mw.testing import SimulatedViafoura

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
    "A user in the scope": Stack("blacksheep_scope", ("blacksheep", "uvicorn")),
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
        ("00000000-0000-0000-0000-000000000007", "Ann", "ann@site.example"),
        sign_in=by_form("/auth/jwt/login", username="ann@site.example", password="secret"),
        sign_out=by_form("/auth/jwt/logout"),
        code="strategy.py",
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


@pytest.mark.parametrize("title", STACKS)
def test_signs_its_user_in_and_out(title: str, viafoura: SimulatedViafoura, tmp_path: Path) -> None:
    """As the recipe says: with id, name and e-mail address; one login; what is no page, and what a visitor gets, is the
    bare site's, header for header; nothing is written, and nothing more read for what is no page."""
    stack = STACKS[title]
    stack.needed()
    expect_in_and_out(title, stack, viafoura, tmp_path)


def test_every_recipe_is_run() -> None:
    """No stack is told of and not tried, and none is tried and not told of."""
    elsewhere = {"Plone", "Trac with AccountManager"}  # by .ci/frameworks
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
