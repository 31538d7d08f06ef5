"""The headers of a response that is one user's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw.response.headers import (
    Headers,
    content_type,
    fields,
    made_private,
    with_cookie,
    with_length,
    without_digests,
)

PRIVATE = ("Cache-Control", "private, no-cache")
VARY = ("Vary", "Cookie")


class TestCacheControl:
    """``Cache-Control`` becomes ``private, no-cache``, keeping what is stricter."""

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
            'ext="no-transform, must-revalidate"',
            "transform",
            "proxy-revalidate, immutable",
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

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            ("no-transform", "no-transform"),
            ("public, No-Transform, max-age=600", "no-transform"),
            ("must-revalidate,max-age=0", "must-revalidate"),
            ("must-understand, no-store", "no-store, must-understand"),
            ("max-age=0, must-revalidate, no-transform", "no-transform, must-revalidate"),
            ('private="Set-Cookie", no-transform', "no-transform"),
            ("no-store, no-store, no-transform", "no-store, no-transform"),
        ],
    )
    def test_keeps_what_is_stricter(self, value: str, kept: str) -> None:
        """What forbids to change the page, or to serve it stale, is not made laxer; each is said once."""
        assert made_private([("Cache-Control", value)])[0] == ("Cache-Control", f"private, no-cache, {kept}")

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


DIRECTIVES = [
    "CDN-Cache-Control",
    "Cloudflare-CDN-Cache-Control",
    "Vercel-CDN-Cache-Control",
    "Netlify-CDN-Cache-Control",
    "Akamai-Cache-Control",
    "Fastly-Cache-Control",
    "X-LiteSpeed-Cache-Control",
    "Souin-Cache-Control",
    "Surrogate-Control",
    "X-Surrogate-Control",
    "Edge-Control",
    "Akamai-Edge-Control",
]
TIMES = ["X-Accel-Expires", "X-Reverse-Proxy-TTL", "X-VC-TTL", "X-Varnish-TTL", "X-Cache-TTL"]


class TestWhatCachesGoBy:
    """A header that a cache goes by in place of ``Cache-Control`` says "no" where it stood: it is not removed."""

    @pytest.mark.parametrize("name", DIRECTIVES)
    @pytest.mark.parametrize(
        "value",
        ["max-age=60", "public, s-maxage=60, stale-while-revalidate=600", "no-store", "no-cache", "private", ""],
    )
    def test_says_no_store_in_its_place(self, name: str, value: str) -> None:
        """A "yes" becomes a "no", and a "no" stays one: a cache may have been told to overrule all others."""
        headers = [("A", "1"), (name, value), ("B", "2")]
        assert made_private(headers) == [("A", "1"), (name, "no-store"), ("B", "2"), PRIVATE, VARY]

    @pytest.mark.parametrize("name", TIMES)
    @pytest.mark.parametrize("value", ["600", "0", "@1893456000", "off", "10m", ""])
    def test_says_a_time_of_none_in_its_place(self, name: str, value: str) -> None:
        """nginx keeps nothing for 0 seconds, nor does a VCL that reads such a header as an object's time to live."""
        headers = [("A", "1"), (name, value), ("B", "2")]
        assert made_private(headers) == [("A", "1"), (name, "0"), ("B", "2"), PRIVATE, VARY]

    @pytest.mark.parametrize("name", [*DIRECTIVES, *TIMES])
    def test_is_one_of_several_whatever_its_case(self, name: str) -> None:
        """Several lines are one list, in the first one's place: no cache finds another word on the second line."""
        headers = [(name, "max-age=60"), ("A", "1"), (name.upper(), "9"), (name.lower(), "max-age=60")]
        (first, said), *others = made_private(headers)
        assert (first, said.split(",")[0]) == (name, "0" if name in TIMES else "no-store")
        assert others == [("A", "1"), PRIVATE, VARY]

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ('content="ESI/1.0"', 'no-store, content="ESI/1.0"'),
            ('max-age=60+600, content="ESI/1.0 ESI-INL/1.0"', 'no-store, content="ESI/1.0 ESI-INL/1.0"'),
            ('content="ESI/1.0";edge, max-age=60;edge, no-store-remote', 'no-store, content="ESI/1.0";edge'),
            ('content="max-age=60, no-store"', 'no-store, content="max-age=60, no-store"'),
            ('no-store, content="ESI/1.0"', 'no-store, content="ESI/1.0"'),
            ("dca=esi", "no-store, dca=esi"),
            ("!no-store, max-age=1d, dca=esi", "no-store, dca=esi"),
            ("!bypass-cache,cache-maxage=7d,downstream-ttl=10m,!log-cookie", "no-store, !log-cookie"),
            ("public, max-age=600, esi=on", "no-store, esi=on"),
            ("public, durable, max-age=60", "no-store"),
            ("no-transform, must-understand, immutable, stale-if-error=9", "no-store, no-transform"),
            ('content="ESI/1.0', 'no-store, content="ESI/1.0'),
            (" , ,", "no-store"),
        ],
    )
    def test_keeps_what_is_no_matter_of_keeping(self, value: str, said: str) -> None:
        """The page is composed at the edge all the same; what would let a cache pass over ``no-store`` is gone."""
        for name in ("Surrogate-Control", "Edge-Control", "X-LiteSpeed-Cache-Control", "CDN-Cache-Control"):
            assert made_private([(name, value)])[0] == (name, said)

    def test_is_joined_of_several_lines(self) -> None:
        """What is no matter of keeping stays from every line."""
        headers = [("Surrogate-Control", "max-age=60"), ("surrogate-control", 'content="ESI/1.0"')]
        assert made_private(headers)[0] == ("Surrogate-Control", 'no-store, content="ESI/1.0"')

    @given(st.text(alphabet='no-store",\\= ;!maxge10', max_size=40))
    def test_always_begins_with_the_refusal(self, junk: str) -> None:
        """Whatever stands in such a header, the first word is "no", and nothing behind it lets a cache keep."""
        said = made_private([("CDN-Cache-Control", junk)])[0][1]
        assert said.split(", ")[0] == "no-store"
        assert made_private([("CDN-Cache-Control", said)])[0][1] == said


