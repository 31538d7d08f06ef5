"""The rooms of the ``viafoura-mw`` command: each a module with ``configure(parser)`` and ``run(options)``."""

import sys


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
