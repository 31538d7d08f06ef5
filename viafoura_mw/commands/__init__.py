"""The rooms of the ``viafoura-mw`` command: each a module with ``configure(parser)`` and ``run(options)``."""

import os
import sys
from typing import Final

#: Colours of a terminal (ECMA-48 §8.3.117).
RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"


def coloured(text: str, colour: str) -> str:
    """``text`` in a colour where standard output is a terminal that has some; ``NO_COLOR`` (no-color.org) says no."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def say(line: str = "") -> None:
    """Write a line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"viafoura-mw: {line}\n")


def port(text: str) -> int:
    """The number of a TCP port, for an option; raises ``ValueError``."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number
