"""A page's bytes where they are not as they should be: corrupt, truncated, unreadable, or too many."""

import gzip
import zlib

import pytest

from viafoura_mw.page import rewriter as pages
from viafoura_mw.page.codings import CodingError
from viafoura_mw.page.rewriter import Page
from viafoura_mw.viafoura.client import Session

SESSION = Session("7000000003119", "o52l4itrv8q4p8n4amsou1c567", 0.0)
TAG = b'<script id="viafoura-platform">'
SET_TAG = b'<script id="viafoura-platform" data-uid="7000000003119" data-sid="o52l4itrv8q4p8n4amsou1c567">'


def decoded(stream: bytes) -> bytes:
    """What a browser shows of a gzip stream that may be without its end."""
    return zlib.decompressobj(wbits=31).decompress(stream)


class TestStreamThatBreaks:
    """A compressed page whose head has left before it turned out to be broken."""

    def test_passes_what_could_be_read_and_then_the_rest_as_it_came(self) -> None:
        """Bytes that are no gzip follow what was, and so does all that comes after."""
        page = Page("gzip", None)
        sound = zlib.compressobj(wbits=31)
        first = sound.compress(b"<p>" + TAG) + sound.flush(zlib.Z_SYNC_FLUSH)

        begun = b"".join(page.rewritten([first], SESSION, ended=False))
        broken = page.passed(b"\xff" * 40)
        after = page.passed(b"more")

        assert decoded(begun) == b"<p>" + SET_TAG
        assert broken[-1] == b"\xff" * 40
        assert after == [b"more"]
        assert page.ended() == []
        assert page.broken_off() == []

    def test_stays_without_its_end_when_it_is_truncated(self) -> None:
        """What was held back of half a tag is passed on, and no end is made up."""
        stream = zlib.compressobj(wbits=31)
        page = Page("gzip", None)
        chunk = stream.compress(b'<p>half<script id="via') + stream.flush(zlib.Z_SYNC_FLUSH)

        out = b"".join([*page.rewritten([chunk], SESSION, ended=False), *page.ended()])

        assert decoded(out) == b'<p>half<script id="via'

    def test_passes_what_was_held_of_a_tag_ahead_of_the_corruption(self) -> None:
        """Half a tag that waits for its other half leaves when no other half can come."""
        page = Page("gzip", None)
        sound = zlib.compressobj(wbits=31)
        first = sound.compress(b'<p><script id="via') + sound.flush(zlib.Z_SYNC_FLUSH)

        begun = b"".join(page.rewritten([first], SESSION, ended=False))
        broken = page.passed(b"\xff" * 40)

        assert broken[-1] == b"\xff" * 40
        assert decoded(begun + b"".join(broken[:-1])) == b'<p><script id="via'

    def test_passes_a_body_that_turns_out_to_be_no_gzip_as_it_came(self) -> None:
        """What came ahead of the corruption and decoded to nothing leaves as well."""
        body = gzip.compress(b"<p>")[:9] + b"\xff" + b"\xff" * 40
        page = Page("gzip", None)

        out = [*page.rewritten([body[:5]], SESSION, ended=False), *page.passed(body[5:10]), *page.passed(body[10:])]

        assert b"".join(out) == body

    def test_gives_nothing_for_a_chunk_that_decodes_to_nothing(self) -> None:
        """A block that has only begun makes nothing leave."""
        page = Page("gzip", None)
        whole = gzip.compress(b"<p>")

        page.rewritten([whole[:10]], SESSION, ended=False)

        assert page.passed(whole[10:11]) == []

    def test_does_not_raise_after_a_page_was_not_rewritten(self) -> None:
        """A body that is corrupt from its start is refused, and what follows passes."""
        page = Page("gzip", None)

        with pytest.raises(CodingError):
            page.rewritten([b"<p>no gzip</p>"], SESSION, ended=False)

        assert (page.passed(b"more"), page.ended(), page.broken_off()) == ([b"more"], [], [])


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_finds_no_tag_in_a_charset_that_cannot_be_read(coding: str) -> None:
    """A page that says in its first kilobyte that it is ISO-2022-JP is left alone, in pieces as well."""
    text = b'<meta charset="iso-2022-jp">' + TAG
    chunk = gzip.compress(text) if coding == "gzip" else text
    looked, passed = Page(coding, None), Page(coding, None)

    looked.look_at(chunk)
    looked.look_at(b"")
    out = b"".join([*passed.rewritten([chunk], SESSION, ended=False), *passed.passed(b""), *passed.ended()])

    assert not looked.found
    assert (decoded(out) if coding == "gzip" else out) == text


def test_reads_the_charset_from_the_first_kilobyte_only() -> None:
    """What follows the first 1024 bytes declares nothing."""
    page = Page("identity", None)
    page.look_at(b"x" * 2000)
    page.look_at(b'<meta charset="iso-2022-jp">' + TAG)

    assert page.found


def test_looks_no_further_in_a_page_that_decodes_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed page is let go once it has become longer than any page is."""
    monkeypatch.setattr(pages, "MAX_DECODED", 100_000)
    page = Page("gzip", None)

    page.look_at_whole(gzip.compress(b"x" * 300_000 + TAG))

    assert not page.found


def test_looks_no_further_in_a_body_that_is_corrupt() -> None:
    """A body that is not what its coding says holds no tag, whatever follows."""
    page = Page("gzip", None)

    page.look_at(b"<p>no gzip</p>")
    page.look_at(gzip.compress(TAG))

    assert not page.found


def test_passes_everything_once_the_tag_cannot_come_any_more() -> None:
    """After <plaintext> chunks pass as the same objects."""
    page = Page("identity", None)
    page.rewritten([b"<plaintext>"], SESSION, ended=False)
    chunk = b"<p>" + TAG

    assert page.passed(chunk)[0] is chunk
