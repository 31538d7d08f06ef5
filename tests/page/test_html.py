"""Contract §5: which start tag is the platform's, WHATWG's cases by name, and what is written into it."""

import html.entities

import pytest

from viafoura_mw.page.html import Cut, Scanner, find, start_tag, with_session
from viafoura_mw.page.html.open_elements import MAX_DEPTH, MAX_NAME
from viafoura_mw.page.html.start_tag import MAX_TAG, PLATFORM
from viafoura_mw.page.html.tokenizer import MAX_ANEW

TAG = b'<script id="viafoura-platform">'


def page_of(source: str) -> tuple[bytes, tuple[int, int] | None]:
    """A page, and where its tag is: ``@`` stands for the tag that is sought, ``%`` for one that must not be found."""
    at = source.find("@")
    ahead = source[:at].replace("%", TAG.decode()) if at >= 0 else ""
    page = source.replace("%", TAG.decode()).replace("@", TAG.decode()).encode("latin-1")
    return page, (len(ahead), len(ahead) + len(TAG)) if at >= 0 else None


def streamed(page: bytes, size: int) -> tuple[int, int] | None:
    """Where a scanner finds the tag in a page that is cut into chunks of one size; nothing may be lost on the way."""
    scanner, out, found = Scanner(), b"", None
    for start in range(0, len(page), size):
        cut = scanner.feed(page[start : start + size])
        out += cut.before
        if cut.tag is not None:
            found = (len(out), len(out) + len(cut.tag))
            out += cut.tag + cut.after
    assert out + scanner.end() == page
    return found


BODIES = (
    "<select></select>", "<textarea><frameset></textarea>", "<p>x", "<!doctype html><!--x--><title>x</title>x",
    "<br>", "<IMG a='>'>", "</br>", "<p></BR/>", "<input>", "<input type=text>", "<hr/>", "<li>", "<dd>", "<pre>",
    "<button>", "<object>", "<table>", "<embed>", "<wbr>", "<keygen>", "<image>", "<area>", "<xmp></xmp>",
    "<iframe></iframe>", "<3", "< ", "&#32;x", "<?x>x", "</ x>x", "<svg>x</svg>", "<svg><path/>x</svg>", "<svg><br>",
    "<svg><desc><img></desc></svg>", "<math><mi>x</mi></math>", "</head>x", "<div>\n<b>x", "&#32; x", "&amp;;",
)  # fmt: skip
NO_BODIES = (
    " \n", "\0", "&#32;", "&Tab;", "&#x000000000a;", "\xef\xbb\xbf", "<!doctype html>", "<!--x-->", "<?x>", "</3>",
    "<title>x</title>", "<style>x</style>", "<noframes>x</noframes>", "<noscript>x</noscript>", "<p>", "</p>",
    "<input type=hidden>", "<INPUT a='>' TYPE=HIDDEN>", "<input type='hid&#100;en'>", "<param>", "<source>", "<h1>",
    "<svg></svg>", "<svg><path/></svg>", "<math><mi></mi></math>", "<form>", "<option>", "<head>", "<html>", "<a>",
    "<template>x</template>", "<template></br></template>", "<template><br></template>", "<script>x</script>",
    "<meta><link>", "&#32;&#10;", "&#32;<p>&#10;",
)  # fmt: skip

