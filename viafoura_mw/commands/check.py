"""``viafoura-mw check``: whether the environment is right, the application loads, and Viafoura answers."""

import json
import logging
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from viafoura_mw.commands import bridge, say
from viafoura_mw.environment import read_file
from viafoura_mw.errors import (
    CredentialsRefused,
    LoginRefused,
    LogoutRefused,
    SettingsError,
    ViafouraError,
    ViafouraUnavailable,
)
from viafoura_mw.interface import interface_of
from viafoura_mw.loading import load, without_arguments
from viafoura_mw.response.request import RequestRules
from viafoura_mw.runtime import viafoura_of
from viafoura_mw.settings import Settings, named_application
from viafoura_mw.user.sources import Source
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

SUMMARY: Final = "check the environment, and ask Viafoura for a token"
DESCRIPTION: Final = (
    "Check what the environment says: the settings, the application if VIAFOURA_APP names one, where the user will be "
    "read, and whether Viafoura gives a token. One line for each check; no secret, session or token is shown. Exit "
    "code: 0 if nothing failed, else 1."
)
LONG_WAIT: Final = 5.0  # seconds


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was checked, how it ended, and in a sentence what was found or what to change."""

    subject: str
    state: State
    sentence: str


Checks = Iterator[Check]

_ADVICE: Final[dict[type[ViafouraError], str]] = {
    CredentialsRefused: "copy VIAFOURA_SITE_ID and VIAFOURA_API_KEY from admin.viafoura.com, Settings, API Key",
    LoginRefused: "try another id or name",
    LogoutRefused: "the session ends by itself, 12 hours after it was last used",
    ViafouraUnavailable: "look at VIAFOURA_API_URL and VIAFOURA_TOKEN_URL, and whether this machine can connect there",
}


def configure(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--app", metavar="NAME", help="the application to import, as VIAFOURA_APP would name it")
    parser.add_argument(
        "--login",
        metavar="ID",
        help="also log a user in, and out again: take an id that no user of yours has, since Viafoura creates the user",
    )
    parser.add_argument("--name", default="viafoura-mw check", help="that user's name (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: Namespace) -> int:
    """Print the checks; the exit code is 1 if one failed."""
    checks = []
    for check in all_checks(options.app, options.login, options.name):
        checks.append(check)
        if not options.json:
            say(f"{check.state:8} {check.subject:12} {check.sentence}")
    failed = any(check.state is State.FAILED for check in checks)
    if options.json:
        say(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, indent=2))
    return int(failed)


def all_checks(app: str | None, login: str | None, name: str) -> Checks:
    """Every check, one after another, as far as it makes sense; the site may make settings while it is imported."""
    read = cache(read_file)
    loaded = _loaded(named) if (named := app or named_application(read=read)) else None
    settings: Settings | None = None
    problems: tuple[str, ...] = ()
    with _logged() as warnings:
        try:
            settings = Settings.from_env(read=read)
        except SettingsError as error:
            problems = error.problems
    yield from _each("settings", State.WARNING, warnings)
    yield from _each("settings", State.FAILED, problems)
    if settings:
        yield from _settings(settings)
    if loaded:
        yield loaded.check
    if settings and settings.enabled:
        yield from _user(settings, loaded)
        yield from _bridge(settings, loaded)
        yield from _viafoura(settings, login, name)


def _each(subject: str, state: State, sentences: Iterable[str]) -> Checks:
    return (Check(subject, state, sentence) for sentence in sentences)


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What is logged meanwhile, instead of its being written anywhere."""
    sentences: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: sentences.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("viafoura_mw")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield sentences
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


# The settings.


def _settings(settings: Settings) -> Checks:
    if not settings.enabled:
        yield Check(
            "settings", State.WARNING, "VIAFOURA_ENABLED=0: pages are left as they are; set it to 1, or unset it"
        )
        return
    warnings = list(_doubts(settings))
    yield from _each("settings", State.WARNING, warnings)
    if not warnings:
        yield Check("settings", State.OK, "every variable is right")


def _doubts(settings: Settings) -> Iterator[str]:
    """What is allowed, and probably not meant."""
    for variable, url in (("VIAFOURA_API_URL", settings.api_url), ("VIAFOURA_TOKEN_URL", settings.token_url)):
        if urlsplit(url).scheme == "http":
            yield f"{variable} is a plain http:// URL of this machine: right for a simulated Viafoura only"
    if settings.user == "off" and not settings.user_id:
        yield "VIAFOURA_USER=off: no user is ever read; set it to auto, or unset it"
    if settings.timeout > LONG_WAIT:
        yield f"VIAFOURA_TIMEOUT={settings.timeout:g}: a page may wait so many seconds; the default is 2"
    if settings.cookie_secure == "0":
        yield "VIAFOURA_COOKIE_SECURE=0: the cookie also travels over http; unset it for a site that has https"
    rules = RequestRules(cookie_name=settings.cookie_name, include=settings.include, exclude=settings.exclude)
    for glob in settings.logout_paths:
        if not rules.includes(glob):
            yield f"VIAFOURA_LOGOUT_PATHS has {glob}, which VIAFOURA_INCLUDE and _EXCLUDE leave out: it ends no session"


