"""The headers of a response that has become one user's own: no cache may keep it, none may compare it with another.

Headers are lists of name and value, as the application gave them: order, case and all others stay.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

Headers = list[tuple[str, str]]

#: Validators and digests of the page as it was, and what invites a range of it (RFC 9110 §8.8, §14.3; RFC 9530).
_OF_THE_OLD_BODY: Final = frozenset(
    ("etag", "last-modified", "accept-ranges", "expires", "content-md5", "digest", "content-digest", "repr-digest")
)
#: RFC 9213 "targeted" fields and the vendors' own, by which a CDN keeps a page whatever Cache-Control says.
_OF_CACHES: Final = re.compile(r".+-cache-control|(?:.+-)?(?:surrogate-control|edge-control)|x-accel-expires")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?')


def made_private(headers: Headers) -> Headers:
    """``headers`` for a response that is one user's: private, revalidated each time, varying with the cookie."""
    cache_control = ", ".join(value for name, value in headers if name.lower() == "cache-control")
    private = "private, no-cache" + (", no-store" if "no-store" in _directives(cache_control) else "")
    kept: Headers = []
    for name, value in headers:
        if name.lower() == "cache-control":
            if private:
                kept.append((name, private))
                private = ""
        elif not _is_of_another_page(name):
            kept.append((name, value))
    if private:
        kept.append(("Cache-Control", private))
    return _varying_with_cookie(kept)


@lru_cache(256)  # sites send the same ones
def _is_of_another_page(name: str) -> bool:
    lower = name.lower()
    return lower in _OF_THE_OLD_BODY or bool(_OF_CACHES.fullmatch(lower))


def _directives(cache_control: str) -> Iterator[str]:
    """The lower-case names of the directives of ``Cache-Control`` (RFC 9111 §5.2), not what is quoted in them."""
    unquoted = _QUOTED.sub('""', cache_control)
    return (directive.partition("=")[0].strip().lower() for directive in unquoted.split(","))


def _varying_with_cookie(headers: Headers) -> Headers:
    fields = [field.strip().lower() for name, value in headers if name.lower() == "vary" for field in value.split(",")]
    if "*" in fields or "cookie" in fields:
        return headers
    for index, (name, value) in enumerate(headers):
        if name.lower() == "vary":
            headers[index] = (name, f"{value}, Cookie" if value.strip() else "Cookie")
            return headers
    return [*headers, ("Vary", "Cookie")]


def with_length(headers: Headers, length: int | None) -> Headers:
    """``headers`` with this ``Content-Length``, in its old place if there was one; without any for ``None``."""
    kept = []
    for name, value in headers:
        if name.lower() != "content-length":
            kept.append((name, value))
        elif length is not None:
            kept.append((name, str(length)))
            length = None
    framed = any(name.lower() == "transfer-encoding" for name, _ in kept)
    if length is not None and not framed:
        kept.append(("Content-Length", str(length)))
    return kept
