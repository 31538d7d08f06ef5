"""Keys with an address each: fetched behind the pages' backs, bounded whatever ``kid`` a visitor makes up."""

import datetime
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("jwt", reason="PyJWT is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.support.fakes import Clock
from tests.support.tokens import jwk, pair, private_jwk, public_pem, signed
from viafoura_mw.errors import ViafouraUnavailable
from viafoura_mw.log import Notices
from viafoura_mw.user.jwks import MAX_AGE, PAUSE, Job, KeyServer
from viafoura_mw.user.jwks_by_kid import KEPT, SLOT, KeysByKid
from viafoura_mw.user.jwt import Terms, Tokens
from viafoura_mw.user.sources import UNBELIEVED
from viafoura_mw.viafoura.transport import Answer

BASE = "https://public-keys.site.example/"
OURS = "12345678-1234-1234-1234-123456789012"
NOT_FOUND = Answer(404, {}, b"")


class Server:
    """Has an answer for each ``kid``, and notes for which it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}

    def get(self, url: str, deadline: float) -> Answer:
        assert url.startswith(BASE)
        kid = url.removeprefix(BASE)
        self.asked.append(kid)
        answer = self.answers.get(kid, NOT_FOUND)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Answer)
        return answer


def pem() -> Answer:
    return Answer(200, {}, public_pem("P-256").encode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Server:
    made = Server()
    made.answers[OURS] = pem()
    return made


def keys_of(server: Server, clock: Clock, later: Callable[[Job], bool] = lambda job: job(None) is None) -> KeysByKid:
    asked = KeyServer(["ES256"], Notices(clock), lambda: server)
    return KeysByKid(f"{BASE}{{kid}}", asked, later, clock=clock, lot=random.Random(7).randrange)


@pytest.fixture
def keys(server: Server, clock: Clock) -> KeysByKid:
    """Keys whose fetch is over as soon as it was asked for."""
    return keys_of(server, clock)


def test_are_fetched_when_a_token_names_them(keys: KeysByKid, server: Server, clock: Clock) -> None:
    """The token that asks goes without; the next ones cost nothing."""
    assert server.asked == []
    assert keys.find(OURS) == ()
    clock.now += MAX_AGE - 1
    assert len(keys.find(OURS)) == 1
    assert server.asked == [OURS]


@pytest.mark.parametrize(
    "answer",
    [
        public_pem("P-256"),
        f"\n{public_pem('P-256')}\n".replace("\n", "\r\n"),
        json.dumps(jwk("P-256", "ES256")),
        json.dumps(jwk("P-256", "ES256", kid=OURS)),
        json.dumps({"keys": [jwk("P-256", "ES256", kid="another"), jwk("P-256", "ES256", kid=OURS)]}),
    ],
    ids=["PEM", "PEM with other line ends", "JWK", "JWK with its kid", "JWKS"],
)
def test_may_come_in_several_forms(answer: str, keys: KeysByKid, server: Server) -> None:
    """Of a set, the one of that ``kid``."""
    server.answers[OURS] = Answer(200, {}, answer.encode())
    keys.find(OURS)
    assert len(keys.find(OURS)) == 1


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site.example")])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, pair("P-256").public_key(), 1, begin, begin.replace(year=2090))
    return builder.sign(pair("P-256"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


PRIVATE_PEM = pair("P-256").private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
NO_KEYS = {
    "a redirect": Answer(302, {"Location": f"{BASE}another"}, pem().body),
    "HTML": Answer(200, {}, b"<!doctype html><title>Sign in</title>"),
    "a private key": Answer(200, {}, PRIVATE_PEM),
    "a private key beside": Answer(200, {}, public_pem("P-256").encode() + PRIVATE_PEM),
    "a private JWK": Answer(200, {}, json.dumps(private_jwk("P-256", "ES256")).encode()),
    "a certificate": Answer(200, {}, certificate()),
    "a key of another kind": Answer(200, {}, public_pem("RSA").encode()),
    "a key of another curve": Answer(200, {}, public_pem("P-384").encode()),
    "a broken PEM": Answer(200, {}, public_pem("P-256").replace("M", "A").encode()),
    "a set without the key": Answer(200, {}, json.dumps({"keys": [jwk("P-256", "ES256", kid="another")]}).encode()),
    "bytes": Answer(200, {}, b"\xff\xfe\xfd"),
    "a shared secret": Answer(200, {}, b'{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
    "an error": Answer(500, {}, b""),
    "no answer": ViafouraUnavailable("no answer in time"),
    "a fault": OSError("secret"),
}


@pytest.mark.parametrize("answer", NO_KEYS.values(), ids=NO_KEYS)
def test_are_none_where_the_answer_is_no_public_key(
    answer: Any, keys: KeysByKid, server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again a minute later; the keys at hand serve on meanwhile, however old they are."""
    keys.find(OURS)
    server.answers[OURS] = answer
    clock.now += MAX_AGE
    for _ in range(3):
        assert len(keys.find(OURS)) == 1
        clock.now += PAUSE
    assert server.asked == [OURS] * 4
    assert caplog.messages[0].startswith("VIAFOURA_JWT_JWKS_URL: no keys could be had (")
    assert "secret" not in caplog.text


def test_that_the_server_has_no_more_are_believed_no_more(keys: KeysByKid, server: Server, clock: Clock) -> None:
    """As those that have left a set."""
    keys.find(OURS)
    server.answers[OURS] = NOT_FOUND
    clock.now += MAX_AGE
    keys.find(OURS)
    assert keys.find(OURS) == ()


def test_are_fetched_anew_for_a_rotated_key(keys: KeysByKid, server: Server, clock: Clock) -> None:
    """Both serve while tokens of both come."""
    keys.find(OURS)
    server.answers["new"] = pem()
    clock.now += SLOT
    assert keys.find("new") == ()
    assert [len(keys.find(kid)) for kid in ("new", OURS)] == [1, 1]


HOSTILE = [
    "",
    ".",
    "..",
    "../secret",
    "a/b",
    "a%2Fb",
    "a?b",
    "a#b",
    "a b",
    "a\nb",
    "kid.pem",
    "ключ",
    "x" * 129,
    "a" * 2**20,
]


@pytest.mark.parametrize("kid", [*HOSTILE, None], ids=lambda kid: repr(kid)[:20])
def test_are_none_for_a_key_id_that_could_lead_elsewhere(kid: str | None, keys: KeysByKid, server: Server) -> None:
    """Nothing is asked for it, and nothing of it is remembered."""
    assert keys.find(kid) == ()
    assert server.asked == []
    assert not keys._here.get().tried


def test_are_fetched_ten_times_a_minute_at_most(keys: KeysByKid, server: Server, clock: Clock) -> None:
    """Whatever key ids visitors make up; of those little is remembered."""
    for number in range(12_000):
        keys.find(f"made-up-{number}")
        clock.now += 0.01
    assert len(server.asked) == 20
    assert len(keys._here.get().tried) == 10


@pytest.mark.parametrize("others", [1, 5])
def test_that_are_made_up_keep_users_waiting_for_a_bounded_time(others: int, server: Server, clock: Clock) -> None:
    """Five times as many requests as the users' own cost six fetches on average: the first was drawn before."""
    fetches = 0
    for seed in range(100):
        asked = KeyServer(["ES256"], Notices(clock), lambda: server)
        lot = random.Random(seed).randrange
        keys = KeysByKid(f"{BASE}{{kid}}", asked, lambda job: job(None) is None, clock=clock, lot=lot)
        for number in range(300):
            keys.find(f"before-{number % 50}")
            clock.now += SLOT / 20
        server.asked.clear()
        number = 0
        while not keys.find(OURS):
            number += 1
            for other in range(others):
                keys.find(f"made-up-{number}-{other}")
            clock.now += SLOT / 20
        fetches += len(server.asked) - 1
    assert fetches / 100 < (others + 1) * 1.2


def test_that_could_not_be_had_are_tried_again_a_minute_later(keys: KeysByKid, server: Server, clock: Clock) -> None:
    """However often they are asked for; the server is free for others meanwhile."""
    for _ in range(int(PAUSE)):
        keys.find("unknown")
        clock.now += 1
    assert server.asked == ["unknown"]
    keys.find(OURS)
    assert server.asked == ["unknown", OURS]
    clock.now += SLOT
    keys.find("unknown")
    assert server.asked == ["unknown", OURS, "unknown"]


def test_are_fetched_once_a_minute_where_the_server_gives_no_answer(
    keys: KeysByKid, server: Server, clock: Clock
) -> None:
    """Each fetch may take ten seconds then."""
    server.answers["hangs"] = ViafouraUnavailable("no answer in time")
    keys.find("hangs")
    clock.now += PAUSE - 1
    assert (keys.find(OURS), keys.find(OURS)) == ((), ())
    clock.now += 1
    keys.find(OURS)
    assert len(keys.find(OURS)) == 1


def test_that_are_kept_are_the_last_used(keys: KeysByKid, server: Server, clock: Clock) -> None:
    """Other accounts' keys stand at the same address: they push out none that is in use."""
    keys.find(OURS)
    for number in range(KEPT + 10):
        clock.now += SLOT
        server.answers[f"other-{number}"] = pem()
        keys.find(f"other-{number}")
        assert keys.find(OURS)
    kept = list(keys._here.get().kept)
    assert (len(kept), "other-0" in kept, OURS in kept) == (KEPT, False, True)


@pytest.mark.parametrize(
    ("claims", "head"),
    [
        ({"sub": "ann", "exp": 1}, {"signer": "arn:ours"}),
        ({"sub": "ann"}, {"signer": "arn:another"}),
        ({"sub": "ann", "aud": "arn:ours"}, {"signer": "arn:another"}),
        ({"sub": "ann", "iss": "https://another.example"}, {"signer": "arn:ours"}),
    ],
    ids=["expired", "of another load balancer", "of another, with our audience", "of another issuer"],
)
def test_are_not_fetched_for_a_token_that_is_not_ours(
    claims: dict[str, Any], head: dict[str, str], keys: KeysByKid, server: Server
) -> None:
    """Whoever makes key ids up must at least know what our tokens look like."""
    tokens = Tokens(Terms("", "X-Token", ("ES256",), ("arn:ours",), ("https://id.example",)), keys, Notices())
    token = signed({"iss": "https://id.example", **claims}, pair("P-256"), "ES256", kid=OURS, **head)
    assert tokens.claims(token) is UNBELIEVED
    assert server.asked == []


def test_of_a_load_balancer_verify_its_tokens(keys: KeysByKid) -> None:
    """By itself as ``signer``, whatever audience the identity provider's claims name."""
    tokens = Tokens(Terms("", "X-Token", ("ES256",), ("arn:ours",)), keys, Notices())
    token = signed({"sub": "ann", "aud": "a client"}, pair("P-256"), "ES256", kid=OURS, signer="arn:ours")
    assert tokens.claims(token) is UNBELIEVED  # the key is fetched
    assert tokens.claims(token)["sub"] == "ann"


@pytest.mark.parametrize("runs", [True, False])
def test_are_put_off_where_no_thread_runs(runs: bool, keys: KeysByKid, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then whoever has served the page fetches them."""
    monkeypatch.setattr("viafoura_mw.user.jwks_by_kid.threads_run", lambda: runs)
    assert keys.are_put_off is not runs
