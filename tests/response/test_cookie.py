"""The cookie: of one user of one site, sealed, and never believed when it is anything else."""

import base64
import json
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import Clock
from viafoura_mw import Settings
from viafoura_mw.errors import SettingsError
from viafoura_mw.response.cookie import MAX_LENGTH, SealedSession, SessionCookie
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

ANN, BEN = User("ann", "Ann", "ann@site.example"), User("ben", "Ben")
CLOCK = Clock()
SESSION = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", CLOCK.now)


def cookie_of(clock: Clock = CLOCK, **fields: Any) -> SessionCookie:
    return SessionCookie(Settings(**{"site_id": "site", "api_key": "key", **fields}), clock)


COOKIE = cookie_of()


def pair(cookie: SessionCookie = COOKIE, user: User = ANN, session: Session = SESSION) -> str:
    """What a browser sends back."""
    return cookie.set(user, session, secure=False).partition(";")[0]


def found(cookie: SessionCookie = COOKIE, header: str | None = None) -> SealedSession:
    sealed = cookie.find(pair() if header is None else header)
    assert sealed is not None
    return sealed


class TestAuthentic:
    """A cookie whose seal, site and expiry are right."""

    def test_gives_the_session_back(self) -> None:
        """To the process that set it and to every other with the secret."""
        assert found().session == found(cookie_of()).session == SESSION
        assert found().expires_at == CLOCK.now + 39_600

    @pytest.mark.parametrize(
        "header", ["a=1; {}", "{};a=1", "a=1;  {}  ; b=2", "xviafoura_mw=1; {}", ";;{};;", "a; {}"]
    )
    def test_is_found_among_others(self, header: str) -> None:
        """Whatever else the browser sends."""
        assert found(header=header.format(pair())).session == SESSION

    def test_is_the_users_with_these_details(self) -> None:
        """*Valid* is what belongs to this user, and was made with these details."""
        assert found().is_of(ANN)
        assert found().has_details_of(ANN)

    @pytest.mark.parametrize("user", [BEN, User("Ann", "Ann", ANN.email), User("ann ", "Ann", ANN.email)])
    def test_is_no_other_users(self, user: User) -> None:
        """A cookie that is replayed by another user is authentic, but not theirs."""
        assert not found().is_of(user)
        assert not found().has_details_of(user)

    @pytest.mark.parametrize(
        "user",
        [User("ann", "Anna", ANN.email), User("ann", "Ann"), User("ann", "Ann", ""), User("ann", "Ann", "a@b.c")],
    )
    def test_with_old_details_is_still_the_users(self, user: User) -> None:
        """Who has changed their name is logged in anew, and not as somebody else."""
        assert found().is_of(user)
        assert not found().has_details_of(user)

    def test_takes_any_text_for_a_user(self) -> None:
        """Lone surrogates have no UTF-8, but break no page."""
        odd = User("\ud800", "\udcff", "\x00")
        assert found(header=pair(user=odd)).has_details_of(odd)

    def test_is_opened_once(self) -> None:
        """A user's next page costs no HMAC."""
        cookie = cookie_of()
        assert cookie.find(pair()) is cookie.find(pair())


