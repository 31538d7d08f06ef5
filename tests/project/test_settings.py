"""The settings: read once, judged whole, and silent about secrets."""

import functools
import ipaddress
import logging
import os
import traceback
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from threading import Thread

import pytest

from viafoura_mw import Settings
from viafoura_mw.environment import read_file
from viafoura_mw.errors import SettingsError
from viafoura_mw.settings import KNOWN, named_application
from viafoura_mw.user.sources import Source

BASE = {"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY": "key"}
SECRET = "s3cr3t-value-of-the-site"


def settings(**variables: str) -> Settings:
    return Settings.from_env({**BASE, **named(variables)})


def named(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"VIAFOURA_{name.upper()}": value for name, value in variables.items()}


def problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ)
    return caught.value.problems


def problems_of(**variables: str) -> tuple[str, ...]:
    return problems({**BASE, **named(variables)})


class TestDefaults:
    """What is so when nothing is said."""

    def test_are_the_contracts(self) -> None:
        """Only the site id and the API key are required."""
        assert settings() == Settings(
            site_id="site",
            api_key="key",
            api_url="https://api.viafoura.co",
            user="auto",
            include=("/*",),
            timeout=2.0,
            session_ttl=39_600,
            lookahead=1_048_576,
            cookie_name="viafoura_mw",
            cookie_path="/",
            cookie_samesite="lax",
            cookie_secure="auto",
        )

    def test_hold_for_what_is_empty(self) -> None:
        """An empty variable is one that is not set, as in a compose file."""
        assert Settings.from_env({**BASE, **{name: " " for name in KNOWN if name not in BASE}}) == settings()

    def test_are_frozen(self) -> None:
        """A process's settings never change."""
        with pytest.raises(FrozenInstanceError):
            settings().timeout = 1.0  # type: ignore[misc]

    def test_need_the_two_names(self) -> None:
        """Where to find them is said."""
        site_id, api_key = problems({})
        assert site_id.startswith("VIAFOURA_SITE_ID is not set")
        assert api_key.startswith("VIAFOURA_API_KEY is not set")


