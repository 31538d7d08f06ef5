"""A scope (ASGI's HTTP connection scope), read and shown: where a request's headers, path and peer stand in it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.types import Scope

from viafoura_mw.bridge.site import Bridge
from viafoura_mw.incoming import ACCEPT_ENCODING, READ, Layout
from viafoura_mw.response.headers import LISTS, as_text
from viafoura_mw.response.proxies import PROOF
from viafoura_mw.response.request import CONDITIONAL, FILE_EXTENSIONS
from viafoura_mw.runtime import INSIDE

RawHeaders = list[tuple[bytes, bytes]]
#: What stood in a scope, and what stands there for the application, by its keys.
AsSent = dict[str, tuple[Any, Any]]


def _key_of(name: str) -> bytes:
    return name.lower().encode()


KEYS: Final = {name: _key_of(name) for name in READ}
_READ: Final = frozenset(KEYS.values())
_PROOF: Final = _key_of(PROOF)
#: What the bridge does not show of a question to the application, since it asks one of its own.
_OF_THE_QUESTION: Final = frozenset(
    (
        *(b"content-length", b"content-type", b"transfer-encoding", b"accept-encoding"),
        *(b"if-match", b"if-unmodified-since", b"origin", b"x-viafoura-bridge"),
        *map(_key_of, CONDITIONAL),
    )
)


def listed(scope: Scope) -> RawHeaders:
    """The headers as a list, in the scope as well: an iterator is not to be used up here."""
    headers: RawHeaders = scope.get("headers", ())
    if not isinstance(headers, LISTS):
        headers = scope["headers"] = list(headers)
    return headers


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """The headers that are read here; repeated ones joined once (RFC 9110 §5.3, RFC 9113 §8.2.3)."""
    fields: dict[bytes, str] = {}
    repeated: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in _READ:
            text = value.decode("latin-1") if value.__class__ is bytes else as_text(value)
            if name in fields:
                repeated.setdefault(name, [fields[name]]).append(text)
            else:
                fields[name] = text
    for name, values in repeated.items():
        fields[name] = ("; " if name == b"cookie" else ", ").join(values)
    return fields


def host_of(scope: Scope) -> str:
    """The request's ``Host``; empty where there is none, or more than one (RFC 9112 §3.2)."""
    hosts = [value for name, value in listed(scope) if name == b"host"]
    return as_text(hosts[0]) if len(hosts) == 1 else ""


def path_of(scope: Scope) -> str:
    """The whole decoded path, whether the server gives it with or without ``root_path``."""
    path, root_path = scope["path"], scope.get("root_path", "").rstrip("/")
    inside = not root_path or path == root_path or path.startswith(root_path + "/")
    whole: str = path if inside else root_path + path
    return whole


def take_proof(scope: Scope) -> str:
    """What a proxy has sent to be believed, which is not for the application."""
    headers = listed(scope)
    proofs = [value for name, value in headers if name.lower() == _PROOF]
    if proofs:
        scope["headers"] = [field for field in headers if field[0].lower() != _PROOF]
    return ", ".join(map(as_text, proofs))


def _peer_of(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0] or "") if client else ""


def _is_forged(_: Scope) -> bool:
    return False


class _Headers:
    """The request's headers by their hyphenated names; one that was sent twice is refused."""

    __slots__ = ("_headers",)

    def __init__(self, scope: Scope) -> None:
        self._headers: RawHeaders = scope["headers"]

    def _values(self, name: str) -> list[str]:
        wanted = _key_of(name)
        return [as_text(value) for field, value in self._headers if field.lower() == wanted]

    def __contains__(self, name: str) -> bool:
        return bool(self._values(name))

    def __getitem__(self, name: str) -> str:
        values = self._values(name)
        if len(values) != 1:
            raise ValueError("a header that says who the user is came more than once")
        return values[0]


LAYOUT: Final = Layout(
    kind="scope",
    keys=KEYS,
    path=path_of,
    peer=_peer_of,
    headers=_Headers,
    is_forged=_is_forged,
    scheme="scheme",
    session="session",
)


def show(scope: Scope, shown: Mapping[str, str | None]) -> AsSent:
    """Show the application these headers in the place of the request's, and no way to send a file behind our back."""
    as_sent: AsSent = {}
    if shown:
        as_sent["headers"] = (scope["headers"], _with(shown, scope["headers"]))
    extensions = scope.get("extensions")
    if extensions and any(name in extensions for name in FILE_EXTENSIONS):
        offered = {name: value for name, value in extensions.items() if name not in FILE_EXTENSIONS}
        as_sent["extensions"] = (extensions, offered)
    scope.update((key, ours) for key, (_, ours) in as_sent.items())
    return as_sent


def _with(shown: Mapping[str, str | None], headers: RawHeaders) -> RawHeaders:
    """``headers`` with one field for each that is shown in another form, in the place of the first of its name."""
    left = {_key_of(name): value for name, value in shown.items()}
    names = frozenset(left)
    kept: RawHeaders = []
    for field in headers:
        name = field[0].lower()
        if name not in names:
            kept.append(field)
        elif (value := left.pop(name, None)) is not None:
            kept.append((name, value.encode("latin-1")))
    return kept


def restore(scope: Scope, as_sent: AsSent) -> None:
    """Put back what stood there, where the application has put nothing of its own."""
    for key, (sent, ours) in as_sent.items():
        if scope.get(key) is ours:
            scope[key] = sent


def asked_of_application(bridge: Bridge, scope: Scope, removed: frozenset[str]) -> Scope:
    """The scope of the request that shows who is reading: a GET of the browser's, in a copy."""
    kept = [field for field in scope["headers"] if field[0].lower() not in _OF_THE_QUESTION]
    headers = [*kept, (KEYS[ACCEPT_ENCODING], b"identity")]
    extensions = {name: value for name, value in (scope.get("extensions") or {}).items() if name not in FILE_EXTENSIONS}
    inner = {**scope, "method": "GET", "query_string": b"", "headers": headers, "extensions": extensions}
    if bridge.user_path:
        root_path = scope.get("root_path", "").rstrip("/")
        is_whole = scope["path"].startswith(root_path + "/")  # as ASGI has it; some servers give the rest alone
        inner["path"] = (root_path if is_whole else "") + bridge.user_path
        inner["raw_path"] = quote(inner["path"]).encode("ascii")
    inner[INSIDE] = removed
    return inner
