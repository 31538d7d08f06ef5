"""Real caches in front of a real server: two signed-in users and a visitor, in random order, through each of them.

Each cache is told to keep what it can: to pass over cookies, and over ``Cache-Control`` where there is another header
that it goes by. The paths are those on which the bare site is safe behind that very cache.
"""

import contextlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sites.cached import FRAGMENT, PAGES
from tests.support.servers import SERVERS, Answer, Browser, Running, Server, program, serving
from viafoura_mw.testing import SimulatedViafoura

_APACHE = Path("/usr/lib/apache2/modules")
_NUMBER = re.compile(rb"<i>(\d+)</i>")
_GREETING = re.compile(rb"<p>Hello(?:, (\w+))?\.")
READERS = {"ann": "1", "ben": "2", "visitor": ""}
PATHS_OF_EACH = 10  # on each of which it is another reader who comes first
VISITS_TO_EACH = 3  # by each reader


# The caches.


def _nginx(ignored: str) -> Callable[[int, int, Path], Sequence[str]]:
    def command(port: int, site: int, folder: Path) -> Sequence[str]:
        temporary = "".join(
            f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(f"""
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
{temporary}
    access_log off;
    proxy_cache_path {folder}/cache keys_zone=pages:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{site};
            proxy_cache pages;
            proxy_cache_key $uri;
            {f"proxy_ignore_headers {ignored};" if ignored else ""}
            {"proxy_cache_valid 200 10m;" if ignored else ""}
        }}
    }}
}}
""")
        return [program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]

    return command


def _varnish(port: int, site: int, folder: Path) -> Sequence[str]:
    (folder / "site.vcl").write_text(f"""
vcl 4.1;
import std;
backend site {{ .host = "127.0.0.1"; .port = "{site}"; }}
sub vcl_recv {{
    if (req.method == "GET") {{ return (hash); }}  # whatever the cookies are
}}
sub vcl_backend_response {{
    if (beresp.http.Surrogate-Control ~ "ESI/1.0") {{
        set beresp.do_esi = true;
    }}
    if (beresp.http.Surrogate-Control ~ "max-age=") {{
        set beresp.ttl = std.duration(regsub(beresp.http.Surrogate-Control, ".*max-age=(\\d+).*", "\\1s"), 0s);
        unset beresp.http.Set-Cookie;
        unset beresp.http.Vary;
    }}
    if (beresp.http.X-Reverse-Proxy-TTL) {{
        set beresp.ttl = std.duration(beresp.http.X-Reverse-Proxy-TTL + "s", 0s);
        unset beresp.http.Set-Cookie;
        unset beresp.http.Vary;
        unset beresp.http.Cache-Control;
    }}
}}
""")
    places = ["-a", f"127.0.0.1:{port}", "-f", str(folder / "site.vcl"), "-n", str(folder / "varnish")]
    return [program("varnishd"), "-F", "-j", "none", "-s", "malloc,16m", *places]


def _squid(port: int, site: int, folder: Path) -> Sequence[str]:
    (folder / "squid.conf").write_text(f"""
http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1
cache_peer 127.0.0.1 parent {site} 0 no-query no-digest originserver
http_access allow all
cache_mem 16 MB
pid_filename {folder}/squid.pid
cache_log /dev/stdout
logfile_rotate 0
access_log none
netdb_filename none
pinger_enable off
coredump_dir {folder}
shutdown_lifetime 1 second
""")
    return [program("squid"), "-N", "-f", str(folder / "squid.conf")]


def _apache(port: int, site: int, folder: Path) -> Sequence[str]:
    modules = ("mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk")
    (folder / "cache").mkdir(mode=0o777, exist_ok=True)
    (folder / "cache").chmod(0o777)
    (folder / "apache.conf").write_text(
        "\n".join(f"LoadModule {name}_module {_APACHE}/mod_{name}.so" for name in modules)
        + f"""
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
ErrorLog /dev/stderr
User www-data
Group www-data
CacheRoot "{folder}/cache"
CacheEnable disk /
CacheIgnoreNoLastMod On
CacheLock Off
CacheIgnoreHeaders Set-Cookie
ProxyPass / http://127.0.0.1:{site}/
<Location "/">
    Require all granted
</Location>
"""
    )
    return [program("apache2"), "-d", str(folder), "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]


@dataclass(frozen=True)
class Cache:
    """A cache's ``command`` from its port, the site's and a folder; ``paths`` are those that are safe behind it."""

    name: str
    needs: str
    command: Callable[[int, int, Path], Sequence[str]]
    paths: tuple[str, ...]

    def serving(self, site: Running) -> contextlib.AbstractContextManager[Running]:
        """Stand in front of a site."""
        return serving(lambda port, folder: self.command(port, site.port, folder), {})


CACHES = (
    Cache(
        "nginx that ignores all but X-Accel-Expires",
        "nginx",
        _nginx("Cache-Control Expires Set-Cookie Vary"),
        ("accel-no", "accel-yes", "accel-later"),
    ),
    Cache("nginx", "nginx", _nginx(""), ("private", "no-store", "public", "accel-no", "accel-yes", "accel-later")),
    Cache(
        "Varnish",
        "varnishd",
        _varnish,
        (
            *("private", "no-store", "public", "surrogate-no", "surrogate-yes", "ttl-no", "ttl-yes"),
            *("esi-no", "esi-yes", "esi-plain"),
        ),
    ),
    Cache(
        "Squid",
        "squid",
        _squid,
        ("private", "no-store", "public", "expires", "surrogate-no"),
    ),
    Cache("Apache mod_cache", "apache2", _apache, ("private", "no-store", "public", "expires")),
)
SITES: dict[str, Server] = {server.door: server for server in SERVERS if server.name in ("waitress", "uvicorn")}


@pytest.fixture(params=SITES)
def door(request: pytest.FixtureRequest) -> str:
    """Each of the two doors."""
    name: str = request.param
    if SITES[name].missing:
        pytest.skip(SITES[name].missing)
    return name


@pytest.fixture(params=CACHES, ids=lambda cache: cache.name)
def cache(request: pytest.FixtureRequest) -> Cache:
    """Each of the caches."""
    found: Cache = request.param
    if not program(found.needs):
        pytest.skip(f"{found.needs} not installed")
    return found


@contextlib.contextmanager
def _bare(door: str) -> Iterator[Running]:
    with SITES[door].serving("tests.sites.bare", {"SITE": f"tests.sites.cached:{door}"}) as site:
        yield site


@contextlib.contextmanager
def _wrapped(door: str, viafoura: SimulatedViafoura) -> Iterator[Running]:
    settings = {**viafoura.environ(), "VIAFOURA_APP": f"tests.sites.cached:{door}", "VIAFOURA_TIMEOUT": "20"}
    with SITES[door].serving(f"viafoura_mw.{door}", settings) as site:
        yield site


# The visits.


@dataclass(frozen=True)
class Visit:
    """Who has asked for which path, and what came."""

    who: str
    path: str
    answer: Answer

    @property
    def user_id(self) -> str:
        """The site's id of who has asked; empty for a visitor."""
        return str(1000 + int(READERS[self.who])) if READERS[self.who] else ""

    @property
    def greeted(self) -> str | None:
        """Whom the page greets; ``None`` on a page for everybody."""
        greeting = _GREETING.search(self.answer.body)
        assert greeting, self.answer.body
        return greeting[1].decode() if greeting[1] else None

    @property
    def number(self) -> bytes:
        """The number of the site's answer."""
        number = _NUMBER.search(self.answer.body)
        assert number
        return number[1]


def _visits(port: int, cache: Cache, seed: int) -> list[Visit]:
    """Every reader on every path, several times, in random order: on each path another one comes first."""
    paths = [f"/{path}/{number}" for path in cache.paths for number in range(PATHS_OF_EACH)]
    turns = [(who, path) for who in READERS for path in paths for _ in range(VISITS_TO_EACH)]
    random.Random(seed).shuffle(turns)
    browsers = {who: Browser(port, cookies={"reader": reader} if reader else {}) for who, reader in READERS.items()}
    with contextlib.ExitStack() as stack:
        for browser in browsers.values():
            stack.enter_context(browser)
        visits = [Visit(who, path.split("/")[1], browsers[who].get(path)) for who, path in turns]
    assert "viafoura_mw" not in browsers["visitor"].cookies
    return visits


def _hits(visits: list[Visit], path: str) -> int:
    """How many answers of a path were kept ones."""
    numbers = [visit.number for visit in visits if visit.path == path]
    return len(numbers) - len(set(numbers))


def _assert_own_greetings(visits: list[Visit]) -> None:
    for visit in visits:
        expected = (visit.user_id or "stranger") if PAGES[visit.path].is_personal else None
        assert visit.greeted == expected, visit


def test_the_bare_site_is_safe_behind_the_cache(cache: Cache, door: str) -> None:
    """Nobody is greeted as another, and what the site lets be kept is kept: the cache is one."""
    with _bare(door) as site, cache.serving(site) as front:
        visits = _visits(front.port, cache, seed=1)

    _assert_own_greetings(visits)
    assert all(_hits(visits, path) for path in cache.paths if not PAGES[path].is_personal)


def test_nobody_gets_anothers_page(cache: Cache, door: str, viafoura: SimulatedViafoura) -> None:
    """A page carries the session of who asked for it, or none; the visitors' pages are kept as ever."""
    with _wrapped(door, viafoura) as site, cache.serving(site) as front:
        visits = _visits(front.port, cache, seed=2)

    users = {account.user_id: account.id for account in viafoura.users.values()}
    _assert_own_greetings(visits)
    for visit in visits:
        pair = visit.answer.pair
        if pair is not None:
            assert users[int(pair[0])] == visit.user_id, visit
            assert viafoura.sessions[pair[1]] == int(pair[0])
        assert pair is not None or not (visit.user_id and PAGES[visit.path].is_personal), visit
    assert all(_hits(visits, path) for path in cache.paths if not PAGES[path].is_personal)


def test_varnish_composes_a_signed_in_users_page(door: str, viafoura: SimulatedViafoura) -> None:
    """``Surrogate-Control: content="ESI/1.0"`` is no matter of keeping: nobody sees a raw ``<esi:include>``."""
    cache = next(cache for cache in CACHES if cache.name == "Varnish")
    if not program(cache.needs):
        pytest.skip(f"{cache.needs} not installed")
    with _wrapped(door, viafoura) as site, cache.serving(site) as front:
        visits = _visits(front.port, cache, seed=3)

    composed = [visit for visit in visits if PAGES[visit.path].composed]
    assert all(FRAGMENT in visit.answer.body and b"<esi:" not in visit.answer.body for visit in composed)
    assert {visit.who for visit in composed if visit.answer.pair} == {"ann", "ben"}
