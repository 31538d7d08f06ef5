"""``viafoura-mw demo``: a small news site, wrapped, beside a simulated Viafoura."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import MutableMapping, Sequence
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
)
PORT: Final = 8765

_INVITATION: Final = """\
{places}

  1. Open a story and sign in: its tag now carries your pair, for one token and one login.
  2. Open it again: the cookie has the session, and Viafoura is asked nothing.
  3. Make Viafoura slow, failing or gone, and sign in as somebody else: the page stays whole.
  4. Then your own site: the README has the line that starts it, and "viafoura-mw check" says what is missing.

Ctrl-C ends it.
"""


def configure(parser: ArgumentParser) -> None:
    """Say which options there are."""
    doors = parser.add_mutually_exclusive_group()
    doors.add_argument("--asgi", dest="door", action="store_const", const="asgi", help="serve it with uvicorn")
    doors.add_argument("--wsgi", dest="door", action="store_const", const="wsgi", help="serve it with waitress")
    parser.add_argument("--sites", action="store_true", help="serve two sites in one process, each on its own host")
    parser.add_argument("--port", type=port, default=PORT, help="of the site; 0: any free one (default: %(default)s)")
    parser.add_argument("--simulator-port", type=port, default=0, metavar="PORT", help="of the simulated Viafoura")


def run(options: Namespace) -> int:
    """Serve until Ctrl-C; the exit code is 1 where that cannot be done."""
    forget_settings(os.environ)
    from viafoura_mw.demo.serving import CannotServe, serve

    try:
        serve(options.door, options.port, options.simulator_port, _announce, sites=2 if options.sites else 1)
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


def _announce(places: Sequence[tuple[str, str]], server: str) -> None:
    lines = [f"The demo is at  {url}  ({server})\nThe simulated Viafoura is at  {viafoura}" for url, viafoura in places]
    say(_INVITATION.format(places="\n".join(lines)))
