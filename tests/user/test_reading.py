"""One reading of the user: three answers, ids that are exact, details that are optional."""

import logging
from collections import UserDict
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from viafoura_mw.log import Notices
from viafoura_mw.user.presets import PRESETS, Preset, chosen
from viafoura_mw.user.reading import Load, Places, read_user
from viafoura_mw.user.sources import UNBELIEVED, Absence, UserSources, parse
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User

SOURCES = UserSources(parse("environ:id|environ:id2"), parse("environ:name|environ:name2"), parse("environ:email"))
SHIBBOLETH = UserSources(SOURCES.id, SOURCES.name, SOURCES.email, separator=";")
UNSET = Nobody(laid_out=False)


class Root(dict[str, Any]):
    """What a door gives: by kinds."""

    def __call__(self, kind: str) -> Any:
        return self.get(kind)


def read_from(
    preset: str | Preset,
    *,
    load: Load | None = None,
    by_server: Mapping[str, str] | None = None,
    user_id: str = "",
    **roots: Any,
) -> Reading:
    """What a preset reads where a door has these roots."""
    if isinstance(preset, str):
        preset = chosen(preset, UserSources(parse(user_id) if user_id else ()))
    return read_user(preset, Places(preset, Root(roots), by_server or {}, load), Notices())


def read(sources: UserSources = SOURCES, *, by_server: bool = False, **environ: Any) -> Reading:
    """What sources of an environ give; ``by_server``: its texts came from the server."""
    texts = {key: value for key, value in environ.items() if isinstance(value, str)} if by_server else {}
    return read_from(Preset(sources), environ=environ, by_server=texts)


def raising(*_: object) -> Any:
    raise RuntimeError("ann@site.example has no row")


class Raising:
    """Whatever is read of it raises."""

    __getitem__ = raising


class BaseUser:
    """As Starlette's: what a site's class does not have raises."""

    @property
    def is_authenticated(self) -> bool:
        raise NotImplementedError

    @property
    def identity(self) -> str:
        raise NotImplementedError

    @property
    def display_name(self) -> str:
        raise NotImplementedError


