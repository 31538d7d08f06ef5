"""A grammar of hostile pages: pieces that change what a browser makes of what follows, in any order."""

import random
from typing import Final

PLATFORM_TAGS: Final = (
    '<script id="viafoura-platform" n=#>',
    "<script id='viafoura-platform' n=#>",
    "<script n=# id=viafoura-platform>",
    "<SCRIPT n=# ID=viafoura-platform>",
    '<script/id="viafoura-platform"n=#>',
    "<script\tasync\n id\f=\r'viafoura-platform' n=# />",
    "<script n=# id=viafoura&#45;platform>",
    "<script n=# id='&#x76;iafoura&#x2D;platform'>",
    "<script n=# id=viafoura&#0000045platform data-uid>",
    '<script n=# id="viafoura-platform" id=other data-uid=a data-sid=b data-uid=c>',
    "<script n=# = id=viafoura-platform>",
    "<script n=# a='>' b=\"<script>\" id=viafoura-platform/ id>",
    "<script n=# id=viafoura-platform data-sid=>",
)
OTHER_TAGS: Final = (
    "<script n=# id=viafoura-platform/>",
    "<script n=# id=other id=viafoura-platform>",
    "<script n=# id=Viafoura-platform>",
    '<script n=# id=" viafoura-platform">',
    "<script n=# id=viafoura&hyphen;platform>",
    "<script n=# id=viafoura&#8208;platform>",
    "<script\0 n=# id=viafoura-platform>",
    "<scripts n=# id=viafoura-platform>",
    "<div n=# id=viafoura-platform>",
    "</script n=# id=viafoura-platform>",
    "<script n=# data-id=viafoura-platform>",
    "<script n=# =id=viafoura-platform>",
)
MARKUP: Final = (
    "<!--", "-->", "--!>", "<!-->", "<!--->", "<!---", "--", "->", "-", "!>", "<!-", "<!x", "<!>", "<!doctype html>",
    '<!doctype a ">', "<![CDATA[", "]]>", "]]", "<?x", "?>", "</>", "</ x", "</3", "<3", "<", "<<", ">", "/", "/>",
    "<a", "<a ", "<a b='", '<a b="', "<a b=", "<a b=c", "<a/", "<a =", "<a b ", "'", '"', "=", " ", "\t", "\n", "\r\n",
    "\f", "\0", "&", "&#", "x", "\xe9", "<a b='>'>", '<a b=">">', "<a b=>", "<a b/>", "<a ='>", "<a b=c'>",
    '<a "b="c>', "<a b='c'd=\"e\">", "<a b = '", "<a b=&quot;>", "</a b='>'>",
)  # fmt: skip
NAMES: Final = (
    "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "template", "svg",
    "math", "foreignObject", "desc", "mi", "mtext", "annotation-xml", "mglyph", "malignmark", "g", "path", "p", "br",
    "div", "span", "b", "a", "li", "ul", "h1", "h2", "font", "option", "body", "html", "head", "button", "img", "input",
    "plaintexts", "sarcasm", "center", "object", "nobr", "dd", "address", "image", "section", "em",
)  # fmt: skip
RARE_NAMES: Final = (
    "select", "table", "tr", "td", "caption", "col", "colgroup", "tbody", "th", "frameset", "frame", "plaintext",
    "form", "optgroup", "hr", "keygen", "marquee", "ruby", "rt", "rp", "isindex", "listing", "pre", "menu", "dl", "dt",
    "dialog", "search", "base", "meta", "link", "applet", "embed", "param",
)  # fmt: skip
SPECIAL: Final = (
    "<svg/>", "<math/>", "<path/>", "<script/>", "<style/>", "<template/>", "<title/>", "<g/>", "<font color>",
    "<font size=1>", "<font x>", "<annotation-xml encoding='text/html'>",
    "<annotation-xml encoding=APPLICATION/xhtml+xml>",
    "<annotation-xml encoding=text&#47;html>", "<annotation-xml encoding='text&sol;html'>",
    "<annotation-xml encoding=text/htm>", "<script><!--", "<script><!--<script>", "<!--<script ", "</script -->",
    "</script\n", "</SCRIPT/", "</style x='>'>", "</title\f>", "</titles>", "</noscript >", "<svg><desc>", "<math><mi>",
    "<svg><foreignObject><div>", "<table><tr><td>", "<select><option>", "<template><template>", "<svg><style>",
    "<svg><script>", "<math><annotation-xml>", "</p>", "</br>", "<svg><title>", "<svg></svg>", "<math><mtext><svg>",
    "</template></template>", "</svg></svg>", "<input type=hidden>",
)  # fmt: skip

TAGS: Final = tuple(
    spelling for name in NAMES for spelling in (f"<{name}>", f"</{name}>", f"<{name} a='>'>", f"<{name.upper()}\n>")
)
RARE_TAGS: Final = tuple(spelling for name in RARE_NAMES for spelling in (f"<{name}>", f"</{name}>"))


