"""Sentences of the contract at their edges: what servers and applications do rarely, and what must hold then too."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anyio
import pytest

from tests.support.doors import HTML, PAGE, TAG, Get, Site, both_doors, call, environ_of, scope_of, through_wsgi
from tests.support.wsgi_server import Closing, Server, signed_in
from viafoura_mw import Settings, asgi, wsgi
from viafoura_mw.testing import SimulatedViafoura

Door = Callable[[Settings | None], Get]

BROWSER = {"Accept": "text/html"}
TEXT = ("Content-Type", "text/plain")
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}

both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def body(chunk: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def cookie_of(settings: Settings, user: str = "ann") -> str:
    """The cookie with which a user's browser comes back."""
    return through_wsgi(settings)(Site(user=user), headers=BROWSER).cookie or ""


def with_response_source(viafoura: SimulatedViafoura) -> Settings:
    return Settings.from_env({**viafoura.environ(), "VIAFOURA_USER_ID": "response:X-Site-User"})


class TestTheApplicationsOwnExceptions:
    """§1: the application's own exceptions pass through unchanged, whatever else fails meanwhile."""

    def test_win_over_those_of_a_wsgi_server_s_write(self, settings: Settings) -> None:
        """A client that has gone does not hide why the application failed."""
        error = LookupError("the site's own")

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [HTML])(b"<p>written")
            raise error

        def start_response(*_: Any) -> Any:
            return broken_write

        def broken_write(_: bytes) -> None:
            raise OSError("client gone")

        with pytest.raises(LookupError) as raised:
            wsgi.ViafouraMiddleware(application, settings)(environ_of(headers=BROWSER), start_response)
        assert raised.value is error

    def test_win_over_a_wsgi_server_that_refuses_the_head(self, settings: Settings) -> None:
        """What the iterable raised is raised, and the iterable is closed."""
        iterable = Closing(b"<p>half", error=LookupError("the site's own"))

        def refuse(*_: Any) -> Any:
            raise ValueError("not a header")

        answer = wsgi.ViafouraMiddleware(signed_in(iterable), settings)(environ_of(headers=BROWSER), refuse)
        with pytest.raises(LookupError, match="the site's own"):
            list(answer)
        answer.close()  # type: ignore[attr-defined]
        assert iterable.closed == 1

    @both_loops
    def test_win_over_those_of_an_asgi_server_s_send(self, settings: Settings, backend: str) -> None:
        """A client that has gone does not hide why the application failed."""
        error = LookupError("the site's own")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = "ann"
            await send(START)
            await send(body(b"<p>", more=True))
            raise error

        async def broken_send(_: Any) -> None:
            raise OSError("client gone")

        async def serve() -> None:
            await asgi.ViafouraMiddleware(application, settings)(scope_of(headers=BROWSER), None, broken_send)  # type: ignore[arg-type]

        with pytest.raises(LookupError) as raised:
            anyio.run(serve, backend=backend)
        assert raised.value is error


class TestSecondHead:
    """§1: what an application says with exc_info reaches the server, also after a head that is not ours."""

    def test_that_is_a_page_replaces_one_that_is_none(self, settings: Settings) -> None:
        """A signed-in user's error page does not leave under the head that it replaces."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [TEXT])
            try:
                raise LookupError
            except LookupError:
                start_response("404 Gone", [HTML], sys.exc_info())
            return [PAGE]

        server = Server()
        server.serve(wsgi.ViafouraMiddleware(application, settings))
        assert server.heads == [("200 OK", [TEXT]), ("404 Gone", [HTML])]

    def test_that_comes_too_late_is_raised_by_the_server(self, settings: Settings) -> None:
        """With bytes sent, the server raises what it is given."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [TEXT])
            yield b"sent"
            try:
                raise LookupError("late")
            except LookupError:
                start_response("404 Gone", [HTML], sys.exc_info())
            yield PAGE

        with pytest.raises(LookupError, match="late"):
            Server().serve(wsgi.ViafouraMiddleware(application, settings))


