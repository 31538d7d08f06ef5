"""The value of an attribute as a browser reads it, with all of its character references (WHATWG HTML §13.2.5.72)."""

import html
import re
from html.entities import html5
from typing import Final

from viafoura_mw.page.html import attributes

_REFERENCE: Final = re.compile("&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[0-9a-zA-Z]+;?)")


def value_of(tag: bytes, name: bytes) -> str | None:
    """The value of an attribute of a start tag: of duplicates the first counts. ``None`` when it is not there."""
    return next((decoded(each.value) for each in attributes(tag) if each.name == name), None)


def decoded(value: bytes) -> str:
    """An attribute's value as text; what is no UTF-8 stands for itself."""
    text = value.decode("utf-8", "surrogateescape")
    return _REFERENCE.sub(_read, text) if "&" in text else text


def _read(found: re.Match[str]) -> str:
    reference = found[0]
    if reference[1] == "#":
        return html.unescape(reference)
    # In an attribute, one without a semicolon is text where a letter, a digit or "=" follows.
    is_open = not reference.endswith(";")
    if is_open and found.string.startswith("=", found.end()):
        return reference
    return html5.get(reference[1:], reference)