CASES = {
    # Data state
    "text": "Hello @",
    "nothing": "Hello",
    "empty page": "",
    "first of two": "@%",
    "less-than that is text": "a < b <3 <- << @",
    "end of file in a tag": "<script id=viafoura-platform",
    "end of file in a value": '<script id="viafoura-platform>',
    "end of file after less-than": "<",
    # Tags and attributes (13.2.5.6 to .40)
    "double-quoted value": '<a b="%">@',
    "single-quoted value": "<a b='%'>@",
    "value that ends with an equals sign": '<a b="?c="><i d=">">@',
    "quote after an equals sign in text": 'x="> @',
    "spaces around the equals sign": '<a b \t\n\f\r = "%">@',
    "more spaces before a value than are looked at": '<a b={}"%">@'.format(" " * 40),
    "equals sign begins a name": '<a =">@',
    "equals sign after a solidus": '<a /=">@',
    "quote in a name": "<a b\"c='%'>@",
    "quote in an unquoted value": '<a b=c">@',
    "solidus in an unquoted value": "<a b=/>@",
    "missing value": "<a b=>@",
    "quote after an attribute's name": '<a b "c=d>@',
    "no space between attributes": "<a b='c'd=\"%\">@",
    "duplicate attribute": "<a b='' b=\"%\">@",
    "tag in a tag": "<a %",
    "end tag with attributes": '</a b="%">@',
    "end tag without a name": "</>@",
    "bogus end tag": "</ a='>@",
    "NUL in a tag's name": "<script\0 id=viafoura-platform>",
    "a longer name": "<scripts id=viafoura-platform>",
    "an end tag": "</script id=viafoura-platform>",
    "bogus comments where a value may be open": '="></3>-</3>@',
    "spaces where a value may be open": '= \n"></3>-</3>@',
    "many spaces where a value may be open": 'a{}">-</3>@'.format(" " * 40),
    # Comments and declarations (13.2.5.41 to .69)
    "comment": "<!-- % -->@",
    "comment that never ends": "<!-- %",
    "abruptly closed comment": "<!-->@",
    "abruptly closed comment with a dash": "<!--->@",
    "not closed by a third dash": "<!---% -->@",
    "comment end bang": "<!-- % --!>@",
    "comment begun in a comment": "<!-- <!-- % -->@",
    "comment closed by a comment's start": "<!-- <!-->@",
    "dashes before the end": "<!-- % ---->@",
    "bang at a comment's start": "<!--!>%-->@",
    "bogus comment": "<!x '>@",
    "one dash": "<!->@",
    "processing instruction": "<?xml '>@",
    "doctype": '<!DOCTYPE html PUBLIC ">@',
    "CDATA in HTML": "<![CDATA[>@",
    "CDATA in svg": "<svg><![CDATA[ <p> % ]]></svg>@",
    "CDATA of several bytes a character": "<svg><![CDATA[ \xe9]]] \xe9]]]></svg>@",
    "CDATA that a character's second byte may not end": "<svg><![CDATA[ \x81]]><p>%]]></svg>%",
    "CDATA in an integration point": "<svg><desc><![CDATA[ <p> % ]]></desc></svg>@",
    "no CDATA in HTML in an integration point": "<svg><desc><b><![CDATA[>@",
    # RCDATA and RAWTEXT (13.2.5.2, .3, .9 to .14)
    **{
        f"{name} holds text": f"<{name.upper()} a='>'> <!-- % </{name}x> </{name}\n b='>'>@"
        for name in ("style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript")
    },
    "text that never ends": "<title>%",
    "self-closing has no meaning in HTML": "<title/>%</title>@",
    "plaintext": "<plaintext>%",
    # Script data (13.2.5.4, .15 to .31)
    "script": "<script>if (a<b) '%'</script>@",
    "script's end tag in any case": "<script>%</SCRIPT/>@",
    "script that never ends": "<script>%",
    "script data escaped": "<script><!-- </b> <script- </script>@",
    "script data double escaped": "<script><!-- <script> </script> % --></script>@",
    "double escaped that ends": "<script><!-- <script> --> % </script>@",
    "double escaped is left by an end tag": "<script><!-- <script > </script/ </script>@",
    "double escaped that never ends": "<script><!-- <script> %",
    "escaped at once closed": "<script><!--> <script> </script>@",
    "escaped at once closed with a dash": "<script><!---> <script> </script>@",
    "a longer name does not escape twice": "<script><!-- <scripts> </script>@",
    "escaped that never ends": "<script><!-- %",
    # Template
    "template": "<template>%</script></template>@",
    "nested templates": "<template><template></template>%</script></template>@",
    "template that never ends": "<template>%",
    "template's end without a start": "</template>@",
    "style in a template": "<template><style></template></style>%</script></template>@",
    "svg in a template": "<template><svg></template>@",
    "script in a template": "<template><script>'</template>'</script>%</script></template>@",
    "other end tag in a template": "<template></div>%</script></template>@",
    "col in a template": "<template><col><style></template>@",
    "script behind col in a template": "<template><link><col><script></template>@",
    "plaintext behind col in a template": "<template><col><plaintext></template>@",
    "template behind col in a template": "<template><col><template></template><style></template>@",
    "col behind an element in a template": "<template><b><col><style></template>%</style></template>@",
    "col behind a row in a template": "<template><tr><col><style></template>%</style></template>@",
    "col in a table": "<table><col><style>%</style></table>@",
    "svg's own template": "<svg><template></template></svg>@",
    "svg's own template left by its end tag": "<svg><style><template><title></template>%",
    # Foreign content (13.2.6.5)
    "svg's own script": "<svg>%</svg>@",
    "svg's own style": "<svg><style>%</style></svg>@",
    "less-than that is text in svg": "<svg>a < b <1</svg>@",
    "self-closing in svg": "<svg/>@",
    "self-closing title in svg": "<svg><title/>%</svg>@",
    "icon": "<svg a='>' b><path d='M0'/>\n<use></use></svg>@",
    "icon with a tag in a value": "<svg a='%'><path d='%'/></svg>@",
    "script among shapes": "<svg><path/>%</svg>@",
    "shape that holds something": "<svg><path><g/></path></svg>@",
    "end tags of what is never open": "<svg></script></style></img></head></body></html></frameset></math></svg>@",
    "breakout": "<svg><g><p>@",
    "breakout by font": "<svg><font color>@",
    "font that does not break out": "<svg><font x>%</font></svg>@",
    "breakout by an end tag": "<svg><g></p>@",
    "breakout to an integration point": "<svg><desc><svg></br>@",
    "math": "<math>%</math>@",
    "text integration point": "<math><mi>@",
    "mglyph in a text integration point": "<math><mi><mglyph>%</mglyph></mi></math>@",
    "foreignObject": "<svg><FOREIGNOBJECT>@",
    "desc": "<svg><desc>@",
    "title in svg": "<svg><title>@",
    "foreignObject is nothing in math": "<math><foreignObject>%",
    "annotation-xml": "<math><annotation-xml>%",
    "annotation-xml that is HTML": "<math><annotation-xml encoding=TEXT/html>@",
    "annotation-xml with a reference": "<math><annotation-xml encoding='text&#47;html'>@",
    "annotation-xml with a named reference": "<math><annotation-xml encoding='text&sol;html'>%",
    "svg in annotation-xml": "<math><annotation-xml><svg><desc>@",
    "template's end tag in svg": "<template><svg><g></template>@",
    "svg left by an outer end tag": "<svg><g><path></svg>@",
    "table's end tag in a point": "<svg><desc></table>@",
    "other end tag in a point": "<svg><desc></b>@",
    # HTML inside of an integration point
    "void element in a point": "<svg><desc><br></desc>%</svg>@",
    "element in a point": "<svg><desc><b></b></desc>%</svg>@",
    "point's end tag is ignored under an element": "<svg><desc><b></desc>@",
    "svg's end tag is ignored under an element": "<svg><desc><b></svg>@",
    "text in a point": "<svg><desc><style>%</style></desc>%</svg>@",
    "another script in a point": "<svg><desc><script></script></desc>%</script></svg>@",
    "template's end without a start in svg": "<svg></template>%</script></svg>@",
    "template in a point": "<svg><desc><template>%</script></template></desc>%</svg>@",
    "svg in a point": "<svg><desc><svg>%</svg></desc>%</svg>@",
    "self-closing svg in a point": "<svg><desc><svg/></desc>%</svg>@",
    "paragraph closes a paragraph": "<svg><desc><p><p></p></desc>%</svg>@",
    "paragraph under another element": "<svg><desc><p><b><p>%",
    "item closes an item": "<svg><desc><ul><li><li></ul></desc>%</svg>@",
    "item in a list in an item": "<svg><desc><ul><li><ul><li></ul></ul></desc>%</svg>@",
    "item under another element": "<svg><desc><li><b><li>%",
    "term closes a description": "<svg><desc><dl><dd><dt></dl></desc>%</svg>@",
    "heading closes a heading": "<svg><desc><h1><h2></h2></desc>%</svg>@",
    "heading's end tag closes any": "<svg><desc><h1></h2>%",
    "end tag over a formatting element": "<svg><desc><div><b></div>%",
    "link in a link": "<svg><desc><a><a>%",
    "table in a point": "<svg><desc><table>%",
    "table's end tag under an element": "<svg><desc><b></table>%",
    "a name too long in a point": "<svg><desc><{0}></{0}>%".format("x" * (MAX_NAME + 1)),
    "an end tag too long in svg": "<svg></{}>%".format("x" * (MAX_NAME + 1)),
    "a name too long in HTML": "<{0}></{0}>@".format("x" * (MAX_NAME + 9)),
    # Select, which holds any element by the standard since 2025
    "select": "<select><option></select><svg></svg>@",
    "script in select": "<select>@",
    "another script in select": "<select><script>%</script>@",
    **{
        f"{name} in select": f"<select><option><{name}>%</{name}>@"
        for name in ("style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "svg", "math")
    },
    "template in select": "<select><template>%</script></template>@",
    "plaintext in select": "<select><plaintext>%",
    "select in select": "<select><select><style>%</style>@",
    "input in select": "<select><input></select><style>%</style>@",
    "table in select": "<select><table><tr><td><style>%</style></select>@",
    "other tags in select": "<select><div></div><p><button><hr>@",
    "select in a point": "<svg><desc><select></select></desc>%</svg>@",
    "option in a point": "<svg><desc><option><option></option></desc>%</svg>@",
    "rule in a point": "<svg><desc><option><hr></option></desc>%</svg>@",
    "options in a point": "<svg><desc><select><optgroup><option><option><hr><optgroup></select></desc>%</svg>@",
    "option in an optgroup in a point": "<svg><desc><select><optgroup><option></select></desc>%</svg>@",
    "select ends a select in a point": "<svg><desc><select><select></desc>%</svg>@",
    "input ends a select in a point": "<svg><desc><select><input></desc>%</svg>@",
    "select over an element in a point": "<svg><desc><select><b><select>%",
    "end of a select over an element in a point": "<svg><desc><select><b></select>%",
    # End tags in svg and math of what may be open outside
    "extra end tag in svg": "<svg><g></g></g></svg>@",
    "extra end tag of a shape": "<svg><path/></path><path></path></svg><style>%</style>@",
    "extra end tag in math": "<math><mi></mi></mi></math><style>%</style>@",
    "extra end tag of HTML's": "<div><svg></div></svg>@",
    "extra end tags and elements": "<svg></i><g></b><path/></i></g></svg><svg>%</svg>@",
    "extra end tag and a breakout": "<svg><g></x><p>@",
    "extra end tag and another end": "<svg><g></x></p>@",
    "extra end tag and a font": "<svg><g></x><font size=1>@",
    "extra end tag in a template": "<template><svg></i></svg><style></template></style></template>@",
    "extra end tag and the template's": "<template><svg></i></template>@",
    "extra end tag and no template": "<svg></i></template></svg>@",
    "extra end tag under svg's template": "<svg><template></i></template></svg>@",
    "extra end tag under svg's template in a template": "<template><svg><template></i></template>%",
    "extra end tag and a script": "<svg></i>%",
    "extra end tag and svg": "<svg></i><svg/></svg>%",
    "extra end tag and a point": "<math></i><mi></mi></math>%",
    "extra end tag and CDATA": "<svg></i><![CDATA[ ]]></svg>%",
    "extra end tag under an element in a point": "<svg><desc><b><svg></i></svg>%",
    "end tag of a table over a point": "<table></table><svg><desc></td>%",
    "end tag of a table in a template over a point": "<template><svg><desc></td></desc></svg></template>%",
    "end tag over a point": "<svg><desc></i></desc>%</svg>@",
    # End tags in svg and math of SVG's and MathML's own names, and of tables, that nobody opened outside
    **{
        f"{extra} that nobody opened, and {there}": f"<p></g>{extra}{there}</svg><g><div a='<line>'>@"
        for extra in ("<svg></g>", "<SVG><G></G></G>", "<svg><path/></path>", "<svg><desc></td></desc>", "<svg></td>")
        for there in ("%", "<script/>", "<style/>", "<title>x</title>", "<![CDATA[<p>%]]>", "<svg>%</svg>", "<desc/>")
    },
    **{
        f"{extra} that may be open outside": f"{outside}<p><svg>{extra}<title>x</title></svg>%"
        for outside, extra in {
            "<g>": "</g>",
            "<PATH a='>'/>": "</path>",
            "<g></g>": "</G>",
            "<svg></line></svg><line\n>": "</line>",
            "<svg></line></svg><b a='=' c=\"='\"><use>": "</use>",
            "<svg></i><mo></svg>": "</mo>",
            "<svg></rect></i><mn></svg>": "</mn>",
            "<template><rect></template>": "</rect>",
            "<svg><desc><set></set></desc></svg>": "</set>",
            "<table>": "<desc></table></desc>",
            "<svg></td></svg><table></table>": "<desc></table></desc>",
        }.items()
    },
    "svg's title and the end of no table": "<svg><title></table>@",
    "name that begins like svg's own": "<svg></g></svg><gx><sets><svg></g></set><style>%</style></svg>@",
    "names of svg's own that no tag has": "<title><g></title><!--<g>--><script><g></script><svg></g><title/></svg>@",
    "svg's own in svg alone": "<svg><g/><path></path></svg><svg><g></g></svg><svg></g></path><title/></svg>@",
    "text and an extra end tag": "x<svg></g><title/></svg><frameset>@",
    "an extra end tag and no text": "<p><svg></g><title/></svg><frameset>%",
    # Where to stop: a frameset, unless a body leaves no place for it
    "frameset": "<frameset>%",
    "frameset that takes the body's place": "<p></p><frameset>%",
    "frameset in a body": "<body><p><frameset>@",
    **{f"frameset behind {there}": f"{there}<frameset>@" for there in BODIES},
    **{f"frameset without a body behind {there}": f"{there}<frameset>%" for there in NO_BODIES},
    "frameset behind many titles and text": "<title>x</title>" * 100 + "x<frameset>@",
    "frameset behind text and many titles": "<p>x" + "<title>x</title>" * 100 + "<frameset>@",
    "frameset behind many titles": "<title>x</title>" * 100 + "<frameset>%",
    "frameset behind a body in a template": "<template><body></template><frameset>%",
    "frameset behind an iframe in a template": "<template><iframe></iframe></template><frameset>%",
    "frameset behind the text of a body": "<title><body></title><frameset>%",
    "frameset in a select": "<body><select><frameset></select>@",
    "frameset in a template": "<body><template><frameset><col><style></template></style></template>@",
    "frameset in a point": "<body><svg><desc><frameset></desc></svg>@",
    "frameset in svg": "<svg><frameset></svg>@",
    "after the body": "</body></html>@",
    "in a table": "<table>@",
    "as deep as is followed": "<svg>" + "<g>" * (MAX_DEPTH - 1) + "<p>@",
    "deeper than is followed": "<svg>" + "<g>" * MAX_DEPTH + "<p>%",
}


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7, 64])
@pytest.mark.parametrize("name", CASES)
def test_finds_the_tag_that_a_browser_reads(name: str, size: int | None) -> None:
    """The tag is the one from which a browser makes the script, however the page is cut."""
    page, expected = page_of(CASES[name])

    found = find(page) if size is None else streamed(page, size)

    assert found == expected