class TestThreeAnswers:
    """A user, nobody, or not known."""

    @pytest.mark.parametrize(
        ("source", "roots", "answer"),
        [
            ("environ:REMOTE_USER", {"environ": {}}, UNSET),
            ("environ:REMOTE_USER", {"environ": {"REMOTE_USER": ""}}, Nobody()),
            ("environ:REMOTE_USER", {"environ": {"REMOTE_USER": None}}, Nobody()),
            ("environ:REMOTE_USER", {}, NotKnown()),
            ("environ:uid", {"environ": {}}, NotKnown()),
            ("environ:uid", {"environ": {"uid": None}}, Nobody()),
            ("environ:beaker.session/uid", {"environ": {}}, NotKnown()),
            ("environ:beaker.session/uid", {"environ": {"beaker.session": {}}}, Nobody()),
            ("environ:beaker.session/user/id", {"environ": {"beaker.session": {"user": {}}}}, Nobody()),
            ("scope:session/uid", {"scope": {}}, NotKnown()),
            ("scope:session/uid", {"scope": {"session": {}}}, Nobody()),
            ("scope:session/uid", {"scope": {"session": {"uid": None}}}, Nobody()),
            ("scope:user/id", {"scope": {}}, NotKnown()),
            ("scope:user/id", {"scope": {"user": None}}, Nobody()),
            ("scope:user/id", {"scope": {"user": SimpleNamespace()}}, Nobody()),
            ("scope:state/user/id", {"scope": {}}, NotKnown()),
            ("scope:state/user/id", {"scope": {"state": {}}}, NotKnown()),
            ("scope:state/user/id", {"scope": {"state": None}}, NotKnown()),
            ("scope:state/user/id", {"scope": {"state": SimpleNamespace()}}, NotKnown()),
            ("scope:state/user/id", {"scope": {"state": {"user": None}}}, Nobody()),
            ("scope:state/uid", {"scope": {"state": {}}}, NotKnown()),
            ("scope:state/uid", {"scope": {"state": {"uid": ""}}}, Nobody()),
            ("response:X-Uid", {"response": {}}, NotKnown()),
            ("response:X-Uid", {"response": {"x-uid": ""}}, Nobody()),
            ("header:X-User", {"header": {}}, UNSET),
            ("header:X-User", {"header": {"X-User": ""}}, Nobody()),
            ("header:X-User", {"header": UNBELIEVED}, NotKnown()),
            ("header:X-User", {}, NotKnown()),
            ("user:id", {}, NotKnown()),
        ],
    )
    def test_a_place_that_was_laid_out_and_is_empty_is_nobodys(
        self, source: str, roots: dict[str, Any], answer: Reading
    ) -> None:
        """One that was never laid out says nothing; every user's request has ``REMOTE_USER``, or a proxy's header."""
        assert read_from("off", user_id=source, **roots) == answer

    @pytest.mark.parametrize(
        ("source", "roots", "answer"),
        [
            ("scope:user/id|scope:state/user/id", {"scope": {"user": None}}, Nobody()),
            ("scope:user/id|scope:state/user/id", {"scope": {"state": {"user": None}}}, Nobody()),
            ("environ:uid|environ:REMOTE_USER", {"environ": {}}, UNSET),
            ("environ:REMOTE_USER|environ:uid", {"environ": {"uid": None}}, Nobody()),
            ("header:X-User|environ:uid", {"header": {}, "environ": {"uid": "ann"}}, User("ann", "ann")),
            ("header:X-User|environ:uid", {"header": UNBELIEVED, "environ": {"uid": "ann"}}, NotKnown()),
        ],
    )
    def test_of_several_places_the_one_that_says_most_counts(
        self, source: str, roots: dict[str, Any], answer: Reading
    ) -> None:
        """But a header that is not believed is not "no header": nothing takes its place."""
        assert read_from("off", user_id=source, **roots) == answer

    def test_a_site_without_a_source_is_never_asked(self) -> None:
        """``VIAFOURA_USER=off`` alone logs nobody in, and nobody out."""
        assert read_from("off", environ={"REMOTE_USER": "ann"}) == NotKnown()

    @pytest.mark.parametrize(
        ("scope", "answer"),
        [
            ({}, NotKnown()),
            ({"state": {}}, NotKnown()),
            ({"user": None}, Nobody()),
            ({"user": ""}, Nobody()),
            ({"user": {}}, Nobody()),
            ({"user": False}, Nobody()),
            ({"user": True}, NotKnown()),
            ({"user": SimpleNamespace(is_authenticated=False, id="anonymous")}, Nobody()),
            ({"user": SimpleNamespace(is_anonymous=True, id="anonymous")}, Nobody()),
            ({"state": {"user": None}}, Nobody()),
            ({"user": None, "state": {"user": "ann"}}, User("ann", "ann")),
            ({"user": 0}, User("0", "0")),
            ({"user": SimpleNamespace(id=None)}, Nobody()),
            ({"user": {"id": ""}}, Nobody()),
            ({"user": {"is_authenticated": True, "id": ""}}, NotKnown()),
            ({"user": {"is_authenticated": True, "id": b""}}, NotKnown()),
            ({"user": SimpleNamespace(is_authenticated=True, id=None)}, NotKnown()),
            ({"user": object()}, NotKnown()),
            ({"user": BaseUser()}, NotKnown()),
        ],
    )
    def test_of_the_scopes_user(self, scope: dict[str, Any], answer: Reading) -> None:
        """A user object that is signed in and has no id is not nobody."""
        assert read_from("scope", scope=scope) == answer

    @pytest.mark.parametrize(
        ("loaded", "answer"),
        [(None, Nobody()), (Absence.UNASKED, NotKnown()), ({"pk": 7}, User("7", "7")), ("ann", NotKnown())],
    )
    def test_of_a_frameworks_user(self, loaded: Any, answer: Reading) -> None:
        """A page that was answered above the authentication has asked nobody."""
        assert read_from("django", load=lambda: loaded) == answer

    def test_a_path_through_somebody_who_is_not_signed_in_gives_nothing(self) -> None:
        """An anonymous user object may have a name and an id."""
        anonymous = SimpleNamespace(is_authenticated=False, username="guest", pk=7)
        assert read_from("off", user_id="scope:user/username", scope={"user": anonymous}) == Nobody()
        session = {"user": {"is_anonymous": True, "id": 7}}
        assert read_from("off", user_id="environ:session/user/id", environ={"session": session}) == Nobody()


