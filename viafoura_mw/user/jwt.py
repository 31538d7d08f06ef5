"""Signed tokens (RFC 7519): where a request has one, and what it claims once its signature and terms were verified.

Rules that everything here obeys:

- The site names the algorithms, and a key is used with those of its own kind alone: a token's ``alg`` chooses among
  them and decides nothing. Else a visitor could sign with the public key as if it were a shared secret.
- A token that does not verify, has expired or cannot be read says nothing about who the visitor is: *not known*.
- Nothing raises, and nothing grows with what a visitor sends: a token has at most :data:`MAX_TOKEN` characters.

PyJWT is imported when a key is prepared: it is an extra.
"""

import base64
import contextlib
import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from viafoura_mw.log import Notices
from viafoura_mw.user.once import Once
from viafoura_mw.user.sources import UNBELIEVED, Absence

MAX_TOKEN: Final = 16_384  # characters: twice what servers take of a header
MAX_KEYS: Final = 64  # of one set
MOST_BRACKETS: Final = 500  # objects and lists of one part of a token: half as deep as Python 3.11 reads JSON
MIN_SECRET: Final = 16  # characters; what is shorter can be guessed, and then anybody could be anybody

#: The place of a key's id in ``VIAFOURA_JWT_JWKS_URL``, where each key has an address of its own.
KID: Final = "{kid}"

_HMAC: Final = ("HS256", "HS384", "HS512")
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}  # RFC 7518 §3.4, 8812
_ASYMMETRIC: Final = (*_RSA, *_CURVES.values(), "EdDSA")
#: What ``VIAFOURA_JWT_ALGORITHMS`` may name.
ALGORITHMS: Final = (*_HMAC, *_ASYMMETRIC)
_BEARER: Final = re.compile(r"bearer +", re.IGNORECASE)  # RFC 6750 §2.1; RFC 9110 §11.1: in any case
_PEM: Final = "-----BEGIN "
_PUBLIC_PEM: Final = re.compile(r"-----BEGIN (RSA |)PUBLIC KEY-----[A-Za-z0-9+/=\s]++-----END \1PUBLIC KEY-----")


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key that PyJWT has prepared, by its ``kid`` if it has one, with PyJWT's algorithms that it may be used with."""

    kid: str | None
    algorithms: Mapping[str, Any]
    value: Any

    def __repr__(self) -> str:
        return "<Key>"

    def has_signed(self, signed: bytes, signature: bytes, algorithm: str) -> bool:
        """Whether ``signature`` is that of ``signed`` by this key and ``algorithm``, of which it must be."""
        return bool(self.algorithms[algorithm].verify(signed, self.value, signature))


class Keys(Protocol):
    """Where keys are had from; ``are_put_off``: whoever asks must make calls when its page has left."""

    @property
    def are_put_off(self) -> bool: ...
    def find(self, kid: str | None) -> tuple[Key, ...]:
        """The keys that may have signed a token that names ``kid``; none while there are none. Does no I/O."""
        ...


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """Keys that the settings give."""

    keys: tuple[Key, ...]
    are_put_off: Final = False

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """Those of that ``kid``, and those without one."""
        return matching(self.keys, kid)


def matching(keys: Iterable[Key], kid: str | None) -> tuple[Key, ...]:
    """Those that a token's ``kid`` may mean: where either names none, any (RFC 7515 §4.1.4: it is a hint)."""
    return tuple(key for key in keys if kid is None or key.kid is None or key.kid == kid)


# What keys are made of.


def algorithms_of(names: Iterable[str]) -> tuple[str, ...]:
    """The algorithms of these names. Raises ``ValueError`` with the end of a sentence."""
    wanted = tuple(names)
    for name in wanted:
        if name.lower() == "none":
            raise ValueError("has none, by which anybody can be anybody")
        if name not in ALGORITHMS:
            raise ValueError(f"has {name!r}, which is none of {', '.join(ALGORITHMS)}")
    if any(name in _HMAC for name in wanted) and any(name in _ASYMMETRIC for name in wanted):
        raise ValueError("mixes HS… with others: a public key could be taken for a shared secret")
    return wanted


