"""The reading of users: by one preset for the process, loading nothing that need not be loaded."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from viafoura_mw.log import Notices
from viafoura_mw.user import frameworks
from viafoura_mw.user.frameworks.served import leave
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.sources import UNBELIEVED, UserSources, parse
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User


def reader(otherwise: str = "remote-user", user: str = "auto", **own: str) -> UserReader:
    """A reader by preset ``user`` with the site's ``own`` sources."""
    given: dict[str, Any] = {name: parse(text) for name, text in own.items()}
    sources = UserSources(**given)
    return UserReader(user, sources, Notices(), otherwise=otherwise)


def root(**roots: Any) -> Callable[[str], Any]:
    return roots.get


def read(some: UserReader, **roots: Any) -> Reading | None:
    """What a reader reads for free where nothing was expected."""
    return some.read_free(root(**roots), None)


@pytest.fixture
def recognises(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[bool]]:
    """Make the frameworks recognise this one; gives the list of times that they were asked, and for which door."""

    def make(outcome: Any) -> list[bool]:
        asked: list[bool] = []

        def recognised(*, asgi: bool) -> Any:
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
        reading = read(reader(otherwise), environ={"REMOTE_USER": "ann"}, scope={"user": "ann"})
        assert reading == User("ann", "ann")
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
        environ = {"REMOTE_USER": "ann"}
        assert read(auto, environ=environ) == NotKnown()
        assert auto.framework is None
        assert auto.read_in_environ(environ, root(environ=environ), None) == NotKnown()
        assert asyncio.run(auto.read_in_scope(environ, root(environ=environ), None)) == NotKnown()
        assert caplog.messages == ["whether a framework runs cannot be told (RuntimeError)"]
        recognises(None)
        assert read(auto, environ=environ) == User("ann", "ann")

    @pytest.mark.parametrize("otherwise", ["remote-user", "scope"])
    def test_never_reads_a_header(self, otherwise: str, recognises: Callable[[Any], list[bool]]) -> None:
        """Nobody is signed in by what a visitor sends."""
        recognises(None)
        headers = {"Remote-User": "ann", "X-Forwarded-User": "ann", "REMOTE_USER": "ann", "user": "ann"}
        assert not isinstance(read(reader(otherwise), header=headers, environ={}, scope={}), User)

    def test_reads_the_sites_own_sources_whatever_runs(self, recognises: Callable[[Any], list[bool]]) -> None:
        """``VIAFOURA_USER_ID`` is the only source of the id."""
        recognises(None)
        auto = reader(id="environ:uid", name="environ:name")
        assert read(auto, environ={"uid": "7", "name": "Ann", "REMOTE_USER": "ben"}) == User("7", "Ann")


