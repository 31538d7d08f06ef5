"""``viafoura-mw check --page``: a page of the application, through the real doors, without any call to Viafoura."""

import dataclasses
import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from viafoura_mw.commands.asking import LONGEST, PATIENCE, PEER, Answer, NoAnswer, Question, ask_asgi, ask_wsgi
from viafoura_mw.commands.checks import Check, Checks, State
from viafoura_mw.commands.keys import patient_tokens
from viafoura_mw.commands.preview import SESSION, USER_ID, reason
from viafoura_mw.commands.reading import Noted, NotingReader
from viafoura_mw.loading import described, door
from viafoura_mw.log import Notices
from viafoura_mw.metrics import SiteMetrics
from viafoura_mw.page.rewriter import Page
from viafoura_mw.response.effects import DEBUG_HEADER
from viafoura_mw.response.guard import look
from viafoura_mw.response.request import RequestRules
from viafoura_mw.runtime import Runtime, runtime_of
from viafoura_mw.settings import Settings
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

#: What the debug header's words mean for a visitor; a login and a logout are none that this command makes.
_OUTCOMES: Final = {
    "injected; session=login": "Viafoura would be asked for a session, which would be set in the tag and in the cookie",
    "injected; session=cookie": "the session of the cookie would be set in the tag, and Viafoura asked nothing",
    "streaming; session=login": "Viafoura would be asked for a session, and the tag set as the page streams",
    "streaming; session=cookie": "the session of the cookie would be set in the tag as the page streams",
    "no-tag": "the page would leave as it is, since it has no tag",
    "anonymous": "the page would leave as it is, since nobody is signed in",
    "unknown": "the page would leave as it is, since it is not known who asks",
    "signed-out": "Viafoura's session would be ended, and the cookie cleared: the user has signed out of the site",
    "": "the page would leave as it is: it is none that is looked at",
}
_OTHERWISE: Final = "the page would leave as it is (X-Viafoura-MW: {word})"
_HINTS: Final = {
    400: "the site may not serve this host: give the whole address, --page https://www.site.example/…",
    404: "the application has no such page",
}
_IS_IT_GOOD: Final = "is the cookie still good? (A session in a running server's own memory is not seen from here.)"
#: Where users of a preset's kind of site often are instead.
_ELSEWHERE: Final = {
    "remote-user": "a session is read by session:user_id, a token by jwt:sub, and by response:X-Site-User a header "
    "that the site sets on its response for this",
    "scope": "a session is read by session:user_id, a token by jwt:sub, and by response:X-Site-User a header that "
    "the site sets on its response for this; the site can also set scope['user'] itself, and a FastAPI dependency can "
    "leave its user in request.state.user",
}


class NoViafoura:
    """Stands in Viafoura's place: a login gives an example at once, a logout does nothing, and nothing is sent."""

    def __init__(self, limit: float) -> None:
        self.limit: float = limit

    def login(self, user: User, *, limit: float | None = None) -> Session:  # noqa: ARG002
        """An example's session."""
        return Session(USER_ID, SESSION, time.time())

    def logout(self, session_id: str, *, limit: float | None = None) -> None:
        """Ends nothing."""


def page_checks(app: Any, settings: Settings, asked: Question, *, is_asgi: bool) -> Checks:
    """Ask the application for a page, and tell of the page, the tag, the user, and what would happen."""
    rules = RequestRules(cookie_name=settings.cookie_name, include=settings.include, exclude=settings.exclude)
    if not rules.includes(unquote(asked.path)):
        sentence = f"VIAFOURA_INCLUDE and VIAFOURA_EXCLUDE leave {asked.path} out: it is never touched"
        yield Check("page", State.FAILED, sentence)
        return
    readers: list[NotingReader] = []
    logged: list[BaseException] = []
    try:
        with _silenced(logged):
            middleware = door("asgi" if is_asgi else "wsgi")
            wrapped = middleware(
                app, dataclasses.replace(settings, debug_header=True), compose=partial(_composed, readers)
            )
            answer = (ask_asgi if is_asgi else ask_wsgi)(wrapped, asked)
    except NoAnswer as failure:
        yield Check("page", State.FAILED, f"{asked.path}: the application {failure}")
        return
    except (Exception, SystemExit) as error:
        yield Check("page", State.FAILED, f"{asked.path}: the application raised {described(error)}")
        return
    hint = _hint(answer, asked, logged)
    yield from _page(answer, asked, hint)
    if not hint:
        yield from _told(answer, asked, settings, _asked_reader(readers).noted)


@contextmanager
def _silenced(logged: list[BaseException]) -> Iterator[None]:
    """Let the site say nothing meanwhile, since it may show a secret; what it logs that it caught is ``logged``."""

    def note(record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] and record.exc_info[2]:
            logged.append(record.exc_info[1])

    handler = logging.Handler()
    handler.emit = note  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        root.removeHandler(handler)


def _composed(
    readers: list[NotingReader],
    settings: Settings,
    *,
    otherwise: str,
    site: str = "",
    removed: frozenset[str] = frozenset(),
    told: SiteMetrics | None = None,  # noqa: ARG001 - nobody counts what is only tried
) -> Runtime:
    """One site's parts, with a reader that notes what it reads, and nothing in Viafoura's place."""

    def compose(of_site: Settings) -> Runtime:
        nothing = NoViafoura(of_site.timeout)
        return runtime_of(of_site, otherwise=otherwise, site=site, removed=removed, viafoura=nothing)

    runtime = compose(settings)
    readers.append(NotingReader(runtime.reader, settings, lambda other: compose(other).reader))
    tokens = patient_tokens(settings, runtime.notices)
    return dataclasses.replace(runtime, reader=cast(UserReader, readers[-1]), tokens=tokens)


