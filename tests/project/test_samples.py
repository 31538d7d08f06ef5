"""Every sample, started as its README says: before, and with the middleware around it."""

import contextlib
import json
import re
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.dashboard import asked, panels
from tests.support.samples import BEHIND_A_PROXY, BY_SITE, SAMPLES, WITH_METRICS, by_form, copied, sign_out, started
from tests.support.servers import (
    SERVERS,
    Browser,
    Running,
    exchange,
    free_port,
    program,
    readable_packages,
    serving,
)
from viafoura_mw.metrics import SITE
from viafoura_mw.testing import SimulatedViafoura

# How a reader signs in to each of the sites, and as whom Viafoura is to know them.


CACHED = {"cached-nginx": "nginx", "cached-varnish": "varnishd"}


def test_every_sample_is_tested() -> None:
    """No folder is forgotten, here or in the samples' README."""
    folders = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    readme = (SAMPLES / "README.md").read_text("utf-8")

    assert folders == {*BY_SITE, BEHIND_A_PROXY, WITH_METRICS, *CACHED} == set(re.findall(r"\]\(([\w-]+)\)", readme))


@pytest.mark.parametrize("sample", [*BY_SITE, BEHIND_A_PROXY, WITH_METRICS, *CACHED])
def test_a_sample_knows_nothing_of_the_middleware(sample: str) -> None:
    """No file of a site says anything of this package, but those that start it."""
    starting = {
        "README.md",
        "start.sh",
        "site.ini",
        "viafoura.wsgi",
        "nginx.conf",
        "site.vcl",
        "dashboard.json",
        "alerts.yml",
    }
    files = [path for path in (SAMPLES / sample).rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    telling = {path.name for path in files if re.search(r"(?i)viafoura[_-](?!platform)", path.read_text("utf-8"))}

    assert telling <= starting


@pytest.mark.parametrize("name", BY_SITE)
def test_a_reader_is_signed_in_to_viafoura(name: str, viafoura: SimulatedViafoura) -> None:
    """The anonymous page stays the bare site's, byte for byte; a reader who signs in has a session of their own; the
    next page costs no call; who signs out of the site is signed out of Viafoura."""
    if name == "mod-wsgi-apache" and (
        missing := next(server.missing for server in SERVERS if server.name == "mod_wsgi")
    ):
        pytest.skip(missing)
    sample = BY_SITE[name]
    with copied(name) as folder:
        sample.prepare(folder)
        environ = viafoura.environ()
        if name == "mod-wsgi-apache":
            (folder / "viafoura.env").write_text("".join(f"{k}={v}\n" for k, v in environ.items()))
            environ = {"PACKAGES": f"{readable_packages(folder)}:{sysconfig.get_path('purelib')}"}
        with started(folder, "start-before.sh", {}) as bare:
            page_before = exchange(bare.port, "GET / HTTP/1.1\nAccept: text/html")
        with started(folder, "start.sh", environ) as site, Browser(site.port, closes=True) as browser:
            page = exchange(site.port, "GET / HTTP/1.1\nAccept: text/html")
            assert not viafoura.calls
            sample.sign_in(browser)
            first, second = browser.get(), browser.get()
            if sample.sign_out:
                sample.sign_out(browser)
                after = browser.get()
                viafoura.wait_for("logout")
                assert after.pair is None

    assert page == page_before
    assert first.pair == second.pair is not None
    user_id, session = first.pair
    assert viafoura.users[sample.id].user_id == int(user_id)
    assert viafoura.users[sample.id].name == sample.name
    assert [call.form["id"] for call in viafoura.calls if call.kind == "login"] == [sample.id]
    logouts = [call.form["session"] for call in viafoura.calls if call.kind == "logout"]
    assert logouts == ([session] if sample.sign_out else [])


# With metrics.

QUERIES = [target["expr"] for panel in panels() for target in panel["targets"]]


@pytest.mark.skipif(not program("promtool"), reason="prometheus not installed")
def test_prometheus_understands_each_query_of_the_dashboard(tmp_path: Path) -> None:
    """As Grafana asks them, with its variables in them."""
    rules = [{"record": f"query_{number}", "expr": asked(query)} for number, query in enumerate(QUERIES)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = subprocess.run(
        [program("promtool"), "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True
    )

    assert (done.returncode, f"{len(QUERIES)} rules found" in done.stdout) == (0, True), done.stderr


ALERTS = SAMPLES / WITH_METRICS / "alerts.yml"
#: Each minute's values of what Prometheus was given, and the alert that they raise, by the minute.
STORIES: list[tuple[str, dict[str, str], dict[int, list[str]]]] = [
    ("Viafoura fails", {"viafoura_breaker_open": "0 0 1x6"}, {6: [], 8: ["ViafouraFails"]}),
    ("one of three processes alone", {'viafoura_breaker_open{job="a"}': "0x9", "viafoura_breaker_open": "1x9"}, {9: [
        "ViafouraFails"
    ]}),
    ("it works again", {"viafoura_breaker_open": "1x4 0x9"}, {6: [], 9: []}),
    ("a key that is refused", {'viafoura_calls_total{call="token",result="refused"}': "1+1x9"}, {3: [
        "ViafouraRefusesCredentials"
    ]}),
    ("one token that is refused long ago", {'viafoura_calls_total{call="token",result="refused"}': "1x30"}, {25: []}),
    ("logins of refused users", {'viafoura_calls_total{call="login",result="refused"}': "1+9x30"}, {30: []}),
    ("dropped logins", {'viafoura_calls_total{call="login",result="dropped"}': "0+1x40"}, {10: [], 35: [
        "ViafouraLoginsDropped"
    ]}),
    ("a tenth without a session", {
        'viafoura_pages_total{outcome="injected"}': "0+90x40", 'viafoura_pages_total{outcome="unavailable"}': "0+10x40",
    }, {10: [], 35: ["ViafouraPagesWithoutSession"]}),
    ("anonymous pages only", {'viafoura_pages_total{outcome="anonymous"}': "0+90x40"}, {35: []}),
]  # fmt: skip


@pytest.mark.skipif(not program("promtool"), reason="prometheus not installed")
def test_prometheus_takes_the_samples_configuration() -> None:
    """With its rules."""
    file = SAMPLES / WITH_METRICS / "prometheus.yml"
    done = subprocess.run([program("promtool"), "check", "config", file], capture_output=True, text=True)

    assert (done.returncode, "4 rules found" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.skipif(not program("promtool"), reason="prometheus not installed")
def test_the_alerts_are_raised_when_they_should_be(tmp_path: Path) -> None:
    """And at no other time: as Prometheus' own tool plays each story."""
    stories = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in given.items()],
            "promql_expr_test": [
                {
                    "expr": 'sum by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{minute}m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in raised],
                }
                for minute, raised in expected.items()
            ],
        }
        for name, given, expected in STORIES
    ]
    (tmp_path / "stories.yml").write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": stories}))

    done = subprocess.run(
        [program("promtool"), "test", "rules", tmp_path / "stories.yml"], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert {alert for _, _, expected in STORIES for raised in expected.values() for alert in raised} == {
        *re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8"))
    }


def test_the_dashboard_asks_for_metrics_that_there_are(viafoura: SimulatedViafoura) -> None:
    """Each name and label of its queries is one that Prometheus is given; the site's own metrics are there as ever."""
    environ = {"METRICS_PORT": str(free_port()), **viafoura.environ()}
    with copied(WITH_METRICS) as folder, started(folder, "start.sh", environ) as site, Browser(site.port) as browser:
        assert browser.post("/sign-in", reader="Ann").status == 303
        assert browser.get().pair is not None
        told = exchange(int(environ["METRICS_PORT"]), "GET /metrics HTTP/1.1").decode()

    queries = [*QUERIES, *re.findall(r"(?m)^ +(?:expr:|/|sum) .*", ALERTS.read_text("utf-8"))]
    assert {name for query in queries for name in re.findall(r"viafoura_(?!site)[a-z_]+", query)} <= {
        re.split(r"[{ ]", line)[0] for line in told.splitlines()
    }
    labels = {*re.findall(r'(\w+)="', told), SITE.replace(".", "_")}  # this run has one site
    assert {label for query in QUERIES for label in re.findall(r'(\w+)=~?"', query)} <= labels
    assert {
        label for query in QUERIES for by in re.findall(r"by \(([^)]+)\)", query) for label in by.split(", ")
    } <= labels
    assert {'outcome="injected"', 'call="login"', 'result="ok"'} <= {*re.findall(r'\w+="\w+"', told)}
    assert "gazette_visits_total" in told


# Behind oauth2-proxy and nginx.


class _StandIn(BaseHTTPRequestHandler):
    """What oauth2-proxy answers nginx with ``--set-xauthrequest``: who is signed in, or the page to do so."""

    def do_GET(self) -> None:
        signed_in = "_oauth2_proxy=ann" in self.headers.get("Cookie", "")
        auth = self.path == "/oauth2/auth"
        page = b"" if auth else b"<!doctype html><title>Sign in</title>"
        self.send_response((202 if signed_in else 401) if auth else 403)
        if auth and signed_in:
            self.send_header("X-Auth-Request-User", "idp|17")
            self.send_header("X-Auth-Request-Preferred-Username", "ann")
            self.send_header("X-Auth-Request-Email", "ann@gazette.example")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        pass


@contextlib.contextmanager
def _oauth2_proxy() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _StandIn) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _nginx(folder: Path, site: int, oauth2_proxy: int) -> Iterator[Running]:
    """The sample's nginx on a free port, in front of these two."""
    configuration = (folder / "nginx.conf").read_text()

    def command(port: int, _: Path) -> list[str]:
        ports = {"8000": port, "8001": site, "4180": oauth2_proxy}
        text = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports[found[1]]}", configuration)
        (folder / "ports.conf").write_text(text)
        return [program("nginx"), "-p", str(folder), "-c", str(folder / "ports.conf")]

    with serving(command, {}, cwd=folder) as running:
        yield running