class TestEachVariable:
    """What each variable's text means."""

    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("api_url", "https://api.example/base/", "https://api.example/base"),
            ("api_url", "HTTPS://api.example:8443", "HTTPS://api.example:8443"),
            ("api_url", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("api_url", "http://[::1]:8080", "http://[::1]:8080"),
            ("api_url", "http://localhost", "http://localhost"),
            ("token_url", "https://login.example/token/", "https://login.example/token/"),
            ("app", " pkg.mod:app ", "pkg.mod:app"),
            ("user", "Remote-User", "remote-user"),
            ("user_id", "environ:a|environ:b", (Source("environ", ("a",)), Source("environ", ("b",)))),
            ("user_strip_realm", "yes", True),
            ("include", "/a/*, /b ,,*.html", ("/a/*", "/b", "*.html")),
            ("exclude", "[/]x,?y", ("[/]x", "?y")),
            ("timeout", "0.5", 0.5),
            ("session_ttl", "43200", 43_200),
            ("lookahead", "1", 1),
            ("auth_cookies", "session*", ("session*",)),
            ("logout_paths", "/logout", ("/logout",)),
            ("cookie_name", "__Host-v", "__Host-v"),
            ("cookie_secret", f"{SECRET}, {SECRET[::-1]}", (SECRET, SECRET[::-1])),
            ("cookie_secret", "a pässwörd phrase", ("a pässwörd phrase",)),
            ("cookie_domain", ".site.example", ".site.example"),
            ("cookie_path", "/news", "/news"),
            ("cookie_samesite", "None", "none"),
            ("cookie_secure", "AUTO", "auto"),
            ("debug_header", "On", True),
            ("debug_header", "FALSE", False),
            ("proxy_secret", "a word and a word", ("a word and a word",)),
            ("proxy_secret", f"{SECRET},{SECRET[::-1]}", (SECRET, SECRET[::-1])),
            ("cookie_domain", "Ex-ample.CO.uk", "Ex-ample.CO.uk"),
            ("cookie_domain", "xn--nxasmq6b.example", "xn--nxasmq6b.example"),
        ],
    )
    def test_is_read(self, name: str, text: str, value: object) -> None:
        """Into the field of its name."""
        assert getattr(settings(**{name: text}), name) == value

    def test_trusted_proxies_are_networks(self) -> None:
        """Addresses are networks of one; an IPv4 network mapped into IPv6 is the IPv4 network."""
        read = settings(trusted_proxies="10.0.0.1, 10.1.2.3/8, unix, 2001:db8::/32, ::ffff:192.0.2.0/120")
        networks = ["10.0.0.1/32", "10.0.0.0/8", None, "2001:db8::/32", "192.0.2.0/24"]
        assert read.trusted_proxies == tuple(ipaddress.ip_network(word) if word else "unix" for word in networks)

    @pytest.mark.parametrize(
        ("name", "text", "problem"),
        [
            ("site_id", "a:b", "must not contain a colon (RFC 7617 §2)"),
            ("site_id", "säite", "must be of printable ASCII characters"),
            ("api_url", "api.viafoura.co", "must be a URL that begins with https://"),
            ("api_url", "ftp://api.example", "must be a URL that begins with https://"),
            ("api_url", "https://", "must be a URL that begins with https://"),
            ("api_url", "https://[::1", "is not a URL"),
            ("api_url", "https://api.example:99999", "is not a URL"),
            ("api_url", "http://api.example", "must begin with https:// (http:// only for a loopback host)"),
            ("api_url", "http://127.0.0.1.example", "must begin with https:// (http:// only for a loopback host)"),
            ("user_strip_realm", "maybe", "must be 1 or 0"),
            ("enabled", "2", "must be 1 or 0"),
            ("cookie_samesite", "stric", "must be one of lax, strict, none; did you mean strict?"),
            ("cookie_secure", "tls", "must be one of auto, 1, 0"),
            (
                "user_id",
                "REMOTE_USER",
                "has 'REMOTE_USER', which begins with none of environ:, scope:, session:, g:, jwt:, header:, user:, "
                "response:",
            ),
            (
                "trusted_proxies",
                "10.0.0.1, proxy",
                "has 'proxy', which is neither an IP address, nor a network (CIDR), nor the word unix",
            ),
            ("include", "/a, news/*", "has 'news/*', which can match no path: paths begin with /"),
            ("include", ",", "has nothing but commas"),
            ("timeout", "0", "must be a number of seconds from 0.01 to 60"),
            ("timeout", "nan", "must be a number of seconds from 0.01 to 60"),
            ("timeout", "2s", "must be a number of seconds from 0.01 to 60"),
            ("session_ttl", "43201", "must be a number of seconds from 1 to 43200"),
            ("session_ttl", "1.5", "must be a number of seconds from 1 to 43200"),
            ("lookahead", "0", "must be a number of bytes from 1 to 67108864"),
            ("lookahead", "1e6", "must be a number of bytes from 1 to 67108864"),
            ("cookie_secret", ", ,", "has nothing but commas"),
            ("cookie_secret", "a\udcff", "must be of printable characters, in UTF-8"),
            ("cookie_name", "a b", "must be a cookie's name (RFC 6265 §4.1.1: letters, digits and !#$%&'*+-.^_`|~)"),
            ("cookie_name", "Path", "must not be the name of a cookie's attribute, nor begin with $"),
            ("cookie_name", "$x", "must not be the name of a cookie's attribute, nor begin with $"),
            ("cookie_path", "news", "must begin with /"),
            (
                "cookie_secret",
                f"{SECRET},'{SECRET}'",
                "has a value in quotes, which would become part of it: leave them out",
            ),
            ("include", "/a,'/b'", "has a value in quotes, which would become part of it: leave them out"),
        ],
    )
    def test_that_is_wrong_is_told(self, name: str, text: str, problem: str) -> None:
        """By one sentence that begins with the variable's name."""
        assert problems_of(**{name: text}) == (f"VIAFOURA_{name.upper()} {problem}",)

    def test_a_preset_that_there_is_not_has_another_way(self) -> None:
        """A framework without a preset is no dead end."""
        (problem,) = problems_of(user="falcon")
        assert problem.endswith("; for any other site leave it out, and say in VIAFOURA_USER_ID where the id is")

    def test_a_preset_is_suggested(self) -> None:
        """A typing error is seen at once."""
        (problem,) = problems_of(user="djagno")
        assert problem.startswith("VIAFOURA_USER must be one of auto, off, ")
        assert problem.endswith("; did you mean django?")

    @pytest.mark.parametrize(
        "url",
        [
            "https://u@a.example",
            "https://:p@a.example",
            "https://a.example/?",
            "https://a.example?q",
            "https://a.example#f",
            "https://a.example#",
            "https://a b.example",
            "https://a.example/ b",
            "https://a\\b.example",
            "https://a\x7f.example",
        ],
    )
    @pytest.mark.parametrize("name", ["api_url", "token_url"])
    def test_a_url_is_plain(self, name: str, url: str) -> None:
        """To what it names, a path is added and credentials are sent."""
        (problem,) = problems_of(**{name: url})
        assert problem == f"VIAFOURA_{name.upper()} must be a URL without a user, a query, a fragment or a space"

    @pytest.mark.parametrize("text", ["a b", "a;b", "a,b", 'a"b', "a\\b", "ä", "a\x00b"])
    @pytest.mark.parametrize("name", ["cookie_domain", "cookie_path"])
    def test_an_attribute_stays_in_its_place(self, name: str, text: str) -> None:
        """A Set-Cookie header has no more in it than was meant."""
        (problem,) = problems_of(**{name: f"/{text}"})
        assert problem.startswith(f"VIAFOURA_{name.upper()} must be of ASCII characters without a space")

    @pytest.mark.parametrize("name", sorted(KNOWN))
    @pytest.mark.parametrize("text", ['"{}"', "'{}'", " '{}' ", '""'])
    def test_in_quotes_is_told(self, name: str, text: str, tmp_path: Path) -> None:
        """Docker's ``--env-file`` keeps them: the value would be another one than was meant."""
        (tmp_path / "file").write_text("VIAFOURA_APP=pkg")
        base = {key: value for key, value in BASE.items() if key != name.removesuffix("_FILE")}
        (problem,) = problems({**base, name: text.format(tmp_path / "file")})
        assert problem.startswith(f"{name} is in quotes")
        assert "pkg" not in problem
        assert str(tmp_path) not in problem

    @pytest.mark.parametrize("text", ['"', "'", "\"a'", "'a", 'a"'])
    def test_with_one_quote_is_in_none(self, text: str) -> None:
        """Only a pair of quotes is certainly too many."""
        assert settings(app=text).app == text

    @pytest.mark.parametrize(
        ("domain", "reason"),
        [
            ("https://site.example", "without a scheme, a port"),
            ("site.example:8080", "without a scheme, a port"),
            ("*.site.example", "without a scheme, a port"),
            ("site.example/news", "without a scheme, a port"),
            ("site.example.", "without a scheme, a port"),
            ("site..example", "without a scheme, a port"),
            (".", "without a scheme, a port"),
            ("..site.example", "without a scheme, a port"),
            (f"{'a' * 64}.example", "without a scheme, a port"),
            ("[::1]", "without a scheme, a port"),
            ("::1", "without a scheme, a port"),
            ("192.0.2.1", "no IP address"),
            (".192.0.2.1", "no IP address"),
            ("127.1", "no IP address"),
            ("0xC0.0x00.0x02.0X1", "no IP address"),
            ("site.example.7", "no IP address"),
            ("localhost", "two labels"),
            (".example", "two labels"),
        ],
    )
    def test_a_cookies_domain_is_one_that_browsers_take(self, domain: str, reason: str) -> None:
        """With any other the browser keeps no cookie, and each page is a login."""
        (problem,) = problems_of(cookie_domain=domain)
        assert problem.startswith("VIAFOURA_COOKIE_DOMAIN must be ")
        assert reason in problem

    @pytest.mark.parametrize("name", ["cookie_secret", "proxy_secret"])
    @pytest.mark.parametrize("text", ["x" * 15, f"{SECRET},{'x' * 15}", f"{'x' * 15},{SECRET}"])
    def test_a_short_secret_is_told(self, name: str, text: str) -> None:
        """What can be guessed seals nothing; each of several counts, and none is shown."""
        (problem,) = problems_of(**{name: text})
        assert problem.startswith(f"VIAFOURA_{name.upper()} has a secret of less than 16 characters")
        assert "xxx" not in problem
        assert SECRET not in problem

    def test_a_secret_of_16_characters_is_long_enough(self) -> None:
        """The bound itself is right."""
        assert settings(cookie_secret="x" * 16, proxy_secret="y" * 16)


