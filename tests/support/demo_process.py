"""The demo as its user starts it: a process of its own, on free ports."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0  # seconds for a process to do what it is about to do


@dataclass
class Demo:
    """A running demo and where it is."""

    process: subprocess.Popen[str]
    url: str

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C, wait for the end, and give the exit code and what was written to standard error."""
        self.process.send_signal(signal.SIGINT)
        _, complaints = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, complaints


@contextlib.contextmanager
def running_demo(
    *options: str, command: Sequence[str] = (sys.executable, "-m", "viafoura_mw"), cwd: Path | None = None
) -> Iterator[Demo]:
    """Start ``viafoura-mw demo --port 0`` with more options, and end it if it has not ended."""
    arguments = [*command, "demo", "--port", "0", *options]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd) as process:
        try:
            yield Demo(process, _announced(process))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()


def _announced(process: subprocess.Popen[str]) -> str:
    """The site's URL, from the invitation; all of it is read."""
    url = ""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"The demo is at +(\S+)/ ", line):
            url = found[1]
        if line.startswith("Ctrl-C"):
            return url
    assert process.stderr is not None
    raise AssertionError(f"the demo did not start: {process.stderr.read()}")
