"""The three answers to "who is it" are values that show nothing of a user."""

import dataclasses

import pytest

from viafoura_mw.user.user import Nobody, NotKnown, Reading, User


def test_shows_nothing_of_a_user() -> None:
    """A log or a traceback shows no id, name or address."""
    assert repr(User("ann", "Ann Example", "ann@site.example")) == "<User>"


def test_is_the_same_user_whether_the_details_are_complete_or_not() -> None:
    """What could not be read is no change."""
    assert User("ann", "Ann", complete=False) == User("ann", "Ann")
    assert User("ann", "Ann").complete


@pytest.mark.parametrize("answer", [User("ann", "Ann"), Nobody(), Nobody(laid_out=False), NotKnown()])
def test_never_changes(answer: Reading) -> None:
    """A reading is handed from thread to thread."""
    for field in dataclasses.fields(answer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(answer, field.name, None)
    assert answer == dataclasses.replace(answer)


def test_nobody_says_where_they_were_looked_for() -> None:
    """A place that was laid out and is empty says more than a key that is merely missing."""
    assert Nobody() == Nobody(laid_out=True) != Nobody(laid_out=False)
