"""A short soak, bounded by its pages: many browsers at once, through both doors, while Viafoura fails at random."""

import pytest

from tests.soak import Soak


@pytest.mark.parametrize("seed", [1, 2])
def test_every_page_is_complete_and_carries_its_own_user_s_session(seed: int) -> None:
    """No page is lost or carries another's or an ended session, and nothing is left behind."""
    soak = Soak(pages=3000, seconds=None, seed=seed, threads=8, tasks=60)

    soak.run(lambda _: None)

    assert soak.figures.violations == []
    assert soak.figures.counts["pages with a pair"] > 300
