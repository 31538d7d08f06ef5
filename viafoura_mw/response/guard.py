"""The guard: what of a request and of a head decides whether a response is looked at (contract: "What is rewritten").

Every reason not to act stands here, once. Neither door decides any of it.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from viafoura_mw.log import Notices
from viafoura_mw.page.charsets import ascii_superset
from viafoura_mw.page.codings import parse
from viafoura_mw.response.cookie import NOTHING, Brought
from viafoura_mw.response.headers import Headers, content_type
from viafoura_mw.response.headers import fields as fields_of
from viafoura_mw.response.remembered import for_short_texts
from viafoura_mw.response.request import is_speculative

#: ``Sec-Fetch-Dest`` of what is shown inside of another page.
FRAMES: Final = frozenset(("iframe", "frame", "object", "embed", "fencedframe"))
_WITHOUT_WHOLE_BODY: Final = frozenset((204, 205, 206, 304))
_LONGEST_LENGTH: Final = 18  # digits


def _nowhere(_location: str) -> bool:
    return False


class Request(NamedTuple):
    """What of a request decides about its response.

    ``brought``: its cookies of our name. ``is_logout``: it asks one of the site's log-out pages, in a way that can sign
    a user out (:func:`can_sign_out`). ``leads_back``: whether a ``Location`` is that page's own, spelled otherwise
    (:meth:`~viafoura_mw.response.request.RequestRules.leads_back`). ``secure``: it came over https. ``cross_site``: the
    browser called it ``Sec-Fetch-Site: cross-site``. ``in_frame``: its page is for a frame, into which the site's own
    cookies may not have come. ``peer``: the address from which it came.
    """

    method: str
    brought: Brought = NOTHING
    secure: bool = False
    cross_site: bool = False
    in_frame: bool = False
    peer: str = ""
    is_logout: bool = False
    leads_back: Callable[[str], bool] = _nowhere


def can_sign_out(method: str, fetch_site: str, purposes: Iterable[str]) -> bool:
    """Whether a request to a log-out page can be a user's wish to sign out.

    ``fetch_site`` is ``Sec-Fetch-Site``, ``purposes`` are ``Sec-Purpose`` and what older browsers send in its place. A
    prefetch, a prerendered page, HEAD, a CORS preflight, and what another site makes the browser ask are none.
    """
    if method in ("HEAD", "OPTIONS") or fetch_site.strip().lower() == "cross-site":
        return False
    return not any(is_speculative(purpose) or "preview" in purpose.lower() for purpose in purposes)


def said_in(names: frozenset[str], fields: Iterable[tuple[str, str]]) -> dict[str, object]:
    """What a response's ``fields`` (in lower case) say under these names; of two that differ nobody knows which counts.

    An object that has no text stands for those.
    """
    said: dict[str, object] = {}
    for name, value in fields:
        if name in names:
            said[name] = value if said.get(name, value) == value else object()
    return said


class Looked(NamedTuple):
    """What a head says of a body that is looked at: its content coding, its charset, and its length if declared."""

    coding: str
    charset: str | None
    length: int | None


def look(method: str, status: int, headers: Headers, notices: Notices) -> Looked | None:
    """What to know of a body that is looked at; ``None`` for one of the reasons not to look."""
    if method == "HEAD" or status < 200 or status in _WITHOUT_WHOLE_BODY or status >= 500:
        return None
    fields = fields_of(headers)
    is_html, charset, is_readable = page_type(fields.get("content-type", ""))
    if not is_html:
        return None
    if "transfer-encoding" in fields:  # the application frames its own body, in chunks that are not to be changed
        return None
    if "content-disposition" in fields and _is_attachment(fields["content-disposition"]):
        return None
    if not is_readable:
        notices.tell("charset", logging.WARNING, "pages in charset %.40r are left as they are", charset)
        return None
    coding = parse(fields["content-encoding"]) if "content-encoding" in fields else "identity"
    if coding is None:
        sentence = "pages in content coding %.40r are left as they are"
        notices.tell("coding", logging.WARNING, sentence, fields["content-encoding"])
        return None
    length = fields.get("content-length", "").strip()
    is_length = length.isdigit() and length.isascii() and len(length) <= _LONGEST_LENGTH
    return Looked(coding, charset, int(length) if is_length else None)


@for_short_texts(64, longest=256)  # sites send a few; a site may echo what a visitor sent
def page_type(value: str) -> tuple[bool, str | None, bool]:
    """Whether a ``Content-Type`` is a page's; the charset that it names, and whether that can be read as ASCII."""
    media_type, charset = content_type(value)
    return media_type == "text/html", charset, charset is None or ascii_superset(charset)


def _is_attachment(content_disposition: str) -> bool:
    return content_disposition.partition(";")[0].strip().lower() == "attachment"