class TestFlags:
    """``is_authenticated`` and ``is_anonymous``, however a site has written them."""

    @pytest.mark.parametrize(
        ("flags", "is_somebody"),
        [
            ({"is_authenticated": False}, False),
            ({"is_authenticated": None}, False),
            ({"is_authenticated": 0}, False),
            ({"is_authenticated": True}, True),
            ({"is_authenticated": lambda: False}, False),
            ({"is_authenticated": lambda: True}, True),
            ({"is_anonymous": True}, False),
            ({"is_anonymous": lambda: True}, False),
            ({"is_anonymous": lambda: False}, True),
            ({"is_authenticated": True, "is_anonymous": True}, False),
            ({}, True),
        ],
    )
    @pytest.mark.parametrize("make", [dict, SimpleNamespace])
    def test_may_be_methods(self, make: Callable[..., Any], flags: dict[str, Any], is_somebody: bool) -> None:
        """A method is true, but what it says may not be: else all visitors would be one account."""
        user = make(id="ann", **flags)
        assert read_from("scope", scope={"user": user}) == (User("ann", "ann") if is_somebody else Nobody())

    def test_may_be_methods_of_a_class(self) -> None:
        """As in Flask-Login before 0.3, and in Django before 1.10."""

        class Visitor:
            id = "anonymous"

            def is_authenticated(self) -> bool:
                return False

        assert read_from("scope", scope={"user": Visitor()}) == Nobody()

    def test_that_must_be_awaited_are_not_known(self) -> None:
        """Neither somebody nor nobody; no other user takes the place. (A warning would be an error here.)"""

        class Visitor:
            id = "ann"

            async def is_authenticated(self) -> bool:
                return False

        class Property:
            id = "ann"

            @property
            async def is_authenticated(self) -> bool:
                return False

        for user in (Visitor(), Property()):
            assert read_from("scope", scope={"user": user, "state": {"user": "ben"}}) == NotKnown()

    def test_that_are_kept_to_be_awaited_are_left_alone(self) -> None:
        """What the site keeps to await it later can still be awaited."""

        async def yes() -> bool:
            return True

        kept = yes()
        assert read_from("scope", scope={"user": SimpleNamespace(id="ann", is_authenticated=kept)}) == NotKnown()
        with pytest.raises(StopIteration):
            kept.send(None)

    @pytest.mark.parametrize("flag", ["is_authenticated", "is_anonymous"])
    def test_that_raise_are_not_known(self, flag: str) -> None:
        """A database that is down has not said that nobody is signed in."""
        user = SimpleNamespace(id="ann", **{flag: raising})
        assert read_from("scope", scope={"user": user}) == NotKnown()

    def test_that_are_not_implemented_say_nothing(self) -> None:
        """A site's class over Starlette's has what it has."""

        class SiteUser(BaseUser):
            username = "ann"

        assert read_from("scope", scope={"user": SiteUser()}) == User("ann", "ann")