class TestTogether:
    """What does not go together."""

    @pytest.mark.parametrize(
        ("variables", "names"),
        [
            ({"user_id": "header:X-User"}, ["VIAFOURA_USER_ID"]),
            ({"user_name": "user:name|header:X-Name"}, ["VIAFOURA_USER_NAME"]),
            ({"user": "off", "user_email": "header:X-Email"}, ["VIAFOURA_USER_EMAIL"]),
            ({"user": "authelia"}, ["VIAFOURA_USER"]),
            ({"user": "authelia", "user_id": "environ:id"}, ["VIAFOURA_USER"]),
            ({"user": "authelia", "user_id": "header:X-Id"}, ["VIAFOURA_USER_ID", "VIAFOURA_USER"]),
            (
                {"user": "django", "user_id": "header:A", "user_name": "header:B"},
                ["VIAFOURA_USER_ID", "VIAFOURA_USER_NAME"],
            ),
        ],
    )
    def test_a_header_needs_a_proxy(self, variables: dict[str, str], names: list[str]) -> None:
        """Whichever variable reads it is named, and what is to be set."""
        told = problems_of(**variables)
        assert [problem.split()[0] for problem in told] == names
        assert told[0].endswith(
            "reads a request header, which anybody can send: set VIAFOURA_PROXY_SECRET (recommended) "
            "or VIAFOURA_TRUSTED_PROXIES"
        )

    @pytest.mark.parametrize("proxy", [{"trusted_proxies": "unix"}, {"proxy_secret": SECRET}])
    @pytest.mark.parametrize("variables", [{"user_id": "header:X-User"}, {"user": "oauth2-proxy"}])
    def test_a_header_with_a_proxy_is_right(self, proxy: dict[str, str], variables: dict[str, str]) -> None:
        """Either setting is enough."""
        assert settings(**proxy, **variables)

    def test_nothing_of_a_preset_needs_a_proxy_when_nothing_of_it_is_read(self) -> None:
        """A preset whose three fields are read elsewhere."""
        assert settings(user="authelia", user_id="environ:a", user_name="environ:b", user_email="environ:c")

    @pytest.mark.parametrize(
        ("variables", "problem"),
        [
            ({"cookie_samesite": "none", "cookie_secure": "0"}, "VIAFOURA_COOKIE_SAMESITE=none needs"),
            ({"cookie_name": "__Secure-v", "cookie_secure": "0"}, "VIAFOURA_COOKIE_NAME with this prefix needs"),
            ({"cookie_name": "__host-v", "cookie_path": "/a"}, "VIAFOURA_COOKIE_NAME begins with __Host-"),
            ({"cookie_name": "__Host-v", "cookie_domain": "a.b"}, "VIAFOURA_COOKIE_NAME begins with __Host-"),
        ],
    )
    def test_a_cookie_is_one_that_browsers_keep(self, variables: dict[str, str], problem: str) -> None:
        """What they would drop is told at once."""
        (told,) = problems_of(**variables)
        assert told.startswith(problem)

    def test_a_setting_of_the_code_is_judged_as_one_of_the_environment(self) -> None:
        """``Settings(…)`` takes nothing that would fail in a page."""
        secrets = {"api_key": "'k'", "proxy_secret": ("short",), "cookie_secret": (SECRET, "short")}
        with pytest.raises(SettingsError) as caught:
            Settings(site_id="s", user="djagno", timeout=0, cookie_name="a b", user_id=(), **secrets)  # type: ignore[arg-type]
        assert [problem.split()[0] for problem in caught.value.problems] == [
            "VIAFOURA_API_KEY",
            "VIAFOURA_USER",
            "VIAFOURA_PROXY_SECRET",
            "VIAFOURA_TIMEOUT",
            "VIAFOURA_COOKIE_NAME",
            "VIAFOURA_COOKIE_SECRET",
        ]