class TestAnythingElse:
    """Counts as no cookie at all, and never raises."""

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "viafoura_mw",
            "viafoura_mw=",
            "viafoura_mw==",
            "viafoura_mw=x",
            'viafoura_mw="x"',
            "viafoura_mw=\x00\xff",
            "viafoura_mw=é€\ud800",
            "viafoura_mw=" + "A" * 8192,
            "viafoura_mw=" + "\xff" * 8192,
            "VIAFOURA_MW=" + pair().partition("=")[2],
            "xviafoura_mw=" + pair().partition("=")[2],
            "a=viafoura_mw",
        ],
    )
    def test_is_none(self, header: str) -> None:
        """Junk, another's, too long."""
        assert COOKIE.find(header) is None

    @given(st.text(), st.integers(0, 200))
    def test_is_none_whatever_is_put_in(self, junk: str, at: int) -> None:
        """Any change of any letter, any length."""
        name, _, value = pair().partition("=")
        changed = f"{value[:at]}{junk}{value[at:]}"
        sealed = COOKIE.find(f"{name}={changed}")
        assert sealed is None or changed.partition(";")[0].strip() == value

    def test_is_none_when_truncated(self) -> None:
        """At any letter."""
        assert not any(COOKIE.find(pair()[:length]) for length in range(len(pair())))

    def test_is_none_when_one_letter_is_another(self) -> None:
        """At any place, the bits that base64 does not use included."""
        name, _, value = pair().partition("=")
        flips = (f"{value[:at]}{'B' if value[at] == 'A' else 'A'}{value[at + 1 :]}" for at in range(len(value)))
        assert not any(COOKIE.find(f"{name}={flip}") for flip in flips)

    @pytest.mark.parametrize("junk", ["=", "==", "%", "!", "\n", "-\x00"])
    def test_is_none_when_written_in_another_way(self, junk: str) -> None:
        """Base64 passes over what is not of it; a cookie is ours letter for letter, or is not ours."""
        assert COOKIE.find(f"{pair()[:30]}{junk}{pair()[30:]}") is None
        assert COOKIE.find(f"{pair()}{junk}x") is None

    def test_is_none_when_it_is_padded(self) -> None:
        """Padding changes nothing of what is decoded."""
        value = pair().partition("=")[2]
        assert COOKIE.find(f"viafoura_mw={value}{'=' * (-len(value) % 4 or 4)}") is None

    def test_is_none_when_it_is_longer_than_a_browser_keeps(self) -> None:
        """Nothing so long is ours, and none of it is opened or remembered."""
        assert COOKIE.find(pair(session=Session("1", "x" * MAX_LENGTH, CLOCK.now))) is None

    @pytest.mark.parametrize("other", [pair(), "viafoura_mw=", "viafoura_mw", "viafoura_mw=junk"])
    def test_is_none_when_there_are_several(self, other: str) -> None:
        """Which one the browser means is not to be known (RFC 6265 §4.2.2)."""
        assert COOKIE.find(f"{pair()}; {other}") is None
        assert COOKIE.find(f"{other}; a=1; {pair()}") is None

    @pytest.mark.parametrize(
        "fields", [{"site_id": "other"}, {"api_key": "other"}, {"cookie_secret": ("another-long-secret",)}]
    )
    def test_is_none_of_another_site_or_secret(self, fields: dict[str, Any]) -> None:
        """Two sites with one secret do not read each other's cookies."""
        assert cookie_of(**fields).find(pair()) is None
        assert COOKIE.find(pair(cookie_of(**fields))) is None

    def test_is_none_of_another_site_with_the_same_secret(self) -> None:
        """The keys are derived from the secret and the site."""
        secret = ("one-secret-for-all",)
        assert (
            cookie_of(site_id="a", cookie_secret=secret).find(pair(cookie_of(site_id="b", cookie_secret=secret)))
            is None
        )

    def test_is_none_when_its_own_expiry_has_passed(self) -> None:
        """Whatever the browser thinks of its age."""
        clock = Clock()
        cookie = cookie_of(clock, session_ttl=60)
        header = pair(cookie)
        clock.pass_(59)
        assert cookie.find(header) is not None
        clock.pass_(1)
        assert cookie.find(header) is None

    @pytest.mark.parametrize(
        "content",
        [
            None,
            True,
            7,
            "12345",
            [],
            {},
            {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5},
            [1, "s", 2_000_000, "0" * 32, "0" * 32],
            ["u", None, 2_000_000, "0" * 32, "0" * 32],
            ["u", "s", "2000000", "0" * 32, "0" * 32],
            ["u", "s", 2_000_000.5, "0" * 32, "0" * 32],
            ["u", "s", float("nan"), "0" * 32, "0" * 32],
            ["u", "s", float("inf"), "0" * 32, "0" * 32],
            ["u", "s", True, "0" * 32, "0" * 32],
            ["u", "s", None, "0" * 32, "0" * 32],
            ["u", "s", 2_000_000, "é" * 32, "0" * 32],
            ["u", "s", 2_000_000, "0" * 32, "é" * 32],
            ["u", "s", 2_000_000, None, []],
            ["u", "s", 2_000_000, "0" * 32],
            ["u", "s", 2_000_000, "0" * 32, "0" * 32, "more"],
        ],
    )
    def test_is_none_of_another_version(self, content: Any) -> None:
        """A right seal around what this version does not seal."""
        value = COOKIE._keys[0].seal(content)
        assert COOKIE.find(f"viafoura_mw={value}") is None

    def test_is_the_same_session_of_this_version(self) -> None:
        """The shape that the test above varies is the right one."""
        value = COOKIE._keys[0].seal(["u", "s", 2_000_000, "0" * 32, "0" * 32])
        assert found(header=f"viafoura_mw={value}").session.id == "s"


class TestSecrets:
    """``VIAFOURA_COOKIE_SECRET``: the first seals, all open."""

    def test_rotate(self) -> None:
        """Old cookies are read with the new secrets, new ones not with the old."""
        old, new = (
            cookie_of(cookie_secret=("an-old-secret-long",)),
            cookie_of(cookie_secret=("a-new-secret-long-", "an-old-secret-long")),
        )
        assert found(new, pair(old)).is_of(ANN)
        assert found(new, pair(old)).has_details_of(ANN)
        assert not found(new, pair(old)).is_of(BEN)
        assert old.find(pair(new)) is None

    def test_are_derived_from_the_api_key_without_any(self) -> None:
        """The API key itself as a secret is another key."""
        assert cookie_of(cookie_secret=("another-long-secret",)).find(pair()) is None


