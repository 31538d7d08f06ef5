"""The reading of the user: by one preset for the process, loading nothing that need not be loaded."""

import asyncio
import logging
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from viafoura_mw import Settings
from viafoura_mw.log import Notices
from viafoura_mw.user import frameworks
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import parse
from viafoura_mw.user.user import FAILED, NOBODY, Reading, User

PROXY = {"proxy_secret": ("a-long-proxy-secret",)}


def reader(otherwise: str = "remote-user", **fields: Any) -> UserReader:
    sources = {name: parse(value) if name.startswith("user_") else value for name, value in fields.items()}
    return UserReader(Settings(site_id="site", api_key="key", **sources), Notices(), otherwise=otherwise)


def root(**roots: Any) -> Callable[[str], Any]:
    return roots.get


@pytest.fixture
def recognises(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[bool]]:
    """Make the frameworks recognise this one; gives the list of times that they were asked, and for which door."""

    def make(outcome: Any) -> list[bool]:
        asked: list[bool] = []

        def recognised(*, asgi: bool) -> str | None:
            asked.append(asgi)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(frameworks, "recognised", recognised)
        return asked

    return make


class Lazy:
    """A user object that a layer outside has put there, and that a look of any kind would load."""

    def _load(self, *_: object) -> Any:
        raise AssertionError("loaded")

    __eq__ = __ne__ = __bool__ = __len__ = __str__ = __getattr__ = _load
    __hash__ = None  # type: ignore[assignment]


def test_a_lazy_user_may_be_there_and_is_not_loaded_to_tell() -> None:
    """Before the application is called, nothing of the site's is asked."""
    some = reader("scope", user="scope")
    assert some.may_be_set(root(scope={"user": Lazy()}))
    assert not some.may_be_set(root(scope={"user": ""}))


class TestAuto:
    """``VIAFOURA_USER=auto`` is one preset for the process."""

    @pytest.mark.parametrize("otherwise", ["remote-user", "scope"])
    def test_is_the_doors_own_where_no_framework_runs(
        self, otherwise: str, recognises: Callable[[Any], list[bool]], caplog: pytest.LogCaptureFixture
    ) -> None:
        """``REMOTE_USER`` under WSGI, the scope's user under ASGI; named in the log."""
        recognises(None)
        caplog.set_level(logging.INFO)
        reading = reader(otherwise).read(root(environ={"REMOTE_USER": "ann"}, scope={"user": "ann"}))
        assert reading == Reading(User("ann", "ann"))
        assert caplog.messages == [f"VIAFOURA_USER=auto: the user is read by preset {otherwise}"]

    def test_is_a_frameworks_where_one_runs(self, recognises: Callable[[Any], list[bool]]) -> None:
        """It is asked after the application was called first: what is imported lazily is there by then."""
        asked = recognises("django")
        auto = reader()
        assert asked == []
        assert auto.framework == "django"

    @pytest.mark.parametrize(("otherwise", "asgi"), [("remote-user", False), ("scope", True)])
    def test_is_settled_once_for_its_door(
        self, otherwise: str, asgi: bool, recognises: Callable[[Any], list[bool]]
    ) -> None:
        """Another id would be another account."""
        asked = recognises("django")
        auto = reader(otherwise)
        assert [auto.framework, auto.framework] == ["django", "django"]
        assert asked == [asgi]

    def test_that_cannot_be_told_is_not_settled(
        self, recognises: Callable[[Any], list[bool]], caplog: pytest.LogCaptureFixture
    ) -> None:
        """No page breaks, nobody is logged out, and the next page tries again."""
        recognises(RuntimeError("half made"))
        auto = reader()
        assert auto.read(root(environ={"REMOTE_USER": "ann"})) is FAILED
        assert caplog.messages == ["whether a framework runs cannot be told (RuntimeError)"]
        recognises(None)
        assert auto.read(root(environ={"REMOTE_USER": "ann"})).user == User("ann", "ann")

    def test_never_reads_a_header(self, recognises: Callable[[Any], list[bool]]) -> None:
        """Nobody is signed in by what a visitor sends."""
        recognises(None)
        assert reader("scope").read(root(header={"Remote-User": "ann", "X-Forwarded-User": "ann"})) == NOBODY


