"""What is loaded at most once, even if that fails: a database that is down is not asked for each field again."""

from collections.abc import Callable
from typing import Any


class Once:
    """Calls ``load`` the first time that it is called, and gives or raises what came of that ever after."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._outcome: tuple[Any, Exception | None] | None = None

    def __call__(self) -> Any:
        if self._outcome is None:
            try:
                self._outcome = self._load(), None
            except Exception as error:
                self._outcome = None, error
        value, failure = self._outcome
        if failure is not None:
            raise failure
        return value
