"""What ``viafoura-mw check`` asks of the application where there is a bridge: whether nobody could be told from it."""

import asyncio
import io
from typing import Any, Final

from viafoura_mw.settings import Settings

_LIMIT: Final = 30.0  # seconds
_HEADERS: Final = {"Host": "localhost", "Accept-Encoding": "identity"}


def asked(app: Any, settings: Settings, *, is_asgi: bool) -> tuple[bool, str]:
    """Ask for the path of which who is reading is read, as nobody: whether that tells, and a sentence."""
    path = settings.bridge_user_path or f"{settings.bridge_path}session"
    try:
        status = asyncio.run(_asgi_status(app, path)) if is_asgi else _wsgi_status(app, path)
    except Exception as error:  # of the site's own; nothing of its text is shown
        return False, f"GET {path}, without a sign-in, raised {type(error).__name__}"
    if 200 <= status < 300 or status in (401, 403):
        return True, f"GET {path}, without a sign-in, is answered with {status}"
    if status == 404 and not settings.bridge_user_path:
        return True, (
            f"GET {path}, without a sign-in, is answered with 404, which is right if the site knows its user on every "
            "path; if it does so on certain paths only, set VIAFOURA_BRIDGE_USER_PATH to one of them"
        )
    return False, (
        f"GET {path}, without a sign-in, is answered with {status}, which does not say that nobody is signed in: set "
        "VIAFOURA_BRIDGE_USER_PATH to a path that is answered with 2xx, 401 or 403"
    )


def _wsgi_status(app: Any, path: str) -> int:
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _HEADERS.items()},
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }

    def start_response(status: str, *_: Any) -> Any:
        statuses.append(status)
        return bool

    body = app(environ, start_response)
    try:
        chunks = iter(body)
        while not statuses and next(chunks, None) is not None:
            pass
    finally:
        getattr(body, "close", bool)()
    return int(statuses[-1][:3])


async def _asgi_status(app: Any, path: str) -> int:
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        message = next(requests, None)
        return message if message is not None else await asyncio.Future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and not answered.done():
            answered.set_result(int(message["status"]))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "extensions": {},
        "state": {},
    }
    task = asyncio.ensure_future(app(scope, receive, send))
    await asyncio.wait((task, answered), timeout=_LIMIT, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    (raised,) = [*await asyncio.gather(task, return_exceptions=True)]
    if answered.done():
        return answered.result()
    raise raised if isinstance(raised, Exception) else TimeoutError
