"""``.docs/recipes.md``, taken apart: each recipe's block, by its heading."""

import re
import shlex
from dataclasses import dataclass
from typing import Final

from tests.support.readme import ROOT

PAGE: Final = (ROOT / ".docs/recipes.md").read_text("utf-8")
_SECTION: Final = re.compile(r"^### (?P<title>.+)\n(?P<text>(?:(?!^##).*\n)*)", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """What a recipe says is to be set, and the ``line`` that starts the site; that is empty where it names none.

    ``code``: what it adds to the site, if anything.
    """

    variables: dict[str, str]
    line: list[str]
    code: str = ""


def _recipe(block: str, code: re.Match[str] | None) -> Recipe:
    variables: dict[str, str] = {}
    words: list[str] = []
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["export"]:
            variables.update((name, value) for name, _, value in (word.partition("=") for word in words[1:]))
            words = []
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    return Recipe(variables, words, code[1] if code else "")


#: By their headings.
RECIPES: Final = {
    section["title"]: _recipe(block[1], _CODE.search(section["text"]))
    for section in _SECTION.finditer(PAGE)
    if (block := _BLOCK.search(section["text"]))
}
