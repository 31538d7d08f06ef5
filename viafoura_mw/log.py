"""Log lines for operators: each kind at most once a minute, none with a secret or anything of a user's.

A site's filters, handlers and formatters run in whatever thread a line is logged: one that needs a request, or raises
where there is none, must not break the page that was only to be told about.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

LOGGER: Final = logging.getLogger("viafoura_mw")
INTERVAL: Final = 60.0  # seconds between two lines of one kind


def say(level: int, sentence: str, *values: object, event: str = "", site: str = "") -> None:
    """Log ``sentence % values`` at ``level``; never raises, whatever the site has hung on the logger.

    The record says in ``viafoura_event`` what happened, by a name that stays when its sentence is put better, and in
    ``viafoura_site`` to which of several sites. An interruption of the process or of the task (``KeyboardInterrupt``, a
    cancellation) is not the logger's, and passes.
    """
    with contextlib.suppress(Exception, SystemExit):
        LOGGER.log(level, sentence, *values, extra={"viafoura_event": event, "viafoura_site": site})


class Notices:
    """Says a thing on logger ``viafoura_mw``, unless it said a thing of that kind within the last minute.

    ``site`` begins each sentence, where there are several. No lock: one that a fork copies while it is held is held for
    ever; at worst two threads say a thing at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, site: str = "") -> None:
        self._clock = clock
        self._site = site
        self._said: dict[str, float] = {}

    def tell(self, kind: str, level: int, sentence: str, *values: object) -> None:
        """Log ``sentence % values`` at ``level``; ``kind`` names what is limited to one line a minute.

        A kind is an event, or one of several of an event, as ``hook:django``.
        """
        now = self._clock()
        if now - self._said.get(kind, float("-inf")) < INTERVAL:
            return
        self._said[kind] = now
        if self._site:
            sentence = f"{self._site.replace('%', '%%')}: {sentence}"
        say(level, sentence, *values, event=kind.partition(":")[0], site=self._site)