@pytest.mark.parametrize("size", [None, 1000, MAX_ANEW, MAX_ANEW + 1])
@pytest.mark.parametrize("name", [b"</g>", b"</g a='>' >"])
def test_reads_only_the_start_of_a_page_anew(name: bytes, size: int | None) -> None:
    """The first extra end tag of SVG's own is ignored for sure up to one place of the page, however the page is cut."""
    early = b"<p>" + b"x" * (MAX_ANEW - 8 - len(name)) + b"<svg>" + name
    late = b"x" + early
    rest = b"<title>x</title></svg>"

    found = [find(page) if size is None else streamed(page, size) for page in (early + rest + TAG, late + rest + TAG)]

    assert found == [(len(early + rest), len(early + rest + TAG)), None]


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize(("outside", "found"), [(b"", True), (b"<line>", False)])
def test_notes_what_comes_after_the_first_extra_end_tag(outside: bytes, found: bool, size: int | None) -> None:
    """Once it is known which of SVG's own elements HTML had, it stays known as far as the page goes."""
    page = (
        b"<svg></g></svg>" + b"<p>x" * MAX_ANEW + outside + b"<p>x" * MAX_ANEW + b"<svg></line><title>x</title></svg>"
    )

    place = find(page + TAG) if size is None else streamed(page + TAG, size)

    assert place == ((len(page), len(page + TAG)) if found else None)


