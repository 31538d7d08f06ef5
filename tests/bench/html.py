"""The finding and editing of the tag, beside what else a Python site could use for it.

``python -m tests.bench html [--svg FILE] [--quick]`` prints a table with each candidate's time as a multiple of
``bytes.find``'s for the tag's id, all of one page in one run, then how time grows with hostile pages. No pass or fail.

What the candidates do differs: bytes.find only looks for the id, and is wrong wherever it stands in a comment. lol-html
writes the two attributes and copies the page. turbohtml, selectolax and BeautifulSoup make a tree of the page and lose
its bytes; html.parser is stopped at the tag. New Relic's inserter looks for ``<body>`` and writes behind the ``<meta>``
ahead of it, so that it never reads the rest: it is quick, and cannot do this job.

What was tried, on a page of 119 KB where bytes.find takes 27 µs and lol-html 75 (scripts) to 200 (markup):

- Every tag by one possessive pattern: 400 ns a tag, 1150 µs. The alternation in the loop is what costs.
- A search for the tags that matter, wherever their bytes stand, and a proof from the last quotes ahead of them that
  they are not in a value: 190 to 280 µs, of which a search for "<" alone is 80. It beats lol-html where the tag is in
  the first half of a page or absent. The rest is the calls that each script, style and icon takes, about 3 µs.
- For an absent id, bytes.rfind is twice as fast as bytes.find, which takes the two-way algorithm for long needles. That
  leaves time to look for numeric references, one "#" after the other, up to one or two in a kilobyte. Where there are
  more, searching "&#" by pattern takes twice as long as bytes.find takes for the id, and so did all else: bytes.find,
  count and split for "&#", or decoding to UTF-16 and searching pairs with memchr.
"""

import argparse
import contextlib
import html.parser
import re
import timeit
from collections.abc import Callable
from typing import Any, Final

from tests.bench.pages import dense, referenced, scripted, with_tag
from tests.bench.plot import bars
from tests.support.html_hostile import FAMILIES
from viafoura_mw.page.html import Scanner, find, with_session
from viafoura_mw.page.html.start_tag import PLATFORM

Candidate = Callable[[bytes], object]
KINDS: Final = {"markup-dense": dense, "script-heavy": scripted, "dense, many &#39;": referenced}
SIZES: Final = (20_000, 119_000, 500_000, 2_000_000)
SHARES: Final = (0.05, 0.5, 0.95, None)
DRAWN: Final = re.compile(r" 1\d\d KB (?!at 50)")  # the pages of the plot: those of 119 KB, at both ends and absent
CHUNK: Final = 16_384
# Trees of two megabytes take seconds in pure Python, and say nothing that those of half a megabyte do not.
SLOW: Final = frozenset({"html.parser", "BeautifulSoup"})
SLOW_LIMIT: Final = 600_000
SHOWN: Final = (
    "comments that never end",
    "script data escaped again and again",
    "a value that never ends",
    "less-than signs",
    "tags that never end",
    "svg in svg",
    "templates one by one",
    "elements in an integration point",
    "attributes",
    "titles in values",
    "references",
)


def whole(page: bytes) -> bytes:
    """This package, the page in one piece."""
    at = find(page)
    return page if at is None else page[: at[0]] + with_session(page[at[0] : at[1]], "7", "s") + page[at[1] :]


def streamed(page: bytes) -> list[bytes]:
    """This package, the page in chunks, up to the tag as the doors do it."""
    scanner, out = Scanner(), []
    for start in range(0, len(page), CHUNK):
        chunk = page[start : start + CHUNK]
        if scanner.finished:
            out.append(chunk)
            continue
        cut = scanner.feed(chunk)
        out.append(cut.before)
        if cut.tag is not None:
            out += [with_session(cut.tag, "7", "s"), cut.after]
    return out


def _lolhtml() -> Candidate:
    import lolhtml

    class Session:
        def element(self, element: Any) -> None:
            element.set_attribute("data-uid", "7")
            element.set_attribute("data-sid", "s")

    class Sink(list[bytes]):
        write = list.append

    def rewrite(page: bytes) -> bytes:
        sink = Sink()
        rewriter = lolhtml.HTMLRewriter(sink.append)
        rewriter.on("script#viafoura-platform", Session())
        rewriter.write(page)
        rewriter.end()
        return b"".join(sink)

    return rewrite


