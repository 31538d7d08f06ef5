"""``viafoura-mw simulator``: the simulated Viafoura alone, for a site of one's own."""

from argparse import ArgumentParser, Namespace
from typing import Final

from viafoura_mw.commands import complain, port, say

SUMMARY: Final = "serve the simulated Viafoura alone"
DESCRIPTION: Final = (
    "Serve the simulated Viafoura on 127.0.0.1, and print the variables that point a middleware there, as lines for a "
    "shell or for the file that VIAFOURA_ENV_FILE names."
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
        serve(options.port, started)
    except OSError as error:
        complain(cannot_listen(options.port, error))
        return 1
    return 0
