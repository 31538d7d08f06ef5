"""A simulated Viafoura over real HTTP on loopback, for this project's tests and for its users' own.

with SimulatedViafoura() as viafoura:
    settings = Settings.from_env(viafoura.environ())
    ...
    assert viafoura.count("login") == 1

    viafoura.fail("login", Fault.status(500), user="ann")  # and nobody else's
    viafoura.fail("all", Fault.delay(3.0))
    viafoura.heal()
"""

from viafoura_mw.testing.faults import Fault
from viafoura_mw.testing.service import Call
from viafoura_mw.testing.simulator import SimulatedViafoura, serve
from viafoura_mw.testing.widget import ScriptRequest, Widget, WidgetCall

__all__ = ["Call", "Fault", "ScriptRequest", "SimulatedViafoura", "Widget", "WidgetCall", "serve"]