def are_shared(algorithms: Iterable[str]) -> bool:
    """Whether the algorithms are those of a shared secret."""
    return any(name in _HMAC for name in algorithms)


def keys_of(text: str, algorithms: Iterable[str]) -> tuple[Key, ...]:
    """The keys that a PEM, a JWKS or a shared secret gives for these algorithms.

    Raises ``ValueError`` with the end of a sentence, in which nothing of the key is.
    """
    wanted = frozenset(algorithms)
    if text.startswith(_PEM):
        if are_shared(wanted):
            raise ValueError("is a PEM, which is no shared secret: VIAFOURA_JWT_ALGORITHMS must not have HS…")
        keys = _of_pem(text.replace("\\n", "\n"), wanted)
    elif text.startswith("{"):
        try:
            keys = keys_of_set(json.loads(text), wanted)
        except (ValueError, RecursionError):
            keys = ()
    else:
        if not are_shared(wanted):
            raise ValueError("is neither a PEM nor a JWKS, as VIAFOURA_JWT_ALGORITHMS needs one")
        if len(text) < MIN_SECRET:
            raise ValueError(f"has less than {MIN_SECRET} characters, and can be guessed")
        return (Key(None, _only(wanted, known_algorithms()), text.encode()),)
    if not keys:
        raise ValueError("has no public key for VIAFOURA_JWT_ALGORITHMS")
    return keys


def published(body: bytes, algorithms: Iterable[str]) -> tuple[Key, ...]:
    """The keys that a key server's answer gives: a JWKS, a JWK or the PEM of one public key.

    Raises ``ValueError`` with the end of a sentence. A key of which the private half is in the answer is everybody's,
    and none.
    """
    wanted = frozenset(algorithms)
    text = body.decode("utf-8", "replace").strip()
    if _PUBLIC_PEM.fullmatch(text):
        keys = _of_pem(text, wanted)
    else:
        try:
            keys = keys_of_set(json.loads(text), wanted, may_be_private=False)
        except (ValueError, RecursionError):
            raise ValueError("is neither a JWKS nor a public key's PEM") from None
    if not keys:
        raise ValueError("has no public key for VIAFOURA_JWT_ALGORITHMS")
    return keys


def known_algorithms() -> Mapping[str, Any]:
    """PyJWT's algorithms by their names. Raises ``ValueError`` with the end of a sentence where it is not installed."""
    try:
        import jwt
    except ImportError:
        raise ValueError("needs PyJWT: pip install viafoura-mw[jwt]") from None
    return jwt.algorithms.get_default_algorithms()


def _of_pem(pem: str, wanted: frozenset[str]) -> tuple[Key, ...]:
    known = known_algorithms()
    usable: dict[str, Any] = {}
    for name in wanted & known.keys():
        with contextlib.suppress(Exception):  # a key of another kind; each version of PyJWT has its own words
            value = _public(known[name].prepare_key(pem))
            if _curve(value) in (None, name):
                usable[name] = value
    return tuple(Key(None, _only((name,), known), value) for name, value in usable.items())


def _only(names: Iterable[str], known: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: known[name] for name in names if name in known}


def _public(key: Any) -> Any:
    """The public key of a pair: a site may have given both."""
    return key.public_key() if hasattr(key, "public_key") else key


def _curve(key: Any) -> str | None:
    """The algorithm of an elliptic curve's key; ``None`` for another kind."""
    names = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
    curve = getattr(key, "curve", None)
    return names.get(curve.name, "") if curve is not None else None


