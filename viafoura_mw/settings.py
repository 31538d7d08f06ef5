"""The settings: frozen, typed, and read from the environment here and nowhere else.

Every problem of an environment is found before one error tells them all, each by its variable's name, none with a
secret's value.
"""

import contextlib
import difflib
import ipaddress
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from viafoura_mw import environment, metrics, sites
from viafoura_mw.environment import Read, is_quoted, read_file
from viafoura_mw.errors import SettingsError
from viafoura_mw.log import say
from viafoura_mw.user import jwt, presets, sources
from viafoura_mw.user.sources import Source

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_SESSION_TTL: Final = 43_200  # Viafoura's document: "sessions expire after 12 hours of user inactivity"
MAX_TIMEOUT: Final = 60.0
THE_ENVIRONMENTS: Final = "(environment)"  # the name, which no host can have, of the site that no table is
SERVE: Final = "serve"  # of VIAFOURA_BRIDGE: the bridge's addresses answer, and no page is bridged
MIN_SECRET: Final = 16  # characters; what is shorter can be guessed

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_NOT_COOKIE_NAMES: Final = ("path", "domain", "comment", "expires", "max-age", "secure", "httponly", "samesite")
_LABEL: Final = re.compile(r"[0-9A-Za-z_-]{1,63}")
#: The last label of a host that a browser reads as an IPv4 address (WHATWG URL, "ends in a number").
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the middleware does; one field for each variable of the environment, with its default.

    ``timeout`` and ``session_ttl`` are seconds, ``lookahead`` is bytes. ``user_id``, ``user_name`` and ``user_email``
    are empty where the preset says where to read. ``auth_cookies`` is empty for "any but the well-known".
    Raises :class:`~viafoura_mw.errors.SettingsError` when the fields do not go together.
    """

    site_id: str = ""
    api_key: str = field(default="", repr=False)
    api_url: str = "https://api.viafoura.co"
    token_url: str = ""
    app: str = ""
    enabled: bool = True
    user: str = "auto"
    user_id: tuple[Source, ...] = ()
    user_name: tuple[Source, ...] = ()
    user_email: tuple[Source, ...] = ()
    user_strip_realm: bool = False
    # Off: what staff write or read as a user would be that user's own at Viafoura.
    impersonation: bool = False
    jwt_cookie: str = ""
    jwt_header: str = ""
    jwt_key: str = field(default="", repr=False)
    jwt_jwks_url: str = ""
    # Required: to take a token's own word for it would let a visitor choose how they are believed.
    jwt_algorithms: tuple[str, ...] = ()
    jwt_audience: tuple[str, ...] = ()
    jwt_issuer: tuple[str, ...] = ()
    jwt_leeway: float = 30.0
    trusted_proxies: tuple[Network | Literal["unix"], ...] = ()
    proxy_secret: tuple[str, ...] = field(default=(), repr=False)
    include: tuple[str, ...] = ("/*",)
    exclude: tuple[str, ...] = ()
    timeout: float = 2.0
    session_ttl: int = 39_600
    lookahead: int = 1_048_576
    auth_cookies: tuple[str, ...] = ()
    logout_paths: tuple[str, ...] = ()
    cookie_name: str = "viafoura_mw"
    cookie_secret: tuple[str, ...] = field(default=(), repr=False)
    cookie_domain: str = ""
    cookie_path: str = "/"
    cookie_samesite: Literal["lax", "strict", "none"] = "lax"
    cookie_secure: Literal["auto", "1", "0"] = "auto"
    debug_header: bool = False
    #: Off, since it counts pages of visitors who are not signed in too, which are none of our business else.
    metrics: bool = False
    # Pages that caches serve to everybody: globs; or "serve" alone, for caches that still hold bridged pages.
    bridge: tuple[str, ...] = ()
    bridge_path: str = "/_viafoura/"  # another name where a content blocker has a rule for this one
    bridge_user_path: str = ""  # for frameworks that know the user on some routes only
    bridge_scripts: tuple[str, ...] = ("*//cdn.viafoura.net/*", "*//api.viafoura.com/app/js/*")
    bridge_hint: tuple[str, ...] = ()  # spares anonymous readers the question
    login_url: str = ""  # for a sign-in that the widget wants
    logout_url: str = ""  # so that a log-out in the widget is the site's as well
    #: Sites by their hosts, or globs of hosts: an application that serves several has one process for all of them.
    sites: "tuple[tuple[str, Settings], ...]" = ()

    def __post_init__(self) -> None:
        if self.enabled and (problems := [*_of_the_process(self), *_conflicts(self)]):
            raise SettingsError(problems)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, *, read: Read = read_file) -> "Settings":
        """Read the settings from ``environ`` and from the file that ``VIAFOURA_ENV_FILE`` names.

        ``read`` gives a file's text: whoever asks twice gives one that remembers, since a pipe can be read once only.
        Raises :class:`~viafoura_mw.errors.SettingsError` with every problem at once.
        """
        problems: list[str] = []
        given = environment.given(environ, problems, read)
        values = environment.resolved(given, problems, read, SECRETS)
        fields = _parsed(values, problems)
        tables = _tables(given, problems, read)
        if fields.get("enabled") is False:
            return _disabled(fields, [(table.name, _parsed(table.variables, [])) for table in tables])
        for sentence in unknown(values):
            say(logging.WARNING, "%s", sentence, event="unknown-setting")
        for name in sorted(values.keys() & set(_OF_THE_BRIDGE)) if not fields.get("bridge") else ():
            say(logging.WARNING, "%s does nothing without VIAFOURA_BRIDGE", name, event="setting-without-bridge")
        served, theirs = _sites(tables, given, read)
        settings = None
        if served or sites.SITES_FILE not in given or {"site_id", "api_key"} <= fields.keys():
            settings = _judged_together(fields | {"sites": served}, problems)
        # What is wrong in the environment itself is told once, and not for each table.
        problems += [sites.told(table, problem) for table, problem in theirs if problem not in problems]
        if settings is None or problems:
            raise SettingsError(problems)
        return settings

    @property
    def is_site(self) -> bool:
        """Whether this is a site of its own; else it holds no more than :attr:`sites`."""
        return bool(self.site_id and self.api_key) or not self.sites

    @property
    def each_site(self) -> "tuple[tuple[str, Settings], ...]":
        """Every site by its name: a table's, :data:`THE_ENVIRONMENTS` beside tables, and none for one that is alone."""
        if not self.sites:
            return (("", self),)
        own = ((THE_ENVIRONMENTS, replace(self, sites=())),) if self.is_site else ()
        return (*self.sites, *own)

    @property
    def user_sources(self) -> sources.UserSources:
        """What ``VIAFOURA_USER_ID``, ``_NAME`` and ``_EMAIL`` say, in the place of the preset's."""
        own = self.user_id, self.user_name, self.user_email
        return sources.UserSources(*own, strip_realm=self.user_strip_realm)

    def preset(self, name: str) -> presets.Preset:
        """Preset ``name`` with :attr:`user_sources` instead of its own."""
        return presets.chosen(name, self.user_sources)

    @property
    def response_headers(self) -> frozenset[str]:
        """The lower-case names of the headers that the application sets for ``response:`` sources."""
        fields = (*self.user_id, *self.user_name, *self.user_email)
        own = frozenset(source.steps[0].lower() for source in fields if source.kind == "response")
        return own.union(*(site.response_headers for _, site in self.sites))


