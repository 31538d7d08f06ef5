"""Quart-Auth, whose user class has a name and an e-mail address of the site's own."""

import quart
from quart_auth import AuthUser, QuartAuth, login_user, logout_user

from tests.recipes.common import COUNTED, TAG


class Reader(AuthUser):
    name, email = "Ann", "ann@site.example"


app = quart.Quart(__name__)
app.secret_key = "secret"
app.config["QUART_AUTH_COOKIE_SECURE"] = False
QuartAuth(app, user_class=Reader)


@app.get("/in")
async def sign_in() -> str:
    login_user(Reader("ann"))
    return "in"


@app.get("/out")
async def sign_out() -> str:
    logout_user()
    return "out"


for path in ("", "/bare"):
    app.add_url_rule(f"{path}/", f"{path} page", lambda: TAG)
    app.add_url_rule(f"{path}/json", f"{path} json", lambda: {"text": TAG})
app.add_url_rule("/seen", "seen", lambda: dict(COUNTED))