class TestProblems:
    """One error tells them all."""

    def test_come_all_at_once_each_once(self) -> None:
        """Whoever mends one sees the others too."""
        told = problems(
            named(
                {
                    "api_key": "ü",
                    "api_url": "x",
                    "timeout": "x",
                    "user": "x",
                    "user_id": "header:X",
                    "cookie_secret_file": "/nowhere",
                    "cookie_samesite": "none",
                    "cookie_secure": "0",
                }
            )
        )
        names = "COOKIE_SECRET_FILE API_KEY API_URL USER TIMEOUT SITE_ID USER_ID COOKIE_SAMESITE=none"
        assert [problem.split()[0] for problem in told] == [f"VIAFOURA_{name}" for name in names.split()]

    def test_are_lines_of_one_message(self) -> None:
        """What a server prints when it cannot start."""
        with pytest.raises(SettingsError) as caught:
            settings(timeout="x", user_strip_realm="x")
        assert str(caught.value).splitlines() == [
            "viafoura-mw cannot start:",
            "  - VIAFOURA_USER_STRIP_REALM must be 1 or 0",
            "  - VIAFOURA_TIMEOUT must be a number of seconds from 0.01 to 60",
        ]

    @pytest.mark.parametrize(
        "variables",
        [
            {"api_key": f"{SECRET}\x00"},
            {"api_key": SECRET, "api_key_file": "/nowhere"},
            {"cookie_secret": f"{SECRET},\udcff"},
            {"proxy_secret": f"{SECRET}ü"},
            {"proxy_secret": f"'{SECRET}'"},
            {"api_key": f'"{SECRET}"'},
            {"cookie_secret": f"short,{SECRET}"},
            {"api_url": f"https://user:{SECRET}@api.example"},
            {"token_url": f"https://user:{SECRET}@[api.example"},
            {"token_url": f"https://api.example?key={SECRET}"},
        ],
    )
    def test_have_no_secret_in_them(self, variables: dict[str, str]) -> None:
        """Neither in a sentence nor in the exceptions that they came from."""
        with pytest.raises(SettingsError) as caught:
            settings(**variables)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert SECRET not in repr(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None

    def test_are_not_shown_by_a_repr(self) -> None:
        """Settings may be logged."""
        read = settings(api_key=SECRET, cookie_secret=SECRET, proxy_secret=SECRET)
        assert SECRET not in repr(read)


class TestDisabled:
    """``VIAFOURA_ENABLED=0``."""

    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"timeout": "x", "user": "x", "api_url": "x"},
            {"user_id": "header:X-User"},
            {"api_key": "a", "api_key_file": "/nowhere"},
            {"env_file": "/nowhere"},
            {"tmeout": "1"},
        ],
    )
    def test_needs_and_judges_nothing_else(self, variables: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
        """Switching it off must always work."""
        assert not Settings.from_env(named({"enabled": "off", **variables})).enabled
        assert not caplog.messages

    def test_knows_what_is_still_removed(self) -> None:
        """The header of a ``response:`` source leaves no response; ``VIAFOURA_APP`` is served."""
        read = Settings.from_env(named({"enabled": "0", "user_id": "response:X-User|environ:a", "app": "pkg"}))
        assert read.response_headers == {"x-user"}
        assert read.app == "pkg"

    def test_judges_nothing_in_code_either(self) -> None:
        """As in the environment."""
        assert not Settings(enabled=False, user="nonsense", timeout=-1).enabled

    def test_may_be_said_in_the_file(self, tmp_path: Path) -> None:
        """mod_wsgi's ``SetEnv`` does not reach the environment."""
        file = tmp_path / "env"
        file.write_text("VIAFOURA_ENABLED=0\n")
        assert not Settings.from_env({"VIAFOURA_ENV_FILE": str(file)}).enabled


class TestUnknownNames:
    """A warning that suggests the nearest known one."""

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("VIAFOURA_TIMEOUTS", "; did you mean VIAFOURA_TIMEOUT?"),
            ("VIAFOURA_APIKEY", "; did you mean VIAFOURA_API_KEY?"),
            ("VIAFOURA_PROXY_SECRETFILE", "; did you mean VIAFOURA_PROXY_SECRET_FILE?"),
            ("VIAFOURA_%s%d", ""),
        ],
    )
    def test_is_logged(self, name: str, hint: str, caplog: pytest.LogCaptureFixture) -> None:
        """Without its value."""
        Settings.from_env({**BASE, name: SECRET})
        ((logger, level, sentence),) = caplog.record_tuples
        assert (logger, level) == ("viafoura_mw", logging.WARNING)
        assert sentence.startswith(f"{name} is not a setting of viafoura-mw")
        assert sentence.endswith(hint)
        assert SECRET not in sentence

    def test_suggests_nothing_where_nothing_is_near(self, caplog: pytest.LogCaptureFixture) -> None:
        """A guess that is far off would mislead."""
        Settings.from_env({**BASE, "VIAFOURA_QQQQQQQQQQQQQQQQQQQQQQQ": "1", "VIAFOUR_X": "1", "PATH": "/"})
        assert caplog.messages == ["VIAFOURA_QQQQQQQQQQQQQQQQQQQQQQQ is not a setting of viafoura-mw"]


