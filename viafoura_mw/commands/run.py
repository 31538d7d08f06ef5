"""``viafoura-mw run``: a command whose server makes its application itself, with that application wrapped."""

import os
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

import viafoura_mw
from viafoura_mw.commands import complain

SUMMARY: Final = "run a command whose server makes its application itself, wrapped"
DESCRIPTION: Final = (
    "Run a Python command as it is, with the application that its server serves wrapped by the middleware, in the "
    "command's own process and in the Python processes that it starts (reloaders, workers). VIAFOURA_APP is not read. "
    "Served: flask run, manage.py runserver (WSGI, and ASGI with Daphne), litestar run, fastapi run, datasette serve, "
    "tracd, cherryd, cherrypy.quickstart(), pserve, and programs that call werkzeug, waitress, cheroot, wsgiref or "
    "uvicorn themselves. Wrong settings end the server as it starts. A Python that is told to ignore PYTHONPATH "
    "(python -I, -E or -S) is not reached."
)
EXAMPLES: Final = (
    "viafoura-mw run flask --app mysite run",
    "viafoura-mw run python manage.py runserver",
    "viafoura-mw run litestar --app mysite:app run",
    "viafoura-mw run datasette serve news.db --port 8001",
)
USAGE_ERROR: Final = 2
#: As a shell has them (POSIX, "Exit Status for Commands").
CANNOT_BE_RUN: Final = 126
NOT_FOUND: Final = 127

ON_PATH: Final = Path(viafoura_mw.__file__).parent / "on_path"


def configure(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.usage = "%(prog)s [-h] COMMAND [OPTION …]"
    parser.add_argument("command_line", metavar="COMMAND", nargs=REMAINDER, help="the command, and its own options")


def run(options: Namespace) -> int:
    """Become the command; the exit code, where that cannot be done, is a shell's."""
    command = options.command_line
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        complain("run needs a command: viafoura-mw run flask --app mysite run")
        return USAGE_ERROR
    try:
        _become(command, watched(os.environ))
    except FileNotFoundError:
        complain(f"{command[0]}: command not found")
        return NOT_FOUND
    except OSError as error:
        complain(f"{command[0]} cannot be run: {error.strerror}")
        return CANNOT_BE_RUN


def _become(command: list[str], environ: Mapping[str, str]) -> NoReturn:
    os.execvpe(command[0], command, environ)  # noqa: S606 - the command is the user's own


def watched(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` with the folder of :mod:`viafoura_mw.on_path.sitecustomize` ahead on ``PYTHONPATH``, once."""
    own = str(ON_PATH)
    path = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != own]
    return {**environ, "PYTHONPATH": os.pathsep.join([own, *path])}