class TestPresets:
    """What else ``VIAFOURA_USER`` may say."""

    @pytest.mark.parametrize(
        ("user", "own", "roots"),
        [
            ("remote-user", {}, {"environ": {"REMOTE_USER": "ann"}}),
            ("scope", {}, {"scope": {"user": SimpleNamespace(id="ann")}}),
            ("scope", {}, {"scope": {"user": {"sub": "ann"}}}),
            ("scope", {}, {"scope": {"state": {"user": SimpleNamespace(username="ann")}}}),
            ("shibboleth", {}, {"environ": {"eppn": "ann"}}),
            ("authelia", {}, {"header": {"Remote-User": "ann"}}),
            ("oauth2-proxy", {}, {"header": {"X-Forwarded-User": "ann"}}),
            ("off", {"id": "environ:beaker.session/uid"}, {"environ": {"beaker.session": {"uid": "ann"}}}),
            ("off", {"id": "response:X-Uid"}, {"response": {"x-uid": "ann"}}),
            ("off", {"id": "environ:HTTP_X_USER"}, {"header": {"X-User": "ann"}, "environ": {"HTTP_X_USER": "ben"}}),
        ],
    )
    def test_are_read_for_free(self, user: str, own: dict[str, str], roots: dict[str, Any]) -> None:
        """Without any framework."""
        some = reader(user=user, **own)
        assert some.framework is None
        assert read(some, **roots) == User("ann", "ann")
        assert some.read_in_environ({}, root(**roots), None) == User("ann", "ann")

    def test_of_a_framework_must_ask_it(self) -> None:
        """Unless nothing is read of its user."""
        assert read(reader(user="django"), environ={}) is None
        assert reader(user="django", id="environ:uid").framework == "django"
        assert reader(user="django", id="environ:a", name="environ:b", email="environ:c").framework is None

    def test_of_a_framework_is_not_asked_who_is_nobody(self) -> None:
        """What says so for free saves the query; of a user, the framework has the rest."""
        some = reader(user="django", id="environ:uid")
        assert read(some, environ={"uid": None}) == Nobody()
        assert read(some, environ={}) == NotKnown()
        assert read(some, environ={"uid": "7"}) is None

    def test_note_what_the_server_wrote(self) -> None:
        """Its texts are bytes, the application's are not."""
        some = reader(user="remote-user", name="environ:name")
        environ: dict[str, Any] = {"REMOTE_USER": "AndrÃ©", "name": "ZoÃ«", "HTTP_COOKIE": "é"}
        expected = some.expect(environ)
        reading = some.read_free(root(environ=environ), expected)
        assert reading == User("André", "Zoë")
        environ["REMOTE_USER"] = "".join(["Andr", "Ã©"])
        reading = some.read_free(root(environ=environ), expected)
        assert reading == User("AndrÃ©", "Zoë")

    def test_note_what_the_server_wrote_beside_a_framework(self) -> None:
        """Which reads the rest of the user."""
        some = reader(user="django", id="environ:REMOTE_USER")
        environ: dict[str, Any] = {"REMOTE_USER": "AndrÃ©"}
        expected = some.expect(environ)
        assert some.read_in_environ(environ, root(environ=environ), expected) == User("André", "André")

    @pytest.mark.parametrize("environ", [{}, {"REMOTE_USER": "ann"}, {"REMOTE_USER": None}, {"REMOTE_USER": object()}])
    def test_note_nothing_that_is_no_text_of_bytes(self, environ: dict[str, Any]) -> None:
        """ASCII is the same either way: nothing is kept of an ordinary request."""
        assert reader(user="remote-user").expect(environ) is None


class TestForesight:
    """What can be known of the user before it is read, without loading anything."""

    @pytest.mark.parametrize(
        ("user", "own", "roots", "may_be"),
        [
            ("remote-user", {}, {"environ": {}}, False),
            ("remote-user", {}, {"environ": {"REMOTE_USER": "ann"}}, True),
            ("scope", {}, {"scope": {}}, False),
            ("scope", {}, {"scope": {"state": {}}}, False),
            ("scope", {}, {"scope": {"state": {"user": None}}}, False),
            ("scope", {}, {"scope": {"state": {"user": "ann"}}}, True),
            ("scope", {}, {"scope": {"user": object()}}, True),
            ("scope", {}, {"scope": {"state": object()}}, True),
            ("off", {"id": "environ:session/uid"}, {"environ": {"session": object()}}, True),
            ("off", {"id": "environ:session/uid"}, {"environ": {}}, False),
            ("authelia", {}, {"header": MappingProxyType({"Remote-User": "ann"})}, True),
            ("authelia", {}, {"header": MappingProxyType({})}, False),
            ("authelia", {}, {"header": UNBELIEVED}, False),
            ("authelia", {}, {}, False),
            ("off", {}, {"environ": {"REMOTE_USER": "ann"}}, False),
        ],
    )
    def test_tells_that_nobody_is_set(
        self, user: str, own: dict[str, str], roots: dict[str, Any], may_be: bool
    ) -> None:
        """Certain only when it says no."""
        some = reader(user=user, **own)
        assert some.may_be_set(root(**roots)) is may_be
        places = (roots.get("environ", {}), roots.get("scope", {}))
        assert any(key is None or key in place for key in some.keys for place in places) or not may_be
        assert not some.may_find()

    def test_finds_what_comes_with_the_response(self) -> None:
        """A ``response:`` source has nothing to say before."""
        some = reader(user="off", id="response:X-Uid")
        assert not some.may_be_set(root())
        assert some.may_find()

    def test_expects_everything_of_a_framework(self) -> None:
        """Its user is known when it has answered."""
        some = reader(user="django")
        assert not some.may_be_set(root(environ={}))
        assert some.may_find()


