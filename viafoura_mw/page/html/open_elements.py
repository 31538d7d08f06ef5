"""What the tree construction stage does to the tokenizer, as far as tokens alone can tell.

WHATWG §13.2.6. A browser's tokenizer asks the stack of open elements three things: whether a start tag's element holds
text (``<style>`` does in HTML and does not in SVG), whether ``<![CDATA[`` opens a section, and whether a ``<script>``
is an HTML one at all. In plain HTML no stack is needed for the answers, and none is kept: elements are pushed only for
``template``, ``svg``, ``math`` and what stands inside of the last two. ``select`` holds any element (the standard since
2025, and Chromium), so that it changes nothing. Beyond that it is remembered whether a ``<frameset>`` could still take
the body's place.

An end tag in svg or math of what is not open there, as in ``<svg><path/></path>``, is ignored, unless an element of
that name is open outside: then it closes that one, and svg with it. For the names of SVG's and MathML's own, and for
tables, it can be told which start tags HTML had (:data:`NOTED`); an end tag of any other of them is ignored for sure.
To note them from the start would cost the search of every page time. So the first such end tag is answered by
:data:`Next.ASKS`, whereupon the tokenizer reads the page anew up to there, and notes them from then on.

Other elements outside are not kept, so that both may be true. It does not matter as long as both lead to the same: from
such an end tag on svg is *doubtful*, until its own end tag (or a tag of HTML's own) makes an end of it either way. What
depends on the doubt meanwhile is :data:`Next.LOST`.

Where the answer depends on elements that are not kept, :data:`Next.LOST` is returned and nothing may be matched any
more: a page left as it was beats a wrong place. The package's docstring lists those cases.
"""

from enum import Enum, auto
from itertools import takewhile
from typing import Final, NamedTuple

from viafoura_mw.page.html.start_tag import MAX_TAG, attributes, value_of

# Deeper than drawings and templates nest, so that memory is bounded, and the time that a tag takes.
MAX_DEPTH: Final = 100
# No element of HTML, SVG or MathML has a name of half this length; longer ones are not told apart.
MAX_NAME: Final = 64


class Next(Enum):
    """What the tokenizer does after a tag."""

    DATA = auto()
    TEXT = auto()  # RCDATA and RAWTEXT: up to the end tag of the same name
    SCRIPT = auto()
    ASKS = auto()  # an end tag that is understood only when :attr:`OpenElements.outside` is known; nothing was done
    LOST = auto()  # nothing can be known any more, or nothing but text can come


class Point(Enum):
    """Where HTML may stand inside of foreign content (WHATWG §13.2.6, "integration point")."""

    NONE = auto()
    HTML = auto()
    MATHML_TEXT = auto()
    ANNOTATION = auto()  # annotation-xml without an HTML encoding: only <svg> is read by the rules of HTML


class Element(NamedTuple):
    """An open element."""

    namespace: str
    name: bytes
    point: Point = Point.NONE


HTML: Final = "html"
SVG: Final = "svg"
MATHML: Final = "math"

# What the first tag in a template is tells the insertion mode of all that follows (WHATWG §13.2.6.4.22).
TEMPLATE: Final = Element(HTML, b"template")
TEMPLATE_IN_BODY: Final = Element(HTML, b"template in body")
TEMPLATE_OF_COLUMNS: Final = Element(HTML, b"template of columns")  # "in column group": all but templates is ignored
_TEMPLATES: Final = frozenset({TEMPLATE, TEMPLATE_IN_BODY, TEMPLATE_OF_COLUMNS})
SCRIPT: Final = b"script"
# Names of SVG's and MathML's own, which mean nothing in HTML.
_OWN_NAMES: Final = frozenset(
    b"animate animatemotion animatetransform circle clippath defs desc discard ellipse feblend fecolormatrix "
    b"fecomponenttransfer fecomposite feconvolvematrix fediffuselighting fedisplacementmap fedistantlight "
    b"fedropshadow feflood fefunca fefuncb fefuncg fefuncr fegaussianblur feimage femerge femergenode femorphology "
    b"feoffset fepointlight fespecularlighting fespotlight fetile feturbulence filter foreignobject g line "
    b"lineargradient marker mask metadata mpath path pattern polygon polyline radialgradient rect set stop switch "
    b"symbol text textpath tspan use view annotation annotation-xml maction menclose merror mfenced mfrac mglyph mi "
    b"mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub msubsup msup "
    b"mtable mtd mtext mtr munder munderover none semantics".split()
)
# What is noted of the start tags that are read by the rules of HTML. Without a table none of its parts is ever open.
NOTED: Final = _OWN_NAMES | {b"table"}
TEXT_ELEMENTS: Final = frozenset(b"style title textarea xmp iframe noembed noframes noscript".split())
FRAMESET: Final = b"frameset"
PLAINTEXT: Final = b"plaintext"

