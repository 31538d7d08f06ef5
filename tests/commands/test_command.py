"""The command: ``viafoura-mw demo``, ``simulator``, ``preview`` and ``check``; ``run`` is in test_run.py."""

import contextlib
import gzip
import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.commands import Lines, checks, named, run
from tests.support.demo_process import PATIENCE
from viafoura_mw import __main__ as command
from viafoura_mw.commands import check, demo, preview, simulator
from viafoura_mw.commands.checks import Check, State
from viafoura_mw.settings import Settings
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user import frameworks

CSP = "Content-Security-Policy"


class TestCommand:
    """What all commands have in common."""

    @pytest.mark.parametrize("name", ["demo", "simulator", "preview", "check", "run"])
    def test_every_command_explains_itself(self, name: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """``--help`` names what each command takes."""
        monkeypatch.setenv("COLUMNS", "80")

        with pytest.raises(SystemExit, match="0"):
            command.main([name, "--help"])

        help_, _, examples = capsys.readouterr().out.partition("\nexamples:\n")
        assert help_.startswith(f"usage: viafoura-mw {name}")
        assert max(map(len, help_.splitlines())) <= 80
        assert all(line.startswith("  ") and f"viafoura-mw {name}" in line for line in examples.splitlines())
        assert examples

    def test_ends_in_silence_where_nobody_reads_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As ``viafoura-mw check | head -1`` does: no traceback, and a shell's exit code."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as nobody_reads:
            monkeypatch.setattr(sys, "stdout", nobody_reads)

            assert command.main(["check"]) == 141

    def test_tells_its_version(self, capsys: Lines) -> None:
        """``--version`` is that of the installed package."""
        with pytest.raises(SystemExit, match="0"):
            command.main(["--version"])

        assert capsys.readouterr().out.startswith("viafoura-mw 0.")

    @pytest.mark.parametrize(
        "arguments",
        [[], ["dance"], ["demo", "--port", "65536"], ["demo", "--wsgi", "--asgi"], ["demo", "--sites", "--bridge"]],
    )
    def test_explains_what_it_does_not_understand(self, arguments: list[str], capsys: Lines) -> None:
        """A wrong word gets the usage and exit code 2."""
        with pytest.raises(SystemExit, match="2"):
            command.main(arguments)

        assert "usage: viafoura-mw" in capsys.readouterr().err

    def test_ends_quietly_when_it_is_interrupted(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """Ctrl-C shows no traceback."""

        def interrupted(options: Any) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(preview, "run", interrupted)

        assert command.main(["preview", "-"]) == 130
        assert capsys.readouterr() == ("", "")

    def test_writes_to_what_is_no_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An output without an encoding gets the lines too."""
        written = io.StringIO()
        monkeypatch.setattr(sys, "stdout", written)

        command.main(["preview", os.devnull])

        assert "nothing would be rewritten" in written.getvalue()


class TestDemo:
    """How the demo is started; what it then does is in test_demo.py."""

    def test_no_setting_of_the_user_s_shell_disturbs_it(self) -> None:
        """The demo forgets the site's own settings, and asks no proxy for a loopback address."""
        environ = {"VIAFOURA_APP": "site", "VIAFOURA_API_KEY": "secret", "https_proxy": "p", "PATH": "/bin"}

        demo.forget_settings(environ)

        assert {name for name in environ if name.startswith("VIAFOURA_")} == set()
        assert environ["no_proxy"] == "127.0.0.1"
        assert environ["PATH"] == "/bin"

    def test_busy_port_is_one_line_and_exit_code_1(self) -> None:
        """The line names the port."""
        with socket.create_server(("127.0.0.1", 0)) as busy:
            ended = run("demo", "--port", str(busy.getsockname()[1]))

        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.startswith("viafoura-mw: port ")
        assert ended.stderr.count("\n") == 1


class TestSimulator:
    """``viafoura-mw simulator``."""

    def test_prints_the_variables_that_point_to_it(self) -> None:
        """They are copied into a shell as they stand."""
        with subprocess.Popen(
            [sys.executable, "-m", "viafoura_mw", "simulator", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            lines = [process.stdout.readline().removeprefix("export ").strip() for _ in range(4)]
            variables = dict(line.split("=") for line in lines[:3])
            settings = Settings.from_env(variables)
            answer = requests.post(
                f"{settings.api_url}/oauth2/token",
                {"grant_type": "client_credentials", "scope": "accounts"},
                auth=(settings.site_id, settings.api_key),
                timeout=PATIENCE,
            )
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=PATIENCE)

        assert answer.json()["token_type"] == "bearer"
        assert (process.returncode, complaints) == (0, "viafoura-mw simulator: token, answered with 200\n")

    def test_calls_are_answered_though_nobody_reads_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever has read the variables may have closed what they came by."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as nobody_reads:
            monkeypatch.setattr(sys, "stderr", nobody_reads)
            with SimulatedViafoura(told=simulator.tell) as viafoura:
                answer = requests.post(f"{viafoura.url}/oauth2/token", timeout=PATIENCE)
            with contextlib.suppress(BrokenPipeError):
                nobody_reads.close()

        assert answer.status_code == 415

    def test_busy_port_is_a_clear_error(self, capsys: Lines) -> None:
        """The simulator says which port is taken."""
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]

            assert command.main(["simulator", "--port", str(port)]) == 1

        assert capsys.readouterr().err.startswith(f"viafoura-mw: port {port} of 127.0.0.1 cannot be used")


class TestPreview:
    """``viafoura-mw preview``."""

    def test_shows_the_tag_before_and_after(self, tmp_path: Path, capsys: Lines) -> None:
        """Line by line, with an example of a pair."""
        page = tmp_path / "page.html"
        page.write_bytes(b"<!doctype html>\n<p>\n<script async\n  id='viafoura-platform'\n></script>")

        assert command.main(["preview", str(page)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{page}, line 3:",
            "- <script async",
            "-   id='viafoura-platform'",
            "- >",
            "+ <script async",
            '+   id=\'viafoura-platform\' data-uid="7000000003119" data-sid="o52l4itrv8q4p8n4amsou1c567"',
            "+ >",
        ]

    def test_takes_other_examples_and_standard_input(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """The pair is the caller's, escaped; ``-`` is standard input."""
        page = b'<script id="viafoura-platform" data-sid="">\n'
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(page)))

        assert command.main(["preview", "-", "--uid", "1", "--sid", "a&b"]) == 0
        assert '+ <script id="viafoura-platform" data-uid="1" data-sid="a&amp;b">' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("page", "reason"),
        [
            (b"", "it has no viafoura-platform in it"),
            (b"<p>\n<!-- viafoura-platform -->", "the viafoura-platform of line 2 is not the id of a script"),
            (gzip.compress(b'<script id="viafoura-platform">', mtime=0), "it is compressed (gzip)"),
            ("\ufeff<script id=viafoura-platform>".encode("utf-16"), "its charset is no superset of ASCII"),
        ],
    )
    def test_says_why_nothing_would_be_rewritten(self, page: bytes, reason: str, tmp_path: Path, capsys: Lines) -> None:
        """A page without the tag gets the reason."""
        file = tmp_path / "page.html"
        file.write_bytes(page)

        assert command.main(["preview", str(file)]) == 1
        assert f"nothing would be rewritten: {reason}" in capsys.readouterr().out

    def test_says_that_a_file_cannot_be_read(self, tmp_path: Path, capsys: Lines) -> None:
        """A missing page is one line."""
        assert command.main(["preview", str(tmp_path / "absent")]) == 2
        assert "cannot be read: No such file" in capsys.readouterr().err

    def test_writes_nothing_to_a_terminal_that_would_act_upon_it(self, tmp_path: Path, capsys: Lines) -> None:
        """Control characters of the page are shown, not sent."""
        page = tmp_path / "page.html"
        page.write_bytes(b"<script id=viafoura-platform title='\x1b[2J\xff\t'>")

        command.main(["preview", str(page)])

        assert r"title='\x1b[2J\xff" in capsys.readouterr().out

    def test_any_terminal_can_show_it(self, tmp_path: Path) -> None:
        """A character that the terminal lacks is replaced."""
        page = tmp_path / "page.html"
        page.write_text("<script id=viafoura-platform title='渡'>", "utf-8")

        ended = run("preview", str(page), PYTHONIOENCODING="ascii")

        assert ended.returncode == 0
        assert r"title='\u6e21'" in ended.stdout


class TestPreviewOfTheBridge:
    """``viafoura-mw preview --bridge``."""

    def test_prints_the_page_as_everybody_has_it(self, tmp_path: Path, capsysbinary: Any) -> None:
        """And why a script does not wait."""
        page = tmp_path / "page.html"
        boot = b"src=https://cdn.viafoura.net/entry/index.js></script>"
        page.write_bytes(b"<p><script id=viafoura-platform></script><script async " + boot + b"<script " + boot)

        assert command.main(["preview", "--bridge", str(page)]) == 0
        out, err = capsysbinary.readouterr()
        assert out.startswith(b'<p><script src="/_viafoura/bridge.js?')
        assert out.count(b'type="text/x-viafoura-parked"') == 2
        assert b"does not wait (the lines behind it may rely on it" in err

    @pytest.mark.parametrize(
        ("page", "reason"),
        [
            ("<p>", "it has no viafoura-platform in it"),
            ("<script id=viafoura-platform src=a></script>", "give it async or defer"),
            (
                "<meta http-equiv=content-security-policy content=script-src><script id=viafoura-platform>",
                "its Content-",
            ),
        ],
    )
    def test_says_why_a_page_would_not_be_bridged(self, page: str, reason: str, tmp_path: Path, capsys: Lines) -> None:
        """In a sentence, and by its exit code."""
        file = tmp_path / "page.html"
        file.write_text(page)

        assert command.main(["preview", "--bridge", str(file)]) == 1
        assert f"would not be bridged: {reason}"[:20] in (said := capsys.readouterr().err)
        assert reason in said

    def test_goes_by_the_settings_of_the_bridge(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """And by no other; wrong ones are told."""
        file = tmp_path / "page.html"
        file.write_text("<script id=viafoura-platform></script>")
        monkeypatch.setenv("VIAFOURA_BRIDGE_PATH", "/v/")
        assert command.main(["preview", "--bridge", str(file)]) == 0
        assert '"/v/bridge.js?' in capsys.readouterr().out
        monkeypatch.setenv("VIAFOURA_BRIDGE_PATH", "v")
        assert command.main(["preview", "--bridge", str(file)]) == 2
        assert "VIAFOURA_BRIDGE_PATH must" in capsys.readouterr().err


class TestCheckOfTheBridge:
    """``viafoura-mw check`` where there is a bridge: whether nobody can be told from what the application answers."""

    @pytest.mark.parametrize(
        ("answers", "user_path", "is_right"),
        [
            *(("200", "/me", True), ("403", "/me", True), ("404", "", True), ("404", "/me", False)),
            *(("302", "/me", False), ("503", "", False), ("raises", "/me", False), ("never", "/me", False)),
        ],
    )
    @pytest.mark.parametrize("door", ["flat", "asgi3"])
    def test_asks_as_nobody(
        self,
        environment: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: Lines,
        door: str,
        answers: str,
        user_path: str,
        *,
        is_right: bool,
    ) -> None:
        """A redirect and an error tell nothing."""
        (tmp_path / "sites_of_the_bridge.py").write_text(BRIDGED_SITES)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("ANSWERS", answers)
        monkeypatch.setenv("VIAFOURA_BRIDGE", "1")
        monkeypatch.setenv("VIAFOURA_BRIDGE_USER_PATH", user_path)

        code, found = checks(capsys, "--app", f"sites_of_the_bridge:{door}")

        (told,) = [each for each in found if each[1] == "bridge"]
        assert told[0] == ("ok" if is_right else "failed")
        assert told[2].startswith(f"GET {user_path or '/_viafoura/session'}, without a sign-in, ")
        assert code == int(not is_right)


BRIDGED_SITES = """
import os

def flat(environ, start_response):
    answers = os.environ["ANSWERS"]
    if answers == "raises":
        raise LookupError("a secret")
    if answers != "never":
        start_response(answers + " It", [])
    yield b""

async def asgi3(scope, receive, send):
    answers = os.environ["ANSWERS"]
    await receive()
    if answers == "raises":
        raise LookupError("a secret")
    if answers != "never":
        await send({"type": "http.response.start", "status": int(answers), "headers": []})
        await send({"type": "http.response.body", "body": b""})
        await receive()
"""


class TestCheck:
    """``viafoura-mw check``."""

    def test_prints_a_line_for_each_check(self, environment: dict[str, str], capsys: Lines) -> None:
        """Each line begins with how the check ended."""
        code = command.main(["check", "--login", "test-1"])
        lines = capsys.readouterr().out.splitlines()

        assert code == 0
        assert [line.split()[:2] for line in lines] == [
            ["warning", "settings"],  # a simulated Viafoura
            ["warning", "application"],
            ["ok", "user"],
            ["ok", "user"],
            ["ok", "token"],
            ["ok", "login"],
            ["ok", "logout"],
        ]

    def test_login_is_ended_again(
        self, environment: dict[str, str], viafoura: SimulatedViafoura, capsys: Lines
    ) -> None:
        """The check leaves no session behind."""
        checks(capsys, "--login", "test-1", "--name", "Somebody")

        assert viafoura.users["test-1"].name == "Somebody"
        assert viafoura.sessions == {}

    def test_shows_no_secret_session_or_token(
        self,
        environment: dict[str, str],
        viafoura: SimulatedViafoura,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Lines,
    ) -> None:
        """Not even where Viafoura refuses the logout, so that the session lives on."""
        monkeypatch.setenv("VIAFOURA_COOKIE_SECRET", "a-secret-of-the-cookie")
        viafoura.fail("logout", Fault.status(403))

        command.main(["check", "--login", "test-1"])
        said = "".join(capsys.readouterr())

        for secret in (viafoura.api_key, viafoura.site_id, "a-secret-of-the-cookie", *viafoura.sessions):
            assert secret not in said
        assert viafoura.sessions

    def test_tells_every_problem_of_the_settings(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """One run shows them all."""
        monkeypatch.setenv("VIAFOURA_TIMEOUT", "soon")
        monkeypatch.setenv("VIAFOURA_SITE_IDD", "1")

        code, found = checks(capsys)

        assert code == 1
        assert [state for state, _, _ in found] == ["warning", "failed", "failed", "failed"]
        assert "did you mean VIAFOURA_SITE_ID?" in found[0][2]

    def test_says_ok_where_there_is_nothing_to_say(self) -> None:
        """No warning is made up."""
        settings = Settings(site_id="site", api_key="key", cookie_secret=("x" * 32,), logout_paths=("/out",))

        assert list(check._settings(settings)) == [Check("settings", State.OK, "every VIAFOURA_ variable is right")]

    @pytest.mark.parametrize(
        ("settings", "variable"),
        [
            ({"api_url": "http://localhost"}, "VIAFOURA_API_URL"),
            ({"token_url": "http://localhost"}, "VIAFOURA_TOKEN_URL"),
            ({"user": "off"}, "VIAFOURA_USER=off"),
            ({"timeout": 10.0}, "VIAFOURA_TIMEOUT=10"),
            ({"cookie_secure": "0"}, "VIAFOURA_COOKIE_SECURE=0"),
            ({"logout_paths": ("/a", "/out"), "exclude": ("/o*",)}, "VIAFOURA_LOGOUT_PATHS has /out"),
        ],
    )
    def test_warns_of_what_is_probably_not_meant(self, settings: dict[str, Any], variable: str) -> None:
        """A setting that is allowed and odd is named."""
        (found,) = check._settings(Settings(site_id="site", api_key="key", **settings))

        assert found.state is State.WARNING
        assert found.sentence.startswith(variable)

    def test_asks_viafoura_nothing_when_disabled(
        self,
        environment: dict[str, str],
        viafoura: SimulatedViafoura,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Lines,
    ) -> None:
        """``VIAFOURA_ENABLED=0`` goes for the check too."""
        monkeypatch.setenv("VIAFOURA_ENABLED", "0")

        code, found = checks(capsys)

        assert code == 0
        assert found[0][2].startswith("VIAFOURA_ENABLED=0")
        assert viafoura.calls == ()


SITES = """
import functools
import os
import sys


def flat(environ, start_response):
    return []


async def asgi3(scope, receive, send):
    pass


def asgi2(scope):
    return None


class Asgi3:
    async def __call__(self, scope, receive, send):
        pass


class Awaitable:
    def __init__(self, scope, receive, send):
        pass

    def __await__(self):
        yield


asgi_object = Asgi3()
number = 3


def odd(environ, start_response):
    return []


odd.__signature__ = 3


def anything(*args, **kwargs):
    return []


async def decorated(scope, receive, send):
    pass


decorated = functools.wraps(decorated)(lambda *args: decorated(*args))
partial = functools.partial(asgi3)


def failing(password):
    raise RuntimeError(password)


def noisy():
    print("said by the site")
    return flat


def leaving():
    sys.exit(3)
"""


class TestCheckOfTheApplication:
    """``viafoura-mw check`` where there is an application, or should be."""

    @pytest.fixture(autouse=True)
    def _sites(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
        (tmp_path / "some_sites.py").write_text(SITES)
        monkeypatch.syspath_prepend(str(tmp_path))

    @pytest.mark.parametrize(
        ("name", "door", "preset"),
        [
            ("flat", "wsgi", "remote-user"),
            ("noisy()", "wsgi", "remote-user"),
            ("asgi3", "asgi", "scope"),
            ("asgi2", "asgi", "scope"),
            ("asgi_object", "asgi", "scope"),
            ("Awaitable", "asgi", "scope"),
            ("decorated", "asgi", "scope"),
            ("partial", "asgi", "scope"),
        ],
    )
    def test_tells_which_door_it_needs_and_which_preset_reads_the_user(
        self, name: str, door: str, preset: str, capsys: Lines
    ) -> None:
        """By the application that ``VIAFOURA_APP`` names."""
        code, found = checks(capsys, "--app", f"some_sites:{name}")

        assert code == 0
        assert (
            "ok",
            "application",
            f"some_sites:{name} can be imported; let your server load viafoura_mw.{door}:application",
        ) in found
        assert [sentence.startswith(f"preset {preset}: ") for _, subject, sentence in found if subject == "user"] == [
            True
        ]

    def test_says_that_what_makes_the_application_is_to_be_called(self, capsys: Lines) -> None:
        """As the server would say it as it starts."""
        code, found = checks(capsys, "--app", "some_sites:noisy")

        assert code == 1
        (said,) = [(state, sentence) for state, subject, sentence in found if subject == "application"]
        assert said[0] == "failed"
        assert said[1].startswith("VIAFOURA_APP=some_sites:noisy takes no request: if it makes the application, ")

    @pytest.mark.parametrize("name", ["odd", "anything"])
    def test_tells_both_doors_where_the_application_says_neither(self, name: str, capsys: Lines) -> None:
        """An application of neither shape may be either."""
        code, found = checks(capsys, "--app", f"some_sites:{name}")

        assert code == 0
        door = "viafoura_mw.wsgi:application, or asgi if it is ASGI"
        assert ("ok", "application", f"some_sites:{name} can be imported; let your server load {door}") in found
        assert [subject for _, subject, _ in found].count("user") == 2

    def test_takes_the_settings_that_the_site_makes_itself(
        self, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """Variables that the import sets are read after it."""
        for name in environment:
            monkeypatch.setenv(name, "")
        lines = [f"os.environ[{name!r}] = {value!r}" for name, value in environment.items()]
        (tmp_path / "own_site.py").write_text("\n".join(["import os", *lines, "def app(a, b): ..."]))
        monkeypatch.setenv("VIAFOURA_APP", str(tmp_path / "own_site.py"))

        code, found = checks(capsys)

        assert code == 0
        assert {("ok", "application"), ("ok", "token")} <= {*named(found)}

    def test_shows_nothing_of_a_foreign_exception_but_its_type(
        self, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """Its text may hold a password."""

        def recognised(*, asgi: bool) -> str:
            raise LookupError("s3cret")

        monkeypatch.setattr(frameworks, "recognised", recognised)
        for name in ("failing('s3cret')", "flat"):
            command.main(["check", "--app", f"some_sites:{name}"])
        said = "".join(capsys.readouterr())

        assert "some_sites:failing(…) cannot be loaded: RuntimeError (" in said
        assert "whether a framework runs cannot be told (LookupError)" in said
        assert "s3cret" not in said

    def test_tells_of_the_application_where_settings_are_wrong_too(
        self, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """One run shows both problems."""
        monkeypatch.setenv("VIAFOURA_TIMEOUT", "soon")

        code, found = checks(capsys, "--app", "some_sites:flat")

        assert code == 1
        assert named(found) == [("failed", "settings"), ("ok", "application")]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("number", "a int is no application"),
            ("absent", "AttributeError"),
            ("leaving()", "SystemExit"),
        ],
    )
    def test_tells_why_it_is_not_there(
        self, name: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """The application is no reason not to ask Viafoura."""
        monkeypatch.setenv("VIAFOURA_APP", f"some_sites:{name}")

        code, found = checks(capsys)

        assert code == 1
        assert [reason in sentence for state, subject, sentence in found if subject == "application"] == [True]
        assert ("ok", "token") in named(found)

    @pytest.mark.parametrize(("app", "preset"), [("asgi3", "remote-user"), ("flat", "scope")])
    def test_warns_of_a_user_who_is_read_where_there_is_none(
        self, app: str, preset: str, monkeypatch: pytest.MonkeyPatch, capsys: Lines
    ) -> None:
        """The preset is another door's."""
        monkeypatch.setenv("VIAFOURA_USER", preset)

        _, found = checks(capsys, "--app", f"some_sites:{app}")

        assert ("warning", "user") in named(found)

    def test_reads_nobody_where_the_user_is_off(self, monkeypatch: pytest.MonkeyPatch, capsys: Lines) -> None:
        """Then there is no line about the user."""
        monkeypatch.setenv("VIAFOURA_USER", "off")

        _, found = checks(capsys)

        assert "user" not in {subject for _, subject, _ in found}


class TestCheckOfViafoura:
    """``viafoura-mw check`` where Viafoura does not do as it should."""

    @pytest.mark.parametrize(
        ("kind", "fault", "advice"),
        [
            ("token", Fault.status(401), "copy VIAFOURA_SITE_ID and VIAFOURA_API_KEY"),
            ("token", Fault.html(), "look at VIAFOURA_API_URL"),
            ("token", Fault.refuse(), "look at VIAFOURA_API_URL"),
            ("login", Fault.status(403), "try another id or name"),
            ("logout", Fault.status(403), "the session ends by itself"),
        ],
    )
    def test_tells_what_failed_and_what_to_change(
        self,
        kind: Any,
        fault: Fault,
        advice: str,
        environment: dict[str, str],
        viafoura: SimulatedViafoura,
        capsys: Lines,
    ) -> None:
        """The last line is of the call that failed."""
        viafoura.fail(kind, fault)

        code, found = checks(capsys, "--login", "test-1")

        assert code == 1
        assert found[-1][:2] == ("failed", kind)
        assert advice in found[-1][2]

    def test_warns_of_a_viafoura_that_no_page_would_wait_for(
        self,
        environment: dict[str, str],
        viafoura: SimulatedViafoura,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Lines,
    ) -> None:
        """A login that takes longer than ``VIAFOURA_TIMEOUT``."""
        monkeypatch.setenv("VIAFOURA_TIMEOUT", "0.01")
        viafoura.fail("token", Fault.delay(0.1))

        code, found = checks(capsys)

        assert code == 0
        assert named(found)[-2:] == [("ok", "token"), ("warning", "token")]


class TestColours:
    """``check`` on a terminal, and in a pipe."""

    @pytest.mark.parametrize(
        ("is_terminal", "environ", "is_coloured"),
        [
            (True, {}, True),
            (True, {"NO_COLOR": "1"}, False),
            (True, {"TERM": "dumb"}, False),
            (False, {}, False),
        ],
    )
    def test_states_are_coloured_on_a_terminal_that_has_colours(
        self,
        is_terminal: bool,
        environ: dict[str, str],
        is_coloured: bool,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Lines,
    ) -> None:
        """A pipe, ``NO_COLOR`` and a terminal without colours get plain text."""
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm", **environ}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)

        command.main(["check"])

        line = capsys.readouterr().out.splitlines()[0]
        assert line.startswith("\x1b[31mfailed  \x1b[0m settings" if is_coloured else "failed   settings")
