"""What is the ASGI door's own: every message in order, on asyncio and on trio."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.support.doors import PAGE, TAG, call, scope_of
from viafoura_mw import Settings
from viafoura_mw.asgi import ViafouraMiddleware
from viafoura_mw.testing import Fault, SimulatedViafoura
from viafoura_mw.user.sources import parse

BROWSER = {"Accept": "text/html"}
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}
END = {"type": "http.response.body", "body": b"", "more_body": False}

Messages = list[Any]

pytestmark = [pytest.mark.anyio]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops."""
    return str(request.param)


def body(chunk: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def sending(*messages: dict[str, Any], user: str | None = "ann") -> Any:
    """An application that authenticates ``user`` and sends these messages."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if user:
            scope["user"] = user
        for message in messages:
            await send(message)

    return application


def joined(messages: Messages) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


async def test_forwards_the_application_s_own_messages_when_untouched(settings: Settings) -> None:
    """An untouched response is the same message objects."""
    start = {**START, "headers": [(b"content-type", b"application/json")]}
    sent = [start, body(b"{", more=True), body(b"}")]
    received = await call(ViafouraMiddleware(sending(*sent), settings), scope_of())
    assert all(one is other for one, other in zip(sent, received, strict=True))


async def test_forwards_the_application_s_own_messages_when_a_held_page_has_no_tag(settings: Settings) -> None:
    """What was held and is not rewritten leaves as the same message objects."""
    sent = [START, body(b"<p>", more=True), body(b"no tag")]
    received = await call(ViafouraMiddleware(sending(*sent), settings), scope_of())
    assert all(one is other for one, other in zip(sent, received, strict=True))


@pytest.mark.parametrize("kind", ["websocket", "webtransport"])
async def test_hands_other_protocols_through(settings: Settings, kind: str) -> None:
    """A websocket and whatever is to come get the same scope, the same receive and the same send."""
    got = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        got.extend([scope, receive, send])

    async def nothing(*_: Any) -> Any: ...

    scope = {"type": kind}
    await ViafouraMiddleware(application, settings)(scope, nothing, nothing)
    assert got == [scope, nothing, nothing]


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start"])
async def test_removes_its_own_header_from_what_answers_a_websocket(kind: str) -> None:
    """The header of a `response:` source leaves with no response, a handshake's or its refusal's neither."""
    settings = Settings(site_id="site", api_key="key", user_id=parse("response:X-Site-User"))
    own, other = (b"X-Site-User", b"ann"), (b"x-other", b"1")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": kind, "headers": [own, other]})
        await send({"type": "websocket.close"})

    sent = await call(ViafouraMiddleware(application, settings), {"type": "websocket"})
    assert sent == [{"type": kind, "headers": [other]}, {"type": "websocket.close"}]


async def test_takes_a_websocket_s_answer_without_headers() -> None:
    """What an application leaves out stays left out."""
    settings = Settings(site_id="site", api_key="key", user_id=parse("response:X-Site-User"))
    app = sending({"type": "websocket.accept"}, user=None)
    assert await call(ViafouraMiddleware(app, settings), {"type": "websocket"}) == [{"type": "websocket.accept"}]


async def test_hands_on_the_same_scope_and_receive(settings: Settings) -> None:
    """What inner layers put in the scope can be read, since it is the same dict."""
    scope = scope_of()
    got = []

    async def application(inner: Any, receive: Any, send: Any) -> None:
        got.append(inner)
        await send(START)
        await send(END)

    await call(ViafouraMiddleware(application, settings), scope)
    assert got[0] is scope


async def test_keeps_the_order_of_messages_that_wait_with_the_head(settings: Settings) -> None:
    """What comes before the head passes; hints and pushes wait with it; trailers follow the body."""
    debug = {"type": "http.response.debug", "info": {}}
    hint = {"type": "http.response.early_hint", "links": []}
    push = {"type": "http.response.push", "path": "/", "headers": []}
    trailers = {"type": "http.response.trailers", "headers": []}
    app = sending(debug, START, hint, push, body(PAGE), trailers)
    received = await call(ViafouraMiddleware(app, settings), scope_of())
    assert [message["type"].rpartition(".")[2] for message in received] == [
        "debug", "start", "early_hint", "push", "body", "trailers",
    ]  # fmt: skip
    assert b"data-sid=" in joined(received)


@pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.zerocopysend", "x.unknown"])
async def test_lets_go_of_what_is_held_before_bytes_that_it_cannot_see(settings: Settings, kind: str) -> None:
    """A file that the server sends passes in its place, whatever the message is called."""
    sent = [START, body(b"<p>", more=True), {"type": kind, "path": "/page.html"}, END]
    received = await call(ViafouraMiddleware(sending(*sent), settings), scope_of())
    assert received == sent


async def test_passes_other_messages_of_a_page_that_streams(settings: Settings) -> None:
    """Once the head has left, what is no body goes straight through."""
    hint = {"type": "http.response.early_hint", "links": []}
    cookie = await signed_in_cookie(settings)
    app = sending(START, body(b"<p>", more=True), hint, body(PAGE))
    received = await call(ViafouraMiddleware(app, settings), scope_of(headers={"Cookie": cookie}))
    assert received[2] is hint
    assert b"data-sid=" in joined(received)


async def signed_in_cookie(settings: Settings) -> str:
    """The cookie with which Ann's browser comes back."""
    received = await call(ViafouraMiddleware(sending(START, body(PAGE)), settings), scope_of())
    cookie: bytes = dict(received[0]["headers"])[b"set-cookie"]
    return cookie.partition(b";")[0].decode()


async def test_sends_nothing_where_nothing_may_leave_yet(settings: Settings) -> None:
    """A chunk that is held back for a tag cut in two makes no empty message."""
    cookie = await signed_in_cookie(settings)
    app = sending(START, body(b"<p>", more=True), body(b'<script id="via', more=True), body(b'foura-platform">'))
    received = await call(ViafouraMiddleware(app, settings), scope_of(headers={"Cookie": cookie}))
    assert [bool(message["body"]) for message in received[1:]] == [True, True]
    assert b"data-sid=" in joined(received)


async def test_replaces_a_head_that_is_held(settings: Settings) -> None:
    """An error page takes the place of a page of which nothing has left."""
    error = {"type": "http.response.start", "status": 500, "headers": []}
    app = sending(START, body(b"<p>half", more=True), error, body(b"oops"))
    received = await call(ViafouraMiddleware(app, settings), scope_of())
    assert received == [error, body(b"oops")]


async def test_passes_messages_that_come_before_any_head(settings: Settings) -> None:
    """A body without a head is the server's to judge."""
    received = await call(ViafouraMiddleware(sending(body(b"x")), settings), scope_of())
    assert received == [body(b"x")]


async def test_reads_headers_given_as_a_generator_and_in_any_case(settings: Settings) -> None:
    """Django sends capitals, others a generator; what the application sent keeps its spelling."""
    headers = ((name, value) for name, value in [(b"Content-Type", b"text/html"), (b"X-Own", b"1")])
    received = await call(ViafouraMiddleware(sending({**START, "headers": headers}, body(PAGE)), settings), scope_of())
    names = [name for name, _ in received[0]["headers"]]
    assert names[:2] == [b"Content-Type", b"X-Own"]
    assert set(names[2:]) == {b"cache-control", b"vary", b"content-length", b"set-cookie"}


async def test_leaves_the_application_the_request_s_headers(settings: Settings) -> None:
    """ASGI has them as an iterable, which may be one that can be read once."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await sending(START, body(PAGE))(scope, receive, send)

    scope = scope_of(headers={**BROWSER, "X-Other": "1"})
    headers = scope["headers"]
    scope["headers"] = iter(headers)
    await call(ViafouraMiddleware(application, settings), scope)
    assert seen == headers


async def test_takes_a_body_that_is_a_bytearray_or_left_out(settings: Settings) -> None:
    """Bodies of other byte types, and messages without one, are taken for what they are."""
    app = sending(START, {**body(b"", more=True), "body": bytearray(PAGE)}, {"type": "http.response.body"})
    assert b"data-sid=" in joined(await call(ViafouraMiddleware(app, settings), scope_of()))


async def bare(app: Any) -> list[tuple[Any, Any]]:
    """What a server takes of each message at once, as it is then."""
    taken: list[tuple[Any, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        fields = [tuple(map(bytes, field)) for field in message.get("headers", ())]
        taken.append((fields, bytes(message.get("body", b""))))

    await app(scope_of(headers=BROWSER), _receive, send)
    return taken


async def test_keeps_what_is_held_when_the_application_uses_its_message_again(settings: Settings) -> None:
    """A held page leaves as it was sent, whatever the application has made of its objects since."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "ann"
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        headers.append((b"x-late", b"1"))
        message: dict[str, Any] = {"type": "http.response.body", "more_body": True}
        for chunk in (b"<p>one", b"<p>two"):
            message["body"] = chunk
            await send(message)
        message.update(body=b"", more_body=False)
        await send(message)

    assert await bare(ViafouraMiddleware(application, settings)) == await bare(application)


async def test_keeps_what_is_held_when_the_application_uses_its_buffer_again(settings: Settings) -> None:
    """The same for bytes that are read into one buffer."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "ann"
        await send(START)
        buffer = bytearray(6)
        for chunk in (b"<p>one", b"<p>two", PAGE[:6]):
            buffer[:] = chunk
            await send({"type": "http.response.body", "body": memoryview(buffer), "more_body": True})
        await send(END)

    assert await bare(ViafouraMiddleware(application, settings)) == await bare(application)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
@pytest.mark.parametrize("place", [0, 1])
async def test_keeps_what_is_held_when_the_application_uses_its_fields_again(
    settings: Settings, kind: Callable[[bytearray], Any], place: int
) -> None:
    """The same for a field that is a list, and for a name or a value that is a buffer."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "ann"
        listed, parts, buffer = [b"x-once", b"1"], [b"x-once", b"1"], bytearray(b"x-kept")
        parts[place] = kind(buffer)
        await send({**START, "headers": [*START["headers"], listed, tuple(parts)]})
        listed[place] = buffer[:] = b"x-late"
        await send(body(b"<p>no tag"))

    assert await bare(ViafouraMiddleware(application, settings)) == await bare(application)


@pytest.mark.parametrize("kind", ["http.response.zerocopysend", "http.response.pathsend", "http.response.unheard_of"])
async def test_lets_go_of_half_a_tag_before_bytes_that_it_cannot_see(settings: Settings, kind: str) -> None:
    """With a cookie too, every byte stays where it was, and no tag is looked for over what was not seen."""
    first = await call(ViafouraMiddleware(sending(START, body(PAGE)), settings), scope_of(headers=BROWSER))
    cookie = dict(first[0]["headers"])[b"set-cookie"].partition(b";")[0].decode()
    unseen = {"type": kind, "file": 1, "more_body": True}
    app = sending(START, body(b"<p>a<scr", more=True), unseen, body(TAG[4:] + TAG))

    received = await call(ViafouraMiddleware(app, settings), scope_of(headers={"Cookie": cookie}))

    place = received.index(unseen)
    assert joined(received[:place]) == b"<p>a<scr"
    assert joined(received[place:]) == TAG[4:] + TAG


@pytest.mark.parametrize("page", [PAGE, b"<p>no tag"])
async def test_serialises_what_two_tasks_send(settings: Settings, page: bytes) -> None:
    """What one sends while the other's page waits for its session, or for the server, comes after that page."""
    sent: list[str] = []

    async def application(scope: Any, receive: Any, to_send: Any) -> None:
        scope["user"] = "ann"
        await to_send(START)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(to_send, body(page))
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(to_send, {"type": "http.response.trailers"})

    async def send(message: MutableMapping[str, Any]) -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        sent.append(message["type"].rpartition(".")[2])

    await ViafouraMiddleware(application, settings)(scope_of(), _receive, send)

    assert sent == ["start", "body", "trailers"]


@pytest.mark.parametrize("kind", ["http.response.body", "http.response.zerocopysend"])
async def test_lets_nothing_overtake_what_waits_for_its_turn(settings: Settings, kind: str) -> None:
    """What a second task sent first leaves first, also where the response is settled meanwhile."""
    sent: Messages = []
    slow, entered = anyio.Event(), anyio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "x" * 300  # no id: the page passes as soon as its head has come
        async with anyio.create_task_group() as group:
            group.start_soon(second, send)
            await send(START)
            await send({**body(b"2"), "type": kind})

    async def second(send: Any) -> None:
        await entered.wait()
        slow.set()
        await send(body(b"1", more=True))

    async def server_send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if message["type"] == START["type"]:
            entered.set()
            await slow.wait()

    await ViafouraMiddleware(application, settings)(scope_of(), _receive, server_send)

    assert joined(sent) == b"12"


class TestExceptions:
    """The application's own exceptions pass through unchanged."""

    async def test_that_it_raises_with_a_head_held(self, settings: Settings) -> None:
        """Without a byte there is no head, so that layers outside can answer with their error page."""
        error = LookupError("the site's own")
        received: Messages = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = "ann"
            await send(START)
            raise error

        with pytest.raises(LookupError) as raised:
            await ViafouraMiddleware(application, settings)(scope_of(), _receive, _into(received))
        assert raised.value is error
        assert received == []

    async def test_that_it_raises_with_bytes_held(self, settings: Settings) -> None:
        """What came before is given on as it came."""
        received: Messages = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = "ann"
            await send(START)
            await send(body(b"<p>half", more=True))
            raise LookupError

        with pytest.raises(LookupError):
            await ViafouraMiddleware(application, settings)(scope_of(), _receive, _into(received))
        assert received == [START, body(b"<p>half", more=True)]

    async def test_that_it_returns_before_its_response_is_complete(self, settings: Settings) -> None:
        """A response that is left incomplete is passed on so."""
        app = sending(START, body(b"<p>half", more=True))
        received = await call(ViafouraMiddleware(app, settings), scope_of())
        assert received == [START, body(b"<p>half", more=True)]

    async def test_that_it_returns_after_its_head(self, settings: Settings) -> None:
        """The head leaves, for the server to judge."""
        received = await call(ViafouraMiddleware(sending(START), settings), scope_of())
        assert received == [START]

    async def test_that_it_returns_while_the_timer_is_sending(
        self, settings: Settings, viafoura: SimulatedViafoura, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the timer lets go arrives whole, however slowly the server takes it."""
        monkeypatch.setattr("viafoura_mw.response.exchange.HOLD", 0.01)
        viafoura.fail("login", Fault.status(400))
        begun, received = anyio.Event(), []

        async def application(scope: Any, receive: Any, to_send: Any) -> None:
            scope["user"] = "ann"
            await to_send(START)
            await to_send(body(b"<p>one", more=True))
            await begun.wait()

        async def send(message: MutableMapping[str, Any]) -> None:
            begun.set()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            received.append(message)

        await ViafouraMiddleware(application, settings)(scope_of(), _receive, send)
        assert received == [START, body(b"<p>one", more=True)]


async def _receive() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def _into(messages: Messages) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    return send


class TestHold:
    """The half second for which a head may be held."""

    async def test_ends_by_a_timer(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        """While the application waits, the session is ensured and the page streams on."""
        monkeypatch.setattr("viafoura_mw.response.exchange.HOLD", 0.01)
        left = anyio.Event()
        received: Messages = []

        async def send(message: MutableMapping[str, Any]) -> None:
            received.append(message)
            left.set()

        async def application(scope: Any, receive: Any, to_send: Any) -> None:
            scope["user"] = "ann"
            await to_send(START)
            await to_send(body(b"<p>slow", more=True))
            await left.wait()
            await to_send(body(PAGE))

        await ViafouraMiddleware(application, settings)(scope_of(), _receive, send)
        assert dict(received[0]["headers"])[b"set-cookie"].startswith(b"viafoura_mw=")
        assert b"data-sid=" in joined(received)

    async def test_ends_for_a_head_whose_body_is_late(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A head without a byte of its body is held no longer either."""
        monkeypatch.setattr("viafoura_mw.response.exchange.HOLD", 0.01)
        left = anyio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            left.set()

        async def application(scope: Any, receive: Any, to_send: Any) -> None:
            scope["user"] = "ann"
            await to_send(START)
            await left.wait()
            await to_send(body(PAGE))

        await ViafouraMiddleware(application, settings)(scope_of(), _receive, send)
        assert left.is_set()

    async def test_ends_with_the_chunk_that_comes_after_it(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A chunk that comes when the time is over ends the hold even before the timer does."""
        monkeypatch.setattr("viafoura_mw.response.exchange.HOLD", 0.0)
        app = sending(START, body(b"<p>", more=True), body(PAGE))
        received = await call(ViafouraMiddleware(app, settings), scope_of())
        assert received[1] == body(b"<p>", more=True)
        assert b"data-sid=" in joined(received)

    async def test_raises_the_server_s_error_at_the_application_s_next_send(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An error of the server's send under the timer is the application's to see."""
        monkeypatch.setattr("viafoura_mw.response.exchange.HOLD", 0.01)
        tried = anyio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            tried.set()
            raise OSError("client gone")

        async def application(scope: Any, receive: Any, to_send: Any) -> None:
            scope["user"] = "ann"
            await to_send(START)
            await to_send(body(b"<p>", more=True))
            await tried.wait()
            await to_send(body(b"more", more=True))

        with pytest.raises(OSError, match="client gone"):
            await ViafouraMiddleware(application, settings)(scope_of(), _receive, send)

    async def test_leaves_nothing_behind_when_the_client_goes(self, settings: Settings) -> None:
        """A cancelled request gives back what it held, and its timer never fires."""
        app = ViafouraMiddleware(sending(START, body(b"<p>", more=True)), settings)
        budget = app._runtime.policy.budget  # type: ignore[union-attr]

        async def stuck(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = "ann"
            await send(START)
            await send(body(b"<p>", more=True))
            assert budget.held > 0
            await anyio.sleep_forever()

        app._app = stuck
        with anyio.move_on_after(0.05) as scope:
            await app(scope_of(), _receive, _into([]))
        assert scope.cancelled_caught
        assert budget.held == 0


async def test_never_blocks_the_loop_while_viafoura_is_slow(settings: Settings, viafoura: SimulatedViafoura) -> None:
    """Other tasks run while a page waits for its login."""
    from viafoura_mw.testing import Fault

    viafoura.fail("login", Fault.hang())
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while ticks < 20:
            await anyio.lowlevel.checkpoint()
            ticks += 1
        viafoura.heal()

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await call(ViafouraMiddleware(sending(START, body(PAGE)), settings), scope_of())
    assert ticks == 20


class LegacyApplication:
    """An ASGI 2 application: called once with the scope, then with the channels."""

    def __init__(self, scope: Any) -> None:
        scope["user"] = "ann"

    async def __call__(self, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(PAGE))


class Endpoint:
    """An ASGI 3 class as Starlette's endpoints are: awaiting an instance serves the request."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "ann"
        self.send = send

    def __await__(self) -> Any:
        return self.serve().__await__()

    async def serve(self) -> None:
        await self.send(START)
        await self.send(body(PAGE))


class Returning:
    """An ASGI 3 middleware that hands the call on, and is no coroutine function itself."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return self._app(scope, receive, send)


def legacy(scope: Any) -> Any:
    """An ASGI 2 function."""
    return LegacyApplication(scope)


RETURNING = Returning(sending(START, body(PAGE)))


@pytest.mark.parametrize(
    "app",
    [
        LegacyApplication,
        legacy,
        Endpoint,
        RETURNING,
        partial(RETURNING),
        lambda scope, receive, send: RETURNING(scope, receive, send),
    ],
    ids=["ASGI 2 class", "ASGI 2 function", "endpoint", "middleware", "partial", "lambda"],
)
async def test_serves_applications_of_both_kinds(settings: Settings, app: Any) -> None:
    """ASGI 2 applications are accepted, and classes that are ASGI 3 are told from them."""
    assert b"data-sid=" in joined(await call(ViafouraMiddleware(app, settings), scope_of()))


async def test_does_not_offer_extensions_that_send_a_file_behind_our_back(settings: Settings) -> None:
    """pathsend and zerocopysend are hidden from a page that may be a signed-in user's, and put back."""
    offered: dict[str, Any] = {"http.response.pathsend": {}, "http.response.debug": {}}
    scope = {**scope_of(headers={**BROWSER, "Authorization": "Basic x"}), "extensions": offered}
    seen = []

    async def application(inner: Any, receive: Any, send: Any) -> None:
        seen.append(set(inner["extensions"]))
        await send(START)
        await send(END)

    await call(ViafouraMiddleware(application, settings), scope)
    assert seen == [{"http.response.debug"}]
    assert scope["extensions"] is offered


async def test_puts_back_what_it_withheld_once_the_head_has_come(settings: Settings) -> None:
    """Layers outside see the request as the client sent it, even when the application raised."""
    asked = {**BROWSER, "Authorization": "Basic x", "If-None-Match": '"1"', "Accept-Encoding": "compress"}
    scope = scope_of(headers=asked)
    headers = scope["headers"]

    async def application(inner: Any, receive: Any, send: Any) -> None:
        assert inner["headers"] is not headers
        raise LookupError

    with pytest.raises(LookupError):
        await call(ViafouraMiddleware(application, settings), scope)
    assert scope["headers"] is headers


async def test_leaves_headers_that_an_inner_layer_replaced(settings: Settings) -> None:
    """What another layer put in the scope's place is not undone."""
    scope = scope_of(headers={**BROWSER, "Authorization": "Basic x", "Accept-Encoding": "br"})
    theirs: list[Any] = []

    async def application(inner: Any, receive: Any, send: Any) -> None:
        inner["headers"] = theirs
        await send(START)
        await send(END)

    await call(ViafouraMiddleware(application, settings), scope)
    assert scope["headers"] is theirs


async def test_joins_a_cookie_header_that_came_in_pieces(settings: Settings, viafoura: SimulatedViafoura) -> None:
    """HTTP/2 may split Cookie into several fields (RFC 9113 §8.2.3)."""
    cookie = await signed_in_cookie(settings)
    scope = scope_of()
    scope["headers"] = [(b"cookie", b"site=1"), (b"cookie", cookie.encode())]
    await call(ViafouraMiddleware(sending(START, body(PAGE)), settings), scope)
    assert viafoura.count("login") == 1


@pytest.mark.parametrize(("path", "root_path"), [("/app/news", "/app"), ("/news", "/app")])
async def test_knows_the_whole_path_with_its_root(settings: Settings, path: str, root_path: str) -> None:
    """root_path counts as part of the path, whether or not the server has left it in."""
    from dataclasses import replace

    app = ViafouraMiddleware(sending(START, body(PAGE)), replace(settings, include=("/app/news",)))
    scope = {**scope_of(path=path), "root_path": root_path}
    assert b"data-sid=" in joined(await call(app, scope))


async def test_believes_no_header_that_came_twice(viafoura: SimulatedViafoura) -> None:
    """One of the two may be the visitor's own."""
    proxy = {"VIAFOURA_USER_ID": "header:X-User", "VIAFOURA_PROXY_SECRET": "proof-of-the-proxy"}
    settings = Settings.from_env({**viafoura.environ(), **proxy})
    scope = scope_of(headers={**BROWSER, "X-Viafoura-Proxy-Secret": "proof-of-the-proxy", "X-User": "ann"})
    scope["headers"].append((b"x-user", b"ben"))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": PAGE})

    sent = await call(ViafouraMiddleware(application, settings), scope)

    assert sent[1]["body"] == PAGE
    assert viafoura.count("login") == 0
