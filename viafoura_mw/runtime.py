"""The composition root: what both doors are made of, put together once from the settings."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from viafoura_mw import metrics
from viafoura_mw.bridge.script import rendered
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.log import Notices
from viafoura_mw.metrics import SiteMetrics
from viafoura_mw.page.codings import understood
from viafoura_mw.response.cookie import SessionCookie
from viafoura_mw.response.exchange import Policy
from viafoura_mw.response.hold import MAX_HELD, HoldBudget
from viafoura_mw.response.proxies import ProxyTrust
from viafoura_mw.response.request import RequestRules
from viafoura_mw.settings import SERVE, THE_ENVIRONMENTS, Settings
from viafoura_mw.sites import Hosts
from viafoura_mw.user.frameworks.django import session_cookie
from viafoura_mw.user.jwks import FetchedKeys, Job, KeyServer
from viafoura_mw.user.jwks_by_kid import KeysByKid
from viafoura_mw.user.jwt import KID, GivenKeys, Keys, Terms, Tokens, keys_of
from viafoura_mw.user.reader import UserReader
from viafoura_mw.viafoura.client import CallTold, Viafoura
from viafoura_mw.viafoura.sessions import Api, Sessions

#: The key in an environ or a scope that says "already inside", so that an application wrapped twice is served once.
INSIDE: Final = "viafoura_mw.inside"

#: Seconds beyond ``VIAFOURA_TIMEOUT`` for which a browser holds Viafoura's scripts.
GRACE: Final = 0.5

#: The process's. Of several sites each has at most a half: one whose Viafoura hangs leaves the others their room.
_BUDGET: Final = HoldBudget(share=MAX_HELD)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of an enabled middleware.

    ``understood`` are the content codings that pages may come in; ``response_headers`` are the lower-case names of
    those that the application sets for us; ``looks_at_every_response`` says that there is something to do with
    responses that are no pages, ``counts_pages`` that there is with pages of visitors who are not signed in;
    ``is_for_frames`` that the cookie comes back in frames on other sites, where the site's own cookies may stay behind;
    ``tokens`` finds those of ``jwt:`` sources; ``bridge`` is ``None`` where there is none. ``looks_at_paths`` and
    ``looks_at_requests`` say that some setting is about the paths of requests, or about anything that most sites have
    no setting for.
    """

    policy: Policy
    reader: UserReader
    rules: RequestRules
    proxies: ProxyTrust
    cookie: SessionCookie
    sessions: Sessions
    notices: Notices
    understood: tuple[str, ...]
    response_headers: frozenset[str]
    looks_at_every_response: bool
    counts_pages: bool
    is_for_frames: bool
    tokens: Tokens | None
    bridge: Bridge | None = None
    looks_at_paths: bool = field(init=False)
    looks_at_requests: bool = field(init=False)

    def __post_init__(self) -> None:
        # Asked of every request, so told once.
        has_bridge = self.bridge is not None
        object.__setattr__(self, "looks_at_paths", has_bridge or self.rules.looks_at_paths)
        looks = has_bridge or self.rules.knows_logout_paths or self.proxies.is_configured
        object.__setattr__(self, "looks_at_requests", looks)


@dataclass(frozen=True, slots=True)
class Served:
    """The sites of one middleware: the environment's ``own``, if it has one, and those of ``hosts``, if there are any.

    ``hides_proof``: some site knows a secret of its proxy's, which is not for the application, whatever its host.
    """

    own: Runtime | None = None
    hosts: Hosts[Runtime | None] | None = None
    runtimes: tuple[Runtime, ...] = ()

    @property
    def hides_proof(self) -> bool:
        return any(runtime.proxies.has_secret for runtime in self.runtimes)


class Compose(Protocol):
    """Puts the parts of one site together, as :func:`runtime_of` does."""

    def __call__(
        self, settings: Settings, *, otherwise: str, site: str, removed: frozenset[str], told: SiteMetrics | None
    ) -> Runtime:
        """Give the runtime of a site."""
        ...


def runtime_of(
    settings: Settings,
    *,
    otherwise: str,
    site: str = "",
    removed: frozenset[str] = frozenset(),
    told: SiteMetrics | None = None,
    viafoura: Api | None = None,
) -> Runtime:
    """Put the parts of one site together; opens nothing and starts nothing.

    ``otherwise``: the preset that ``VIAFOURA_USER=auto`` means where no framework is recognised. ``site``: its name,
    where there are several. ``removed``: response headers that other sites read. ``told``: whom the site's metrics are
    told. ``viafoura``: what is asked in the place of Viafoura's API.
    """
    notices = Notices(site=site)
    reader = UserReader(
        settings.user, settings.user_sources, notices, otherwise=otherwise, impersonation=settings.impersonation
    )
    cookie = cookie_of(settings)
    sessions = _sessions_of(settings, site, told, viafoura or viafoura_of(settings, told=told.call if told else None))
    policy = _policy_of(settings, site, told, cookie, sessions, notices)
    own_headers = settings.response_headers | removed
    return Runtime(
        policy=policy,
        reader=reader,
        rules=_rules_of(settings, reader),
        proxies=ProxyTrust(settings.trusted_proxies, settings.proxy_secret, notices),
        cookie=cookie,
        sessions=sessions,
        notices=notices,
        understood=understood(),
        response_headers=own_headers,
        looks_at_every_response=bool(own_headers or settings.logout_paths or settings.debug_header),
        counts_pages=told is not None,
        is_for_frames=settings.cookie_samesite == "none",
        tokens=tokens_of(settings, keys_for(settings, sessions.later, notices), notices),
        bridge=bridge_of(settings, notices, told) if settings.bridge else None,
    )


