"""``viafoura-mw check``: whether the environment is right, the application loads, and Viafoura answers."""

import json
import logging
import platform
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

from viafoura_mw.commands import GREEN, RED, YELLOW, bridge, coloured, complain, say
from viafoura_mw.commands.asking import Question, question
from viafoura_mw.commands.checks import Check, Checks, State, each
from viafoura_mw.commands.keys import keys_checks
from viafoura_mw.commands.page import page_checks
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
from viafoura_mw.loading import load, refuse_maker, without_arguments
from viafoura_mw.response.request import RequestRules
from viafoura_mw.runtime import viafoura_of
from viafoura_mw.settings import Settings, named_application
from viafoura_mw.user.sources import LENT, Source
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

SUMMARY: Final = "check the environment, and ask Viafoura for a token"
DESCRIPTION: Final = (
    "Check what the environment says: the settings, the application if VIAFOURA_APP names one, where the user will be "
    "read, whether the keys of signed tokens can be had, and whether Viafoura gives a token. With --page also ask the "
    "application for a page, in this process, and say whether the tag is there, by what the user was read, and what "
    "would happen; it makes no login and no logout. One line for each check; no secret, session, token or user's "
    "detail is shown. Exit code: 0 if nothing failed, 1 if something did, 2 if the options are wrong."
)
EXAMPLES: Final = (
    "viafoura-mw check",
    "viafoura-mw check --login no-user-of-ours",
    "viafoura-mw check --page /story --cookie 'sessionid=…'",
    "viafoura-mw check --page https://www.site.example/story --header 'Authorization: Bearer …'",
    "viafoura-mw check --json",
)
_COLOURS: Final = {State.OK: GREEN, State.WARNING: YELLOW, State.FAILED: RED}
LONG_WAIT: Final = 5.0  # seconds


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
    parser.add_argument(
        "--site", metavar="NAME", help="of the sites of VIAFOURA_SITES_FILE, check the one of this table alone"
    )
    parser.add_argument(
        "--page",
        metavar="PATH",
        help="also ask the application for a page: a path (/story), or an address where the site looks at its "
        "host or its scheme (https://www.site.example/story)",
    )
    parser.add_argument(
        "--cookie",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a cookie to ask for the page with: the one by which the site knows a signed-in user; may be repeated",
    )
    parser.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        help="a header to ask for the page with; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: Namespace) -> int:
    """Print the checks; the exit code is 1 if one failed, and 2 where the options do not go together."""
    try:
        asked = _asked(options)
    except ValueError as error:
        complain(str(error))
        return 2
    checks = []
    for check in all_checks(options.app, options.login, options.name, options.site, asked):
        checks.append(check)
        if not options.json:
            say(_line(check))
    failed = any(check.state is State.FAILED for check in checks)
    if options.json:
        versions = {"viafoura-mw": version("viafoura-mw"), "python": platform.python_version()}
        told = {"ok": not failed, "versions": versions, "checks": [_for_programs(check) for check in checks]}
        say(json.dumps(told, indent=2))
    return int(failed)


def _asked(options: Namespace) -> Question | None:
    if options.page is None:
        if options.cookie or options.header:
            raise ValueError("--cookie and --header are for a page: name it with --page PATH")
        return None
    return question(options.page, options.cookie, options.header)


def _for_programs(check: Check) -> dict[str, Any]:
    return {name: value for name, value in asdict(check).items() if value != {}}


def _line(check: Check) -> str:
    return f"{coloured(f'{check.state:8}', _COLOURS[check.state])} {check.subject:12} {check.sentence}"


def all_checks(
    app: str | None, login: str | None, name: str, site: str | None = None, asked: Question | None = None
) -> Checks:
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
    yield from each("settings", State.WARNING, warnings)
    yield from each("settings", State.FAILED, problems)
    if settings is None:
        if loaded:
            yield loaded.check
        return
    wanted = _wanted(settings, site)
    if not wanted:
        there = ", ".join(name for name, _ in settings.sites) or "no VIAFOURA_SITES_FILE"
        yield Check("settings", State.FAILED, f"--site {site}: there is no such table; there is {there}")
    for host, of_site in wanted:
        yield from _named(host, _settings(of_site))
    if loaded:
        yield loaded.check
    elif settings.enabled and site is None and asked is None:
        yield Check("application", State.WARNING, "none was looked at: name yours with --app, as in --app mysite.wsgi")
    yield from _of_users(settings, wanted, loaded, asked)
    for host, of_site in wanted:
        if of_site.enabled:
            yield from _named(host, _bridge(of_site, loaded))
            yield from _named(host, _viafoura(of_site, login, name))