_BREAKOUT: Final = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta "
    b"nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
_MATHML_TEXT: Final = frozenset(b"mi mo mn ms mtext".split())
_SVG_POINTS: Final = frozenset(b"foreignobject desc title".split())
_TABLE: Final = frozenset(b"caption col colgroup table tbody td tfoot th thead tr".split())
_SCOPES: Final = frozenset(b"applet marquee object".split())
_VOID: Final = frozenset(
    b"area base basefont bgsound br embed hr image img input keygen link meta param source track wbr".split()
)
_IGNORED: Final = frozenset(b"body frame frameset head html".split())
# What in HTML is never open while a tag is read: its end tag closes nothing, whatever stands around it.
_NEVER_OPEN: Final = (TEXT_ELEMENTS | _VOID | _IGNORED | {SCRIPT, b"svg", b"math"}) - {b"br"}
# "Any other start tag" makes a template's contents a body's, or a table's; these do not.
_NEUTRAL_IN_TEMPLATE: Final = frozenset(b"base basefont bgsound link meta noframes script style template title".split())
# They begin a body, and set the "frameset-ok" flag to "not ok": a frameset that follows is ignored (WHATWG
# §13.2.6.4.7). In a template they set the flag as well, but where no body has begun yet nobody asks for it.
_KEEP_BODY: Final = frozenset(
    b"applet area body br button dd dt embed hr iframe image img keygen li listing marquee object pre select table "
    b"textarea wbr xmp".split()
)
_FORMATTING: Final = frozenset(b"a b big code em font i nobr s small strike strong tt u".split())
_HEADINGS: Final = frozenset(b"h1 h2 h3 h4 h5 h6".split())
_BLOCKS: Final = frozenset(
    b"address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header "
    b"hgroup listing main menu nav ol pre search section summary ul".split()
)
_CLOSE_P: Final = _BLOCKS | _HEADINGS | frozenset(b"p li dd dt hr xmp".split())
_ITEMS: Final = {b"li": frozenset({b"li"}), b"dd": frozenset({b"dd", b"dt"}), b"dt": frozenset({b"dd", b"dt"})}
_HOLD_ITEMS: Final = _BLOCKS - {b"address", b"div"}
_IMPLIED: Final = frozenset(b"p li dd dt option optgroup".split())
# What depends on the form pointer or on ruby inside of an integration point is not followed.
_NOT_FOLLOWED: Final = _TABLE | frozenset(b"form rb rp rt rtc".split())
_ONE_AT_A_TIME: Final = frozenset(b"a button nobr".split())
_OPTIONS: Final = frozenset(b"option optgroup hr".split())
_END_SELECT: Final = frozenset(b"select input".split())
_CAREFUL: Final = _ONE_AT_A_TIME | _CLOSE_P | _OPTIONS
# What the tokenizer or this stack treats in another way in HTML than in svg and math.
_DIFFER: Final = TEXT_ELEMENTS | {SCRIPT, FRAMESET, PLAINTEXT, b"svg", b"math", b"template"}


