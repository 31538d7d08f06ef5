"""Families of hostile pages that grow with a count, for tests of linear time and for the benchmark."""

from collections.abc import Callable
from typing import Final

TAG: Final = b"<script id=viafoura-platform>"

FAMILIES: Final[dict[str, Callable[[int], bytes]]] = {
    "comments that never end": lambda size: b"<!-- " * (size // 5),
    "script data escaped again and again": lambda size: b"<script><!----" * (size // 14),
    "script data double escaped": lambda size: b"<script><!--" + b"<script></script>" * (size // 17),
    "a value that never ends": lambda size: b'<a b="' + b"x" * size,
    "an id that never ends": lambda size: b'<script id="' + b"&#45;" * (size // 5),
    "less-than signs": lambda size: b"<" * size,
    "tags that never end": lambda size: b"<a " * (size // 3),
    "end tags that never end": lambda size: b"</a b='" * (size // 7),
    "svg in svg": lambda size: b"<svg>" * (size // 5),
    "icons that never end": lambda size: b"<svg><path/><path/><p>" * (size // 22),
    "end tags of SVG's own in svg": lambda size: b"<svg>" + b"</g>" * (size // 4),
    "elements of SVG's own in HTML": lambda size: b"<svg></g></svg>" + b"<g>" * (size // 3),
    "names of SVG's own in values": lambda size: b"<svg></g></svg>" + b"<a b='<g>' c=\"=\"><i d='='>" * (size // 27),
    "svg after svg with an extra end tag": lambda size: b"<g><svg></path></g></svg>" * (size // 25),
    "templates in templates": lambda size: b"<template>" * (size // 10),
    "templates one by one": lambda size: b"<template></template>" * (size // 21),
    "elements in an integration point": lambda size: b"<svg><desc>" + b"<b>" * 50 + b"<i></i>" * (size // 7),
    "quotes after equals signs": lambda size: b'a="></3>' * (size // 8) + b"<title></title>" * (size // 64),
    "titles in values": lambda size: b"<a b='<title>' c=\"=\"><i d='='>" * (size // 31),
    "attributes": lambda size: b"<a " + b"b=c d " * (size // 6) + b">",
    "spaces": lambda size: b"<a b" + b" " * size,
    "solidi": lambda size: b"<a" + b"/" * size,
    "references": lambda size: b"&#39;" * (size // 5),
    "zeros": lambda size: b"&#" + b"0" * size,
    "bogus comments": lambda size: b"</3>" * (size // 4) + b'="<title>',
    "declarations": lambda size: b"<![CDATA[" * (size // 9),
    "scripts": lambda size: b"<script></script>" * (size // 17),
    "less-than signs in a script": lambda size: b"<script>" + b"a<b" * (size // 3),
    "a name that never ends": lambda size: b"<" + b"x" * size,
}