def _sessions_of(settings: Settings, site: str, told: SiteMetrics | None, viafoura: Api) -> Sessions:
    return Sessions(
        viafoura,
        timeout=settings.timeout,
        session_ttl=settings.session_ttl,
        site=site,
        told=told.call if told else None,
    )


def _policy_of(
    settings: Settings,
    site: str,
    told: SiteMetrics | None,
    cookie: SessionCookie,
    sessions: Sessions,
    notices: Notices,
) -> Policy:
    budget = HoldBudget(MAX_HELD // 2 if site else MAX_HELD, within=_BUDGET)
    if told:
        told.watch(
            breaker_open=lambda: int(sessions.breaker_is_open),
            hold_bytes=lambda: budget.held,
            logins_waiting=lambda: sessions.logins_waiting,
        )
    return Policy(
        cookie=cookie,
        sessions=sessions,
        budget=budget,
        notices=notices,
        clock=time.monotonic,
        timeout=settings.timeout,
        lookahead=settings.lookahead,
        debug=settings.debug_header,
        told=told.page if told else None,
    )


def _rules_of(settings: Settings, reader: UserReader) -> RequestRules:
    return RequestRules(
        cookie_name=settings.cookie_name,
        include=settings.include,
        exclude=settings.exclude,
        logout_paths=settings.logout_paths,
        auth_cookies=settings.auth_cookies,
        session_cookie=lambda: session_cookie() if reader.preset_name == "django" else "",
    )


def served_of(settings: Settings, *, otherwise: str, compose: Compose = runtime_of) -> Served:
    """The runtime of each site; opens nothing and starts nothing. ``otherwise``: see :func:`runtime_of`.

    A header of one site's ``response:`` source leaves on no host: the application may set it wherever it answers.
    """
    if not settings.enabled:
        return Served()
    removed = settings.response_headers
    told = metrics.of_process() if settings.metrics else None
    runtimes = {
        name: compose(site, otherwise=otherwise, site=name, removed=removed, told=told.of_site(name) if told else None)
        for name, site in settings.each_site
    }
    served = tuple(runtimes.values())
    if not settings.sites:
        return Served(served[0], None, served)
    own = runtimes.pop(THE_ENVIRONMENTS, None)
    hosts: Hosts[Runtime | None] = Hosts(runtimes.items(), own)
    return Served(own, hosts, served)


def bridge_of(settings: Settings, notices: Notices, told: SiteMetrics | None = None) -> Bridge:
    """The bridge for these settings. ``told``: whom the site's metrics are told."""
    script = rendered(
        path=settings.bridge_path,
        wait=settings.timeout + GRACE,
        hint=settings.bridge_hint,
        login=settings.login_url,
        logout=settings.logout_url,
        page=settings.bridge_scripts,
    )
    return Bridge(
        pages=() if settings.bridge == (SERVE,) else settings.bridge,
        path=settings.bridge_path,
        scripts=settings.bridge_scripts,
        user_path=settings.bridge_user_path,
        script=script,
        notices=notices,
        debug=settings.debug_header,
        told=told.page if told else None,
    )


def keys_for(settings: Settings, later: Callable[[Job], bool], notices: Notices) -> Keys | None:
    """The keys of ``jwt:`` sources; ``None`` where the settings have none. ``later``: see :class:`FetchedKeys`."""
    algorithms = settings.jwt_algorithms
    if not algorithms:
        return None
    if settings.jwt_key:
        return GivenKeys(keys_of(settings.jwt_key, algorithms))
    url = settings.jwt_jwks_url
    return (KeysByKid if KID in url else FetchedKeys)(url, KeyServer(algorithms, notices), later)


def tokens_of(settings: Settings, keys: Keys | None, notices: Notices) -> Tokens | None:
    """What finds the tokens of ``jwt:`` sources; ``None`` where there are no keys."""
    if keys is None:
        return None
    terms = Terms(
        settings.jwt_cookie,
        settings.jwt_header,
        settings.jwt_algorithms,
        settings.jwt_audience,
        settings.jwt_issuer,
        settings.jwt_leeway,
    )
    return Tokens(terms, keys, notices)


def cookie_of(settings: Settings) -> SessionCookie:
    """The cookie for these settings."""
    return SessionCookie(
        name=settings.cookie_name,
        secrets=settings.cookie_secret or (f"api key {settings.api_key}",),
        site_id=settings.site_id,
        session_ttl=settings.session_ttl,
        path=settings.cookie_path,
        domain=settings.cookie_domain,
        samesite=settings.cookie_samesite,
        secure=settings.cookie_secure,
    )


def viafoura_of(settings: Settings, *, told: CallTold | None = None) -> Viafoura:
    """The API client for these settings; opens nothing. ``told``: who is told of each call."""
    return Viafoura(
        site_id=settings.site_id,
        api_key=settings.api_key,
        api_url=settings.api_url,
        token_url=settings.token_url or f"{settings.api_url}/oauth2/token",
        timeout=settings.timeout,
        told=told,
    )
