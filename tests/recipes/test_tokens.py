"""The recipes of signed tokens, each with a token that is shaped as its provider's public documents say.

The recipe's variables are set as they stand, but for the place of the keys: a server on loopback serves a JWKS at the
path of the recipe's address, or a PEM at that of a key.
"""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("jwt", reason="PyJWT is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.doors import HTML, PAGE, environ_of
from tests.support.key_server import KeyServer, key_server
from tests.support.recipes import RECIPES
from tests.support.tokens import jwk, pair, pem_of, signed
from viafoura_mw import Settings, wsgi
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.testing.service import Account

PATIENCE = 30.0
HOUR = {"iat": -60, "exp": 3600}  # seconds from now


@dataclass(frozen=True)
class Provider:
    """What a provider signs, how, and whom Viafoura is to know by it; ``source``: its own documents.

    ``carrier``: the request header that has ``{token}``. ``keys``: what else its JWKS has. ``padded``: its base64 has
    what RFC 7515 leaves out. ``gives_pem``: each key by itself. ``key``: another than that of its
    kind.
    """

    source: str
    carrier: tuple[str, str]
    claims: Mapping[str, Any]
    user: tuple[str, str, str | None]
    kind: str = "RSA"
    algorithm: str = "RS256"
    head: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, int] = field(default_factory=lambda: HOUR)
    keys: tuple[Mapping[str, Any], ...] = ()
    beside: Mapping[str, Any] = field(default_factory=dict)
    padded: bool = False
    gives_pem: bool = False
    key: Any = None

    def token(self, **other: Any) -> str:
        now = int(time.time())
        claims = {**self.claims, **{name: now + shift for name, shift in self.times.items()}, **other}
        key = self.key or pair(self.kind)
        if not self.padded:
            return signed(claims, key, self.algorithm, **self.head)
        from jwt.algorithms import get_default_algorithms

        head = {"alg": self.algorithm, **self.head, "exp": claims["exp"]}
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in (head, claims))
        signature = get_default_algorithms()[self.algorithm].sign(text.encode(), key)
        return f"{text}.{base64.urlsafe_b64encode(signature).decode()}"


ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/news/50dc6c495c0c9188"
PROVIDERS = {
    "Auth0": Provider(
        "https://auth0.com/docs/secure/tokens/id-tokens/id-token-structure",
        ("Cookie", "id_token={token}"),
        {
            "name": "Ann Lee",
            "nickname": "ann",
            "picture": "https://s.gravatar.com/avatar/ann.png",
            "updated_at": "2024-03-01T12:00:00.000Z",
            "email": "ann@site.example",
            "email_verified": True,
            "iss": "https://my-domain.auth0.com/",
            "sub": "auth0|123456",
            "aud": "my_client_id",
            "nonce": "n-0S6_WzA2Mj",
        },
        ("auth0|123456", "Ann Lee", "ann@site.example"),
        head={"kid": "NEMyMEFBMzUwMTE1QTNBOUFDMEQ1ODczRjk5NzBGQzY4QTk1Q0ZEOQ"},
    ),
    "Keycloak": Provider(
        "https://www.keycloak.org/docs/latest/server_admin/#_oidc_token_mappers",
        ("Authorization", "Bearer {token}"),
        {
            "jti": "d58f5dc8-fd8f-462b-8a19-716f8f83985b",
            "iss": "https://id.site.example/realms/news",
            "aud": "news-site",
            "sub": "36fa0f91-f94d-4a0c-afed-6b7d952e47da",
            "typ": "ID",
            "azp": "news-site",
            "acr": "1",
            "sid": "2a88c258-f73a-4103-b862-e1fbd8f4e04e",
            "email_verified": True,
            "preferred_username": "ann",
            "given_name": "Ann",
            "email": "ann@site.example",
        },
        ("36fa0f91-f94d-4a0c-afed-6b7d952e47da", "ann", "ann@site.example"),
        head={"kid": "nnniBrxL0qhG79pkF3ccQj_l0jDmxKrYYy2YLlEe1s"},
        keys=({"use": "enc", "alg": "RSA-OAEP", "kid": "another"},),
    ),
    "Cloudflare Access": Provider(
        "https://developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/application-token/",
        ("Cf-Access-Jwt-Assertion", "{token}"),
        {
            "aud": ["32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"],
            "email": "ann@site.example",
            "iss": "https://yourteam.cloudflareaccess.com",
            "type": "app",
            "identity_nonce": "6ei69kawdKzMIAPF",
            "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
            "country": "US",
        },
        ("7335d417-61da-459d-899c-0a01c76a2f94", "ann", "ann@site.example"),
        head={"kid": "9338abe1baf2fe492f646a736f25afbf7b025e35c627be4f60c414d4c73069b8"},
        times={**HOUR, "nbf": -60},
        beside={"public_cert": {"kid": "9338abe1", "cert": "-----BEGIN CERTIFICATE-----"}, "public_certs": []},
    ),
    "Google IAP": Provider(
        "https://cloud.google.com/iap/docs/signed-headers-howto",
        ("X-Goog-Iap-Jwt-Assertion", "{token}"),
        {
            "iss": "https://cloud.google.com/iap",
            "sub": "accounts.google.com:112233445566778899001",
            "email": "ann@site.example",
            "aud": "/projects/123456789/global/backendServices/987654321",
            "hd": "site.example",
        },
        ("accounts.google.com:112233445566778899001", "ann", "ann@site.example"),
        kind="P-256",
        algorithm="ES256",
        head={"kid": "0oeLcQ"},
        times={"iat": 0, "exp": 600},
    ),
    "AWS Application Load Balancer": Provider(
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html",
        ("X-Amzn-Oidc-Data", "{token}"),
        {
            "sub": "1234567890",
            "name": "Ann Lee",
            "email": "ann@site.example",
            "username": "ann",
            "iss": "https://id.site.example",
        },
        ("1234567890", "Ann Lee", "ann@site.example"),
        kind="P-256",
        algorithm="ES256",
        head={"typ": "JWT", "kid": "12345678-1234-1234-1234-123456789012", "signer": ARN, "client": "client-id"},
        times={"exp": 120},
        padded=True,
        gives_pem=True,
    ),
}