class TestSecretFiles:
    """``VIAFOURA_<SECRET>_FILE``."""

    @pytest.mark.parametrize("name", ["api_key", "cookie_secret", "proxy_secret"])
    def test_holds_the_value(self, name: str, tmp_path: Path) -> None:
        """Without the space around it, and without a byte order mark."""
        file = tmp_path / "secret"
        file.write_text(f"\ufeff {SECRET}\n", "utf-8")
        environ = {**BASE, f"VIAFOURA_{name.upper()}_FILE": str(file)}
        environ.pop(f"VIAFOURA_{name.upper()}", None)
        assert getattr(Settings.from_env(environ), name) in (SECRET, (SECRET,))

    def test_and_the_value_itself_are_one_too_many(self, tmp_path: Path) -> None:
        """Which one counts would be a guess; the file is not even read."""
        told = problems_of(api_key_file=str(tmp_path / "nowhere"))
        assert told == ("VIAFOURA_API_KEY and VIAFOURA_API_KEY_FILE are both set: keep one of them",)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (None, "names a file that cannot be read (FileNotFoundError)"),
            (b"\xff\xfe", "names a file that cannot be read (UnicodeDecodeError)"),
            (b" \n", "names an empty file"),
        ],
    )
    def test_that_holds_none_is_told(self, content: bytes | None, problem: str, tmp_path: Path) -> None:
        """Once, and by the name that was set."""
        file = tmp_path / "secret"
        if content is not None:
            file.write_bytes(content)
        assert problems({"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY_FILE": str(file)}) == (
            f"VIAFOURA_API_KEY_FILE {problem}",
        )

    def test_may_have_a_name_that_no_file_has(self) -> None:
        """A path is whatever is written."""
        assert problems_of(proxy_secret_file="a\0b") == (
            "VIAFOURA_PROXY_SECRET_FILE names a file that cannot be read (ValueError)",
        )

    def test_is_judged_as_the_value(self, tmp_path: Path) -> None:
        """By the name of the secret."""
        file = tmp_path / "secret"
        file.write_text("ü", "utf-8")
        assert problems({"VIAFOURA_SITE_ID": "site", "VIAFOURA_API_KEY_FILE": str(file)}) == (
            "VIAFOURA_API_KEY must be of printable ASCII characters",
        )