class TestWhatItShows:
    """A cookie can be read by whoever has it, but says little."""

    def test_has_no_name_id_or_address_in_it(self) -> None:
        """The user and their details are keyed digests."""
        content = base64.urlsafe_b64decode(pair().partition("=")[2] + "==")[32:]
        assert json.loads(content)[:3] == [SESSION.user_id, SESSION.id, int(CLOCK.now) + 39_600]
        assert not any(text.encode() in content for text in ("ann", "Ann", "site.example"))

    def test_tells_nothing_of_two_sites_users(self) -> None:
        """One user has other digests on another site."""
        contents = [
            base64.urlsafe_b64decode(pair(cookie_of(site_id=site)).partition("=")[2] + "==")[32:] for site in "ab"
        ]
        assert not {*json.loads(contents[0])[3:]} & {*json.loads(contents[1])[3:]}

    def test_is_not_in_a_log(self) -> None:
        """No ``repr()`` has a session, a key or a user in it."""
        shown = repr([found(), COOKIE, COOKIE._keys, found().session])
        assert not any(text in shown for text in (SESSION.id, SESSION.user_id, "ann", "'key'"))


def attributes(header: str) -> dict[str, Any]:
    """The attributes of a Set-Cookie header, as the standard library reads them."""
    (morsel,) = SimpleCookie(header).values()
    return {name: value for name, value in morsel.items() if value}


class TestSetCookie:
    """The header that the browser gets."""

    def test_lives_as_long_as_the_session_is_left(self) -> None:
        """``Max-Age`` is what is left; the cookie is for HTTP alone. The header has no other clock in it."""
        header = cookie_of(Clock(CLOCK.now + 100.5)).set(ANN, SESSION, secure=False)
        assert attributes(header) == {"max-age": "39499", "path": "/", "samesite": "lax", "httponly": True}

    def test_of_a_session_that_is_over_is_forgotten_at_once(self) -> None:
        """A negative age has no meaning."""
        header = cookie_of(Clock(CLOCK.now + 50_000)).set(ANN, SESSION, secure=False)
        assert header.endswith("; Max-Age=0")

    def test_is_cleared_where_it_was_set(self) -> None:
        """By the same name, path and domain, or the browser would keep it."""
        cookie = cookie_of(cookie_domain=".site.example", cookie_path="/news", cookie_samesite="strict")
        cleared, kept = (
            attributes(header) for header in (cookie.clear(secure=True), cookie.set(ANN, SESSION, secure=True))
        )
        assert cleared["max-age"] == "0"
        assert {name: cleared[name] for name in kept if name != "max-age"} == {
            "domain": ".site.example",
            "path": "/news",
            "samesite": "strict",
            "secure": True,
            "httponly": True,
        }

    @pytest.mark.parametrize(
        ("fields", "over_http", "over_https"),
        [
            ({}, False, True),
            ({"cookie_secure": "1"}, True, True),
            ({"cookie_secure": "0"}, False, False),
            ({"cookie_samesite": "none"}, True, True),
            ({"cookie_name": "__Host-viafoura"}, True, True),
            ({"cookie_name": "__secure-viafoura"}, True, True),
            ({"cookie_name": "__Http-viafoura"}, True, True),
            ({"cookie_name": "__viafoura"}, False, True),
        ],
    )
    def test_is_secure_as_it_must_be(self, fields: dict[str, Any], over_http: bool, over_https: bool) -> None:
        """By the request's scheme, but where a browser would drop it otherwise."""
        cookie = cookie_of(**fields)
        for secure, expected in ((False, over_http), (True, over_https)):
            headers = (cookie.set(ANN, SESSION, secure=secure), cookie.clear(secure=secure))
            assert ["; secure" in header for header in headers] == [expected, expected]

    @given(st.text(alphabet="!#$%&'*+-.^_`|~0123456789azAZ", min_size=1))
    def test_takes_every_name_that_the_settings_take(self, name: str) -> None:
        """What the settings let pass breaks no page."""
        environ = {"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key", "VIAFOURA_COOKIE_NAME": name}
        try:
            cookie = SessionCookie(Settings.from_env(environ), CLOCK)
        except SettingsError:
            return
        assert found(cookie, pair(cookie)).session == SESSION

    def test_fits_into_a_browser(self) -> None:
        """The longest session that is believed gives a cookie that can be kept."""
        longest = Session("9" * 20, "x" * 256, CLOCK.now)
        header = cookie_of(cookie_name="n" * 64).set(User("i" * 255, "n" * 255, "e" * 254), longest, secure=True)
        assert len(header) < MAX_LENGTH


class TestPresence:
    """Whether a request may be a signed-in user's."""

    @pytest.mark.parametrize("header", [pair(), "viafoura_mw=junk", "a=1; viafoura_mw="])
    def test_is_told_by_the_name(self, header: str) -> None:
        """Believed or not."""
        assert COOKIE.is_in(header)

    @pytest.mark.parametrize("header", ["", "a=viafoura_mw", "xviafoura_mw=1"])
    def test_is_not_told_by_anything_else(self, header: str) -> None:
        """A value is not a name."""
        assert not COOKIE.is_in(header)
