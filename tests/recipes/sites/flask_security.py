"""Flask-Security over SQLAlchemy, as its quick start has it."""

from typing import Any

import flask
from flask_security import RoleMixin, Security, SQLAlchemySessionUserDatastore, UserMixin, login_user, logout_user
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, String, create_engine, event
from sqlalchemy.orm import backref, declarative_base, relationship, scoped_session, sessionmaker
from sqlalchemy.pool import StaticPool

from tests.recipes.common import COUNTED, TAG, count_sql

engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
database = scoped_session(sessionmaker(bind=engine))
Base: Any = declarative_base()


class RolesUsers(Base):
    __tablename__ = "roles_users"
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey("user.id"))
    role_id = Column(Integer, ForeignKey("role.id"))


class Role(Base, RoleMixin):
    __tablename__ = "role"
    id = Column(Integer, primary_key=True)
    name = Column(String(80), unique=True)
    permissions = Column(String(255))


class User(Base, UserMixin):
    __tablename__ = "user"
    id = Column(Integer, primary_key=True)
    email = Column(String(255), unique=True)
    username = Column(String(255), unique=True)
    password = Column(String(255))
    active = Column(Boolean())
    fs_uniquifier = Column(String(64), unique=True)
    confirmed_at = Column(DateTime())
    roles = relationship("Role", secondary="roles_users", backref=backref("users", lazy="dynamic"))


app = flask.Flask(__name__)
app.config.update(SECRET_KEY="secret", SECURITY_PASSWORD_SALT="salt", SECURITY_PASSWORD_HASH="plaintext")
app.config.update(SECURITY_PASSWORD_SCHEMES=["plaintext"], WTF_CSRF_ENABLED=False)
app.security = Security(app, SQLAlchemySessionUserDatastore(database, User, Role))  # type: ignore[attr-defined]
with app.app_context():
    Base.metadata.create_all(engine)
    app.security.datastore.create_user(id=7, email="ann@site.example", username="Ann", password="secret")  # type: ignore[attr-defined]
    database.commit()
    database.remove()
event.listen(engine, "before_cursor_execute", lambda *args: count_sql(args[2]))


@app.get("/in")
def sign_in() -> str:
    login_user(database.get(User, 7))
    return "in"


@app.get("/out")
def sign_out() -> str:
    logout_user()
    return "out"


@app.teardown_appcontext
def remove(_: object) -> None:
    database.remove()


for path in ("", "/bare"):
    app.add_url_rule(f"{path}/", f"{path} page", lambda: TAG)
    app.add_url_rule(f"{path}/json", f"{path} json", lambda: {"text": TAG})
app.add_url_rule("/seen", "seen", lambda: dict(COUNTED))