class TestExactId:
    """An id is exact, or there is none."""

    def test_is_the_first_that_is_present(self) -> None:
        """The contract's order, which never changes; absent are missing, ``None``, an empty text."""
        order = ["id", "pk", "identity", "sub", "username"]
        for number, name in enumerate(order):
            absent = dict.fromkeys(order[:number], None if number % 2 else "")
            user = {**absent, **{later: later for later in order[number:]}}
            reading = read_from("scope", scope={"user": user})
            assert isinstance(reading, User)
            assert reading.id == name

    @pytest.mark.parametrize(
        "broken",
        [True, False, 1.5, "x" * 256, "x" * 1_000_000, "a\nb", "\u3164", " ", b"\xff", ["ann"], {"id": "ann"}, len],
    )
    def test_that_is_none_lets_nothing_take_its_place(self, broken: Any) -> None:
        """A user named "17" whose ``id`` cannot be read is not user 17."""
        assert read_from("scope", scope={"user": {"id": broken, "username": "17"}}) == NotKnown()

    def test_that_raises_lets_nothing_take_its_place(self) -> None:
        """Once is enough for somebody else's account."""

        class Detached:
            username = "17"

            @property
            def id(self) -> Any:
                return raising()

        class Bug(Detached):
            @property
            def id(self) -> Any:
                return None.row  # type: ignore[attr-defined]

        class LateBug(Detached):
            def __getattr__(self, name: str) -> Any:
                raise AttributeError(name)

            @property
            def id(self) -> Any:
                return self.row

        for user in (Detached(), Bug(), LateBug()):
            assert read_from("scope", scope={"user": user}) == NotKnown()

    def test_that_must_be_awaited_lets_nothing_take_its_place(self) -> None:
        """What an asynchronous ORM gives is no id."""

        class Asynchronous:
            username = "17"

            @property
            async def id(self) -> str:
                return "ann"

        assert read_from("scope", scope={"user": Asynchronous()}) == NotKnown()

    def test_that_a_class_does_not_have_lets_the_next_be_tried(self) -> None:
        """``NotImplementedError`` is Starlette's way to say so, an unfilled slot is Python's."""

        class Slotted:
            __slots__ = ("id", "username")
            username: str

        slotted = Slotted()
        slotted.username = "ann"

        class SiteUser(BaseUser):
            sub = "ann"

        for user in (slotted, SiteUser()):
            assert read_from("scope", scope={"user": user}) == User("ann", "ann")

    def test_zero_is_one(self) -> None:
        """The first row of some tables."""
        assert read(id=0, id2="ann") == User("0", "0")
        assert read_from("django", load=lambda: SimpleNamespace(pk=0)) == User("0", "0")

    @pytest.mark.parametrize("text", ["(null)", "null", "None", "undefined", "-"])
    def test_that_is_a_placeholder_is_nobody(self, text: str) -> None:
        """Apache writes ``(null)`` for a variable that is not set: all visitors would be one account."""
        assert read_from("remote-user", environ={"REMOTE_USER": text}) == Nobody()
        assert read_from("authelia", header={"Remote-User": text}) == Nobody()

    @pytest.mark.parametrize("text", ["(NULL)", "null ", "none", "--", "0"])
    def test_that_only_looks_like_a_placeholder_is_one(self, text: str) -> None:
        """The whole value, letter for letter."""
        assert read_from("remote-user", environ={"REMOTE_USER": text}) == User(text, text.strip())

    @pytest.mark.parametrize("text", ["null", "None", "-"])
    def test_that_an_application_says_may_be_any_text(self, text: str) -> None:
        """A user may be named Null: only what passes through a server's configuration has placeholders."""
        assert read_from("scope", scope={"user": text}) == User(text, text)
        assert read(id=text) == User(text, text)

    @pytest.mark.parametrize("value", ["ann,ben", "ann, ann", ","])
    def test_of_a_header_that_came_twice_is_none(self, value: str) -> None:
        """WSGI servers join the fields by commas: one of them may be the visitor's own."""
        assert read_from("authelia", header={"Remote-User": value}) == NotKnown()

    def test_of_a_header_that_refuses_to_be_read_is_none(self) -> None:
        """As the ASGI door refuses one that came more than once."""

        class Headers(UserDict[str, str]):
            __getitem__ = raising

        assert read_from("authelia", header=Headers({"Remote-User": "ann"})) == NotKnown()

    def test_has_no_realm_where_the_site_says_so(self) -> None:
        """``VIAFOURA_USER_STRIP_REALM``."""
        assert read(UserSources(SOURCES.id, strip_realm=True), id="ann@REALM") == User("ann", "ann")
        assert read(id="ann@REALM") == User("ann@REALM", "ann")


