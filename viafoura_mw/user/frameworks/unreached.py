"""Frameworks that run in this process and whose users nobody outside can see as things are set, and what to set.

Each is told by one sentence, in the log once a process and by ``viafoura-mw check``. It is told by the applications
that there are, so that it may be a false alarm where a site reads its users in a way of its own: each sentence says so.
"""

import sys
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

from viafoura_mw.user.frameworks.running import made_of


@dataclass(frozen=True, slots=True)
class _Kind:
    """Applications of class ``name`` of ``module``, behind a door that is ``asgi`` or not.

    ``preset`` reads their users once more is done, as the ``sentence`` says; an instance of ``unless``, a class of a
    module, shows that this is done already. One that is ``adapted`` lends nothing either, no session and no ``g``.
    """

    module: str
    name: str
    sentence: str
    asgi: bool
    preset: str = ""
    unless: tuple[str, str] | None = None
    adapted: bool = False

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        return ((self.module, self.name), self.unless) if self.unless else ((self.module, self.name),)

    def is_there(self, made: Container[tuple[str, str] | None]) -> bool:
        return (self.module, self.name) in made and self.unless not in made


def _behind(framework: str) -> str:
    return (
        f"{framework} runs behind an ASGI adapter, where its users are not seen: serve it by a WSGI server with "
        "viafoura_mw.wsgi, or put viafoura_mw.wsgi.ViafouraMiddleware around it inside of the adapter"
    )


_BEARER: Final = (
    "FastAPI asks for bearer tokens, which no browser sends for a page: nobody is ever read there, unless a middleware "
    "sets scope['user']; keep the token in a cookie too, and set VIAFOURA_USER_ID=jwt:sub and VIAFOURA_JWT_COOKIE"
)
_KINDS: Final = (
    _Kind(
        "flask",
        "Flask",
        "Flask runs without Flask-Login: nobody is ever read, unless the server sets REMOTE_USER; if a view keeps the "
        "user in the session, as session['user_id'], set VIAFOURA_USER_ID=session:user_id",
        asgi=False,
        preset="flask-login",
    ),
    _Kind(
        "pyramid.router",
        "Router",
        "Pyramid runs without a security policy: nobody is ever read, unless the server sets REMOTE_USER; set a policy "
        "with config.set_security_policy(), or VIAFOURA_USER_ID",
        asgi=False,
        preset="pyramid",
    ),
    _Kind("flask", "Flask", _behind("Flask"), asgi=True, preset="flask-login", adapted=True),
    _Kind("pyramid.router", "Router", _behind("Pyramid"), asgi=True, preset="pyramid", adapted=True),
    _Kind("django.core.handlers.wsgi", "WSGIHandler", _behind("Django"), asgi=True, preset="django", adapted=True),
    _Kind(
        "quart",
        "Quart",
        "Quart keeps its users to itself: nobody is ever read; set VIAFOURA_USER=quart-auth for Quart-Auth, or "
        "VIAFOURA_USER_ID=session:user_id where a view keeps the user in the session, as session['user_id']",
        asgi=True,
    ),
    _Kind(
        "sanic",
        "Sanic",
        "Sanic keeps its users in request.ctx, where nobody outside sees them: set VIAFOURA_USER_ID=jwt:sub and "
        "VIAFOURA_JWT_COOKIE for its signed token, or let the site name its user in a header of its response, "
        "VIAFOURA_USER_ID=response:X-Site-User",
        asgi=True,
    ),
    _Kind("fastapi.security", "OAuth2", _BEARER, asgi=True, unless=("fastapi.security", "APIKeyCookie")),
    _Kind("fastapi.security", "HTTPBearer", _BEARER, asgi=True, unless=("fastapi.security", "APIKeyCookie")),
)


def sentences(user: str, *, asgi: bool, lent: bool = False) -> Iterator[str]:
    """Why users are not seen by ``user``, a preset or ``auto``, where no framework has been recognised.

    ``lent``: they are looked for in a session or ``g``, which most of these frameworks lend.
    """
    concerned = [
        kind for kind in _KINDS if kind.asgi is asgi and user in ("auto", kind.preset) and (kind.adapted or not lent)
    ]
    names = {name for kind in concerned for name in kind.names}
    made = made_of({name: getattr(sys.modules.get(name[0]), name[1], None) for name in names})
    yield from dict.fromkeys(kind.sentence for kind in concerned if kind.is_there(made))
