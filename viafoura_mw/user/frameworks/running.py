"""Which applications have been made in this process."""

import gc
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

_K = TypeVar("_K", bound=Hashable)


def instances(*kinds_sought: type) -> list[Any]:
    """The instances of these kinds and their subclasses that are alive.

    Walks the garbage collector's objects once for all of them, without touching their reference counts: a forked
    process goes on sharing its memory with its parent. Objects that were frozen before the fork (``gc.freeze()``) are
    looked at too.
    """
    kinds = [*kinds_sought]
    for known in kinds:
        kinds += known.__subclasses__()
    frozen = gc.get_freeze_count() > 0
    if frozen:
        gc.unfreeze()
    referrers = gc.get_referrers(*kinds)
    if frozen:
        gc.freeze()
    # Of its type, not isinstance(): a lazy proxy's __class__ would be asked, and load what it stands for.
    return [referrer for referrer in referrers if issubclass(type(referrer), kinds_sought)]


def made_of(classes: Mapping[_K, type | None]) -> dict[_K, list[Any]]:
    """The instances of each of these ``classes`` that has any; ``None`` stands for one that is not imported."""
    kinds = {name: kind for name, kind in classes.items() if kind is not None}
    alive = instances(*kinds.values()) if kinds else []
    made = {name: [one for one in alive if issubclass(type(one), kind)] for name, kind in kinds.items()}
    return {name: found for name, found in made.items() if found}
