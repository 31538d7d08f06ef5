"""The ``viafoura-mw`` command."""

import argparse
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Final

from viafoura_mw.commands import check, demo, preview, run, simulator

INTERRUPTED: Final = 130  # as a shell has it for SIGINT
NOBODY_READS: Final = 141  # as a shell has it for SIGPIPE

COMMANDS: Final[Mapping[str, ModuleType]] = {
    "demo": demo,
    "preview": preview,
    "check": check,
    "simulator": simulator,
    "run": run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code; ``arguments`` are those of the process by default."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a page's text may be none of the terminal's
    options = parser().parse_args(arguments)
    try:
        exit_code: int = COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # what reads the output has ended, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter fails as it flushes
        return NOBODY_READS
    return exit_code


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    whole = argparse.ArgumentParser(
        prog="viafoura-mw",
        description="Sign a site's own signed-in users in to Viafoura: see it, try it, check it.",
        epilog="Begin with viafoura-mw demo; for your own site, viafoura-mw check. COMMAND --help has examples.",
    )
    whole.add_argument("--version", action="version", version=f"%(prog)s {version('viafoura-mw')}")
    subparsers = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        described = subparsers.add_parser(
            name,
            help=command.SUMMARY,
            description=textwrap.fill(command.DESCRIPTION, _width()),
            epilog="\n".join(["examples:", *(f"  {example}" for example in command.EXAMPLES)]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(described)
    return whole


def _width() -> int:
    """That of a terminal's text, as argparse has it."""
    return shutil.get_terminal_size().columns - 2


if __name__ == "__main__":
    sys.exit(main())
