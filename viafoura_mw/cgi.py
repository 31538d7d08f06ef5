"""The CGI door: ``python -m viafoura_mw.cgi`` answers one request with the application that ``VIAFOURA_APP`` names.

The standard output is the response's alone: what the site prints goes to the standard error. It is closed when the
response is complete, so that the visitor waits no longer; the process ends when a logout that is under way has ended.
"""

import io
import os
import sys
from typing import Final
from wsgiref.handlers import BaseCGIHandler, read_environ

from viafoura_mw.errors import SettingsError

PATIENCE: Final = 30.0  # seconds for which a logout is waited for


def main() -> None:
    """Answer the request that the process's environment and standard input hold."""
    response = _standard_output_alone()
    try:
        from viafoura_mw import wsgi  # late: it loads the site, which may print
    except SettingsError as error:
        sys.exit(str(error))
    application = getattr(wsgi, "application", None)
    if application is None:
        sys.exit(str(SettingsError(["VIAFOURA_APP is not set: it names the application to be served"])))
    handler = BaseCGIHandler(sys.stdin.buffer, response, sys.stderr, read_environ(), False, True)
    handler.wsgi_run_once = True
    handler.os_environ = {}  # read_environ() has it all, as PEP 3333 wants it
    handler.run(application)
    response.close()
    application.drain(PATIENCE)


def _standard_output_alone() -> io.BufferedWriter:
    """The standard output; whoever else writes to it writes to the standard error from now on."""
    response = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    return response


if __name__ == "__main__":
    main()
