"""The sites file: read by the rules of the environment, told with the table's name, and chosen from by hosts alone."""

import itertools
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viafoura_mw import Settings
from viafoura_mw.errors import SettingsError
from viafoura_mw.sites import _REMEMBERED, LONGEST_HOST, Hosts, problems_of_names

COURIER = 'site_id = "courier"\napi_key = "the key of the courier"\n'
GAZETTE = 'site_id = "gazette"\napi_key = "the key of the gazette"\n'
TWO = f'["www.courier.example"]\n{COURIER}["*.gazette.example"]\n{GAZETTE}'


def environ(text: str, tmp_path: Path, **variables: str) -> dict[str, str]:
    path = tmp_path / "sites.toml"
    path.write_text(text, "utf-8")
    named = {f"VIAFOURA_{name.upper()}": value for name, value in variables.items()}
    return {"VIAFOURA_SITES_FILE": str(path), **named}


def read(text: str, tmp_path: Path, **variables: str) -> Mapping[str, Settings]:
    return dict(Settings.from_env(environ(text, tmp_path, **variables)).sites)


def problems(text: str, tmp_path: Path, **variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ(text, tmp_path, **variables))
    return caught.value.problems


class TestTables:
    """A table is a site's settings, by the very parsers of the environment."""

    def test_is_a_site_each(self, tmp_path: Path) -> None:
        """With credentials of its own; the environment needs none then, and is no site."""
        settings = Settings.from_env(environ(TWO, tmp_path))
        assert [(name, site.site_id) for name, site in settings.sites] == [
            ("www.courier.example", "courier"),
            ("*.gazette.example", "gazette"),
        ]
        assert not settings.is_site

    def test_takes_the_environments_defaults(self, tmp_path: Path) -> None:
        """What a table does not say the environment does, and its file."""
        (tmp_path / "env").write_text("VIAFOURA_LOOKAHEAD=4096\nVIAFOURA_TIMEOUT=9\n")
        sites = read(f"{TWO}timeout = 0.5\n", tmp_path, timeout="1.5", exclude="/api/*", env_file=str(tmp_path / "env"))
        courier, gazette = sites.values()
        assert (courier.timeout, gazette.timeout) == (1.5, 0.5)
        assert courier.exclude == gazette.exclude == ("/api/*",)
        assert courier.lookahead == 4096

    def test_the_environment_may_be_a_site_as_well(self, tmp_path: Path) -> None:
        """Where it has credentials of its own, for every other host."""
        settings = Settings.from_env(environ(TWO, tmp_path, site_id="own", api_key="key"))
        assert settings.is_site
        assert len(settings.sites) == 2

    @pytest.mark.parametrize("one", ["api_key", "api_key_file"])
    @pytest.mark.parametrize("other", ["api_key", "api_key_file"])
    def test_a_secrets_form_hides_both_of_the_environments(self, one: str, other: str, tmp_path: Path) -> None:
        """A table's ``x`` or ``x_file`` takes the place of both."""
        own, common = tmp_path / "own", tmp_path / "common"
        own.write_text("own\n")
        common.write_text("common\n")
        value = {"api_key": "own", "api_key_file": str(own)}[one]
        default = {"api_key": "common", "api_key_file": str(common)}[other]
        (site,) = read(f'["a.example"]\nsite_id = "a"\n{one} = "{value}"\n', tmp_path, **{other: default}).values()
        assert site.api_key == "own"

    def test_an_empty_text_takes_a_default_away(self, tmp_path: Path) -> None:
        """As an empty variable counts as none."""
        courier, gazette = read(f'{TWO}cookie_domain = ""\n', tmp_path, cookie_domain="news.example").values()
        assert (courier.cookie_domain, gazette.cookie_domain) == ("news.example", "")

    @pytest.mark.parametrize(
        ("line", "name", "value"),
        [
            ("debug_header = true", "debug_header", True),
            ("debug_header = false", "debug_header", False),
            ("debug_header = 1", "debug_header", True),
            ("timeout = 1.5", "timeout", 1.5),
            ("timeout = 3", "timeout", 3.0),
            ("session_ttl = 3_600", "session_ttl", 3600),
            ('session_ttl = "3600"', "session_ttl", 3600),
            ('exclude = ["/a", "/b*"]', "exclude", ("/a", "/b*")),
            ('exclude = "/a, /b*"', "exclude", ("/a", "/b*")),
            ('include = ["/*"]', "include", ("/*",)),
            ("exclude = []", "exclude", ()),
            ('cookie_secret = ["new new new new new", "old old old old old"]', "cookie_secret", ...),
        ],
    )
    def test_converts_what_toml_has(self, line: str, name: str, value: object, tmp_path: Path) -> None:
        """True is 1, a list is its items joined by commas."""
        (site,) = read(f'["a.example"]\n{COURIER}{line}\n', tmp_path).values()
        expected = ("new new new new new", "old old old old old") if value is ... else value
        assert getattr(site, name) == expected

    def test_names_are_compared_in_lower_case(self, tmp_path: Path) -> None:
        """As hosts are, without the root's dot."""
        assert [*read(f'["WWW.Courier.example."]\n{COURIER}', tmp_path)] == ["www.courier.example"]

    def test_an_environment_without_a_file_has_no_sites(self) -> None:
        """The one site of before."""
        settings = Settings.from_env({"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key"})
        assert settings.sites == ()
        assert settings.is_site

    def test_switched_off_only_the_headers_of_response_sources_are_known(self, tmp_path: Path) -> None:
        """And no table needs to be right."""
        text = '["a.example"]\nuser_id = "response:X-A"\ntimeout = "never"\n["b.example"]\nuser_name = "response:X-B"\n'
        settings = Settings.from_env(environ(text, tmp_path, enabled="0", user_id="response:X-C"))
        assert not settings.enabled
        assert settings.response_headers == {"x-a", "x-b", "x-c"}

    def test_shows_no_secret(self, tmp_path: Path) -> None:
        """Not in its text, whatever holds it."""
        settings = Settings.from_env(environ(TWO, tmp_path))
        assert "the key of" not in repr(settings)


