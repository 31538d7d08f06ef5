"""The exchange, stepped by hand: no sockets, no threads, no clock."""

import gzip
from collections.abc import Callable

import pytest

from viafoura_mw.log import Notices
from viafoura_mw.response.cookie import SealedSession, SessionCookie
from viafoura_mw.response.exchange import MAX_HELD, Exchange, HoldBudget, Need, State, Terms
from viafoura_mw.response.request import Request
from viafoura_mw.settings import Settings
from viafoura_mw.user.user import Nobody, NotKnown, Reading, User
from viafoura_mw.viafoura.client import Session

SETTINGS = Settings(site_id="site", api_key="key", lookahead=64)
COOKIE = SessionCookie(SETTINGS, clock=lambda: 1_000.0)
ANN, BEN = User("ann", "Ann"), User("ben", "Ben")
SESSION = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", 1_000.0)
OTHER = Session("7000000003120", "other-session", 1_000.0)

TAG = b'<script id="viafoura-platform">'
SET_TAG = b'<script id="viafoura-platform" data-uid="7000000003119" data-sid="o52l4itrv8q4p8n4amsou1c567">'
PAGE = b"<p>before</p>" + TAG + b"</script><p>after</p>"
SET_PAGE = PAGE.replace(TAG, SET_TAG)
HTML = ("Content-Type", "text/html")


def sealed(user: User, session: Session = SESSION) -> SealedSession:
    found = COOKIE.find(COOKIE.set(user, session, secure=False).partition(";")[0])
    assert found is not None
    return found


def terms(*, hopeless: bool = False, debug: bool = False, budget: int = MAX_HELD, ended: tuple[str, ...] = ()) -> Terms:
    return Terms(COOKIE, lambda *_: hopeless, ended.__contains__, 64, debug, HoldBudget(budget), Notices())


def exchange_of(
    *,
    user: User | None = None,
    cookie: SealedSession | None = None,
    reading: Reading | None = None,
    ask: bool = False,
    status: int = 200,
    headers: list[tuple[str, str]] | None = None,
    request: Callable[..., Request] = Request,
    of: Terms | None = None,
) -> Exchange:
    """An exchange whose application has given its head."""
    exchange = Exchange(of or terms(), request("GET", cookie))
    known = None if ask else reading or user or Nobody()
    exchange.start(status, [HTML] if headers is None else headers, lambda: known)
    return exchange


def body(exchange: Exchange) -> bytes:
    return b"".join(exchange.take())


def names(exchange: Exchange) -> list[str]:
    return [name.lower() for name, _ in exchange.headers]


def value(exchange: Exchange, name: str) -> str | None:
    return next((value for field, value in exchange.headers if field.lower() == name.lower()), None)


class TestGuard:
    """Every reason not to look at a response."""

    @pytest.mark.parametrize("status", [101, 204, 205, 206, 304, 500, 503])
    def test_passes_a_status_that_has_no_whole_page(self, status: int) -> None:
        """Informational, bodiless, partial and server-error responses are never looked at."""
        assert exchange_of(user=ANN, status=status).settled

    @pytest.mark.parametrize(
        "header",
        [
            ("Content-Type", "application/json"),
            ("Content-Type", "application/xhtml+xml"),
            ("Content-Type", ""),
            ("Content-Type", "text/html; charset=utf-16"),
            ("Content-Type", 'TEXT/HTML; Charset="ISO-2022-JP"'),
            ("Content-Disposition", "Attachment; filename=page.html"),
            ("Content-Encoding", "compress"),
            ("Content-Encoding", "gzip, gzip"),
        ],
    )
    def test_passes_what_is_not_a_readable_page(self, header: tuple[str, str]) -> None:
        """Other media types, downloads, unreadable charsets and unknown codings are never looked at."""
        assert exchange_of(user=ANN, headers=[HTML, header]).settled

    def test_passes_a_response_to_head(self) -> None:
        """A response to HEAD has no body to look at."""
        exchange = exchange_of(user=ANN, request=lambda _, cookie: Request("HEAD", cookie))
        assert exchange.settled

    def test_passes_a_page_for_nobody_without_cookie(self) -> None:
        """Without a user and without our cookie nothing is looked at, and the headers are the very same object."""
        headers = [HTML]
        exchange = exchange_of(headers=headers)
        assert exchange.settled
        assert exchange.headers is headers

    @pytest.mark.parametrize(
        "content_type",
        ["text/html", "Text/HTML; charset=UTF-8", 'text/html;charset="latin1"', "text/html; level=1; charset=utf-8"],
    )
    def test_looks_at_html_in_any_spelling(self, content_type: str) -> None:
        """The media type is compared without regard to case and parameters."""
        assert exchange_of(user=ANN, headers=[("content-type", content_type)]).state is State.HOLDING