class TestBytes:
    """What came as bytes is UTF-8, strictly; what an application has said is text already."""

    def test_what_the_server_put_into_the_environ_is_utf_8(self) -> None:
        """PEP 3333 brings bytes as latin-1."""
        assert read(by_server=True, id="AndrÃ©") == User("André", "André")

    @pytest.mark.parametrize("text", ["Andr\xe9", "\xc3", "\u20ac", "\udce9"])
    def test_what_is_not_utf_8_is_no_id(self, text: str) -> None:
        """Bytes ``E9`` and ``C3 A9`` would be one account."""
        assert read(by_server=True, id=text, id2="ann") == NotKnown()

    @pytest.mark.parametrize("text", ["André", "AndrÃ©", "日本"])
    def test_what_the_application_put_there_is_as_it_is(self, text: str) -> None:
        """``André`` and ``AndrÃ©`` are two users."""
        assert read(id=text) == User(text, text)
        assert read_from("scope", scope={"user": text}) == User(text, text)
        nested = read_from("off", user_id="environ:session/uid", environ={"session": {"uid": text}})
        assert nested == User(text, text)

    def test_what_the_application_put_in_the_servers_place_is_as_it_is(self) -> None:
        """A site that authenticates by itself sets ``REMOTE_USER`` too."""
        servers, sites = "AndrÃ©", "".join(["Andr", "Ã©"])
        assert servers is not sites
        by_server = {"REMOTE_USER": servers}
        assert read_from("remote-user", environ={"REMOTE_USER": sites}, by_server=by_server) == User(sites, sites)
        again = read_from("remote-user", environ={"REMOTE_USER": servers}, by_server=by_server)
        assert again == User("André", "André")

    @pytest.mark.parametrize("kind", ["header", "response"])
    def test_headers_are_utf_8(self, kind: str) -> None:
        """Whoever sets them, what is read are bytes."""
        name = "X-Uid" if kind == "header" else "x-uid"
        as_utf_8: dict[str, Any] = {kind: {name: "Ã©"}}
        as_latin_1: dict[str, Any] = {kind: {name: "\xe9"}}
        assert read_from("off", user_id=f"{kind}:X-Uid", **as_utf_8) == User("é", "é")
        assert read_from("off", user_id=f"{kind}:X-Uid", **as_latin_1) == NotKnown()


class TestSeveralValues:
    """Shibboleth joins the values of an attribute by semicolons."""

    def test_the_first_is_shown(self) -> None:
        """Of a name or an address, the order of the others does not matter."""
        reading = read(SHIBBOLETH, id="ann", name="Ann;Annie", email="ann@a.example;ann@b.example")
        assert reading == User("ann", "Ann", "ann@a.example")

    def test_an_id_is_the_only_one(self) -> None:
        """Of two ids none is this user's, and no other source's is, either."""
        assert read(SHIBBOLETH, id="ann;ben", id2="cid") == NotKnown()
        assert read_from("shibboleth", environ={"eppn": "ann;ben", "REMOTE_USER": "ann"}) == NotKnown()

    @pytest.mark.parametrize(
        ("value", "identifier"), [("ann", "ann"), ("ann;", "ann"), (";ann", "ann"), ("a\\;b", "a;b"), (b"a;b", "a;b")]
    )
    def test_an_empty_value_is_none_and_an_escaped_semicolon_is_one(self, value: Any, identifier: str) -> None:
        """As mod_shib writes them."""
        assert read(SHIBBOLETH, id=value) == User(identifier, identifier)

    @pytest.mark.parametrize("value", ["", ";", " ; "])
    def test_nothing_but_separators_is_nothing(self, value: str) -> None:
        """An attribute that was not released is empty."""
        assert read(SHIBBOLETH, id=value) == Nobody()
        assert read(SHIBBOLETH, id="ann", name=value, email=value) == User("ann", "ann")

    def test_a_visitor_without_a_session_is_nobody(self) -> None:
        """mod_shib then sets neither its attributes nor ``REMOTE_USER``."""
        assert read_from("shibboleth", environ={}) == UNSET

    def test_elsewhere_a_semicolon_is_a_character(self) -> None:
        """No other system joins values so."""
        assert read(id="a;b", name="A; B") == User("a;b", "A; B")


