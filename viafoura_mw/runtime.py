"""The composition root: what both doors are made of, put together once from the settings."""

import time
from dataclasses import dataclass
from typing import Final

from viafoura_mw.bridge.script import rendered
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.log import Notices
from viafoura_mw.page.codings import understood
from viafoura_mw.response.cookie import SessionCookie
from viafoura_mw.response.exchange import Policy
from viafoura_mw.response.hold import HoldBudget
from viafoura_mw.response.proxies import ProxyTrust
from viafoura_mw.response.request import RequestRules
from viafoura_mw.settings import SERVE, Settings
from viafoura_mw.user.frameworks.django import session_cookie
from viafoura_mw.user.reader import UserReader
from viafoura_mw.viafoura.client import Viafoura
from viafoura_mw.viafoura.sessions import Sessions

#: The key in an environ or a scope that says "already inside", so that an application wrapped twice is served once.
INSIDE: Final = "viafoura_mw.inside"

#: Seconds beyond ``VIAFOURA_TIMEOUT`` for which a browser holds Viafoura's scripts.
GRACE: Final = 0.5

_BUDGET: Final = HoldBudget()


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of an enabled middleware.

    ``understood`` are the content codings that pages may come in; ``response_headers`` are the lower-case names of
    those that the application sets for us; ``looks_at_every_response`` says that there is something to do with
    responses that are no pages; ``is_for_frames`` that the cookie comes back in frames on other sites, where the site's
    own cookies may stay behind; ``bridge`` is ``None`` where there is none.
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
    is_for_frames: bool
    bridge: Bridge | None = None

    def may_be_signed_in_by(self, cookies: str) -> bool:
        """Whether a ``Cookie`` header may be a signed-in user's."""
        return self.cookie.is_in(cookies) or self.rules.may_be_signed_in_by(cookies)


def runtime_of(settings: Settings, *, otherwise: str) -> Runtime:
    """Put the parts together; opens nothing and starts nothing.

    ``otherwise``: the preset that ``VIAFOURA_USER=auto`` means where no framework is recognised.
    """
    notices = Notices()
    reader = UserReader(settings.user, settings.user_sources, notices, otherwise=otherwise)
    cookie = cookie_of(settings)
    sessions = Sessions(viafoura_of(settings), timeout=settings.timeout, session_ttl=settings.session_ttl)
    policy = Policy(
        cookie=cookie,
        sessions=sessions,
        budget=_BUDGET,
        notices=notices,
        clock=time.monotonic,
        timeout=settings.timeout,
        lookahead=settings.lookahead,
        debug=settings.debug_header,
    )
    own_headers = settings.response_headers
    return Runtime(
        policy=policy,
        reader=reader,
        rules=RequestRules(
            cookie_name=settings.cookie_name,
            include=settings.include,
            exclude=settings.exclude,
            logout_paths=settings.logout_paths,
            auth_cookies=settings.auth_cookies,
            session_cookie=lambda: session_cookie() if reader.preset_name == "django" else "",
        ),
        proxies=ProxyTrust(settings.trusted_proxies, settings.proxy_secret, notices),
        cookie=cookie,
        sessions=sessions,
        notices=notices,
        understood=understood(),
        response_headers=own_headers,
        looks_at_every_response=bool(own_headers or settings.logout_paths or settings.debug_header),
        is_for_frames=settings.cookie_samesite == "none",
        bridge=bridge_of(settings, notices) if settings.bridge else None,
    )


def bridge_of(settings: Settings, notices: Notices) -> Bridge:
    """The bridge for these settings."""
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
    )


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


def viafoura_of(settings: Settings) -> Viafoura:
    """The API client for these settings; opens nothing."""
    return Viafoura(
        site_id=settings.site_id,
        api_key=settings.api_key,
        api_url=settings.api_url,
        token_url=settings.token_url or f"{settings.api_url}/oauth2/token",
        timeout=settings.timeout,
    )
