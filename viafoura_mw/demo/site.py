"""The news site: from a visit to a reply, the same under WSGI and ASGI. It knows nothing of the middleware.

Beside the news it lets its readers look behind the page, at the simulated Viafoura: what it was asked, and how it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from importlib.resources import files
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from viafoura_mw.demo import pages
from viafoura_mw.demo.cache import Tally
from viafoura_mw.demo.readers import READERS, Reader, SignIn, guest
from viafoura_mw.demo.stories import STORIES

Headers = list[tuple[str, str]]

_HTML: Final = "text/html; charset=utf-8"
_MEDIA_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_STATIC: Final = {
    f"/static/{file.name}": (_MEDIA_TYPES[file.name.rpartition(".")[2]], file.read_bytes())
    for file in (files("viafoura_mw.demo") / "static").iterdir()
}
_READERS: Final = {reader.id: reader for reader in READERS}
_STORIES: Final = {story.path: story for story in STORIES}
_POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_SECURITY: Final = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin")]
_NOT_STORED: Final = ("Cache-Control", "no-store")
#: A browser asks each time; a cache that readers share need not, for a minute.
_SHARED: Final = ("Cache-Control", "public, max-age=0, s-maxage=60")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: ``cookies`` and ``fetch_site`` are the headers ``Cookie`` and ``Sec-Fetch-Site``, or empty."""

    method: str
    path: str
    query: str = ""
    form: str = ""
    cookies: str = ""
    fetch_site: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response."""

    status: HTTPStatus
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """One call that Viafoura received: ``at`` a time of day, ``status`` 0 for one that was never answered."""

    at: str
    name: str
    about: str
    status: int


class Watched(Protocol):
    """The simulated Viafoura, as the site's readers may look at it and play with it."""

    @property
    def mood(self) -> str:
        """How it is, of :data:`viafoura_mw.demo.pages.MOODS`."""
        ...

    def become(self, mood: str) -> None:
        """Change how it is."""
        ...

    def calls(self) -> Sequence[Call]:
        """The latest calls, oldest first."""
        ...

    def name_of(self, user_id: str, session: str) -> str | None:
        """The name under which Viafoura knows the user of a living session, or ``None`` if the two are no pair."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """A cache before the site, for which its pages are the same for everybody.

    ``viafoura``: the origin of Viafoura's script, which such pages load themselves. ``tally``: how the cache has done.
    """

    viafoura: str
    tally: Callable[[], Tally]


class Site:
    """Answers visits; ``server`` says what it runs on, ``name`` what its pages are headed with."""

    def __init__(
        self, viafoura: Watched, sign_in: SignIn, server: str, name: str = pages.NAME, edge: Edge | None = None
    ) -> None:
        self._viafoura = viafoura
        self._sign_in = sign_in
        self._server = server
        self._name = name
        self._edge = edge

    def reader(self, cookies: str) -> Reader | None:
        """The signed-in reader of a ``Cookie`` header."""
        return self._sign_in.reader(cookies)

    def answer(self, visit: Visit) -> Reply:
        """Answer one visit; never raises."""
        match visit.method:
            case "GET":
                return self._shown(visit)
            case "HEAD":
                reply = self._shown(visit)
                return Reply(reply.status, reply.headers)
            case "POST" if visit.fetch_site in ("", "none", "same-origin"):
                return self._done(visit)
            case "POST":
                return _empty(HTTPStatus.FORBIDDEN)
        return _empty(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD, POST"))

    def _shown(self, visit: Visit) -> Reply:
        if visit.path in _STATIC:
            media_type, content = _STATIC[visit.path]
            return _reply(HTTPStatus.OK, media_type, content, ("Cache-Control", "no-cache"))
        if visit.path == "/behind/calls":
            return _json(self._behind())
        if self._edge is not None and (reply := self._for_everybody(self._edge, visit)):
            return reply
        view = self._view(visit.path, visit)
        if visit.path == "/":
            return _page(pages.front_page(view))
        if visit.path == "/sign-in":
            back = _back(_fields(visit.query))
            return _page(pages.sign_in_page(self._view(back, visit), back))
        if story := _STORIES.get(visit.path):
            return _page(pages.story_page(view, story))
        return _page(pages.not_found_page(self._view("/", visit)), HTTPStatus.NOT_FOUND)

    def _view(self, path: str, visit: Visit) -> pages.View:
        """A page for its reader; ``path`` is where its forms lead back to."""
        return pages.View(path, self.reader(visit.cookies), self._viafoura.mood, self._server, self._name)

    def _behind(self) -> Mapping[str, object]:
        mood = self._viafoura.mood
        behind = {"mood": mood, "hint": pages.MOODS[mood], "calls": [asdict(call) for call in self._viafoura.calls()]}
        return behind if self._edge is None else {**behind, "cache": asdict(self._edge.tally())}

    def _for_everybody(self, edge: Edge, visit: Visit) -> Reply | None:
        """What there is only where a cache stands before the site: its pages, and what their scripts ask."""
        if visit.path == "/who":
            reader = self.reader(visit.cookies)
            return _json({"name": reader and reader.name})
        if visit.path == "/sign-out" and visit.fetch_site == "same-origin":  # from the widget's log-out
            return self._signed_out(_fields(visit.query))
        view = pages.View(visit.path, None, "well", self._server, self._name, edge.viafoura)
        policy = f"{_POLICY}; script-src 'self' {edge.viafoura}; connect-src 'self' {edge.viafoura}"
        if visit.path == "/":
            return _reply(HTTPStatus.OK, _HTML, pages.front_page(view).encode(), _SHARED, policy=policy)
        if story := _STORIES.get(visit.path):
            return _reply(HTTPStatus.OK, _HTML, pages.story_page(view, story).encode(), _SHARED, policy=policy)
        return None

    def _done(self, visit: Visit) -> Reply:
        fields = _fields(visit.form)
        match visit.path:
            case "/sign-in":
                return self._signed_in(visit, fields)
            case "/sign-out":
                return self._signed_out(fields)
            case "/behind/mood" if fields.get("mood") in pages.MOODS:
                self._viafoura.become(fields["mood"])
                return _see_other(_back(fields))
            case "/behind/pair":
                return self._pair(fields)
        return _empty(HTTPStatus.NOT_FOUND)

    def _signed_in(self, visit: Visit, fields: Mapping[str, str]) -> Reply:
        reader = _READERS.get(fields.get("reader", "")) or guest(fields.get("name", ""))
        if reader:
            return _see_other(_back(fields), ("Set-Cookie", self._sign_in.remembering(reader)))
        back = _back(fields)
        page = pages.sign_in_page(self._view(back, visit), back, "Please type a name that can be read aloud.")
        return _page(page, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _signed_out(self, fields: Mapping[str, str]) -> Reply:
        return _see_other(_back(fields), ("Set-Cookie", self._sign_in.forgetting()))

    def _pair(self, fields: Mapping[str, str]) -> Reply:
        """Say to the stand-in for Viafoura's script whose session it was given."""
        if self._viafoura.mood in ("gone", "failing"):
            return _empty(HTTPStatus.BAD_GATEWAY)
        return _json({"name": self._viafoura.name_of(fields.get("uid", ""), fields.get("sid", ""))})


def _fields(encoded: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(encoded, max_num_fields=8))
    except ValueError:
        return {}


def _back(fields: Mapping[str, str]) -> str:
    """Where a form leads: a page of this site, and nowhere else."""
    try:
        wanted = urlsplit(fields.get("back", "")).path
    except ValueError:
        return "/"
    return wanted if wanted in _STORIES else "/"


def _reply(status: HTTPStatus, media_type: str, body: bytes, *headers: tuple[str, str], policy: str = _POLICY) -> Reply:
    of_body = [("Content-Type", media_type), ("Content-Length", str(len(body)))]
    return Reply(status, [*of_body, *headers, ("Content-Security-Policy", policy), *_SECURITY], body)


def _page(html: str, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return _reply(status, _HTML, html.encode())


def _json(value: object) -> Reply:
    return _reply(HTTPStatus.OK, "application/json", json.dumps(value).encode(), _NOT_STORED)


def _see_other(path: str, *headers: tuple[str, str]) -> Reply:
    return _empty(HTTPStatus.SEE_OTHER, ("Location", path), *headers)


def _empty(status: HTTPStatus, *headers: tuple[str, str]) -> Reply:
    return Reply(status, [("Content-Length", "0"), *headers])
