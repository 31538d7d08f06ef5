"""A value that belongs to one process: threads, locks, sockets and tables must not be used by a fork's child."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class PerProcess(Generic[_T]):
    """Makes a value when a process first asks for it; a child of a fork asks anew.

    There is no lock: a lock that a fork copies while a thread of the parent holds it is held for ever in the child.
    So two threads that ask first at one time may both make a value. Both get the same one, and the other is dropped:
    to make a value must start and open nothing.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._values: dict[int, _T] = {}  # by process id; of an older process at most until the value is made here

    def get(self) -> _T:
        """This process's value."""
        pid = os.getpid()
        value = self._values.get(pid)
        if value is None:
            value = self._values.setdefault(pid, self._make())
            self._values = {pid: value}
        return value
