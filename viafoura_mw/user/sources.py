"""Where a value about the user is read: ``kind:step/step|kind:step``, parsed once and resolved per response.

Each step tries an item, then an attribute. Reading never writes: mappings are asked with ``in`` first, so that a
``defaultdict`` does not grow, and only three well-known methods of a user object are ever called.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KINDS: Final = ("environ", "scope", "header", "user", "response")
CALLABLE: Final = ("get_full_name()", "get_username()", "get_id()")

#: What a response cannot do without: a ``response:`` header is removed from every response.
_NEEDED: Final = ("cache-control", "location", "set-cookie", "transfer-encoding", "vary", "www-authenticate")


@dataclass(frozen=True, slots=True)
class Source:
    """One place to read from: a ``kind`` of :data:`KINDS` and the ``steps`` down from there."""

    kind: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{'/'.join(self.steps)}"


def parse(text: str) -> tuple[Source, ...]:
    """Parse ``kind:step/step|…`` into its alternatives.

    Raises ``ValueError`` with the end of a sentence that begins with what ``text`` is.
    """
    return tuple(_parse_one(alternative.strip()) for alternative in text.split("|"))


def _parse_one(text: str) -> Source:
    kind, colon, path = text.partition(":")
    if not colon or kind not in KINDS:
        raise ValueError(f"has {text!r}, which begins with none of {', '.join(k + ':' for k in KINDS)}")
    steps = tuple(step.strip() for step in path.split("/"))
    if not all(steps):
        raise ValueError(f"has {text!r}, where a step is empty: write {kind}:name or {kind}:name/name")
    for step in steps:
        if step.startswith("__"):
            raise ValueError(f"has {text!r}, where a step begins with two underscores")
        if step.endswith("()") and (kind != "user" or step not in CALLABLE):
            raise ValueError(f"has {text!r}, but only {', '.join(CALLABLE)} of a user: source are called")
    if kind not in ("header", "response"):
        return Source(kind, steps)
    if len(steps) != 1 or not _is_field_name(steps[0]):
        raise ValueError(f"has {text!r}, which is not the name of one header, with hyphens")
    name = steps[0].lower() if kind == "response" else steps[0]
    if kind == "response" and (name in _NEEDED or name.startswith("content-")):
        raise ValueError(f"has {text!r}, a header that the response needs: let the site set one for this alone")
    return Source(kind, (name,))


def _is_field_name(text: str) -> bool:
    """Whether ``text`` is a header's name with hyphens only (an underscore spelling is how headers are forged)."""
    return text.isascii() and text.replace("-", "").isalnum()


def resolve(root: Any, steps: tuple[str, ...]) -> Any:
    """Follow ``steps`` down from ``root``; ``None`` where one is absent.

    Whatever the site's objects raise, but for an absent item or attribute, is passed on.
    """
    value = root
    for step in steps:
        if value is None:
            return None
        value = _call(value, step[:-2]) if step.endswith("()") else _down(value, step)
    return value


def _call(value: Any, method: str) -> Any:
    bound = getattr(value, method, None)
    return _at_once(bound()) if callable(bound) else None


def _down(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        if step in value:
            return value[step]
    elif not isinstance(value, str | bytes) and hasattr(type(value), "__getitem__"):
        try:
            return value[step]
        except (LookupError, TypeError):
            pass
    return attribute(value, step, None)


def attribute(value: Any, name: str, default: Any) -> Any:
    """An attribute of the site's object, or ``default``; raises ``TypeError`` where a property must be awaited."""
    found = getattr(value, name, default)
    is_made_for_us = inspect.iscoroutine(found) and isinstance(getattr(type(value), name, None), property)
    return _at_once(found) if is_made_for_us else found


def _at_once(made: Any) -> Any:
    """What was made for us, unless it must be awaited: then it is closed, so that nothing says that nobody did."""
    if inspect.iscoroutine(made):
        made.close()
        raise TypeError("must be awaited")
    return made
