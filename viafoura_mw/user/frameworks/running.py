"""Whether an application of a kind has been made in this process."""

import gc
from typing import Any


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