@pytest.mark.skipif(not program("nginx"), reason="nginx not installed")
def test_a_reader_behind_oauth2_proxy_is_signed_in_to_viafoura(viafoura: SimulatedViafoura) -> None:
    """nginx says who the reader is; what the visitor says of that, past nginx or through it, counts for nothing."""
    with copied(BEHIND_A_PROXY) as folder, contextlib.ExitStack() as stack:
        site = stack.enter_context(started(folder, "start.sh", viafoura.environ()))
        nginx = stack.enter_context(_nginx(folder, site.port, stack.enter_context(_oauth2_proxy())))
        browser = stack.enter_context(Browser(nginx.port))
        anonymous = browser.get(X_Forwarded_User="idp|42", X_Forwarded_Preferred_Username="bob")
        browser.cookies["_oauth2_proxy"] = "ann"
        first, second = browser.get(), browser.get(X_Forwarded_User="idp|42")
        underscored = browser.ask("GET", "/", {"X_Forwarded_User": "idp|42", "Accept": "text/html"})
        past = stack.enter_context(Browser(site.port, closes=True))
        forged = past.get(X_Forwarded_User="idp|42", X_Forwarded_Preferred_Username="bob")
        guessed = past.get(
            X_Forwarded_User="idp|42", X_Forwarded_Preferred_Username="bob", X_Viafoura_Proxy_Secret="a-guess"
        )

    assert (anonymous.status, b"Sign in" in anonymous.body) == (403, True)
    assert first.pair == second.pair == underscored.pair is not None
    assert forged.pair is guessed.pair is None
    assert {account.id: account.name for account in viafoura.users.values()} == {"idp|17": "ann"}
    assert viafoura.count("login") == 1