# The application.


@dataclass(frozen=True, slots=True)
class _Loaded:
    check: Check
    app: Any = None  # kept: frameworks are recognised by the applications that there are
    is_asgi: bool | None = None


def _loaded(name: str) -> _Loaded:
    try:
        with redirect_stdout(sys.stderr):
            app = load(name)
    except SettingsError as error:
        return _Loaded(Check("application", State.FAILED, " ".join(error.problems)))
    interface = interface_of(app)
    doors = {"wsgi": "viafoura_mw.wsgi:application", None: "viafoura_mw.wsgi:application, or asgi if it is ASGI"}
    door = doors.get(interface, "viafoura_mw.asgi:application")
    check = Check("application", State.OK, f"{without_arguments(name)} is there; serve {door}")
    return _Loaded(check, app, None if interface is None else interface != "wsgi")


# The user.


def _user(settings: Settings, loaded: _Loaded | None) -> Checks:
    is_asgi = loaded.is_asgi if loaded else None
    try:
        presets = _presets(settings, is_asgi)
    except Exception as error:  # a framework that is only half there
        yield Check("user", State.WARNING, f"whether a framework runs cannot be told ({type(error).__name__})")
        return
    for name, where in presets:
        preset = settings.preset(name)
        fields = preset.sources
        if not fields.id:
            continue
        sentence = (
            f"{where}preset {name}: id from {_places(fields.id)}, name from {_places(fields.name) or 'the id'}, "
            f"e-mail from {_places(fields.email) or 'nowhere'}"
        )
        if preset.user_object:
            sentence += f", where user: is {_places(preset.user_object)}"
        yield Check("user", State.OK, sentence)
        kinds = fields.kinds() | {source.kind for source in preset.user_object}
        if is_asgi is not None and ("environ" if is_asgi else "scope") in kinds:
            absent, door = ("environ", "ASGI") if is_asgi else ("scope", "WSGI")
            yield Check("user", State.WARNING, f"an {door} application has no {absent}: what is read of it is empty")


def _presets(settings: Settings, is_asgi: bool | None) -> tuple[tuple[str, str], ...]:
    """The presets that may read the user, each with where that is so: one, unless the door is not known."""
    if settings.user != "auto":
        return ((settings.user, ""),)
    if is_asgi is None:
        unless = "unless Django, Flask-Login or Pyramid runs"
        return ("remote-user", f"under WSGI, {unless}: "), ("scope", f"under ASGI, {unless}: ")
    from viafoura_mw.user import frameworks

    return ((frameworks.recognised(asgi=is_asgi) or ("scope" if is_asgi else "remote-user"), ""),)


def _places(sources: Iterable[Source]) -> str:
    return "|".join(map(str, sources))


# The bridge.


def _bridge(settings: Settings, loaded: _Loaded | None) -> Checks:
    if not settings.bridge or loaded is None or loaded.app is None or loaded.is_asgi is None:
        return
    with redirect_stdout(sys.stderr):
        tells, sentence = bridge.asked(loaded.app, settings, is_asgi=loaded.is_asgi)
    yield Check("bridge", State.OK if tells else State.FAILED, sentence)


# Viafoura.


def _viafoura(settings: Settings, login: str | None, name: str) -> Checks:
    viafoura = viafoura_of(settings)
    began = time.monotonic()
    failure = _failure(viafoura.access_token)
    if failure:
        yield Check("token", State.FAILED, failure)
        return
    taken = time.monotonic() - began
    yield Check("token", State.OK, f"Viafoura gave one, in {taken * 1000:.0f} ms")
    if taken > settings.timeout:
        sentence = f"that is longer than VIAFOURA_TIMEOUT={settings.timeout:g}, for which a page waits at most"
        yield Check("token", State.WARNING, sentence)
    if login is None:
        return
    sessions: list[Session] = []
    failure = _failure(lambda: sessions.append(viafoura.login(User(login, name))))
    if failure:
        yield Check("login", State.FAILED, failure)
        return
    yield Check("login", State.OK, "Viafoura gave a session")
    failure = _failure(lambda: viafoura.logout(sessions[0].id))
    yield Check("logout", State.FAILED if failure else State.OK, failure or "Viafoura ended it")


def _failure(call: Callable[[], object]) -> str:
    """What went wrong with a call, and what to do; empty if nothing did."""
    try:
        call()
    except ViafouraError as error:
        return f"{error}; {_ADVICE[type(error)]}"
    return ""
