"""How much the tests try: everything in CI, something of each kind where a developer waits for them.

``HYPOTHESIS_PROFILE`` says which, ``ci`` or ``inner``; where it is not set, ``CI`` does. What the inner loop leaves out
is said where a test is written: cases that are multiplied by :data:`matrix`, numbers of tries by :func:`tries`.
"""

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import hypothesis
import pytest

Case = TypeVar("Case", bound=Hashable)

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "inner")
TRIES_EVERYTHING: Final = PROFILE == "ci"

#: For a test that is parametrized more than once: the inner loop tries each value of each argument, not all pairs.
matrix = pytest.mark.matrix

# No test depends on how busy the machine is.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.register_profile("inner", deadline=None, max_examples=10)


def tries(count: int) -> int:
    """So many tries in CI, a tenth of them in the inner loop."""
    return count if TRIES_EVERYTHING else max(1, count // 10)


def sampled(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests without those cases of a :data:`matrix` whose values others have."""
    kept: list[pytest.Item] = []
    matrices: dict[str, list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker(matrix.name):
            matrices.setdefault(item.nodeid.partition("[")[0], []).append(item)
        else:
            kept.append(item)
    for cases in matrices.values():
        # By identity: some values are functions, and some equal others.
        kept += of_each_value(
            {case: [(name, id(value)) for name, value in case.callspec.params.items()] for case in cases}
        )
    return kept


def of_each_value(cases: Mapping[Case, Sequence[Hashable]]) -> Iterator[Case]:
    """Cases that together have each value that any has, those first whose values are the rarest so far."""
    tried: Counter[Hashable] = Counter()
    values = {**cases}
    while missing := {value for each in values.values() for value in each} - tried.keys():
        case = max(values, key=lambda each: (len(missing.intersection(values[each])), -_uses(values[each], tried)))
        tried.update(values.pop(case))
        yield case


def _uses(values: Sequence[Hashable], tried: Counter[Hashable]) -> int:
    return sum(tried[value] for value in values)