class TestWhatIsRemoved:
    """Validators and digests of the page as it was."""

    @pytest.mark.parametrize(
        "name",
        [
            "ETag",
            "last-modified",
            "Accept-Ranges",
            "Content-MD5",
            "Digest",
            "Content-Digest",
            "Repr-Digest",
            "Unencoded-Digest",
        ],
    )
    def test_is_gone_whatever_its_case(self, name: str) -> None:
        """Names are compared without case; in trailers they are gone as well, as text and as bytes."""
        headers = [(name, "a"), (name.upper(), "x"), (name.lower(), "y")]
        assert made_private(headers) == [PRIVATE, VARY]
        assert without_digests([*headers, ("Server-Timing", "db")]) == [("Server-Timing", "db")]
        assert without_digests([(name.encode(), b"a"), (b"x-checksum", b"1")]) == [(b"x-checksum", b"1")]

    @pytest.mark.parametrize(
        ("announced", "left"),
        [
            ("ETag", []),
            ("etag, Content-Digest", []),
            ("ETag, Server-Timing,digest , X-A", [("Trailer", "Server-Timing, X-A")]),
            ("Server-Timing,X-ETag", [("Trailer", "Server-Timing,X-ETag")]),
        ],
    )
    def test_is_not_announced_as_a_trailer(self, announced: str, left: Headers) -> None:
        """``Trailer`` names the fields that still come (RFC 9110 §6.6.2)."""
        assert made_private([("Trailer", announced)]) == [*left, PRIVATE, VARY]

    @pytest.mark.parametrize("date", ["Fri, 01 Jan 2999 00:00:00 GMT", "Fri, 01 Jan 2999 00:00:00"])
    def test_invites_no_cache_by_a_time_to_come(self, date: str) -> None:
        """It was the other page's."""
        assert made_private([("Expires", date)]) == [PRIVATE, VARY]

    @pytest.mark.parametrize("no", ["0", "-1", "", "Thu, 01 Jan 1970 00:00:00 GMT", "junk", "Mon, 99 Jan 99999999999"])
    def test_is_no_refusal(self, no: str) -> None:
        """An ``Expires`` that is over is the only "no" to a cache that overrules Cache-Control alone."""
        assert made_private([("Expires", no)]) == [("Expires", no), PRIVATE, VARY]

    @pytest.mark.parametrize(
        "name",
        [
            "Content-Type",
            "Set-Cookie",
            "X-Accel-Buffering",
            "Surrogate-Key",
            "Access-Control-Max-Age",
            "Age",
            "Pragma",
            "Cache-Tag",
            "X-Session-TTL",
            "Not-Cache-Controlled",
        ],
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


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Vary", "cache-control", "Edge-Control", "X-Accel-Expires", "ETag", "Set-Cookie", "A"]),
            st.text(alphabet='no-store",cookie* =;', max_size=12),
        )
    )
)
def test_made_private_twice_is_made_private_once(headers: Headers) -> None:
    """Who makes a response private need not ask whether somebody has already."""
    once = made_private(headers)
    assert made_private(once) == once


