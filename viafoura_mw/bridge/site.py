"""The bridge of one site in one process: its three addresses, its pages, and what they are made with."""

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from typing import Final, NamedTuple

from viafoura_mw.bridge.answers import LOGOUT, SCRIPT, SESSION
from viafoura_mw.bridge.holding import Holding
from viafoura_mw.bridge.page import HeldScripts
from viafoura_mw.bridge.policies import Policies
from viafoura_mw.bridge.script import BridgeScript
from viafoura_mw.bridge.shared import SharedExchange
from viafoura_mw.bridge.sharing import Conditions, conditions, suffix_of
from viafoura_mw.log import Notices

NAMES: Final = (SCRIPT, SESSION, LOGOUT)


class Previewed(NamedTuple):
    """A bridged page, ``None`` where it is left, with what would become of it and the scripts that do not wait."""

    page: bytes | None
    outcome: str
    left: list[tuple[bytes, str]]


class Bridge:
    """What concerns the bridge, and what is done about it.

    ``pages``: globs of the paths that are bridged; none where the addresses are only to answer. ``path``: the bridge's
    address. ``scripts``: globs of the ``src`` of what is held with the tag. ``user_path``: the path of the application
    that is asked who is reading; empty for the one that was asked. ``debug``: whether responses say in a header what
    was done to them. ``told``: who is told the same, in a word.
    """

    def __init__(
        self,
        *,
        pages: Iterable[str],
        path: str,
        scripts: Iterable[str],
        user_path: str,
        script: BridgeScript,
        notices: Notices,
        debug: bool = False,
        told: Callable[[str], object] | None = None,
    ) -> None:
        self.script: BridgeScript = script
        self.user_path: str = user_path
        self._names = {path + name: name for name in NAMES}
        globs = [*pages]
        self._pages = re.compile("|".join(map(translate, globs))) if globs else None
        self._holding = Holding(scripts, path, script)
        self._suffix = suffix_of(script.digest)
        self._notices = notices
        self._debug = debug
        self._told = told

    def name_of(self, path: str) -> str | None:
        """Which of the bridge's addresses a whole decoded path is."""
        return self._names.get(path)

    def bridges(self, path: str) -> bool:
        """Whether the page of a whole decoded path is the same for everybody."""
        return self._pages is not None and self._pages.fullmatch(path) is not None

    def conditions(self, method: str, fields: Mapping[str, str], *, wants_html: bool) -> Conditions:
        """What the application sees of the conditions of a request for such a page."""
        return conditions(method, fields, self._suffix, wants_html=wants_html)

    def preview(self, page: bytes) -> "Previewed":
        """What would become of a page without a policy in its head."""
        scripts = HeldScripts(self._holding, None, Policies(), self._notices)
        pieces = [*scripts.rewritten(page), *scripts.completed()]
        return Previewed(b"".join(pieces) if scripts.is_set else None, scripts.outcome, scripts.left)

    def exchange(self, method: str, spelled: Mapping[str, str]) -> SharedExchange:
        """What happens to the response."""
        return SharedExchange(
            self._holding, self._suffix, self._notices, method, spelled, debug=self._debug, told=self._told
        )