class TestPresets:
    """What else ``VIAFOURA_USER`` may say."""

    @pytest.mark.parametrize(
        ("fields", "roots"),
        [
            ({"user": "remote-user"}, {"environ": {"REMOTE_USER": "ann"}}),
            ({"user": "scope"}, {"scope": {"user": SimpleNamespace(id="ann")}}),
            ({"user": "scope"}, {"scope": {"user": {"sub": "ann"}}}),
            ({"user": "scope"}, {"scope": {"state": {"user": SimpleNamespace(username="ann")}}}),
            ({"user": "shibboleth"}, {"environ": {"eppn": "ann"}}),
            ({"user": "authelia", **PROXY}, {"header": {"Remote-User": "ann"}}),
            ({"user": "oauth2-proxy", **PROXY}, {"header": {"X-Forwarded-User": "ann"}}),
            ({"user": "off", "user_id": "environ:beaker.session/uid"}, {"environ": {"beaker.session": {"uid": "ann"}}}),
            ({"user": "off", "user_id": "response:X-Uid"}, {"response": {"x-uid": "ann"}}),
        ],
    )
    def test_read_their_user(self, fields: dict[str, Any], roots: dict[str, Any]) -> None:
        """Each at its place."""
        assert reader(**fields).read(root(**roots)) == Reading(User("ann", "ann"))

    def test_that_are_off_read_nobody(self) -> None:
        """``off`` reads nothing but what the variables say."""
        assert reader(user="off").read(root(environ={"REMOTE_USER": "ann"}, scope={"user": "ann"})) == NOBODY


class TestUserObject:
    """The object that ``user:`` sources read, under ASGI."""

    @pytest.mark.parametrize(
        ("user", "identifier"), [("ann", "ann"), (7, "7"), ("ann@site.example", "ann@site.example")]
    )
    def test_that_is_a_string_is_its_own_id(self, user: Any, identifier: str) -> None:
        """So is a number."""
        reading = reader(user="scope").read(root(scope={"user": user}))
        assert reading.user is not None
        assert reading.user.id == identifier

    @pytest.mark.parametrize("user", [None, "", 0, False, {}, SimpleNamespace(is_authenticated=False, id="anonymous")])
    def test_that_is_nobody_is_nobody(self, user: Any) -> None:
        """An unauthenticated user may be an object with an id."""
        assert reader(user="scope").read(root(scope={"user": user, "state": {}})) == NOBODY

    def test_is_the_first_that_is_somebody(self) -> None:
        """A framework's anonymous user hides no user that the site's own middleware has found."""
        scope = {"user": SimpleNamespace(is_authenticated=False), "state": {"user": "ann"}}
        assert reader(user="scope").read(root(scope=scope)) == Reading(User("ann", "ann"))

    def test_gives_the_first_of_its_names(self) -> None:
        """The contract's order."""
        user = {"username": "d", "name": "c", "full_name": "b", "display_name": "a", "email": "a@b.c", "id": 1}
        names = []
        for key in ("display_name", "full_name", "name", "username"):
            reading = reader(user="scope").read(root(scope={"user": user}))
            assert reading.user is not None
            names.append(reading.user.name)
            del user[key]
        assert names == ["a", "b", "c", "d"]

    def test_gives_the_first_of_its_ids(self) -> None:
        """The contract's order, which never changes."""
        user = {"id": "a", "pk": "b", "identity": "c", "sub": "d", "username": "e"}
        ids = []
        for key in [*user]:
            reading = reader(user="scope").read(root(scope={"user": user}))
            assert reading.user is not None
            ids.append(reading.user.id)
            del user[key]
        assert ids == ["a", "b", "c", "d", "e"]

    @pytest.mark.parametrize("fails", [False, True])
    def test_is_loaded_once(self, fails: bool) -> None:
        """A database that is down is not asked for each field again."""
        loads: list[str] = []

        def load(kind: str) -> Any:
            if kind == "environ":
                return {"id": "ann"}
            loads.append(kind)
            if fails:
                raise RuntimeError("no database")
            return {"email": "ann@site.example"}

        reading = reader(user="django", user_id="environ:id").read(load)
        assert reading.partial is fails
        assert loads == ["user"]

    def test_is_not_loaded_where_nothing_of_it_is_read(self) -> None:
        """What is free is read first."""
        with_name = reader(user="off", user_id="environ:id|user:pk", user_name="environ:name|user:name")
        reading = with_name.read({"environ": {"id": "1", "name": "Ann"}}.__getitem__)
        assert reading == Reading(User("1", "Ann"))


