"""What whoever comes to the repository meets first: forms, workflows, and the README on a package index."""

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.readme import README, ROOT

yaml = pytest.importorskip("yaml")

GITHUB = ROOT / ".github"
REPOSITORY = "https://git.example/news/viafoura-mw"


def read(path: Path) -> Any:
    """A file of YAML, where ``on`` is no Boolean."""
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


class TestForms:
    """The issue forms."""

    def test_ask_for_what_check_says(self) -> None:
        """A fault cannot be reported without it."""
        fields = {field.get("id"): field for field in read(GITHUB / "ISSUE_TEMPLATE/fault.yml")["body"]}

        assert "viafoura-mw check --json" in fields["check"]["attributes"]["label"]
        assert fields["check"]["validations"]["required"] == "true"

    @pytest.mark.parametrize("name", ["fault.yml", "wish.yml"])
    def test_are_forms(self, name: str) -> None:
        """With what GitHub demands of one."""
        form = read(GITHUB / "ISSUE_TEMPLATE" / name)

        assert {"name", "description", "body"} <= form.keys()
        assert all({"type", "attributes"} <= field.keys() for field in form["body"])
        assert all("label" in field["attributes"] for field in form["body"] if field["type"] != "markdown")


class TestWorkflows:
    """What runs at GitHub."""

    @pytest.mark.parametrize("path", sorted((GITHUB / "workflows").glob("*.yml")), ids=lambda path: path.stem)
    def test_may_do_no_more_than_they_say(self, path: Path) -> None:
        """Each states its permissions, and runs only programs of the repository that are there."""
        workflow = read(path)
        commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]

        assert "permissions" in workflow
        assert all((ROOT / name).exists() for command in commands for name in re.findall(r"\.ci/\w+", command))

    def test_call_what_is_run_elsewhere_too(self) -> None:
        """CI is ``.ci/run``, and nothing but it."""
        steps = read(GITHUB / "workflows/ci.yml")["jobs"]["ci"]["steps"]

        assert steps[-1] == {"run": ".ci/run"}

    def test_publish_without_a_password(self) -> None:
        """The index trusts the workflow, which attests what it has built."""
        jobs = read(GITHUB / "workflows/release.yml")["jobs"]

        assert jobs["publish"]["permissions"] == {"id-token": "write"}
        assert jobs["build"]["permissions"]["attestations"] == "write"
        assert "password" not in (GITHUB / "workflows/release.yml").read_text("utf-8").replace("No password", "")


class TestOnAPackageIndex:
    """The README and the metadata as a release publishes them."""

    MADE = runpy.run_path(str(ROOT / ".ci/absolute_links"))

    def test_links_and_pictures_lead_to_the_repository(self) -> None:
        """Each relative one to the file that it led to, of that version; the others stay."""
        shown = self.MADE["absolute"](README, REPOSITORY, "v1.2.3")
        targets = re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', shown)
        led = [link or picture for link, picture in targets]

        assert led
        assert all(target.startswith("https://") for target in led)
        here = [re.sub(rf"{REPOSITORY}/(?:blob|raw)/v1\.2\.3/", "", target).partition("#")[0] for target in led]
        assert all((ROOT / path).exists() for path in here if not path.startswith("https://"))
        assert self.MADE["absolute"](shown, REPOSITORY, "v1.2.3") == shown

    def test_the_metadata_names_the_repository(self) -> None:
        """And is what it was otherwise."""
        before = (ROOT / "pyproject.toml").read_text("utf-8")
        made = tomllib.loads(self.MADE["with_urls"](before, REPOSITORY, "v1.2.3"))

        assert made["project"].pop("urls")["Source"] == REPOSITORY
        assert made == tomllib.loads(before)
