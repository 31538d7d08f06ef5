"""The text of an environment file, read as python-dotenv reads one; ``${…}`` stands for itself.

    export NAME=value        # a comment, after white space
    NAME = 'single quotes'   only \\\\ and \\' are escapes
    NAME="double quotes"     with \\n, \\t and the like; both kinds of quotes may span lines

Whatever is no such statement is told by the number of its line alone: its text may hold a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NEWLINE: Final = re.compile(r"\r\n|\n|\r")
_BLANK: Final = re.compile(r"\s*")
#: What stands before the value. Each part is possessive: ``export =x`` is no name "export".
_START: Final = re.compile(
    r"""(?: export [^\S\r\n]+ )?+
        (?: (?=\#) | '(?P<quoted>[^']+)' | (?!') (?P<bare>[^=\#\s]++) )
        [^\S\r\n]*+
        (?P<equals> = (?: [^\S\r\n]++ (?P<comment>(?=\#))? )? )?""",
    re.VERBOSE,
)
_VALUES: Final = {
    "'": re.compile(r"'((?:\\.|[^'\\])*+)'", re.DOTALL),
    '"': re.compile(r'"((?:\\.|[^"\\])*+)"', re.DOTALL),
}
_BARE_VALUE: Final = re.compile(r"[^\r\n]*")
_REST: Final = re.compile(r"[^\r\n]*")
_END: Final = re.compile(r"(?:[^\S\r\n]*\#[^\r\n]*)?+[^\S\r\n]*(?=[\r\n]|\Z)")
_COMMENT: Final = re.compile(r"(?<!\s)\s+#.*")
_ESCAPES: Final = {"'": re.compile(r"\\([\\'])"), '"': re.compile(r"""\\([\\'"abfnrtv])""")}
_CONTROLS: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


@dataclass(frozen=True, slots=True, repr=False)
class Statement:
    """A statement that begins in line ``number``, counted from 1; ``name`` is empty where it is no NAME=value."""

    number: int
    name: str = ""
    value: str = ""


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file's text; comments are none."""
    text = text.removeprefix("\ufeff")
    position, counted, number = _end(_BLANK, text, 0), 0, 1
    while position < len(text):
        number += len(_NEWLINE.findall(text, counted, position))
        counted = position
        found, position = _statement(text, position)
        if found is None:
            yield Statement(number)
        elif found[0]:
            yield Statement(number, *found)
        position = _end(_BLANK, text, position)


def _statement(text: str, position: int) -> tuple[tuple[str, str] | None, int]:
    """The name and the value of the statement at ``position``, and where it ends.

    ``None`` where it is none, the empty name for a comment.
    """
    start = _START.match(text, position)
    if start is None:
        return None, _end(_REST, text, position)
    name, position, value = start["quoted"] or start["bare"] or "", start.end(), ""
    if start["equals"] and start["comment"] is None:
        quote = text[position : position + 1]
        matched = _VALUES.get(quote, _BARE_VALUE).match(text, position)
        if matched is None:
            return None, _end(_REST, text, position)
        value = _unescaped(quote, matched[1]) if quote in _VALUES else _COMMENT.sub("", matched[0]).rstrip()
        position = matched.end()
    end = _END.match(text, position)
    if end is None or (name and not start["equals"]):
        return None, _end(_REST, text, position)
    return (name, value), end.end()


def _end(pattern: "re.Pattern[str]", text: str, position: int) -> int:
    """Where a pattern that matches anywhere ends."""
    matched = pattern.match(text, position)
    assert matched is not None
    return matched.end()


def _unescaped(quote: str, text: str) -> str:
    return _ESCAPES[quote].sub(lambda escape: _CONTROLS.get(escape[1], escape[1]), text)
