"""What ``.docs/versions.md`` says was run is what the scripts, the metadata, the workflow and tox run."""

import re
import tomllib

from tests.support.readme import ROOT

PAGE = (ROOT / ".docs/versions.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
VERSIONS = (ROOT / ".ci/versions").read_text("utf-8")
FRAMEWORKS = (ROOT / ".ci/frameworks").read_text("utf-8")


def column(name: str, number: int = 0) -> list[str]:
    """A column of the table between two markers."""
    table = PAGE.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    return [line.strip("|").split(" | ")[number].strip() for line in table.strip().splitlines()[2:]]


def test_each_python_has_its_row() -> None:
    """The classifiers name the Pythons of the table, and so do the workflow and tox."""
    pythons = list(dict.fromkeys(column("pythons")))
    classified = [
        each.removeprefix("Programming Language :: Python :: ")
        for each in PROJECT["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", each)
    ]
    workflow = (ROOT / ".github/workflows/versions.yml").read_text("utf-8")

    assert pythons == classified
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    assert pythons == re.findall(r'"(3\.\d+)"', workflow.partition("matrix:")[2].partition("steps:")[0])
    assert [f"py{each.replace('.', '')}" for each in pythons] == PROJECT["tool"]["tox"]["env_list"][:-1]
    assert f"for version in {' '.join(pythons)};" in VERSIONS


def test_each_lower_bound_is_told() -> None:
    """The page names the bounds that pip is told, and that the script installs."""
    told = [f"{name}>={bound}" for name, bound in zip(column("floors"), column("floors", 1), strict=True)]

    assert told == PROJECT["project"]["dependencies"]


def test_each_framework_has_its_row() -> None:
    """The page has the rows of the script, in its order."""
    assert column("frameworks") == re.findall(r"^seen (\S+)", FRAMEWORKS, re.MULTILINE)


def test_names_what_is_pinned() -> None:
    """FastAPI with its Starlette, and the WebAssembly build."""
    fastapi, starlette = re.findall(r"^fastapi=\"fastapi==(\S+) starlette==(\S+)\"", VERSIONS, re.MULTILINE)[0]
    pyodide = re.findall(r"^pyodide=(\S+)", VERSIONS, re.MULTILINE)[0]

    assert f"FastAPI {fastapi} with Starlette {starlette}" in PAGE
    assert f"pyodide {pyodide}" in PAGE