class TestProblems:
    """All that is wrong in all tables is one error, each with its table and its variable, none with a value."""

    def test_tells_all_at_once(self, tmp_path: Path) -> None:
        """Of each table, and of the environment."""
        text = '["a.example"]\nsite_id = "a"\n["b.example"]\napi_key = "b"\ntimeout = "never"\n'
        told = problems(text, tmp_path, session_ttl="long")
        a, b = 'VIAFOURA_SITES_FILE ["a.example"]: ', 'VIAFOURA_SITES_FILE ["b.example"]: '
        assert sorted(each.partition(" is ")[0].partition(" must ")[0] for each in told) == [
            "VIAFOURA_SESSION_TTL",
            f"{a}VIAFOURA_API_KEY",
            f"{b}VIAFOURA_SITE_ID",
            f"{b}VIAFOURA_TIMEOUT",
        ]

    def test_tells_what_is_wrong_in_the_environment_once(self, tmp_path: Path) -> None:
        """Not again for each table that takes it for its default."""
        told = problems(TWO, tmp_path, site_id="own", api_key="key", cookie_samesite="none", cookie_secure="0")
        assert [each.split("=")[0] for each in told] == ["VIAFOURA_COOKIE_SAMESITE"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "has no table"),
            ("[", "is not valid TOML"),
            ('["a.example"]\napi_key = "s3cr3t\n', "is not valid TOML, as of its line 2"),
            ('api_key = "s3cr3t"\n', 'has "api_key" above its tables'),
            (f"[www.courier.example]\n{COURIER}", '["www"]: has a table within'),
            (f'["a.example"]\n{COURIER}app = "x:y"\n', '["a.example"]: app is one for the whole process'),
            (f'["a.example"]\n{COURIER}metrics = true\n', "metrics is one for the whole process"),
            (
                f'["a.example"]\n{COURIER}timeuot = 1\n',
                "timeuot is not a setting of viafoura-mw; did you mean time",
            ),
            (f'["a.example"]\n{COURIER}TIMEOUT = 1\n', "did you mean timeout?"),
            (f'["a.example"]\n{COURIER}viafoura_timeout = 1\n', "did you mean timeout?"),
            (f'["a.example"]\n{COURIER}qqqq = 1\n', "qqqq is not a setting of viafoura-mw"),
            (f'["a.example"]\n{COURIER}timeout = 2026-01-01\n', "timeout must be a text, a number"),
            (f'["a.example"]\n{COURIER}exclude = [["/a"]]\n', "exclude must be a text, a number"),
            (f'["a.example"]\n{COURIER}exclude = [{{a = 1}}]\n', "exclude must be a text, a number"),
            (f'["a.example"]\n{COURIER}timeout = nan\n', "VIAFOURA_TIMEOUT must be a number"),
            (f'["a.example"]\n{COURIER}cookie_name = "\'x\'"\n', "VIAFOURA_COOKIE_NAME is in quotes"),
            (
                '["a.example"]\nsite_id = "a"\napi_key_file = "/no/such"\n',
                '["a.example"]: VIAFOURA_API_KEY_FILE names a file that cannot be read (FileNotFoundError)',
            ),
            (
                '["a.example"]\nsite_id = "a"\napi_key_file = "/no/such"\napi_key = "k"\n',
                "VIAFOURA_API_KEY and VIAFOURA_API_KEY_FILE are both set",
            ),
            (f'["a.example:8000"]\n{COURIER}', "is no host"),
            (f'["https://a.example"]\n{COURIER}', "is no host"),
            (f'["b\u00fccher.example"]\n{COURIER}', "is no host"),
            (f'["a..example"]\n{COURIER}', "is no host"),
            (
                f'[".a.example"]\n{COURIER}',
                '[".a.example"]: begins with a dot, as no host does: is ["*.a.example"] meant?',
            ),
            (f'["[:::]"]\n{COURIER}', '["[:::]"]: is no host'),
            (f'["[::1]:8000"]\n{COURIER}', '["[::1]:8000"]: is no host'),
            (f'["[fe80::1%25eth0]"]\n{COURIER}', "is no host"),
            (f'["[0:0:0:0:0:0:0:1]"]\n{COURIER}', '["[0:0:0:0:0:0:0:1]"]: is written ["[::1]"] by browsers'),
            (f'["[::FFFF:1.2.3.4]"]\n{COURIER}', 'is written ["[::ffff:102:304]"] by browsers'),
            (
                f'[["a.example"]]\n{COURIER}',
                'has "a.example" as a list of tables: put its name in one pair of brackets',
            ),
            (f'["a.example"]\n{COURIER}["a.example"]\n{GAZETTE}', "has the table or the key of its line 4 twice"),
            (f'["a.example"]\n{COURIER}api_key = "s3cr3t"\n', "has the table or the key of its line 4 twice"),
            (f'[""]\n{COURIER}', "is no host"),
            (f'["{"a" * (LONGEST_HOST + 1)}"]\n{COURIER}', "is no host"),
            (f'["a.example"]\n{COURIER}["A.example."]\n{GAZETTE}', '["a.example"]: is there more than once'),
            (f'["a*.example"]\n{COURIER}["*b.example"]\n{GAZETTE}', 'matches some hosts as well as ["*b.example"]'),
            (f'["?.example"]\n{COURIER}["*.example"]\n{GAZETTE}', "matches some hosts as well as"),
        ],
    )
    def test_names_the_table(self, text: str, sentence: str, tmp_path: Path) -> None:
        """And what is wrong there."""
        (told,) = problems(text, tmp_path)
        assert told.startswith("VIAFOURA_SITES_FILE ")
        assert sentence in told
        assert "s3cr3t" not in told

    def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        """Is told by its variable."""
        with pytest.raises(SettingsError) as caught:
            Settings.from_env({"VIAFOURA_SITES_FILE": str(tmp_path / "none")})
        assert caught.value.problems == ("VIAFOURA_SITES_FILE names a file that cannot be read (FileNotFoundError)",)

    def test_a_quoted_path(self) -> None:
        """As of every variable."""
        with pytest.raises(SettingsError) as caught:
            Settings.from_env({"VIAFOURA_SITES_FILE": "'sites.toml'"})
        assert caught.value.problems == ("VIAFOURA_SITES_FILE is in quotes: leave them out",)

    def test_globs_of_other_hosts_go_together(self) -> None:
        """However alike they look."""
        names = ["*.a.example", "*.b.example", "*", "a.*", "www.a.example", "127.0.0.1"]
        assert not problems_of_names([*names, "[::1]", "[2001:db8::1]", "[::ffff:102:304]"])

    @pytest.mark.parametrize("own", [{}, {"site_id": "own", "api_key": "key"}])
    def test_two_sites_with_one_place_for_their_cookies(self, own: dict[str, str], tmp_path: Path) -> None:
        """Either's would take the place of the other's, so that each page is a login."""
        told = problems(TWO, tmp_path, cookie_domain="News.example", **own)
        assert [each.partition(":")[0] for each in told] == [
            f'VIAFOURA_SITES_FILE ["{name}"]' for name in ("*.gazette.example", *(["(environment)"] if own else []))
        ]
        assert "those of www.courier.example" in told[0]

    @pytest.mark.parametrize(
        "line", ['cookie_name = "gazette"', 'cookie_domain = "gazette.example"', 'cookie_path = "/a"', 'site_id = "x"']
    )
    def test_two_sites_with_places_of_their_own(self, line: str, tmp_path: Path) -> None:
        """By another name, domain or path; or they are one site at Viafoura."""
        one = '["a.example"]\nsite_id = "x"\napi_key = "key"\n'
        other = '["b.example"]\napi_key = "key"\n' + ("" if "site_id" in line else 'site_id = "y"\n')
        assert len(read(f"{one}{other}{line}\n", tmp_path, cookie_domain="news.example")) == 2

    def test_of_sites_that_are_made_in_python(self) -> None:
        """The same holds for settings that no file gave."""
        site = Settings(site_id="a", api_key="b")
        with pytest.raises(SettingsError, match="is there more than once"):
            Settings(sites=(("a.example", site), ("a.example", site)))