def keys_of_set(document: Any, algorithms: Iterable[str], *, may_be_private: bool = True) -> tuple[Key, ...]:
    """The keys of a JWKS (RFC 7517 §5), or of a single JWK, that can be used; others are passed over."""
    if not isinstance(document, Mapping):
        return ()
    members = document.get("keys", [document] if "kty" in document else ())
    if not isinstance(members, list):
        return ()
    wanted, known = frozenset(algorithms), known_algorithms()
    usable = (
        member for member in members[:MAX_KEYS] if isinstance(member, Mapping) and (may_be_private or "d" not in member)
    )
    made = (_of_member(member, wanted, known) for member in usable)
    return tuple(key for key in made if key is not None)


def _of_member(member: Mapping[str, Any], wanted: frozenset[str], known: Mapping[str, Any]) -> Key | None:
    usable = _only(wanted & _algorithms_of_kind(member), known)
    kid = member.get("kid")
    if not usable or not isinstance(kid, str | None) or member.get("use", "sig") != "sig":
        return None
    try:
        value = _public(usable[min(usable)].from_jwk(dict(member)))
        return None if isinstance(value, bytes) and len(value) < MIN_SECRET else Key(kid, usable, value)
    except Exception:  # a key that is none; each version of PyJWT has its own words
        return None


def _algorithms_of_kind(member: Mapping[str, Any]) -> frozenset[str]:
    kind, curve, only = member.get("kty"), member.get("crv"), member.get("alg")
    names: tuple[str, ...] = ()
    if kind == "RSA":
        names = _RSA
    elif kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        names = (_CURVES[curve],)
    elif kind == "OKP":
        names = ("EdDSA",)
    elif kind == "oct":
        names = _HMAC
    return frozenset(name for name in names if only in (None, name))


# What a request has.