SPELLINGS = [
    b"<script id=viafoura-platform>",
    b"<SCRIPT ID='viafoura-platform'>",
    b'<script\tid\n=\r\f"viafoura-platform"/>',
    b"<script/id=viafoura-platform async>",
    b"<script a=b/c id=viafoura-platform id=other>",
    b"<script =id id=viafoura-platform>",
    b"<script a='' id=viafoura-platform >",
    b"<script id=viafoura&#45;platform>",
    b"<script id=viafoura&#0000045platform>",
    b"<script id='&#x76;&#X0069;afoura&#x2Dplatform'>",
    b"<script id=" + b"".join(b"&#%d;" % letter for letter in PLATFORM) + b">",
]
OTHERS = [
    b"<script>",
    b"<script id>",
    b"<script id=>",
    b"<script id=viafoura-platform/>",
    b"<script id=Viafoura-platform>",
    b"<script id=' viafoura-platform'>",
    b"<script id=other id=viafoura-platform>",
    b"<script data-id=viafoura-platform>",
    b"<script =id=viafoura-platform>",
    b"<script id=viafoura&hyphen;platform>",
    b"<script id=viafoura&#8208;platform>",
    b"<script id=viafoura&#0;platform>",
    b"<script id=viafoura&#xF02D;platform>",
    b"<script id=viafoura&#45 ;platform>",
    b"<script id=vi&#x61foura-platform>",
    b"<script id=viafoura-platform\0>",
    b"<script i\xefd=viafoura-platform>",
]