class TestWithValidCookie:
    """A user whose cookie holds their session."""

    def test_sets_the_pair_in_a_complete_page(self) -> None:
        """A body that is complete is decided before the head leaves, with an exact length."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[HTML, ("Content-Length", str(len(PAGE)))])
        exchange.feed(PAGE)
        assert body(exchange) == SET_PAGE
        assert value(exchange, "Content-Length") == str(len(SET_PAGE))
        assert "set-cookie" not in names(exchange)

    def test_passes_a_complete_page_without_the_tag_as_it_came(self) -> None:
        """A complete page without the tag keeps its head and its body."""
        headers = [HTML, ("ETag", '"1"')]
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=headers)
        exchange.feed(b"<p>", last=True)
        assert exchange.settled
        assert exchange.headers is headers
        assert exchange.take() == [b"<p>"]

    def test_holds_nothing_of_a_page_in_pieces(self) -> None:
        """The head leaves with the first chunk, private and without a length, and chunks pass as they come."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[HTML, ("Content-Length", "999")])
        exchange.feed(b"<p>one")
        assert exchange.state is State.REWRITING
        assert exchange.take() == [b"<p>one"]
        assert value(exchange, "Cache-Control") == "private, no-cache"
        assert "content-length" not in names(exchange)
        exchange.feed(PAGE)
        assert body(exchange) == SET_PAGE

    @pytest.mark.parametrize("cut", range(1, len(PAGE)))
    def test_gives_the_same_page_wherever_it_is_cut(self, cut: int) -> None:
        """However the body is cut in two, the result is the same."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN))
        out = b""
        for chunk in (PAGE[:cut], PAGE[cut:]):
            exchange.feed(chunk)
            out += body(exchange)
        exchange.feed(b"", last=True)
        assert out + body(exchange) == SET_PAGE

    def test_gives_back_a_tag_that_never_ends(self) -> None:
        """A start tag that the page's end cuts off is passed on as it stands."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN))
        exchange.feed(b"<p>")
        exchange.feed(b'<script id="viafoura-pl')
        exchange.feed(b"", last=True)
        assert body(exchange) == b'<p><script id="viafoura-pl'

    def test_serves_an_id_whose_details_cannot_be_read(self) -> None:
        """A name source that raises forbids a login, but a cookie for that id still serves."""
        exchange = exchange_of(reading=User("ann", "ann", complete=False), cookie=sealed(ANN))
        exchange.feed(PAGE, last=True)
        assert body(exchange) == SET_PAGE

    def test_asks_for_another_session_when_the_cookie_s_was_logged_out_here(self) -> None:
        """A response that was under way while its user left brings back the cookie of a session that is no more."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), of=terms(ended=(SESSION.id,)))
        exchange.feed(PAGE, last=True)
        assert exchange.need is Need.SESSION
        exchange.session_is(OTHER)
        assert OTHER.id.encode() in body(exchange)
        assert "set-cookie" in names(exchange)
        assert exchange.ended_session is None

    def test_passes_more_than_the_declared_length_as_it_comes(self) -> None:
        """An application that sends more than it declared is left to the server."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[HTML, ("Content-Length", str(len(PAGE)))])
        exchange.feed(PAGE)
        exchange.take()
        exchange.feed(b"more")
        assert exchange.take() == [b"more"]


