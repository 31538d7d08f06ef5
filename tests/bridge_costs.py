"""``python -m tests.bridge_costs``: what a bridged page costs beside an injected one, and what a question costs.

In process, through the WSGI door, side by side in one run: microseconds, the fastest quarter of some hundred runs.
"""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.bench.pages import dense, scripted, with_tag
from tests.support.doors import environ_of
from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.wsgi import ViafouraMiddleware

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SIZE = 119_000
RUNS = 400
BOOT = b"https://cdn.viafoura.net/entry/index.js"
ASKS = {"X-Viafoura-Bridge": "0123456789abcdef", "Sec-Fetch-Site": "same-origin", "Host": "site.example"}


def site(body: bytes) -> "WSGIApplication":
    """An application whose page is made beforehand, and whose user is signed in."""
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", headers)
        return [body]

    return application


def served(app: Any, environ: dict[str, Any]) -> list[tuple[str, str]]:
    """Serve one request; the headers that came."""
    heads: list[list[tuple[str, str]]] = []
    answer = app(dict(environ), lambda _, headers, *__: heads.append(headers))
    b"".join(answer)
    getattr(answer, "close", bool)()
    return heads[-1]


def cost(app: Any, environ: dict[str, Any]) -> float:
    """Microseconds of one request."""
    taken = []
    for _ in range(RUNS):
        begun = time.perf_counter_ns()
        served(app, environ)
        taken.append(time.perf_counter_ns() - begun)
    return sorted(taken)[RUNS // 4] / 1000


def main() -> None:
    """Measure, and print a table."""
    with SimulatedViafoura() as viafoura:
        injecting = Settings.from_env({**viafoura.environ(), "VIAFOURA_TIMEOUT": "20"})
        bridging = Settings.from_env({**viafoura.environ(), "VIAFOURA_TIMEOUT": "20", "VIAFOURA_BRIDGE": "1"})
        for name, made in (("dense", dense(SIZE)), ("scripted", scripted(SIZE))):
            for share in (0.05, 0.5, 0.95):
                app = site(with_tag(made, share).replace(b"https://cdn.example/viafoura.js", BOOT))
                injected, bridged = ViafouraMiddleware(app, injecting), ViafouraMiddleware(app, bridging)
                first = served(injected, environ_of(headers={"Accept": "text/html", "Cookie": "sessionid=a"}))
                ours = next(value for field, value in first if field == "Set-Cookie").partition(";")[0]
                asked = environ_of(headers={"Accept": "text/html", "Cookie": f"sessionid=a; {ours}"})
                costs = [cost(one, asked) - cost(app, asked) for one in (injected, bridged)]
                sys.stdout.write(f"{name}, tag at {share:.0%}: injected {costs[0]:.0f} µs, bridged {costs[1]:.0f} µs\n")
        for who, cookie in (("without a cookie", {}), ("with a valid cookie", {"Cookie": f"sessionid=a; {ours}"})):
            asked = environ_of("POST", "/_viafoura/session", {**ASKS, **cookie})
            sys.stdout.write(f"POST session {who}: {cost(bridged, asked):.1f} µs\n")


if __name__ == "__main__":
    main()