def _judged_together(fields: dict[str, Any], problems: list[str]) -> Settings | None:
    """The settings of ``fields``; where they do not go together, what was not told yet is added to ``problems``."""
    try:
        return Settings(**fields)
    except SettingsError as error:
        told = {_subject(problem) for problem in problems}
        problems += [problem for problem in error.problems if _subject(problem) not in told]
    return None


def _subject(problem: str) -> str:
    """The variable that a problem's sentence begins with; a secret and its file are one."""
    return problem.split()[0].removesuffix("_FILE")


def _disabled(fields: dict[str, Any], tables: Sequence[tuple[str, dict[str, Any]]] = ()) -> Settings:
    kept = {name: fields[name] for name in ("user_id", "user_name", "user_email", "app") if name in fields}
    return Settings(enabled=False, sites=tuple((name, _disabled(own)) for name, own in tables), **kept)


# Several sites: the environment gives the defaults, a table what is its own.


def _tables(given: Mapping[str, str], problems: list[str], read: Read) -> list[sites.Table]:
    known = len(problems)
    text = environment.text_of(sites.SITES_FILE, given, problems, read)
    if sites.SITES_FILE not in given or len(problems) > known:
        return []
    return sites.tables(text, set(KNOWN) - {*sites.OF_THE_PROCESS}, problems)


