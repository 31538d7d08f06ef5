"""SQLAdmin beside a FastAPI site: its backend keeps the member of staff in the session; its front page has the tag."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqladmin import Admin, BaseView, expose
from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import create_engine, event

from tests.recipes.common import ANN, COUNTED, TAG, count_sql

templates = Path(__file__).with_name("templates") / "sqladmin"
templates.mkdir(parents=True, exist_ok=True)
(templates / "index.html").write_text(
    '{% extends "sqladmin/layout.html" %}{% block content %}' + TAG + "{% endblock %}"
)


class Backend(AuthenticationBackend):
    async def login(self, request: Any) -> bool:
        form = await request.form()
        request.session["user"] = ANN
        return bool(form["password"] == "secret")

    async def logout(self, request: Any) -> bool:
        request.session.clear()
        return True

    async def authenticate(self, request: Any) -> bool:
        return "user" in request.session


class Json(BaseView):
    name = "JSON"

    @expose("/json", methods=["GET"])
    async def data(self, request: Any) -> JSONResponse:
        return JSONResponse({"text": TAG})


app = FastAPI()


@app.get("/seen")
def seen() -> dict[str, int]:
    return dict(COUNTED)


engine = create_engine("sqlite://")
event.listen(engine, "before_cursor_execute", lambda *args: count_sql(args[2]))
for base_url in ("/admin", "/bare/admin"):
    admin = Admin(
        app,
        engine,
        base_url=base_url,
        authentication_backend=Backend(secret_key="secret"),
        templates_dir=str(templates.parent),
    )
    admin.add_view(Json)