def _asked_reader(readers: list[NotingReader]) -> NotingReader:
    """The reader of the site whose page was asked for."""
    return next((reader for reader in readers if reader.noted.answer != Noted().answer), readers[0])


def _told(answer: Answer, asked: Question, settings: Settings, noted: Noted) -> Checks:
    looked = look("GET", answer.status, answer.headers, Notices())
    assert looked is not None  # or there is a hint
    page = Page(looked.coding, looked.charset)
    page.look_at_whole(answer.body)
    if page.found:
        yield Check("tag", State.OK, '<script id="viafoura-platform"> is there', {"found": True})
    else:
        why = reason(answer.body) if looked.coding == "identity" else f"not in the page, decoded ({looked.coding})"
        yield Check("tag", State.FAILED, f"nothing would be rewritten: {why}", {"found": False})
    yield _reader(asked, settings, noted)
    word = answer.header(DEBUG_HEADER.lower())
    # Of "anonymous; preset=scope" the preset is told already.
    outcome = _OUTCOMES.get(word) or _OUTCOMES.get(word.partition(";")[0]) or _OTHERWISE.format(word=word)
    is_as_asked = noted.answer == "user" or not asked.is_of_somebody
    yield Check("outcome", State.OK if is_as_asked else State.WARNING, outcome, {"word": word})


def _page(answer: Answer, asked: Question, hint: str) -> Checks:
    sentence = f"GET {asked.path} is answered with {answer.status}, {_kind(answer)}, {len(answer.body)} bytes"
    details = {"status": answer.status, "content_type": _kind(answer)}
    yield Check("page", State.FAILED if hint else State.OK, f"{sentence}: {hint}" if hint else sentence, details)
    if not answer.is_whole:
        sentence = f"it had no end within {PATIENCE:g} seconds or {LONGEST} bytes: what had come by then was looked at"
        yield Check("page", State.WARNING, sentence)


def _kind(answer: Answer) -> str:
    return answer.header("content-type").partition(";")[0].strip() or "no content type"


def _hint(answer: Answer, asked: Question, logged: list[BaseException]) -> str:
    """Why an answer is not the page that was meant; empty where it may be."""
    status = answer.status
    sign_in = _IS_IT_GOOD if asked.is_of_somebody else "give the site's sign-in cookie with --cookie 'name=value'"
    if 300 <= status < 400:
        # Not the query: it may hold the token of a sign-in.
        to = urlsplit(answer.header("location"))._replace(query="", fragment="").geturl() or "nowhere"
        return f"it leads to {to}; ask for that page, or {sign_in}"
    if status >= 500:
        return f"the site logged {described(logged[-1])}" if logged else "the site's own log may say why"
    if status >= 400:
        return sign_in if status in (401, 403) else _HINTS.get(status, "this is no page of the site")
    if _kind(answer).lower() != "text/html":
        return "only text/html is looked at"
    if look("GET", status, answer.headers, Notices()) is None:
        return "a response with this status or these headers is not looked at (README, When it stands aside)"
    return ""


def _reader(asked: Question, settings: Settings, noted: Noted) -> Check:
    details = {"answer": noted.answer, "preset": noted.preset, **noted.sources}
    by = f"preset {noted.preset}"
    if noted.answer == "user":
        sources = noted.sources
        sentence = (
            f"a user was read by {by}: id from {sources['id'] or 'a place that gave it only once'}, "
            f"name from {sources['name'] or 'the id'}, e-mail from {sources['email'] or 'nowhere'}"
        )
        return Check("reader", State.OK, sentence, details)
    state = State.FAILED if asked.is_of_somebody else State.OK
    if noted.answer == "not asked":
        state = State.WARNING if asked.is_of_somebody else State.OK
        return Check("reader", state, "nobody was asked who the user is, since the page has no tag", details)
    where = f"where {_looked_at(settings, noted)}"
    if noted.answer == "nobody":
        sentence = f"nobody is signed in {where}"
    else:
        sentence = (
            f"it is not known who asks: {where} there is not even an empty place for a user, or what is there is no id"
        )
    if not asked.is_of_somebody:
        sentence += "; give the site's sign-in cookie with --cookie 'name=value' to ask as a user"
    else:
        sentence += f"; {_what_to_set(asked, settings, noted)}"
    return Check("reader", state, sentence, details)


def _looked_at(settings: Settings, noted: Noted) -> str:
    """What says where the id is to be read: the variable, if it is set, or else the preset."""
    if settings.user_id:
        return f"VIAFOURA_USER_ID={'|'.join(map(str, settings.user_id))} looks"
    return f"preset {noted.preset} looks{_places(settings, noted)}"


def _places(settings: Settings, noted: Noted) -> str:
    preset = settings.preset(noted.preset)
    places = preset.sources.id if preset.is_free else ()
    if any(source.kind == "user" for source in places):
        places = preset.user_object
    return f" ({'|'.join(map(str, places))})" if places else ""


def _what_to_set(asked: Question, settings: Settings, noted: Noted) -> str:
    if noted.instead:
        return f"set {noted.instead}: that gives a user on this page (is it an id that never changes?)"
    is_it_good = _IS_IT_GOOD if any(name == "Cookie" for name, _ in asked.headers) else "is the header still good?"
    if settings.trusted_proxies or settings.proxy_secret:
        return (
            f"{is_it_good} A proxy's header is believed only with --header 'X-Viafoura-Proxy-Secret: …' beside it, or "
            f"where VIAFOURA_TRUSTED_PROXIES has {PEER}"
        )
    often = f" ({_ELSEWHERE[noted.preset]})" if noted.preset in _ELSEWHERE else ""
    return f"{is_it_good} If it is, the user is kept elsewhere: set VIAFOURA_USER or VIAFOURA_USER_ID{often}"
