"""The finding and editing of the one start tag: bytes in, bytes out, no HTTP.

The tag is the first start tag from which a browser with scripting on makes an HTML ``script`` element whose id is
``viafoura-platform``. Pages are tokenized as WHATWG §13.2.5 says, with as much of tree construction (§13.2.6) as the
tokenizer's own states depend on.

Tokens alone do not tell everything: what some tags do depends on every element that is open, which would be a whole
parser. In these cases nothing is matched from there on, so that a page is left as it was rather than changed in a wrong
place. All of them are rare in real pages, and most are errors:

- after ``<plaintext>``, behind which there is only text, and after ``<frameset>``, unless text or an element that shows
  something (``<body>``, ``<img>``, ``<table>``…) came before, since which it is ignored;
- in svg and math: a ``<script>``, ``<style>`` or other element that holds text, ``<svg>``, ``<math>``, CDATA and
  ``<foreignObject>``, ``<desc>``, ``<mi>``… that come, before svg's own end, after an end tag of what is not open there
  but may be outside, which it then closes, svg and all. An element of SVG's or MathML's own name (``</g>``) may be
  outside only where its start tag was, or where the first such end tag comes behind the first 64 KiB of the page;
- after a CDATA section whose ``]]>`` comes right behind a byte that is no ASCII: in gb18030, Big5, EUC-KR and Shift_JIS
  that byte and the ``]`` may be one character, and the section may go on;
- in HTML inside of svg and math (``<foreignObject>``, ``<desc>``, ``<mi>``…): tables, forms, ruby, and elements that
  are closed in another order than they were opened;
- more than 100 elements deep in svg, math and templates; there, names longer than 64 bytes and a ``<font>`` or
  ``<annotation-xml>`` longer than 64 KiB, or one whose encoding is spelled with named references.

A start tag longer than 64 KiB is never matched. A script that a later ``<frameset>`` removes from the document again
has been made, and counts. What scripts write with ``document.write`` cannot be known.
"""

from viafoura_mw.page.html.scanner import Cut, Scanner, find, last_mention
from viafoura_mw.page.html.start_tag import MAX_TAG, PLATFORM, Attribute, attributes, is_platform, with_session

__all__ = [
    "MAX_TAG",
    "PLATFORM",
    "Attribute",
    "Cut",
    "Scanner",
    "attributes",
    "find",
    "is_platform",
    "last_mention",
    "with_session",
]
