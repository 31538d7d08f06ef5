"""The byte patterns of WHATWG tokenization (§13.2.5): what can be swallowed in C, and where each text ends.

All repeats are possessive and no group captures inside of one (Python 3.11.2 to 3.11.7 raise ``SystemError`` there),
so that each byte is looked at a bounded number of times whatever the document says.
"""

import re
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

from viafoura_mw.page.html.open_elements import NOTED, TEXT_ELEMENTS

_WS: Final = r"\t\n\f\r "


def _any_case(name: str) -> str:
    """A pattern of an ASCII name in any case; sets of two are faster than ``(?i:…)``."""
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in name)


# Before 3.11.5 a possessive group that fails halfway leaves the match in a wrong place (CPython issue 106052). None of
# these groups can match in two ways, so that a greedy one gives the same, at a little more cost.
_REPEATED_GROUP: Final = ")*+" if sys.version_info >= (3, 11, 5) else ")*"


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.replace(")*+", _REPEATED_GROUP).encode("ascii"))


# An attribute of which at least one more byte is there, so that where it ends is final.
_ATTRIBUTE: Final = (
    rf"[^{_WS}/>][^{_WS}/>=]*+(?:[{_WS}]*+=[{_WS}]*+"
    rf"(?:\"[^\"]*+\"|'[^']*+'|[^{_WS}>\"'][^{_WS}>]*+(?=[{_WS}>])|(?=>))|(?=[{_WS}]*+[^{_WS}=]))"
)
_ATTRIBUTES: Final = rf"(?:[{_WS}]++|/(?=[^>])|{_ATTRIBUTE})*+"

# What follows the name in a whole tag; the group is the solidus of a self-closing one.
REST_OF_TAG: Final = _compile(rf"{_ATTRIBUTES}(/?+)>")
WHOLE_ATTRIBUTES: Final = _compile(_ATTRIBUTES)

# A tag whose name is there as a whole.
TAG: Final = _compile(rf"<(/?+)([a-zA-Z][^{_WS}/>]*+)(?=[{_WS}/>])")
WHOLE_TAG: Final = _compile(rf"<(/?+)([a-zA-Z][^{_WS}/>]*+){_ATTRIBUTES}/?+>")
LESS_THAN: Final = _compile(r"<(?=[^a-zA-Z!?/])")  # one that is text
BOGUS_COMMENT: Final = _compile(r"<[!?/][^>]*+>")
# Text that may be white space, or nothing, to a browser: references, a byte order mark, NUL.
PERHAPS_SPACE: Final = _compile(rf"(?:[{_WS}\x00\x80-\xff]++|&[#0-9a-zA-Z]*+;?+)*+")
# What the bytes at the end may still become: "<", "</", "<!", "<!-", "<![CDA", "<na".
UNDECIDED: Final = _compile(rf"<(?:/?(?:[a-zA-Z][^{_WS}/>]*+)?|!(?:--?-?|\[(?:C(?:D(?:A(?:T(?:A)?)?)?)?)?)?)\Z")
SCRIPT_TO_BE: Final = _compile(r"<(?:[sS](?:[cC](?:[rR](?:[iI](?:[pP](?:[tT])?)?)?)?)?)?\Z")

_TEXT_NAMES: Final = sorted(name.decode() for name in TEXT_ELEMENTS)
# What changes the tokenizer's state in plain HTML; every other tag only has an end to be found.
_STARTS: Final = ["script", *_TEXT_NAMES, "template", "svg", "math", "plaintext", "frameset", "body"]
_ORDINARY: Final = rf"/?+[a-zA-Z][^{_WS}/>]*+{_ATTRIBUTES}/?+>"


