"""The ``viafoura-mw`` command."""

import argparse
import io
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from viafoura_mw.commands import check, demo, preview, simulator

INTERRUPTED: Final = 130  # as a shell has it for SIGINT

_COMMANDS: Final = {"demo": demo, "preview": preview, "check": check, "simulator": simulator}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code; ``arguments`` are those of the process by default."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a page's text may be none of the terminal's
    parser = argparse.ArgumentParser(
        prog="viafoura-mw",
        description="Sign a site's own signed-in users in to Viafoura: see it, try it, check it.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('viafoura-mw')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        described = subparsers.add_parser(name, help=command.SUMMARY, description=command.DESCRIPTION)
        command.configure(described)
    options = parser.parse_args(arguments)
    try:
        exit_code: int = _COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