class Headers(Protocol):
    """A request's headers by their names; raises ``ValueError`` for one that was sent twice."""

    def __contains__(self, name: str) -> bool: ...
    def __getitem__(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """Where a token is, and what is demanded of it; ``audience`` and ``issuer`` are demanded where they are not empty.

    ``leeway``: seconds by which clocks may differ.
    """

    cookie: str
    header: str
    algorithms: tuple[str, ...]
    audience: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()
    leeway: float = 30.0


class _Refused(Exception):
    """A token is not believed, for a reason in words of this module."""


class Tokens:
    """Finds and verifies the tokens of requests. ``clock``: unix time."""

    def __init__(self, terms: Terms, keys: Keys, notices: Notices, *, clock: Callable[[], float] = time.time) -> None:
        self._terms = terms
        self._keys = keys
        self._notices = notices
        self._clock = clock

    @property
    def are_put_off(self) -> bool:
        """Whether keys can only be fetched by whoever has served a page."""
        return self._keys.are_put_off

    def presented(self, headers: Headers, cookies: str) -> "Presented":
        """The token of a request with these headers and this ``Cookie`` header; verifies nothing yet."""
        try:
            text = self._in_header(headers) or self._in_cookie(cookies)
        except ValueError:
            return Presented(None, self.claims)
        return Presented(text, self.claims)

    def _in_header(self, headers: Headers) -> str:
        name = self._terms.header
        if not name or name not in headers:
            return ""
        value = headers[name].strip()
        bearer = _BEARER.match(value)
        if bearer is None and name.lower() == "authorization":
            return ""  # another scheme's credentials
        return value[bearer.end() :] if bearer else value

    def _in_cookie(self, cookies: str) -> str:
        """The cookie's value. Raises ``ValueError`` where two differ: which one the site reads is anybody's guess."""
        name = self._terms.cookie
        if not name or name not in cookies:
            return ""
        pairs = (pair.partition("=") for pair in cookies.split(";"))
        values = {value.strip().strip('"') for key, _, value in pairs if key.strip() == name}
        if len(values) > 1:
            raise ValueError("two cookies of one name")
        return _BEARER.sub("", values.pop(), count=1) if values else ""

    def claims(self, text: str) -> Any:
        """What a token claims, or ``UNBELIEVED``."""
        try:
            return self._verified(text)
        except _Refused as error:
            reason = str(error)
        except Exception as error:  # whatever a hostile token makes json and PyJWT raise
            reason = f"it cannot be read: {type(error).__name__}"
        if reason:
            self._notices.tell(f"token:{reason}", logging.WARNING, "a token was not believed (%s)", reason)
        return UNBELIEVED

    def _verified(self, text: str) -> Mapping[str, Any]:
        if len(text) > MAX_TOKEN:
            raise _Refused("it is too long")
        signed, _, signature = text.rpartition(".")
        head, payload = (_decoded(part) for part in signed.split("."))
        head = _parsed(head)
        if head.get("alg") not in self._terms.algorithms:
            raise _Refused("its algorithm is none of VIAFOURA_JWT_ALGORITHMS")
        if "crit" in head or "b64" in head:  # RFC 7515 §4.1.11: what is not understood must be refused
            raise _Refused("it demands what is not understood")
        claims = _parsed(payload)
        if not isinstance(claims, dict):
            raise _Refused("it claims nothing")
        self._expect_current(claims)
        self._expect_ours(claims, head)
        # Last, so that what is not for this site has no key fetched; and nothing is believed before.
        self._expect_signed(signed.encode("ascii"), _decoded(signature), head["alg"], head.get("kid"))
        return claims

    def _expect_signed(self, signed: bytes, signature: bytes, algorithm: str, kid: Any) -> None:
        if not isinstance(kid, str | None):
            raise _Refused("its key id is none")
        keys = [key for key in self._keys.find(kid) if algorithm in key.algorithms]
        if not keys:
            raise _Refused("there is no key for it" if self._keys.find(None) else "its keys are not at hand yet")
        if not any(key.has_signed(signed, signature, algorithm) for key in keys):
            raise _Refused("its signature is not of our key")

    def _expect_current(self, claims: Mapping[str, Any]) -> None:
        """RFC 7519 §4.1.4 to §4.1.6; one that has expired is nothing to be told about."""
        now, leeway = self._clock(), self._terms.leeway
        ends, *begins = (claims.get(name) for name in ("exp", "nbf", "iat"))
        if not all(time is None or _is_time(time) for time in (ends, *begins)):
            raise _Refused("a time in it is none")
        if ends is not None and ends <= now - leeway:
            raise _Refused("")
        if any(begin is not None and begin > now + leeway for begin in begins):
            raise _Refused("it is not valid yet: look at the clocks")

    def _expect_ours(self, claims: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        """RFC 7519 §4.1.1, §4.1.3. AWS's load balancer names itself in the signed head, as ``signer``.

        That is its audience then, whatever ``aud`` claims: the load balancer copies the claims from the identity
        provider, which in another account's load balancer, with keys at the same address, is another's to choose.
        """
        terms = self._terms
        audience = head.get("signer", claims.get("aud"))
        audiences = audience if isinstance(audience, list) else [audience]
        if terms.audience and not any(one in terms.audience for one in audiences if isinstance(one, str)):
            raise _Refused("it is for another audience")
        if terms.issuer and claims.get("iss") not in terms.issuer:
            raise _Refused("it is from another issuer")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _parsed(data: bytes) -> Any:
    """JSON whose objects and lists are so few that every Python can read it, however they are nested."""
    if data.count(b"{") + data.count(b"[") > MOST_BRACKETS:
        raise _Refused("it is made of too many objects and lists")
    return json.loads(data)


def _decoded(part: str) -> Any:
    """RFC 7515 §2: base64url without padding, which AWS's load balancer writes all the same."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Presented:
    """The token of one request: ``text`` is empty for none, ``None`` where it is uncertain which one it is."""

    __slots__ = ("claims", "is_there")

    def __init__(self, text: str | None, claims: Callable[[str], Any]) -> None:
        self.is_there: bool = text != ""

        def read() -> Any:
            if text is None:
                return UNBELIEVED
            return claims(text) if text else Absence.UNSET

        #: What it claims; ``UNBELIEVED`` or an absence else. Verified once, when it is first asked for.
        self.claims: Callable[[], Any] = Once(read)
