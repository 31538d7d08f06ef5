"""One line of ``viafoura-mw check``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was checked, how it ended, and in a sentence what was found or what to change.

    ``details`` are for programs: what ``--json`` has besides.
    """

    subject: str
    state: State
    sentence: str
    details: dict[str, Any] = field(default_factory=dict)


Checks = Iterator[Check]


def each(subject: str, state: State, sentences: Iterable[str]) -> Checks:
    """A check of one state for each sentence."""
    return (Check(subject, state, sentence) for sentence in sentences)
