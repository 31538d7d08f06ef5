"""A value of each process's own, made when it is first asked for."""

import os
import threading

import pytest

from viafoura_mw.per_process import PerProcess


def test_makes_its_value_once_and_not_before_it_is_asked() -> None:
    """What is prepared before a fork has nothing that a fork could break."""
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    here = PerProcess(make)
    assert not made

    assert here.get() is here.get() is made[0]
    assert len(made) == 1


def test_gives_two_threads_that_ask_first_the_same_value() -> None:
    """Both may make one; the one that comes second is dropped."""
    both = threading.Barrier(2, timeout=10.0)

    def make() -> object:
        both.wait()
        return object()

    here, got = PerProcess(make), []
    threads = [threading.Thread(target=lambda: got.append(here.get())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got[0] is got[1] is here.get()


def test_makes_another_value_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps none of its parent's: a child of a child would inherit them all."""
    here = PerProcess(object)
    parents = here.get()

    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert here.get() is not parents
    assert len(here._values) == 1
