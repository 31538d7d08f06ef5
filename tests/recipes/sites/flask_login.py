"""Flask-Login, whose users come from a store."""

import flask
from flask_login import LoginManager, UserMixin, login_user, logout_user

from tests.recipes.common import COUNTED, TAG


class Reader(UserMixin):
    id, name, email = 7, "Ann", "ann@site.example"


app = flask.Flask(__name__)
app.secret_key = "secret"
manager = LoginManager(app)


@manager.user_loader
def load_user(user_id: str) -> Reader:
    COUNTED["reads"] += 1
    return Reader()


@app.get("/in")
def sign_in() -> str:
    login_user(Reader())
    return "in"


@app.get("/out")
def sign_out() -> str:
    logout_user()
    return "out"


for path in ("", "/bare"):
    app.add_url_rule(f"{path}/", f"{path} page", lambda: TAG)
    app.add_url_rule(f"{path}/json", f"{path} json", lambda: {"text": TAG})
app.add_url_rule("/seen", "seen", lambda: dict(COUNTED))
