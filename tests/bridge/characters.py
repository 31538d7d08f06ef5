"""What is not known of Viafoura's script, each at least once: the switches of the simulated one, in few sets."""

from typing import Final

import pytest

from viafoura_mw.testing import Widget

CHARACTERS: Final = {
    "plain": Widget(),
    "deaf": Widget(reads_tag=False, logout_by_call=False),
    "loud": Widget(logout_at_boot=True, logout_twice=True, wants="needed", prepublish="one", reset_rereads=True),
    "asking": Widget(dead_pair="asks", logout_at_boot=True),
    "expiring": Widget(dead_pair="logout", logout_twice=True, slow=0.2),
}

BOTH_APIS = pytest.mark.parametrize("api", ["new", "old"])
BOTH_BROWSERS = pytest.mark.parametrize("reader", ["chromium", "firefox"], indirect=True)
EACH_CHARACTER = pytest.mark.parametrize("character", CHARACTERS)
