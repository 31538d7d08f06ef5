"""Flask's tutorial: the session has the user's id, and the user is loaded into ``g`` before each request."""

import flask

from tests.recipes.common import COUNTED, TAG

app = flask.Flask(__name__)
app.secret_key = "secret"
USERS = {7: {"id": 7, "username": "Ann", "email": "ann@site.example"}}


@app.before_request
def load_logged_in_user() -> None:
    user_id = flask.session.get("user_id")
    if user_id is None:
        flask.g.user = None
    else:
        COUNTED["reads"] += 1
        flask.g.user = USERS[user_id]


@app.get("/in")
def login() -> str:
    flask.session.clear()
    flask.session["user_id"] = 7
    return "in"


@app.get("/out")
def logout() -> str:
    flask.session.clear()
    return "out"


for path in ("", "/bare"):
    app.add_url_rule(f"{path}/", f"{path} page", lambda: TAG)
    app.add_url_rule(f"{path}/json", f"{path} json", lambda: {"text": TAG})


@app.get("/seen")
def seen() -> dict[str, int]:
    COUNTED["reads"] -= flask.g.user is not None
    return dict(COUNTED)
