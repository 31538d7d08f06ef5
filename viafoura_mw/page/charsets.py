"""Whether a page's bytes can be read, and its tag edited, as ASCII: whether its charset is a superset of ASCII.

The charset is what a browser takes it to be (WHATWG HTML §13.2.3.2, "Determining the character encoding"): by a byte
order mark, else by the label in the header, else by a declaration near the page's start, else by a guess, and all that
is ever guessed is a superset of ASCII.
"""

import re
from collections.abc import Iterator
from typing import Final

_WHITESPACE: Final = "\t\n\f\r "

# The labels of the WHATWG Encoding Standard (§4.2). Python's codecs are no judge of this: they do not know a third of
# the labels, know others that are none, and decode ISO-2022-JP's shifts to ASCII as ASCII.
_LABELS_OF_SUPERSETS: Final = """
    unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8
    ansi_x3.4-1968 ascii cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1
    iso_8859-1:1987 l1 latin1 us-ascii
    csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
    csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
    csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
    csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
    arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i
    iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
    csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7
    iso_8859-7:1987 sun_eu_greek
    csiso88598e csiso88598i csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-8859-8-i iso-ir-138 iso8859-8
    iso88598 iso_8859-8 iso_8859-8:1988 logical visual
    csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5
    csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6
    dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874
    iso-8859-13 iso8859-13 iso885913 iso-8859-14 iso8859-14 iso885914
    csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 iso-8859-16
    cp1250 windows-1250 x-cp1250 cp1251 windows-1251 x-cp1251 cp1252 windows-1252 x-cp1252
    cp1253 windows-1253 x-cp1253 cp1254 windows-1254 x-cp1254 cp1255 windows-1255 x-cp1255
    cp1256 windows-1256 x-cp1256 cp1257 windows-1257 x-cp1257 cp1258 windows-1258 x-cp1258
    866 cp866 csibm866 ibm866 csmacintosh mac macintosh x-mac-roman x-mac-cyrillic x-mac-ukrainian
    cskoi8r koi koi8 koi8-r koi8_r koi8-ru koi8-u
    chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk
    big5 big5-hkscs cn-big5 csbig5 x-x-big5
    cseucpkdfmtjapanese euc-jp x-euc-jp csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis
    cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949
    x-user-defined
"""
_LABELS_OF_OTHERS: Final = """
    csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff unicodefffe utf-16 utf-16be utf-16le
    csiso2022jp iso-2022-jp
    csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement
"""
_SUPERSETS: Final = frozenset(_LABELS_OF_SUPERSETS.split())
_OTHERS: Final = frozenset(_LABELS_OF_OTHERS.split())
_OTHERS_BYTES: Final = frozenset(_LABELS_OF_OTHERS.encode().split())

_UTF_8_MARK: Final = b"\xef\xbb\xbf"
_UTF_16_OR_32_MARKS: Final = (b"\xfe\xff", b"\xff\xfe", b"\x00\x00\xfe\xff")
_UTF_16_XML: Final = (b"<\x00?\x00x\x00", b"\x00<\x00?\x00x")  # the start of an XML declaration without a mark