class TestFrameworks:
    """What is done around a framework whose user is read."""

    @pytest.mark.parametrize("user", ["remote-user", "off", "scope"])
    def test_nothing_is_laid_out_for_a_preset_without_one(self, user: str) -> None:
        """The environ stays the server's."""
        environ: dict[str, Any] = {}
        assert reader(user=user).expect(environ) is None
        assert not environ

    @pytest.mark.parametrize("user", ["auto", "django"])
    def test_a_place_is_laid_out_for_others(self, user: str) -> None:
        """It lasts as long as the caller keeps it."""
        environ: dict[str, Any] = {}
        assert reader(user=user).expect(environ) is not None
        assert environ

    def test_is_hooked_until_nothing_is_left_to_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An application may import its framework only when it is called."""
        hooked = iter([("django",), ("django",), ()])
        monkeypatch.setattr(frameworks, "prepare", lambda names: next(hooked))
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
        expected = some.expect(environ)
        assert some.read_in_environ(environ, root(environ=environ), expected) == NotKnown()
        assert caplog.messages == ["a framework's user cannot be read (AttributeError)"]

    def test_that_has_not_answered_is_not_known_to_have_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        """A page that something else has made says nothing of the framework's user, and is nothing to warn about."""
        some = reader(user="django")
        assert some.read_in_environ({}, root(environ={}), None) == NotKnown()
        assert asyncio.run(some.read_in_scope({}, root(scope={}), None)) == NotKnown()
        assert not caplog.messages

    def test_reads_beside_it_what_is_free(self) -> None:
        """A field of the environ is there whether the framework has answered or not."""
        some = reader(user="django", id="environ:uid")
        assert some.read_in_environ({}, root(environ={"uid": "ann"}), None) == User("ann", "ann")

    @pytest.mark.parametrize("late", [False, True])
    def test_whose_context_raises_breaks_no_page(
        self, late: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither as it is entered nor as it is left; what is free is read all the same."""

        @contextmanager
        def opened(preset: str | None, request: Any) -> Iterator[Callable[[], Any]]:
            if late:
                yield lambda: SimpleNamespace(pk=7)
            raise OSError("ann@site.example")

        monkeypatch.setattr(frameworks, "opened", opened)
        some = reader(user="django")
        assert some.read_in_environ({}, root(environ={}), None) == NotKnown()
        assert caplog.messages[0] == "a framework's user cannot be read (OSError)"
        reading = reader(user="django", id="environ:uid").read_in_environ({}, root(environ={"uid": "ann"}), None)
        assert reading == User("ann", "ann")
        assert isinstance(reading, User)
        assert not reading.complete

    def test_whose_thread_cannot_be_had_breaks_no_page(self, caplog: pytest.LogCaptureFixture) -> None:
        """Django's is asyncio's: under another event loop there is none."""
        import trio

        some = reader("scope", user="django")
        scope: dict[str, Any] = {}
        expected = some.expect(scope)
        leave(scope, "django", object())
        assert trio.run(some.read_in_scope, scope, root(scope=scope), expected) == NotKnown()
        assert caplog.messages[0].startswith("a framework's user cannot be read")
