"""Sources: what may be written, and what is read of a site's objects without changing or awaiting them."""

from collections import defaultdict
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw.user.sources import CALLABLE, KINDS, Absence, Source, UserSources, parse, resolve


class TestParsing:
    """The text of a variable."""

    @pytest.mark.parametrize(
        ("text", "sources"),
        [
            ("environ:REMOTE_USER", (Source("environ", ("REMOTE_USER",)),)),
            ("environ:repoze.who.identity/email", (Source("environ", ("repoze.who.identity", "email")),)),
            ("scope:state/user/id", (Source("scope", ("state", "user", "id")),)),
            ("user:get_full_name()", (Source("user", ("get_full_name()",)),)),
            ("header:X-User", (Source("header", ("X-User",)),)),
            ("response:X-User", (Source("response", ("x-user",)),)),
            ("user:id | environ: a / b ", (Source("user", ("id",)), Source("environ", ("a", "b")))),
        ],
    )
    def test_reads_kind_and_steps_of_each_alternative(self, text: str, sources: tuple[Source, ...]) -> None:
        """Steps are separated by slashes, since real keys contain dots; spaces around anything are nobody's."""
        assert parse(text) == sources

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "begins with none of environ:, scope:, session:, g:, jwt:, header:, user:, response:"),
            ("REMOTE_USER", "has 'REMOTE_USER', which begins with none of environ:"),
            ("cookie:user", "has 'cookie:user', which begins with none of"),
            ("environ:a|", "begins with none of"),
            ("environ:", "write environ:name or environ:name/name"),
            ("scope:a//b", "a step is empty"),
            ("user:__class__", "two underscores"),
            ("user:profile/__init__/__globals__", "two underscores"),
            ("user:delete()", "only get_full_name(), get_username(), get_id() of a user: source are called"),
            ("environ:get_id()", "are called"),
            ("header:X-User/name", "the name of one header"),
            ("header:X_User", "with hyphens"),
            ("response:Ünïcode", "the name of one header"),
            ("environ:HTTP_X_USER/name", "the name of one header"),
            ("environ:HTTP_", "the name of one header"),
        ],
    )
    def test_says_what_to_change(self, text: str, complaint: str) -> None:
        """Whatever else is written is refused, with a sentence that helps."""
        with pytest.raises(ValueError, match="has ") as caught:
            parse(text)
        assert complaint in str(caught.value)

    @pytest.mark.parametrize("name", ["Set-Cookie", "content-type", "Content-Length", "Location", "vary"])
    def test_refuses_to_remove_a_header_that_responses_need(self, name: str) -> None:
        """A ``response:`` header leaves no response: it must not be one that the site has for another purpose."""
        with pytest.raises(ValueError, match="the response needs"):
            parse(f"response:{name}")

    @pytest.mark.parametrize(
        ("text", "header"),
        [
            ("environ:HTTP_X_USER", "X-User"),
            ("environ:HTTP_X_FORWARDED_USER", "X-Forwarded-User"),
            ("environ:HTTP_USER", "User"),
            ("environ:http_x_user", "X-User"),
            ("environ: HTTP_X_USER ", "X-User"),
        ],
    )
    def test_takes_a_header_for_one_however_it_is_written(self, text: str, header: str) -> None:
        """All that is demanded of a header is demanded of it: anybody can send one."""
        assert parse(text) == (Source("header", (header,)),)

    @pytest.mark.parametrize(
        "name", ["Authorization", "Cookie", "Proxy-Authorization", "authorization", "X-Viafoura-Proxy-Secret"]
    )
    def test_refuses_a_credential(self, name: str) -> None:
        """It would be shown to everybody as the name."""
        for text in (f"header:{name}", "environ:HTTP_" + name.upper().replace("-", "_")):
            with pytest.raises(ValueError, match="holds a credential"):
                parse(text)

    @pytest.mark.parametrize("name", ["Host", "User-Agent", "referer", "X-Forwarded-For", "Forwarded", "Origin"])
    def test_refuses_a_header_that_every_client_writes(self, name: str) -> None:
        """No proxy sets it to a user's id."""
        for text in (f"header:{name}", "environ:HTTP_" + name.upper().replace("-", "_")):
            with pytest.raises(ValueError, match="any visitor can write"):
                parse(text)

    @pytest.mark.parametrize(
        "path",
        """QUERY_STRING PATH_INFO SCRIPT_NAME RAW_URI REQUEST_URI CONTENT_TYPE CONTENT_LENGTH REQUEST_METHOD
        query_string PATH_TRANSLATED SCRIPT_URL SCRIPT_FILENAME DOCUMENT_URI UNENCODED_URL ORIG_PATH_INFO QUERY
        SERVER_NAME REDIRECT_QUERY_STRING REDIRECT_REDIRECT_URL REDIRECT_HTTP_AUTHORIZATION REDIRECT_URL AUTH_TYPE
        SSL_TLS_SNI SSL_SESSION_ID REMOTE_ADDR REMOTE_HOST REMOTE_IDENT wsgi.input wsgi.input/raw wsgi.url_scheme
        wsgiorg.routing_args/1/user
        werkzeug.request/args/user webob.adhoc_attrs/user webob._parsed_query_vars/0/user bottle.request/query/user
        bottle.request.query route.url_args/user paste.parsed_querystring paste.cookies pylons.routes_dict/user
        routes.route mod_wsgi.path_info gunicorn.socket awsgi.event/headers/x-user
        serverless.event/queryStringParameters/user""".split(),  # noqa: SIM905 - read as a paragraph
    )
    def test_refuses_what_any_visitor_can_write_in_an_environ(self, path: str) -> None:
        """By the kind of the place: CGI's keys, and where servers and parsers keep the request itself."""
        with pytest.raises(ValueError, match="which any visitor can write"):
            parse(f"environ:{path}")

    @pytest.mark.parametrize(
        "path",
        """headers query_string path raw_path root_path headers/0/1 path_params/user url_route/kwargs/user client/0
        cookies/user method aws.event/headers/x-user aws.event/requestContext/http/path""".split(),  # noqa: SIM905
    )
    def test_refuses_what_any_visitor_can_write_in_a_scope(self, path: str) -> None:
        """ASGI's own keys, and what routers and parsers make of them."""
        with pytest.raises(ValueError, match="which any visitor can write"):
            parse(f"scope:{path}")

    @pytest.mark.parametrize(
        "text",
        [
            "environ:REMOTE_USER",
            "environ:REDIRECT_REMOTE_USER",
            "environ:SSL_CLIENT_S_DN",
            "environ:eppn",
            "environ:repoze.who.identity/email",
            "environ:beaker.session/path",
            "environ:serverless.authorizer/claims/sub",
            "environ:serverless.event/requestContext/authorizer/claims/sub",
            "scope:aws.event/requestContext/authorizer/jwt/claims/sub",
            "scope:session/path",
            "scope:state/user/client",
            "scope:extensions/tls/client_cert_name",
            "user:headers",
        ],
    )
    def test_takes_what_a_server_or_a_site_has_verified(self, text: str) -> None:
        """Though it is named like something else."""
        assert "|".join(map(str, parse(text))) == text

    @given(st.sampled_from(KINDS), st.text())
    def test_never_raises_but_what_can_be_told(self, kind: str, path: str) -> None:
        """Any text is either sources or a ``ValueError``; sources are written as they were read."""
        try:
            sources = parse(f"{kind}:{path}")
        except ValueError:
            return
        assert parse("|".join(map(str, sources))) == sources

    @given(st.text(alphabet="abc._-", min_size=1).filter(lambda step: not step.startswith("__")))
    def test_reads_what_it_names(self, step: str) -> None:
        """A key with dots is one step."""
        (source,) = parse(f"environ:{step}/{step}")
        assert resolve({step: {step: "value"}}, source.steps) == "value"


