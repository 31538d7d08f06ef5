"""The simulated Viafoura as the demo shows it: what it was asked, whose sessions are whose, and its moods."""

import time
from collections.abc import Sequence
from typing import Final

from viafoura_mw.demo.site import Call
from viafoura_mw.testing import Call as Received
from viafoura_mw.testing import Fault, SimulatedViafoura

SHOWN: Final = 20  # of the latest calls
SLOWNESS: Final = 5.0  # seconds

_FAULTS: Final = {"slow": Fault.delay(SLOWNESS), "failing": Fault.status(500), "gone": Fault.refuse()}


class Behind:
    """Looks at a simulated Viafoura, and changes its mood."""

    def __init__(self, viafoura: SimulatedViafoura) -> None:
        self._viafoura = viafoura
        self._mood = "well"

    @property
    def mood(self) -> str:
        """How Viafoura is, of :data:`viafoura_mw.demo.pages.MOODS`."""
        return self._mood

    def become(self, mood: str) -> None:
        """Make Viafoura so from now on."""
        self._viafoura.heal()
        if mood in _FAULTS:
            self._viafoura.fail("all", _FAULTS[mood])
        self._mood = mood

    def calls(self) -> Sequence[Call]:
        """The latest calls, oldest first."""
        return [_shown(call) for call in self._viafoura.calls[-SHOWN:]]

    def name_of(self, user_id: str, session: str) -> str | None:
        """The name of the user whose living session this is, if it is this user's."""
        owner = self._viafoura.sessions.get(session)
        if owner is None or str(owner) != user_id:
            return None
        return next(account.name for account in self._viafoura.users.values() if account.user_id == owner)


def _shown(call: Received) -> Call:
    at = time.strftime("%H:%M:%S", time.localtime(call.when))
    return Call(at, call.kind, _about(call), call.status or 0)


def _about(call: Received) -> str:
    """What a call was about; of a session only its beginning."""
    match call.kind:
        case "token":
            return "for this site"
        case "login":
            return ", ".join(call.form[field] for field in ("id", "name", "email") if field in call.form)
        case "logout":
            return f"session {call.form.get('session', '')[:6]}…"
    return ""