def _of_users(
    settings: Settings, wanted: tuple[tuple[str, Settings], ...], loaded: "_Loaded | None", asked: Question | None
) -> Checks:
    """Where the users are read, and what becomes of the page that is asked for."""
    for host, of_site in wanted:
        if of_site.enabled:
            yield from _named(host, _user(of_site, loaded))
            yield from _named(host, keys_checks(of_site))
    if asked and settings.enabled:
        yield from _asked_for(asked, settings, loaded)
    elif asked:
        yield Check("page", State.FAILED, "VIAFOURA_ENABLED=0: no page is looked at, so that none is asked for")


def _wanted(settings: Settings, site: str | None) -> tuple[tuple[str, Settings], ...]:
    """The sites to be checked, each with its name; the one of table ``site`` alone, if that is given."""
    if not settings.enabled:
        return (("", settings),)
    return tuple(pair for pair in settings.each_site if site is None or pair[0] == site.lower())


def _named(site: str, checks: Checks) -> Checks:
    """``checks``, each with the site of which it speaks, where there are several."""
    return (replace(check, sentence=f"{site}: {check.sentence}") if site else check for check in checks)


@contextmanager
def _logged() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile, instead of their being written anywhere; whatever the site's level is."""
    sentences: list[str] = []
    handler = logging.Handler(logging.WARNING)
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
    yield from each("settings", State.WARNING, warnings)
    if not warnings:
        yield Check("settings", State.OK, "every VIAFOURA_ variable is right")


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
        refuse_maker(name, app)
    except SettingsError as error:
        return _Loaded(Check("application", State.FAILED, " ".join(error.problems)))
    interface = interface_of(app)
    doors = {"wsgi": "viafoura_mw.wsgi:application", None: "viafoura_mw.wsgi:application, or asgi if it is ASGI"}
    door = doors.get(interface, "viafoura_mw.asgi:application")
    check = Check("application", State.OK, f"{without_arguments(name)} can be imported; let your server load {door}")
    return _Loaded(check, app, None if interface is None else interface != "wsgi")


# The user.


def _user(settings: Settings, loaded: _Loaded | None) -> Checks:
    is_asgi = loaded.is_asgi if loaded else None
    try:
        presets = _presets(settings, is_asgi)
        unreached = list(_unreached(settings, loaded)) if loaded else []
    except Exception as error:  # a framework that is only half there
        yield Check("user", State.WARNING, f"whether a framework runs cannot be told ({type(error).__name__})")
        return
    yield from each("user", State.WARNING, unreached)
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


def _unreached(settings: Settings, loaded: _Loaded) -> Iterator[str]:
    """Why the users of frameworks that run are not seen, and what to set."""
    from viafoura_mw.user import frameworks

    asgi = bool(loaded.is_asgi)
    lent = any(source.kind in LENT for source in settings.user_id)
    if (lent or not settings.user_id) and frameworks.recognised(asgi=asgi) is None:
        yield from frameworks.unreached(settings.user, asgi=asgi, lent=lent)


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


def _asked_for(asked: Question, settings: Settings, loaded: _Loaded | None) -> Checks:
    """The checks of a page; what the middleware logs meanwhile is told as well."""
    if loaded is None:
        sentence = "there is no application to ask: name it in VIAFOURA_APP, or with --app"
        yield Check("page", State.FAILED, sentence)
    elif loaded.app is not None:
        with _logged() as warnings:
            checks = list(page_checks(loaded.app, settings, asked, is_asgi=bool(loaded.is_asgi)))
        yield from checks
        told = {sentence for _, of_site in settings.each_site for sentence in _unreached(of_site, loaded)}
        yield from each("page", State.WARNING, [sentence for sentence in warnings if sentence not in told])


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
    yield Check("token", State.OK, f"Viafoura gave an access token in {taken * 1000:.0f} ms")
    if taken > settings.timeout:
        sentence = (
            f"the token took longer than VIAFOURA_TIMEOUT={settings.timeout:g}, the time that a page waits at most"
        )
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
    yield Check("logout", State.FAILED if failure else State.OK, failure or "Viafoura ended the session")


def _failure(call: Callable[[], object]) -> str:
    """What went wrong with a call, and what to do; empty if nothing did."""
    try:
        call()
    except ViafouraError as error:
        return f"{error}; {_ADVICE[type(error)]}"
    return ""
