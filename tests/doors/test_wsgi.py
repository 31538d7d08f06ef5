"""What is the WSGI door's own: PEP 3333 to the letter."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from waitress.buffers import ReadOnlyFileBasedBuffer

from tests.support.doors import HTML, PAGE, environ_of
from tests.support.wsgi_server import BROWSER, Closing, Server, signed_in
from viafoura_mw import Settings
from viafoura_mw.testing import SimulatedViafoura
from viafoura_mw.wsgi import ViafouraMiddleware


def test_returns_the_application_s_own_object_when_untouched(settings: Settings) -> None:
    """An untouched response is the object that the application returned, so that file offloading still works."""
    body = Closing(b"{}")

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return body

    assert ViafouraMiddleware(application, settings)(environ_of(), Server().start_response) is body


def test_returns_the_application_s_own_list_when_its_page_has_no_tag(settings: Settings) -> None:
    """A complete page without the tag is given back as the very list."""
    body = [b"<p>no tag</p>"]
    assert ViafouraMiddleware(signed_in(body), settings)(environ_of(), Server().start_response) is body


def test_returns_the_server_s_own_write_when_untouched(settings: Settings) -> None:
    """An application that writes another thing than a page writes to the server directly."""
    server, got = Server(), []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        got.append(start_response("200 OK", [("Content-Type", "text/plain")]))
        return []

    ViafouraMiddleware(application, settings)(environ_of(), server.start_response)
    assert got == [server.write]


@pytest.mark.parametrize("writes", [True, False])
def test_sets_the_pair_in_a_page_that_is_written(settings: Settings, *, writes: bool) -> None:
    """write() feeds the same exchange; where the server gives no write, what was written is yielded first."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = "ann"
        write = start_response("200 OK", [HTML])
        write(PAGE[:60])
        write(PAGE[60:])
        return [b"<p>and yielded"]

    body = Server(writes=writes).serve(ViafouraMiddleware(application, settings))
    assert b"data-sid=" in body
    assert body.endswith(b"<p>and yielded")


def test_calls_the_server_before_it_returns_when_the_application_starts_at_its_first_chunk(settings: Settings) -> None:
    """A generator that calls start_response when it is iterated is pulled until the head is settled."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        environ["REMOTE_USER"] = "ann"
        yield b""
        start_response("200 OK", [HTML])
        yield b""
        yield PAGE

    assert b"data-sid=" in Server().serve(ViafouraMiddleware(application, settings))


def test_passes_a_generator_that_starts_at_its_first_chunk_and_is_no_page(settings: Settings) -> None:
    """What was pulled of another response is given on in its place."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b""
        yield b"two"

    server = Server()
    server.serve(ViafouraMiddleware(application, settings))
    assert server.chunks == [b"one", b"", b"two"]


def test_passes_an_empty_first_chunk_of_a_generator_that_is_no_page(settings: Settings) -> None:
    """Chunk for chunk: an empty one too, once the head has left."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b""
        yield b"two"

    server = Server()
    server.serve(ViafouraMiddleware(application, settings))
    assert server.chunks == [b"", b"two"]


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_takes_headers_that_can_be_read_once(settings: Settings, kind: str) -> None:
    """Not PEP 3333's list, but servers take it: no header is lost on the way, a cookie or a redirect least of all."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", (pair for pair in [("Content-Type", kind), ("Set-Cookie", "sid=1")]))
        return [b"x"]

    server = Server()
    server.serve(ViafouraMiddleware(application, settings))
    assert server.heads == [("200 OK", [("Content-Type", kind), ("Set-Cookie", "sid=1")])]


def test_serves_an_iterable_that_cannot_tell_its_length(settings: Settings) -> None:
    """What raises when it is asked for its length is iterated, as by a server that does not ask."""

    class Page:
        def __iter__(self) -> Iterator[bytes]:
            return iter([PAGE[:70], PAGE[70:]])

        def __len__(self) -> int:
            raise NotImplementedError

    assert b"data-sid=" in Server().serve(ViafouraMiddleware(signed_in(Page()), settings))


