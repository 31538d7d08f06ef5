"""The user that is made of what a site says: an id exactly or not at all, and what may be shown beside it."""

import decimal
import enum
import gc
import logging
import unicodedata
import uuid
from collections import UserString
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw.log import Notices
from viafoura_mw.user.sources import parse
from viafoura_mw.user.user import (
    FAILED,
    MAX_EMAIL,
    MAX_ID,
    MAX_NAME,
    NOBODY,
    Reading,
    User,
    UserSources,
    clean_name,
    is_nobody,
    read_user,
    utf8_of_latin1,
)

SOURCES = UserSources(parse("environ:id|environ:id2"), parse("environ:name|environ:name2"), parse("environ:email"))
SHIBBOLETH = UserSources(SOURCES.id, SOURCES.name, SOURCES.email, separator=";")


def raising() -> Any:
    raise RuntimeError("ann@site.example has no row")


class Raising:
    """Whatever is read of it raises."""

    def __getitem__(self, key: str) -> Any:
        raising()


def read(sources: UserSources = SOURCES, **environ: Any) -> Reading:
    return read_user(sources, {"environ": environ}.get, Notices())


def user(**environ: Any) -> User:
    reading = read(**environ)
    assert reading.user is not None
    return reading.user


class TestId:
    """An id is taken exactly as it is, or not at all."""

    @pytest.mark.parametrize(
        "text", ["ann", " ann ", "Ann", "a\u0308", "ä", "a;b", "0", "ann@site.example", "🙂", "x" * MAX_ID]
    )
    def test_is_taken_as_it_is(self, text: str) -> None:
        """No case is folded, nothing is trimmed or normalized: that could make one user of two."""
        assert user(id=text).id == text

    @given(st.text())
    def test_is_never_another(self, text: str) -> None:
        """Two ids never become one."""
        reading = read_user(UserSources(parse("user:id")), {"user": {"id": text}}.get, Notices())
        assert reading.user is None or reading.user.id == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (7, "7"),
            (-7, "-7"),
            (10**30, "1" + "0" * 30),
            (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (decimal.Decimal(7), "7"),
            (enum.Enum("Id", {"ANN": "ann"}, type=str).ANN, "ann"),
            (enum.IntEnum("Number", {"SEVEN": 7}).SEVEN, "7"),
            (b"ann", "ann"),
            (bytearray(b"ann"), "ann"),
            (UserString("ann"), "ann"),
        ],
    )
    def test_may_be_what_stands_for_a_text(self, value: Any, text: str) -> None:
        """Numbers, UUIDs and the like, by their characters and not by their names."""
        assert user(id=value).id == text

    def test_may_be_lazy(self) -> None:
        """A proxy that looks like a string is asked for it."""
        lazy = pytest.importorskip("django.utils.functional").SimpleLazyObject(lambda: "ann")
        assert type(user(id=lazy).id) is str
        assert user(id=lazy).id == "ann"

    @pytest.mark.parametrize("value", [None, "", " ", "\u3000", 0, False, b"", 0.0, decimal.Decimal(0)])
    def test_that_is_empty_is_nobodys(self, value: Any) -> None:
        """An empty value is no value: the next alternative is tried, and without one the visitor is anonymous."""
        assert read(id=value) == NOBODY
        assert user(id=value, id2="ann").id == "ann"

    @pytest.mark.parametrize(
        "value",
        [
            True,
            1.5,
            float("nan"),
            "x" * (MAX_ID + 1),
            "a\nb",
            "ann\x00",
            "a\x85b",
            "\ud800",
            "\u202e\u200e",
            b"\xff",
            ["ann"],
            ("ann",),
            {"id": "ann"},
            {"ann"},
            object(),
            len,
            User,
            SimpleNamespace(id="ann"),
        ],
    )
    def test_that_no_system_would_mean_is_refused(self, value: Any) -> None:
        """It counts as an alternative that raises: "nobody" is not known for sure, so that nobody is logged out."""
        assert read(id=value) is FAILED
        assert user(id=value, id2="ann").id == "ann"

    def test_that_must_be_awaited_is_refused(self) -> None:
        """A coroutine is left to the site, which may await it."""

        async def ann() -> str:
            return "ann"

        coroutine = ann()
        assert read(id=coroutine) is FAILED
        coroutine.close()
        gc.collect()

    @pytest.mark.parametrize(("value", "text"), [("é", "é"), ("Ã©", "é"), ("â\x82¬", "€"), ("Ã", "Ã"), ("€", "€")])
    def test_is_read_back_as_utf_8_from_the_environ(self, value: str, text: str) -> None:
        """PEP 3333: the environ's strings are latin-1; what is not UTF-8 in it stays."""
        assert user(id=value).id == text
        assert utf8_of_latin1(value) == text

    @pytest.mark.parametrize(
        ("source", "roots"),
        [
            ("environ:session/id", {"environ": {"session": {"id": "Ã©"}}}),
            ("scope:id", {"scope": {"id": "Ã©"}}),
            ("user:id", {"user": {"id": "Ã©"}}),
        ],
    )
    def test_is_not_decoded_twice(self, source: str, roots: dict[str, Any]) -> None:
        """What does not come through the environ or a header is the site's own text."""
        assert read_user(UserSources(parse(source)), roots.get, Notices()).user == User("Ã©", "Ã©")