class TestWithoutCookie:
    """A user who has no session yet."""

    def test_asks_for_a_session_only_when_the_tag_is_there(self) -> None:
        """A page without the tag costs no call."""
        exchange = exchange_of(user=ANN)
        exchange.feed(b"<p>no tag</p>", last=True)
        assert exchange.need is None
        assert exchange.settled

    def test_sets_the_cookie_and_the_pair(self) -> None:
        """With the session had, the tag carries it and the head sets the cookie."""
        exchange = exchange_of(user=ANN)
        exchange.feed(PAGE, last=True)
        assert exchange.need is Need.SESSION
        assert exchange.user == ANN
        exchange.session_is(SESSION)
        assert body(exchange) == SET_PAGE
        assert (value(exchange, "Set-Cookie") or "").startswith("viafoura_mw=")
        assert exchange.ended_session is None

    def test_passes_the_page_as_it_came_when_no_session_can_be_had(self) -> None:
        """Without a session the chunks and the head are the application's own."""
        headers = [HTML, ("ETag", '"1"')]
        exchange = exchange_of(user=ANN, headers=headers)
        exchange.feed(b"<p>")
        exchange.feed(TAG)
        exchange.session_is(None)
        assert exchange.take() == [b"<p>", TAG]
        assert exchange.headers is headers
        assert exchange.settled

    def test_ensures_the_session_when_the_lookahead_has_passed(self) -> None:
        """After VIAFOURA_LOOKAHEAD bytes the session is ensured at once, and the tag is set when it comes."""
        exchange = exchange_of(user=ANN)
        exchange.feed(b"x" * 40)
        assert exchange.need is None
        exchange.feed(b"x" * 40)
        assert exchange.need is Need.SESSION
        exchange.session_is(SESSION)
        assert body(exchange) == b"x" * 80
        assert "set-cookie" in names(exchange)
        exchange.feed(PAGE, last=True)
        assert body(exchange) == SET_PAGE

    def test_ensures_the_session_when_the_hold_is_over(self) -> None:
        """After half a second the session is ensured, and without one the page passes as it came."""
        exchange = exchange_of(user=ANN)
        exchange.feed(b"<p>")
        exchange.hold_is_over()
        assert exchange.need is Need.SESSION
        exchange.session_is(None)
        assert exchange.take() == [b"<p>"]
        assert exchange.settled

    def test_holds_nothing_while_no_session_can_be_had(self) -> None:
        """With the breaker open a page in pieces passes at once; its tag makes its user's login the probe."""
        exchange = exchange_of(user=ANN, of=terms(hopeless=True))
        exchange.feed(b"<p>")
        assert exchange.take() == [b"<p>"]
        assert not exchange.settled
        exchange.feed(TAG)
        assert exchange.need is Need.PROBE
        exchange.probed()
        assert exchange.take() == [TAG]
        assert exchange.settled

    def test_holds_nothing_once_too_much_is_held_in_the_process(self) -> None:
        """Beyond the process's budget pages pass as they came."""
        exchange = exchange_of(user=ANN, of=terms(budget=4))
        exchange.feed(b"<p>one")
        assert exchange.take() == [b"<p>one"]
        assert exchange.settled

    def test_gives_back_what_it_held(self) -> None:
        """What an exchange reserved is free again when it is closed, however often."""
        shared = terms(budget=10)
        for _ in range(3):
            exchange = exchange_of(user=ANN, of=shared)
            exchange.feed(b"12345678")
            assert exchange.state is State.HOLDING
            exchange.close()
            exchange.close()

    def test_makes_a_login_of_details_that_cannot_be_read(self) -> None:
        """A name is optional: a source that raises bars no login."""
        exchange = exchange_of(reading=User("ann", "ann", complete=False))
        exchange.feed(PAGE)
        assert exchange.need is Need.SESSION

    def test_logs_in_anew_for_changed_details_and_leaves_the_old_session_alone(self) -> None:
        """Another name of the same user is a login, not a logout."""
        exchange = exchange_of(user=User("ann", "Ann Two"), cookie=sealed(ANN))
        exchange.feed(PAGE, last=True)
        exchange.session_is(OTHER)
        assert exchange.ended_session is None
        assert OTHER.id.encode() in body(exchange)

    def test_keeps_the_cookie_when_a_login_for_changed_details_fails(self) -> None:
        """A failed login for changed details changes nothing."""
        exchange = exchange_of(user=User("ann", "Ann Two"), cookie=sealed(ANN))
        exchange.feed(PAGE, last=True)
        exchange.session_is(None)
        assert exchange.headers == [HTML]
        assert exchange.ended_session is None


