"""Independent answers to "which script would a browser make?": turbohtml and html5lib, each where it is right.

A page's script tags carry numbers (``n=…``), so that a script in a parser's tree leads back to its place in the page.

Where the oracles are not asked:

- A later ``<frameset>`` replaces the body, and with it a script that was made (and run) before. Such a page is asked
  about up to the end of the tag.
- html5lib knows no ``template``, and knows ``</p>`` and ``</br>`` in svg and math as they were before 2020. Inside of
  integration points its end tags do not tell an HTML element from an SVG or MathML one of the same name, as in
  ``<svg><title><mi></title>``, where the standard ignores the end tag. Its rules of ``select`` are those from before
  2025. Pages with these are not put to it; turbohtml and Chromium agree about them.
"""

import re
import warnings

import html5lib
import turbohtml

from viafoura_mw.page.html import with_session
from viafoura_mw.page.html.start_tag import PLATFORM
from viafoura_mw.page.html.tokenizer import Tokenizer

_NUMBER = re.compile(rb"n=([0-9]+)")
_UNSURE_IN_FOREIGN = (b"</p", b"</br", b"foreignobject", b"desc", b"title", b"<mi", b"<mt", b"annotation-xml")
_SCRIPT = "{http://www.w3.org/1999/xhtml}script"


class Answer:
    """What the package says of a page: the tag's number and place, or whether it stopped looking."""

    def __init__(self, page: bytes) -> None:
        tokenizer = Tokenizer()
        tokenizer.run(page, 0, len(page))
        self.tag = tokenizer.tag
        self.end = tokenizer.tag_end
        self.gave_up = tokenizer.finished and self.tag is None

    @property
    def number(self) -> int | None:
        found = _NUMBER.search(self.tag or b"")
        return int(found[1]) if found else None

    def edited(self, page: bytes) -> bytes:
        """The page with a session in its tag."""
        assert self.tag is not None
        return page[: self.end - len(self.tag)] + with_session(self.tag, "7", "s") + page[self.end :]


def tree(page: bytes) -> turbohtml.Document:
    """The page as a browser with scripting on reads it."""
    return turbohtml.parse(page.decode("latin-1"), scripting=True)


def platform_scripts(document: turbohtml.Document) -> list[turbohtml.Element]:
    """The HTML scripts with the platform's id outside of templates, in source order."""
    found = []
    nodes: list[turbohtml.Node] = [document]
    while nodes:
        for node in nodes.pop().children:
            if isinstance(node, turbohtml.Element) and not _is_html(node, "template"):
                nodes.append(node)
                if _is_html(node, "script") and node.attrs.get("id") == PLATFORM.decode():
                    found.append(node)
    return sorted(found, key=lambda script: int(str(script.attrs["n"])))


def _is_html(element: turbohtml.Element, name: str) -> bool:
    return element.tag == name and element.namespace is turbohtml.Namespace.HTML


def turbohtml_says(page: bytes) -> int | None:
    """The number of the platform's script by turbohtml."""
    scripts = platform_scripts(tree(page))
    return int(str(scripts[0].attrs["n"])) if scripts else None


def html5lib_can_tell(page: bytes) -> bool:
    """Whether html5lib knows what the standard says of such a page."""
    lower = page.lower()
    foreign = b"<svg" in lower or b"<math" in lower
    return (
        b"template" not in lower
        and b"<select" not in lower
        and not (foreign and any(each in lower for each in _UNSURE_IN_FOREIGN))
    )


def html5lib_says(page: bytes) -> int | None:
    """The number of the platform's script by html5lib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own DataLossWarning
        parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"))
        document = parser.parse(page.decode("latin-1"), scripting=True)
    numbers = [int(each.get("n")) for each in document.iter(_SCRIPT) if each.get("id") == PLATFORM.decode()]
    return min(numbers, default=None)
