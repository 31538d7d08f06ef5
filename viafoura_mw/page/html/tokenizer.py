"""A tokenizer of WHATWG HTML (§13.2.5) that knows only what it needs to find one start tag, and can be interrupted.

Every state survives the end of a chunk: a tag, a comment or a script may be cut anywhere, and each byte is still looked
at a bounded number of times. The tokenizer itself keeps no bytes. It says how many of the last bytes must be there
again in the next run: a few that are undecided (:data:`MAX_NAME` and two), and all of a start tag that is cut and is
understood only with its attributes, up to :data:`MAX_TAG`. One thing needs the page from its start, if it comes early
(:data:`MAX_ANEW`): which elements HTML had, when an end tag in svg asks for that. So much of the page is kept.

It stops at each start tag of a script that its :class:`Watch` wants, and can go on behind it.
"""

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

from viafoura_mw.page.html import tokens
from viafoura_mw.page.html.body import PassedOver
from viafoura_mw.page.html.open_elements import FRAMESET, MAX_NAME, NOTED, SCRIPT, Next, OpenElements, needs_spelling
from viafoura_mw.page.html.start_tag import MAX_TAG, is_platform, may_be_platform


class _Tag(Enum):
    """What is to be done when a tag ends."""

    START = auto()
    END = auto()
    END_OF_TEXT = auto()  # of an element that holds text: it was never pushed, so that it is not popped


class _Part(Enum):
    """Where in a cut tag the tokenizer stands."""

    TAG_NAME = auto()
    BEFORE_NAME = auto()  # also after a quoted value and after a solidus: what they lead to is the same
    NAME = auto()
    AFTER_NAME = auto()
    BEFORE_VALUE = auto()
    DOUBLE_QUOTED = auto()
    SINGLE_QUOTED = auto()
    UNQUOTED = auto()


_RUNS: Final = {
    _Part.TAG_NAME: re.compile(rb"[^\t\n\f\r />]*+"),
    _Part.BEFORE_NAME: re.compile(rb"[\t\n\f\r ]*+"),
    _Part.NAME: re.compile(rb"[^\t\n\f\r />=]*+"),
    _Part.AFTER_NAME: re.compile(rb"[\t\n\f\r ]*+"),
    _Part.BEFORE_VALUE: re.compile(rb"[\t\n\f\r ]*+"),
    _Part.DOUBLE_QUOTED: re.compile(rb'[^"]*+'),
    _Part.SINGLE_QUOTED: re.compile(rb"[^']*+"),
    _Part.UNQUOTED: re.compile(rb"[^\t\n\f\r >]*+"),
}
# So much of a page is read anew at most, and kept until then. What is known must not depend on how much is at hand, so
# that the same holds for a page in one piece.
MAX_ANEW: Final = 65_536
_MANY: Final = 64  # more pieces than this are joined, since each takes memory of its own
_QUOTED: Final = frozenset({_Part.DOUBLE_QUOTED, _Part.SINGLE_QUOTED})
_VALUES: Final = {ord('"'): _Part.DOUBLE_QUOTED, ord("'"): _Part.SINGLE_QUOTED}
_GREATER: Final = ord(">")
_SOLIDUS: Final = ord("/")
_EQUALS: Final = ord("=")
_MAY_OPEN: Final = frozenset(b"=" + tokens.SPACES)


class Watch(Protocol):
    """Which start tags are wanted, of HTML scripts that a browser makes.

    ``reads_meta``: it is shown each ``<meta>`` of HTML as well, outside of templates, and wants none of them.
    """

    @property
    def reads_meta(self) -> bool: ...

    def may_want(self, tag: bytes) -> bool:
        """Whether a whole start tag of a script is worth to be asked about; told in no time."""
        ...

    def wants(self, tag: bytes) -> bool:
        """Whether the tokenizer is to stop at a whole start tag, which is shown once, in source order."""
        ...


class _Platform:
    """Wants the platform's start tag."""

    reads_meta: bool = False

    def may_want(self, tag: bytes) -> bool:
        return may_be_platform(tag)

    def wants(self, tag: bytes) -> bool:
        return is_platform(tag)


THE_PLATFORM: Final = _Platform()
_META: Final = b"meta"


