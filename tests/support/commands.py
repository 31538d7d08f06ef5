"""The commands, run in this process or in one of their own."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.support.demo_process import PATIENCE
from viafoura_mw import __main__ as command

Lines = pytest.CaptureFixture[str]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "viafoura_mw", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def checks(capsys: Lines, *arguments: str) -> tuple[int, list[tuple[str, str, str]]]:
    """The exit code of ``viafoura-mw check``, and its lines: state, subject, sentence."""
    code = command.main(["check", "--json", *arguments])
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (code == 0)
    assert report["versions"] == {"viafoura-mw": version("viafoura-mw"), "python": platform.python_version()}
    return code, [(each["state"], each["subject"], each["sentence"]) for each in report["checks"]]


def named(found: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [each[:2] for each in found]
