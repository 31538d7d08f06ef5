"""Content security policies (CSP Level 3): whether bridge.js may run in a page, and ask.

A page in which neither bridge.js nor its ``onerror`` can run would lose its comments, so that a policy must surely let
them. Host names in it count for nothing: a bridged page knows no host, since nothing of the request decides.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from viafoura_mw.bridge.references import value_of

Directives = Mapping[str, tuple[str, ...]]

_OF_ELEMENTS: Final = ("script-src-elem", "script-src", "default-src")
_OF_HANDLERS: Final = ("script-src-elem", "script-src-attr", "script-src", "default-src")
_OF_QUESTIONS: Final = ("connect-src", "default-src")
_OWN_ORIGIN: Final = frozenset(("'self'", "*", "https:", "http:"))
_STRICT: Final = "'strict-dynamic'"
_SPACE: Final = re.compile("[\t\n\f\r ]+")


class Policies:
    """The policies of one page: those of its head, and those that its ``<meta>`` add ahead of the tag.

    ``headers``: the values of ``Content-Security-Policy``, each of which may hold several, separated by commas.
    """

    def __init__(self, headers: Iterable[str] = ()) -> None:
        self._all = [_directives(policy) for value in headers for policy in value.split(",") if policy.strip()]

    def note(self, meta: bytes) -> None:
        """Read the start tag of a ``<meta>``."""
        if b"http-equiv" in meta.lower() and (value_of(meta, b"http-equiv") or "").lower() == "content-security-policy":
            self._all.append(_directives(value_of(meta, b"content") or ""))

    @property
    def govern_handlers(self) -> bool:
        """Whether one of them says anything of scripts, so that an ``onerror`` may be refused, or reported."""
        return any(name in policy for policy in self._all for name in _OF_HANDLERS)

    def allow(self, nonce: str) -> bool:
        """Whether a script of the page's own origin, with this ``nonce``, surely runs and may ask its origin."""
        return all(_may_run(policy, nonce) and _may_ask(policy) for policy in self._all)


def _directives(policy: str) -> Directives:
    """The directives by lower-case name; of two of one name the first counts (CSP3 §2.2.1)."""
    found: dict[str, tuple[str, ...]] = {}
    for part in policy.split(";"):
        name, *values = _SPACE.sub(" ", part).strip().split(" ")
        found.setdefault(name.lower(), tuple(values))
    return found


def _first(policy: Directives, names: Iterable[str]) -> tuple[str, ...] | None:
    return next((policy[name] for name in names if name in policy), None)


def _may_run(policy: Directives, nonce: str) -> bool:
    sources = _first(policy, _OF_ELEMENTS)
    if sources is None:
        return True
    if nonce and any(each[:7].lower() == "'nonce-" and each[7:] == f"{nonce}'" for each in sources):
        return True
    words = {each.lower() for each in sources}
    return _STRICT not in words and not words.isdisjoint(_OWN_ORIGIN)


def _may_ask(policy: Directives) -> bool:
    sources = _first(policy, _OF_QUESTIONS)
    return sources is None or not {each.lower() for each in sources}.isdisjoint(_OWN_ORIGIN)
