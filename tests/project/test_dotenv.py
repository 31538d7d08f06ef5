"""The environment file's text: read as python-dotenv reads it, and never quoted."""

import io

import pytest
from dotenv.parser import parse_stream
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.thoroughness import tries
from viafoura_mw.dotenv import Statement, statements

#: Whole words of the grammar, and the characters at which its rules part.
PIECES = (
    *("A", "VIAFOURA_B", "'C d'", "export ", "export\t", "=", " = ", "=  ", "#", " # x", "\n", "\r\n", "\r", "\n\n"),
    *("'", '"', "\\'", '\\"', "\\\\", "\\n", "\\t", "\\a", "\\v", "\\x41", "\\", "$", "${A}", "v", "a b", " ", "\t"),
    *("é", "\u00a0", "\u2028", "\x1c", "\x0b", "\x0c", "\ufeff", "''", '""', "'x'", '"x y"', ":", "base64=="),
)
FILES = st.lists(st.sampled_from(PIECES), max_size=24).map("".join) | st.text(max_size=40)


def theirs(text: str) -> list[tuple[str, str] | None]:
    """What python-dotenv reads: names with values, ``None`` for each line that is none."""
    found: list[tuple[str, str] | None] = []
    for binding in parse_stream(io.StringIO(text, newline="")):
        if binding.error or (binding.key is not None and binding.value is None):
            found.append(None)
        elif binding.key is not None and binding.value is not None:
            found.append((binding.key, binding.value))
    return found


def ours(text: str) -> list[tuple[str, str] | None]:
    return [(each.name, each.value) if each.name else None for each in statements(text)]


@settings(max_examples=tries(2000))
@given(FILES)
@example("A='x\ny' junk\nB=1")
@example("export =x\nexport=y")
@example("A=#b\nA= #b\nA=b#c # d")
@example("A='\\\\'\nB='\\'")
@example('A="\nB="x"')
def test_reads_what_python_dotenv_reads(text: str) -> None:
    """Every text gives the same names and values, and is wrong at the same places.

    A name without ``=`` is wrong here alone: python-dotenv gives it no value. Texts of more than some dozens of
    characters are not reached.
    """
    assert ours(text) == theirs(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("secret", 1),
        ("# comment\n\n  secret\nA=1", 3),
        ("A='1\n2\n3'\nsecret", 4),
        ("A=1\r\nsecret\r\n", 2),
        ("A=1\rsecret", 2),
        ("A='x\ny' secret", 1),
        ('A="secret', 1),
        ("A: secret==", 1),
        ("A", 1),
        ("=secret", 1),
        ("'' = secret", 1),
    ],
)
def test_tells_a_wrong_line_by_its_number(text: str, number: int) -> None:
    """The number is that of the line in which the wrong statement begins, and is all that is known of it."""
    (wrong,) = [statement for statement in statements(text) if not statement.name]
    assert wrong == Statement(number)


def test_has_no_value_in_its_repr() -> None:
    """A statement of the file may be a secret's."""
    assert "secret" not in repr([*statements("A=secret")])


def test_is_linear() -> None:
    """A megabyte of blanks, of names, of escapes: each is read in one go."""
    assert len([*statements("A='" + "\\'" * 10**6)]) == 1
    for text in (" " * 10**6, "a" * 10**6, "A=x" + " " * 10**6 + "y", "A='" + "\\'" * 10**6 + "'", "A=1\n" * 10**5):
        assert len([*statements(text)]) <= 10**5