class TestUnchanged:
    """§1: a response that is not rewritten is the application's, byte for byte, header for header, chunk for chunk."""

    @pytest.mark.parametrize("leaves", [True, False])
    def test_has_the_length_that_servers_ask_for(
        self, settings: Settings, viafoura: SimulatedViafoura, *, leaves: bool
    ) -> None:
        """waitress and wsgiref tell Content-Length by a list of one chunk, also on a page that signs out."""
        headers = {**BROWSER, "Cookie": cookie_of(settings)} if leaves else BROWSER
        if not leaves:
            viafoura.close()

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if not leaves:
                environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [HTML])
            return [PAGE]

        answer = wsgi.ViafouraMiddleware(application, settings)(environ_of(headers=headers), Server().start_response)
        assert isinstance(answer, list)
        assert answer == [PAGE]

    @both_doors
    def test_keeps_empty_chunks_that_came_while_it_was_held(self, door: Door, settings: Settings) -> None:
        """An empty chunk is a chunk."""
        site = Site(user="ann", chunks=(b"", b"<p>", b"", b"no tag"))
        answer, bare = door(settings)(site, headers=BROWSER), door(None)(site, headers=BROWSER)
        assert answer.chunks == bare.chunks

    def test_is_complete_where_a_server_has_no_write(self, settings: Settings) -> None:
        """What is written to our write leaves by the iterable, before the rest."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-16")])(b"written, ")
            return [b"returned"]

        assert Server(writes=False).serve(wsgi.ViafouraMiddleware(application, settings)) == b"written, returned"

    @pytest.mark.parametrize("length", ["9" * 5000, "1_0", "-1", "٣", ""])
    def test_is_served_whatever_its_length_says(self, settings: Settings, length: str) -> None:
        """A Content-Length that is no number is the server's to judge."""
        server = Server()
        page = server.serve(wsgi.ViafouraMiddleware(signed_in(iter([b"no tag"]), ("Content-Length", length)), settings))
        assert page == b"no tag"
        assert server.heads == [("200 OK", [HTML, ("Content-Length", length)])]


class TestBrokenOff:
    """§1: no byte of the application's is lost when it fails halfway, not even half a tag."""

    HALF = b'<script id="viafoura-pl'

    def test_under_wsgi(self, settings: Settings) -> None:
        """What might have been the tag leaves before the exception does."""
        server, half = Server(), Closing(b"<p>", self.HALF, error=LookupError())
        environ = environ_of(headers={**BROWSER, "Cookie": cookie_of(settings)})
        with pytest.raises(LookupError):
            server.serve(wsgi.ViafouraMiddleware(signed_in(half), settings), environ)
        assert b"".join(server.chunks) == b"<p>" + self.HALF

    @both_loops
    @pytest.mark.parametrize("error", [LookupError(), None])
    def test_under_asgi(self, settings: Settings, backend: str, error: Exception | None) -> None:
        """What might have been the tag is sent, and the body stays incomplete."""
        received: list[dict[str, Any]] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = "ann"
            for message in (START, body(b"<p>", more=True), body(self.HALF, more=True)):
                await send(message)
            if error:
                raise error

        async def send(message: Any) -> None:
            received.append(message)

        async def serve() -> None:
            scope = scope_of(headers={**BROWSER, "Cookie": cookie})
            await asgi.ViafouraMiddleware(application, settings)(scope, None, send)  # type: ignore[arg-type]

        cookie = cookie_of(settings)
        if error:
            with pytest.raises(LookupError):
                anyio.run(serve, backend=backend)
        else:
            anyio.run(serve, backend=backend)
        assert b"".join(message["body"] for message in received[1:]) == b"<p>" + self.HALF
        assert all(message["more_body"] for message in received[1:])


def test_the_iterable_is_closed_when_the_server_refuses_the_head(settings: Settings) -> None:
    """The server gets no iterable that it could close, so that it is ours to close."""
    page = Closing(PAGE)

    def refuse(*_: Any) -> Any:
        raise ValueError("not a header")

    with pytest.raises(ValueError, match="not a header"):
        wsgi.ViafouraMiddleware(signed_in(page), settings)(environ_of(headers=BROWSER), refuse)
    assert page.closed == 1


