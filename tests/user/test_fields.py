"""What an id, a name and an e-mail address are made of: an id exactly or not at all, the others for show."""

import base64
import decimal
import enum
import gc
import quopri
import unicodedata
import uuid
from collections import UserString
from email.header import Header
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from viafoura_mw.user.fields import (
    MAX_EMAIL,
    MAX_ID,
    MAX_NAME,
    decoded_name,
    exact_id,
    plausible_email,
    shown_name,
    strict_utf8,
    utf8_of_latin1,
    values,
    without_realm,
)


class Id(str, enum.Enum):  # noqa: UP042 - as sites had them
    """``str()`` of one names the class, which that of a ``StrEnum`` does not."""

    ANN = "ann"


class Number(enum.IntEnum):
    """A user by number."""

    SEVEN = 7


class Folded(str):
    """A text that is equal to itself in any case, and hands on what it is: as itself, and in its parts."""

    def __eq__(self, other: object) -> bool:
        return str.lower(self) == str(other).lower()

    def __hash__(self) -> int:
        return hash(str.lower(self))

    def __str__(self) -> str:
        return self

    def __getitem__(self, place: Any) -> str:
        return Folded(str.__getitem__(self, place))


class Shown:
    """Shows itself as a text that is folded."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return Folded(self.text)


class Lazy(Shown):
    """Passes itself off as that text."""

    @property
    def __class__(self) -> Any:
        return Folded

    @__class__.setter
    def __class__(self, _: Any) -> None: ...


class Listed(bytes):
    """Bytes that stand for a text that is folded."""

    def decode(self, *_: Any) -> str:
        return Folded(super().decode())


FOLDED = (Folded, Shown, Lazy, lambda text: Listed(text.encode()))


class TestId:
    """An id is taken exactly as it is, or not at all."""

    @pytest.mark.parametrize(
        "text", ["ann", " ann ", "Ann", "a\u0308", "ä", "a;b", "0", "ann@site.example", "🙂", "a\u200b", "x" * MAX_ID]
    )
    def test_is_taken_as_it_is(self, text: str) -> None:
        """No case is folded, nothing is trimmed or normalized: that could make one user of two."""
        assert exact_id(text) == text

    @given(st.text())
    def test_is_never_another(self, text: str) -> None:
        """Two ids never become one."""
        try:
            assert exact_id(text) == text
        except ValueError:
            return

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (7, "7"),
            (0, "0"),
            (-7, "-7"),
            (10**30, "1" + "0" * 30),
            (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
            (decimal.Decimal(7), "7"),
            (decimal.Decimal(0), "0"),
            (Id.ANN, "ann"),
            (Number.SEVEN, "7"),
            (b"ann", "ann"),
            (bytearray(b"ann"), "ann"),
            (UserString("ann"), "ann"),
        ],
    )
    def test_may_be_what_stands_for_a_text(self, value: Any, text: str) -> None:
        """Numbers, zero too, UUIDs and the like, by their characters and not by their names."""
        assert exact_id(value) == text

    def test_may_be_lazy(self) -> None:
        """A proxy that looks like a string is asked for it."""
        lazy = pytest.importorskip("django.utils.functional").SimpleLazyObject(lambda: "ann")
        assert type(exact_id(lazy)) is str
        assert exact_id(lazy) == "ann"

    @pytest.mark.parametrize("made", FOLDED)
    def test_is_not_another_that_is_equal_to_it(self, made: Any) -> None:
        """What remembers the texts that were looked at tells them apart by their letters."""
        assert [[*exact_id(made(text))] for text in ("ann", "Ann", "ANN")] == [[*"ann"], [*"Ann"], [*"ANN"]]
        assert type(exact_id(made("ann"))) is str

    def test_may_be_a_lazy_number(self) -> None:
        """A proxy that looks like a number is asked for its text."""
        lazy = pytest.importorskip("django.utils.functional").SimpleLazyObject(lambda: 7)
        assert exact_id(lazy) == "7"

    @pytest.mark.parametrize("value", [None, "", b"", bytearray()])
    def test_that_is_empty_is_none(self, value: Any) -> None:
        """There is nothing that could be taken for an id."""
        assert exact_id(value) == ""

    @pytest.mark.parametrize(
        "value",
        [
            True,
            False,
            1.5,
            0.0,
            float("nan"),
            "x" * (MAX_ID + 1),
            "x" * 1_000_000,
            b"x" * 1_000_000,
            "a\nb",
            "ann\x00",
            "a\x85b",
            "\ud800",
            " ",
            "\u3000",
            "\u202e\u200e",
            "\u3164",
            "\u115f\u1160\uffa0",
            "\u2800",
            "\u061c",
            "\u200d",
            "\u00ad\u034f\ufe0f\U000e0041",
            b"\xff",
            ["ann"],
            ("ann",),
            {"id": "ann"},
            {"ann"},
            frozenset(("ann",)),
            object(),
            len,
            str,
            SimpleNamespace(id="ann"),
        ],
    )
    def test_that_no_system_would_mean_is_refused(self, value: Any) -> None:
        """Neither repaired nor cut: what cannot be read is no id, nor is what nobody could see."""
        with pytest.raises(ValueError):  # noqa: PT011 - whatever its words, nobody sees them
            exact_id(value)

    def test_that_must_be_awaited_is_refused(self) -> None:
        """A coroutine is left to the site, which may await it."""

        async def ann() -> str:
            return "ann"

        coroutine = ann()
        with pytest.raises(ValueError, match="not a scalar"):
            exact_id(coroutine)
        coroutine.close()
        gc.collect()


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
    assert without_realm(principal) == identifier


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
            ("\u061cAnn", "Ann"),
            ("A\ud800nn", "Ann"),
            ("Zoë 🙂", "Zoë 🙂"),
            ("x" * 9999, "x" * MAX_NAME),
            ("x" * (MAX_NAME - 1) + " y", "x" * (MAX_NAME - 1)),
            (7, "7"),
            (0, "0"),
            ("@ann", "@ann"),
            ("Ann @ Home", "Ann @ Home"),
            ("a<b", "a<b"),
            ("Doe, John", "Doe, John"),
        ],
    )
    def test_is_what_can_be_shown(self, value: Any, name: str) -> None:
        """No control characters, no line breaks, nothing that turns the text around, no end of what is shown."""
        assert shown_name(value) == name

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("A\u00ad\u200b\u2060\ufeffnn", "Ann"),
            ("A\u3164n\u2800n\uffa0", "Ann"),
            ("A\u034fn\ufe0fn\U000e0041\U000e0100", "Ann"),
            ("\u3164", ""),
            ("\u115f\u1160 \u2800\u3000\u061c", ""),
            ("\u200d\u200c", ""),
            ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc", "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc"),
            ("क्\u200dष", "क्\u200dष"),
            ("👩\u200d🚀", "👩\u200d🚀"),
            ("👨🏽\u200d🚀", "👨🏽\u200d🚀"),
            ("🏳️\u200d🌈", "🏳\u200d🌈"),
            ("🙂\u200d↔️", "🙂\u200d↔"),
            ("Ann\u200d", "Ann"),
            ("\u200cAnn", "Ann"),
            ("Ann \u200d Example", "Ann Example"),
            ("1\u200c2", "12"),
            ("a\u200d\u200cb", "a\u200cb"),
            ("a\u200d\u200bb", "a\u200db"),
        ],
    )
    def test_has_nothing_that_cannot_be_seen(self, value: str, name: str) -> None:
        """But for joiners between letters or pictures, which change how these are written."""
        assert shown_name(value) == name

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("ann@site.example", "ann"),
            (" ann@site.example\n", "ann"),
            ("\u200eann@site.example", "ann"),
            ("ann\u200e@site.example", "ann"),
            ("<ann@site.example>", "ann"),
            ("(ann@site.example)", "ann"),
            ("ann@site.example@REALM", "ann"),
            ("@ann@site.example", "ann"),
            ("ann\uff20site.example", "ann"),
            ("ann\ufe6bsite.example", "ann"),
            ('"ann b"@site.example', "ann"),
            ("ann <ann@site.example>", "ann"),
            ("Ann <ann@site.example> ", "Ann"),
            ("Ann<ann@site.example>", "Ann"),
            ("Ann <ann@site.example", "Ann"),
            ("Ann (ann@site.example)", "Ann"),
            ("Ann [ann@site.example]", "Ann"),
            ("Ann (mail: ann@site.example, or call)", "Ann"),
            ("(ann@site.example) Ann", "Ann"),
            ("Ann - ann@site.example", "Ann"),
            ("Ann, ann@site.example", "Ann"),
            ("Ann ann@site.example Example", "Ann Example"),
            ("Ann ann@a.example b@c.example", "Ann"),
            ("ann@[192.0.2.1]", "ann"),
            ("Ann ann @ site.example", "Ann"),
            ("ann\x00@site.example", "ann"),
            ("()@site.example", "()"),
        ],
    )
    def test_is_never_an_address(self, value: str, name: str) -> None:
        """Whatever its source, an address is not shown to everybody, wherever in the name it stands."""
        assert shown_name(value) == name

    @pytest.mark.parametrize("value", ["", " ", "\x00", "\u202e", None, False])
    def test_that_shows_nothing_is_none(self, value: Any) -> None:
        """There is nothing to show."""
        assert shown_name(value) == ""

    @pytest.mark.parametrize("made", FOLDED)
    def test_is_not_another_that_is_equal_to_it(self, made: Any) -> None:
        """What remembers the names that were looked at tells them apart by their letters."""
        assert [[*shown_name(made(text))] for text in ("Bo", "bo", "BO")] == [[*"Bo"], [*"bo"], [*"BO"]]

    @pytest.mark.parametrize("value", [True, 1.5, ["Ann"], object(), b"\xff"])
    def test_that_has_no_text_is_refused(self, value: Any) -> None:
        """What Python would write of it is no name."""
        with pytest.raises(ValueError):  # noqa: PT011 - whatever its words, nobody sees them
            shown_name(value)

    @given(st.text())
    @example("a@b@c d@e")
    @example("<a@b> (c@d")
    def test_can_always_be_shown(self, value: str) -> None:
        """Whatever a user calls themselves, no control character and no address is left of it."""
        name = shown_name(value)
        assert len(name) <= MAX_NAME
        assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)
        assert not any("@" in word.lstrip("@").rstrip("@") for word in name.split())

    @given(st.text(alphabet="ab.@<>() \u200d\u3164\uff20é"))
    def test_is_left_of_every_id(self, value: str) -> None:
        """An id that can be seen is shown in the place of a name, whatever it is."""
        try:
            identifier = exact_id(value)
        except ValueError:
            return
        assert bool(shown_name(identifier)) is bool(identifier)

    @pytest.mark.parametrize("value", ["<" + "@" * 99_999, "<" * 99_999, "@" * 99_999, "a@" * 99_999, " " * 99_999])
    def test_costs_no_more_than_its_length(self, value: str) -> None:
        """A hostile name does not keep the page waiting: no more is looked at than could be shown."""
        assert len(shown_name(value)) <= MAX_NAME


class TestEncodedName:
    """A proxy brings through a header what latin-1 does not have."""

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            (Header("André Ünï", "utf-8").encode(), "André Ünï"),
            (Header("André", "iso-8859-1").encode(), "André"),
            ("=?UTF-8?B?" + base64.b64encode("Zoë".encode()).decode() + "?=", "Zoë"),
            ("=?utf-8?q?" + quopri.encodestring("Zoë".encode(), header=True).decode() + "?= Example", "Zoë Example"),
            ("=?utf-8?q?Zo=C3=AB?= =?utf-8?q?_X?=", "Zoë X"),
            ("=?utf-8*fr?q?Zo=C3=AB?=", "Zoë"),
            (quote("Zoë Example"), "Zoë Example"),
            ("Zo%c3%ab Example", "Zoë Example"),
            ("UTF-8''Zo%C3%AB", "Zoë"),
            ("utf-8'en'Zo%C3%AB%20X", "Zoë X"),
            ("100%25", "100%"),
        ],
    )
    def test_is_decoded(self, text: str, name: str) -> None:
        """RFC 2047's words, and UTF-8 in percent signs."""
        assert decoded_name(text) == name

    @pytest.mark.parametrize(
        "text",
        [
            "Ann",
            "Zoë",
            "50% Ann",
            "100%",
            "Zo%EB",
            "Zoë %41",
            "=?utf-8?q?Zo=EB?=",
            "=?rot13?q?Naa?=",
            "=?unicode_escape?q?x?=",
            "=?iso-8859-99?q?x?=",
            "=?utf-8?b?A?=",
            "=?utf-8?x?A?=",
            "what=?",
        ],
    )
    def test_is_left_where_it_is_none(self, text: str) -> None:
        """What only looks encoded is what it says."""
        assert decoded_name(text) == text

    def test_costs_no_more_than_its_length(self) -> None:
        """Nested beginnings of words are read once each."""
        assert decoded_name("=?utf-8?q?" * 9999).startswith("=?utf-8?q?")
        assert decoded_name("%41" * 9999).startswith("AA")


