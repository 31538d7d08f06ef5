"""Tokens are believed if their signature and their terms are right, and else say nothing about the visitor."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from viafoura_mw.log import Notices
from viafoura_mw.user.jwt import MAX_TOKEN, GivenKeys, Terms, Tokens, algorithms_of, keys_of, keys_of_set
from viafoura_mw.user.presets import chosen
from viafoura_mw.user.reading import Places, read_user
from viafoura_mw.user.sources import UNBELIEVED, Absence, UserSources, parse
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User

pytest.importorskip("jwt", reason="PyJWT is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.tokens import ANN, NOW, SECRET, jwk, pair, public_pem, signed


def tokens(key: str = SECRET, *algorithms: str, cookie: str = "token", header: str = "", **terms: Any) -> Tokens:
    names = algorithms or ("HS256",)
    given = Terms(cookie, header, names, **terms)
    return Tokens(given, GivenKeys(keys_of(key, names)), Notices(), clock=lambda: NOW)


def forged(head: Mapping[str, Any] | bytes, payload: bytes, key: bytes) -> str:
    """A token that a library would refuse to make, signed with HS256."""
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (raw, payload))
    signature = hmac.digest(key, text, hashlib.sha256)
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def claims(some: Tokens, text: str) -> Any:
    return some.presented({}, f"a=b; token={text}").claims()


OWN = UserSources(parse("jwt:sub"), parse("jwt:name"), parse("jwt:user/email"))


def read(some: Tokens, cookies: str = "", headers: Mapping[str, str] | None = None, own: UserSources = OWN) -> Reading:
    """What a request's reading ends in."""
    preset = chosen("off", own)
    presented = some.presented(headers or {}, cookies)
    return read_user(preset, Places(preset, {"jwt": presented}.get, {}), Notices())


class TestReading:
    """``jwt:`` sources, by the three answers."""

    def test_reads_a_user(self) -> None:
        """With id, name and e-mail address; a claim that is a whole number is its text."""
        assert read(tokens(), f"token={signed()}") == User("7", "Ann", "ann@site.example")

    def test_takes_a_token_without_an_expiry(self) -> None:
        """The site has made it so."""
        assert read(tokens(), f"token={signed({'sub': 'ann'})}") == User("ann", "ann")

    @pytest.mark.parametrize("cookies", ["", "token=", "other=x", "my_token=x", 'token=""'])
    def test_a_request_without_a_token_is_nobodys(self, cookies: str) -> None:
        """No key was laid out: a token is there in every request of a signed-in user."""
        assert read(tokens(), cookies) == Nobody(laid_out=False)

    def test_a_valid_token_without_the_claim_is_nobodys(self) -> None:
        """As a session without the key."""
        assert read(tokens(), f"token={signed({'exp': NOW + 1})}") == Nobody()

    @pytest.mark.parametrize("claim", [True, 7.5, ["a"], {"a": 1}, "x" * 256, "a\nb"])
    def test_a_claim_that_is_no_id_is_not_known(self, claim: Any) -> None:
        """An id is exact, or there is none."""
        assert read(tokens(), f"token={signed({'sub': claim})}") == NotKnown()

    def test_a_token_that_is_not_believed_is_not_known(self) -> None:
        """Nobody is logged out by it."""
        assert read(tokens(), "token=junk") == NotKnown()

    def test_nothing_is_known_where_tokens_are_not_configured(self) -> None:
        """A door without them has no such place."""
        no_keys: dict[str, Any] = {}
        preset = chosen("off", OWN)
        assert read_user(preset, Places(preset, no_keys.get, {}), Notices()) == NotKnown()