class TestWrappedTwice:
    """§4: a `response:` source names the user and its header never leaves, also where two middlewares stand around."""

    def test_under_wsgi(self, viafoura: SimulatedViafoura) -> None:
        """The inner one leaves the header to the outer one, which reads and removes it."""
        settings = with_response_source(viafoura)

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [HTML, ("X-Site-User", "ann")])
            return [PAGE]

        server = Server()
        app = wsgi.ViafouraMiddleware(wsgi.ViafouraMiddleware(application, settings), settings)
        assert server.serve(app).count(b"data-sid=") == 1
        assert "X-Site-User" not in dict(server.heads[0][1])

    def test_under_asgi(self, viafoura: SimulatedViafoura) -> None:
        """The inner one leaves the header to the outer one, which reads and removes it."""
        settings = with_response_source(viafoura)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "headers": [(b"content-type", b"text/html"), (b"x-site-user", b"ann")]})
            await send(body(PAGE))

        app = asgi.ViafouraMiddleware(asgi.ViafouraMiddleware(application, settings), settings)
        start, page = anyio.run(call, app, scope_of(headers=BROWSER))
        assert page["body"].count(b"data-sid=") == 1
        assert b"x-site-user" not in dict(start["headers"])

    def test_a_request_that_is_tried_again_is_served_as_the_first_time(self, viafoura: SimulatedViafoura) -> None:
        """A layer outside that retries with the same environ gets the page with the pair, and no header."""
        settings = with_response_source(viafoura)
        tries: list[int] = []

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            tries.append(1)
            start_response("200 OK", [HTML, ("X-Site-User", "ann")])
            if len(tries) == 1:
                raise ConnectionError("try again")
            return [PAGE]

        app, environ, server = wsgi.ViafouraMiddleware(application, settings), environ_of(headers=BROWSER), Server()
        with pytest.raises(ConnectionError):
            app(environ, Server().start_response)  # such a layer keeps the head until it knows
        assert b"data-sid=" in server.serve(app, environ)
        assert "X-Site-User" not in dict(server.heads[0][1])


@both_loops
def test_nothing_is_logged_out_by_a_head_that_the_server_does_not_take(
    settings: Settings, viafoura: SimulatedViafoura, backend: str
) -> None:
    """§7: no logout without clearing the cookie in the same response."""
    cookie = cookie_of(settings)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(PAGE))

    async def broken_send(_: Any) -> None:
        raise OSError("client gone")

    async def serve() -> None:
        scope = scope_of(headers={**BROWSER, "Cookie": cookie})
        await app(scope, None, broken_send)  # type: ignore[arg-type]

    app = asgi.ViafouraMiddleware(application, settings)
    with pytest.raises(OSError, match="client gone"):
        anyio.run(serve, backend=backend)
    assert app._runtime is not None
    app._runtime.sessions.drain(1)
    assert viafoura.count("logout") == 0


def test_nothing_is_logged_out_by_a_head_that_another_one_replaces(viafoura: SimulatedViafoura) -> None:
    """§7: a log-out page whose head the server refuses, and whose error page clears nothing, ends no session."""
    settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_LOGOUT_PATHS": "/out"})

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            start_response("302 Found", [("Location", "/\r\nX: y")])
        except ValueError:
            start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"oops"]

    class Strict(Server):
        def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if any("\n" in value for _, value in headers):
                raise ValueError("a line break in a header")
            return super().start_response(status, headers, exc_info)

    app, server = wsgi.ViafouraMiddleware(application, settings), Strict()
    server.serve(app, environ_of(path="/out", headers={**BROWSER, "Cookie": cookie_of(settings)}))
    app.drain(1)

    assert server.heads == [("500 Oops", [("Content-Type", "text/plain")])]
    assert viafoura.count("logout") == 0


