"""``python -m tests.diagrams``: who asks whom, as the docs show it. A test holds the pictures to what this draws."""

import html
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PICTURES: Final = Path(__file__).parents[1] / ".pictures"
_WIDTH: Final = 860
_STEP: Final = 34  # pixels from one line to the next
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1b1b1b; }
.actor, .section { font-weight: 600; }
.section { font-size: 15px; }
.note { fill: #0b5563; }
rect { fill: #fff; }
.box { fill: #eef3f4; stroke: #b9c7ca; }
.life { stroke: #c9d3d5; stroke-dasharray: 3 4; }
.arrow { stroke: #0b5563; stroke-width: 1.5; fill: none; }
marker path { fill: #0b5563; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6e6; }
  .note { fill: #7fd0dc; }
  rect { fill: #15181a; }
  .box { fill: #243033; stroke: #45565a; }
  .life { stroke: #3a4749; }
  .arrow { stroke: #7fd0dc; }
  marker path { fill: #7fd0dc; }
}
"""


@dataclass(frozen=True)
class Asks:
    """An arrow from one actor to another, with what it carries above it."""

    who: str
    whom: str
    what: str


@dataclass(frozen=True)
class Does:
    """What an actor does by itself."""

    who: str
    what: str


Step = Asks | Does


@dataclass(frozen=True)
class Diagram:
    """Actors from left to right, and what happens, from top to bottom, in named sections."""

    title: str
    actors: tuple[str, ...]
    sections: tuple[tuple[str, tuple[Step, ...]], ...]


BROWSER, CACHE, MIDDLEWARE, SITE, VIAFOURA = "browser", "cache", "viafoura-mw", "your site", "Viafoura"

DIAGRAMS: Final = {
    "page-views.svg": Diagram(
        "The two page views of a signed-in user",
        (BROWSER, MIDDLEWARE, SITE, VIAFOURA),
        (
            (
                "A user's first page",
                (
                    Asks(BROWSER, MIDDLEWARE, "GET /story"),
                    Asks(MIDDLEWARE, SITE, "GET /story"),
                    Asks(SITE, MIDDLEWARE, "the page"),
                    Does(MIDDLEWARE, "Is the tag there? Who is the user?"),
                    Asks(MIDDLEWARE, VIAFOURA, "token, login: id, name, e-mail address"),
                    Asks(VIAFOURA, MIDDLEWARE, "user_id, session"),
                    Asks(MIDDLEWARE, BROWSER, "page with pair; cookie"),
                ),
            ),
            (
                "Every page after that",
                (
                    Asks(BROWSER, MIDDLEWARE, "GET /story, cookie"),
                    Asks(MIDDLEWARE, SITE, "GET /story"),
                    Asks(SITE, MIDDLEWARE, "the page"),
                    Does(MIDDLEWARE, "Is the tag there? Is the cookie this user's?"),
                    Asks(MIDDLEWARE, BROWSER, "page with pair"),
                ),
            ),
        ),
    ),
    "bridge.svg": Diagram(
        "The bridge: pages that a cache serves to everybody",
        (BROWSER, CACHE, MIDDLEWARE, SITE, VIAFOURA),
        (
            (
                "A page",
                (
                    Asks(BROWSER, CACHE, "GET /story"),
                    Asks(CACHE, BROWSER, "everybody's page"),
                    Does(BROWSER, "Viafoura's scripts wait; bridge.js asks who is reading"),
                    Asks(BROWSER, MIDDLEWARE, "POST /_viafoura/session"),
                    Asks(MIDDLEWARE, SITE, "who is reading?"),
                    Asks(MIDDLEWARE, VIAFOURA, "login, the first time"),
                    Asks(MIDDLEWARE, BROWSER, "this reader's pair; no cache keeps it"),
                    Does(BROWSER, "bridge.js sets the pair and lets the scripts run"),
                ),
            ),
            (
                "The reader signs out in Viafoura's widget",
                (
                    Asks(BROWSER, MIDDLEWARE, "POST /_viafoura/logout"),
                    Asks(MIDDLEWARE, VIAFOURA, "logout"),
                    Asks(BROWSER, SITE, "GET VIAFOURA_LOGOUT_URL"),
                ),
            ),
            (
                "The reader signs out of your site",
                (
                    Asks(BROWSER, SITE, "sign out"),
                    Asks(BROWSER, MIDDLEWARE, "POST /_viafoura/session"),
                    Asks(MIDDLEWARE, VIAFOURA, "logout"),
                    Asks(MIDDLEWARE, BROWSER, "nobody is reading"),
                    Does(BROWSER, "bridge.js signs the reader out of the widget"),
                ),
            ),
        ),
    ),
}


def drawn(diagram: Diagram) -> str:
    """The diagram as SVG, for light and dark."""
    between = _WIDTH / len(diagram.actors)
    across = {actor: between * (place + 0.5) for place, actor in enumerate(diagram.actors)}
    parts, lines = [], []
    top = 70
    for name, steps in diagram.sections:
        top += 22
        parts.append(f'<text class="section" x="16" y="{top}">{html.escape(name)}</text>')
        for step in steps:
            top += _STEP
            parts += _asking(step, across, top) if isinstance(step, Asks) else [_doing(step, across, top)]
        top += 16
    for actor, x in across.items():
        parts.append(f'<rect class="box" x="{x - 58:g}" y="14" width="116" height="30" rx="5"/>')
        parts.append(f'<text class="actor" x="{x:g}" y="34" text-anchor="middle">{actor}</text>')
        lines.append(f'<path class="life" d="M{x:g} 44V{top}"/>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 10}" width="{_WIDTH}" role="img">'
        f"<title>{html.escape(diagram.title)}</title><style>{_STYLE}</style>"
        '<marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z"/></marker>'
        '<rect width="100%" height="100%"/>'
    )
    return "\n".join([head, *lines, *parts, "</svg>", ""])


def _asking(step: Asks, across: dict[str, float], top: float) -> list[str]:
    start, end = across[step.who], across[step.whom]
    return [
        f'<path class="arrow" marker-end="url(#end)" d="M{start:g} {top}H{end:g}"/>',
        _said((start + end) / 2, top - 7, step.what, "asked"),
    ]


def _doing(step: Does, across: dict[str, float], top: float) -> str:
    x = across[step.who]
    half = 3.6 * len(step.what)
    return _said(max(x, half + 10), top - 4, step.what, "note")


def _said(x: float, y: float, text: str, kind: str) -> str:
    """A text on a ground of its own, so that no line goes through it."""
    half = 3.6 * len(text)
    ground = f'<rect x="{x - half:g}" y="{y - 12:g}" width="{2 * half:g}" height="16"/>'
    return f'{ground}<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="middle">{html.escape(text)}</text>'


def main() -> None:
    """Draw them all."""
    for name, diagram in DIAGRAMS.items():
        (PICTURES / name).write_text(drawn(diagram), "utf-8")
        sys.stdout.write(f"{PICTURES / name}\n")


if __name__ == "__main__":
    main()