class TestOurCookie:
    """``Set-Cookie`` of ours."""

    def test_stands_ahead_of_the_sites(self) -> None:
        """An adapter that keeps one cookie keeps the last one, which is to be the site's; all else keeps its order."""
        headers = [("A", "1"), ("set-cookie", "a=1"), ("B", "2"), ("Set-Cookie", "b=2")]
        assert with_cookie([*headers, PRIVATE, VARY], "ours=3") == [
            ("A", "1"),
            ("Set-Cookie", "ours=3"),
            *headers[1:],
            PRIVATE,
            VARY,
        ]

    def test_comes_last_where_the_site_sets_none(self) -> None:
        """It is the only one then."""
        assert with_cookie([("A", "1")], "ours=3") == [("A", "1"), PRIVATE, VARY, ("Set-Cookie", "ours=3")]

    def test_makes_the_response_private(self) -> None:
        """Whichever cookie of ours it is, and whatever the response: no cache gives it to another browser."""
        headers = [("ETag", '"x"'), ("X-Accel-Expires", "600"), ("Cache-Control", "public")]
        assert with_cookie(headers, "ours=; Max-Age=0") == [
            ("X-Accel-Expires", "0"),
            PRIVATE,
            VARY,
            ("Set-Cookie", "ours=; Max-Age=0"),
        ]


class TestFields:
    """A head by its fields' names."""

    def test_has_each_field_once(self) -> None:
        """Several lines of a field are one list (RFC 9110 §5.3), in their order."""
        headers = [("Content-Encoding", "gzip"), ("A", "1"), ("content-encoding", "br"), ("CONTENT-ENCODING", "")]
        assert fields(headers) == {"content-encoding": "gzip, br, ", "a": "1"}

    def test_joins_a_field_once(self) -> None:
        """A thousand lines of a field are put together once, not each with all before it."""

        class Value(str):
            __slots__ = ()

            def __add__(self, other: str) -> str:
                raise AssertionError("put together more than once")

            __radd__ = __add__

            def __format__(self, spec: str) -> str:
                raise AssertionError("put together more than once")

        assert fields(("A", Value("x")) for _ in range(1000)) == {"a": ", ".join("x" * 1000)}


class TestContentType:
    """The media type and the charset."""

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("", ("", None)),
            ("Text/HTML", ("text/html", None)),
            (' text/html ; Charset = "UTF-8" ', ("text/html", "UTF-8")),
            ("text/html; charset=", ("text/html", None)),
            ("text/html; boundary=x; charset='latin-1'; charset=utf-8", ("text/html", "latin-1")),
            ("text/html, text/html; charset=utf-8", ("text/html", "utf-8")),
            ("text/html; charset=utf-8, Text/Html", ("text/html", "utf-8")),
            ("text/html; charset=utf-8, text/html; charset=utf-16", ("text/html", "utf-16")),
            ("text/html, application/json", ("", None)),
            ("application/json, text/html", ("", None)),
            ("text/html, ", ("", None)),
            ('text/html; x="; charset=utf-8"; charset=utf-16le', ("text/html", "utf-16le")),
            ('text/html; x="a, b; charset=utf-8"', ("text/html", None)),
            ('text/html; x="\\"; charset=utf-8"; charset=big5', ("text/html", "big5")),
            ('text/html; x=a"b; charset=utf-16', ("text/html", "utf-16")),
            ('text/html; x="unended; charset=utf-8', ("text/html", None)),
            ("text/html; charset=; charset=utf-16", ("text/html", "utf-16")),
            ("text/html; charset", ("text/html", None)),
        ],
    )
    def test_is_what_every_line_says(self, value: str, said: tuple[str, str | None]) -> None:
        """Lines that differ name no media type: nobody knows which of them a browser goes by."""
        assert content_type(value) == said


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