class TestInnerLayers:
    """What is inside may change the request in place; what the visitor asked for is what counts."""

    @staticmethod
    def _changing(door: str, settings: Settings, change: dict[str, str], status: int) -> Any:
        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ.update({{"method": "REQUEST_METHOD", "path": "PATH_INFO"}[key]: change[key] for key in change})
            environ["REMOTE_USER"] = "ann"
            start_response(f"{status} Status", [HTML, ("ETag", '"1"')])
            return [PAGE]

        async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
            scope.update(change)
            scope["user"] = "ann"
            head = [(b"content-type", b"text/html"), (b"etag", b'"1"')]
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send(body(PAGE))

        if door == "wsgi":
            return wsgi.ViafouraMiddleware(application, settings)
        return asgi.ViafouraMiddleware(asgi_application, settings)

    @staticmethod
    def _head(app: Any, method: str, path: str, headers: dict[str, str]) -> dict[str, str]:
        if isinstance(app, wsgi.ViafouraMiddleware):
            server = Server()
            server.serve(app, environ_of(method, path, headers))
            return {name.lower(): value for name, value in server.heads[0][1]}
        start, *_ = anyio.run(call, app, scope_of(method, path, headers))
        return {name.decode().lower(): value.decode() for name, value in start["headers"]}

    @pytest.mark.parametrize("door", ["wsgi", "asgi"])
    def test_that_serve_a_head_by_a_get_make_no_page_of_it(
        self, settings: Settings, viafoura: SimulatedViafoura, door: str
    ) -> None:
        """§5: a response to HEAD is not looked at."""
        app = self._changing(door, settings, {"method": "GET"}, 200)

        head = self._head(app, "HEAD", "/", BROWSER)

        assert head["etag"] == '"1"'
        assert not viafoura.calls

    @pytest.mark.parametrize("door", ["wsgi", "asgi"])
    @pytest.mark.parametrize(("asked", "cleared"), [("/en/out", True), ("/out", False)])
    def test_that_take_a_prefix_from_the_path_change_no_log_out_page(
        self, viafoura: SimulatedViafoura, door: str, asked: str, cleared: bool
    ) -> None:
        """§3: a glob is for the whole path that the visitor asked for."""
        settings = Settings.from_env({**viafoura.environ(), "VIAFOURA_LOGOUT_PATHS": "/en/out"})
        inside = "/out" if cleared else "/en/out"
        app = self._changing(door, settings, {"path": inside}, 302)

        head = self._head(app, "GET", asked, {"Cookie": cookie_of(settings)})

        assert ("Max-Age=60" in head.get("set-cookie", "")) is cleared


@both_doors
class TestSeveralCookies:
    """§7: each cookie of our name is judged by itself: a forged one and junk count as none."""

    @pytest.mark.parametrize("spoil", ["{0}; {0}", "{0}; viafoura_mw=", "viafoura_mw=junk; {0}", "a=1; {0}"])
    def test_that_are_authentic_are_ended_once(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura, spoil: str
    ) -> None:
        """Whatever stands beside it."""
        headers = {**BROWSER, "Cookie": spoil.format(cookie_of(settings))}
        answer = door(settings)(Site(), headers=headers)
        viafoura.wait_for("logout")
        assert "Max-Age=60" in (answer.get("set-cookie") or "")
        assert viafoura.count("logout") == 1

    @pytest.mark.parametrize("spoil", ["{0}x", '{0}"', "viafoura_mw=junk"])
    def test_that_are_junk_end_no_session(
        self, door: Door, settings: Settings, viafoura: SimulatedViafoura, spoil: str
    ) -> None:
        """The page leaves as it came."""
        headers = {**BROWSER, "Cookie": spoil.format(cookie_of(settings))}
        answer, bare = door(settings)(Site(), headers=headers), door(None)(Site(), headers=headers)
        assert (answer.headers, answer.chunks) == (bare.headers, bare.chunks)
        assert viafoura.count("logout") == 0


@both_doors
def test_the_user_who_comes_after_another_gets_a_session_of_their_own(
    door: Door, settings: Settings, viafoura: SimulatedViafoura
) -> None:
    """§1, §7: one browser, another user, at once: the new pair, the new cookie, and the old session ended."""
    get = door(settings)
    ann = get(Site(user="ann"), headers=BROWSER)
    ben = get(Site(user="ben"), headers={**BROWSER, "Cookie": ann.cookie or ""})
    viafoura.wait_for("logout")
    assert f'data-uid="{viafoura.users["ben"].user_id}"'.encode() in ben.body
    assert ben.body.count(TAG[:-1]) == 1
    assert ben.cookie not in (None, ann.cookie)
    assert [name.lower() for name, _ in ben.headers].count("set-cookie") == 1


def test_a_root_path_that_ends_with_a_slash_counts_as_without(settings: Settings) -> None:
    """§3: the whole path is matched as the application's server means it."""
    from dataclasses import replace

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "ann"
        await send(START)
        await send(body(PAGE))

    app = asgi.ViafouraMiddleware(application, replace(settings, include=("/app/news",)))
    for path in ("/app/news", "/news"):
        scope = {**scope_of(path=path, headers=BROWSER), "root_path": "/app/"}
        assert b"data-sid=" in anyio.run(call, app, scope)[1]["body"]