@pytest.mark.parametrize("size", [None, 1, 5])
@pytest.mark.parametrize("tag", SPELLINGS)
def test_finds_every_spelling(tag: bytes, size: int | None) -> None:
    """Case, quotes, order and character references make no difference."""
    page = b"<!-- viafoura-platform --><p>" + tag + b"</script>"

    found = find(page) if size is None else streamed(page, size)

    assert found is not None
    assert page[slice(*found)] == tag


@pytest.mark.parametrize("size", [None, 1, 5])
@pytest.mark.parametrize("tag", OTHERS)
def test_takes_no_other_script_for_it(tag: bytes, size: int | None) -> None:
    """The id of the first attribute of that name is exactly the platform's, or the script is another."""
    page = tag + b"</script>"

    assert (find(page) if size is None else streamed(page, size)) is None


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_finds_the_tag_among_mentions_in_a_page_of_any_length(size: int) -> None:
    """A mention in a text, a comment or a value is passed over in short pages and in long ones."""
    page = b"<p>viafoura-platform<!--" + TAG + b"-->" + b"<p>" * size + TAG + b"viafoura-platform"

    assert find(page) == (54 + 3 * size + 4, 54 + 3 * size + 35)


def test_no_named_reference_makes_a_letter_of_the_id() -> None:
    """What the search for references rests on: of all names, only a ligature's gives letters, two the id never has."""
    makers = {name: text for name, text in html.entities.html5.items() if any(c in PLATFORM.decode() for c in text)}

    assert makers == {"fjlig;": "fj"}


