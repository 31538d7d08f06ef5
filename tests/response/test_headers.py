"""The headers of a response that is one user's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw.response.headers import Headers, made_private, with_length

PRIVATE = ("Cache-Control", "private, no-cache")
VARY = ("Vary", "Cookie")


class TestCacheControl:
    """``Cache-Control`` becomes ``private, no-cache``, keeping a stricter ``no-store``."""

    def test_is_added_where_there_is_none(self) -> None:
        """A cache may keep what says nothing, so that something must be said."""
        assert made_private([]) == [PRIVATE, VARY]

    @pytest.mark.parametrize(
        "value",
        [
            "public, max-age=600",
            "",
            'private="Set-Cookie"',
            'no-cache="Set-Cookie, X-A"',
            "s-maxage=60, stale-while-revalidate=600",
            'ext="no-store"',
            'ext="a, no-store, b"',
            'ext="a" ; "b, no-store, c"',
            'ext="a\\", no-store"',
            '"no-store"',
            'ext="no-store',
            "no-storey",
            "x=no-store",
            ",,=,;",
        ],
    )
    def test_says_nothing_but_private(self, value: str) -> None:
        """No directive of the application's survives, in whatever form; what is quoted is no directive."""
        assert made_private([("cache-control", value)])[0] == ("cache-control", "private, no-cache")

    @pytest.mark.parametrize(
        "value",
        ["no-store", "NO-STORE", "max-age=0, no-store", 'a="b, c" , no-store', "no-store=1", 'a="b\\"",no-store'],
    )
    def test_keeps_no_store(self, value: str) -> None:
        """Who forbids all storing is not made laxer."""
        assert made_private([("Cache-Control", value)])[0] == ("Cache-Control", "private, no-cache, no-store")

    def test_is_one_of_several(self) -> None:
        """Several are one list (RFC 9110 §5.3), whose place is the first one's."""
        headers = [("A", "1"), ("CACHE-CONTROL", "public"), ("B", "2"), ("cache-control", "no-store")]
        assert made_private(headers)[:-1] == [
            ("A", "1"),
            ("CACHE-CONTROL", "private, no-cache, no-store"),
            ("B", "2"),
        ]

    @given(st.text(alphabet='no-store",\\= ;ab', max_size=40))
    def test_never_fails_and_never_loses_no_store(self, junk: str) -> None:
        """Whatever the application writes, what follows a comma outside of quotes counts."""
        (_, value), *_ = made_private([("Cache-Control", f"no-store,{junk}")])
        assert value == "private, no-cache, no-store"


class TestWhatIsRemoved:
    """Validators and digests of the page as it was, and what makes a CDN keep it all the same."""

    @pytest.mark.parametrize(
        "name",
        [
            "ETag",
            "last-modified",
            "Accept-Ranges",
            "Expires",
            "Content-MD5",
            "Digest",
            "Content-Digest",
            "Repr-Digest",
            "CDN-Cache-Control",
            "Cloudflare-CDN-Cache-Control",
            "Vercel-CDN-Cache-Control",
            "Netlify-CDN-Cache-Control",
            "Akamai-Cache-Control",
            "Fastly-Cache-Control",
            "X-LiteSpeed-Cache-Control",
            "Surrogate-Control",
            "X-Surrogate-Control",
            "Edge-Control",
            "Akamai-Edge-Control",
            "X-Accel-Expires",
        ],
    )
    def test_is_gone_whatever_its_case(self, name: str) -> None:
        """Names are compared without case."""
        headers = [(name, "max-age=60"), (name.upper(), "x"), (name.lower(), "y")]
        assert made_private(headers) == [PRIVATE, VARY]

    @pytest.mark.parametrize(
        "name", ["Content-Type", "Set-Cookie", "X-Accel-Buffering", "Surrogate-Key", "Access-Control-Max-Age", "Age"]
    )
    def test_is_nothing_else(self, name: str) -> None:
        """What is about something else stays."""
        assert made_private([(name, "value")]) == [(name, "value"), PRIVATE, VARY]

    def test_leaves_the_others_in_order_and_case(self) -> None:
        """The application's own cookies stay, as many as there are."""
        headers = [("X-b", "1"), ("Set-Cookie", "a=1"), ("ETag", '"x"'), ("x-A", "2"), ("Set-Cookie", "b=2")]
        kept = [("X-b", "1"), ("Set-Cookie", "a=1"), ("x-A", "2"), ("Set-Cookie", "b=2")]
        assert made_private(headers) == [*kept, PRIVATE, VARY]

    def test_leaves_the_applications_own_list_alone(self) -> None:
        """An application may send one list of headers with every response."""
        headers = [("ETag", '"x"'), ("Vary", "Accept")]
        made_private(headers)
        assert headers == [("ETag", '"x"'), ("Vary", "Accept")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("Vary", "Accept-Encoding")], [("Vary", "Accept-Encoding, Cookie")]),
        ([("vary", "")], [("vary", "Cookie")]),
        ([("Vary", " ")], [("Vary", "Cookie")]),
        ([("Vary", "cookie")], [("Vary", "cookie")]),
        ([("Vary", "Accept,COOKIE")], [("Vary", "Accept,COOKIE")]),
        ([("Vary", "*")], [("Vary", "*")]),
        ([("Vary", "A"), ("vary", "B")], [("Vary", "A, Cookie"), ("vary", "B")]),
        ([("Vary", "A"), ("vary", "Cookie")], [("Vary", "A"), ("vary", "Cookie")]),
        ([("Vary", "Cookie2")], [("Vary", "Cookie2, Cookie")]),
    ],
)
def test_varies_with_the_cookie(before: Headers, after: Headers) -> None:
    """``Vary`` gains ``Cookie`` in its place, unless it says so already or says ``*``."""
    assert made_private([*before, PRIVATE]) == [*after, PRIVATE]


class TestLength:
    """``Content-Length``."""

    def test_is_replaced_in_its_place(self) -> None:
        """Of several there is one left."""
        headers = [("content-length", "1"), ("A", "1"), ("Content-Length", "2")]
        assert with_length(headers, 30) == [("content-length", "30"), ("A", "1")]

    def test_is_added_where_there_is_none(self) -> None:
        """A whole body has its exact length."""
        assert with_length([("A", "1")], 0) == [("A", "1"), ("Content-Length", "0")]

    def test_is_not_added_to_a_framed_response(self) -> None:
        """RFC 9112 §6.2: not beside ``Transfer-Encoding``."""
        assert with_length([("transfer-encoding", "chunked")], 5) == [("transfer-encoding", "chunked")]

    def test_is_removed_where_it_is_not_known(self) -> None:
        """A page that streams on has none."""
        assert with_length([("Content-Length", "7"), ("A", "1")], None) == [("A", "1")]
