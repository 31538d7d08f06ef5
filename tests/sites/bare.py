"""The site that ``SITE`` names, as it is: what a server serves when nothing is wrapped around it."""

import os
import pkgutil

_name = os.environ["SITE"]
_found = pkgutil.resolve_name(_name.removesuffix("()"))
application = app = _found() if _name.endswith("()") else _found
