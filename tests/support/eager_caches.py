"""Real caches, each told to keep what it can."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.caches import nginx_folders
from tests.support.servers import SERVERS, Running, Server, program, serving

_APACHE = Path("/usr/lib/apache2/modules")


def _nginx(ignored: str) -> Callable[[int, int, Path], Sequence[str]]:
    def command(port: int, site: int, folder: Path) -> Sequence[str]:
        (folder / "nginx.conf").write_text(f"""
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
{nginx_folders(folder)}
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
