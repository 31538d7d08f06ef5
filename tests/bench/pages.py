"""Pages of real sizes to measure with, made of a seed: markup-dense and script-heavy, ampersands everywhere."""

import random
from typing import Final

TAG: Final = b'<script async id="viafoura-platform" src="https://cdn.example/viafoura.js"></script>'
_TEXT: Final = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an
they which council vote budget river market season coach minister report evening station review platform article comment
readers opinion history weather traffic festival gallery concert election research village harbour viaduct"""
_WORDS: Final = tuple(_TEXT.split())
_ENTITIES: Final = ("&amp;", "&nbsp;", "&mdash;", "&rsquo;", "&quot;", "&eacute;", "&#39;")


class _Writer:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def words(self, count: int) -> str:
        pick = self._random.choice
        words = [pick(_WORDS) for _ in range(count)]
        words[count // 2] += pick(_ENTITIES)
        return " ".join(words)

    def link(self) -> str:
        number = self._random.randrange
        link = f"/news/{number(9999)}/{number(9999)}?utm_source=home&amp;utm_medium=card&page={number(99)}"
        return f'<a class="card__link u-block" href="{link}" data-id="{number(10**6)}">'

    def card(self) -> str:
        """A teaser as sites' templates write it: more markup than text."""
        number = self._random.randrange
        return (
            f'<li class="card card--{number(9)} col-md-{number(12)}"><article data-role="teaser">{self.link()}'
            f'<img src="/img/{number(9999)}.jpg?w=320&h=180" alt="{self.words(4)}" width="320" height="180"'
            f' loading="lazy">'
            f'<h3 class="card__title">{self.words(7)}</h3></a>\n<p class="card__text">{self.words(16)} '
            f'<span class="card__meta"><time datetime="2026-11-23T10:{number(10, 60)}">{number(9)} h</time>'
            f" <b>{self.words(2)}</b></span></p></article></li>\n"
        )

    def paragraph(self) -> str:
        return f"<p>{self.words(60)} {self.link()}{self.words(3)}</a> {self.words(30)}</p>\n"

    def icon(self) -> str:
        number = self._random.randrange
        path = " ".join(f"M{number(24)} {number(24)}l{number(9)}-{number(9)}z" for _ in range(6))
        return f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path fill="none" d="{path}"/></svg>\n'

    def script(self, size: int) -> str:
        """State of an application as frameworks inline it."""
        number = self._random.randrange
        items: list[str] = []
        length = 0
        while length < size:
            items.append(
                f'{{"id":{number(10**6)},"title":"{self.words(8)}","html":"\\u003cp>{self.words(12)}<\\/p>",'
                f'"url":"/n/{number(9999)}?a=1&b=2","on":a<b&&b>c}}'
            )
            length += len(items[-1])
        return f"<script>window.__STATE__=[{','.join(items)}];</script>\n"

    def style(self) -> str:
        number = self._random.randrange
        rules = "".join(f".c{number(999)}>a{{color:#{number(4096):03x};margin:{number(9)}px}}" for _ in range(40))
        return f"<style>{rules}</style>\n"

    def head(self) -> str:
        links = "".join(f'<link rel="preload" href="/a/{i}.css?v=1&amp;m=2" as="style">\n' for i in range(8))
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>News &amp; more</title>\n'
            f"{links}{self.style()}<script>window.dataLayer=window.dataLayer||[];</script></head>\n"
            '<body class="home">\n'
        )


def dense(size: int, seed: int = 1) -> bytes:
    """A page of teasers: a tag every thirty-odd bytes."""
    write = _Writer(seed)
    parts = [write.head()]
    length = 0
    while length < size:
        part = write.card()
        if len(parts) % 9 == 0:
            part += write.icon() + "<!-- ad -->" + write.script(300)
        if len(parts) % 7 == 0:
            part += write.paragraph()
        parts.append(part)
        length += len(part)
    return "".join([*parts, "</body></html>\n"]).encode()


def scripted(size: int, seed: int = 2) -> bytes:
    """A page whose bulk is inline state, as single-page frameworks send it."""
    write = _Writer(seed)
    parts = [write.head()]
    length = 0
    while length < size:
        part = write.script(size // 12) + "".join(write.card() + write.icon() for _ in range(1 + size // 40_000))
        parts.append(part)
        length += len(part)
    return "".join([*parts, "</body></html>\n"]).encode()


def referenced(size: int) -> bytes:
    """A page of teasers whose every apostrophe and quotation mark is a numeric reference, as template engines write."""
    page = dense(size)
    for named, numeric in (
        (b"&quot;", b"&#34;"),
        (b"&rsquo;", b"&#39;"),
        (b"&mdash;", b"&#8212;"),
        (b"&nbsp;", b"&#160;"),
    ):
        page = page.replace(named, numeric)
    return page


def with_tag(page: bytes, share: float) -> bytes:
    """The page with the platform's tag at about this share of its length, between two elements of the body."""
    body = page.index(b"<body")
    at = max(page.rfind(b"</li>\n", 0, max(int(len(page) * share), body)), page.index(b"\n", body)) + 1
    at = page.index(b"\n", at - 1) + 1
    return page[:at] + TAG + page[at:]