class Tokenizer:
    """Runs over the bytes of one page, in one piece or in several."""

    def __init__(self, watch: Watch = THE_PLATFORM) -> None:
        #: Nothing more is to be read: a wanted tag was found, or nothing can be known any more.
        self.finished: bool = False
        #: The start tag that was found, and where it ends in the data of that run.
        self.tag: bytes | None = None
        self.tag_end: int = 0
        #: Where in the data a start tag begins that is cut by the data's end and whose spelling will be needed.
        self._begins: int | None = None
        self._elements = OpenElements()
        self._passed_over = PassedOver()
        #: A function of the class: a method of this object would hold the object, and only the collector would end it.
        self._state: Callable[[Tokenizer, bytes, int], int] = Tokenizer._data
        self._name = b""
        self._kind = _Tag.START
        self._part = _Part.TAG_NAME
        self._solidus = False
        self._reads_meta = watch.reads_meta
        self._plain = self._plain_html(noted=False)
        # The page ahead of the data of this run, while it may have to be read anew, and its length.
        self._gone: list[bytes] = []
        self._gone_length = 0
        self._special = 0  # up to here in the data of this run nothing but this may matter in plain HTML
        self._is_lost = False
        self._may_want = watch.may_want
        self._wants = watch.wants

    def run(self, data: bytes, position: int, end: int) -> int:
        """Read on from a position until the tag is found, nothing can be known any more, or ``end`` is passed.

        Gives the position from which to read on.
        """
        self._special = 0
        while position < end and not self.finished:
            following = self._state(self, data, position)
            if following < 0:
                return ~following
            position = following
        return position

    def go_on(self) -> None:
        """Look for the next wanted tag, behind the one that was found."""
        self.tag, self.finished = None, self._is_lost

    def needed(self, data: bytes, position: int) -> tuple[int, int]:
        """What is needed of ``data`` when the next run begins at ``position``, at the data's end or shortly before.

        Gives the first byte that must be there again then, and the first that may be part of the tag that is sought.
        """
        if self.finished:
            return len(data), len(data)
        if self._begins is not None and len(data) - self._begins > MAX_TAG:
            self._begins = None
        if self._begins is not None:
            return self._begins, self._begins if self._name == SCRIPT else len(data)
        may_begin = self._state is Tokenizer._data and self._counts() and tokens.SCRIPT_TO_BE.match(data, position)
        return position, position if may_begin else len(data)

    def forget(self, data: bytes, length: int) -> None:
        """Be told that the first ``length`` bytes of ``data`` will not be there in the next run."""
        self._look_for_body(data)
        if self._begins is not None:
            self._begins -= length
        if self._elements.outside is None:
            self._keep(data, length)

    def _keep(self, data: bytes, length: int) -> None:
        """Keep what goes of the data, as long as the page may have to be read anew."""
        self._gone_length += length
        if self._gone_length > MAX_ANEW:
            self._learn(NOTED)
            return
        self._gone.append(data[:length])
        if len(self._gone) > _MANY:
            self._gone = [b"".join(self._gone)]

    def _data(self, data: bytes, position: int) -> int:
        """Data state, and the states that tell what a ``<`` begins (§13.2.5.1, .6, .7, .42)."""
        start = position
        position = self._skip_plain(data, position) if self._elements.plain else data.find(b"<", position)
        if position < 0:
            position = len(data)
        if start < position and not self._elements.keeps_body:
            self._pass_over(data, start, position)
        if position == len(data):
            return position
        if self._elements.plain:
            end = self._common(data, position)
            if end:
                return end
        tag = tokens.TAG.match(data, position)
        if tag:
            name = tag[2].lower()
            if name == FRAMESET:
                self._look_for_body(data)
            return self._open(data, position, tag.end(), _Tag.END if tag[1] else _Tag.START, name)
        if not tokens.UNDECIDED.match(data, position):
            return self._declaration(data, position)
        if len(data) - position <= MAX_NAME + 2:
            return ~position
        kind = _Tag.END if data[position + 1 : position + 2] == b"/" else _Tag.START
        self._open(data, position, len(data), kind, data[position + 2 :].lower())
        self._part = _Part.TAG_NAME
        return len(data)

    def _common(self, data: bytes, position: int) -> int:
        """The end of what every page has, or has by the dozen; 0 where it takes a closer look."""
        tag = tokens.COMMON_TAG.match(data, position)
        if not tag:
            icon = tokens.ICON.match(data, position)
            if icon and not self._elements.keeps_body:
                self._pass_over(data, position, icon.end())
            return icon.end() if icon else 0
        end = tag.end()
        if tag[1]:
            return self._common_text(data, end, tag[1].lower())
        if tag[2]:
            self._elements.keeps_body = True
            return end
        if self._may_want(data[position:end]):
            return 0
        # Inlined data has its "<" escaped as a rule, which makes the search for one worth its while.
        less = data.find(b"<", end)
        closing = tokens.SCRIPT_DATA.search(data, less) if less >= 0 else None
        if closing and data.startswith(b">", closing.end()) and closing[0] != b"<!--":
            return closing.end() + 1
        self._name, self._state = SCRIPT, Tokenizer._script
        return end

    def _common_text(self, data: bytes, position: int, name: bytes) -> int:
        """The end of an element that holds text, begun ahead of ``position``; 0 where its name is to be noted."""
        if self._elements.outside is not None:
            return 0
        closing = tokens.TEXT_END[name].search(data, position)
        if closing and data.startswith(b">", closing.end()):
            return closing.end() + 1
        self._name, self._state = name, Tokenizer._text
        return position

    def _skip_plain(self, data: bytes, position: int) -> int:
        """Past what changes nothing in plain HTML, to the next ``<`` that may.

        First the next tag that matters is searched by its bytes alone, and what stands ahead of it is not read tag by
        tag where :func:`_known_data` can tell its end from its last bytes. It is read only where that fails.
        """
        if position >= self._special:
            special = self._plain.special.search(data, position)
            self._special = special.start() if special else len(data)
            position = _known_data(data, position, self._special)
        boring = self._plain.boring.match(data, position)
        return boring.end() if boring else position

    def _declaration(self, data: bytes, position: int) -> int:
        """Markup declaration open state, bogus comments, and a ``<`` that is text."""
        if data.startswith(b"<!--", position):
            at_once = tokens.COMMENT_CLOSED_AT_ONCE.match(data, position + 4)
            if at_once:
                return at_once.end()
            self._state = Tokenizer._comment
            return self._comment(data, position + 4)
        if self._elements.foreign and data.startswith(b"<![CDATA[", position):
            self.finished = self._elements.doubtful  # it is a comment where svg is over
            self._state = Tokenizer._cdata
            return position + 9
        if data[position + 1] in b"!?/":
            self._state = Tokenizer._bogus_comment
            return position + 2
        return position + 1

    def _comment(self, data: bytes, position: int) -> int:
        return self._skip(tokens.COMMENT_END, 3, data, position)

    def _bogus_comment(self, data: bytes, position: int) -> int:
        """Bogus comment and DOCTYPE: both end at the first ``>``, whatever is quoted in them."""
        return self._skip(tokens.BOGUS_END, 0, data, position)

    def _cdata(self, data: bytes, position: int) -> int:
        end = tokens.CDATA_END.search(data, position)
        if not end:
            return ~max(position, len(data) - 3)
        # In gb18030, Big5, EUC-KR and Shift_JIS "]" may be a character's second byte; the charset is not known here.
        self.finished = len(end[0]) > 3
        self._state = Tokenizer._data
        return end.end()

    def _skip(self, closing: re.Pattern[bytes], undecided: int, data: bytes, position: int) -> int:
        end = closing.search(data, position)
        if not end:
            return ~max(position, len(data) - undecided)
        self._state = Tokenizer._data
        return end.end()

    def _text(self, data: bytes, position: int) -> int:
        """RCDATA and RAWTEXT, up to the appropriate end tag."""
        end = tokens.TEXT_END[self._name].search(data, position)
        if not end:
            return ~max(position, len(data) - len(self._name) - 2)
        return self._open(data, end.start(), end.end(), _Tag.END_OF_TEXT, self._name)

    def _script(self, data: bytes, position: int) -> int:
        """Script data state (§13.2.5.4)."""
        # Inlined data has its "<" escaped as a rule: what bytes.find passes over costs the pattern fifty times as much.
        less = data.find(b"<", position)
        if less < 0:
            return len(data)
        return self._in_script(tokens.SCRIPT_DATA, Tokenizer._script_escaped, data, less)

    def _script_escaped(self, data: bytes, position: int) -> int:
        """Script data escaped states (§13.2.5.20 to .22), after ``<!--``."""
        return self._in_script(tokens.SCRIPT_ESCAPED, Tokenizer._script_double_escaped, data, position)

    def _in_script(
        self,
        pattern: re.Pattern[bytes],
        deeper: "Callable[[Tokenizer, bytes, int], int]",
        data: bytes,
        position: int,
    ) -> int:
        found = pattern.search(data, position)
        if not found:
            return ~max(position, len(data) - len("</script"))
        if found[0] == b"-->":
            self._state = Tokenizer._script
            return found.end()
        if found[0].startswith(b"</"):
            return self._open(data, found.start(), found.end(), _Tag.END_OF_TEXT, SCRIPT)
        self._state = deeper
        # The dashes of "<!--" count for "-->".
        return found.start() + 2

    def _script_double_escaped(self, data: bytes, position: int) -> int:
        """Script data double escaped states (§13.2.5.27 to .30): an end tag only leads back to escaped."""
        found = tokens.SCRIPT_DOUBLE_ESCAPED.search(data, position)
        if not found:
            return ~max(position, len(data) - len("</script"))
        self._state = Tokenizer._script if found[0] == b"-->" else Tokenizer._script_escaped
        return found.end()

    def _open(self, data: bytes, start: int, position: int, kind: _Tag, name: bytes) -> int:
        """A tag's name has been read: ``data[start:position]``."""
        self._kind, self._name = kind, name
        rest = tokens.REST_OF_TAG.match(data, position)
        if rest:
            spelling = data[start : rest.end()] if kind is _Tag.START else b""
            return self._close(data, rest.end(), bool(rest[1]), spelling)
        self._begins = start if kind is _Tag.START and self._needs_spelling() else None
        self._state, self._part, self._solidus = Tokenizer._tag, _Part.BEFORE_NAME, False
        attributes = tokens.WHOLE_ATTRIBUTES.match(data, position)
        return attributes.end() if attributes else position

    def _tag(self, data: bytes, position: int) -> int:
        """A tag that is cut: the attribute states one by one (§13.2.5.8, .32 to .40)."""
        swallowed = False
        while position < len(data):
            if self._part is _Part.BEFORE_NAME and not swallowed:
                # Behind the attribute that was cut, the others may be here as a whole.
                whole = tokens.WHOLE_ATTRIBUTES.match(data, position)
                if whole and whole.end() > position:
                    position, self._solidus = whole.end(), False
                swallowed = True
                continue
            run = _RUNS[self._part].match(data, position)
            stop = run.end() if run else position
            if stop > position:
                self._solidus = False
            if stop == len(data):
                return stop
            if data[stop] == _GREATER and self._part not in _QUOTED:
                begins, self._begins = self._begins, None
                spelling = b"" if begins is None else data[begins : stop + 1]
                return self._close(data, stop + 1, self._solidus, spelling)
            position = stop + self._leave_part(data[stop])
        return position

    def _leave_part(self, byte: int) -> int:
        """What a byte that does not belong to a part leads to; gives 1 when the byte is used up, else 0."""
        match self._part:
            case _Part.BEFORE_NAME:
                self._solidus = byte == _SOLIDUS
                self._part = _Part.BEFORE_NAME if self._solidus else _Part.NAME
                return 1
            case _Part.NAME | _Part.AFTER_NAME if byte == _EQUALS:
                self._part = _Part.BEFORE_VALUE
                return 1
            case _Part.NAME:
                self._part = _Part.AFTER_NAME
                return 0
            case _Part.BEFORE_VALUE:
                self._part = _VALUES.get(byte, _Part.UNQUOTED)
                return int(self._part in _QUOTED)
            case part:
                self._part = _Part.BEFORE_NAME
                return int(part in _QUOTED)

    def _close(self, data: bytes, end: int, self_closing: bool, spelling: bytes) -> int:
        """A tag has ended; ``spelling`` is the whole start tag, empty when it is not needed or too long."""
        self._state = Tokenizer._data
        if self._kind is _Tag.END_OF_TEXT:
            return end
        if self._kind is _Tag.END:
            following = self._elements.end(self._name)
            if following is Next.ASKS:
                self._read_anew(data, end)
                following = self._elements.end(self._name)
            self.finished = following is Next.LOST
            return end
        known = 0 < len(spelling) <= MAX_TAG
        if known and self._sought() and self._wants(spelling):
            self.tag, self.tag_end, self.finished = spelling, end, True
            self._is_lost = self._elements.start(self._name, self_closing, spelling) is Next.LOST
            self._state = Tokenizer._script
            return end
        if not known and self._elements.foreign and needs_spelling(self._name):
            self.finished = True
            return end
        match self._elements.start(self._name, self_closing, spelling):
            case Next.LOST:
                self.finished = True
            case Next.SCRIPT:
                self._state = Tokenizer._script
            case Next.TEXT:
                self._state = Tokenizer._text
            case _:
                pass
        return end

    def _read_anew(self, data: bytes, end: int) -> None:
        """Find out which elements of :data:`NOTED` HTML had up to ``data[end]``, if that is early in the page."""
        if self._gone_length + end > MAX_ANEW:
            self._learn(NOTED)
            return
        page = b"".join([*self._gone, data[:end]])
        again = Tokenizer()
        again._learn(frozenset())
        again.run(page, 0, len(page))
        self._learn(again._elements.outside)

    def _plain_html(self, *, noted: bool) -> tokens.PlainHtml:
        if self._reads_meta:
            return tokens.PLAIN_NOTED_AND_META if noted else tokens.PLAIN_AND_META
        return tokens.PLAIN_NOTED if noted else tokens.PLAIN

    def _learn(self, outside: frozenset[bytes] | None) -> None:
        """Be told which elements of :data:`NOTED` HTML had by now; where it may be all, there is no more to note."""
        self._elements.outside = outside
        self._plain = self._plain_html(noted=outside != NOTED)
        self._gone.clear()

    def _pass_over(self, data: bytes, start: int, end: int) -> None:
        """Note whole tags and text that change nothing, while they could still begin a body."""
        if not self._elements.inert:
            self._elements.keeps_body = self._passed_over.note(data, start, end)

    def _look_for_body(self, data: bytes) -> None:
        """Find out, before it is too late, whether what was passed over of ``data`` begins a body."""
        if not self._elements.keeps_body:
            self._elements.keeps_body = self._passed_over.begin_body(data)

    def _needs_spelling(self) -> bool:
        """Whether the start tag at hand is understood only with its attributes."""
        if self._name == b"input":
            return not self._elements.keeps_body
        return self._sought() or needs_spelling(self._name)

    def _sought(self) -> bool:
        """Whether the start tag at hand makes an HTML script, or a ``<meta>``, that counts."""
        if self._name == _META:
            return self._reads_meta and not self._elements.inert
        return self._name == SCRIPT and self._counts()

    def _counts(self) -> bool:
        """Whether a ``<script>`` that begins here is neither a template's nor SVG's own."""
        return not self._elements.inert and self._elements.reads_as_html(SCRIPT)


def _opens(data: bytes, start: int, quote: int) -> bool:
    """Whether what stands ahead of a quote does not rule out that a value begins with it."""
    # More spaces than this between "=" and a quote are not worth a thought: the tags are then read.
    before = data[max(start, quote - 16) : quote].rstrip(tokens.SPACES)
    return not before or before.endswith(b"=")


def _known_data(data: bytes, start: int, end: int) -> int:
    """The last position of ``data[start:end]`` that is known to be in the data state; ``start`` is.

    No ``<!--`` and no element that holds text begins in between. There is only text, then, ordinary tags, and bogus
    comments, and each ``>`` ends in the data state but one inside of a quoted value. The quote that opened such a value
    would be the last of its kind ahead of the ``>``, and it would follow a ``=``.
    """
    closing = data.rfind(b">", start, end)
    if closing < 0:
        return start
    for quote in (b'"', b"'"):
        at = data.rfind(quote, start, closing)
        if at == start or (at > start and data[at - 1] in _MAY_OPEN and _opens(data, start, at)):
            return start
    return closing + 1