class OpenElements:
    """The open elements that matter, outermost first."""

    def __init__(self) -> None:
        self._stack: list[Element] = []
        self._templates = 0
        self._sure: int | None = None  # how many of the elements are open for sure, where the others are doubtful
        #: Which of :data:`NOTED` an element of HTML may have had by now; ``None`` while nobody notes them.
        self.outside: frozenset[bytes] | None = None
        self.keeps_body: bool = False  # no frameset can take the body's place any more

    @property
    def plain(self) -> bool:
        """Whether this is HTML outside of template, svg and math."""
        return not self._stack

    @property
    def inert(self) -> bool:
        """Whether this is inside of a template, where no script counts."""
        return self._templates > 0

    @property
    def foreign(self) -> bool:
        """Whether the current node is an SVG or MathML element: CDATA sections are then possible."""
        return bool(self._stack) and self._stack[-1].namespace != HTML

    @property
    def doubtful(self) -> bool:
        """Whether the current node is an SVG or MathML element, or it is not, and its whole svg or math is over."""
        return self._sure is not None

    def reads_as_html(self, name: bytes) -> bool:
        """Whether the rules of HTML apply to a start tag of this name (the dispatcher of WHATWG §13.2.6)."""
        if not self.foreign:
            return True
        match self._stack[-1].point:
            case Point.HTML:
                return True
            case Point.MATHML_TEXT:
                return name not in (b"mglyph", b"malignmark")
            case Point.ANNOTATION:
                return name == b"svg"
            case _:
                return False

    def start(self, name: bytes, self_closing: bool, tag: bytes) -> Next:
        """A start tag. ``tag`` is its spelling, needed only where :func:`needs_spelling` says so."""
        if len(name) > MAX_NAME and not self.plain:
            return Next.LOST
        if self.outside is not None:
            self._note(name)
        if not self.reads_as_html(name):
            if name not in _BREAKOUT and not (name == b"font" and _breaks_out(tag)):
                return self._start_foreign(name, self_closing, tag)
            self._leave_foreign()
        if name == b"template":
            return self._push(TEMPLATE)
        if self._stack and self._stack[-1] is TEMPLATE:
            self._stack[-1] = _template_that_begins_with(name)
        if self._stack and self._stack[-1] is TEMPLATE_OF_COLUMNS:
            return Next.DATA
        if name == PLAINTEXT or (name == FRAMESET and not self.keeps_body):
            return Next.LOST
        self.keeps_body = self.keeps_body or (not self.inert and keeps_body(name, tag))
        if not self._stack or self._stack[-1] in _TEMPLATES:
            return self._start_plain(name, self_closing)
        return self._start_in_point(name, self_closing)

    def end(self, name: bytes) -> Next:
        """An end tag."""
        if len(name) > MAX_NAME and not self.plain:
            return Next.LOST
        if name == b"br" and not self.inert:
            self.keeps_body = True
        if self.foreign:
            return self._end_in_foreign(name)
        if name == b"template":
            return self._end_template()
        if not self._stack or self._stack[-1] in _TEMPLATES:
            return Next.DATA
        return self._end_in_point(name)

    def _note(self, name: bytes) -> None:
        """Note a start tag of which an element of HTML is made, or may be."""
        if name in NOTED and (self.doubtful or self.reads_as_html(name)):
            self.outside = (self.outside or frozenset()) | {name}

    def _push(self, element: Element) -> Next:
        if len(self._stack) == MAX_DEPTH:
            return Next.LOST
        self._stack.append(element)
        self._templates += element is TEMPLATE
        return Next.DATA

    def _start_foreign(self, name: bytes, self_closing: bool, tag: bytes) -> Next:
        """A start tag that is read by the rules of foreign content (WHATWG §13.2.6.5)."""
        if self.doubtful and name in _DIFFER:
            return Next.LOST
        if self_closing:
            return Next.DATA
        namespace = self._stack[-1].namespace
        point = _point(namespace, name, tag)
        if point is None or (self.doubtful and point is not Point.NONE):
            return Next.LOST
        return self._push(Element(namespace, name, point))

    def _leave_foreign(self) -> None:
        """A start tag of HTML's own (or ``</p>``, ``</br>``) ends what is foreign up to an integration point."""
        self._sure = None
        while self.foreign and self._stack[-1].point not in (Point.HTML, Point.MATHML_TEXT):
            self._stack.pop()

    def _start_plain(self, name: bytes, self_closing: bool) -> Next:
        if name == SCRIPT:
            return Next.SCRIPT
        if name in TEXT_ELEMENTS:
            return Next.TEXT
        if name in (b"svg", b"math") and not self_closing:
            return self._push(Element(name.decode(), name))
        return Next.DATA

    def _inner(self) -> list[bytes]:
        """The names of the HTML elements that are open inside of the innermost integration point."""
        inner = takewhile(lambda element: element.namespace == HTML, reversed(self._stack))
        return [element.name for element in inner][::-1]

    def _start_in_point(self, name: bytes, self_closing: bool) -> Next:
        """HTML inside of an integration point: elements are followed while they nest without repairs."""
        if name in _END_SELECT and b"select" in self._inner():
            if self._stack[-1].name != b"select":
                return Next.LOST
            self._stack.pop()
            return Next.DATA
        if name in _NOT_FOLLOWED or (name in _CAREFUL and not self._make_room(name, self._inner())):
            return Next.LOST
        if name == SCRIPT:
            return Next.SCRIPT
        if name in TEXT_ELEMENTS:
            return Next.TEXT
        if name in _VOID or name in _IGNORED:
            return Next.DATA
        if name in (b"svg", b"math"):
            return Next.DATA if self_closing else self._push(Element(name.decode(), name))
        return self._push(Element(HTML, name))

    def _make_room(self, name: bytes, inner: list[bytes]) -> bool:
        """Close what the start tag implies to be closed; ``False`` when more than the current node would have to be."""
        if name in _ONE_AT_A_TIME:
            return name not in inner
        if name in _OPTIONS:
            self._end_options(name, inner)
        closed = _ITEMS.get(name, frozenset())
        if inner and inner[-1] in closed:
            self._stack.pop()
            inner.pop()
        elif not closed.isdisjoint(inner) and inner[-1] not in _HOLD_ITEMS:
            return False
        if name in _CLOSE_P and b"p" in inner:
            if inner[-1] != b"p":
                return False
            self._stack.pop()
            inner.pop()
        if name in _HEADINGS and inner and inner[-1] in _HEADINGS:
            self._stack.pop()
        return True

    def _end_options(self, name: bytes, inner: list[bytes]) -> None:
        """Close the options that ``<option>``, ``<optgroup>`` and, in a select, ``<hr>`` imply to be closed."""
        if b"select" in inner:
            closed = _IMPLIED - {b"optgroup"} if name == b"option" else _IMPLIED
        else:
            closed = frozenset() if name == b"hr" else frozenset({b"option"})
        while inner and inner[-1] in closed:
            self._stack.pop()
            inner.pop()

    def _end_template(self) -> Next:
        if self._templates:
            self._sure = None
            while self._stack.pop() not in _TEMPLATES:
                pass
            self._templates -= 1
        return Next.DATA

    def _end_in_foreign(self, name: bytes) -> Next:
        if name in (b"p", b"br"):
            self._leave_foreign()
            return Next.DATA
        stopped = False
        depth = len(self._stack)
        while depth and self._stack[depth - 1].namespace != HTML:
            depth -= 1
            element = self._stack[depth]
            if element.name == name:
                return self._end_foreign(depth)
            stopped = stopped or element.point is not Point.NONE
        if name == b"template":
            return self._end_template()
        if name in _NEVER_OPEN or (stopped and name not in _TABLE):
            return Next.DATA
        if name in _OWN_NAMES or (name in _TABLE and not self.inert):
            if self.outside is None:
                return Next.ASKS
            if (name if name in _OWN_NAMES else b"table") not in self.outside:
                return Next.DATA
        # The rules of HTML look for an element outside; an integration point on the way hides it, but from a table's.
        if stopped or (depth and self._stack[depth - 1] not in _TEMPLATES):
            return Next.LOST
        self._sure = depth
        return Next.DATA

    def _end_foreign(self, depth: int) -> Next:
        """End the foreign element at a depth of the stack, and what is in it."""
        if self.doubtful and self.inert and self._stack[depth].name == b"template":
            return Next.LOST
        del self._stack[depth:]
        if depth == self._sure:
            self._sure = None
        return Next.DATA

    def _end_in_point(self, name: bytes) -> Next:
        if self._stack[-1].name == name:
            self._stack.pop()
            return Next.DATA
        inner = self._inner()
        if name in _TABLE:
            return Next.LOST
        if name in _HEADINGS and not _HEADINGS.isdisjoint(inner):
            return Next.LOST
        if name in inner:
            above = inner[len(inner) - inner[::-1].index(name) :]
            if (name not in _BLOCKS and name != b"select") or not _IMPLIED.issuperset(above):
                return Next.LOST
            del self._stack[-len(above) - 1 :]
        return Next.DATA