class TestForesight:
    """What can be known of the user before it is read, without loading anything."""

    @pytest.mark.parametrize(
        ("fields", "roots", "may_be"),
        [
            ({"user": "remote-user"}, {"environ": {}}, False),
            ({"user": "remote-user"}, {"environ": {"REMOTE_USER": "ann"}}, True),
            ({"user": "scope"}, {"scope": {}}, False),
            ({"user": "scope"}, {"scope": {"state": {}}}, False),
            ({"user": "scope"}, {"scope": {"state": {"user": None}}}, False),
            ({"user": "scope"}, {"scope": {"state": {"user": "ann"}}}, True),
            ({"user": "scope"}, {"scope": {"user": object()}}, True),
            ({"user": "scope"}, {"scope": {"state": object()}}, True),
            ({"user": "off", "user_id": "environ:session/uid"}, {"environ": {"session": object()}}, True),
            ({"user": "off", "user_id": "environ:session/uid"}, {"environ": {}}, False),
            ({"user": "authelia", **PROXY}, {"header": MappingProxyType({"Remote-User": "ann"})}, True),
            ({"user": "authelia", **PROXY}, {"header": MappingProxyType({})}, False),
            ({"user": "authelia", **PROXY}, {}, False),
            ({"user": "off"}, {"environ": {"REMOTE_USER": "ann"}}, False),
        ],
    )
    def test_tells_that_nobody_is_set(self, fields: dict[str, Any], roots: dict[str, Any], may_be: bool) -> None:
        """Certain only when it says no."""
        some = reader(**fields)
        assert some.may_be_set(root(**roots)) is may_be
        assert some.may_find(root(**roots)) is may_be

    def test_finds_what_comes_with_the_response(self) -> None:
        """A ``response:`` source has nothing to say before."""
        some = reader(user="off", user_id="response:X-Uid")
        assert not some.may_be_set(root())
        assert some.may_find(root())

    def test_expects_everything_of_a_framework(self) -> None:
        """Its user is known when it has answered."""
        some = reader(user="django")
        assert not some.may_be_set(root(environ={}))
        assert some.may_find(root(environ={}))


class TestFrameworks:
    """What is done around a framework whose user is read."""

    @pytest.mark.parametrize("fields", [{"user": "remote-user"}, {"user": "off"}, {"user": "scope"}])
    def test_nothing_is_laid_out_for_a_preset_without_one(self, fields: dict[str, Any]) -> None:
        """The environ stays the server's."""
        environ: dict[str, Any] = {}
        assert reader(**fields).expect(environ) is None
        assert not environ

    @pytest.mark.parametrize("fields", [{}, {"user": "django"}])
    def test_a_place_is_laid_out_for_others(self, fields: dict[str, Any]) -> None:
        """It lasts as long as the caller keeps it."""
        environ: dict[str, Any] = {}
        assert reader(**fields).expect(environ) is not None
        assert environ

    def test_is_hooked_until_nothing_is_left_to_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An application may import its framework only when it is called."""
        hooked = iter([False, False, True])
        monkeypatch.setattr(frameworks, "prepare", lambda preset: next(hooked))
        some = reader(user="django")
        for _ in range(4):
            some.expect({})
        assert [*hooked] == []

    def test_that_cannot_be_hooked_breaks_no_page(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A framework's next version may have other names; the log has the type of what was raised, and no more."""

        def prepare(preset: str | None) -> bool:
            raise AttributeError("get_response_async")

        monkeypatch.setattr(frameworks, "prepare", prepare)
        some = reader(user="django")
        environ: dict[str, Any] = {}
        some.expect(environ)
        assert some.read_in_environ(environ, root(environ=environ)) is FAILED
        assert caplog.messages[0] == "a framework's user cannot be read (AttributeError)"

    def test_that_has_not_answered_is_not_known_to_have_nobody(self) -> None:
        """A page that something else has made says nothing of the framework's user."""
        some = reader(user="django")
        assert some.read_in_environ({}, root(environ={})) is FAILED
        assert asyncio.run(some.read_in_scope({}, root(scope={}))) is FAILED

    def test_reads_beside_it_what_is_free(self) -> None:
        """A field of the environ is there whether the framework has answered or not."""
        some = reader(user="django", user_id="environ:uid")
        assert some.read_in_environ({}, root(environ={"uid": "ann"})) == Reading(User("ann", "ann"), partial=True)
