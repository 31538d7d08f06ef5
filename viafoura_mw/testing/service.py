"""What Viafoura knows and answers, without any I/O: tokens, users, sessions, and a strict reading of requests.

As Viafoura's document has it ("OAuth 2.0 Integration"), and RFC 6749 where that is silent.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

Kind = Literal["token", "login", "logout", "unknown"]

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {"/oauth2/token": "token", "/rest/v1/accounts/login": "login", "/rest/v1/accounts/logout": "logout"}
)
TOKEN_LIFE: Final = 3600  # seconds, as in the document's example
SESSION_LIFE: Final = 12 * 3600  # "sessions expire after 12 hours of user inactivity"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; the names of ``headers`` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def kind(self) -> Kind:
        """Which of the three calls this is, by its path."""
        return KINDS.get(self.path, "unknown")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: the status, more headers than ``Content-Length``, and a body."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A call that came: ``form`` is what it carried, ``status`` what it was answered, if it has been, and ``when``."""

    kind: Kind
    form: Mapping[str, str] = field(repr=False)
    when: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A user as Viafoura knows them: ``id`` is the site's own, ``user_id`` is Viafoura's."""

    id: str
    name: str
    email: str | None
    user_id: int


class Service:
    """One site's Viafoura. Not safe with threads: its owner lets one in at a time. ``clock``: unix time."""

    def __init__(self, site_id: str, api_key: str, clock: Callable[[], float]) -> None:
        self._site_id = site_id
        self._api_key = api_key
        self._clock = clock
        self._tokens: dict[str, float] = {}  # until when
        self._sessions: dict[str, tuple[Account, float]] = {}  # whose, and until when
        self.users: dict[str, Account] = {}

    @property
    def sessions(self) -> dict[str, int]:
        """The live sessions, each with its user's id."""
        now = self._clock()
        return {session: account.user_id for session, (account, until) in self._sessions.items() if now < until}

    def user_of(self, request: Request) -> str | None:
        """The site's id of the user whom a login or a logout is about, if it is known."""
        form = form_of(request)
        if request.kind == "logout" and (session := self._sessions.get(form.get("session", ""))):
            return session[0].id
        return form.get("id") if request.kind == "login" else None

    def expire_tokens(self) -> None:
        """Let every access token end."""
        self._tokens.clear()

    def expire_sessions(self, user_id: int | None = None) -> None:
        """Let every session end, or every one of a user."""
        self._sessions = {k: v for k, v in self._sessions.items() if user_id not in (None, v[0].user_id)}

    def end_session(self, session: str) -> None:
        """Let one session end; one that has ended already is as much ended."""
        self._sessions.pop(session, None)

    def answer(self, request: Request) -> Answer:
        """Answer a request, and change what it asks to be changed."""
        match request.kind:
            case "token":
                return _refusal(request) or self._token(request)
            case "login":
                return _refusal(request) or self._unauthorized(request) or self._login(form_of(request))
            case "logout":
                return _refusal(request) or self._unauthorized(request) or self._logout(form_of(request))
            case _:
                return _problem(404, "not_found")

    def _token(self, request: Request) -> Answer:
        """RFC 6749 §4.4 and §5.2."""
        credentials = base64.b64encode(f"{self._site_id}:{self._api_key}".encode()).decode()
        if not _is_authorization(request, "Basic", (credentials,)):
            return _problem(401, "invalid_client", ("WWW-Authenticate", 'Basic realm="Viafoura"'))
        form = form_of(request)
        if form.get("grant_type") != "client_credentials":
            return _problem(400, "unsupported_grant_type" if "grant_type" in form else "invalid_request")
        if form.get("scope") != "accounts":
            return _problem(400, "invalid_scope")
        token = base64.b64encode(secrets.token_bytes(20)).decode()
        self._tokens[token] = self._clock() + TOKEN_LIFE
        members = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFE, "scope": "accounts"}
        return _json(members)

    def _unauthorized(self, request: Request) -> Answer | None:
        """RFC 6750 §3: a bearer token that is missing, unknown or has expired."""
        now = self._clock()
        if _is_authorization(request, "Bearer", tuple(token for token, until in self._tokens.items() if now < until)):
            return None
        return _problem(401, "invalid_token", ("WWW-Authenticate", 'Bearer realm="Viafoura", error="invalid_token"'))

    def _login(self, form: Mapping[str, str]) -> Answer:
        """Create a user who does not exist, or update changed details; a new session each time."""
        if not form.get("id") or not form.get("name"):
            return _problem(400, "invalid_request")
        account = Account(form["id"], form["name"], form.get("email"), self._user_id(form["id"]))
        self.users[account.id] = account
        session = base64.b32hexencode(secrets.token_bytes(16)).decode().rstrip("=").lower()
        self._sessions[session] = (account, self._clock() + SESSION_LIFE)
        return _json({"user_id": account.user_id, "session": session})

    def _logout(self, form: Mapping[str, str]) -> Answer:
        """End a session; one that has ended already, or never was, is as much ended."""
        if not form.get("session"):
            return _problem(400, "invalid_request")
        self._sessions.pop(form["session"], None)
        return _json({})

    def _user_id(self, site_user_id: str) -> int:
        """A number like the document's 7000000003119, always the same for a user of this site."""
        digest = hashlib.sha256(f"{self._site_id}\0{site_user_id}".encode("utf-8", "surrogatepass")).digest()
        return 7_000_000_000_000 + int.from_bytes(digest[:8], "big") % 10**12


def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a request's form, each once; nothing where it is no form."""
    try:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        return {}
    form = dict(pairs)
    return form if len(form) == len(pairs) else {}


def _refusal(request: Request) -> Answer | None:
    """What is wrong with a request whatever it asks for."""
    if request.method != "POST":
        return _problem(405, "method_not_allowed", ("Allow", "POST"))
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return _problem(415, "unsupported_media_type")
    return None if form_of(request) else _problem(400, "invalid_request")


def _is_authorization(request: Request, scheme: str, accepted: tuple[str, ...]) -> bool:
    """RFC 9110 §11.4: the scheme is case-insensitive."""
    given, _, credentials = request.headers.get("authorization", "").partition(" ")
    given_bytes = credentials.strip().encode("latin-1", "replace")
    return given.lower() == scheme.lower() and any(hmac.compare_digest(given_bytes, a.encode()) for a in accepted)


def _json(members: Mapping[str, Any]) -> Answer:
    body = json.dumps(members, separators=(",", ":")).encode()
    return Answer(200, body, (("Content-Type", "application/json"), ("Cache-Control", "no-store")))


def _problem(status: int, error: str, *headers: tuple[str, str]) -> Answer:
    body = json.dumps({"error": error}).encode()
    return Answer(status, body, (("Content-Type", "application/json"), *headers))