class TestChangedUser:
    """A browser whose cookie is another user's."""

    def test_gets_the_new_session_and_ends_the_old_one(self) -> None:
        """The new user is logged in, the old one's session ended, in one response."""
        exchange = exchange_of(user=BEN, cookie=sealed(ANN, OTHER))
        exchange.feed(PAGE, last=True)
        exchange.session_is(SESSION)
        assert body(exchange) == SET_PAGE
        assert exchange.ended_session is not None
        assert exchange.ended_session.id == OTHER.id

    def test_leaves_with_the_cookie_cleared_when_the_new_login_fails(self) -> None:
        """Never the other user's session: it is ended, the cookie cleared, the page as it came."""
        exchange = exchange_of(user=BEN, cookie=sealed(ANN))
        exchange.feed(PAGE, last=True)
        exchange.session_is(None)
        assert body(exchange) == PAGE
        assert exchange.ended_session is not None
        assert "Max-Age=0" in (value(exchange, "Set-Cookie") or "")
        assert value(exchange, "Cache-Control") == "private, no-cache"


class TestLeaving:
    """A browser with our cookie and no user."""

    def test_signs_out_on_a_page_with_the_tag(self) -> None:
        """The cookie is cleared and the session ended; the page stays as it came."""
        exchange = exchange_of(cookie=sealed(ANN))
        exchange.feed(b"<p>")
        assert exchange.state is State.HOLDING
        exchange.feed(PAGE)
        assert body(exchange) == b"<p>" + PAGE
        assert exchange.ended_session is not None
        assert "Max-Age=0" in (value(exchange, "Set-Cookie") or "")

    def test_signs_nobody_out_on_a_page_without_the_tag(self) -> None:
        """A merely anonymous page on a path where the site never authenticates changes nothing."""
        exchange = exchange_of(cookie=sealed(ANN))
        exchange.feed(b"<p>", last=True)
        assert exchange.headers == [HTML]
        assert exchange.ended_session is None

    def test_ends_the_hold_with_nothing_done(self) -> None:
        """When the hold ends before the tag is seen, nothing is done."""
        exchange = exchange_of(cookie=sealed(ANN))
        exchange.feed(b"<p>")
        exchange.hold_is_over()
        assert exchange.settled
        assert exchange.ended_session is None

    @pytest.mark.parametrize("status", [301, 404])
    def test_signs_nobody_out_but_on_success(self, status: int) -> None:
        """Only a 2xx page tells that the user has left."""
        assert exchange_of(cookie=sealed(ANN), status=status).settled

    def test_signs_nobody_out_when_reading_the_user_raised(self) -> None:
        """A user that could not be read may still be there."""
        assert exchange_of(cookie=sealed(ANN), reading=NotKnown()).settled

    def test_signs_nobody_out_for_another_site(self) -> None:
        """A cross-site request leaves the site's own SameSite=Strict cookie behind."""
        exchange = exchange_of(cookie=sealed(ANN), request=lambda m, c: Request(m, c, cross_site=True))
        assert exchange.settled

    @pytest.mark.parametrize(("status", "ended"), [(200, True), (302, True), (400, False), (500, False)])
    def test_signs_out_on_a_log_out_page_that_succeeds(self, status: int, ended: bool) -> None:
        """A log-out page below 400 clears the cookie and ends the session, whatever its content."""
        exchange = exchange_of(
            user=ANN,
            cookie=sealed(ANN),
            status=status,
            headers=[("Location", "/")],
            request=lambda m, c: Request(m, c, is_logout=True),
        )
        assert exchange.settled
        assert (exchange.ended_session is not None) is ended
        assert ("set-cookie" in names(exchange)) is ended