class TestEnvFile:
    """``VIAFOURA_ENV_FILE``."""

    def read(self, tmp_path: Path, text: str, **variables: str) -> Settings:
        file = tmp_path / "env"
        file.write_text(text, "utf-8")
        return Settings.from_env({"VIAFOURA_ENV_FILE": str(file), **named(variables)})

    def test_holds_lines_of_names_and_values(self, tmp_path: Path) -> None:
        """Comments, quotes, ``export`` and other programs' lines may stand in it; so may a byte order mark."""
        text = (
            "\ufeffVIAFOURA_SITE_ID=site\n\n# comment\n export VIAFOURA_API_KEY = 'a=b#c' \r\n"
            'PATH=/bin\nVIAFOURA_APP=pkg#x # comment\nVIAFOURA_TIMEOUT=\nVIAFOURA_INCLUDE="/a,\n/b"\n'
        )
        read = self.read(tmp_path, text)
        assert (read.site_id, read.api_key, read.app, read.timeout) == ("site", "a=b#c", "pkg#x", 2.0)
        assert read.include == ("/a", "/b")

    def test_gives_way_to_the_environment(self, tmp_path: Path) -> None:
        """The real environment wins; what is empty there is not set."""
        read = self.read(tmp_path, "VIAFOURA_SITE_ID=file\nVIAFOURA_API_KEY=file", site_id="real", api_key="")
        assert (read.site_id, read.api_key) == ("real", "file")

    def test_gives_way_in_both_forms_of_a_secret(self, tmp_path: Path) -> None:
        """A secret of the environment hides the file's, whichever form either has."""
        (secret := tmp_path / "secret").write_text(SECRET)
        text = "VIAFOURA_SITE_ID=s\nVIAFOURA_API_KEY_FILE=/nowhere\nVIAFOURA_PROXY_SECRET=hidden"
        read = self.read(tmp_path, text, api_key="real", proxy_secret_file=str(secret))
        assert (read.api_key, read.proxy_secret) == ("real", (SECRET,))

    def test_may_name_a_secrets_file(self, tmp_path: Path) -> None:
        """It is an environment like another; but it names no further environment."""
        (secret := tmp_path / "secret").write_text("from-file")
        text = f"VIAFOURA_SITE_ID=s\nVIAFOURA_API_KEY_FILE={secret}\nVIAFOURA_ENV_FILE=/nowhere"
        assert self.read(tmp_path, text).api_key == "from-file"

    def test_may_have_only_one_form_of_a_secret(self, tmp_path: Path) -> None:
        """As in the environment."""
        with pytest.raises(SettingsError, match="are both set"):
            self.read(tmp_path, "VIAFOURA_API_KEY=a\nVIAFOURA_API_KEY_FILE=b", site_id="s")

    @pytest.mark.parametrize(
        ("line", "also"),
        [
            (SECRET, ()),
            (f"VIAFOURA_COOKIE_SECRET: {SECRET}==", ()),
            (f"VIAFOURA_COOKIE_SECRET:{SECRET}==", ()),
            (f"VIAFOURA_COOKIE_SECRET:{SECRET}", ()),
            (f"VIAFOURA_COOKIE_SECRET {SECRET}==", ()),
            (f"VIAFOURA_COOKIE_SECRET-{SECRET}=x", ()),
            (f"'VIAFOURA_COOKIE_SECRET {SECRET}'=x", ()),
            (f"VIAFOURA_COOKIE_SECRET='{SECRET}", ()),
            (f"VIAFOURA_COOKIE_SECRET='{SECRET}'{SECRET}", ()),
            ("export VIAFOURA_COOKIE_SECRET", ()),
            (f"VIAFOURA_COOKIE_SECRET='\"{SECRET}\"'", ("VIAFOURA_COOKIE_SECRET is in quotes",)),
        ],
    )
    def test_with_other_lines_is_told_by_their_number(
        self, line: str, also: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not by what is in them: it could be a secret."""
        with pytest.raises(SettingsError) as caught:
            self.read(tmp_path, f"\n{line}\nVIAFOURA_TIMEOUT=1", site_id="s", api_key="k")
        (problem,) = caught.value.problems
        assert problem.startswith(also or "VIAFOURA_ENV_FILE: line 2 of the file is not NAME=value")
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert SECRET not in caplog.text

    def test_leaves_other_programs_lines_alone(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A name that is none of ours may be as it likes; nothing is put in the place of ``${…}``."""
        text = "a:b=c\nx.y=z\nVIAFOURA_APP=${HOME}/a.wsgi"
        assert self.read(tmp_path, text, site_id="s", api_key="k").app == "${HOME}/a.wsgi"
        assert not caplog.messages

    def test_and_each_secrets_file_are_read_once(self, tmp_path: Path) -> None:
        """A pipe gives its text once."""
        pipes = {name: tmp_path / name for name in ("env", "key", "cookie")}
        texts = {"env": f"VIAFOURA_SITE_ID=s\nVIAFOURA_API_KEY_FILE={pipes['key']}\n", "key": "k", "cookie": SECRET}
        for pipe in pipes.values():
            os.mkfifo(pipe)
        writers = [Thread(target=pipes[name].write_text, args=(text,)) for name, text in texts.items()]
        for writer in writers:
            writer.start()
        environ = {"VIAFOURA_ENV_FILE": str(pipes["env"]), "VIAFOURA_COOKIE_SECRET_FILE": str(pipes["cookie"])}
        read = functools.cache(read_file)
        assert named_application(environ, read=read) == ""
        for _ in range(2):
            settings = Settings.from_env(environ, read=read)
        assert (settings.site_id, settings.api_key, settings.cookie_secret) == ("s", "k", (SECRET,))
        for writer in writers:
            writer.join()

    def test_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        """A directory is no file."""
        assert problems_of(env_file=str(tmp_path)) == (
            "VIAFOURA_ENV_FILE names a file that cannot be read (IsADirectoryError)",
        )

    def test_has_its_unknown_names_told(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """As those of the environment."""
        self.read(tmp_path, "VIAFOURA_TIMEOUTS=1", site_id="s", api_key="k")
        assert "did you mean VIAFOURA_TIMEOUT?" in caplog.text


class TestPresets:
    """A preset, with what the variables say instead."""

    def test_is_read_where_the_variables_say_nothing(self) -> None:
        """Each field by itself."""
        preset = settings(user_name="environ:cn", user_strip_realm="1").preset("remote-user")
        assert str(preset.sources.id[0]) == "environ:REMOTE_USER"
        assert str(preset.sources.name[0]) == "environ:cn"
        assert preset.sources.email == ()
        assert preset.sources.strip_realm

    def test_keeps_what_belongs_to_the_preset(self) -> None:
        """Where the user object is, and what stands between several values."""
        assert settings(user_id="user:uid").preset("scope").user_object
        assert settings(user_id="environ:uid").preset("shibboleth").sources.separator == ";"

    def test_asks_a_framework_only_for_what_is_read_of_its_user(self) -> None:
        """A user object may cost a query."""
        elsewhere = {"user_id": "environ:a", "user_name": "environ:b", "user_email": "environ:c"}
        assert settings(**elsewhere).preset("django").framework is None
        assert settings(**{**elsewhere, "user_name": "user:nick"}).preset("django").framework == "django"

    def test_has_response_headers_of_all_three_fields(self) -> None:
        """In lower case, as they are compared."""
        read = settings(user_id="response:X-A|user:id", user_name="response:X-B", user_email="response:x-b")
        assert read.response_headers == {"x-a", "x-b"}


@pytest.mark.parametrize(("environ", "name"), [({}, ""), ({"VIAFOURA_APP": " pkg:app "}, "pkg:app")])
def test_names_an_application_without_judging_the_rest(environ: dict[str, str], name: str) -> None:
    """A door is imported for its class alone, too."""
    assert named_application({"VIAFOURA_TIMEOUT": "x", **environ}) == name


def test_names_an_application_of_the_file(tmp_path: Path) -> None:
    """``VIAFOURA_APP`` is a setting like another."""
    (tmp_path / "env").write_text("VIAFOURA_APP=pkg")
    assert named_application({"VIAFOURA_ENV_FILE": str(tmp_path / "env")}) == "pkg"


def test_reads_the_processs_environment_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """``Settings.from_env()``."""
    for name, value in BASE.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env().site_id == "site"


class TestTheBridge:
    """The variables of pages that caches serve to everybody."""

    @pytest.mark.parametrize(
        ("text", "means"),
        [
            ("0", ()),
            ("off", ()),
            ("1", ("/*",)),
            ("yes", ("/*",)),
            ("Serve", ("serve",)),
            ("/news/*, /sport/*", ("/news/*", "/sport/*")),
        ],
    )
    def test_are_globs_of_pages(self, text: str, means: tuple[str, ...]) -> None:
        """All of them, some of them, none; or none any more."""
        assert settings(bridge=text).bridge == means

    def test_have_the_contracts_defaults(self) -> None:
        """Off, and where Viafoura's script is known to come from."""
        found = settings()
        assert (found.bridge, found.bridge_path, found.bridge_user_path, found.bridge_hint) == (
            (),
            "/_viafoura/",
            "",
            (),
        )
        assert found.bridge_scripts == ("*//cdn.viafoura.net/*", "*//api.viafoura.com/app/js/*")
        assert (found.login_url, found.logout_url) == ("", "")

    @pytest.mark.parametrize("path", ["/_viafoura/", "/a/b-c/", "/A.1~_/"])
    def test_take_a_path(self, path: str) -> None:
        """Every browser, proxy and framework spells it alike."""
        assert settings(bridge="1", bridge_path=path).bridge_path == path

    @pytest.mark.parametrize(
        "path", ["/", "_viafoura/", "/_viafoura", "//a/", "/a//b/", "/./", "/a/../", "/a b/", "/%41/", "/ä/", "/a/*/"]
    )
    def test_refuse_a_path(self, path: str) -> None:
        """One that might be spelled in two ways, or is every path."""
        (problem,) = problems_of(bridge="1", bridge_path=path)
        assert problem.startswith("VIAFOURA_BRIDGE_PATH must begin and end with /")

    @pytest.mark.parametrize(
        "url", ["/log-in", "/log-in?then={next}", "https://id.example/?to={next}", "HTTP://id.example"]
    )
    @pytest.mark.parametrize("name", ["login_url", "logout_url"])
    def test_take_a_page(self, name: str, url: str) -> None:
        """A path of the site's, or another site."""
        assert getattr(settings(bridge="1", **{name: url}), name) == url

    @pytest.mark.parametrize(
        "url",
        [
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "log-in",
            "https:///path",
            "https://[",
            "https://{next}/",
            "https://id.example@evil.example/",
            "/a b",
        ],
    )
    @pytest.mark.parametrize("name", ["login_url", "logout_url"])
    def test_refuse_a_page(self, name: str, url: str) -> None:
        """What is no address, is a script, or would let a page choose the host."""
        (problem,) = problems_of(bridge="1", **{name: url})
        assert problem.startswith(f"VIAFOURA_{name.upper()} must be a path that begins with one /")

    @pytest.mark.parametrize("path", ["me", "//me", "/me?x", "/me#x", "/m e", "/\\me"])
    def test_refuse_a_path_of_the_user(self, path: str) -> None:
        """It is a path alone."""
        (problem,) = problems_of(bridge="1", bridge_user_path=path)
        assert problem.startswith("VIAFOURA_BRIDGE_USER_PATH must be a path")

    @pytest.mark.parametrize("text", ["sometimes", "https://site.example/*"])
    def test_refuse_what_is_no_glob(self, text: str) -> None:
        """Paths begin with /."""
        (problem,) = problems_of(bridge=text)
        assert problem.startswith("VIAFOURA_BRIDGE must be 1, 0, serve or path globs")

    def test_refuse_a_hint_that_is_no_cookies_name(self) -> None:
        """It would hint at nobody."""
        (problem,) = problems_of(bridge="1", bridge_hint="signed in")
        assert problem.startswith("VIAFOURA_BRIDGE_HINT must be a cookie's name")

    @pytest.mark.parametrize(
        ("path", "cookie_path", "is_told"),
        [
            ("/_viafoura/", "/", False),
            ("/blog/v/", "/blog", False),
            ("/blog/v/", "/blog/", False),
            ("/blog/", "/blog", False),
            ("/_viafoura/", "/blog", True),
            ("/blogs/", "/blog", True),
        ],
    )
    def test_are_where_the_cookie_comes(self, path: str, cookie_path: str, *, is_told: bool) -> None:
        """Elsewhere each page view would be a login."""
        variables = {"bridge": "serve", "bridge_path": path, "cookie_path": cookie_path}
        if not is_told:
            assert settings(**variables).bridge_path == path
            return
        (problem,) = problems_of(**variables)
        assert problem.startswith("VIAFOURA_BRIDGE_PATH is not below VIAFOURA_COOKIE_PATH")
        assert settings(**{**variables, "bridge": "0"}).bridge == ()

    def test_say_that_they_do_nothing_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        """A warning for each, and none where the bridge is on, or is only to serve."""
        variables = {"login_url": "/in", "logout_url": "/out", "bridge_path": "/v/", "bridge_user_path": "/me"}
        variables |= {"bridge_scripts": "*", "bridge_hint": "a"}
        for bridge in ("1", "serve"):
            settings(bridge=bridge, **variables)
        assert caplog.messages == []
        settings(**variables)
        assert caplog.messages == [
            f"VIAFOURA_{name.upper()} does nothing without VIAFOURA_BRIDGE" for name in sorted(variables)
        ]
