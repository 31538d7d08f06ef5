"""What is kept of a response until its head may leave, and whose share of the budget that takes."""

from typing import Any

from viafoura_mw.page.rewriter import Page
from viafoura_mw.response.hold import HoldBudget


class Kept:
    """What is kept of a response whose head concerns us, until its head may leave."""

    __slots__ = (
        "_budget",
        "_holder",
        "_reserved",
        "began",
        "came",
        "complete",
        "items",
        "last",
        "length",
        "over",
        "page",
        "until",
    )

    def __init__(self, page: Page, length: int | None, until: float, budget: HoldBudget) -> None:
        self.page: Page = page
        self.length: int | None = length  # if it is declared
        self.until: float = until  # when the hold is over
        self.items: list[tuple[bytes | None, Any]] = []  # None: no part of the body, and stays where it came
        self.came: int = 0  # bytes
        self.began: bool = False
        self.last: bool = False  # the application has said that the last chunk has come
        self.complete: bool = False
        self.over: bool = False  # the hold
        self._budget = budget
        self._reserved = 0  # bytes of it
        self._holder: object = None

    def chunks(self) -> list[bytes]:
        """The bytes that came, as the application cut them."""
        return [data for data, _ in self.items if data is not None]

    def _joined(self) -> bytes:
        """All the bytes that came."""
        chunks = self.chunks()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def take(self, data: bytes, item: Any, *, last: bool) -> None:
        """Keep the next chunk; ``item`` is what leaves where it leaves as it came, ``None`` for the end alone."""
        if item is not None:
            self.items.append((data, item))
        self.came += len(data)
        self.last = last
        self.complete = last or self.came == self.length
        if self.complete and not self.began:
            self.page.look_at_whole(self._joined())
        elif data:
            self.page.look_at(data)
        self.began = self.began or bool(data) or self.complete

    def reserve(self, holder: object) -> bool:
        """Reserve what is kept by now for ``holder``; what another held of it is given back."""
        if holder != self._holder:
            self.let_go()
            self._holder = holder
        size = self.came - self._reserved
        if not self._budget.take(size, holder):
            return False
        self._reserved += size
        return True

    def let_go(self) -> None:
        """Give back what was reserved; may be called more than once."""
        if self._reserved:
            self._budget.give_back(self._reserved, self._holder)
            self._reserved = 0
