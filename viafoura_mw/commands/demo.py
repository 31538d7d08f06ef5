"""``viafoura-mw demo``: a small news site, wrapped, beside a simulated Viafoura."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Final

from viafoura_mw.commands import complain, port, say

SUMMARY: Final = "serve a small news site with sign-in, wrapped, beside a simulated Viafoura"
DESCRIPTION: Final = (
    "Serve a small news site with a sign-in form, wrapped by the middleware, beside a simulated Viafoura. Both listen "
    "on 127.0.0.1 only. Nothing is to be configured: VIAFOURA_* variables of the environment are left out of account."
)
EXAMPLES: Final = (
    "viafoura-mw demo",
    "viafoura-mw demo --asgi --port 8000",
    "viafoura-mw demo --bridge",
)
PORT: Final = 8765

_INVITATION: Final = """\
{places}

{steps}
  4. Then your own site: the README has the line that starts it, and "viafoura-mw check" says what is missing.

Ctrl-C ends it.
"""
_STEPS: Final = """\
  1. Open a story and sign in: its tag now carries your pair, for one token and one login.
  2. Open it again: the cookie has the session, and Viafoura is asked nothing.
  3. Make Viafoura slow, failing or gone, and sign in as somebody else: the page stays whole."""
_STEPS_OF_BRIDGE: Final = """\
  1. Open a story twice: the second time it comes from the cache, the same bytes for everybody.
  2. Sign in by the widget's own button: the site asks who you are, and the cached page gets your pair.
  3. Log out in the widget: the site has signed you out as well."""


def configure(parser: ArgumentParser) -> None:
    """Say which options there are."""
    doors = parser.add_mutually_exclusive_group()
    doors.add_argument("--asgi", dest="door", action="store_const", const="asgi", help="serve it with uvicorn")
    doors.add_argument("--wsgi", dest="door", action="store_const", const="wsgi", help="serve it with waitress")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--sites", action="store_true", help="serve two sites in one process, each on its own host")
    kinds.add_argument("--bridge", action="store_true", help="put a shared cache before the site, and bridge its pages")
    parser.add_argument("--port", type=port, default=PORT, help="of the site; 0: any free one (default: %(default)s)")
    parser.add_argument("--simulator-port", type=port, default=0, metavar="PORT", help="of the simulated Viafoura")


def run(options: Namespace) -> int:
    """Serve until Ctrl-C; the exit code is 1 where that cannot be done."""
    forget_settings(os.environ)
    from viafoura_mw.demo.serving import CannotServe, serve

    try:
        announce = partial(_announce, steps=_STEPS_OF_BRIDGE if options.bridge else _STEPS)
        sites = 2 if options.sites else 1
        serve(options.door, options.port, options.simulator_port, announce, sites=sites, bridge=options.bridge)
    except CannotServe as error:
        complain(str(error))
        return 1
    return 0


def forget_settings(environ: MutableMapping[str, str]) -> None:
    """Take from ``environ`` what would make the demo another on another machine: our variables, and proxies."""
    for name in list(environ):
        if name.startswith("VIAFOURA_"):
            del environ[name]
    environ["no_proxy"] = environ["NO_PROXY"] = "127.0.0.1"


def _announce(places: Sequence[tuple[str, str]], server: str, *, steps: str) -> None:
    lines = [f"The demo is at  {url}  ({server})\nThe simulated Viafoura is at  {viafoura}" for url, viafoura in places]
    say(_INVITATION.format(places="\n".join(lines), steps=steps))