def test_serves_a_page_that_is_one_string(settings: Settings) -> None:
    """uWSGI takes one for its only chunk; iterated, it would be numbers."""
    one_string: Any = PAGE
    assert b"data-sid=" in Server().serve(ViafouraMiddleware(signed_in(one_string), settings))


def test_counts_an_empty_remote_user_as_nobody(settings: Settings) -> None:
    """Front ends set it empty for every visitor, who keeps their 304s."""
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ)
        start_response("200 OK", [HTML])
        return [PAGE]

    environ = {**environ_of(headers={**BROWSER, "If-None-Match": '"1"'}), "REMOTE_USER": ""}
    Server().serve(ViafouraMiddleware(application, settings), environ)
    assert seen["HTTP_IF_NONE_MATCH"] == '"1"'


@pytest.mark.parametrize("chunks", [(PAGE,), (PAGE[:70], PAGE[70:]), (b"<p>",), ()])
def test_closes_the_iterable_once(settings: Settings, chunks: tuple[bytes, ...]) -> None:
    """The application's iterable is closed, not its iterator, and once."""
    body = Closing(*chunks)
    Server().serve(ViafouraMiddleware(signed_in(body), settings))
    assert body.closed == 1


def test_closes_the_iterable_when_the_client_leaves(settings: Settings) -> None:
    """A response of which not all was taken is closed all the same."""
    body = Closing(PAGE, b"more", b"and more")
    iterable = ViafouraMiddleware(signed_in(body), settings)(environ_of(), Server().start_response)
    next(iter(iterable))
    iterable.close()  # type: ignore[attr-defined]
    assert body.closed == 1


class TestExceptions:
    """The application's own exceptions pass through unchanged."""

    def test_that_it_raises_when_called(self, settings: Settings) -> None:
        """An exception from the application's call leaves as it is; the server has the application's head."""
        error = LookupError("the site's own")

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [HTML])
            raise error

        server = Server()
        with pytest.raises(LookupError) as raised:
            ViafouraMiddleware(application, settings)(environ_of(), server.start_response)
        assert raised.value is error
        assert server.heads == [("200 OK", [HTML])]
        assert server.chunks == []

    def test_that_it_raises_when_called_after_it_has_written(self, settings: Settings) -> None:
        """What was written before is not lost."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [HTML])(b"<p>written")
            raise LookupError

        server = Server()
        with pytest.raises(LookupError):
            ViafouraMiddleware(application, settings)(environ_of(), server.start_response)
        assert server.chunks == [b"<p>written"]

    def test_that_its_iterable_raises_while_the_head_is_held(self, settings: Settings) -> None:
        """What came before is given on as it came, then the exception, and the iterable is closed."""
        body, server = Closing(b"<p>half", error=LookupError("the site's own")), Server()
        with pytest.raises(LookupError, match="the site's own"):
            server.serve(ViafouraMiddleware(signed_in(body), settings))
        assert server.chunks == [b"<p>half"]
        assert body.closed == 1

    def test_that_its_iterable_raises_at_once(self, settings: Settings) -> None:
        """The server has the head, as it has without the middleware: it sends it, or its error page in its place."""
        server = Server()
        app = ViafouraMiddleware(signed_in(Closing(error=LookupError())), settings)
        iterable = app(environ_of(), server.start_response)
        with pytest.raises(LookupError):
            next(iter(iterable))
        assert server.heads == [("200 OK", [HTML])]


class TestSecondHead:
    """A second call of start_response (PEP 3333, "Error Handling")."""

    def test_replaces_a_page_that_is_held(self, settings: Settings) -> None:
        """An error page takes the place of a page of which nothing has left."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [HTML])
            yield b"<p>half"
            try:
                raise LookupError
            except LookupError as error:
                start_response("500 Oops", [("Content-Type", "text/plain")], (LookupError, error, None))
            yield b"oops"

        server = Server()
        assert server.serve(ViafouraMiddleware(application, settings)) == b"oops"
        assert [status for status, _ in server.heads] == ["500 Oops"]

    def test_is_the_server_s_to_judge_when_the_head_has_left(self, settings: Settings) -> None:
        """With bytes sent the server raises what it is given; without, it replaces the head."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            error = LookupError("late")
            start_response("500 Oops", [("Content-Type", "text/plain")], (LookupError, error, None))
            yield b"oops"
            start_response("500 Again", [], (LookupError, error, None))

        server = Server()
        with pytest.raises(LookupError, match="late"):
            server.serve(ViafouraMiddleware(application, settings))
        assert [status for status, _ in server.heads] == ["200 OK", "500 Oops"]

    def test_without_exc_info_is_the_application_s_mistake(self, settings: Settings) -> None:
        """It raises, held or not, as servers do."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["REMOTE_USER"] = "ann"
            start_response("200 OK", [HTML])
            start_response("200 OK", [HTML])
            return []

        with pytest.raises(AssertionError):
            ViafouraMiddleware(application, settings)(environ_of(), Server().start_response)


