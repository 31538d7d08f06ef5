"""The headers of a response that has become one user's own: no cache may keep it, none may compare it with another.

Headers are lists of name and value, as the application gave them: whatever this module has no reason to change keeps
its place, its case and its value. A header that a cache goes by is not removed but made to say "no" in its place,
since a cache that was told to overrule ``Cache-Control`` would otherwise be left without any word against keeping.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from viafoura_mw.response.remembered import for_short_texts

Headers = list[tuple[str, str]]

#: What servers take for bytes. A tuple: to ask for a union of them takes ten times as long, wherever it is asked.
BUFFERS: Final = (bytes, bytearray, memoryview)
#: What can be gone through more than once.
LISTS: Final = (list, tuple)

_Text = TypeVar("_Text", str, bytes)

#: Validators and digests of the page as it was, and what invites a range of it (RFC 9110 §8.8, §14.3; RFC 9530;
#: RFC 3230; RFC 1864; draft-ietf-httpbis-unencoded-digest).
_OF_THE_OLD_BODY: Final = frozenset(
    (
        "etag",
        "last-modified",
        "accept-ranges",
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
        "unencoded-digest",
    )
)

#: What a stricter site says in ``Cache-Control``, which stays said (RFC 9111 §5.2.2).
_STRICTER: Final = ("no-store", "no-transform", "must-revalidate", "must-understand")

#: How the names of the fields end in which directives speak to a cache that is no browser, and go before
#: ``Cache-Control`` there. All of them understand ``no-store``:
#:
#: * ``CDN-Cache-Control`` and whatever else is named in its manner (RFC 9213 §3.1): ``Cloudflare-CDN-Cache-Control``
#:   (developers.cloudflare.com/cache/concepts/cdn-cache-control), ``Vercel-CDN-Cache-Control``
#:   (vercel.com/docs/headers/cache-control-headers), ``Netlify-CDN-Cache-Control``
#:   (docs.netlify.com/build/caching/caching-overview), ``Akamai-Cache-Control`` (techdocs.akamai.com, "RFC support"),
#:   ``X-LiteSpeed-Cache-Control`` (docs.litespeedtech.com/lscache/devguide/controls), ``Souin-Cache-Control``
#:   (docs.souin.io)
#: * ``Surrogate-Control`` (W3C Note "Edge Architecture Specification" §2.3; Fastly, Varnish, Squid). Where it is there
#:   at all, Varnish's built-in VCL and Cloudflare read no ``Cache-Control``, whatever it says
#: * ``Edge-Control`` (Akamai; http.dev/edge-control), in which ``!no-store`` means "keep"
_OF_DIRECTIVES: Final = ("-cache-control", "surrogate-control", "edge-control")

#: The fields that hold a time alone, for which ``0`` means "do not keep":
#:
#: * ``X-Accel-Expires`` (nginx.org, ngx_http_proxy_module, "proxy_cache_valid")
#: * what VCL reads as an object's time to live: ``X-Reverse-Proxy-TTL`` (foshttpcache.readthedocs.io, "custom TTL"),
#:   ``X-VC-TTL`` (wordpress.org/plugins/vcaching), ``X-Varnish-TTL`` and ``X-Cache-TTL`` (VCL of many sites)
_OF_TIMES: Final = frozenset(("x-accel-expires", "x-reverse-proxy-ttl", "x-vc-ttl", "x-varnish-ttl", "x-cache-ttl"))

#: The directives that are about keeping, in any of those fields. ``must-understand`` is one of them: it lets a cache
#: pass over a ``no-store`` beside it (RFC 9111 §5.2.2.3). ``durable`` is Netlify's, ``shared`` LiteSpeed's,
#: ``bypass-cache``, ``cache-maxage`` and ``downstream-ttl`` are Akamai's, ``no-store-remote`` is the W3C Note's.
_ABOUT_KEEPING: Final = re.compile(
    r"!?(?:.*(?:cache|store|max-?age|stale|ttl|revalidate|understand|expires).*|public|private|shared|immutable|durable)"
)
#: What may be dropped, besides those that vary or that a cache goes by.
_LOOKED_AT: Final = _OF_THE_OLD_BODY | _OF_TIMES | {"expires", "trailer", "vary", "cache-control"}
_MEMBER: Final = re.compile(r'(?s)(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++')
#: A parameter's name and its value, quoted or plain (WHATWG MIME Sniffing §4.4): a quote opens at its very start only.
_PARAMETER: Final = re.compile(r';([^;=]*+)(?:=(?:"((?:[^"\\]|\\.)*+)[^;]*+|([^;]*+)))?', re.DOTALL)


def as_text(value: Any) -> str:
    """A header's name or value as text; servers take buffers, and numbers, as well."""
    if value.__class__ is str:
        return value
    if value.__class__ is bytes:
        return value.decode("latin-1")
    return bytes(value).decode("latin-1") if isinstance(value, BUFFERS) else str(value)


def without(names: frozenset[str], headers: Iterable[Any]) -> list[Any]:
    """``headers`` as an application gave them, but for those of these lower-case ``names``."""
    return [field for field in headers if as_text(field[0]).lower() not in names]


def says_html(headers: Iterable[Any]) -> bool:
    """Whether a head as an application gave it, names in any case, may be a page's. Asked of every response."""
    for field in headers:
        name, value = field[0], field[1]
        if name.__class__ is bytes:
            if name.lower() != b"content-type":
                continue
        elif (name if name.__class__ is str else as_text(name)).lower() != "content-type":
            continue
        if "text/html" in (value if value.__class__ is str else as_text(value)).lower():
            return True
    return False