def _turbohtml() -> Candidate:
    import turbohtml

    return lambda page: turbohtml.parse(page, scripting=True, positions=False).select_one("script#viafoura-platform")


def _selectolax() -> Candidate:
    from selectolax.lexbor import LexborHTMLParser

    return lambda page: LexborHTMLParser(page).css_first("script#viafoura-platform")


def _html_parser() -> Candidate:
    class Found(Exception):
        pass

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "script" and ("id", PLATFORM.decode()) in attrs:
                raise Found

    def parse(page: bytes) -> None:
        with contextlib.suppress(Found):
            Parser().feed(page.decode())

    return parse


def _beautiful_soup() -> Candidate:
    import bs4

    return lambda page: bs4.BeautifulSoup(page, "html.parser").find("script", id=PLATFORM.decode())


def _new_relic() -> Candidate:
    from newrelic.api.html_insertion import insert_html_snippet

    return lambda page: insert_html_snippet(page, lambda: b"<script></script>", search_limit=len(page))


OTHERS: Final = {
    "lol-html": _lolhtml,
    "turbohtml": _turbohtml,
    "selectolax": _selectolax,
    "html.parser": _html_parser,
    "BeautifulSoup": _beautiful_soup,
    "New Relic": _new_relic,
}


def candidates() -> dict[str, Candidate]:
    """What is compared; what is not installed is left out with its reason printed."""
    found: dict[str, Candidate] = {"whole": whole, "16 KB chunks": streamed}
    for name, make in OTHERS.items():
        try:
            found[name] = make()
        except ImportError as missing:
            print(f"without {name}: {missing}")
    return found


def microseconds(run: Callable[[], object]) -> float:
    """The least time of a run, in microseconds: what the machine's other work adds is not the candidate's."""
    timer = timeit.Timer(run)
    once = min(timer.repeat(repeat=3, number=1))
    number = max(1, int(0.003 / once))
    return min(timer.repeat(repeat=9 if once < 0.05 else 1, number=number)) / number * 1e6


def compare(sizes: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Time by page and candidate, printed as it comes."""
    compared = candidates()
    print(f"{'page':>34} {'find µs':>8} " + " ".join(f"{name:>13}" for name in compared))
    times: dict[str, dict[str, float]] = {}
    for kind, make in KINDS.items():
        for size in sizes:
            for share in SHARES:
                page = make(size) if share is None else with_tag(make(size), share)
                label = f"{kind} {len(page) // 1000} KB " + ("absent" if share is None else f"at {share:.0%}")
                floor = microseconds(lambda page=page: page.find(PLATFORM))  # type: ignore[misc]
                row = times[label] = {"bytes.find": floor}
                for name, run in compared.items():
                    if name not in SLOW or size < SLOW_LIMIT:
                        row[name] = microseconds(lambda page=page, run=run: run(page))  # type: ignore[misc]
                cells = (f"{row[name] / floor:>12.1f}x" if name in row else f"{'':>13}" for name in compared)
                print(f"{label:>34} {floor:>8.1f} " + " ".join(cells), flush=True)
    return times


def grow(most: int) -> None:
    """Nanoseconds a byte on hostile pages, in one piece and in chunks: level where time is linear."""
    sizes = [size for size in (10_000, 100_000, 1_000_000, 10_000_000) if size <= most]
    print(f"\n{'ns a byte, in 16 KB chunks, of':>40} " + " ".join(f"{size // 1000:>7} KB" for size in sizes))
    for name in SHOWN:
        cells = []
        for size in sizes:
            page = FAMILIES[name](size)
            took = min(timeit.repeat(lambda page=page: streamed(page), repeat=2, number=1))  # type: ignore[misc]
            cells.append(f"{took / len(page) * 1e9:>10.2f}")
        print(f"{name:>40} " + " ".join(cells), flush=True)


def main(arguments: list[str]) -> None:
    """Print the tables, and draw the first when asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench html", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--svg", help="a file for the plot of the comparison")
    parser.add_argument("--quick", action="store_true", help="pages up to 119 KB, hostile ones up to 1 MB")
    options = parser.parse_args(arguments)
    times = compare(SIZES[:2] if options.quick else SIZES)
    if options.svg:
        drawn = {label: row for label, row in times.items() if DRAWN.search(label)}
        bars(options.svg, "Finding the tag: times the time of bytes.find", drawn, "bytes.find")
    grow(1_000_000 if options.quick else 10_000_000)
