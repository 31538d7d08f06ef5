"""The validators of a page that caches share: the application's own, with a suffix that says how it was bridged.

A page that is bridged by another version, by other settings, or not at all, must never be taken for this one: a cache
that asks whether its copy is still good asks for the bytes that we would send now. So each ``ETag`` gets a suffix on
its way out, and loses it on its way in; and an ``ETag`` without it is not shown to the application where a page is
asked for (RFC 9110 §8.8.3, §13.1).
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from viafoura_mw.response.headers import Headers, with_length

_ETAG: Final = re.compile(r'(W/)?"([^"]*)"')
#: What is told of the body's very bytes, and what invites a range of them (RFC 9110 §14.3; RFC 9530, 3230, 1864).
_OF_THE_BYTES: Final = frozenset(
    ("accept-ranges", "content-md5", "digest", "content-digest", "repr-digest", "unencoded-digest")
)


def suffix_of(digest: str) -> str:
    """What an ``ETag`` ends with in a page that belongs to bridge.js with this ``digest``."""
    return f"-vf{digest[:8]}"


class Conditions(NamedTuple):
    """What the application sees of a request's conditions.

    ``changed``: headers by their names, ``None`` for one that it does not see. ``spelled``: how the request spelled the
    tags that have lost the suffix, by what is between the quotes.
    """

    changed: Mapping[str, str | None]
    spelled: Mapping[str, str]


def conditions(method: str, fields: Mapping[str, str], suffix: str, *, wants_html: bool) -> Conditions:
    """What to show of ``fields``, a request's headers by the names as they are spelled here."""
    changed: dict[str, str | None] = {}
    spelled: dict[str, str] = {}
    if method not in ("GET", "HEAD"):
        return Conditions(changed, spelled)
    asked = fields.get("If-None-Match")
    if asked is not None:
        own = [found for found in _ETAG.finditer(asked) if found[2].endswith(suffix)]
        spelled = {found[2].removesuffix(suffix): found[0] for found in own}
        if own or wants_html:
            shown = [f'{found[1] or ""}"{found[2].removesuffix(suffix)}"' for found in own]
            others = [] if wants_html else [each[0] for each in _ETAG.finditer(asked) if not each[2].endswith(suffix)]
            changed["If-None-Match"] = ", ".join((*shown, *others)) or None
            if changed["If-None-Match"] is None and "If-Modified-Since" in fields:
                changed["If-Modified-Since"] = None
    if (wants_html and method == "GET") or fields.get("If-Range", "").rstrip().endswith(f'{suffix}"'):
        changed.update(dict.fromkeys(fields.keys() & {"If-Range", "Range"}))
    return Conditions(changed, spelled)


def shared(headers: Headers, suffix: str, *, coded: bool, changed: bool, length: int | None) -> Headers:
    """The head of a page that was looked at.

    ``coded``: its tag is weak, since what is compressed again need not be the same bytes. ``changed``: its body was
    changed, or could still be; then ``length`` is its length, ``None`` where it is not known.
    """
    kept = [
        (name, _suffixed(value, suffix, weak=coded)) if name.lower() == "etag" else (name, value)
        for name, value in headers
        if not (changed and name.lower() in _OF_THE_BYTES)
    ]
    return with_length(kept, length) if changed else kept


def _suffixed(etag: str, suffix: str, *, weak: bool) -> str:
    found = _ETAG.fullmatch(etag.strip())
    if found is None:
        return etag
    return f'{"W/" if weak else found[1] or ""}"{found[2]}{suffix}"'


def unmodified(headers: Headers, spelled: Mapping[str, str]) -> Headers:
    """The head of a 304: its ``ETag`` as the request spelled it, if it was asked for with the suffix."""
    return [(name, _as_spelled(value, spelled) if name.lower() == "etag" else value) for name, value in headers]


def _as_spelled(etag: str, spelled: Mapping[str, str]) -> str:
    found = _ETAG.fullmatch(etag.strip())
    return spelled.get(found[2], etag) if found else etag