def _sites(
    tables: Iterable[sites.Table], given: Mapping[str, str], read: Read
) -> tuple[tuple[tuple[str, Settings], ...], list[tuple[str, str]]]:
    """The settings of the tables, by their names, and the problems of each table with its name."""
    defaults = {name: text for name, text in given.items() if name not in sites.OF_THE_PROCESS}
    found, problems = [], []
    for table in tables:
        own: list[str] = []
        values = environment.resolved(environment.laid_over(defaults, table.variables), own, read, SECRETS)
        settings = _judged_together(_parsed(values, own), own)
        problems += [(table.name, problem) for problem in own]
        if settings is not None:
            found.append((table.name, settings))
    return tuple(found), problems


def _of_the_process(settings: Settings) -> list[str]:
    """What is wrong with all the sites together."""
    problems = sites.problems_of_names([name for name, _ in settings.sites])
    problems += _of_shared_cookies([*settings.sites, *([(THE_ENVIRONMENTS, settings)] if settings.is_site else [])])
    if settings.metrics and not metrics.is_there():
        problems.append('VIAFOURA_METRICS=1 needs opentelemetry-api: python -m pip install "viafoura-mw[otel]"')
    return problems


def _of_shared_cookies(named: Iterable[tuple[str, Settings]]) -> Iterator[str]:
    """A sentence for each site whose cookie would take the place of another's: each page would be a login then."""
    known: dict[tuple[str, str, str], tuple[str, str]] = {}
    for name, site in named:
        place = site.cookie_name, site.cookie_domain.lower().removeprefix("."), site.cookie_path
        other, site_id = known.setdefault(place, (name, site.site_id))
        if site.cookie_domain and site_id != site.site_id:
            sentence = f"VIAFOURA_COOKIE_NAME and _DOMAIN are those of {other}: browsers keep one cookie for both sites"
            yield sites.told(name, sentence)


def named_application(environ: Mapping[str, str] = os.environ, *, read: Read = read_file) -> str:
    """What ``VIAFOURA_APP`` says, in the environment or its file; empty if nothing. Judges no other variable."""
    return environment.variables(environ, [], read).get("VIAFOURA_APP", "").strip()


# What each variable's text means. A parser raises ValueError with the end of a sentence that begins with its name.


def _flag(text: str) -> bool:
    match text.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
    raise ValueError("must be 1 or 0")


def _one_of(*choices: str, otherwise: str = "") -> Callable[[str], str]:
    def choice(text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        near = difflib.get_close_matches(text.lower(), choices, 1)
        hint = f"; did you mean {near[0]}?" if near else otherwise
        raise ValueError(f"must be one of {', '.join(choices)}{hint}")

    return choice


def _number(kind: type[float] | type[int], low: float, high: float, unit: str) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"must be a number of {unit} from {low:g} to {high:.10g}")
        return value

    return number


def _words(text: str) -> tuple[str, ...]:
    words = tuple(word for word in (part.strip() for part in text.split(",")) if word)
    if not words:
        raise ValueError("has nothing but commas")
    if any(map(is_quoted, words)):
        raise ValueError("has a value in quotes, which would become part of it: leave them out")
    return words


def _cookie_secrets(text: str) -> tuple[str, ...]:
    secrets = _words(text)
    if not all(map(str.isprintable, secrets)):  # what is not UTF-8 has come as lone surrogates
        raise ValueError("must be of printable characters, in UTF-8")
    return _long(secrets)