@pytest.mark.parametrize("filler", [b"", b"#fff ", b"& # ", b"&#39;", b"&#160;", b"&#x27;", b"&amp;#"])
@pytest.mark.parametrize("count", [1, 50, 1000])
def test_finds_an_id_in_references_among_others(filler: bytes, count: int) -> None:
    """References to other characters, colours and links do not hide one to a letter of the id."""
    page = filler * count + b"<script id=viafoura&#45;platform>" + filler

    found = find(page)

    assert found is not None
    assert page[slice(*found)] == b"<script id=viafoura&#45;platform>"


@pytest.mark.parametrize("end", [b"", b"#", b"&", b"&#", b"&#4", b"&#x", b"#f00"])
def test_finds_nothing_where_a_page_ends_in_a_reference(end: bytes) -> None:
    """The end of the page may cut a reference anywhere."""
    assert find(b"<p>" + end) is None


def test_goes_on_behind_a_mention() -> None:
    """An id that only stands in the text does not end the search."""
    page = b"viafoura-platform <script id=viafoura&#45;platform>"

    assert find(page) == (18, len(page))


def test_passes_a_chunk_as_the_object_it_is() -> None:
    """Where nothing is held, nothing is copied."""
    scanner, chunk = Scanner(), b"<p>some text</p>"

    assert scanner.feed(chunk).before is chunk


