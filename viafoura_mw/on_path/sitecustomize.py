"""What ``viafoura-mw run`` has each Python of a command do as it starts; this folder is on their ``PYTHONPATH``.

A Python has one ``sitecustomize``. So that of the machine or of another tool, which this one stands in front of, is
imported after it.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def _begin() -> None:
    try:
        from viafoura_mw.run import begin
    except ImportError:
        sys.stderr.write(
            f"viafoura-mw run: {sys.executable} has no viafoura-mw installed, so that what it serves is left as it is; "
            "install viafoura-mw beside the site\n"
        )
    else:
        begin()


def _go_on() -> None:
    """Import the ``sitecustomize`` that would have been imported without this one, if there is any."""
    here = Path(__file__).parent
    spec = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if Path(entry) != here])
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


_begin()
_go_on()
