"""bridge.js as it is served: the settings put into it, and the digest by which pages and caches name it.

The script parks nothing itself: a bridged page comes with Viafoura's scripts held back by a ``type`` that no browser
runs (:data:`PARKED_TYPE`), and bridge.js lets them run once it knows who is reading.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: The ``type`` by which a script is held, and the attribute that keeps the ``type`` that stood in its place.
PARKED_TYPE: Final = "text/x-viafoura-parked"
OWN_TYPE_ATTRIBUTE: Final = "data-viafoura-type"

#: What an ``onerror`` of bridge.js's own script element runs: if bridge.js cannot be loaded, the held scripts run all
#: the same, those that the parser meets later when it has met all. It has neither ``"`` nor ``&`` nor ``<``.
ON_ERROR: Final = (
    "(function f(){if(document.readyState=='loading')document.addEventListener('readystatechange',f);"
    f"[].slice.call(document.querySelectorAll('script[type=\\'{PARKED_TYPE}\\']')).forEach(function(s){{"
    f"var p=s.parentNode,n=s.nextSibling,t=s.getAttribute('{OWN_TYPE_ATTRIBUTE}');if(!p)return;"
    f"t===null?s.removeAttribute('type'):s.setAttribute('type',t);s.removeAttribute('{OWN_TYPE_ATTRIBUTE}');"
    "if(!s.hasAttribute('async'))s.async=false;p.removeChild(s);p.insertBefore(s,n)})})()"
)

_SOURCE: Final = Path(__file__).with_name("bridge.js")
_PLACEHOLDER: Final = "SETTINGS"
_COMMENT_OR_INDENTATION: Final = re.compile(r"^ *(//.*\n|\n)?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BridgeScript:
    """What is served: ``digest`` has 16 hexadecimal digits, and changes with ``body`` and with what makes the page."""

    body: bytes = field(repr=False)
    digest: str


def rendered(
    *, path: str, wait: float, hint: Sequence[str] = (), login: str = "", logout: str = "", page: Iterable[str] = ()
) -> BridgeScript:
    """Put the settings into bridge.js.

    ``path``: the bridge's address. ``wait``: the seconds for which scripts are held at most. ``hint``: the names of
    cookies of which only a signed-in reader has one; none: every page asks. ``login``, ``logout``: the site's own
    pages, with ``{next}`` in them; empty: there is none. ``page``: what else makes a bridged page what it is, so that a
    page and its script are always of one version: the globs of the scripts that are held.
    """
    settings = {"path": path, "wait": round(wait * 1000), "hint": list(hint), "login": login, "logout": logout}
    source = _COMMENT_OR_INDENTATION.sub("", _SOURCE.read_text("utf-8"))
    body = source.replace(_PLACEHOLDER, script_json(settings), 1).encode("ascii")
    made = json.dumps([body.decode("ascii"), PARKED_TYPE, OWN_TYPE_ATTRIBUTE, ON_ERROR, *page])
    return BridgeScript(body, hashlib.sha256(made.encode("ascii")).hexdigest()[:16])


def script_json(value: object) -> str:
    """JSON in ASCII that can stand in any script: in a page's too, since it ends no element and opens no comment."""
    text = json.dumps(value, separators=(",", ":"))
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&"})
