"""The stand for every test of a failing Viafoura."""

from tests.support.faults import stands

__all__ = ["stands"]