class TestUserWhoMustBeAskedFor:
    """A framework's user, which may cost a query."""

    def test_is_not_read_for_a_complete_page_without_the_tag(self) -> None:
        """No tag, no query."""
        exchange = exchange_of(ask=True)
        exchange.feed(b"<p>", last=True)
        assert exchange.need is None
        assert exchange.settled

    def test_is_read_when_the_tag_is_there(self) -> None:
        """The tag makes it necessary to know the user."""
        exchange = exchange_of(ask=True, cookie=sealed(ANN))
        exchange.feed(PAGE, last=True)
        assert exchange.need is Need.USER
        exchange.user_is(ANN)
        assert body(exchange) == SET_PAGE

    def test_is_read_with_the_first_chunk_of_a_page_in_pieces(self) -> None:
        """An anonymous page in pieces is not held, so its user is read with its first chunk."""
        exchange = exchange_of(ask=True)
        exchange.feed(b"<p>")
        assert exchange.need is Need.USER
        exchange.user_is(Nobody())
        assert exchange.take() == [b"<p>"]
        assert exchange.settled

    def test_may_turn_out_to_be_unreadable_beside_a_cookie(self) -> None:
        """A user that cannot be read signs nobody out."""
        exchange = exchange_of(ask=True, cookie=sealed(ANN))
        exchange.feed(PAGE, last=True)
        exchange.user_is(NotKnown())
        assert body(exchange) == PAGE
        assert exchange.ended_session is None