@pytest.mark.parametrize(
    ("principal", "identifier"),
    [
        ("ann@REALM", "ann"),
        ("ann", "ann"),
        ("@REALM", "@REALM"),
        (" @REALM", " @REALM"),
        ("ann@site.example@REALM", "ann@site.example"),
        ("ann@", "ann"),
    ],
)
def test_strips_the_realm_alone(principal: str, identifier: str) -> None:
    """``ann@a@REALM`` and ``ann@b@REALM`` stay two users."""
    sources = UserSources(SOURCES.id, strip_realm=True)
    reading = read(sources, id=principal)
    assert reading.user is not None
    assert reading.user.id == identifier
    assert read(id=principal).user != reading.user or principal == identifier


class TestName:
    """A name is only shown, so that it is cleaned."""

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("Ann", "Ann"),
            ("  Ann \t Example\n", "Ann Example"),
            ("Ann\x00\x1bExample", "Ann Example"),
            ("Ann\u2028Example", "Ann Example"),
            ("\u202eAnn\u2066", "Ann"),
            ("A\ud800nn", "Ann"),
            ("Zoë 🙂", "Zoë 🙂"),
            ("x" * 9999, "x" * MAX_NAME),
            ("x" * (MAX_NAME - 1) + " y", "x" * (MAX_NAME - 1)),
            (7, "7"),
            ("@ann", "@ann"),
            ("Ann @ Home", "Ann @ Home"),
            ("a<b", "a<b"),
        ],
    )
    def test_is_what_can_be_shown(self, value: Any, name: str) -> None:
        """No control characters, no line breaks, nothing that turns the text around, no end of what is shown."""
        assert clean_name(value) == name

    @pytest.mark.parametrize(
        "value",
        [
            "ann@site.example",
            " ann@site.example\n",
            "\u200eann@site.example",
            "ann\u200e@site.example",
            "<ann@site.example>",
            "ann@site.example@REALM",
            "ann <ann@site.example>",
            "ann <ann@site.example> ",
            "ann<ann@site.example>",
        ],
    )
    def test_is_never_an_address(self, value: str) -> None:
        """Whatever its source, only the part before the ``@`` is shown to everybody."""
        assert user(id="1", name=value).name == "ann"

    def test_is_the_id_without_any(self) -> None:
        """Viafoura requires one; an id that is an address is not shown as one."""
        assert (user(id="ann").name, user(id="ann@site.example").name) == ("ann", "ann")
        assert user(id="ann@site.example").id == "ann@site.example"

    @pytest.mark.parametrize("value", ["", " ", "\x00", "\u202e", None, False])
    def test_that_shows_nothing_is_none(self, value: Any) -> None:
        """The next alternative is tried."""
        assert user(id="1", name=value, name2="Ann").name == "Ann"

    @given(st.text())
    def test_can_always_be_shown(self, value: str) -> None:
        """Whatever a user calls themselves."""
        name = clean_name(value)
        assert len(name) <= MAX_NAME
        assert name == clean_name(name) or "@" in value
        assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)

    @pytest.mark.parametrize("value", ["<" + "@" * 99_999, "<" * 99_999, "@" * 99_999, "a@" * 99_999, " " * 99_999])
    def test_costs_no_more_than_its_length(self, value: str) -> None:
        """A hostile name does not keep the page waiting: no more is looked at than could be shown."""
        assert len(clean_name(value)) <= MAX_NAME


