"""Plots of benchmarks as plain SVG: no library is needed to draw bars."""

import html
import math
from pathlib import Path
from typing import Final

_COLOURS: Final = ("#c0392b", "#e67e22", "#2c3e50", "#2980b9", "#16a085", "#8e44ad", "#7f8c8d", "#95a5a6")
_LABEL: Final = 340
_WIDTH: Final = 520
_BAR: Final = 9

Rows = dict[str, dict[str, float]]


class _Axis:
    """Where a ratio stands, in pixels, on a scale from ``low`` to ``high``."""

    def __init__(self, ratios: list[float], *, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        self._low: float
        self._high: float
        if logarithmic:
            self._low, self._high = math.floor(math.log10(min(ratios))), math.ceil(math.log10(max(ratios)))
            self.ticks = [10.0**power for power in range(int(self._low), int(self._high) + 1)]
        else:
            self._low, self._high = 0.0, math.ceil(2 * max(ratios)) / 2
            self.ticks = [half / 2 for half in range(int(2 * self._high) + 1)]

    def across(self, ratio: float) -> float:
        place = math.log10(ratio) if self._logarithmic else ratio
        return _LABEL + (place - self._low) / (self._high - self._low) * _WIDTH


def bars(path: str, title: str, rows: Rows, unit: str, *, logarithmic: bool = True) -> None:
    """Write a plot with a group of bars for each row: its values as multiples of its ``unit``."""
    ratios = {
        row: {name: value / values[unit] for name, value in values.items() if name != unit}
        for row, values in rows.items()
    }
    axis = _Axis([ratio for values in ratios.values() for ratio in values.values()], logarithmic=logarithmic)
    names = list(dict.fromkeys(name for values in ratios.values() for name in values))
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    parts = [f'<text x="10" y="20" font-size="15">{html.escape(title)}</text>']
    for place, name in enumerate(names):
        parts.append(f'<rect x="{10 + place * 110}" y="30" width="10" height="10" fill="{colours[name]}"/>')
        parts.append(f'<text x="{24 + place * 110}" y="39">{html.escape(name)}</text>')
    top = 62
    for row, values in ratios.items():
        middle = top + _BAR * len(values) / 2 + 4
        parts.append(f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{html.escape(row)}</text>')
        for name, ratio in values.items():
            parts.append(
                _bar(top, axis.across(ratio), colours[name], f"{ratio:.1f}" if logarithmic else f"{ratio:.2f}")
            )
            top += _BAR
        top += 8
    for tick in axis.ticks:
        x = axis.across(tick)
        parts.append(f'<path d="M{x:.1f} 56V{top}" stroke="#000" stroke-opacity="0.15"/>')
        parts.append(f'<text x="{x:.1f}" y="54" text-anchor="middle" font-size="9">{tick:g}</text>')
    size = f'width="{_LABEL + _WIDTH + 60}" height="{top + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    Path(path).write_text("\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"]))


def _bar(top: int, end: float, colour: str, label: str) -> str:
    width = f"{end - _LABEL:.1f}"
    bar = f'<rect x="{_LABEL}" y="{top}" width="{width}" height="{_BAR - 1}" fill="{colour}"/>'
    return f'{bar}<text x="{end + 3:.1f}" y="{top + 8}" font-size="8">{label}</text>'