class TestHeld:
    """What happens to a head that is held."""

    def test_is_replaced_by_a_second_head(self) -> None:
        """An error page replaces a page, and what was held is dropped."""
        exchange = exchange_of(user=ANN)
        exchange.feed(b"<p>half")
        exchange.start(500, [("Content-Type", "text/plain")], Nobody)
        exchange.feed(b"error", last=True)
        assert exchange.take() == [b"error"]

    def test_passes_as_it_came_when_the_application_breaks_off(self) -> None:
        """No byte of the application's answer is lost."""
        exchange = exchange_of(user=ANN)
        assert not exchange.break_off()
        exchange.feed(b"<p>half")
        assert exchange.break_off()
        assert exchange.take() == [b"<p>half"]
        assert not exchange.break_off()

    def test_passes_as_it_came_before_what_cannot_be_seen(self) -> None:
        """Bytes that come another way let go of what is held."""
        exchange = exchange_of(user=ANN)
        exchange.feed(b"<p>")
        exchange.let_go()
        exchange.let_go()
        assert exchange.take() == [b"<p>"]

    def test_waits_for_the_first_byte(self) -> None:
        """Empty chunks decide nothing, and an empty body is a page without the tag."""
        exchange = exchange_of(user=ANN)
        exchange.feed(b"")
        assert exchange.state is State.HOLDING
        exchange.feed(b"", last=True)
        assert exchange.settled

    def test_steps_aside_for_a_head_that_took_its_place(self) -> None:
        """When the server replaced the head, everything passes and nothing old leaves."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN))
        exchange.feed(b"<p>")
        exchange.step_aside()
        exchange.feed(b"new")
        assert exchange.take() == [b"new"]
        exchange.hold_is_over()
        assert exchange.settled


class TestCompressed:
    """A page that the application has compressed."""

    GZIP = (HTML, ("Content-Encoding", "gzip"))

    def test_comes_out_in_the_same_coding_with_the_pair(self) -> None:
        """A complete gzip page is decoded, rewritten, encoded, with an exact length."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[*self.GZIP])
        exchange.feed(gzip.compress(PAGE), last=True)
        out = body(exchange)
        assert gzip.decompress(out) == SET_PAGE
        assert value(exchange, "Content-Length") == str(len(out))

    def test_passes_as_it_came_without_the_tag(self) -> None:
        """A gzip page without the tag keeps its bytes."""
        page = gzip.compress(b"<p>no tag")
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[*self.GZIP])
        exchange.feed(page, last=True)
        assert exchange.take() == [page]

    @pytest.mark.parametrize("cut", range(1, len(gzip.compress(PAGE)), 7))
    def test_streams_wherever_it_is_cut(self, cut: int) -> None:
        """A gzip page in pieces is rewritten as it comes."""
        page = gzip.compress(PAGE)
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[*self.GZIP])
        out = b""
        for chunk in (page[:cut], page[cut:]):
            exchange.feed(chunk)
            out += body(exchange)
        exchange.feed(b"", last=True)
        assert gzip.decompress(out + body(exchange)) == SET_PAGE

    @pytest.mark.parametrize("broken", [gzip.compress(PAGE)[:-4], gzip.compress(PAGE)[:-9] + b"x" * 9, b"not gzip"])
    def test_passes_as_it_came_when_it_is_corrupt(self, broken: bytes) -> None:
        """A complete body that cannot be decoded to its end is left as it is."""
        exchange = exchange_of(user=ANN, cookie=sealed(ANN), headers=[*self.GZIP])
        exchange.feed(broken, last=True)
        assert exchange.take() == [broken]
        assert exchange.headers == [*self.GZIP]

    def test_passes_as_it_came_when_it_turns_out_to_be_corrupt_after_a_login(self) -> None:
        """The login was made for nothing: no cookie is set by a page that does not carry its session."""
        broken = gzip.compress(PAGE, 0)[:-8] + b"x" * 8
        exchange = exchange_of(user=ANN, cookie=sealed(User("bob", "Bob")), headers=[*self.GZIP])
        exchange.feed(broken, last=True)
        assert exchange.need is Need.SESSION

        exchange.session_is(SESSION)

        assert exchange.take() == [broken]
        assert exchange.headers == [*self.GZIP]
        assert exchange.ended_session is None


class TestDebugHeader:
    """What the debug header says, when it is asked for."""

    @pytest.mark.parametrize(
        ("user", "cookie", "session", "page", "said"),
        [
            (ANN, sealed(ANN), None, PAGE, "injected; session=cookie"),
            (ANN, None, SESSION, PAGE, "injected; session=login"),
            (ANN, None, None, PAGE, "unavailable"),
            (ANN, None, None, b"<p>", "no-tag"),
            (None, None, None, PAGE, "anonymous"),
            (None, sealed(ANN), None, PAGE, "signed-out"),
        ],
    )
    def test_says_what_happened(
        self, user: User | None, cookie: SealedSession | None, session: Session | None, page: bytes, said: str
    ) -> None:
        """One word for the outcome, and where the session came from."""
        exchange = exchange_of(user=user, cookie=cookie, of=terms(debug=True))
        exchange.feed(page, last=True)
        if exchange.need:
            exchange.session_is(session)
        assert value(exchange, "X-Viafoura-MW") == said

    def test_says_nothing_of_what_was_not_looked_at(self) -> None:
        """Responses that are no pages carry no debug header."""
        exchange = exchange_of(user=ANN, headers=[("Content-Type", "image/png")], of=terms(debug=True))
        assert "x-viafoura-mw" not in names(exchange)