def _proxy_secrets(text: str) -> tuple[str, ...]:
    return _long(_words(_credential(text)))


def _long(secrets: tuple[str, ...]) -> tuple[str, ...]:
    if any(len(secret) < MIN_SECRET for secret in secrets):
        raise ValueError(
            f"has a secret of less than {MIN_SECRET} characters, which can be guessed: take one from "
            'python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return secrets


def _paths(text: str) -> tuple[str, ...]:
    globs = _words(text)
    for glob in globs:
        if glob[0] not in "/*?[":
            raise ValueError(f"has {glob!r}, which can match no path: paths begin with /")
    return globs


def _networks(text: str) -> tuple[Network | Literal["unix"], ...]:
    return tuple("unix" if word == "unix" else _network(word) for word in _words(text))


def _network(word: str) -> Network:
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise ValueError(
            f"has {word!r}, which is neither an IP address, nor a network (CIDR), nor the word unix"
        ) from None
    if network.version == 6 and (mapped := network.network_address.ipv4_mapped):
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _url(text: str) -> str:
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in ("https", "http") or not host:
        raise ValueError("must be a URL that begins with https://")
    if "@" in url.netloc or re.search(r"[\s\\?#]", text) or not text.isprintable():
        raise ValueError("must be a URL without a user, a query, a fragment or a space")
    if url.scheme == "http" and not _is_loopback(host):
        raise ValueError("must begin with https:// (http:// only for a loopback host)")
    return text


def _keys_url(text: str) -> str:
    """The address of a JWKS, or of each key: there the key's id takes the place ``{kid}``, which chooses no host."""
    fixed = text.replace(jwt.KID, "", 1)
    if re.search("[{}]", fixed) or re.search("[{}]", urlsplit(_url(text)).netloc):
        raise ValueError("may have {kid} once, in its path, where a key's id is to stand, and no other brace")
    return text


def _base_url(text: str) -> str:
    return _url(text).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credential(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be of printable ASCII characters")
    return text


def _site_id(text: str) -> str:
    if ":" in _credential(text):
        raise ValueError("must not contain a colon (RFC 7617 §2)")
    return text


def _cookie_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("must be a cookie's name (RFC 6265 §4.1.1: letters, digits and !#$%&'*+-.^_`|~)")
    if text.startswith("$") or text.lower() in _NOT_COOKIE_NAMES:
        raise ValueError("must not be the name of a cookie's attribute, nor begin with $")
    return text


def _token_header(text: str) -> str:
    if not (text.isascii() and text.replace("-", "").isalnum()):
        raise ValueError("must be the name of one header, with hyphens")
    if text.lower() in ("cookie", "proxy-authorization"):
        raise ValueError("names a header that holds no token; for a cookie set VIAFOURA_JWT_COOKIE instead")
    return text


def _algorithms(text: str) -> tuple[str, ...]:
    return jwt.algorithms_of(_words(text))


def _cookie_attribute(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or re.search(r"[;,\s\"\\]", text):
        raise ValueError("must be of ASCII characters without a space, a comma, a semicolon, a quote or a backslash")
    return text


def _cookie_domain(text: str) -> str:
    """A domain that browsers take (RFC 6265 §5.1.3); with any other they keep no cookie, and each page is a login."""
    labels = _cookie_attribute(text).removeprefix(".").split(".")
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("must be a domain alone, without a scheme, a port, a path or *: site.example")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("must be a domain, and no IP address: leave it out, and the cookie is the host's own")
    if len(labels) == 1:
        raise ValueError("must be of two labels at least: browsers take no cookie for a whole top-level domain")
    return text


def _cookie_path(text: str) -> str:
    if not _cookie_attribute(text).startswith("/"):
        raise ValueError("must begin with /")
    return text


def _bridge(text: str) -> tuple[str, ...]:
    if text.lower() == SERVE:
        return (SERVE,)
    with contextlib.suppress(ValueError):
        return ("/*",) if _flag(text) else ()
    if text[0] not in "/*?[":
        raise ValueError("must be 1, 0, serve or path globs")
    return _paths(text)


def _bridge_path(text: str) -> str:
    """The bridge's address: nothing that a proxy, a framework or a browser would spell in another way."""
    if not re.fullmatch(r"/(?:[0-9A-Za-z._~-]++/)++", text) or {".", ".."} & {*text.split("/")}:
        raise ValueError(
            "must begin and end with /, and have only letters, digits and -._~ between: /_viafoura/ or /blog/reader/"
        )
    return text


def _user_path(text: str) -> str:
    if not re.fullmatch(r"/(?!/)[^?#\\]*+", text) or not _is_one_word(text):
        raise ValueError("must be a path of the application that begins with one /, without a query or a fragment")
    return text


def _hint(text: str) -> tuple[str, ...]:
    return tuple(map(_cookie_name, _words(text)))


def _page_url(text: str) -> str:
    """An address to which a browser is sent; ``{next}`` must not choose the host."""
    if _is_one_word(text) and "\\" not in text:
        if re.match(r"/(?!/)", text):
            return text
        with contextlib.suppress(ValueError):
            url = urlsplit(text)
            if url.scheme in ("https", "http") and url.hostname and not re.search(r"[{}@]", url.netloc):
                return text
    raise ValueError("must be a path that begins with one /, or a URL that begins with https:// or http://")


def _is_one_word(text: str) -> bool:
    return text.isprintable() and not re.search(r"\s", text)


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "VIAFOURA_SITE_ID": _site_id,
    "VIAFOURA_API_KEY": _credential,
    "VIAFOURA_API_URL": _base_url,
    "VIAFOURA_TOKEN_URL": _url,
    "VIAFOURA_APP": str,
    "VIAFOURA_ENABLED": _flag,
    "VIAFOURA_USER": _one_of(
        *presets.NAMES, otherwise="; for any other site leave it out, and say in VIAFOURA_USER_ID where the id is"
    ),
    "VIAFOURA_USER_ID": sources.parse,
    "VIAFOURA_USER_NAME": sources.parse,
    "VIAFOURA_USER_EMAIL": sources.parse,
    "VIAFOURA_USER_STRIP_REALM": _flag,
    "VIAFOURA_IMPERSONATION": _flag,
    "VIAFOURA_JWT_COOKIE": _cookie_name,
    "VIAFOURA_JWT_HEADER": _token_header,
    "VIAFOURA_JWT_KEY": str,
    "VIAFOURA_JWT_JWKS_URL": _keys_url,
    "VIAFOURA_JWT_ALGORITHMS": _algorithms,
    "VIAFOURA_JWT_AUDIENCE": _words,
    "VIAFOURA_JWT_ISSUER": _words,
    "VIAFOURA_JWT_LEEWAY": _number(float, 0, 3600, "seconds"),
    "VIAFOURA_TRUSTED_PROXIES": _networks,
    "VIAFOURA_PROXY_SECRET": _proxy_secrets,
    "VIAFOURA_INCLUDE": _paths,
    "VIAFOURA_EXCLUDE": _paths,
    "VIAFOURA_TIMEOUT": _number(float, 0.01, MAX_TIMEOUT, "seconds"),
    "VIAFOURA_SESSION_TTL": _number(int, 1, MAX_SESSION_TTL, "seconds"),
    "VIAFOURA_LOOKAHEAD": _number(int, 1, 64 * 1024 * 1024, "bytes"),
    "VIAFOURA_AUTH_COOKIES": _words,
    "VIAFOURA_LOGOUT_PATHS": _paths,
    "VIAFOURA_COOKIE_NAME": _cookie_name,
    "VIAFOURA_COOKIE_SECRET": _cookie_secrets,
    "VIAFOURA_COOKIE_DOMAIN": _cookie_domain,
    "VIAFOURA_COOKIE_PATH": _cookie_path,
    "VIAFOURA_COOKIE_SAMESITE": _one_of("lax", "strict", "none"),
    "VIAFOURA_COOKIE_SECURE": _one_of("auto", "1", "0"),
    "VIAFOURA_DEBUG_HEADER": _flag,
    "VIAFOURA_METRICS": _flag,
    "VIAFOURA_BRIDGE": _bridge,
    "VIAFOURA_BRIDGE_PATH": _bridge_path,
    "VIAFOURA_BRIDGE_USER_PATH": _user_path,
    "VIAFOURA_BRIDGE_SCRIPTS": _words,
    "VIAFOURA_BRIDGE_HINT": _hint,
    "VIAFOURA_LOGIN_URL": _page_url,
    "VIAFOURA_LOGOUT_URL": _page_url,
}
#: What says nothing by itself.
_OF_THE_BRIDGE: Final = (
    "VIAFOURA_BRIDGE_PATH",
    "VIAFOURA_BRIDGE_USER_PATH",
    "VIAFOURA_BRIDGE_SCRIPTS",
    "VIAFOURA_BRIDGE_HINT",
    "VIAFOURA_LOGIN_URL",
    "VIAFOURA_LOGOUT_URL",
)
SECRETS: Final = ("VIAFOURA_API_KEY", "VIAFOURA_COOKIE_SECRET", "VIAFOURA_PROXY_SECRET", "VIAFOURA_JWT_KEY")
KNOWN: Final = (*_PARSERS, *(f"{name}_FILE" for name in SECRETS), environment.ENV_FILE, sites.SITES_FILE)


def _field(name: str) -> str:
    return name.removeprefix("VIAFOURA_").lower()


def _parsed(values: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    fields = {}
    for name in _PARSERS:
        if text := values.get(name):
            try:
                fields[_field(name)] = _judged(name, text.strip())
            except ValueError as error:
                problems.append(f"{name} {error}")
    return fields


def _judged(name: str, text: str) -> Any:
    if is_quoted(text):
        raise ValueError("is in quotes, which would be part of it (Docker's --env-file keeps them): leave them out")
    return _PARSERS[name](text)


def unknown(values: Mapping[str, str]) -> list[str]:
    """A sentence for each name that is no setting, with the one that was probably meant."""
    sentences = []
    for name in sorted(values.keys() - set(KNOWN)):
        near = difflib.get_close_matches(name, KNOWN, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        sentences.append(f"{name} is not a setting of viafoura-mw{hint}")
    return sentences


def _conflicts(settings: Settings) -> Iterator[str]:
    """What is missing, and what does not go together; of one that is no site of its own nothing is asked."""
    if not settings.is_site:
        return
    if not settings.site_id:
        yield "VIAFOURA_SITE_ID is not set: Viafoura's admin console shows it under Settings > API Key"
    if not settings.api_key:
        yield "VIAFOURA_API_KEY is not set: create one in Viafoura's admin console under Settings > API Key"
    wrong = dict(_wrong(settings))
    yield from (f"{name} {problem}" for name, problem in wrong.items())
    if "VIAFOURA_USER" not in wrong and not (settings.trusted_proxies or settings.proxy_secret):
        for variable in _variables_that_name_headers(settings):
            yield (
                f"{variable} reads a request header, which anybody can send: set VIAFOURA_PROXY_SECRET (recommended) "
                "or VIAFOURA_TRUSTED_PROXIES"
            )
    if not any(name.startswith("VIAFOURA_JWT_") for name in wrong):
        yield from _token_conflicts(settings)
    yield from _cookie_conflicts(settings)


def _cookie_conflicts(settings: Settings) -> Iterator[str]:
    """What browsers would drop, or never send to the bridge."""
    if settings.cookie_samesite == "none" and settings.cookie_secure == "0":
        yield "VIAFOURA_COOKIE_SAMESITE=none needs VIAFOURA_COOKIE_SECURE=1 or auto: browsers drop the cookie otherwise"
    if is_secure_name(settings.cookie_name) and settings.cookie_secure == "0":
        yield "VIAFOURA_COOKIE_NAME with this prefix needs VIAFOURA_COOKIE_SECURE=1 or auto: browsers drop it otherwise"
    is_host_only = settings.cookie_name.lower().startswith("__host-")
    if is_host_only and (settings.cookie_domain or settings.cookie_path != "/"):
        yield "VIAFOURA_COOKIE_NAME begins with __Host-: unset VIAFOURA_COOKIE_DOMAIN and _PATH, or browsers drop it"
    if settings.bridge and not _is_below(settings.bridge_path, settings.cookie_path):
        yield (
            "VIAFOURA_BRIDGE_PATH is not below VIAFOURA_COOKIE_PATH: the cookie would never come back to the bridge, "
            "and each page view would be a login"
        )


def _is_below(path: str, cookie_path: str) -> bool:
    """Whether browsers send a cookie of that path to what is below ``path`` (RFC 6265 §5.1.4, "path-match")."""
    return f"{path}session".startswith(cookie_path.removesuffix("/") + "/")


def _token_conflicts(settings: Settings) -> Iterator[str]:
    """What is missing for ``jwt:`` sources, and what does not go together."""
    key, url, algorithms = settings.jwt_key, settings.jwt_jwks_url, settings.jwt_algorithms
    places = (settings.jwt_cookie, settings.jwt_header)
    if not any((*places, key, url, algorithms)) and "jwt" not in settings.user_sources.kinds():
        return
    if not any(places):
        yield "VIAFOURA_JWT_COOKIE or VIAFOURA_JWT_HEADER must be set: name the cookie or the header that has the token"
    if bool(key) == bool(url):
        yield "VIAFOURA_JWT_KEY or VIAFOURA_JWT_JWKS_URL must be set, and not both: by its key tokens are verified"
    if not algorithms:
        yield "VIAFOURA_JWT_ALGORITHMS is not set: name those that the tokens are signed with, RS256 or HS256 perhaps"
        return
    try:
        jwt.algorithms_of(algorithms)
        jwt.known_algorithms()
    except ValueError as error:
        yield f"VIAFOURA_JWT_ALGORITHMS {error}"
        return
    if url and jwt.are_shared(algorithms):
        yield "VIAFOURA_JWT_ALGORITHMS has HS…, which needs a secret: set VIAFOURA_JWT_KEY, not VIAFOURA_JWT_JWKS_URL"
    if jwt.KID in url and not settings.jwt_audience:
        yield (
            "VIAFOURA_JWT_AUDIENCE is not set, which VIAFOURA_JWT_JWKS_URL with {kid} needs: others have keys there "
            "too (every AWS load balancer of a region); name yours by its ARN"
        )
    if key:
        try:
            jwt.keys_of(key, algorithms)
        except ValueError as error:
            yield f"VIAFOURA_JWT_KEY {error}"


def is_secure_name(cookie_name: str) -> bool:
    """Whether browsers keep a cookie of this name only if it is ``Secure`` (RFC 6265bis §4.1.3, any case)."""
    return cookie_name.lower().startswith(("__secure-", "__host-", "__http-"))


def _wrong(settings: Settings) -> Iterator[tuple[str, str]]:
    """The variables whose text or number could not be read from an environment either."""
    for name in _PARSERS:
        value = getattr(settings, _field(name))
        texts = value if name in SECRETS and isinstance(value, tuple) else (value,)
        try:
            for text in texts:
                if text != "" and isinstance(text, str | int | float):
                    _judged(name, str(text))
        except ValueError as error:
            yield name, str(error)


def _variables_that_name_headers(settings: Settings) -> list[str]:
    fields = settings.preset("off" if settings.user == "auto" else settings.user).sources
    read = [
        ("VIAFOURA_USER_ID" if settings.user_id else "VIAFOURA_USER", fields.id),
        ("VIAFOURA_USER_NAME" if settings.user_name else "VIAFOURA_USER", fields.name),
        ("VIAFOURA_USER_EMAIL" if settings.user_email else "VIAFOURA_USER", fields.email),
    ]
    variables = [variable for variable, places in read if any(place.kind == "header" for place in places)]
    return [*dict.fromkeys(variables)]