class TestFlaskLogin:
    """``get_id()`` is the id only where it is no credential."""

    @pytest.mark.parametrize(
        ("fields", "answer"),
        [
            ({"get_id": lambda: "7", "id": 7}, User("7", "7")),
            ({"get_id": lambda: "7", "pk": 7}, User("7", "7")),
            ({"get_id": lambda: "7", "id": 8, "pk": 7}, User("7", "7")),
            ({"get_id": lambda: "ann"}, User("ann", "ann")),
            ({"get_id": lambda: "ann", "id": None}, User("ann", "ann")),
            ({"get_id": lambda: "0", "id": 0}, User("0", "0")),
            ({"get_id": lambda: None, "is_authenticated": True}, NotKnown()),
            ({"get_id": lambda: None, "is_authenticated": False}, Nobody()),
            ({"get_id": raising, "id": 7}, NotKnown()),
        ],
    )
    def test_is_taken_where_it_is_the_users_id(self, fields: dict[str, Any], answer: Reading) -> None:
        """Or where the user has none."""
        assert read_from("flask-login", load=lambda: SimpleNamespace(**fields)) == answer

    @pytest.mark.parametrize("own", [7, "", "TOKEN", ["token"], 0])
    def test_is_not_taken_where_it_is_another(self, own: Any, caplog: pytest.LogCaptureFixture) -> None:
        """Flask-Security's and Flask-User's changes with the password: another account; the log names the choice."""
        user = SimpleNamespace(get_id=lambda: "token", id=own, pk=None if own else 7)
        assert read_from("flask-login", load=lambda: user) == NotKnown()
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "VIAFOURA_USER_ID=user:id or VIAFOURA_USER_ID=user:get_id()" in record.getMessage()
        assert "token" not in record.getMessage()

    def test_is_not_taken_where_it_cannot_be_compared(self) -> None:
        """An id that raises is not known."""

        class Detached:
            def get_id(self) -> str:
                return "7"

            @property
            def id(self) -> Any:
                return raising()

        assert read_from("flask-login", load=Detached) == NotKnown()

    def test_is_taken_beside_an_id_that_a_class_does_not_have(self) -> None:
        """``NotImplementedError`` is an absence here too."""

        class SiteUser:
            def get_id(self) -> str:
                return "7"

            @property
            def id(self) -> Any:
                raise NotImplementedError

        assert read_from("flask-login", load=SiteUser) == User("7", "7")

    @pytest.mark.parametrize(("source", "identifier"), [("user:id", "7"), ("user:get_id()", "token")])
    def test_is_the_sites_own_choice(self, source: str, identifier: str) -> None:
        """``VIAFOURA_USER_ID`` is the only source of the id."""
        user = SimpleNamespace(get_id=lambda: "token", id=7)
        reading = read_from("flask-login", user_id=source, load=lambda: user)
        assert reading == User(identifier, identifier)


