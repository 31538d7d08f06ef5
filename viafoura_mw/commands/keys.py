"""The keys of signed tokens, for a command that has time to wait for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from viafoura_mw.commands.checks import Check, State
from viafoura_mw.log import Notices
from viafoura_mw.runtime import keys_for, tokens_of
from viafoura_mw.settings import Settings
from viafoura_mw.user.jwks import Job, KeyServer, NoKeys
from viafoura_mw.user.jwt import KID, Key, Keys, Tokens

_MADE_UP: Final = "viafoura-mw-check"  # a key id that no key has


def keys_checks(settings: Settings) -> Iterator[Check]:
    """Ask the address of ``VIAFOURA_JWT_JWKS_URL``, if there is one."""
    url = settings.jwt_jwks_url
    if not url:
        return
    try:
        keys = KeyServer(settings.jwt_algorithms, Notices()).keys(url.replace(KID, _MADE_UP), None)
    except NoKeys as failure:
        if KID in url and failure.status is not None and 400 <= failure.status < 500:
            sentence = "the server of VIAFOURA_JWT_JWKS_URL answers; each key is fetched when a token names it"
            yield Check("keys", State.OK, sentence)
            return
        sentence = (
            f"VIAFOURA_JWT_JWKS_URL gave no keys ({failure.reason}): look at the address, at VIAFOURA_JWT_ALGORITHMS, "
            "and whether this machine can connect there"
        )
        yield Check("keys", State.FAILED, sentence)
    else:
        many = "one key" if len(keys) == 1 else f"{len(keys)} keys"
        yield Check("keys", State.OK, f"VIAFOURA_JWT_JWKS_URL gave {many} for VIAFOURA_JWT_ALGORITHMS")


@dataclass(frozen=True, slots=True)
class _AtOnce:
    """Keys that are fetched while whoever asks waits."""

    keys: Keys

    @property
    def are_put_off(self) -> bool:
        return False

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """As the keys', which are there when they are asked for again."""
        return self.keys.find(kid) or self.keys.find(kid)


def patient_tokens(settings: Settings, notices: Notices) -> Tokens | None:
    """What finds the tokens of ``jwt:`` sources, and waits for their keys."""

    def at_once(job: Job) -> bool:
        job(None)
        return True

    keys = keys_for(settings, at_once, notices)
    return tokens_of(settings, keys and _AtOnce(keys), notices)
