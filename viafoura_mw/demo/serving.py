"""The demo on real servers: the site, wrapped by the middleware, beside a simulated Viafoura, on loopback."""

import contextlib
import importlib.util
import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from viafoura_mw.demo import pages
from viafoura_mw.demo.behind import Behind
from viafoura_mw.demo.cache import SharedCache, cached_asgi, cached_wsgi
from viafoura_mw.demo.readers import SignIn
from viafoura_mw.demo.site import Edge, Site
from viafoura_mw.settings import Settings
from viafoura_mw.sites import Hosts
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.user.sources import parse

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from starlette.types import ASGIApp, Receive, Scope, Send

Door = Literal["wsgi", "asgi"]
#: The sites of one process by their hosts, each with its settings.
Served = Mapping[str, tuple[Site, Settings]]

HOST: Final = "127.0.0.1"
#: Names that browsers take for this machine's own without asking anybody (RFC 6761 §6.3).
_TWO: Final = (("courier.localhost", pages.NAME), ("gazette.localhost", pages.OTHER_NAME))
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


def settings_of(door: Door, viafoura: SimulatedViafoura, port: int) -> Settings:
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
        cookie_name=f"viafoura_mw_{port}",
        debug_header=True,
    )


def bridged(settings: Settings, port: int) -> Settings:
    """The same settings for a site whose pages are kept by a cache."""
    return replace(
        settings,
        bridge=("/", "/stories/*"),
        bridge_user_path="/who",
        auth_cookies=(f"courier_{port}",),
        login_url="/sign-in?back={next}",
        logout_url="/sign-out?back={next}",
    )


def serve(
    wanted: Door | None,
    port: int,
    simulator_port: int,
    announce: Callable[[Sequence[tuple[str, str]], str], None],
    *,
    sites: int = 1,
    bridge: bool = False,
) -> None:
    """Serve the demo until it is interrupted.

    ``sites``: 1, or 2 in one process, each with a host and a simulated Viafoura of its own. ``bridge``: behind a cache,
    its pages bridged. ``announce`` is told each site's URL and its simulator's, and what serves them. Raises
    :class:`CannotServe`.
    """
    door = picked(wanted)
    server = f"{SERVERS[door]}, {door.upper()}"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listening(port))
        port = listener.getsockname()[1]
        cache = SharedCache() if bridge else None
        served: dict[str, tuple[Site, Settings]] = {}
        places: list[tuple[str, str]] = []
        for host, name in ((HOST, pages.NAME),) if sites == 1 else _TWO:
            # A new key each time: the cookies of a demo that has ended open none of this one's sessions.
            viafoura = stack.enter_context(simulated(0 if served else simulator_port, secrets.token_urlsafe()))
            # Cookies do not know ports: two demos at one time must not sign each other's readers out.
            sign_in = SignIn(secrets.token_urlsafe(), f"courier_{port}")
            edge = Edge(viafoura.url, cache.tally) if cache else None
            settings = settings_of(door, viafoura, port)
            served[host] = (
                Site(Behind(viafoura), sign_in, server, name, edge),
                bridged(settings, port) if bridge else settings,
            )
            places.append((f"http://{host}:{port}/", viafoura.url))
        announce(places, server)
        with contextlib.suppress(KeyboardInterrupt):
            (_serve_wsgi if door == "wsgi" else _serve_asgi)(served, listener, cache)


def _settings(served: Served) -> Settings:
    """The settings of the one site, or of all by their hosts."""
    of_hosts = tuple((host, settings) for host, (_, settings) in served.items())
    return of_hosts[0][1] if len(of_hosts) == 1 else Settings(sites=of_hosts)


def wrapped_wsgi(served: Served) -> "WSGIApplication":
    """The sites as a WSGI application, wrapped."""
    from viafoura_mw.demo.wsgi_site import wsgi_site
    from viafoura_mw.wsgi import ViafouraMiddleware

    apps = {host: wsgi_site(site) for host, (site, _) in served.items()}
    hosts = Hosts(apps.items(), next(iter(apps.values())))

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return hosts.choose(environ.get("HTTP_HOST", ""))(environ, start_response)

    return ViafouraMiddleware(application, _settings(served))


def wrapped_asgi(served: Served) -> "ASGIApp":
    """The sites as an ASGI application, wrapped."""
    from viafoura_mw.asgi import ViafouraMiddleware
    from viafoura_mw.demo.asgi_site import asgi_site

    apps = {host: asgi_site(site) for host, (site, _) in served.items()}
    hosts = Hosts(apps.items(), next(iter(apps.values())))

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        host = dict(scope["headers"]).get(b"host", b"")
        await hosts.choose(host.decode("latin-1"))(scope, receive, send)

    return ViafouraMiddleware(application, _settings(served))


def _serve_wsgi(served: Served, listener: socket.socket, cache: SharedCache | None) -> None:
    from waitress.server import create_server

    app = wrapped_wsgi(served)
    # How long its queue is says how busy the machine is, which nobody at the demo's terminal can do anything about.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(cached_wsgi(cache, app) if cache else app, sockets=[listener], threads=_THREADS)
    try:
        server.run()
    finally:
        server.close()


def _serve_asgi(served: Served, listener: socket.socket, cache: SharedCache | None) -> None:
    import uvicorn

    app = cached_asgi(cache, wrapped_asgi(served)) if cache else wrapped_asgi(served)
    config = uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=_LONGEST_PAGE)
    uvicorn.Server(config).run(sockets=[listener])
