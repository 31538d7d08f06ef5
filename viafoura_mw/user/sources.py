"""Where a value about the user is read: ``kind:step/step|kind:step``, parsed once and resolved per response.

Rules that everything here obeys:

- Each step tries an item, then an attribute. A path that leads through an object that says of itself that nobody is
  signed in (``is_authenticated`` false, ``is_anonymous`` true) gives nothing.
- Reading never writes: a mapping is asked with ``in`` first, so that a ``defaultdict`` does not grow. Only three
  well-known methods of a user object are ever called, and ``is_authenticated`` and ``is_anonymous`` where a site has
  made methods of them.
- Where nothing is found, the answer says what that means (:class:`Absence`): "nobody asked" is not "nobody".
- A source that any visitor could write is refused when it is parsed, by what the place is and not by its spelling.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

KINDS: Final = ("environ", "scope", "session", "g", "jwt", "header", "user", "response")
#: What a framework has, and lends once it has answered.
LENT: Final = frozenset(("session", "g"))
CALLABLE: Final = ("get_full_name()", "get_username()", "get_id()")
#: The key that servers set for signed-in visitors alone, so that its absence says that nobody is.
REMOTE_USER: Final = "REMOTE_USER"

#: What a response cannot do without: a ``response:`` header is removed from every response.
_NEEDED: Final = ("cache-control", "location", "set-cookie", "transfer-encoding", "vary", "www-authenticate")
#: Headers that are a credential: shown as an id or a name, it would be given away.
_CREDENTIALS: Final = ("authorization", "cookie", "proxy-authorization", "x-viafoura-proxy-secret")
#: Headers that every client writes itself, and to which a proxy adds at most.
_OF_CLIENTS: Final = re.compile(
    r"accept|accept-encoding|accept-language|forwarded|host|origin|referer|user-agent|via|x-forwarded-for"
)
#: Keys of an environ whose value is a part of what the client sent, or of its address: CGI's (RFC 3875 §4.1), and
#: those that servers and frameworks derive from them. Compared in upper case.
_OF_CLIENTS_IN_ENVIRON: Final = re.compile(
    r"AUTH_TYPE|CONTENT_LENGTH|CONTENT_TYPE|DOCUMENT_URI|ORIG_PATH_INFO|PATH_INFO|PATH_TRANSLATED|QUERY"
    r"|QUERY_STRING|RAW_PATH_INFO|RAW_URI|REMOTE_ADDR|REMOTE_HOST|REMOTE_IDENT|REMOTE_PORT|REQUEST_LINE"
    r"|REQUEST_METHOD|REQUEST_PATH|REQUEST_URI|SCRIPT_FILENAME|SCRIPT_NAME|SCRIPT_URI|SCRIPT_URL"
    r"|SERVER_NAME|SERVER_PORT|SERVER_PROTOCOL|SSL_SESSION_ID|SSL_TLS_SNI|THE_REQUEST|UNENCODED_URL|UNIQUE_ID|URL"
    r"|URL_SCHEME"
)
#: Parts of an environ in which servers, routers and parsers keep the request itself; ``webob.adhoc_attrs`` among them.
_PARSED_IN_ENVIRON: Final = re.compile(
    r"(WSGI|WSGIORG|X-WSGIORG|WEBOB|WERKZEUG|BOTTLE|ROUTES|ROUTE|SELECTOR|GUNICORN|UWSGI|MOD_WSGI)\."
    r"|PASTE\.(COOKIES|PARSED_|URLVARS)|PYLONS\.ROUTES_DICT"
)
#: Keys of a scope whose value is a part of what the client sent (ASGI's, Starlette's, Channels', Litestar's).
_OF_CLIENTS_IN_SCOPE: Final = re.compile(
    r"headers|query_string|path|raw_path|root_path|method|scheme|http_version|client|server|subprotocols"
    r"|path_params|path_template|url_route|cookies|query_params|_cookies|_headers|_form|_body|_json"
    r"|_parsed_query|_url"
)
#: Steps below an event of a serverless platform that are parts of what the client sent; its authorizer's are not.
_OF_CLIENTS_IN_EVENT: Final = re.compile(
    r"headers|multivalueheaders|querystringparameters|multivaluequerystringparameters|rawquerystring"
    r"|cookies|body|path|rawpath|pathparameters"
)


class Absence(Enum):
    """Why a source gave no value."""

    UNASKED = auto()  # its place was never laid out, so that nobody knows
    UNSET = auto()  # a key is missing that stands in every request of a signed-in user, and in no other
    NOBODY = auto()  # its place was laid out, and nobody is in it


class _Unbelieved(Enum):
    UNBELIEVED = auto()


#: What stands where a ``header:`` source's peer is not believed, or a token's signature: not the same as "no header".
UNBELIEVED: Final = _Unbelieved.UNBELIEVED

_MISSING: Final = object()
_TEXTS: Final = (str, bytes)
_SCALARS: Final = (str, bytes, int)


@dataclass(frozen=True, slots=True)
class Source:
    """One place to read from: a ``kind`` of :data:`KINDS` and the ``steps`` down from there.

    ``place``: how many of the steps lead to the place that somebody must have laid out for the source to say anything.
    """

    kind: str
    steps: tuple[str, ...]
    place: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", self._place())  # asked of every page, so told once

    def __str__(self) -> str:
        return f"{self.kind}:{'/'.join(self.steps)}"

    def _place(self) -> int:
        """The number of steps to the place.

        Servers lay ``scope["state"]`` out for every request: the place is what is kept in it. A session or a
        token that is there is the place itself: to sign out takes a key from the session.
        """
        if self.kind in ("session", "jwt"):
            return 0
        return 2 if self.kind == "scope" and self.steps[0] == "state" else 1


@dataclass(frozen=True, slots=True)
class UserSources:
    """Where each field is read: alternatives, of which the first that is present counts.

    ``separator`` is what stands between the values of an attribute that has several, if anything does: the first one
    of a name or an e-mail address is taken, an id must be the only one.
    """

    id: tuple[Source, ...] = ()
    name: tuple[Source, ...] = ()
    email: tuple[Source, ...] = ()
    strip_realm: bool = False
    separator: str = ""

    def kinds(self) -> frozenset[str]:
        """The kinds of all sources, of :data:`KINDS`."""
        return frozenset(source.kind for source in (*self.id, *self.name, *self.email))


# What may be written.


def parse(text: str) -> tuple[Source, ...]:
    """Parse ``kind:step/step|…`` into its alternatives; ``environ:HTTP_X_USER`` is ``header:X-User``.

    Raises ``ValueError`` with the end of a sentence that begins with what ``text`` is.
    """
    return tuple(_parse_one(alternative.strip()) for alternative in text.split("|"))


def _parse_one(text: str) -> Source:
    kind, colon, path = text.partition(":")
    if not colon or kind not in KINDS:
        raise ValueError(f"has {text!r}, which begins with none of {', '.join(k + ':' for k in KINDS)}")
    steps = tuple(step.strip() for step in path.split("/"))
    if not all(steps):
        raise ValueError(f"has {text!r}, where a step is empty: write {kind}:name or {kind}:name/name")
    for step in steps:
        if step.startswith("__"):
            raise ValueError(f"has {text!r}, where a step begins with two underscores")
        if step.endswith("()") and (kind != "user" or step not in CALLABLE):
            raise ValueError(f"has {text!r}, but only {', '.join(CALLABLE)} of a user: source are called")
    if kind == "environ":
        return _of_environ(text, steps)
    if kind == "scope" and _is_of_clients_in_scope(steps):
        raise ValueError(f"has {text!r}, which any visitor can write: read what the site has verified")
    if kind in ("header", "response"):
        return _of_header(text, kind, steps)
    return Source(kind, steps)


def _of_environ(text: str, steps: tuple[str, ...]) -> Source:
    key = steps[0].upper()
    if key.startswith("HTTP_"):
        name = "-".join(word.capitalize() for word in key.removeprefix("HTTP_").split("_"))
        return _of_header(text, "header", (name, *steps[1:]))
    if _is_of_clients_in_environ(key) or _is_of_clients_in_event(key, steps):
        raise ValueError(f"has {text!r}, which any visitor can write: read what the site or its server has verified")
    return Source("environ", steps)


def _is_of_clients_in_environ(key: str) -> bool:
    original = key
    while original.startswith("REDIRECT_"):  # Apache keeps a request's variables so, once for each internal redirect
        original = original.removeprefix("REDIRECT_")
    if original != key and (original.startswith("HTTP_") or original in ("STATUS", "URL")):
        return True
    return bool(_OF_CLIENTS_IN_ENVIRON.fullmatch(original) or _PARSED_IN_ENVIRON.match(original))


def _is_of_clients_in_scope(steps: tuple[str, ...]) -> bool:
    return bool(_OF_CLIENTS_IN_SCOPE.fullmatch(steps[0].lower())) or _is_of_clients_in_event(steps[0].upper(), steps)


def _is_of_clients_in_event(key: str, steps: tuple[str, ...]) -> bool:
    is_event = key.endswith(("EVENT", "REQUEST_CONTEXT"))
    return is_event and any(_OF_CLIENTS_IN_EVENT.fullmatch(step.lower()) for step in steps[1:])


def _of_header(text: str, kind: str, steps: tuple[str, ...]) -> Source:
    if len(steps) != 1 or not _is_field_name(steps[0]):
        raise ValueError(f"has {text!r}, which is not the name of one header, with hyphens")
    name = steps[0].lower()
    if kind == "response":
        if name in _NEEDED or name.startswith("content-"):
            raise ValueError(f"has {text!r}, a header that the response needs: let the site set one for this alone")
        return Source(kind, (name,))
    if name in _CREDENTIALS:
        raise ValueError(f"has {text!r}, a header that holds a credential: let the proxy send the user in another one")
    if _OF_CLIENTS.fullmatch(name):
        raise ValueError(f"has {text!r}, a header that any visitor can write: let the proxy send the user in another")
    return Source(kind, steps)


def _is_field_name(text: str) -> bool:
    """Whether ``text`` is a header's name with hyphens only (an underscore spelling is how headers are forged)."""
    return text.isascii() and text.replace("-", "").isalnum()