class TestEmail:
    """An e-mail address is sent only where it can be one."""

    @pytest.mark.parametrize("value", ["ann@site.example", " ann@site.example ", "ünn@sité.example"])
    def test_is_sent(self, value: str) -> None:
        """Without the space around it."""
        assert plausible_email(value) == value.strip()

    @pytest.mark.parametrize(
        "value",
        [
            "",
            None,
            False,
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
            "(null)",
            "x" * MAX_EMAIL + "@b.example",
            "é" * (MAX_EMAIL // 2) + "@b.example",
        ],
    )
    def test_that_can_be_none_is_left_out(self, value: Any) -> None:
        """Viafoura does without."""
        assert plausible_email(value) == ""

    def test_that_has_no_text_is_refused(self) -> None:
        """What Python would write of it is no address."""
        with pytest.raises(ValueError, match="not a scalar"):
            plausible_email(["ann@site.example"])


@pytest.mark.parametrize(("value", "text"), [("é", None), ("Ã©", "é"), ("â\x82¬", "€"), ("Ã", None), ("€", None)])
def test_reads_utf_8_back_from_latin_1(value: str, text: str | None) -> None:
    """PEP 3333: the environ's strings are latin-1. Strictly, or as they are where they are not UTF-8."""
    assert utf8_of_latin1(value) == (text or value)
    if text is None:
        with pytest.raises(UnicodeError):
            strict_utf8(value)
    else:
        assert strict_utf8(value) == text


@pytest.mark.parametrize(
    ("value", "separator", "several"),
    [
        ("a;b", "", ["a;b"]),
        ("a;b", ";", ["a", "b"]),
        ("a;", ";", ["a"]),
        (";", ";", []),
        ("a\\;b", ";", ["a;b"]),
        (b"a;b", ";", [b"a;b"]),
    ],
)
def test_tells_the_values_of_a_list(value: Any, separator: str, several: list[Any]) -> None:
    """As mod_shib writes them; an empty one is none."""
    assert values(value, separator) == several