def test_holds_only_what_may_be_the_tag() -> None:
    """Of everything that a chunk may cut, only a script's start tag waits for the next one."""
    assert [Scanner().feed(b"a" + cut).before for cut in (b"<", b"<scr", b"<SCRIPT", b"<script i")] == [b"a"] * 4
    for cut in (b"<b", b"<!-", b"</script", b"<scripts", b"<!--<script", b"<template><script ", b"<svg><script "):
        assert Scanner().feed(cut).before == cut


def test_gives_back_what_was_held_at_the_end() -> None:
    """A start tag that never ended is none, and leaves as it came."""
    scanner = Scanner()
    cuts = [scanner.feed(b"a<scr"), scanner.feed(b"ipt id=viafoura-platform")]

    assert [cut.before for cut in cuts] == [b"a", b""]
    assert scanner.end() == b"<script id=viafoura-platform"


def test_gives_back_a_tail_at_the_end() -> None:
    """So does what may have begun one."""
    scanner = Scanner()

    assert scanner.feed(b"a<scr") == Cut(b"a")
    assert scanner.end() == b"<scr"


def test_lets_go_of_a_tag_that_is_another() -> None:
    """What was held of another script leaves with the chunk that ends it."""
    scanner = Scanner()

    assert scanner.feed(b"<script ") == Cut(b"")
    assert scanner.feed(b"async>") == Cut(b"<script async>")


@pytest.mark.parametrize("size", [None, 1000])
def test_matches_a_tag_up_to_the_cap(size: int | None) -> None:
    """A start tag of the greatest length is found; a longer one is let go and never matched, however it is cut."""
    fits = b"<script id=viafoura-platform a='%s'>" % (b"x" * (MAX_TAG - 34))
    too_long = [fits.replace(b"'>", b"x'>"), fits.replace(b"a=", b"a=" + b"x" * 5000)]

    found = [find(page) if size is None else streamed(page, size) for page in (fits, *too_long)]

    assert len(fits) == MAX_TAG
    assert found == [(0, MAX_TAG), None, None]


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize("name", [b"font", b"annotation-xml"])
def test_gives_up_where_a_tag_is_too_long_to_be_understood(name: bytes, size: int | None) -> None:
    """Inside of svg and math, some start tags are understood only with their attributes."""
    page = b"<math><%s a='%s'><p>" % (name, b"x" * MAX_TAG) + TAG

    assert (find(page) if size is None else streamed(page, size)) is None