# What is read.


def resolve(root: Any, steps: tuple[str, ...], *, place: int = 0) -> Any:
    """Follow ``steps`` down from ``root``: a value, never ``None``, or the :class:`Absence` of one.

    The first ``place`` steps lead to the place that must have been laid out. Whatever the site's objects raise, but
    for an absent item or attribute, is passed on.
    """
    value = root
    for number, step in enumerate(steps, 1):
        value = _called(value, step[:-2]) if step.endswith("()") else _down(value, step)
        if value is _MISSING or (value is None and number < place):
            return Absence.UNASKED if number <= place else Absence.NOBODY
        if value is None or says_nobody(value):
            return Absence.NOBODY
    return value


def _called(value: Any, method: str) -> Any:
    bound = attribute(value, method)
    return _at_once(bound()) if callable(bound) else _MISSING


def _down(value: Any, step: str) -> Any:
    if type(value) is dict:  # whose attributes are its methods
        return value.get(step, _MISSING)
    if isinstance(value, Mapping):
        if step in value:
            return value[step]
    elif not isinstance(value, _TEXTS) and hasattr(type(value), "__getitem__"):
        try:
            return value[step]
        except (LookupError, TypeError):
            pass
    return attribute(value, step)


def attribute(value: Any, name: str) -> Any:
    """An attribute of the site's object, or what no caller can mistake for one.

    Raises ``AttributeError`` where the attribute is there and its own code has raised that: to take it for absent would
    let another field take its place. Raises ``TypeError`` where a property must be awaited.
    """
    found = getattr(value, name, _MISSING)
    if found is _MISSING:
        if not _is_computed(value, name):
            return _MISSING
        found = getattr(value, name)
    is_made_for_us = inspect.iscoroutine(found) and isinstance(getattr(type(value), name, None), property)
    return _at_once(found) if is_made_for_us else found