@contextlib.contextmanager
def _cache(program_: str, folder: Path, site: int) -> Iterator[Running]:
    """The sample's cache on a free port, in front of the site."""
    name = "nginx.conf" if program_ == "nginx" else "site.vcl"
    configuration = (folder / name).read_text().replace("8001", str(site))

    def command(port: int, _: Path) -> list[str]:
        (folder / f"ports-{name}").write_text(configuration.replace("8000", str(port)))
        if program_ == "nginx":
            return [program("nginx"), "-p", str(folder), "-c", str(folder / "ports-nginx.conf")]
        places = ["-a", f"127.0.0.1:{port}", "-f", str(folder / "ports-site.vcl"), "-n", str(folder / "varnish")]
        return [program("varnishd"), "-F", "-j", "none", *places]

    with serving(command, {}, cwd=folder) as running:
        yield running


@pytest.mark.parametrize(("sample", "needs"), CACHED.items())
def test_a_reader_behind_a_cache_is_signed_in_from_the_browser(
    sample: str, needs: str, viafoura: SimulatedViafoura
) -> None:
    """One copy for everybody, and each reader their own pair; the site as it was is kept just as well."""
    if not program(needs):
        pytest.skip(f"{needs} not installed")
    for script in ("start-before.sh", "start.sh"):
        with copied(sample) as folder, contextlib.ExitStack() as stack:
            site = stack.enter_context(started(folder, script, viafoura.environ()))
            cache = stack.enter_context(_cache(needs, folder, site.port))
            ann, ben = (stack.enter_context(Browser(cache.port)) for _ in range(2))
            first, second = ann.get(), ben.get()
            assert first.body == second.body
            assert second.get("X-Cache") == "HIT"
            is_bridged = script == "start.sh"
            assert (b"/_viafoura/bridge.js?" in first.body) is is_bridged
            if is_bridged:
                by_form(reader="ann")(ann)
                asked = {"X-Viafoura-Bridge": "0123456789abcdef", "Sec-Fetch-Site": "same-origin"}
                told = [json.loads(reader.ask("POST", "/_viafoura/session", asked, b"").body) for reader in (ann, ben)]
                assert [each["state"] for each in told] == ["signed-in", "nobody"]
                assert told[0]["user_id"] == str(viafoura.users["ann"].user_id)
                sign_out(ann)
                assert json.loads(ann.ask("POST", "/_viafoura/session", asked, b"").body)["state"] == "nobody"