def fields(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values by lower-case name; a field on several lines is one list (RFC 9110 §5.3), joined once."""
    joined: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in joined:
            joined[lower] = value
        else:
            repeated.setdefault(lower, [joined[lower]]).append(value)
    for lower, values in repeated.items():
        joined[lower] = ", ".join(values)
    return joined


def content_type(value: str) -> tuple[str, str | None]:
    """The media type of a ``Content-Type`` in lower case, and its ``charset``, if any (RFC 9110 §8.3.1).

    Where several lines say it, all must name the same media type, else there is none: browsers, servers and caches
    differ in which of them counts. Of several charsets the last counts, as in browsers (Fetch, "extract a MIME type").
    """
    charset = None
    media_types = set()
    for member in _MEMBER.findall(value) or [value]:
        media_type, _, _ = member.partition(";")
        media_types.add(media_type.strip().lower())
        charset = _charset(member[len(media_type) :]) or charset
    return media_types.pop() if len(media_types) == 1 else "", charset


def _charset(parameters: str) -> str | None:
    for name, quoted, plain in _PARAMETER.findall(parameters):
        label: str = (quoted or plain).strip().strip("\"'").strip()
        if label and name.strip().lower() == "charset":
            return label
    return None


def made_private(headers: Headers) -> Headers:
    """``headers`` for a response that is one user's: private, revalidated each time, varying with the cookie."""
    private: Headers = []
    said: dict[str, tuple[int, list[str]]] = {}  # by name: its place, and the values of its lines
    varies: list[int] = []
    for name, value in headers:
        lower = name.lower()
        if lower not in _LOOKED_AT and not lower.endswith(_OF_DIRECTIVES):
            private.append((name, value))
            continue
        left = _left_of(lower, value)
        if left is None:
            continue
        if lower == "vary":
            varies.append(len(private))
        elif lower not in ("expires", "trailer"):
            if lower in said:
                said[lower][1].append(value)
                continue
            said[lower] = (len(private), [value])
        private.append((name, left))
    for lower, (place, values) in said.items():
        private[place] = (private[place][0], _refusal(", ".join(values), lower))
    if "cache-control" not in said:
        private.append(("Cache-Control", "private, no-cache"))
    return _varying_with_cookie(private, varies)


def _left_of(name: str, value: str) -> str | None:
    """What is left of a field of the old page, ``None`` for nothing; a trailer that is removed is not announced."""
    if name in _OF_THE_OLD_BODY or (name == "expires" and _is_to_come(value)):
        return None
    if name != "trailer":
        return value
    announced = [member.strip() for member in value.split(",")]
    coming = [member for member in announced if member.lower() not in _OF_THE_OLD_BODY]
    return value if coming == announced else ", ".join(coming) or None


def _is_to_come(expires: str) -> bool:
    """Whether ``Expires`` invites a cache to keep the page; one that says "no" stays, as ``0`` or a past date does.

    To a cache that was told to overrule ``Cache-Control``, and not ``Expires``, it would be the only "no".
    """
    try:
        moment = parsedate_to_datetime(expires)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) > datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return False


def _varying_with_cookie(private: Headers, places: list[int]) -> Headers:
    """``private`` with ``Cookie`` in its first ``Vary``, which stand in these ``places``."""
    if not places:
        return [*private, ("Vary", "Cookie")]
    if not any(field.strip().lower() in ("*", "cookie") for place in places for field in private[place][1].split(",")):
        name, value = private[places[0]]
        private[places[0]] = (name, f"{value}, Cookie" if value.strip() else "Cookie")
    return private


@for_short_texts(256, longest=256)  # a site's pages say the same few things
def _refusal(value: str, name: str) -> str:
    """What a field that a cache goes by says of a page that no cache may keep."""
    if name in _OF_TIMES:
        return "0"
    if name == "cache-control":
        said = {_directive(member) for member in _members(value)}
        return ", ".join(("private", "no-cache", *(directive for directive in _STRICTER if directive in said)))
    others = [member for member in _members(value) if not _ABOUT_KEEPING.fullmatch(_directive(member))]
    return ", ".join(("no-store", *others))


def _members(value: str) -> list[str]:
    """The members of a list (RFC 9110 §5.6.1), not what is quoted in them."""
    return [member for member in map(str.strip, _MEMBER.findall(value)) if member]


def _directive(member: str) -> str:
    """The lower-case name of a directive, without its value and (W3C's ``max-age=60;edge``) without its target."""
    return member.partition(";")[0].partition("=")[0].strip().lower()


def with_cookie(headers: Headers, set_cookie: str) -> Headers:
    """``headers`` made private, with our ``Set-Cookie`` ahead of the site's.

    An adapter that keeps one ``Set-Cookie`` only keeps the last one: that is the site's then.
    """
    private = made_private(headers)
    names = [name.lower() for name, _ in private]
    place = names.index("set-cookie") if "set-cookie" in names else len(private)
    return [*private[:place], ("Set-Cookie", set_cookie), *private[place:]]


def with_length(headers: Headers, length: int | None) -> Headers:
    """``headers`` with this ``Content-Length``, in its old place if there was one; without any for ``None``."""
    kept: Headers = []
    for field in headers:
        if field[0].lower() != "content-length":
            kept.append(field)
        elif length is not None:
            kept.append((field[0], str(length)))
            length = None
    if length is not None and not any(name.lower() == "transfer-encoding" for name, _ in kept):
        kept.append(("Content-Length", str(length)))
    return kept


def without_digests(trailers: Iterable[tuple[_Text, _Text]]) -> list[tuple[_Text, _Text]]:
    """``trailers`` (RFC 9110 §6.5) without what they say of the page as it was."""
    return [(name, value) for name, value in trailers if as_text(name).lower() not in _OF_THE_OLD_BODY]
