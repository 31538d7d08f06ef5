"""Keys of each kind, and tokens that are signed with them."""

import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "a shared secret of as many bytes as the longest hash has, sixty-four"
NOW = 1_800_000_000
ANN = {"sub": 7, "name": "Ann", "user": {"email": "ann@site.example"}, "exp": NOW + 600}


@cache
def pair(kind: str) -> Any:
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ec.generate_private_key(CURVES[kind]())


CURVES: dict[str, Any] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}


def public_pem(kind: str) -> str:
    return pem_of(pair(kind))


def pem_of(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return pem.decode()


def jwk(kind: str, algorithm: str, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = jwt.algorithms.get_default_algorithms()[algorithm].to_jwk(
        pair(kind).public_key(), as_dict=True
    )
    return {**made, **members}


def private_jwk(kind: str, algorithm: str, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = jwt.algorithms.get_default_algorithms()[algorithm].to_jwk(pair(kind), as_dict=True)
    return {**made, **members}


def signed(claims: Any = ANN, key: Any = SECRET, algorithm: str = "HS256", **head: Any) -> str:
    payload = json.dumps(claims).encode()
    made: str = jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers=head or None)
    return made
