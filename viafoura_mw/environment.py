"""The variables of a start: the process's own, those of its environment file, and those that secrets' files hold.

A file may be a pipe (``/dev/fd/63`` of a shell's ``<(…)``), which gives its text once: whoever reads the variables more
than once hands the same remembering ``read`` to each reading.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from viafoura_mw.dotenv import statements

ENV_FILE: Final = "VIAFOURA_ENV_FILE"
PREFIX: Final = "VIAFOURA_"

#: Gives the text of the file of that path; raises ``OSError`` or ``ValueError``.
Read = Callable[[str], str]

_NAME: Final = re.compile(r"\w+", re.ASCII)


def read_file(path: str) -> str:
    """The text of a file, without its byte order mark."""
    return Path(path).read_text("utf-8-sig")


def is_quoted(text: str) -> bool:
    """Whether a value still stands in the quotes that a shell would have taken off."""
    return len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"


def variables(
    environ: Mapping[str, str], problems: list[str], read: Read, secrets: Iterable[str] = ()
) -> dict[str, str]:
    """The ``VIAFOURA_*`` variables that are set and not empty: the environment's, then its file's.

    Each of ``secrets`` may be held by a file of its own, which ``<name>_FILE`` names. What is wrong is added to
    ``problems``.
    """
    return resolved(given(environ, problems, read), problems, read, secrets)


def given(environ: Mapping[str, str], problems: list[str], read: Read) -> dict[str, str]:
    """The ``VIAFOURA_*`` variables, as they are set: a secret that a file holds is still its file's name."""
    values = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text.strip()}
    if text := text_of(ENV_FILE, values, problems, read):
        return laid_over(_of_file(text, problems), values)
    return values


def laid_over(values: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """``values``, with ``own`` instead where they say otherwise; either form of a secret hides both."""
    hidden = {form for name in own for form in (name, f"{name}_FILE", name.removesuffix("_FILE"))}
    return {name: text for name, text in values.items() if name not in hidden} | dict(own)


def resolved(values: Mapping[str, str], problems: list[str], read: Read, secrets: Iterable[str] = ()) -> dict[str, str]:
    """``values`` that are not empty, with the secrets that files hold."""
    values = {name: text for name, text in values.items() if text.strip()}
    for name in secrets:
        if f"{name}_FILE" in values and name in values:
            problems.append(f"{name} and {name}_FILE are both set: keep one of them")
        elif path := _path(f"{name}_FILE", values, problems):
            values[name] = _secret(f"{name}_FILE", path, problems, read)
    return values


def text_of(name: str, values: Mapping[str, str], problems: list[str], read: Read) -> str:
    """The text of the file that a variable names; empty where there is none, or none that can be read."""
    path = _path(name, values, problems)
    return _text(name, path, problems, read) if path else ""


def _path(name: str, values: Mapping[str, str], problems: list[str]) -> str:
    path = values.get(name, "").strip()
    if is_quoted(path):
        problems.append(f"{name} is in quotes: leave them out")
        return ""
    return path


def _of_file(text: str, problems: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for statement in statements(text):
        name = statement.name
        # "VIAFOURA_API_KEY:secret==" has a name too, which would be told as unknown.
        if not name or (name.startswith(PREFIX) and not _NAME.fullmatch(name)):
            problems.append(f"{ENV_FILE}: line {statement.number} of the file is not NAME=value")
        elif name.startswith(PREFIX):
            values[name] = statement.value
    return {name: text for name, text in values.items() if text.strip()}


def _secret(name: str, path: str, problems: list[str], read: Read) -> str:
    known = len(problems)
    secret = _text(name, path, problems, read).strip()
    if not secret and len(problems) == known:
        problems.append(f"{name} names an empty file")
    return secret


def _text(name: str, path: str, problems: list[str], read: Read) -> str:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        problems.append(f"{name} names a file that cannot be read ({type(error).__name__})")
        return ""
