"""A response on a bridged path, step by step: what waits with its head, and what leaves when it breaks off."""

import logging
from functools import partial
from typing import Any

import pytest

from viafoura_mw.bridge.page import HeldScripts
from viafoura_mw.bridge.script import rendered
from viafoura_mw.bridge.shared import SharedExchange
from viafoura_mw.bridge.site import Bridge
from viafoura_mw.log import Notices
from viafoura_mw.response.effects import Effects, Hold, Pass, SendBody, SendHead, SendTrailers, StandAside, State

SCRIPT = rendered(path="/v/", wait=2.5)
HTML = ("Content-Type", "text/html")
DIGEST = ("Digest", "x")
TAG = b'<script id="viafoura-platform">'


def begun(
    method: str = "GET", status: int = 200, *headers: tuple[str, str], debug: bool = False
) -> tuple[SharedExchange, Effects]:
    """An exchange that was told its head, and what it said to that."""
    bridge = Bridge(
        pages=["/*"], path="/v/", scripts=["*//x/*"], user_path="", script=SCRIPT, notices=Notices(), debug=debug
    )
    made = bridge.exchange(method, {})
    return made, made.head(status, [HTML, DIGEST, *headers])


def exchange(method: str = "GET", status: int = 200, *headers: tuple[str, str], debug: bool = False) -> SharedExchange:
    return begun(method, status, *headers, debug=debug)[0]


def test_keeps_the_head_until_the_first_chunk() -> None:
    """Or half a second; an empty chunk tells nothing."""
    one, said = begun()
    assert said == [Hold(0.5)]
    assert one.chunk(b"", b"") == []
    assert one.chunk(b"<p>", b"<p>") == [SendHead([HTML]), Pass([]), SendBody(b"<p>", more=True)]
    assert one.chunk(b"<p>", b"<p>") == [SendBody(b"<p>", more=True)]
    assert one.chunk(b"", b"") == []
    assert one.chunk(b"", None, last=True) == [SendBody(b"", more=False), StandAside()]


def test_lets_the_head_go_when_the_hold_is_over() -> None:
    """Without a byte of the body; and once only."""
    one = exchange(debug=True)
    assert one.hold_over() == [SendHead([HTML, ("X-Viafoura-MW", "bridged")]), Pass([])]
    assert one.hold_over() == []
    assert one.chunk(b"<p>", b"<p>", last=True) == [SendBody(b"<p>", more=False), StandAside()]


def test_keeps_what_is_no_body_in_its_place() -> None:
    """Early hints, say."""
    one = exchange()
    assert one.aside("hint") == []
    assert one.chunk(b"<p>", b"<p>")[:2] == [SendHead([HTML]), Pass(["hint"])]
    assert one.aside("hint") == [Pass(["hint"])]


def test_holds_nothing_but_a_cut_tag() -> None:
    """Which leaves with the end, however that comes."""
    for end in ("ended", "unseen", "trailers"):
        one = exchange()
        assert one.chunk(b"<p>" + TAG[:9], b"")[-1] == SendBody(b"<p>", more=True)
        ways: dict[str, Any] = {
            "ended": partial(one.ended, returned=False),
            "unseen": one.unseen,
            "trailers": partial(one.trailers, [DIGEST, ("X", "y")], "item"),
        }
        told = ways[end]()
        assert told[:2] == [SendBody(TAG[:9], more=True), StandAside()]
        assert told[2:] == ([SendTrailers([("X", "y")])] if end == "trailers" else [])
        assert one.state is State.PASSING


def test_trailers_of_an_untouched_response_stay() -> None:
    """Its digests are right."""
    assert exchange("GET", 500).trailers([DIGEST], "item") == [Pass(["item"])]


def test_bytes_that_cannot_be_seen_leave_with_the_head_as_it_came() -> None:
    """A page that is not bridged has no suffix."""
    one = exchange("GET", 200, ("ETag", '"a"'))
    one.chunk(b"", b"")
    assert one.unseen() == [SendHead(None), Pass([b""]), StandAside()]
    assert one.unseen() == []


def test_a_head_alone_leaves_only_if_the_application_returned() -> None:
    """Where it raised, the server has a head of its own."""
    assert exchange().ended(returned=False) == []
    assert exchange().ended(returned=True) == [SendHead(None), Pass([]), StandAside()]


def test_a_second_head_takes_the_place_of_the_first() -> None:
    """Kept, or given to the server."""
    one = exchange()
    assert one.head(500, [HTML]) == [SendHead(None), Pass([]), StandAside()]
    assert one.replaced([HTML]) == [SendHead([HTML]), StandAside()]
    assert one.chunk(b"x", b"x") == [Pass([b"x"])]
    assert one.chunk(b"", None, last=True) == []


def test_a_304_that_nobody_asked_for_with_the_suffix_stays() -> None:
    """Its tag is the application's."""
    assert begun("GET", 304, ("ETag", '"a"'))[1] == [SendHead(None), Pass([]), StandAside()]


def test_asks_nothing() -> None:
    """So nothing can be answered, or broken off."""
    one = exchange()
    assert one.reading(None) == one.session(None) == one.interrupted() == []
    one.close()


@pytest.mark.parametrize("is_streaming", [False, True])
def test_a_fault_of_our_own_leaves_the_page_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_streaming: bool
) -> None:
    """As far as it has not left."""

    def fails(*_: object) -> None:
        raise RuntimeError("a secret")

    one = exchange()
    if is_streaming:
        one.chunk(b"<p>", b"<p>")
    monkeypatch.setattr(HeldScripts, "rewritten", fails)
    monkeypatch.setattr(HeldScripts, "completed", fails)
    left = one.chunk(TAG, TAG, last=True)
    head: list[Any] = [] if is_streaming else [SendHead(None)]
    assert left == [*head, Pass([TAG]), StandAside()]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "a secret" not in caplog.text


def test_a_fault_at_the_end_of_an_iterable_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no item that could leave."""
    one = exchange()
    one.chunk(b"<p>", b"<p>")
    monkeypatch.setattr(HeldScripts, "completed", lambda _: [][0])
    assert one.chunk(b"", None, last=True) == [StandAside()]


def test_is_bridged_on_its_paths_alone() -> None:
    """And nowhere, where the addresses are only to answer."""
    bridge = Bridge(pages=(), path="/v/", scripts=["x"], user_path="", script=SCRIPT, notices=Notices())
    assert not bridge.bridges("/")
    assert [bridge.name_of(path) for path in ("/v/session", "/v/", "/session", "/v/session/")] == [
        "session",
        None,
        None,
        None,
    ]


def test_a_body_of_nothing_is_complete() -> None:
    """An iterable that gives no chunk at all."""
    assert exchange().chunk(b"", None, last=True) == [SendHead([HTML, DIGEST]), Pass([]), StandAside()]


def test_tells_of_a_few_scripts_only() -> None:
    """A page may have any number of those that do not wait."""
    bridge = Bridge(pages=(), path="/v/", scripts=["*//x/*"], user_path="", script=SCRIPT, notices=Notices())
    script = b"<script src=//x/></script>"
    for page in (script * 40 + TAG + b"</script>", TAG + b"</script>" + script * 40):
        assert len(bridge.preview(page).left) == 32
