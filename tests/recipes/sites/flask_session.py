"""Flask's session, in which a view keeps the user."""

import flask

from tests.recipes.common import ANN, COUNTED, TAG

app = flask.Flask(__name__)
app.secret_key = "secret"


@app.get("/in")
def sign_in() -> str:
    flask.session["user"] = ANN
    return "in"


@app.get("/out")
def sign_out() -> str:
    flask.session.pop("user", None)
    return "out"


for path in ("", "/bare"):
    app.add_url_rule(f"{path}/", f"{path} page", lambda: TAG)
    app.add_url_rule(f"{path}/json", f"{path} json", lambda: {"text": TAG})
app.add_url_rule("/seen", "seen", lambda: dict(COUNTED))
