"""nginx and Varnish as caches in front of a site, with what a test says of them in their own words."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.servers import Running, program, serving

_KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_folders(folder: Path) -> str:
    """Lines of nginx's configuration by which its temporary files lie in ``folder``."""
    return "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in _KINDS)


def _nginx(port: int, site: int, folder: Path, how: str) -> Sequence[str]:
    (folder / "nginx.conf").write_text(f"""
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
{nginx_folders(folder)}
    access_log off;
    proxy_cache_path {folder}/cache keys_zone=pages:1m;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{site};
            {"" if "proxy_cache off" in how else "proxy_cache pages;"}
            {how}
        }}
    }}
}}
""")
    return [program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _varnish(port: int, site: int, folder: Path, how: str) -> Sequence[str]:
    (folder / "site.vcl").write_text(f"""
vcl 4.1;
backend site {{ .host = "127.0.0.1"; .port = "{site}"; }}
{how}
""")
    places = ["-a", f"127.0.0.1:{port}", "-f", str(folder / "site.vcl"), "-n", str(folder / "varnish")]
    return [program("varnishd"), "-F", "-j", "none", "-s", "malloc,16m", *places]


CACHES = {"nginx": _nginx, "varnishd": _varnish}


def standing(name: str, site: int, how: str = "") -> contextlib.AbstractContextManager[Running]:
    """A cache in front of the site on a port; ``how``: of nginx's one location, or more of Varnish's subroutines."""
    if not program(name):
        pytest.skip(f"{name} not installed")
    return serving(lambda port, folder: CACHES[name](port, site, folder, how), {})
