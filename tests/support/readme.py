"""The README and the pages of ``.docs/``, taken apart."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
#: Every page that users and developers read, by its path.
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / ".docs").glob("*.md")))
    if path.name != "index.md"  # the site's list of pages
}
#: What contributors read besides.
PORCH = [str(path.relative_to(ROOT)) for path in (ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").glob("*.md")))]
#: All of the pages, as one text.
PROSE = "\n".join(PAGES.values())

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    """A page of ``.docs/``, by its name without the suffix."""
    return PAGES[f".docs/{name}.md"]


def blocks(language: str, text: str = README) -> list[str]:
    """The blocks of code of a page that say they are in ``language``."""
    return [block for found, block in _BLOCK.findall(text) if found == language]


def headings(text: str) -> set[str]:
    """The names by which links lead to a page's headings, as GitHub makes them."""
    outside = _BLOCK.sub("", text)
    found = re.findall(r"^#+ (.*)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in found}


def table(name: str, text: str) -> dict[str, list[str]]:
    """A table between two markers: the cells of each row by its first."""
    section = text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.strip().splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}
