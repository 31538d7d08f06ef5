"""WebOb's cookies, imported without a warning.

WebOb 1.8 imports ``cgi``, of which Python 3.11 and 3.12 warn when it is first imported: where warnings are errors, the
site would not start. So ``cgi`` is imported here, under a filter for that one warning; the site's own filters hold
meanwhile for all else, and are as they were afterwards.
"""

import contextlib
import importlib
import warnings

with contextlib.suppress(ImportError), warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'cgi' is deprecated", DeprecationWarning)
    importlib.import_module("cgi")

from webob.cookies import RequestCookies, SignedSerializer, make_cookie

__all__ = ["RequestCookies", "SignedSerializer", "make_cookie"]
