"""The demo on real servers: the site, wrapped by the middleware, beside a simulated Viafoura, on loopback."""

import contextlib
import importlib.util
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal

from viafoura_mw.demo.behind import Behind
from viafoura_mw.demo.readers import SignIn
from viafoura_mw.demo.site import Site
from viafoura_mw.settings import Settings
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user.sources import parse

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from starlette.types import ASGIApp

Door = Literal["wsgi", "asgi"]

HOST: Final = "127.0.0.1"
SERVERS: Final[dict[Door, str]] = {"asgi": "uvicorn", "wsgi": "waitress"}
_LONGEST_PAGE: Final = 3  # seconds, and some: a page waits for Viafoura for two
_THREADS: Final = 16  # of waitress: pages wait for Viafoura, and every open page looks for new calls


class CannotServe(Exception):
    """The demo cannot be served; the text says why and what to do."""


def picked(wanted: Door | None) -> Door:
    """The door that is wanted, or one for which there is a server; raises :class:`CannotServe` without one."""
    candidates: list[Door] = [wanted] if wanted else list(SERVERS)
    for door in candidates:
        if importlib.util.find_spec(SERVERS[door]):
            return door
    missing = " or ".join(SERVERS[door] for door in candidates)
    raise CannotServe(f'the demo needs {missing}: python -m pip install "viafoura-mw[demo]"')


def cannot_listen(port: int, error: OSError) -> str:
    """Say that ``port`` is busy, or not ours to use."""
    return f"port {port} of {HOST} cannot be used ({os.strerror(error.errno or 0)}): try another, or 0"


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket that listens on loopback; ``port`` 0 for a free one. Raises :class:`CannotServe` for a busy one."""
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise CannotServe(cannot_listen(port, error)) from None
    with listener:
        yield listener


@contextlib.contextmanager
def simulated(port: int, api_key: str) -> Iterator[SimulatedViafoura]:
    """A simulated Viafoura on loopback; ``port`` 0 for a free one. Raises :class:`CannotServe` for a busy one."""
    with contextlib.ExitStack() as stack:
        try:
            viafoura = stack.enter_context(SimulatedViafoura(port=port, api_key=api_key))
        except OSError as error:
            raise CannotServe(cannot_listen(port, error)) from None
        yield viafoura


def settings_of(door: Door, viafoura: SimulatedViafoura, cookie_name: str) -> Settings:
    """The settings of the middleware around the site: where its reader is, and which Viafoura is asked."""
    wsgi = door == "wsgi"
    return Settings(
        site_id=viafoura.site_id,
        api_key=viafoura.api_key,
        api_url=viafoura.url,
        user="remote-user" if wsgi else "scope",
        user_name=parse("environ:courier.reader/name") if wsgi else (),
        user_email=parse("environ:courier.reader/email") if wsgi else (),
        logout_paths=("/sign-out",),
        cookie_name=cookie_name,
        debug_header=True,
    )


def serve(wanted: Door | None, port: int, simulator_port: int, announce: Callable[[str, str, str], None]) -> None:
    """Serve the demo until it is interrupted; ``announce`` is told its URL, the simulator's, and what serves it.

    Raises :class:`CannotServe`.
    """
    door = picked(wanted)
    # A new key each time: the cookies of a demo that has ended open none of this one's sessions.
    with listening(port) as listener, simulated(simulator_port, secrets.token_urlsafe()) as viafoura:
        port = listener.getsockname()[1]
        server = f"{SERVERS[door]}, {door.upper()}"
        # Cookies do not know ports: two demos at one time must not sign each other's readers out.
        site = Site(Behind(viafoura), SignIn(secrets.token_urlsafe(), f"courier_{port}"), server)
        settings = settings_of(door, viafoura, f"viafoura_mw_{port}")
        announce(f"http://{HOST}:{port}/", viafoura.url, server)
        with contextlib.suppress(KeyboardInterrupt):
            _serve_wsgi(site, settings, listener) if door == "wsgi" else _serve_asgi(site, settings, listener)


def wrapped_wsgi(site: Site, settings: Settings) -> "WSGIApplication":
    """The site as a WSGI application, wrapped."""
    from viafoura_mw.demo.wsgi_site import wsgi_site
    from viafoura_mw.wsgi import ViafouraMiddleware

    return ViafouraMiddleware(wsgi_site(site), settings)


def wrapped_asgi(site: Site, settings: Settings) -> "ASGIApp":
    """The site as an ASGI application, wrapped."""
    from viafoura_mw.asgi import ViafouraMiddleware
    from viafoura_mw.demo.asgi_site import asgi_site

    return ViafouraMiddleware(asgi_site(site), settings)


def _serve_wsgi(site: Site, settings: Settings, listener: socket.socket) -> None:
    from waitress.server import create_server

    server = create_server(wrapped_wsgi(site, settings), sockets=[listener], threads=_THREADS)
    try:
        server.run()
    finally:
        server.close()


def _serve_asgi(site: Site, settings: Settings, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        wrapped_asgi(site, settings), lifespan="off", log_level="warning", timeout_graceful_shutdown=_LONGEST_PAGE
    )
    uvicorn.Server(config).run(sockets=[listener])
