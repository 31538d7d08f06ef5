"""Quart's session."""

import quart

from tests.recipes.common import ANN, COUNTED, TAG

app = quart.Quart(__name__)
app.secret_key = "secret"


@app.get("/in")
async def sign_in() -> str:
    quart.session["user"] = ANN
    return "in"


@app.get("/out")
async def sign_out() -> str:
    quart.session.clear()
    return "out"


for path in ("", "/bare"):
    app.add_url_rule(f"{path}/", f"{path} page", lambda: TAG)
    app.add_url_rule(f"{path}/json", f"{path} json", lambda: {"text": TAG})
app.add_url_rule("/seen", "seen", lambda: dict(COUNTED))