class TestDetails:
    """A name and an e-mail address are optional."""

    def test_the_name_is_the_first_that_shows_something(self) -> None:
        """The contract's order."""
        user: dict[str, Any] = {"username": "d", "name": "c", "full_name": "b", "display_name": "a", "id": 1}
        names = []
        for key in ("display_name", "full_name", "name", "username"):
            reading = read_from("scope", scope={"user": user})
            assert isinstance(reading, User)
            names.append(reading.name)
            user[key] = "\u3164"
        assert names == ["a", "b", "c", "d"]

    def test_without_a_name_it_is_the_id(self) -> None:
        """Viafoura requires one; an id that is an address is not shown as one."""
        assert read(id="ann") == User("ann", "ann")
        assert read(id="ann@site.example", name="\u3164") == User("ann@site.example", "ann")

    @pytest.mark.parametrize("field", ["name", "email"])
    @pytest.mark.parametrize("broken", [Raising(), {"x": ["Ann"]}, {"x": object()}])
    def test_one_that_cannot_be_read_bars_no_login(
        self, field: str, broken: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It counts as absent, with one warning, and is told apart from a change."""
        faulty: dict[str, Any] = {field: parse("environ:broken/x")}
        sources = UserSources(parse("environ:id"), **faulty)
        reading = read(sources, broken=broken, id="ann")
        assert reading == User("ann", "ann")
        assert isinstance(reading, User)
        assert not reading.complete
        sentence = "the user's name or e-mail address could not be read, and counts as absent"
        assert caplog.record_tuples == [("viafoura_mw", logging.WARNING, sentence)]

    def test_the_next_is_tried_and_the_details_are_incomplete(self) -> None:
        """A name that is there by turns is no change each time."""
        sources = UserSources(parse("environ:id"), parse("environ:broken/name|environ:name"))
        reading = read(sources, broken=Raising(), id="ann", name="Ann")
        assert reading == User("ann", "Ann")
        assert isinstance(reading, User)
        assert not reading.complete

    def test_what_a_class_does_not_implement_is_absent(self) -> None:
        """Starlette's ``BaseUser`` raises ``NotImplementedError`` for what a site's class does not have."""

        class SiteUser(BaseUser):
            username = "ann"

        reading = read_from("scope", scope={"user": SiteUser()})
        assert isinstance(reading, User)
        assert reading.complete

    def test_of_a_header_that_is_not_believed_is_no_change(self) -> None:
        """It is not "no header"."""
        sources = UserSources(parse("environ:id"), parse("header:X-Name"), parse("header:X-Email"))
        reading = read_from(Preset(sources), environ={"id": "ann"}, header=UNBELIEVED)
        assert reading == User("ann", "ann")
        assert isinstance(reading, User)
        assert not reading.complete

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("Doe, Jane", "Doe, Jane"),
            ("AndrÃ©", "André"),
            ("Andr\xe9", "André"),
            ("=?utf-8?q?Andr=C3=A9?=", "André"),
            ("Andr%C3%A9%20X", "André X"),
            ("ann%40site.example", "ann"),
            ("(null)", "ann"),
        ],
    )
    def test_a_proxys_name_is_decoded(self, value: str, name: str) -> None:
        """A comma is part of it, an encoding is not, and an address stays hidden in one."""
        reading = read_from("authelia", header={"Remote-User": "ann", "Remote-Name": value})
        assert reading == User("ann", name)
        assert isinstance(reading, User)
        assert reading.complete

    def test_only_a_headers_name_is_decoded(self) -> None:
        """What a site keeps may look encoded and be meant."""
        assert read(id="ann", name="100%25") == User("ann", "100%25")
        assert read(by_server=True, id="ann", name="100%25 Ã©") == User("ann", "100%25 é")

    def test_an_address_from_the_environ_is_utf_8(self) -> None:
        """As all that the server puts there."""
        assert read(by_server=True, id="ann", email="Ã©@site.example") == User("ann", "ann", "é@site.example")
        assert read(id="ann", email="Ã©@site.example") == User("ann", "ann", "Ã©@site.example")


class TestWhatRaises:
    """What the site's objects raise never breaks a page."""

    def test_an_id_that_cannot_be_read_is_not_known(self, caplog: pytest.LogCaptureFixture) -> None:
        """An anonymous user and one warning, without what was raised; never a logout."""
        assert read(UserSources(parse("environ:broken/id")), broken=Raising()) == NotKnown()
        assert caplog.messages == ["the user's id could not be read; served as anonymous"]

    def test_a_root_that_raises_is_a_source_that_raises(self) -> None:
        """A door may fail to give what is asked for."""
        places = Places(Preset(SOURCES), raising, {})
        assert read_user(Preset(SOURCES), places, Notices()) == NotKnown()

    @pytest.mark.parametrize("fails", [False, True])
    def test_a_user_is_loaded_once(self, fails: bool) -> None:
        """A database that is down is not asked for each field again."""
        loads = 0

        def load() -> Any:
            nonlocal loads
            loads += 1
            return raising() if fails else {"pk": 7, "email": "ann@site.example"}

        sources = UserSources(parse("environ:id"), PRESETS["django"].sources.name, PRESETS["django"].sources.email)
        reading = read_from(Preset(sources), environ={"id": "ann"}, load=load)
        assert isinstance(reading, User)
        assert reading.complete is not fails
        assert loads == 1

    def test_a_user_is_not_loaded_where_nothing_of_it_is_read(self) -> None:
        """What is free is read first."""
        sources = UserSources(parse("environ:id|user:pk"), parse("environ:name|user:name"))
        assert read_from(Preset(sources), environ={"id": "1", "name": "Ann"}, load=raising) == User("1", "Ann")

    def test_what_is_not_an_exception_passes(self) -> None:
        """A server that shuts down is not stopped."""

        def root(kind: str) -> Any:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            read_user(Preset(SOURCES), Places(Preset(SOURCES), root, {}), Notices())