def test_puts_back_what_it_withheld_once_the_head_has_come(settings: Settings) -> None:
    """Layers outside see the request as the client sent it."""
    asked = {**BROWSER, "Authorization": "Basic x", "If-None-Match": '"1"', "Accept-Encoding": "compress"}
    environ = environ_of(headers=asked)
    before = dict(environ)
    Server().serve(ViafouraMiddleware(signed_in([PAGE]), settings), environ)
    assert {key: environ[key] for key in before} == before


def test_leaves_what_the_application_put_in_the_place_of_what_was_withheld(settings: Settings) -> None:
    """A header that an inner layer has set stays, when the client's own would be put back."""
    environ = environ_of(headers={**BROWSER, "Authorization": "Basic x", "If-None-Match": '"1"'})

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["HTTP_IF_NONE_MATCH"] = '"own"'
        start_response("200 OK", [HTML])
        return [PAGE]

    Server().serve(ViafouraMiddleware(application, settings), environ)

    assert environ["HTTP_IF_NONE_MATCH"] == '"own"'


def test_believes_no_header_on_a_server_that_lets_another_spelling_replace_it(
    viafoura: SimulatedViafoura, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even of a proxy that knows the secret; nobody is signed in, and the log says why."""
    secret = {
        "VIAFOURA_USER_ID": "header:X-User",
        "VIAFOURA_USER": "off",
        "VIAFOURA_PROXY_SECRET": "a-long-proxy-secret",
    }
    settings = Settings.from_env({**viafoura.environ(), **secret})
    environ = environ_of(headers={**BROWSER, "X-User": "ann", "X-Viafoura-Proxy-Secret": "a-long-proxy-secret"})
    environ["SERVER_SOFTWARE"] = "Cheroot/11"

    page = Server().serve(ViafouraMiddleware(signed_in([PAGE]), settings), environ)

    assert page == PAGE
    assert not viafoura.calls
    assert "HTTP_X_VIAFOURA_PROXY_SECRET" not in environ
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_serves_an_application_that_is_wrapped_twice_once(settings: Settings, viafoura: SimulatedViafoura) -> None:
    """The inner one of two sees the key of the outer one, and stands aside."""
    app = ViafouraMiddleware(ViafouraMiddleware(signed_in([PAGE]), settings), settings)
    assert Server().serve(app).count(b"data-sid=") == 1
    assert viafoura.count("login") == 1


def test_sets_the_pair_in_a_page_from_a_file_wrapper(settings: Settings) -> None:
    """A page that the application gives as a file is iterated."""
    page = PAGE + b"x" * 20_000
    body = FileWrapper(io.BytesIO(page))
    assert b"data-sid=" in Server().serve(ViafouraMiddleware(signed_in(body), settings))


class Uwsgi:
    """A wrapper that is a function, and gives the file itself."""

    @staticmethod
    def wrapper(file: Any, _: int = 0) -> Any:
        return file


@pytest.mark.parametrize("kind", ["wsgiref", "waitress", "uWSGI"])
def test_returns_the_server_s_own_file_of_a_page_without_the_tag(settings: Settings, kind: str, tmp_path: Path) -> None:
    """The server knows the file again, takes its length from it and sends it; it stands where it stood."""
    wrapper: Any = {"wsgiref": FileWrapper, "waitress": ReadOnlyFileBasedBuffer, "uWSGI": Uwsgi.wrapper}[kind]
    path = tmp_path / "page.html"
    path.write_bytes(b"xx<p>no tag\n</p>")
    with path.open("rb") as file:
        file.seek(2)
        body = wrapper(file)

        environ = {**environ_of(headers=BROWSER), "wsgi.file_wrapper": wrapper}
        returned = ViafouraMiddleware(signed_in(body), settings)(environ, Server().start_response)

        assert returned is body
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == file.tell() == 2
        assert b"".join(returned) == b"<p>no tag\n</p>"


class Pipe(io.BytesIO):
    """What can be read once; ``tells``: it says so only when it is asked to go back."""

    def __init__(self, content: bytes, *, tells: bool) -> None:
        super().__init__(content)
        self._tells = tells

    def tell(self) -> int:
        if self._tells:
            return 0
        raise OSError

    def seek(self, *_: int) -> int:
        raise OSError


@pytest.mark.parametrize("tells", [True, False])
def test_serves_a_file_that_cannot_be_read_anew(settings: Settings, *, tells: bool) -> None:
    """A pipe's page without the tag passes as it was read."""
    assert Server().serve(ViafouraMiddleware(signed_in(Pipe(b"<p>no tag", tells=tells)), settings)) == b"<p>no tag"


def test_tells_that_a_page_without_the_tag_has_one_chunk(settings: Settings) -> None:
    """Servers take the length of a page from its one chunk, whatever kind of iterable gives it."""

    class One(Closing):
        def __len__(self) -> int:
            return 1

    body, server = One(b"<p>no tag"), Server()
    returned = ViafouraMiddleware(signed_in(body), settings)(environ_of(headers=BROWSER), server.start_response)
    assert len(returned) == 1  # type: ignore[arg-type]
    assert list(returned) == [b"<p>no tag"]
    returned.close()  # type: ignore[attr-defined]
    assert body.closed == 1


def test_returns_a_list_that_comes_without_a_head(settings: Settings) -> None:
    """Granian serves it; whether there must be a head is the server's to judge."""
    body = [PAGE]
    assert ViafouraMiddleware(lambda *_: body, settings)(environ_of(), Server().start_response) is body


def test_logs_out_where_only_this_thread_can_when_the_page_has_left(
    settings: Settings, viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under uWSGI without threads the logout call is made in close()."""
    uwsgi = ModuleType("uwsgi")
    uwsgi.version, uwsgi.opt = b"2.0.21", {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    app = ViafouraMiddleware(signed_in([PAGE]), settings)
    server = Server()
    server.serve(app)
    cookie = dict(server.heads[0][1])["Set-Cookie"].partition(";")[0]

    def left(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [HTML])
        return [PAGE]

    app._app = left  # the same process, another page
    iterable = app(environ_of(headers={**BROWSER, "Cookie": cookie}), Server().start_response)
    assert viafoura.count("logout") == 0
    assert list(iterable) == [PAGE]
    iterable.close()  # type: ignore[attr-defined]
    assert viafoura.count("logout") == 1


def test_ends_the_hold_with_the_chunk_that_comes_after_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An iterator cannot be interrupted, so a chunk that comes when the time is over ends the hold."""
    monkeypatch.setattr("viafoura_mw.response.exchange.HOLD", 0.0)
    server = Server()
    body = server.serve(ViafouraMiddleware(signed_in(iter([b"<p>first", PAGE])), settings))
    assert server.chunks[0] == b"<p>first"
    assert b"data-sid=" in body


def test_leaves_a_chunk_that_is_no_bytes_to_the_server(settings: Settings) -> None:
    """Whether it is a mistake is the server's to judge; what was held leaves ahead of it, and all as it came."""
    odd: Any = "no bytes"
    body = ViafouraMiddleware(signed_in(iter([PAGE[:60], odd, PAGE[60:]])), settings)(
        environ_of(headers=BROWSER), Server().start_response
    )
    chunks: list[Any] = [*body]
    assert [chunk for chunk in chunks if chunk] == [PAGE[:60], odd, PAGE[60:]]
