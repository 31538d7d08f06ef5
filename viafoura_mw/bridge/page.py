"""A bridged page's bytes: Viafoura's scripts held, and bridge.js before the first of them.

Nothing is held back of a page but the bytes of a start tag that is cut in two. What leaves is made of the
application's bytes and of the settings alone, however the page is cut into chunks.
"""

import logging
from typing import Final

from viafoura_mw.bridge.holding import Holding, Left, held, nonce_of
from viafoura_mw.bridge.policies import Policies
from viafoura_mw.bridge.references import decoded
from viafoura_mw.log import Notices
from viafoura_mw.page.codings import CodingError
from viafoura_mw.page.html import Scanner, is_platform
from viafoura_mw.page.rewriter import MAX_DECODED, Ahead, Coded

NO_TAG: Final = "no-tag"
BRIDGED: Final = "bridged"
CSP: Final = "csp"
BEFORE: Final = "before"
CORRUPT: Final = "corrupt"

#: Bytes behind the tag that are scanned at once: what follows a held script is scanned anew, and must not be copied for
#: each of many.
_SLICE: Final = 32_768
#: Bytes that are read at a time to find the end of a start tag.
_STEP: Final = 256
_MOST_LEFT: Final = 32  # scripts that are told of


class HeldScripts:
    """The edit of decoded bytes, and the watch for the start tags that it is made in.

    ``outcome``: what has become of the page so far.
    """

    reads_meta: bool = True

    def __init__(self, holding: Holding, charset: str | None, policies: Policies, notices: Notices) -> None:
        self.outcome: str = NO_TAG
        self.is_over: bool = False  # nothing more is changed
        self.came: int = 0  # bytes, up to the tag at least
        self._holding = holding
        self._ahead = Ahead(charset)
        self._policies = policies
        self._notices = notices
        #: Scripts that would be held but for where they stand or what they are, and why not.
        self.left: list[tuple[bytes, str]] = []
        self._scanner = Scanner(self)

    @property
    def is_set(self) -> bool:
        """Whether the page was changed."""
        return self.outcome == BRIDGED

    # What is wanted.

    def may_want(self, tag: bytes) -> bool:
        """Most scripts are neither the tag nor Viafoura's."""
        return self._holding.matches(tag) or (not self.is_set and is_platform(tag))

    def wants(self, tag: bytes) -> bool:
        """The platform's tag first, then whatever comes from where Viafoura's scripts come from."""
        if self.is_set:
            return tag[1:2] in b"sS" and self._holding.matches(tag)
        if tag[1:2] in b"mM":
            self._policies.note(tag)
            return False
        if is_platform(tag):
            return True
        if self._holding.matches(tag) and len(self.left) < _MOST_LEFT:
            self.left.append((tag, BEFORE))
        return False

    # What is made of it.

    def rewritten(self, chunk: bytes) -> list[bytes]:
        """What may pass when ``chunk`` has come."""
        out: list[bytes] = []
        self._scan(chunk, out)
        return out

    def _scan(self, piece: bytes, out: list[bytes]) -> None:
        if self.is_over:
            out.append(piece)
            return
        self.came += len(piece)
        cut = self._scanner.feed(piece)
        if not self.is_set:
            self._ahead.add(cut.before)
        while cut.tag is not None:
            out += (cut.before, self._edited(cut.tag))
            self._scanner.go_on()
            if not self.is_set or len(cut.after) > _SLICE:
                for start in range(0, len(cut.after), _SLICE):
                    self._scan(cut.after[start : start + _SLICE], out)
                return
            cut = self._scanner.feed(cut.after)
        out.append(cut.before)

    def rewritten_whole(self, page: bytes) -> list[bytes]:
        """What leaves of a complete page, which is read no further than scripts that are held can be."""
        start, end, out = 0, self._holding.needles.last(page), list[bytes]()
        while start < len(page) and not self.is_over and (start < end or self._scanner.is_holding):
            piece = page[start : max(end, start + _STEP)]
            self._scan(piece, out)
            start += len(piece)
        return [*out, *self.completed(), page[start:]]

    def completed(self) -> list[bytes]:
        """What is still held of a tag that was cut."""
        return [self._scanner.end()]

    def _edited(self, tag: bytes) -> bytes:
        edited = held(tag)
        if self.is_set:
            if not isinstance(edited, Left):
                return edited
            if len(self.left) < _MOST_LEFT:
                self.left.append((tag, edited.value))
            return tag
        if not self._ahead.is_readable:
            self.is_over = True
            return tag
        nonce = nonce_of(tag)
        if isinstance(edited, Left):
            sentence = "a page is not bridged: its tag is no script that a browser runs without waiting; give it async"
            return self._left(tag, edited.value, sentence)
        if not self._policies.allow(decoded(nonce or b"")):
            sentence = "a page is not bridged: its Content-Security-Policy might not let bridge.js run and ask"
            return self._left(tag, CSP, sentence)
        self.outcome = BRIDGED
        if self.left:
            sentence = (
                "a script of VIAFOURA_BRIDGE_SCRIPTS stands before the tag, and does not wait: put the tag before it"
            )
            self._notices.tell("bridge-before-tag", logging.WARNING, sentence)
        return self._holding.before_the_tag(nonce, may_handle=not self._policies.govern_handlers) + edited

    def _left(self, tag: bytes, outcome: str, sentence: str) -> bytes:
        self.outcome, self.is_over = outcome, True
        self._notices.tell(f"bridge-page:{outcome}", logging.WARNING, sentence)
        return tag


class BridgedPage:
    """A page in a content ``coding`` that is understood, in the ``charset`` that its head names, if any."""

    def __init__(
        self, holding: Holding, coding: str, charset: str | None, policies: Policies, notices: Notices
    ) -> None:
        self._scripts = HeldScripts(holding, charset, policies, notices)
        self._coded = None if coding == "identity" else Coded(coding, self._scripts)
        self._is_corrupt = False

    @property
    def outcome(self) -> str:
        """What has become of the page: a word of the debug header."""
        return CORRUPT if self._is_corrupt else self._scripts.outcome

    def whole(self, body: bytes) -> bytes | None:
        """A complete body, bridged; ``None`` where it is left as it is."""
        scripts = self._scripts
        if self._coded is None:
            pieces = scripts.rewritten_whole(body)
            return b"".join(pieces) if scripts.is_set else None
        try:
            return self._whole_coded(self._coded, body)
        except CodingError:
            self._is_corrupt = True
            return None

    def _whole_coded(self, coded: Coded, body: bytes) -> bytes | None:
        pieces = []
        for piece in coded.rewritten(body):
            pieces.append(piece)
            if not self._scripts.is_set and (self._scripts.is_over or self._scripts.came > MAX_DECODED):
                return None
        pieces += coded.completed()
        return b"".join(pieces) if self._scripts.is_set else None

    def passed(self, chunk: bytes) -> bytes:
        """What may pass of a body that comes in pieces when ``chunk`` has come."""
        return b"".join(self._coded.passed(chunk) if self._coded else self._scripts.rewritten(chunk))

    def ended(self) -> bytes:
        """What is left to pass when no more of the body will come."""
        return b"".join(self._coded.ended() if self._coded else self._scripts.completed())