class TestPlaces:
    """Where a token is: a header first, then a cookie."""

    @pytest.mark.parametrize("value", ["Bearer {}", "bearer {}", "BEARER  {}", " Bearer {} "])
    def test_reads_authorization(self, value: str) -> None:
        """RFC 6750, the scheme in any case."""
        some = tokens(header="Authorization", cookie="")
        assert read(some, "", {"Authorization": value.format(signed())}) == User("7", "Ann", "ann@site.example")

    @pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearertoken", ""])
    def test_credentials_of_another_scheme_are_no_token(self, value: str) -> None:
        """The cookie is asked then."""
        some = tokens(header="Authorization")
        assert read(some, "", {"Authorization": value}) == Nobody(laid_out=False)
        assert isinstance(read(some, f"token={signed()}", {"Authorization": value}), User)

    @pytest.mark.parametrize("name", ["Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion", "X-Amzn-Oidc-Data"])
    @pytest.mark.parametrize("value", ["{}", "Bearer {}"])
    def test_reads_a_header_of_a_proxys(self, name: str, value: str) -> None:
        """Cloudflare's, Google's and AWS's have the token alone."""
        some = tokens(header=name, cookie="")
        assert isinstance(read(some, "", {name: value.format(signed())}), User)

    @pytest.mark.parametrize("value", ["{}", '"{}"', '"Bearer {}"'])
    def test_reads_a_cookie(self, value: str) -> None:
        """In quotes or without, as FastAPI's tutorials write it too."""
        assert isinstance(read(tokens(), f"a=b;token={value.format(signed())} ; c=d"), User)

    def test_the_first_place_that_has_one_counts(self) -> None:
        """If that does not verify, no other is asked."""
        some = tokens(header="Authorization")
        assert read(some, f"token={signed()}", {"Authorization": "Bearer junk"}) == NotKnown()

    def test_two_cookies_that_differ_are_not_known(self) -> None:
        """One may be planted by a neighbour; the same one twice is one."""
        ann, bob = signed(), signed({"sub": "bob"})
        assert read(tokens(), f"token={ann}; token={bob}") == NotKnown()
        assert isinstance(read(tokens(), f"token={ann}; token={ann}"), User)

    def test_a_header_that_was_sent_twice_is_not_known(self) -> None:
        """Nobody knows which one the site reads."""

        class Twice(dict[str, str]):
            def __getitem__(self, name: str) -> str:
                raise ValueError("more than once")

        assert read(tokens(header="X-Token"), "", Twice({"X-Token": ""})) == NotKnown()

    def test_verifies_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For all fields, and not to tell whether a token is there."""
        some = tokens()
        asked: list[str] = []
        monkeypatch.setattr(some, "claims", lambda text: asked.append(text) or {})
        presented = some.presented({}, "token=x")
        assert (presented.is_there, asked) == (True, [])
        assert (presented.claims(), presented.claims()) == ({}, {})
        assert asked == ["x"]
        assert not some.presented({}, "").is_there
        assert some.presented({}, "").claims() is Absence.UNSET


ALL_KINDS = [
    ("RSA", "RS256"),
    ("RSA", "RS512"),
    ("RSA", "PS256"),
    ("P-256", "ES256"),
    ("P-384", "ES384"),
    ("P-521", "ES512"),
    ("secp256k1", "ES256K"),
    ("Ed25519", "EdDSA"),
]


class TestKeys:
    """A shared secret, a PEM, a JWKS."""

    @pytest.mark.parametrize(("kind", "algorithm"), ALL_KINDS)
    def test_verifies_by_a_pem(self, kind: str, algorithm: str) -> None:
        """Of each kind, with real line breaks or as an environment file has them."""
        text = signed(key=pair(kind), algorithm=algorithm)
        assert claims(tokens(public_pem(kind), algorithm), text) == ANN
        assert claims(tokens(public_pem(kind).replace("\n", "\\n"), algorithm), text) == ANN

    @pytest.mark.parametrize(("kind", "algorithm"), ALL_KINDS)
    def test_verifies_by_a_jwks(self, kind: str, algorithm: str) -> None:
        """By its ``kid``, where the token names one, else by any."""
        keys = json.dumps({"keys": [{"kty": "?"}, 1, jwk(kind, algorithm, kid="a", use="sig")]})
        some = tokens(keys, algorithm)
        assert claims(some, signed(key=pair(kind), algorithm=algorithm, kid="a")) == ANN
        assert claims(some, signed(key=pair(kind), algorithm=algorithm)) == ANN
        assert claims(some, signed(key=pair(kind), algorithm=algorithm, kid="b")) is UNBELIEVED

    def test_verifies_by_a_private_pem_and_a_single_jwk(self) -> None:
        """What a site may have at hand."""
        pem = pair("RSA").private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        text = signed(key=pair("RSA"), algorithm="RS256")
        assert claims(tokens(pem.decode(), "RS256"), text) == ANN
        assert claims(tokens(json.dumps(jwk("RSA", "RS256")), "RS256"), text) == ANN

    def test_verifies_by_a_shared_key_of_a_set(self) -> None:
        """RFC 7518 §6.4."""
        octets = base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")
        assert claims(tokens(json.dumps({"keys": [{"kty": "oct", "k": octets}]})), signed()) == ANN

    @pytest.mark.parametrize(
        "member",
        [
            {"use": "enc"},
            {"alg": "RS512"},
            {"kid": 7},
            {"kty": "oct"},
            {"kty": "EC", "crv": "P-256"},
            {"kty": "EC", "crv": []},
            {"kty": "OKP"},
            {"n": "!"},
        ],
    )
    def test_passes_over_what_is_no_key_for_it(self, member: dict[str, Any]) -> None:
        """Of another kind, for another use, for another algorithm, damaged."""
        assert keys_of_set({"keys": [jwk("RSA", "RS256", **member)]}, ["RS256"]) == ()
        assert keys_of_set({"keys": [{"kty": "oct", "k": "c2hvcnQ"}]}, ["HS256"]) == ()

    @pytest.mark.parametrize("document", [[], "keys", {}, {"keys": {}}, {"keys": []}, None])
    def test_finds_no_key_in_what_is_no_set(self, document: Any) -> None:
        """Whatever a server answers."""
        assert keys_of_set(document, ["RS256"]) == ()

    @pytest.mark.parametrize(
        ("key", "algorithms", "problem"),
        [
            (public_pem("RSA"), ["HS256"], "is a PEM, which is no shared secret"),
            (public_pem("RSA"), ["ES256"], "has no public key for"),
            (public_pem("P-384"), ["ES256"], "has no public key for"),
            ("-----BEGIN PUBLIC KEY-----", ["RS256"], "has no public key for"),
            ("{", ["RS256"], "has no public key for"),
            ('{"a":' * 5000, ["RS256"], "has no public key for"),
            (json.dumps({"keys": [jwk("RSA", "RS256")]}), ["HS256"], "has no public key for"),
            (SECRET, ["RS256"], "is neither a PEM nor a JWKS"),
            ("short", ["HS256"], "has less than 16 characters"),
        ],
    )
    def test_that_are_none_are_told(self, key: str, algorithms: list[str], problem: str) -> None:
        """At start-up, with nothing of the key."""
        with pytest.raises(ValueError, match=problem) as told:
            keys_of(key, algorithms)
        assert key not in str(told.value)

    @pytest.mark.parametrize(
        ("names", "problem"),
        [
            (["none"], "has none"),
            (["RS256", "NONE"], "has none"),
            (["RS257"], "has 'RS257'"),
            (["HS256", "RS256"], "mixes HS"),
        ],
    )
    def test_algorithms_that_are_none_are_told(self, names: list[str], problem: str) -> None:
        """And kinds of key are never mixed."""
        with pytest.raises(ValueError, match=problem):
            algorithms_of(names)

    def test_of_another_curve_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """RFC 7518 §3.4 gives each curve an algorithm, which older versions of PyJWT do not look at."""
        monkeypatch.setattr(jwt.algorithms.ECAlgorithm, "prepare_key", lambda *_: pair("P-384"))
        with pytest.raises(ValueError, match="has no public key"):
            keys_of(public_pem("P-384"), ["ES256"])

    def test_show_nothing(self) -> None:
        """In no repr."""
        (key,) = keys_of(SECRET, ["HS256"])
        assert repr(key) == "<Key>"


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


ATTACKS = {
    "alg none": forged({"alg": "none"}, json.dumps(ANN).encode(), b"").rpartition(".")[0] + ".",
    "alg None": forged({"alg": None}, json.dumps(ANN).encode(), SECRET.encode()),
    "an unsigned head": forged({"typ": "JWT"}, json.dumps(ANN).encode(), SECRET.encode()),
    "another secret": signed(key="another secret of as many bytes as the longest hash has: 64, or so"),
    "another hash": signed(algorithm="HS512"),
    "expired": signed({**ANN, "exp": NOW - 31}),
    "not yet valid": signed({**ANN, "nbf": NOW + 31}),
    "from the future": signed({**ANN, "iat": NOW + 31}),
    "a time that is text": signed({**ANN, "exp": "tomorrow"}),
    "a time that is true": signed({**ANN, "exp": True}),
    "a time without end": forged({"alg": "HS256"}, b'{"exp": Infinity}', SECRET.encode()),
    "a list": signed([1]),
    "no JSON": forged({"alg": "HS256"}, b"junk", SECRET.encode()),
    "bytes that are no text": forged({"alg": "HS256"}, b'{"a": "\xff"}', SECRET.encode()),
    "a head that is no JSON": forged(b"junk", b"{}", SECRET.encode()),
    "critical": forged({"alg": "HS256", "crit": ["x"], "x": 1}, b"{}", SECRET.encode()),
    "detached": forged({"alg": "HS256", "b64": False}, b"{}", SECRET.encode()),
    "a kid that is no text": forged({"alg": "HS256", "kid": 7}, b"{}", SECRET.encode()),
    "a megabyte": signed({**ANN, "a": "x" * 1_000_000}),
    "a thousand deep": forged({"alg": "HS256"}, nested(1500), SECRET.encode()),
    "a head a thousand deep": forged(nested(1500), b"{}", SECRET.encode()),
    "one part": "junk",
    "two algorithms": forged(b'{"alg": "none", "alg": "none"}', json.dumps(ANN).encode(), SECRET.encode()),
    "two expiries": forged({"alg": "HS256"}, b'{"sub": "ann", "exp": 9e9, "exp": 1}', SECRET.encode()),
    "an audience beside another": forged({"alg": "HS256"}, b'{"sub": "ann", "exp": 1, "aud": "x"}', SECRET.encode()),
    "a kid that is a path": forged({"alg": "RS256", "kid": "../../../../dev/null"}, json.dumps(ANN).encode(), b""),
    "a kid that is SQL": forged({"alg": "RS256", "kid": "x' UNION SELECT 'k"}, json.dumps(ANN).encode(), b"k"),
    "a compressed one": forged({"alg": "HS256", "zip": "DEF"}, b"\x78\x9c\xab\x56", SECRET.encode()),
    "an exponent without end": forged({"alg": "HS256"}, b'{"sub": "ann", "exp": 1e999}', SECRET.encode()),
    "a number of ten thousand digits": forged({"alg": "HS256"}, b'{"exp": ' + b"9" * 10_000 + b"}", SECRET.encode()),
    "no text": "\xff.\xff.\xff",
    "encrypted": "a.b.c.d.e",
}


class TestAttacks:
    """Each ends in *not known*, and raises nothing."""

    @pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
    def test_is_not_believed(self, text: str) -> None:
        """By a site that has a shared secret."""
        assert claims(tokens(), text) is UNBELIEVED

    @pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
    def test_is_not_believed_by_a_public_key_either(self, text: str) -> None:
        """Nor by one that has a JWKS."""
        assert claims(tokens(public_pem("RSA"), "RS256"), text) is UNBELIEVED

    @pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
    def test_hmac_with_the_public_key_is_not_believed(self, algorithm: str) -> None:
        """The key is known to everybody: the oldest attack on such libraries."""
        pem = public_pem("RSA")
        for key in (pem.encode(), pem.strip().encode(), json.dumps(jwk("RSA", "RS256")).encode()):
            text = forged({"alg": algorithm}, json.dumps(ANN).encode(), key)
            assert claims(tokens(pem, "RS256", "PS256"), text) is UNBELIEVED

    def test_a_key_in_the_token_is_not_used(self) -> None:
        """Nor is an address in it asked."""
        other = rsa.generate_private_key(65537, 2048)
        own = jwt.algorithms.RSAAlgorithm.to_jwk(other.public_key(), as_dict=True)
        elsewhere = "https://attacker.example/keys"
        for head in ({"jwk": own}, {"jku": elsewhere}, {"x5u": elsewhere}, {"x5c": ["MIIB"]}, {"x5t": "AAAA"}):
            text = signed(key=other, algorithm="RS256", **head)
            assert claims(tokens(public_pem("RSA"), "RS256"), text) is UNBELIEVED

    @pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\0" * 63 + b"\1", b"\xff" * 64, b"0\x06\x02\1\0\x02\1\0"])
    def test_a_signature_that_is_none_is_not_believed(self, signature: bytes) -> None:
        """Numbers of an elliptic curve's that are zero, or beyond its order (CVE-2022-21449), or in another coding."""
        signed_, _, _ = signed(key=pair("P-256"), algorithm="ES256").rpartition(".")
        text = f"{signed_}.{base64.urlsafe_b64encode(signature).decode()}"
        assert claims(tokens(public_pem("P-256"), "ES256"), text) is UNBELIEVED

    def test_a_long_token_is_not_even_decoded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it costs does not grow."""
        monkeypatch.setattr(json, "loads", None)
        monkeypatch.setattr(Notices, "tell", lambda *said: told.append(said))
        told: list[Any] = []
        assert claims(tokens(), "x" * (MAX_TOKEN + 1)) is UNBELIEVED
        assert told[0][-1] == "it is too long"

    @pytest.mark.parametrize(("leeway", "shift"), [(30.0, 29), (0.0, -1), (60.0, 59)])
    def test_clocks_may_differ_by_the_leeway(self, leeway: float, shift: int) -> None:
        """30 seconds unless the site says otherwise."""
        text = signed({"exp": NOW - shift, "nbf": NOW + shift, "iat": NOW + shift})
        assert claims(tokens(leeway=leeway), text) is not UNBELIEVED

    @pytest.mark.parametrize(
        ("audience", "believed"),
        [("news", True), (["x", "news"], True), ("x", False), ([], False), (None, False), ([7], False), ({}, False)],
    )
    def test_the_audience_is_checked_when_set(self, audience: Any, believed: bool) -> None:
        """One of the token's is one of ours."""
        own = {"sub": "ann"} if audience is None else {"sub": "ann", "aud": audience}
        assert (claims(tokens(audience=("shop", "news")), signed(own)) is not UNBELIEVED) is believed
        assert claims(tokens(), signed(own)) == own

    @pytest.mark.parametrize(("issuer", "believed"), [("https://id.example/", True), ("x", False), (None, False)])
    def test_the_issuer_is_checked_when_set(self, issuer: Any, believed: bool) -> None:
        """To the letter."""
        own = {"sub": "ann", "iss": issuer}
        assert (claims(tokens(issuer=("https://id.example/",)), signed(own)) is not UNBELIEVED) is believed

    def test_the_log_says_why_and_not_who(self, caplog: pytest.LogCaptureFixture) -> None:
        """Once a minute; an expired token is nothing to be told about."""
        some = tokens()
        for name in ("expired", "another secret", "another secret", "one part"):
            claims(some, ATTACKS[name])
        assert caplog.record_tuples == [
            ("viafoura_mw", logging.WARNING, "a token was not believed (its signature is not of our key)"),
            ("viafoura_mw", logging.WARNING, "a token was not believed (it cannot be read: ValueError)"),
        ]


class TestProxies:
    """The signed header of what stands in front of a site; what others sign is tested with its recipe."""

    def test_aws_load_balancer(self) -> None:
        """Its base64 is padded; it names no audience, but its own ARN in the signed head, which can be demanded."""
        arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/news/5"
        head = {"alg": "ES256", "kid": "a", "signer": arn, "exp": NOW + 120}
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in (head, ANN))
        signature = jwt.algorithms.get_default_algorithms()["ES256"].sign(text.encode(), pair("P-256"))
        text += "." + base64.urlsafe_b64encode(signature).decode()
        assert "=" in text
        for signer, believed in ((arn, True), (arn.replace("news", "other"), False)):
            some = tokens(public_pem("P-256"), "ES256", cookie="", header="X-Amzn-Oidc-Data", audience=(signer,))
            assert isinstance(read(some, "", {"X-Amzn-Oidc-Data": text}), User) is believed