def _is_computed(value: Any, name: str) -> bool:
    """Whether a class has code for an attribute; a slot that was never filled has none."""
    found = getattr(value.__class__, name, None)  # not type(): a lazy proxy's is that of what it stands for
    return found is not None and not inspect.ismemberdescriptor(found)


def _at_once(made: Any) -> Any:
    """What was made for us, unless it must be awaited: then it is closed, so that nothing says that nobody did."""
    if inspect.iscoroutine(made):
        made.close()
        raise TypeError("must be awaited")
    return made


def says_nobody(value: Any) -> bool:
    """Whether a user object stands for a visitor who is not signed in. Raises ``TypeError`` if that must be awaited."""
    if isinstance(value, _SCALARS):
        return False
    return not says(value, "is_authenticated", otherwise=True) or says(value, "is_anonymous", otherwise=False)


def says(value: Any, flag: str, *, otherwise: bool) -> bool:
    """What a flag of a user object says, an item, an attribute or a method; ``otherwise`` where it has none.

    Starlette's ``BaseUser`` raises ``NotImplementedError`` for what a site's user class does not have.
    """
    try:
        is_mapping = type(value) is dict or isinstance(value, Mapping)
        found = value.get(flag, _MISSING) if is_mapping else attribute(value, flag)
        if found is _MISSING:
            return otherwise
        if callable(found):
            found = _at_once(found())
    except NotImplementedError:
        return otherwise
    if inspect.isawaitable(found):
        raise TypeError("must be awaited")
    return bool(found)