# The parts of the prescan's algorithm. Possessive, so that no text takes more than linear time.
_MARKUP: Final = re.compile(
    rb"""
      <!(?=--) .*? (?:--(?=>)|\Z)  # a comment; the dashes of its two ends may be the same
    | <(meta)(?=[\t\n\f\r\ /])
    | </?[a-z] [^\t\n\f\r\ >]*+
    | <[!/?] [^>]*+
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    rb"""
    [\t\n\f\r\ /]*+  ( [^\t\n\f\r\ />] [^\t\n\f\r\ />=]*+ )
    (?: [\t\n\f\r\ ]*+ = [\t\n\f\r\ ]*+
        (?: "([^"]*+)(?:"|\Z) | '([^']*+)(?:'|\Z) | ([^"'\t\n\f\r\ >] [^\t\n\f\r\ >]*+)? ) )?
    """,
    re.VERBOSE,
)
_TAG_END: Final = re.compile(rb"[\t\n\f\r /]*+>")
_CONTENT: Final = re.compile(  # "extracting a character encoding from a meta element"
    rb"""
    charset [\t\n\f\r\ ]*+ = [\t\n\f\r\ ]*+
    (?: "([^"]*+)" | '([^']*+)' | ([^"';\t\n\f\r\ ] [^;\t\n\f\r\ ]*+)? )
    """,
    re.VERBOSE,
)
# What follows "charset" wherever a label is declared, as an attribute's value or in "content".
_LABEL: Final = re.compile(rb"""[\t\n\f\r ]*+=[\t\n\f\r ]*+["']?[\t\n\f\r ]*+([^"';>\t\n\f\r ]*+)""")
_XML_DECLARATION: Final = re.compile(
    rb"""<\?xml [^>]*? encoding [\x00-\x20]*+ = [\x00-\x20]*+ (?: "([^">]*+)" | '([^'>]*+)' )""", re.VERBOSE
)


def ascii_superset(label: str) -> bool:
    """Whether ``label``, as in ``Content-Type``, names a charset in which ASCII bytes mean ASCII characters.

    False for a label that browsers do not know.
    """
    return label in _SUPERSETS or _canonical(label) in _SUPERSETS


def readable(label: str | None, prefix: bytes, *, escapes: bool = False) -> bool:
    """Whether a page is in a superset of ASCII.

    ``label`` is the charset in its header, ``None`` without one. ``prefix`` is the start of its decoded body: 1024
    bytes, or all there is. A declaration inside the page that says UTF-16 is taken at its word, although a browser
    that could read it would know better; one that browsers do not know is passed over, as they do.

    ``escapes``: an ESC stands ahead of what is to be read. Without a label such a page is not read: browsers take a
    declaration of ISO-2022-JP also from behind the first 1024 bytes, and from behind a script that holds another
    declaration, and whatever ISO-2022-JP reads otherwise than ASCII stands behind an ESC.
    """
    if prefix.startswith(_UTF_16_OR_32_MARKS):
        return False
    if prefix.startswith(_UTF_8_MARK):
        return True
    if label is not None:
        return ascii_superset(label)
    if escapes or prefix.startswith(_UTF_16_XML):
        return False
    if not _may_declare_another(prefix.lower()):
        return True  # whatever the prescan finds, which takes ten times as long
    declared = map(_canonical, _declared(prefix))
    known = next((charset for charset in declared if charset in _SUPERSETS or charset in _OTHERS), "utf-8")
    return known in _SUPERSETS


def _may_declare_another(lower: bytes) -> bool:
    """Whether the start of a page, in lower case, names a charset that is no superset of ASCII where one may stand."""
    if lower.startswith(b"<?xml"):
        return True
    at = lower.find(b"charset")
    while at >= 0:
        label = _LABEL.match(lower, at + 7)
        if label and label[1] in _OTHERS_BYTES:
            return True
        at = lower.find(b"charset", at + 7)
    return False


def _canonical(label: str) -> str:
    return label.strip(_WHITESPACE).lower()


def _declared(prefix: bytes) -> Iterator[str]:
    """The labels that a page declares, in the order of their weight ("prescan a byte stream")."""
    for meta in _metas(prefix):
        if b"charset" in meta:
            yield meta[b"charset"].decode("latin-1")
        elif meta.get(b"http-equiv") == b"content-type" and (content := _CONTENT.search(meta.get(b"content", b""))):
            yield _captured(content).decode("latin-1")
    if declaration := _XML_DECLARATION.match(prefix):
        yield _captured(declaration).decode("latin-1")


def _metas(prefix: bytes) -> Iterator[dict[bytes, bytes]]:
    """The attributes of each ``<meta>``, in lower case, up to a tag that does not end in ``prefix``."""
    at = 0
    while markup := _MARKUP.search(prefix, at):
        at = markup.end()
        attributes: dict[bytes, bytes] = {}
        while attribute := _ATTRIBUTE.match(prefix, at):
            at = attribute.end()
            attributes.setdefault(attribute[1].lower(), _captured(attribute, 2).lower())
        if not _TAG_END.match(prefix, at):
            return
        if markup[1]:
            yield attributes


def _captured(match: re.Match[bytes], first: int = 1) -> bytes:
    """The one group, from the ``first`` on, that took part; empty if none did."""
    return b"".join(group or b"" for group in match.groups()[first - 1 :])
