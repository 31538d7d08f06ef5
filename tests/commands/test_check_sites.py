"""``viafoura-mw check`` where there are several sites."""

from pathlib import Path

import pytest

from tests.support.commands import Lines, checks
from viafoura_mw.testing import SimulatedViafoura


class TestCheckOfSeveralSites:
    """Each site of the sites file is named, and its Viafoura asked."""

    @pytest.fixture(autouse=True)
    def _sites(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, viafoura: SimulatedViafoura) -> None:
        path = tmp_path / "sites.toml"
        own = f'api_url = "{viafoura.url}"\nsite_id = "{viafoura.site_id}"\n'
        path.write_text(
            f'["a.example"]\n{own}api_key = "{viafoura.api_key}"\n["*.b.example"]\n{own}api_key = "another"\n'
        )
        monkeypatch.setenv("VIAFOURA_SITES_FILE", str(path))

    def test_asks_for_each(self, capsys: Lines, viafoura: SimulatedViafoura) -> None:
        """One with a wrong key is told by its name; it alone has failed."""
        code, found = checks(capsys)

        tokens = [(state, sentence.partition(":")[0]) for state, subject, sentence in found if subject == "token"]
        assert tokens == [("ok", "a.example"), ("failed", "*.b.example")]
        assert code == 1
        assert viafoura.count("token") == 2

    def test_or_for_one(self, capsys: Lines) -> None:
        """By its table's name, in any case."""
        code, found = checks(capsys, "--site", "A.example")

        assert code == 0
        assert {sentence.partition(":")[0] for _, _, sentence in found} == {"a.example"}

    def test_names_those_that_there_are(self, capsys: Lines) -> None:
        """Where there is none of the name."""
        code, found = checks(capsys, "--site", "c.example")

        assert (code, len(found)) == (1, 1)
        assert found[0][2].endswith("there is a.example, *.b.example")

    def test_names_the_environments_own(
        self, capsys: Lines, monkeypatch: pytest.MonkeyPatch, viafoura: SimulatedViafoura
    ) -> None:
        """By a name that no host can have."""
        for name, value in viafoura.environ().items():
            monkeypatch.setenv(name, value)

        _, found = checks(capsys, "--site", "(environment)")

        assert ("ok", "token") in [(state, subject) for state, subject, _ in found]

    def test_there_is_none_without_a_file(
        self, capsys: Lines, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
    ) -> None:
        """And a site is asked for."""
        monkeypatch.delenv("VIAFOURA_SITES_FILE")

        code, found = checks(capsys, "--site", "a.example")

        assert (code, found[0][2]) == (1, "--site a.example: there is no such table; there is no VIAFOURA_SITES_FILE")