def test_is_finished_once_the_tag_was_found() -> None:
    """After the tag, chunks need not be fed; when they are, they pass."""
    scanner = Scanner()

    cut = scanner.feed(b"a" + TAG + b"b")

    assert (cut, scanner.finished, scanner.end()) == (Cut(b"a", TAG, b"b"), True, b"")
    assert scanner.feed(TAG) == Cut(TAG)


def test_is_finished_once_the_tag_cannot_come() -> None:
    """After frameset nothing is touched."""
    scanner = Scanner()

    assert not scanner.finished
    assert scanner.feed(b"<frameset>" + TAG) == Cut(b"<frameset>" + TAG)
    assert scanner.finished


def test_remembers_no_tag_that_a_page_makes_long() -> None:
    """What a process keeps of the tags that it saw is bounded in bytes, whatever pages hold."""
    start_tag._remembered_id.cache_clear()
    start_tag._remembered_places.cache_clear()
    long = [b"<script id=viafoura-platform a='%d%s'>" % (number, b"x" * 60_000) for number in range(40)]
    others = [b"<script id=other viafoura-platform=%d%s>" % (number, b"x" * 60_000) for number in range(40)]

    edited = [with_session(page[slice(*find(page) or ())], "7", "s") for page in long]
    for page in others:
        find(page)

    assert all(tag.startswith(b'<script id=viafoura-platform data-uid="7" data-sid="s" a=') for tag in edited)
    assert start_tag._remembered_id.cache_info().currsize == 0
    assert start_tag._remembered_places.cache_info().currsize == 0


EDITS = [
    (b"<script id=viafoura-platform>", b'<script id=viafoura-platform data-uid="7" data-sid="s">'),
    (b'<script id="viafoura-platform" async />', b'<script id="viafoura-platform" data-uid="7" data-sid="s" async />'),
    (b"<script data-uid id=viafoura-platform>", b'<script data-uid="7" id=viafoura-platform data-sid="s">'),
    (b"<script id=viafoura-platform data-sid=>", b'<script id=viafoura-platform data-uid="7" data-sid="s">'),
    (b"<script id=viafoura-platform data-sid = >", b'<script id=viafoura-platform data-uid="7" data-sid = "s">'),
    (b"<script id=viafoura-platform DATA-SID=a/>", b'<script id=viafoura-platform data-uid="7" DATA-SID="s">'),
    (b"<script data-sid='a'id=viafoura-platform>", b'<script data-sid="s"id=viafoura-platform data-uid="7">'),
    (b'<script/id="viafoura-platform"data-sid=x>', b'<script/id="viafoura-platform" data-uid="7"data-sid="s">'),
    (b"<script data-sid/id=viafoura-platform>", b'<script data-sid="s"/id=viafoura-platform data-uid="7">'),
    (
        b"<script data-uid=1 id=viafoura-platform data-uid=2 id=3 data-sid=4>",
        b'<script data-uid="7" id=viafoura-platform data-uid=2 id=3 data-sid="s">',
    ),
]


@pytest.mark.parametrize(("tag", "expected"), EDITS)
def test_sets_the_session(tag: bytes, expected: bytes) -> None:
    """The two attributes are replaced where they stand and added where they do not; all else stays."""
    assert with_session(tag, "7", "s") == expected


def test_escapes_the_session() -> None:
    """No value can leave its quotes, whatever is in it and whatever the page's charset is."""
    tag = with_session(b"<script id=viafoura-platform>", "\"><script>'&amp;\r", "\u00e9\U0001f600")

    assert tag == (
        b'<script id=viafoura-platform data-uid="&quot;&gt;&lt;script&gt;\'&amp;amp;&#13;" data-sid="&#233;&#128512;">'
    )


def test_setting_twice_is_setting_once() -> None:
    """A tag that carries a session gets the new one in its place."""
    once = with_session(b"<script id=viafoura-platform>", "1", "a")

    assert with_session(once, "2", "b") == once.replace(b'"1"', b'"2"').replace(b'"a"', b'"b"')
