"""``viafoura-mw simulator``: the simulated Viafoura alone, for a site of one's own."""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from viafoura_mw.commands import complain, port, say

if TYPE_CHECKING:
    from viafoura_mw.testing import Call

SUMMARY: Final = "serve the simulated Viafoura alone"
DESCRIPTION: Final = (
    "Serve the simulated Viafoura on 127.0.0.1, and print the variables that point a middleware there, as lines for a "
    "shell or for the file that VIAFOURA_ENV_FILE names. Each call that comes (token, login, logout) is told on "
    "standard error."
)
EXAMPLES: Final = (
    "viafoura-mw simulator",
    "viafoura-mw simulator --port 0",
)
PORT: Final = 8766


def configure(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--port", type=port, default=PORT, help="0: any free one (default: %(default)s)")


def run(options: Namespace) -> int:
    """Serve until Ctrl-C; the exit code is 1 where that cannot be done."""
    from viafoura_mw.demo.serving import cannot_listen
    from viafoura_mw.testing import SimulatedViafoura, serve

    def started(viafoura: SimulatedViafoura) -> None:
        for name, value in viafoura.environ().items():
            say(f"export {name}={value}")
        say("# The simulated Viafoura is there. Ctrl-C ends it.")

    try:
        serve(options.port, started, told=tell)
    except OSError as error:
        complain(cannot_listen(options.port, error))
        return 1
    return 0


def tell(call: "Call") -> None:
    """Write a line about a call, without whose it was; the call is answered though nobody can read the line."""
    with suppress(OSError):
        sys.stderr.write(f"viafoura-mw simulator: {call.kind}, answered with {call.status}\n")
