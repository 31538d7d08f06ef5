"""Where a value about the user is read: ``kind:step/step|kind:step``, parsed once and resolved per response.

Each step tries an item, then an attribute. Reading never writes: mappings are asked with ``in`` first, so that a
``defaultdict`` does not grow, and only three well-known methods of a user object are ever called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KINDS: Final = ("environ", "scope", "header", "user", "response")
CALLABLE: Final = ("get_full_name()", "get_username()", "get_id()")


@dataclass(frozen=True, slots=True)
class Source:
    """One place to read from: a ``kind`` of :data:`KINDS` and the ``steps`` down from there."""

    kind: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{'/'.join(self.steps)}"


def parse(text: str) -> tuple[Source, ...]:
    """Parse ``kind:step/step|…`` into its alternatives.

    Raises ``ValueError`` with a sentence that says what to change.
    """
    return tuple(_parse_one(alternative.strip()) for alternative in text.split("|"))


def _parse_one(text: str) -> Source:
    kind, colon, path = text.partition(":")
    if not colon or kind not in KINDS:
        raise ValueError(f"a source begins with one of {', '.join(k + ':' for k in KINDS)}")
    steps = tuple(path.split("/"))
    if not all(steps):
        raise ValueError(f"a step of {kind}: is empty; write {kind}:name or {kind}:name/name")
    for step in steps:
        if step.startswith("__"):
            raise ValueError("a step may not begin with two underscores")
        if step.endswith("()") and (kind != "user" or step not in CALLABLE):
            raise ValueError(f"only {', '.join(CALLABLE)} of a user: source are called")
    if kind in ("header", "response") and (len(steps) != 1 or not _is_field_name(steps[0])):
        raise ValueError(f"{kind}: takes the name of one header")
    return Source(kind, (path.lower(),) if kind == "response" else steps)


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
    return None if bound is None else bound()


def _down(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        if step in value:
            return value[step]
    elif not isinstance(value, str | bytes) and hasattr(type(value), "__getitem__"):
        try:
            return value[step]
        except (LookupError, TypeError):
            pass
    return getattr(value, step, None)