def _trie(words: Iterable[str], end: str = "") -> str:
    """A pattern of the words in which no byte is compared with more than one branch in vain.

    With an ``end`` each word is followed by that; without, a word that another begins with stands for both.
    """
    words = set(words)
    if "" in words and not end:
        return ""
    branches = [
        _any_case(letter) + _trie({word[1:] for word in words if word[:1] == letter}, end)
        for letter in sorted({word[0] for word in words if word})
    ]
    branches += [end] * ("" in words)
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _letters(words: list[str], place: int) -> str:
    """A set of what stands at a place of the words, or behind them."""
    letters = {c for word in words for c in (word + " ")[place]}
    ends = f"{_WS}/>" if " " in letters else ""
    return "[" + "".join(sorted(re.escape(each) for c in letters - {" "} for each in {c, c.upper()})) + ends + "]"


class PlainHtml(NamedTuple):
    """What leads through plain HTML to the next tag that matters."""

    #: Where plain HTML may stop being boring, wherever the bytes stand: in an attribute's value too.
    special: re.Pattern[bytes]
    #: Plain HTML that changes nothing, tag by tag: whole tags of no consequence, and the text between.
    boring: re.Pattern[bytes]


def _plain_html(starts: list[str]) -> PlainHtml:
    special = [*starts, "!--"]
    # The look ahead turns most tags away by two letters, which makes the search as fast as one for "<" alone.
    look_ahead = f"(?={_letters(special, 0)}{_letters(special, 1)})"
    return PlainHtml(
        _compile(rf"<{look_ahead}{_trie(special)}"),
        _compile(rf"(?:[^<]*+<(?:(?!{_trie(starts, f'[{_WS}/>]')}){_ORDINARY}|(?=[^a-zA-Z!?/])))*+[^<]*+"),
    )


PLAIN: Final = _plain_html(_STARTS)
PLAIN_AND_META: Final = _plain_html([*_STARTS, "meta"])
# It takes twice the time, and is for the pages that cannot do without.
_NOTED: Final = sorted(name.decode() for name in NOTED)
PLAIN_NOTED: Final = _plain_html([*_STARTS, *_NOTED])
PLAIN_NOTED_AND_META: Final = _plain_html([*_STARTS, "meta", *_NOTED])
# The whole start tags that every page has; the groups are the name of an element that holds text, and a body.
COMMON_TAG: Final = _compile(
    rf"<(?:{_any_case('script')}|({_any_case('style')}|{_any_case('title')}|{_any_case('noscript')})|({_any_case('body')}))"
    rf"(?=[{_WS}/>]){_ATTRIBUTES}/?+>"
)
# An icon drawn in line: pages have them by the hundred. Only elements that hold nothing, closed as XML closes them.
_SHAPES: Final = "|".join(
    rf"{name}(?=[{_WS}/>]){_ATTRIBUTES}(?:/>|>[{_WS}]*+</{name}>)"
    for name in ("path", "use", "circle", "rect", "line", "polyline", "polygon", "ellipse", "stop")
)
ICON: Final = _compile(rf"<svg(?=[{_WS}>]){_ATTRIBUTES}>(?:[^<]*+<(?:{_SHAPES}))*+[^<]*+</svg>")
SPACES: Final = b"\t\n\f\r "

COMMENT_CLOSED_AT_ONCE: Final = re.compile(rb"-?>")
COMMENT_END: Final = re.compile(rb"--!?>")
# With the byte ahead of it, if that is no ASCII.
CDATA_END: Final = re.compile(rb"[\x80-\xff]?]]>")
BOGUS_END: Final = re.compile(rb">")
TEXT_END: Final = {name.encode(): _compile(rf"</{_any_case(name)}(?=[{_WS}/>])") for name in [*_TEXT_NAMES, "script"]}
_SCRIPT: Final = _any_case("script")
SCRIPT_DATA: Final = _compile(rf"<(?:/{_SCRIPT}(?=[{_WS}/>])|!--)")
SCRIPT_ESCAPED: Final = _compile(rf"<(?:/{_SCRIPT}|{_SCRIPT})(?=[{_WS}/>])|-->")
SCRIPT_DOUBLE_ESCAPED: Final = _compile(rf"</{_SCRIPT}(?=[{_WS}/>])|-->")
