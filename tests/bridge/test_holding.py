"""The holding of a script: which are held, and how a held start tag reads."""

import pytest

from viafoura_mw.bridge.holding import Holding, Left, held, nonce_of
from viafoura_mw.bridge.script import ON_ERROR, BridgeScript

PARKED = b'type="text/x-viafoura-parked"'
OWN = b"data-viafoura-type"

ESSENCES = [
    "application/ecmascript",
    "application/javascript",
    "application/x-ecmascript",
    "application/x-javascript",
    "text/ecmascript",
    "text/javascript",
    "text/javascript1.0",
    "text/javascript1.1",
    "text/javascript1.2",
    "text/javascript1.3",
    "text/javascript1.4",
    "text/javascript1.5",
    "text/jscript",
    "text/livescript",
    "text/x-ecmascript",
    "text/x-javascript",
]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (b"<script id=a>", b"<script " + PARKED + b" id=a>"),
        (b"<script\nid=a>", b"<script " + PARKED + b"\nid=a>"),
        (b"<SCRIPT>", b"<SCRIPT " + PARKED + b">"),
        (b"<script/>", b"<script " + PARKED + b"/>"),
        (b"<script async src=a>", b"<script " + PARKED + b" async src=a>"),
        (b"<script src=a async=false>", b"<script " + PARKED + b" src=a async=false>"),
        (b"<script src=a DEFER>", b"<script " + PARKED + b" src=a DEFER>"),
        (b"<script id=a defer>", b"<script " + PARKED + b" id=a defer>"),
        (b"<script src=a type=module>", b"<script src=a " + PARKED + b" " + OWN + b'="module">'),
        (b"<script type=module id=a>", b"<script " + PARKED + b" " + OWN + b'="module" id=a>'),
        (b"<script type = 'module'id=a>", b"<script " + PARKED + b" " + OWN + b'="module"id=a>'),
        (b'<script TYPE=" text/JavaScript " id=a>', b"<script " + PARKED + b" " + OWN + b'=" text/JavaScript " id=a>'),
        (b"<script id=a type>", b"<script id=a " + PARKED + b" " + OWN + b'="">'),
        (b'<script type="" id=a>', b"<script " + PARKED + b" " + OWN + b'="" id=a>'),
        (b"<script type=>", b"<script " + PARKED + b" " + OWN + b'="">'),
        (
            b"<script type=text/javascript type=text/plain>",
            b"<script " + PARKED + b" " + OWN + b'="text/javascript" type=text/plain>',
        ),
        (b"<script type=text&#47;javascript>", b"<script " + PARKED + b" " + OWN + b'="text&#47;javascript">'),
        (b"<script language=javascript>", b"<script " + PARKED + b" language=javascript>"),
        (b"<script language>", b"<script " + PARKED + b" language>"),
        *(
            (f"<script type={each}>".encode(), b"<script " + PARKED + b" " + OWN + f'="{each}">'.encode())
            for each in ESSENCES
        ),
    ],
)
def test_holds_what_runs_without_waiting(tag: bytes, expected: bytes) -> None:
    """Its ``type`` is another, its own is kept as spelled, and every other byte stays."""
    assert held(tag) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        b"type=text/plain",
        b"type=text/partytown",
        b"type=importmap",
        b"type=speculationrules",
        b"type=' '",
        b'type="text/javascript; charset=utf-8"',
        b"type=text/x-viafoura-parked",
        b"async nomodule src=a",
        b"async src=a data-viafoura-type=x",
        b"language=vbscript",
    ],
)
def test_leaves_what_no_browser_runs(attributes: bytes) -> None:
    """Or not every one; or what was held before."""
    assert held(b"<script " + attributes + b">") is Left.PARKED


@pytest.mark.parametrize(
    "attributes", [b"src=a", b"src", b"type=text/javascript src=a", b"SRC='a' id=viafoura-platform"]
)
def test_leaves_what_the_page_waits_for(attributes: bytes) -> None:
    """The next line may rely on it."""
    assert held(b"<script " + attributes + b">") is Left.BLOCKING


@pytest.mark.parametrize(
    ("src", "matches"),
    [
        (b"//cdn.viafoura.net/entry/index.js", True),
        (b"https://cdn.viafoura.net/vf.js?a=1&amp;b=2", True),
        (b"https:&#47;&#x2F;cdn.viafoura.net/vf.js", True),
        (b"https:&sol;&sol;cdn.viafoura.net/vf.js", True),
        (b"//cdn.viafoura.net.evil.example/", False),
        (b"/cdn.viafoura.net/entry/index.js", False),
        (b"//cdn.viafoura.net&period;/", False),
        (b"", False),
        (b"\xff//cdn.viafoura.net/", True),
    ],
)
def test_matches_scripts_by_their_src(src: bytes, *, matches: bool) -> None:
    """As spelled, with its character references read."""
    holding = Holding(["*//cdn.viafoura.net/*"], "/v/", BridgeScript(b"", "0" * 16))
    assert holding.matches(b'<script async src="' + src + b'">') is matches


def test_matches_no_script_without_src() -> None:
    """Whatever the globs are."""
    assert not Holding(["*"], "/v/", BridgeScript(b"", "0" * 16)).matches(b"<script async>")


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        (b"?a=1&copy=2", "?a=1&copy=2"),
        (b"?a=1&copy", "?a=1\N{COPYRIGHT SIGN}"),
        (b"?a=1&copy;=2", "?a=1\N{COPYRIGHT SIGN}=2"),
        (b"?a&nosuch;b&", "?a&nosuch;b&"),
        (b"?a&copyfoo", "?a&copyfoo"),
        (b"&#65&#x42;&amp", "AB&"),
    ],
)
def test_reads_references_as_in_an_attribute(value: bytes, reads: str) -> None:
    """A query's ampersand is none."""
    holding = Holding([reads.replace("?", "[?]")], "/v/", BridgeScript(b"", "0" * 16))
    assert holding.matches(b'<script src="' + value + b'">')


@pytest.mark.parametrize(
    ("tag", "nonce"),
    [
        (b"<script id=a>", b""),
        (b"<script nonce>", b""),
        (b'<script nonce="abc">', b' nonce="abc"'),
        (b"<script NONCE=abc nonce=x>", b' nonce="abc"'),
        (b"<script nonce='a\"b&amp;'>", b' nonce="a&quot;b&amp;"'),
    ],
)
def test_puts_the_bridge_before_the_tag(tag: bytes, nonce: bytes) -> None:
    """With the tag's nonce, and with a handler where no policy refuses one."""
    holding = Holding(["*"], "/v/", BridgeScript(b"", "0123456789abcdef"))
    opening = b'<script src="/v/bridge.js?0123456789abcdef" async data-cfasync="false"' + nonce
    assert holding.before_the_tag(nonce_of(tag), may_handle=False) == opening + b"></script>"
    handled = holding.before_the_tag(nonce_of(tag), may_handle=True)
    assert handled == opening + f' onerror="{ON_ERROR}"></script>'.encode()


def test_matches_a_long_tag_too() -> None:
    """Which is not remembered."""
    holding = Holding(["*//x/*"], "/v/", BridgeScript(b"", "0" * 16))
    assert holding.matches(b"<script src=//x/ data-a=" + b"a" * 2000 + b">")
