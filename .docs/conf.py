"""Makes a site of these pages: ``sphinx-build -W .docs FOLDER``. They read as well where they lie."""

import os
import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

project = "viafoura-mw"
version = release = installed(project)
project_copyright = "the authors of viafoura-mw"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # a link may name a heading, as on GitHub
suppress_warnings = ["myst.header"]  # the README's first heading is the site's

html_theme = "furo"
html_title = project
html_static_path = ["../.pictures", "site.css"]
html_css_files = ["site.css"]
html_copy_source = html_show_sphinx = False

#: Where the repository is: as Read the Docs or GitHub Actions tell it. It is not written here, since forks have others.
_CLONED = os.environ.get("READTHEDOCS_GIT_CLONE_URL", "").removesuffix(".git")
_CHECKED_OUT = os.environ.get("GITHUB_SERVER_URL", "") + "/" + os.environ.get("GITHUB_REPOSITORY", "")
REPOSITORY = _CLONED or _CHECKED_OUT.strip("/")

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?!https?:|#)[^)\s]+)\)")


def _read(_: Any, name: str, content: list[str]) -> None:
    """The front page is the README; links that leave this folder lead to the repository."""
    folder = ROOT / ".docs"
    text = content[0]
    if name == "index":
        readme = (ROOT / "README.md").read_text("utf-8").replace('".pictures/', '"_static/')
        content[0] = f"{_LINK.sub(lambda found: _led(found, ROOT), readme)}\n{text}"
    else:
        content[0] = _LINK.sub(lambda found: _led(found, folder), text)


def _led(found: re.Match[str], folder: Path) -> str:
    """A link as the site has it; where nobody knows the repository's address, only its words."""
    path, _, heading = found[2].partition("#")
    target = (folder / path).resolve()
    if target.parent == ROOT / ".docs":
        return f"[{found[1]}]({target.name}{'#' if heading else ''}{heading})"
    return f"[{found[1]}]({REPOSITORY}/blob/HEAD/{target.relative_to(ROOT)})" if REPOSITORY else found[1]


def setup(app: Any) -> None:
    """Tell Sphinx what is done with each page before it is parsed."""
    app.connect("source-read", _read)
