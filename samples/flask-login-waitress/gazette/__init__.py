"""The Gazette as a Flask factory, its readers by Flask-Login."""

from flask import Flask, abort, redirect, render_template, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user


class Reader(UserMixin):
    def __init__(self, id, name, email, password):
        self.id, self.name, self.email, self.password = id, name, email, password


READERS = {
    reader.id: reader
    for reader in (
        Reader("r-17", "Ann Lee", "ann@gazette.example", "apple"),
        Reader("r-42", "Bob Hill", "bob@gazette.example", "banana"),
    )
}


def create_app():
    app = Flask(__name__)
    app.secret_key = "the-gazette's-own-secret"
    login_manager = LoginManager(app)
    login_manager.user_loader(READERS.get)

    @app.get("/")
    def front_page():
        return render_template("front.html", reader=current_user)

    @app.post("/sign-in")
    def sign_in():
        for reader in READERS.values():
            if (request.form["email"], request.form["password"]) == (reader.email, reader.password):
                login_user(reader)
                return redirect("/", 303)
        return abort(403)

    @app.post("/sign-out")
    def sign_out():
        logout_user()
        return redirect("/", 303)

    return app