def published(provider: Provider) -> bytes:
    """What a provider's key server answers."""
    if provider.gives_pem:
        return pem_of(provider.key or pair(provider.kind)).encode()
    own = jwk(provider.kind, provider.algorithm, kid=provider.head["kid"], use="sig", alg=provider.algorithm)
    others = [{**own, **other} for other in provider.keys]
    return json.dumps({"keys": [*others, own], **provider.beside}).encode()


@contextmanager
def served(title: str, provider: Provider, viafoura: SimulatedViafoura) -> Iterator[tuple[Settings, KeyServer]]:
    """The recipe's variables, with its keys where they can be had here."""
    variables = dict(RECIPES[title].variables)
    path = urlsplit(variables["VIAFOURA_JWT_JWKS_URL"]).path
    with key_server({path.format(kid=provider.head["kid"]): published(provider)}) as keys:
        url = f"{keys.url}{path}"
        yield Settings.from_env({**viafoura.environ(), **variables, "VIAFOURA_JWT_JWKS_URL": url}), keys


def site(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [HTML])
    return [PAGE]


def is_signed_in(app: Any, provider: Provider, token: str) -> bool:
    name, value = provider.carrier
    headers = {"Accept": "text/html", name: value.format(token=token)}
    return b"data-uid" in b"".join(app(environ_of("GET", "/", headers), lambda *_: None))


def is_soon_signed_in(app: Any, provider: Provider, token: str) -> bool:
    """Whether it is, once the keys are there: they are fetched behind the pages' backs."""
    until = time.monotonic() + PATIENCE
    while not (signed_in := is_signed_in(app, provider, token)) and time.monotonic() < until:
        time.sleep(0.02)
    return signed_in


@pytest.mark.parametrize("title", PROVIDERS)
def test_signs_in_the_user_of_a_token(title: str, viafoura: SimulatedViafoura) -> None:
    """By the recipe's lines alone; one that has expired, is not theirs or is meant for others is not believed."""
    provider = PROVIDERS[title]
    with served(title, provider, viafoura) as (made, _):
        app = wsgi.ViafouraMiddleware(site, made)
        assert is_soon_signed_in(app, provider, provider.token())
        (account,) = viafoura.users.values()
        assert account == Account(*provider.user, account.user_id)
        assert not is_signed_in(app, provider, provider.token(exp=1))
        assert not is_signed_in(app, provider, provider.token()[:-8] + "AAAAAAAA")
        if made.jwt_issuer:
            assert not is_signed_in(app, provider, provider.token(iss="https://id.attacker.example"))
            assert not is_signed_in(app, provider, provider.token(aud="another-site"))


def test_follows_the_keys_of_a_load_balancer(viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that AWS rotates is fetched when a token names it; what another account's load balancer signs is none."""
    monkeypatch.setattr("viafoura_mw.user.jwks_by_kid.SLOT", 0.0)
    title = "AWS Application Load Balancer"
    old = PROVIDERS[title]
    new = replace(old, head={**old.head, "kid": "rotated"}, key=ec.generate_private_key(ec.SECP256R1()))
    other = replace(new, head={**new.head, "signer": ARN.replace("123456789012", "210987654321")})
    with served(title, old, viafoura) as (made, keys):
        app = wsgi.ViafouraMiddleware(site, made)
        assert is_soon_signed_in(app, old, old.token())
        keys.answers["/rotated"] = published(new)
        assert not is_signed_in(app, other, other.token())
        assert not is_signed_in(app, other, other.token(aud=ARN))
        assert len(keys.asked) == 1
        assert is_soon_signed_in(app, new, new.token())
        assert is_signed_in(app, old, old.token())
        assert not is_signed_in(app, other, other.token(aud=ARN))
    assert keys.asked == [f"/{old.head['kid']}", "/rotated"]


def test_every_recipe_of_a_provider_is_run() -> None:
    """And each recipe without a line that starts it is a provider's."""
    assert {*PROVIDERS} == {title for title, recipe in RECIPES.items() if not recipe.line}