class TestHosts:
    """Which site a request's host chooses."""

    HOSTS = Hosts([(name, name) for name in ("www.a.example", "*.a.example", "*.b.a.example", "[::1]", "a?")], "-")

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("www.a.example", "www.a.example"),
            ("WWW.A.Example", "www.a.example"),
            ("www.a.example:8000", "www.a.example"),
            ("www.a.example:", "www.a.example"),
            ("www.a.example.", "www.a.example"),
            ("www.a.example.:443", "www.a.example"),
            ("news.a.example", "*.a.example"),
            ("x.y.a.example", "*.a.example"),
            ("x.b.a.example:80", "*.b.a.example"),
            ("[::1]", "[::1]"),
            ("[::1]:8000", "[::1]"),
            ("a1", "a?"),
            ("a.example", "-"),
            ("", "-"),
            ("evil.example", "-"),
            ("www.a.example:http", "-"),
            ("www.a.example:80:80", "-"),
            ("www.a.example,www.a.example", "-"),
            ("www.a.example/", "-"),
            ("user@www.a.example", "-"),
            ("www.a.example..", "-"),
            (" www.a.example", "-"),
            ("::1", "-"),
            ("[::1", "-"),
            ("w\u00ffw.a.example", "-"),
            ("\u212a.a.example", "-"),
            ("x" * 8192 + ".a.example", "-"),
            ("." * 8192, "-"),
            ("[" + ":" * 8192 + "]", "-"),
        ],
    )
    def test_are_compared_as_hosts(self, host: str, name: str) -> None:
        """Without port and trailing dot, in lower case; what is no host chooses none."""
        assert self.HOSTS.choose(host) == name

    def test_a_site_may_be_none(self) -> None:
        """One that is switched off is not another."""
        assert Hosts([("a.example", None), ("*", "all")], "-").choose("a.example") is None

    @given(st.lists(st.text("ab*?", min_size=1, max_size=5), min_size=2, max_size=2, unique=True))
    def test_two_that_a_host_could_choose_between_are_always_told(self, names: list[str]) -> None:
        """And only those: as trying every short host shows."""
        one, other = names
        hosts = ["".join(letters) for length in range(1, 9) for letters in itertools.product("ab", repeat=length)]
        globs = all(re.search(r"[*?]", name) for name in names)
        literals = len({len(re.sub(r"[*?]", "", name)) for name in names}) == 1
        both = any(fnmatchcase(host, one) and fnmatchcase(host, other) for host in hosts)
        assert bool(problems_of_names(names)) == (globs and literals and both)

    @given(
        st.lists(st.text("ab.*?", min_size=1, max_size=6), min_size=1, max_size=6, unique=True),
        st.text("ab.", min_size=1, max_size=6),
    )
    def test_the_glob_with_the_most_characters_of_its_own_wins(self, names: list[str], host: str) -> None:
        """Whatever its form: as trying each of them shows."""
        names = [name for name in names if not name.endswith(".") and ".." not in name]
        hypothesis.assume(not problems_of_names(names))
        name = host.removesuffix(".")
        fitting = [each for each in names if fnmatchcase(name, each) and re.search(r"[*?]", each)]
        best = max(fitting, key=lambda each: len(re.sub(r"[*?]", "", each)), default="-")

        assert Hosts([(each, each) for each in names], "-").choose(host) == (name if name in names else best)

    def test_remembers_no_more_hosts_than_it_says_and_none_that_is_long(self) -> None:
        """A visitor who sends another host each time decides nothing about the memory of a process."""
        hosts = Hosts([("*.a.example", "glob")], "-")

        for number in range(3 * _REMEMBERED):
            assert hosts.choose(f"{number}.a.example") == "glob"
            assert hosts.choose(f"{number}{'x' * LONGEST_HOST}.a.example") == "-"

        assert hosts._remembered.cache_info().currsize == _REMEMBERED
        assert hosts._remembered.cache_info().misses == 3 * _REMEMBERED

    def test_no_host_costs_more_than_its_length(self) -> None:
        """A glob of many stars takes no longer than the host is long, squared at most."""
        hosts = Hosts([("*a*a*a*a*a*a*a*a*a*b", "glob")], "-")
        assert hosts.choose("a" * LONGEST_HOST) == "-"  # which a pattern that goes back to each star finds out never