def numbered(pieces: list[str]) -> bytes:
    """The page of these pieces, each ``#`` that stands for a tag's number replaced by its own."""
    return "".join(piece.replace("n=#", f"n={number}") for number, piece in enumerate(pieces)).encode("latin-1")


_FOREIGN_NAMES: Final = (
    "svg", "math", "foreignObject", "desc", "title", "mi", "mtext", "annotation-xml", "mglyph", "p", "div", "span", "b",
    "a", "li", "ul", "h1", "font", "script", "style", "template", "select", "g", "path", "table", "td", "br", "button",
)  # fmt: skip
_SELECT_NAMES: Final = (
    "select", "select", "select", "script", "option", "optgroup", "input", "textarea", "keygen", "button", "div",
    "table", "tr", "td", "caption", "svg", "template", "p", "hr", "col", "colgroup", "tbody", "object", "title",
)  # fmt: skip
_BODY_PIECES: Final = (
    "<frameset>", "<frameset>", "<frameset>", "</frameset>", "<noframes>", "</noframes>", "<frame>", "x", "text", " ",
    "\n", "\0", "&#32;", "&#x0a;", "&Tab;", "&amp;", "&nbsp;", "&#3", "2;", "&", "\xef\xbb\xbf", "\xa0", "<3", "<",
    "<!doctype html>", "<!---->", "<!-- x -->", "<?x>", "</ x>", "<html>", "<head>", "</head>", "<body>", "</body>",
    "</html>", "<title>", "</title>", "<style>", "</style>", "<template>", "</template>", "<noscript>", "</noscript>",
    "<meta>", "<link>", "<base>", "<p>", "</p>", "<div>", "</br>", "<br>", "<BR/>", "<img>", "<image>", "<hr>",
    "<input>", "<input type=hidden>", "<INPUT TYPE='hid&#100;en'>", "<input a='>' type=hidden>", "<li>", "<dd>",
    "<pre>", "<button>", "<object>", "<table>", "<td>", "<embed>", "<wbr>", "<param>", "<source>", "<svg>", "</svg>",
    "<svg></svg>", "<svg><path/>x</svg>", "<svg><desc>", "<math><mi>", "<![CDATA[x]]>", "<select>", "</select>",
    "<option>", "<form>", "<a>", "<h1>", "<keygen>", "<area>", "<xmp>", "</xmp>", "<iframe>", "</iframe>", "<textarea>",
    "</textarea>", "<noembed>", "</noembed>", "<script>", "</script>", "<col>", "<dialog>",
)  # fmt: skip
_ICON_NAMES: Final = (
    "svg", "svg", "g", "g", "path", "path", "use", "rect", "defs", "mi", "mrow", "math", "a", "b", "div", "p", "h1",
    "li", "table", "td", "form", "span", "desc", "template",
)  # fmt: skip
_ICON_PIECES: Final = (
    "<path/>", "<g/>", "<svg/>", "<svg><path/></path>", "<svg><g></g></g>", "<math><mi></mi></mi>", "</g></svg>",
    "<style>", "</style>", "<![CDATA[", "]]>", "<title>", "</title>", "<script>", "</script>", "<font color>", "text",
    "<template>", "</template>", "<frameset>", "<svg><template>", "<br>", "</p>", "</body>", "</svg>", "</math>",
)  # fmt: skip


def _tags(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(spelling for name in names for spelling in (f"<{name}>", f"</{name}>"))


_POOLS: Final = {
    "any": (MARKUP, MARKUP, OTHER_TAGS, SPECIAL, SPECIAL, TAGS, TAGS, TAGS, RARE_TAGS),
    "foreign": (_tags(_FOREIGN_NAMES), SPECIAL),
    "select": (_tags(_SELECT_NAMES),),
    "in select": (("<select>",), _tags((*_SELECT_NAMES, "style", "math", "desc", "b", "li")), SPECIAL),
    "body": (_BODY_PIECES,),
    "icons": (_tags(_ICON_NAMES), _tags(_ICON_NAMES), _ICON_PIECES),
}


KINDS: Final = tuple(_POOLS)


def drawn(source: random.Random, kind: str) -> list[str]:
    """The pieces of one page: of any kind, or mostly of those that decide about one matter.

    ``foreign`` content, ``select``, a ``body`` that leaves no place for a frameset, and in ``icons`` end tags of what
    may be open outside. Cannot reach what takes more than some forty pieces, names that are in no list here, or
    attributes other than those that are spelled out.
    """
    pools = _POOLS[kind]
    return [
        source.choice(PLATFORM_TAGS if source.random() < 0.18 else source.choice(pools))
        for _ in range(source.randint(1, source.choice((6, 14, 40))))
    ]
