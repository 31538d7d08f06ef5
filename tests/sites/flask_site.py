"""A Flask factory with Flask-Login."""

from typing import Any

from flask import Flask, Response, redirect, request
from flask_login import LoginManager, UserMixin, current_user, login_user

from tests.sites import news


class User(UserMixin):
    """A reader as Flask-Login has them."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.reader = news.Reader(int(number))
        self.name, self.email = self.reader.name, self.reader.email

    def get_id(self) -> str:
        return self.reader.id


def create_app() -> Flask:
    """Make the site."""
    app = Flask(__name__, static_folder=None)
    app.secret_key = "the-gazette's-own-secret"
    login_manager = LoginManager(app)

    @login_manager.user_loader
    def load_user(user_id: str) -> User:
        return User(str(int(user_id) - 1000))

    def reader() -> news.Reader | None:
        return current_user.reader if current_user.is_authenticated else None

    def conditional(body: bytes, media_type: str) -> Response:
        response = Response(body, content_type=media_type)
        response.add_etag()
        response.make_conditional(request)
        return response

    @app.get("/")
    def front_page() -> Response:
        return conditional(news.page(reader()), news.HTML)

    @app.get("/style.css")
    def style() -> Response:
        return conditional(news.STYLE, "text/css")

    @app.get("/live")
    def live() -> Response:
        return Response(iter(news.pieces(news.page(reader()))), content_type=news.HTML)

    @app.post("/sign-in")
    def sign_in() -> Any:
        login_user(User(request.form["reader"]))
        return redirect("/", 303)

    @app.post("/echo")
    def echo() -> Response:
        return Response(request.get_data(), content_type=request.content_type)

    return app
