"""An environ (PEP 3333), read and shown: where a request's headers, path and peer stand in it."""

from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from viafoura_mw.bridge.site import Bridge
from viafoura_mw.incoming import ACCEPT_ENCODING, READ, Layout
from viafoura_mw.response.proxies import PROOF, replaces_headers
from viafoura_mw.response.request import CONDITIONAL
from viafoura_mw.runtime import INSIDE

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: What stood in an environ, by its keys, and whether something else stands there for the application.
Withheld = dict[str, tuple[str, bool]]


def key_of(name: str) -> str:
    """The key of a header."""
    return "HTTP_" + name.upper().replace("-", "_")


PROOF_KEY: Final = key_of(PROOF)
KEYS: Final = {name: key_of(name) for name in READ}
#: What the bridge does not show of a question to the application, since it asks one of its own. The later ones are
#: servers' own words for the address and the body that were asked.
_OF_THE_QUESTION: Final = (
    *("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"),
    *("HTTP_X_VIAFOURA_BRIDGE", "HTTP_ORIGIN", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE", *map(key_of, CONDITIONAL)),
    *("RAW_URI", "REQUEST_URI", "wsgi.file_wrapper"),
)


def path_of(environ: "WSGIEnvironment") -> str:
    """The whole decoded path; as latin-1 where its bytes are no UTF-8 (PEP 3333, "Unicode Issues")."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if not path.isascii():
        with suppress(UnicodeError):
            return path.encode("latin-1").decode("utf-8")
    return path


def _peer_of(environ: "WSGIEnvironment") -> str:
    peer: str = environ.get("REMOTE_ADDR", "")
    return peer


def _is_forged(environ: "WSGIEnvironment") -> bool:
    return replaces_headers(environ.get("SERVER_SOFTWARE", ""), environ.get("wsgi.input"), environ.get("wsgi.errors"))


class _Headers:
    """The request's headers by their hyphenated names, as servers join repeated ones."""

    __slots__ = ("_environ",)

    def __init__(self, environ: "WSGIEnvironment") -> None:
        self._environ = environ

    def __contains__(self, name: str) -> bool:
        return key_of(name) in self._environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[key_of(name)]
        return value


LAYOUT: Final = Layout(
    kind="environ",
    keys=KEYS,
    path=path_of,
    peer=_peer_of,
    headers=_Headers,
    is_forged=_is_forged,
    scheme="wsgi.url_scheme",
    session="beaker.session",
)


def show(environ: "WSGIEnvironment", shown: Mapping[str, str | None]) -> Withheld:
    """Show the application these headers in the place of the request's; gives what stood there."""
    withheld: Withheld = {}
    for name, value in shown.items():
        key = KEYS[name]
        withheld[key] = (environ.pop(key), value is not None)
        if value is not None:
            environ[key] = value
    return withheld


def restore(environ: "WSGIEnvironment", withheld: Withheld) -> None:
    """Put back what stood there, where the application has put nothing of its own."""
    for key, (sent, is_shown_another) in withheld.items():
        if is_shown_another or key not in environ:
            environ[key] = sent


def asked_of_application(bridge: Bridge, environ: "WSGIEnvironment", removed: frozenset[str]) -> dict[str, Any]:
    """The environ of the request that shows who is reading: a GET of the browser's, in a copy."""
    inner = {key: value for key, value in environ.items() if not key.startswith("werkzeug.")}
    for key in _OF_THE_QUESTION:
        inner.pop(key, None)
    if bridge.user_path:
        inner["PATH_INFO"] = bridge.user_path.encode().decode("latin-1")
    inner |= {"REQUEST_METHOD": "GET", "QUERY_STRING": "", "wsgi.input": BytesIO(), INSIDE: removed}
    inner[KEYS[ACCEPT_ENCODING]] = "identity"
    return inner
