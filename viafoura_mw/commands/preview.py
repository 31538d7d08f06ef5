"""``viafoura-mw preview``: what would be rewritten in a page, without any network."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from viafoura_mw.commands import complain, say
from viafoura_mw.errors import SettingsError
from viafoura_mw.log import Notices
from viafoura_mw.page.html import find, with_session
from viafoura_mw.page.rewriter import PRESCAN, Ahead
from viafoura_mw.runtime import bridge_of
from viafoura_mw.settings import Settings

SUMMARY: Final = "show what would be rewritten in a page"
DESCRIPTION: Final = (
    "Show the start tag that would be rewritten in a page: its line, and how it would read before and after. Nothing "
    "is asked of Viafoura; the values are examples. Exit code: 0 if the tag is there, 1 if not, 2 if the page cannot "
    "be read."
)
EXAMPLES: Final = (
    "viafoura-mw preview page.html",
    "curl https://www.site.example/story | viafoura-mw preview -",
)
# Those of Viafoura's document.
USER_ID: Final = "7000000003119"
SESSION: Final = "o52l4itrv8q4p8n4amsou1c567"

#: By the words of the debug header.
_WHY: Final = {
    "blocking": "the lines behind it may rely on it: give it async or defer",
    "parked": "by its type, or nomodule, it is no script that every browser runs",
    "before": "it stands before the tag: put the tag before it",
    "csp": "its Content-Security-Policy might not let bridge.js run and ask",
}
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def configure(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("file", metavar="FILE", help="the page; - for standard input")
    parser.add_argument("--uid", default=USER_ID, help="an example of data-uid (default: %(default)s)")
    parser.add_argument("--sid", default=SESSION, help="an example of data-sid (default: %(default)s)")
    parser.add_argument(
        "--bridge",
        action="store_true",
        help="print the page as VIAFOURA_BRIDGE would serve it to everybody, and say why a script does not wait",
    )


def run(options: Namespace) -> int:
    """Show the tag before and after, or say why there is none."""
    name = "standard input" if options.file == "-" else options.file
    try:
        page = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    except OSError as error:
        complain(f"{name} cannot be read: {error.strerror}")
        return 2
    if options.bridge:
        return _bridged(name, page)
    place = find(page) if is_readable(page) else None
    if place is None:
        say(f"{name}: nothing would be rewritten: {reason(page)}")
        return 1
    start, end = place
    tag = page[start:end]
    say(f"{name}, line {_line(page, start)}:")
    for line in _lines(tag):
        say(f"- {line}")
    for line in _lines(with_session(tag, options.uid, options.sid)):
        say(f"+ {line}")
    return 0


def _bridged(name: str, page: bytes) -> int:
    """Print the bridged page, and what is to be said of it to the standard error."""
    environ = {"VIAFOURA_SITE_ID": "preview", "VIAFOURA_API_KEY": "preview"}
    named = {key: value for key, value in os.environ.items() if key.startswith("VIAFOURA_BRIDGE_")}
    try:
        bridge = bridge_of(Settings.from_env({**environ, **named, "VIAFOURA_BRIDGE": "1"}), Notices())
    except SettingsError as error:
        complain("\n".join(error.problems))
        return 2
    previewed = bridge.preview(page)
    for tag, why in previewed.left:
        complain(f"{name}: does not wait ({_WHY[why]}): {_lines(tag)[0]}")
    if previewed.page is None:
        complain(f"{name}: would not be bridged: {_WHY.get(previewed.outcome) or reason(page)}")
        return 1
    sys.stdout.buffer.write(previewed.page)
    sys.stdout.flush()
    return 0


def is_readable(page: bytes) -> bool:
    """Whether the page, as far as it says itself, is in a charset that is a superset of ASCII."""
    place = find(page)
    return Ahead(None).add(page, place[0] if place else PRESCAN).is_readable


def reason(page: bytes) -> str:
    """Why a page has no tag that would be rewritten."""
    for magic, coding in _COMPRESSED.items():
        if page.startswith(magic):
            return f"it is compressed ({coding}); decompress it first"
    if not is_readable(page):
        return "its charset is no superset of ASCII"
    mention = page.find(b"viafoura-platform")
    if mention < 0:
        return "it has no viafoura-platform in it"
    return (
        f"the viafoura-platform of line {_line(page, mention)} is not the id of a script that a browser would make: "
        "it stands in a comment, a text, a template, another script or another element"
    )


def _line(page: bytes, position: int) -> int:
    return page.count(b"\n", 0, position) + 1


def _lines(tag: bytes) -> list[str]:
    """A tag's lines as they can be shown in a terminal, whatever is in them."""
    return ["".join(map(_shown, line)) for line in tag.decode("utf-8", "backslashreplace").splitlines()]


def _shown(char: str) -> str:
    return char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
