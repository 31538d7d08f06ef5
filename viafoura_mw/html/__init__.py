"""The finding and editing of the one start tag: bytes in, bytes out, no HTTP.

The tag is the first start tag from which a browser with scripting on makes an HTML ``script`` element whose id is
``viafoura-platform``. Pages are tokenized as WHATWG §13.2.5 says, with as much of tree construction (§13.2.6) as the
tokenizer's own states depend on.
"""

from viafoura_mw.html.scanner import Cut, Scanner, find
from viafoura_mw.html.start_tag import with_session

__all__ = ["Cut", "Scanner", "find", "with_session"]
