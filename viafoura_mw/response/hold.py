"""How many bytes of pages may be held back: by the process, and by one user or peer of it.

A page is held while its tag is looked for, and while its user is logged in. Whoever makes many such pages at once, and
reads them slowly, must not use up what other visitors' pages need.
"""

import threading
from typing import Final

MAX_HELD: Final = 64 * 1024 * 1024  # bytes held in one process
MAX_HELD_BY_ONE: Final = 8 * 1024 * 1024  # bytes held for one user or, while the user is not known, for one peer


class HoldBudget:
    """The bytes that are held back in all, and for each holder; safe with threads.

    A holder is named by any hashable value. Holders that hold nothing are not remembered. ``within``: the budget of
    which this one is a part, as a site's is of its process's.
    """

    def __init__(
        self, size: int = MAX_HELD, share: int = MAX_HELD_BY_ONE, *, within: "HoldBudget | None" = None
    ) -> None:
        self._left = size
        self._share = share
        self._within = within
        self._held: dict[object, int] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """The bytes that are held now, by all holders."""
        with self._lock:
            return sum(self._held.values())

    def take(self, size: int, holder: object) -> bool:
        """Take ``size`` bytes for ``holder``; ``False`` where there are not so many left, in all or for the holder."""
        with self._lock:
            held = self._held.get(holder, 0) + size
            if size > self._left or held > self._share:
                return False
            if self._within is not None and not self._within.take(size, id(self)):
                return False
            if size:
                self._left -= size
                self._held[holder] = held
            return True

    def give_back(self, size: int, holder: object) -> None:
        """Return what ``holder`` has taken."""
        with self._lock:
            self._left += size
            held = self._held.pop(holder, 0) - size
            if held > 0:
                self._held[holder] = held
        if self._within is not None:
            self._within.give_back(size, id(self))