class TestEmail:
    """An e-mail address is sent only where it can be one."""

    @pytest.mark.parametrize("value", ["ann@site.example", " ann@site.example ", "ünn@sité.example"])
    def test_is_sent(self, value: str) -> None:
        """Without the space around it."""
        assert user(id="1", email=value).email == value.strip()

    @pytest.mark.parametrize(
        "value",
        [
            "",
            None,
            "ann",
            "ann@",
            "@site.example",
            "a@b@c",
            "a b@site.example",
            "a@b\n.example",
            "a\x00@b.example",
            "a\ud800@b.example",
            "Ann <ann@site.example>",
            "<ann@site.example>",
            "a@b.example,c@d.example",
            "x" * MAX_EMAIL + "@b.example",
            "é" * (MAX_EMAIL // 2) + "@b.example",
        ],
    )
    def test_that_can_be_none_is_left_out(self, value: Any) -> None:
        """Viafoura does without; the user is logged in all the same."""
        assert read(id="1", email=value) == Reading(User("1", "1"))


class TestSeveralValues:
    """Shibboleth joins the values of an attribute by semicolons."""

    def test_the_first_is_shown(self) -> None:
        """Of a name or an address, the order of the others does not matter."""
        reading = read(SHIBBOLETH, id="ann", name="Ann;Annie", email="ann@a.example;ann@b.example")
        assert reading.user == User("ann", "Ann", "ann@a.example")

    def test_an_id_is_the_only_one(self) -> None:
        """Of two ids none is this user's: the next alternative is tried, or nobody is signed in."""
        assert read(SHIBBOLETH, id="ann;ben") is FAILED
        assert read(SHIBBOLETH, id="ann;ben", id2="cid").user == User("cid", "cid")

    @pytest.mark.parametrize(
        ("value", "identifier"), [("ann", "ann"), ("ann;", "ann"), (";ann", "ann"), ("a\\;b", "a;b"), (b"a;b", "a;b")]
    )
    def test_an_empty_value_is_none_and_an_escaped_semicolon_is_one(self, value: Any, identifier: str) -> None:
        """As mod_shib writes them."""
        reading = read(SHIBBOLETH, id=value)
        assert reading.user is not None
        assert reading.user.id == identifier

    @pytest.mark.parametrize("value", ["", ";", " ; "])
    def test_nothing_but_separators_is_nothing(self, value: str) -> None:
        """An attribute that was not released is empty."""
        assert read(SHIBBOLETH, id=value) == NOBODY
        assert read(SHIBBOLETH, id="ann", name=value, email=value) == Reading(User("ann", "ann"))

    def test_elsewhere_a_semicolon_is_a_character(self) -> None:
        """No other system joins values so."""
        assert user(id="a;b", name="A; B") == User("a;b", "A; B")


class TestWhatRaises:
    """What the site's objects raise never breaks a page."""

    def test_an_id_that_cannot_be_read_is_not_known_to_be_nobodys(self, caplog: pytest.LogCaptureFixture) -> None:
        """An anonymous user and one warning, without what was raised; never a logout."""
        sources = UserSources(parse("environ:broken/id"))
        assert read(sources, broken=Raising()) is FAILED
        assert caplog.messages == ["the user's id could not be read; served as anonymous"]

    def test_the_next_alternative_is_tried(self, caplog: pytest.LogCaptureFixture) -> None:
        """One that raises counts as empty."""
        sources = UserSources(parse("environ:broken/id|environ:id"), parse("environ:broken/name|environ:name"))
        assert read(sources, broken=Raising(), id="ann", name="Ann") == Reading(User("ann", "Ann"))
        assert not caplog.messages

    @pytest.mark.parametrize("field", ["name", "email"])
    def test_a_user_without_their_details_is_partial(self, field: str, caplog: pytest.LogCaptureFixture) -> None:
        """No login is made of it: Viafoura would take the id for the name, and show it."""
        sources = UserSources(parse("environ:id"), **{field: parse("environ:broken/x")})
        assert read(sources, broken=Raising(), id="ann") == Reading(User("ann", "ann"), partial=True)
        assert caplog.record_tuples == [
            (
                "viafoura_mw",
                logging.WARNING,
                "the user's name or e-mail address could not be read; no login is made of it",
            )
        ]

    def test_what_a_users_class_does_not_implement_is_absent(self) -> None:
        """Starlette's ``BaseUser`` raises ``NotImplementedError`` for what a site's class does not have."""

        class BaseUser:
            @property
            def name(self) -> str:
                raise NotImplementedError

        sources = UserSources(parse("environ:id"), parse("environ:user/name"), parse("environ:user/name"))
        assert read(sources, id="ann", user=BaseUser()) == Reading(User("ann", "ann"))

    def test_a_root_that_raises_is_a_source_that_raises(self) -> None:
        """A framework's user may fail to load."""
        assert read_user(SOURCES, lambda kind: raising(), Notices()) is FAILED

    def test_what_is_not_an_exception_passes(self) -> None:
        """A server that shuts down is not stopped."""

        def root(kind: str) -> Any:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            read_user(SOURCES, root, Notices())


class TestNobody:
    """A user object whose ``is_authenticated`` is false stands for nobody."""

    @pytest.mark.parametrize("make", [dict, SimpleNamespace])
    @pytest.mark.parametrize(("flag", "nobody"), [(False, True), (None, True), (0, True), (True, False)])
    def test_says_so(self, make: Callable[..., Any], flag: Any, nobody: bool) -> None:
        """As an attribute or an item."""
        assert is_nobody(make(is_authenticated=flag)) is nobody

    @pytest.mark.parametrize("candidate", ["ann", 7, {}, object()])
    def test_says_nothing_of_others(self, candidate: Any) -> None:
        """What has no such flag is somebody."""
        assert not is_nobody(candidate)

    def test_is_not_known_of_a_user_that_must_be_awaited(self) -> None:
        """A coroutine is true, but says nothing."""

        class Someone:
            @property
            async def is_authenticated(self) -> bool:
                return False

        with pytest.raises(TypeError, match="must be awaited"):
            is_nobody(Someone())


def test_shows_nothing_of_a_user() -> None:
    """A log or a traceback shows no id, name or address."""
    assert repr(User("ann", "Ann Example", "ann@site.example")) == "<User>"
    assert repr(Reading(User("ann", "Ann"))) == "Reading(user=<User>, failed=False, partial=False)"


def test_tells_the_kinds_of_its_sources() -> None:
    """What is read decides what must be asked for."""
    sources = UserSources(parse("environ:a|user:b"), parse("header:c"), parse("response:d"))
    assert sources.kinds() == {"environ", "user", "header", "response"}