class TestResolving:
    """The steps down from an object."""

    @pytest.mark.parametrize(
        "root",
        [
            {"a": {"b": 1}},
            MappingProxyType({"a": {"b": 1}}),
            SimpleNamespace(a={"b": 1}),
            {"a": SimpleNamespace(b=1)},
        ],
    )
    def test_tries_an_item_then_an_attribute(self, root: Any) -> None:
        """Mappings and objects may be mixed."""
        assert resolve(root, ("a", "b")) == 1

    @pytest.mark.parametrize("root", [{}, {"a": None}, {"a": "text"}, {"a": b"bytes"}, {"a": [1]}, object()])
    def test_tells_a_step_that_is_absent(self, root: Any) -> None:
        """What is not there is not an error."""
        assert resolve(root, ("a", "b")) is Absence.NOBODY

    @pytest.mark.parametrize(
        ("root", "place", "absence"),
        [
            ({}, 0, Absence.NOBODY),
            ({}, 1, Absence.UNASKED),
            ({"a": None}, 1, Absence.NOBODY),
            ({"a": {}}, 1, Absence.NOBODY),
            ({"a": None}, 2, Absence.UNASKED),
            ({"a": {}}, 2, Absence.UNASKED),
            ({"a": {"b": None}}, 2, Absence.NOBODY),
        ],
    )
    def test_tells_whether_the_place_was_laid_out(self, root: Any, place: int, absence: Absence) -> None:
        """The first steps lead to the place: where they do not lead there, nobody asked."""
        assert resolve(root, ("a", "b"), place=place) is absence

    @pytest.mark.parametrize(("text", "place"), [("scope:state/user/id", 2), ("scope:user/id", 1), ("environ:a/b", 1)])
    def test_knows_what_servers_lay_out_themselves(self, text: str, place: int) -> None:
        """``scope["state"]`` is there for every request."""
        (source,) = parse(text)
        assert source.place == place

    def test_prefers_the_item(self) -> None:
        """A session's key ``items`` is not its method."""
        assert resolve({"items": "key"}, ("items",)) == "key"

    def test_reads_items_of_what_only_looks_like_a_mapping(self) -> None:
        """Beaker's session is no ``Mapping``, but has items; and attributes where it has no such item."""

        class Session:
            id = "session"

            def __getitem__(self, key: str) -> str:
                return {"user": "ann"}[key]

        assert (resolve(Session(), ("user",)), resolve(Session(), ("id",))) == ("ann", "session")

    def test_does_not_grow_a_mapping_that_makes_what_it_lacks(self) -> None:
        """Reading never writes."""
        root: defaultdict[str, str] = defaultdict(str)
        assert resolve(root, ("user",)) is Absence.NOBODY
        assert not root

    def test_calls_the_three_methods_of_a_user(self) -> None:
        """``get_full_name()`` and its kin are called, without arguments."""
        user = SimpleNamespace(**{name[:-2]: lambda name=name: name for name in CALLABLE})
        assert [resolve(user, (name,)) for name in CALLABLE] == [*CALLABLE]

    @pytest.mark.parametrize("user", [object(), {"get_id": lambda: "item"}, SimpleNamespace(get_id="ann")])
    def test_calls_nothing_that_is_not_a_method(self, user: Any) -> None:
        """A user without the method has no such value."""
        assert resolve(user, ("get_id()",)) is Absence.NOBODY

    def test_passes_on_what_a_site_raises(self) -> None:
        """A lookup that fails is not the same as one that finds nothing."""

        class User:
            @property
            def name(self) -> str:
                raise RuntimeError("no database")

        with pytest.raises(RuntimeError, match="no database"):
            resolve(User(), ("name",))


class Asynchronous:
    """A user whose values must be awaited."""

    def __init__(self) -> None:
        self.kept = self.get_id()

    @property
    async def name(self) -> str:
        return "Ann"

    async def get_id(self) -> str:
        return "ann"


class TestAwaitables:
    """What would have to be awaited is no value, and nothing says that it never was."""

    @pytest.mark.parametrize("step", ["name", "get_id()"])
    def test_closes_a_coroutine_that_it_has_made(self, step: str) -> None:
        """A property or method that is ``async`` counts as one that raises. (A warning is an error here.)"""
        user = Asynchronous()
        user.kept.close()
        with pytest.raises(TypeError, match="must be awaited"):
            resolve(user, (step,))

    def test_leaves_the_sites_own_coroutines_alone(self) -> None:
        """What the site keeps to await it later can still be awaited."""
        user = Asynchronous()
        assert resolve(user, ("kept",)) is user.kept
        with pytest.raises(StopIteration, match="ann"):
            user.kept.send(None)


def test_tells_the_kinds_of_its_sources() -> None:
    """What is read decides what must be asked for."""
    sources = UserSources(parse("environ:a|user:b"), parse("header:c"), parse("response:d"))
    assert sources.kinds() == {"environ", "user", "header", "response"}