def _template_that_begins_with(name: bytes) -> Element:
    if name == b"col":
        return TEMPLATE_OF_COLUMNS
    return TEMPLATE if name in _NEUTRAL_IN_TEMPLATE else TEMPLATE_IN_BODY


def keeps_body(name: bytes, tag: bytes) -> bool:
    """Whether a start tag begins a body that no frameset replaces; of ``<input>`` the spelling is needed."""
    if name != b"input":
        return name in _KEEP_BODY
    # One of type "hidden" does not, and a reference may spell that.
    return 0 < len(tag) <= MAX_TAG and b"hidden" not in tag.lower() and b"&" not in tag


def needs_spelling(name: bytes) -> bool:
    """Whether a start tag inside of foreign content is understood only with its attributes."""
    return name in (b"font", b"annotation-xml")


def _breaks_out(font: bytes) -> bool:
    return any(each.name in (b"color", b"face", b"size") for each in attributes(font))


def _point(namespace: str, name: bytes, tag: bytes) -> Point | None:
    """What an element is to the HTML in it; ``None`` when its attribute is spelled with named references."""
    if namespace == SVG:
        return Point.HTML if name in _SVG_POINTS else Point.NONE
    if name in _MATHML_TEXT:
        return Point.MATHML_TEXT
    if name != b"annotation-xml":
        return Point.NONE
    encoding = (value_of(tag, b"encoding") or b"").lower()
    if b"&" in encoding:
        return None
    return Point.HTML if encoding in (b"text/html", b"application/xhtml+xml") else Point.ANNOTATION
