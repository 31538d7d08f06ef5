"""The orderly end of a process: what it still owes Viafoura is done before it is gone, for two seconds at most.

Logouts are made by daemon threads. Such threads end with the process, wherever they are, and must: a call that hangs
would else keep a worker alive for as long. So something must wait for them in an orderly end, and for no longer than
is bearable. ``threading._register_atexit``, by which :mod:`concurrent.futures` waits for its threads, is private, and
runs before the site's own threads are joined, which may still serve a request that signs somebody out. The
interpreter calls :mod:`atexit` after that, while daemon threads still run. At that time some versions of Python start
no thread any more, so whoever waits also lends a hand: the calls that no thread has begun are made by the main thread.

A child that :mod:`multiprocessing` forked ends by ``os._exit``, without :mod:`atexit`: it runs the *finalizers* of
:mod:`multiprocessing.util` instead.

A process that is killed by a signal, as by a SIGTERM that nobody handles, has no orderly end. Servers handle it;
uvicorn raises it once more when it has shut down, so that an ASGI application's last moment is ``lifespan.shutdown``.
"""

import atexit
import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from viafoura_mw.per_process import PerProcess

LAST_SECONDS: Final = 2.0


class Owing(Protocol):
    """Who owes something that must be done before the process ends."""

    def hasten(self, seconds: float) -> None:
        """Know that the process ends in so many seconds: rest no more, and begin nothing that takes longer."""
        ...

    def work_off(self, seconds: float) -> None:
        """Do what is owed, or wait for whoever does it, for so many seconds at most."""
        ...


def at_exit(run: Callable[[], object]) -> None:
    """Have ``run`` called when this process ends in order."""
    atexit.register(run)
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
        util.Finalize(None, run, exitpriority=0)


class OrderlyEnd:
    """Those of one process who owe something. ``clock``: seconds that only grow. ``register``: see :func:`at_exit`."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        register: Callable[[Callable[[], object]], object] = at_exit,
    ) -> None:
        self._clock = clock
        self._register = register
        self._owing: dict[int, Owing] = {}
        self._pid = 0  # of the process in which this object is registered

    def owes(self, who: Owing) -> None:
        """Note that ``who`` owes something."""
        self._owing[id(who)] = who
        if not self._pid:
            self._pid = os.getpid()
            self._register(self.run)

    def owes_nothing(self, who: Owing) -> None:
        """Note that ``who`` owes nothing any more."""
        self._owing.pop(id(who), None)

    def run(self) -> None:
        """Have everything done that is owed. Raises nothing; costs nothing where nothing is owed."""
        if os.getpid() != self._pid:
            return  # the parent's, of which a fork has left a copy
        until = self._clock() + LAST_SECONDS
        owing = list(self._owing.values())
        with contextlib.suppress(Exception):
            for who in owing:
                who.hasten(LAST_SECONDS)
            for who in owing:
                who.work_off(until - self._clock())


#: This process's, whatever number of sites it serves: the two seconds are for all of them together.
ORDERLY_END: Final = PerProcess(OrderlyEnd)
